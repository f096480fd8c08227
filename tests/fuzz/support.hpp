// What the fuzz programs share: how a property fails, how a model reads text, and how bytes become numbers and texts.
//
// The models are written with <string> and nothing of genie, so that both cannot be wrong in the same way.
#ifndef GENIE_TESTS_FUZZ_SUPPORT_HPP
#define GENIE_TESTS_FUZZ_SUPPORT_HPP

#include <genie/text.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "genie/identity.hpp"

/// One input: libFuzzer calls it with whatever it made up, `replay.cpp` with the files of a corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// A small one as kernels have it, that of `pid_t`, and none; the last is the one that lets the most pass.
inline constexpr genie::Pid highest_pid{UINT32_MAX};  // see ProcessProbePolicy
inline constexpr genie::Pid pid_limits[] = {32'768, INT32_MAX, highest_pid};

inline void require(bool holds, const char* property, std::string_view text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\nfor: ", property);
  for (const char c : text) {
    const bool plain = c >= ' ' && c <= '~' && c != '\\';
    std::fprintf(stderr, plain ? "%c" : "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

inline std::string_view view(genie::Text text) { return {text.data(), text.size()}; }

// --- models ----------------------------------------------------------------------------------------------------------

inline constexpr std::string_view white_space{" \t\n\r\v\f"};

inline std::string_view stripped(std::string_view text) {
  const auto from = text.find_first_not_of(white_space);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(white_space) + 1 - from);
}

/// Everything up to `separator`, which goes away with it.
inline std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return part;
}

/// A number of digits only, compared as text, so that no arithmetic can overflow.
inline std::optional<std::uint64_t> number_of(std::string_view text, std::uint64_t limit) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const auto significant = text.find_first_not_of('0');
  const std::string_view digits = significant == std::string_view::npos ? "0" : text.substr(significant);
  const std::string most = std::to_string(limit);
  if (digits.size() > most.size() || (digits.size() == most.size() && digits > most)) return std::nullopt;
  return std::strtoull(std::string{digits}.c_str(), nullptr, 10);
}

/// As an older program reads a number: leading white space, digits, and whatever follows is ignored.
inline std::string digits_as_older_programs_read(std::string_view text) {
  text = stripped(text);
  return std::string{text.substr(0, text.find_first_not_of("0123456789"))};
}

inline bool is_canonical(std::string_view number) { return number.size() == 1 || number[0] != '0'; }

/// `PID:START`, `PID:unknown`, or `0:unknown` for nobody, as in every file but `NAME.pid`.
inline std::optional<genie::ProcessIdentity> identity_of(std::string_view text, genie::Pid limit) {
  if (text == "0:unknown") return genie::ProcessIdentity{};
  if (text.size() > 63) return std::nullopt;
  text = stripped(text);
  if (text.find(':') == std::string_view::npos) return std::nullopt;
  const std::string_view pid_text = cut(text, ':');
  const auto pid = number_of(pid_text, static_cast<std::uint64_t>(limit));
  if (!pid || *pid == 0 || !is_canonical(pid_text)) return std::nullopt;
  genie::ProcessIdentity identity;
  identity.pid = static_cast<genie::Pid>(*pid);
  if (text == "unknown") return identity;
  const auto start = number_of(text, UINT64_MAX);
  if (!start || !is_canonical(text)) return std::nullopt;
  identity.start = genie::known_start(*start);
  return identity;
}

// --- bytes into values -----------------------------------------------------------------------------------------------

/// Reads values off the front of an input; zeros when it is used up.
class Source {
 public:
  Source(const std::uint8_t* data, std::size_t size) : data_{data}, size_{size} {}

  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  bool flag() { return (byte() & 1U) != 0; }
  std::size_t below(std::size_t bound) { return byte() % bound; }
  /// Often one that lies at an edge.
  std::uint64_t number() {
    static constexpr std::uint64_t edges[] = {0,
                                              1,
                                              9,
                                              10,
                                              UINT16_MAX,
                                              UINT16_MAX + 1U,
                                              INT32_MAX,
                                              UINT32_MAX,
                                              INT64_MAX,
                                              UINT64_MAX,
                                              UINT64_MAX - 1,
                                              std::uint64_t{1} << 63U,
                                              10'000'000'000'000'000'000U};
    const std::size_t choice = byte();
    if (choice < 128) return edges[choice % std::size(edges)];
    std::uint64_t value = 0;
    for (std::size_t count = choice % 9; count > 0; --count) value = value << 8U | byte();
    return value;
  }
  std::int64_t signed_number() { return static_cast<std::int64_t>(number()); }
  std::string text(std::size_t longest) {
    std::string result;
    const std::size_t choice = byte();
    if (choice == 0xff) return std::string(longest, static_cast<char>(byte()));
    for (std::size_t count = choice % (longest + 1); count > 0 && size_ > 0; --count) {
      result += static_cast<char>(byte());
    }
    return result;
  }
  genie::ProcessIdentity identity() {
    genie::ProcessIdentity result;
    result.pid = static_cast<genie::Pid>(number() & UINT32_MAX);
    result.start.known = flag() && result.pid != 0;
    if (result.start.known) result.start.value = number();
    return result;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

inline std::string_view input(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<const char*>(data), size};
}

}  // namespace fuzz

#endif  // GENIE_TESTS_FUZZ_SUPPORT_HPP
