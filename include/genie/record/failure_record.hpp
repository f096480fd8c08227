// The codec of the third block of `NAME.lock`: how the last start failed. It counts for as long as the owner's record
// names its generation as failed.
#ifndef GENIE_RECORD_FAILURE_RECORD_HPP
#define GENIE_RECORD_FAILURE_RECORD_HPP

#include <cstdint>

#include "genie/identity.hpp"
#include "genie/record/boot_record.hpp"
#include "genie/record/pid_record.hpp"

namespace genie::inline v0 {

/// How a start came to nothing.
enum class FailureKind : std::uint8_t {
  exited,        ///< the server ended before it was ready; `value` is its exit status
  signalled,     ///< a signal ended it; `value` is the signal's number
  refused,       ///< a step of its boot needs a person: `advice` says what to run
  stalled,       ///< nothing was reported for the whole stall window; `value` is its length in milliseconds
  too_late,      ///< the deadline passed; `value` is the time allowed, in milliseconds
  not_executed,  ///< the program could not be executed; `value` is the errno
  lost,          ///< it ended, and how could not be learnt; `value` is the errno
};

[[nodiscard]] constexpr const char* to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::exited: return "exited";
    case FailureKind::signalled: return "signalled";
    case FailureKind::refused: return "refused";
    case FailureKind::stalled: return "stalled";
    case FailureKind::too_late: return "too_late";
    case FailureKind::not_executed: return "not_executed";
    case FailureKind::lost: return "lost";
  }
  return "?";
}

/// The third block of the lock file: how the last start failed.
struct FailureRecord {
  std::uint64_t generation = 0;  ///< of the claim that failed
  std::uint64_t count = 0;       ///< failures in a row; an explicit start begins anew
  FailureKind kind = FailureKind::exited;
  std::int64_t value = 0;  ///< never negative; what it is depends on `kind`
  ProcessIdentity server;
  StepName step;           ///< that it was in; empty where it reported none
  StepAdvice advice;       ///< what to run where a step was refused
  Milliseconds when;       ///< wall clock
  BootId boot;             ///< of the machine; the next two hold only within it
  Milliseconds failed_at;  ///< monotonic
  Milliseconds retry_at;   ///< monotonic; no start on demand before
  FixedText<255> log;      ///< where the server's output went; empty where its path is longer
  FixedText<1000> tail;    ///< the end of that output, without its last line feed

  friend constexpr bool operator==(const FailureRecord&, const FailureRecord&) noexcept = default;
};

/// Where the block begins in the lock file, in bytes.
inline constexpr std::uint64_t failure_record_at = boot_record_at + boot_record_size;
/// Its length, in bytes.
inline constexpr std::size_t failure_record_size = 4096;
/// The block as it is written.
using FailureRecordBytes = FixedText<failure_record_size>;

/// Returns: the whole block, with its checksum.
[[nodiscard]] inline FailureRecordBytes encode_failure_record(const FailureRecord& record) noexcept {
  using namespace record_detail;
  FailureRecordBytes bytes;
  bytes.append("genie-failure 1\ngeneration ").append_number(record.generation);
  bytes.append("\ncount ").append_number(record.count);
  bytes.append("\nkind ").append(to_string(record.kind)).append("\nvalue ");
  append_time(bytes, record.value);
  bytes.append("\nserver ");
  append_identity(bytes, record.server);
  bytes.append("\nstep ");
  append_line_text(bytes, record.step);
  bytes.append("\nadvice ");
  append_line_text(bytes, record.advice);
  bytes.append("\nwhen ");
  append_time(bytes, record.when.count());
  bytes.append("\nboot ");
  append_line_text(bytes, record.boot);
  bytes.append("\nfailed-at ");
  append_time(bytes, record.failed_at.count());
  bytes.append("\nretry-at ");
  append_time(bytes, record.retry_at.count());
  bytes.append("\nlog ");
  append_line_text(bytes, record.log);
  bytes.append('\n');
  // The output has lines of its own, each of which gets the same key.
  for (Text rest = record.tail; !rest.empty();) {
    bytes.append("> ");
    append_line_text(bytes, take_line(rest));
    bytes.append('\n');
  }
  seal(bytes);
  return bytes;
}

/// Total: any bytes give a verdict; `record` is written only where it is `valid`.
[[nodiscard]] inline BlockKind parse_failure_record(Text bytes, Pid pid_limit, FailureRecord& record) noexcept {
  using namespace record_detail;
  FailureRecord parsed;
  bool has_line = false;
  const BlockKind kind = read_block(bytes, "genie-failure 1", [&](Text key, Text line) noexcept {
    if (key == Text{"generation"}) return parse_number(line, parsed.generation);
    if (key == Text{"count"}) return parse_number(line, parsed.count);
    if (key == Text{"value"}) return parse_time(line, parsed.value);
    if (key == Text{"server"}) return parse_identity(line, pid_limit, parsed.server);
    if (key == Text{"when"}) return parse_time(line, parsed.when);
    if (key == Text{"failed-at"}) return parse_time(line, parsed.failed_at);
    if (key == Text{"retry-at"}) return parse_time(line, parsed.retry_at);
    if (key == Text{"kind"}) {
      constexpr FailureKind kinds[] = {FailureKind::exited,  FailureKind::signalled, FailureKind::refused,
                                       FailureKind::stalled, FailureKind::too_late,  FailureKind::not_executed,
                                       FailureKind::lost};
      return parse_word(line, kinds, parsed.kind);
    }
    if (key == Text{"step"}) parsed.step = StepName{line};
    if (key == Text{"advice"}) parsed.advice = StepAdvice{line};
    if (key == Text{"boot"}) parsed.boot = BootId{line};
    if (key == Text{"log"}) parsed.log = FixedText<255>{line};
    if (key == Text{">"}) {
      if (has_line) parsed.tail.append('\n');
      has_line = true;
      parsed.tail.append(line);
    }
    return true;
  });
  if (kind == BlockKind::valid) record = parsed;
  return kind;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_FAILURE_RECORD_HPP
