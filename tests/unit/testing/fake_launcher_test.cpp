// The launcher in memory: what a child shares, when it runs, how it ends, and who is told.
#include "genie/testing/fake_launcher.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include "catch.hpp"
#include "genie/testing/faulting.hpp"
#include "genie/testing/machine.hpp"

namespace tests::fake_launcher_test {

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
using genie::testing::Faulting;
using genie::testing::FaultPlan;
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
    const auto child = starter.launcher.spawn(plan(), lock, seconds(1));
    CHECK(child.ok());
    return child.value;
  }
  Child launch() {
    const Child child = spawn();
    CHECK(starter.launcher.let_go(child, seconds(1)).ok());
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
  const auto launched = inside.launcher.spawn(plan(), file, seconds(1));
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
  CHECK(starter.launcher.let_go(child, seconds(1)).ok());
  CHECK(runs == 1);
  CHECK(name_of_holder(1) == "server");
  CHECK(starter.launcher.let_go(child, seconds(1)).ok());
  CHECK(runs == 1);
}

TEST_CASE_METHOD(Fixture, "a child that is held ends with its starter, at once or a moment later") {
  const Child child = spawn();
  SECTION("at once") {
    starter.kill();
    CHECK_FALSE(contender(child).is_alive());
    CHECK_FALSE(is_locked());
    CHECK(machine.processes.state(machine.time, child.process) == ProcessState::gone);  // init has reaped it
  }
  SECTION("a moment later, with the lock until then") {
    machine.time.held_outlives = milliseconds(20);
    const auto handle = observer.process.open(child.number).value;
    starter.kill();
    CHECK(is_locked());
    const Milliseconds before = machine.time.monotonic;
    CHECK(observer.process.wait(handle, seconds(1)).value);
    CHECK(machine.time.monotonic - before == milliseconds(20));
    CHECK_FALSE(is_locked());
  }
  SECTION("where its starter ends later itself") {
    machine.time.end(starter.index(), milliseconds(30));
    CHECK(is_locked());
    machine.time.advance(milliseconds(30));
    CHECK_FALSE(is_locked());
  }
  SECTION("unless it was let go before") {
    CHECK(starter.launcher.let_go(child, seconds(1)).ok());
    starter.kill();
    CHECK(contender(child).is_alive());
    CHECK(observer.process.look(child.number).parent == 1);
  }
  SECTION("or when its starter forgets it") {
    starter.launcher.close(child);
    CHECK_FALSE(contender(child).is_alive());
    CHECK(starter.launcher.let_go(child, seconds(1)).error == EBADF);
  }
}

TEST_CASE_METHOD(Fixture, "a child that ended before it is let go never runs, which its end tells") {
  int runs = 0;
  machine.programs[server_path] = [&](Contender&) { ++runs; };
  const Child child = spawn();
  contender(child).kill();
  CHECK(starter.launcher.let_go(child, seconds(1)).ok());
  CHECK(runs == 0);
  CHECK(starter.launcher.reap(child, seconds(1)).value == ProcessExit{true, 9});
}

TEST_CASE_METHOD(Fixture, "a program that cannot be executed ends its child, unless it was only interrupted") {
  SECTION("because it is missing") {
    machine.programs.clear();
    const Child child = spawn();
    CHECK(starter.launcher.let_go(child, seconds(1)).error == ENOENT);
    CHECK(starter.launcher.reap(child, seconds(1)).value == ProcessExit{false, 127, ENOENT});
  }
  SECTION("for another reason") {
    const Child child = spawn();
    starter.calls().fail(Call::let_go, EACCES);
    CHECK(starter.launcher.let_go(child, seconds(1)).error == EACCES);
    CHECK(starter.launcher.let_go(child, seconds(1)).ok());
    CHECK(starter.launcher.reap(child, seconds(1)).value == ProcessExit{false, 127, EACCES});
  }
  SECTION("not if interrupted") {
    const Child child = spawn();
    starter.calls().fail(Call::let_go, EINTR);
    CHECK(starter.launcher.let_go(child, seconds(1)).error == EINTR);
    CHECK(starter.launcher.let_go(child, seconds(1)).ok());
    CHECK(contender(child).is_alive());
  }
}

TEST_CASE_METHOD(Fixture, "how a child ended is told once, and its PID is its own until then") {
  struct End {
    std::function<void(Contender&)> act;
    ProcessExit told;
  };
  const std::vector<End> ends{
      {[](Contender& server) { server.exit(3); }, {false, 3}},
      {[](Contender& server) { server.kill(); }, {true, 9}},
      {[](Contender& server) { server.filesystem.die(); }, {true, 9}},
      {[](Contender& server) {
         const auto self = server.process.open(server.identity.pid).value;
         (void)server.process.signal(self, Signal::terminate);
       },
       {true, 15}},
      {[](Contender& server) {
         server.exit(4);
         server.kill();
       },
       {false, 4}},
  };
  const std::size_t at = GENERATE(range(std::size_t{0}, std::size_t{5}));
  machine.programs[server_path] = ends[at].act;
  const Child child = launch();
  CHECK_FALSE(contender(child).is_alive());
  CHECK(observer.process.look(child.number).zombie);
  const auto told = starter.launcher.reap(child, seconds(1));
  CHECK(told.ok());
  CHECK(told.value == ends[at].told);
  CHECK_FALSE(observer.process.look(child.number).zombie);
  CHECK(starter.launcher.reap(child, seconds(1)).error == ECHILD);
  CHECK(starter.launcher.wait(child, unwatched, Milliseconds{}).value == LaunchEvent::ended);
  CHECK(starter.launcher.kill(child, Signal::kill).error == ESRCH);
}

TEST_CASE_METHOD(Fixture, "a wait ends with the child, with a change of the watched file, or in time") {
  machine.disk.write_file("/tmp/ready", "");
  const Child child = launch();
  const Contender server = contender(child);
  auto watch = starter.filesystem.watch("/tmp/ready").value;
  const Milliseconds before = machine.time.monotonic;
  SECTION("in time") {
    CHECK(starter.launcher.wait(child, watch, milliseconds(5)).value == LaunchEvent::none);
    CHECK(machine.time.monotonic - before == milliseconds(5));
  }
  SECTION("when the file changes") {
    machine.time.after(milliseconds(3), [&] { machine.disk.write_file("/tmp/ready", "yes"); });
    CHECK(starter.launcher.wait(child, watch, seconds(1)).value == LaunchEvent::changed);
    CHECK(machine.time.monotonic - before == milliseconds(3));
    CHECK(starter.launcher.wait(child, watch, Milliseconds{}).value == LaunchEvent::none);
  }
  SECTION("when the child ends, which is told before a change") {
    machine.time.after(milliseconds(2), [&] {
      machine.disk.write_file("/tmp/ready", "yes");
      server.exit(1);
    });
    CHECK(starter.launcher.wait(child, watch, seconds(1)).value == LaunchEvent::ended);
    CHECK(machine.time.monotonic - before == milliseconds(2));
  }
  SECTION("without a watch") {
    machine.time.after(milliseconds(3), [&] { machine.disk.write_file("/tmp/ready", "yes"); });
    CHECK(starter.launcher.wait(child, unwatched, milliseconds(5)).value == LaunchEvent::none);
  }
  SECTION("not with a watch that was closed") {
    auto closed = watch;
    starter.filesystem.close_watch(watch);
    CHECK(starter.launcher.wait(child, closed, milliseconds(5)).error == EBADF);
  }
  SECTION("nor when who waits is killed") {
    machine.time.after(milliseconds(3), [&] { starter.kill(); });
    CHECK(starter.launcher.wait(child, watch, seconds(1)).error == ghost_error);
    CHECK(machine.time.monotonic - before == milliseconds(3));
  }
}

TEST_CASE_METHOD(Fixture, "a reap waits for the end") {
  const Child child = launch();
  const Milliseconds before = machine.time.monotonic;
  SECTION("that comes") {
    machine.time.after(milliseconds(40), [&] { contender(child).exit(0); });
    CHECK(starter.launcher.reap(child, seconds(1)).value == ProcessExit{false, 0});
    CHECK(machine.time.monotonic - before == milliseconds(40));
  }
  SECTION("that never comes") { CHECK(starter.launcher.reap(child, Milliseconds{50}).error == ETIMEDOUT); }
  SECTION("unless who waits is killed") {
    machine.time.after(milliseconds(40), [&] { starter.kill(); });
    CHECK(starter.launcher.reap(child, seconds(1)).error == ghost_error);
  }
}

TEST_CASE_METHOD(Fixture, "a kill reaches the child and its group") {
  machine.programs[server_path] = [](Contender& server) { server.process.me().reaction.catches_terminate = true; };
  const Child child = launch();
  const Contender worker = machine.fork(contender(child));
  CHECK(starter.launcher.kill(child, Signal::terminate).ok());
  CHECK(contender(child).process.me().has_pending_terminate);
  CHECK_FALSE(worker.is_alive());
  CHECK(machine.processes.deliveries.size() == 2);
  CHECK(machine.processes.deliveries[0].sender == starter.index());
  CHECK(machine.processes.deliveries[0].to_group);
  CHECK(starter.launcher.kill(child, Signal::kill).ok());
  CHECK(starter.launcher.kill(child, Signal::kill).ok());  // a zombie takes it, and nothing happens
  CHECK(machine.processes.deliveries.size() == 3);
  CHECK(starter.launcher.reap(child, seconds(1)).value == ProcessExit{true, 9});
  CHECK(starter.launcher.kill(child, Signal::kill).error == ESRCH);
}

TEST_CASE_METHOD(Fixture, "a kill reaches who is left in the group of a child that was reaped") {
  const Child child = launch();
  const Contender worker = machine.fork(contender(child));
  contender(child).exit(0);
  CHECK(starter.launcher.reap(child, seconds(1)).ok());
  SECTION("where handles reach groups") {
    CHECK(starter.launcher.kill(child, Signal::kill).ok());
    CHECK_FALSE(worker.is_alive());
  }
  SECTION("and nobody where they do not") {
    machine.processes.has_group_handles = false;
    CHECK(starter.launcher.kill(child, Signal::kill).error == ENOSYS);
    CHECK(worker.is_alive());
  }
}

TEST_CASE_METHOD(Fixture, "a log is made where there is none, and kept where there is one") {
  LaunchPlan logging = plan();
  logging.log = "/tmp/server.log";
  const auto spawned = [&] { return starter.launcher.spawn(logging, lock, seconds(1)); };
  SECTION("made") {
    const auto child = spawned();
    REQUIRE(child.ok());
    CHECK(machine.disk.stat(logging.log)->permissions == 0600);
    CHECK(machine.disk.stat(logging.log)->user == 1000);
    Contender server = contender(child.value);
    CHECK(server.filesystem.write_at(File{MemoryFilesystem::output_descriptor}, "hello", 5, 0).ok());
    CHECK(machine.disk.read_file(logging.log) == "hello");
    CHECK(machine.disk.open_count(child.value.process) == 2);
    CHECK(server.filesystem.inherited().ok());
  }
  SECTION("kept") {
    machine.disk.write_file(logging.log, "before", 0200);
    CHECK(spawned().ok());
    CHECK(machine.disk.read_file(logging.log) == "before");
  }
  SECTION("not where it cannot be, nor in what is no file") {
    const std::size_t count = machine.processes.processes.size();
    machine.disk.make_directory("/tmp/directory");
    machine.disk.make_fifo("/tmp/fifo");
    machine.disk.make_symbolic_link("/tmp/link", "/tmp/lock");
    machine.disk.write_file("/tmp/foreign", "", 0600, 0);
    machine.disk.make_directory("/tmp/closed", 0500, 0);
    const std::vector<std::pair<const char*, int>> wrong{
        {"/tmp/none/log", ENOENT}, {"/tmp/directory", EISDIR}, {"/tmp/fifo", ENXIO},
        {"/tmp/link", ELOOP},      {"/tmp/foreign", EACCES},   {"/tmp/closed/log", EACCES},
    };
    for (const auto& [path, error] : wrong) {
      logging.log = path;
      CHECK(spawned().error == error);
    }
    machine.disk.is_read_only = true;
    logging.log = "/tmp/lock";
    CHECK(spawned().error == EROFS);
    logging.log = "/tmp/server.log";
    CHECK(spawned().error == EROFS);
    CHECK(machine.processes.processes.size() == count);
  }
}

TEST_CASE_METHOD(Fixture, "a child has a working directory, or is not started") {
  LaunchPlan placed = plan();
  const auto error_in = [&](const char* path) {
    placed.directory = path;
    return starter.launcher.spawn(placed, lock, seconds(1)).error;
  };
  machine.disk.make_directory("/tmp/closed", 0600, 0);
  machine.disk.make_symbolic_link("/tmp/link", "/tmp");
  CHECK(error_in("/tmp") == 0);
  CHECK(error_in("/tmp/link") == 0);
  CHECK(error_in("/tmp/none") == ENOENT);
  CHECK(error_in("/tmp/none/further") == ENOENT);
  CHECK(error_in("/tmp/lock") == ENOTDIR);
  CHECK(error_in("/tmp/closed") == EACCES);
}

TEST_CASE_METHOD(Fixture, "an end that its starter did not ask for is init's to ask for when the starter is gone") {
  const Child child = launch();
  contender(child).exit(0);
  CHECK(observer.process.look(child.number).zombie);
  CHECK(observer.process.look(child.number).parent == starter.identity.pid);
  SECTION("because it was killed") { starter.kill(); }
  SECTION("or because it forgot the child") { starter.launcher.close(child); }
  CHECK_FALSE(observer.process.look(child.number).zombie);
  ProcessOptions options;
  options.pid = child.number;
  CHECK(machine.spawn(options).identity.pid == child.number);
}

TEST_CASE_METHOD(Fixture, "a child that is forgotten goes on, and is init's") {
  const Child child = launch();
  CHECK(starter.launcher.open_count() == 1);
  starter.launcher.close(child);
  CHECK(starter.launcher.open_count() == 0);
  CHECK(contender(child).is_alive());
  CHECK(starter.launcher.wait(child, unwatched, milliseconds(1)).error == EBADF);
  CHECK(starter.launcher.kill(child, Signal::kill).error == EBADF);
  CHECK(starter.launcher.reap(child, seconds(1)).error == EBADF);
  CHECK(observer.process.look(child.number).parent == 1);
  contender(child).exit(0);
  CHECK(observer.process.look(child.number).liveness == Liveness::gone);
  CHECK_FALSE(observer.process.look(child.number).zombie);
}

TEST_CASE_METHOD(Fixture, "only who started a child has it") {
  const Child child = spawn();
  CHECK(observer.launcher.let_go(child, seconds(1)).error == EBADF);
  CHECK(observer.launcher.open_count() == 0);
  Contender forked = machine.fork(starter);
  CHECK(forked.launcher.reap(child, seconds(1)).error == EBADF);
  CHECK(starter.launcher.let_go(child, seconds(1)).ok());
}

TEST_CASE_METHOD(Fixture, "a child is not started without a file, and calls that fail do nothing") {
  CHECK(starter.launcher.spawn(plan(), File{77}, seconds(1)).error == EBADF);
  starter.calls().fail(Call::spawn, EAGAIN);
  const std::size_t count = machine.processes.processes.size();
  CHECK(starter.launcher.spawn(plan(), lock, seconds(1)).error == EAGAIN);
  CHECK(machine.processes.processes.size() == count);
  const Child child = launch();
  for (const Call call : {Call::wait_child, Call::kill_child, Call::reap_child}) starter.calls().fail(call, EINTR);
  CHECK(starter.launcher.wait(child, unwatched, milliseconds(1)).error == EINTR);
  CHECK(starter.launcher.kill(child, Signal::kill).error == EINTR);
  CHECK(starter.launcher.reap(child, seconds(1)).error == EINTR);
  CHECK(contender(child).is_alive());
  const std::vector<std::string> log = starter.calls().log();
  CHECK(std::vector<std::string>(log.end() - 5, log.end()) ==
        std::vector<std::string>{"spawn /usr/bin/server", "let_go", "wait_child", "kill_child", "reap_child"});
  starter.kill();
  starter.launcher.close(child);
  CHECK(starter.launcher.spawn(plan(), lock, seconds(1)).error == ghost_error);
  CHECK(starter.launcher.let_go(child, seconds(1)).error == ghost_error);
  CHECK(contender(child).is_alive());
}

TEST_CASE_METHOD(Fixture, "a starter that dies while its child runs is told nothing") {
  machine.programs[server_path] = [&](Contender&) { starter.kill(); };
  const Child child = spawn();
  CHECK(starter.launcher.let_go(child, seconds(1)).error == ghost_error);
  CHECK(contender(child).is_alive());
}

TEST_CASE_METHOD(Fixture, "a program may get ready later, or launch another one") {
  machine.programs[server_path] = [&](Contender& server) {
    machine.time.after(milliseconds(90), [&, server]() mutable {
      const auto ready = server.filesystem.open({}, "/tmp/ready", OpenMode::create, 0600);
      CHECK(ready.ok());
    });
    LaunchPlan helper;
    helper.program = "/usr/bin/helper";
    const auto launched = server.launcher.spawn(helper, server.filesystem.inherited().value, seconds(1));
    CHECK(server.launcher.let_go(launched.value, seconds(1)).ok());
  };
  bool helped = false;
  machine.programs["/usr/bin/helper"] = [&](Contender& helper) {
    helped = true;
    CHECK(helper.process.me().name == "helper");
  };
  auto watch = starter.filesystem.watch("/tmp").value;
  const Child child = launch();
  CHECK(helped);
  CHECK(starter.launcher.wait(child, watch, seconds(1)).value == LaunchEvent::changed);
  CHECK(machine.disk.exists("/tmp/ready"));
}

TEST_CASE_METHOD(Fixture, "what a child was started with is kept") {
  static constexpr const char* arguments[] = {"server", "--foreground", nullptr};
  static constexpr const char* environment[] = {"A=1", nullptr};
  LaunchPlan all;
  all.program = server_path;
  all.arguments = arguments;
  all.environment = environment;
  all.directory = "/tmp";
  all.log = "/tmp/server.log";
  all.file_mode_mask = 027;
  const auto one = starter.launcher.spawn(all, lock, seconds(1));
  REQUIRE(one.ok());
  const auto* launch = contender(one.value).launch();
  REQUIRE(launch != nullptr);
  CHECK(launch->arguments == std::vector<std::string>{"server", "--foreground"});
  CHECK(launch->environment == std::vector<std::string>{"A=1"});
  CHECK(launch->has_own_environment);
  CHECK(launch->directory == "/tmp");
  CHECK(launch->log == "/tmp/server.log");
  CHECK(launch->file_mode_mask == 027);
  CHECK_FALSE(contender(spawn()).launch()->has_own_environment);
  CHECK(starter.launch() == nullptr);
}

TEST_CASE_METHOD(Fixture, "orphans are adopted by an ancestor that wants them, else by init") {
  LaunchPlan adopting = plan();
  adopting.adopts_orphans = GENERATE(true, false);
  const auto server = starter.launcher.spawn(adopting, lock, seconds(1)).value;
  CHECK(starter.launcher.let_go(server, seconds(1)).ok());
  const Contender worker = machine.fork(contender(server));
  const Contender helper = machine.fork(worker);
  CHECK(observer.process.look(helper.identity.pid).parent == worker.identity.pid);
  worker.kill();
  CHECK(observer.process.look(helper.identity.pid).parent == (adopting.adopts_orphans ? server.number : 1));
  contender(server).kill();
  CHECK(observer.process.look(helper.identity.pid).parent == 1);
}

TEST_CASE_METHOD(Fixture, "a reboot leaves nothing of a child that was held") {
  const Child child = spawn();
  machine.reboot();
  CHECK_FALSE(contender(child).is_alive());
  CHECK(machine.time.held.empty());
  CHECK(machine.disk.open_files.empty());
}

TEST_CASE_METHOD(Fixture, "a decorated launcher counts, fails and dies like the other policies") {
  using Launcher = Faulting<FakeLauncher>;
  static_assert(genie::LauncherPolicy<Launcher, Faulting<MemoryFilesystem>>);
  FaultPlan faults;
  bool is_dead = false;
  faults.on_death = [&] { is_dead = true; };
  Launcher launcher{faults, starter.launcher};
  CHECK(&launcher.plan() == &faults);
  faults.fail(Call::spawn, EAGAIN);
  CHECK(launcher.spawn(plan(), lock, seconds(1)).error == EAGAIN);
  const auto child = launcher.spawn(plan(), lock, seconds(1));
  REQUIRE(child.ok());
  CHECK(launcher.pid(child.value) == child.value.number);
  for (const Call call : {Call::let_go, Call::wait_child, Call::kill_child, Call::reap_child}) faults.fail(call, EINTR);
  CHECK(launcher.let_go(child.value, seconds(1)).error == EINTR);
  CHECK(launcher.let_go(child.value, seconds(1)).ok());
  CHECK(launcher.wait(child.value, unwatched, milliseconds(1)).error == EINTR);
  CHECK(launcher.wait(child.value, unwatched, milliseconds(1)).value == LaunchEvent::none);
  CHECK(launcher.kill(child.value, Signal::kill).error == EINTR);
  CHECK(launcher.kill(child.value, Signal::kill).ok());
  CHECK(launcher.reap(child.value, seconds(1)).error == EINTR);
  CHECK(launcher.reap(child.value, seconds(1)).value == ProcessExit{true, 9});
  CHECK(faults.count(Call::spawn) == 2);
  CHECK(faults.count() == 10);
  SECTION("close closes, as on Linux, also when it fails") {
    faults.fail(Call::close_child, EIO);
    launcher.close(child.value);
    CHECK(starter.launcher.open_count() == 0);
  }
  SECTION("the dead do nothing") {
    faults.die(Call::close_child);
    launcher.close(child.value);
    CHECK(is_dead);
    CHECK(starter.launcher.open_count() == 1);
  }
}

}  // namespace tests::fake_launcher_test
