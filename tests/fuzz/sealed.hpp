// What the fuzz programs of the lock file's blocks share: a seal that is computed apart from the library's own, and
// what holds of every block.
#ifndef GENIE_TESTS_FUZZ_SEALED_HPP
#define GENIE_TESTS_FUZZ_SEALED_HPP

#include <genie/record/sealed_block.hpp>

#include "fuzz/support.hpp"

namespace fuzz {

/// FNV-1a, 64 bits, as its authors describe it, in 16 hexadecimal digits.
inline std::string checksum_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211U;
  }
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

/// `lines` below a header line, with the checksum that makes them a block if their content does.
inline std::string sealed(std::string_view header, std::string_view lines) {
  std::string bytes{header};
  bytes += lines;
  if (bytes.back() != '\n') bytes += '\n';
  return bytes + "checksum " + checksum_of(bytes) + "\n";
}

/// A consumer's text as it reads when it was written as a line.
template <std::size_t Capacity>
void as_line(genie::FixedText<Capacity>& text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    char& c = text.data()[at];
    if (c == '\n' || c == '\r' || c == '\0') c = ' ';
  }
}

/// The codec of one kind of block. `Record` must be comparable.
template <typename Record, std::size_t size>
struct BlockCodec {
  std::string_view header;
  genie::FixedText<size> (*encode)(const Record&);
  genie::BlockKind (*parse)(genie::Text, Record&);
  /// The record as it reads when it was written once.
  Record (*written)(Record);

  void check_encoding(const Record& record, std::string_view text) const {
    const auto bytes = encode(record);
    require(!bytes.overflowed(), "every block fits", text);
    require(bytes.size() == size, "a block always has the same size", text);
    Record again;
    require(parse(bytes, again) == genie::BlockKind::valid, "a written block is valid", text);
    require(again == written(record), "a block reads back", text);
  }

  /// `text` as a whole block. Returns: what it is.
  genie::BlockKind check_text(std::string_view text, const Record& before) const {
    Record record = before;
    const genie::BlockKind kind = parse(text, record);
    if (kind == genie::BlockKind::valid) {
      check_encoding(record, text);
    } else {
      require(record == before, "what is not valid touches nothing", text);
    }
    return kind;
  }

  /// Everything that holds of any bytes, of two records, and of one that is written over the other up to `torn_at`.
  void check(std::string_view text, const Record& before, const Record& now, std::size_t torn_at) const {
    check_text(text, before);
    const std::string whole = sealed(header, text);
    if (check_text(whole, before) == genie::BlockKind::valid) {
      std::string changed = whole;
      const std::size_t at = torn_at % (whole.find("\nchecksum ") + 1);
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << (torn_at % 8)));
      Record seen;
      require(parse(changed, seen) != genie::BlockKind::valid, "a flipped bit is noticed", changed);
    }
    check_encoding(before, text);
    const auto old_bytes = encode(before);
    const auto new_bytes = encode(now);
    std::string torn{view(new_bytes).substr(0, torn_at % (size + 1))};
    torn += view(old_bytes).substr(torn.size());
    Record seen;
    const genie::BlockKind kind = parse(torn, seen);
    require(kind != genie::BlockKind::blank, "a torn write is not blank", text);
    require(kind != genie::BlockKind::valid || seen == written(before) || seen == written(now),
            "a torn write reads as the old block, the new one, or not at all", text);
  }
};

}  // namespace fuzz

#endif  // GENIE_TESTS_FUZZ_SEALED_HPP
