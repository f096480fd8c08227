// What oracles need to know of a machine, and of its past; told without genie's protocol code.
#ifndef GENIE_TESTS_EXPLORE_FACTS_HPP
#define GENIE_TESTS_EXPLORE_FACTS_HPP

#include <cstdint>
#include <string>

#include "programs.hpp"

namespace protocol {

/// What a machine looks like from outside, judged without genie's protocol code.
struct Facts {
  std::uint16_t lock_holders = 0;    ///< bit n: process n holds the owner's lock of the lock file that has the name
  std::uint16_t record_holders = 0;  ///< bit n: process n has locked the record that has the name
  std::uint16_t stoppers = 0;        ///< bit n: process n is named in the sentinel
  std::uint8_t recorded = 0;         ///< the live process that the record names; 0: nobody
  bool has_sentinel = false;
  bool has_stay = false;  ///< the sentinel says that it is to stay stopped
  bool has_record = false;
  bool has_broken_record = false;  ///< it says neither what a process would write nor what was there at the start

  [[nodiscard]] std::uint64_t packed() const noexcept {
    return std::uint64_t{lock_holders} | std::uint64_t{record_holders} << 14U | std::uint64_t{stoppers} << 28U |
           std::uint64_t{recorded} << 42U | std::uint64_t{has_sentinel} << 50U | std::uint64_t{has_record} << 51U |
           std::uint64_t{has_broken_record} << 52U | std::uint64_t{has_stay} << 53U;
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
    facts.has_stay = (bits >> 53U & 1U) != 0;
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
    facts.has_stay = content->find("\nstay ") != std::string::npos;
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

/// What oracles need to know of the past, for at most eight seats.
struct Memory {
  std::uint8_t met_owner = 0;       ///< bit s: while seat s ran, somebody else held the lock
  std::uint8_t under_sentinel = 0;  ///< bit s: a living stopper's sentinel or an intent has stood since seat s began
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

/// Whether somebody's stop is made known by this step, or goes on to be.
[[nodiscard]] inline bool puts_up_sentinel(const Situation& now) {
  return now.request != nullptr && now.response != nullptr && now.response->error == 0 &&
         now.request->call == Call::rename && now.request->two == "serve.stopping.lock";
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
    const bool stands = (facts.stoppers != 0 || facts.has_stay) && (before.stoppers != 0 || before.has_stay);
    if (has_begun_now && stands) memory.under_sentinel = static_cast<std::uint8_t>(memory.under_sentinel | mask);
    if (has_begun_now && seat.has(automatic)) {
      memory.begun_late = memory.sentinel_age > ttl_seconds && !facts.has_stay && !before.has_stay;
    }
    if (!stands) memory.under_sentinel = static_cast<std::uint8_t>(memory.under_sentinel & ~mask);
    has_client = has_client || seat.program->name == "client";
    if (!seat.has(owns) || seat.process == memory.owner) continue;
    if (memory.owner != 0 && generation_of(seat) <= memory.generation) memory.went_back = true;
    memory.owner = static_cast<std::uint8_t>(seat.process & 0xFU);
    memory.generation = static_cast<std::uint8_t>(generation_of(seat));
  }
  memory.met_by_client = has_client ? static_cast<std::uint16_t>(memory.met_by_client | holders) : std::uint16_t{0};
  const std::int64_t passed = (now.machine.time.monotonic - now.before.time.monotonic).count() / 1000;
  const std::int64_t age = puts_up_sentinel(now) ? 0 : memory.sentinel_age + (passed > 63 || passed < 0 ? 63 : passed);
  memory.sentinel_age = facts.has_sentinel ? static_cast<std::uint8_t>(age > 63 ? 63 : age) : std::uint8_t{0};
  return memory.packed();
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_FACTS_HPP
