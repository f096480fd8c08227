// Who holds the lock, in the situations that no owner of our own kind brings about by itself: locks of strangers,
// records that change under the reader, PIDs that were reused, holders that are hidden.
#include "support.hpp"

#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::owner_test {

using namespace tests;
using genie::ClaimOutcome;
using genie::LockRecord;
using genie::LockStanding;
using genie::Phase;
using genie::Reason;
using genie::ServerState;
using genie::StopOutcome;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;
using genie::testing::Visibility;

namespace {

LockRecord lock_record(const Machine& machine) {
  LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  return record;
}

void rewrite(Machine& machine, const std::function<void(LockRecord&)>& change) {
  LockRecord record = lock_record(machine);
  change(record);
  machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
}

/// Takes bytes of the lock file, and writes nothing.
Contender holder_of_lock(Machine& machine, std::uint64_t offset = genie::detail::owner_byte, std::uint64_t length = 1) {
  Contender holder = machine.spawn();
  const auto file = holder.filesystem.open({}, lock_path, genie::OpenMode::read_write, 0600);
  REQUIRE(file.ok());
  REQUIRE(holder.filesystem.try_lock(file.value, offset, length).ok());
  return holder;
}

/// A crashed owner whose lock is held by a child that nobody can look into.
Contender hidden_heir(Machine& machine) {
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  Contender child = machine.fork(owner);
  child.process.me().visibility = Visibility::start_unreadable;
  owner.kill();
  owner.reap();
  ProcessOptions stranger;
  stranger.pid = owner.identity.pid;
  (void)machine.spawn(stranger);
  return child;
}

void check_unknown(Machine& machine, Reason reason) {
  const Contender reader = machine.spawn();
  Guard guard = guard_of(reader);
  const auto report = guard.status();
  REQUIRE(report);
  CHECK(report->state == ServerState::unknown);
  CHECK(report->evidence.reason == reason);
  CHECK_FALSE(report->is_live());
  CHECK(*guard.running());
  CHECK(guard.claim()->outcome == ClaimOutcome::contended);
  const auto receipt = guard.stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(machine.processes.deliveries.empty());
}

}  // namespace

TEST_CASE("a lock covers its bytes, and without an end all that follow", "[owner]") {
  using genie::detail::covers;
  constexpr std::uint64_t byte = genie::detail::starter_byte;
  struct Row {
    genie::LockQuery query;
    bool covered;
  };
  const Row rows[] = {
      {{true, byte, 1}, true},       {{true, byte - 1, 2}, true},  {{true, byte - 1, 1}, false},
      {{true, byte + 1, 1}, false},  {{true, byte + 1, 0}, false}, {{true, byte - 1, 0}, true},
      {{true, 0, UINT64_MAX}, true}, {{false, byte, 1}, false},    {{false, 0, 0}, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.query.held, row.query.offset, row.query.length);
    CHECK(covers(row.query, byte) == row.covered);
  }
}

TEST_CASE("a lock that is held over an unreadable record is left alone", "[owner]") {
  Machine machine;
  (void)crashed_owner(machine);
  std::string content;
  SECTION("noise") { content = std::string(1024, '\xee'); }
  SECTION("nothing") { content = ""; }
  SECTION("a copy of another lock file's record") {
    content = *machine.disk.read_file(lock_path);
    machine.disk.replace(lock_path, "");
  }
  machine.disk.write_file(lock_path, content);
  (void)holder_of_lock(machine);
  check_unknown(machine, Reason::lock_record_unreadable);
}

TEST_CASE("a claim waits for an unreadable record to be written", "[owner][claim]") {
  Machine machine;
  (void)crashed_owner(machine);
  const std::string valid = *machine.disk.read_file(lock_path);
  machine.disk.write_file(lock_path, "");
  const Contender holder = holder_of_lock(machine);
  machine.time.after(genie::milliseconds(300), [&] {
    machine.disk.write_file(lock_path, valid);
    rewrite(machine, [&](LockRecord& record) { record.owner = holder.identity; });
  });
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::already_running);
  CHECK(report->owner == holder.identity);
}

TEST_CASE("who can't learn who it is for want of descriptors says so, and takes nobody for an owner", "[owner][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  (void)machine.fork(owner);  // a worker, which keeps the lock
  owner.kill();
  owner.reap();
  const auto lock = machine.disk.read_file(lock_path);
  const Contender other = machine.spawn();
  Guard newcomer = guard_of(other);
  other.calls().fail(Call::origin, EMFILE, 1, 1000);
  const auto check = [&](const auto& result) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().kind == genie::ErrorKind::system);
    CHECK(result.error().operation == genie::Operation::observe_process);
    CHECK(result.error().code == EMFILE);
    CHECK(result.error().path == genie::Text{lock_path});
    CHECK(machine.disk.open_count(other.index()) == 0);
  };
  check(newcomer.claim());
  check(newcomer.status());
  check(newcomer.stop({.orphans = true}));
  CHECK(*newcomer.running());  // which asks the lock, and nobody's origin
  CHECK(machine.disk.read_file(lock_path) == lock);
  other.calls().clear();
  CHECK(newcomer.claim()->outcome == ClaimOutcome::orphaned);
}

TEST_CASE("nobody claims without knowing where, for want of descriptors: others could not tell its end",
          "[claim][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  owner.calls().fail(Call::origin, ENFILE);
  Guard guard = guard_of(owner);
  const auto report = guard.claim();
  REQUIRE_FALSE(report);
  CHECK(report.error().operation == genie::Operation::observe_process);
  CHECK(report.error().code == ENFILE);
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
  REQUIRE(guard.claim()->owned());
  CHECK_FALSE(guard.held().written.origin.boot.empty());
}

TEST_CASE("a lock whose holders are hidden, and whose record names a reused PID, names nobody", "[owner][F17]") {
  Machine machine;
  (void)hidden_heir(machine);
  check_unknown(machine, Reason::lock_held_unverified);
}

TEST_CASE("an owner that released, under a lock whose holder is hidden, is not signalled", "[owner][stop]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  const Contender stopper = machine.spawn();
  SECTION("hidden: nobody can be told") {
    child.process.me().visibility = Visibility::start_unreadable;
    REQUIRE(guard.release());
    const auto receipt = guard_of(stopper).stop();
    CHECK(receipt->outcome == StopOutcome::refused);
    CHECK(machine.processes.deliveries.empty());
    CHECK(owner.is_alive());
  }
  SECTION("visible: the child is ended on request, the former owner is not") {
    REQUIRE(guard.release());
    const auto receipt = guard_of(stopper).stop({.orphans = true});
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->was_orphaned);
    CHECK_FALSE(child.is_alive());
    CHECK(owner.is_alive());
  }
}

TEST_CASE("a released lock that another PID namespace still holds is orphaned, and not ours to stop", "[owner][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 7;
  const Contender owner = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  REQUIRE(guard.release());
  const Contender reader = machine.spawn();
  Guard other = guard_of(reader);
  const auto report = other.status();
  REQUIRE(report);
  CHECK(report->state == ServerState::orphaned);
  CHECK(report->evidence.reason == Reason::owner_released);
  CHECK(report->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
  CHECK(other.claim()->outcome == ClaimOutcome::orphaned);
  CHECK(other.stop()->outcome == StopOutcome::refused);
  CHECK(child.is_alive());
}

TEST_CASE("an orphans' record that changes while it is read is read again, and at last nothing is said", "[owner]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  owner.kill();
  const Contender reader = machine.spawn();
  Guard other = guard_of(reader);
  const std::string valid = *machine.disk.read_file(lock_path);
  int changes = 0;
  SECTION("for ever") {
    reader.calls().before_call = [&](const CallEvent& event) {
      if (event.call != Call::lock_holders) return;
      ++changes;
      rewrite(machine, [](LockRecord& record) { ++record.generation; });
    };
    const auto report = other.status();
    REQUIRE(report);
    CHECK(report->state == ServerState::unknown);
    CHECK(changes == 8);
  }
  SECTION("once: it is spoiled for a moment") {
    reader.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::lock_holders && ++changes == 1) machine.disk.write_file(lock_path, "");
      if (event.call == Call::query_lock && changes == 1 && event.occurrence > 2) {
        machine.disk.write_file(lock_path, valid);
      }
    };
    const auto report = other.status();
    REQUIRE(report);
    CHECK(report->state == ServerState::orphaned);
    CHECK(changes == 2);
  }
  CHECK(child.is_alive());
}

TEST_CASE("an heir that gets its dead owner's PID is still an heir", "[owner][F10]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  owner.kill();
  owner.reap();
  const Contender reader = machine.spawn();
  reader.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::holds_lock || event.occurrence != 1) return;
    ProcessOptions options;
    options.pid = owner.identity.pid;
    genie::testing::MemoryFilesystem{child.filesystem}.fork_into(machine.spawn(options).filesystem);
  };
  const auto report = guard_of(reader).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::orphaned);
  CHECK(report->evidence.reason == Reason::owner_gone);
  CHECK(report->holder_count == 2);
}

TEST_CASE("an owner of another boot that holds the lock is running, for nobody knows how long", "[owner]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  rewrite(machine, [](LockRecord& record) { record.origin.boot = genie::BootId{"another machine"}; });
  machine.time.advance(genie::seconds(5));
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::running);
  CHECK(report->evidence.reason == Reason::lock_held_elsewhere);
  CHECK(report->evidence.whereabouts == genie::Whereabouts::other_boot);
  CHECK(report->uptime == genie::Milliseconds{});
}

TEST_CASE("where an owner runs is told by boot and PID namespace, and where one is unknown not guessed",
          "[owner][F8]") {
  using genie::BootId;
  using genie::ProcessOrigin;
  using genie::Whereabouts;
  using genie::detail::whereabouts_of;
  const BootId ours{"ours"};
  const BootId other{"other"};
  struct Row {
    ProcessOrigin theirs;
    ProcessOrigin own;
    Whereabouts whereabouts;
  };
  const Row rows[] = {
      {{ours, 7}, {ours, 7}, Whereabouts::here},
      {{ours, 8}, {ours, 7}, Whereabouts::other_pid_namespace},
      {{ours, 0}, {ours, 7}, Whereabouts::unknown},
      {{ours, 7}, {ours, 0}, Whereabouts::unknown},
      {{ours, 0}, {ours, 0}, Whereabouts::unknown},
      {{other, 7}, {ours, 7}, Whereabouts::other_boot},
      {{other, 8}, {ours, 7}, Whereabouts::other_boot},
      {{other, 0}, {ours, 0}, Whereabouts::other_boot},
      // A boot id that can't be read is no evidence of another boot; and the first namespace has one number everywhere.
      {{{}, 7}, {ours, 7}, Whereabouts::unknown},
      {{ours, 7}, {{}, 7}, Whereabouts::unknown},
      {{{}, 8}, {ours, 7}, Whereabouts::other_pid_namespace},
      {{{}, 7}, {{}, 7}, Whereabouts::here},
  };
  for (const Row& row : rows) {
    CAPTURE(row.theirs.boot.c_str(), row.theirs.pid_namespace, row.own.boot.c_str(), row.own.pid_namespace);
    CHECK(whereabouts_of(row.theirs, row.own) == row.whereabouts);
    CHECK(genie::detail::is_visible_from(row.theirs, row.own) == (row.whereabouts == Whereabouts::here));
  }
}

TEST_CASE("a PID of elsewhere is not looked up here", "[owner][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 7;
  options.pid = 1500;
  const Contender owner = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  SECTION("while it lives") {}
  SECTION("while it releases") {
    (void)machine.fork(owner);
    REQUIRE(guard.release());
  }
  options.pid_namespace = 0;
  (void)machine.spawn(options);
  const Contender reader = machine.spawn();
  reader.calls().before_call = [&](const CallEvent& event) {
    CHECK(event.call != Call::look);
    CHECK(event.call != Call::holds_lock);
    CHECK(event.call != Call::open_process);
  };
  const auto report = guard_of(reader).status();
  REQUIRE(report);
  CHECK(report->owner.pid == 1500);
  CHECK(report->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
}

TEST_CASE("a lock that is taken between two looks counts", "[owner][status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  owner.kill();
  const Contender reader = machine.spawn();
  reader.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::stat_at && event.occurrence == 1) (void)holder_of_lock(machine);
  };
  const auto running = guard_of(reader).running();
  REQUIRE(running.has_value());
  CHECK(*running);
  CHECK(guard_of(reader).status()->state == ServerState::orphaned);
}

TEST_CASE("a stop of somebody else does not make an owner 'stopping'", "[status][sentinel]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender stopper = machine.spawn();
  genie::Sentinel sentinel;
  sentinel.count = 1;
  genie::Stopper& entry = sentinel.stoppers[0];
  entry.stopper = stopper.identity;
  entry.origin = lock_record(machine).origin;
  entry.ttl = genie::seconds(30);
  entry.wall_until = machine.time.wall + entry.ttl;
  entry.monotonic_until = machine.time.monotonic + entry.ttl;
  const Contender reader = machine.spawn();
  Guard other = guard_of(reader);

  entry.target = {owner.identity.pid, genie::known_start(1)};
  machine.disk.write_file(sentinel_path, encode_sentinel(sentinel).c_str());
  CHECK(other.status()->stop.standing);
  CHECK(other.status()->state == ServerState::running);

  entry.target = owner.identity;
  machine.disk.write_file(sentinel_path, encode_sentinel(sentinel).c_str());
  CHECK(other.status()->state == ServerState::stopping);
  CHECK(other.status()->is_live());
}

TEST_CASE("a directory without a name is an error for everybody who asks", "[status][F15]") {
  Machine machine;
  const Contender reader = machine.spawn();
  Guard guard = guard_of(reader, "");
  CHECK(guard.status().error().kind == genie::ErrorKind::not_a_directory);
  CHECK(guard.running().error().kind == genie::ErrorKind::not_a_directory);
  CHECK(guard.stop().error().kind == genie::ErrorKind::not_a_directory);
  CHECK(guard.port().error().kind == genie::ErrorKind::not_a_directory);
  CHECK(guard.claim().error().kind == genie::ErrorKind::not_a_directory);
}

TEST_CASE("who owns nothing changes nothing", "[claim]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const std::string before = *machine.disk.read_file(lock_path);
  const Contender other = machine.spawn();
  Guard stranger = guard_of(other);
  for (const auto& result : {stranger.ready(), stranger.set_server(other.identity), stranger.restore_record(),
                             stranger.publish_port(4711)}) {
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == genie::ErrorKind::not_claimed);
  }
  CHECK(machine.disk.read_file(lock_path) == before);
}

TEST_CASE("a guard that is moved onto itself keeps its claim", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  Guard& same = guard;
  guard = static_cast<Guard&&>(same);
  CHECK(guard.owns());
  CHECK(machine.disk.exists(record_path));
}

TEST_CASE("an open file that is moved onto itself stays open, and is closed once", "[host]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "x");
  const Contender process = machine.spawn();
  Guard guard = guard_of(process);
  auto& host = guard.host();
  {
    genie::detail::ScopedFile<Guard::Host> file{host,
                                                host.files.open({}, record_path, genie::OpenMode::read, 0600).value};
    auto& same = file;
    file = static_cast<genie::detail::ScopedFile<Guard::Host>&&>(same);
    CHECK(file.is_open());
    CHECK(machine.disk.open_count(process.index()) == 1);
  }
  CHECK(machine.disk.open_count(process.index()) == 0);
  CHECK(machine.disk.stray_closes == 0);
}

TEST_CASE("an heir of a lock is named, also where its dead owner's PID is somebody else's by now", "[owner][F10]") {
  const bool is_reused = GENERATE(false, true);
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  owner.kill();
  owner.reap();
  if (is_reused) {
    ProcessOptions stranger;
    stranger.pid = owner.identity.pid;
    (void)machine.spawn(stranger);
  }
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::orphaned);
  CHECK(report->evidence.reason == Reason::owner_gone);
  CHECK(report->owner == owner.identity);
  REQUIRE(report->holder_count == 1);
  CHECK(report->holders[0].pid == child.identity.pid);
  CHECK(report->holders[0].start == child.identity.start);
  const auto refused = guard_of(machine.spawn()).claim();
  REQUIRE(refused);
  CHECK(refused->outcome == ClaimOutcome::orphaned);
  REQUIRE(refused->holder_count == 1);
  CHECK(refused->holders[0].pid == child.identity.pid);
}

TEST_CASE("a claim that does not come to its end is named to those who wait for it in vain", "[owner][claim]") {
  Machine machine;
  REQUIRE(guard_of(machine.spawn()).claim()->owned());
  const Contender starter = holder_of_lock(machine, genie::detail::owner_byte, 2);
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::contended);
  CHECK(report->owner == genie::ProcessIdentity{});
  CHECK(report->evidence.reason == Reason::claim_in_progress);
  REQUIRE(report->holder_count == 1);
  CHECK(report->holders[0].pid == starter.identity.pid);
  const auto status = guard_of(machine.spawn()).status();
  CHECK(status->state == ServerState::starting);
  CHECK(status->owner == genie::ProcessIdentity{});
}

TEST_CASE("a status says for how long, in which claim and how far the owner is", "[owner][status]") {
  Machine machine;
  (void)crashed_owner(machine);
  Guard guard = guard_of(machine.spawn());
  REQUIRE(guard.claim({.starting = true})->owned());
  machine.time.advance(genie::seconds(5));
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::starting);
  CHECK(report->is_live());
  CHECK(report->generation == 2);
  CHECK(report->uptime == genie::seconds(5));
}

TEST_CASE("holders are named only where the lock is not its owner's", "[owner][status]") {
  Machine machine;
  Guard asking = guard_of(machine.spawn());
  const auto inspect = [&] {
    auto& files = asking.host().files;
    const auto lock = files.open({}, lock_path, genie::OpenMode::read, 0600);
    REQUIRE(lock.ok());
    const auto view = genie::inspect_lock(asking.host(), asking.files(), lock.value, machine.disk.stat(lock_path)->id);
    files.close(lock.value);
    REQUIRE(view);
    CHECK(view->holder_count == 0);
    CHECK(asking.status()->holder_count == 0);
    return *view;
  };
  machine.disk.make_directory(directory);
  machine.disk.write_file(lock_path, "");
  SECTION("free, and blank") {
    CHECK(inspect().standing == LockStanding::free);
    CHECK_FALSE(inspect().has_record);
  }
  SECTION("free, with its last owner's record") {
    (void)crashed_owner(machine);
    CHECK(inspect().standing == LockStanding::free);
    CHECK(inspect().has_record);
    CHECK(inspect().evidence.reason == Reason::none);
  }
  SECTION("owned") {
    Guard guard = guard_of(machine.spawn());
    REQUIRE(guard.claim()->owned());
    CHECK(inspect().standing == LockStanding::owned);
    CHECK(asking.claim()->holder_count == 0);
  }
}

TEST_CASE("of many heirs of a lock, a report names as many as it has room for", "[owner][F10]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  std::vector<Contender> heirs;
  for (std::size_t count = 0; count < genie::holder_capacity + 1; ++count) heirs.push_back(machine.fork(owner));
  owner.kill();
  owner.reap();
  Guard asking = guard_of(machine.spawn());
  const auto report = asking.claim();
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::orphaned);
  REQUIRE(report->holder_count == genie::holder_capacity);
  const auto status = asking.status();
  REQUIRE(status);
  CHECK(status->state == ServerState::orphaned);
  REQUIRE(status->holder_count == genie::holder_capacity);
  for (std::size_t at = 0; at < genie::holder_capacity; ++at) {
    CHECK(report->holders[at].pid == heirs[at].identity.pid);
    CHECK(status->holders[at].pid == heirs[at].identity.pid);
  }
}

TEST_CASE("a process is visible from the same boot and PID namespace, if that is known", "[owner][F17]") {
  const genie::ProcessOrigin here{genie::BootId{"boot"}, 1};
  CHECK(genie::detail::is_visible_from(here, here));
  CHECK_FALSE(genie::detail::is_visible_from({genie::BootId{"boot"}, 2}, here));
  CHECK_FALSE(genie::detail::is_visible_from({genie::BootId{"other"}, 1}, here));
  const genie::ProcessOrigin unknown{genie::BootId{"boot"}, 0};
  CHECK_FALSE(genie::detail::is_visible_from(unknown, unknown));
}

TEST_CASE("nobody looks for holders where the owner itself explains the lock", "[owner][calls]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender asking = machine.spawn();
  SECTION("its start reads otherwise here") {
    machine.processes.shift_starts(50);
    const auto report = guard_of(asking).status();
    CHECK(report->state == ServerState::running);
    CHECK(report->evidence.reason == Reason::lock_held_start_shifted);
    Guard other = guard_of(asking);
    const auto lock = other.host().files.open({}, lock_path, genie::OpenMode::read, 0600);
    const auto view = genie::inspect_lock(other.host(), other.files(), lock.value, machine.disk.stat(lock_path)->id);
    REQUIRE(view);
    CHECK(view->standing == LockStanding::owned);
    CHECK(view->holder_count == 0);
  }
  SECTION("it hands its claim over, and has ended") {
    const Contender heir = machine.fork(owner);
    rewrite(machine, [&](LockRecord& record) {
      record.phase = Phase::launching;
      record.heir = heir.identity;
    });
    owner.kill();
    owner.reap();
    const auto report = guard_of(asking).status();
    CHECK(report->state == ServerState::starting);
    CHECK(report->evidence.reason == Reason::handing_over);
    CHECK(report->owner == heir.identity);
    CHECK(asking.calls().count(Call::holds_lock) == 0);
  }
  SECTION("its release has not come to its end") {
    rewrite(machine, [](LockRecord& record) { record.phase = Phase::released; });
    const auto report = guard_of(asking).status();
    CHECK(report->state == ServerState::starting);
    CHECK(report->evidence.reason == Reason::claim_in_progress);
    CHECK(report->owner == owner.identity);
    CHECK(report->generation == 1);
  }
  CHECK(asking.calls().count(Call::lock_holders) == 0);
}

TEST_CASE("a launching owner's heir counts as long as it may be the process that was started", "[owner][F10]") {
  Machine machine;
  (void)crashed_owner(machine);
  LockRecord record = lock_record(machine);
  record.phase = Phase::launching;
  ProcessOptions options;
  LockStanding standing = LockStanding::claiming;
  SECTION("it lives") { record.heir = machine.spawn().identity; }
  SECTION("it lives, and is the first process of a container") {
    options.pid_namespace = 77;
    record.heir = machine.spawn(options).identity;
    CHECK(record.heir.pid == 1);
    record.origin.pid_namespace = 77;
  }
  SECTION("it lives, and since when cannot be told") { record.heir = {machine.spawn().identity.pid, {}}; }
  SECTION("its PID is somebody else's") {
    const auto pid = machine.spawn().identity.pid;
    record.heir = {pid, genie::known_start(1)};
    standing = LockStanding::orphaned;
  }
  SECTION("it has ended") {
    const Contender heir = machine.spawn();
    heir.kill();
    record.heir = heir.identity;
    standing = LockStanding::orphaned;
  }
  SECTION("nobody is named") { standing = LockStanding::orphaned; }
  Guard asking = guard_of(machine.spawn(options));
  genie::Evidence evidence;
  CHECK(genie::detail::judge_holder(asking.host(), record, evidence) == standing);
  CHECK(evidence.reason == (standing == LockStanding::claiming ? Reason::handing_over : Reason::owner_gone));
}

TEST_CASE("a lock that is held by who started its dead owner is about to be given up", "[owner][status][F10]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender starter = machine.fork(owner);
  rewrite(machine, [&](LockRecord& record) { record.starter = starter.identity; });
  owner.kill();
  owner.reap();
  Guard asking = guard_of(machine.spawn());
  SECTION("the whole story") {
    const auto report = asking.status();
    REQUIRE(report);
    CHECK(report->state == ServerState::starting);
    CHECK(report->evidence.reason == Reason::handing_over);
    CHECK(report->owner == genie::ProcessIdentity{});  // nobody yet
  }
  SECTION("what it takes") {
    const auto id = machine.disk.stat(lock_path)->id;
    genie::OwnerView view;
    view.record = lock_record(machine);
    view.evidence.reason = Reason::owner_gone;
    const auto is_with_starter = [&] { return genie::detail::is_with_starter(asking.host(), view, id); };
    CHECK(is_with_starter());
    view.evidence.reason = Reason::owner_released;
    CHECK(is_with_starter());
    view.evidence.reason = Reason::lock_held_unverified;  // the owner may live
    CHECK_FALSE(is_with_starter());
    view.evidence.reason = Reason::owner_gone;
    view.evidence.whereabouts = genie::Whereabouts::other_pid_namespace;  // that PID means somebody else there
    CHECK_FALSE(is_with_starter());
    view.evidence.whereabouts = genie::Whereabouts::here;
    view.record.starter.start = {};
    CHECK(is_with_starter());
    view.record.starter.start = genie::known_start(1);
    CHECK_FALSE(is_with_starter());
    view.record.starter = {};
    CHECK_FALSE(is_with_starter());
    ProcessOptions inside;
    inside.pid_namespace = 77;
    const Contender first = machine.spawn(inside);
    genie::testing::MemoryFilesystem{starter.filesystem}.fork_into(first.filesystem);
    view.record.starter = first.identity;
    CHECK(first.identity.pid == 1);
    CHECK(genie::detail::is_with_starter(guard_of(machine.spawn(inside)).host(), view, id));
  }
}

TEST_CASE("heirs that let a lock go while they are looked for are not named", "[owner][status][F27]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  owner.kill();
  owner.reap();
  const Contender asking = machine.spawn();
  ServerState state = ServerState::stale;
  const bool is_claimed = GENERATE(false, true);
  if (is_claimed) state = ServerState::starting;
  asking.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::query_lock || event.occurrence != 2) return;
    child.kill();
    // A new claim has the lock, and has not written its record yet.
    if (is_claimed) (void)holder_of_lock(machine, genie::detail::owner_byte, 2);
  };
  const auto report = guard_of(asking).status();
  REQUIRE(report);
  CHECK(report->state == state);
  CHECK(report->holder_count == 0);
}

TEST_CASE("a record that its owner has locked says whom it was seen to name", "[owner][judge][F25]") {
  Machine machine;
  machine.processes.has_proc = false;  // it can't know its own start
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.disk.remove(lock_path);
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::unknown);
  CHECK(report->evidence.reason == Reason::record_pinned);
  CHECK(report->evidence.recorded.pid == owner.identity.pid);
  CHECK(report->evidence.observed.liveness == genie::Liveness::alive);
}

TEST_CASE("what is read or written by short transfers stays within its bounds", "[host][F16]") {
  Machine machine;
  machine.disk.write_file("/tmp/file", "0123456789abcdef");
  const Contender process = machine.spawn();
  Guard guard = guard_of(process);
  auto& host = guard.host();
  const auto file = host.files.open({}, "/tmp/file", genie::OpenMode::read_write, 0600);
  REQUIRE(file.ok());
  char bytes[] = "................";
  SECTION("reading") {
    SECTION("in one go") {
      CHECK(genie::detail::read_whole(host, file.value, bytes, 8).value == 8);
      CHECK(process.calls().count(Call::read_at) == 1);
    }
    SECTION("in parts") {
      process.calls().shorten(Call::read_at, 3);
      CHECK(genie::detail::read_whole(host, file.value, bytes, 8).value == 8);
      CHECK(process.calls().count(Call::read_at) == 2);
    }
    CHECK(std::string{bytes} == "01234567........");
  }
  SECTION("writing") {
    process.calls().shorten(Call::write_at, 3);
    CHECK(genie::detail::write_whole(host, file.value, genie::Text{"ABCDEFGHIJKL"}.first(8)).ok());
    CHECK(process.calls().count(Call::write_at) == 2);
    CHECK(machine.disk.read_file("/tmp/file") == "ABCDEFGH89abcdef");
  }
}

TEST_CASE("an owner in another PID namespace is named with both namespaces", "[owner][status][F8]") {
  Machine machine;
  ProcessOptions inside;
  inside.pid_namespace = 77;
  const Contender owner = machine.spawn(inside);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == ServerState::running);
  CHECK(report->evidence.reason == Reason::lock_held_elsewhere);
  CHECK(report->evidence.recorded == owner.identity);
  CHECK(report->evidence.recorded_namespace == 77);
  CHECK(report->evidence.own_namespace == genie::testing::ProcessTable::host_namespace);
}

TEST_CASE("an owner that has not announced itself yet is starting, and one that cannot be seen is running",
          "[owner][status][F17]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  ServerState state = ServerState::starting;
  Reason reason = Reason::claim_in_progress;
  SECTION("not announced") {
    rewrite(machine, [](LockRecord& record) { record.phase = Phase::claiming; });
  }
  SECTION("not to be seen") {
    owner.process.me().visibility = Visibility::hidden;
    state = ServerState::running;
    reason = Reason::lock_held_unverified;
  }
  const auto report = guard_of(machine.spawn()).status();
  REQUIRE(report);
  CHECK(report->state == state);
  CHECK(report->evidence.reason == reason);
  CHECK(report->owner == owner.identity);
}

TEST_CASE("an absent file is not open, also where another one was before", "[state_files]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "99:1");
  const Contender process = machine.spawn();
  Guard guard = guard_of(process);
  const auto opened = guard.host().files.open_directory(directory);
  genie::detail::OpenStateFile<Guard::Host> file;
  const auto open = [&](const genie::NameText& name) {
    REQUIRE(
        genie::detail::open_state_file(guard.host(), guard.files(), opened.value, name, genie::OpenMode::read, file));
    return file.file.is_open();
  };
  CHECK(open(guard.files().record()));
  CHECK_FALSE(open(guard.files().port()));
}

TEST_CASE("of a policy that can't tell when its process has started, the start is unknown", "[owner]") {
  struct {
    struct {
    } process;
  } host;
  CHECK_FALSE(genie::detail::own_start(host).known);
}

}  // namespace tests::owner_test
