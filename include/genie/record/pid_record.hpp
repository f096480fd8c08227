// The codec of `NAME.pid`: `PID:START`, read by older programs too, and therefore nothing else.
#ifndef GENIE_RECORD_PID_RECORD_HPP
#define GENIE_RECORD_PID_RECORD_HPP

#include <cstdint>

#include "genie/identity.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// Which of the forms of `NAME.pid` it has.
enum class PidRecordKind : std::uint8_t {
  known_start,    ///< `PID:START`
  unknown_start,  ///< `PID:unknown`: the writer could not learn its own start time
  legacy,         ///< `PID`: written before start times were recorded
  empty,          ///< nothing yet: an older writer's claim in progress, or one that died there
  garbage,        ///< anything else; names nobody
};

/// `NAME.pid`: who says that it owns the directory.
struct PidRecord {
  PidRecordKind kind = PidRecordKind::empty;
  ProcessIdentity owner;  ///< PID 0 where the record names nobody
};

/// No record is longer; what is longer is garbage and need not be read further.
inline constexpr std::size_t pid_record_capacity = 63;

/// A decimal number as writers write it: older readers compare text, for which 7 and 07 differ.
[[nodiscard]] constexpr bool parse_canonical(Text text, std::uint64_t limit, std::uint64_t& value) noexcept {
  return parse_decimal(text, limit, value) && (text.size() == 1 || text[0] != '0');
}

/// Total: any bytes give a verdict. White space around the record is accepted, within it is not.
/// A PID of 0, below 0, or above `pid_limit` is garbage, never a truncated number.
[[nodiscard]] GENIE_COMPACT constexpr PidRecord parse_pid_record(Text bytes, Pid pid_limit) noexcept {
  Text rest = trimmed(bytes);
  if (rest.empty()) return {};
  PidRecord record;
  record.kind = PidRecordKind::garbage;
  const bool has_start = rest.find(':') != rest.size();
  std::uint64_t pid = 0;
  if (bytes.size() > pid_record_capacity ||
      !parse_canonical(take_field(rest, ':'), static_cast<std::uint64_t>(pid_limit), pid) || pid == 0) {
    return record;
  }
  ProcessIdentity owner;
  owner.pid = static_cast<Pid>(pid);
  if (!has_start) {
    record.kind = PidRecordKind::legacy;
  } else if (rest == Text{"unknown"}) {
    record.kind = PidRecordKind::unknown_start;
  } else if (parse_canonical(rest, UINT64_MAX, owner.start.value)) {
    owner.start.known = true;
    record.kind = PidRecordKind::known_start;
  } else {
    return record;
  }
  record.owner = owner;
  return record;
}

/// `PID:START` or `PID:unknown`, as the record file and every other file of genie write an identity.
constexpr void append_identity(TextBuffer& text, const ProcessIdentity& identity) noexcept {
  text.append_number(static_cast<std::uint64_t>(identity.pid)).append(':');
  if (identity.start.known) {
    text.append_number(identity.start.value);
  } else {
    text.append("unknown");
  }
}

/// Reads an identity as `append_identity` writes it; `0:unknown` is nobody. Returns: whether it is one.
[[nodiscard]] constexpr bool parse_identity(Text text, Pid pid_limit, ProcessIdentity& identity) noexcept {
  if (text == Text{"0:unknown"}) {
    identity = ProcessIdentity{};
    return true;
  }
  const PidRecord record = parse_pid_record(text, pid_limit);
  if (record.kind != PidRecordKind::known_start && record.kind != PidRecordKind::unknown_start) return false;
  identity = record.owner;
  return true;
}

/// Returns: `PID:START` or `PID:unknown`, without a line feed: older readers compare to the end.
[[nodiscard]] constexpr FixedText<pid_record_capacity> encode_pid_record(const ProcessIdentity& owner) noexcept {
  FixedText<pid_record_capacity> text;
  append_identity(text, owner);
  return text;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_PID_RECORD_HPP
