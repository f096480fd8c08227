// What the Linux policies make of a kernel or a sandbox that refuses. A filter holds for the thread that installs it,
// and ends with it.
#include <genie/serve_guard.hpp>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "refusal.hpp"

namespace tests::refusing_kernel_test {

using genie::LinuxClock;
using genie::LinuxFilesystem;
using genie::LinuxProcessProbe;
using genie::Liveness;
using genie::milliseconds;
using genie::OpenMode;
using genie::Pid;
using genie::seconds;
using genie::Signal;
using tests::install;
using tests::Refusal;
using tests::supervise;

namespace {

constexpr unsigned to_group = 1U << 2U;

/// Runs `act` where the kernel refuses. What `act` finds is checked by its caller: a thread must not throw.
void refusing(const std::vector<Refusal>& refusals, const std::function<void()>& act) {
  bool installed = true;
  std::thread thread{[&] {
    for (const Refusal& refusal : refusals) installed = installed && install(refusal);
    if (installed) act();
  }};
  thread.join();
  if (!installed) FAIL("seccomp filters cannot be installed here");
}

/// What `supervise` is to let happen before a call.
int nothing_happens(int /*calls*/) { return 0; }

/// A child in a process group of its own, that does nothing; killed and reaped at the end.
class Child {
 public:
  Child() {
    // Blocked until the handlers of the test program are gone from the child: they would wait for its locks.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGTERM, SIG_DFL);
      ::sigprocmask(SIG_SETMASK, &before, nullptr);
      ::alarm(60);
      for (;;) ::pause();
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::setpgid(pid_, pid_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] Pid pid() const { return pid_; }
  /// Becomes a zombie, and leads a group without members that run.
  void end() const {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }

 private:
  pid_t pid_ = -1;
};

/// A directory that says what a test wants where a cgroup's has the kernel's files.
class ToldCgroup {
 public:
  ToldCgroup() {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    handle_.directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(handle_.directory >= 0);
  }
  ToldCgroup(const ToldCgroup&) = delete;
  ToldCgroup& operator=(const ToldCgroup&) = delete;
  ~ToldCgroup() {
    ::close(handle_.directory);
    std::filesystem::remove_all(path_);
  }
  [[nodiscard]] const LinuxProcessProbe::Cgroup& handle() const { return handle_; }
  void tell(const std::string& file, const std::string& content) const { std::ofstream{path_ + '/' + file} << content; }
  /// Who is in it; 0 for somebody without a number here.
  void tell_members(const std::vector<Pid>& members) const {
    std::string lines;
    for (const Pid member : members) lines += std::to_string(member) + '\n';
    tell("cgroup.procs", lines);
  }
  [[nodiscard]] std::string told(const std::string& file) const {
    std::ifstream stream{path_ + '/' + file};
    return {std::istreambuf_iterator<char>{stream}, {}};
  }
  void make_below(const std::string& name) const { std::filesystem::create_directory(path_ + '/' + name); }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "genie-cgroup-XXXXXX").string();
  LinuxProcessProbe::Cgroup handle_;
};

/// While it lives, a SIGTERM does nothing to this process.
class IgnoredTermination {
 public:
  IgnoredTermination() : before_{std::signal(SIGTERM, SIG_IGN)} {}
  IgnoredTermination(const IgnoredTermination&) = delete;
  IgnoredTermination& operator=(const IgnoredTermination&) = delete;
  ~IgnoredTermination() { std::signal(SIGTERM, before_); }

 private:
  void (*before_)(int);
};

}  // namespace

TEST_CASE("without getrandom, tokens still differ", "[process_probe]") {
  LinuxProcessProbe probe;
  std::uint64_t one = 0;
  std::uint64_t other = 0;
  refusing({{SYS_getrandom, ENOSYS}}, [&] {
    one = probe.random();
    for (int tries = 0; tries < 1000 && (other == 0 || other == one); ++tries) other = probe.random();
  });
  CHECK(one != 0);
  CHECK(one != other);
}

TEST_CASE("a thread that is no process cannot be opened, whichever way the kernel says so", "[process_probe]") {
  LinuxProcessProbe probe;
  for (const auto& [answer, expected] : {std::pair{EINVAL, ESRCH}, {ENOENT, ESRCH}, {EMFILE, EMFILE}, {EPERM, EPERM}}) {
    int error = 0;
    refusing({{SYS_pidfd_open, answer}}, [&, probe]() mutable { error = probe.open(probe.self()).error; });
    CHECK(error == expected);
  }
}

TEST_CASE("before Linux 6.9 a group is signalled by its number, while its leader is pinned", "[process_probe]") {
  LinuxProcessProbe probe;
  const Child child;
  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  const Refusal no_groups{SYS_pidfd_send_signal, EINVAL, 3, to_group};
  bool lived = false;
  int sent = -1;
  refusing({no_groups}, [&] {
    lived = probe.group_lives(handle.value, child.pid());
    sent = probe.signal_group(handle.value, child.pid(), Signal::terminate).error;
  });
  CHECK(lived);
  CHECK(sent == 0);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT) == 0);
  CHECK(info.si_status == SIGTERM);

  bool lives = true;
  refusing({no_groups}, [&] { lives = probe.group_lives(handle.value, child.pid()); });
  CHECK_FALSE(lives);
  probe.close(handle.value);
}

TEST_CASE("a group whose leader cannot be asked is not signalled by number", "[process_probe][F6]") {
  LinuxProcessProbe probe;
  const Child child;
  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  int error = 0;
  refusing({{SYS_pidfd_send_signal, EINVAL}},
           [&] { error = probe.signal_group(handle.value, child.pid(), Signal::kill).error; });
  CHECK(error == ENOSYS);
  CHECK(probe.look(child.pid()).liveness == Liveness::alive);

  // The number is refused, too.
  bool lives = true;
  refusing({{SYS_pidfd_send_signal, EINVAL, 3, to_group}, {SYS_kill, ESRCH}}, [&] {
    error = probe.signal_group(handle.value, child.pid(), Signal::kill).error;
    lives = probe.group_lives(handle.value, child.pid());
  });
  CHECK(error == ESRCH);
  CHECK_FALSE(lives);
  CHECK(probe.look(child.pid()).liveness == Liveness::alive);
  probe.close(handle.value);
}

TEST_CASE("without /proc a group lives while its leader is not reaped, and nobody is seen to hold a lock",
          "[process_probe]") {
  const Child child;
  LinuxProcessProbe probe;
  LinuxProcessProbe learned;
  (void)learned.origin();
  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  child.end();
  bool never_seen = false;
  bool seen_before = false;
  std::size_t holders = 7;
  genie::LockHolder out[1];
  genie::ProcessOrigin origin;
  refusing({{SYS_openat, EMFILE}, {tests::readlink_call, ENOENT}, {SYS_readlinkat, ENOENT}}, [&] {
    never_seen = probe.group_lives(handle.value, child.pid());
    seen_before = learned.group_lives(handle.value, child.pid());
    holders = probe.lock_holders({}, 0, out, 1) + learned.lock_holders({}, 0, out, 1);
    origin = probe.origin();
  });
  CHECK(never_seen);
  CHECK(seen_before);
  CHECK(holders == 0);
  CHECK(origin.pid_namespace == 0);
  CHECK_FALSE(learned.group_lives(handle.value, child.pid()));
  learned.close(handle.value);
}

TEST_CASE("an origin that cannot be looked up is unknown, not another", "[process_probe]") {
  const auto known = LinuxProcessProbe{}.origin();
  LinuxProcessProbe probe;
  genie::ProcessOrigin origin;
  refusing({{tests::fstatat_call, EACCES}}, [&] { origin = probe.origin(); });
  CHECK(known.pid_namespace != 0);
  CHECK(origin.pid_namespace == 0);
  CHECK(origin.boot == known.boot);
  CHECK(probe.origin().pid_namespace == known.pid_namespace);  // once it can be
}

TEST_CASE("an origin that could not be looked up for want of descriptors or memory is looked up again",
          "[process_probe]") {
  const auto known = LinuxProcessProbe{}.origin();
  REQUIRE(known.error == 0);
  const int shortage = GENERATE(EMFILE, ENFILE, ENOMEM);
  CAPTURE(shortage);
  LinuxProcessProbe probe;
  genie::ProcessOrigin origin;
  genie::Observation seen;
  SECTION("the boot") {
    refusing({{SYS_openat, shortage}}, [&] {
      origin = probe.origin();
      seen = probe.look(probe.self());
    });
    CHECK(origin.boot.empty());
    CHECK(seen.liveness == Liveness::alive);
    CHECK_FALSE(seen.start.known);
  }
  SECTION("whose /proc it is") {
    refusing({{tests::readlink_call, shortage}, {SYS_readlinkat, shortage}}, [&] { origin = probe.origin(); });
    CHECK(origin.pid_namespace == 0);
  }
  CHECK(origin.error == shortage);
  CHECK(probe.origin() == known);
  CHECK(probe.origin().error == 0);
  CHECK(probe.look(probe.self()).start.known);
}

TEST_CASE("an origin that the system does not tell is asked for once", "[process_probe]") {
  LinuxProcessProbe probe;
  int asked = 0;
  genie::ProcessOrigin origin;
  const Refusal opening{SYS_openat, 0};
  const bool is_possible = supervise(
      opening,
      [&](int calls) {
        asked = calls;
        return EACCES;
      },
      [&] {
        origin = probe.origin();
        origin = probe.origin();
      });
  if (!is_possible) return;
  CHECK(asked <= 2);  // the boot, and where this is not the first PID namespace, our numbers
  CHECK(origin.boot.empty());
  CHECK(origin.error == 0);
}

TEST_CASE("where forks can't be noticed, a process asks each time who it is", "[process_probe]") {
  using genie::linux_detail::ProcessMark;
  std::uint64_t* const known_word = ProcessMark::word;
  const auto known = LinuxProcessProbe{}.origin();
  std::vector<Refusal> refusals;
  SECTION("the kernel does not know that advice") { refusals = {{SYS_madvise, EINVAL}}; }
  SECTION("an emulator takes any advice, and does nothing") { refusals = {{SYS_madvise, 0}}; }
  std::uint64_t mark = 1;
  genie::ProcessOrigin first;
  genie::ProcessOrigin second;
  genie::Observation seen;
  LinuxProcessProbe probe;
  refusing(refusals, [&] {
    ProcessMark::word = nullptr;
    mark = genie::linux_detail::process_mark();
    first = probe.origin();
    seen = probe.look(probe.self());
    seen = probe.look(probe.self());
    second = probe.origin();
  });
  ProcessMark::word = known_word;
  CHECK(mark == 0);
  CHECK(first == known);
  CHECK(second == known);
  CHECK(probe.origin() == known);  // once they can be
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.start.known);
}

TEST_CASE("a process whose start cannot be read is alive all the same, and says why its start is unknown",
          "[process_probe]") {
  const Child child;
  const auto seen_where = [&](const std::vector<Refusal>& refusals) {
    LinuxProcessProbe probe;
    genie::Observation seen;
    refusing(refusals, [&] { seen = probe.look(child.pid()); });
    CHECK(seen.liveness == Liveness::alive);
    CHECK_FALSE(seen.start.known);
    return seen.error;
  };
  CHECK(seen_where({{tests::readlink_call, ENOENT}, {SYS_readlinkat, ENOENT}}) == ENOENT);
  CHECK(seen_where({{SYS_openat, EACCES, 2, O_NOCTTY}}) == EACCES);
  CHECK(seen_where({{SYS_read, 0}}) == EBADMSG);  // an empty file
  CHECK(seen_where({{SYS_read, EIO}}) == EIO);
  // A /proc that knows this process by another number is another namespace's, and speaks of others.
  CHECK(seen_where({{SYS_getpid, 1}}) == ENOENT);
}

TEST_CASE("what cannot be asked at all is unknown, and holds nothing that can be seen", "[process_probe]") {
  LinuxProcessProbe probe;
  genie::Observation seen;
  bool holds = true;
  refusing({{tests::readlink_call, ENOENT}, {SYS_readlinkat, ENOENT}, {SYS_kill, EINVAL}}, [&] {
    seen = probe.look(::getpid());
    holds = probe.holds_lock(::getpid(), {}, 0);
  });
  CHECK(seen.liveness == Liveness::unknown);
  CHECK(seen.error == EINVAL);
  CHECK_FALSE(holds);
}

TEST_CASE("a cgroup is not opened where /proc does not tell of it, or tells that its process is gone",
          "[process_probe]") {
  const Child child;
  int unseen = 0;
  refusing({{tests::readlink_call, ENOENT}, {SYS_readlinkat, ENOENT}},
           [&] { unseen = LinuxProcessProbe{}.open_cgroup(child.pid()).error; });
  CHECK(unseen == EOPNOTSUPP);
  LinuxProcessProbe learned;
  (void)learned.origin();
  for (const auto& [answer, expected] : {std::pair{ESRCH, ESRCH}, {ENODEV, ESRCH}, {EIO, EIO}}) {
    int error = 0;
    refusing({{SYS_read, answer}}, [&] { error = learned.open_cgroup(child.pid()).error; });
    CHECK(error == expected);
  }
}

TEST_CASE("where the root of all cgroups cannot be looked at, none is found", "[process_probe]") {
  const genie::linux_detail::CgroupPath path{"/app"};
  const auto error_where = [&](const Refusal& refusal) {
    int error = 0;
    refusing({refusal}, [&] { error = genie::linux_detail::open_cgroup_directory(path).error; });
    return error;
  };
  CHECK(error_where({SYS_openat, EACCES, 2, O_NOFOLLOW}) == EACCES);
  CHECK(error_where({SYS_openat, ENOENT, 2, O_NOFOLLOW}) == EOPNOTSUPP);
  CHECK(error_where({tests::fstatfs_call, EIO}) == EOPNOTSUPP);
}

TEST_CASE("a cgroup that is removed while it is listed has no members, and one that cannot be listed is an error",
          "[process_probe]") {
  const ToldCgroup cgroup;
  cgroup.tell_members({4711});
  cgroup.make_below("below");
  const auto listed_where = [&](const std::vector<Refusal>& refusals, const std::vector<Pid>& expected) {
    std::vector<Pid> seen;
    int error = 0;
    refusing(refusals, [&] {
      error = genie::linux_detail::for_each_in_cgroup(cgroup.handle().directory, [&](Pid member) noexcept {
                seen.push_back(member);
              }).error;
    });
    CHECK(seen == expected);
    return error;
  };
  CHECK(listed_where({}, {4711}) == 0);  // below, there is no such file any more
  CHECK(listed_where({{SYS_openat, ENODEV, 2, O_NOFOLLOW}}, {4711}) == 0);
  CHECK(listed_where({{SYS_openat, EACCES, 2, O_NOFOLLOW}}, {4711}) == EACCES);
  CHECK(listed_where({{SYS_openat, EMFILE, 2, O_DIRECTORY}}, {4711}) == EMFILE);
  CHECK(listed_where({{SYS_getdents64, EIO}}, {4711}) == EIO);
  CHECK(listed_where({{SYS_read, EIO}}, {}) == EIO);
}

TEST_CASE("a cgroup of which cannot be told whether anybody is in it lives, unless it was removed", "[process_probe]") {
  const ToldCgroup cgroup;
  cgroup.tell("cgroup.events", "populated 1\nfrozen 0\n");
  LinuxProcessProbe probe;
  const auto lives_where = [&](const std::vector<Refusal>& refusals) {
    bool lives = false;
    refusing(refusals, [&] { lives = probe.cgroup_lives(cgroup.handle()); });
    return lives;
  };
  CHECK(lives_where({}));
  CHECK(lives_where({{SYS_read, EIO}}));
  CHECK(lives_where({{SYS_openat, EMFILE}}));
  CHECK_FALSE(lives_where({{SYS_read, ENODEV}}));
  CHECK_FALSE(lives_where({{SYS_openat, ENOENT}}));
  cgroup.tell("cgroup.events", "populated 0\nfrozen 0\n");
  CHECK_FALSE(lives_where({}));
}

TEST_CASE("a cgroup that cannot be killed says why, and one that was removed is gone", "[process_probe]") {
  const ToldCgroup cgroup;
  cgroup.tell("cgroup.kill", "");
  LinuxProcessProbe probe;
  for (const auto& [answer, expected] : {std::pair{EOPNOTSUPP, EOPNOTSUPP}, {ENODEV, ESRCH}}) {
    int error = 0;
    refusing({{SYS_write, answer}}, [&] { error = probe.signal_cgroup(cgroup.handle(), Signal::kill).error; });
    CHECK(error == expected);
    CHECK(cgroup.told("cgroup.kill").empty());
  }
  CHECK(probe.signal_cgroup(cgroup.handle(), Signal::kill).ok());
  CHECK(cgroup.told("cgroup.kill") == "1");
}

TEST_CASE("who asks a cgroup to end is not asked, and neither is who has no number here", "[process_probe][F17]") {
  const IgnoredTermination ignored;
  const ToldCgroup cgroup;
  LinuxProcessProbe probe;
  genie::NamedProcess members[2];
  cgroup.tell_members({probe.self()});
  CHECK(probe.signal_cgroup(cgroup.handle(), Signal::terminate).error == ESRCH);
  cgroup.tell_members({0});
  // Somebody is there, though.
  CHECK(probe.signal_cgroup(cgroup.handle(), Signal::terminate).error == EINVAL);
  CHECK(probe.cgroup_members(cgroup.handle(), members, 2) == 0);
  cgroup.tell_members({0, probe.self()});
  REQUIRE(probe.cgroup_members(cgroup.handle(), members, 2) == 1);
  CHECK(members[0].pid == probe.self());
}

TEST_CASE("a cgroup in which nobody could be asked to end is not taken for an empty one", "[process_probe][F17]") {
  const Child one;
  const Child other;
  const ToldCgroup cgroup;
  cgroup.tell_members({one.pid(), other.pid()});
  LinuxProcessProbe probe;
  const auto error_where = [&](const Refusal& refusal) {
    int error = 0;
    refusing({refusal}, [&] { error = probe.signal_cgroup(cgroup.handle(), Signal::terminate).error; });
    return error;
  };
  CHECK(error_where({SYS_pidfd_send_signal, EPERM}) == EPERM);
  CHECK(error_where({SYS_pidfd_open, EMFILE}) == EMFILE);
  CHECK(error_where({SYS_openat, EMFILE}) == EMFILE);
  // These are gone.
  CHECK(error_where({SYS_pidfd_send_signal, ESRCH}) == ESRCH);
  CHECK(error_where({SYS_pidfd_open, ESRCH}) == ESRCH);
  CHECK(error_where({SYS_openat, ENODEV}) == ESRCH);
  for (const Child* const child : {&one, &other}) CHECK(probe.look(child->pid()).liveness == Liveness::alive);
}

TEST_CASE("a number that is not in a cgroup any more when its process was pinned is not signalled",
          "[process_probe][F17]") {
  const Refusal listing{SYS_openat, 0, 2, O_DIRECTORY, true};
  if (!supervise(listing, nothing_happens, [] {})) {
    WARN("skipped: system calls cannot be supervised here");
    return;
  }
  const Child child;
  const ToldCgroup cgroup;
  LinuxProcessProbe probe;
  // The members are listed once, and once more for the one that was found.
  const auto error_where = [&](const std::function<int()>& before_second) {
    cgroup.tell_members({child.pid()});
    int error = 0;
    int listings = 0;
    CHECK(supervise(
        listing, [&](int listed) { return (listings = listed) == 2 ? before_second() : 0; },
        [&] { error = probe.signal_cgroup(cgroup.handle(), Signal::terminate).error; }));
    CHECK(listings == 2);
    return error;
  };
  CHECK(error_where([&] {
          cgroup.tell_members({});
          return 0;
        }) == ESRCH);
  CHECK(error_where([] { return ENODEV; }) == ESRCH);
  CHECK(error_where([] { return EMFILE; }) == EMFILE);
  CHECK(probe.look(child.pid()).liveness == Liveness::alive);
}

TEST_CASE("a look at a process that a signal interrupts is repeated", "[process_probe]") {
  if (!supervise({SYS_read, 0}, nothing_happens, [] {})) {
    WARN("skipped: system calls cannot be supervised here");
    return;
  }
  const Child child;
  LinuxProcessProbe probe;
  const auto expected = probe.look(child.pid());
  REQUIRE(expected.start.known);
  for (const Refusal& call : {Refusal{SYS_openat, 0, 2, O_NOCTTY}, Refusal{SYS_read, 0}}) {
    genie::Observation seen;
    int calls = 0;
    CHECK(supervise(
        call, [&](int made) { return (calls = made) < 3 ? EINTR : 0; }, [&] { seen = probe.look(child.pid()); }));
    CHECK(calls == 3);
    CHECK(seen.liveness == Liveness::alive);
    CHECK(seen.start == expected.start);
  }
}

TEST_CASE("a holder of a lock that ends while its start is read is not named", "[process_probe][F6]") {
  const Refusal reading{SYS_openat, 0, 2, O_NOCTTY};
  if (!supervise(reading, nothing_happens, [] {})) {
    WARN("skipped: system calls cannot be supervised here");
    return;
  }
  LinuxProcessProbe probe;
  LinuxFilesystem files;
  std::string path = (std::filesystem::temp_directory_path() / "genie-lock-XXXXXX").string();
  REQUIRE(::close(::mkstemp(path.data())) == 0);
  const auto lock = files.open({}, path.c_str(), OpenMode::read_write, 0);
  REQUIRE(lock.ok());
  CHECK(files.unlink({}, path.c_str()).ok());
  const genie::FileIdentity file = files.stat(lock.value).value.id;
  REQUIRE(files.try_lock(lock.value, 5, 1).ok());
  auto child = std::make_unique<Child>();
  files.close(lock.value);  // the child has it alone now
  genie::LockHolder holders[4];
  REQUIRE(probe.lock_holders(file, 5, holders, 4) == 1);
  CHECK(holders[0].pid == child->pid());

  // What is read is what its descriptor locks, and then its start. Whoever gets its PID before that has another.
  std::size_t found = 7;
  int reads = 0;
  CHECK(supervise(
      reading,
      [&](int read) {
        reads = read;
        if (read == 2) child.reset();
        return 0;
      },
      [&] { found = probe.lock_holders(file, 5, holders, 4); }));
  CHECK(reads == 2);
  CHECK(found == 0);
}

TEST_CASE("a file that would take a standard stream's place, and cannot be moved, is an error", "[filesystem]") {
  LinuxFilesystem files;
  const int kept = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
  int error = 0;
  bool is_free = false;
  ::close(0);
  refusing({{tests::fcntl_call, EMFILE}}, [&] {
    error = files.open({}, "/dev/null", OpenMode::read, 0).error;
    is_free = ::lseek(0, 0, SEEK_CUR) < 0 && errno == EBADF;
  });
  if (kept >= 0) {
    ::dup2(kept, 0);
    ::close(kept);
  }
  CHECK(error == EMFILE);
  CHECK(is_free);
}

TEST_CASE("a group of which a member's state cannot be read may still live", "[process_probe]") {
  const Child child;
  LinuxProcessProbe probe;
  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  CHECK(probe.group_lives(handle.value, child.pid()));
  const auto asked_where = [&](const std::vector<Refusal>& refusals) {
    bool lives = false;
    refusing(refusals, [&] { lives = probe.group_lives(handle.value, child.pid()); });
    return lives;
  };
  const Refusal no_states{SYS_openat, EMFILE, 2, O_NOCTTY};
  CHECK(asked_where({no_states}));
  genie::NamedProcess members[2];
  std::size_t count = 0;
  refusing({no_states}, [&] { count = probe.group_members(handle.value, child.pid(), members, 2); });
  REQUIRE(count == 1);
  CHECK(members[0].pid == child.pid());
  CHECK_FALSE(members[0].start.known);
  CHECK(members[0].name.empty());
  CHECK(probe.group_members(handle.value, child.pid(), members, 0) == 0);
  CHECK(members[0].pid == child.pid());
  // Nor where the kernel says that there are some whom we may not signal, or where nobody can be listed.
  CHECK(asked_where({{SYS_pidfd_send_signal, EPERM}, {tests::readlink_call, ENOENT}, {SYS_readlinkat, ENOENT}}));
  child.end();
  CHECK_FALSE(probe.group_lives(handle.value, child.pid()));
  CHECK(asked_where({no_states}));
  CHECK(asked_where({{SYS_getdents64, EIO}}));
  // Those of other groups need not be readable.
  CHECK_FALSE(asked_where({no_states, {SYS_getpgid, ESRCH}}));
  probe.close(handle.value);
}

TEST_CASE("a process leads no group in which the caller is", "[process_probe]") {
  LinuxProcessProbe probe;
  CHECK_FALSE(probe.leads_group(::getpgrp()));
  const Child child;
  CHECK(probe.leads_group(child.pid()));
}

TEST_CASE("a wait that the kernel refuses is an error, and one that is too long is shortened", "[process_probe]") {
  LinuxProcessProbe probe;
  const Child child;
  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  int error = 0;
  refusing({{tests::poll_call, EINTR}, {tests::ppoll_call, EINTR}},
           [&] { error = probe.wait(handle.value, seconds(1)).error; });
  CHECK(error == EINTR);
  child.end();
  const auto ended = probe.wait(handle.value, genie::Milliseconds{INT64_MAX});
  CHECK(ended.ok());
  CHECK(ended.value);
  probe.close(handle.value);
}

TEST_CASE("a sleep of no time does not sleep", "[clock]") {
  LinuxClock clock;
  const auto began = clock.monotonic();
  clock.sleep(genie::Milliseconds{});
  clock.sleep(milliseconds(-1000));
  clock.sleep(genie::Milliseconds{INT64_MIN});
  CHECK(clock.monotonic() - began < seconds(5));
}

TEST_CASE("the coarse clock never goes back, and follows the time", "[clock]") {
  LinuxClock clock;
  const auto began = clock.monotonic();
  const auto first = clock.coarse();
  auto last = first;
  bool went_back = false;
  while (last - first < milliseconds(20) && clock.monotonic() - began < seconds(20)) {
    const auto now = clock.coarse();
    went_back = went_back || now < last;
    last = now;
  }
  CHECK_FALSE(went_back);
  CHECK(last - first >= milliseconds(20));
  CHECK(last - first < seconds(20));
}

TEST_CASE("what a file system or a limit refuses has the errno that the protocol expects", "[filesystem]") {
  std::string path = (std::filesystem::temp_directory_path() / "genie-refusing-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  LinuxFilesystem files;
  const auto directory = files.open_directory(path.c_str());
  REQUIRE(directory.ok());
  const auto file = files.open(directory.value, "file", OpenMode::ensure, 0600);
  REQUIRE(file.ok());
  int unnamed = 0;
  int locked = 0;
  int watched = 0;
  int waited = 0;
  auto watch = files.watch(path.c_str());
  REQUIRE(watch.ok());
  constexpr std::uint32_t tmpfile_bit =
      static_cast<std::uint32_t>(O_TMPFILE) & ~static_cast<std::uint32_t>(O_DIRECTORY);
  refusing({{SYS_openat, EISDIR, 2, tmpfile_bit},
            {SYS_inotify_init1, EMFILE},
            {tests::fcntl_call, EACCES},
            {tests::poll_call, EINTR}},
           [&] {
             unnamed = files.create_unnamed(directory.value, 0600).error;
             locked = files.try_lock(file.value, 0, 1).error;
             watched = files.watch(path.c_str()).error;
             waited = files.wait(watch.value, milliseconds(1)).error;
           });
  CHECK(unnamed == EOPNOTSUPP);
  CHECK(locked == EAGAIN);
  CHECK(watched == EMFILE);
  CHECK(waited == EINTR);
  files.close_watch(watch.value);
  files.close_watch(watch.value);  // a closed one again, which is none
  files.close(file.value);
  files.close(directory.value);
  std::filesystem::remove_all(path);
}

TEST_CASE("a lock to the end of the file, a shared one, and two at once are told apart", "[process_probe]") {
  std::string path = (std::filesystem::temp_directory_path() / "genie-locks-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  LinuxFilesystem files;
  LinuxProcessProbe probe;
  const auto directory = files.open_directory(path.c_str());
  REQUIRE(directory.ok());
  const auto file = files.open(directory.value, "file", OpenMode::ensure, 0600);
  REQUIRE(file.ok());
  const genie::FileIdentity id = files.stat(file.value).value.id;
  const auto holds = [&](std::uint64_t at) { return probe.holds_lock(probe.self(), id, at); };
  const auto shared = [&](off_t from, off_t length) {
    struct ::flock range{};
    range.l_type = F_RDLCK;
    range.l_whence = SEEK_SET;
    range.l_start = from;
    range.l_len = length;
    REQUIRE(::fcntl(file.value.descriptor, F_OFD_SETLK, &range) == 0);
  };

  shared(100, 10);
  CHECK_FALSE(holds(105));  // a shared lock owns nothing
  REQUIRE(files.try_lock(file.value, 200, 1).ok());
  REQUIRE(files.try_lock(file.value, 300, 1).ok());
  CHECK(holds(200));
  CHECK(holds(300));
  CHECK_FALSE(holds(250));
  CHECK_FALSE(holds(105));
  REQUIRE(files.try_lock(file.value, 400, 0).ok());
  CHECK(holds(400));
  CHECK(holds(INT64_MAX));
  CHECK_FALSE(holds(399));
  files.close(file.value);
  files.close(directory.value);
  std::filesystem::remove_all(path);
}

}  // namespace tests::refusing_kernel_test
