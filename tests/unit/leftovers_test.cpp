// What a crash left under a temporary name: settled by the next claim, and never at somebody's cost.
#include "support.hpp"

#include <cerrno>
#include <functional>

#include "catch.hpp"

namespace tests::leftovers_test {

using namespace tests;
using genie::ClaimOutcome;
using genie::LockRecord;
using genie::milliseconds;
using genie::Phase;
using genie::Reason;
using genie::seconds;
using genie::testing::CallEvent;

namespace {

constexpr std::uint64_t token = 1;
constexpr const char* temporary_path = "/tmp/state/serve.0000000000000001.tmp";

/// A lock file whose record tells of the temporary file: its owner crashed while it claimed.
LockRecord crashed_claim(Machine& machine) {
  (void)crashed_owner(machine);
  machine.disk.remove(record_path);
  LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  record.phase = Phase::claiming;
  record.temporary = token;
  machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
  return record;
}

/// A live older program's record, displaced to the temporary name by the takeover that crashed.
Contender displaced(Machine& machine) {
  const Contender older = machine.spawn();
  machine.disk.write_file(temporary_path, text_of(older.identity));
  return older;
}

/// A takeover that was killed between its two exchanges: `NAME.pid` is the claimant's, and under its temporary name is
/// the empty file of an older program, which was put there in the stale record's place just before the first exchange.
struct CrashedTakeover {
  Machine machine;
  Contender claimant = machine.spawn();
  Contender older = machine.spawn();
  std::string temporary;  ///< its path

  CrashedTakeover() {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "99:1");
    claimant.calls().before_call = [this](const CallEvent& event) {
      if (event.call != Call::exchange) return;
      machine.disk.replace(record_path, "");
      claimant.calls().at_call[event.number + 1] = [this] { claimant.kill(); };
    };
    (void)guard_of(claimant).claim();
    claimant.reap();
    REQUIRE(machine.disk.read_file(record_path) == text_of(claimant.identity));
    REQUIRE(strangers(machine).size() == 1);
    temporary = std::string{directory} + "/" + strangers(machine)[0];
    REQUIRE(machine.disk.read_file(temporary) == "");
  }
  [[nodiscard]] LockRecord lock_record() const {
    LockRecord record;
    REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
            genie::LockRecordKind::valid);
    return record;
  }
  [[nodiscard]] genie::FileIdentity id(std::string_view path) const { return machine.disk.stat(path)->id; }
};

}  // namespace

TEST_CASE("a live record that a crash had displaced is put back where none stands", "[leftovers]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK_FALSE(machine.disk.exists(temporary_path));
}

TEST_CASE("a live record that a crash had displaced goes back over a dead one", "[leftovers]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK_FALSE(machine.disk.exists(temporary_path));
}

TEST_CASE("whoever publishes while a displaced record is put back is not lost", "[leftovers][F3]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  const Contender other = machine.spawn();
  const Contender fresh = machine.spawn();
  SECTION("where none stood") {
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::rename_new) machine.disk.write_file(record_path, text_of(other.identity));
    };
  }
  SECTION("over a dead one") {
    machine.disk.write_file(record_path, text_of(record.owner));
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call != Call::exchange || event.occurrence != 1) return;
      machine.disk.replace(record_path, text_of(other.identity));
    };
  }
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(older.is_alive());
  const auto named = machine.disk.read_file(record_path);
  const auto kept = machine.disk.read_file(temporary_path);
  REQUIRE((named && kept));
  CHECK(((*named == text_of(other.identity) && *kept == text_of(older.identity)) ||
         (*named == text_of(older.identity) && *kept == text_of(other.identity))));
}

TEST_CASE("a displaced record that cannot be put back is an error, and stays", "[leftovers][F16]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::rename_new, EIO);
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == genie::Operation::rename);
  CHECK(machine.disk.read_file(temporary_path) == text_of(older.identity));
}

TEST_CASE("more temporary files than one claim can list are swept by the next ones", "[leftovers]") {
  Machine machine;
  machine.disk.make_directory(directory);
  for (int number = 0; number < 70; ++number) {
    machine.disk.write_file(fmt::format("{}/serve.{:016x}.tmp", directory, number), "99:1");
  }
  machine.disk.write_file("/tmp/state/serve.0123456789abcdeg.tmp", "99:1");
  machine.disk.write_file("/tmp/state/serve.0123456789abcdef.txt", "99:1");
  machine.disk.write_file("/tmp/state/other.0123456789abcdef.tmp", "99:1");
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  CHECK(strangers(machine).size() == 6 + 3);
  machine.disk.remove(lock_path);
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  CHECK(strangers(machine).size() == 3);
}

TEST_CASE("a predecessor's port name is believed only as a name of a port file", "[claim][F12][F15]") {
  struct Row {
    const char* name;
    bool removed;
  };
  const Row row = GENERATE(Row{"other.port", true}, Row{"", false}, Row{"notes.txt", false}, Row{".hidden.port", false},
                           Row{"../other.port", false});
  CAPTURE(row.name);
  Machine machine;
  LockRecord record = crashed_claim(machine);
  record.temporary = 0;
  record.port_name = genie::PortFileName{row.name};
  machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
  for (const char* const path :
       {"/tmp/state/other.port", "/tmp/state/notes.txt", "/tmp/state/.hidden.port", "/tmp/other.port"}) {
    machine.disk.write_file(path, "4711");
  }
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  CHECK(machine.disk.exists("/tmp/state/other.port") == !row.removed);
  CHECK(machine.disk.exists("/tmp/state/notes.txt"));
  CHECK(machine.disk.exists("/tmp/state/.hidden.port"));
  CHECK(machine.disk.exists("/tmp/other.port"));
}

TEST_CASE("a predecessor's port that cannot be removed is an error", "[claim][F12][F16]") {
  Machine machine;
  LockRecord record = crashed_claim(machine);
  record.temporary = 0;
  record.port_name = genie::PortFileName{"other.port"};
  machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
  machine.disk.make_directory("/tmp/state/other.port");
  const Contender fresh = machine.spawn();
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::not_a_regular_file);
  CHECK_FALSE(machine.disk.exists(record_path));
}

TEST_CASE("an empty file that a crashed takeover had displaced is put back, and its maker has its grace",
          "[leftovers][takeover]") {
  // The lock record may name another boot although there was none.
  struct Row {
    const char* boot;
    bool has_proc;
  };
  const Row row = GENERATE(Row{nullptr, true}, Row{"22222222-2222-4222-8222-222222222222", true}, Row{"", true},
                           Row{nullptr, false}, Row{"", false});
  CrashedTakeover crashed;
  CAPTURE(row.boot == nullptr ? "this boot" : row.boot, row.has_proc);
  if (row.boot != nullptr) {
    LockRecord record = crashed.lock_record();
    record.origin.boot = genie::BootId{row.boot};
    crashed.machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
  }
  crashed.machine.processes.has_proc = row.has_proc;
  const genie::FileIdentity displaced_id = crashed.id(crashed.temporary);
  const Contender fresh = crashed.machine.spawn();
  bool was_put_back = false;
  SECTION("and it is written in time") {
    crashed.machine.time.after(seconds(1), [&] {
      was_put_back = crashed.machine.disk.exists(record_path) && crashed.id(record_path) == displaced_id;
      crashed.machine.disk.write_file(record_path, text_of(crashed.older.identity));
    });
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    // Without /proc a start time cannot be read, and what can't be told is left alone.
    CHECK(report->outcome == (row.has_proc ? ClaimOutcome::already_running : ClaimOutcome::contended));
    CHECK(report->owner == crashed.older.identity);
    CHECK(crashed.machine.disk.read_file(record_path) == text_of(crashed.older.identity));
  }
  SECTION("and it stays empty") {
    crashed.machine.time.after(milliseconds(1900), [&] {
      was_put_back = crashed.machine.disk.exists(record_path) && crashed.id(record_path) == displaced_id;
    });
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->owned());
  }
  CHECK(was_put_back);
  CHECK(strangers(crashed.machine).empty());
}

// Two empty files, one place: the one that is fresh must have it.
TEST_CASE("an empty file that is put in the place of a crashed takeover's record while it is settled is not deleted",
          "[leftovers][takeover]") {
  CrashedTakeover crashed;
  Machine& machine = crashed.machine;
  const Contender fresh = machine.spawn();
  const Contender newcomer = machine.spawn();
  const genie::FileIdentity displaced_id = crashed.id(crashed.temporary);
  genie::FileIdentity newcomers;
  const auto is_there = [&](const genie::FileIdentity& id) {
    for (const std::string& name : machine.disk.names(directory)) {
      if (crashed.id(std::string{directory} + "/" + name) == id) return true;
    }
    return false;
  };
  bool survived = false;
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::exchange && newcomers == genie::FileIdentity{}) {
      machine.disk.remove(record_path);
      machine.disk.write_file(record_path, "");
      newcomers = crashed.id(record_path);
    } else if (newcomers != genie::FileIdentity{} && (event.call == Call::watch || event.call == Call::sleep)) {
      survived = is_there(newcomers);
    }
  };
  machine.time.after(seconds(1), [&] {
    if (is_there(newcomers) && crashed.id(record_path) == newcomers) {
      machine.disk.write_file(record_path, text_of(newcomer.identity));
    }
  });
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  REQUIRE(newcomers != genie::FileIdentity{});
  REQUIRE(newcomers != displaced_id);
  CHECK((survived || is_there(newcomers)));
  CHECK_FALSE(report->owned());
}

TEST_CASE("after a reboot, temporary files that no record names are swept, and none is published", "[leftovers]") {
  constexpr const char* path = "/tmp/state/serve.00000000000000aa.tmp";
  Machine machine;
  (void)crashed_owner(machine);
  machine.reboot();
  const Contender alive = machine.spawn();
  bool stays = false;
  SECTION("without a start time") { machine.disk.write_file(path, fmt::format("{}:unknown", alive.identity.pid)); }
  SECTION("without a start time, of a PID that nobody has") { machine.disk.write_file(path, "123:unknown"); }
  SECTION("the identity of a live process") { machine.disk.write_file(path, text_of(alive.identity)); }
  SECTION("empty") { machine.disk.write_file(path, ""); }
  SECTION("one that may be read and not written") { machine.disk.write_file(path, "123:unknown", 0400); }
  const Contender fresh = machine.spawn();
  SECTION("gone when it is looked at") {
    machine.disk.write_file(path, "123:unknown");
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::open && event.name.ends_with("aa.tmp")) machine.disk.remove(path);
    };
  }
  SECTION("unreadable") {
    machine.disk.write_file(path, "123:unknown", 0000);
    stays = true;
  }
  SECTION("somebody else's") {
    machine.disk.write_file(path, "123:unknown", 0600, 4711);
    stays = true;
  }
  SECTION("a directory") {
    machine.disk.make_directory(path);
    stays = true;
  }
  SECTION("a FIFO") {
    machine.disk.make_fifo(path);
    stays = true;
  }
  SECTION("a symbolic link") {
    machine.disk.make_symbolic_link(path, record_path);
    stays = true;
  }
  SECTION("pinned") {
    machine.disk.write_file(path, text_of(alive.identity));
    genie::testing::MemoryFilesystem files = alive.filesystem;
    const auto opened_directory = files.open_directory(directory);
    const auto opened =
        files.open(opened_directory.value, "serve.00000000000000aa.tmp", genie::OpenMode::read_write, 0600);
    REQUIRE(opened.ok());
    REQUIRE(files.try_lock(opened.value, genie::detail::owner_byte, 1).ok());
    stays = true;
  }
  SECTION("nobody can say whether it is pinned") {
    machine.disk.write_file(path, text_of(alive.identity));
    fresh.calls().fail(Call::query_lock, EIO);
    stays = true;
  }
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
  CHECK(machine.disk.exists(path) == stays);
  CHECK(strangers(machine).size() == (stays ? 1 : 0));
}

TEST_CASE("after a reboot, a swept file that cannot be removed keeps nobody from starting", "[leftovers][F16]") {
  constexpr const char* path = "/tmp/state/serve.00000000000000aa.tmp";
  Machine machine;
  (void)crashed_owner(machine);
  machine.reboot();
  machine.disk.write_file(path, "123:unknown");
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::unlink, EACCES);
  CHECK(guard_of(fresh).claim()->owned());
  CHECK(machine.disk.exists(path));
}

TEST_CASE("a displaced record that is gone when it is to be put back is looked for again", "[leftovers]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  const Contender fresh = machine.spawn();
  SECTION("somebody else put it back") {
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::rename_new && event.occurrence == 1) machine.disk.move(temporary_path, record_path);
    };
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("somebody removed it") {
    fresh.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::rename_new && event.occurrence == 1) machine.disk.remove(temporary_path);
    };
    CHECK(guard_of(fresh).claim()->owned());
  }
  SECTION("it only seems so") {
    fresh.calls().fail(Call::rename_new, ENOENT);
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(fresh.calls().count(Call::rename_new) == 2);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  CHECK_FALSE(machine.disk.exists(temporary_path));
}

TEST_CASE("an empty record that a killed stop had moved aside is put back, and has its grace", "[leftovers][stop]") {
  Machine machine;
  (void)crashed_owner(machine);
  const Contender older = machine.spawn();
  const Contender stopper = machine.spawn();
  genie::FileIdentity olders;
  stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::rename || event.name != genie::Text{"serve.pid"}) return;
    machine.disk.replace(record_path, "");
    olders = machine.disk.stat(record_path)->id;
    stopper.calls().at_call[event.number + 1] = [&] { stopper.kill(); };
  };
  (void)guard_of(stopper).stop();
  REQUIRE_FALSE(stopper.is_alive());
  stopper.reap();
  REQUIRE_FALSE(machine.disk.exists(record_path));
  REQUIRE(strangers(machine).size() == 1);

  const Contender fresh = machine.spawn();
  bool was_put_back = false;
  const auto look = [&] {
    const auto found = machine.disk.stat(record_path);
    was_put_back = found && found->id == olders;
  };
  SECTION("it is written in time") {
    machine.time.after(milliseconds(1900), [&] {
      look();
      machine.disk.write_file(record_path, text_of(older.identity));
    });
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("it stays empty") {
    machine.time.after(milliseconds(1900), look);
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(report->taken_over.reason == Reason::empty_record);
  }
  CHECK(was_put_back);
  CHECK(strangers(machine).empty());
}

TEST_CASE("a displaced live record whose place an empty file has taken is kept until it can go back", "[leftovers]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, "");
  {
    Guard guard = guard_of(machine.spawn());
    const auto report = guard.claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::contended);
    CHECK(report->owner == older.identity);
    CHECK(report->evidence.recorded == older.identity);
    CHECK(report->evidence.reason == Reason::start_matches);
    CHECK_FALSE(guard.owns());
  }
  CHECK(machine.disk.read_file(temporary_path) == text_of(older.identity));
  CHECK(machine.disk.read_file(record_path) == "");

  SECTION("once that file says that its writer is dead") { machine.disk.write_file(record_path, "99:1"); }
  SECTION("once that file is gone") { machine.disk.remove(record_path); }
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
}

TEST_CASE("a place that becomes free while a displaced record is kept is used by the same claim", "[leftovers]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, "");
  const Contender fresh = machine.spawn();
  // The second look at `NAME.pid`: the leftover was settled after the first one.
  int looks = 0;
  std::function<void()> act;
  SECTION("because it is gone") {
    act = [&] { machine.disk.remove(record_path); };
  }
  SECTION("because its writer is dead") {
    act = [&] { machine.disk.write_file(record_path, "99:1"); };
  }
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::open && event.name == genie::Text{"serve.pid"} && ++looks == 2) act();
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(looks > 2);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
}

TEST_CASE("a stop leaves a displaced live record, too, and the lock's record goes on naming it", "[leftovers][stop]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender stopper = machine.spawn();
  stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::try_lock && event.occurrence == 1) machine.disk.replace(record_path, "");
  };
  const std::string before = *machine.disk.read_file(lock_path);
  const auto receipt = guard_of(stopper).stop();
  REQUIRE(receipt);
  CHECK(stopper.calls().count(Call::try_lock) == 1);
  CHECK(receipt->outcome == genie::StopOutcome::not_running);
  CHECK(receipt->successor == older.identity);
  CHECK(older.is_alive());
  CHECK(machine.disk.read_file(temporary_path) == text_of(older.identity));
  CHECK(machine.disk.read_file(record_path) == "");
  CHECK(machine.disk.read_file(lock_path) == before);
}

TEST_CASE("a leftover that cannot be settled is an error that says what failed", "[leftovers][F16]") {
  struct Row {
    Call call;
    std::uint64_t occurrence;
    genie::Operation operation;
  };
  // The first `stat_at` and `query_lock` are those of the lock file and of the leftover.
  const Row row = GENERATE(
      Row{Call::query_lock, 1, genie::Operation::query_lock}, Row{Call::query_lock, 2, genie::Operation::query_lock},
      Row{Call::exchange, 1, genie::Operation::exchange}, Row{Call::stat_at, 2, genie::Operation::stat},
      Row{Call::unlink, 1, genie::Operation::unlink});
  CAPTURE(name_of(row.call), row.occurrence);
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender fresh = machine.spawn();
  fresh.calls().fail(row.call, EIO, row.occurrence);
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == row.operation);
  CHECK_FALSE(guard.owns());
  const auto next = guard_of(machine.spawn()).claim();
  REQUIRE(next);
  CHECK(next->outcome == ClaimOutcome::already_running);
  CHECK(next->owner == older.identity);
  CHECK(strangers(machine).empty());
}

TEST_CASE("temporary files that cannot be listed are an error", "[leftovers][F16]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::for_each_name, EIO);
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(report.error().operation == genie::Operation::list);
}

TEST_CASE("names that vanish while a displaced record goes back over a dead one are looked for again", "[leftovers]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender fresh = machine.spawn();
  Call call = Call::any;
  std::uint64_t occurrence = 1;
  const char* removed = temporary_path;
  ClaimOutcome outcome = ClaimOutcome::already_running;
  SECTION("the dead one, before the exchange") {
    call = Call::exchange;
    removed = record_path;
  }
  SECTION("the displaced one, before the exchange") {
    call = Call::exchange;
    outcome = ClaimOutcome::claimed;
  }
  SECTION("the dead one, after the exchange") {
    call = Call::stat_at;
    occurrence = 2;
  }
  SECTION("the dead one, before it is removed") { call = Call::unlink; }
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == call && event.occurrence == occurrence) machine.disk.remove(removed);
  };
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == outcome);
  if (outcome == ClaimOutcome::already_running) {
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("an empty file that was put aside by our own hand is put back at once", "[leftovers]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender fresh = machine.spawn();
  genie::FileIdentity newcomers;
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::exchange || event.occurrence != 1) return;
    machine.disk.replace(record_path, "");
    newcomers = machine.disk.stat(record_path)->id;
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(machine.disk.stat(record_path)->id == newcomers);
  // The displaced record has no place now, and must not be forgotten.
  CHECK(report->outcome == ClaimOutcome::contended);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(temporary_path) == text_of(older.identity));
}

TEST_CASE("an empty file that could not be put back at once is put back later", "[leftovers][F16]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  (void)displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender fresh = machine.spawn();
  const Contender newcomer = machine.spawn();
  genie::FileIdentity newcomers;
  bool has_ended = false;
  fresh.calls().fail(Call::exchange, EIO, 2);
  fresh.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::exchange && event.occurrence == 1) {
      machine.disk.replace(record_path, "");
      newcomers = machine.disk.stat(record_path)->id;
    } else if (newcomers != genie::FileIdentity{} && !has_ended && event.call == Call::open) {
      has_ended = true;
      machine.disk.remove(record_path);  // the displaced one, which stands there by mistake, has ended
    }
  };
  machine.time.after(seconds(1), [&] {
    const auto found = machine.disk.stat(record_path);
    if (found && found->id == newcomers) machine.disk.write_file(record_path, text_of(newcomer.identity));
  });
  const auto report = guard_of(fresh).claim();
  REQUIRE(report);
  CHECK(has_ended);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == newcomer.identity);
  CHECK(strangers(machine).empty());
}

TEST_CASE("an empty leftover whose place a live record has taken is removed", "[leftovers]") {
  Machine machine;
  const Contender older = machine.spawn();
  machine.disk.make_directory(directory);
  machine.disk.write_file(temporary_path, "");
  machine.disk.write_file(record_path, text_of(older.identity));
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK_FALSE(machine.disk.exists(temporary_path));
}

TEST_CASE("a leftover that one may read and not write is settled like any other", "[leftovers]") {
  Machine machine;
  (void)crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.set_permissions(temporary_path, 0400);
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
}

TEST_CASE("a displaced record whose place is fought over for ever is an error, and not lost", "[leftovers]") {
  Machine machine;
  const LockRecord record = crashed_claim(machine);
  const Contender older = displaced(machine);
  machine.disk.write_file(record_path, text_of(record.owner));
  const Contender fresh = machine.spawn();
  fresh.calls().before_call = [&](const CallEvent& event) {
    // Each second exchange undoes the one before.
    if (event.call == Call::exchange && event.occurrence % 2 == 1) machine.disk.replace(record_path, "99:1");
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::interrupted);
  CHECK(report.error().operation == genie::Operation::exchange);
  CHECK(report.error().path == genie::Text{temporary_path});
  CHECK(machine.disk.read_file(temporary_path) == text_of(older.identity));
}

}  // namespace tests::leftovers_test
