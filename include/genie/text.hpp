// Text without <string>: a borrowed view, a buffer of fixed capacity, and decimal numbers.
// The core must stay cheaper to include than <string> and must not allocate, so it brings its own.
#ifndef GENIE_TEXT_HPP
#define GENIE_TEXT_HPP

#include <string.h>

#include <cstddef>
#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/language.hpp"

namespace genie::inline v0 {

/// Anything that shows its characters as `data()` and `size()`: `std::string`, `std::string_view`,
/// `fmt::memory_buffer`.
template <typename T>
concept StringLike = requires(const T& text) {
  { text.data() } -> detail::ConvertibleTo<const char*>;
  { text.size() } -> detail::ConvertibleTo<std::size_t>;
};

/// Anything whose native form is a string of `char`: `std::filesystem::path` on POSIX systems.
template <typename T>
concept PathLike = requires(const T& path) {
  { path.native() } -> StringLike;
};

/// Anything that shows its characters as UTF-8: `std::u8string`, as `std::filesystem::path::u8string()` gives it. On
/// Windows, where a path's own characters are wide, this is how a path becomes a text.
template <typename T>
concept Utf8Like = requires(const T& text) {
  { text.data() } -> detail::ConvertibleTo<const char8_t*>;
  { text.size() } -> detail::ConvertibleTo<std::size_t>;
};

/// A borrowed run of characters, not necessarily terminated. Lives no longer than what it was made from.
class Text {
 public:
  constexpr Text() noexcept = default;
  constexpr Text(const char* data, std::size_t size) noexcept : data_{data}, size_{size} {}
  constexpr Text(const char* terminated) noexcept
      : data_{terminated}, size_{length(terminated)} {}  // NOLINT(google-explicit-constructor)
  template <StringLike T>
  constexpr Text(const T& text) noexcept
      : data_{text.data()}, size_{text.size()} {}  // NOLINT(google-explicit-constructor)
  template <PathLike T>
    requires(!StringLike<T>)
  constexpr Text(const T& path) noexcept : Text{path.native()} {}  // NOLINT(google-explicit-constructor)
  template <Utf8Like T>
  Text(const T& text) noexcept
      : data_{reinterpret_cast<const char*>(text.data())}, size_{text.size()} {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] constexpr const char* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const char* begin() const noexcept { return data_; }
  [[nodiscard]] constexpr const char* end() const noexcept { return data_ + size_; }
  [[nodiscard]] constexpr char operator[](std::size_t index) const noexcept { return data_[index]; }

  /// Returns: its first `count` characters, all where it has fewer.
  [[nodiscard]] constexpr Text first(std::size_t count) const noexcept {
    return {data_, count < size_ ? count : size_};
  }
  /// Returns: what follows its first `count` characters, nothing where it has fewer.
  [[nodiscard]] constexpr Text after(std::size_t count) const noexcept {
    return count < size_ ? Text{data_ + count, size_ - count} : Text{};
  }
  /// Returns: the position of `wanted`, or `size()` where it does not occur.
  [[nodiscard]] constexpr std::size_t find(char wanted) const noexcept {
    if (size_ == 0) return 0;  // it may point to nothing
    if (!__builtin_is_constant_evaluated()) {
      const void* const found = ::memchr(data_, wanted, size_);
      return found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - data_) : size_;
    }
    std::size_t at = 0;
    while (at < size_ && data_[at] != wanted) ++at;
    return at;
  }
  /// Whether it begins with those characters.
  [[nodiscard]] constexpr bool starts_with(Text prefix) const noexcept {
    return size_ >= prefix.size_ && first(prefix.size_) == prefix;
  }
  /// Whether it ends with those characters.
  [[nodiscard]] constexpr bool ends_with(Text suffix) const noexcept {
    return size_ >= suffix.size_ && after(size_ - suffix.size_) == suffix;
  }

  friend constexpr bool operator==(Text left, Text right) noexcept {
    if (left.size_ != right.size_) return false;
    if (left.size_ == 0) return true;  // wherever they point
    if (!__builtin_is_constant_evaluated()) return ::memcmp(left.data_, right.data_, left.size_) == 0;
    for (std::size_t at = 0; at < left.size_; ++at) {
      if (left.data_[at] != right.data_[at]) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t length(const char* terminated) noexcept {
    return terminated == nullptr ? 0 : __builtin_strlen(terminated);  // of a literal: at compile time
  }

  const char* data_ = "";
  std::size_t size_ = 0;
};

/// White space as the formats of the state directory know it.
[[nodiscard]] constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/// Returns: the text without white space at its ends.
[[nodiscard]] constexpr Text trimmed(Text text) noexcept {
  std::size_t from = 0;
  std::size_t to = text.size();
  while (from < to && is_space(text[from])) ++from;
  while (to > from && is_space(text[to - 1])) --to;
  return {text.data() + from, to - from};
}

/// Takes the first line off `rest`, without its line feed.
[[nodiscard]] constexpr Text take_line(Text& rest) noexcept {
  const std::size_t end = rest.find('\n');
  const Text line = rest.first(end);
  rest = rest.after(end + 1);
  return line;
}

/// Takes everything up to `separator` off `rest`.
[[nodiscard]] constexpr Text take_field(Text& rest, char separator) noexcept {
  const std::size_t end = rest.find(separator);
  const Text field = rest.first(end);
  rest = rest.after(end + 1);
  return field;
}

/// Reads all of `text` as a decimal number not above `limit`. No sign, no white space, no other base.
/// Returns: whether it is one; `value` is written only then.
[[nodiscard]] constexpr bool parse_decimal(Text text, std::uint64_t limit, std::uint64_t& value) noexcept {
  if (text.empty()) return false;
  std::uint64_t result = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (result > (UINT64_MAX - digit) / 10) return false;
    result = result * 10 + digit;
  }
  if (result > limit) return false;
  value = result;
  return true;
}

/// A terminated text that has room for so many characters and no more. What does not fit is cut, and `overflowed()`
/// tells so. The room is a `FixedText`'s: whatever its capacity is, what is done with it stands in a program once.
class TextBuffer {
 public:
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;

  /// Adds at the end, as much as there is room for.
  GENIE_NOINLINE constexpr TextBuffer& append(Text text) noexcept {
    const std::size_t count = fitting(text.size());
    if (__builtin_is_constant_evaluated()) {
      for (std::size_t at = 0; at < count; ++at) data_[size_ + at] = text[at];
    } else if (count != 0) {                         // else either may point to nothing
      ::memmove(data_ + size_, text.data(), count);  // it may be the text itself
    }
    resize(size_ + count);
    return *this;
  }
  /// Appends `count` times `c`.
  GENIE_NOINLINE constexpr TextBuffer& append(std::size_t count, char c) noexcept {
    count = fitting(count);
    if (__builtin_is_constant_evaluated()) {
      for (std::size_t at = 0; at < count; ++at) data_[size_ + at] = c;
    } else {
      ::memset(data_ + size_, c, count);
    }
    resize(size_ + count);
    return *this;
  }
  constexpr TextBuffer& append(char c) noexcept { return append(1, c); }
  /// Adds a number in decimal digits.
  GENIE_NOINLINE constexpr TextBuffer& append_number(std::uint64_t value) noexcept {
    char digits[20]{};
    std::size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + static_cast<char>(value % 10));
      value /= 10;
    } while (value != 0);
    return append(Text{digits + at, sizeof digits - at});
  }
  /// Adds a number in 16 hexadecimal digits.
  GENIE_NOINLINE constexpr TextBuffer& append_hex(std::uint64_t value) noexcept {
    char digits[16]{};
    for (std::size_t at = sizeof digits; at-- > 0; value >>= 4) digits[at] = "0123456789abcdef"[value & 0xF];
    return append(Text{digits, sizeof digits});
  }
  constexpr void clear() noexcept {
    resize(0);
    overflowed_ = false;
  }
  /// Sets the size after `data()` was written to: `size` characters, as many as there is room for at most.
  constexpr void resize(std::size_t size) noexcept {
    size_ = size < capacity_ ? static_cast<std::uint32_t>(size) : capacity_;
    data_[size_] = '\0';
  }

  [[nodiscard]] constexpr const char* c_str() const noexcept { return data_; }
  [[nodiscard]] constexpr const char* data() const noexcept { return data_; }
  [[nodiscard]] constexpr char* data() noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  /// Returns: for how many characters more there is room.
  [[nodiscard]] constexpr std::size_t room() const noexcept { return capacity_ - size_; }
  /// Whether anything was cut, since it was made or cleared.
  [[nodiscard]] constexpr bool overflowed() const noexcept { return overflowed_; }

  friend constexpr bool operator==(const TextBuffer& left, const TextBuffer& right) noexcept {
    return Text{left} == Text{right};
  }

 protected:
  constexpr TextBuffer(char* data, std::size_t capacity) noexcept
      : data_{data}, capacity_{static_cast<std::uint32_t>(capacity)} {}
  constexpr ~TextBuffer() = default;

  GENIE_NOINLINE constexpr void assign(const TextBuffer& other) noexcept {
    // Only what is used: these buffers are large and mostly empty.
    const bool is_cut = other.overflowed_;
    clear();
    append(Text{other});
    overflowed_ = is_cut;
  }

 private:
  constexpr std::size_t fitting(std::size_t count) noexcept {
    if (count <= room()) return count;
    overflowed_ = true;
    return room();
  }

  char* data_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  bool overflowed_ = false;
};

/// A text of at most `Capacity` characters, see `TextBuffer`, with the room for them.
template <std::size_t Capacity>
class FixedText : public TextBuffer {
  static_assert(Capacity < UINT32_MAX);

 public:
  constexpr FixedText() noexcept : TextBuffer{characters_, Capacity} { characters_[0] = '\0'; }
  constexpr explicit FixedText(Text text) noexcept : FixedText{} { append(text); }
  constexpr FixedText(const FixedText& other) noexcept : FixedText{} { assign(other); }
  constexpr FixedText& operator=(const FixedText& other) noexcept {
    if (this != &other) assign(other);
    return *this;
  }
  constexpr ~FixedText() = default;

  /// Returns: `Capacity`.
  [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }

 private:
  char characters_[Capacity + 1];
};

}  // namespace genie::inline v0

#endif  // GENIE_TEXT_HPP
