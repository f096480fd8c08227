// Claims on systems that have less than Linux: no unnamed files (macOS), no exchange, no rename that leaves what is
// there, and locks of whole files only (FreeBSD). In place of these, FreeBSD gives a file a second name, and removes a
// name only where it is that of a certain file.
#include "unit/support.hpp"

#include <genie/ensure.hpp>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "catch.hpp"

namespace tests::other_systems_test {

using genie::ClaimOutcome;
using genie::StopOutcome;
using genie::testing::CallEvent;

namespace {

void be_like_macos(Machine& machine) { machine.disk.has_unnamed = false; }
void be_like_freebsd(Machine& machine) {
  machine.disk.has_unnamed = false;
  machine.disk.has_rename_new = false;
  machine.disk.has_exchange = false;
  machine.disk.has_lock_ranges = false;
  machine.disk.has_file_unlink = true;
}

#define EACH_SYSTEM GENERATE(be_like_macos, be_like_freebsd)

/// Calls `act` just before the `nth` such call of `who`.
void before(Contender& who, Call call, std::uint64_t nth, const std::function<void()>& act) {
  who.calls().before_call = [call, nth, act](const CallEvent& event) {
    if (event.call == call && event.occurrence == nth) act();
  };
}

void check_fresh_claim(Machine& machine) {
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  INFO(fmt::format("{}", report ? fmt::format("{}", *report) : fmt::format("{}", report.error())));
  REQUIRE(report);
  REQUIRE(report->owned());
  CHECK(strangers(machine).empty());
  CHECK(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
}

}  // namespace

TEST_CASE("a claim, its loser, its stop and its release are on other systems what they are on Linux", "[claim][bsd]") {
  Machine machine;
  EACH_SYSTEM(machine);
  Contender owner = machine.spawn();
  {
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
    CHECK(machine.disk.names(directory).size() == 2);

    const Contender other = machine.spawn();
    CHECK(guard_of(other).claim()->outcome == ClaimOutcome::already_running);
    const auto running = guard_of(other).running();
    REQUIRE(running.has_value());
    CHECK(*running);
    CHECK(guard_of(other).status()->owner == owner.identity);

    REQUIRE(guard.publish_port(5433));
    CHECK(*guard_of(other).port() == 5433);
    REQUIRE(guard.release());
    CHECK_FALSE(machine.disk.exists(record_path));
    CHECK_FALSE(machine.disk.exists(port_path));
  }
  check_fresh_claim(machine);
}

TEST_CASE("a stale record is taken over on other systems, and nothing is left of it", "[claim][takeover][bsd]") {
  Machine machine;
  EACH_SYSTEM(machine);
  const Contender dead = crashed_owner(machine);
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  REQUIRE(report->owned());
  CHECK(report->taken_over.recorded == dead.identity);
  CHECK(report->generation == 2);
  CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
  CHECK(strangers(machine).empty());
  CHECK(guard.verify() == genie::Ownership::held);
}

TEST_CASE("who publishes while a stale record is being removed is found, judged, and left alone",
          "[claim][takeover][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  Contender older = machine.spawn();
  Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto publish = [&] { machine.disk.replace(record_path, text_of(older.identity)); };
  // Before the removal, which then finds another file; and after it, where the name is free for a moment.
  SECTION("before it is removed") { before(fresh, Call::unlink_file, 1, publish); }
  SECTION("after it was removed") { before(fresh, Call::link, 1, publish); }
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
  older.kill();
  older.reap();
  check_fresh_claim(machine);
}

TEST_CASE("a stale record that vanishes before it is removed is none, and one that has become another's claim stays",
          "[claim][takeover][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  Contender older = machine.spawn();
  Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  SECTION("vanished") {
    before(fresh, Call::unlink_file, 1, [&] { machine.disk.remove(record_path); });
    CHECK(guard.claim()->owned());
    CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
  }
  SECTION("rewritten in place, and seen before the removal") {
    before(fresh, Call::exchange, 1, [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
    CHECK(guard.claim()->outcome == ClaimOutcome::already_running);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("rewritten in place at the very moment of the removal: then nobody owns the directory") {
    before(fresh, Call::unlink_file, 1, [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
    CHECK(guard.claim()->outcome == ClaimOutcome::contended);
    CHECK_FALSE(machine.disk.exists(record_path));
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("killed before any call of a claim on another system, a claimant leaves nothing that stops the next",
          "[claim][crash][bsd]") {
  auto* const system = EACH_SYSTEM;
  const bool stale = GENERATE(false, true);
  for (std::size_t nth = 1;; ++nth) {
    CAPTURE(nth, stale);
    Machine machine;
    system(machine);
    if (stale) (void)crashed_owner(machine);
    Contender victim = machine.spawn();
    std::size_t calls = 0;
    victim.calls().before_call = [&](const CallEvent&) {
      if (++calls == nth) victim.kill();
    };
    (void)guard_of(victim).claim();
    const bool was_killed = calls >= nth;
    victim.kill();
    victim.reap();
    check_fresh_claim(machine);
    if (!was_killed) break;
  }
}

TEST_CASE("a call that fails in a takeover on FreeBSD is told, and the next claim wins", "[claim][faults][bsd]") {
  struct Row {
    Call call;
    int error;
    genie::Operation operation;
  };
  const auto row = GENERATE(
      Row{Call::unlink_file, EIO, genie::Operation::unlink}, Row{Call::link, EIO, genie::Operation::rename},
      Row{Call::unlink, EIO, genie::Operation::rename}, Row{Call::unlink_file, ENOSYS, genie::Operation::rename});
  CAPTURE(row.call, row.error);
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  {
    Contender fresh = machine.spawn();
    fresh.calls().fail(row.call, row.error);
    const auto report = guard_of(fresh).claim();
    REQUIRE_FALSE(report);
    // What was asked for last is what the system does not have.
    CHECK(report.error().code == (row.error == ENOSYS ? EINVAL : row.error));
    CHECK(report.error().operation == row.operation);
  }
  check_fresh_claim(machine);
}

TEST_CASE("a record that somebody deleted is restored where there are no unnamed files", "[claim][F25][bsd]") {
  Machine machine;
  EACH_SYSTEM(machine);
  Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  SECTION("it was deleted") {
    machine.disk.remove(record_path);
    REQUIRE(guard.restore_record());
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
    CHECK(guard.verify() == genie::Ownership::held);
    CHECK(strangers(machine).empty());
    // Still known as a live one where its lock file is gone.
    machine.disk.remove(lock_path);
    const Contender other = machine.spawn();
    CHECK_FALSE(guard_of(other).claim()->owned());
  }
  SECTION("another one stands there") {
    machine.disk.replace(record_path, "99:1");
    const auto restored = guard.restore_record();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().code == EEXIST);
    CHECK(machine.disk.read_file(record_path) == "99:1");
    CHECK(strangers(machine).empty());
  }
  SECTION("and killed at any call of it") {
    for (std::size_t nth = 1; nth < 40; ++nth) {
      CAPTURE(nth);
      Machine again;
      be_like_freebsd(again);
      Contender victim = again.spawn();
      {
        Guard own = guard_of(victim);
        REQUIRE(own.claim()->owned());
        again.disk.remove(record_path);
        std::size_t calls = 0;
        victim.calls().before_call = [&](const CallEvent&) {
          if (++calls == nth) victim.kill();
        };
        (void)own.restore_record();
        victim.kill();
        victim.reap();
      }
      check_fresh_claim(again);
    }
  }
}

TEST_CASE("stoppers keep each other out where only whole files can be locked, also beside an owner", "[stop][bsd]") {
  Machine machine;
  be_like_freebsd(machine);

  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender stopper = machine.spawn();
  const auto receipt = guard_of(stopper).stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  CHECK(machine.disk.exists("/tmp/state/serve.stopping.guard"));
  check_fresh_claim(machine);
}

TEST_CASE("a stopper waits for another one's lock on the guard, and starts anew where that file was replaced",
          "[stop][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  const std::string guard_path = "/tmp/state/serve.stopping.guard";
  machine.disk.write_file(guard_path, "");
  Contender other = machine.spawn();
  Contender stopper = machine.spawn();
  const auto held = other.filesystem.open({}, guard_path.c_str(), genie::OpenMode::read_write, 0600);
  REQUIRE(held.ok());
  REQUIRE(other.filesystem.try_lock(held.value, genie::detail::owner_byte, 1).ok());
  SECTION("it is given up in time") {
    machine.time.after(genie::milliseconds(700), [&] { other.filesystem.close(held.value); });
    const auto receipt = guard_of(stopper).stop({.stay = true});
    REQUIRE(receipt);
    CHECK(receipt->sentinel_error == 0);
    CHECK(machine.disk.exists(sentinel_path));
  }
  SECTION("it is replaced") {
    before(stopper, Call::try_lock, 2, [&] { machine.disk.replace(guard_path, ""); });
    const auto receipt = guard_of(stopper).stop({.stay = true});
    REQUIRE(receipt);
    CHECK(receipt->sentinel_error == 0);
    CHECK(machine.disk.exists(sentinel_path));
  }
  SECTION("it is removed") {
    before(stopper, Call::try_lock, 2, [&] { machine.disk.remove(guard_path); });
    const auto receipt = guard_of(stopper).stop({.stay = true});
    REQUIRE(receipt);
    CHECK(receipt->sentinel_error == 0);
    CHECK(machine.disk.exists(guard_path));
  }
  SECTION("never") {
    const auto receipt = guard_of(stopper).stop({.stay = true});
    REQUIRE(receipt);
    CHECK(receipt->sentinel_error == ETIMEDOUT);
    CHECK_FALSE(machine.disk.exists(sentinel_path));
  }
}

TEST_CASE("what a crashed takeover has put aside is put back where nothing can be exchanged",
          "[claim][leftovers][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  Contender victim = machine.spawn();
  before(victim, Call::link, 1, [&] { victim.kill(); });
  (void)guard_of(victim).claim();
  REQUIRE(strangers(machine).size() == 1);
  const std::string temporary = std::string{directory} + "/" + strangers(machine)[0];
  victim.reap();
  // A record of a living program under the temporary name, and a dead one's in its place.
  const Contender older = machine.spawn();
  machine.disk.replace(temporary, text_of(older.identity));
  machine.disk.write_file(record_path, "99:1");
  Contender fresh = machine.spawn();
  SECTION("it is put back") {}
  SECTION("the dead one vanishes") {
    before(fresh, Call::unlink_file, 1, [&] { machine.disk.remove(record_path); });
  }
  SECTION("the dead one is replaced by another dead one") {
    before(fresh, Call::unlink_file, 1, [&] { machine.disk.replace(record_path, "98:1"); });
  }
  SECTION("its old name is removed by somebody else") {
    before(fresh, Call::unlink, 1, [&] { machine.disk.remove(temporary); });
  }
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
}

namespace {

/// A crashed takeover has put the record of `older`, who lives, aside, and a dead one's has come into its place.
/// Returns: where it is.
std::string put_aside(Machine& machine, const Contender& older) {
  (void)crashed_owner(machine);
  Contender victim = machine.spawn();
  before(victim, Call::link, 1, [&] { victim.kill(); });
  (void)guard_of(victim).claim();
  const std::string temporary = std::string{directory} + "/" + strangers(machine)[0];
  victim.reap();
  machine.disk.replace(temporary, text_of(older.identity));
  machine.disk.write_file(record_path, "99:1");
  return temporary;
}

}  // namespace

TEST_CASE("what a crashed takeover has put aside stays where it can't be put back, and the claim says why",
          "[claim][leftovers][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  const Contender older = machine.spawn();
  const std::string temporary = put_aside(machine, older);
  Contender fresh = machine.spawn();
  fresh.calls().fail(Call::unlink_file, EIO);
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == genie::Operation::unlink);
  CHECK(machine.disk.read_file(temporary) == text_of(older.identity));
}

TEST_CASE("a FreeBSD that can't remove a certain file's name moves a dead record aside for one that was put aside",
          "[claim][leftovers][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  const Contender older = machine.spawn();
  (void)put_aside(machine, older);
  Contender fresh = machine.spawn();
  fresh.calls().fail(Call::unlink_file, ENOSYS);
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
}

TEST_CASE("an expired sentinel is swept where stoppers lock a file of their own", "[sentinel][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  machine.disk.make_directory(directory);
  machine.disk.write_file(sentinel_path, "1\n");
  const Contender starter = machine.spawn();
  Guard guard = guard_of(starter);
  const auto report = guard.claim({.mode = genie::ClaimMode::automatic});
  REQUIRE(report);
  CHECK(report->owned());
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  // Nobody keeps the lock.
  const Contender stopper = machine.spawn();
  CHECK(guard_of(stopper).stop({.stay = true})->sentinel_error == 0);
}

TEST_CASE("a guard file that is none is an error, and the stop goes on without a sentinel", "[stop][bsd]") {
  Machine machine;
  be_like_freebsd(machine);
  (void)crashed_owner(machine);
  const std::string guard_path = "/tmp/state/serve.stopping.guard";
  Contender stopper = machine.spawn();
  int error = 0;
  SECTION("a link") {
    machine.disk.make_symbolic_link(guard_path, "/victim");
    error = ELOOP;
  }
  SECTION("a FIFO") {
    machine.disk.make_fifo(guard_path);
    error = EINVAL;
  }
  SECTION("none, because the directory is gone") {
    before(stopper, Call::try_lock, 1, [&] { machine.disk.remove(directory); });
    error = ENOENT;
  }
  const auto receipt = guard_of(stopper).stop({.stay = true});
  REQUIRE(receipt);
  CHECK(receipt->sentinel_error == error);
}

TEST_CASE("a server that was started on demand takes its claim over where nothing can be exchanged", "[ensure][bsd]") {
  Machine machine;
  EACH_SYSTEM(machine);
  genie::ProcessIdentity server;
  std::optional<Guard> servers_guard;
  machine.programs["/usr/bin/server"] = [&](Contender& child) {
    server = child.identity;
    servers_guard.emplace(guard_of(child));
    const auto claim = servers_guard->claim();
    CHECK((claim && claim->owned() && claim->adopted));
  };
  Contender starter = machine.spawn();
  genie::LaunchPlan plan;
  plan.program = "/usr/bin/server";
  Guard guard = guard_of(starter);
  const auto report = genie::ensure(guard, starter.launcher, plan);
  REQUIRE(report);
  CHECK(report->owner == server);
  CHECK(machine.disk.read_file(record_path) == text_of(server));
  CHECK(strangers(machine).empty());
}

TEST_CASE("each call of a restored record that fails is told, and the next one restores it", "[claim][faults][bsd]") {
  auto* const system = EACH_SYSTEM;
  for (std::uint64_t nth = 1;; ++nth) {
    CAPTURE(nth);
    Machine machine;
    system(machine);
    Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(1));  // whose temporary name is still in the lock's record
    machine.disk.remove(record_path);
    owner.calls().clear();
    owner.calls().fail(Call::any, EIO, nth);
    const auto restored = guard.restore_record();
    const bool has_failed = owner.calls().count(Call::any) >= nth;
    owner.calls().clear();
    if (!restored) {
      CHECK(restored.error().code == EIO);
      if (!machine.disk.exists(record_path)) CHECK(guard.restore_record());
    }
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
    CHECK(guard.verify() != genie::Ownership::record_missing);
    if (!has_failed) break;
  }
}

TEST_CASE("a record that is published although that failed is not taken for somebody else's", "[claim][bsd][F16]") {
  Machine machine;
  be_like_freebsd(machine);
  machine.processes.has_proc = GENERATE(true, false);
  const auto times = GENERATE(as<std::uint64_t>(), 1, 2, 16);
  CAPTURE(machine.processes.has_proc, times);
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::unlink, EIO, 1, times);  // of its first name
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == genie::Operation::rename);
  CHECK(machine.disk.open_count(fresh.index()) == 0);
  CHECK(guard_of(machine.spawn()).claim()->owned());
  CHECK(strangers(machine).empty());
}

}  // namespace tests::other_systems_test
