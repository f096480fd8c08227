// The codec of `NAME.stopping.lock`, the stop sentinel: when it expires on the first line, as older readers expect it,
// and below it a line for the intent that nothing starts by itself, and one for each stopper that is at work.
#ifndef GENIE_RECORD_SENTINEL_RECORD_HPP
#define GENIE_RECORD_SENTINEL_RECORD_HPP

#include <cstdint>

#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/language.hpp"
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
  Milliseconds ttl;         ///< the span from writing to expiry: more than this can never remain
  bool restarting = false;  ///< the stopper starts the server again itself
};

/// The intent that the server stays stopped until somebody asks for a start. It has no expiry, whatever became of the
/// process that set it.
struct Stay {
  ProcessIdentity setter;  ///< whose call it was; it need not live any more
  ProcessOrigin origin;
  std::uint64_t user = 0;  ///< as whom that was
  Milliseconds since;      ///< when, by the wall clock of that moment

  friend constexpr bool operator==(const Stay&, const Stay&) noexcept = default;
};

/// How many stops can be in progress at once.
inline constexpr std::size_t stopper_capacity = 32;

/// `NAME.stopping.lock`: the stops in progress, and the intent to stay stopped.
struct Sentinel {
  Stopper stoppers[stopper_capacity];
  std::size_t count = 0;
  bool has_stay = false;
  Stay stay;

  /// Whether it stands in nobody's way; the file is removed then.
  [[nodiscard]] constexpr bool empty() const noexcept { return count == 0 && !has_stay; }
};

/// The first line of a sentinel with an intent to stay, for readers that know of no such thing: the last second of the
/// year 9999, which is a date and an exact number everywhere.
inline constexpr Milliseconds stay_until{253'402'300'799'000};

/// Room for the first line, the intent to stay, and all stoppers.
using SentinelBytes = FixedText<stopper_capacity * 260 + 32 + 160>;

/// Returns: the file. Its first line is the latest expiry on the wall clock, which is all that older readers look at.
[[nodiscard]] GENIE_COLD constexpr SentinelBytes encode_sentinel(const Sentinel& sentinel) noexcept {
  constexpr auto number = [](SentinelBytes& bytes, Milliseconds time) noexcept {
    bytes.append(' ').append_number(time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count()));
  };
  constexpr auto origin = [](SentinelBytes& bytes, const ProcessOrigin& from) noexcept {
    bytes.append(' ').append(from.boot.empty() ? Text{"-"} : Text{from.boot});
    bytes.append(' ').append_number(from.pid_namespace).append(' ');
  };
  Milliseconds last;
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    if (sentinel.stoppers[at].wall_until > last) last = sentinel.stoppers[at].wall_until;
  }
  if (sentinel.has_stay) last = stay_until;
  SentinelBytes bytes;
  bytes.append_number(static_cast<std::uint64_t>(last.count())).append('\n');
  if (sentinel.has_stay) {
    bytes.append("stay ");
    append_identity(bytes, sentinel.stay.setter);
    origin(bytes, sentinel.stay.origin);
    bytes.append_number(sentinel.stay.user);
    number(bytes, sentinel.stay.since);
    bytes.append('\n');
  }
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    const Stopper& entry = sentinel.stoppers[at];
    bytes.append("stopper ");
    append_identity(bytes, entry.stopper);
    origin(bytes, entry.origin);
    append_identity(bytes, entry.target);
    number(bytes, entry.wall_until);
    number(bytes, entry.monotonic_until);
    number(bytes, entry.ttl);
    bytes.append(' ').append_number(entry.nonce).append(entry.restarting ? " restarting\n" : "\n");
  }
  return bytes;
}

namespace detail {

[[nodiscard]] constexpr bool take_time(Text& rest, Milliseconds& time) noexcept {
  std::uint64_t value = 0;
  if (!parse_decimal(take_field(rest, ' '), INT64_MAX, value)) return false;
  time = Milliseconds{static_cast<std::int64_t>(value)};
  return true;
}
[[nodiscard]] constexpr bool take_origin(Text& rest, ProcessOrigin& origin) noexcept {
  const Text boot = take_field(rest, ' ');
  origin.boot = boot == Text{"-"} ? BootId{} : BootId{boot};
  return parse_decimal(take_field(rest, ' '), UINT64_MAX, origin.pid_namespace);
}
/// What follows "stopper ". Words behind the fields are marks; those that we don't know are passed over.
[[nodiscard]] GENIE_COMPACT inline bool parse_stopper(Text line, Pid pid_limit, Stopper& entry) noexcept {
  if (!parse_identity(take_field(line, ' '), pid_limit, entry.stopper)) return false;
  if (!take_origin(line, entry.origin)) return false;
  if (!parse_identity(take_field(line, ' '), pid_limit, entry.target)) return false;
  if (!take_time(line, entry.wall_until) || !take_time(line, entry.monotonic_until) || !take_time(line, entry.ttl)) {
    return false;
  }
  if (!parse_decimal(take_field(line, ' '), UINT64_MAX, entry.nonce)) return false;
  while (!line.empty()) entry.restarting = take_field(line, ' ') == Text{"restarting"} || entry.restarting;
  return true;
}
/// What follows "stay ".
[[nodiscard]] inline bool parse_stay(Text line, Pid pid_limit, Stay& stay) noexcept {
  return parse_identity(take_field(line, ' '), pid_limit, stay.setter) && take_origin(line, stay.origin) &&
         parse_decimal(take_field(line, ' '), UINT64_MAX, stay.user) && take_time(line, stay.since);
}

}  // namespace detail

/// Total. Returns: whether the first line is a time; further lines that are neither an intent's nor a stopper's are
/// passed over, and so is a second intent. A sentinel that names neither gets a stopper without identity, which holds
/// until the time of the first line.
[[nodiscard]] GENIE_COLD constexpr bool parse_sentinel(Text bytes, Pid pid_limit, Sentinel& sentinel) noexcept {
  sentinel.count = 0;
  sentinel.has_stay = false;
  Text rest = bytes;
  std::uint64_t first = 0;
  if (!parse_decimal(trimmed(take_line(rest)), INT64_MAX, first)) return false;
  while (!rest.empty()) {
    Text line = take_line(rest);
    const Text kind = take_field(line, ' ');
    if (kind == Text{"stay"} && !sentinel.has_stay) {
      Stay stay;
      sentinel.has_stay = detail::parse_stay(line, pid_limit, stay);
      if (sentinel.has_stay) sentinel.stay = stay;
    } else if (kind == Text{"stopper"} && sentinel.count < stopper_capacity) {
      Stopper entry;
      if (detail::parse_stopper(line, pid_limit, entry)) sentinel.stoppers[sentinel.count++] = entry;
    }
  }
  if (sentinel.empty()) {
    Stopper older;
    older.wall_until = Milliseconds{static_cast<std::int64_t>(first)};
    sentinel.stoppers[sentinel.count++] = older;
  }
  return true;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_SENTINEL_RECORD_HPP
