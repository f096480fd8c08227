// The programs whose schedules are explored: those that use genie, the one that genie replaces, and what they believe.
#ifndef GENIE_TESTS_EXPLORE_PROGRAMS_HPP
#define GENIE_TESTS_EXPLORE_PROGRAMS_HPP

#include <cstdint>
#include <string>

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
inline constexpr unsigned generation_shift = 16;  ///< 8 bits
inline constexpr unsigned pid_shift = 32;         ///< 16 bits

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
/// Claims, serves until it is asked to end, and releases. Its process must catch the request.
inline void server(Actor& me) {
  Guard guard = guard_of(me);
  if (!claim_and_tell(me, guard, impatient())) return;
  (void)me.await_terminate();
  me.doubt(owns);
  if (!guard.release()) me.believe(failed);
}
inline void stopper(Actor& me) {
  me.believe(is_stopper);
  Guard guard = guard_of(me);
  genie::StopOptions options;
  options.settle = Milliseconds{4};
  options.grace = Milliseconds{100};
  const auto receipt = guard.stop(options);
  if (!receipt) {
    me.believe(failed);
    return;
  }
  switch (receipt->outcome) {
    case genie::StopOutcome::stopped:
    case genie::StopOutcome::killed:
    case genie::StopOutcome::already_ended:
      me.believe(stopped_it | (static_cast<std::uint64_t>(receipt->target.pid) & 0xFFFFU) << pid_shift);
      break;
    default: me.believe(stop_did_nothing); break;
  }
}
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

/// A process that keeps the request to end until its program asks for it.
inline ProcessOptions catching() {
  ProcessOptions options;
  options.reaction.catches_terminate = true;
  return options;
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_PROGRAMS_HPP
