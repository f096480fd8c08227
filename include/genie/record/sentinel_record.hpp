// The codec of `NAME.stopping.lock`, the stop sentinel: when it expires on the first line, as older readers expect it,
// and below it a line for each stopper that is at work.
#ifndef GENIE_RECORD_SENTINEL_RECORD_HPP
#define GENIE_RECORD_SENTINEL_RECORD_HPP

#include <cstdint>

#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// One stop in progress. The wall clock can be set; where boot id and PID namespace tell that the stopper's monotonic
/// clock is ours too, that one decides.
struct Stopper {
  ProcessIdentity stopper;  ///< PID 0: an older program, of which only the first line is known
  std::uint64_t nonce = 0;  ///< tells two stops of one process apart
  ProcessOrigin origin;
  ProcessIdentity target;  ///< whom it stops; PID 0 where it does not say
  Milliseconds wall_until;
  Milliseconds monotonic_until;
  Milliseconds ttl;  ///< the span from writing to expiry: more than this can never remain
};

inline constexpr std::size_t stopper_capacity = 32;

struct Sentinel {
  Stopper stoppers[stopper_capacity];
  std::size_t count = 0;
};

/// Room for the first line and all stoppers.
using SentinelBytes = FixedText<stopper_capacity * 260 + 32>;

[[nodiscard]] constexpr SentinelBytes encode_sentinel(const Sentinel& sentinel) noexcept {
  constexpr auto number = [](SentinelBytes& bytes, Milliseconds time) noexcept {
    bytes.append(' ').append_number(time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count()));
  };
  Milliseconds last;
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    if (sentinel.stoppers[at].wall_until > last) last = sentinel.stoppers[at].wall_until;
  }
  SentinelBytes bytes;
  bytes.append_number(static_cast<std::uint64_t>(last.count())).append('\n');
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    const Stopper& entry = sentinel.stoppers[at];
    bytes.append("stopper ");
    append_identity(bytes, entry.stopper);
    bytes.append(' ').append(entry.origin.boot.empty() ? Text{"-"} : Text{entry.origin.boot});
    bytes.append(' ').append_number(entry.origin.pid_namespace).append(' ');
    append_identity(bytes, entry.target);
    number(bytes, entry.wall_until);
    number(bytes, entry.monotonic_until);
    number(bytes, entry.ttl);
    bytes.append(' ').append_number(entry.nonce).append('\n');
  }
  return bytes;
}

/// Total. Returns: whether the first line is a time; further lines that are no stopper's are passed over. A sentinel
/// that names no stopper gets one without identity, which holds until the time of the first line.
[[nodiscard]] constexpr bool parse_sentinel(Text bytes, Pid pid_limit, Sentinel& sentinel) noexcept {
  constexpr auto take_time = [](Text& rest, Milliseconds& time) noexcept {
    std::uint64_t value = 0;
    if (!parse_decimal(take_field(rest, ' '), INT64_MAX, value)) return false;
    time = Milliseconds{static_cast<std::int64_t>(value)};
    return true;
  };
  sentinel.count = 0;
  Text rest = bytes;
  std::uint64_t first = 0;
  if (!parse_decimal(trimmed(take_line(rest)), INT64_MAX, first)) return false;
  while (!rest.empty() && sentinel.count < stopper_capacity) {
    Text line = take_line(rest);
    if (take_field(line, ' ') != Text{"stopper"}) continue;
    Stopper entry;
    if (!parse_identity(take_field(line, ' '), pid_limit, entry.stopper)) continue;
    const Text boot = take_field(line, ' ');
    if (boot != Text{"-"}) entry.origin.boot = BootId{boot};
    if (!parse_decimal(take_field(line, ' '), UINT64_MAX, entry.origin.pid_namespace)) continue;
    if (!parse_identity(take_field(line, ' '), pid_limit, entry.target)) continue;
    if (!take_time(line, entry.wall_until) || !take_time(line, entry.monotonic_until) || !take_time(line, entry.ttl)) {
      continue;
    }
    if (!parse_decimal(take_field(line, ' '), UINT64_MAX, entry.nonce)) continue;
    sentinel.stoppers[sentinel.count++] = entry;
  }
  if (sentinel.count == 0) {
    Stopper older;
    older.wall_until = Milliseconds{static_cast<std::int64_t>(first)};
    sentinel.stoppers[sentinel.count++] = older;
  }
  return true;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_SENTINEL_RECORD_HPP
