// What the explorations of genie's own protocol share: programs, facts about a machine, start states and oracles.
#ifndef GENIE_TESTS_EXPLORE_FLEET_HPP
#define GENIE_TESTS_EXPLORE_FLEET_HPP

#include <genie/serve_guard.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "genie/testing/explorer.hpp"

namespace fleet {

using namespace genie::testing;
using genie::ClaimMode;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::Milliseconds;
using genie::Pid;
using genie::Text;

inline constexpr const char* directory = "/tmp/state";
inline constexpr const char* record_path = "/tmp/state/serve.pid";
inline constexpr const char* lock_path = "/tmp/state/serve.lock";
inline constexpr const char* sentinel_path = "/tmp/state/serve.stopping.lock";
inline constexpr const char* port_path = "/tmp/state/pgserve.port";

using Guard = genie::ServeGuard<ExploredClock, ExploredProcesses, ExploredFilesystem>;
using LiveGuard = genie::ServeGuard<ManualClock, FakeProcesses, MemoryFilesystem>;

inline Guard guard_of(Actor& me) { return Guard{directory, {}, me.clock(), me.process(), me.filesystem()}; }
inline LiveGuard guard_of(const Contender& contender) {
  return LiveGuard{directory, {}, contender.clock, contender.process, contender.filesystem};
}

// --- what programs believe -------------------------------------------------------------------------------------------

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

// --- programs --------------------------------------------------------------------------------------------------------

/// Short waits: each of them costs states, and their length proves nothing.
inline ClaimOptions impatient(ClaimMode mode = ClaimMode::explicit_start) {
  ClaimOptions options;
  options.mode = mode;
  options.settle = Milliseconds{4};
  options.empty_grace = Milliseconds{4};
  return options;
}

/// Returns: whether it is ours now.
inline bool claim_and_tell(Actor& me, Guard& guard, const ClaimOptions& options) {
  if (options.mode == ClaimMode::automatic) me.believe(automatic);
  const auto report = guard.claim(options);
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

// --- facts -----------------------------------------------------------------------------------------------------------

/// What a machine looks like from outside, judged without genie's protocol code.
struct Facts {
  std::uint16_t lock_holders = 0;    ///< bit n: process n holds the owner's lock of the lock file that has the name
  std::uint16_t record_holders = 0;  ///< bit n: process n has locked the record that has the name
  std::uint16_t stoppers = 0;        ///< bit n: process n is named in the sentinel
  std::uint8_t recorded = 0;         ///< the live process that the record names; 0: nobody
  bool has_sentinel = false;
  bool has_record = false;
  bool has_broken_record = false;  ///< it says neither what a process would write nor what was there at the start

  [[nodiscard]] std::uint64_t packed() const noexcept {
    return std::uint64_t{lock_holders} | std::uint64_t{record_holders} << 14U | std::uint64_t{stoppers} << 28U |
           std::uint64_t{recorded} << 42U | std::uint64_t{has_sentinel} << 50U | std::uint64_t{has_record} << 51U |
           std::uint64_t{has_broken_record} << 52U;
  }
  [[nodiscard]] static Facts unpacked(std::uint64_t bits) noexcept {
    Facts facts;
    facts.lock_holders = bits & 0x3FFFU;
    facts.record_holders = bits >> 14U & 0x3FFFU;
    facts.stoppers = bits >> 28U & 0x3FFFU;
    facts.recorded = bits >> 42U & 0xFFU;
    facts.has_sentinel = (bits >> 50U & 1U) != 0;
    facts.has_record = (bits >> 51U & 1U) != 0;
    facts.has_broken_record = (bits >> 52U & 1U) != 0;
    return facts;
  }
};

[[nodiscard]] inline std::uint16_t holders_of(const Machine& machine, const char* path) {
  const auto info = machine.disk.stat(path);
  std::uint16_t mask = 0;
  if (!info) return mask;
  for (const ProcessIndex index : machine.disk.lock_holders(info->id, genie::detail::owner_byte)) {
    if (index < 14) mask = static_cast<std::uint16_t>(mask | 1U << index);
  }
  return mask;
}

/// `initial` is the record's content in the start state.
[[nodiscard]] inline std::uint64_t facts_of(const Machine& machine, const std::string& initial) {
  Facts facts;
  if (!machine.disk.exists(directory)) return facts.packed();
  facts.lock_holders = holders_of(machine, lock_path);
  facts.record_holders = holders_of(machine, record_path);
  if (const auto record = machine.disk.read_file(record_path)) {
    facts.has_record = true;
    const genie::PidRecord parsed = genie::parse_pid_record(*record, FakeProcesses::pid_limit);
    facts.has_broken_record = *record != initial;
    for (ProcessIndex at = 1; at < machine.processes.processes.size(); ++at) {
      if (parsed.kind != genie::PidRecordKind::known_start || machine.processes.identity(at) != parsed.owner) continue;
      facts.has_broken_record = false;
      if (machine.processes.state(machine.time, at) == ProcessState::alive) {
        facts.recorded = static_cast<std::uint8_t>(at);
      }
    }
  }
  if (const auto content = machine.disk.read_file(sentinel_path)) {
    facts.has_sentinel = true;
    genie::Sentinel sentinel;
    if (genie::parse_sentinel(*content, FakeProcesses::pid_limit, sentinel)) {
      for (std::size_t entry = 0; entry < sentinel.count; ++entry) {
        for (ProcessIndex at = 1; at < machine.processes.processes.size() && at < 14; ++at) {
          if (machine.processes.identity(at) == sentinel.stoppers[entry].stopper) {
            facts.stoppers = static_cast<std::uint16_t>(facts.stoppers | 1U << at);
          }
        }
      }
    }
  }
  return facts.packed();
}

// --- history ---------------------------------------------------------------------------------------------------------

/// What oracles need to know of the past, for at most eight seats.
struct Memory {
  std::uint8_t met_owner = 0;       ///< bit s: while seat s ran, somebody else held the lock
  std::uint8_t under_sentinel = 0;  ///< bit s: a living stopper's sentinel has stood ever since seat s began
  std::uint16_t held_ever = 0;      ///< bit n: process n held the lock at some time
  std::uint16_t met_by_client = 0;  ///< bit n: process n held the lock at some time while a client was asking
  std::uint8_t generation = 0;      ///< of the last owner
  std::uint8_t sentinel_age = 0;    ///< seconds since a stopper last put its sentinel up, at most 63
  std::uint8_t owner = 0;           ///< the last process that owned the directory, of at most 15
  bool went_back = false;           ///< an owner had no larger generation than the one before
  bool begun_late = false;          ///< the last claim on demand began when every sentinel had expired

  [[nodiscard]] std::uint64_t packed() const noexcept {
    return std::uint64_t{met_owner} | std::uint64_t{under_sentinel} << 8U | std::uint64_t{held_ever} << 16U |
           std::uint64_t{met_by_client} << 30U | std::uint64_t{generation} << 44U | std::uint64_t{sentinel_age} << 52U |
           std::uint64_t{owner} << 58U | std::uint64_t{went_back} << 62U | std::uint64_t{begun_late} << 63U;
  }
  [[nodiscard]] static Memory unpacked(std::uint64_t bits) noexcept {
    Memory memory;
    memory.met_owner = bits & 0xFFU;
    memory.under_sentinel = bits >> 8U & 0xFFU;
    memory.held_ever = bits >> 16U & 0x3FFFU;
    memory.met_by_client = bits >> 30U & 0x3FFFU;
    memory.generation = bits >> 44U & 0xFFU;
    memory.sentinel_age = bits >> 52U & 0x3FU;
    memory.owner = bits >> 58U & 0xFU;
    memory.went_back = (bits >> 62U & 1U) != 0;
    memory.begun_late = (bits >> 63U & 1U) != 0;
    return memory;
  }
};

[[nodiscard]] inline std::uint16_t bit_of(ProcessIndex process) {
  return process != 0 && process < 14 ? static_cast<std::uint16_t>(1U << process) : std::uint16_t{0};
}

[[nodiscard]] inline std::uint64_t remember(const Situation& now) {
  constexpr std::uint8_t ttl_seconds = 30;
  Memory memory = Memory::unpacked(now.memory);
  const Facts facts = Facts::unpacked(now.facts);
  const Facts before = Facts::unpacked(now.facts_before);
  memory.held_ever = static_cast<std::uint16_t>(memory.held_ever | facts.lock_holders);
  // What was so just before the step counts as well: the step itself may be what noticed it.
  const auto holders = static_cast<std::uint16_t>(facts.lock_holders | before.lock_holders | bit_of(before.recorded) |
                                                  bit_of(facts.recorded));
  bool has_client = false;
  for (std::size_t at = 0; at < now.seats.size(); ++at) {
    const Seat& seat = now.seats[at];
    const auto mask = static_cast<std::uint8_t>(1U << at);
    if (!seat.is_alive()) {
      memory.met_owner = static_cast<std::uint8_t>(memory.met_owner & ~mask);
      memory.under_sentinel = static_cast<std::uint8_t>(memory.under_sentinel & ~mask);
      continue;
    }
    if ((holders & ~bit_of(seat.process)) != 0) memory.met_owner = static_cast<std::uint8_t>(memory.met_owner | mask);
    const bool has_begun_now = now.step.kind == StepKind::run && now.step.seat == at && seat.calls <= 1;
    const bool stands = facts.stoppers != 0 && before.stoppers != 0;
    if (has_begun_now && stands) memory.under_sentinel = static_cast<std::uint8_t>(memory.under_sentinel | mask);
    if (has_begun_now && seat.has(automatic)) memory.begun_late = memory.sentinel_age > ttl_seconds;
    if (!stands) memory.under_sentinel = static_cast<std::uint8_t>(memory.under_sentinel & ~mask);
    has_client = has_client || seat.program->name == "client";
    if (!seat.has(owns) || seat.process == memory.owner) continue;
    if (memory.owner != 0 && generation_of(seat) <= memory.generation) memory.went_back = true;
    memory.owner = static_cast<std::uint8_t>(seat.process & 0xFU);
    memory.generation = static_cast<std::uint8_t>(generation_of(seat));
  }
  memory.met_by_client = has_client ? static_cast<std::uint16_t>(memory.met_by_client | holders) : std::uint16_t{0};
  const std::int64_t passed = (now.machine.time.monotonic - now.before.time.monotonic).count() / 1000;
  const bool put_up = now.request != nullptr && now.response != nullptr && now.response->error == 0 &&
                      now.request->call == Call::rename && now.request->two == "serve.stopping.lock";
  const std::int64_t age = put_up ? 0 : memory.sentinel_age + (passed > 63 || passed < 0 ? 63 : passed);
  memory.sentinel_age = facts.has_sentinel ? static_cast<std::uint8_t>(age > 63 ? 63 : age) : std::uint8_t{0};
  return memory.packed();
}

// --- oracles ---------------------------------------------------------------------------------------------------------

[[nodiscard]] inline std::string who(const Situation& now, std::size_t seat) {
  return now.seats[seat].program->name + ' ' + std::to_string(seat);
}

/// I1.
inline Oracle at_most_one_owner() {
  return {"I1: at most one live process believes that it owns the directory", Oracle::When::state,
          [](const Situation& now) -> std::string {
            std::string owners;
            int count = 0;
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (!now.seats[at].is_alive() || !now.seats[at].has(owns)) continue;
              ++count;
              owners += (owners.empty() ? "" : " and ") + who(now, at);
            }
            return count > 1 ? owners + " both do" : "";
          }};
}
/// Instead of I1 where somebody removes the whole directory: nothing is left then that could exclude anybody.
inline Oracle who_lost_the_directory_can_tell() {
  return {"F25: an owner whose directory was removed can tell", Oracle::When::state,
          [](const Situation& now) -> std::string {
            const Facts facts = Facts::unpacked(now.facts);
            int standing = 0;
            for (const Seat& seat : now.seats) {
              const bool has_both = facts.recorded == seat.process && (facts.lock_holders & bit_of(seat.process)) != 0;
              standing += seat.is_alive() && seat.has(owns) && has_both ? 1 : 0;
            }
            return standing > 1 ? "two owners would both be told that all is well" : "";
          }};
}
/// I2. Who fails may have kept others from winning; and while somebody removes files under them, two claimants that
/// each have a lock file of their own may both give way.
inline Oracle nobody_loses_to_nobody() {
  return {"I2: if all stop short, somebody owned it or could have", Oracle::When::end,
          [](const Situation& now) -> std::string {
            if (now.spent.errors != 0 || now.spent.reboots != 0 || now.spent.removals != 0) return "";
            for (const Seat& seat : now.seats) {
              const bool may_have_owned = seat.status == SeatStatus::gone || seat.has(did_own);
              if (may_have_owned || seat.has(stopping) || seat.has(is_stopper)) return "";
            }
            return "everybody lost";
          }};
}
/// I4.
inline Oracle live_claim_stands() {
  return {"I4: a live claim is never removed", Oracle::When::state, [](const Situation& now) -> std::string {
            if (now.spent.removals != 0) return "";
            const Facts facts = Facts::unpacked(now.facts);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(owns)) continue;
              if (facts.recorded != seat.process) return "the record of " + who(now, at) + " does not stand";
              if ((facts.lock_holders & bit_of(seat.process)) == 0) return who(now, at) + " does not hold the lock";
              // Where locking the record failed, the lock file's lock has to do.
              if (now.spent.errors == 0 && (facts.record_holders & bit_of(seat.process)) == 0)
                return who(now, at) + " has not locked its record";
            }
            return "";
          }};
}
/// I5.
inline Oracle no_stranger_is_signalled() {
  return {"I5: only a process that held the claim is ever signalled", Oracle::When::step,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (const Delivery& delivery : now.deliveries) {
              if ((memory.held_ever & bit_of(delivery.target)) == 0) {
                return "PID " + std::to_string(delivery.identity.pid) + " was signalled";
              }
            }
            return "";
          }};
}
/// I6, and F24.
inline Oracle already_running_is_true() {
  return {"I6: \"already running\" is said only where somebody was", Oracle::When::step,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (seat.is_alive() && seat.has(already_running) && (memory.met_owner & 1U << at) == 0) {
                return who(now, at) + " met nobody";
              }
            }
            return "";
          }};
}
/// I7, the descriptors.
inline Oracle nothing_stays_open() {
  return {"I7: a program that owns nothing has nothing open at its end", Oracle::When::state,
          [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || seat.next != nullptr) continue;
              if (now.machine.disk.open_count(seat.process) != 0) return who(now, at) + " leaves descriptors open";
              for (const auto& [number, pin] : now.machine.processes.pins) {
                if (pin.owner == seat.process) return who(now, at) + " leaves a process handle open";
              }
            }
            return "";
          }};
}
inline Oracle one_winner() {
  return {"exactly one wins if nothing goes wrong", Oracle::When::end, [](const Situation& now) -> std::string {
            if (!now.nothing_went_wrong()) return "";
            int owners = 0;
            for (const Seat& seat : now.seats) owners += seat.is_alive() && seat.has(owns) ? 1 : 0;
            return owners == 1 ? "" : std::to_string(owners) + " own it";
          }};
}
inline Oracle nobody_hangs() {
  return {"no deadlock", Oracle::When::end, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || seat.next == nullptr) continue;
              if (seat.next->call != Call::stay && seat.next->call != Call::await_terminate) {
                return who(now, at) + " waits for ever in " + describe(*seat.next);
              }
            }
            return "";
          }};
}
/// Short transfers and signals must not be noticed at all.
inline Oracle interruptions_are_invisible() {
  return {"EINTR and short transfers are invisible", Oracle::When::step, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (now.seats[at].has(failed)) return who(now, at) + " reports an error";
            }
            return "";
          }};
}
inline Oracle one_winner_despite_interruptions() {
  return {"exactly one wins whatever is interrupted", Oracle::When::end, [](const Situation& now) -> std::string {
            int owners = 0;
            for (const Seat& seat : now.seats) owners += seat.is_alive() && seat.has(owns) ? 1 : 0;
            return owners == 1 ? "" : std::to_string(owners) + " own it";
          }};
}
/// F19.
inline Oracle sentinels_are_their_writers() {
  return {"no stop clears another's sentinel", Oracle::When::step, [](const Situation& now) -> std::string {
            if (now.step.kind != StepKind::run && now.step.kind != StepKind::fault) return "";
            const auto lost = static_cast<std::uint16_t>(Facts::unpacked(now.facts_before).stoppers &
                                                         ~Facts::unpacked(now.facts).stoppers);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (at != now.step.seat && seat.is_alive() && (lost & bit_of(seat.process)) != 0) {
                return "that of " + who(now, at) + " was cleared by " + who(now, now.step.seat);
              }
            }
            return "";
          }};
}
/// F20.
inline Oracle ttl_is_kept() {
  return {"a sentinel blocks nobody for longer than its TTL", Oracle::When::step,
          [](const Situation& now) -> std::string {
            if (!Memory::unpacked(now.memory).begun_late) return "";
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (now.seats[at].is_alive() && now.seats[at].has(stopping)) return who(now, at) + " is refused";
            }
            return "";
          }};
}
inline Oracle auto_start_stays_out() {
  return {"nothing starts by itself while a stop is going on", Oracle::When::state,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (seat.is_alive() && seat.has(automatic | owns) && (memory.under_sentinel & 1U << at) != 0) {
                return who(now, at) + " owns it although a sentinel stood all along";
              }
            }
            return "";
          }};
}
inline Oracle ports_end_with_their_owner() {
  return {"a port never outlives its owner", Oracle::When::step, [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(saw_port)) continue;
              bool met = false;
              for (ProcessIndex index = 1; index < now.machine.processes.processes.size(); ++index) {
                const bool is_it =
                    static_cast<std::uint64_t>(now.machine.processes.processes[index].pid) == pid_of(seat);
                met = met || (is_it && (memory.met_by_client & bit_of(index)) != 0);
              }
              if (!met) return who(now, at) + " was told the port of a dead owner";
            }
            return "";
          }};
}
inline Oracle stopped_is_dead() {
  return {"what a stop says has ended has ended", Oracle::When::step, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(stopped_it)) continue;
              for (std::size_t other = 0; other < now.seats.size(); ++other) {
                if (!now.seats[other].is_alive()) continue;
                const Process& process = now.machine.processes.processes[now.seats[other].process];
                if (static_cast<std::uint64_t>(process.pid) == pid_of(seat)) return who(now, other) + " is still alive";
              }
            }
            return "";
          }};
}
inline Oracle generations_grow() {
  return {"the generation only grows", Oracle::When::step, [](const Situation& now) -> std::string {
            // A lock file that somebody removed has taken its count with it.
            if (now.spent.removals != 0) return "";
            return Memory::unpacked(now.memory).went_back ? "it went back" : "";
          }};
}
inline Oracle records_are_complete() {
  return {"a record is complete from the first instant", Oracle::When::state, [](const Situation& now) -> std::string {
            // Without its lock file, nobody knows whose an empty file is, and the safe guess is an older program's
            // claim.
            if (now.spent.removals != 0) return "";
            return Facts::unpacked(now.facts).has_broken_record ? "a reader would see a broken one" : "";
          }};
}

/// I3, and I7's temporary files: what a fresh contender finds who comes when everybody is dead.
inline Aftermath a_fresh_contender_wins(bool is_tidy = true) {
  return {"I3: from every state, once everybody is killed, a fresh contender wins and leaves nothing behind",
          [is_tidy](Machine& machine) -> std::string {
            const Contender fresh = machine.spawn();
            LiveGuard guard = guard_of(fresh);
            const auto report = guard.claim();
            if (!report) return "it fails with " + errno_symbol(report.error().code);
            if (!report->owned()) return "outcome " + std::to_string(static_cast<int>(report->outcome));
            if (machine.disk.exists(port_path)) return "a port is left";
            for (const std::string& name : machine.disk.names(directory)) {
              if (is_tidy && name != "serve.pid" && name != "serve.lock" && name != "serve.stopping.lock")
                return name + " is left";
            }
            if (!guard.release()) return "its release fails";
            if (machine.disk.exists(record_path)) return "its record is left";
            return machine.disk.open_count(fresh.index()) == 0 ? "" : "it leaves descriptors open";
          }};
}

// --- start states ----------------------------------------------------------------------------------------------------

struct StartState {
  const char* name;
  std::function<void(Machine&)> make;
};

inline Contender crashed_owner(Machine& machine) {
  const Contender owner = machine.spawn();
  LiveGuard guard = guard_of(owner);
  (void)guard.claim();
  owner.kill();
  owner.reap();
  return owner;
}
/// A claim from a crashed owner's leftovers that dies just before its last call of that kind.
inline void crash_in_takeover(Machine& machine, Call call, std::uint64_t occurrence) {
  (void)crashed_owner(machine);
  const Contender second = machine.spawn();
  second.calls().before_call = [second, call, occurrence](const CallEvent& event) {
    if (event.call == call && event.occurrence == occurrence) second.kill();
  };
  {
    LiveGuard guard = guard_of(second);
    (void)guard.claim();
  }
  second.reap();
}
inline void write_record(Machine& machine, const char* content) {
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, content);
}

inline const std::vector<StartState>& start_states() {
  static const std::vector<StartState> states{
      {"absent", [](Machine&) {}},
      {"released",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.release();
         owner.kill();
         owner.reap();
       }},
      {"stale", [](Machine& machine) { (void)crashed_owner(machine); }},
      {"stale, with a port",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.publish_port(4711);
         owner.kill();
         owner.reap();
       }},
      {"zombie",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         owner.kill();
       }},
      {"rebooted",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.reboot();
       }},
      {"reused PID",
       [](Machine& machine) {
         ProcessOptions options;
         options.pid = crashed_owner(machine).identity.pid;
         options.name = "stranger";
         (void)machine.spawn(options);
       }},
      {"foreign namespace",
       [](Machine& machine) {
         ProcessOptions options;
         options.pid_namespace = 4026532000;
         const Contender owner = machine.spawn(options);
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         owner.kill();
         owner.reap();
       }},
      {"empty record", [](Machine& machine) { write_record(machine, ""); }},
      {"garbage", [](Machine& machine) { write_record(machine, "1junk:5"); }},
      {"legacy", [](Machine& machine) { write_record(machine, "99"); }},
      {"older program, dead", [](Machine& machine) { write_record(machine, "99:1"); }},
      {"older program, unknown start, dead", [](Machine& machine) { write_record(machine, "99:unknown"); }},
      {"deleted lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.remove(lock_path);
       }},
      {"copied lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.replace(lock_path, *machine.disk.read_file(lock_path));
       }},
      {"noise in the lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.write_file(lock_path, "noise");
       }},
      {"takeover died before its exchange", [](Machine& machine) { crash_in_takeover(machine, Call::exchange, 1); }},
      {"takeover died after its exchange", [](Machine& machine) { crash_in_takeover(machine, Call::unlink, 1); }},
      {"expired sentinel",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.write_file(sentinel_path, "1\n");
       }},
      {"no unnamed files",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.has_unnamed = false;
       }},
  };
  return states;
}

[[nodiscard]] inline const StartState& start_state(const std::string& name) {
  for (const StartState& state : start_states()) {
    if (state.name == name) return state;
  }
  std::abort();
}

/// An exploration from a start state with the facts, the history, and the oracles that hold everywhere.
[[nodiscard]] inline Exploration from(const StartState& state) {
  Exploration exploration;
  exploration.start = state.make;
  Machine machine;
  state.make(machine);
  std::string initial = "(none)";
  if (machine.disk.exists(record_path)) initial = *machine.disk.read_file(record_path);
  exploration.facts = [initial](const Machine& now) { return facts_of(now, initial); };
  exploration.remember = remember;
  exploration.most_calls = 1000;
  exploration.oracles = {at_most_one_owner(),
                         nobody_loses_to_nobody(),
                         live_claim_stands(),
                         no_stranger_is_signalled(),
                         already_running_is_true(),
                         nothing_stays_open(),
                         nobody_hangs(),
                         generations_grow(),
                         records_are_complete(),
                         sentinels_are_their_writers(),
                         auto_start_stays_out(),
                         ports_end_with_their_owner(),
                         stopped_is_dead(),
                         ttl_is_kept()};
  exploration.aftermath = {a_fresh_contender_wins()};
  return exploration;
}

}  // namespace fleet

#endif  // GENIE_TESTS_EXPLORE_FLEET_HPP
