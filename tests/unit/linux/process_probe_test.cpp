// `/proc/PID/stat` as the kernel and hostile command names shape it, and what may never be signalled.
#include <genie/serve_guard.hpp>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::process_probe_test {

using genie::known_start;
using genie::LinuxProcessProbe;
using genie::LinuxProcessStat;
using genie::Liveness;
using genie::Milliseconds;
using genie::parse_process_stat;
using genie::Pid;
using genie::Signal;
using genie::Text;

namespace {

/// Fields 4 to 22 as `cat` has them: parent 1 (4), process group 4710 (5), session 4712 (6), 3 threads (20), started at
/// 991 (22).
const std::string fields = "1 4710 4712 34816 4711 4194304 97 0 0 0 0 0 0 0 20 0 3 0 991";
const std::string tail = " 2703360 256 18446744073709551615 0 0\n";

std::string line_of(const std::string& name, const std::string& state = "S", const std::string& rest = fields + tail) {
  return "4711 (" + name + ") " + state + " " + rest;
}

/// `fields` with the one of that number, as proc_pid_stat(5) counts, replaced.
std::string with_field(int number, const std::string& value) {
  Text rest = fields;
  std::string text;
  for (int field = 4; field <= 22; ++field) {
    const std::string old = unit_tests::string(genie::take_field(rest, ' '));
    text += (field == 4 ? "" : " ") + (field == number ? value : old);
  }
  return text;
}

/// A child process that does nothing; killed and reaped at the end.
class Child {
 public:
  explicit Child(bool own_group = false) {
    // Blocked until the handlers of the test program are gone from the child.
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
    REQUIRE(pid_ > 0);
    if (own_group) REQUIRE(::setpgid(pid_, pid_) == 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!reaped_) ::kill(pid_, SIGKILL);
    reap();
  }
  Pid pid() const { return pid_; }
  int reap() {
    int status = 0;
    if (!reaped_) ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return status;
  }

 private:
  pid_t pid_ = -1;
  bool reaped_ = false;
};

}  // namespace

TEST_CASE("a command name of any content hides no field", "[process_probe]") {
  for (const std::string& name :
       {std::string{"cat"}, std::string{}, std::string{"a b c"}, std::string{")"}, std::string{"("},
        std::string{"a) Z 1 (b"}, std::string{") Z 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"}, std::string{"))) ("},
        std::string{"a\nb"}, std::string("a\0b", 3), std::string{"\xff\xfe"}, std::string(64, ')')}) {
    CAPTURE(name);
    LinuxProcessStat stat;
    REQUIRE(parse_process_stat(line_of(name), stat));
    CHECK(stat.state == 'S');
    CHECK(stat.parent == 1);
    CHECK(stat.group == 4710);
    CHECK(stat.session == 4712);
    CHECK(stat.threads == 3);
    CHECK(stat.start == known_start(991));
  }
  static_assert([] {
    LinuxProcessStat stat;
    return parse_process_stat("1 (init) R 0 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 0 1", stat) && stat.start.known;
  }());
}

TEST_CASE("the start is field 22, the last one of very old kernels or not", "[process_probe]") {
  for (const std::string& rest : {fields + tail, fields + "\n", fields}) {
    LinuxProcessStat stat;
    REQUIRE(parse_process_stat(line_of("x", "S", rest), stat));
    CHECK(stat.start == known_start(991));
  }
  LinuxProcessStat stat;
  REQUIRE(parse_process_stat(line_of("x", "S", with_field(22, "18446744073709551615")), stat));
  CHECK(stat.start == known_start(UINT64_MAX));
  REQUIRE(parse_process_stat(line_of("x", "S", with_field(22, "0")), stat));
  CHECK(stat.start == known_start(0));
}

TEST_CASE("a line cut before the start, or with another thing in its place, tells nothing", "[process_probe]") {
  const std::string whole = line_of("cat", "S", fields);
  LinuxProcessStat stat;
  stat.state = '!';
  for (std::size_t size = 0; size + 3 < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(!parse_process_stat(whole.substr(0, size), stat));
  }
  for (const std::string& line :
       {line_of("x", "", fields), line_of("x", "SS"), line_of("x", "S", with_field(4, "-1")),
        line_of("x", "S", with_field(5, "x")), line_of("x", "S", with_field(6, "2147483648")),
        line_of("x", "S", with_field(20, "-1")), line_of("x", "S", with_field(20, "x")),
        line_of("x", "S", with_field(22, "-1")), line_of("x", "S", with_field(22, "unknown")),
        line_of("x", "S", with_field(22, "18446744073709551616")), std::string{"4711 cat S "} + fields,
        std::string{"()"}, std::string{")"}, std::string{"\n"}}) {
    CAPTURE(line);
    CHECK(!parse_process_stat(line, stat));
  }
  CHECK(stat.state == '!');
}

TEST_CASE("a process with several numbers is seen from a PID namespace above its own", "[process_probe][F8]") {
  using genie::is_seen_from_above;
  const std::string before = "Name:\tNSpid:\t1\t2\nGroups:\t0 1\nNStgid:\t700\t7\n";
  const std::string after = "NSpgid:\t700\t7\n";
  CHECK_FALSE(is_seen_from_above(before + "NSpid:\t700\n" + after));
  CHECK(is_seen_from_above(before + "NSpid:\t700\t700\n" + after));
  CHECK(is_seen_from_above(before + "NSpid:\t700\t7\t1\n" + after));
  CHECK(is_seen_from_above("NSpid:\t700\t7"));
  // A kernel that does not say, or a status that was cut.
  CHECK_FALSE(is_seen_from_above(before + after));
  CHECK_FALSE(is_seen_from_above(""));
  CHECK_FALSE(is_seen_from_above("NSpid:"));
}

TEST_CASE("a process has ended when it is dead and no thread of it is left", "[process_probe]") {
  for (const char state : std::string{"RSDZTtWXxKPI"}) {
    for (const char* const threads : {"0", "1", "2", "64"}) {
      CAPTURE(state, threads);
      LinuxProcessStat stat;
      REQUIRE(parse_process_stat(line_of("x", {state}, with_field(20, threads)), stat));
      const bool dead = state == 'Z' || state == 'X' || state == 'x';
      const bool alone = threads == std::string{"0"} || threads == std::string{"1"};
      CHECK(genie::has_ended(stat) == (dead && alone));
    }
  }
}

TEST_CASE("a process knows its own start, and a forked child does not take its parent's for its own",
          "[process_probe]") {
  LinuxProcessProbe probe;
  (void)probe.origin();
  const auto own = probe.own_start();
  CHECK(own.known);
  CHECK(own == LinuxProcessProbe{}.look(::getpid()).start);
  CHECK(probe.own_start() == own);
  const pid_t child = ::fork();
  if (child == 0) {
    (void)probe.origin();
    ::_exit(probe.own_start() == LinuxProcessProbe{}.look(::getpid()).start && probe.own_start().known ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a pinned process or cgroup never takes the place of a missing standard stream", "[process_probe]") {
  const Child child;
  LinuxProcessProbe probe;
  int kept[3];
  for (int stream = 0; stream <= STDERR_FILENO; ++stream) kept[stream] = ::fcntl(stream, F_DUPFD_CLOEXEC, 3);
  for (int stream = 0; stream <= STDERR_FILENO; ++stream) ::close(stream);
  const auto pinned = probe.open(child.pid());
  const auto cgroup = genie::linux_detail::open_cgroup_directory(genie::linux_detail::CgroupPath{"/."});
  for (int stream = 0; stream <= STDERR_FILENO; ++stream) {
    if (kept[stream] < 0) continue;
    ::dup2(kept[stream], stream);
    ::close(kept[stream]);
  }
  REQUIRE(pinned.ok());
  CHECK(pinned.value.descriptor > STDERR_FILENO);
  CHECK(::fcntl(pinned.value.descriptor, F_GETFD) == FD_CLOEXEC);
  probe.close(pinned.value);
  if (!cgroup.ok()) return;  // there is no unified hierarchy here
  CHECK(cgroup.value > STDERR_FILENO);
  CHECK(::fcntl(cgroup.value, F_GETFD) == FD_CLOEXEC);
  ::close(cgroup.value);
}

TEST_CASE("a process is gone where the kernel says so of its file, its number or its cgroup", "[process_probe]") {
  for (const int error : {ENOENT, ESRCH, ENODEV}) CHECK(genie::linux_detail::says_gone(error));
  for (const int error : {0, EPERM, EACCES, EINTR, EIO, EMFILE}) CHECK_FALSE(genie::linux_detail::says_gone(error));
}

TEST_CASE("mutated stat lines never crash the reader, and what it takes stands behind the last parenthesis",
          "[process_probe]") {
  unit_tests::Noise noise{10};
  const std::vector<std::string> seeds{line_of("cat"), line_of("a) b"), line_of("x", "Z", fields), ""};
  for (int round = 0; round < 200'000; ++round) {
    const std::string line = noise.mutated(seeds, "0123456789 ()-SZ\n");
    LinuxProcessStat stat;
    if (!parse_process_stat(line, stat)) continue;
    const std::string behind = line.substr(line.rfind(')') + 1);
    if (behind.find(stat.state) == std::string::npos || !stat.start.known) FAIL(line);
    std::string again = line.substr(0, line.rfind(')') + 1) + " " + stat.state + " " + with_field(22, "7");
    LinuxProcessStat other;
    if (!parse_process_stat(again, other) || other.state != stat.state || other.start != known_start(7)) FAIL(line);
  }
}

TEST_CASE("a number that is no PID is looked at, opened and signalled by nobody", "[process_probe]") {
  LinuxProcessProbe probe;
  for (const Pid pid : {Pid{0}, Pid{-1}, Pid{-4711}, INT64_MIN, INT64_MAX, Pid{INT32_MAX} + 1, (Pid{1} << 32) + 1}) {
    CAPTURE(pid);
    const genie::Observation seen = probe.look(pid);
    CHECK(seen.liveness == Liveness::unknown);
    CHECK(seen.error == EINVAL);
    CHECK(!seen.start.known);
    CHECK(probe.open(pid).error == EINVAL);
    CHECK(!probe.leads_group(pid));
    CHECK(probe.signal_group({}, pid, Signal::terminate).error == EINVAL);
    CHECK(!probe.group_lives({}, pid));
  }
  // kill(-1) would be everybody.
  CHECK(probe.signal_group({}, 1, Signal::terminate).error == EINVAL);
  CHECK(!probe.leads_group(1));
  CHECK(!probe.group_lives({}, 1));
  CHECK(!probe.leads_group(probe.self()));
}

TEST_CASE("this process sees itself alive, with a start and an origin that do not change", "[process_probe]") {
  LinuxProcessProbe probe;
  CHECK(probe.self() == ::getpid());
  CHECK(probe.user() == ::geteuid());
  const genie::Observation seen = probe.look(probe.self());
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.start.known);
  CHECK(seen.error == 0);
  CHECK(!seen.zombie);
  CHECK(probe.look(probe.self()).start == seen.start);
  CHECK(LinuxProcessProbe{}.look(probe.self()).start == seen.start);
  CHECK(probe.origin().boot.size() == 36);
  CHECK(probe.origin().pid_namespace != 0);
  CHECK(probe.origin() == LinuxProcessProbe{}.origin());
  CHECK(probe.random() != probe.random());
}

TEST_CASE("what a probe remembers of its own process is asked anew in a forked child", "[process_probe]") {
  LinuxProcessProbe probe;
  const genie::Observation before = probe.look(probe.self());
  const std::uint64_t mark = genie::linux_detail::process_mark();
  CHECK(genie::linux_detail::process_mark() == mark);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const genie::Observation seen = probe.look(probe.self());
    const bool is_new = seen.start.known && seen.parent == ::getppid() && seen.session == before.session &&
                        seen.start == LinuxProcessProbe{}.look(::getpid()).start;
    // Where the kernel has no marks, each answer is asked for.
    const bool is_marked = mark == 0 || genie::linux_detail::process_mark() != mark;
    // The parent is a process like any other now.
    const genie::Observation parent = probe.look(::getppid());
    ::_exit(is_new && is_marked && parent.start == before.start ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(genie::linux_detail::process_mark() == mark);
  CHECK(probe.look(probe.self()).start == before.start);
}

TEST_CASE("a child of a child has a mark of its own", "[process_probe]") {
  const std::uint64_t mark = genie::linux_detail::process_mark();
  if (mark == 0) return;  // this kernel has none
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::uint64_t childs = genie::linux_detail::process_mark();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      const std::uint64_t own = genie::linux_detail::process_mark();
      ::_exit(own != 0 && own != childs && own != mark ? 0 : 1);
    }
    int status = 1;
    const bool is_known = ::waitpid(grandchild, &status, 0) == grandchild;
    ::_exit(is_known && childs != 0 && childs != mark ? status != 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("what may change of this process is told as it is now", "[process_probe]") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    LinuxProcessProbe probe;
    const Pid before = probe.look(::getpid()).session;
    ::setsid();
    const Pid after = probe.look(::getpid()).session;
    ::_exit(before != ::getpid() && after == ::getpid() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a process is alive, then a zombie and gone, then gone, and is signalled only while it is there",
          "[process_probe]") {
  LinuxProcessProbe probe;
  Child child;
  const genie::Observation alive = probe.look(child.pid());
  CHECK(alive.liveness == Liveness::alive);
  REQUIRE(alive.start.known);
  const auto opened = probe.open(child.pid());
  REQUIRE(opened.ok());
  CHECK(probe.wait(opened.value, Milliseconds{0}).value == false);
  CHECK(probe.wait(opened.value, Milliseconds{-5}).value == false);
  CHECK(!probe.leads_group(child.pid()));

  CHECK(probe.signal(opened.value, Signal::terminate).ok());
  REQUIRE(probe.wait(opened.value, Milliseconds{10'000}).value);
  const genie::Observation zombie = probe.look(child.pid());
  CHECK(zombie.liveness == Liveness::gone);
  CHECK(zombie.zombie);
  CHECK(zombie.start == alive.start);

  const int status = child.reap();
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
  CHECK(probe.look(child.pid()).liveness == Liveness::gone);
  CHECK(!probe.look(child.pid()).zombie);
  CHECK(probe.signal(opened.value, Signal::kill).error == ESRCH);
  CHECK(probe.wait(opened.value, Milliseconds{0}).value);
  CHECK(probe.open(child.pid()).error == ESRCH);
  probe.close(opened.value);
  probe.close({});
}

TEST_CASE("a group is signalled through its leader, and lives no more when only zombies are left", "[process_probe]") {
  LinuxProcessProbe probe;
  Child leader{true};
  CHECK(probe.leads_group(leader.pid()));
  const auto opened = probe.open(leader.pid());
  REQUIRE(opened.ok());
  CHECK(probe.group_lives(opened.value, leader.pid()));
  CHECK(probe.signal_group(opened.value, leader.pid(), Signal::kill).ok());
  REQUIRE(probe.wait(opened.value, Milliseconds{10'000}).value);
  CHECK(!probe.group_lives(opened.value, leader.pid()));
  CHECK(WTERMSIG(leader.reap()) == SIGKILL);
  CHECK(!probe.signal_group(opened.value, leader.pid(), Signal::kill).ok());
  CHECK(!probe.leads_group(leader.pid()));
  probe.close(opened.value);
}

TEST_CASE("whoever has the lock's descriptor holds the lock, a child that inherited it, too", "[process_probe]") {
  LinuxProcessProbe probe;
  genie::LinuxFilesystem files;
  char path[] = "/tmp/genie-unit-XXXXXX";
  REQUIRE(::close(::mkstemp(path)) == 0);
  const auto owner = files.open({}, path, genie::OpenMode::read_write, 0);
  const auto reader = files.open({}, path, genie::OpenMode::read, 0);
  REQUIRE((owner.ok() && reader.ok()));
  CHECK(files.unlink({}, path).ok());
  const genie::FileIdentity file = files.stat(owner.value).value.id;
  genie::LockHolder holders[4];
  CHECK(!probe.holds_lock(probe.self(), file, 5));
  CHECK(probe.lock_holders(file, 5, holders, 4) == 0);

  REQUIRE(files.try_lock(owner.value, 5, 2).ok());
  CHECK(probe.holds_lock(probe.self(), file, 5));
  CHECK(probe.holds_lock(probe.self(), file, 6));
  CHECK(!probe.holds_lock(probe.self(), file, 4));
  CHECK(!probe.holds_lock(probe.self(), file, 7));
  CHECK(!probe.holds_lock(probe.self(), {file.device, file.inode + 1}, 5));
  CHECK(!probe.holds_lock(0, file, 5));
  CHECK(!probe.holds_lock(-1, file, 5));
  {
    const Child child;
    CHECK(probe.holds_lock(child.pid(), file, 5));
    REQUIRE(probe.lock_holders(file, 5, holders, 4) == 2);
    for (const genie::LockHolder& holder : {holders[0], holders[1]}) {
      CHECK((holder.pid == child.pid() || holder.pid == probe.self()));
      CHECK(holder.start == probe.look(holder.pid).start);
      CHECK(!holder.name.empty());
    }
    CHECK(holders[0].pid != holders[1].pid);
    CHECK(probe.lock_holders(file, 5, holders, 1) == 1);
    CHECK(probe.lock_holders(file, 4, holders, 4) == 0);
    files.close(owner.value);
    CHECK(!probe.holds_lock(probe.self(), file, 5));
    CHECK(probe.lock_holders(file, 5, holders, 4) == 1);
    CHECK(holders[0].pid == child.pid());
  }
  CHECK(probe.lock_holders(file, 5, holders, 4) == 0);
  files.close(reader.value);
}

}  // namespace tests::process_probe_test
