// The supervisor: one poll loop over signals, the command's end, its readiness, and the state directory.
#include "supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <vector>

#include "child.hpp"
#include "directory_watch.hpp"
#include "endpoints.hpp"
#include "genie/log_file.hpp"
#include "genie/system_launcher.hpp"
#include "genie/systemd.hpp"
#include "orphans.hpp"
#include "pidfile.hpp"
#include "readiness.hpp"
#include "signals.hpp"
#include "standby.hpp"

namespace genie::cli {

namespace {

using Clock = std::chrono::steady_clock;

/// Signals that a caller has ignored on behalf of a command that it starts.
std::vector<int> signals_ignored_for_the_command() {
  std::vector<int> numbers{SIGHUP, SIGINT, SIGQUIT};
  std::erase_if(numbers, [](int number) { return !is_ignored(number); });
  return numbers;
}

/// Signals that somebody sends to end or inform the server, which the supervisor hands on, and that a child has ended.
SignalQueue open_signals(const std::vector<int>& ignored) {
  std::vector<int> numbers{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
  // Who waits for one by a descriptor gets it even if it is ignored.
  std::erase_if(numbers,
                [&](int number) { return std::find(ignored.begin(), ignored.end(), number) != ignored.end(); });
  return SignalQueue{numbers};
}

Descriptor open_log(const std::string& path) {
  if (path.empty()) return Descriptor{};
  const auto failed = [&] { return fmt::format("cannot open the log {}", path); };
  // A FIFO that nobody reads would keep us here, who own the directory.
  constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  Descriptor log{checked(::open(path.c_str(), flags, 0600), failed())};
  checked(::fcntl(log.get(), F_SETFL, O_APPEND), failed());
  return log;
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) return fmt::format("was ended by signal {}", WTERMSIG(wait_status));
  return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
}

class Supervision {
 public:
  Supervision(const ServeRequest& request, const SupervisorHooks& hooks)
      : request_{request}, hooks_{hooks}, guard_{request.place.guard()}, probe_{request.readiness} {}

  SupervisorResult run() {
    if (!request_.standby && !await_end_of_stop()) return result_;
    // A signal ends a standby.
    if (!request_.standby) signals_ = open_signals(ignored_);
    // Whatever the command starts stays its descendant, and can be told from a stranger, where that can be had.
    (void)SystemLauncher::System::adopt_orphans();
    if (!claim()) return result_;
    if (request_.standby) signals_ = open_signals(ignored_);
    watch_directory();
    if (!start_command()) {
      tell_failure();
      return result_;
    }
    // Since the claim and until it was watched, somebody may have changed the directory already.
    look_after_claim();
    serve();
    result_.ran = true;
    result_.wait_status = child_->reap();
    if (!result_.was_ready) {
      if (!has_given_up_) {
        const bool is_by_signal = WIFSIGNALED(result_.wait_status);
        failure_.kind = is_by_signal ? FailureKind::signalled : FailureKind::exited;
        failure_.value = is_by_signal ? WTERMSIG(result_.wait_status) : WEXITSTATUS(result_.wait_status);
        result_.ending = {
            was_refused_ ? exit_needs_a_person : exit_failure,
            fmt::format("{} {} before it was ready", request_.command.front(), describe_end(result_.wait_status))};
        result_.has_own_status = was_refused_;
      }
      tell_failure();
      end_remains();
    }
    pidfile_ = PidFile{};
    if (const auto released = guard_.release(); !released) {
      warn("genie: while releasing: {}\n", released.error());
    }
    return result_;
  }

 private:
  bool claim() {
    ClaimOptions options;
    options.mode = request_.mode;
    options.starting = true;
    options.build = request_.build;
    options.version = request_.version;
    const auto on_stand_by = [&](const std::string& text) {
      warn("genie: {}\n", text);
      if (hooks_.on_stand_by) hooks_.on_stand_by(text);
    };
    const auto claimed =
        request_.standby ? stand_by(guard_, request_.place, options, on_stand_by) : guard_.claim(options);
    if (!claimed) {
      result_.ending = ending_of(claimed.error());
      return false;
    }
    if (!claimed->owned()) {
      result_.ending = ending_of(request_.place, *claimed);
      return false;
    }
    if (!claimed->is_trusted) {
      warn("genie: others may write to {} or to its {}: nothing in it can be stopped or taken over (chmod go-w)\n",
           request_.place.directory, guard_.files().lock().c_str());
    }
    if (claimed->taken_over.reason != Reason::none) {
      warn("genie: taking over {}: {}\n", request_.place.directory, claimed->taken_over);
    }
    if (claimed->leftover_error != 0) {
      warn("genie: a socket of a predecessor could not be removed: {} (errno {})\n",
           std::generic_category().message(claimed->leftover_error), claimed->leftover_error);
    }
    try {
      pidfile_ = PidFile{request_.pidfile};
    } catch (const std::exception& error) {
      result_.ending = {exit_failure, error.what()};
      return false;
    }
    return true;
  }

  /// Who starts by hand while a stop is at work waits for its end: what still runs is not what was asked for. What a
  /// starter has launched is for the stop to find.
  bool await_end_of_stop() {
    constexpr Milliseconds never{INT64_MAX / 4};
    ChangeWait<ServeGuard<>::Host> wait{guard_.host(), never};
    const ProcessIdentity self{::getpid(), guard_.host().process.look(::getpid()).start};
    do {
      const auto is_being_stopped = guard_.is_being_stopped();
      if (!is_being_stopped.has_value()) return fail_before_claim(is_being_stopped.error());
      if (!*is_being_stopped) return true;
      const auto status = guard_.status();
      if (!status) return fail_before_claim(status.error());
      if (status->owner == self) return true;
    } while (wait.next(guard_.files().directory().c_str()));
    return true;
  }
  bool fail_before_claim(const Error& error) {
    result_.ending = ending_of(error);
    return false;
  }

  bool start_command() {
    if (probe_.is_taken()) {
      result_.ending = {exit_failure, fmt::format("{} is answered by another process already: {} was not started",
                                                  request_.readiness.spelling, request_.command.front())};
      failure_.kind = FailureKind::refused;
      failure_.advice = StepAdvice{fmt::format("{} is answered by another process already: end that, or choose another",
                                               request_.readiness.spelling)};
      return false;
    }
    const Descriptor log = open_log(request_.log);
    note_log(log.is_open() ? log.get() : STDOUT_FILENO);
    child_.emplace(ChildSetup{.command = request_.command,
                              .lock = guard_.held().lock.descriptor,
                              .output = log.get(),
                              .parent_death_signal = request_.stop_signal,
                              .ignored = ignored_but(request_.stop_signal),
                              .notify_address = probe_.notify_address()});
    // Recorded before it executes anything: whatever happens to us, it can be found and told from a stranger.
    const ProcessIdentity server{child_->pid(), guard_.host().process.look(child_->pid()).start};
    failure_.server = server;
    if (const auto recorded = guard_.set_server(server); !recorded) {
      child_->send(SIGKILL);
      (void)child_->reap();
      result_.ending = ending_of(recorded.error());
      return false;
    }
    if (const int error = child_->let_go(); error != 0) {
      (void)child_->reap();
      failure_.kind = FailureKind::not_executed;
      failure_.value = error;
      const std::string which = fmt::format("the command was {}", request_.command.front());
      failure_.advice = StepAdvice{Text{which}.first(StepAdvice::capacity())};
      result_.ending = {exit_failure, fmt::format("cannot execute {}: {} (errno {})", request_.command.front(),
                                                  std::generic_category().message(error), error)};
      return false;
    }
    return true;
  }

  /// Where the command's output goes, if that is a file: who waits is told its end when the start fails, also where
  /// the starter, who opened it, is gone by then.
  void note_log(int output) {
    struct ::stat info{};
    std::array<char, 4096> path{};
    const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", output).c_str(), path.data(), path.size() - 1);
    if (::fstat(output, &info) != 0 || !S_ISREG(info.st_mode) || length <= 0) return;
    log_.assign(path.data(), static_cast<std::size_t>(length));
    log_from_ = static_cast<std::uint64_t>(info.st_size);
  }

  /// What the caller has ignored, but for that by which the command wants to be asked to end.
  [[nodiscard]] std::vector<int> ignored_but(int number) const {
    std::vector<int> numbers = ignored_;
    std::erase(numbers, number);
    return numbers;
  }

  void watch_directory() {
    const int error = directory_watch_.open(request_.place.directory);
    is_watched_ = error == 0;
    if (is_watched_) return;
    warn("genie: cannot watch {}: {} (errno {}); it is looked at once a second\n", request_.place.directory,
         std::generic_category().message(error), error);
  }

  /// Until the command has ended.
  void serve() {
    auto deadline = time_after(request_.ready_timeout);
    auto extended_until = Clock::now();
    auto tell_again_at = Clock::now();
    auto pause = std::chrono::milliseconds{1};
    for (;;) {
      if (!result_.was_ready && !has_given_up_) {
        const bool is_ready = probe_.check();
        if (report_steps()) deadline = std::max(deadline, time_after(request_.ready_timeout));
        if (is_ready) {
          announce();
          (void)pass_notifications_on();  // what it says of itself stands, not what we have said of it
        } else if (const auto extension = pass_notifications_on(); extension.count() > 0) {
          extended_until = std::max(extended_until, time_after(extension));
          deadline = std::max(deadline, extended_until);
        } else if (Clock::now() >= deadline) {
          give_up_waiting();
        }
      } else if (probe_.descriptor() >= 0) {
        // A command whose messages nobody reads would wait for us in the end.
        (void)probe_.check();
        (void)pass_notifications_on();
      }
      int timeout = -1;
      if (kill_at_) {
        timeout = milliseconds_until(*kill_at_);
      } else if (!result_.was_ready && !has_given_up_) {
        timeout = milliseconds_until(deadline);
        // A listening socket announces itself to nobody; asking again is all there is.
        if (probe_.descriptor() < 0 && pause.count() < timeout) timeout = static_cast<int>(pause.count());
        if (pause.count() < 50) pause *= 2;
        if (Clock::now() < extended_until) {
          if (Clock::now() >= tell_again_at) {
            tell_step_again();
            tell_again_at = time_after(std::chrono::milliseconds{500});  // nobody's window is as short as that
          }
          timeout = std::min(timeout, milliseconds_until(tell_again_at));
        }
      }
      if (look_again_at_) {
        const int until = milliseconds_until(*look_again_at_);
        timeout = timeout < 0 ? until : std::min(timeout, until);
      }
      std::array<pollfd, 4> entries{{{child_->end_descriptor(), POLLIN, 0},
                                     {signals_.descriptor(), POLLIN, 0},
                                     {directory_watch_.descriptor(), POLLIN, 0},
                                     {probe_.descriptor(), POLLIN, 0}}};
      if (::poll(entries.data(), entries.size(), timeout) < 0 && errno != EINTR) {
        throw std::system_error{errno, std::generic_category(), "cannot wait for the command"};
      }
      if (entries[0].revents != 0) {
        // Its last words may have come with its end, and so may the signal that has ended it.
        if (!result_.was_ready && probe_.descriptor() >= 0) (void)probe_.check();
        (void)report_steps();
        pass_signals_on();
        return;
      }
      if (entries[1].revents != 0) pass_signals_on();
      if (entries[2].revents != 0 || (look_again_at_ && Clock::now() >= *look_again_at_)) look_after_claim();
      if (kill_at_ && Clock::now() >= *kill_at_) {
        child_->send(SIGKILL);
        kill_at_.reset();
      }
    }
  }

  /// Returns: the time that the command has asked for.
  std::chrono::microseconds pass_notifications_on() {
    if (const std::string status = probe_.take_status(); !status.empty() && hooks_.on_status) hooks_.on_status(status);
    const auto extension = probe_.take_extension();
    if (extension.count() > 0 && hooks_.on_extension) hooks_.on_extension(extension);
    return extension;
  }

  /// Where that is later than anybody waits, a time that the clock can still tell.
  static Clock::time_point time_after(std::chrono::microseconds span) {
    constexpr std::chrono::microseconds longest = std::chrono::years{100};
    return Clock::now() + std::min(span, longest);
  }

  /// At most as many as poll(2) takes: who waits looks again then.
  static int milliseconds_until(Clock::time_point time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
  }

  void announce() {
    const std::uint16_t port =
        request_.port != 0
            ? request_.port
            : (request_.readiness.kind == Readiness::Kind::tcp ? request_.readiness.port : std::uint16_t{0});
    if (port != 0) {
      if (const auto published = guard_.publish_port(port); !published) return fail(published.error());
    }
    if (const auto published = publish_endpoints(guard_, request_); !published) return fail(published.error());
    if (const auto announced = guard_.ready(); !announced) return fail(announced.error());
    result_.was_ready = true;
    if (hooks_.on_ready) hooks_.on_ready(guard_.held().written.owner.pid);
  }

  /// Returns: whether there was any.
  bool report_steps() {
    const std::vector<ReportedStep> steps = probe_.take_steps();
    for (const ReportedStep& step : steps) report(step);
    return !steps.empty();
  }

  /// Who waits for a boot takes one that reports nothing for a hang, and hears nothing else of the time that it was
  /// given. What can't be written now is written soon.
  void tell_step_again() {
    if (step_.state == StepState::running) {
      (void)guard_.boot(step_.step, step_.done, step_.total);
    } else {
      (void)guard_.end_step(step_.state, step_.advice);
    }
  }

  void report(const ReportedStep& step) {
    step_ = step;
    auto reported = guard_.boot(step.step, step.done, step.total);
    if (reported && step.state != StepState::running) reported = guard_.end_step(step.state, step.advice);
    if (!reported) warn("genie: {}\n", reported.error());
    if (step.state != StepState::refused) return;
    was_refused_ = true;
    warn("genie: {} cannot start without you, in the step \"{}\"; {}\n", request_.place.name,
         fmt_detail::Foreign{Text{step.step}}, fmt_detail::Foreign{Text{step.advice}});
  }

  /// For everybody who waits, and for `status`.
  void tell_failure() {
    if (was_asked_to_end_ || is_lost_) return;
    if (!log_.empty() && log_.size() <= decltype(failure_.log)::capacity()) {
      if (read_log_tail(guard_.host(), log_.c_str(), log_from_, failure_.tail).ok()) failure_.log.append(log_);
      while (Text{failure_.tail}.ends_with("\n")) failure_.tail.resize(failure_.tail.size() - 1);
    }
    if (const auto told = guard_.report_failure(failure_); !told) warn("genie: {}\n", told.error());
  }

  void fail(const Error& error) {
    has_given_up_ = true;
    result_.has_own_status = true;
    result_.ending = ending_of(error);
    ask_to_end();
  }

  void give_up_waiting() {
    has_given_up_ = true;
    result_.has_own_status = true;
    failure_.kind = FailureKind::stalled;
    failure_.value = request_.ready_timeout.count();
    result_.ending = {exit_failure, fmt::format("{} was not ready ({}) within {} ms", request_.command.front(),
                                                request_.readiness.spelling, request_.ready_timeout.count())};
    ask_to_end();
  }

  void ask_to_end() {
    if (result_.was_ready && hooks_.on_stopping) hooks_.on_stopping();
    child_->send(request_.stop_signal);
    kill_at_ = Clock::now() + std::chrono::seconds{5};
  }

  /// A terminal sends to the whole foreground group, but that it has gone only to who leads the session.
  [[nodiscard]] bool has_gone_to_the_command(const ReceivedSignal& received) const {
    if (received.number == SIGHUP && ::getsid(0) == ::getpid()) return false;
    return received.is_from_terminal && ::getpgid(child_->pid()) == ::getpgrp();
  }

  void pass_signals_on() {
    ReceivedSignal received;
    while (signals_.take(received)) {
      const int number = received.number;
      if (number == SIGCHLD) {
        reap_orphans(child_->pid());
        continue;
      }
      was_asked_to_end_ = was_asked_to_end_ || (number != SIGUSR1 && number != SIGUSR2);
      if (has_gone_to_the_command(received)) continue;
      if (number == SIGTERM && hooks_.on_stopping) hooks_.on_stopping();
      child_->send(number == SIGTERM ? request_.stop_signal : number);
      // Nobody needs to be told any more what becomes of the directory; and taking a watch down takes milliseconds,
      // which the command now uses as well.
      if (number == SIGTERM) {
        directory_watch_.reset();
        look_again_at_.reset();
      }
    }
  }

  /// What is left of a server that did not get ready must not keep the next one out.
  void end_remains() {
    const auto kill_at = Clock::now() + std::chrono::seconds{5};
    const auto give_up_at = kill_at + std::chrono::seconds{5};
    for (;;) {
      const std::vector<pid_t> remains = children_with_lock();
      if (remains.empty()) return;
      if (Clock::now() >= give_up_at) {
        // One that changed its user, or that hangs in the kernel. It keeps its lock, so that it is found and named.
        warn("genie: PID {} is left of {} and does not end; it keeps {} until it does\n", remains.front(),
             request_.command.front(), request_.place.directory);
        return;
      }
      // Ours as long as we have not reaped it, so that its PID is nobody else's.
      for (const pid_t pid : remains) ::kill(pid, Clock::now() < kill_at ? SIGTERM : SIGKILL);
      pollfd entry{signals_.descriptor(), POLLIN, 0};
      (void)::poll(&entry, 1, 100);
      ReceivedSignal received;
      while (signals_.take(received)) {
      }
      reap_orphans(0);
    }
  }

  /// Descendants that have lost their parents are our children by now. Empty also where the kernel does not tell,
  /// proc_pid_children(5).
  std::vector<pid_t> children_with_lock() {
    std::vector<pid_t> result;
    std::ifstream list{fmt::format("/proc/self/task/{}/children", ::getpid())};
    for (pid_t pid = 0; list >> pid;) {
      if (guard_.host().process.holds_lock(pid, guard_.held().lock_id, detail::owner_byte)) result.push_back(pid);
    }
    return result;
  }

  /// Somebody changed the directory: are its files still ours? Each state of theirs is told once.
  void look_after_claim() {
    directory_watch_.take();
    look_again_at_.reset();
    if (is_lost_) return;
    if (!is_watched_) look_again_at_ = Clock::now() + std::chrono::seconds{1};
    Ownership ownership = guard_.verify();
    const Ownership told = told_;
    if (ownership == Ownership::record_missing) {
      const auto restored = guard_.restore_record();
      if (restored) {
        warn("genie: somebody removed {}; restored it\n", guard_.files().record().c_str());
      } else if (told != ownership) {
        warn("genie: somebody removed {}, and it can't be restored: {}; its lock still keeps others out\n",
             guard_.files().record().c_str(), restored.error());
      }
      // What the attempt itself has changed in the directory is no reason for another one.
      directory_watch_.take();
      ownership = guard_.verify();
    }
    told_ = ownership;
    switch (ownership) {
      case Ownership::held:
      case Ownership::not_claimed: return;
      case Ownership::record_missing:
        // Nobody tells when a disk has room again.
        look_again_at_ = Clock::now() + std::chrono::seconds{1};
        return;
      case Ownership::lock_missing:
        if (told != ownership) {
          warn("genie: somebody removed {}; its record still keeps others out\n", guard_.files().lock().c_str());
        }
        return;
      case Ownership::record_replaced:
      case Ownership::lock_replaced:
      case Ownership::lock_closed:
      case Ownership::all_missing: break;
    }
    // Another server may run on the same data by now, or could at any moment.
    is_lost_ = true;
    has_given_up_ = true;  // what is ready from now on is nobody's to announce
    look_again_at_.reset();
    result_.has_own_status = true;
    result_.ending = {exit_failure, {}};
    warn("genie: lost {} ({}): ending {}\n", request_.place.directory, ownership, request_.command.front());
    ask_to_end();
  }

  const ServeRequest& request_;
  const SupervisorHooks& hooks_;
  ServeGuard<> guard_;
  ReadinessProbe probe_;
  SupervisorResult result_;
  const std::vector<int> ignored_ = signals_ignored_for_the_command();
  SignalQueue signals_;
  DirectoryWatch directory_watch_;
  PidFile pidfile_;
  std::optional<Child> child_;
  std::optional<Clock::time_point> kill_at_;
  std::optional<Clock::time_point> look_again_at_;  ///< after the claim, without being told of a change
  Ownership told_ = Ownership::held;                ///< what was last said of it
  bool has_given_up_ = false;
  bool is_watched_ = false;
  bool is_lost_ = false;
  bool was_refused_ = false;
  bool was_asked_to_end_ = false;
  FailureRecord failure_;
  std::string log_;  ///< of the command; empty where it is no file
  std::uint64_t log_from_ = 0;
  /// The last one that the command has told, or what is said where it has told none.
  ReportedStep step_{"asked for more time", 0, 0, StepState::running, ""};
};

/// Ends this process by the signal that ended the command, without a core of our own.
void end_by_signal(int number) {
  // The kernel drops such a signal, and who emulates one waits for an end that does not come.
  if (::getpid() == 1) return;
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(number);
}

/// What a service manager that started us is told. What it does not hear changes nothing for the command.
SupervisorHooks hooks_of(const SystemdNotifier& manager, const Place& place) {
  SupervisorHooks hooks;
  if (!manager.has_listener()) return hooks;
  hooks.on_ready = [&](Pid) { manager.ready(place.name + " is running"); };
  hooks.on_stand_by = [&](const std::string& text) { manager.ready(text); };
  hooks.on_status = [&](const std::string& text) { manager.status(text); };
  hooks.on_extension = [&](std::chrono::microseconds span) {
    manager.extend_timeout(std::chrono::ceil<std::chrono::milliseconds>(span));
  };
  hooks.on_stopping = [&] { manager.stopping(); };
  return hooks;
}

}  // namespace

SupervisorResult supervise(const ServeRequest& request, const SupervisorHooks& hooks) {
  return Supervision{request, hooks}.run();
}

int run_in_foreground(const ServeRequest& request) {
  const char* const address = std::getenv("NOTIFY_SOCKET");
  const SystemdNotifier manager{address != nullptr ? Text{address} : Text{}};
  const SupervisorResult result = supervise(request, hooks_of(manager, request.place));
  if (!result.ran && result.ending.status == exit_ok) {
    // A service manager would take an end without this for a failure, and try again.
    manager.ready(result.ending.text);
  }
  if (!result.ran) return tell(result.ending);
  if (!result.was_ready && !result.ending.text.empty()) (void)tell(result.ending);
  if (result.has_own_status) return result.ending.status;
  if (WIFSIGNALED(result.wait_status)) {
    end_by_signal(WTERMSIG(result.wait_status));
    return 128 + WTERMSIG(result.wait_status);
  }
  const int status = WEXITSTATUS(result.wait_status);
  return !result.was_ready && status == exit_ok && request.readiness.kind != Readiness::Kind::none ? exit_failure
                                                                                                   : status;
}

}  // namespace genie::cli
