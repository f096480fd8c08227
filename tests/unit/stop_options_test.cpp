// What a stop does on request: only a certain owner, its cgroup as well, orphans too, and something more while nothing
// can start by itself.
#include "support.hpp"

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::stop_options_test {

using namespace tests;
using genie::ClaimMode;
using genie::ClaimOutcome;
using genie::milliseconds;
using genie::Reason;
using genie::seconds;
using genie::Signal;
using genie::StopOptions;
using genie::StopOutcome;
using genie::StopReceipt;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;
using genie::testing::Reaction;

namespace {

genie::Result<StopReceipt> stop_by(const Contender& contender, const StopOptions& options) {
  return guard_of(contender).stop(options);
}

Reaction stubborn() {
  Reaction reaction;
  reaction.ignores_terminate = true;
  return reaction;
}

/// An owner in a cgroup, and whoever else is wanted.
struct Scene {
  Machine machine;
  Contender owner;
  Guard guard;
  Contender stopper = machine.spawn();

  explicit Scene(const std::string& cgroup = "", const Reaction& reaction = {})
      : owner{spawn(cgroup, reaction)}, guard{guard_of(owner)} {
    REQUIRE(guard.claim()->owned());
  }
  Contender spawn(const std::string& cgroup, const Reaction& reaction = {}) {
    ProcessOptions options;
    options.cgroup = cgroup;
    options.reaction = reaction;
    return machine.spawn(options);
  }
  void check_untouched() {
    CHECK(machine.processes.deliveries.empty());
    CHECK(guard.verify() == genie::Ownership::held);
    CHECK_FALSE(machine.disk.exists(sentinel_path));
    CHECK(stopper.process.open_count() == 0);
    CHECK(machine.disk.open_count(stopper.index()) == 0);
  }
};

}  // namespace

// --- only ------------------------------------------------------------------------------------------------------------

TEST_CASE("a stop of one owner stops that one", "[stop][only]") {
  Scene scene;
  const auto receipt = stop_by(scene.stopper, {.only = scene.owner.identity});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == scene.owner.identity);
}

TEST_CASE("a stop of one owner leaves every other one alone, and names it", "[stop][only][F26][F27]") {
  Scene scene;
  genie::ProcessIdentity wanted = scene.owner.identity;
  SECTION("of another PID") { wanted.pid += 1; }
  SECTION("of another start") { wanted.start.value -= 1; }
  SECTION("of an unknown start") { wanted.start = {}; }
  const auto receipt = stop_by(scene.stopper, {.only = wanted});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::another);
  CHECK(receipt->target == wanted);
  CHECK(receipt->successor == scene.owner.identity);
  CHECK(receipt->server == genie::ProcessIdentity{});
  CHECK(receipt->evidence.reason == Reason::lock_held);
  scene.check_untouched();
}

TEST_CASE("a stop of one owner that nobody succeeded does nothing for others", "[stop][only]") {
  Machine machine;
  const genie::ProcessIdentity wanted{4711, genie::known_start(5)};
  const Contender stopper = machine.spawn();
  SECTION("an older program's live record") {
    const Contender older = machine.spawn();
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, text_of(older.identity));
    const auto receipt = stop_by(stopper, {.only = wanted});
    CHECK(receipt->outcome == StopOutcome::another);
    CHECK(receipt->successor == older.identity);
    CHECK(machine.processes.deliveries.empty());
    CHECK(stop_by(stopper, {.only = older.identity})->outcome == StopOutcome::stopped);
    machine.processes.deliveries.clear();
  }
  SECTION("a dead owner's record") {
    const Contender former = crashed_owner(machine);
    CHECK(stop_by(stopper, {.only = wanted})->outcome == StopOutcome::not_running);
    CHECK(machine.disk.exists(record_path));
    CHECK(stop_by(stopper, {.only = former.identity})->outcome == StopOutcome::cleaned);
    CHECK_FALSE(machine.disk.exists(record_path));
  }
  SECTION("a dead owner's orphans") {
    const Contender former = machine.spawn();
    Guard guard = guard_of(former);
    REQUIRE(guard.claim()->owned());
    const Contender orphan = machine.fork(former);
    former.kill();
    const auto receipt = stop_by(stopper, {.orphans = true, .only = wanted});
    CHECK(receipt->outcome == StopOutcome::another);
    CHECK(receipt->successor == former.identity);
    CHECK(orphan.is_alive());
  }
  SECTION("nothing") { CHECK(stop_by(stopper, {.only = wanted})->outcome == StopOutcome::not_running); }
  CHECK(machine.processes.deliveries.empty());
}

TEST_CASE("a newer owner that comes at any call of a stop of the older one is not signalled", "[stop][only][F26]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("before call " << at);
    Scene scene;
    const Contender newer = scene.machine.spawn();
    Guard guard = guard_of(newer);
    bool claimed = false;
    scene.stopper.calls().at_call[at] = [&] {
      scene.owner.kill();
      scene.owner.reap();
      const auto report = guard.claim({.settle = milliseconds(0)});
      claimed = report && report->owned();
    };
    const auto receipt = stop_by(scene.stopper, {.only = scene.owner.identity});
    REQUIRE(receipt);
    if (scene.stopper.calls().count() < at) break;
    for (const auto& delivery : scene.machine.processes.deliveries) CHECK(delivery.identity == scene.owner.identity);
    if (claimed) CHECK(guard.verify() == genie::Ownership::held);
  }
}

// --- before_leaving --------------------------------------------------------------------------------------------------

TEST_CASE("whoever stops a server can start the next one before anybody does so on demand", "[stop][restart]") {
  Scene scene;
  const Contender other = scene.machine.spawn();
  Guard next = guard_of(scene.stopper);
  int calls = 0;
  const auto receipt = guard_of(scene.stopper).stop({.restarting = true}, [&](const StopReceipt& so_far) {
    ++calls;
    CHECK(so_far.outcome == StopOutcome::stopped);
    CHECK(so_far.target == scene.owner.identity);
    CHECK_FALSE(scene.owner.is_alive());
    CHECK_FALSE(scene.machine.disk.exists(record_path));
    const auto refused = guard_of(other).claim({.mode = ClaimMode::automatic});
    CHECK(refused->outcome == ClaimOutcome::stopping);
    CHECK(refused->stop.restarting);
    CHECK(refused->stop.remaining == genie::default_sentinel_ttl);
    CHECK(next.claim()->owned());
  });
  REQUIRE(receipt);
  CHECK(calls == 1);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(next.verify() == genie::Ownership::held);
  CHECK_FALSE(scene.machine.disk.exists(sentinel_path));
}

TEST_CASE("what follows a stop has the whole TTL, however long the stop took", "[stop][restart]") {
  Reaction slow;
  slow.terminate_takes = seconds(7);
  Scene scene{"", slow};
  genie::Milliseconds remaining;
  const Contender other = scene.machine.spawn();
  const auto receipt = guard_of(scene.stopper).stop({.sentinel_ttl = seconds(20)}, [&](const StopReceipt&) {
    remaining = guard_of(other).status()->stop.remaining;
  });
  REQUIRE(receipt);
  CHECK(remaining == seconds(20));
}

TEST_CASE("nothing follows a stop that ended nobody", "[stop][restart]") {
  int calls = 0;
  const auto count = [&](const StopReceipt&) { ++calls; };
  SECTION("nothing runs") {
    Machine machine;
    CHECK(guard_of(machine.spawn()).stop({}, count)->outcome == StopOutcome::not_running);
  }
  SECTION("there were leftovers only") {
    Machine machine;
    (void)crashed_owner(machine);
    CHECK(guard_of(machine.spawn()).stop({}, count)->outcome == StopOutcome::cleaned);
  }
  SECTION("it can't be killed") {
    Reaction immortal = stubborn();
    immortal.kill_takes = seconds(1000);
    Scene scene{"", immortal};
    CHECK(guard_of(scene.stopper).stop({}, count)->outcome == StopOutcome::still_alive);
  }
  SECTION("it can't be signalled") {
    Scene scene;
    scene.stopper.calls().fail(Call::signal, EPERM);
    CHECK_FALSE(guard_of(scene.stopper).stop({}, count));
  }
  CHECK(calls == 0);
}

// --- cgroup ----------------------------------------------------------------------------------------------------------

TEST_CASE("all that is left in the server's cgroup is ended with it", "[stop][cgroup]") {
  Scene scene{"/app"};
  const Contender obedient = scene.spawn("/app/jobs");
  const Contender stranger = scene.spawn("/apple");
  bool kills = false;
  SECTION("by asking") {}
  SECTION("by force, once the grace is over") {
    kills = true;
    (void)scene.spawn("/app", stubborn());
  }
  const auto began = scene.machine.time.monotonic;
  const auto receipt = stop_by(scene.stopper, {.grace = seconds(3), .cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->killed_cgroup == kills);
  CHECK_FALSE(receipt->has_left);
  CHECK_FALSE(receipt->spared_cgroup);
  CHECK(scene.machine.time.monotonic - began >= (kills ? seconds(3) : seconds(0)));
  CHECK(scene.machine.time.monotonic - began < (kills ? seconds(4) : seconds(1)));
  CHECK_FALSE(obedient.is_alive());
  CHECK(stranger.is_alive());
  for (const genie::testing::Process& process : scene.machine.processes.processes) {
    const auto index = static_cast<genie::testing::ProcessIndex>(&process - scene.machine.processes.processes.data());
    if (process.cgroup.rfind("/app/", 0) == 0 || process.cgroup == "/app") CHECK(scene.machine.time.ended(index));
  }
  CHECK(scene.stopper.process.open_count() == 0);
  CHECK_FALSE(scene.machine.disk.exists(sentinel_path));
}

TEST_CASE("without being asked, a stop does not look at cgroups", "[stop][cgroup]") {
  Scene scene{"/app"};
  const Contender other = scene.spawn("/app");
  CHECK(stop_by(scene.stopper, {})->outcome == StopOutcome::stopped);
  CHECK(other.is_alive());
  for (const Call call : {Call::open_cgroup, Call::cgroup_lives, Call::close_cgroup}) {
    CHECK(scene.stopper.calls().count(call) == 0);
  }
}

TEST_CASE("a cgroup that is not the server's own is refused before anybody is signalled", "[stop][cgroup]") {
  Scene scene{"/app"};
  Reason reason = Reason::cgroup_not_own;
  int error = EBUSY;
  SECTION("somebody was in it before") { scene.spawn("/app").process.me().start = 1; }
  SECTION("it is the caller's") {
    scene.stopper.process.me().cgroup = "/app";
    error = EDEADLK;
  }
  SECTION("it is above the caller's") {
    scene.stopper.process.me().cgroup = "/app/shell";
    error = EDEADLK;
  }
  SECTION("it is the root") {
    scene.owner.process.me().cgroup = "";
    error = EDEADLK;
  }
  SECTION("there are none") {
    scene.machine.processes.has_cgroups = false;
    reason = Reason::cgroup_unusable;
    error = EOPNOTSUPP;
  }
  SECTION("it cannot be opened") {
    scene.stopper.calls().fail(Call::open_cgroup, EACCES);
    reason = Reason::cgroup_unusable;
    error = EACCES;
  }
  SECTION("whether the server still lives cannot be told") {
    scene.stopper.calls().fail(Call::wait_process, EIO);
    reason = Reason::cgroup_unusable;
    error = EIO;
  }
  const auto receipt = stop_by(scene.stopper, {.cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(receipt->evidence.reason == reason);
  CHECK(receipt->evidence.recorded == scene.owner.identity);
  CHECK(receipt->evidence.observed.error == error);
  scene.check_untouched();
}

TEST_CASE("a cgroup that may be that of the PID's next user is not believed", "[stop][cgroup][F6]") {
  Scene scene{"/app"};
  ProcessOptions stranger;
  stranger.pid = scene.owner.identity.pid;
  stranger.cgroup = "/stranger";
  scene.stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::open_cgroup) (void)scene.machine.spawn(stranger);
  };
  const auto receipt = stop_by(scene.stopper, {.cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(receipt->evidence.reason == Reason::cgroup_unusable);
  CHECK(receipt->evidence.observed.error == ESRCH);
  CHECK(scene.machine.processes.deliveries.empty());
  CHECK(scene.stopper.process.open_count() == 0);
}

TEST_CASE("who cannot be ended in a cgroup is named", "[stop][cgroup]") {
  Scene scene{"/app"};
  Reaction immortal = stubborn();
  immortal.kill_takes = seconds(1000);
  const Contender worker = scene.spawn("/app", immortal);
  bool killed = true;
  SECTION("because it does not die") {}
  SECTION("because nobody may kill it") {
    killed = false;
    scene.stopper.calls().fail(Call::signal_cgroup, EPERM, 2);
  }
  SECTION("because nobody may even ask it") {
    killed = false;
    scene.stopper.calls().fail(Call::signal_cgroup, EPERM, 1);
  }
  const auto receipt = stop_by(scene.stopper, {.grace = seconds(1), .cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->killed_cgroup == killed);
  CHECK(receipt->has_left);
  REQUIRE(receipt->left_count == 1);
  CHECK(receipt->left[0].pid == worker.identity.pid);
}

TEST_CASE("a newcomer in the same cgroup is not ended with what its predecessor left", "[stop][cgroup][F27]") {
  Scene scene{"/app"};
  const Contender newcomer = scene.spawn("/app");
  Guard next = guard_of(newcomer);
  std::uint64_t when = 1;
  SECTION("that comes before anybody was asked to end") {}
  SECTION("that comes before anybody was killed") {
    (void)scene.spawn("/app", stubborn());
    when = 2;
  }
  newcomer.process.me().reaction = when == 2 ? stubborn() : Reaction{};
  bool claimed = false;
  scene.stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::cgroup_lives || claimed || scene.owner.is_alive()) return;
    if (when == 2 && scene.stopper.calls().count(Call::signal_cgroup) == 0) return;
    claimed = next.claim({.settle = milliseconds(0)})->owned();
  };
  const auto began = scene.machine.time.monotonic;
  const auto receipt = stop_by(scene.stopper, {.grace = seconds(1), .cgroup = true});
  CHECK(scene.machine.time.monotonic - began < seconds(static_cast<std::int64_t>(when)));  // without `settle`
  REQUIRE(receipt);
  REQUIRE(claimed);
  CHECK(receipt->spared_cgroup);
  CHECK_FALSE(receipt->killed_cgroup);
  CHECK_FALSE(receipt->has_left);
  CHECK(receipt->successor == newcomer.identity);
  CHECK(newcomer.is_alive());
  CHECK(next.verify() == genie::Ownership::held);
}

TEST_CASE("whose the directory is must be known before a cgroup is ended", "[stop][cgroup]") {
  Scene scene{"/app"};
  const Contender worker = scene.spawn("/app");
  bool spared = true;
  const auto at_signal = [&](const std::function<void()>& act) {
    scene.stopper.calls().before_call = [&, act, done = false](const CallEvent& event) mutable {
      if (event.call != Call::cgroup_lives || done) return;
      done = true;
      act();
    };
  };
  genie::testing::MemoryFilesystem files = scene.spawn("").filesystem;
  SECTION("the lock file cannot be opened") {
    at_signal([&] { scene.stopper.calls().fail(Call::open, EIO); });
  }
  SECTION("the lock cannot be asked for") {
    at_signal([&] { scene.stopper.calls().fail(Call::query_lock, EIO); });
  }
  SECTION("somebody is about to claim for too long") {
    at_signal([&] {
      const auto lock = files.open({}, lock_path, genie::OpenMode::ensure, 0600);
      CHECK(files.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
    });
  }
  SECTION("another stop cleans up meanwhile") {
    spared = false;
    at_signal([&] {
      const auto lock = files.open({}, lock_path, genie::OpenMode::ensure, 0600);
      CHECK(files.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
      scene.machine.time.after(milliseconds(20), [&, lock] { files.close(lock.value); });
    });
  }
  SECTION("the lock file is gone") {
    spared = false;
    at_signal([&] { scene.machine.disk.remove(lock_path); });
  }
  SECTION("those who hold the lock are in the cgroup themselves") {
    spared = false;
    const Contender orphan = scene.machine.fork(scene.owner);
    orphan.process.me().leader = orphan.index();
  }
  const auto receipt = stop_by(scene.stopper, {.cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->spared_cgroup == spared);
  CHECK(worker.is_alive() == spared);
}

TEST_CASE("an orphaned command's cgroup is ended with it", "[stop][cgroup][F10]") {
  Scene scene{"/app"};
  const Contender command = scene.spawn("/app");
  REQUIRE(scene.guard.set_server(command.identity));
  const Contender holder = scene.machine.fork(scene.owner);
  const Contender worker = scene.spawn("/app");
  scene.owner.kill();
  scene.owner.reap();
  const auto receipt = stop_by(scene.stopper, {.cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK_FALSE(command.is_alive());
  CHECK_FALSE(holder.is_alive());
  CHECK_FALSE(worker.is_alive());
}

TEST_CASE("orphans that have ended before they are pinned have no cgroup to end", "[stop][cgroup][F10]") {
  Scene scene{"/app"};
  const Contender holder = scene.machine.fork(scene.owner);
  scene.owner.kill();
  scene.owner.reap();
  scene.stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::open_process || !holder.is_alive()) return;
    holder.kill();
    holder.reap();
  };
  const auto receipt = stop_by(scene.stopper, {.orphans = true, .cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::already_ended);
  CHECK_FALSE(scene.machine.disk.exists(record_path));
}

// --- orphans ---------------------------------------------------------------------------------------------------------

TEST_CASE("workers that end together with their server are waited for, and no orphans", "[stop][F10]") {
  Scene scene;
  const Contender worker = scene.machine.fork(scene.owner);
  scene.owner.kill();
  scene.owner.reap();
  scene.machine.time.after(milliseconds(500), [&] {
    worker.kill();
    worker.reap();
  });
  const auto receipt = stop_by(scene.stopper, {});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::cleaned);
  CHECK_FALSE(receipt->was_orphaned);
  CHECK(receipt->holder_count == 0);
  CHECK(scene.machine.processes.deliveries.empty());
}

TEST_CASE("orphans that nobody sees are said to be there, and a request to stop them is refused", "[stop][F10]") {
  Scene scene;
  const Contender worker = scene.machine.fork(scene.owner);
  worker.process.me().visibility = genie::testing::Visibility::hidden;
  scene.owner.kill();
  scene.owner.reap();
  const bool orphans = GENERATE(false, true);
  const auto receipt = stop_by(scene.stopper, {.orphans = orphans});
  REQUIRE(receipt);
  CHECK(receipt->outcome == (orphans ? StopOutcome::refused : StopOutcome::orphans_left));
  CHECK(receipt->evidence.reason == Reason::owner_gone);
  CHECK(receipt->holder_count == 0);
  CHECK(worker.is_alive());
}

TEST_CASE("an intent to stay stopped is recorded while orphans are waited for", "[stop][stay][F10]") {
  Scene scene;
  (void)scene.machine.fork(scene.owner);
  scene.owner.kill();
  scene.owner.reap();
  int error = 0;
  SECTION("once") {}
  SECTION("or is not, and the receipt says why") {
    error = EPERM;
    scene.stopper.calls().fail(Call::rename, error);
  }
  const auto receipt = stop_by(scene.stopper, {.stay = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::orphans_left);
  CHECK(receipt->stays == (error == 0));
  CHECK(receipt->sentinel_error == error);
}

TEST_CASE("an orphaned command that cannot be pinned is an error", "[stop][F10]") {
  Scene scene;
  const Contender command = scene.machine.fork(scene.owner);
  REQUIRE(scene.guard.set_server(command.identity));
  scene.owner.kill();
  scene.owner.reap();
  scene.stopper.calls().fail(Call::open_process, EMFILE);
  const auto receipt = stop_by(scene.stopper, {});
  REQUIRE_FALSE(receipt);
  CHECK(receipt.error().code == EMFILE);
  CHECK(command.is_alive());
}

}  // namespace tests::stop_options_test
