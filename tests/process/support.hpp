// What the multi-process tests share: processes that are always reaped, memory and counters between them, state
// directories, and worlds of their own (PID namespaces, other users).
//
// Rules: nothing waits by sleeping, and nothing waits for ever. Every process has an alarm, every wait a deadline.
// REQUIRE and FAIL work in child processes, too: they end the child with exit status 1, which its parent must check.
// CHECK does not.
#ifndef GENIE_TESTS_PROCESS_SUPPORT_HPP
#define GENIE_TESTS_PROCESS_SUPPORT_HPP

#include <genie/serve_guard.hpp>

#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "observed_filesystem.hpp"

// For what the machine or the user does not permit: never silently.
#if defined(SKIP)
#define GENIE_SKIP(reason) SKIP(reason)
#else
#define GENIE_SKIP(reason)         \
  do {                             \
    WARN("skipped: " << (reason)); \
    return;                        \
  } while (false)
#endif

namespace process_tests {

using Guard = genie::ServeGuard<>;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::ClaimReport;
using genie::ErrorKind;
using genie::Milliseconds;
using genie::Operation;
using genie::Ownership;
using genie::Pid;
using genie::ProcessIdentity;
using genie::Reason;
using genie::Result;
using genie::ServerState;
using genie::StopOptions;
using genie::StopOutcome;
using genie::StopReceipt;

/// How long anything may take that should take milliseconds.
inline constexpr unsigned patience_s = 60;

/// For the comparison of what took long; never for waiting.
[[nodiscard]] inline double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

[[nodiscard]] inline int rounds_wanted(int rounds) {
  const char* factor = std::getenv("GENIE_TEST_ROUNDS");
  return rounds * (factor != nullptr && std::atoi(factor) > 0 ? std::atoi(factor) : 1);
}

[[nodiscard]] inline std::string text(const genie::Error& error) {
  return "error kind " + std::to_string(static_cast<int>(error.kind)) + ", operation " +
         std::to_string(static_cast<int>(error.operation)) + ", " + std::strerror(error.code) + ", " +
         error.path.c_str();
}

/// The value. Where there is none, the test has failed.
template <typename T>
[[nodiscard]] T value(const Result<T>& result) {
  if (!result.has_value()) FAIL(text(result.error()));
  return *result;
}
inline void ok(const Result<void>& result) {
  if (!result.has_value()) FAIL(text(result.error()));
}

/// Asks again and again until `condition()` holds: for what no process can tell us.
template <typename Condition>
void eventually(Condition&& condition) {
  const double deadline = now_ms() + patience_s * 500.0;
  while (!condition()) {
    if (now_ms() > deadline) FAIL("waited too long for a condition");
    ::sched_yield();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory between processes

/// One object in memory that forked processes share with their parent.
template <typename T>
class Shared {
 public:
  static_assert(std::is_trivially_destructible_v<T>);

  Shared() {
    void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    object_ = new (memory) T{};
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  Shared(Shared&& other) noexcept : object_{std::exchange(other.object_, nullptr)} {}
  ~Shared() {
    if (object_ != nullptr) ::munmap(object_, sizeof(T));
  }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

/// A number that only grows, and that processes can wait for. To be put into `Shared`.
class Counter {
 public:
  [[nodiscard]] std::uint32_t get() const { return value_.load(); }

  /// Returns: the new value. Async-signal-safe.
  std::uint32_t add(std::uint32_t count = 1) {
    const std::uint32_t now = value_.fetch_add(count) + count;
    futex(FUTEX_WAKE, INT32_MAX, nullptr);
    return now;
  }

  /// Returns: whether the value reached `least` in time.
  [[nodiscard]] bool reaches(std::uint32_t least, double within_ms = patience_s * 500.0) {
    const double deadline = now_ms() + within_ms;
    for (;;) {
      const std::uint32_t seen = value_.load();
      if (seen >= least) return true;
      const double left = deadline - now_ms();
      if (left <= 0) return false;
      timespec span{};
      span.tv_sec = static_cast<time_t>(left / 1e3);
      span.tv_nsec = static_cast<long>((left - static_cast<double>(span.tv_sec) * 1e3) * 1e6);
      futex(FUTEX_WAIT, seen, &span);
    }
  }
  void wait_for(std::uint32_t least) {
    if (!reaches(least)) FAIL("waited too long for a counter to reach " << least << ", it is " << get());
  }

  /// As a barrier: blocks until all of `parties` have come. Usable again and again.
  void meet(std::uint32_t parties) {
    const std::uint32_t place = add();
    wait_for((place + parties - 1) / parties * parties);
  }

 private:
  void futex(int operation, std::uint32_t argument, const timespec* span) {
    const int error = errno;
    ::syscall(SYS_futex, &value_, operation, argument, span, nullptr, 0);
    errno = error;
  }

  std::atomic<std::uint32_t> value_{0};
};

// ---------------------------------------------------------------------------------------------------------------------
// Child processes

[[nodiscard]] inline ProcessIdentity identity_of(pid_t pid) {
  genie::SystemProcessProbe probe;
  return {pid, probe.look(pid).start};
}

enum class Family {
  dies_with_parent,
  outlives_parent,  ///< until its alarm, or until whoever inherits it ends it
};

/// A child process. Killed and reaped by the destructor, unless it was reaped before.
class Child {
 public:
  Child() = default;
  explicit Child(pid_t pid) : pid_{pid} {}
  Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, 0)} {}
  Child& operator=(Child&& other) noexcept {
    if (this != &other) {
      end();
      pid_ = std::exchange(other.pid_, 0);
    }
    return *this;
  }
  ~Child() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] ProcessIdentity identity() const { return identity_of(pid_); }
  void send(int signal) const { ::kill(pid_, signal); }

  /// Whether it has not ended yet.
  [[nodiscard]] bool alive() const {
    siginfo_t info{};
    if (pid_ <= 0) return false;
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0) return info.si_pid == 0;
    return is_alive_elsewhere();
  }
  /// Returns as soon as it has ended, and leaves it a zombie.
  void await_zombie() const { await(WEXITED | WNOWAIT); }
  /// Returns as soon as it was stopped by a signal.
  void await_stop() const { await(WSTOPPED | WNOWAIT); }

  /// Reaps it. Returns: its exit status, or 128 and the signal that ended it.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) return -1;
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    if (wait() < 0) eventually([&] { return !is_alive_elsewhere(); });
    pid_ = 0;
  }

 private:
  /// An orphan stays somebody else's child where none can be adopted.
  [[nodiscard]] bool is_alive_elsewhere() const {
    genie::SystemProcessProbe probe;
    return probe.look(pid_).liveness == genie::Liveness::alive;
  }
  void await(int what) const {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, what) < 0 && errno == EINTR) {
    }
  }

  pid_t pid_ = 0;
};

namespace detail {

/// A child starts without the test program's signal handlers, and with a watchdog.
inline void settle_in(Family family, pid_t parent) {
  for (const int signal : {SIGTERM, SIGINT, SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGCHLD, SIGPIPE}) {
    ::signal(signal, SIG_DFL);
  }
  ::alarm(patience_s);
  if (family == Family::outlives_parent) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent && ::getppid() != 0) ::_exit(1);
}

template <typename Body>
[[nodiscard]] int status_of(Body& body) {
  if constexpr (std::is_void_v<std::invoke_result_t<Body&>>) {
    body();
    return 0;
  } else {
    return body();
  }
}

template <typename Body>
[[noreturn]] void run_and_exit(Body& body) {
  int status = 1;
  try {
    status = status_of(body);
  } catch (...) {
    // A failed assertion, which has been printed.
  }
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

}  // namespace detail

/// Forks a process that runs `body` and exits with what it returns, 0 where it returns nothing.
template <typename Body>
[[nodiscard]] Child start(Body&& body, Family family = Family::dies_with_parent) {
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) FAIL("fork: " << std::strerror(errno));
  if (pid > 0) return Child{pid};
  detail::settle_in(family, parent);
  detail::run_and_exit(body);
}

/// Runs `body` in a process of its own, to its end.
template <typename Body>
void in_child(Body&& body) {
  const int status = start(std::forward<Body>(body)).wait();
  REQUIRE(status == 0);
}

/// The identity of a process that has ended and was reaped.
[[nodiscard]] inline ProcessIdentity dead_process() {
  Child child = start([] { ::pause(); });
  const ProcessIdentity identity = child.identity();
  child.end();
  return identity;
}

/// While it lives, orphans among the descendants of this process become its children.
class Orphanage {
 public:
  Orphanage() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  Orphanage(const Orphanage&) = delete;
  Orphanage& operator=(const Orphanage&) = delete;
  ~Orphanage() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
  /// Returns when no child is left, its own or inherited.
  static void await_all() {
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// State directories

/// While it lives, the test program ends by SIGALRM where a test hangs.
class Watchdog {
 public:
  Watchdog() { ::alarm(2 * patience_s); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { ::alarm(0); }
  static void rearm() { ::alarm(2 * patience_s); }
};

/// A fresh temporary directory that others can enter, removed with all it holds by the process that made it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* root = std::getenv("TMPDIR");
    path_ = std::string{root != nullptr && *root != '\0' ? root : "/tmp"} + "/genie-process-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) FAIL("mkdtemp: " << std::strerror(errno));
    ::chmod(path_.c_str(), 0755);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    if (::getpid() != maker_) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t maker_ = ::getpid();
};

[[nodiscard]] inline std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
inline void write_file(const std::string& path, const std::string& content, mode_t mode = 0600) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) FAIL("open " << path << ": " << std::strerror(errno));
  const ssize_t written = ::write(file, content.data(), content.size());
  ::fchmod(file, mode);
  ::close(file);
  if (written != static_cast<ssize_t>(content.size())) FAIL("write " << path);
}

/// What an older program, or genie, writes into `NAME.pid`.
[[nodiscard]] inline std::string record_of(const ProcessIdentity& identity) {
  return genie::encode_pid_record(identity).c_str();
}

/// An empty state directory, mode 0700.
class StateDirectory {
 public:
  StateDirectory() : path_{temporary_.path() + "/state"} { ::mkdir(path_.c_str(), 0700); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::string record() const { return file("serve.pid"); }
  [[nodiscard]] std::string lock() const { return file("serve.lock"); }
  [[nodiscard]] std::string sentinel() const { return file("serve.stopping.lock"); }
  [[nodiscard]] std::string port() const { return file("pgserve.port"); }

  [[nodiscard]] bool has(const std::string& name) const {
    struct ::stat info{};
    return ::lstat(file(name).c_str(), &info) == 0;
  }
  /// The names of what is in it, in order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator{path_, ignored}) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  /// What does not belong there while nobody claims: temporary files.
  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> found = names();
    std::erase_if(found, [](const std::string& name) {
      return name == "serve.pid" || name == "serve.lock" || name == "serve.stopping.lock" || name == "pgserve.port";
    });
    return found;
  }
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  void clear() const {
    remove();
    ::mkdir(path_.c_str(), 0700);
  }

 private:
  Watchdog watchdog_;
  TemporaryDirectory temporary_;
  std::string path_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Actors: processes that have a guard and do as they are told

enum class OnTerminate {
  leave,  ///< let the guard's destructor release, and exit
  stay,   ///< count the signal and go on
  die,    ///< the default action: no clean-up
};

struct ActorOptions {
  OnTerminate on_terminate = OnTerminate::leave;
  bool leads_group = false;
  Family family = Family::dies_with_parent;
  uid_t user = 0;  ///< to become, where not 0
};

inline void become(uid_t user) {
  REQUIRE(::setgroups(0, nullptr) == 0);
  REQUIRE(::setresgid(user, user, user) == 0);
  REQUIRE(::setresuid(user, user, user) == 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // was forgotten with the old user
}

class Actor {
  struct Desk {
    Counter bell;  ///< rung when there is something to do
    Counter answered;
    std::atomic<std::uint32_t> asked{0};
    std::atomic<std::uint32_t> terminations{0};
    std::atomic<bool> leave{false};
    void (*run)(Guard&, Desk&) = nullptr;
    alignas(64) unsigned char question[512] = {};
    alignas(64) unsigned char answer[64 * 1024] = {};
  };

 public:
  explicit Actor(const std::string& directory, const ActorOptions& options = {})
      : child_{start([&] { serve(directory, options); }, options.family)} {
    desk_->answered.wait_for(1);
  }
  explicit Actor(const StateDirectory& directory, const ActorOptions& options = {})
      : Actor{directory.path(), options} {}

  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] ProcessIdentity identity() const { return child_.identity(); }
  [[nodiscard]] Child& process() { return child_; }
  /// How many SIGTERMs it got.
  [[nodiscard]] std::uint32_t terminations() const { return desk_->terminations.load(); }

  /// Lets the actor run `question(guard)`. What it captures is copied as it is: numbers, pointers into `Shared`.
  template <typename Question>
  void tell(Question question) {
    static_assert(std::is_trivially_copyable_v<Question> && sizeof(Question) <= sizeof(Desk::question));
    new (desk_->question) Question{question};
    desk_->run = [](Guard& guard, Desk& desk) {
      const Question& asked = *std::launder(reinterpret_cast<const Question*>(desk.question));
      using Answer = std::invoke_result_t<const Question&, Guard&>;
      if constexpr (std::is_void_v<Answer>) {
        asked(guard);
      } else {
        static_assert(sizeof(Answer) <= sizeof(Desk::answer) && std::is_trivially_destructible_v<Answer>);
        new (desk.answer) Answer{asked(guard)};
      }
    };
    desk_->asked.fetch_add(1);
    desk_->bell.add();
  }
  [[nodiscard]] bool has_answered() const { return desk_->answered.get() > desk_->asked.load(); }
  template <typename Answer>
  [[nodiscard]] Answer answer() {
    while (!desk_->answered.reaches(desk_->asked.load() + 1, 250)) {
      if (!child_.alive()) FAIL("the actor ended instead of answering");
    }
    if constexpr (!std::is_void_v<Answer>) return *std::launder(reinterpret_cast<const Answer*>(desk_->answer));
  }
  template <typename Question>
  auto ask(Question question) {
    tell(question);
    return answer<std::invoke_result_t<const Question&, Guard&>>();
  }

  ClaimReport claim(ClaimOptions options = {}) {
    return value(ask([settle = options.settle.count(), grace = options.empty_grace.count(), mode = options.mode,
                      starting = options.starting](Guard& guard) {
      ClaimOptions given;
      given.settle = Milliseconds{settle};
      given.empty_grace = Milliseconds{grace};
      given.mode = mode;
      given.starting = starting;
      return guard.claim(given);
    }));
  }
  Ownership verify() {
    return ask([](Guard& guard) { return guard.verify(); });
  }
  void release() {
    ok(ask([](Guard& guard) { return guard.release(); }));
  }
  /// Ends it with its guard's destructor. Returns: its exit status.
  int leave() {
    desk_->leave = true;
    desk_->bell.add();
    return child_.wait();
  }
  /// Ends it without any clean-up.
  void kill() { child_.end(); }

 private:
  static inline Desk* own_desk = nullptr;  // of an actor's own process, for its signal handler

  void serve(const std::string& directory, const ActorOptions& options) {
    own_desk = &*desk_;
    if (options.leads_group) ::setpgid(0, 0);
    if (options.user != 0) become(options.user);
    if (options.on_terminate != OnTerminate::die) {
      struct ::sigaction action{};
      action.sa_handler = [](int) {
        own_desk->terminations.fetch_add(1);
        own_desk->bell.add();
      };
      ::sigaction(SIGTERM, &action, nullptr);
    }
    Guard guard{directory};
    desk_->answered.add();
    for (std::uint32_t done = 0;;) {
      const std::uint32_t heard = desk_->bell.get();  // before looking for work, so that no ring is missed
      if (desk_->leave || (options.on_terminate == OnTerminate::leave && desk_->terminations > 0)) return;
      if (desk_->asked > done) {
        ++done;
        desk_->run(guard, *desk_);
        desk_->answered.add();
      } else {
        (void)desk_->bell.reaches(heard + 1);
      }
    }
  }

  Shared<Desk> desk_;
  Child child_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Worlds

inline constexpr uid_t nobody = 65534;
[[nodiscard]] inline bool is_root() { return ::geteuid() == 0; }

/// Exit status of a child that could not set up its world.
inline constexpr int not_permitted = 77;

namespace detail {

/// Writes to a file of /proc, in one call. Returns: whether the kernel accepts it.
[[nodiscard]] inline bool tell_kernel(const char* path, const std::string& what) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool accepted = ::write(file, what.data(), what.size()) > 0;
  ::close(file);
  return accepted;
}

}  // namespace detail

/// Runs `body` in a mount namespace of its own, as root of a user namespace where we are not root.
/// Returns: its exit status, or `not_permitted`.
template <typename Body>
[[nodiscard]] int in_own_mounts(Body&& body, int more_namespaces = 0) {
  return start([&]() -> int {
           const uid_t user = ::geteuid();
           const gid_t group = ::getegid();
           if (::unshare(CLONE_NEWNS | more_namespaces | (user != 0 ? CLONE_NEWUSER : 0)) != 0) return not_permitted;
           if (user != 0) {
             if (!detail::tell_kernel("/proc/self/setgroups", "deny") ||
                 !detail::tell_kernel("/proc/self/uid_map", "0 " + std::to_string(user) + " 1") ||
                 !detail::tell_kernel("/proc/self/gid_map", "0 " + std::to_string(group) + " 1")) {
               return not_permitted;
             }
           }
           if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return not_permitted;
           return detail::status_of(body);
         })
      .wait();
}

/// Runs `body` as PID 1 of its own PID namespace, with its own /proc. A signal to everybody ends there.
template <typename Body>
[[nodiscard]] int in_own_pid_namespace(Body&& body) {
  return in_own_mounts(
      [&]() -> int {
        return start([&]() -> int {
                 if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) return not_permitted;
                 return detail::status_of(body);
               })
            .wait();
      },
      CLONE_NEWPID);
}

/// The next process that is forked gets `pid`. Only reliable in a PID namespace where nobody else forks.
/// Returns: whether that is possible.
[[nodiscard]] inline bool choose_next_pid(pid_t pid) {
  return detail::tell_kernel("/proc/sys/kernel/ns_last_pid", std::to_string(pid - 1));
}

/// A process with the PID of `former`, which has ended, but with another start time.
template <typename Body>
[[nodiscard]] Child start_in_place_of(const ProcessIdentity& former, Body&& body) {
  for (;;) {
    REQUIRE(choose_next_pid(static_cast<pid_t>(former.pid)));
    Child child = start(body);
    if (child.pid() != former.pid) continue;       // a thread of a sanitizer's runtime has taken the number
    if (child.identity() != former) return child;  // within the same clock tick they look the same
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Policies that are watched

using tests::ObservedFilesystem;
using ObservedGuard = genie::ServeGuard<genie::SystemClock, genie::SystemProcessProbe, ObservedFilesystem>;

[[nodiscard]] inline ObservedGuard observed_guard(const std::string& directory, const std::function<void()>& before) {
  return ObservedGuard{directory, {}, {}, {}, ObservedFilesystem{before}};
}

}  // namespace process_tests

#endif  // GENIE_TESTS_PROCESS_SUPPORT_HPP
