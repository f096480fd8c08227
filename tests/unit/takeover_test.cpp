// Taking over a stale record while others are at it, too: exchange, compare, put back, and judge again.
#include "support.hpp"

#include <cerrno>
#include <functional>
#include <string>

#include "catch.hpp"

namespace tests::takeover_test {

using namespace tests;
using genie::ClaimOutcome;
using genie::Operation;
using genie::Reason;
using genie::testing::CallEvent;

namespace {

constexpr std::string_view stale = "99:1";
constexpr std::string_view other_stale = "98:1";

/// The directory with an older program's stale record, and a contender that takes it over.
struct Takeover {
  struct Hook {
    Call call;
    std::uint64_t occurrence;
    std::function<void()> act;
  };

  Machine machine;
  std::vector<Hook> hooks;  // outlives the guard, whose destructor makes calls

  Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  genie::Milliseconds began = machine.time.monotonic;

  Takeover() {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, stale);
  }
  /// The temporary files that are there.
  [[nodiscard]] std::vector<std::string> temporary() const { return strangers(machine); }
  void remove_temporary() {
    for (const std::string& name : temporary()) machine.disk.remove(std::string{directory} + "/" + name);
  }
  void before(Call call, std::uint64_t occurrence, const std::function<void()>& act) {
    hooks.push_back({call, occurrence, act});
    fresh.calls().before_call = [this](const CallEvent& event) {
      for (const Hook& hook : hooks) {
        if (event.call == hook.call && event.occurrence == hook.occurrence) hook.act();
      }
    };
  }
};

}  // namespace

TEST_CASE("a stale record that is rewritten in place is judged again", "[claim][takeover][F3]") {
  Takeover takeover;
  const Contender older = takeover.machine.spawn();
  SECTION("by a live one") {
    takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.write_file(record_path, text_of(older.identity)); });
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("by another stale one, which is taken over instead") {
    takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.write_file(record_path, other_stale); });
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(report->taken_over.recorded.pid == 98);
    CHECK(report->generation == 1);
  }
  CHECK(takeover.machine.time.monotonic == takeover.began);
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a stale record that is emptied in place has the grace of an empty one", "[claim][takeover][F2][F3]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  // Neither names anybody: only their kinds differ.
  machine.disk.write_file(record_path, "noise");
  takeover.before(Call::exchange, 1, [&] { machine.disk.write_file(record_path, ""); });
  SECTION("in which its writer comes to its end") {
    const Contender older = machine.spawn();
    machine.time.after(genie::milliseconds(500),
                       [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
    CHECK(takeover.fresh.calls().count(Call::exchange) == 2);  // there and back
  }
  SECTION("and is taken over after that") {
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(report->taken_over.reason == Reason::empty_record);
    CHECK(machine.time.monotonic - takeover.began >= genie::seconds(2));
  }
  CHECK(takeover.temporary().empty());
}

TEST_CASE("our own record that vanishes before it could be taken back leaves room for the displaced one",
          "[claim][takeover][F3]") {
  Takeover takeover;
  const Contender older = takeover.machine.spawn();
  takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.replace(record_path, text_of(older.identity)); });
  takeover.before(Call::exchange, 2, [&] { takeover.machine.disk.remove(record_path); });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.machine.time.monotonic == takeover.began);
  CHECK(takeover.temporary().empty());
}

TEST_CASE("what another one settles between two exchanges is judged again", "[claim][takeover][F3]") {
  Takeover takeover;
  const Contender older = takeover.machine.spawn();
  takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.replace(record_path, text_of(older.identity)); });
  takeover.before(Call::exchange, 2, [&] {
    // Our own record is what comes out, and a sweeper of another lock file removes it at once.
    takeover.before(Call::stat_at, takeover.fresh.calls().count(Call::stat_at) + 1,
                    [&] { takeover.remove_temporary(); });
  });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.machine.time.monotonic == takeover.began);
  CHECK(takeover.temporary().empty());
  CHECK(takeover.machine.disk.open_count(takeover.fresh.index()) == 0);
}

TEST_CASE("a third one's record is left to the next claim, and neither is lost", "[claim][takeover][F3]") {
  Takeover takeover;
  const Contender older = takeover.machine.spawn();
  const Contender third = takeover.machine.spawn();
  takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.replace(record_path, text_of(older.identity)); });
  SECTION("it replaced ours before that was taken back") {
    takeover.before(Call::exchange, 2, [&] { takeover.machine.disk.replace(record_path, text_of(third.identity)); });
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::contended);
    CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
    REQUIRE(takeover.temporary().size() == 1);
    CHECK(takeover.machine.disk.read_file(std::string{directory} + "/" + takeover.temporary()[0]) ==
          text_of(third.identity));
  }
  SECTION("it published where ours had vanished") {
    takeover.before(Call::exchange, 2, [&] { takeover.machine.disk.remove(record_path); });
    takeover.before(Call::rename_new, 1,
                    [&] { takeover.machine.disk.write_file(record_path, text_of(third.identity)); });
    CHECK(takeover.guard.claim()->outcome == ClaimOutcome::contended);
    CHECK(takeover.machine.disk.read_file(record_path) == text_of(third.identity));
    CHECK(takeover.temporary().size() == 1);
  }
  SECTION("nobody can say whose came out") {
    takeover.before(Call::exchange, 2, [&] { takeover.fresh.calls().fail(Call::stat_at, EIO); });
    CHECK(takeover.guard.claim()->outcome == ClaimOutcome::contended);
    CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  }
  CHECK_FALSE(takeover.guard.owns());
  CHECK(takeover.machine.disk.open_count(takeover.fresh.index()) == 0);
}

TEST_CASE("a directory that is removed under a claim is made again", "[claim][F25]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  bool removed = false;
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::create_unnamed || removed) return;
    removed = true;
    machine.disk.remove(lock_path);
    machine.disk.remove(directory);
  };
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(removed);
  CHECK(report->owned());
  CHECK(guard.verify() == genie::Ownership::held);
  CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
}

TEST_CASE("temporary names that are all taken are an error, not a loop", "[claim][takeover][F16]") {
  Takeover takeover;
  takeover.fresh.calls().decide = [](const CallEvent& event) {
    return event.call == Call::open && event.name.ends_with(".tmp") ? EEXIST : 0;
  };
  const auto report = takeover.guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::interrupted);
  CHECK(report.error().operation == Operation::create);
  CHECK(takeover.machine.disk.read_file(record_path) == stale);
}

TEST_CASE("a device that takes nothing and reports nothing is an error, not a loop", "[claim][F16]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  fresh.calls().shorten(Call::write_at, 0, 1, 1000);
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == Operation::write);
}

TEST_CASE("a release leaves a port that is not of this very claim", "[claim][release][F5]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  genie::PortRecord record = genie::parse_port_record(*machine.disk.read_file(port_path), INT64_MAX);
  bool is_ours = false;
  SECTION("ours") { is_ours = true; }
  SECTION("of another process") { record.owner.start = genie::known_start(7); }
  SECTION("of another claim") { ++record.generation; }
  SECTION("under another lock") { ++record.lock.inode; }
  machine.disk.write_file(port_path, encode_port_record(record).c_str());
  const auto report = guard_of(machine.spawn()).status();
  CHECK(report->port.standing == (is_ours ? genie::PortStanding::live : genie::PortStanding::stale));
  CHECK(report->port.port == (is_ours ? 4711 : 0));
  REQUIRE(guard.release());
  CHECK(machine.disk.exists(port_path) == !is_ours);
}

TEST_CASE("a port's temporary file that could not be removed is removed by the next publication", "[port][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  owner.calls().fail(Call::rename, EIO);
  owner.calls().fail(Call::unlink, EIO);
  const auto failed = guard.publish_port(4711);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().operation == Operation::rename);
  CHECK(strangers(machine).size() == 1);
  REQUIRE(guard.publish_port(4712));
  CHECK(strangers(machine).empty());
  CHECK(guard.port().value() == 4712);
}

TEST_CASE("a release whose lock record cannot be written removes its files all the same", "[claim][release][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  int error = 0;
  bool is_replaced = false;
  SECTION("the disk is full") {
    error = ENOSPC;
    owner.calls().fail(Call::write_at, error);
  }
  SECTION("the device fails") {
    error = EIO;
    owner.calls().fail(Call::write_at, error);
  }
  SECTION("the device fails half-way") {
    error = EIO;
    owner.calls().shorten(Call::write_at, 100);
    owner.calls().fail(Call::write_at, error, 2);
  }
  SECTION("and another record stands in the place of ours") {
    error = ENOSPC;
    owner.calls().fail(Call::write_at, error);
    is_replaced = true;
  }
  const Contender older = machine.spawn();
  if (is_replaced) machine.disk.replace(record_path, text_of(older.identity));
  const auto result = guard.release();
  REQUIRE_FALSE(result);
  CHECK(result.error().code == error);
  CHECK(result.error().operation == Operation::write);
  CHECK_FALSE(guard.owns());
  CHECK(machine.disk.exists(record_path) == is_replaced);
  if (is_replaced) CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK_FALSE(machine.disk.exists(port_path));
  CHECK(strangers(machine).empty());
  CHECK(machine.disk.open_count(owner.index()) == 0);

  const auto next = guard_of(machine.spawn()).claim();
  REQUIRE(next);
  CHECK(next->outcome == (is_replaced ? ClaimOutcome::already_running : ClaimOutcome::claimed));
  CHECK(strangers(machine).empty());
}

TEST_CASE("a claim whose last write fails leaves nothing", "[claim][F16]") {
  Machine machine;
  const bool takes_over = GENERATE(false, true);
  CAPTURE(takes_over);
  if (takes_over) {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, stale);
  }
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const std::uint64_t writes = [&] {
    Machine copy = machine;
    const Contender same = copy.contender(fresh.index());
    Guard rehearsal = guard_of(same);
    REQUIRE(rehearsal.claim()->owned());
    return same.calls().count(Call::write_at);
  }();
  CHECK(writes == (takes_over ? 4U : 3U));
  SECTION("once") { fresh.calls().fail(Call::write_at, ENOSPC, writes); }
  SECTION("as that of the release does then") { fresh.calls().fail(Call::write_at, ENOSPC, writes, 2); }
  SECTION("half-way") {
    fresh.calls().shorten(Call::write_at, 100, writes);
    fresh.calls().fail(Call::write_at, ENOSPC, writes + 1, 2);
  }
  const auto report = guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ENOSPC);
  CHECK(report.error().operation == Operation::write);
  CHECK_FALSE(guard.owns());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(strangers(machine).empty());
  CHECK(machine.disk.open_count(fresh.index()) == 0);
  CHECK(guard_of(machine.spawn()).claim()->owned());
}

TEST_CASE("a temporary file that could not be removed when the stale record vanished is removed later",
          "[claim][takeover][F16]") {
  Takeover takeover;
  takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.remove(record_path); });
  SECTION("by the same claim") {
    takeover.fresh.calls().fail(Call::unlink, EIO);
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(takeover.machine.disk.read_file(record_path) == text_of(takeover.fresh.identity));
  }
  SECTION("by the same claim, which needs another one") {
    takeover.machine.disk.has_unnamed = false;
    takeover.fresh.calls().fail(Call::unlink, EIO);
    CHECK(takeover.guard.claim()->owned());
  }
  SECTION("by the same claim, which takes over after all") {
    takeover.before(Call::unlink, 1, [&] { takeover.machine.disk.write_file(record_path, other_stale); });
    takeover.fresh.calls().fail(Call::unlink, EIO);
    const auto report = takeover.guard.claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(report->taken_over.recorded.pid == 98);
  }
  SECTION("by the next claim, if it still cannot be") {
    const bool is_replaced = GENERATE(false, true);
    if (is_replaced)
      takeover.before(Call::unlink, 1, [&] { takeover.machine.disk.write_file(record_path, other_stale); });
    takeover.fresh.calls().fail(Call::unlink, EIO, 1, 2);
    const auto report = takeover.guard.claim();
    REQUIRE_FALSE(report);
    CHECK(report.error().code == EIO);
    CHECK(report.error().operation == Operation::unlink);
    CHECK(takeover.temporary().size() == 1);
    CHECK_FALSE(takeover.guard.owns());
    CHECK(guard_of(takeover.machine.spawn()).claim()->owned());
  }
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a predecessor's port file is removed even if the first claimant after it is killed", "[claim][F12]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine;
    const Contender former = machine.spawn();
    {
      Guard guard{directory, {.port_name = "other"}, former.clock, former.process, former.filesystem};
      REQUIRE(guard.claim()->owned());
      REQUIRE(guard.publish_port(4711));
      former.kill();
      former.reap();
    }
    REQUIRE(machine.disk.exists("/tmp/state/other.port"));
    const Contender victim = machine.spawn();
    victim.kill_before_call(at);
    (void)guard_of(victim).claim();
    const bool is_over = victim.is_alive();
    victim.kill();
    victim.reap();
    REQUIRE(guard_of(machine.spawn()).claim()->owned());
    CHECK_FALSE(machine.disk.exists("/tmp/state/other.port"));
    CHECK(strangers(machine).empty());
    if (is_over) break;
  }
}

TEST_CASE("our own record that another lock's holder has published or settled for us is ours", "[claim][takeover]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  const auto temporary = [&] { return std::string{directory} + "/" + takeover.temporary().at(0); };
  SECTION("published before our exchange") {
    takeover.before(Call::exchange, 1, [&] { machine.disk.move(temporary(), record_path); });
  }
  SECTION("published before our rename") {
    machine.disk.remove(record_path);
    machine.disk.has_unnamed = false;
    takeover.before(Call::rename_new, 1, [&] { machine.disk.move(temporary(), record_path); });
  }
  SECTION("the stale one removed after our exchange") {
    takeover.before(Call::exchange, 1, [&] {
      takeover.before(Call::stat_at, takeover.fresh.calls().count(Call::stat_at) + 1,
                      [&] { takeover.remove_temporary(); });
    });
  }
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(takeover.guard.verify() == genie::Ownership::held);
  CHECK(takeover.fresh.calls().count(Call::exchange) <= 1);  // it is not taken over once more
  CHECK(report->generation == 1);
  CHECK(machine.disk.read_file(record_path) == text_of(takeover.fresh.identity));
  CHECK(takeover.temporary().empty());
  REQUIRE(takeover.guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(takeover.fresh.index()) == 0);
}

TEST_CASE("our own record that another lock's holder has swept before it was published is written anew",
          "[claim][takeover]") {
  Takeover takeover;
  takeover.before(Call::exchange, 1, [&] {
    CHECK(takeover.temporary().size() == 1);
    takeover.remove_temporary();
  });
  const auto report = takeover.guard.claim();
  std::size_t removals = 0;
  for (const std::string& call : takeover.fresh.calls().log()) {
    if (call.rfind("unlink serve.", 0) == 0 && genie::StateFiles{directory, "serve", {}}.is_temporary(call.substr(7))) {
      ++removals;
    }
  }
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->generation == 1);
  CHECK(report->taken_over.recorded.pid == 99);
  CHECK(takeover.fresh.calls().count(Call::exchange) == 2);
  // What is gone is no litter: its removal is not tried again.
  CHECK(removals == 2);
  CHECK_FALSE(takeover.guard.held().has_litter);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(takeover.fresh.identity));
  CHECK(takeover.guard.verify() == genie::Ownership::held);
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a lock file or directory that is replaced before it is locked is opened anew", "[claim][F25]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  Call call = Call::try_lock;
  std::function<void()> act;
  SECTION("the lock file is another one") {
    act = [&] { machine.disk.replace(lock_path, ""); };
  }
  SECTION("the lock file is gone") {
    act = [&] { machine.disk.remove(lock_path); };
  }
  SECTION("the directory is gone before the lock file is there") {
    call = Call::open;
    act = [&] { machine.disk.remove(directory); };
  }
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == call && event.occurrence == 1) act();
  };
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(guard.verify() == genie::Ownership::held);
  CHECK_FALSE(guard_of(machine.spawn()).claim()->owned());
  REQUIRE(guard.release());
  CHECK(machine.disk.open_count(fresh.index()) == 0);
}

TEST_CASE("a lock file that is deleted again and again is an error, not a loop", "[claim][F25]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::try_lock) machine.disk.remove(lock_path);
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::interrupted);
  CHECK(report.error().operation == Operation::lock);
  CHECK(report.error().path == genie::Text{lock_path});
  CHECK(machine.disk.open_count(fresh.index()) == 0);
}

TEST_CASE("a record that is replaced again and again is an error, not a loop", "[claim][takeover][F3]") {
  Takeover takeover;
  takeover.fresh.calls().before_call = [&](const CallEvent& event) {
    // Each second exchange undoes the one before.
    if (event.call != Call::exchange || event.occurrence % 2 == 0) return;
    takeover.machine.disk.replace(record_path, event.occurrence % 4 == 1 ? other_stale : stale);
  };
  const auto report = takeover.guard.claim();
  takeover.fresh.calls().before_call = nullptr;
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::interrupted);
  CHECK(report.error().operation == Operation::exchange);
  CHECK(report.error().path == genie::Text{record_path});
  CHECK_FALSE(takeover.guard.owns());
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a claim that is overtaken while it holds the lock judges again at once, and counts once", "[claim]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  const auto began = machine.time.monotonic;
  Guard guard = guard_of(fresh);
  SECTION("a stale record is published") {
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::link_unnamed) machine.disk.write_file(record_path, stale);
    };
  }
  SECTION("a stale record is published, and there are no unnamed files") {
    machine.disk.has_unnamed = false;
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::rename_new) machine.disk.write_file(record_path, stale);
    };
  }
  SECTION("the stale record is gone") {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, stale);
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::exchange) machine.disk.remove(record_path);
    };
  }
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->generation == 1);
  CHECK(machine.time.monotonic == began);
  CHECK(guard.verify() == genie::Ownership::held);
  CHECK(strangers(machine).empty());
}

TEST_CASE("a restored record is locked, named by the lock's record, and closed with the claim", "[claim]") {
  Machine machine;
  machine.disk.has_unnamed = GENERATE(true, false);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.disk.remove(record_path);
  REQUIRE(guard.restore_record());
  const auto info = machine.disk.stat(record_path);
  REQUIRE(info);
  CHECK(machine.disk.lock_holders(info->id, genie::detail::owner_byte).size() == 1);
  CHECK(machine.disk.open_count(owner.index()) == 3);
  genie::LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  CHECK(record.record == genie::FileStamp{info->id.inode, info->changed_ns});
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
}

TEST_CASE("a record that was restored goes with the claim, whatever failed after it stood", "[claim][faults]") {
  Machine machine;
  const bool has_two_names = GENERATE(false, true);
  machine.disk.has_unnamed = !has_two_names;
  machine.disk.has_rename_new = !has_two_names;
  machine.disk.has_file_unlink = has_two_names;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.disk.remove(record_path);
  owner.calls().clear();
  SECTION("the last look at it") { owner.calls().fail(Call::stat, EIO, 3); }
  SECTION("telling of it") { owner.calls().fail(Call::write_at, EIO, 3); }
  if (has_two_names) {
    SECTION("the removal of the other name") { owner.calls().fail(Call::unlink, EACCES, 1, 2); }
  }
  REQUIRE_FALSE(guard.restore_record());
  owner.calls().clear();
  CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
  CHECK(guard.verify() == genie::Ownership::held);
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(strangers(machine).empty());
}

TEST_CASE("a record that was not restored leaves one's own, which stands, as it was", "[claim]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto before = machine.disk.read_file(lock_path);
  REQUIRE_FALSE(guard.restore_record());
  CHECK(machine.disk.read_file(lock_path) == before);
  CHECK(guard.verify() == genie::Ownership::held);
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
}

TEST_CASE("a claim that was killed while it restored its record leaves the way free, even if its PID is reused",
          "[claim][crash]") {
  const bool has_proc = GENERATE(true, false);
  const bool has_unnamed = GENERATE(true, false);
  for (std::uint64_t at = 1;; ++at) {
    INFO((has_proc ? "with" : "without") << " /proc, killed before call " << at);
    Machine machine;
    machine.processes.has_proc = has_proc;
    machine.disk.has_unnamed = has_unnamed;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    machine.disk.remove(record_path);
    owner.kill_before_call(at);
    (void)guard.restore_record();
    if (owner.is_alive()) break;
    owner.reap();
    genie::testing::ProcessOptions options;
    options.pid = owner.identity.pid;
    (void)machine.spawn(options);
    const Contender fresh = machine.spawn();
    CHECK(guard_of(fresh).claim()->owned());
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("a record is restored once more, and never over somebody else's", "[claim]") {
  Machine machine;
  machine.disk.has_unnamed = GENERATE(true, false);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  for (int time = 0; time < 2; ++time) {
    machine.disk.remove(record_path);
    REQUIRE(guard.restore_record());
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
    CHECK(strangers(machine).empty());
  }
  machine.disk.replace(record_path, "77:7");
  const auto refused = guard.restore_record();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EEXIST);
  CHECK(machine.disk.read_file(record_path) == "77:7");
  CHECK(strangers(machine).empty());
}

namespace {

/// Where names can't be exchanged: Windows, or a file system without RENAME_EXCHANGE.
struct TakeoverByMoving : Takeover {
  TakeoverByMoving() { machine.disk.has_exchange = false; }
};

}  // namespace

TEST_CASE("where names can't be exchanged, a stale record is moved away, and only then replaced",
          "[claim][takeover][moving]") {
  TakeoverByMoving takeover;
  takeover.machine.disk.has_unnamed = GENERATE(true, false);
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.recorded.pid == 99);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(takeover.fresh.identity));
  CHECK(takeover.temporary().empty());
  REQUIRE(takeover.guard.release());
  CHECK(takeover.temporary().empty());
}

TEST_CASE("where names can't be exchanged, whoever came before the move is put back", "[claim][takeover][moving]") {
  TakeoverByMoving takeover;
  const Contender older = takeover.machine.spawn();
  SECTION("in another file") {
    takeover.before(Call::rename_new, 1, [&] { takeover.machine.disk.replace(record_path, text_of(older.identity)); });
  }
  SECTION("in the same file") {
    takeover.before(Call::rename_new, 1,
                    [&] { takeover.machine.disk.write_file(record_path, text_of(older.identity)); });
  }
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.temporary().empty());
}

TEST_CASE("where names can't be exchanged, whoever comes while there is no record keeps the place",
          "[claim][takeover][moving]") {
  TakeoverByMoving takeover;
  const Contender older = takeover.machine.spawn();
  SECTION("before the stale one is removed") {
    takeover.before(Call::unlink, 2, [&] { takeover.machine.disk.write_file(record_path, text_of(older.identity)); });
  }
  SECTION("after") {
    takeover.before(Call::link_unnamed, 1,
                    [&] { takeover.machine.disk.write_file(record_path, text_of(older.identity)); });
  }
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(takeover.machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.temporary().empty());
}

TEST_CASE("where names can't be exchanged, what can't be put back is judged by the next claim",
          "[claim][takeover][moving]") {
  TakeoverByMoving takeover;
  Machine& machine = takeover.machine;
  const Contender older = machine.spawn();
  const Contender third = machine.spawn();
  takeover.before(Call::rename_new, 1, [&] { machine.disk.replace(record_path, text_of(older.identity)); });
  takeover.before(Call::rename_new, 2, [&] { machine.disk.write_file(record_path, text_of(third.identity)); });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::contended);
  third.kill();
  third.reap();
  // Its place is taken by one that has died: that one makes room.
  const Contender fresh = machine.spawn();
  const auto later = guard_of(fresh).claim();
  REQUIRE(later);
  CHECK(later->outcome == ClaimOutcome::already_running);
  CHECK(later->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.temporary().empty());
}

TEST_CASE("where names can't be exchanged, whatever becomes of the names meanwhile is judged again",
          "[claim][takeover][moving]") {
  TakeoverByMoving takeover;
  Machine& machine = takeover.machine;
  const Contender older = machine.spawn();
  SECTION("the stale record is removed before it is moved") {
    takeover.before(Call::rename_new, 1, [&] { machine.disk.remove(record_path); });
  }
  SECTION("the temporary name is somebody else's") { takeover.fresh.calls().fail(Call::rename_new, EEXIST); }
  SECTION("what was moved is removed before it is compared") {
    takeover.fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::stat_at && takeover.fresh.calls().count(Call::rename_new) == 1) {
        takeover.remove_temporary();
      }
    };
  }
  SECTION("what was moved is removed before it is put back") {
    takeover.before(Call::rename_new, 1, [&] { machine.disk.replace(record_path, text_of(older.identity)); });
    takeover.before(Call::rename_new, 2, [&] { takeover.remove_temporary(); });
  }
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(machine.disk.read_file(record_path) == text_of(takeover.fresh.identity));
  CHECK(takeover.temporary().empty());
}

namespace {

/// Where names can't be exchanged, a crashed takeover has left the record of an older program that lives under the
/// temporary name, and that of a dead one has come into its place.
struct DisplacedByTheDead : TakeoverByMoving {
  Contender older = machine.spawn();
  Contender next = machine.spawn();
  Guard next_guard = guard_of(next);

  DisplacedByTheDead() {
    const Contender third = machine.spawn();
    before(Call::rename_new, 1, [&] { machine.disk.replace(record_path, text_of(older.identity)); });
    before(Call::rename_new, 2, [&] { machine.disk.write_file(record_path, text_of(third.identity)); });
    CHECK(guard.claim()->outcome == ClaimOutcome::contended);
    third.kill();
    third.reap();
  }
  /// Before the next claim moves the dead one's record aside.
  void before_move(std::function<void()> act) {
    next.calls().before_call = [act](const CallEvent& event) {
      if (event.call == Call::rename && event.occurrence == 1) act();
    };
  }
};

}  // namespace

TEST_CASE("where names can't be exchanged, a record that was put aside gets its place back from a dead one",
          "[claim][leftovers][moving]") {
  DisplacedByTheDead displaced;
  SECTION("at once") {}
  SECTION("after somebody has removed the dead one's record") {
    displaced.before_move([&] { displaced.machine.disk.remove(record_path); });
  }
  const auto report = displaced.next_guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == displaced.older.identity);
  CHECK(displaced.machine.disk.read_file(record_path) == text_of(displaced.older.identity));
  CHECK(displaced.temporary().empty());
}

TEST_CASE("where names can't be exchanged, a call that fails while room is made is told",
          "[claim][leftovers][moving][fault]") {
  DisplacedByTheDead displaced;
  displaced.next.calls().fail(Call::rename, EIO);
  const auto report = displaced.next_guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == Operation::rename);
}

TEST_CASE("where names can't be exchanged, a newcomer keeps its place while room is made",
          "[claim][leftovers][moving]") {
  DisplacedByTheDead displaced;
  Machine& machine = displaced.machine;
  const Contender newest = machine.spawn();
  displaced.before_move([&] { machine.disk.replace(record_path, text_of(newest.identity)); });
  const auto report = displaced.next_guard.claim();
  REQUIRE(report);
  CHECK_FALSE(report->owned());
  CHECK(machine.disk.read_file(record_path) == text_of(newest.identity));
}

TEST_CASE("where names can't be exchanged, a takeover that was killed at any call leaves the way free",
          "[claim][takeover][moving][crash]") {
  const bool has_unnamed = GENERATE(true, false);
  const bool was_owned = GENERATE(true, false);
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine;
    machine.disk.has_exchange = false;
    machine.disk.has_unnamed = has_unnamed;
    if (was_owned) {
      (void)crashed_owner(machine);
    } else {
      machine.disk.make_directory(directory);
      machine.disk.write_file(record_path, stale);
    }
    const Contender killed = machine.spawn();
    killed.kill_before_call(at);
    {
      Guard guard = guard_of(killed);
      (void)guard.claim();
      if (killed.is_alive()) break;
    }
    killed.reap();
    const Contender fresh = machine.spawn();
    Guard guard = guard_of(fresh);
    CHECK(guard.claim()->owned());
    CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("a claim says whether others may write to its directory", "[claim][trust]") {
  const bool is_private = GENERATE(true, false);
  Machine machine;
  machine.disk.make_directory(directory, is_private ? 0700 : 0777);
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->is_trusted == is_private);
}

TEST_CASE("a claim says that it can't be trusted where the file system gives its files to somebody else",
          "[claim][trust]") {
  Machine machine;
  const Contender owner = machine.spawn();
  owner.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::write_at) return;
    for (auto& [number, inode] : machine.disk.inodes) {
      if (inode.links == 0) inode.user = 2000;  // the record, which has no name yet
    }
  };
  const auto report = guard_of(owner).claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK_FALSE(report->is_trusted);
}

TEST_CASE("a claim says whether others may write to its lock file, as one made under another umask", "[claim][trust]") {
  const std::uint32_t permissions = GENERATE(as<std::uint32_t>{}, 0600, 0644, 0664, 0606);
  const bool is_private = (permissions & 0022U) == 0;
  Machine machine;
  machine.disk.make_directory(directory, GENERATE(as<std::uint32_t>{}, 0700, 01777));
  machine.disk.write_file(lock_path, "");
  machine.disk.set_permissions(lock_path, permissions);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->is_trusted == is_private);
  // It says what a stop and a takeover will find.
  const auto stopped = guard_of(machine.spawn()).stop();
  CHECK(stopped.has_value() == is_private);
  if (!is_private) CHECK(stopped.error().kind == genie::ErrorKind::untrusted_record);
}

TEST_CASE("an empty record that another empty one replaces has a grace of its own", "[claim][takeover]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  const Contender older = machine.spawn();
  machine.disk.write_file(record_path, "");
  machine.time.after(genie::milliseconds(1500), [&] { machine.disk.replace(record_path, ""); });
  machine.time.after(genie::milliseconds(3000), [&] {
    if (machine.disk.read_file(record_path) == "") machine.disk.write_file(record_path, text_of(older.identity));
  });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a copy of a lock file proves nobody dead, even if the record itself could not be locked", "[claim][F25]") {
  Machine machine;
  const Contender owner = machine.spawn();
  owner.calls().fail(Call::try_lock, ENOLCK, 2);  // that of the record
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(machine.disk.lock_holders(machine.disk.stat(record_path)->id, genie::detail::owner_byte).empty());
  machine.disk.replace(lock_path, std::string{*machine.disk.read_file(lock_path)});
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == owner.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
}

TEST_CASE("a stale record is not taken over on the word of a lock file that others may write", "[claim][trust]") {
  Machine machine;
  (void)crashed_owner(machine);
  machine.disk.set_permissions(lock_path, 0666);
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::untrusted_record);
  CHECK(std::string{report.error().path.c_str()} == lock_path);
}

TEST_CASE("what a directory refuses is an error as long as the lock file stands there", "[claim][F16]") {
  const int error = GENERATE(EPERM, ENOENT, EACCES, ENOSPC);
  Machine machine;
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::create_unnamed, error);
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == error);
  CHECK(report.error().operation == Operation::create);
}

TEST_CASE("an owner that is killed while it publishes a port leaves nothing that the next claim does not remove",
          "[port][crash]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    owner.kill_before_call(at);
    (void)guard.publish_port(4711);
    const bool is_over = owner.is_alive();
    owner.kill();
    owner.reap();
    REQUIRE(guard_of(machine.spawn()).claim()->owned());
    CHECK(strangers(machine).empty());
    CHECK_FALSE(machine.disk.exists(port_path));
    if (is_over) break;
  }
}

TEST_CASE("a port that was half written is no record, even to those who trust a bare PID", "[port][crash]") {
  Machine machine;
  const Contender stranger = machine.spawn();
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const std::string digits = std::to_string(stranger.identity.pid);
  owner.calls().shorten(Call::write_at, digits.size());
  const std::uint64_t second = owner.calls().count(Call::write_at) + 2;
  owner.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::write_at && event.occurrence == second) owner.kill();
  };
  (void)guard.publish_port(static_cast<std::uint16_t>(stranger.identity.pid));
  REQUIRE(strangers(machine).size() == 1);
  CHECK(machine.disk.read_file(std::string{directory} + "/" + strangers(machine)[0]) == digits);
  owner.reap();
  CHECK(guard_of(machine.spawn()).claim({.trust_legacy = true})->owned());
  CHECK(strangers(machine).empty());
}

TEST_CASE("a port that a release had moved aside when it was killed is no record, even to those who trust a bare PID",
          "[port][crash]") {
  const bool trusts = GENERATE(true, false);
  CAPTURE(trusts);
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    const Contender stranger = machine.spawn();
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(static_cast<std::uint16_t>(stranger.identity.pid)));
    owner.kill_before_call(at);
    (void)guard.release();
    const bool is_over = owner.is_alive();
    if (!is_over) owner.reap();
    CHECK(guard_of(machine.spawn()).claim({.trust_legacy = trusts})->owned());
    CHECK(strangers(machine).empty());
    if (is_over) break;
  }
}

TEST_CASE("an older program's port that a release had moved aside when it was killed becomes no record",
          "[port][crash]") {
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    const Contender stranger = machine.spawn();
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(4711));
    // Between the look and the move, which is when nobody can tell any more.
    owner.calls().before_call = [&](const CallEvent& event) {
      if (event.call != Call::rename || machine.disk.read_file(port_path) == std::to_string(stranger.identity.pid))
        return;
      machine.disk.write_file(port_path, std::to_string(stranger.identity.pid));
    };
    owner.kill_before_call(at);
    (void)guard.release();
    const bool is_over = owner.is_alive();
    if (!is_over) owner.reap();
    CHECK(guard_of(machine.spawn()).claim({.trust_legacy = true})->owned());
    if (is_over) break;
  }
}

TEST_CASE("an older program that wrote to what a takeover could not remove gets its record back when the owner is dead",
          "[takeover][older][F16]") {
  const std::string found = GENERATE("", "99:1");
  const bool knows_start = GENERATE(true, false);
  CAPTURE(found, knows_start);
  Machine machine;
  const Contender older = machine.spawn();
  const Contender owner = machine.spawn();
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, found);
  Guard guard = guard_of(owner);
  owner.calls().fail(Call::unlink, EIO);
  REQUIRE(guard.claim()->owned());
  REQUIRE(strangers(machine).size() == 1);
  const std::string written = knows_start ? text_of(older.identity) : std::to_string(older.identity.pid) + ":unknown";
  // Through its descriptor: it had stalled for longer than anybody waits, or writes to the record that it has found.
  machine.disk.write_file(std::string{directory} + "/" + strangers(machine)[0], written);
  owner.kill();
  owner.reap();
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK_FALSE(report->owned());
  if (knows_start) CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner.pid == older.identity.pid);
  CHECK(machine.disk.read_file(record_path) == written);
}

TEST_CASE("a release that is killed with a publication that failed leaves nothing to wait for", "[port][crash]") {
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(4711));
    owner.calls().fail(Call::write_at, ENOSPC);
    owner.calls().fail(Call::unlink, EIO);
    REQUIRE_FALSE(guard.publish_port(4712));
    REQUIRE(strangers(machine).size() == 1);
    owner.kill_before_call(at);
    (void)guard.release();
    const bool is_over = owner.is_alive();
    if (!is_over) owner.reap();
    const genie::Milliseconds began = machine.time.monotonic;
    CHECK(guard_of(machine.spawn()).claim()->owned());
    CHECK(machine.time.monotonic == began);
    CHECK(strangers(machine).empty());
    if (is_over) break;
  }
}

TEST_CASE("a stale record that is too long to be one is taken over", "[claim][takeover]") {
  Takeover takeover;
  takeover.machine.disk.write_file(
      record_path, std::string{stale} + std::string(genie::pid_record_capacity - stale.size() + 1, ' '));
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::garbage_record);
  CHECK(takeover.fresh.calls().count(Call::exchange) == 1);
}

TEST_CASE("the lock's record names one temporary file for life, and none once it is certain that there is none",
          "[claim][takeover]") {
  Takeover takeover;
  SECTION("after the takeover") {}
  SECTION("because the stale record vanished before it") {
    takeover.before(Call::exchange, 1, [&] { takeover.machine.disk.remove(record_path); });
  }
  const auto named = [&] {
    genie::LockRecord record;
    const std::string bytes = takeover.machine.disk.read_file(lock_path).value_or("");
    REQUIRE(genie::parse_lock_record(bytes, INT32_MAX, record) == genie::LockRecordKind::valid);
    return record.temporary;
  };
  REQUIRE(takeover.guard.claim()->owned());
  const std::uint64_t temporary = takeover.guard.held().written.temporary;
  CHECK(temporary != 0);
  CHECK(named() == temporary);
  CHECK(takeover.temporary().empty());
  REQUIRE(takeover.guard.publish_port(4711));
  CHECK(named() == temporary);
  SECTION("nothing is left") {
    REQUIRE(takeover.guard.release());
    CHECK(named() == 0);
  }
  SECTION("nothing is left, somebody has removed the port") {
    takeover.machine.disk.remove(port_path);
    REQUIRE(takeover.guard.release());
    CHECK(named() == 0);
  }
  SECTION("something may be left") {
    takeover.fresh.calls().fail(Call::unlink, EACCES);
    REQUIRE_FALSE(takeover.guard.release());
    CHECK(named() == temporary);
    CHECK(guard_of(takeover.machine.spawn()).claim()->owned());
  }
  SECTION("somebody else's port is left") {
    takeover.machine.disk.replace(port_path, "5432");
    REQUIRE(takeover.guard.release());
    CHECK(named() == temporary);
    CHECK(guard_of(takeover.machine.spawn()).claim()->owned());
    CHECK_FALSE(takeover.machine.disk.exists(port_path));
  }
  CHECK(takeover.temporary().empty());
}

TEST_CASE("a stale record that could not be removed goes with the release, whatever becomes of our own",
          "[claim][F16]") {
  Takeover takeover;
  takeover.fresh.calls().fail(Call::unlink, EACCES);
  REQUIRE(takeover.guard.claim()->owned());
  CHECK(takeover.temporary().size() == 1);
  takeover.machine.disk.remove(record_path);
  SECTION("at once") {
    REQUIRE(takeover.guard.release());
    CHECK(takeover.temporary().empty());
  }
  SECTION("or with the next claim") {
    takeover.fresh.calls().fail(Call::unlink, EACCES);
    const auto released = takeover.guard.release();
    REQUIRE_FALSE(released);
    CHECK(released.error().code == EACCES);
    CHECK(guard_of(takeover.machine.spawn()).claim()->owned());
    CHECK(takeover.temporary().empty());
  }
}

TEST_CASE("a release tells the first of the errors that it meets", "[claim][release][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  // A second publication leaves its temporary file.
  const std::uint64_t refused = GENERATE(1U, 2U);
  owner.calls().fail(Call::rename, EIO);
  owner.calls().fail(Call::unlink, EIO, 1, refused);
  REQUIRE_FALSE(guard.publish_port(4712));
  CHECK(strangers(machine).size() == 1);
  const std::uint64_t write = owner.calls().count(Call::write_at) + 1;
  owner.calls().decide = [write](const CallEvent& event) {
    if (event.call != Call::write_at) return 0;
    return event.occurrence == write ? ENOSPC : EIO;
  };
  const auto released = guard.release();
  REQUIRE_FALSE(released);
  CHECK(released.error().code == (refused == 1 ? ENOSPC : EIO));
  CHECK(released.error().operation == (refused == 1 ? Operation::write : Operation::unlink));
  CHECK(strangers(machine).empty());
}

TEST_CASE("a claim that fails at its last step puts up no intent to stay stopped that it has not taken out",
          "[claim][stay]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  fresh.calls().fail(Call::unlock, EIO);
  REQUIRE_FALSE(guard.claim({.mode = genie::ClaimMode::automatic}));
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("a claim half-way has no generation that others could be told", "[claim]") {
  Machine machine;
  const Contender parked = machine.spawn();
  bool has_asked = false;
  parked.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::link_unnamed || has_asked) return;
    has_asked = true;
    const auto report = guard_of(machine.spawn()).claim({.settle = genie::Milliseconds{1}});
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::contended);
    CHECK(report->owner.pid == 0);
    CHECK(report->generation == 0);
  };
  REQUIRE(guard_of(parked).claim()->owned());
  CHECK(has_asked);
}

TEST_CASE("an error while a record is restored names the call, and leaves what the lock's record says", "[claim]") {
  Machine machine;
  machine.disk.has_unnamed = GENERATE(true, false);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto recorded = [&] {
    genie::LockRecord record;
    const std::string bytes = machine.disk.read_file(lock_path).value_or("");
    REQUIRE(genie::parse_lock_record(bytes, INT32_MAX, record) == genie::LockRecordKind::valid);
    return record.record;
  };
  const genie::FileStamp before = recorded();
  SECTION("the publication") {
    machine.disk.remove(record_path);
    owner.calls().fail(Call::link_unnamed, EIO);
    owner.calls().fail(Call::rename_new, EIO);
    const auto restored = guard.restore_record();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().operation == (machine.disk.has_unnamed ? Operation::link : Operation::rename));
  }
  SECTION("the lock's record") {
    owner.calls().fail(Call::write_at, EIO, 2);  // the first is that of the new file
    const auto restored = guard.restore_record();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().operation == Operation::write);
    CHECK(guard.ready());  // writes what it remembers
  }
  CHECK(recorded() == before);
}

TEST_CASE("a record that a killed takeover had judged dead is dead for the next claim, whoever has its PID by then",
          "[claim][takeover][crash]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  machine.disk.write_file(record_path, "4711:unknown");
  takeover.before(Call::unlink, 1, [&] { takeover.fresh.kill(); });
  (void)takeover.guard.claim();
  REQUIRE_FALSE(takeover.fresh.is_alive());
  takeover.fresh.reap();
  REQUIRE(takeover.temporary().size() == 1);
  genie::testing::ProcessOptions options;
  options.pid = 4711;
  const Contender stranger = machine.spawn(options);
  CHECK(guard_of(machine.spawn()).claim()->owned());
  CHECK(takeover.temporary().empty());
  CHECK(stranger.is_alive());
}

TEST_CASE("a claim by way of a temporary name that is overtaken leaves no temporary file", "[claim]") {
  Machine machine;
  machine.disk.has_unnamed = false;
  const Contender older = machine.spawn();
  const Contender fresh = machine.spawn();
  bool is_published = false;
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::rename_new) return;
    machine.disk.write_file(record_path, text_of(older.identity));
    is_published = true;
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(is_published);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(strangers(machine).empty());
}

TEST_CASE("a claim that finds the stale record replaced by a live one leaves no temporary file", "[claim][takeover]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  const Contender older = machine.spawn();
  takeover.before(Call::exchange, 1, [&] { machine.disk.remove(record_path); });
  // It is published after the exchange has failed, and before that is looked into. The first look was at the lock.
  takeover.before(Call::stat_at, 2, [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(takeover.temporary().empty());
}

TEST_CASE("an empty record that another one replaces is noticed at once, and not moved", "[claim][takeover][F2]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  machine.disk.write_file(record_path, "");
  const auto began = machine.time.monotonic;
  machine.time.after(genie::milliseconds(1500), [&] { machine.disk.replace(record_path, ""); });
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::empty_record);
  CHECK(takeover.fresh.calls().count(Call::exchange) == 1);
  CHECK(machine.time.monotonic - began < genie::milliseconds(3600));
}

TEST_CASE("a file system without unnamed files, or without links, is claimed by way of a temporary name",
          "[claim][F16]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  SECTION("not supported") { fresh.calls().fail(Call::create_unnamed, EOPNOTSUPP, 1, 100); }
  SECTION("an invalid argument") { fresh.calls().fail(Call::create_unnamed, EINVAL, 1, 100); }
  SECTION("an unknown call") { fresh.calls().fail(Call::create_unnamed, ENOSYS, 1, 100); }
  SECTION("no links") { machine.disk.has_link = false; }
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(fresh.calls().count(Call::create_unnamed) == 1);
  CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
  CHECK(strangers(machine).empty());
  CHECK_FALSE(guard.held().has_litter);
  CHECK(guard.verify() == genie::Ownership::held);
}

TEST_CASE("an error that does not come from a directory's removal is told even where it was removed", "[claim][F16]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::create_unnamed, EIO);
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::create_unnamed) machine.disk.remove(directory);
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == Operation::create);
  CHECK(report.error().path == genie::Text{record_path});
}

TEST_CASE("a directory that is gone when a file is to be made in it is made again, or opened where somebody else has",
          "[claim][F25]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  const int error = GENERATE(ENOENT, EPERM);  // file systems differ in what they say
  const bool is_made = GENERATE(false, true);
  CAPTURE(error, is_made);
  fresh.calls().fail(Call::create_unnamed, error);
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::create_unnamed || event.occurrence != 1) return;
    machine.disk.remove(directory);
    if (is_made) machine.disk.write_file(lock_path, "");
  };
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(guard.verify() == genie::Ownership::held);
}

TEST_CASE("a displaced record that cannot be read is not taken for the stale one", "[claim][takeover][F3][F16]") {
  Takeover takeover;
  Machine& machine = takeover.machine;
  const Contender older = machine.spawn();
  if (GENERATE(false, true)) machine.disk.write_file(record_path, "");
  // Rewritten in place at the last moment, and then unreadable for once.
  takeover.before(Call::exchange, 1, [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
  bool has_failed = false;
  takeover.fresh.calls().decide = [&](const CallEvent& event) {
    if (has_failed || event.call != Call::read_at || takeover.fresh.calls().count(Call::exchange) == 0) return 0;
    has_failed = true;
    return EIO;
  };
  const auto report = takeover.guard.claim();
  REQUIRE(report);
  CHECK(has_failed);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(takeover.temporary().empty());
}

}  // namespace tests::takeover_test
