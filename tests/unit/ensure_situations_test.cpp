// What a starter does where others act in the middle of it, where the directory can't be told, and where calls fail.
#include <optional>
#include <string>

#include "ensure_world.hpp"
#include "unit/noise.hpp"

namespace tests::ensure_situations_test {

using namespace tests;
using genie::FailureKind;
using genie::StepState;
using genie::testing::CallEvent;

namespace {

/// A log of 2 MiB that a start puts aside.
genie::LaunchPlan with_log(World& world) {
  world.machine.disk.write_file("/tmp/log", std::string(std::size_t{2} << 20U, '.'));
  genie::LaunchPlan result = plan();
  result.log = "/tmp/log";
  return result;
}

}  // namespace

TEST_CASE(
    "each failing call of any start is reported or does not matter, and no call is noticed that a signal interrupts",
    "[ensure]") {
  struct Kind {
    const char* name;
    std::function<void(World&)> prepare;
    EnsureOutcome expected;
    genie::UpgradePolicy upgrade = genie::UpgradePolicy::use_running;
  };
  const Kind kinds[] = {
      {"a server that takes its time after an earlier failure",
       [](World& world) {
         world.program([](Server& server) { server.contender.exit(1); });
         CHECK(world.ensure()->outcome == EnsureOutcome::failed);
         world.program([&world](Server& server) {
           if (!server.guard.claim({.starting = true})) return;
           world.machine.time.after(Milliseconds{100}, [&server] { (void)server.guard.boot("load"); });
           world.machine.time.after(Milliseconds{200}, [&server] { (void)server.guard.ready(); });
         });
       },
       EnsureOutcome::running},
      {"a server that fails",
       [](World& world) {
         world.program([&world](Server& server) {
           if (!server.guard.claim({.starting = true})) return;
           (void)server.guard.boot("load");
           world.machine.time.after(Milliseconds{100}, [&server] { server.contender.exit(2); });
         });
       },
       EnsureOutcome::failed},
      {"a server that stalls",
       [](World& world) { world.program([](Server& server) { (void)server.guard.claim({.starting = true}); }); },
       EnsureOutcome::failed},
      {"a server that tells its failure itself",
       [](World& world) {
         world.program([](Server& server) {
           if (!server.guard.claim({.starting = true})) return;
           genie::FailureRecord told;
           told.kind = FailureKind::too_late;
           (void)server.guard.report_failure(told);
           server.contender.exit(1);
         });
       },
       EnsureOutcome::failed},
      {"a server that is stopped for good while it boots",
       [](World& world) {
         world.program([&world](Server& server) {
           if (!server.guard.claim({.starting = true})) return;
           world.machine.time.after(Milliseconds{100},
                                    [&world] { (void)guard_of(world.machine.spawn()).stop({.stay = true}); });
         });
       },
       EnsureOutcome::stopping},
      {"a restart", [](World& world) { CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::running); },
       EnsureOutcome::running, genie::UpgradePolicy::replace_running}};
  for (const Kind& kind : kinds) {
    EnsureOptions options = explicitly();
    options.stall = Milliseconds{1000};
    options.upgrade = kind.upgrade;
    for (const int error : {EINTR, EIO, EMFILE}) {
      for (std::uint64_t call = 1;; ++call) {
        CAPTURE(kind.name, error, call);
        World world;
        kind.prepare(world);
        const genie::LaunchPlan what = with_log(world);
        const Contender caller = world.machine.spawn();
        caller.calls().fail(Call::any, error, call);
        const auto report = world.ensure(caller, options, what);
        const bool is_past = caller.calls().count() < call;
        const std::string failed_call = is_past ? "" : caller.calls().log().at(static_cast<std::size_t>(call) - 1);
        CAPTURE(failed_call);
        if (error == EINTR || is_past) {
          REQUIRE(report);
          CHECK(report->outcome == kind.expected);
        } else if (!report) {
          CHECK(report.error().code == error);
        }
        caller.calls().clear();
        CHECK(world.machine.disk.open_count(caller.index()) == 0);
        CHECK(caller.launcher.open_count() == 0);
        world.program([](Server& server) { (void)server.guard.claim(); });
        const auto next = world.ensure(world.machine.spawn(), explicitly());
        REQUIRE(next);
        CHECK(next->outcome == EnsureOutcome::running);
        CHECK(world.status().failure.generation == 0);
        if (is_past) break;
      }
    }
  }
}

TEST_CASE("a start that fails is told even where a starter is killed before it could be", "[ensure]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    world.program([](Server& server) { server.contender.exit(1); });
    CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::failed);
    world.client.kill_before_call(call);
    if (world.ensure()) break;
    // What is read is a failure of its own generation, or none.
    const genie::StatusReport status = world.status();
    CHECK(status.failure.generation <= 2);
    const auto next = world.ensure(world.machine.spawn(), explicitly());
    REQUIRE(next);
    CHECK(next->outcome == EnsureOutcome::failed);
    CHECK(next->failure.generation >= 2);
  }
}

TEST_CASE("whoever comes between a starter's look and its claim is respected", "[ensure]") {
  World world;
  const Contender other = world.machine.spawn();
  Guard others = guard_of(other);
  Contender child = other;
  SECTION("an owner") {
    before(world.client, Call::try_lock, 1, [&] { CHECK(others.claim()->owned()); });
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == other.identity);
  }
  SECTION("a stop, before it looks at the sentinel or before its claim does") {
    const int time = GENERATE(1, 2);
    world.client.calls().before_call = [&, time, seen = std::make_shared<int>(0)](const CallEvent& event) {
      if (event.call != Call::open || !event.name.ends_with(".stopping.lock") || ++*seen != time) return;
      world.machine.disk.write_file(sentinel_path,
                                    std::to_string((world.machine.time.wall + Milliseconds{5000}).count()));
    };
    world.machine.disk.make_directory(directory, 0700, 1000);
    CHECK(world.ensure()->outcome == EnsureOutcome::stopping);
  }
  SECTION("an owner that has gone, and whose child holds its lock") {
    before(world.client, Call::try_lock, 1, [&] {
      CHECK(others.claim()->owned());
      child = world.machine.fork(other);
      other.kill();
      other.reap();
    });
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::orphaned);
    CHECK(report->owner == other.identity);
    REQUIRE(report->holder_count == 1);
    CHECK(report->holders[0].pid == child.identity.pid);
  }
  SECTION("a stranger's lock, once") {
    Contender stranger = other;
    EnsureOptions options;
    options.settle = Milliseconds{200};
    before(world.client, Call::try_lock, 1, [&] {
      const auto lock = stranger.filesystem.open({}, lock_path, genie::OpenMode::ensure, 0600);
      CHECK(stranger.filesystem.try_lock(lock.value, genie::detail::owner_byte, 1).ok());
    });
    const Milliseconds began = world.machine.time.monotonic;
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::lock_record_unreadable);
    REQUIRE(report->holder_count == 1);
    CHECK(report->holders[0].pid == other.identity.pid);
    CHECK(world.machine.time.monotonic - began == options.settle);
  }
  SECTION("a start that takes longer than a claim may") {
    Starter starter{world.machine};
    before(world.client, Call::try_lock, 1, [&] {
      starter.claim();
      world.machine.time.after(Milliseconds{3000}, [&] { starter.take_back(); });
    });
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_joined);
    CHECK(report->has_started);
  }
}

TEST_CASE("a starter gives up where somebody replaces the directory again and again", "[ensure]") {
  World world;
  std::vector<std::unique_ptr<Server>> others;
  world.client.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::try_lock) {
      // Somebody owns it whenever it is to be claimed…
      others.push_back(std::make_unique<Server>(world.machine.spawn()));
      CHECK(others.back()->guard.claim()->owned());
    } else if (event.call == Call::open_directory && !others.empty()) {
      // … and nobody does whenever one looks.
      (void)others.back()->guard.release();
    }
  };
  const auto report = world.ensure();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::interrupted);
  CHECK(others.size() == 64);
}

TEST_CASE("what can't be told is neither used nor replaced", "[ensure]") {
  World world;
  world.machine.disk.make_directory(directory, 0700, 1000);
  SECTION("a lock of somebody who has written no record") {
    Contender stranger = world.machine.spawn();
    const auto lock = stranger.filesystem.open({}, lock_path, genie::OpenMode::ensure, 0600);
    REQUIRE(stranger.filesystem.try_lock(lock.value, genie::detail::owner_byte, 1).ok());
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::lock_record_unreadable);
    REQUIRE(report->holder_count == 1);
    CHECK(report->holders[0].pid == stranger.identity.pid);
  }
  SECTION("a lock whose recorded owner's PID is a stranger's, and whose holder can't be seen") {
    const Contender owner = world.machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim());
    const Contender child = world.machine.fork(owner);
    world.machine.processes.processes[child.index()].pid_namespace = 4026532000;
    owner.kill();
    owner.reap();
    genie::testing::ProcessOptions options;
    options.pid = owner.identity.pid;
    (void)world.machine.spawn(options);
    CHECK(world.ensure()->outcome == EnsureOutcome::contended);
  }
  SECTION("an older program's record without a start time") {
    const Contender older = world.machine.spawn();
    world.machine.disk.write_file(record_path, std::to_string(older.identity.pid) + ":unknown");
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::start_unknown);
  }
  SECTION("an empty record, which is waited for, and then one of somebody who died there") {
    world.machine.disk.write_file(record_path, "");
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
    return;
  }
  SECTION("a sentinel that cannot be read") {
    world.machine.disk.make_directory(sentinel_path, 0700, 1000);
    const auto report = world.ensure(explicitly());
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == genie::ErrorKind::not_a_regular_file);
  }
  SECTION("a directory that is none") {
    world.machine.disk.write_file("/tmp/other", "");
    Guard guard = guard_of(world.client, "/tmp/other");
    const auto report = genie::ensure(guard, world.client.launcher, plan());
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == genie::ErrorKind::not_a_directory);
  }
  CHECK(world.servers.empty());
}

TEST_CASE("an old lock file without a record is joined while somebody claims it, and told where that does not end",
          "[ensure]") {
  World world;
  world.machine.disk.make_directory(directory, 0700, 1000);
  Contender stranger = world.machine.spawn();
  const auto lock = stranger.filesystem.open({}, lock_path, genie::OpenMode::ensure, 0600);
  REQUIRE(stranger.filesystem.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
  world.machine.time.after(Milliseconds{500}, [&] { stranger.filesystem.close(lock.value); });
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
}

TEST_CASE("where nothing can be watched, a starter looks again", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    world.machine.time.after(Milliseconds{100}, [&server] { CHECK(server.guard.ready()); });
  });
  world.client.calls().fail(Call::watch, EMFILE, 1, 1000);
  const Milliseconds began = world.machine.time.monotonic;
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.machine.time.monotonic - began <= Milliseconds{120});
}

TEST_CASE("a server whose end can't be learnt has failed all the same", "[ensure]") {
  World world;
  world.program([](Server& server) { server.contender.exit(1); });
  world.client.calls().fail(Call::reap_child, ECHILD);
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::lost);
  CHECK(report->failure.value == ECHILD);
}

TEST_CASE("a refused boot ends with its grace, or with the caller's time", "[ensure]") {
  World world;
  world.program([](Server& server) {
    server.contender.process.me().reaction.ignores_terminate = true;
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    server.guard.step("migrate").refused("run: x");
  });
  EnsureOptions options;
  options.grace = Milliseconds{3000};
  options.deadline = Milliseconds{1000};
  const auto report = world.ensure(options);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::refused);
  CHECK_FALSE(world.server().contender.is_alive());
}

TEST_CASE("a server whose boot was refused has the grace to end by itself", "[ensure]") {
  World world;
  world.program([&world](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    server.guard.step("migrate").refused("run: x");
    world.machine.time.after(Milliseconds{1000}, [&server] { server.contender.exit(3); });
  });
  EnsureOptions options;
  options.grace = Milliseconds{3000};
  const Milliseconds began = world.machine.time.monotonic;
  const auto report = world.ensure(options);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::refused);
  CHECK(world.machine.time.monotonic - began == Milliseconds{1000});
}

TEST_CASE("a log is put aside only where it is too large, and quoted only where there is one", "[ensure]") {
  World world;
  world.program([](Server& server) { server.contender.exit(1); });
  genie::LaunchPlan what = with_log(world);
  EnsureOptions options;
  SECTION("as large as it may be") {
    options.log_limit = std::uint64_t{2} << 20U;
    CHECK(world.ensure(world.client, options, what)->outcome == EnsureOutcome::failed);
    CHECK_FALSE(world.machine.disk.exists("/tmp/log.1"));
  }
  SECTION("never") {
    options.log_limit = 0;
    CHECK(world.ensure(world.client, options, what)->outcome == EnsureOutcome::failed);
    CHECK_FALSE(world.machine.disk.exists("/tmp/log.1"));
  }
  SECTION("too large") {
    const auto report = world.ensure(world.client, options, what);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.tail.empty());
    CHECK(world.machine.disk.exists("/tmp/log.1"));
  }
  SECTION("by a path that is longer than a failure can hold") {
    const std::string path = "/tmp/" + std::string(251, 'l');
    what.log = path.c_str();
    const auto report = world.ensure(world.client, options, what);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.log.empty());
  }
  SECTION("by the longest path that a failure can hold, from the first character where the file is new") {
    const std::string path = "/tmp/" + std::string(250, 'l');
    what.log = path.c_str();
    world.program([&](Server& server) {
      world.machine.disk.write_file(path, "broken\n");
      server.contender.exit(1);
    });
    const auto report = world.ensure(world.client, options, what);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(std::string{report->failure.log.c_str()} == path);
    CHECK(std::string{report->failure.tail.c_str()} == "broken");
  }
}

TEST_CASE("what a look cannot read is an error, and nothing is started for it", "[ensure]") {
  std::uint64_t reads = 1;
  for (std::uint64_t read = 1; read <= reads; ++read) {
    CAPTURE(read);
    World world;
    world.program([](Server& server) { server.contender.exit(1); });
    (void)world.ensure();
    (void)world.ensure();
    world.machine.disk.write_file(sentinel_path, "1\n");
    const Contender caller = world.machine.spawn();
    CHECK(world.ensure(caller)->outcome == EnsureOutcome::backing_off);
    reads = caller.calls().count(Call::read_at);
    caller.calls().fail(Call::read_at, EIO, read);
    const auto report = world.ensure(caller);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == EIO);
    CHECK(world.servers.size() == 2);
  }
  CHECK(reads > 3);
}

TEST_CASE("a starter that can't read or claim what it needs says so, and leaves nothing that runs", "[ensure]") {
  World world;
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  world.kill_server();
  world.servers.clear();
  const Contender caller = world.machine.spawn();
  const auto fail_after = [&](Call moment, Call call, std::uint64_t occurrence) {
    before(caller, moment, 1, [&caller, call, occurrence] { caller.calls().fail(call, EIO, occurrence); });
  };
  EnsureOptions options;
  SECTION("its claim") {
    world.machine.disk.remove(record_path);
    caller.calls().fail(Call::create_unnamed, EIO);
  }
  SECTION("an earlier failure") {
    world.program([](Server& server) { server.contender.exit(1); });
    CHECK(world.ensure()->outcome == EnsureOutcome::failed);
    world.servers.clear();
    options = explicitly();
    fail_after(Call::link_unnamed, Call::read_at, 1);
  }
  SECTION("whether a stop has come since") { fail_after(Call::spawn, Call::open, 1); }
  SECTION("the record of the server that it waits for, or the steps of its boot") {
    const std::uint64_t read = GENERATE(1U, 2U);
    world.program([&](Server& server) {
      CHECK(server.guard.claim({.starting = true})->adopted);
      world.machine.time.after(Milliseconds{100}, [&server] { (void)server.guard.ready(); });
    });
    fail_after(Call::let_go, Call::read_at, read);
  }
  SECTION("whether the server has ended, once that has claimed") {
    world.program([](Server& server) { CHECK(server.guard.claim({.starting = true})->adopted); });
    caller.calls().fail(Call::wait_child, EIO);
  }
  const auto report = world.ensure(caller, options);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK((world.servers.empty() || !world.server().contender.is_alive()));
  CHECK_FALSE(world.machine.disk.exists(record_path));
  CHECK(world.machine.disk.open_count(caller.index()) == 0);
}

TEST_CASE("a process that was not executed, and of which nobody learns whether it has ended, keeps its claim",
          "[ensure]") {
  World world;
  world.client.calls().fail(Call::let_go, EIO);
  world.client.calls().fail(Call::wait_child, EIO, 1, 10);
  const auto report = world.ensure();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::system);
  CHECK(report.error().operation == genie::Operation::launch);
  CHECK(report.error().code == EIO);
  CHECK(world.machine.disk.exists(record_path));
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
}

TEST_CASE("where no process could be made, the error names all that it may be for", "[ensure]") {
  World world;
  genie::LaunchPlan what = plan();
  what.directory = "/srv";
  world.client.calls().fail(Call::spawn, ENOENT, 1, 2);
  const auto without_log = world.ensure(world.client, {}, what);
  REQUIRE_FALSE(without_log);
  CHECK(without_log.error().operation == genie::Operation::launch);
  CHECK(without_log.error().code == ENOENT);
  CHECK(std::string{without_log.error().path.c_str()} == "/usr/bin/server in /srv");
  what.log = "/missing/log";
  const auto with_one = world.ensure(world.client, {}, what);
  REQUIRE_FALSE(with_one);
  CHECK(std::string{with_one.error().path.c_str()} == "/usr/bin/server in /srv with the log /missing/log");
}

TEST_CASE("a record without a start time is stale to a start, as it is to a claim", "[ensure]") {
  World world;
  const Contender older = world.machine.spawn();
  world.machine.disk.make_directory(directory, 0700, 1000);
  world.machine.disk.write_file(record_path, std::to_string(older.identity.pid));
  const auto report = world.ensure();
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->has_started);
}

TEST_CASE("an older program's stop counts for as long as the caller says that one may, with its claim, too",
          "[ensure]") {
  World world;
  world.machine.disk.make_directory(directory, 0700, 1000);
  world.machine.disk.write_file(sentinel_path,
                                std::to_string((world.machine.time.wall + Milliseconds{20'000}).count()));
  EnsureOptions options;
  CHECK(world.ensure(options)->outcome == EnsureOutcome::stopping);
  options.sentinel_ttl = Milliseconds{5000};
  CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
}

TEST_CASE("who has waited for a start that failed is told so, also where nobody may start again for a while",
          "[ensure]") {
  World world;
  Starter starter{world.machine};
  genie::FailureRecord failure;
  failure.value = 3;
  starter.claim();
  starter.take_back(&failure);
  starter.claim();
  world.machine.time.after(Milliseconds{100}, [&] { starter.take_back(&failure); });
  const auto report = world.ensure();
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.count == 2);
  CHECK(world.ensure()->outcome == EnsureOutcome::backing_off);
}

TEST_CASE("who comes when a server has ended, and its starter has not noticed that, is told why it failed",
          "[ensure]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  world.program([](Server& server) {
    CHECK(server.guard.claim({.starting = true})->adopted);
    CHECK(server.guard.release());
    server.contender.exit(3);
  });
  const auto child = starter.contender.launcher.spawn(plan(), starter.held.lock, Milliseconds{1000});
  REQUIRE(child.ok());
  const genie::ProcessIdentity heir = world.machine.contender(child.value.process).identity;
  REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir));
  REQUIRE(starter.contender.launcher.let_go(child.value, Milliseconds{1000}).ok());
  genie::FailureRecord failure;
  failure.value = 3;
  world.machine.time.after(Milliseconds{10}, [&] { starter.take_back(&failure); });
  const auto report = world.ensure();
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.value == 3);
  CHECK(world.servers.size() == 1);
}

TEST_CASE("what a server tells when it is stopped is no failure of a start that waits for the stop", "[ensure][stop]") {
  World world;
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  Guard stopping = guard_of(world.machine.spawn());
  genie::detail::OpenDirectory<Guard::Host> place;
  REQUIRE(genie::detail::open_state_directory(stopping.host(), stopping.files(), false, place));
  genie::StopRegistration<Guard::Host> registration{stopping.host(), stopping.files(), place.file.get(),
                                                    world.server().contender.identity, genie::default_sentinel_ttl};
  REQUIRE(registration.enter([](bool) {}));
  world.machine.time.after(Milliseconds{100}, [&] {
    genie::FailureRecord failure;
    failure.kind = FailureKind::signalled;
    CHECK(world.server().guard.report_failure(failure));
    world.kill_server();
    CHECK(registration.leave());
  });
  const auto report = world.ensure(world.machine.spawn(), explicitly());
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->has_started);
}

TEST_CASE("each time that somebody leaves processes behind, these have all of their time to end", "[ensure]") {
  World world;
  std::vector<Contender> left;
  const auto leave = [&](const Contender& owner) {
    left.push_back(world.machine.fork(owner));
    owner.kill();
    owner.reap();
  };
  const auto end_left = [&] { left.back().kill(); };
  const Contender first = world.machine.spawn();
  Guard firsts = guard_of(first);
  REQUIRE(firsts.claim()->owned());
  leave(first);
  const Contender second = world.machine.spawn();
  Guard seconds = guard_of(second);
  Starter starter{world.machine};
  EnsureOptions options;
  options.settle = Milliseconds{1000};
  bool has_claimed = false;
  bool has_left = false;
  SECTION("where the directory was free between") {
    world.machine.time.after(Milliseconds{600}, end_left);
    world.client.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::try_lock && !has_claimed) {
        // Between the look and the claim, which finds an owner …
        has_claimed = seconds.claim()->owned();
        CHECK(has_claimed);
      } else if (event.call == Call::open_directory && has_claimed && !has_left) {
        // … that is dead when the next look comes.
        has_left = true;
        leave(second);
        world.machine.time.after(Milliseconds{600}, end_left);
      }
    };
  }
  SECTION("where somebody started a server between") {
    world.machine.time.after(Milliseconds{600}, [&] {
      end_left();
      starter.claim();
    });
    world.machine.time.after(Milliseconds{700}, [&] { leave(starter.contender); });
    world.machine.time.after(Milliseconds{1300}, end_left);
  }
  CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
  CHECK(left.size() == 2);
}

TEST_CASE("what does not end in time is told, also where a millisecond passes between a look and the next wait",
          "[ensure]") {
  World world;
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  (void)world.machine.fork(world.server().contender);
  world.kill_server();
  EnsureOptions options;
  options.settle = Milliseconds{500};
  const Milliseconds early{GENERATE(0, 1)};
  world.looks_at(world.machine.time.monotonic + options.settle - early);
  CHECK(world.ensure(options)->outcome == EnsureOutcome::orphaned);
}

namespace {

/// Notes how long it is told that setting a process up, and letting it go, may take.
struct TimedLauncher : genie::testing::FakeLauncher {
  explicit TimedLauncher(const genie::testing::FakeLauncher& other) : FakeLauncher{other} {}

  [[nodiscard]] genie::SysResult<Child> spawn(const genie::LaunchPlan& what,
                                              genie::testing::MemoryFilesystem::File file, Milliseconds span) noexcept {
    spawning = span;
    return FakeLauncher::spawn(what, file, span);
  }
  [[nodiscard]] genie::SysResult<void> let_go(const Child& child, Milliseconds span) noexcept {
    letting_go = span;
    return FakeLauncher::let_go(child, span);
  }

  Milliseconds spawning;
  Milliseconds letting_go;
};

}  // namespace

TEST_CASE("a launcher is told how much of the stall window, or of the caller's time, is left", "[ensure]") {
  World world;
  EnsureOptions options;
  options.stall = Milliseconds{500};
  Milliseconds expected{500};
  if (GENERATE(false, true)) expected = options.deadline = Milliseconds{300};
  before(world.client, Call::spawn, 1, [&] { world.machine.time.advance(Milliseconds{100}); });
  TimedLauncher launcher{world.client.launcher};
  Guard guard = guard_of(world.client);
  CHECK(genie::ensure(guard, launcher, plan(), options)->outcome == EnsureOutcome::running);
  CHECK(launcher.spawning == expected);
  CHECK(launcher.letting_go == expected - Milliseconds{100});
}

TEST_CASE("a stop of a start that has no server yet waits for one, and of one that has ended for its clean-up",
          "[ensure][stop]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  genie::StopOptions options;
  options.settle = Milliseconds{200};
  const Contender stopper = world.machine.spawn();
  SECTION("nobody yet: nobody is signalled") {
    CHECK(guard_of(stopper).stop(options)->outcome == genie::StopOutcome::refused);
  }
  SECTION("one that has ended: nobody is signalled") {
    const Contender heir = world.machine.spawn();
    REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
    heir.kill();
    heir.reap();
    CHECK(guard_of(stopper).stop(options)->outcome == genie::StopOutcome::refused);
  }
  SECTION("one that comes in time") {
    const Contender heir = world.machine.spawn();
    world.machine.time.after(Milliseconds{100}, [&] {
      CHECK(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
    });
    world.machine.time.after(Milliseconds{400}, [&] { starter.take_back(); });
    const auto receipt = guard_of(stopper).stop(options);
    CHECK(receipt->outcome == genie::StopOutcome::stopped);
    CHECK(receipt->target == heir.identity);
    CHECK_FALSE(heir.is_alive());
  }
  for (const genie::testing::Delivery& delivery : world.machine.processes.deliveries) {
    CHECK(delivery.identity != starter.contender.identity);
  }
  CHECK(starter.contender.is_alive());
}

TEST_CASE("only its claimant hands a claim over or takes it back", "[ensure]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  const Contender child = world.machine.fork(starter.contender);
  Guard in_child = guard_of(child);
  genie::HeldClaim<Guard::Host> copy = starter.held;
  const auto lock = world.machine.disk.read_file(lock_path);
  const std::size_t open = world.machine.disk.open_count(child.index());
  CHECK(open > 0);
  genie::hand_over(in_child.host(), copy);
  CHECK(genie::take_back(in_child.host(), in_child.files(), copy, nullptr));
  CHECK(genie::name_heir(in_child.host(), in_child.files(), copy, child.identity).error().kind ==
        genie::ErrorKind::not_claimed);
  CHECK(world.machine.disk.exists(record_path));
  CHECK(*world.machine.disk.read_file(record_path) == text_of(starter.contender.identity));
  CHECK(world.machine.disk.read_file(lock_path) == lock);
  CHECK(world.machine.disk.open_count(child.index()) == open);
}

TEST_CASE("a starter that had to wait for its claim keeps nothing open when it gives the claim away", "[ensure]") {
  World world;
  REQUIRE(world.ensure());
  Starter starter{world.machine};
  world.machine.time.after(Milliseconds{300}, [&] { world.kill_server(); });
  genie::StandbyOptions waiting;
  waiting.claim.launching = true;
  const auto goes_on = [](const genie::ClaimReport&) noexcept { return true; };
  REQUIRE(genie::claim_when_free(starter.guard.host(), starter.guard.files(), waiting, starter.held, goes_on)->owned());
  REQUIRE(starter.held.has_watch);
  SECTION("to its heir") { genie::hand_over(starter.guard.host(), starter.held); }
  SECTION("to nobody") { starter.take_back(); }
  CHECK_FALSE(starter.held.held);
  CHECK(world.machine.disk.open_count(starter.contender.index()) == 0);
}

TEST_CASE("a starter whose lock file was closed under it gives nothing away, and closes nobody else's files",
          "[ensure][F25]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  starter.contender.filesystem.close(starter.held.lock);
  // Which takes its number.
  world.machine.disk.write_file("/precious", "precious");
  REQUIRE(starter.contender.filesystem.open({}, "/precious", genie::OpenMode::read_write, 0).value.descriptor ==
          starter.held.lock.descriptor);
  const auto lock = world.machine.disk.read_file(lock_path);
  const auto holds_it = starter.held.lock;
  SECTION("to its heir") { genie::hand_over(starter.guard.host(), starter.held); }
  SECTION("to nobody") {
    genie::FailureRecord failure;
    const auto taken = genie::take_back(starter.guard.host(), starter.guard.files(), starter.held, &failure);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().kind == genie::ErrorKind::not_claimed);
  }
  CHECK_FALSE(starter.held.held);
  CHECK(starter.contender.filesystem.stat(holds_it).ok());
  CHECK(world.machine.disk.read_file("/precious") == "precious");
  CHECK(world.machine.disk.read_file(lock_path) == lock);
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
}

TEST_CASE("an heir of an impossible number is refused, and so is what is told of its end", "[ensure]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  const auto lock = world.machine.disk.read_file(lock_path);
  const auto named = genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, {-1, {}});
  REQUIRE_FALSE(named);
  CHECK(named.error().kind == genie::ErrorKind::invalid_process);
  CHECK(world.machine.disk.read_file(lock_path) == lock);
  genie::FailureRecord failure;
  failure.server.pid = -1;
  const auto taken = genie::take_back(starter.guard.host(), starter.guard.files(), starter.held, &failure);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == genie::ErrorKind::invalid_process);
  // It is given up all the same.
  CHECK(world.machine.disk.open_count(starter.contender.index()) == 0);
  CHECK(world.status().state == genie::ServerState::stopped);
  CHECK(world.status().failure.generation == 0);
}

TEST_CASE("the first error of what is done to take a claim back is told", "[ensure][F16]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  const Contender heir = world.machine.spawn();
  REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
  heir.kill();
  int first = ENOSPC;
  SECTION("nothing can be written") { starter.contender.calls().fail(Call::write_at, ENOSPC, 1, 100); }
  SECTION("only what a failed start is told by cannot be written") {
    starter.contender.calls().fail(Call::write_at, ENOSPC, 2);
  }
  SECTION("its record cannot be removed, and then nothing be written") {
    first = EACCES;
    starter.contender.calls().fail(Call::rename, EACCES);
    starter.contender.calls().fail(Call::write_at, ENOSPC, 2, 100);
  }
  genie::FailureRecord failure;
  const auto taken = genie::take_back(starter.guard.host(), starter.guard.files(), starter.held, &failure);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == first);
}

TEST_CASE("a claim is taken back whatever became of the lock's record", "[ensure]") {
  World world;
  genie::FailureRecord failure;
  failure.value = 7;
  Starter starter{world.machine};
  starter.claim();
  const Contender heir = world.machine.spawn();
  REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
  heir.kill();
  bool is_read = false;  // what nobody can read may have said that there are endpoints
  SECTION("noise") { world.machine.disk.write_file(lock_path, "noise"); }
  SECTION("noise, and the record is gone, too") {
    world.machine.disk.write_file(lock_path, "noise");
    world.machine.disk.remove(record_path);
  }
  SECTION("an older generation's") {
    genie::LockRecord older = starter.held.written;
    older.generation += 1;
    world.machine.disk.write_file(lock_path, unit_tests::string(genie::encode_lock_record(older)));
  }
  SECTION("one that names a failure which nobody has told") {
    genie::LockRecord told = starter.held.written;
    told.failed = told.generation;
    world.machine.disk.write_file(lock_path, unit_tests::string(genie::encode_lock_record(told)));
    failure.generation = told.generation;
    is_read = true;
  }
  const std::uint64_t generation = starter.held.written.generation;
  starter.take_back(&failure);
  CHECK(failure.value == 7);
  CHECK_FALSE(world.machine.disk.exists(record_path));
  genie::LockRecord record;
  const std::string bytes = world.machine.disk.read_file(lock_path).value_or("");
  REQUIRE(genie::parse_lock_record(bytes, INT32_MAX, record) == genie::LockRecordKind::valid);
  CHECK(record.generation == generation);
  CHECK(record.phase == genie::Phase::released);
  CHECK(record.owner == starter.contender.identity);
  CHECK(record.has_no_endpoints == is_read);
  CHECK(world.machine.disk.open_count(starter.contender.index()) == 0);
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
}

TEST_CASE("a server's own account of its failure gets the end of its log where it has none", "[ensure]") {
  World world;
  world.machine.disk.write_file("/tmp/log", "");
  genie::LaunchPlan what = plan();
  what.log = "/tmp/log";
  genie::FailureRecord told;
  told.kind = FailureKind::stalled;
  told.value = 500;
  std::string expected = "the end";
  std::string log;
  SECTION("none") { log = "/tmp/log"; }
  SECTION("its own") {
    told.tail = genie::FixedText<1000>{"own words"};
    expected = "own words";
  }
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    world.machine.disk.write_file("/tmp/log", "the end\n");
    REQUIRE(server.guard.report_failure(told));
    server.contender.exit(1);
  });
  const auto report = world.ensure(world.client, {}, what);
  CHECK(report->failure.kind == FailureKind::stalled);
  CHECK(std::string{report->failure.tail.c_str()} == expected);
  CHECK(std::string{report->failure.log.c_str()} == log);
  CHECK(world.status().failure == report->failure);
}

TEST_CASE("while a claim is handed over, others may do to its files what they like", "[ensure]") {
  World world;
  SECTION("the record is removed: the server publishes its own") {
    world.program([&](Server& server) {
      world.machine.disk.remove(record_path);
      CHECK(server.guard.claim()->adopted);
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
    CHECK(*world.machine.disk.read_file(record_path) == text_of(world.server().contender.identity));
  }
  SECTION("an older program has put its own there: it is the owner") {
    const Contender older = world.machine.spawn();
    world.program([&](Server& server) {
      world.machine.disk.replace(record_path, text_of(older.identity));
      CHECK(server.guard.claim()->outcome == genie::ClaimOutcome::already_running);
      server.contender.exit(0);
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::failed);
    CHECK(*world.machine.disk.read_file(record_path) == text_of(older.identity));
    CHECK(world.ensure()->owner == older.identity);
  }
  SECTION("a copy of the starter's record stands there, in another file: it is judged, not taken for the starter's") {
    world.program([&](Server& server) {
      world.machine.disk.replace(record_path, *world.machine.disk.read_file(record_path));
      const auto claim = server.guard.claim();
      REQUIRE(claim);
      CHECK(claim->owned());
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
  }
  SECTION("the lock's record becomes another claim's, or another owner's: the server is none that is ready") {
    const bool is_another_claim = GENERATE(false, true);
    const Contender other = world.machine.spawn();
    world.program([&](Server& server) {
      genie::LockRecord record;
      REQUIRE(genie::parse_lock_record(*world.machine.disk.read_file(lock_path), INT32_MAX, record) ==
              genie::LockRecordKind::valid);
      record.phase = genie::Phase::running;
      record.owner = is_another_claim ? server.contender.identity : other.identity;
      record.generation += is_another_claim ? 1 : 0;
      world.machine.disk.write_file(lock_path, unit_tests::string(genie::encode_lock_record(record)));
      world.machine.time.after(Milliseconds{100}, [&server] { server.contender.exit(1); });
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::failed);
    CHECK(other.is_alive());
    world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
  }
  SECTION("the lock file is replaced by noise: the server is no heir any more, and its start fails") {
    world.program([&](Server& server) {
      world.machine.disk.write_file(lock_path, "noise");
      CHECK_FALSE(server.guard.claim({.settle = Milliseconds{1}})->owned());
      server.contender.exit(1);
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::failed);
    world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
  }
}

TEST_CASE("a process of another PID namespace with the heir's number is not the heir", "[ensure]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  genie::testing::ProcessOptions options;
  options.pid_namespace = 4026532000;
  const Contender stranger = world.machine.spawn(options);
  genie::testing::ProcessOptions same;
  same.pid = stranger.identity.pid + 5000;
  const Contender heir = world.machine.spawn(same);
  world.machine.processes.processes[stranger.index()].pid = heir.identity.pid;
  REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
  CHECK(guard_of(stranger).claim()->outcome == genie::ClaimOutcome::contended);
}

TEST_CASE("whoever descends from a server through any number of processes belongs to it, within reason", "[ensure]") {
  World world;
  REQUIRE(world.ensure());
  genie::testing::ProcessOptions options;
  options.parent = world.server().contender.index();
  for (int depth = 1; depth < 256; ++depth) options.parent = world.machine.spawn(options).index();
  CHECK(world.ensure(world.machine.spawn(options))->outcome == EnsureOutcome::self);
  options.parent = world.machine.spawn(options).index();
  CHECK(world.ensure(world.machine.spawn(options))->outcome == EnsureOutcome::running);
}

TEST_CASE("a boot block of another claim, or of none, is not this boot's", "[ensure][boot]") {
  World world;
  Guard first = guard_of(world.client);
  REQUIRE(first.claim({.starting = true}));
  REQUIRE(first.boot("load"));
  REQUIRE(first.release());
  REQUIRE(first.claim({.starting = true}));
  CHECK(world.status().boot.generation == 0);
  std::string content = *world.machine.disk.read_file(lock_path);
  const auto none = genie::encode_boot_record({});
  content.replace(genie::boot_record_at, none.size(), unit_tests::string(none));
  world.machine.disk.write_file(lock_path, content);
  CHECK(world.status().boot.generation == 0);
}

TEST_CASE("an heir that would have to claim for itself gives up: the lock is its starter's", "[ensure]") {
  World world;
  Machine& machine = world.machine;
  const Contender stranger = machine.spawn();
  std::optional<genie::ClaimOutcome> heirs;
  std::optional<genie::ClaimOutcome> newcomers;
  world.program([&](Server& server) {
    genie::LockRecord starters;
    REQUIRE(genie::parse_lock_record(genie::Text{*machine.disk.read_file(lock_path)}, INT32_MAX, starters) ==
            genie::LockRecordKind::valid);
    const genie::NameText temporary = server.guard.files().temporary(starters.temporary);
    // A living program's record has got under the starter's temporary name, and the port can't be removed.
    machine.disk.write_file(std::string{directory} + "/" + temporary.c_str(), text_of(stranger.identity));
    machine.disk.make_directory(port_path);
    int looks = 0;
    server.contender.calls().before_call = [&](const CallEvent& event) {
      if (event.call != Call::open || event.name != genie::Text{"serve.pid"} || ++looks != 2) return;
      machine.disk.remove(record_path);
      stranger.kill();
      stranger.reap();
    };
    const auto claim = server.guard.claim();
    server.contender.calls().before_call = nullptr;
    if (claim) heirs = claim->outcome;
    machine.disk.remove(port_path);
    newcomers = guard_of(machine.spawn()).claim({.settle = genie::milliseconds(0)})->outcome;
    server.contender.exit(1);
  });
  (void)world.ensure();
  CHECK(heirs == genie::ClaimOutcome::contended);
  CHECK(newcomers == genie::ClaimOutcome::contended);
}

}  // namespace tests::ensure_situations_test
