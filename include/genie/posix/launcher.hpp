// The launcher policy by fork and execve, for every system that can wait for a process which it did not start.
//
// Two processes come into being. The caller forks an *attendant*, the attendant forks the program. Why not one:
//   - A server is its parent's child for life. If it were the caller's, a caller that lives on (an editor) would keep a
//     zombie of each server that ended. When the attendant ends, the server becomes the child of the system's init, or
//     of the nearest subreaper, which reaps it.
//   - Only a parent learns an exit status. As long as the caller wants to know it, the attendant is there to ask, and
//     does not reap the program, so that its PID stays its own.
//   - The caller's own SIGCHLD handler and `waitpid(-1)` loops see neither, where the system can fork a child that
//   tells
//     nobody of its end (Linux, FreeBSD).
// The attendant blocks all signals, holds nothing of the caller's but one end of a socket (no lock, no stream, no log),
// runs nothing but the code below, and ends with the caller, or in `close`. Should somebody kill it, the program goes
// on, and `reap` answers ECHILD.
#ifndef GENIE_POSIX_LAUNCHER_HPP
#define GENIE_POSIX_LAUNCHER_HPP

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/policy/launcher.hpp"
#include "genie/posix/descriptor.hpp"
#include "genie/posix/file_status.hpp"
#include "genie/posix/files.hpp"

namespace genie::inline v0::posix_detail {

/// While it lives, no signal handler runs in this thread, nor in what it forks. Source: `sigprocmask(2)`.
class BlockedSignals {
 public:
  BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// Whether a variable speaks of the process that it was given to, and would be a lie in another one: the notification
/// and watchdog protocol of service managers, the sockets that they pass, and the PID that they tell to their own
/// commands. Source: `sd_notify(3)`, `sd_listen_fds(3)`, `sd_watchdog_enabled(3)`, `systemd.exec(5)`.
[[nodiscard]] constexpr bool is_for_one_process(Text variable) noexcept {
  constexpr const char* names[] = {"NOTIFY_SOCKET",  "LISTEN_PID",   "LISTEN_PIDFDID", "LISTEN_FDS",
                                   "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC",  "MAINPID"};
  const Text name = variable.first(variable.find('='));
  for (const char* const other : names) {
    if (name == Text{other}) return true;
  }
  return false;
}

/// Requires: a process that was forked, whose memory is nobody else's: the variables are moved in their place.
template <typename System>
[[nodiscard]] char* const* environment_for(const LaunchPlan& plan) noexcept {
  if (plan.environment != nullptr) return const_cast<char* const*>(plan.environment);
  char** const own = System::environment();
  if (own == nullptr) return nullptr;
  char** kept = own;
  for (char** variable = own; *variable != nullptr; ++variable) {
    if (!is_for_one_process(*variable)) *kept++ = *variable;
  }
  *kept = nullptr;
  return own;
}

/// What a process becomes that is to execute a program. Runs in that process only.
template <typename System>
class LaunchedProcess {
 public:
  /// `report` is told an errno: 0 when all is ready, another one where something failed. It is closed by `execve(2)`.
  explicit LaunchedProcess(int report) noexcept : report_{report} {}

  /// Executes the program when a byte comes from `gate`, and ends when none will: nobody but the parent can open it.
  /// Until then it is killed when its parent ends: it may hang in a file system that does not answer.
  [[noreturn]] void run(const LaunchPlan& plan, int file, int gate, pid_t parent) noexcept {
    // Where that is refused, or is not to be had, a hanging process only ends later.
    System::end_with_parent(true);
    require(::getppid() == parent, ESRCH);
    check(::setsid());
    arrange_descriptors(plan, file, gate);
    ::umask(static_cast<mode_t>(plan.file_mode_mask));
    check(::chdir(plan.directory));
    if (plan.adopts_orphans) check(System::adopt_orphans());
    reset_signals();
    char* const* const environment = environment_for<System>(plan);
    tell(0);

    char go = 0;
    if (::read(gate, &go, sizeof go) == sizeof go) {
      System::end_with_parent(false);
      (void)::execve(plan.program, const_cast<char* const*>(plan.arguments), environment);
      tell(errno);
    }
    ::_exit(not_executed);
  }

 private:
  /// As shells say it.
  static constexpr int not_executed = 127;

  void tell(int error) const noexcept { [[maybe_unused]] const ssize_t told = ::write(report_, &error, sizeof error); }
  void require(bool holds, int error) const noexcept {
    if (holds) return;
    tell(error);
    ::_exit(not_executed);
  }
  int check(int result) const noexcept {
    require(result >= 0, errno);
    return result;
  }

  /// Leaves open: 0 to 2, the file where `inherited` of the filesystem looks for it, and what `execve(2)` closes.
  void arrange_descriptors(const LaunchPlan& plan, int file, int& gate) noexcept {
    constexpr int target = Files::inherited_descriptor;
    // Whatever has our numbers now, a caller without standard streams included, is out of the way after this.
    const int shared = check(::fcntl(file, F_DUPFD_CLOEXEC, target + 1));
    gate = check(::fcntl(gate, F_DUPFD_CLOEXEC, target + 1));
    report_ = check(::fcntl(report_, F_DUPFD_CLOEXEC, target + 1));
    System::close_all_but({shared, gate, report_});
    // The lowest free number is taken: 0, 1, 2.
    check(open_uninterrupted("/dev/null", O_RDONLY));
    if (plan.log == nullptr) {
      check(open_uninterrupted("/dev/null", O_WRONLY));
    } else {
      open_log(plan.log);
    }
    check(::dup(STDOUT_FILENO));
    check(::dup2(shared, target));
    ::close(shared);
  }

  /// Signals are blocked, but a file system in user space says EINTR when it likes. Repeated here, because who starts
  /// us again for it would meet the same in each new process. A file that it makes is its owner's only.
  static int open_uninterrupted(const char* path, int flags) noexcept {
    int descriptor = -1;
    do {
      descriptor = ::open(path, flags, mode_t{0600});
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
  }

  void open_log(const char* path) noexcept {
    ::umask(0077);
    const int log = check(open_uninterrupted(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK));
    FileStatus info{};
    check(get_status(log, info));
    // As the kernel says it of a FIFO that nobody reads, and of a socket.
    require(S_ISREG(info.st_mode), ENXIO);
    check(::fcntl(log, F_SETFL, O_APPEND));
  }

  /// An ignored signal stays ignored in the program, and so does the mask; handlers do not.
  static void reset_signals() noexcept {
    struct ::sigaction standard{};
    standard.sa_handler = SIG_DFL;
    // Those that cannot be changed say EINVAL.
    for (int signal = 1; signal < System::signal_count; ++signal) (void)::sigaction(signal, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  int report_;
};

/// The parent of a launched process, as long as the caller has an interest in it. Runs in a process of its own only.
template <typename System>
class LaunchAttendant {
 public:
  enum class Request : char { meet, go, exit_status };  ///< the first is answered unasked
  struct Answer {
    Request to = Request::meet;
    int error = 0;
    int number = 0;  ///< the PID, the exit status, or the signal
    int is_by_signal = 0;
    int not_executed = 0;  ///< as in ProcessExit
  };

  explicit LaunchAttendant(int line) noexcept : line_{line} {}

  /// Answers with the PID once the program can be executed, then to requests. Requires: all signals are blocked.
  [[noreturn]] void run(const LaunchPlan& plan, int file, pid_t caller) noexcept {
    // Ignored, it would make the kernel reap the program before we ask how it ended.
    struct ::sigaction standard{};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &standard, nullptr);
    // Not by the end of our socket: others that the caller forks at this moment may have a copy of the caller's.
    const auto parent = typename System::ProcessProbe{}.open(caller);
    require(::getppid() == caller, ESRCH);
    require(parent.ok(), parent.error);
    caller_ = parent.value.descriptor;
    System::close_all_but({line_, caller_, file});

    int gate[2];
    int report[2];
    check(System::open_pipe(gate));
    check(System::open_pipe(report));
    const pid_t self = ::getpid();
    const pid_t program = check(System::fork_untold());
    if (program == 0) LaunchedProcess<System>{report[1]}.run(plan, file, gate[0], self);
    ::close(file);
    ::close(gate[0]);
    ::close(report[1]);
    report_ = report[0];

    Answer ready;
    ready.number = program;
    ready.error = reported(ECHILD);
    // What it holds of the caller's is free when the caller hears of it.
    if (ready.error != 0) (void)await_end(program);
    send(ready);
    int not_executed = 0;
    for (;;) {
      Request request{};
      await(line_);
      if (::recv(line_, &request, sizeof request, 0) != sizeof request) ::_exit(0);
      Answer answer;
      answer.to = request;
      if (request == Request::go) {
        [[maybe_unused]] const ssize_t opened = ::write(gate[1], "", 1);
        not_executed = reported(0);
        answer.error = not_executed;
      } else {
        answer = await_end(program);
        answer.to = request;
        answer.not_executed = not_executed;
      }
      send(answer);
    }
  }

 private:
  void require(bool holds, int error) const noexcept {
    if (holds) return;
    Answer answer;
    answer.error = error;
    send(answer);
    ::_exit(0);
  }
  int check(int result) const noexcept {
    require(result >= 0, errno);
    return result;
  }
  void send(const Answer& answer) const noexcept { (void)::send(line_, &answer, sizeof answer, MSG_NOSIGNAL); }

  static Answer await_end(pid_t program) noexcept {
    siginfo_t info{};
    Answer answer;
    answer.error = System::await_child(program, info);
    answer.number = info.si_status;
    answer.is_by_signal = info.si_code == CLD_EXITED ? 0 : 1;
    return answer;
  }

  /// Returns as soon as there is something to read; ends this process with the caller.
  void await(int descriptor) const noexcept {
    pollfd entries[] = {readable(descriptor), readable(caller_)};
    (void)::poll(entries, 2, -1);
    if (entries[1].revents != 0) ::_exit(0);
  }

  /// Returns: what the program's process reports, or `silence` where it closed its end without a word.
  [[nodiscard]] int reported(int silence) const noexcept {
    int error = 0;
    await(report_);
    return ::read(report_, &error, sizeof error) == sizeof error ? error : silence;
  }

  int line_;
  int caller_ = -1;
  int report_ = -1;
};

/// What differs from one system to the other is `System`:
///
/// | member                         | what it is                                                                     |
/// |--------------------------------|--------------------------------------------------------------------------------|
/// | `Filesystem`, `ProcessProbe`, `Clock` | its policies; a handle of the probe has a `descriptor` that becomes readable when the process ends |
/// | `fork_untold()`                | forks; of the child's end nobody is told but `await_child`, if the system can do that |
/// | `await_child(pid, info)`       | waits for the end of such a child and reaps it; errno. Source: `waitid(2)`      |
/// | `end_with_parent(bool)`        | whether the calling process is killed when its parent ends, where that can be had |
/// | `adopt_orphans()`              | descendants that lose their parent become the caller's children; 0, or -1 and errno |
/// | `close_all_but({…})`           | closes every other descriptor; async-signal-safe                               |
/// | `open_pipe(ends)`, `open_line(ends)` | a pipe, a pair of sockets that keep what was sent in one piece; not inherited by exec |
/// | `signal_count`                 | one more than the highest signal                                               |
/// | `environment()`                | the caller's                                                                   |
/// | `collect(handle)`              | reaps the attendant                                                            |
///
/// Stateless. Thread safety: each method is; a child belongs to one thread at a time. Calls are not interrupted by
/// signals, but for `wait`.
template <typename S>
class ForkingLauncher {
 public:
  using System = S;

 private:
  using Filesystem = typename System::Filesystem;
  using ProcessProbe = typename System::ProcessProbe;
  using Clock = typename System::Clock;
  using Handle = typename ProcessProbe::Handle;

 public:
  struct Child {
    Pid pid = 0;
    Handle process;
    Handle attendant;
    int line = -1;  ///< to the attendant
  };

  /// Errors: of setting up the process as well, so a log that cannot be opened or a directory that is missing is told
  /// here, and ETIMEDOUT where one of them is on a file system that does not answer; EAGAIN where there may be no
  /// further process.
  [[nodiscard]] SysResult<Child> spawn(const LaunchPlan& plan, typename Filesystem::File file,
                                       Milliseconds span) noexcept {
    const Milliseconds deadline = deadline_after(span);
    int ends[2];
    if (System::open_line(ends) != 0) return SysResult<Child>::failure(errno);
    int error = 0;
    for (int& end : ends) {
      const auto moved = above_standard_streams(end);
      if (!moved.ok()) error = moved.error;
      end = moved.value;
    }
    Child child;
    child.line = ends[0];
    {
      const ScopedDescriptor other_end{ends[1]};
      if (error == 0) error = fork_attendant(child, plan, file, other_end.get());
    }
    if (error == 0) error = meet(child, deadline);
    if (error == 0) return {child, 0};
    close(child);
    return SysResult<Child>::failure(error);
  }

  [[nodiscard]] Pid pid(const Child& child) noexcept { return child.pid; }

  /// Errors: of `execve(2)`: ENOENT also for the interpreter of a script, ENOEXEC, EACCES, ETXTBSY (somebody has the
  /// program open for writing), E2BIG; ECHILD where somebody killed the attendant. Success is also what is
  /// said of a process that is killed in this moment.
  [[nodiscard]] SysResult<void> let_go(const Child& child, Milliseconds span) noexcept {
    return {ask(child, Request::go, deadline_after(span)).error};
  }

  /// `ended` goes before `changed`. A watch without a descriptor never changes. Source: `poll(2)`.
  [[nodiscard]] SysResult<LaunchEvent> wait(const Child& child, typename Filesystem::Watch& watch,
                                            Milliseconds span) noexcept {
    pollfd entries[] = {readable(child.process.descriptor), readable(watch.descriptor)};
    const auto ready = wait_ready(entries, 2, span);
    if (!ready.ok()) return SysResult<LaunchEvent>::failure(ready.error);
    if (entries[0].revents != 0) return {LaunchEvent::ended, 0};
    if (entries[1].revents == 0) return {};
    Filesystem::forget_changes(watch);
    return {LaunchEvent::changed, 0};
  }

  /// Errors: ESRCH once it was reaped and nobody else is in the group.
  [[nodiscard]] SysResult<void> kill(const Child& child, Signal signal) noexcept {
    return ProcessProbe{}.signal_group(child.process, child.pid, signal);
  }

  /// Errors: ECHILD where its exit status is lost: it was reaped before, or somebody killed the attendant; ETIMEDOUT
  /// where it has not ended, or somebody has stopped the attendant.
  [[nodiscard]] SysResult<ProcessExit> reap(const Child& child, Milliseconds span) noexcept {
    const Milliseconds deadline = deadline_after(span);
    if (!await(child.process.descriptor, -1, deadline)) return SysResult<ProcessExit>::failure(ETIMEDOUT);
    const auto answer = ask(child, Request::exit_status, deadline);
    if (answer.error != 0) return SysResult<ProcessExit>::failure(answer.error);
    return {ProcessExit{answer.is_by_signal != 0, answer.number, answer.not_executed}, 0};
  }

  /// Wanted for every child, reaped or not, once. A process that was not let go ends soon after; who wants its share of
  /// the file to be gone kills and reaps it before.
  void close(const Child& child) noexcept {
    if (child.attendant.descriptor >= 0) {
      // By force, because it may be stopped; it has nothing to lose.
      (void)ProcessProbe{}.signal(child.attendant, Signal::kill);
      const BlockedSignals nothing_interrupts;
      System::collect(child.attendant);
    }
    const int descriptors[] = {child.line, child.attendant.descriptor, child.process.descriptor};
    for (const int descriptor : descriptors) {
      if (descriptor >= 0) ::close(descriptor);
    }
  }

 private:
  using Answer = typename LaunchAttendant<System>::Answer;
  using Request = typename LaunchAttendant<System>::Request;

  /// Returns: errno.
  static int fork_attendant(Child& child, const LaunchPlan& plan, typename Filesystem::File file, int line) noexcept {
    const BlockedSignals no_handler_runs;
    const pid_t caller = ::getpid();
    const pid_t attendant = System::fork_untold();
    if (attendant < 0) return errno;
    if (attendant == 0) LaunchAttendant<System>{line}.run(plan, file.descriptor, caller);
    const auto opened = ProcessProbe{}.open(attendant);
    if (opened.ok()) {
      child.attendant = opened.value;
      return 0;
    }
    ::kill(attendant, SIGKILL);
    siginfo_t info{};
    (void)System::await_child(attendant, info);
    return opened.error;
  }

  /// Returns: errno.
  static int meet(Child& child, Milliseconds deadline) noexcept {
    const Answer ready = answer(child, Request::meet, deadline);
    if (ready.error != 0) return ready.error;
    child.pid = ready.number;
    const auto opened = ProcessProbe{}.open(child.pid);
    if (!opened.ok()) return opened.error;
    child.process = opened.value;
    // Its parent lives still, and does not reap it unasked: so the descriptor is its own, not its PID's next user's.
    const auto ended = wait_readable(child.attendant.descriptor, Milliseconds{0});
    return ended.value ? ECHILD : ended.error;
  }

  static Milliseconds deadline_after(Milliseconds span) noexcept { return Clock{}.monotonic() + span; }

  /// Returns: whether one of both is readable in time; -1 never is.
  static bool await(int one, int other, Milliseconds deadline) noexcept {
    pollfd entries[] = {readable(one), readable(other)};
    for (;;) {
      const auto ready = wait_ready(entries, 2, deadline - Clock{}.monotonic());
      if (ready.error != EINTR) return ready.value;
    }
  }

  static Answer ask(const Child& child, Request request, Milliseconds deadline) noexcept {
    (void)::send(child.line, &request, sizeof request, MSG_NOSIGNAL);
    return answer(child, request, deadline);
  }

  /// Looks for the end of the attendant, too: others whom the caller forked may have a copy of its end of the line.
  static Answer answer(const Child& child, Request request, Milliseconds deadline) noexcept {
    Answer given;
    do {
      given.error = ETIMEDOUT;
      if (!await(child.line, child.attendant.descriptor, deadline)) break;
      given.error = ECHILD;
      // What was asked before may be answered late.
    } while (::recv(child.line, &given, sizeof given, MSG_DONTWAIT) == sizeof given && given.to != request);
    return given;
  }
};

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_LAUNCHER_HPP
