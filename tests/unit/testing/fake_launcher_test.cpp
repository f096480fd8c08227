// The launcher in memory: what a child shares, when it runs, how it ends, and who is told.
#include "genie/testing/fake_launcher.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include "catch.hpp"
#include "genie/testing/machine.hpp"

using genie::LaunchEvent;
using genie::LaunchPlan;
using genie::Liveness;
using genie::LockHolder;
using genie::milliseconds;
using genie::Milliseconds;
using genie::OpenMode;
using genie::ProcessExit;
using genie::seconds;
using genie::Signal;
using genie::Text;
using genie::testing::Call;
using genie::testing::Contender;
using genie::testing::FakeLauncher;
using genie::testing::ghost_error;
using genie::testing::Machine;
using genie::testing::MemoryFilesystem;
using genie::testing::ProcessOptions;
using genie::testing::ProcessState;

namespace {

using File = MemoryFilesystem::File;
using Child = FakeLauncher::Child;

constexpr const char* server_path = "/usr/bin/server";

struct Fixture {
  Machine machine;
  Contender starter = machine.spawn();
  Contender observer = machine.spawn();
  File lock = starter.filesystem.open({}, "/tmp/lock", OpenMode::ensure, 0600).value;
  MemoryFilesystem::Watch unwatched;

  Fixture() {
    machine.programs[server_path] = nullptr;
    CHECK(starter.filesystem.try_lock(lock, 0, 1).ok());
  }
  [[nodiscard]] static LaunchPlan plan() {
    LaunchPlan plan;
    plan.program = server_path;
    return plan;
  }
  Child spawn() {
    const auto child = starter.launcher.spawn(plan(), lock);
    CHECK(child.ok());
    return child.value;
  }
  Child launch() {
    const Child child = spawn();
    CHECK(starter.launcher.let_go(child).ok());
    return child;
  }
  /// Whether somebody has the lock.
  [[nodiscard]] bool is_locked() {
    const auto file = observer.filesystem.open({}, "/tmp/lock", OpenMode::read_write, 0600).value;
    const bool held = observer.filesystem.query_lock(file, 0, 1).value.held;
    observer.filesystem.close(file);
    return held;
  }
  [[nodiscard]] Contender contender(const Child& child) { return machine.contender(child.process); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a child shares the file that it was given, and its lock, and nothing else") {
  const File other = starter.filesystem.open({}, "/tmp/other", OpenMode::ensure, 0600).value;
  const Child child = launch();
  Contender server = contender(child);
  CHECK(machine.disk.open_count(child.process) == 1);
  CHECK(server.filesystem.inherited().value.descriptor == 3);
  CHECK(server.filesystem.stat(server.filesystem.inherited().value).value.id == starter.filesystem.stat(lock).value.id);
  CHECK_FALSE(server.filesystem.stat(other).ok());
  starter.filesystem.close(lock);
  CHECK(is_locked());
  starter.kill();
  CHECK(is_locked());
  CHECK(server.filesystem.unlock(server.filesystem.inherited().value, 0, 1).ok());
  CHECK_FALSE(is_locked());
}

TEST_CASE_METHOD(Fixture, "a child is its starter's, of the same user, and leads a session and a group of its own") {
  ProcessOptions options;
  options.user = 2000;
  options.pid_namespace = 7;
  Contender inside = machine.spawn(options);
  const File file = inside.filesystem.open({}, "/tmp/inside", OpenMode::ensure, 0600).value;
  const auto launched = inside.launcher.spawn(plan(), file);
  REQUIRE(launched.ok());
  const auto seen = inside.process.look(inside.launcher.pid(launched.value));
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.parent == inside.identity.pid);
  CHECK(seen.session == inside.launcher.pid(launched.value));
  CHECK(inside.process.leads_group(inside.launcher.pid(launched.value)));
  Contender server = contender(launched.value);
  CHECK(server.process.user() == 2000);
  CHECK(server.process.origin() == inside.process.origin());
  CHECK(server.filesystem.open({}, "/tmp/inside", OpenMode::read_write, 0600).ok());
}

TEST_CASE_METHOD(Fixture, "the program begins to run where it is let go, and has its starter's name until then") {
  int runs = 0;
  machine.programs[server_path] = [&](Contender& server) {
    ++runs;
    CHECK(server.launch()->program == server_path);
    CHECK(server.filesystem.inherited().ok());
  };
  const auto name_of_holder = [&](std::size_t at) {
    LockHolder holders[2];
    CHECK(observer.process.lock_holders(machine.disk.stat("/tmp/lock")->id, 0, holders, 2) == 2);
    return std::string{Text{holders[at].name}.data(), Text{holders[at].name}.size()};
  };
  machine.processes.processes[starter.index()].name = "starter";
  const Child child = spawn();
  CHECK(runs == 0);
  CHECK(name_of_holder(1) == "starter");
  CHECK(starter.launcher.let_go(child).ok());
  CHECK(runs == 1);
  CHECK(name_of_holder(1) == "server");
  CHECK(starter.launcher.let_go(child).error == EINVAL);
  CHECK(runs == 1);
}
