// The programs whose schedules are explored: those that use genie, the one that genie replaces, and what they believe.
#ifndef GENIE_TESTS_EXPLORE_PROGRAMS_HPP
#define GENIE_TESTS_EXPLORE_PROGRAMS_HPP

#include <cstdint>
#include <new>
#include <string>

#include <genie/ensure.hpp>

#include "guards.hpp"

namespace protocol {

inline constexpr std::uint64_t owns = 1U << 0U;
inline constexpr std::uint64_t did_own = 1U << 1U;
inline constexpr std::uint64_t already_running = 1U << 2U;
inline constexpr std::uint64_t contended = 1U << 3U;
inline constexpr std::uint64_t stopping = 1U << 4U;
inline constexpr std::uint64_t failed = 1U << 5U;
inline constexpr std::uint64_t orphaned = 1U << 6U;
inline constexpr std::uint64_t stopped_it = 1U << 7U;  ///< a stop says: it ended, PID in `pid_of`
inline constexpr std::uint64_t stop_did_nothing = 1U << 8U;
inline constexpr std::uint64_t saw_port = 1U << 9U;    ///< of the owner whose PID is in `pid_of`
inline constexpr std::uint64_t automatic = 1U << 10U;  ///< claims on demand
inline constexpr std::uint64_t is_stopper = 1U << 11U;
inline constexpr std::uint64_t saw_endpoint = 1U << 12U;  ///< a live one, of the owner whose PID is in `pid_of`
inline constexpr std::uint64_t saw_stale = 1U << 13U;     ///< the same, said to be of a dead one
inline constexpr std::uint64_t has_socket = 1U << 14U;    ///< at `socket_path`, of the inode number in `pid_of`
inline constexpr std::uint64_t did_stay = 1U << 15U;      ///< a stop says: it stays stopped
inline constexpr unsigned generation_shift = 16;          ///< 8 bits
inline constexpr std::uint64_t is_client = 1U << 24U;     ///< asks for a server, and owns nothing itself
inline constexpr std::uint64_t is_served = 1U << 25U;     ///< was told that one runs, PID in `pid_of`
inline constexpr std::uint64_t start_failed = 1U << 26U;  ///< was told that a start has failed
inline constexpr std::uint64_t lost_patience = 1U << 27U;
inline constexpr std::uint64_t has_joined = 1U << 28U;  ///< waited for somebody else's start
inline constexpr std::uint64_t has_started = 1U << 29U;
inline constexpr std::uint64_t is_inside = 1U << 30U;  ///< was told that it belongs to the server
inline constexpr std::uint64_t is_ready = 1U << 31U;   ///< a server that has said so
inline constexpr unsigned pid_shift = 32;              ///< 16 bits

[[nodiscard]] inline std::uint64_t pid_of(const Seat& seat) { return (seat.beliefs >> pid_shift) & 0xFFFFU; }
[[nodiscard]] inline std::uint64_t generation_of(const Seat& seat) {
  return (seat.beliefs >> generation_shift) & 0xFFU;
}

/// Short waits: each of them costs states, and their length proves nothing.
inline ClaimOptions impatient(ClaimMode mode = ClaimMode::explicit_start) {
  ClaimOptions options;
  options.mode = mode;
  options.settle = Milliseconds{4};
  options.empty_grace = Milliseconds{4};
  return options;
}

/// Returns: whether it is ours now.
inline bool tell(Actor& me, const genie::Result<genie::ClaimReport>& report) {
  if (!report) {
    me.believe(failed);
    return false;
  }
  switch (report->outcome) {
    case ClaimOutcome::claimed:
      me.believe(owns | did_own | (report->generation & 0xFFU) << generation_shift);
      return true;
    case ClaimOutcome::already_running: me.believe(already_running); break;
    case ClaimOutcome::contended: me.believe(contended); break;
    case ClaimOutcome::stopping: me.believe(stopping); break;
    case ClaimOutcome::orphaned: me.believe(orphaned); break;
  }
  return false;
}

/// Returns: whether it is ours now.
inline bool claim_and_tell(Actor& me, Guard& guard, const ClaimOptions& options) {
  if (options.mode == ClaimMode::automatic) me.believe(automatic);
  return tell(me, guard.claim(options));
}

/// Claims, and serves until it is killed.
inline void starter(Actor& me) {
  Guard guard = guard_of(me);
  if (claim_and_tell(me, guard, impatient())) me.stay();
  me.doubt(owns);
}
/// The same, started on demand.
inline void auto_starter(Actor& me) {
  Guard guard = guard_of(me);
  if (claim_and_tell(me, guard, impatient(ClaimMode::automatic))) me.stay();
  me.doubt(owns);
}
/// Claims as soon as nobody else owns it, and serves until it is killed.
inline void standby(Actor& me) {
  me.believe(automatic);
  Guard guard = guard_of(me);
  genie::StandbyOptions options;
  options.claim = impatient(ClaimMode::automatic);
  options.patience = Milliseconds{8};
  if (tell(me, guard.claim_when_free(options))) me.stay();
  me.doubt(owns);
}
/// Claims, and releases at once.
inline void visitor(Actor& me) {
  Guard guard = guard_of(me);
  const bool claimed = claim_and_tell(me, guard, impatient());
  me.doubt(owns);
  if (claimed && !guard.release()) me.believe(failed);
}
/// Claims, publishes its PID as its port, and releases.
inline void publisher(Actor& me) {
  Guard guard = guard_of(me);
  const bool claimed = claim_and_tell(me, guard, impatient());
  if (claimed && !guard.publish_port(static_cast<std::uint16_t>(guard.held().claimant))) me.believe(failed);
  me.doubt(owns);
  if (claimed && !guard.release()) me.believe(failed);
}
/// Claims, publishes its PID as its port, again whether or not that worked, and releases.
inline void republisher(Actor& me) {
  Guard guard = guard_of(me);
  const bool claimed = claim_and_tell(me, guard, impatient());
  for (int time = 0; claimed && time < 2; ++time) {
    (void)guard.publish_port(static_cast<std::uint16_t>(guard.held().claimant));
  }
  me.doubt(owns);
  if (claimed && !guard.release()) me.believe(failed);
}
/// Claims, binds a socket, publishes that and its PID as endpoints, twice, and releases. The socket stays behind.
inline void endpoint_publisher(Actor& me) {
  Guard guard = guard_of(me);
  if (!claim_and_tell(me, guard, impatient())) return;
  const auto bound = me.bind(socket_path);
  if (bound.ok()) me.believe(has_socket | (bound.value & 0xFFFFU) << pid_shift);
  const genie::Endpoint endpoints[] = {genie::Endpoint::tcp("pid", static_cast<std::uint16_t>(guard.held().claimant)),
                                       genie::Endpoint::unix_socket("socket", socket_path)};
  // Nobody knows of a predecessor's that died between `bind` and the publication.
  if (!guard.publish_endpoints(endpoints, bound.ok() ? 2 : 1)) me.believe(failed);
  me.doubt(owns | has_socket);
  if (!guard.release()) me.believe(failed);
}
/// Claims, serves until it is asked to end, and releases. Its process must catch the request.
inline void server(Actor& me) {
  Guard guard = guard_of(me);
  if (!claim_and_tell(me, guard, impatient())) return;
  (void)me.await_terminate();
  me.doubt(owns);
  if (!guard.release()) me.believe(failed);
}
inline void stop_and_tell(Actor& me, bool stay) {
  me.believe(is_stopper);
  Guard guard = guard_of(me);
  genie::StopOptions options;
  options.settle = Milliseconds{4};
  options.grace = Milliseconds{100};
  options.stay = stay;
  const auto receipt = guard.stop(options);
  if (!receipt) {
    me.believe(failed);
    return;
  }
  if (receipt->stays) me.believe(did_stay);
  switch (receipt->outcome) {
    case genie::StopOutcome::stopped:
    case genie::StopOutcome::killed:
    case genie::StopOutcome::already_ended:
      me.believe(stopped_it | (static_cast<std::uint64_t>(receipt->target.pid) & 0xFFFFU) << pid_shift);
      break;
    default: me.believe(stop_did_nothing); break;
  }
}
inline void stopper(Actor& me) { stop_and_tell(me, false); }
/// Stops it for good, until an explicit start.
inline void stayer(Actor& me) { stop_and_tell(me, true); }
/// Asks where the server listens.
inline void client(Actor& me) {
  Guard guard = guard_of(me);
  const auto port = guard.port();
  if (!port) {
    me.believe(failed);
  } else if (*port != 0) {
    me.believe(saw_port | std::uint64_t{*port} << pid_shift);
  }
}

inline void tell_endpoints(Actor& me, const genie::Result<genie::EndpointsView>& view) {
  if (!view) {
    me.believe(failed);
    return;
  }
  const std::uint64_t publisher = (static_cast<std::uint64_t>(view->owner.pid) & 0xFFFFU) << pid_shift;
  if (view->standing == genie::EndpointStanding::live) me.believe(saw_endpoint | publisher);
  if (view->standing == genie::EndpointStanding::stale) me.believe(saw_stale | publisher);
}
/// Asks how the server can be reached.
inline void endpoint_client(Actor& me) {
  Guard guard = guard_of(me);
  tell_endpoints(me, guard.endpoints());
}
/// Waits until it can be.
inline void patient_client(Actor& me) {
  Guard guard = guard_of(me);
  tell_endpoints(me, guard.wait_for_endpoints(0, Milliseconds{4}));
}

inline genie::LaunchPlan server_plan() {
  genie::LaunchPlan plan;
  plan.program = server_path;
  return plan;
}
inline void ensure_and_tell(Actor& me, Guard& guard, ClaimMode mode, genie::EnsureOptions options = {}) {
  me.believe(is_client | (mode == ClaimMode::automatic ? automatic : 0));
  if (options.upgrade != genie::UpgradePolicy::use_running) me.believe(is_stopper);
  options.mode = mode;
  options.stop_grace = Milliseconds{100};
  options.settle = Milliseconds{4};
  options.grace = Milliseconds{4};
  options.stall = Milliseconds{4};
  ExploredLauncher launcher = me.launcher();
  const auto report = genie::ensure(guard, launcher, server_plan(), options);
  if (!report) {
    me.believe(failed);
    return;
  }
  if (report->has_started) me.believe(has_started);
  if (report->has_joined) me.believe(has_joined);
  switch (report->outcome) {
    case genie::EnsureOutcome::running:
      me.believe(is_served | (static_cast<std::uint64_t>(report->owner.pid) & 0xFFFFU) << pid_shift);
      break;
    case genie::EnsureOutcome::self: me.believe(is_inside); break;
    case genie::EnsureOutcome::stopping: me.believe(stopping); break;
    case genie::EnsureOutcome::failed:
    case genie::EnsureOutcome::backing_off: me.believe(start_failed); break;
    case genie::EnsureOutcome::timed_out: me.believe(lost_patience); break;
    case genie::EnsureOutcome::contended: me.believe(contended); break;
    case genie::EnsureOutcome::orphaned: me.believe(orphaned); break;
  }
}
/// Wants a server, and starts one where there is none.
inline void ensurer(Actor& me) {
  Guard guard = guard_of(me);
  ensure_and_tell(me, guard, ClaimMode::automatic);
}
/// The same, because a person asked for it.
inline void explicit_ensurer(Actor& me) {
  Guard guard = guard_of(me);
  ensure_and_tell(me, guard, ClaimMode::explicit_start);
}

/// Has less time than a start may take.
inline void hasty_ensurer(Actor& me) {
  Guard guard = guard_of(me);
  genie::EnsureOptions options;
  options.deadline = Milliseconds{2};
  ensure_and_tell(me, guard, ClaimMode::automatic, options);
}

/// Wants a server that was not there before.
inline void restarter(Actor& me) {
  Guard guard = guard_of(me);
  genie::EnsureOptions options;
  options.upgrade = genie::UpgradePolicy::replace_running;
  ensure_and_tell(me, guard, ClaimMode::explicit_start, options);
}
/// Want a server of their own version, or of a newer one.
inline void ensure_version(Actor& me, const char* version) {
  Guard guard = guard_of(me);
  genie::EnsureOptions options;
  options.upgrade = genie::UpgradePolicy::replace_older;
  options.version = version;
  ensure_and_tell(me, guard, ClaimMode::automatic, options);
}
inline void older_ensurer(Actor& me) { ensure_version(me, "1.0"); }
inline void newer_ensurer(Actor& me) { ensure_version(me, "2.0"); }

/// Takes the claim that was made for it, and gets ready in one step.
inline bool boot_and_tell(Actor& me, Guard& guard) {
  ClaimOptions options = impatient();
  options.starting = true;
  if (!claim_and_tell(me, guard, options)) return false;
  // What cannot be reported need not fail a boot.
  (void)guard.boot("warm up");
  if (guard.ready()) {
    me.believe(is_ready);
    return true;
  }
  me.believe(failed);
  me.doubt(owns);
  return false;
}
/// Serves until it is killed.
inline void launched_server(Actor& me) {
  Guard guard = guard_of(me);
  if (boot_and_tell(me, guard)) me.stay();
  me.doubt(owns);
}
/// Serves until it is asked to end. Its process must catch the request.
inline void stoppable_server(Actor& me) {
  Guard guard = guard_of(me);
  if (!boot_and_tell(me, guard)) return;
  (void)me.await_terminate();
  me.doubt(owns);
  if (!guard.release()) me.believe(failed);
}
/// Gets ready just when whoever waits for it by hand loses patience.
inline void slow_server(Actor& me) {
  Guard guard = guard_of(me);
  ClaimOptions options = impatient();
  options.starting = true;
  if (!claim_and_tell(me, guard, options)) return;
  me.clock().sleep(Milliseconds{9});
  if (guard.ready()) me.believe(is_ready);
  me.stay();
  me.doubt(owns);
}
/// Ends in the middle of its boot, as by `_exit`: without a release.
inline void failing_server(Actor& me) {
  alignas(Guard) unsigned char place[sizeof(Guard)];
  Guard& guard = *new (place) Guard{directory, {}, me.clock(), me.process(), me.filesystem()};
  ClaimOptions options = impatient();
  options.starting = true;
  me.exit_status = 3;
  if (claim_and_tell(me, guard, options)) (void)guard.boot("warm up");
}
/// The same, but releases its claim first, as whoever returns from `main` does.
inline void quitting_server(Actor& me) {
  Guard guard = guard_of(me);
  ClaimOptions options = impatient();
  options.starting = true;
  me.exit_status = 3;
  if (!claim_and_tell(me, guard, options)) return;
  (void)guard.boot("warm up");
  me.doubt(owns);
}
/// Knows nothing of genie.
inline void foreign_server(Actor& me) { me.stay(); }
/// Asks for a server before it claims and while it boots, as a client library that it uses might.
inline void inquiring_server(Actor& me) {
  Guard guard = guard_of(me);
  ensure_and_tell(me, guard, ClaimMode::automatic);
  const std::uint64_t before = me.beliefs & is_inside;
  me.doubt(is_inside);
  ClaimOptions options = impatient();
  options.starting = true;
  if (!claim_and_tell(me, guard, options)) return;
  ensure_and_tell(me, guard, ClaimMode::explicit_start);
  if (before == 0) me.doubt(is_inside);
  me.doubt(is_client | automatic);
  if (guard.ready()) me.believe(is_ready);
  me.stay();
  me.doubt(owns);
}

/// The program that genie replaces, as it was: read, look, unlink, create exclusively, write.
inline void original(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredProcesses processes = me.process();
  (void)files.make_directory(directory, 0700);
  const Pid self = processes.self();
  const std::uint64_t start = processes.look(self).start.value;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto created = files.open({}, record_path, genie::OpenMode::create, 0600);
    if (created.ok()) {
      const std::string own = std::to_string(self) + ':' + std::to_string(start);
      (void)files.write_at(created.value, own.data(), own.size(), 0);
      files.close(created.value);
      me.believe(owns | did_own);
      me.stay();
      return;
    }
    const auto opened = files.open({}, record_path, genie::OpenMode::read, 0);
    if (!opened.ok()) continue;
    char bytes[64] = {};
    const auto count = files.read_at(opened.value, bytes, sizeof bytes, 0);
    files.close(opened.value);
    const auto record = genie::parse_pid_record({bytes, count.ok() ? count.value : 0}, ExploredProcesses::pid_limit);
    if (record.kind == genie::PidRecordKind::known_start &&
        processes.look(record.owner.pid).liveness == genie::Liveness::alive) {
      me.believe(already_running);
      return;
    }
    (void)files.unlink({}, record_path);
  }
  me.believe(contended);
}

inline Program program(const char* name, void (*run)(Actor&), std::uint32_t copies = 1,
                       const ProcessOptions& process = {}) {
  Program result;
  result.name = name;
  result.run = run;
  result.copies = copies;
  result.process = process;
  return result;
}
/// One that ensurers start. Each start needs a copy.
inline Program launched(const char* name, void (*run)(Actor&), std::uint32_t copies = 1,
                        const ProcessOptions& process = {}) {
  Program result = program(name, run, copies, process);
  result.path = server_path;
  return result;
}

/// A process that keeps the request to end until its program asks for it.
inline ProcessOptions catching() {
  ProcessOptions options;
  options.reaction.catches_terminate = true;
  return options;
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_PROGRAMS_HPP
