// `stop --stay` against fakes: the intent outlives clocks, crashes, reboots and other stops, and ends by an explicit
// start.
#include "support.hpp"

#include <cerrno>
#include <string>

#include "catch.hpp"

namespace tests::stay_test {

using namespace tests;
using genie::ClaimMode;
using genie::ClaimOutcome;
using genie::Milliseconds;
using genie::milliseconds;
using genie::Reason;
using genie::seconds;
using genie::ServerState;
using genie::StopOptions;
using genie::StopOutcome;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;

namespace {

constexpr StopOptions staying{.settle = milliseconds(10), .stay = true};

genie::Sentinel sentinel_of(const Machine& machine) {
  genie::Sentinel sentinel;
  const auto content = machine.disk.read_file(sentinel_path);
  if (content) (void)genie::parse_sentinel(*content, INT64_MAX, sentinel);
  return sentinel;
}
bool stays(const Machine& machine) { return sentinel_of(machine).has_stay; }

ClaimOutcome claim_automatically(Machine& machine) {
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  const auto report = guard.claim({.mode = ClaimMode::automatic});
  REQUIRE(report);
  return report->outcome;
}

Machine with_intent() {
  Machine machine;
  const Contender operating = machine.spawn();
  REQUIRE(guard_of(operating).stop(staying)->stays);
  return machine;
}

/// The explicit start that everybody may make once nothing runs, and what it ends.
void check_explicit_start_ends_it(Machine& machine) {
  {
    const Contender asked = machine.spawn();
    Guard guard = guard_of(asked);
    REQUIRE(guard.claim()->owned());
    CHECK_FALSE(stays(machine));
    CHECK_FALSE(machine.disk.exists(sentinel_path));
    CHECK_FALSE(guard.status()->stop.stay);
    REQUIRE(guard.release());
  }
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
  CHECK(strangers(machine).empty());
}

}  // namespace

TEST_CASE("what was stopped to stay so does not start by itself, whatever the clocks say", "[stay][F20]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender operating = machine.spawn();
  const auto receipt = guard_of(operating).stop(staying);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->stays);
  CHECK(receipt->sentinel_error == 0);
  operating.kill();
  operating.reap();
  SECTION("as time goes by") { machine.time.advance(seconds(400 * 86'400)); }
  SECTION("after the wall clock was set back") { machine.time.jump_wall(seconds(-86'400)); }
  SECTION("after the wall clock was set forward") { machine.time.jump_wall(seconds(86'400)); }
  SECTION("after the machine was started anew") { machine.reboot(); }
  SECTION("after a suspend") { machine.time.suspend(seconds(86'400)); }
  for (int time = 0; time < 3; ++time) {
    CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
    CHECK_FALSE(machine.disk.exists(record_path));
  }
  check_explicit_start_ends_it(machine);
}

TEST_CASE("whoever asks is told who wants it to stay stopped, and since when", "[stay][status]") {
  Machine machine;
  ProcessOptions options;
  options.user = 4711;
  const Contender operating = machine.spawn(options);
  const Milliseconds now = machine.time.wall;
  REQUIRE(guard_of(operating).stop(staying)->stays);
  options.user = 0;
  const Contender reader = machine.spawn(options);
  machine.time.advance(seconds(100));
  const auto report = guard_of(reader).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::stopped);
  CHECK(report->stop.standing);
  CHECK(report->stop.stay);
  CHECK(report->stop.set_by == operating.identity);
  CHECK(report->stop.user == 4711);
  CHECK(report->stop.since == now);
  CHECK_FALSE(report->stop.leftover);
  CHECK_FALSE(report->stop.is_in_progress());
  CHECK(fmt::format("{}", *report).find("`stop --stay` by PID") != std::string::npos);
  const auto refused = guard_of(reader).claim({.mode = ClaimMode::automatic});
  REQUIRE(refused);
  CHECK(refused->evidence.reason == Reason::stay_intent);
  CHECK(refused->evidence.recorded == operating.identity);
  CHECK(refused->stop.stay);
  const genie::Stay stay = sentinel_of(machine).stay;
  CHECK(stay.origin ==
        genie::ProcessOrigin{genie::BootId{machine.processes.boot}, operating.process.me().pid_namespace});
}

TEST_CASE("an intent where nothing runs, or where there is no directory yet, is recorded all the same", "[stay]") {
  Machine machine;
  const bool exists = GENERATE(false, true);
  if (exists) machine.disk.make_directory(directory);
  const Contender operating = machine.spawn();
  const auto receipt = guard_of(operating).stop(staying);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::not_running);
  CHECK(receipt->stays);
  CHECK(machine.disk.stat(directory)->permissions == 0700);
  CHECK(machine.disk.stat(sentinel_path)->permissions == 0600);
  CHECK(*machine.disk.read_file(sentinel_path) ==
        fmt::format("253402300799000\nstay {} {} {} 1000 {}\n", operating.identity, machine.processes.boot,
                    genie::testing::ProcessTable::host_namespace, machine.time.wall.count()));
  CHECK(machine.disk.open_count(operating.index()) == 0);
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  check_explicit_start_ends_it(machine);
}

TEST_CASE("a directory that cannot be created for an intent is an error", "[stay]") {
  Machine machine;
  const auto receipt = guard_of(machine.spawn(), "/nowhere/state").stop(staying);
  REQUIRE_FALSE(receipt);
  CHECK(receipt.error().code == ENOENT);
  CHECK(receipt.error().operation == genie::Operation::make_directory);
}

TEST_CASE("other stops leave the intent as it is, and the last to end leaves the file", "[stay][F19]") {
  Machine machine = with_intent();
  const genie::Stay first = sentinel_of(machine).stay;
  machine.time.advance(seconds(5));
  const Contender owner = machine.spawn();
  const Contender operating = machine.spawn();
  const bool again = GENERATE(false, true);
  {
    // An older program's: no explicit start of ours, which would end the intent.
    machine.disk.write_file(record_path, text_of(owner.identity));
    const auto receipt = guard_of(operating).stop({.stay = again});
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->stays);
  }
  CHECK(sentinel_of(machine).stay == first);
  CHECK(sentinel_of(machine).count == 0);
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  check_explicit_start_ends_it(machine);
}

TEST_CASE("a full sentinel has room for the intent", "[stay][F19]") {
  Machine machine = with_intent();
  genie::Sentinel sentinel = sentinel_of(machine);
  const genie::Stay first = sentinel.stay;
  while (sentinel.count < genie::stopper_capacity) {
    genie::Stopper& entry = sentinel.stoppers[sentinel.count++];
    entry.stopper = machine.spawn().identity;
    entry.origin = first.origin;
    entry.ttl = seconds(30);
    entry.wall_until = machine.time.wall + seconds(30);
    entry.monotonic_until = machine.time.monotonic + seconds(30);
  }
  machine.disk.write_file(sentinel_path, encode_sentinel(sentinel).c_str());
  const Contender owner = machine.spawn();
  machine.disk.write_file(record_path, text_of(owner.identity));
  CHECK(guard_of(machine.spawn()).stop()->outcome == StopOutcome::stopped);
  CHECK(sentinel_of(machine).stay == first);
  CHECK(sentinel_of(machine).count == genie::stopper_capacity);
  machine.time.advance(seconds(31));
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
}

TEST_CASE("an explicit start keeps the entries of stops in progress", "[stay][F19]") {
  Machine machine = with_intent();
  const Contender stopping = machine.spawn();
  Guard guard = guard_of(stopping);
  const auto opened = guard.host().files.open_directory(directory);
  genie::StopRegistration<Guard::Host> registration{guard.host(), guard.files(), opened.value, {}, seconds(30)};
  REQUIRE(registration.enter([](bool) noexcept {}));
  const Contender asked = machine.spawn();
  Guard started = guard_of(asked);
  CHECK(started.claim()->owned());
  CHECK_FALSE(stays(machine));
  CHECK(sentinel_of(machine).count == 1);
  REQUIRE(registration.leave());
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("an explicit start that finds a live owner ends nothing", "[stay]") {
  Machine machine = with_intent();
  const Contender older = machine.spawn();
  machine.disk.write_file(record_path, text_of(older.identity));
  const Contender asked = machine.spawn();
  CHECK(guard_of(asked).claim()->outcome == ClaimOutcome::already_running);
  CHECK(stays(machine));
  // It runs, and nobody is at it.
  CHECK(guard_of(asked).status()->state == ServerState::running);
}

TEST_CASE("an intent does not make a running server 'stopping'", "[stay][status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  ProcessOptions elsewhere;
  elsewhere.pid_namespace = 77;
  const Contender operating = machine.spawn(elsewhere);
  const auto receipt = guard_of(operating).stop(staying);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(receipt->stays);
  CHECK(guard.status()->state == ServerState::running);
  CHECK(guard.status()->stop.stay);
}

TEST_CASE("an explicit start that fails at any call leaves the intent, and one that works does not",
          "[stay][fault][F16]") {
  for (std::uint64_t at = 1;; ++at) {
    bool reached = false;
    for (const int code : {EIO, EACCES, ENOSPC}) {
      INFO("call " << at << " fails with errno " << code);
      Machine machine = with_intent();
      const Contender asked = machine.spawn();
      Guard guard = guard_of(asked);
      asked.calls().fail(Call::any, code, at);
      const auto report = guard.claim({.durable = true});
      reached = asked.calls().count() >= at;
      const bool is_owned = report && report->owned();
      CHECK(stays(machine) != is_owned);
      CHECK(machine.disk.exists(sentinel_path) != is_owned);
      if (!is_owned) CHECK(machine.disk.open_count(asked.index()) == 0);
      if (!is_owned) CHECK_FALSE(machine.disk.exists(record_path));
    }
    if (!reached) break;
  }
}

TEST_CASE("an explicit start that is killed at any call blocks no other, and ends the intent only as the owner",
          "[stay][crash]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine = with_intent();
    const Contender victim = machine.spawn();
    {
      Guard guard = guard_of(victim);
      victim.kill_before_call(at);
      (void)guard.claim();
      if (victim.is_alive()) break;
    }
    victim.reap();
    if (!stays(machine)) CHECK(machine.disk.read_file(record_path) == text_of(victim.identity));
    CHECK((claim_automatically(machine) == ClaimOutcome::stopping) == stays(machine));
    check_explicit_start_ends_it(machine);
  }
}

TEST_CASE("a stop --stay that is killed at any call has recorded its intent or not, and blocks no explicit start",
          "[stay][crash]") {
  const bool running = GENERATE(false, true);
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at << (running ? ", with a server" : ""));
    Machine machine;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    if (running) REQUIRE(guard.claim()->owned());
    const Contender victim = machine.spawn();
    victim.kill_before_call(at);
    (void)guard_of(victim).stop(staying);
    if (victim.is_alive()) break;
    victim.reap();
    owner.kill();
    owner.reap();
    // Only a stop in progress ends by itself.
    machine.time.advance(seconds(30));
    const bool is_recorded = stays(machine);
    CHECK((claim_automatically(machine) == ClaimOutcome::stopping) == is_recorded);
    if (machine.disk.exists(directory)) CHECK(strangers(machine).size() <= 1);
    check_explicit_start_ends_it(machine);
  }
}

TEST_CASE("an explicit start before any call of a stop --stay ends the intent, or is stopped by it", "[stay][F19]") {
  const bool running = GENERATE(false, true);
  bool was_stopped = false;
  bool survived = false;
  for (std::uint64_t at = 1;; ++at) {
    INFO("a start before call " << at << (running ? ", with a server" : ""));
    Machine machine;
    const Contender former = machine.spawn();
    Guard old = guard_of(former);
    machine.disk.make_directory(directory);
    if (running) REQUIRE(old.claim()->owned());
    const Contender asked = machine.spawn();
    Guard guard = guard_of(asked);
    const Contender operating = machine.spawn();
    bool claimed = false;
    operating.calls().at_call[at] = [&] {
      const auto report = guard.claim({.settle = milliseconds(0)});
      claimed = report && report->owned();
    };
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    if (operating.calls().count() < at) break;
    const bool owns = claimed && asked.is_alive();
    CHECK(stays(machine) != owns);
    if (!owns) {
      CHECK(receipt->stays);
      CHECK(sentinel_of(machine).stay.setter == operating.identity);
    }
    was_stopped = was_stopped || (claimed && !owns);
    survived = survived || owns;
    CHECK(sentinel_of(machine).count <= (owns ? 0 : 1));
    CHECK(strangers(machine).empty());
  }
  CHECK(was_stopped == !running);
  CHECK(survived);
}

TEST_CASE("a stop --stay before any call of an explicit start stops it, or is ended by it", "[stay][F19]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("the stop before call " << at);
    Machine machine;
    machine.disk.make_directory(directory);
    const Contender asked = machine.spawn();
    const Contender operating = machine.spawn();
    genie::Result<genie::StopReceipt> receipt = genie::StopReceipt{};
    Guard guard = guard_of(asked);
    asked.calls().at_call[at] = [&] { receipt = guard_of(operating).stop(staying); };
    const auto report = guard.claim();
    if (asked.calls().count() < at) break;
    REQUIRE(receipt);
    REQUIRE(report);
    // It saw nobody, and this start came after it; or it stopped it; or it met a claim that did not settle, and says
    // so.
    CHECK(report->owned());
    if (!asked.is_alive()) {
      CHECK(stays(machine));
    } else if (stays(machine)) {
      CHECK(receipt->outcome == StopOutcome::refused);
      CHECK(receipt->evidence.reason == Reason::claim_in_progress);
    }
  }
}

TEST_CASE("an intent outlives a power cut, and so does its end", "[stay]") {
  using genie::testing::ContentLoss;
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.tracks_durability = true;
  REQUIRE(guard_of(machine.spawn()).stop(staying)->stays);
  {
    Machine after = machine;
    after.disk.cut_power({ContentLoss::whole_file, 0});
    after.reboot();
    CHECK(claim_automatically(after) == ClaimOutcome::stopping);
  }
  const Contender asked = machine.spawn();
  Guard guard = guard_of(asked);
  REQUIRE(guard.claim()->owned());
  Machine after = machine;
  after.disk.cut_power({ContentLoss::whole_file, 0});
  after.reboot();
  CHECK(claim_automatically(after) == ClaimOutcome::claimed);
}

TEST_CASE("an intent that cannot be recorded does not keep the server running, and the receipt says so",
          "[stay][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender operating = machine.spawn();
  SECTION("for good") {
    machine.disk.capacity = 0;
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK_FALSE(receipt->stays);
    CHECK(receipt->sentinel_error == ENOSPC);
    CHECK_FALSE(stays(machine));
  }
  SECTION("at first") {
    operating.calls().fail(Call::sync, EIO);
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    CHECK(receipt->stays);
    CHECK(receipt->sentinel_error == 0);
    CHECK(stays(machine));
    CHECK(sentinel_of(machine).stay.setter == operating.identity);
  }
  SECTION("at first, and somebody is claiming the directory by then, who has seen none") {
    operating.calls().fail(Call::sync, EIO);
    Contender claimant = machine.spawn();
    operating.calls().before_call = [&](const CallEvent& event) {
      if (event.call != Call::try_lock || event.occurrence != 2) return;
      owner.kill();
      const auto lock = claimant.filesystem.open({}, lock_path, genie::OpenMode::read_write, 0);
      REQUIRE(claimant.filesystem.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
    };
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    CHECK_FALSE(receipt->stays);
    CHECK_FALSE(stays(machine));
    CHECK(receipt->sentinel_error == 0);
    claimant.kill();
  }
  SECTION("at first, and whose the directory is by then cannot be told") {
    operating.calls().fail(Call::sync, EIO);
    operating.calls().before_call = [&](const CallEvent& event) {
      // The first stopper's lock was that of the record; the second is that of the entry.
      if (event.call == Call::try_lock && event.occurrence == 2) operating.calls().fail(Call::query_lock, EIO);
    };
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->stays);  // whoever it is, it may have been asked for; but so was this
    CHECK(receipt->sentinel_error == EIO);
  }
  CHECK_FALSE(owner.is_alive());
  CHECK(strangers(machine).empty());
}

TEST_CASE("a sentinel that is no file keeps no explicit start out", "[stay][F15]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.make_fifo(sentinel_path);
  const Contender asked = machine.spawn();
  Guard guard = guard_of(asked);
  CHECK(guard.claim()->owned());
}

TEST_CASE("an intent that somebody else has just ended is not ended twice", "[stay]") {
  Machine machine = with_intent();
  const Contender asked = machine.spawn();
  Guard guard = guard_of(asked);
  bool removed = false;
  asked.calls().before_call = [&](const CallEvent& event) {
    // The second lock of a claim that meets an intent is the stopper's.
    if (event.call != Call::try_lock || event.occurrence != 3 || removed) return;
    removed = true;
    machine.disk.remove(sentinel_path);
  };
  CHECK(guard.claim()->owned());
  CHECK(removed);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("a restart is told from a stop, as long as nobody else stops it", "[restart][sentinel]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const auto intent_after = [&](bool one, bool other) {
    const Contender first = machine.spawn();
    const Contender second = machine.spawn();
    Guard guards[] = {guard_of(first), guard_of(second)};
    const auto opened = guards[0].host().files.open_directory(directory);
    const auto also = guards[1].host().files.open_directory(directory);
    genie::StopRegistration<Guard::Host> restart{
        guards[0].host(), guards[0].files(), opened.value, {}, seconds(30), one};
    genie::StopRegistration<Guard::Host> stop{guards[1].host(), guards[1].files(), also.value, {}, seconds(30), other};
    REQUIRE(restart.enter([](bool) noexcept {}));
    CHECK(guards[0].status()->stop.restarting == (one && !stays(machine)));
    REQUIRE(stop.enter([](bool) noexcept {}));
    const genie::StopIntent intent = guards[0].status()->stop;
    const auto refused = guard_of(machine.spawn()).claim({.mode = ClaimMode::automatic});
    CHECK(refused->outcome == ClaimOutcome::stopping);
    CHECK(refused->stop.restarting == intent.restarting);
    REQUIRE(restart.leave());
    REQUIRE(stop.leave());
    return intent.restarting;
  };
  CHECK(intent_after(true, true));
  CHECK_FALSE(intent_after(true, false));
  CHECK_FALSE(intent_after(false, true));
  CHECK_FALSE(guard_of(machine.spawn()).status()->stop.restarting);
  REQUIRE(guard_of(machine.spawn()).stop(staying)->stays);
  CHECK_FALSE(intent_after(true, true));
  // An older program's stop is none.
  machine.disk.write_file(sentinel_path, std::to_string(machine.time.wall.count() + 1000));
  CHECK(guard_of(machine.spawn()).status()->stop.standing);
  CHECK_FALSE(guard_of(machine.spawn()).status()->stop.restarting);
}

TEST_CASE("a stop that starts the server again says so while it works", "[restart][stop]") {
  Machine machine;
  bool seen = false;
  ProcessOptions options;
  options.reaction.on_signal = [&](genie::Signal) { seen = sentinel_of(machine).stoppers[0].restarting; };
  const Contender owner = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const bool restarts = GENERATE(false, true);
  CHECK(guard_of(machine.spawn()).stop({.restarting = restarts})->outcome == StopOutcome::stopped);
  CHECK(seen == restarts);
}

TEST_CASE("an intent that a start ended which came and went meanwhile has ended, and the receipt says so",
          "[stay][fault][F16]") {
  for (std::uint64_t at = 0;; ++at) {
    INFO("call " << at << " fails");
    Machine machine;
    machine.disk.make_directory(directory);
    const Contender passing = machine.spawn();
    const Contender operating = machine.spawn();
    int looks = 0;
    operating.calls().before_call = [&](const CallEvent& event) {
      // The second time that the lock file is opened, an owner is looked for.
      if (event.call != Call::open || event.name != genie::Text{"serve.lock"} || ++looks != 2) return;
      Guard guard = guard_of(passing);
      CHECK(guard.claim()->owned());
    };
    if (at > 0) operating.calls().fail(Call::any, EIO, at);
    const auto receipt = guard_of(operating).stop(staying);
    if (at > 0 && operating.calls().count() < at) break;
    if (at == 0) {
      CHECK(receipt->outcome == StopOutcome::not_running);
      CHECK_FALSE(receipt->stays);
    }
    if (receipt) CHECK(receipt->stays == stays(machine));
    CHECK(machine.disk.open_count(operating.index()) == 0);
  }
}

TEST_CASE("an intent that cannot be recorded where nothing runs says so, too", "[stay][F16]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.capacity = 0;
  const auto receipt = guard_of(machine.spawn()).stop(staying);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::not_running);
  CHECK_FALSE(receipt->stays);
  CHECK(receipt->sentinel_error == ENOSPC);
}

TEST_CASE("an intent is not put up again over a start that comes before any call of a stop of another", "[stay][F27]") {
  bool was_put_up = false;
  bool was_yielded = false;
  for (std::uint64_t at = 1;; ++at) {
    INFO("before call " << at);
    Machine machine;
    machine.disk.make_directory(directory);
    const Contender target = machine.spawn();
    const Contender lasting = machine.spawn();
    const Contender operating = machine.spawn();
    Guard first = guard_of(target);
    Guard second = guard_of(lasting);
    int looks = 0;
    bool claimed = false;
    operating.calls().before_call = [&](const CallEvent& event) {
      // The second time that the lock file is opened, an owner is looked for: one that has ended the intent.
      if (event.call == Call::open && event.name == genie::Text{"serve.lock"} && ++looks == 2) {
        CHECK(first.claim()->owned());
        CHECK_FALSE(stays(machine));
      }
      if (event.number != at || looks < 2) return;
      target.kill();
      was_put_up = was_put_up || stays(machine);
      const auto report = second.claim({.settle = milliseconds(0)});
      claimed = report && report->owned();
      was_yielded = was_yielded || (claimed && !stays(machine));
    };
    const auto receipt = guard_of(operating).stop(staying);
    REQUIRE(receipt);
    operating.calls().before_call = nullptr;
    if (operating.calls().count() < at) break;
    if (claimed && lasting.is_alive()) {
      CHECK_FALSE(stays(machine));
    } else {
      CHECK(receipt->stays == stays(machine));
    }
  }
  CHECK(was_put_up);
  CHECK(was_yielded);
}

}  // namespace tests::stay_test
