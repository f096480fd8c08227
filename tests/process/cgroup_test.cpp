// Control groups on the real kernel: whose one is, who is in it, and that a handle never means its path's next user.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "refusal.hpp"
#include "support.hpp"

namespace tests::cgroup_test {

namespace {

using namespace process_tests;
using genie::NamedProcess;
using genie::Signal;
using Probe = genie::SystemProcessProbe;

/// A new cgroup, directly below the root of the unified hierarchy; removed at the end, with all who are in it.
class Cgroup {
 public:
  explicit Cgroup(const std::string& above = root(), const std::string& name = "genie-process-test") {
    if (above.empty()) {
      problem_ = "no unified cgroup hierarchy is mounted at its usual places";
      return;
    }
    path_ = above + '/' + name + '-' + std::to_string(::getpid());
    if (::mkdir(path_.c_str(), 0755) != 0) {
      problem_ = std::string{"cgroups cannot be made here: "} + std::strerror(errno);
    } else if (::access(file("cgroup.kill").c_str(), W_OK) != 0) {
      problem_ = "this kernel has no cgroup.kill (Linux 5.14)";
    }
  }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup() {
    if (!path_.empty() && ::getpid() == maker_) remove();
  }

  /// Why nothing can be tested here; empty where it can.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + '/' + name; }
  void enter() const { write_into("cgroup.procs", "0"); }
  void remove() const {
    if (::access(path_.c_str(), F_OK) != 0) return;
    write_into("cgroup.kill", "1");
    eventually([&] { return ::rmdir(path_.c_str()) == 0 || errno == ENOENT; });
  }
  void make() const { REQUIRE(::mkdir(path_.c_str(), 0755) == 0); }

 private:
  static std::string root() {
    for (const char* const place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      if (::access((std::string{place} + "/cgroup.procs").c_str(), F_OK) == 0) return place;
    }
    return {};
  }
  void write_into(const char* name, const char* what) const {
    const int descriptor = ::open(file(name).c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)!::write(descriptor, what, std::strlen(what));
    ::close(descriptor);
  }

  std::string path_;
  std::string problem_;
  pid_t maker_ = ::getpid();
};

#define REQUIRE_CGROUP(cgroup) \
  if (!(cgroup).problem().empty()) GENIE_SKIP((cgroup).problem())

/// A child that is in the cgroup when this returns.
Child child_in(const Cgroup& cgroup, void (*on_terminate)(int) = SIG_DFL) {
  const Shared<Counter> ready;
  Child child = start([&] {
    ::signal(SIGTERM, on_terminate);
    cgroup.enter();
    ready->add();
    for (;;) ::pause();
  });
  ready->wait_for(1);
  return child;
}
/// One that started at a later clock tick than `other`.
Child later_child_in(const Cgroup& cgroup, const Child& other) {
  for (;;) {
    Child child = child_in(cgroup);
    if (child.identity().start.value > other.identity().start.value) return child;
  }
}

std::vector<Pid> members_of(Probe& probe, const Probe::Cgroup& cgroup) {
  NamedProcess members[8];
  std::vector<Pid> pids;
  const std::size_t count = probe.cgroup_members(cgroup, members, 8);
  for (std::size_t at = 0; at < count; ++at) {
    CHECK(members[at].start == probe.look(members[at].pid).start);
    CHECK_FALSE(members[at].name.empty());
    pids.push_back(members[at].pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

StopReceipt stop_with_cgroup(const StateDirectory& directory, std::int64_t grace_ms = 10'000) {
  Guard guard{directory.path()};
  StopOptions options;
  options.grace = Milliseconds{grace_ms};
  options.cgroup = true;
  return value(guard.stop(options));
}

}  // namespace

TEST_CASE("a cgroup's members, those below it included, are seen, asked and killed", "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  const Cgroup below{cgroup.path(), "below"};
  Probe probe;
  Child first = child_in(cgroup);
  Child second = later_child_in(cgroup, first);
  Child deep = later_child_in(below, first);
  const auto opened = probe.open_cgroup(first.pid());
  REQUIRE(opened.ok());
  std::vector<Pid> all{first.pid(), second.pid(), deep.pid()};
  std::sort(all.begin(), all.end());
  CHECK(members_of(probe, opened.value) == all);
  NamedProcess one[1];
  CHECK(probe.cgroup_members(opened.value, one, 1) == 1);
  CHECK(probe.cgroup_lives(opened.value));
  const Signal signal = GENERATE(Signal::terminate, Signal::kill);
  CHECK(probe.signal_cgroup(opened.value, signal).ok());
  for (Child* const child : {&first, &second, &deep}) child->await_zombie();
  // Zombies that nobody reaps are in no cgroup any more.
  eventually([&] { return !probe.cgroup_lives(opened.value); });
  CHECK(members_of(probe, opened.value).empty());
  CHECK(probe.signal_cgroup(opened.value, Signal::terminate).error == ESRCH);
  CHECK(probe.signal_cgroup(opened.value, Signal::kill).ok());
  const int expected = 128 + (signal == Signal::kill ? SIGKILL : SIGTERM);
  for (Child* const child : {&first, &second, &deep}) CHECK(child->wait() == expected);
  probe.close_cgroup(opened.value);
  probe.close_cgroup({});
}

TEST_CASE("who stays in a cgroup is asked once to end, and so is who comes after it", "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  const Cgroup below{cgroup.path(), "below"};
  const Shared<Counter> asked;
  static Counter* counter = nullptr;  // for the handler in the children
  counter = &*asked;
  const auto count = [](int) { counter->add(); };
  const Child first = child_in(cgroup, count);
  const Child second = child_in(cgroup, count);
  const Child deep = child_in(below, count);
  Probe probe;
  const auto opened = probe.open_cgroup(first.pid());
  REQUIRE(opened.ok());
  CHECK(probe.signal_cgroup(opened.value, Signal::terminate).ok());
  asked->wait_for(3);
  CHECK(probe.signal_cgroup(opened.value, Signal::terminate).ok());
  asked->wait_for(6);
  CHECK(asked->get() == 6);
  for (const Child* const child : {&first, &second, &deep}) CHECK(child->alive());
  probe.close_cgroup(opened.value);
}

TEST_CASE("a cgroup of which one can be asked to end was asked, though another may not be signalled",
          "[process][cgroup][F17]") {
  if (!is_root()) GENIE_SKIP("only root can become somebody else");
  const Shared<Counter> ready;
  Child nobodys = start([&] {
    become(nobody);
    ready->add();
    for (;;) ::pause();
  });
  const Child roots = start([] { ::pause(); });
  ready->wait_for(1);
  // No cgroup, only what the kernel would say of one in which both are.
  const TemporaryDirectory told;
  const bool is_roots_first = GENERATE(false, true);
  const std::string one = std::to_string(nobodys.pid()) + '\n';
  const std::string other = std::to_string(roots.pid()) + '\n';
  write_file(told.path() + "/cgroup.procs", is_roots_first ? other + one : one + other, 0644);
  in_child([&] {
    become(nobody);
    const Probe::Cgroup cgroup{::open(told.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    REQUIRE(Probe{}.signal_cgroup(cgroup, Signal::terminate).ok());
  });
  CHECK(nobodys.wait() == 128 + SIGTERM);
  CHECK(roots.alive());
}

TEST_CASE("who may not be signalled in a cgroup is said to be there", "[process][cgroup][F17]") {
  if (!is_root()) GENIE_SKIP("only root can become somebody else");
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  Child roots = child_in(cgroup);
  in_child([&] {
    Probe probe;
    const auto opened = probe.open_cgroup(roots.pid());
    REQUIRE(opened.ok());
    become(nobody);
    REQUIRE(probe.signal_cgroup(opened.value, Signal::terminate).error == EPERM);
    REQUIRE(probe.signal_cgroup(opened.value, Signal::kill).error == EACCES);
    REQUIRE(probe.cgroup_lives(opened.value));
    // Who may not kill it does not get it.
    REQUIRE(probe.open_cgroup(roots.pid()).error == EACCES);
  });
  CHECK(roots.alive());
}

TEST_CASE("a cgroup that was removed is gone, and one made anew under its path is another", "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  Probe probe;
  Child former = child_in(cgroup);
  const auto opened = probe.open_cgroup(former.pid());
  REQUIRE(opened.ok());
  former.end();
  cgroup.remove();
  const bool is_made_anew = GENERATE(false, true);
  Child stranger;
  if (is_made_anew) {
    cgroup.make();
    stranger = child_in(cgroup);
  }
  CHECK_FALSE(probe.cgroup_lives(opened.value));
  CHECK(members_of(probe, opened.value).empty());
  CHECK(probe.signal_cgroup(opened.value, Signal::terminate).error == ESRCH);
  CHECK(probe.signal_cgroup(opened.value, Signal::kill).error == ESRCH);
  if (is_made_anew) CHECK(stranger.alive());
  probe.close_cgroup(opened.value);
}

TEST_CASE("a cgroup that holds others than a process and what it started is not its own", "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  Probe probe;
  const auto error_of = [&](const Child& child) {
    const auto opened = probe.open_cgroup(child.pid());
    if (opened.ok()) probe.close_cgroup(opened.value);
    return opened.error;
  };
  SECTION("the root's, in which everybody is") {
    const Child child = start([] { ::pause(); });
    const int error = error_of(child);
    CHECK((error == EDEADLK || error == EBUSY));
  }
  SECTION("one in which an older process is") {
    const Child older = child_in(cgroup);
    const Child younger = later_child_in(cgroup, older);
    CHECK(error_of(older) == 0);
    CHECK(error_of(younger) == EBUSY);
  }
  SECTION("one below which an older process is") {
    const Cgroup below{cgroup.path(), "below"};
    const Child older = child_in(below);
    const Child younger = later_child_in(cgroup, older);
    CHECK(error_of(younger) == EBUSY);
    CHECK(error_of(older) == 0);
  }
  SECTION("that of the caller, or one above it") {
    const Child owner = child_in(cgroup);
    const Cgroup below{cgroup.path(), "below"};
    for (const Cgroup* const own : {&cgroup, &below}) {
      in_child([&] {
        own->enter();
        REQUIRE(Probe{}.open_cgroup(owner.pid()).error == EDEADLK);
      });
    }
  }
  SECTION("one in which a process of another PID namespace is, whom nobody here can name") {
    const Child owner = child_in(cgroup);
    const int status = in_own_pid_namespace([&]() -> int {
      const Child inside = child_in(cgroup);
      return error_of(inside) == EBUSY ? 0 : 1;
    });
    if (status == not_permitted) GENIE_SKIP("PID namespaces are not permitted");
    CHECK(status == 0);
  }
  SECTION("one below which nobody can be seen") {
    const Child owner = child_in(cgroup);
    const Cgroup below{cgroup.path(), "threads"};
    {
      const int type = ::open(below.file("cgroup.type").c_str(), O_WRONLY | O_CLOEXEC);
      if (type < 0 || ::write(type, "threaded", 8) != 8) GENIE_SKIP("cgroups cannot be threaded here");
      ::close(type);
    }
    CHECK(error_of(owner) == EOPNOTSUPP);
  }
  SECTION("one below which cgroups are nested without end") {
    const Child owner = child_in(cgroup);
    std::vector<std::string> paths{cgroup.path()};
    for (int level = 0; level < 17; ++level) {
      paths.push_back(paths.back() + "/d");
      REQUIRE(::mkdir(paths.back().c_str(), 0755) == 0);
    }
    CHECK(error_of(owner) == ELOOP);
    for (; paths.size() > 1; paths.pop_back()) CHECK(::rmdir(paths.back().c_str()) == 0);
    CHECK(error_of(owner) == 0);
  }
  SECTION("one that this kernel cannot kill") {
    const Child owner = child_in(cgroup);
    in_child([&] {
      // As before Linux 5.14.
      if (!tests::install({SYS_faccessat2, ENOENT})) FAIL("seccomp filters cannot be installed here");
      REQUIRE(Probe{}.open_cgroup(owner.pid()).error == EOPNOTSUPP);
    });
  }
  SECTION("that of nobody") {
    CHECK(probe.open_cgroup(0).error == EINVAL);
    CHECK(probe.open_cgroup(INT64_MAX).error == EINVAL);
    CHECK(probe.open_cgroup(dead_process().pid).error == ESRCH);
    Child zombie = child_in(cgroup);
    zombie.send(SIGKILL);
    zombie.await_zombie();
    CHECK(error_of(zombie) != 0);
  }
}

TEST_CASE("a stop ends all that is left in the server's cgroup", "[process][cgroup][stop]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  const Orphanage orphanage;
  const StateDirectory directory;
  const bool ignores = GENERATE(false, true);
  Actor server{directory};
  // It enters before it starts anybody, as a service manager would let it.
  REQUIRE(server.ask([path = static_cast<const Cgroup*>(&cgroup)](Guard&) {
    path->enter();
    return true;
  }));
  REQUIRE(server.claim().owned());
  // A daemon: another session, another parent, no lock.
  const pid_t daemon = server.ask([ignores](Guard&) {
    const Shared<Counter> ready;
    const pid_t member = ::fork();
    if (member == 0) {
      ::setsid();
      ::alarm(patience_s);
      ::signal(SIGTERM, ignores ? SIG_IGN : SIG_DFL);
      for (int descriptor = 3; descriptor < 64; ++descriptor) ::close(descriptor);
      ready->add();
      for (;;) ::pause();
    }
    ready->wait_for(1);
    return member;
  });
  Child worker{daemon};
  const StopReceipt receipt = stop_with_cgroup(directory, 300);
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(receipt.killed_cgroup == ignores);
  CHECK_FALSE(receipt.has_left);
  CHECK(server.terminations() == 1);
  server.process().await_zombie();
  CHECK(worker.wait() == 128 + (ignores ? SIGKILL : SIGTERM));
  CHECK(read_file(cgroup.file("cgroup.procs")).empty());
  CHECK(directory.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a stop that shares its target's cgroup signals nobody", "[process][cgroup][stop]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  const StopReceipt receipt = stop_with_cgroup(directory);
  CHECK(receipt.outcome == StopOutcome::refused);
  CHECK((receipt.evidence.reason == Reason::cgroup_not_own || receipt.evidence.reason == Reason::cgroup_unusable));
  CHECK(server.terminations() == 0);
  CHECK(server.process().alive());
  CHECK_FALSE(directory.has("serve.stopping.lock"));
}

namespace {

/// Of our own making: a /proc in which there is nobody but this process and another, and their cgroups are whatever a
/// test says.
bool tell_proc(pid_t pid, const std::string& told, const std::string& own) {
  const std::string self = std::to_string(::getpid());
  const std::string other = std::to_string(pid);
  const std::string stat = read_file("/proc/" + other + "/stat");
  if (::mount("genie", "/proc", "tmpfs", 0, nullptr) != 0) return false;
  for (const std::string& each : {self, other}) {
    std::filesystem::create_directories("/proc/" + each + "/task/" + each);
    write_file("/proc/" + each + "/task/" + each + "/stat", stat);
    const std::string& cgroup = each == other ? told : own;
    if (!cgroup.empty()) write_file("/proc/" + each + "/cgroup", cgroup);
  }
  return ::symlink(self.c_str(), "/proc/self") == 0;
}
int with_told_cgroup(const std::string& told, const std::string& own, int (*act)(pid_t), bool hides_hierarchy = false) {
  return in_own_mounts([&]() -> int {
    const Child child = start([] { ::pause(); });
    if (!tell_proc(child.pid(), told, own)) return not_permitted;
    if (hides_hierarchy && ::mount("genie", "/sys/fs/cgroup", "tmpfs", 0, nullptr) != 0) return not_permitted;
    return act(child.pid());
  });
}
int error_of_opening(pid_t pid) { return Probe{}.open_cgroup(pid).error; }

}  // namespace

TEST_CASE("what /proc says of a cgroup is not believed where it leads nowhere, or to another", "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  const std::string name = cgroup.path().substr(cgroup.path().rfind('/'));
  struct Row {
    const char* what;
    std::string told;
    std::string own;
    int error;
  };
  const std::vector<Row> rows{
      {"a cgroup in which it is not", "0::" + name + "\n", "0::/\n", EXDEV},
      {"one beside the caller's of a similar name", "0::" + name + "\n", "0::" + name + "er\n", EXDEV},
      {"one above the caller's", "0::" + name + "\n", "0::" + name + "/below\n", EDEADLK},
      {"the caller's own", "0::" + name + "\n", "7:memory:/\n0::" + name + "\n", EDEADLK},
      {"the root", "0::/\n", "0::/\n", EDEADLK},
      {"one out of sight", "0::/../elsewhere\n", "0::/\n", EXDEV},
      {"one that was removed", "0::/gone (deleted)\n", "0::/\n", EXDEV},
      {"one of which there is no directory", "0::/no/such\n", "0::/\n", ENOENT},
      {"one of the first version only", "7:memory:/app\n", "0::/\n", EOPNOTSUPP},
      {"a longer path than there can be", "0::/" + std::string(5000, 'x') + "\n", "0::/\n", EXDEV},
      {"more than anybody reads", std::string(9000, 'x'), "0::/\n", ENAMETOOLONG},
      {"nothing", "", "0::/\n", ESRCH},
      {"nothing of the caller", "0::" + name + "\n", "", ESRCH},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const int status = with_told_cgroup(row.told, row.own, error_of_opening);
    if (status == not_permitted) GENIE_SKIP("mount namespaces are not permitted");
    CHECK(status == row.error);
  }
  CHECK(with_told_cgroup("0::" + name + "\n", "0::/\n", error_of_opening, true) == EOPNOTSUPP);
}

TEST_CASE("an older process that has ended while a cgroup is looked at does not make it somebody else's",
          "[process][cgroup]") {
  const Cgroup cgroup;
  REQUIRE_CGROUP(cgroup);
  const Child older = child_in(cgroup);
  const Child owner = later_child_in(cgroup, older);
  CHECK(error_of_opening(owner.pid()) == EBUSY);
  const std::string name = cgroup.path().substr(cgroup.path().rfind('/'));
  // Told by the cgroup, and not by /proc any more.
  const int status = in_own_mounts([&]() -> int {
    if (!tell_proc(owner.pid(), "0::" + name + "\n", "0::/\n")) return not_permitted;
    return error_of_opening(owner.pid());
  });
  if (status == not_permitted) GENIE_SKIP("mount namespaces are not permitted");
  CHECK(status == 0);
}

}  // namespace tests::cgroup_test
