// The zoo: protocols with one seeded bug each, most of which somebody has shipped. The explorer must find every one, or
// it is blind; where genie's own program takes the place of the buggy one, it must find nothing.
#include <chrono>
#include <cstdio>

#include "catch.hpp"
#include "scenario.hpp"

using namespace protocol;

namespace {

using File = ExploredFilesystem::File;
using genie::OpenMode;

Exploration explored(const char* state, std::vector<Program> programs, const Budget& budget = {}) {
  Exploration exploration = from(start_state(state));
  exploration.programs = std::move(programs);
  exploration.budget = budget;
  return exploration;
}

/// Keeps only the oracles whose names begin so: a bug breaks other rules as well, which is not the point.
void only(Exploration& exploration, const std::string& name) {
  std::vector<Oracle> kept;
  for (Oracle& oracle : exploration.oracles) {
    if (oracle.name.rfind(name, 0) == 0) kept.push_back(std::move(oracle));
  }
  exploration.oracles = std::move(kept);
  std::vector<Aftermath> kept_after;
  for (Aftermath& aftermath : exploration.aftermath) {
    if (aftermath.name.rfind(name, 0) == 0) kept_after.push_back(std::move(aftermath));
  }
  exploration.aftermath = std::move(kept_after);
  REQUIRE(exploration.oracles.size() + exploration.aftermath.size() == 1);
}

/// The bug is found, and its trace leads to it again.
void must_find(Exploration exploration, const std::string& oracle) {
  only(exploration, oracle);
  const auto began = std::chrono::steady_clock::now();
  const ExplorationReport report = explore(exploration);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  REQUIRE(report.violation);
  const Violation& found = *report.violation;
  std::printf("%s: %s\n%sreplay: %s\nfound after %llu states, %.3f s\n\n", found.oracle.c_str(), found.message.c_str(),
              found.table.c_str(), found.token.c_str(), static_cast<unsigned long long>(report.states), took);
  const auto again = replay(exploration, found.token);
  REQUIRE(again);
  CHECK(again->message == found.message);
}
void must_find_nothing(Exploration exploration, const std::string& oracle) {
  only(exploration, oracle);
  const ExplorationReport report = explore(exploration);
  INFO((report.violation ? report.violation->message + '\n' + report.violation->table : std::string{}));
  CHECK_FALSE(report.violation);
  CHECK(report.is_complete);
}

std::string own_record(ExploredProcesses& processes) {
  const Pid self = processes.self();
  return std::to_string(self) + ':' + std::to_string(processes.look(self).start.value);
}
genie::PidRecord read_record(ExploredFilesystem& files) {
  const auto opened = files.open({}, record_path, OpenMode::read, 0);
  if (!opened.ok()) return {};
  char bytes[64] = {};
  const auto count = files.read_at(opened.value, bytes, sizeof bytes, 0);
  files.close(opened.value);
  return genie::parse_pid_record({bytes, count.ok() ? count.value : 0}, ExploredProcesses::pid_limit);
}
/// A complete record under a name of its own, ready to be moved into place.
void write_temporary(ExploredFilesystem& files, ExploredProcesses& processes, const std::string& name) {
  const std::string record = own_record(processes);
  const auto file = files.open({}, name.c_str(), OpenMode::create, 0600);
  (void)files.write_at(file.value, record.data(), record.size(), 0);
  files.close(file.value);
}

/// Publishes atomically, but removes whatever it judged by its name.
void unlink_and_retry(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  const std::string temporary = std::string{directory} + "/tmp." + std::to_string(processes.self());
  write_temporary(files, processes, temporary);
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (files.rename_new({}, temporary.c_str(), record_path).ok()) {
      me.believe(owns | did_own);
      me.stay();
      return;
    }
    const genie::PidRecord record = read_record(files);
    if (record.owner.pid != 0 && processes.look(record.owner.pid).liveness == genie::Liveness::alive) break;
    (void)files.unlink({}, record_path);
  }
  (void)files.unlink({}, temporary.c_str());
  me.believe(contended);
}

/// Replaces a record that it judged dead, without a lock.
void record_trusted_alone(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  const genie::PidRecord record = read_record(files);
  const genie::Observation seen = processes.look(record.owner.pid);
  if (record.owner.pid != 0 && seen.liveness == genie::Liveness::alive && seen.start == record.owner.start) return;
  const std::string temporary = std::string{directory} + "/tmp." + std::to_string(processes.self());
  write_temporary(files, processes, temporary);
  (void)files.rename({}, temporary.c_str(), record_path);
  me.believe(owns | did_own);
  me.stay();
}

/// Locks, and asks no record.
void lock_trusted_alone(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto lock = files.open({}, lock_path, OpenMode::ensure, 0600);
  if (!lock.ok() || !files.try_lock(lock.value, genie::detail::owner_byte, 2).ok()) return;
  me.believe(owns | did_own);
  me.stay();
}

/// Removes the lock file when it is done, and does not look whether the file that it locked still has the name.
void lock_without_second_look(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto lock = files.open({}, lock_path, OpenMode::ensure, 0600);
  if (!lock.ok()) return;
  if (files.try_lock(lock.value, genie::detail::owner_byte, 2).ok()) {
    me.believe(owns | did_own);
    (void)files.stat(lock.value);
    me.doubt(owns);
    (void)files.unlink({}, lock_path);
  }
  files.close(lock.value);
}

/// Gives up the lock first, and then removes whatever record has the name.
void release_by_path(Actor& me) {
  {
    Guard guard = guard_of(me);
    if (!claim_and_tell(me, guard, impatient())) return;
    me.doubt(owns);
    guard.host().files.close(guard.held().record);
    guard.host().files.close(guard.held().lock);
    ExploredFilesystem files = me.filesystem();
    (void)files.unlink({}, record_path);
    me.stay();
  }
}

/// A forked child unlocks what it believes to be its own.
void unlock_in_child(Actor& me) {
  Guard guard = guard_of(me);
  if (!claim_and_tell(me, guard, impatient())) return;
  const ProcessIndex child = me.fork();
  me.act_as(child);
  ExploredFilesystem files = me.filesystem();
  (void)files.unlock(guard.held().lock, genie::detail::owner_byte, 2);
  me.act_as(0);
  me.stay();
  me.doubt(owns);
}
/// A forked child runs the guard's destructor.
void fork_and_destroy(Actor& me) {
  Guard guard = guard_of(me);
  if (!claim_and_tell(me, guard, impatient())) return;
  const ProcessIndex child = me.fork();
  me.act_as(child);
  {
    // What the child has is a copy of its parent's guard; the move stands for it and is undone.
    Guard copy{static_cast<Guard&&>(guard)};
    genie::HeldClaim<Guard::Host> held = copy.held();
    (void)genie::release(copy.host(), copy.files(), held);
    guard = static_cast<Guard&&>(copy);
  }
  me.act_as(0);
  me.stay();
  me.doubt(owns);
}

/// Looks, and only then takes hold of what it has looked at.
void stop_that_pins_too_late(Actor& me) {
  me.believe(is_stopper);
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  const genie::PidRecord record = read_record(files);
  const genie::Observation seen = processes.look(record.owner.pid);
  if (record.owner.pid == 0 || seen.liveness != genie::Liveness::alive || seen.start != record.owner.start) return;
  const auto handle = processes.open(record.owner.pid);
  if (!handle.ok()) return;
  (void)processes.signal(handle.value, genie::Signal::terminate);
  processes.close(handle.value);
}
/// Signals whoever has the recorded PID. Returns: that PID.
Pid signal_recorded_pid(Actor& me) {
  me.believe(is_stopper);
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  const genie::PidRecord record = read_record(files);
  if (record.owner.pid == 0) return 0;
  const auto handle = processes.open(record.owner.pid);
  if (!handle.ok()) return 0;
  (void)processes.signal(handle.value, genie::Signal::terminate);
  processes.close(handle.value);
  return record.owner.pid;
}
void stop_by_pid(Actor& me) { (void)signal_recorded_pid(me); }
/// Says "stopped" when it has asked.
void stop_that_does_not_wait(Actor& me) {
  const Pid pid = signal_recorded_pid(me);
  if (pid != 0) me.believe(stopped_it | static_cast<std::uint64_t>(pid) << pid_shift);
  (void)me.clock().wall();  // what it believes is seen at its next call
}
/// Removes the sentinel when it is done, whoever else is at it.
void stop_that_clears_blindly(Actor& me) {
  stopper(me);
  ExploredFilesystem files = me.filesystem();
  (void)files.unlink({}, sentinel_path);
}

/// Ends the intent before it knows whether it may start.
void start_that_ends_the_intent_first(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  (void)files.unlink({}, sentinel_path);
  starter(me);
}
/// Records the intent, and does not look whether the server that it stops has ended it since.
void stay_recorded_once(Actor& me) {
  me.believe(is_stopper);
  Guard guard = guard_of(me);
  const auto opened = guard.host().files.open_directory(directory);
  genie::Stay stay;
  stay.setter = genie::own_identity(guard.host());
  if (!genie::detail::put_up_stay(guard.host(), guard.files(), opened.value, genie::default_sentinel_ttl, stay)) return;
  guard.host().files.close(opened.value);
  stopper(me);
  me.believe(did_stay);
  (void)me.clock().wall();  // what it believes is seen at its next call
}
/// What a program sees that knows no intents: a first line that lies too far away to be true.
class UnknowingFilesystem : public ExploredFilesystem {
 public:
  explicit UnknowingFilesystem(const ExploredFilesystem& other) noexcept : ExploredFilesystem{other} {}

  [[nodiscard]] genie::SysResult<std::size_t> read_at(File file, void* to, std::size_t count,
                                                      std::uint64_t offset) noexcept {
    const auto part = ExploredFilesystem::read_at(file, to, count, offset);
    char* const bytes = static_cast<char*>(to);
    for (std::size_t at = 0; part.ok() && at + 5 < part.value; ++at) {
      if (genie::Text{bytes + at, 6} == genie::Text{"\nstay "}) bytes[at + 1] = '#';
    }
    return part;
  }
};
void intents_unknown(Actor& me) {
  me.believe(automatic);
  genie::ServeGuard<ExploredClock, ExploredProcesses, UnknowingFilesystem> guard{
      directory, {}, me.clock(), me.process(), UnknowingFilesystem{me.filesystem()}};
  const auto report = guard.claim(impatient(ClaimMode::automatic));
  if (report && report->owned()) {
    me.believe(owns | did_own);
    me.stay();
    me.doubt(owns);
  }
}

/// Compares the sentinel's expiry with the wall clock, as it stands there.
void sentinel_without_clamp(Actor& me) {
  me.believe(automatic);
  ExploredFilesystem files = me.filesystem();
  const auto opened = files.open({}, sentinel_path, OpenMode::read, 0);
  if (!opened.ok()) return;
  char bytes[256] = {};
  const auto count = files.read_at(opened.value, bytes, sizeof bytes, 0);
  files.close(opened.value);
  genie::Text line{bytes, count.value};
  line = line.first(line.find('\n'));
  std::uint64_t until = 0;
  if (!genie::parse_decimal(line, INT64_MAX, until)) return;
  if (static_cast<std::int64_t>(until) > me.clock().wall().count()) me.believe(stopping);
}

/// Creates the record empty, and fills it then.
void record_written_in_place(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  const std::string record = own_record(processes);
  const auto created = files.open({}, record_path, OpenMode::create, 0600);
  if (!created.ok()) return;
  (void)files.write_at(created.value, record.data(), record.size(), 0);
  files.close(created.value);
  me.stay();
}
/// Takes every failure to create the record for somebody else's record.
void any_error_is_already_running(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto created = files.open({}, record_path, OpenMode::create, 0600);
  if (!created.ok()) {
    me.believe(already_running);
    return;
  }
  files.close(created.value);
}
/// Forgets a descriptor where the next call fails.
void leak_on_error(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto file = files.open({}, lock_path, OpenMode::ensure, 0600);
  if (!file.ok() || !files.stat(file.value).ok()) return;
  files.close(file.value);
}
/// Dials what the file says, whoever wrote it.
void client_that_believes_files(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto opened = files.open({}, port_path, OpenMode::read, 0);
  if (!opened.ok()) return;
  char bytes[256] = {};
  const auto count = files.read_at(opened.value, bytes, sizeof bytes, 0);
  files.close(opened.value);
  const genie::PortRecord record = genie::parse_port_record({bytes, count.value}, ExploredProcesses::pid_limit);
  if (record.port != 0) me.believe(saw_port | std::uint64_t{record.port} << pid_shift);
}

/// The same with endpoints: their owner's generation is there, and nobody compares it.
void client_that_believes_endpoints(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto opened = files.open({}, endpoints_path, OpenMode::read, 0);
  if (!opened.ok()) return;
  char bytes[genie::endpoint_record_capacity];
  const auto count = files.read_at(opened.value, bytes, sizeof bytes, 0);
  files.close(opened.value);
  genie::EndpointRecord record;
  if (!genie::parse_endpoint_record({bytes, count.value}, ExploredProcesses::pid_limit, record)) return;
  me.believe(saw_endpoint | static_cast<std::uint64_t>(record.owner.pid) << pid_shift);
}
/// Takes whatever has the path of a dead owner's socket for that socket.
void socket_removed_by_path(Actor& me) {
  Guard guard = guard_of(me);
  const auto left = guard.endpoints();
  if (!claim_and_tell(me, guard, impatient())) return;
  ExploredFilesystem files = me.filesystem();
  for (std::size_t at = 0; left && at < left->count; ++at) {
    if (left->endpoints[at].kind == genie::EndpointKind::unix_socket) {
      (void)files.unlink({}, left->endpoints[at].value.c_str());
    }
  }
  me.stay();
  me.doubt(owns);
}

/// Starts a server wherever it sees none; the servers may settle who owns the directory.
void spawn_before_the_claim(Actor& me) {
  Guard guard = guard_of(me);
  const auto report = guard.status();
  if (!report || report->is_live()) return;
  ExploredFilesystem files = me.filesystem();
  ExploredLauncher launcher = me.launcher();
  const auto lock = files.open({}, lock_path, OpenMode::ensure, 0600);
  if (!lock.ok()) return;
  const auto child = launcher.spawn(server_plan(), lock.value, Milliseconds{4});
  (void)launcher.let_go(child.value, Milliseconds{4});
  launcher.close(child.value);
  files.close(lock.value);
}
/// What the buggy starters have in common: claims, starts a server that shares `file`, and names it as heir.
template <typename FileOf, typename After>
void start_server(Actor& me, FileOf file_of, After after) {
  Guard guard = guard_of(me);
  genie::HeldClaim<Guard::Host> held;
  ClaimOptions options = impatient();
  options.launching = true;
  const auto report = genie::claim(guard.host(), guard.files(), options, held);
  if (!report || !report->owned()) return;
  ExploredLauncher launcher = me.launcher();
  const auto child = launcher.spawn(server_plan(), file_of(held), Milliseconds{4});
  const Pid pid = launcher.pid(child.value);
  (void)genie::name_heir(guard.host(), guard.files(), held, {pid, me.process().look(pid).start});
  (void)launcher.let_go(child.value, Milliseconds{4});
  after(guard, held, launcher, child.value);
  launcher.close(child.value);
}
/// Gives up the lock, so that the server can take it.
void unlock_for_the_server(Actor& me) {
  start_server(
      me, [](const auto& held) { return held.lock; },
      [](Guard& guard, auto& held, ExploredLauncher&, ExploredLauncher::Child) {
        (void)guard.host().files.unlock(held.lock, genie::detail::owner_byte, 2);
        genie::hand_over(guard.host(), held);
      });
}
/// Opens the lock file once more for the server: that opening holds no lock.
void another_opening_for_the_server(Actor& me) {
  start_server(
      me, [&](const auto&) { return me.filesystem().open({}, lock_path, OpenMode::ensure, 0600).value; },
      [](Guard& guard, auto& held, ExploredLauncher& launcher, ExploredLauncher::Child child) {
        ExploredFilesystem::Watch nothing{};
        (void)launcher.wait(child, nothing, Milliseconds{4});
        genie::hand_over(guard.host(), held);
      });
}
/// Removes whatever record there is, of a server that it has only asked to end.
void take_back_by_path(Actor& me) {
  start_server(
      me, [](const auto& held) { return held.lock; },
      [](Guard& guard, auto& held, ExploredLauncher& launcher, ExploredLauncher::Child child) {
        (void)launcher.kill(child, genie::Signal::terminate);
        (void)guard.host().files.unlink(held.directory, "serve.pid");
        genie::hand_over(guard.host(), held);
      });
}
/// Takes the end of a start for its success.
void joiner_that_only_waits(Actor& me) {
  Guard guard = guard_of(me);
  Pid pid = 0;
  for (int round = 0; round < 8; ++round) {
    const auto report = guard.status();
    if (!report || report->state != genie::ServerState::starting) break;
    if (report->owner.pid != 0) pid = report->owner.pid;
    me.clock().sleep(Milliseconds{1});
  }
  if (pid == 0) return;
  me.believe(is_client | is_served | static_cast<std::uint64_t>(pid) << pid_shift);
  (void)me.clock().wall();
}
/// Ends a start that takes its time, whoever watches over it.
void end_of_any_stall(Actor& me) {
  Guard guard = guard_of(me);
  ensure_and_tell(me, guard, ClaimMode::automatic);
  if ((me.beliefs & lost_patience) != 0) stopper(me);
}
/// Ends what has hung long enough without a look whether it hangs still.
void end_without_a_last_look(Actor& me) {
  Guard guard = guard_of(me);
  me.clock().sleep(Milliseconds{9});
  const auto report = guard.status();
  if (!report || report->state != genie::ServerState::starting) return;
  genie::StopOptions options;
  options.only = report->owner;
  (void)guard.stop(options);
}
/// An adoption to which every file that it has inherited is as good as locked.
class CredulousFilesystem : public ExploredFilesystem {
 public:
  explicit CredulousFilesystem(const ExploredFilesystem& other) noexcept : ExploredFilesystem{other} {}

  [[nodiscard]] genie::SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    const auto locked = ExploredFilesystem::try_lock(file, offset, length);
    return file.descriptor == MemoryFilesystem::inherited_descriptor ? genie::SysResult<void>{} : locked;
  }
};

/// A probe for which "no permission" means "gone".
class BlindProcesses : public ExploredProcesses {
 public:
  using ExploredProcesses::ExploredProcesses;
  explicit BlindProcesses(const ExploredProcesses& other) noexcept : ExploredProcesses{other} {}

  [[nodiscard]] genie::Observation look(Pid pid) noexcept {
    genie::Observation seen = ExploredProcesses::look(pid);
    if (seen.liveness == genie::Liveness::unknown) seen.liveness = genie::Liveness::gone;
    return seen;
  }
};
/// A probe that cannot tell a PID's next user.
class StartlessProcesses : public ExploredProcesses {
 public:
  explicit StartlessProcesses(const ExploredProcesses& other) noexcept : ExploredProcesses{other} {}

  [[nodiscard]] genie::Observation look(Pid pid) noexcept {
    genie::Observation seen = ExploredProcesses::look(pid);
    seen.start = {};
    return seen;
  }
};
/// A lock file whose record never says which temporary file is being made.
class ForgetfulFilesystem : public ExploredFilesystem {
 public:
  explicit ForgetfulFilesystem(const ExploredFilesystem& other) noexcept : ExploredFilesystem{other} {}

  [[nodiscard]] genie::SysResult<std::size_t> write_at(File file, const void* from, std::size_t count,
                                                       std::uint64_t offset) noexcept {
    genie::LockRecord record;
    const genie::Text bytes{static_cast<const char*>(from), count};
    if (genie::parse_lock_record(bytes, ExploredProcesses::pid_limit, record) != genie::LockRecordKind::valid) {
      return ExploredFilesystem::write_at(file, from, count, offset);
    }
    record.temporary = 0;
    const genie::LockRecordBytes forgotten = genie::encode_lock_record(record);
    return ExploredFilesystem::write_at(file, forgotten.data(), forgotten.size(), offset);
  }
};

template <typename P, typename F>
void sabotaged_starter(Actor& me, const P& process, const F& filesystem) {
  genie::ServeGuard<ExploredClock, P, F> guard{directory, {}, me.clock(), process, filesystem};
  const auto report = guard.claim(impatient());
  if (!report) {
    me.believe(failed);
  } else if (report->owned()) {
    me.believe(owns | did_own);
    me.stay();
    me.doubt(owns);
  } else {
    me.believe(contended);
  }
}
void eperm_is_dead(Actor& me) { sabotaged_starter(me, BlindProcesses{me.process()}, me.filesystem()); }
void start_never_compared(Actor& me) { sabotaged_starter(me, StartlessProcesses{me.process()}, me.filesystem()); }
void credulous_server(Actor& me) { sabotaged_starter(me, me.process(), CredulousFilesystem{me.filesystem()}); }
void temporary_not_recorded(Actor& me) { sabotaged_starter(me, me.process(), ForgetfulFilesystem{me.filesystem()}); }

ProcessOptions hidden() {
  ProcessOptions options;
  options.visibility = Visibility::hidden;
  return options;
}

}  // namespace

TEST_CASE("zoo: the original algorithm", "[zoo]") {
  must_find(explored("older program, dead", {program("original", original, 2)}), "I1");
  must_find_nothing(explored("older program, dead", {program("starter", starter, 2)}), "I1");
}
TEST_CASE("zoo: an empty record is taken for a stale one", "[zoo][F1]") {
  must_find(explored("released", {program("original", original, 2)}), "I1");
  must_find_nothing(explored("released", {program("starter", starter, 2)}), "I1");
}
TEST_CASE("zoo: unlink and retry", "[zoo][F3]") {
  must_find(explored("older program, dead", {program("unlink and retry", unlink_and_retry, 2)}), "I1");
}
TEST_CASE("zoo: the record is trusted alone", "[zoo]") {
  must_find(explored("stale", {program("record alone", record_trusted_alone, 2)}), "I1");
}
TEST_CASE("zoo: the lock is trusted alone", "[zoo]") {
  must_find(explored("released", {program("original", original), program("lock alone", lock_trusted_alone)}), "I1");
}
TEST_CASE("zoo: no second look after locking", "[zoo][F5]") {
  must_find(explored("released", {program("no second look", lock_without_second_look, 3)}), "I1");
}
TEST_CASE("zoo: released by path", "[zoo][F27]") {
  must_find(explored("stale", {program("by path", release_by_path), program("starter", starter)}), "I4");
  must_find_nothing(explored("stale", {program("visitor", visitor), program("starter", starter)}), "I4");
}
TEST_CASE("zoo: a forked child unlocks", "[zoo][F10]") {
  must_find(explored("stale", {program("unlocking child", unlock_in_child)}), "I4");
  must_find_nothing(explored("stale", {program("destroying child", fork_and_destroy), program("starter", starter)}),
                    "I4");
}
TEST_CASE("zoo: the handle is opened after the look", "[zoo][F6]") {
  const Budget budget{.crashes = 1, .reuses = 1};
  must_find(explored("released", {program("starter", starter), program("late pin", stop_that_pins_too_late)}, budget),
            "I5");
  must_find_nothing(explored("released", {program("starter", starter), program("stopper", stopper)}, budget), "I5");
}
TEST_CASE("zoo: the start is never compared by stop", "[zoo][F6]") {
  must_find(explored("reused PID", {program("by PID", stop_by_pid)}), "I5");
  must_find_nothing(explored("reused PID", {program("stopper", stopper)}), "I5");
}
TEST_CASE("zoo: stop does not wait", "[zoo]") {
  const auto servers = program("server", server, 1, catching());
  must_find(explored("released", {servers, program("impatient", stop_that_does_not_wait)}), "what a stop says");
  must_find_nothing(explored("released", {servers, program("stopper", stopper)}), "what a stop says");
}
TEST_CASE("zoo: the sentinel is cleared blindly", "[zoo][F19]") {
  const auto servers = program("server", server, 1, catching());
  Exploration blind = explored("released", {servers, program("blind", stop_that_clears_blindly, 2)});
  blind.preemptions = 2;
  must_find(blind, "no stop clears");
  Exploration right = explored("released", {servers, program("stopper", stopper, 2)});
  right.preemptions = 2;
  must_find_nothing(right, "no stop clears");
}
TEST_CASE("zoo: a stop clears an intent to stay stopped", "[zoo][F19]") {
  must_find(explored("released", {program("stayer", stayer), program("blind", stop_that_clears_blindly)}),
            "a stay intent");
  must_find_nothing(explored("released", {program("stayer", stayer), program("stopper", stopper)}), "a stay intent");
}
TEST_CASE("zoo: an intent to stay stopped ends by a start that loses", "[zoo]") {
  must_find(explored("stays stopped", {program("starter", starter), program("rash", start_that_ends_the_intent_first)}),
            "a stay intent");
  must_find_nothing(explored("stays stopped", {program("starter", starter, 2)}), "a stay intent");
}
TEST_CASE("zoo: an intent to stay stopped is recorded once", "[zoo]") {
  const auto with = [](const Program& program_that_stays) {
    Exploration exploration = explored("released", {program("server", server, 1, catching()), program_that_stays});
    exploration.oracles.push_back(stopped_to_stay_stays());
    exploration.preemptions = 2;
    return exploration;
  };
  must_find(with(program("once", stay_recorded_once)), "what was stopped");
  must_find_nothing(with(program("stayer", stayer)), "what was stopped");
}
TEST_CASE("zoo: an intent to stay stopped is taken for an expired sentinel", "[zoo][F20]") {
  must_find(explored("stays stopped", {program("unknowing", intents_unknown)}), "a stay intent");
  must_find_nothing(explored("stays stopped", {program("auto-starter", auto_starter)}), "a stay intent");
}
TEST_CASE("zoo: the sentinel's expiry is not clamped", "[zoo][F20]") {
  const auto with = [](Program reader) {
    Program servers = program("server", server, 1, catching());
    servers.may_crash = false;  // only the stopper's crash leaves a sentinel
    reader.may_crash = false;
    Exploration exploration =
        explored("released", {servers, program("stopper", stopper), reader}, {.crashes = 1, .delays = 1, .jumps = 1});
    exploration.long_delay = Milliseconds{35'000};
    exploration.jump = Milliseconds{-86'400'000};
    exploration.preemptions = 0;
    return exploration;
  };
  must_find(with(program("not clamped", sentinel_without_clamp)), "a sentinel blocks nobody");
  must_find_nothing(with(program("auto-starter", auto_starter)), "a sentinel blocks nobody");
}
TEST_CASE("zoo: EPERM means dead", "[zoo][F17]") {
  const auto older = program("original", original, 1, hidden());
  Exploration blind = explored("released", {older, program("EPERM is dead", eperm_is_dead)});
  blind.preemptions = 0;
  must_find(blind, "I1");
  Exploration right = explored("released", {older, program("starter", starter)});
  right.preemptions = 0;
  must_find_nothing(right, "I1");
}
TEST_CASE("zoo: the start is never compared by a claim", "[zoo][F6]") {
  const auto with = [](const Program& claimant) {
    Exploration exploration = explored("reused PID", {claimant});
    // Without the lock file that proves the owner's death, its start time has to.
    exploration.start = [](Machine& machine) {
      start_state("reused PID").make(machine);
      machine.disk.remove(lock_path);
    };
    exploration.oracles.push_back(one_winner());
    return exploration;
  };
  must_find(with(program("startless", start_never_compared)), "exactly one");
  must_find_nothing(with(program("starter", starter)), "exactly one");
}
TEST_CASE("zoo: a temporary file that no record names", "[zoo]") {
  must_find(explored("stale", {program("forgetful", temporary_not_recorded)}, {.crashes = 1}), "I3");
  must_find_nothing(explored("stale", {program("starter", starter)}, {.crashes = 1}), "I3");
}
TEST_CASE("zoo: the record is written in place", "[zoo][F1]") {
  must_find(explored("released", {program("in place", record_written_in_place)}), "a record is complete");
  must_find_nothing(explored("released", {program("starter", starter)}), "a record is complete");
}
TEST_CASE("zoo: every error means already running", "[zoo][F16][F24]") {
  must_find(explored("released", {program("confused", any_error_is_already_running)}, {.errors = 1}), "I6");
  must_find_nothing(explored("released", {program("starter", starter)}, {.errors = 1}), "I6");
}
TEST_CASE("zoo: a descriptor is forgotten where a call fails", "[zoo][F16]") {
  must_find(explored("released", {program("leaking", leak_on_error)}, {.errors = 1}), "I7");
  must_find_nothing(explored("released", {program("starter", starter)}, {.errors = 1}), "I7");
}
TEST_CASE("zoo: a port file is believed without its owner", "[zoo][F12]") {
  const Budget budget{.crashes = 1};
  must_find(
      explored("released", {program("publisher", publisher), program("client", client_that_believes_files)}, budget),
      "a port never");
  must_find_nothing(explored("released", {program("publisher", publisher), program("client", client)}, budget),
                    "a port never");
}
TEST_CASE("zoo: endpoints are believed without their generation", "[zoo][F12]") {
  const Program publishers = program("endpoint publisher", endpoint_publisher);
  const Budget budget{.crashes = 1};
  must_find(explored("released", {publishers, program("client", client_that_believes_endpoints)}, budget),
            "an endpoint never");
  must_find_nothing(explored("released", {publishers, program("client", endpoint_client)}, budget),
                    "an endpoint never");
}
TEST_CASE("zoo: a leftover socket is removed by its path", "[zoo][F12]") {
  const auto with = [](const Program& claimant) {
    Exploration exploration = explored("stale, with endpoints", {claimant});
    // Somebody else, who is no genie, has taken the dead owner's path.
    exploration.start = [](Machine& machine) {
      start_state("stale, with endpoints").make(machine);
      machine.disk.remove(socket_path);
      machine.time.advance(Milliseconds{1});
      (void)machine.spawn().filesystem.bind(socket_path);
    };
    exploration.oracles.push_back(
        {"a stranger's socket stands", Oracle::When::state, [](const Situation& now) -> std::string {
           return now.machine.disk.exists(socket_path) ? "" : "it was removed";
         }});
    return exploration;
  };
  must_find(with(program("by path", socket_removed_by_path)), "a stranger's socket");
  must_find_nothing(with(program("starter", starter)), "a stranger's socket");
}
TEST_CASE("zoo: the server is spawned before anything is claimed", "[zoo][F13]") {
  const auto with = [](const Program& clients) {
    Exploration exploration = explored("released", {clients, launched("server", launched_server, 2)});
    exploration.preemptions = 2;
    exploration.oracles.push_back(one_start_for_everybody());
    return exploration;
  };
  must_find(with(program("spawns first", spawn_before_the_claim, 2)), "one start");
  must_find_nothing(with(program("ensurer", ensurer, 2)), "one start");
}
TEST_CASE("zoo: the lock is given up before the server has it", "[zoo]") {
  const Program servers = launched("server", launched_server);
  must_find(explored("released", {program("unlocks", unlock_for_the_server), servers}), "a started server");
  must_find_nothing(explored("released", {program("ensurer", ensurer), servers}), "a started server");
}
TEST_CASE("zoo: adopted without a look at what was inherited", "[zoo]") {
  const Program starters = program("another opening", another_opening_for_the_server);
  must_find(explored("released", {starters, launched("credulous", credulous_server)}), "I4");
  must_find_nothing(explored("released", {starters, launched("server", launched_server)}), "I4");
}
TEST_CASE("zoo: a claim is taken back by path", "[zoo]") {
  const Program servers = launched("server", stoppable_server, 1, catching());
  must_find(explored("released", {program("by path", take_back_by_path), servers}), "I4");
  must_find_nothing(explored("released", {program("ensurer", ensurer), servers}), "I4");
}
TEST_CASE("zoo: the end of a start is taken for its success", "[zoo]") {
  const auto with = [](const Program& other) {
    Exploration exploration =
        explored("released", {program("ensurer", ensurer), other, launched("server", failing_server, 2)});
    exploration.preemptions = 1;
    exploration.oracles.push_back(failures_are_told());
    return exploration;
  };
  must_find(with(program("only waits", joiner_that_only_waits)), "a failed start");
  must_find_nothing(with(program("other ensurer", ensurer)), "a failed start");
}
TEST_CASE("zoo: whatever runs is new enough", "[zoo][F26]") {
  // The rule is of programs of this name.
  const auto with = [](void (*newer)(Actor&)) {
    Exploration exploration =
        explored("released", {program("older ensurer", older_ensurer), program("newer ensurer", newer),
                              launched("server", stoppable_server, 3, catching())});
    exploration.preemptions = 1;
    exploration.oracles.push_back(a_newer_client_gets_a_newer_server());
    return exploration;
  };
  must_find(with(ensurer), "a newer client");
  must_find_nothing(with(newer_ensurer), "a newer client");
}
TEST_CASE("zoo: a start that stalls is ended although its starter lives", "[zoo][F21]") {
  const auto with = [](const Program& other) {
    Exploration exploration = explored(
        "released", {program("ensurer", ensurer), other, launched("server", foreign_server, 3)}, {.delays = 2});
    exploration.preemptions = 0;
    exploration.oracles.push_back(starts_are_their_starters());
    return exploration;
  };
  must_find(with(program("impatient", end_of_any_stall)), "nobody ends a start");
  must_find_nothing(with(program("explicit ensurer", explicit_ensurer)), "nobody ends a start");
}
TEST_CASE("zoo: a start that has lost its starter may hang for ever", "[zoo][F21]") {
  const auto with = [](const Program& other) {
    Exploration exploration = explored("released", {other, launched("server", foreign_server, 3)}, {.crashes = 1});
    exploration.preemptions = 0;
    exploration.oracles.push_back(hanging_starts_end());
    return exploration;
  };
  must_find(with(program("ensurer", ensurer, 2)), "who asks by hand");
  must_find_nothing(with(program("explicit ensurer", explicit_ensurer, 2)), "who asks by hand");
}
TEST_CASE("zoo: a start that hangs is ended without a last look", "[zoo][F21]") {
  const auto with = [](const Program& other) {
    Exploration exploration =
        explored("released", {program("ensurer", ensurer), other, launched("server", slow_server, 2)}, {.crashes = 1});
    ask_for_ready_servers(exploration);
    return exploration;
  };
  must_find(with(program("rash", end_without_a_last_look)), "who gets ready");
  must_find_nothing(with(program("explicit ensurer", explicit_ensurer)), "who gets ready");
}
TEST_CASE("zoo: a stop signals whom the record names while a server is started", "[zoo]") {
  const auto with = [](const Program& other) {
    Exploration exploration =
        explored("released", {program("ensurer", ensurer), other, launched("server", failing_server)});
    exploration.preemptions = 1;
    return exploration;
  };
  must_find(with(program("by PID", stop_by_pid)), "who starts a server");
  must_find_nothing(with(program("stopper", stopper)), "who starts a server");
}
