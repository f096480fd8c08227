// Bytes that nobody meant: the same ones in every run.
#ifndef GENIE_TESTS_UNIT_NOISE_HPP
#define GENIE_TESTS_UNIT_NOISE_HPP

#include <genie/text.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unit_tests {

inline std::string string(genie::Text text) { return {text.data(), text.size()}; }

/// xorshift64*.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : state_{seed | 1U} {}

  std::uint64_t next() {
    state_ ^= state_ >> 12U;
    state_ ^= state_ << 25U;
    state_ ^= state_ >> 27U;
    return state_ * 0x2545f4914f6cdd1dU;
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() >> 16U) % bound; }
  char byte() { return static_cast<char>(next() >> 56U); }
  std::string bytes(std::size_t count) {
    std::string text;
    while (text.size() < count) text += byte();
    return text;
  }

  /// One of `seeds` with one to four changes, or bytes out of nowhere.
  std::string mutated(const std::vector<std::string>& seeds, std::string_view alphabet) {
    if (below(16) == 0) return bytes(below(80));
    std::string text = seeds[below(seeds.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
      const std::size_t at = below(text.size() + 1);
      const char c = below(8) == 0 ? byte() : alphabet[below(alphabet.size())];
      switch (below(5)) {
        case 0: text.insert(at, 1, c); break;
        case 1: text.resize(at); break;
        case 2: text.erase(at, 1 + below(3)); break;
        case 3: text.insert(at, text.substr(below(text.size() + 1), below(24))); break;
        default:
          if (at < text.size()) text[at] = c;
      }
    }
    return text;
  }

 private:
  std::uint64_t state_;
};

/// Calls `visit` with every text over `alphabet` of at most `longest` characters.
template <typename Visit>
void each_text(std::string_view alphabet, std::size_t longest, const Visit& visit, const std::string& prefix = {}) {
  visit(prefix);
  if (prefix.size() == longest) return;
  for (const char c : alphabet) each_text(alphabet, longest, visit, prefix + c);
}

/// All 256 of them.
inline std::string every_byte() {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  return bytes;
}

}  // namespace unit_tests

#endif  // GENIE_TESTS_UNIT_NOISE_HPP
