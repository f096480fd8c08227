// Start on demand: single flight, boot steps, failures, and who may start at all, with programs that only simulate.
#include "ensure_world.hpp"

#include <string>
#include <vector>

namespace tests::ensure_test {

using namespace tests;
using genie::BootRecord;
using genie::FailureKind;
using genie::Phase;
using genie::StepState;

TEST_CASE("a server is started where there is none, and owns the claim that was made for it", "[ensure]") {
  World world;
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->has_started);
  CHECK(report->owner == world.server().contender.identity);
  CHECK(report->generation == 1);
  const genie::StatusReport status = world.status();
  CHECK(status.state == genie::ServerState::running);
  CHECK(status.owner == report->owner);
  CHECK(*world.machine.disk.read_file(record_path) == text_of(report->owner));
  CHECK(world.server().guard.owns());
  CHECK(world.server().guard.verify() == genie::Ownership::held);
  // The client keeps nothing: the lock ends with the server.
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  CHECK(world.client.launcher.open_count() == 0);
  CHECK(strangers(world.machine).empty());
  world.kill_server();
  CHECK(world.status().state == genie::ServerState::stale);
}

TEST_CASE("a server that runs is used, and nothing is started", "[ensure]") {
  World world;
  REQUIRE(world.ensure());
  const auto again = world.ensure(world.machine.spawn());
  REQUIRE(again);
  CHECK(again->outcome == EnsureOutcome::running);
  CHECK_FALSE(again->has_started);
  CHECK_FALSE(again->has_joined);
  CHECK(again->owner == world.server().contender.identity);
  CHECK(world.servers.size() == 1);
}

TEST_CASE("a server that is used is told as it describes itself, and so is one that was just started", "[ensure]") {
  World world;
  const Contender command = world.machine.spawn();
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true, .build = "own build"})->adopted);
    REQUIRE(server.guard.set_server(command.identity));
    REQUIRE(server.guard.ready());
  });
  for (const bool has_started : {true, false}) {
    const auto report = world.ensure(world.machine.spawn());
    CHECK(report->has_started == has_started);
    CHECK(report->server == command.identity);
    CHECK(report->generation == 1);
    CHECK(report->build == genie::FixedText<63>{"own build"});
  }
}

TEST_CASE("a started server goes on in the generation of its starter's claim", "[ensure]") {
  World world;
  crashed_owner(world.machine);
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->generation == 2);
  CHECK(world.status().generation == 2);
  REQUIRE(world.server().guard.release());
  CHECK_FALSE(world.machine.disk.exists(record_path));
  CHECK(strangers(world.machine).empty());
}

TEST_CASE("whoever asks while a server is being started joins, and gets the same one", "[ensure]") {
  World world;
  const Contender other = world.machine.spawn();
  genie::ProcessIdentity joined;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    world.machine.time.after(Milliseconds{100}, [&server] { CHECK(server.guard.ready()); });
    const auto second = world.ensure(other);
    REQUIRE(second);
    CHECK(second->outcome == EnsureOutcome::running);
    CHECK(second->has_joined);
    CHECK_FALSE(second->has_started);
    joined = second->owner;
  });
  const auto first = world.ensure();
  REQUIRE(first);
  CHECK(first->outcome == EnsureOutcome::running);
  CHECK(joined == first->owner);
  CHECK(world.servers.size() == 1);
}

TEST_CASE("before the server has adopted its claim, others see who is about to own it", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    const genie::StatusReport status = world.status();
    CHECK(status.state == genie::ServerState::starting);
    CHECK(status.owner == server.contender.identity);
    CHECK(status.evidence.reason == genie::Reason::handing_over);
    CHECK(server.guard.claim()->adopted);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
}

TEST_CASE("a starter that is killed before it lets go leaves the way free", "[ensure]") {
  World world;
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::let_go) world.client.kill();
  };
  CHECK_FALSE(world.ensure());
  CHECK(world.servers.empty());
  CHECK(world.status().state == genie::ServerState::stale);
  const auto next = world.ensure(world.machine.spawn());
  REQUIRE(next);
  CHECK(next->outcome == EnsureOutcome::running);
  CHECK(world.servers.size() == 1);
  CHECK(strangers(world.machine).empty());
}

TEST_CASE("a starter that is killed at any call leaves one server at most, and the next caller gets one", "[ensure]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    crashed_owner(world.machine);
    world.client.kill_before_call(call);
    if (world.ensure()) break;
    const std::size_t started = world.servers.size();
    const auto next = world.ensure(world.machine.spawn());
    REQUIRE(next);
    CHECK(next->outcome == EnsureOutcome::running);
    CHECK(world.servers.size() == 1);
    CHECK(next->owner == world.servers.back()->contender.identity);
    CHECK(started <= 1);
    CHECK(strangers(world.machine).empty());
  }
}

TEST_CASE("a server that is killed at any call of its adoption is reported, and leaves nothing behind", "[ensure]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    crashed_owner(world.machine);
    bool is_adopted = false;
    world.program([&](Server& server) {
      server.contender.kill_before_call(call);
      is_adopted = server.guard.claim().has_value();
    });
    const auto report = world.ensure();
    REQUIRE(report);
    if (is_adopted) break;
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::signalled);
    CHECK(report->failure.value == 9);
    CHECK_FALSE(world.machine.disk.exists(record_path));
    CHECK(strangers(world.machine).empty());
    CHECK(world.machine.disk.open_count(world.client.index()) == 0);
    world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
  }
}

TEST_CASE("each call of a starter that fails is reported, or does not matter, and the next caller gets a server",
          "[ensure]") {
  for (const int error : {EIO, ENOSPC, EMFILE, EACCES}) {
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(error, call);
      World world;
      crashed_owner(world.machine);
      world.client.calls().fail(Call::any, error, call);
      const auto report = world.ensure();
      const bool is_past = world.client.calls().count() < call;
      if (report && report->outcome == EnsureOutcome::running) {
        CHECK(world.servers.size() == 1);
      } else if (!report) {
        CHECK(report.error().code != 0);
      }
      world.client.calls().clear();
      const auto next = world.ensure(explicitly());
      REQUIRE(next);
      CHECK(next->outcome == EnsureOutcome::running);
      if (is_past) break;
    }
  }
}

TEST_CASE("a server that dies while it boots fails its starter, with the step and the end of its log", "[ensure]") {
  World world;
  world.machine.disk.make_directory("/var");
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    REQUIRE(server.guard.boot("load the index", 3, 10));
    world.machine.disk.write_file("/var/log", "an old line\nopening index\nindex is broken\n");
    world.machine.time.after(Milliseconds{100}, [&server] { server.contender.exit(3); });
  });
  genie::LaunchPlan with_log = plan();
  with_log.log = "/var/log";
  world.machine.disk.write_file("/var/log", "an old line\n");
  Guard guard = guard_of(world.client);
  const auto report = genie::ensure(guard, world.client.launcher, with_log);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::exited);
  CHECK(report->failure.value == 3);
  CHECK(report->failure.step == genie::StepName{"load the index"});
  CHECK(report->failure.server == world.server().contender.identity);
  CHECK(report->failure.log == genie::FixedText<255>{"/var/log"});
  CHECK(report->failure.tail == genie::FixedText<1000>{"opening index\nindex is broken"});
  // Kept for everybody, until a start succeeds.
  CHECK(world.status().failure == report->failure);
  CHECK(world.status().state == genie::ServerState::stopped);
  world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.status().failure.generation == 0);
}

TEST_CASE("everybody who waits for a start that fails is told why, and starts nothing", "[ensure]") {
  World world;
  const Contender starter = world.machine.spawn();
  Guard starting = guard_of(starter);
  genie::HeldClaim<Guard::Host> held;
  genie::ClaimOptions options;
  options.launching = true;
  REQUIRE(genie::claim(starting.host(), starting.files(), options, held)->owned());
  const Contender heir = world.machine.spawn();
  genie::FailureRecord failure;
  failure.kind = FailureKind::exited;
  failure.value = 3;
  bool has_begun = false;
  const auto fail = [&] {
    heir.kill();
    heir.reap();
    CHECK(genie::take_back(starting.host(), starting.files(), held, &failure));
  };
  SECTION("who came before the server existed") { world.machine.time.after(Milliseconds{10}, fail); }
  SECTION("who came while it booted") {
    REQUIRE(genie::name_heir(starting.host(), starting.files(), held, heir.identity));
    world.machine.time.after(Milliseconds{10}, fail);
  }
  SECTION("who came while it was claimed") {
    auto& host = starting.host();
    const auto turn = [&](Phase phase) {
      return genie::update_claim(host, starting.files(), held,
                                 [&](genie::LockRecord& record) noexcept { record.phase = phase; });
    };
    REQUIRE(turn(Phase::claiming));
    REQUIRE(host.files.try_lock(held.lock, genie::detail::starter_byte, 1).ok());
    world.machine.time.after(Milliseconds{10}, [&, turn] {
      CHECK(host.files.unlock(held.lock, genie::detail::starter_byte, 1).ok());
      CHECK(turn(Phase::launching));
    });
    world.machine.time.after(Milliseconds{100}, fail);
  }
  SECTION("who was about to claim the directory itself") {
    // It has seen the directory free, and then waited for the lock that the failed start still had.
    REQUIRE(genie::take_back(starting.host(), starting.files(), held, nullptr));
    world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (has_begun || event.call != Call::try_lock) return;
      has_begun = true;
      CHECK(genie::claim(starting.host(), starting.files(), options, held)->owned());
      world.machine.time.after(Milliseconds{10}, fail);
    };
  }
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure == failure);
  CHECK(report->failure.count == 1);
  CHECK(world.servers.empty());
  CHECK_FALSE(world.machine.disk.exists(record_path));
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
}

TEST_CASE("who comes at any call of a server's adoption has waited for that start, too", "[ensure]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    crashed_owner(world.machine);
    Contender starter = world.machine.spawn();
    Guard starting = guard_of(starter);
    genie::HeldClaim<Guard::Host> held;
    genie::ClaimOptions options;
    options.launching = true;
    REQUIRE(genie::claim(starting.host(), starting.files(), options, held)->owned());
    genie::FailureRecord failure;
    failure.kind = FailureKind::exited;
    failure.value = 3;
    bool has_come = false;
    world.program([&](Server& server) {
      std::uint64_t calls = 0;
      server.contender.calls().before_call = [&](const genie::testing::CallEvent&) {
        if (++calls != call) return;
        world.machine.time.after(Milliseconds{10}, [&] {
          world.kill_server();
          CHECK(genie::take_back(starting.host(), starting.files(), held, &failure));
        });
        const bool is_ready = world.status().state == genie::ServerState::running;
        const auto report = world.ensure();
        REQUIRE(report);
        has_come = true;
        CHECK(report->outcome == (is_ready ? EnsureOutcome::running : EnsureOutcome::failed));
        if (!is_ready) CHECK(report->failure == failure);
      };
      (void)server.guard.claim();
      server.contender.calls().before_call = nullptr;
    });
    const auto child = starter.launcher.spawn(plan(), held.lock, Milliseconds{1000});
    REQUIRE(child.ok());
    const Contender heir = world.machine.contender(child.value.process);
    REQUIRE(genie::name_heir(starting.host(), starting.files(), held, heir.identity));
    REQUIRE(starter.launcher.let_go(child.value, Milliseconds{1000}).ok());
    CHECK(world.servers.size() == 1);
    if (!has_come) break;
  }
}

TEST_CASE("who comes when a server has told its failure, and has not ended yet, is not told of it", "[ensure]") {
  World world;
  const Contender dying = world.machine.spawn();
  Guard guard = guard_of(dying);
  REQUIRE(guard.claim({.starting = true})->owned());
  genie::FailureRecord failure;
  failure.kind = FailureKind::exited;
  failure.value = 3;
  REQUIRE(guard.report_failure(failure));
  world.machine.time.after(Milliseconds{100}, [&] { CHECK(guard.release()); });
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->has_started);
}

TEST_CASE("a program that cannot be executed is a failed start with the reason", "[ensure]") {
  World world;
  world.machine.programs.clear();
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::not_executed);
  CHECK(report->failure.value == ENOENT);
  CHECK_FALSE(world.machine.disk.exists(record_path));
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
}

TEST_CASE("failures in a row keep starts on demand out for longer each time, and an explicit start does not wait",
          "[ensure]") {
  World world;
  world.program([](Server& server) { server.contender.exit(1); });
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
  const auto second = world.ensure();
  CHECK(second->outcome == EnsureOutcome::failed);
  CHECK(second->failure.count == 2);
  const auto third = world.ensure();
  CHECK(third->outcome == EnsureOutcome::backing_off);
  CHECK(third->failure == second->failure);
  CHECK(third->retry_in == Milliseconds{1000});
  CHECK(world.servers.size() == 2);
  world.machine.time.advance(Milliseconds{999});
  CHECK(world.ensure()->retry_in == Milliseconds{1});
  world.machine.time.advance(Milliseconds{1});
  CHECK(world.ensure()->failure.count == 3);
  CHECK(world.ensure()->retry_in == Milliseconds{2000});
  // A person is not kept waiting, and the count begins anew.
  const auto by_hand = world.ensure(explicitly());
  CHECK(by_hand->outcome == EnsureOutcome::failed);
  CHECK(by_hand->failure.count == 1);
  CHECK(world.ensure(explicitly())->failure.count == 1);
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
  // Nobody knows how long ago it was once the machine was started anew.
  CHECK(world.ensure()->outcome == EnsureOutcome::backing_off);
  world.machine.reboot();
  CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::failed);
}

TEST_CASE("a backoff that is longer than any was not written by genie, and keeps nobody out", "[ensure]") {
  for (const bool is_longer : {false, true}) {
    World world;
    world.program([](Server& server) { server.contender.exit(1); });
    genie::FailureRecord failure = world.ensure()->failure;
    failure.retry_at = world.machine.time.monotonic + genie::longest_backoff + Milliseconds{is_longer ? 1 : 0};
    const auto lock = world.client.filesystem.open({}, lock_path, genie::OpenMode::read_write, 0);
    REQUIRE(lock.ok());
    genie::Host host{world.client.clock, world.client.process, world.client.filesystem};
    REQUIRE(genie::detail::write_failure(host, guard_of(world.client).files(), lock.value, failure));
    world.client.filesystem.close(lock.value);
    const auto report = world.ensure();
    CHECK(report->outcome == (is_longer ? EnsureOutcome::failed : EnsureOutcome::backing_off));
    if (!is_longer) CHECK(report->retry_in == genie::longest_backoff);
  }
}

TEST_CASE("the backoff doubles from a second up to a minute", "[ensure]") {
  CHECK(genie::backoff_after(0) == Milliseconds{});
  CHECK(genie::backoff_after(1) == Milliseconds{});
  CHECK(genie::backoff_after(2) == Milliseconds{1000});
  CHECK(genie::backoff_after(3) == Milliseconds{2000});
  CHECK(genie::backoff_after(7) == Milliseconds{32'000});
  CHECK(genie::backoff_after(8) == genie::longest_backoff);
  CHECK(genie::backoff_after(UINT64_MAX) == genie::longest_backoff);
}

TEST_CASE("a boot that reports outlasts the stall window many times over", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    for (int step = 1; step <= 90; ++step) {
      world.machine.time.after(Milliseconds{step * 1000}, [&server, step] {
        CHECK(server.guard.boot("step " + std::to_string(step)));
        if (step == 90) CHECK(server.guard.ready());
      });
    }
  });
  std::vector<std::string> seen;
  EnsureOptions options;
  options.stall = Milliseconds{2000};
  Guard guard = guard_of(world.client);
  const auto report = genie::ensure(guard, world.client.launcher, plan(), options,
                                    [&](const BootRecord& boot) { seen.emplace_back(boot.step.c_str()); });
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(seen.size() >= 89);
  CHECK(seen.front() == "step 1");
}

TEST_CASE("a boot that stalls is ended, and the failure names the step", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    REQUIRE(server.guard.boot("backfill", 10, 1000));
  });
  EnsureOptions options;
  options.stall = Milliseconds{2000};
  const auto report = world.ensure(options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::stalled);
  CHECK(report->failure.value == 2000);
  CHECK(report->failure.step == genie::StepName{"backfill"});
  CHECK_FALSE(world.server().contender.is_alive());
  CHECK_FALSE(world.machine.disk.exists(record_path));
  genie::LockRecord lock;
  const std::string bytes = world.machine.disk.read_file(lock_path).value_or("");
  REQUIRE(genie::parse_lock_record(bytes, INT32_MAX, lock) == genie::LockRecordKind::valid);
  CHECK(lock.owner == world.client.identity);  // who has released it
  REQUIRE(world.machine.processes.deliveries.size() == 1);
  CHECK(world.machine.processes.deliveries.front().signal == genie::Signal::terminate);
}

TEST_CASE("a server that ignores the request to end is made to", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    server.contender.process.me().reaction.ignores_terminate = true;
    REQUIRE(server.guard.claim({.starting = true})->adopted);
  });
  EnsureOptions options;
  options.stall = Milliseconds{100};
  options.grace = Milliseconds{300};
  const Milliseconds began = world.machine.time.monotonic;
  CHECK(world.ensure(options)->outcome == EnsureOutcome::failed);
  CHECK(world.machine.time.monotonic - began == options.stall + options.grace);
  CHECK_FALSE(world.server().contender.is_alive());
  REQUIRE(world.machine.processes.deliveries.size() == 2);
  CHECK(world.machine.processes.deliveries.back().signal == genie::Signal::kill);
}

TEST_CASE("a server that is asked to end has its grace for that", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    server.contender.process.me().reaction.terminate_takes = Milliseconds{200};
    REQUIRE(server.guard.claim({.starting = true})->adopted);
  });
  EnsureOptions options;
  options.stall = Milliseconds{100};
  options.grace = Milliseconds{300};
  if (GENERATE(false, true)) {
    // A signal that interrupts the wait takes nothing from it.
    before(world.client, Call::kill_child, 1, [&] { world.client.calls().fail(Call::wait_child, EINTR); });
  }
  CHECK(world.ensure(options)->outcome == EnsureOutcome::failed);
  CHECK_FALSE(world.server().contender.is_alive());
  REQUIRE(world.machine.processes.deliveries.size() == 1);
  CHECK(world.machine.processes.deliveries.front().signal == genie::Signal::terminate);
}

TEST_CASE("a starter sleeps until something happens, or looks again and again where nothing can be watched",
          "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    world.machine.time.after(Milliseconds{5000}, [&server] { CHECK(server.guard.ready()); });
  });
  EnsureOptions options;
  SECTION("sleeps") {
    CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
    CHECK(world.client.calls().count(Call::wait_child) < 10);
  }
  SECTION("looks") {
    world.client.calls().fail(Call::watch, ENOSPC, 1, 100);
    CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
    CHECK(world.client.calls().count(Call::wait_child) > 200);
  }
}

TEST_CASE("a step that needs a person ends the boot, and says what to run", "[ensure]") {
  World world;
  SECTION("the server ends by itself") {
    world.program([&](Server& server) {
      REQUIRE(server.guard.claim({.starting = true})->adopted);
      auto step = server.guard.step("migrate");
      step.refused("run: myapp migrate");
      CHECK(step.result());
      server.contender.exit(1);
    });
  }
  SECTION("it does not, and is ended") {
    world.program([&](Server& server) {
      REQUIRE(server.guard.claim({.starting = true})->adopted);
      server.guard.step("migrate").refused("run: myapp migrate");
    });
  }
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::refused);
  CHECK(report->failure.step == genie::StepName{"migrate"});
  CHECK(report->failure.advice == genie::StepAdvice{"run: myapp migrate"});
  CHECK_FALSE(world.server().contender.is_alive());
}

TEST_CASE("what a server itself tells of its failure stands", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    genie::FailureRecord failure;
    failure.kind = FailureKind::signalled;
    failure.value = 11;
    REQUIRE(server.guard.report_failure(failure));
    REQUIRE(server.guard.release());
    server.contender.exit(1);
  });
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::signalled);
  CHECK(report->failure.value == 11);
  CHECK(report->failure == world.status().failure);
}

TEST_CASE("a server that gets ready after it has told a failure has not failed", "[ensure]") {
  World world;
  const Contender itself = world.machine.spawn();
  Guard guard = guard_of(itself);
  REQUIRE(guard.claim({.starting = true})->owned());
  genie::FailureRecord failure;
  failure.kind = FailureKind::exited;
  REQUIRE(guard.report_failure(failure));
  REQUIRE(guard.ready());
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->owner == itself.identity);
}

TEST_CASE("a caller whose time is up leaves a server that goes on", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    REQUIRE(server.guard.boot("backfill", 1, 2));
  });
  EnsureOptions options;
  options.deadline = Milliseconds{500};
  const auto report = world.ensure(options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::timed_out);
  CHECK(report->boot.step == genie::StepName{"backfill"});
  CHECK(world.server().contender.is_alive());
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  const auto joined = world.ensure(options);
  CHECK(joined->outcome == EnsureOutcome::timed_out);
  CHECK(joined->has_joined);
  CHECK_FALSE(joined->has_kept);
  REQUIRE(world.server().guard.ready());
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.servers.size() == 1);
}

TEST_CASE("a program that never claims is ended when the time is up", "[ensure]") {
  World world;
  world.program([](Server&) {});
  EnsureOptions options;
  SECTION("the deadline") {
    const int deadline = GENERATE(1, 500);
    options.deadline = Milliseconds{deadline};
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::too_late);
    CHECK(report->failure.value == deadline);
  }
  SECTION("the stall window") {
    options.stall = Milliseconds{500};
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::stalled);
  }
  CHECK_FALSE(world.server().contender.is_alive());
  CHECK_FALSE(world.machine.disk.exists(record_path));
}

TEST_CASE("a program that takes its time to be executed has its caller's time, and no more", "[ensure]") {
  World world;
  world.client.calls().fail(Call::let_go, ETIMEDOUT);
  EnsureOptions options;
  options.stall = Milliseconds{500};
  SECTION("and is used where it gets ready") {
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == world.server().contender.identity);
  }
  SECTION("and is ended where it has not even begun") {
    world.program([](Server&) {});
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::stalled);
    CHECK_FALSE(world.server().contender.is_alive());
  }
  SECTION("and why it cannot be executed is told, however late") {
    world.program([&](Server& server) {
      server.contender.exit(127);
      server.contender.process.me().exit.not_executed = ENOEXEC;
    });
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::not_executed);
    CHECK(report->failure.value == ENOEXEC);
  }
  SECTION("and keeps the claim where nobody can end it") {
    world.program([](Server& server) {
      server.contender.process.me().reaction.ignores_terminate = true;
      server.contender.process.me().reaction.kill_takes = Milliseconds{60'000};
    });
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::timed_out);
    CHECK(world.status().owner == world.server().contender.identity);
  }
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
}

TEST_CASE("a process that cannot be set up in time is a failed start, and leaves the way free", "[ensure]") {
  World world;
  world.client.calls().fail(Call::spawn, ETIMEDOUT);
  EnsureOptions options;
  SECTION("for its starter") {
    const auto report = world.ensure(options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.kind == FailureKind::not_executed);
    CHECK(report->failure.value == ETIMEDOUT);
    CHECK(report->failure.server.pid == 0);
    CHECK(world.status().failure == report->failure);
  }
  SECTION("whose time is up by then") {
    options.deadline = Milliseconds{100};
    before(world.client, Call::spawn, 1, [&] { world.machine.time.advance(Milliseconds{100}); });
    const auto report = world.ensure(options);
    REQUIRE(report);
    CHECK(report->failure.kind == FailureKind::too_late);
    CHECK(report->failure.value == 100);
  }
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::running);
}

TEST_CASE("nothing is started for who has no time left", "[ensure]") {
  World world;
  EnsureOptions options;
  options.deadline = Milliseconds{100};
  before(world.client, Call::link_unnamed, 1, [&] { world.machine.time.advance(Milliseconds{100}); });
  const auto report = world.ensure(options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::timed_out);
  CHECK_FALSE(report->has_started);
  CHECK(report->owner.pid == 0);
  CHECK(world.servers.empty());
  CHECK_FALSE(world.machine.disk.exists(record_path));
  CHECK(world.status().failure.generation == 0);
}

TEST_CASE("a program that hangs before it is executed has the stall window once", "[ensure]") {
  World world;
  world.program([](Server&) {});
  world.client.calls().fail(Call::let_go, ETIMEDOUT);
  EnsureOptions options;
  options.stall = Milliseconds{500};
  before(world.client, Call::let_go, 1, [&] { world.machine.time.advance(Milliseconds{500}); });
  const Milliseconds began = world.machine.time.monotonic;
  CHECK(world.ensure(options)->failure.kind == FailureKind::stalled);
  CHECK(world.machine.time.monotonic - began < Milliseconds{600});
}

TEST_CASE("where nobody can say in time how a server ended, that is what is told", "[ensure]") {
  World world;
  world.program([](Server& server) { server.contender.exit(3); });
  world.client.calls().fail(Call::reap_child, ETIMEDOUT);
  const auto report = world.ensure();
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.kind == FailureKind::lost);
  CHECK(report->failure.value == ETIMEDOUT);
}

namespace {

/// A boot that hangs, after its starter was killed.
struct LostStarter : World {
  explicit LostStarter(bool claims = true) {
    options.stall = Milliseconds{500};
    options.grace = Milliseconds{200};
    program([=](Server& server) {
      if (claims) REQUIRE(server.guard.claim({.starting = true})->adopted);
      if (claims) REQUIRE(server.guard.boot("backfill", 1, 9));
    });
    before(starter, Call::wait_child, 1, [this] { starter.kill(); });
    (void)ensure(starter, options);
    starter.reap();
    REQUIRE(hanging().contender.is_alive());
    program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  }
  [[nodiscard]] Server& hanging() { return *servers.front(); }
  void after(Milliseconds span, std::function<void()> act) { machine.time.after(span, std::move(act)); }
  /// The first lock that the client takes is the stopper's.
  void before_the_stop(std::function<void()> act) {
    before(client, Call::try_lock, 1, [this, act] {
      has_come_to_stop = true;
      act();
    });
  }

  EnsureOptions options = explicitly();
  Contender starter = machine.spawn();
  bool has_come_to_stop = false;
};

}  // namespace

TEST_CASE("an explicit start ends a hanging boot that has lost its starter", "[ensure][F21]") {
  const bool claims = GENERATE(false, true);
  CAPTURE(claims);
  LostStarter world{claims};
  const Milliseconds began = world.machine.time.monotonic;
  SECTION("once it has had all the time that it would have had") {}
  SECTION("also where a stranger has the starter's PID by now") {
    genie::testing::ProcessOptions reused;
    reused.pid = world.starter.identity.pid;
    REQUIRE(world.machine.spawn(reused).identity != world.starter.identity);
  }
  SECTION("also where it tells why it ends") {
    if (claims) {
      world.hanging().contender.process.me().reaction.on_signal = [&](genie::Signal) {
        genie::FailureRecord failure;
        failure.kind = FailureKind::signalled;
        CHECK(world.hanging().guard.report_failure(failure));
      };
    }
  }
  SECTION("also where a millisecond passes between the last look and the wait for the next one") {
    const Milliseconds early{GENERATE(0, 1)};
    world.looks_at(began + world.options.stall + world.options.grace - early);
  }
  SECTION("also where it has got a little further before, and hangs again") {
    if (claims) world.before_the_stop([&] { CHECK(world.hanging().guard.boot("backfill", 2, 9)); });
  }
  const auto report = world.ensure(world.options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->has_started);
  CHECK(report->replaced == world.hanging().contender.identity);
  CHECK(report->owner == world.server().contender.identity);
  CHECK_FALSE(world.hanging().contender.is_alive());
  CHECK(world.machine.time.monotonic - began >= world.options.stall + world.options.grace);
  CHECK_FALSE(world.machine.disk.exists(sentinel_path));
}

TEST_CASE("a boot that has lost its starter is left alone as long as it may be well", "[ensure][F21]") {
  LostStarter world;
  SECTION("by a start on demand") {
    world.options.mode = ClaimMode::automatic;
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::timed_out);
  }
  SECTION("while it gets further") {
    for (unsigned step = 1; step <= 5; ++step) {
      world.after(Milliseconds{400 * step}, [&, step] { CHECK(world.hanging().guard.boot("backfill", 1 + step, 9)); });
    }
    world.after(Milliseconds{2400}, [&] { CHECK(world.hanging().guard.ready()); });
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::running);
  }
  SECTION("when it gets ready just before it would be asked to end") {
    world.before_the_stop([&] { CHECK(world.hanging().guard.ready()); });
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::running);
    CHECK(world.has_come_to_stop);
  }
  SECTION("when it gets further just before it would be asked to end") {
    world.before_the_stop([&] {
      CHECK(world.hanging().guard.boot("backfill", 2, 9));
      world.after(Milliseconds{400}, [&] { CHECK(world.hanging().guard.ready()); });
    });
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::running);
    CHECK(world.has_come_to_stop);
  }
  SECTION("when the machine was suspended meanwhile") {
    const Milliseconds began = world.machine.time.monotonic;
    bool has_slept = false;
    world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (has_slept || event.call != Call::monotonic) return;
      if (world.machine.time.monotonic - began < Milliseconds{350}) return;
      has_slept = true;
      world.machine.time.suspend(Milliseconds{3'600'000});
      world.after(Milliseconds{400}, [&] { CHECK(world.hanging().guard.ready()); });
    };
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::running);
    CHECK(has_slept);
  }
  SECTION("when nobody can say whether its start is the recorded one") {
    const Milliseconds began = world.machine.time.monotonic;
    world.client.calls().decide = [&](const genie::testing::CallEvent& event) {
      const bool is_due = world.machine.time.monotonic - began >= world.options.stall;
      return event.call == Call::look && is_due ? EACCES : 0;
    };
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::timed_out);
  }
  SECTION("when it cannot be told from a stranger") {
    bool is_pinned = false;
    world.client.calls().decide = [&](const genie::testing::CallEvent& event) {
      is_pinned = is_pinned || event.call == Call::open_process;
      return event.call == Call::look && is_pinned ? EACCES : 0;
    };
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::timed_out);
    CHECK(is_pinned);
  }
  SECTION("when it cannot be told from a stranger whenever it is to be ended") {
    int looks = 0;
    world.client.calls().decide = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::open_process) looks = 2;  // that the stop needs
      return event.call == Call::look && looks-- > 0 ? EACCES : 0;
    };
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::timed_out);
    CHECK(world.client.calls().count(Call::open_process) == 1);
  }
  SECTION("when its record cannot be read at the last moment") {
    world.before_the_stop(
        [&] { CHECK(world.hanging().guard.host().files.write_at(world.hanging().guard.held().lock, "x", 1, 0).ok()); });
    CHECK(world.ensure(world.options)->outcome == EnsureOutcome::contended);
    CHECK(world.has_come_to_stop);
  }
  CHECK(world.hanging().contender.is_alive());
  CHECK(world.servers.size() == 1);
}

TEST_CASE("a call that fails while a hanging boot is about to be ended ends no server that gets ready",
          "[ensure][F16]") {
  const bool gets_ready = GENERATE(false, true);
  CAPTURE(gets_ready);
  bool has_failed = true;
  for (std::uint64_t failing = 1; has_failed; ++failing) {
    CAPTURE(failing);
    LostStarter world;
    has_failed = false;
    std::uint64_t calls = 0;
    world.client.calls().decide = [&](const genie::testing::CallEvent& event) {
      // From the stopper's lock on; who holds it sees the server get ready.
      if (calls == 0 && event.call != Call::try_lock) return 0;
      if (calls == 0 && gets_ready) CHECK(world.hanging().guard.ready());
      if (++calls != failing + 1) return 0;
      has_failed = true;
      return EIO;
    };
    const auto report = world.ensure(world.options);
    if (gets_ready) CHECK(world.hanging().contender.is_alive());
    // Whoever was ended is named.
    const bool is_told = !report || report->replaced == world.hanging().contender.identity;
    CHECK((world.hanging().contender.is_alive() || is_told));
    CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  }
}

TEST_CASE("nobody's start is ended for another one's patience", "[ensure][F21]") {
  World world;
  EnsureOptions options = explicitly();
  options.stall = Milliseconds{500};
  options.grace = Milliseconds{200};
  SECTION("not that of a server which was started by itself") {
    const Contender slow = world.machine.spawn();
    Guard guard = guard_of(slow);
    REQUIRE(guard.claim({.starting = true})->owned());
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
    CHECK(slow.is_alive());
  }
  SECTION("nor that of a starter which lives") {
    Starter starter{world.machine};
    starter.claim();
    const Contender heir = world.machine.spawn();
    REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
    CHECK(heir.is_alive());
  }
  SECTION("nor that of a starter which nobody can look at, and which has named nobody") {
    Starter starter{world.machine};
    starter.claim();
    options.upgrade = genie::UpgradePolicy::replace_running;
    world.client.calls().decide = [](const genie::testing::CallEvent& event) {
      return event.call == Call::look ? EACCES : 0;
    };
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
    CHECK(starter.contender.is_alive());
  }
  SECTION("nor that of a starter which lives, and looks otherwise from another time namespace") {
    const Contender starter = world.machine.spawn();
    world.program([](Server& server) { CHECK(server.guard.claim({.starting = true})->adopted); });
    EnsureOptions hasty = options;
    hasty.deadline = Milliseconds{100};
    CHECK(world.ensure(starter, hasty)->outcome == EnsureOutcome::timed_out);
    world.machine.processes.shift_starts(7);
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
    CHECK(world.server().contender.is_alive());
    CHECK(world.servers.size() == 1);
    world.servers.clear();
  }
  SECTION("nor that of a starter which dies before it has named anybody, when another one has come since") {
    Starter lost{world.machine};
    lost.claim();
    const Contender other = world.machine.spawn();
    const bool is_ready = GENERATE(false, true);
    world.program([=](Server& server) { CHECK(server.guard.claim({.starting = !is_ready})->adopted); });
    const Milliseconds began = world.machine.time.monotonic;
    bool has_come = false;
    std::uint64_t looks = 0;
    world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::query_lock) looks = 0;
      if (event.call == Call::look) ++looks;
      // After the look at the directory, when it asks for the time.
      const bool is_due = world.machine.time.monotonic - began >= options.stall + options.grace;
      if (has_come || event.call != Call::monotonic || !is_due || looks == 0) return;
      has_come = true;
      lost.contender.kill();
      lost.contender.reap();
      EnsureOptions hasty;
      hasty.deadline = Milliseconds{1};
      CHECK(world.ensure(other, hasty)->outcome == (is_ready ? EnsureOutcome::running : EnsureOutcome::timed_out));
    };
    const auto report = world.ensure(options);
    CHECK(has_come);
    CHECK(report->replaced.pid == 0);
    CHECK(world.server().contender.is_alive());
    CHECK(world.servers.size() == 1);
    world.servers.clear();
  }
  SECTION("nor that of a starter in another PID namespace") {
    Starter starter{world.machine};
    starter.contender.process.me().pid_namespace = 4;
    starter.claim();
    if (GENERATE(false, true)) {
      const Contender heir = world.machine.spawn();
      REQUIRE(genie::name_heir(starter.guard.host(), starter.guard.files(), starter.held, heir.identity));
    }
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
  }
  CHECK(world.servers.empty());
}

TEST_CASE("how long a claim was held up takes nothing from the time of what its owner leaves", "[ensure]") {
  World world;
  Starter owner{world.machine};
  owner.claim();
  owner.turn(genie::Phase::claiming);
  auto& files = owner.guard.host().files;
  CHECK(files.try_lock(owner.held.lock, genie::detail::starter_byte, 1).ok());
  const Contender worker = world.machine.fork(owner.contender);
  EnsureOptions options;
  world.machine.time.after(Milliseconds{3000}, [&] {
    CHECK(files.unlock(owner.held.lock, genie::detail::starter_byte, 1).ok());
    owner.contender.kill();
    owner.contender.reap();
  });
  world.machine.time.after(Milliseconds{3300}, [&] { worker.kill(); });
  CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
}

TEST_CASE("a deadline below zero has passed already: who computes what is left of one does not wait for ever",
          "[ensure]") {
  World world;
  EnsureOptions options = explicitly();
  options.deadline = GENERATE(Milliseconds{-1}, Milliseconds{INT64_MIN});
  const Milliseconds before = world.machine.time.monotonic;
  SECTION("nothing is started") {
    const auto report = world.ensure(options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::timed_out);
    CHECK(world.servers.empty());
    CHECK(world.machine.time.monotonic == before);
  }
  SECTION("what runs is found") {
    REQUIRE(world.ensure());
    CHECK(world.ensure(world.machine.spawn(), options)->outcome == EnsureOutcome::running);
  }
  SECTION("a start that another makes is not waited for") {
    world.program([](Server& server) { REQUIRE(server.guard.claim({.starting = true})->adopted); });
    EnsureOptions others;
    others.deadline = Milliseconds{100};
    REQUIRE(world.ensure(others));
    const Milliseconds then = world.machine.time.monotonic;
    CHECK(world.ensure(world.machine.spawn(), options)->outcome == EnsureOutcome::timed_out);
    CHECK(world.machine.time.monotonic == then);
  }
  SECTION("what follows a server that was stopped for it still has its time") {
    REQUIRE(world.ensure());
    world.program([](Server&) {});
    options.upgrade = genie::UpgradePolicy::replace_running;
    options.stall = Milliseconds{500};
    const auto report = world.ensure(world.machine.spawn(), options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::failed);
    CHECK(report->failure.value == 0);
  }
}

TEST_CASE("a server that was stopped for another is followed by it, however long that took", "[ensure][F26]") {
  World world;
  REQUIRE(world.ensure());
  world.server().contender.process.me().reaction.terminate_takes = Milliseconds{3000};
  EnsureOptions options = explicitly();
  options.upgrade = genie::UpgradePolicy::replace_running;
  options.deadline = Milliseconds{2000};
  const auto report = world.ensure(world.machine.spawn(), options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->replaced == world.servers.front()->contender.identity);
  CHECK(world.servers.size() == 2);
}

TEST_CASE("who comes before us, between our look and our claim, is waited for", "[ensure]") {
  World world;
  Starter other{world.machine};
  bool has_come = false;
  const auto come = [&](std::function<void()> claim) {
    before(world.client, Call::try_lock, 1, [&, claim] {
      has_come = true;
      claim();
    });
  };
  EnsureOptions options;
  options.settle = Milliseconds{10};
  options.stall = Milliseconds{500};
  SECTION("where it is from another PID namespace") {
    other.contender.process.me().pid_namespace = 4;
    come([&] { other.claim(); });
    world.machine.time.after(Milliseconds{200}, [&] { other.contender.kill(); });
    CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
  }
  SECTION("where its claim is held up") {
    come([&] {
      other.claim();
      other.turn(genie::Phase::claiming);
      CHECK(other.guard.host().files.try_lock(other.held.lock, genie::detail::starter_byte, 1).ok());
    });
    world.machine.time.after(Milliseconds{200}, [&] { other.contender.kill(); });
    CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
  }
  SECTION("but not for ever") {
    come([&] {
      other.claim();
      other.turn(genie::Phase::claiming);
      CHECK(other.guard.host().files.try_lock(other.held.lock, genie::detail::starter_byte, 1).ok());
    });
    const auto report = world.ensure(options);
    CHECK(report->outcome == EnsureOutcome::contended);
    REQUIRE(report->holder_count == 1);
    CHECK(report->holders[0].pid == other.contender.identity.pid);
  }
  CHECK(has_come);
}

TEST_CASE("a claim that is held up for longer than most is waited for", "[ensure]") {
  World world;
  bool has_asked = false;
  const Contender slow = world.machine.spawn();
  slow.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::link_unnamed || has_asked) return;
    has_asked = true;
    // It goes on while the other one waits.
    world.machine.time.after(Milliseconds{5000}, [&] { slow.kill(); });
    EnsureOptions options;
    REQUIRE(options.settle < Milliseconds{5000});
    const auto report = world.ensure(options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
  };
  Guard guard = guard_of(slow);
  (void)guard.claim();
  CHECK(has_asked);
}

TEST_CASE("while a stop goes on, a start on demand stays out, and an explicit one waits for its end", "[ensure]") {
  World world;
  REQUIRE(world.ensure());
  world.server().contender.process.me().reaction.terminate_takes = Milliseconds{200};
  bool has_asked = false;
  world.server().contender.process.me().reaction.on_signal = [&](genie::Signal) {
    if (has_asked) return;
    has_asked = true;
    const auto automatic = world.ensure(world.machine.spawn());
    REQUIRE(automatic);
    CHECK(automatic->outcome == EnsureOutcome::stopping);
    CHECK(automatic->stop.standing);
  };
  const Contender stopper = world.machine.spawn();
  Guard stopping = guard_of(stopper);
  REQUIRE(stopping.stop());
  CHECK(has_asked);
  CHECK(world.servers.size() == 1);

  // One that lives has entered its name, and goes on for a while.
  const Contender other = world.machine.spawn();
  Guard others = guard_of(other);
  genie::detail::OpenDirectory<Guard::Host> place;
  REQUIRE(genie::detail::open_state_directory(others.host(), others.files(), false, place));
  genie::StopRegistration<Guard::Host> registration{
      others.host(), others.files(), place.file.get(), {}, genie::default_sentinel_ttl};
  REQUIRE(registration.enter([](bool) {}));
  CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::stopping);
  const Milliseconds before = world.machine.time.monotonic;
  SECTION("until that is done") {
    world.machine.time.after(Milliseconds{5000}, [&] { CHECK(registration.leave()); });
    const auto by_hand = world.ensure(world.machine.spawn(), explicitly());
    REQUIRE(by_hand);
    CHECK(by_hand->outcome == EnsureOutcome::running);
    CHECK(world.machine.time.monotonic - before >= Milliseconds{5000});
  }
  SECTION("or until it is killed") {
    world.machine.time.after(Milliseconds{5000}, [&] { other.kill(); });
    CHECK(world.ensure(world.machine.spawn(), explicitly())->outcome == EnsureOutcome::running);
    CHECK(world.machine.time.monotonic - before >= Milliseconds{5000});
    CHECK(world.machine.time.monotonic - before < genie::default_sentinel_ttl);
  }
  SECTION("or until the caller's time is up") {
    EnsureOptions options = explicitly();
    options.deadline = Milliseconds{1000};
    CHECK(world.ensure(world.machine.spawn(), options)->outcome == EnsureOutcome::stopping);
  }
}

TEST_CASE("a sentinel that a killed stop has left keeps out starts on demand, and no explicit one", "[ensure]") {
  World world;
  const Contender stopper = world.machine.spawn();
  Guard guard = guard_of(stopper);
  REQUIRE(guard.claim());
  genie::detail::OpenDirectory<Guard::Host> place;
  REQUIRE(genie::detail::open_state_directory(guard.host(), guard.files(), false, place));
  genie::StopRegistration<Guard::Host> registration{
      guard.host(), guard.files(), place.file.get(), {}, genie::default_sentinel_ttl};
  REQUIRE(registration.enter([](bool) {}));
  stopper.kill();
  stopper.reap();
  CHECK(world.ensure()->outcome == EnsureOutcome::stopping);
  CHECK(world.ensure(explicitly())->outcome == EnsureOutcome::running);
}

TEST_CASE("a claim that does not come to its end is told as such, with who is at it", "[ensure]") {
  World world;
  const Contender parked = world.machine.spawn();
  parked.calls().before_call = [&](const genie::testing::CallEvent& event) {
    // Half-way: the lock is taken, the record not published.
    if (event.call != Call::link_unnamed) return;
    const auto report = world.ensure();
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::claim_in_progress);
    REQUIRE(report->holder_count == 1);
    CHECK(report->holders[0].pid == parked.identity.pid);
  };
  Guard guard = guard_of(parked);
  REQUIRE(guard.claim());
  CHECK(world.servers.empty());
}

TEST_CASE("a server that is stopped while it boots was stopped, and has not failed", "[ensure]") {
  World world;
  const Contender stopper = world.machine.spawn();
  genie::StopReceipt receipt;
  SECTION("once it has adopted the claim") {
    world.program([&](Server& server) {
      REQUIRE(server.guard.claim({.starting = true})->adopted);
      receipt = *guard_of(stopper).stop();
    });
  }
  SECTION("before that: its starter, which owns the claim, is left alone") {
    world.program([&](Server&) { receipt = *guard_of(stopper).stop(); });
  }
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    // Whoever stops waits for the lock, which ends only with us; here it gives up first, and its sentinel is gone.
    if (event.call == Call::wait_child && receipt.sent_terminate) {
      world.machine.disk.write_file(sentinel_path,
                                    std::to_string((world.machine.time.wall + Milliseconds{5000}).count()));
    }
  };
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(receipt.target == world.server().contender.identity);
  CHECK(receipt.sent_terminate);
  CHECK(world.client.is_alive());
  CHECK(report->outcome == EnsureOutcome::stopping);
  CHECK(report->stop.standing);
  CHECK(world.status().failure.generation == 0);
  CHECK_FALSE(world.machine.disk.exists(record_path));
}

TEST_CASE("a starter whose server has just ended is nobody's orphan, and no stop signals it", "[ensure][stop]") {
  World world;
  const bool releases = GENERATE(false, true);
  world.program([&](Server& server) {
    CHECK(server.guard.claim({.starting = true})->adopted);
    if (releases) CHECK(server.guard.release());
    server.contender.exit(3);
  });
  // Before it has noticed, and while it takes its claim back.
  const Call moment = GENERATE(Call::wait_child, Call::unlink);
  const Contender other = world.machine.spawn();
  bool has_looked = false;
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (has_looked || event.call != moment || world.servers.empty()) return;
    has_looked = true;
    CHECK(world.status().state == genie::ServerState::starting);
    const auto receipt = guard_of(other).stop();
    CHECK(receipt);
    CHECK(receipt->outcome == genie::StopOutcome::refused);
    // By name, so that somebody who finds it suspended can continue or end it.
    REQUIRE(receipt->holder_count == 1);
    CHECK(receipt->holders[0].pid == world.client.identity.pid);
  };
  const auto report = world.ensure();
  CHECK(has_looked);
  CHECK(world.client.is_alive());
  CHECK(world.machine.processes.deliveries.empty());
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.value == 3);
}

TEST_CASE("what a dead server has left is orphaned, whether its starter lives or not", "[ensure]") {
  World world;
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  const bool outlives = GENERATE(false, true);
  if (!outlives) world.client.kill();
  const Contender worker = world.machine.fork(world.server().contender);
  world.kill_server();
  const genie::StatusReport status = world.status();
  CHECK(status.state == genie::ServerState::orphaned);
  REQUIRE(status.holder_count == 1);
  CHECK(status.holders[0].pid == worker.identity.pid);
}

TEST_CASE("what a server that failed has left is orphaned once its starter has gone on", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    CHECK(server.guard.claim({.starting = true})->adopted);
    const Contender child = world.machine.fork(server.contender);
    child.process.me().leader = child.index();
    server.contender.exit(3);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
  // Not a claim in progress, for as long as that child lives.
  CHECK(world.status().state == genie::ServerState::orphaned);
  CHECK(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::orphaned);
  // Nor is the starter, which the lock's record names, its server.
  CHECK(world.ensure()->outcome == EnsureOutcome::orphaned);
}

TEST_CASE("what a server that failed has left in its process group is asked to end with it", "[ensure][F10]") {
  World world;
  Contender child = world.client;
  const bool stalls = GENERATE(false, true);
  world.program([&](Server& server) {
    CHECK(server.guard.claim({.starting = true})->adopted);
    child = world.machine.fork(server.contender);
    if (!stalls) server.contender.exit(3);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
  CHECK_FALSE(child.is_alive());
  for (const genie::testing::Delivery& delivery : world.machine.processes.deliveries) {
    CHECK(delivery.signal == genie::Signal::terminate);
  }
  CHECK(world.client.is_alive());
  world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  CHECK(world.ensure(explicitly())->outcome == EnsureOutcome::running);
}

TEST_CASE("a server that nobody can end goes on, and its claim with it", "[ensure][F16]") {
  World world;
  world.program([&](Server& server) {
    server.contender.process.me().reaction.ignores_terminate = true;
    server.contender.process.me().reaction.kill_takes = Milliseconds{60'000};
    CHECK(server.guard.claim({.starting = true})->adopted);
  });
  EnsureOptions options;
  options.stall = Milliseconds{1000};
  options.grace = Milliseconds{GENERATE(0, 1000)};
  SECTION("once it has stalled") { CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out); }
  SECTION("where it cannot be followed any more") {
    world.client.calls().fail(Call::wait_child, EIO);
    CHECK(world.ensure(options).error().code == EIO);
  }
  const genie::StatusReport status = world.status();
  CHECK(status.state == genie::ServerState::starting);
  CHECK(status.owner == world.server().contender.identity);
  CHECK(status.failure.generation == 0);
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  CHECK(guard_of(world.machine.spawn()).claim()->outcome == genie::ClaimOutcome::already_running);
}

TEST_CASE("a stop that comes at any call of a start on demand prevents it, or finds the server to stop",
          "[ensure][F19]") {
  bool was_prevented = false;
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    const Contender operating = world.machine.spawn();
    bool stays = false;
    bool has_stopped = false;
    world.client.calls().at_call[call] = [&] {
      genie::StopOptions options;
      options.stay = true;
      options.settle = Milliseconds{1};
      const auto receipt = guard_of(operating).stop(options);
      REQUIRE(receipt);
      stays = receipt->stays;
      has_stopped = receipt->outcome == genie::StopOutcome::stopped;
    };
    const auto report = world.ensure();
    REQUIRE(report);
    if (world.client.calls().count() < call) break;
    CHECK(stays);
    const bool runs = report->outcome == EnsureOutcome::running;
    // It may have been ready, and told so, before it was stopped.
    if (runs) CHECK(has_stopped);
    CHECK((world.servers.empty() || !world.server().contender.is_alive()));
    if (!runs) CHECK(report->outcome == EnsureOutcome::stopping);
    was_prevented = was_prevented || (!runs && !has_stopped && world.servers.empty());
  }
  CHECK(was_prevented);
}

TEST_CASE("the starter's other threads are never taken for the server", "[ensure][F13]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    bool has_asked = false;
    world.client.calls().at_call[call] = [&] {
      has_asked = true;
      EnsureOptions impatient;
      impatient.deadline = Milliseconds{1};
      impatient.settle = Milliseconds{1};
      const auto report = world.ensure(impatient);
      REQUIRE(report);
      CHECK(report->outcome != EnsureOutcome::self);
    };
    CHECK(world.ensure()->outcome == EnsureOutcome::running);
    if (!has_asked) break;
  }
}

namespace {

/// Somebody's entry in the sentinel, as long as this lives.
struct Stopping {
  Stopping(Machine& machine, const genie::ProcessIdentity& target, bool restarting = false)
      : guard{guard_of(machine.spawn())},
        opened{guard.host().files.open_directory(directory).value},
        registration{guard.host(), guard.files(), opened, target, Milliseconds{30'000}, restarting} {
    REQUIRE(registration.enter([](bool) noexcept {}));
  }
  Guard guard;
  Guard::Host::File opened;
  genie::StopRegistration<Guard::Host> registration;
};

}  // namespace

TEST_CASE("a server that anybody stops while it boots has not failed", "[ensure][F19]") {
  World world;
  const int stoppers = GENERATE(0, 1, 2);
  std::vector<std::unique_ptr<Stopping>> all;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    for (int count = 0; count < stoppers; ++count) {
      all.push_back(std::make_unique<Stopping>(world.machine, server.contender.identity));
    }
    server.contender.kill();
  });
  const auto report = world.ensure(explicitly());
  CHECK(report->outcome == (stoppers == 0 ? EnsureOutcome::failed : EnsureOutcome::stopping));
  CHECK((world.status().failure.generation != 0) == (stoppers == 0));
}

TEST_CASE("a start on demand that a stop overtakes is withdrawn", "[ensure][F19]") {
  World world;
  bool has_come = false;
  const auto when_spawned = [&](std::function<void()> act) {
    world.client.calls().before_call = [&has_come, act](const genie::testing::CallEvent& event) {
      if (event.call != Call::spawn || has_come) return;
      has_come = true;
      act();
    };
  };
  const auto stay_stopped = [&] {
    genie::StopOptions options;
    options.stay = true;
    options.settle = Milliseconds{1};
    CHECK(guard_of(world.machine.spawn()).stop(options)->stays);
  };
  SECTION("for good") {
    when_spawned(stay_stopped);
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::stopping);
    CHECK(report->stop.stay);
    CHECK_FALSE(report->has_started);
    CHECK_FALSE(world.machine.disk.exists(record_path));
  }
  SECTION("though nobody can end the process that was to become the server") {
    when_spawned([&] {
      stay_stopped();
      world.client.calls().fail(Call::kill_child, EPERM, 1, 10);
    });
    CHECK(world.ensure()->outcome == EnsureOutcome::stopping);
    CHECK(world.machine.disk.exists(record_path));
  }
  SECTION("though its claim cannot be taken back") {
    when_spawned([&] {
      stay_stopped();
      world.client.calls().fail(Call::rename, EIO, 1, 10);
    });
    CHECK(world.ensure().error().code == EIO);
  }
  SECTION("by a restart, and then gets the server of that") {
    std::unique_ptr<Stopping> other;
    when_spawned([&] {
      other = std::make_unique<Stopping>(world.machine, genie::ProcessIdentity{1, genie::known_start(1)}, true);
      world.machine.time.after(Milliseconds{50}, [&] { CHECK(other->registration.leave()); });
    });
    const auto report = world.ensure();
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(world.servers.size() == 1);
    // The first process was ended before it was let go.
    CHECK(world.client.calls().count(Call::spawn) == 2);
    CHECK(world.client.calls().count(Call::let_go) == 1);
  }
  SECTION("but a restart is by no other one") {
    REQUIRE(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::running);
    std::unique_ptr<Stopping> other;
    when_spawned([&] {
      other = std::make_unique<Stopping>(world.machine, genie::ProcessIdentity{1, genie::known_start(1)}, true);
    });
    EnsureOptions restart = explicitly();
    restart.upgrade = genie::UpgradePolicy::replace_running;
    const auto report = world.ensure(restart);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->replaced.pid != 0);
    CHECK(world.servers.size() == 2);
    CHECK(world.client.calls().count(Call::spawn) == 1);
    CHECK(other->registration.leave());
  }
  SECTION("a restart, too") {
    REQUIRE(world.ensure(world.machine.spawn())->outcome == EnsureOutcome::running);
    when_spawned(stay_stopped);
    EnsureOptions restart = explicitly();
    restart.upgrade = genie::UpgradePolicy::replace_running;
    const auto report = world.ensure(restart);
    CHECK(report->outcome == EnsureOutcome::stopping);
    CHECK(report->replaced.pid != 0);
    CHECK_FALSE(world.server().contender.is_alive());
  }
  CHECK(has_come);
  CHECK(world.machine.disk.open_count(world.client.index()) == 0);
  CHECK(world.client.launcher.open_count() == 0);
}

TEST_CASE("a restart that cannot stop a server which is being started waits for it", "[ensure][F8]") {
  World world;
  genie::testing::ProcessOptions elsewhere;
  elsewhere.pid_namespace = 77;
  const Contender other = world.machine.spawn(elsewhere);
  Guard others = guard_of(other);
  REQUIRE(others.claim({.starting = true})->owned());
  EnsureOptions restart = explicitly();
  restart.upgrade = genie::UpgradePolicy::replace_running;
  SECTION("until it is ready") {
    world.machine.time.after(Milliseconds{300}, [&] { CHECK(others.ready()); });
    const auto report = world.ensure(restart);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_joined);
    CHECK(report->has_kept);
    CHECK(report->owner == other.identity);
  }
  SECTION("and starts its own once it has died") {
    world.machine.time.after(Milliseconds{300}, [&] { other.kill(); });
    const auto report = world.ensure(restart);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK_FALSE(report->has_kept);
  }
}

TEST_CASE("a restart that an older program overtakes uses that, and does not replace it as well", "[ensure][F26]") {
  World world;
  world.machine.disk.make_directory(directory, 0700, 1000);
  const Contender older = world.machine.spawn();
  const Contender next = world.machine.spawn();
  world.machine.disk.write_file(record_path, text_of(older.identity));
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::create_unnamed) world.machine.disk.replace(record_path, text_of(next.identity));
  };
  EnsureOptions restart = explicitly();
  restart.upgrade = genie::UpgradePolicy::replace_running;
  const auto report = world.ensure(restart);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->owner == next.identity);
  CHECK(report->replaced == older.identity);
  CHECK_FALSE(older.is_alive());
  CHECK(next.is_alive());
}

TEST_CASE("a stop of another server does not explain why a start failed", "[ensure]") {
  World world;
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  // A stop that is killed when it has just asked the server to end.
  const Contender stopper = world.machine.spawn();
  world.server().contender.process.me().reaction.on_signal = [&](genie::Signal) { stopper.kill(); };
  (void)guard_of(stopper).stop();
  REQUIRE(world.machine.disk.exists(sentinel_path));
  world.program([](Server& server) { server.contender.exit(3); });
  const auto report = world.ensure(explicitly());
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.value == 3);
  CHECK(world.status().failure.value == 3);
}

TEST_CASE("a failure that a copied lock file tells of is another directory's", "[ensure][F18]") {
  World world;
  world.program([](Server& server) { server.contender.exit(3); });
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
  world.machine.disk.replace(lock_path, *world.machine.disk.read_file(lock_path));
  world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  EnsureOptions options;
  options.mode = GENERATE(ClaimMode::automatic, ClaimMode::explicit_start);
  CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
}

TEST_CASE("a machine that sleeps while a server boots takes nothing from the server's time", "[ensure][F14]") {
  World world;
  world.program([&](Server& server) {
    CHECK(server.guard.claim({.starting = true})->adopted);
    world.machine.time.after(Milliseconds{500}, [&] { world.machine.time.suspend(Milliseconds{3'600'000}); });
    world.machine.time.after(Milliseconds{3'600'700}, [&server] { CHECK(server.guard.ready()); });
  });
  EnsureOptions options;
  options.stall = Milliseconds{1000};
  CHECK(world.ensure(options)->outcome == EnsureOutcome::running);
}

TEST_CASE("a start that its starter has slept through has not failed", "[ensure]") {
  World world;
  bool has_slept = false;
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::wait_child || has_slept) return;
    has_slept = true;
    CHECK(world.server().guard.ready());
    world.server().contender.exit(0);
  };
  world.program([](Server& server) { CHECK(server.guard.claim({.starting = true})->adopted); });
  const auto report = world.ensure();
  CHECK(has_slept);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.value == 0);
  CHECK(world.status().failure.generation == 0);
}

TEST_CASE("a file that its starter could not remove is removed by the server", "[ensure]") {
  World world;
  crashed_owner(world.machine);
  world.client.calls().fail(Call::unlink, EIO);
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(strangers(world.machine).empty());
}

TEST_CASE("what a starter cannot clean up after its server is told to the next one", "[ensure]") {
  World world;
  world.program([](Server& server) {
    server.contender.calls().before_call = [&server](const genie::testing::CallEvent& event) {
      // Just before it writes to the temporary file that it has made.
      if (event.call == Call::write_at && event.occurrence == 2) server.contender.kill();
    };
    (void)server.guard.claim({.starting = true});
  });
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    // The second read after it: the first is that of a record that is not needed.
    if (event.call == Call::reap_child) world.client.calls().fail(Call::read_at, EIO, 2);
  };
  CHECK_FALSE(world.ensure());
  CHECK(*world.machine.disk.read_file(record_path) == text_of(world.client.identity));
  world.client.calls().clear();
  world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  const Milliseconds before = world.machine.time.monotonic;
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.machine.time.monotonic == before);  // nobody was taken for a claim in progress
  CHECK(strangers(world.machine).empty());
}

TEST_CASE("inside the server, and in whatever descends from it, nothing is started", "[ensure]") {
  World world;
  genie::testing::ProcessOptions options;
  const auto outcome_of = [&](const genie::testing::ProcessOptions& process) {
    const auto report = world.ensure(world.machine.spawn(process));
    REQUIRE(report);
    return report->outcome;
  };
  world.program([&](Server& server) {
    // Its own code, before the claim is its own, and after.
    CHECK(world.ensure(server.contender)->outcome == EnsureOutcome::self);
    REQUIRE(server.guard.claim({.starting = true})->adopted);
    CHECK(world.ensure(server.contender)->outcome == EnsureOutcome::self);
    // A tool that its boot runs.
    options.parent = server.contender.index();
    options.session = server.contender.index();
    CHECK(outcome_of(options) == EnsureOutcome::self);
    REQUIRE(server.guard.ready());
  });
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  const auto server = world.server().contender.index();
  SECTION("a grandchild in a session of its own") {
    options = {};
    options.parent = server;
    options.parent = world.machine.spawn(options).index();
    CHECK(outcome_of(options) == EnsureOutcome::self);
  }
  SECTION("a process of its session that has lost its parent") {
    options = {};
    options.session = server;
    CHECK(outcome_of(options) == EnsureOutcome::self);
  }
  SECTION("the command that it guards, and its children") {
    options = {};
    const Contender command = world.machine.spawn(options);
    REQUIRE(world.server().guard.set_server(command.identity));
    CHECK(world.ensure(command)->outcome == EnsureOutcome::self);
    options.parent = command.index();
    CHECK(outcome_of(options) == EnsureOutcome::self);
  }
  SECTION("a stranger that has got its session's number is no part of it") {
    options = {};
    world.machine.processes.processes[server].start += 1;
    options.session = server;
    CHECK(outcome_of(options) != EnsureOutcome::self);
  }
  SECTION("where it runs in another PID namespace, its numbers mean nothing here") {
    options = {};
    options.pid_namespace = 4026532000;
    options.pid = world.server().contender.identity.pid;
    options.start = world.server().contender.identity.start;
    CHECK(outcome_of(options) == EnsureOutcome::running);
  }
  CHECK(world.servers.size() == 1);
}

TEST_CASE("a starter's own other callers join, and are not taken for the server", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    // Another thread of the starter asks, which has a guard of its own.
    world.machine.time.after(Milliseconds{10}, [&server] { CHECK(server.guard.claim()->adopted); });
    const auto report = world.ensure(world.client);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_joined);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.servers.size() == 1);
}

TEST_CASE("where names can't be exchanged, a server adopts its claim all the same", "[ensure]") {
  World world;
  world.machine.disk.has_exchange = false;
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(world.server().guard.owns());
  CHECK(world.machine.disk.read_file(record_path) == text_of(world.server().contender.identity));
}

TEST_CASE("without /proc, sharing the lock tells a server that the claim is its own", "[ensure]") {
  World world;
  world.machine.processes.has_proc = false;
  SECTION("of the starter and the server") {}
  bool knows_itself = false;
  SECTION("of the starter only") {
    knows_itself = true;
    world.program([&](Server& server) {
      world.machine.processes.has_proc = true;
      CHECK(server.guard.claim()->adopted);
    });
  }
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->owner.pid == world.server().contender.identity.pid);
  CHECK(report->owner.start.known == knows_itself);
  CHECK(world.server().guard.owns());
}

TEST_CASE("a server completes what its starter could not learn of where they are", "[ensure]") {
  World world;
  world.client.process.me().pid_namespace = 0;
  world.program([&](Server& server) {
    server.contender.process.me().pid_namespace = 4026531836;
    CHECK(server.guard.claim()->adopted);
  });
  REQUIRE(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.server().guard.held().written.origin.pid_namespace == 4026531836);
}

TEST_CASE("a server that is killed while it adopts blocks nobody, even if its starter lives and has given the claim up",
          "[ensure][crash]") {
  World world;
  Guard starting = guard_of(world.client);
  genie::HeldClaim<Guard::Host> held;
  genie::ClaimOptions options;
  options.launching = true;
  REQUIRE(genie::claim(starting.host(), starting.files(), options, held)->owned());
  bool has_ended = false;
  world.program([&](Server& server) {
    // Its own record is about to take the place of its starter's.
    before(server.contender, Call::exchange, 1, [&] {
      has_ended = true;
      genie::hand_over(starting.host(), held);
      server.contender.kill();
    });
    (void)server.guard.claim();
  });
  Contender client = world.client;
  const auto child = client.launcher.spawn(plan(), held.lock, Milliseconds{1000});
  REQUIRE(child.ok());
  const genie::Pid pid = client.launcher.pid(child.value);
  REQUIRE(genie::name_heir(starting.host(), starting.files(), held, {pid, client.process.look(pid).start}));
  (void)client.launcher.let_go(child.value, Milliseconds{1000});
  CHECK(has_ended);
  CHECK(*world.machine.disk.read_file(record_path) == text_of(world.client.identity));
  CHECK(world.client.is_alive());
  CHECK(guard_of(world.machine.spawn()).claim()->owned());
  client.launcher.close(child.value);
}

TEST_CASE("a starter or a server that can't learn which boot this is hands over, and adopts, all the same",
          "[ensure]") {
  World world;
  const std::string boot = world.machine.processes.boot;
  SECTION("the starter: its server fills in what is missing") {
    world.machine.processes.boot.clear();
    world.program([&](Server& server) {
      world.machine.processes.boot = boot;
      CHECK(server.guard.claim()->adopted);
    });
  }
  SECTION("the server: it keeps what its starter knew") {
    world.program([&](Server& server) {
      world.machine.processes.boot.clear();
      CHECK(server.guard.claim()->adopted);
      world.machine.processes.boot = boot;
    });
  }
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  const auto status = world.status();
  CHECK(status.is_live());
  CHECK(status.evidence.whereabouts == genie::Whereabouts::here);
}

TEST_CASE("a server of another boot than the claim's adopts nothing", "[ensure]") {
  World world;
  world.program([&](Server& server) {
    world.machine.processes.boot.back() ^= 1;
    CHECK(server.guard.claim()->outcome == genie::ClaimOutcome::contended);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::failed);
}

TEST_CASE("a process that is no heir, or shares no lock, adopts nothing", "[ensure]") {
  World world;
  const Contender starter = world.machine.spawn();
  Guard starting = guard_of(starter);
  genie::HeldClaim<Guard::Host> held;
  genie::ClaimOptions options;
  options.launching = true;
  REQUIRE(genie::claim(starting.host(), starting.files(), options, held)->owned());
  const Contender heir = world.machine.spawn();
  REQUIRE(genie::name_heir(starting.host(), starting.files(), held, heir.identity));
  SECTION("somebody else") {
    const auto claim = guard_of(world.machine.spawn()).claim();
    REQUIRE(claim);
    CHECK(claim->outcome == genie::ClaimOutcome::contended);
    CHECK(claim->evidence.reason == genie::Reason::handing_over);
  }
  SECTION("somebody else, where nobody can look at anybody") {
    world.machine.processes.has_proc = false;
    const auto claim = guard_of(world.machine.spawn()).claim();
    REQUIRE(claim);
    CHECK(claim->outcome == genie::ClaimOutcome::contended);
  }
  SECTION("the heir, which can't tell what it inherited") {
    const Call call = GENERATE(Call::inherited, Call::stat);
    Contender self = heir;
    REQUIRE(self.filesystem.open({}, lock_path, genie::OpenMode::read_write, 0).ok());
    bool has_asked = call == Call::inherited;
    heir.calls().decide = [&](const genie::testing::CallEvent& event) {
      has_asked = has_asked || event.call == Call::inherited;
      return has_asked && event.call == call ? EIO : 0;
    };
    const auto claim = guard_of(heir).claim();
    heir.calls().decide = {};
    REQUIRE_FALSE(claim);
    CHECK(claim.error().code == EIO);
  }
  SECTION("the heir by its PID, which has been used again") {
    world.machine.processes.processes[heir.index()].start += 1;
    const auto claim = guard_of(heir).claim();
    REQUIRE(claim);
    CHECK(claim->outcome == genie::ClaimOutcome::contended);
  }
  SECTION("the heir of a record that hands nothing over") {
    const auto turned = genie::update_claim(starting.host(), starting.files(), held,
                                            [](genie::LockRecord& record) { record.phase = genie::Phase::running; });
    REQUIRE(turned);
    const auto claim = guard_of(heir).claim();
    REQUIRE(claim);
    CHECK(claim->outcome == genie::ClaimOutcome::already_running);
    CHECK(claim->owner == starter.identity);
  }
  SECTION("the heir, which has closed what it inherited") {
    const auto claim = guard_of(heir).claim();
    REQUIRE_FALSE(claim);
    CHECK(claim.error().operation == genie::Operation::inherit);
  }
  SECTION("the heir, with another file in its place") {
    world.machine.disk.write_file("/tmp/other", "");
    Contender self = heir;
    REQUIRE(self.filesystem.open({}, "/tmp/other", genie::OpenMode::read, 0).ok());
    const auto claim = guard_of(heir).claim();
    REQUIRE_FALSE(claim);
    CHECK(claim.error().operation == genie::Operation::inherit);
  }
  SECTION("the heir, with an open lock file that holds no lock") {
    Contender self = heir;
    REQUIRE(self.filesystem.open({}, lock_path, genie::OpenMode::read_write, 0).ok());
    const auto claim = guard_of(heir).claim();
    REQUIRE_FALSE(claim);
    CHECK(claim.error().operation == genie::Operation::inherit);
    CHECK(claim.error().code == EAGAIN);
  }
  CHECK(world.machine.disk.read_file(record_path) == text_of(starter.identity));
  CHECK(genie::take_back(starting.host(), starting.files(), held, nullptr));
  CHECK_FALSE(world.machine.disk.exists(record_path));
}

TEST_CASE("an owner that an older program left a record of is used, and never replaced", "[ensure]") {
  World world;
  const Contender older = world.machine.spawn();
  world.machine.disk.make_directory(directory, 0700, 1000);
  world.machine.disk.write_file(record_path, text_of(older.identity));
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->owner == older.identity);
  CHECK(world.servers.empty());
}

TEST_CASE("processes that inherited a dead owner's lock keep a start out, and are named", "[ensure]") {
  World world;
  const Contender owner = world.machine.spawn();
  Contender child = owner;
  {
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim());
    child = world.machine.fork(owner);
    owner.kill();
    owner.reap();
  }
  const auto report = world.ensure();
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::orphaned);
  REQUIRE(report->holder_count == 1);
  CHECK(report->holders[0].pid == child.identity.pid);
  CHECK(world.servers.empty());
  // As soon as they are gone, the way is free; a start that waits notices.
  world.machine.time.after(Milliseconds{100}, [&child] { child.kill(); });
  const auto next = world.ensure();
  CHECK(next->outcome == EnsureOutcome::running);
  CHECK(next->holder_count == 0);
}

TEST_CASE("as many processes as a report has room for are named", "[ensure]") {
  World world;
  const Contender owner = world.machine.spawn();
  Guard guard = guard_of(owner);
  const auto orphan = [&] {
    REQUIRE(guard.claim());
    for (std::size_t at = 0; at < genie::holder_capacity + 1; ++at) (void)world.machine.fork(owner);
    owner.kill();
    owner.reap();
  };
  EnsureOptions options;
  options.settle = Milliseconds{1};
  SECTION("where they are found at once") { orphan(); }
  SECTION("where they come between the look and the claim") { before(world.client, Call::try_lock, 1, orphan); }
  const auto report = world.ensure(options);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::orphaned);
  CHECK(report->holder_count == genie::holder_capacity);
  CHECK(report->holders[genie::holder_capacity - 1].pid != 0);
}

TEST_CASE("who is half-way through a claim is not taken for the owner before it", "[ensure]") {
  World world;
  crashed_owner(world.machine);
  const Contender parked = world.machine.spawn();
  bool has_asked = false;
  bool has_locked = false;
  parked.calls().before_call = [&](const genie::testing::CallEvent& event) {
    // It has the lock, and the lock's record is still the dead one's.
    has_locked = has_locked || event.call == Call::try_lock;
    if (event.call != Call::read_at || !has_locked || has_asked) return;
    has_asked = true;
    const auto report = world.ensure();
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::claim_in_progress);
    CHECK(report->owner.pid == 0);
    CHECK(report->generation == 0);
  };
  Guard guard = guard_of(parked);
  REQUIRE(guard.claim());
  CHECK(has_asked);
}

TEST_CASE("what its starter says of a server counts until it speaks for itself", "[ensure]") {
  World world;
  EnsureOptions options;
  options.build = "client build";
  options.version = "1.2.0";
  SECTION("it says nothing") {
    const auto report = world.ensure(options);
    CHECK(report->build == genie::FixedText<63>{"client build"});
    CHECK(report->version == genie::VersionText{"1.2.0"});
  }
  SECTION("it does") {
    world.program([](Server& server) { CHECK(server.guard.claim({.build = "own", .version = "1.3.0"})->adopted); });
    const auto report = world.ensure(options);
    CHECK(report->build == genie::FixedText<63>{"own"});
    CHECK(report->version == genie::VersionText{"1.3.0"});
    CHECK(world.status().version == genie::VersionText{"1.3.0"});
  }
}

TEST_CASE("a newer client replaces an older server once, and an older client never replaces a newer one",
          "[ensure][F26]") {
  World world;
  const auto ensure_as = [&](const char* version) {
    EnsureOptions options;
    options.version = version;
    options.upgrade = genie::UpgradePolicy::replace_older;
    const auto report = world.ensure(world.machine.spawn(), options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::running);
    return *report;
  };
  const EnsureReport first = ensure_as("1.2.0");
  CHECK(first.has_started);
  const EnsureReport upgraded = ensure_as("1.10.0");
  CHECK(upgraded.has_started);
  CHECK(upgraded.replaced == first.owner);
  CHECK(upgraded.replaced_version == genie::VersionText{"1.2.0"});
  CHECK(upgraded.version == genie::VersionText{"1.10.0"});
  CHECK(upgraded.generation > first.generation);
  CHECK_FALSE(world.servers[0]->contender.is_alive());
  // In a loop, everybody ends up with the newest, which goes on.
  for (const char* version : {"1.2.0", "1.10.0", "1.9.9", "1.10.0-rc.1", "", "nightly", "1.10"}) {
    CAPTURE(std::string{version});
    const EnsureReport again = ensure_as(version);
    CHECK(again.owner == upgraded.owner);
    CHECK(again.replaced.pid == 0);
    CHECK_FALSE(again.has_started);
  }
  CHECK(world.servers.size() == 2);
  CHECK_FALSE(world.machine.disk.exists(sentinel_path));
  // Who does not ask for it, uses what runs.
  EnsureOptions options;
  options.version = "2.0.0";
  CHECK(world.ensure(options)->owner == upgraded.owner);
}

TEST_CASE("a program that says an older version than it was started for is not replaced again and again",
          "[ensure][F26]") {
  World world;
  world.program([](Server& server) { CHECK(server.guard.claim({.version = "1.0"})->adopted); });
  const auto ensure_as = [&](const char* version) {
    EnsureOptions options;
    options.version = version;
    options.upgrade = genie::UpgradePolicy::replace_older;
    const auto report = world.ensure(world.machine.spawn(), options);
    REQUIRE(report);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->version == genie::VersionText{"1.0"});
    return *report;
  };
  CHECK(ensure_as("1.0").has_started);
  const EnsureReport first = ensure_as("2.0");
  CHECK(first.replaced.pid != 0);
  for (const char* version : {"2.0", "1.5", "2.0"}) CHECK(ensure_as(version).owner == first.owner);
  // Whoever wants a newer one than anybody did may have a newer program.
  CHECK(ensure_as("2.1").replaced == first.owner);
  CHECK(world.servers.size() == 3);
  // A server that nobody started for somebody says itself what it is.
  world.kill_server();
  const Contender own = world.machine.spawn();
  Guard guard = guard_of(own);
  REQUIRE(guard.claim({.version = "1.0"})->owned());
  CHECK(ensure_as("2.0").replaced == own.identity);
}

TEST_CASE("a restart replaces whatever runs, or is being started, and starts where nothing does", "[ensure]") {
  World world;
  EnsureOptions restart = explicitly();
  restart.upgrade = genie::UpgradePolicy::replace_running;
  const auto first = world.ensure(restart);
  CHECK(first->has_started);
  CHECK(first->replaced.pid == 0);
  SECTION("a server that runs") {}
  SECTION("one that boots") {
    world.kill_server();
    world.program([](Server& server) { CHECK(server.guard.claim({.starting = true})->adopted); });
    EnsureOptions options;
    options.deadline = Milliseconds{10};
    CHECK(world.ensure(options)->outcome == EnsureOutcome::timed_out);
    world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  }
  SECTION("an older program's") {
    world.kill_server();
    const Contender older = world.machine.spawn();
    world.machine.disk.replace(record_path, text_of(older.identity));
    const auto replaced = world.ensure(restart);
    CHECK(replaced->replaced == older.identity);
    CHECK_FALSE(older.is_alive());
  }
  const genie::ProcessIdentity before = world.server().contender.identity;
  const auto again = world.ensure(world.machine.spawn(), restart);
  CHECK(again->outcome == EnsureOutcome::running);
  CHECK(again->replaced == before);
  CHECK(again->owner == world.server().contender.identity);
  CHECK(again->owner != before);
}

TEST_CASE("an older server that is being started is replaced once it is ready", "[ensure][F26]") {
  World world;
  world.program([&](Server& server) {
    REQUIRE(server.guard.claim({.starting = true, .version = "1"})->adopted);
    world.machine.time.after(Milliseconds{200}, [&server] { CHECK(server.guard.ready()); });
  });
  EnsureOptions impatient;
  impatient.deadline = Milliseconds{10};
  REQUIRE(world.ensure(world.machine.spawn(), impatient)->outcome == EnsureOutcome::timed_out);
  const genie::ProcessIdentity older = world.server().contender.identity;
  world.program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  EnsureOptions options;
  options.version = "2";
  options.upgrade = genie::UpgradePolicy::replace_older;
  const Milliseconds began = world.machine.time.monotonic;
  const auto report = world.ensure(options);
  CHECK(report->has_joined);
  CHECK(report->replaced == older);
  CHECK(world.machine.time.monotonic - began >= Milliseconds{190});
}

TEST_CASE("each phase that a start reaches gives those who wait for it more time", "[ensure]") {
  World world;
  Starter starter{world.machine};
  starter.claim();
  const bool comes_on = GENERATE(true, false);
  const auto turn_at = [&](int time, Phase phase) {
    world.machine.time.after(Milliseconds{time}, [&, phase] { starter.turn(phase); });
  };
  if (comes_on) turn_at(1500, Phase::starting);
  turn_at(3000, Phase::running);
  EnsureOptions options;
  options.stall = Milliseconds{1000};
  options.grace = Milliseconds{1000};
  CHECK(world.ensure(options)->outcome == (comes_on ? EnsureOutcome::running : EnsureOutcome::timed_out));
  world.machine.time.advance(Milliseconds{4000});
}

TEST_CASE("while a server is replaced, starts on demand wait, and get the new one", "[ensure][F26]") {
  World world;
  EnsureOptions options;
  options.version = "1";
  REQUIRE(world.ensure(options)->has_started);
  world.server().contender.process.me().reaction.terminate_takes = Milliseconds{200};
  const Contender replacer = world.machine.spawn();
  bool has_asked = false;
  options.version = "2";
  options.upgrade = genie::UpgradePolicy::replace_older;
  world.server().contender.process.me().reaction.on_signal = [&](genie::Signal) {
    has_asked = true;
    // Whoever only looks is told; a plain start on demand is refused by its claim, and ensure waits.
    CHECK(guard_of(world.machine.spawn()).claim({.mode = ClaimMode::automatic})->outcome ==
          genie::ClaimOutcome::stopping);
    EnsureOptions impatient;
    impatient.deadline = Milliseconds{50};
    const auto late = world.ensure(world.machine.spawn(), impatient);
    CHECK(late->outcome == EnsureOutcome::stopping);
    CHECK(late->stop.restarting);
  };
  const auto report = world.ensure(replacer, options);
  REQUIRE(report);
  CHECK(has_asked);
  CHECK(report->outcome == EnsureOutcome::running);
  CHECK(report->replaced.pid != 0);
  CHECK(world.servers.size() == 2);
}

TEST_CASE("a start on demand gives a restart the time that a start may stall and the one that is ended takes to end",
          "[ensure][F26]") {
  World world;
  const Contender stopper = world.machine.spawn();
  Guard guard = guard_of(stopper);
  REQUIRE(guard.claim());
  genie::detail::OpenDirectory<Guard::Host> place;
  REQUIRE(genie::detail::open_state_directory(guard.host(), guard.files(), false, place));
  genie::StopRegistration<Guard::Host> registration{
      guard.host(), guard.files(), place.file.get(), {}, genie::default_sentinel_ttl, true};
  REQUIRE(registration.enter([](bool) {}));
  EnsureOptions options;
  options.stall = Milliseconds{500};
  options.grace = Milliseconds{200};
  const Milliseconds before = world.machine.time.monotonic;
  CHECK(world.ensure(options)->outcome == EnsureOutcome::stopping);
  CHECK(world.machine.time.monotonic - before == Milliseconds{700});
  CHECK(world.servers.empty());
}

TEST_CASE("who found nothing, and lost the claim to a start that then failed, is told of that", "[ensure]") {
  World world;
  Starter other{world.machine};
  bool has_lost = false;
  int opened_since = 0;
  world.client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::try_lock && !has_lost) {
      has_lost = true;
      other.claim();
    } else if (has_lost && event.call == Call::open_directory && ++opened_since == 1) {
      // The claim is lost; this is the next look.
      genie::FailureRecord failure;
      failure.kind = FailureKind::exited;
      failure.value = 3;
      other.take_back(&failure);
    }
  };
  const auto report = world.ensure();
  CHECK(opened_since > 0);
  REQUIRE(report);
  CHECK(report->outcome == EnsureOutcome::failed);
  CHECK(report->failure.value == 3);
  CHECK(world.servers.empty());
}

TEST_CASE("whoever is there instead of a server that was to be replaced is used, unless it has been killed",
          "[ensure][F26]") {
  World world;
  EnsureOptions options;
  options.version = "1";
  REQUIRE(world.ensure(options)->has_started);
  const genie::ProcessIdentity older = world.server().contender.identity;
  options.version = "2";
  options.upgrade = genie::UpgradePolicy::replace_older;
  const Contender client = world.machine.spawn();
  // The second look is the stop's.
  const auto before_the_stop = [&](std::function<void()> act) {
    before(client, Call::open_directory, 2, std::move(act));
  };
  SECTION("it survives being killed") {
    world.server().contender.process.me().reaction.ignores_terminate = true;
    world.server().contender.process.me().reaction.kill_takes = Milliseconds{60'000};
    options.stop_grace = Milliseconds{100};
    // What the stop saw is told, not what was seen before.
    client.calls().decide = [&](const genie::testing::CallEvent& event) {
      return event.call == Call::look && client.calls().count(Call::open_directory) == 1 ? EACCES : 0;
    };
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::contended);
    CHECK(report->owner == older);
    CHECK(report->replaced.pid == 0);
    CHECK(report->evidence.reason == genie::Reason::lock_held);
  }
  SECTION("nobody can look at it when it is to be stopped: it is used") {
    if (GENERATE(false, true)) {
      // Also where it is an older program's, of which there is only a record.
      world.kill_server();
      world.servers.push_back(std::make_unique<Server>(world.machine.spawn()));
      world.machine.disk.replace(record_path, text_of(world.server().contender.identity));
      options.upgrade = genie::UpgradePolicy::replace_running;
    }
    int looks = 0;
    client.calls().decide = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::open_process) looks = 2;
      return event.call == Call::look && looks-- > 0 ? EACCES : 0;
    };
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == world.server().contender.identity);
    CHECK(report->has_kept);
    CHECK(report->evidence.reason == genie::Reason::liveness_unknown);
  }
  SECTION("what is to be there next cannot be claimed: that is told") {
    client.calls().fail(Call::create_unnamed, EIO);
    const auto report = world.ensure(client, options);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == EIO);
    CHECK(world.servers.size() == 1);
  }
  SECTION("it can't be told from a stranger") {
    genie::testing::ProcessOptions elsewhere;
    elsewhere.pid_namespace = 4026532000;
    options.upgrade = genie::UpgradePolicy::replace_running;
    const auto report = world.ensure(world.machine.spawn(elsewhere), options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == older);
    CHECK(report->has_kept);
    CHECK(report->replaced.pid == 0);
    CHECK(report->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
  }
  SECTION("it can't be signalled") {
    client.calls().fail(Call::signal, EPERM);
    const auto report = world.ensure(client, options);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == EPERM);
    CHECK(world.status().owner == older);
  }
  SECTION("somebody wants it to stay stopped meanwhile: nothing is started") {
    world.server().contender.process.me().reaction.terminate_takes = Milliseconds{200};
    world.server().contender.process.me().reaction.on_signal = [&](genie::Signal) {
      world.machine.time.after(Milliseconds{10},
                               [&] { CHECK(guard_of(world.machine.spawn()).stop({.stay = true})->stays); });
    };
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::stopping);
    CHECK(report->stop.stay);
    CHECK(world.servers.size() == 1);
  }
  SECTION("it has gone when it is to be stopped") {
    before(client, Call::open_process, 1, [&] { world.kill_server(); });
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(report->replaced.pid == 0);
  }
  SECTION("it has to be killed") {
    world.server().contender.process.me().reaction.ignores_terminate = true;
    options.stop_grace = Milliseconds{100};
    options.sentinel_ttl = Milliseconds{5000};
    bool has_asked = false;
    world.server().contender.process.me().reaction.on_signal = [&](genie::Signal signal) {
      has_asked = has_asked || signal == genie::Signal::terminate;
      if (signal == genie::Signal::terminate) CHECK(world.status().stop.remaining == options.sentinel_ttl);
    };
    const Milliseconds began = world.machine.time.monotonic;
    const auto report = world.ensure(client, options);
    CHECK(has_asked);
    CHECK(world.machine.time.monotonic - began == options.stop_grace);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(report->replaced == older);
  }
  SECTION("it has let go when it is to be stopped") {
    before_the_stop([&] { CHECK(world.servers.front()->guard.release()); });
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(report->replaced.pid == 0);
    CHECK(world.servers.front()->contender.is_alive());
  }
  SECTION("it has crashed when it is to be stopped, and its lock file was lost") {
    before_the_stop([&] {
      world.kill_server();
      world.machine.disk.remove(lock_path);
    });
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(report->replaced.pid == 0);
  }
  SECTION("it has left a child when it is to be stopped") {
    Contender child = client;
    before_the_stop([&] {
      child = world.machine.fork(world.server().contender);
      world.kill_server();
    });
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::orphaned);
    CHECK(child.is_alive());
  }
  SECTION("it runs in another PID namespace: it cannot be stopped from here, and is used") {
    world.kill_server();
    genie::testing::ProcessOptions elsewhere;
    elsewhere.pid_namespace = 77;
    const Contender other = world.machine.spawn(elsewhere);
    Guard others = guard_of(other);
    REQUIRE(others.claim({.version = "1"})->owned());
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == other.identity);
    CHECK(report->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
    CHECK(report->replaced.pid == 0);
    CHECK(other.is_alive());
  }
  SECTION("it ends just before it is asked to") {
    before(client, Call::signal, 1, [&] { world.kill_server(); });
    const auto report = world.ensure(client, options);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->has_started);
    CHECK(report->replaced.pid == 0);
  }
  SECTION("another one has come in its place") {
    const Contender other = world.machine.spawn();
    Guard others = guard_of(other);
    bool has_come = false;
    before_the_stop([&] {
      has_come = true;
      world.kill_server();
      CHECK(others.claim()->owned());
    });
    const auto report = world.ensure(client, options);
    CHECK(has_come);
    CHECK(report->outcome == EnsureOutcome::running);
    CHECK(report->owner == other.identity);
  }
}

TEST_CASE(
    "an intent to stay stopped refuses starts on demand, and ends with an explicit one, not with a server's claim",
    "[ensure]") {
  World world;
  REQUIRE(guard_of(world.machine.spawn()).stop({.stay = true}));
  const auto automatic = world.ensure();
  CHECK(automatic->outcome == EnsureOutcome::stopping);
  CHECK(automatic->stop.stay);
  const auto by_hand = world.ensure(explicitly());
  CHECK(by_hand->outcome == EnsureOutcome::running);
  CHECK_FALSE(world.machine.disk.exists(sentinel_path));
  world.kill_server();
  // Put up while a server boots that was started on demand: that server's claim is no explicit start.
  world.program([&](Server& server) {
    genie::StopOptions options;
    options.stay = true;
    options.settle = Milliseconds{1};
    options.only = {1, genie::known_start(1)};  // only the intent
    CHECK(guard_of(world.machine.spawn()).stop(options));
    CHECK(server.guard.claim()->adopted);
  });
  CHECK(world.ensure()->outcome == EnsureOutcome::running);
  CHECK(world.machine.disk.exists(sentinel_path));
  CHECK(world.status().stop.stay);
}

}  // namespace tests::ensure_test
