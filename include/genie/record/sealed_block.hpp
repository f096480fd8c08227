// What the blocks of `NAME.lock` have in common: a header line, lines of `key value`, a checksum, and line feeds up to
// a fixed size. Rewritten in place by whoever holds the lock, and read by anybody at any moment.
#ifndef GENIE_RECORD_SEALED_BLOCK_HPP
#define GENIE_RECORD_SEALED_BLOCK_HPP

#include <cstddef>
#include <cstdint>

#include "genie/duration.hpp"
#include "genie/function_ref.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// What the bytes of a block with a checksum are.
enum class BlockKind : std::uint8_t {
  valid,       ///< written whole, and understood
  blank,       ///< nothing was ever written here
  unreadable,  ///< a write half-way, another format, or noise
};

namespace record_detail {

/// FNV-1a. Guards against torn reads, not against malice.
[[nodiscard]] constexpr std::uint64_t checksum(Text bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

/// A consumer's text may contain anything; a line feed in it would end our line.
constexpr void append_line_text(TextBuffer& bytes, Text text) noexcept {
  for (const char c : text) bytes.append(c == '\n' || c == '\r' || c == '\0' ? ' ' : c);
}

/// Times are written as they are, and never before the epoch.
constexpr void append_time(TextBuffer& bytes, std::int64_t value) noexcept {
  bytes.append_number(value < 0 ? 0 : static_cast<std::uint64_t>(value));
}
[[nodiscard]] constexpr bool parse_number(Text text, std::uint64_t& value) noexcept {
  return parse_decimal(text, UINT64_MAX, value);
}
[[nodiscard]] constexpr bool parse_time(Text text, std::int64_t& value) noexcept {
  std::uint64_t number = 0;
  if (!parse_decimal(text, INT64_MAX, number)) return false;
  value = static_cast<std::int64_t>(number);
  return true;
}
[[nodiscard]] constexpr bool parse_time(Text text, Milliseconds& value) noexcept {
  std::int64_t count = 0;
  if (!parse_time(text, count)) return false;
  value = Milliseconds{count};
  return true;
}

/// Reads one of the words that `to_string` makes of `values`.
template <typename Enum, std::size_t Count>
[[nodiscard]] constexpr bool parse_word(Text text, const Enum (&values)[Count], Enum& value) noexcept {
  for (const Enum candidate : values) {
    if (text != Text{to_string(candidate)}) continue;
    value = candidate;
    return true;
  }
  return false;
}

/// Ends a block: its checksum, and line feeds up to its size, so that a shorter one leaves nothing of a longer one.
constexpr void seal(TextBuffer& bytes) noexcept {
  const std::uint64_t sum = checksum(bytes);
  bytes.append("checksum ").append_hex(sum).append('\n');
  bytes.append(bytes.room(), '\n');
}

[[nodiscard]] constexpr bool is_blank(Text bytes) noexcept {
  for (const char c : bytes) {
    if (c != '\0' && !is_space(c)) return false;
  }
  return true;
}

/// Calls `visit(key, value)` for each line up to the checksum; it returns whether the value is one of that key's. Keys
/// that a visitor does not know are to be passed over, so that a later genie may add some.
[[nodiscard]] inline BlockKind read_block(Text bytes, Text header, FunctionRef<bool(Text, Text)> visit) noexcept {
  Text rest = bytes;
  if (take_line(rest) != header) return is_blank(bytes) ? BlockKind::blank : BlockKind::unreadable;
  while (!rest.empty()) {
    const std::size_t line_at = bytes.size() - rest.size();
    Text value = take_line(rest);
    const Text key = take_field(value, ' ');
    if (key == Text{"checksum"}) {
      FixedText<16> expected;
      expected.append_hex(checksum(bytes.first(line_at)));
      return value == Text{expected} ? BlockKind::valid : BlockKind::unreadable;
    }
    if (!visit(key, value)) return BlockKind::unreadable;
  }
  return BlockKind::unreadable;
}

}  // namespace record_detail

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_SEALED_BLOCK_HPP
