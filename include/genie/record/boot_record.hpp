// The codec of the second block of `NAME.lock`: which step of its boot the owner is in.
#ifndef GENIE_RECORD_BOOT_RECORD_HPP
#define GENIE_RECORD_BOOT_RECORD_HPP

#include <cstdint>

#include "genie/duration.hpp"
#include "genie/record/lock_record.hpp"
#include "genie/record/sealed_block.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// How a step of a boot stands.
enum class StepState : std::uint8_t {
  running,  ///< it goes on
  ok,       ///< done
  fixed,    ///< something was wrong, and is not any more
  skipped,  ///< there was nothing to do
  refused,  ///< cannot be done by itself: `BootRecord::advice` says what to run
};

[[nodiscard]] constexpr const char* to_string(StepState state) noexcept {
  switch (state) {
    case StepState::running: return "running";
    case StepState::ok: return "ok";
    case StepState::fixed: return "fixed";
    case StepState::skipped: return "skipped";
    case StepState::refused: return "refused";
  }
  return "?";
}

/// What a step is called; what is longer is cut.
using StepName = FixedText<63>;
/// What a person must do, mostly a command; what is longer is cut.
using StepAdvice = FixedText<255>;

/// The second block of the lock file: the step that the owner's boot is in.
struct BootRecord {
  std::uint64_t generation = 0;  ///< of the claim whose boot this is; 0: there is none
  std::uint64_t number = 0;      ///< of the step, from 1
  StepState state = StepState::running;
  StepName step;
  std::uint64_t done = 0;   ///< of `total`, in whatever the step counts
  std::uint64_t total = 0;  ///< 0: not known
  Milliseconds since;       ///< monotonic; when the step began
  Milliseconds updated;     ///< monotonic; when this was written
  StepAdvice advice;        ///< what a person must do where it was refused

  friend constexpr bool operator==(const BootRecord&, const BootRecord&) noexcept = default;
};

/// Where the block begins in the lock file, in bytes.
inline constexpr std::uint64_t boot_record_at = lock_record_size;
/// Its length, in bytes.
inline constexpr std::size_t boot_record_size = 1024;
/// The block as it is written.
using BootRecordBytes = FixedText<boot_record_size>;

/// Returns: the whole block, with its checksum.
[[nodiscard]] inline BootRecordBytes encode_boot_record(const BootRecord& record) noexcept {
  using namespace record_detail;
  BootRecordBytes bytes;
  bytes.append("genie-boot 1\ngeneration ").append_number(record.generation);
  bytes.append("\nnumber ").append_number(record.number);
  bytes.append("\nstate ").append(to_string(record.state)).append("\nstep ");
  append_line_text(bytes, record.step);
  bytes.append("\ndone ").append_number(record.done).append("\ntotal ").append_number(record.total);
  bytes.append("\nsince ");
  append_time(bytes, record.since.count());
  bytes.append("\nupdated ");
  append_time(bytes, record.updated.count());
  bytes.append("\nadvice ");
  append_line_text(bytes, record.advice);
  bytes.append('\n');
  seal(bytes);
  return bytes;
}

/// Total: any bytes give a verdict; `record` is written only where it is `valid`.
[[nodiscard]] inline BlockKind parse_boot_record(Text bytes, BootRecord& record) noexcept {
  using namespace record_detail;
  BootRecord parsed;
  const BlockKind kind = read_block(bytes, "genie-boot 1", [&](Text key, Text line) noexcept {
    if (key == Text{"generation"}) return parse_number(line, parsed.generation);
    if (key == Text{"number"}) return parse_number(line, parsed.number);
    if (key == Text{"done"}) return parse_number(line, parsed.done);
    if (key == Text{"total"}) return parse_number(line, parsed.total);
    if (key == Text{"since"}) return parse_time(line, parsed.since);
    if (key == Text{"updated"}) return parse_time(line, parsed.updated);
    if (key == Text{"state"}) {
      constexpr StepState states[] = {StepState::running, StepState::ok, StepState::fixed, StepState::skipped,
                                      StepState::refused};
      return parse_word(line, states, parsed.state);
    }
    if (key == Text{"step"}) parsed.step = StepName{line};
    if (key == Text{"advice"}) parsed.advice = StepAdvice{line};
    return true;
  });
  if (kind == BlockKind::valid) record = parsed;
  return kind;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_BOOT_RECORD_HPP
