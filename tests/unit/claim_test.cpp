// The claim against fakes: every outcome, every start state, every crash and every errno of a single contender.
#include "support.hpp"

#include <cerrno>
#include <functional>

#include "catch.hpp"

namespace tests::claim_test {

using namespace tests;
using genie::ClaimMode;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::Reason;
using genie::testing::ProcessOptions;

namespace {

/// A start state of the directory, under which a fresh contender must be able to win once everybody is dead.
struct StartState {
  const char* name;
  std::function<void(Machine&)> make;
};

const std::vector<StartState>& start_states() {
  static const std::vector<StartState> states{
      {"absent directory", [](Machine&) {}},
      {"empty directory", [](Machine& m) { m.disk.make_directory(directory); }},
      {"released",
       [](Machine& m) {
         const Contender owner = m.spawn();
         Guard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.publish_port(4711);
         (void)guard.release();
         owner.kill();
         owner.reap();
       }},
      {"crashed owner", [](Machine& m) { (void)crashed_owner(m); }},
      {"crashed owner with a port",
       [](Machine& m) {
         const Contender owner = m.spawn();
         Guard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.publish_port(4711);
         owner.kill();
         owner.reap();
       }},
      {"zombie owner",
       [](Machine& m) {
         const Contender owner = m.spawn();
         Guard guard = guard_of(owner);
         (void)guard.claim();
         owner.kill();
       }},
      {"rebooted",
       [](Machine& m) {
         (void)crashed_owner(m);
         m.reboot();
       }},
      {"reused PID",
       [](Machine& m) {
         const Contender owner = crashed_owner(m);
         ProcessOptions options;
         options.pid = owner.identity.pid;
         (void)m.spawn(options);
       }},
      {"empty record",
       [](Machine& m) {
         m.disk.make_directory(directory);
         m.disk.write_file(record_path, "");
       }},
      {"garbage record",
       [](Machine& m) {
         m.disk.make_directory(directory);
         m.disk.write_file(record_path, std::string(100'000, 'x'));
       }},
      {"legacy record",
       [](Machine& m) {
         m.disk.make_directory(directory);
         m.disk.write_file(record_path, "99");
       }},
      {"record of a dead older program",
       [](Machine& m) {
         m.disk.make_directory(directory);
         m.disk.write_file(record_path, "99:1");
       }},
      {"record that only a copied lock file vouches for",
       [](Machine& m) {
         (void)crashed_owner(m);
         const std::string content = *m.disk.read_file(lock_path);
         m.disk.make_directory("/elsewhere");
         m.disk.move(lock_path, "/elsewhere/lock");
         m.disk.write_file(lock_path, content);
       }},
      {"deleted lock file",
       [](Machine& m) {
         (void)crashed_owner(m);
         m.disk.remove(lock_path);
       }},
      {"noise in the lock file",
       [](Machine& m) {
         (void)crashed_owner(m);
         m.disk.write_file(lock_path, std::string(5000, '\xff'));
       }},
      {"no unnamed files", [](Machine& m) { m.disk.has_unnamed = false; }},
      {"takeover without unnamed files",
       [](Machine& m) {
         (void)crashed_owner(m);
         m.disk.has_unnamed = false;
       }},
  };
  return states;
}

/// A newcomer claims, and everything is as it should be.
void check_fresh_claim(Machine& machine) {
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::claimed);
  CHECK_FALSE(report->adopted);
  CHECK(machine.disk.read_file(record_path) == text_of(fresh.identity));
  CHECK_FALSE(machine.disk.exists(port_path));
  CHECK(strangers(machine).empty());
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(fresh.index()) == 0);
  CHECK(machine.disk.stray_closes == 0);
}

}  // namespace

TEST_CASE("a contender that is alone wins from every start state", "[claim]") {
  for (const StartState& state : start_states()) {
    INFO(state.name);
    Machine machine;
    state.make(machine);
    check_fresh_claim(machine);
  }
}

TEST_CASE("a second contender is told who owns the directory", "[claim]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard first = guard_of(owner);
  REQUIRE(first.claim()->owned());
  const Contender other = machine.spawn();
  Guard second = guard_of(other);
  const auto report = second.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == owner.identity);
  CHECK(report->evidence.reason == Reason::lock_held);
  CHECK(report->is_trusted);
  CHECK(report->generation == 1);
  CHECK_FALSE(second.owns());
  CHECK_FALSE(second.held().held);
  CHECK(machine.disk.open_count(other.index()) == 0);
}

TEST_CASE("two guards of one process exclude each other", "[claim]") {
  Machine machine;
  const Contender process = machine.spawn();
  Guard first = guard_of(process);
  Guard second = guard_of(process);
  REQUIRE(first.claim()->owned());
  CHECK(second.claim()->outcome == ClaimOutcome::already_running);
  REQUIRE(first.release());
  CHECK(second.claim()->owned());
}

TEST_CASE("claiming again what one owns says so", "[claim]") {
  Machine machine;
  const Contender process = machine.spawn();
  Guard guard = guard_of(process);
  const auto first = guard.claim();
  const auto again = guard.claim();
  CHECK(again->owned());
  CHECK(again->generation == first->generation);
}

TEST_CASE("the generation grows with every claim", "[claim]") {
  Machine machine;
  std::uint64_t last = 0;
  for (int round = 0; round < 5; ++round) {
    const Contender process = machine.spawn();
    Guard guard = guard_of(process);
    const auto report = guard.claim();
    REQUIRE(report->owned());
    CHECK(report->generation > last);
    last = report->generation;
    if (round % 2 == 0) process.kill();
  }
}

TEST_CASE("the lock's record says who claimed, when, and where", "[claim]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  machine.time.advance(genie::seconds(3));
  const auto report = guard.claim({.build = "1.2 (abc)"});
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->owner == owner.identity);
  CHECK(report->server == genie::ProcessIdentity{});
  CHECK(report->generation == 1);
  CHECK(report->evidence.reason == Reason::none);
  genie::LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  CHECK(record == guard.held().written);
  CHECK(record.owner == owner.identity);
  CHECK(record.origin.boot == genie::BootId{genie::Text{machine.processes.boot}});
  CHECK(record.origin.pid_namespace == genie::testing::ProcessTable::host_namespace);
  CHECK(record.claimed_wall == machine.time.wall);
  CHECK(record.claimed_monotonic == machine.time.monotonic);
  CHECK(record.phase == genie::Phase::running);
  CHECK(record.generation == 1);
  CHECK(record.lock == machine.disk.stat(lock_path)->id);
  CHECK(record.record.inode == machine.disk.stat(record_path)->id.inode);
  CHECK(record.record.changed_ns == machine.disk.stat(record_path)->changed_ns);
  CHECK(record.port_name == genie::PortFileName{"pgserve.port"});
  CHECK(genie::Text{record.build} == genie::Text{"1.2 (abc)"});
  CHECK(record.server == genie::ProcessIdentity{});
}

TEST_CASE("a takeover says whose record was stale, and why", "[claim]") {
  Machine machine;
  SECTION("of its own kind, the lock proves it") {
    const Contender owner = crashed_owner(machine);
    const Contender fresh = machine.spawn();
    Guard guard = guard_of(fresh);
    const auto report = guard.claim();
    CHECK(report->taken_over.reason == Reason::writer_lost_lock);
    CHECK(report->taken_over.recorded == owner.identity);
  }
  SECTION("of an older program, the start time proves it ") {
    ProcessOptions options;
    options.pid = 4711;
    options.start = genie::known_start(991);
    const Contender stranger = machine.spawn(options);
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "4711:815");
    const Contender fresh = machine.spawn();
    Guard guard = guard_of(fresh);
    const auto report = guard.claim();
    REQUIRE(report->owned());
    CHECK(report->taken_over.reason == Reason::start_differs);
    CHECK(fmt::format("{}", report->taken_over) == "stale: PID 4711 now started at 991, recorded 815");
    CHECK(stranger.is_alive());
    CHECK(machine.processes.deliveries.empty());
  }
}

TEST_CASE("a live older program is a survivor", "[claim]") {
  Machine machine;
  const Contender older = machine.spawn();
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, text_of(older.identity) + "\n");
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity) + "\n");
}

TEST_CASE("what cannot be proved is left alone", "[claim][F17]") {
  Machine machine;
  ProcessOptions options;
  options.pid = 4711;
  options.user = 0;
  std::string record = "4711:815";
  SECTION("the PID's start is hidden") { options.visibility = genie::testing::Visibility::start_unreadable; }
  SECTION("the PID's liveness is hidden") { options.visibility = genie::testing::Visibility::hidden; }
  SECTION("the record has no start") { record = "4711:unknown"; }
  (void)machine.spawn(options);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, record);
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::contended);
  CHECK(machine.disk.read_file(record_path) == record);
}

TEST_CASE("an unknown start of one's own is recorded, respected, and taken over after a crash", "[claim]") {
  Machine machine;
  machine.processes.has_proc = false;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  CHECK(machine.disk.read_file(record_path) == fmt::format("{}:unknown", owner.identity.pid));
  const Contender other = machine.spawn();
  CHECK(guard_of(other).claim()->outcome == ClaimOutcome::already_running);

  owner.kill();
  owner.reap();
  ProcessOptions options;
  options.pid = owner.identity.pid;
  (void)machine.spawn(options);  // its PID is somebody else's now, and nobody's start can be read
  const auto report = guard_of(other).claim();
  REQUIRE(report->owned());
  CHECK(report->taken_over.reason == Reason::writer_lost_lock);
}

TEST_CASE("a record with the PID of an earlier owner of unknown start is not taken for that owner's", "[claim][F4]") {
  Machine machine;
  machine.processes.has_proc = false;
  const Contender owner = crashed_owner(machine);
  ProcessOptions options;
  options.pid = owner.identity.pid;
  (void)machine.spawn(options);
  machine.time.advance(genie::seconds(1));
  machine.disk.replace(record_path, fmt::format("{}:unknown", owner.identity.pid));  // an older program, alive
  const Contender fresh = machine.spawn();
  CHECK(guard_of(fresh).claim()->outcome == ClaimOutcome::contended);
}

TEST_CASE("a legacy record is stale, unless it is trusted", "[claim]") {
  Machine machine;
  ProcessOptions options;
  options.pid = 4711;
  (void)machine.spawn(options);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "4711\n");
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  ClaimOptions trusting;
  trusting.trust_legacy = true;
  CHECK(guard.claim(trusting)->outcome == ClaimOutcome::already_running);
  const auto report = guard.claim();
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::legacy_record);
}

TEST_CASE("a starter that finds an empty record waits for its writer", "[claim][F1]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "");
  const Contender older = machine.spawn();
  const Contender fresh = machine.spawn();
  machine.time.after(genie::milliseconds(700), [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == older.identity);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
}

TEST_CASE("an empty record whose writer died is replaced after the grace, and not before", "[claim][F2]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "");
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto began = machine.time.monotonic;
  const auto report = guard.claim();
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::empty_record);
  const auto took = machine.time.monotonic - began;
  CHECK(took >= ClaimOptions{}.empty_grace);
  CHECK(took < ClaimOptions{}.empty_grace + genie::milliseconds(50));
}

TEST_CASE("the grace begins anew when another empty record replaces the first", "[claim][F2][F4]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "");
  const Contender older = machine.spawn();
  machine.time.after(genie::milliseconds(1900), [&] { machine.disk.replace(record_path, ""); });
  machine.time.after(genie::milliseconds(2500), [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
  const Contender fresh = machine.spawn();
  CHECK(guard_of(fresh).claim()->outcome == ClaimOutcome::already_running);
}

TEST_CASE("a record that replaces the judged one is noticed, even under the same inode number", "[claim][F3][F4]") {
  // The rival acts just before each single call of the claim: there is no safe moment for it to go unnoticed.
  std::uint64_t calls = 0;
  {
    Machine machine;
    (void)crashed_owner(machine);
    const Contender fresh = machine.spawn();
    Guard guard = guard_of(fresh);
    REQUIRE(guard.claim()->owned());
    calls = fresh.calls().count();
  }
  for (std::uint64_t at = 1; at <= calls; ++at) {
    INFO("the older program acts before call " << at);
    Machine machine;
    (void)crashed_owner(machine);
    const Contender older = machine.spawn();
    const Contender fresh = machine.spawn();
    Guard guard = guard_of(fresh);
    bool published_over_ours = false;
    fresh.calls().at_call[at] = [&] {
      published_over_ours = machine.disk.read_file(record_path) == text_of(fresh.identity);
      if (!published_over_ours) machine.disk.replace(record_path, text_of(older.identity));
    };
    const auto report = guard.claim();
    REQUIRE(report);
    if (published_over_ours) {
      CHECK(report->owned());
    } else {
      CHECK(report->outcome == ClaimOutcome::already_running);
      CHECK(report->owner == older.identity);
      CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
    }
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("a claim that was killed at any call leaves the way free", "[claim][crash]") {
  for (const StartState& state : start_states()) {
    for (std::uint64_t at = 1;; ++at) {
      INFO(state.name << ", killed before call " << at);
      Machine machine;
      state.make(machine);
      const Contender victim = machine.spawn();
      {
        Guard guard = guard_of(victim);
        victim.kill_before_call(at);
        (void)guard.claim();
        if (victim.is_alive()) break;
      }
      victim.reap();
      check_fresh_claim(machine);
    }
  }
}

TEST_CASE("a claim that was killed and whose PID was reused unseen leaves the way free", "[claim][crash]") {
  for (const StartState& state : start_states()) {
    for (std::uint64_t at = 1;; ++at) {
      INFO(state.name << ", killed before call " << at);
      Machine machine;
      state.make(machine);
      const Contender victim = machine.spawn();
      {
        Guard guard = guard_of(victim);
        victim.kill_before_call(at);
        (void)guard.claim();
        if (victim.is_alive()) break;
      }
      victim.reap();
      ProcessOptions options;
      options.pid = victim.identity.pid;
      options.user = 0;
      options.visibility = genie::testing::Visibility::hidden;
      (void)machine.spawn(options);
      check_fresh_claim(machine);
    }
  }
}

TEST_CASE("a claim without start times that was killed leaves the way free, even if its PID is reused",
          "[claim][crash]") {
  const bool taking_over = GENERATE(false, true);
  ProcessOptions options;
  options.pid_namespace = GENERATE(std::uint64_t{0}, std::uint64_t{77});  // in a container, the claimant is PID 1
  CAPTURE(taking_over, options.pid_namespace);
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine;
    machine.processes.has_proc = false;
    if (taking_over) (void)crashed_owner(machine);
    options.pid = 0;
    const Contender victim = machine.spawn(options);
    {
      Guard guard = guard_of(victim);
      victim.kill_before_call(at);
      (void)guard.claim();
      if (victim.is_alive()) break;
    }
    victim.reap();
    options.pid = victim.identity.pid;
    (void)machine.spawn(options);
    options.pid = 0;
    const Contender fresh = machine.spawn(options);
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->owned());
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("a release that was killed at any call leaves the way free", "[claim][release][crash]") {
  const bool has_port = GENERATE(true, false);
  for (std::uint64_t at = 1;; ++at) {
    INFO((has_port ? "with" : "without") << " a port, killed before call " << at);
    Machine machine;
    const Contender victim = machine.spawn();
    {
      Guard guard = guard_of(victim);
      REQUIRE(guard.claim()->owned());
      if (has_port) REQUIRE(guard.publish_port(4711));
      victim.kill_before_call(at);
      (void)guard.release();
      if (victim.is_alive()) break;
    }
    victim.reap();
    check_fresh_claim(machine);
  }
}

TEST_CASE("an error at any call is an error, never 'already running', and leaks nothing", "[claim][fault][F16]") {
  const std::vector<int> errors{EIO, ENOSPC, EACCES, ENOLCK, EMFILE, EROFS, ENOMEM};
  for (const StartState& state : start_states()) {
    for (std::uint64_t at = 1;; ++at) {
      bool reached = false;
      for (const int code : errors) {
        INFO(state.name << ", call " << at << " fails with errno " << code);
        Machine machine;
        state.make(machine);
        const Contender contender = machine.spawn();
        {
          Guard guard = guard_of(contender);
          contender.calls().fail(Call::any, code, at);
          const auto report = guard.claim();
          reached = contender.calls().count() >= at;
          contender.calls().decide = nullptr;
          if (report) {
            CHECK((report->outcome == ClaimOutcome::claimed || report->outcome == ClaimOutcome::contended));
            CHECK(report->owned() == guard.owns());
          } else {
            CHECK(report.error().code == code);
            CHECK(report.error().operation != genie::Operation::none);
            CHECK_FALSE(report.error().path.empty());
            CHECK_FALSE(guard.owns());
            CHECK(machine.disk.open_count(contender.index()) == 0);
          }
        }
        CHECK(machine.disk.open_count(contender.index()) == 0);
        contender.kill();
        contender.reap();
        check_fresh_claim(machine);
      }
      if (!reached) break;
    }
  }
}

TEST_CASE("interruptions and short transfers are invisible", "[claim][fault][F16]") {
  for (const StartState& state : start_states()) {
    INFO(state.name);
    Machine machine;
    state.make(machine);
    const Contender contender = machine.spawn();
    Guard guard = guard_of(contender);
    // Every other call is interrupted, and nothing is read or written but byte by byte.
    contender.calls().decide = [](const genie::testing::CallEvent& event) {
      const bool repeatable = event.call != Call::close && event.call != Call::look && event.call != Call::sleep &&
                              event.call != Call::close_watch;
      return repeatable && event.number % 2 == 0 ? EINTR : 0;
    };
    contender.calls().shorten(Call::read_at, 1, 1, 1'000'000);
    contender.calls().shorten(Call::write_at, 1, 1, 1'000'000);
    const auto report = guard.claim();
    REQUIRE(report);
    CHECK(report->owned());
    contender.calls().clear();
    CHECK(machine.disk.read_file(record_path) == text_of(contender.identity));
  }
}

TEST_CASE("a full disk is an error that names the call, and nothing is half-claimed", "[claim][F16]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.capacity = 0;
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  const auto report = guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ENOSPC);
  CHECK(report.error().operation == genie::Operation::write);
  CHECK_FALSE(machine.disk.exists(record_path));
  machine.disk.capacity = SIZE_MAX;
  check_fresh_claim(machine);
}

TEST_CASE("without locks, a claim fails closed", "[claim][F16]") {
  Machine machine;
  const Contender contender = machine.spawn();
  machine.disk.has_locks = false;
  const auto report = guard_of(contender).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ENOLCK);
  CHECK(report.error().operation == genie::Operation::lock);
}

TEST_CASE("something else in the place of a file is refused, and not followed", "[claim][F15]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file("/victim", "precious");
  const char* const path = GENERATE(record_path, lock_path, port_path);
  const int kind = GENERATE(0, 1, 2);
  switch (kind) {
    case 0: machine.disk.make_symbolic_link(path, "/victim"); break;
    case 1: machine.disk.make_fifo(path); break;
    default: machine.disk.make_directory(path); break;
  }
  INFO(path << ", kind " << kind);
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  const auto report = guard.claim();
  if (path == port_path && kind != 2) {
    CHECK(report->owned());  // a predecessor's port, whatever it is, is removed by its name
  } else {
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == genie::ErrorKind::not_a_regular_file);
    CHECK(std::string{report.error().path.c_str()} == path);
    CHECK(machine.disk.exists(path));
    CHECK(machine.disk.open_count(contender.index()) == 0);
  }
  CHECK(machine.disk.read_file("/victim") == "precious");
}

TEST_CASE("a lock file with a second name is not written to", "[claim][F18]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file("/victim", "precious");
  machine.disk.make_hard_link("/victim", lock_path);
  const Contender contender = machine.spawn();
  const auto report = guard_of(contender).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::linked_elsewhere);
  CHECK(machine.disk.read_file("/victim") == "precious");
}

TEST_CASE("nothing is taken over on the word of a file that others may have written", "[claim][F18]") {
  Machine machine;
  const Contender owner = crashed_owner(machine);
  const Contender fresh = machine.spawn();
  genie::ErrorKind expected = genie::ErrorKind::untrusted_directory;
  bool allowed = false;
  SECTION("a directory that everybody may write") { machine.disk.set_permissions(directory, 0777); }
  SECTION("a directory that the group may write") { machine.disk.set_permissions(directory, 0770); }
  SECTION("a directory of another user") {
    machine.disk.set_permissions(directory, 0777);
    machine.disk.set_owner(directory, 2000);
  }
  SECTION("a record that others may write") {
    machine.disk.set_permissions(record_path, 0666);
    expected = genie::ErrorKind::untrusted_record;
  }
  SECTION("a record of another user") {
    machine.disk.set_owner(record_path, 2000);
    machine.disk.set_permissions(record_path, 0644);
    expected = genie::ErrorKind::untrusted_record;
  }
  SECTION("a sticky directory, and records of our own") {
    machine.disk.set_permissions(directory, 01777);
    allowed = true;
  }
  SECTION("root's directory, and records of our own") {
    machine.disk.set_permissions(directory, 0777);
    machine.disk.set_owner(directory, 0);
    allowed = true;
  }
  const auto report = guard_of(fresh).claim();
  if (allowed) {
    REQUIRE(report);
    CHECK(report->owned());
  } else {
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == expected);
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
  }
}

TEST_CASE("a live owner outlasts SIGSTOP, suspend, and a renamed host", "[claim][F9][F14]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.processes.stop(owner.index());
  machine.time.suspend(genie::seconds(1'000'000));
  machine.time.jump_wall(genie::seconds(-2'000'000));
  const Contender other = machine.spawn();
  CHECK(guard_of(other).claim()->outcome == ClaimOutcome::already_running);
  machine.processes.resume(machine.time, owner.index());
  CHECK(guard.verify() == genie::Ownership::held);
}

TEST_CASE("an owner in another PID namespace is respected while it lives and replaced once it is dead", "[claim][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 77;
  const Contender inside = machine.spawn(options);
  REQUIRE(inside.identity.pid == 1);
  Guard guard = guard_of(inside);
  REQUIRE(guard.claim()->owned());
  const Contender outside = machine.spawn();
  const auto refused = guard_of(outside).claim();
  CHECK(refused->outcome == ClaimOutcome::already_running);
  CHECK(refused->evidence.reason == Reason::lock_held_elsewhere);
  SECTION("even if somebody deletes the lock file") {
    machine.disk.remove(lock_path);
    const auto report = guard_of(outside).claim();
    CHECK(report->outcome == ClaimOutcome::contended);
    CHECK(report->evidence.reason == Reason::record_pinned);
  }
  SECTION("a restarted container takes over its own PID") {
    inside.kill();
    inside.reap();
    options.pid_namespace = 78;
    const Contender restarted = machine.spawn(options);
    REQUIRE(restarted.identity.pid == 1);
    CHECK(guard_of(restarted).claim()->owned());
  }
}

TEST_CASE("a live owner whose start time reads otherwise here is still the owner", "[claim][F7]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.processes.shift_starts(5000);
  const Contender other = machine.spawn();
  const auto report = guard_of(other).claim();
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->evidence.reason == Reason::lock_held_start_shifted);
}

TEST_CASE("a child that inherited the lock is named, and nothing is guessed", "[claim][F10]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  const Contender other = machine.spawn();
  CHECK(guard_of(other).claim()->outcome == ClaimOutcome::already_running);
  const bool was_killed = GENERATE(true, false);
  if (was_killed) {
    owner.kill();
    owner.reap();
  } else {
    REQUIRE(guard.release());
  }
  const auto report = guard_of(other).claim();
  REQUIRE(report->outcome == ClaimOutcome::orphaned);
  REQUIRE(report->holder_count == 1);
  CHECK(report->holders[0].pid == child.identity.pid);
  CHECK(report->evidence.reason == (was_killed ? Reason::owner_gone : Reason::owner_released));
  child.kill();
  CHECK(guard_of(other).claim()->owned());
}

TEST_CASE("a contender waits for a claim in progress and then names its owner", "[claim]") {
  Machine machine;
  const Contender first = machine.spawn();
  const Contender second = machine.spawn();
  Guard winner = guard_of(first);
  Guard loser = guard_of(second);
  // The loser runs while the winner has the lock, and has not published anything: it must not be told a predecessor.
  genie::Result<genie::ClaimReport> early = genie::ClaimReport{};
  ClaimOptions impatient;
  impatient.settle = genie::milliseconds(0);
  bool once = false;
  first.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::link_unnamed || once) return;
    once = true;
    early = loser.claim(impatient);
  };
  REQUIRE(winner.claim()->owned());
  REQUIRE(once);
  REQUIRE(early);
  CHECK(early->outcome == ClaimOutcome::contended);
  CHECK(early->evidence.reason == Reason::claim_in_progress);
  CHECK(loser.claim()->owner == first.identity);
}

TEST_CASE("a predecessor's port is gone before the claim returns", "[claim][F12]") {
  Machine machine;
  {
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(4711));
    owner.kill();
    owner.reap();
  }
  REQUIRE(machine.disk.exists(port_path));
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  CHECK(*guard.port() == 0);
  SECTION("under the same name") {
    REQUIRE(guard.claim()->owned());
    CHECK_FALSE(machine.disk.exists(port_path));
  }
  SECTION("also where the new owner publishes under another name") {
    genie::GuardOptions options;
    options.port_name = "other";
    Guard renamed{directory, options, fresh.clock, fresh.process, fresh.filesystem};
    REQUIRE(renamed.claim()->owned());
    CHECK_FALSE(machine.disk.exists(port_path));
  }
}

TEST_CASE("a claim looks nothing up twice", "[claim][calls]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  REQUIRE(guard.claim()->owned());
  std::vector<std::string> log;
  for (const std::string& line : contender.calls().log()) {
    if (line != "self" && line != "origin" && line != "monotonic" && line != "wall" && line != "look" &&
        line != "user") {
      log.push_back(line);
    }
  }
  CHECK(log == std::vector<std::string>{"open_directory /tmp/state",
                                        "stat",
                                        "open serve.lock",
                                        "stat",
                                        "try_lock",
                                        "stat_at /tmp/state/serve.lock",
                                        "read_at",
                                        "for_each_name",
                                        "open serve.pid",
                                        "create_unnamed",
                                        "write_at",
                                        "try_lock",
                                        "stat",
                                        "random",
                                        "write_at",
                                        "link_unnamed serve.pid",
                                        "stat",
                                        "unlink pgserve.port",
                                        "open serve.endpoints",
                                        "unlink serve.stopping.tmp",
                                        "open serve.stopping.lock",
                                        "unlock",
                                        "write_at"});
}

TEST_CASE("what the last owner has taken away is not looked for", "[claim][calls]") {
  Machine machine;
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  REQUIRE(guard.claim()->owned());
  const auto log_of = [&](auto&& step) {
    const std::size_t before = contender.calls().log().size();
    step();
    std::vector<std::string> log;
    for (std::size_t at = before; at < contender.calls().log().size(); ++at) {
      const std::string& line = contender.calls().log()[at];
      if (line != "self" && line != "origin" && line != "monotonic" && line != "wall" && line != "look") {
        log.push_back(line.find(".tmp") == std::string::npos || line.ends_with("stopping.tmp")
                          ? line
                          : line.substr(0, line.find(' ')));
      }
    }
    return log;
  };
  CHECK(log_of([&] { REQUIRE(guard.release()); }) == std::vector<std::string>{"stat", "stat_at serve.pid",
                                                                              "rename serve.pid", "stat_at", "unlink",
                                                                              "close", "write_at", "close", "close"});
  CHECK(log_of([&] { REQUIRE(guard.claim()->owned()); }) == std::vector<std::string>{"open_directory /tmp/state",
                                                                                     "stat",
                                                                                     "open serve.lock",
                                                                                     "stat",
                                                                                     "try_lock",
                                                                                     "stat_at /tmp/state/serve.lock",
                                                                                     "read_at",
                                                                                     "create_unnamed",
                                                                                     "write_at",
                                                                                     "try_lock",
                                                                                     "stat",
                                                                                     "random",
                                                                                     "write_at",
                                                                                     "link_unnamed serve.pid",
                                                                                     "stat",
                                                                                     "unlink pgserve.port",
                                                                                     "unlink serve.stopping.tmp",
                                                                                     "open serve.stopping.lock",
                                                                                     "unlock",
                                                                                     "write_at",
                                                                                     "user"});
}

TEST_CASE("an older program's record that came after a release is judged", "[claim][older]") {
  Machine machine;
  {
    const Contender first = machine.spawn();
    Guard guard = guard_of(first);
    REQUIRE(guard.claim()->owned());
  }
  const Contender older = machine.spawn();
  machine.disk.write_file(record_path, text_of(older.identity));
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  SECTION("alive") {
    const auto report = guard.claim();
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("dead") {
    older.kill();
    older.reap();
    const auto report = guard.claim();
    CHECK(report->owned());
    CHECK(report->taken_over.recorded == older.identity);
  }
  SECTION("empty, until it is written") {
    machine.disk.write_file(record_path, "");
    machine.time.after(genie::milliseconds(50), [&] { machine.disk.write_file(record_path, text_of(older.identity)); });
    CHECK(guard.claim()->outcome == ClaimOutcome::already_running);
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("what keeps a claim from publishing hides no living older program, whatever the last owner has left",
          "[claim][older][F16]") {
  Machine machine;
  const bool was_released = GENERATE(true, false);
  CAPTURE(was_released);
  if (was_released) {
    REQUIRE(guard_of(machine.spawn()).claim()->owned());
  } else {
    (void)crashed_owner(machine);
    machine.disk.remove(record_path);
  }
  const Contender older = machine.spawn();
  const Contender fresh = machine.spawn();
  const Call refused = GENERATE(Call::create_unnamed, Call::write_at, Call::link_unnamed);
  CAPTURE(name_of(refused));
  fresh.calls().fail(refused, ENOSPC, 1, 16);
  SECTION("alive") {
    machine.disk.write_file(record_path, text_of(older.identity));
    const auto report = guard_of(fresh).claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::already_running);
    CHECK(report->owner == older.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  }
  SECTION("none") {
    fresh.calls().fail(Call::open, ENOSPC, 2, 16);
    const auto report = guard_of(fresh).claim();
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ENOSPC);
  }
  CHECK(machine.disk.open_count(fresh.index()) == 0);
  CHECK(strangers(machine).empty());
}

TEST_CASE("a claim that has failed, and let go of the lock, judges nobody who comes then", "[claim][older][F16]") {
  Machine machine;
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  const Contender older = machine.spawn();
  const Contender fresh = machine.spawn();
  fresh.calls().fail(Call::write_at, EIO, 3);  // the lock's record, when all else is done
  fresh.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::unlink && !machine.disk.exists(record_path)) {
      machine.disk.write_file(record_path, text_of(older.identity));
    }
  };
  const auto report = guard_of(fresh).claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EIO);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(machine.disk.open_count(fresh.index()) == 0);
}

TEST_CASE("an empty record that was moved away by somebody who was killed then is put back",
          "[claim][crash][faults][older]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  const bool releases = GENERATE(true, false);
  if (releases) {
    REQUIRE(guard.claim()->owned());
  } else {
    SECTION("a claim that fails, as a port cannot be removed") { owner.calls().fail(Call::unlink, EACCES); }
    SECTION("a claim that fails, as its last record cannot be written") { owner.calls().fail(Call::write_at, EIO, 3); }
  }
  owner.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::rename) machine.disk.replace(record_path, "");  // an older program begins its claim
    if (event.call == Call::rename_new) owner.kill();
  };
  if (releases) {
    (void)guard.release();
  } else {
    (void)guard.claim();
  }
  REQUIRE_FALSE(owner.is_alive());
  owner.reap();
  REQUIRE_FALSE(machine.disk.exists(record_path));
  const Contender fresh = machine.spawn();
  const Contender older = machine.spawn();
  machine.time.after(genie::milliseconds(50), [&] {
    if (machine.disk.read_file(record_path) == "") machine.disk.write_file(record_path, text_of(older.identity));
  });
  CHECK(guard_of(fresh).claim()->outcome == ClaimOutcome::already_running);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
  CHECK(strangers(machine).empty());
}

TEST_CASE("after a release that has met another program's record, the next claim looks before it writes",
          "[claim][older]") {
  Machine machine;
  const Contender older = machine.spawn();
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  SECTION("before it") { machine.disk.replace(record_path, text_of(older.identity)); }
  SECTION("in the middle of it") {
    owner.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::rename) machine.disk.replace(record_path, text_of(older.identity));
    };
  }
  REQUIRE(guard.release());
  const auto before = machine.disk.read_file(lock_path);
  CHECK(guard_of(machine.spawn()).claim()->outcome == ClaimOutcome::already_running);
  CHECK(machine.disk.read_file(lock_path) == before);
  CHECK(strangers(machine).empty());
}

TEST_CASE("what a power cut has brought back after a release is proved dead, whoever is killed meanwhile",
          "[claim][crash][reboot]") {
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    machine.processes.has_proc = false;
    const Contender owner = machine.spawn();
    {
      Guard guard = guard_of(owner);
      REQUIRE(guard.claim()->owned());
      machine.disk.make_hard_link(record_path, "/tmp/state/kept");
      REQUIRE(guard.release());
    }
    machine.reboot();
    machine.disk.make_hard_link("/tmp/state/kept", record_path);
    machine.disk.remove("/tmp/state/kept");
    genie::testing::ProcessOptions options;
    options.pid = owner.identity.pid;
    (void)machine.spawn(options);
    const Contender first = machine.spawn();
    first.kill_before_call(at);
    (void)guard_of(first).claim();
    const bool is_alive = first.is_alive();
    if (!is_alive) first.reap();
    CHECK(guard_of(machine.spawn()).claim()->owned());
    if (is_alive) break;
  }
}

TEST_CASE("unusable names and directories are told apart from contention", "[claim][F15]") {
  Machine machine;
  const Contender contender = machine.spawn();
  const auto error_of = [&](const std::string& where, const char* name) {
    genie::GuardOptions options;
    options.name = name;
    Guard guard{where, options, contender.clock, contender.process, contender.filesystem};
    const auto report = guard.claim();
    REQUIRE_FALSE(report);
    return report.error();
  };
  CHECK(error_of("/tmp/state", "a/b").kind == genie::ErrorKind::invalid_name);
  CHECK(error_of("/tmp/state", "").kind == genie::ErrorKind::invalid_name);
  CHECK(error_of(std::string(5000, 'x'), "serve").kind == genie::ErrorKind::path_too_long);
  CHECK(error_of("", "serve").code == ENOENT);
  CHECK(error_of("/missing/state", "serve").code == ENOENT);
  machine.disk.write_file("/file", "");
  CHECK(error_of("/file", "serve").kind == genie::ErrorKind::not_a_directory);
  machine.disk.make_directory("/closed", 0500);
  CHECK(error_of("/closed", "serve").code == EACCES);
}

TEST_CASE("an unwritten file is not taken for a record, even if its maker has the identity of the recorded one",
          "[claim]") {
  // After a reboot PIDs and start times begin again, so that two owners of different boots may be called the same.
  Machine machine;
  const Contender before = crashed_owner(machine);
  machine.reboot();
  const Contender second = machine.spawn();
  REQUIRE(second.identity == before.identity);
  second.calls().before_call = [second](const genie::testing::CallEvent& event) {
    if (event.call == Call::write_at && event.occurrence == 2) second.kill();  // its temporary file is still empty
  };
  {
    Guard guard = guard_of(second);
    (void)guard.claim();
  }
  second.reap();

  const Contender fresh = machine.spawn();
  bool was_empty = false;
  fresh.calls().before_call = [&](const genie::testing::CallEvent&) {
    was_empty = was_empty || machine.disk.read_file(record_path) == "";
  };
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK_FALSE(was_empty);
}

TEST_CASE("a claim whose record was taken back at the last moment claims again", "[claim][F25]") {
  // Whoever has locked another lock file, because somebody deleted ours, may take our takeover for a crashed one.
  Machine machine;
  (void)crashed_owner(machine);
  const Contender second = machine.spawn();
  int interferences = 0;
  second.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::unlink || !event.name.ends_with(".tmp") || interferences++ > 0) return;
    const std::string temporary = std::string{directory} + '/' + std::string{event.name.data(), event.name.size()};
    const auto root = genie::testing::MemoryDisk::root;
    machine.disk.exchange_names(machine.disk.resolve(root, temporary, 0, false),
                                machine.disk.resolve(root, record_path, 0, false));
  };
  Guard guard = guard_of(second);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(interferences > 1);
  CHECK(report->owned());
  CHECK(report->generation == 2);
  CHECK(guard.verify() == genie::Ownership::held);
  CHECK(machine.disk.read_file(record_path) == text_of(second.identity));
  CHECK(strangers(machine).empty());
}

}  // namespace tests::claim_test
