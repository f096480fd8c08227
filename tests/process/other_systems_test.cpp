// What macOS and FreeBSD share, run on Linux: their process probe, watches and launcher over a small kqueue
// (tests/kqueue), locks of whole files, and a disk without exchange. Whether their kernels behave as this one does,
// only they can tell.
#define GENIE_TEST_KQUEUE
#include <genie/ensure.hpp>
#include <genie/serve_guard.hpp>

#include <genie/bsd/filesystem.hpp>
#include <genie/bsd/process_probe.hpp>
#include <genie/posix/whole_file_locks.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/support.hpp"

namespace process_tests::other_systems_test {

using genie::Liveness;
using genie::milliseconds;
using genie::OpenMode;
using genie::Signal;
using genie::bsd_detail::ProcessEntry;
using genie::bsd_detail::ProcessHandle;

namespace {

constexpr genie::Milliseconds patience = genie::seconds(patience_s);

/// What a kernel's table of processes would tell, from /proc.
struct Processes {
  static int read(Pid pid, ProcessEntry& entry) noexcept {
    if (read_error != 0) return read_error;
    genie::LinuxProcessStat stat;
    const int error = genie::linux_detail::read_stat(pid, stat);
    if (error != 0) return genie::linux_detail::says_gone(error) ? ESRCH : error;
    entry.pid = pid;
    entry.parent = static_cast<Pid>(stat.parent);
    entry.group = static_cast<Pid>(stat.group);
    entry.zombie = has_ended(stat);
    entry.start = stat.start;
    entry.name = genie::linux_detail::named_process(pid, stat.start).name;
    return 0;
  }
  static bool hides_processes() noexcept { return hides; }
  template <typename Visit>
  static int group(Pid group, Visit&& visit) noexcept {
    if (group_error != 0) return group_error;
    for (const auto& file : std::filesystem::directory_iterator("/proc")) {
      ProcessEntry entry;
      const Pid pid = std::atoll(file.path().filename().c_str());
      if (pid > 0 && read(pid, entry) == 0 && entry.group == group && !visit(entry)) break;
    }
    return 0;
  }
  static std::uint64_t serial(Pid) noexcept { return 7; }
  static int signal(const ProcessHandle& handle, int number) noexcept {
    return ::kill(static_cast<pid_t>(handle.pid), number) == 0 ? 0 : errno;
  }
  static genie::BootId boot() noexcept {
    ++questions;
    return knows_boot ? genie::BootId{genie::Text{"this-boot"}} : genie::BootId{};
  }
  static std::uint64_t pid_namespace() noexcept { return 1; }
  static std::uint64_t random() noexcept { return genie::LinuxProcessProbe{}.random(); }

  static inline int read_error = 0;
  static inline int group_error = 0;
  static inline bool hides = false;
  static inline bool knows_boot = true;
  static inline int questions = 0;  ///< for the boot
};
using Probe = genie::bsd_detail::ProcessProbe<Processes>;
static_assert(genie::ProcessProbePolicy<Probe>);

/// Shared and exclusive locks of whole files that belong to the open file and can be queried.
class Locks : public genie::posix_detail::Files {
 public:
  enum class Kind : unsigned char { none, shared, exclusive };

  static int set(File file, Kind kind) noexcept {
    const auto type = kind == Kind::exclusive ? F_WRLCK : (kind == Kind::shared ? F_RDLCK : F_UNLCK);
    struct ::flock range = lock_range(static_cast<short>(type), 0, 0);
    return ::fcntl(file.descriptor, F_OFD_SETLK, &range) == 0 ? 0 : errno;
  }
  static int query(File file, Kind& kind) noexcept {
    struct ::flock range = lock_range(F_WRLCK, 0, 0);
    if (::fcntl(file.descriptor, F_OFD_GETLK, &range) != 0) return errno;
    kind = range.l_type == F_UNLCK ? Kind::none : (range.l_type == F_RDLCK ? Kind::shared : Kind::exclusive);
    return 0;
  }
};

class Filesystem : public genie::bsd_detail::Filesystem<genie::posix_detail::WholeFileLocks<Locks>, O_RDONLY> {
 public:
  [[nodiscard]] genie::SysResult<void> rename_new(File, const char*, const char*) noexcept { return {ENOSYS}; }
  [[nodiscard]] genie::SysResult<void> exchange(File, const char*, const char*) noexcept { return {ENOSYS}; }
  [[nodiscard]] genie::SysResult<void> link(File directory, const char* from, const char* to) noexcept {
    return status(::linkat(at(directory), from, at(directory), to, 0));
  }
  /// In two steps, because Linux has it not in one.
  [[nodiscard]] genie::SysResult<void> unlink_file(File directory, const char* name, File named) noexcept {
    const auto there = stat_at(directory, name);
    if (!there.ok()) return {there.error};
    if (there.value.id != stat(named).value.id) return {EDEADLK};
    return unlink(directory, name);
  }
  [[nodiscard]] genie::SysResult<void> sync(File file) noexcept { return status(::fsync(file.descriptor)); }
};
static_assert(genie::FilesystemPolicy<Filesystem>);

struct Launching {
  using Filesystem = other_systems_test::Filesystem;
  using ProcessProbe = Probe;
  using Clock = genie::LinuxClock;
  static constexpr int signal_count = _NSIG;

  static pid_t fork_untold() noexcept { return ::fork(); }
  static int await_child(pid_t child, siginfo_t& info) noexcept {
    return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED) == 0 ? 0 : errno;
  }
  static void collect(const Probe::Handle& attendant) noexcept {
    siginfo_t info{};
    (void)await_child(static_cast<pid_t>(attendant.pid), info);
  }
  /// But for what our kqueues wait for.
  template <std::size_t Count>
  static void close_all_but(const int (&kept)[Count]) noexcept {
    std::set<int> keep(kept, kept + Count);
    for (const auto& [queue, subject] : kqueue_on_linux::queues().subjects) {
      if (keep.count(queue) != 0) keep.insert(subject);
    }
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      if (keep.count(descriptor) == 0) ::close(descriptor);
    }
  }
  static void end_with_parent(bool) noexcept {}
  static int adopt_orphans() noexcept { return 0; }
  static int open_pipe(int (&ends)[2]) noexcept { return ::pipe2(ends, O_CLOEXEC); }
  static int open_line(int (&ends)[2]) noexcept { return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }
  static char** environment() noexcept { return ::environ; }
};
using Launcher = genie::posix_detail::ForkingLauncher<Launching>;
static_assert(genie::LauncherPolicy<Launcher, Filesystem>);

using BsdGuard = genie::ServeGuard<genie::LinuxClock, Probe, Filesystem>;

}  // namespace

TEST_CASE("a kqueue's handle is the process that was there when it was opened, and ends with it", "[bsd][probe]") {
  const Watchdog watchdog;
  Shared<Counter> runs;
  Child child = start([&] {
    runs->add();
    ::pause();
  });
  runs->wait_for(1);
  Probe probe;
  const auto seen = probe.look(child.pid());
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.start == child.identity().start);
  CHECK(seen.parent == ::getpid());
  CHECK(seen.session == ::getsid(0));

  const auto handle = probe.open(child.pid());
  REQUIRE(handle.ok());
  CHECK(handle.value.pid == child.pid());
  CHECK(handle.value.start == seen.start);
  CHECK(handle.value.serial == 7);
  CHECK((::fcntl(handle.value.descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK_FALSE(probe.wait(handle.value, milliseconds(0)).value);
  REQUIRE(probe.signal(handle.value, Signal::terminate).ok());
  REQUIRE(probe.wait(handle.value, patience).value);
  // Asked again, it is told again; a zombie has ended, and is signalled no more.
  CHECK(probe.wait(handle.value, milliseconds(0)).value);
  CHECK(probe.look(child.pid()).zombie);
  CHECK(probe.look(child.pid()).liveness == Liveness::gone);
  CHECK(probe.signal(handle.value, Signal::kill).error == ESRCH);

  // Who is opened now has ended before: nothing of what its number is by then is taken for its own.
  const auto late = probe.open(child.pid());
  REQUIRE(late.ok());
  CHECK_FALSE(late.value.start.known);
  CHECK(late.value.serial == 0);
  probe.close(late.value);

  const pid_t pid = child.pid();
  CHECK(child.wait() == 128 + SIGTERM);
  CHECK(probe.signal(handle.value, Signal::kill).error == ESRCH);
  CHECK(probe.look(pid).liveness == Liveness::gone);
  CHECK(probe.open(pid).error == ESRCH);
  probe.close(handle.value);
}

TEST_CASE("a group is signalled while its leader is there, running or not reaped, and not after", "[bsd][probe]") {
  const Watchdog watchdog;
  Shared<Counter> member_runs;
  Child leader = start([&] {
    ::setpgid(0, 0);
    if (::fork() == 0) {
      ::alarm(60);
      member_runs->add();
      for (;;) ::pause();
    }
    for (;;) ::pause();
  });
  member_runs->wait_for(1);
  Probe probe;
  const auto handle = probe.open(leader.pid());
  REQUIRE(handle.ok());
  CHECK(probe.leads_group(leader.pid()));
  CHECK(probe.group_lives(handle.value, leader.pid()));
  genie::NamedProcess members[4];
  REQUIRE(probe.group_members(handle.value, leader.pid(), members, 4) == 2);
  CHECK(probe.group_members(handle.value, leader.pid(), members, 1) == 1);
  CHECK(probe.group_members(handle.value, leader.pid(), members, 0) == 0);
  leader.send(SIGKILL);
  leader.await_zombie();
  REQUIRE(probe.group_members(handle.value, leader.pid(), members, 4) == 1);
  const Pid member = members[0].pid;
  CHECK(member != leader.pid());
  CHECK(members[0].start.known);
  CHECK(probe.signal_group(handle.value, member, Signal::kill).error == ENOSYS);  // another one's number
  REQUIRE(probe.signal_group(handle.value, leader.pid(), Signal::kill).ok());
  eventually([&] { return probe.look(member).liveness == Liveness::gone; });
  CHECK_FALSE(probe.group_lives(handle.value, leader.pid()));
  const pid_t pid = leader.pid();
  leader.wait();
  CHECK(probe.signal_group(handle.value, pid, Signal::kill).error == ENOSYS);
  for (const Pid none : {Pid{1}, Pid{0}, Pid{-1}, Pid{INT32_MAX} + 1}) {
    CHECK(probe.signal_group(handle.value, none, Signal::kill).error == EINVAL);
    CHECK_FALSE(probe.group_lives(handle.value, none));
    CHECK(probe.group_members(handle.value, none, members, 4) == 0);
    if (none != 1) CHECK(probe.open(none).error == EINVAL);
    if (none != 1) CHECK(probe.look(none).error == EINVAL);
  }
  probe.close(handle.value);
}

TEST_CASE("what these systems tell of one's own start is asked each time: a fork can't be noticed", "[bsd][probe]") {
  Probe probe;
  CHECK(probe.own_start().known);
  CHECK(probe.own_start() == probe.look(::getpid()).start);
}

TEST_CASE("an origin is asked for until it is known, and then no more", "[bsd][probe]") {
  Probe probe;
  Processes::questions = 0;
  Processes::knows_boot = false;
  CHECK(probe.origin().boot.empty());
  CHECK(probe.origin().boot.empty());
  CHECK(Processes::questions == 2);
  Processes::knows_boot = true;
  CHECK(probe.origin().boot == genie::BootId{"this-boot"});
  CHECK(probe.origin().boot == genie::BootId{"this-boot"});
  CHECK(Processes::questions == 3);
}

TEST_CASE("what can't be told of a process or a group is neither alive nor gone", "[bsd][probe]") {
  const Watchdog watchdog;
  Child child = start([] {
    ::setpgid(0, 0);
    ::pause();
  });
  eventually([&] { return ::getpgid(child.pid()) == child.pid(); });
  Probe probe;
  Processes::group_error = ENOMEM;
  CHECK(probe.group_lives({}, child.pid()));
  Processes::group_error = 0;
  Processes::read_error = EPERM;
  CHECK(probe.look(child.pid()).liveness == Liveness::alive);
  CHECK(probe.look(child.pid()).error == EPERM);
  CHECK_FALSE(probe.look(child.pid()).start.known);
  const auto handle = probe.open(child.pid());
  Processes::read_error = 0;
  REQUIRE(handle.ok());
  CHECK_FALSE(handle.value.start.known);
  probe.close(handle.value);
  const pid_t pid = child.pid();
  child.end();
  Processes::group_error = ENOMEM;
  CHECK_FALSE(probe.group_lives({}, pid));
  Processes::group_error = 0;
  Processes::hides = true;
  CHECK(probe.look(pid).liveness == Liveness::unknown);
  CHECK(probe.look(pid).error == EPERM);
  Processes::hides = false;
  CHECK(probe.look(pid).liveness == Liveness::gone);
  kqueue_on_linux::queues().kqueue_error = EMFILE;
  CHECK(probe.open(::getpid()).error == EMFILE);
  CHECK_FALSE(probe.holds_lock(::getpid(), {}, 0));
  CHECK(probe.lock_holders({}, 0, nullptr, 0) == 0);
  CHECK(probe.open_cgroup(::getpid()).error == EOPNOTSUPP);
  CHECK(probe.signal_cgroup({}, Signal::kill).error == EOPNOTSUPP);
  CHECK(probe.cgroup_lives({}));
  CHECK(probe.cgroup_members({}, nullptr, 0) == 0);
  probe.close_cgroup({});
  CHECK(probe.origin().pid_namespace == 1);
  CHECK(probe.origin().boot == genie::BootId{genie::Text{"this-boot"}});
}

TEST_CASE("a kqueue's watch tells of each change once, of files and of directories", "[bsd][files]") {
  const TemporaryDirectory directory;
  Filesystem files;
  const std::string path = directory.path() + "/file";
  const auto file = files.open({}, path.c_str(), OpenMode::ensure, 0600);
  REQUIRE(file.ok());
  const bool of_file = GENERATE(true, false);
  auto watch = files.watch(of_file ? path.c_str() : directory.path().c_str());
  REQUIRE(watch.ok());
  CHECK_FALSE(files.wait(watch.value, milliseconds(0)).value);
  for (int round = 0; round < 2; ++round) {
    if (of_file) {
      REQUIRE(files.write_at(file.value, "x", 1, 0).ok());
    } else {
      REQUIRE(
          files.rename({}, (path + (round == 0 ? "" : "2")).c_str(), (path + (round == 0 ? "2" : "")).c_str()).ok());
    }
    CHECK(files.wait(watch.value, patience).value);
    CHECK_FALSE(files.wait(watch.value, milliseconds(0)).value);
  }
  files.close_watch(watch.value);
  CHECK(watch.value.descriptor == -1);
  CHECK(watch.value.file == -1);
  files.close(file.value);
  CHECK(files.watch((directory.path() + "/none").c_str()).error == ENOENT);
  kqueue_on_linux::queues().kqueue_error = EMFILE;
  CHECK(files.watch(directory.path().c_str()).error == EMFILE);
}

TEST_CASE("names are listed by readdir as by getdents, and what is no regular file is refused as on Linux",
          "[bsd][files]") {
  const TemporaryDirectory directory;
  Filesystem files;
  const auto opened = files.open_directory(directory.path().c_str());
  REQUIRE(opened.ok());
  std::set<std::string> expected;
  for (int nth = 0; nth < 300; ++nth) {
    const std::string name = "file " + std::to_string(nth);
    files.close(files.open(opened.value, name.c_str(), OpenMode::create, 0600).value);
    expected.insert(name);
  }
  std::set<std::string> seen;
  CHECK(files.for_each_name(opened.value, [&](genie::Text name) noexcept { seen.emplace(name.data(), name.size()); })
            .ok());
  CHECK(seen == expected);
  CHECK(files.for_each_name({-2}, [](genie::Text) noexcept {}).ok());  // the working directory
  const auto file = files.open(opened.value, "file 1", OpenMode::read, 0);
  CHECK(files.for_each_name(file.value, [](genie::Text) noexcept {}).error == ENOTDIR);
  files.close(file.value);
  REQUIRE(::symlinkat("file 1", opened.value.descriptor, "link") == 0);
  CHECK(files.open(opened.value, "link", OpenMode::read, 0).error == ELOOP);
  CHECK(files.create_unnamed(opened.value, 0600).error == EOPNOTSUPP);
  CHECK(files.link_unnamed(file.value, opened.value, "x").error == EOPNOTSUPP);
  files.close(opened.value);
}

TEST_CASE("a lock of a whole file is an owner's and a starter's, and an owner's alone once the starter's is given up",
          "[bsd][files]") {
  using namespace genie::detail;
  const TemporaryDirectory directory;
  Filesystem files;
  const std::string path = directory.path() + "/lock";
  const auto mine = files.open({}, path.c_str(), OpenMode::ensure, 0600);
  const auto others = files.open({}, path.c_str(), OpenMode::read_write, 0600);
  REQUIRE(mine.ok());
  REQUIRE(others.ok());
  const auto query = [&] { return files.query_lock(others.value, owner_byte, 2).value; };
  CHECK_FALSE(query().held);
  REQUIRE(files.try_lock(mine.value, owner_byte, 2).ok());
  CHECK(covers(query(), owner_byte));
  CHECK(covers(query(), starter_byte));
  CHECK(files.try_lock(others.value, owner_byte, 2).error == EAGAIN);
  REQUIRE(files.unlock(mine.value, starter_byte, 1).ok());
  CHECK(covers(query(), owner_byte));
  CHECK_FALSE(covers(query(), starter_byte));
  CHECK(files.try_lock(others.value, owner_byte, 2).error == EAGAIN);
  CHECK(covers(query(), owner_byte));  // who failed has taken nothing away
  REQUIRE(files.try_lock(mine.value, starter_byte, 1).ok());
  CHECK(covers(query(), starter_byte));
  CHECK(files.try_lock(mine.value, stopper_byte, 1).error == EOPNOTSUPP);
  REQUIRE(files.unlock(mine.value, owner_byte, 1).ok());
  CHECK_FALSE(query().held);
  REQUIRE(files.try_lock(mine.value, owner_byte, 1).ok());
  files.close(mine.value);
  CHECK_FALSE(query().held);
  files.close(others.value);
  CHECK(files.query_lock({-1}, owner_byte, 1).error == EBADF);
  CHECK(files.try_lock({-1}, owner_byte, 1).error == EBADF);
}

TEST_CASE("a server is claimed for, found, killed, taken over and stopped by what FreeBSD has", "[bsd][claim]") {
  const Watchdog watchdog;
  const TemporaryDirectory parent;
  const std::string state = parent.path() + "/state";
  const auto serve = [&](Shared<Counter>& ready) {
    return start([&] {
      BsdGuard guard{state.c_str()};
      const auto claim = guard.claim();
      REQUIRE(claim);
      REQUIRE(claim->owned());
      ready->add();
      for (;;) ::pause();
    });
  };
  Shared<Counter> ready;
  Child first = serve(ready);
  ready->wait_for(1);
  BsdGuard guard{state.c_str()};
  CHECK(guard.status()->owner == first.identity());
  CHECK(guard.claim()->outcome == genie::ClaimOutcome::already_running);
  const auto dead = first.identity();
  first.end();
  CHECK_FALSE(*guard.running());

  Shared<Counter> second_ready;
  Child second = serve(second_ready);
  second_ready->wait_for(1);
  CHECK(guard.status()->owner == second.identity());
  CHECK(guard.status()->owner != dead);
  const auto receipt = guard.stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == genie::StopOutcome::stopped);
  CHECK(receipt->target == second.identity());
  CHECK(receipt->sentinel_error == 0);
  CHECK(second.wait() == 128 + SIGTERM);
  CHECK(::access((state + "/serve.pid").c_str(), F_OK) != 0);
  CHECK(::access((state + "/serve.stopping.lock").c_str(), F_OK) != 0);
}

TEST_CASE("what forks and executes a program does so by a kqueue as well as by pidfds", "[bsd][launcher]") {
  const Watchdog watchdog;
  const TemporaryDirectory directory;
  Filesystem files;
  Launcher launcher;
  const auto lock = files.open({}, (directory.path() + "/lock").c_str(), OpenMode::ensure, 0600);
  REQUIRE(lock.ok());
  const std::string told = directory.path() + "/told";
  const auto launch = [&](const char* task, const std::string& argument) {
    const char* const arguments[] = {"launched", task, argument.c_str(), nullptr};
    genie::LaunchPlan plan;
    plan.program = GENIE_LAUNCHED;
    plan.arguments = arguments;
    const auto child = launcher.spawn(plan, lock.value, patience);
    REQUIRE(child.ok());
    REQUIRE(launcher.let_go(child.value, patience).ok());
    return child.value;
  };
  SECTION("its exit status is told") {
    const auto child = launch("exit", "41");
    const auto exit = launcher.reap(child, patience);
    REQUIRE(exit.ok());
    CHECK(exit.value == genie::ProcessExit{false, 41, 0});
    launcher.close(child);
  }
  SECTION("it is killed, and a change is told before its end") {
    const auto child = launch("stay", told);
    eventually([&] { return ::access(told.c_str(), F_OK) == 0; });
    auto watch = files.watch(told.c_str());
    REQUIRE(watch.ok());
    CHECK(launcher.wait(child, watch.value, milliseconds(0)).value == genie::LaunchEvent::none);
    REQUIRE(::truncate(told.c_str(), 1) == 0);
    CHECK(launcher.wait(child, watch.value, patience).value == genie::LaunchEvent::changed);
    CHECK(launcher.wait(child, watch.value, milliseconds(0)).value == genie::LaunchEvent::none);
    REQUIRE(launcher.kill(child, Signal::kill).ok());
    CHECK(launcher.wait(child, watch.value, patience).value == genie::LaunchEvent::ended);
    CHECK(launcher.reap(child, patience).value == genie::ProcessExit{true, SIGKILL, 0});
    files.close_watch(watch.value);
    launcher.close(child);
  }
  SECTION("it goes on when it is forgotten, and nobody is left but it") {
    const auto child = launch("stay", told);
    eventually([&] { return ::access(told.c_str(), F_OK) == 0; });
    const Pid pid = launcher.pid(child);
    const Pid attendant = Probe{}.look(pid).parent;
    launcher.close(child);
    CHECK(Probe{}.look(attendant).liveness == Liveness::gone);
    CHECK(Probe{}.look(pid).liveness == Liveness::alive);
    ::kill(static_cast<pid_t>(pid), SIGKILL);
  }
  SECTION("what can't be executed is told") {
    const char* const arguments[] = {"none", nullptr};
    genie::LaunchPlan plan;
    plan.program = "/nowhere/none";
    plan.arguments = arguments;
    const auto child = launcher.spawn(plan, lock.value, patience);
    REQUIRE(child.ok());
    CHECK(launcher.let_go(child.value, patience).error == ENOENT);
    CHECK(launcher.reap(child.value, patience).value.not_executed == ENOENT);
    launcher.close(child.value);
  }
  files.close(lock.value);
}

}  // namespace process_tests::other_systems_test
