// Fuzzes what all codecs are made of: decimal and hexadecimal numbers, trimming, taking apart, and buffers that cut.
#include <genie/linux/process_probe.hpp>
#include <genie/state_files.hpp>
#include <genie/text.hpp>

#include <algorithm>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using fuzz::view;
using genie::Text;

void check_numbers(std::string_view text, fuzz::Source source) {
  const std::uint64_t some_limit = source.number();
  for (const std::uint64_t limit :
       {some_limit, std::uint64_t{UINT64_MAX}, std::uint64_t{INT64_MAX}, std::uint64_t{UINT16_MAX}, std::uint64_t{0}}) {
    for (const std::string_view part : {text, fuzz::stripped(text)}) {
      const auto expected = fuzz::number_of(part, limit);
      std::uint64_t value = 4711;
      require(genie::parse_decimal(part, limit, value) == expected.has_value(), "digits within the limit are a number",
              part);
      require(value == expected.value_or(4711), "a number is what it says, and is untouched where it is none", part);
    }
  }
  const std::uint64_t number = source.number();
  genie::FixedText<20> decimal;
  require(view(decimal.append_number(number)) == std::to_string(number) && !decimal.overflowed(),
          "20 digits are enough for a number", text);
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  genie::FixedText<16> hex;
  require(view(hex.append_hex(number)) == digits && !hex.overflowed(), "16 digits are enough for a token", text);
}

void check_parts(std::string_view text) {
  require(view(genie::trimmed(text)) == fuzz::stripped(text), "trimming takes white space at both ends", text);
  for (const char separator : {'\n', ' ', ':', '@'}) {
    Text rest = text;
    std::string_view model = text;
    while (!model.empty()) {
      const std::size_t before = rest.size();
      const Text part = separator == '\n' ? genie::take_line(rest) : genie::take_field(rest, separator);
      require(view(part) == fuzz::cut(model, separator) && view(rest) == model, "a part ends at its separator", text);
      require(rest.size() < before, "every part makes the rest shorter", text);
    }
    require(Text{text}.find(separator) == std::min(text.find(separator), text.size()), "what is found is the first",
            text);
  }
  const std::string_view half = text.substr(text.size() / 2);
  require(Text{text}.ends_with(half) && Text{text}.starts_with(text.substr(0, text.size() / 2)), "parts are parts",
          text);
  require(Text{text}.starts_with(half) == (text.substr(0, half.size()) == half), "a prefix is at the front", text);
}

template <std::size_t Capacity>
void check_buffer(std::string_view text) {
  const genie::FixedText<Capacity> buffer{text};
  require(view(buffer) == text.substr(0, Capacity), "what does not fit is cut", text);
  require(buffer.overflowed() == (text.size() > Capacity), "what was cut is told", text);
  require(buffer.c_str()[buffer.size()] == '\0', "a buffer is terminated", text);
  genie::FixedText<Capacity> copy;
  copy.append("left over");
  copy = buffer;
  require(copy == buffer && copy.overflowed() == buffer.overflowed() && copy.c_str()[copy.size()] == '\0',
          "a copy is the same", text);
  copy.append('x');
  require(copy.overflowed() == (text.size() >= Capacity), "a full buffer takes nothing more", text);
}

/// Only `NAME.<16 hex digits>.tmp` may be swept.
void check_temporary(std::string_view text, fuzz::Source source) {
  static const genie::StateFiles files{"/d", "serve", {}};
  static constexpr std::string_view prefix{"serve."};
  static constexpr std::string_view suffix{".tmp"};
  bool expected = text.size() == prefix.size() + 16 + suffix.size() && text.substr(0, prefix.size()) == prefix &&
                  text.substr(text.size() - suffix.size()) == suffix;
  if (expected) {
    expected = text.substr(prefix.size(), 16).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  }
  require(files.is_temporary(text) == expected, "only our own temporary names are temporary", text);
  require(files.is_temporary(files.temporary(source.number())), "our own temporary names are temporary", text);
}

/// A name that is usable stays in its directory, whatever is appended to it.
void check_name(std::string_view text) {
  bool expected = !text.empty() && text.size() <= genie::name_capacity && text[0] != '.';
  for (const char c : text) expected = expected && c != '/' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  require(genie::StateFiles::is_usable_name(text) == expected, "a usable name is as documented", text);
}

/// The command name in a line of `/proc/PID/stat` is its process's own choice.
void check_process_stat(std::string_view text) {
  constexpr std::uint64_t untouched = 4711;
  genie::LinuxProcessStat stat;
  stat.threads = untouched;
  const bool good = genie::parse_process_stat(text, stat);
  std::vector<std::string_view> fields;
  if (const auto name_end = text.rfind(')'); name_end != std::string_view::npos) {
    std::string_view rest = fuzz::stripped(text.substr(name_end + 1));
    while (!rest.empty()) fields.push_back(fuzz::cut(rest, ' '));
  }
  const auto field = [&](std::size_t number) { return fields[number - 3]; };
  const bool complete = fields.size() >= 20 && field(3).size() == 1 && fuzz::number_of(field(4), INT32_MAX) &&
                        fuzz::number_of(field(5), INT32_MAX) && fuzz::number_of(field(6), INT32_MAX) &&
                        fuzz::number_of(field(20), UINT64_MAX) && fuzz::number_of(field(22), UINT64_MAX);
  require(good == complete, "a line is read where its fields are there", text);
  if (!good) {
    require(stat.threads == untouched, "what is not read touches nothing", text);
    return;
  }
  require(stat.state == field(3)[0] && stat.parent == fuzz::number_of(field(4), INT32_MAX) &&
              stat.group == fuzz::number_of(field(5), INT32_MAX) &&
              stat.session == fuzz::number_of(field(6), INT32_MAX) &&
              stat.threads == fuzz::number_of(field(20), UINT64_MAX) && stat.start.known &&
              stat.start.value == fuzz::number_of(field(22), UINT64_MAX),
          "fields are counted after the last parenthesis", text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  check_numbers(text, {data, size});
  check_parts(text);
  check_buffer<1>(text);
  check_buffer<16>(text);
  check_buffer<63>(text);
  check_temporary(text, {data, size});
  check_name(text);
  check_process_stat(text);
  return 0;
}
