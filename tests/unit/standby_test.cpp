// The hot standby: who takes over when, what it waits for, and when it must not.
#include "support.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::standby_test {

using namespace tests;
using genie::ClaimOutcome;
using genie::ClaimReport;
using genie::Milliseconds;
using genie::milliseconds;
using genie::Reason;
using genie::seconds;
using genie::StandbyOptions;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;

namespace {

StandbyOptions waiting_for(Milliseconds patience) {
  StandbyOptions options;
  options.patience = patience;
  return options;
}

/// An owner that lives, and its guard.
struct Owner {
  explicit Owner(Machine& machine, const ProcessOptions& options = {})
      : contender{machine.spawn(options)}, guard{guard_of(contender)} {
    REQUIRE(guard.claim()->owned());
  }
  Contender contender;
  Guard guard;
};

/// Waits as `contender`. Returns: when it claimed, in milliseconds from now.
std::int64_t takes_over_after(Machine& machine, Guard& guard) {
  const auto began = machine.time.monotonic;
  const auto report = guard.claim_when_free(waiting_for(seconds(100)));
  REQUIRE(report);
  CHECK(report->owned());
  return (machine.time.monotonic - began).count();
}

}  // namespace

TEST_CASE("a standby claims at once where nobody owns the directory", "[standby]") {
  Machine machine;
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  CHECK(takes_over_after(machine, guard) == 0);
  CHECK(me.calls().count(Call::watch) == 0);
  CHECK(me.calls().count(Call::close_process) == 0);  // there was none to close
  // And says so again where it owns it itself.
  CHECK(guard.claim_when_free()->generation == 1);
  CHECK(guard.claim_when_free()->owner == me.identity);
}

TEST_CASE("a standby takes over when the owner ends or releases, and not before", "[standby]") {
  Machine machine;
  ProcessOptions options;
  const bool is_elsewhere = GENERATE(false, true);
  CAPTURE(is_elsewhere);
  if (is_elsewhere) options.pid_namespace = 77;
  Owner owner{machine, options};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  SECTION("dies") {
    machine.time.after(milliseconds(300), [&] { owner.contender.kill(); });
  }
  SECTION("releases and lives on") {
    machine.time.after(milliseconds(300), [&] { CHECK(owner.guard.release()); });
  }
  CHECK(takes_over_after(machine, guard) == 300);
  CHECK(me.calls().count(Call::open_process) == (is_elsewhere ? 0 : 1));
  CHECK(me.process.open_count() == 0);
  // The watch is not taken down before the server can start, but with the claim.
  CHECK(me.calls().count(Call::close_watch) == 0);
  CHECK(guard.release());
  CHECK(me.calls().count(Call::close_watch) == 1);
  CHECK(machine.disk.open_count(me.index()) == 0);
  CHECK(strangers(machine).empty());
}

TEST_CASE("where nothing can be watched, a standby learns of the owner's end at once and of a release soon",
          "[standby]") {
  Machine machine;
  machine.disk.has_watch = false;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  SECTION("the end") {
    machine.time.after(milliseconds(305), [&] { owner.contender.kill(); });
    CHECK(takes_over_after(machine, guard) == 305);
  }
  SECTION("a release") {
    machine.time.after(milliseconds(305), [&] { CHECK(owner.guard.release()); });
    CHECK(takes_over_after(machine, guard) <= 325);
  }
  SECTION("the end of one that can't be seen") {
    me.calls().fail(Call::open_process, EPERM, 1, 100);
    machine.time.after(milliseconds(305), [&] { owner.contender.kill(); });
    CHECK(takes_over_after(machine, guard) <= 325);
    CHECK(me.calls().count(Call::wait_process) == 0);
    CHECK(me.calls().count(Call::close_process) == 0);
  }
}

TEST_CASE("a standby that hears of a change before the owner has ended waits for its end", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  const Contender other = machine.spawn();
  // As Linux does it: first it tells of the closed file, and then it drops the lock.
  machine.time.after(milliseconds(300), [&] {
    (void)guard_of(other).claim();
    machine.time.after(milliseconds(1), [&] { owner.contender.kill(); });
  });
  CHECK(takes_over_after(machine, guard) == 301);
  CHECK(me.calls().count(Call::wait_process) == 1);
}

TEST_CASE("a standby is not kept busy by others that try to claim", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  for (int at = 1; at <= 20; ++at) {
    machine.time.after(milliseconds(at * 50), [&] { (void)guard_of(machine.spawn()).claim(); });
  }
  machine.time.after(seconds(2), [&] { owner.contender.kill(); });
  CHECK(takes_over_after(machine, guard) == 2000);
  // It looks after each of them, and claims only where the lock is free.
  CHECK(me.calls().count(Call::try_lock) <= 4);
  CHECK(me.calls().count(Call::query_lock) < 300);
}

TEST_CASE("a standby does not take over while a stop sentinel stands", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  int told = 0;
  const auto keep_waiting = [&](const ClaimReport& report) {
    if (report.outcome == ClaimOutcome::stopping) ++told;
    return true;
  };
  const auto began = machine.time.monotonic;
  const auto stand = [&] {
    machine.disk.write_file(sentinel_path, std::to_string((machine.time.wall + seconds(20)).count()));
  };
  SECTION("that is taken away in the end") {
    stand();
    machine.time.after(milliseconds(300), [&] { owner.contender.kill(); });
    machine.time.after(seconds(5), [&] { machine.disk.remove(sentinel_path); });
    CHECK(guard.claim_when_free(waiting_for(seconds(100)), keep_waiting)->owned());
    CHECK((machine.time.monotonic - began) == seconds(5));
  }
  SECTION("that is put up while the standby waits for the owner") {
    machine.time.after(milliseconds(200), stand);
    machine.time.after(milliseconds(300), [&] { owner.contender.kill(); });
    machine.time.after(seconds(5), [&] { machine.disk.remove(sentinel_path); });
    CHECK(guard.claim_when_free(waiting_for(seconds(100)), keep_waiting)->owned());
    CHECK((machine.time.monotonic - began) == seconds(5));
  }
  SECTION("that its writer left") {
    stand();
    owner.contender.kill();
    CHECK(guard.claim_when_free(waiting_for(seconds(100)), keep_waiting)->owned());
    CHECK((machine.time.monotonic - began) >= seconds(20));
    CHECK((machine.time.monotonic - began) <= milliseconds(20'250));
  }
  SECTION("for longer than it has patience") {
    stand();
    const auto report = guard.claim_when_free(waiting_for(seconds(3)), keep_waiting);
    CHECK(report->outcome == ClaimOutcome::stopping);
    CHECK((machine.time.monotonic - began) == seconds(3));
  }
  SECTION("and becomes unreadable: the claim tells") {
    stand();
    machine.time.after(milliseconds(300), [&] {
      machine.disk.remove(sentinel_path);
      machine.disk.make_directory(sentinel_path);
    });
    const auto report = guard.claim_when_free(waiting_for(seconds(100)), keep_waiting);
    CHECK(report.error().kind == genie::ErrorKind::not_a_regular_file);
  }
  SECTION("that is taken away from an owner who lives on") {
    stand();
    machine.time.after(seconds(1), [&] { machine.disk.remove(sentinel_path); });
    machine.time.after(seconds(5), [&] { owner.contender.kill(); });
    CHECK(guard.claim_when_free(waiting_for(seconds(100)), keep_waiting)->owned());
    CHECK((machine.time.monotonic - began) == seconds(5));
  }
  SECTION("in a directory that cannot be opened once") {
    stand();
    machine.time.after(milliseconds(300), [&] { me.calls().fail(Call::open_directory, EACCES); });
    machine.time.after(seconds(1), [&] { owner.contender.kill(); });
    machine.time.after(seconds(5), [&] { machine.disk.remove(sentinel_path); });
    CHECK(guard.claim_when_free(waiting_for(seconds(100)), keep_waiting)->owned());
    CHECK((machine.time.monotonic - began) == seconds(5));
  }
  SECTION("in a directory that goes away") {
    stand();
    machine.time.after(milliseconds(300), [&] { me.calls().fail(Call::open_directory, EACCES, 1, 2); });
    const auto report = guard.claim_when_free(waiting_for(seconds(100)), keep_waiting);
    CHECK(report.error().code == EACCES);
  }
  CHECK(told >= 1);
  if (!guard.owns()) CHECK(machine.disk.open_count(me.index()) == 0);
}

TEST_CASE("an explicit start is no standby's to ask for", "[standby]") {
  Machine machine;
  const Contender me = machine.spawn();
  machine.disk.make_directory(directory);
  machine.disk.write_file(sentinel_path, std::to_string((machine.time.wall + seconds(20)).count()));
  StandbyOptions options = waiting_for(seconds(1));
  options.claim.mode = genie::ClaimMode::explicit_start;
  CHECK(guard_of(me).claim_when_free(options)->outcome == ClaimOutcome::stopping);
}

TEST_CASE("a standby does not take over from a server that is being restarted", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  std::vector<ClaimOutcome> told;
  Guard stopper = guard_of(machine.spawn());
  const auto stopped = stopper.stop({.restarting = true}, [&](const genie::StopReceipt&) {
    told.push_back(guard_of(me).claim_when_free(waiting_for(Milliseconds{}))->outcome);
  });
  REQUIRE(stopped);
  CHECK(told == std::vector<ClaimOutcome>{ClaimOutcome::stopping});
}

TEST_CASE("a standby gives up when its patience ends or when it is told to", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  const auto began = machine.time.monotonic;
  SECTION("its patience") {
    const auto report = guard.claim_when_free(waiting_for(milliseconds(1234)));
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == owner.contender.identity);
    CHECK(machine.time.monotonic - began == milliseconds(1234));
  }
  SECTION("the least patience") {
    CHECK(guard.claim_when_free(waiting_for(milliseconds(1)))->outcome == ClaimOutcome::already_running);
    CHECK(machine.time.monotonic - began == milliseconds(1));
  }
  SECTION("no patience at all") {
    CHECK(guard.claim_when_free(waiting_for(Milliseconds{}))->outcome == ClaimOutcome::already_running);
    CHECK(machine.time.monotonic == began);
  }
  SECTION("at once") {
    std::vector<ClaimOutcome> told;
    const auto report = guard.claim_when_free({}, [&](const ClaimReport& seen) {
      told.push_back(seen.outcome);
      return false;
    });
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(told == std::vector<ClaimOutcome>{ClaimOutcome::already_running});
    CHECK(machine.time.monotonic == began);
  }
  SECTION("after a signal, which interrupts the wait") {
    const bool is_watched = GENERATE(true, false);
    machine.disk.has_watch = is_watched;
    me.calls().fail(is_watched ? Call::wait : Call::wait_process, EINTR, 2);
    int told = 0;
    const auto report = guard.claim_when_free({}, [&](const ClaimReport&) { return ++told < 2; });
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(told == 2);
  }
  CHECK(machine.disk.open_count(me.index()) == 0);
  CHECK(me.process.open_count() == 0);
  CHECK(owner.guard.verify() == genie::Ownership::held);
}

TEST_CASE("a standby outlives what fails while it waits", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.time.after(milliseconds(305), [&] { owner.contender.kill(); });
  std::uint64_t watches = 0;
  SECTION("the watch") {
    me.calls().fail(Call::wait, EIO);
    watches = 2;
  }
  SECTION("each watch: it looks now and then") {
    me.calls().fail(Call::wait, EIO, 1, 1000);
    watches = 16;  // fifty a second, until the owner ends
  }
  SECTION("the owner's handle") {
    machine.disk.has_watch = false;
    me.calls().fail(Call::wait_process, EIO);
  }
  SECTION("the look at the owner") { me.calls().fail(Call::look, EIO, 2, 100); }
  SECTION("a query: it claims instead, and is told who owns it") {
    me.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::wait) me.calls().fail(Call::query_lock, EIO);
      if (event.call == Call::wait) me.calls().before_call = {};
    };
  }
  SECTION("a look at its record") {
    machine.time.after(milliseconds(300), [&] {
      (void)guard_of(machine.spawn()).claim();
      me.calls().fail(Call::read_at, EIO);
    });
  }
  SECTION("the record becomes noise") {
    machine.time.after(milliseconds(300), [&] { machine.disk.write_file(lock_path, "noise"); });
  }
  SECTION("a look at the lock file") {
    me.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::wait) me.calls().fail(Call::stat, EIO);
      if (event.call == Call::wait) me.calls().before_call = {};
    };
  }
  const std::int64_t took = takes_over_after(machine, guard);
  CHECK(took >= 305);
  CHECK(took <= 325);
  if (watches != 0) CHECK(me.calls().count(Call::watch) == watches);
  CHECK(me.process.open_count() == 0);
}

TEST_CASE("an error of a standby's claim is told", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  machine.time.after(milliseconds(300), [&] {
    me.calls().fail(Call::try_lock, ENOLCK);
    owner.contender.kill();
  });
  Guard guard = guard_of(me);
  const auto report = guard.claim_when_free();
  CHECK(report.error().code == ENOLCK);
  CHECK(machine.disk.open_count(me.index()) == 0);
  CHECK(me.process.open_count() == 0);
}

TEST_CASE("what keeps a standby from seeing the lock is told by the claim", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  const bool is_opened = GENERATE(false, true);
  CAPTURE(is_opened);
  std::uint64_t asked = 0;
  machine.time.after(milliseconds(300), [&] {
    (void)guard_of(machine.spawn()).claim();  // which ends the wait
    me.calls().fail(is_opened ? Call::stat : Call::open, EIO, 1, 100);
    asked = me.calls().count(Call::query_lock);
  });
  const auto began = machine.time.monotonic;
  const auto report = guard_of(me).claim_when_free(waiting_for(seconds(100)));
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(machine.time.monotonic - began == milliseconds(300));
  // Nothing is asked of a file that is not open.
  if (!is_opened) CHECK(me.calls().count(Call::query_lock) == asked);
  CHECK(machine.disk.open_count(me.index()) == 0);
}

TEST_CASE("a standby follows the lock file when somebody replaces it", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  SECTION("the lock file is deleted, and its owner lives on") {
    machine.time.after(milliseconds(300), [&] { machine.disk.remove(lock_path); });
    machine.time.after(seconds(3), [&] { owner.contender.kill(); });
    CHECK(takes_over_after(machine, guard) == 3000);
  }
  SECTION("another owner has a lock file of its own") {
    const Contender next = machine.spawn();
    Guard next_guard = guard_of(next);
    machine.time.after(milliseconds(300), [&] {
      machine.disk.remove(lock_path);
      machine.disk.remove(record_path);
      CHECK(next_guard.claim()->owned());
    });
    machine.time.after(seconds(3), [&] { next.kill(); });
    CHECK(takes_over_after(machine, guard) == 3000);
    CHECK(me.calls().count(Call::watch) == 2);
  }
}

TEST_CASE("a standby waits for the end of an older program, which has no lock", "[standby]") {
  Machine machine;
  ProcessOptions options;
  options.pid = 4711;
  const Contender older = machine.spawn(options);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, text_of(older.identity));
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  SECTION("whose start is known") {
    machine.time.after(seconds(3), [&] { older.kill(); });
    CHECK(takes_over_after(machine, guard) == 3000);
  }
  SECTION("whose start is not") {
    machine.disk.write_file(record_path, "4711:unknown");
    machine.time.after(seconds(3), [&] { older.kill(); });
    CHECK(takes_over_after(machine, guard) <= 3250);
  }
  SECTION("with a claim at once and again soon, and then ever less often") {
    const bool is_short = GENERATE(false, true);
    const auto began = machine.time.monotonic;
    std::vector<std::int64_t> asked_at;
    const auto report = guard.claim_when_free(waiting_for(milliseconds(is_short ? 4 : 800)), [&](const ClaimReport&) {
      asked_at.push_back((machine.time.monotonic - began).count());
      return true;
    });
    CHECK(report->outcome == ClaimOutcome::already_running);
    std::vector<std::int64_t> expected{0, 0, 1, 3, 4};
    if (!is_short) expected = {0, 0, 1, 3, 7, 15, 31, 63, 127, 255, 505, 755, 800};
    CHECK(asked_at == expected);
    // One handle does for all of it, and no wait that is over before it begins.
    CHECK(me.calls().count(Call::open_process) == 1);
    CHECK(me.calls().count(Call::wait_process) == expected.size() - 2);
  }
  SECTION("for as long as it has patience") {
    const auto began = machine.time.monotonic;
    CHECK(guard.claim_when_free(waiting_for(milliseconds(1100)))->outcome == ClaimOutcome::already_running);
    CHECK(machine.time.monotonic - began == milliseconds(1100));
  }
  CHECK(me.calls().count(Call::try_lock) < 60);
}

TEST_CASE("a standby goes on waiting when another one was faster", "[standby]") {
  Machine machine;
  const bool is_starting = GENERATE(false, true);
  Owner owner{machine};
  const Contender faster = machine.spawn();
  Guard faster_guard = guard_of(faster);
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.time.after(milliseconds(300), [&] {
    owner.contender.kill();
    CHECK(faster_guard.claim({.starting = is_starting})->owned());
  });
  machine.time.after(milliseconds(700), [&] { faster.kill(); });
  std::vector<genie::ProcessIdentity> owners;
  const auto report = guard.claim_when_free(waiting_for(seconds(100)), [&](const ClaimReport& seen) {
    owners.push_back(seen.owner);
    return true;
  });
  CHECK(report->owned());
  CHECK(report->generation == 3);
  // It is told of the new one, whose end it waits for then.
  CHECK(owners == std::vector<genie::ProcessIdentity>{owner.contender.identity, faster.identity});
  CHECK(me.calls().count(Call::open_process) == 2);
  CHECK(me.calls().count(Call::wait_process) == 1);  // after its own claim in vain, a change like any other
  CHECK(me.process.open_count() == 0);
}

TEST_CASE("a standby does not claim against a start that has not come to its end", "[standby]") {
  Machine machine;
  Owner owner{machine};
  const Contender starter = machine.spawn();
  Guard starter_guard = guard_of(starter);
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.time.after(milliseconds(300), [&] {
    owner.contender.kill();
    CHECK(starter_guard.claim({.launching = true})->owned());
  });
  machine.time.after(seconds(3), [&] { starter.kill(); });
  int told = 0;
  const auto began = machine.time.monotonic;
  const auto report = guard.claim_when_free(waiting_for(seconds(100)), [&](const ClaimReport&) {
    ++told;
    return true;
  });
  CHECK(report->owned());
  CHECK(report->generation == 3);
  CHECK(machine.time.monotonic - began == seconds(3));
  CHECK(told == 1);  // of the owner, and of no claim in vain since
  CHECK(me.calls().count(Call::open_process) == 1);
}

TEST_CASE("a standby follows an owner into another PID namespace", "[standby][F8]") {
  Machine machine;
  Owner owner{machine};
  ProcessOptions elsewhere;
  elsewhere.pid_namespace = 77;
  const Contender next = machine.spawn(elsewhere);
  Guard next_guard = guard_of(next);
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.time.after(milliseconds(300), [&] {
    owner.contender.kill();
    CHECK(next_guard.claim()->owned());
  });
  machine.time.after(milliseconds(700), [&] { next.kill(); });
  CHECK(takes_over_after(machine, guard) == 700);
  CHECK(me.calls().count(Call::open_process) == 1);
  CHECK(me.process.open_count() == 0);
}

TEST_CASE("a standby waits for the end of a claim of which nobody knows whose it is", "[standby]") {
  Machine machine;
  machine.disk.make_directory(directory);
  Contender stranger = machine.spawn();
  const auto lock = stranger.filesystem.open({}, lock_path, genie::OpenMode::ensure, 0600);
  REQUIRE(stranger.filesystem.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
  machine.time.after(seconds(3), [&] { stranger.kill(); });
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  CHECK(takes_over_after(machine, guard) == 3000);
  CHECK(me.calls().count(Call::open_process) == 0);
}

TEST_CASE("a standby looks again soon after a change, for a lock that is dropped without another", "[standby]") {
  Machine machine;
  ProcessOptions elsewhere;
  elsewhere.pid_namespace = 77;
  Owner owner{machine, elsewhere};
  machine.time.after(milliseconds(300), [&] { (void)guard_of(machine.spawn()).claim(); });
  machine.time.after(milliseconds(302), [&] {
    machine.disk.remove(record_path);  // its record is pinned by a lock of its own
    REQUIRE(owner.contender.filesystem.unlock(owner.guard.held().lock, genie::detail::owner_byte, 2).ok());
  });
  Guard guard = guard_of(machine.spawn());
  CHECK(takes_over_after(machine, guard) <= 304);
}

TEST_CASE("a standby whose time is nearly up looks no longer than that", "[standby]") {
  Machine machine;
  machine.disk.has_watch = false;
  Owner owner{machine};
  const auto began = machine.time.monotonic;
  Guard guard = guard_of(machine.spawn());
  CHECK(guard.claim_when_free(waiting_for(milliseconds(7)))->outcome == ClaimOutcome::already_running);
  CHECK(machine.time.monotonic - began == milliseconds(7));
}

TEST_CASE("a standby waits for the lock that an owner has released, and not for that owner's end", "[standby][F10]") {
  Machine machine;
  Owner owner{machine};
  const Contender child = machine.fork(owner.contender);
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.time.after(milliseconds(300), [&] { CHECK(owner.guard.release()); });
  machine.time.after(seconds(4), [&] { child.kill(); });
  CHECK(takes_over_after(machine, guard) == 4000);
  CHECK(owner.contender.is_alive());
  CHECK(me.calls().count(Call::open_process) == 1);
  CHECK(me.calls().count(Call::wait_process) == 0);
  CHECK(me.process.open_count() == 0);
}

TEST_CASE("what a dead owner's child holds on to is waited for as well", "[standby][F10]") {
  Machine machine;
  Owner owner{machine};
  const Contender child = machine.fork(owner.contender);
  const Contender me = machine.spawn();
  Guard guard = guard_of(me);
  machine.disk.has_watch = GENERATE(true, false);
  machine.time.after(milliseconds(300), [&] { owner.contender.kill(); });
  machine.time.after(seconds(4), [&] { child.kill(); });
  me.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::query_lock && event.occurrence > 1000) child.kill();  // it does not wait at all
  };
  CHECK(takes_over_after(machine, guard) == 4000);
}

}  // namespace tests::standby_test
