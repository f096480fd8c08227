// Borrowed views, fixed buffers and decimal numbers.
#include <genie/serve_guard.hpp>

#include <climits>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::text_test {

using genie::FixedText;
using genie::Text;
using unit_tests::string;

namespace {

constexpr std::uint64_t unlimited = UINT64_MAX;

static_assert(genie::StringLike<std::string> && genie::StringLike<std::string_view> && genie::StringLike<FixedText<3>>);
#if !defined(_WIN32)
static_assert(genie::PathLike<std::filesystem::path> && !genie::StringLike<std::filesystem::path>);
#endif
static_assert(!std::is_convertible_v<int, Text> && !std::is_convertible_v<std::wstring, Text>);
static_assert(noexcept(Text{std::declval<const std::string&>()}));

}  // namespace

TEST_CASE("a text that has once been filled beyond its room remembers it", "[text]") {
  FixedText<4> text;
  text.append(4, 'x');
  CHECK_FALSE(text.overflowed());
  text.append(1, 'x');
  CHECK(text.overflowed());
  text.append(0, 'x').append("");
  CHECK(text.overflowed());
}

TEST_CASE("a text of no characters may point to nothing", "[text]") {
  const char* const nothing = nullptr;
  const Text none{nothing, 0};
  CHECK(none.find('x') == 0);
  CHECK(none == Text{});
  CHECK(none == Text{nothing, 0});
  CHECK(Text{"x"}.starts_with(none));
  FixedText<4> filled;
  CHECK(Text{filled.append(none)}.empty());
}

TEST_CASE("a text is made from anything that shows characters, by its shape", "[text]") {
  const std::string owned = "/run/app";
  const std::filesystem::path path = owned;
  const char* const terminated = owned.c_str();
  CHECK(string(owned) == owned);
  CHECK(string(std::string_view{owned}) == owned);
  CHECK(string(path.u8string()) == owned);
  CHECK(string(terminated) == owned);
  CHECK(string("/run/app") == owned);
  CHECK(string(FixedText<20>{"/run/app"}) == owned);
#if !defined(_WIN32)  // where a path's own characters are wide
  CHECK(string(path) == owned);
  CHECK(Text{path}.data() == path.native().data());
#endif
  CHECK(string(std::string_view{"a\0b", 3}) == std::string("a\0b", 3));
  CHECK(Text{static_cast<const char*>(nullptr)}.empty());
  CHECK(Text{} == Text{""});
  CHECK(string(genie::trimmed(static_cast<const char*>(nullptr))).empty());
}

TEST_CASE("the guard takes strings, views and paths, and touches nothing yet", "[text]") {
  const std::string directory = "/nonexistent/genie-unit";
  const std::string port = "port";
  const genie::GuardOptions options{std::string_view{"name"}, port};
  for (const Text text : {Text{directory}, Text{std::string_view{directory}}, Text{"/nonexistent/genie-unit"}}) {
    const genie::ServeGuard<> guard{text, options};
    CHECK(string(guard.files().record()) == "name.pid");
    CHECK(string(guard.files().directory()) == directory);
  }
#if defined(_WIN32)
  const genie::ServeGuard<> guard{std::filesystem::path{directory}.u8string()};
#else
  const genie::ServeGuard<> guard{std::filesystem::path{directory}};
#endif
  CHECK(string(guard.files().directory()) == directory);
  CHECK(!std::filesystem::exists(directory));
}

TEST_CASE("parts of a text never reach beyond it", "[text]") {
  const Text text = "abc";
  CHECK(string(text.first(2)) == "ab");
  CHECK(string(text.first(9)) == "abc");
  CHECK(string(text.first(0)).empty());
  CHECK(string(text.after(1)) == "bc");
  CHECK(string(text.after(3)).empty());
  CHECK(string(text.after(SIZE_MAX)).empty());
  CHECK(text.find('c') == 2);
  CHECK(text.find('x') == 3);
  CHECK(Text{}.find('x') == 0);
  CHECK(text.starts_with("ab"));
  CHECK(text.starts_with(""));
  CHECK(!text.starts_with("abcd"));
  CHECK(!text.starts_with("b"));
  CHECK(text.ends_with("bc"));
  CHECK(text.ends_with("abc"));
  CHECK(text.ends_with(""));
  CHECK(!text.ends_with("xabc"));
  CHECK(!text.ends_with("b"));
  CHECK(text[1] == 'b');
  CHECK(text != Text{"abd"});
  CHECK(text != Text{"ab"});
}

TEST_CASE("white space is trimmed at both ends and nowhere else", "[text]") {
  CHECK(string(genie::trimmed(" \t\n\r\v\fa b\n\n")) == "a b");
  CHECK(string(genie::trimmed(" \n ")).empty());
  CHECK(string(genie::trimmed({"\0 a", 3})) == std::string("\0 a", 3));
  for (const char c : unit_tests::every_byte()) {
    CAPTURE(static_cast<int>(c));
    CHECK(genie::is_space(c) == (std::string_view{" \t\n\r\v\f"}.find(c) != std::string_view::npos));
  }
}

TEST_CASE("lines and fields come off one by one, the last without a separator", "[text]") {
  Text rest = "one\n\ntwo three";
  CHECK(string(genie::take_line(rest)) == "one");
  CHECK(string(genie::take_line(rest)).empty());
  CHECK(string(genie::take_field(rest, ' ')) == "two");
  CHECK(string(genie::take_field(rest, ' ')) == "three");
  CHECK(rest.empty());
  CHECK(string(genie::take_line(rest)).empty());

  rest = "end\n";
  CHECK(string(genie::take_line(rest)) == "end");
  CHECK(rest.empty());
}

TEST_CASE("a decimal number is digits only, and fits or is none", "[text]") {
  struct Row {
    Text text;
    std::uint64_t limit;
    bool good;
    std::uint64_t value;
  };
  const Row rows[] = {
      {"0", unlimited, true, 0},
      {"7", 7, true, 7},
      {"8", 7, false, 0},
      {"65535", UINT16_MAX, true, 65535},
      {"65536", UINT16_MAX, false, 0},
      {"18446744073709551615", unlimited, true, UINT64_MAX},
      {"18446744073709551616", unlimited, false, 0},
      {"18446744073709551625", unlimited, false, 0},
      {"99999999999999999999", unlimited, false, 0},
      {"184467440737095516150", unlimited, false, 0},
      {"", unlimited, false, 0},
      {"+1", unlimited, false, 0},
      {"-1", unlimited, false, 0},
      {" 1", unlimited, false, 0},
      {"1 ", unlimited, false, 0},
      {"1.0", unlimited, false, 0},
      {"1e9", unlimited, false, 0},
      {"0x10", unlimited, false, 0},
      {"1'000", unlimited, false, 0},
      {{"1\0", 2}, unlimited, false, 0},
      {"\xd9\xa1", unlimited, false, 0},  // ARABIC-INDIC DIGIT ONE
  };
  for (const Row& row : rows) {
    CAPTURE(string(row.text), row.limit);
    std::uint64_t value = 42;
    CHECK(genie::parse_decimal(row.text, row.limit, value) == row.good);
    CHECK(value == (row.good ? row.value : 42));
  }
  static_assert([] {
    std::uint64_t value = 0;
    return genie::parse_decimal("18446744073709551615", UINT64_MAX, value) && value == UINT64_MAX;
  }());
}

TEST_CASE("a written number reads back as itself", "[text]") {
  unit_tests::Noise noise{1};
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t number = noise.next() >> noise.below(64);
    FixedText<20> text;
    text.append_number(number);
    std::uint64_t value = 0;
    if (string(text) != std::to_string(number) || !genie::parse_decimal(text, UINT64_MAX, value) || value != number) {
      FAIL(number);
    }
  }
  CHECK(string(FixedText<20>{}.append_number(0)) == "0");
  CHECK(string(FixedText<16>{}.append_hex(0)) == "0000000000000000");
  CHECK(string(FixedText<16>{}.append_hex(0x0123456789abcdef)) == "0123456789abcdef");
  CHECK(string(FixedText<16>{}.append_hex(UINT64_MAX)) == "ffffffffffffffff");
}

TEST_CASE("a text is filled as far as there is room", "[text]") {
  FixedText<8> text{"ab"};
  text.append(std::size_t{3}, '.');
  CHECK(text == Text{"ab..."});
  CHECK_FALSE(text.overflowed());
  text.append(std::size_t{4}, '-');
  CHECK(text == Text{"ab...---"});
  CHECK(text.overflowed());
}

TEST_CASE("a copy of a text has its characters to itself", "[text]") {
  struct Record {
    FixedText<8> name{"one"};
    FixedText<40> note;
  };
  Record first;
  first.note.append("two");
  std::vector<Record> records(3, first);  // which moves them as it grows
  for (int more = 0; more < 40; ++more) records.push_back(records[static_cast<std::size_t>(more)]);
  const auto moved = std::exchange(records.front(), Record{});
  first.name.append("!");
  first.note.clear();
  CHECK(string(moved.name) == "one");
  CHECK(string(moved.note) == "two");
  CHECK(records.front().note.empty());
  for (const Record& record : records) {
    const char* const begin = reinterpret_cast<const char*>(&record);
    CHECK((record.name.data() >= begin && record.note.data() < begin + sizeof record));
    CHECK(string(record.name) == "one");
  }
  CHECK(records.back().note == Text{"two"});
  static_assert([] {
    FixedText<4> cut{"abcdef"};
    const FixedText<4> copy{cut};
    cut.clear();
    return copy.overflowed() && Text{copy} == Text{"abcd"} && cut.empty() && cut.room() == 4;
  }());
}

TEST_CASE("a fixed text cuts what does not fit, says so, and stays terminated", "[text]") {
  FixedText<4> text{"abcd"};
  CHECK(!text.overflowed());
  CHECK(text.size() == FixedText<4>::capacity());
  text.append('e').append("fg").append_number(12);
  CHECK(text.overflowed());
  CHECK(std::string{text.c_str()} == "abcd");

  FixedText<4> copy{text};
  CHECK(copy.overflowed());
  copy = FixedText<4>{"x"};
  CHECK(!copy.overflowed());
  CHECK(std::string{copy.c_str()} == "x");
  FixedText<4>& alias = copy;
  copy = alias;
  CHECK(std::string{copy.c_str()} == "x");

  text.clear();
  CHECK(text.empty());
  CHECK(!text.overflowed());
  CHECK(*text.c_str() == '\0');

  FixedText<4> filled;
  for (std::size_t at = 0; at < 4; ++at) filled.data()[at] = 'z';
  filled.resize(9);
  CHECK(std::string{filled.c_str()} == "zzzz");
  filled.resize(2);
  CHECK(std::string{filled.c_str()} == "zz");
}

TEST_CASE("fixed texts are equal where their characters are", "[text]") {
  CHECK(FixedText<4>{"abcdef"} == FixedText<4>{"abcd"});
  CHECK(FixedText<4>{"abc"} != FixedText<4>{"abcd"});
  CHECK(FixedText<4>{Text{"a\0b", 3}} != FixedText<4>{"a"});
  CHECK(Text{FixedText<4>{"abcd"}} == Text{FixedText<9>{"abcd"}});
}

}  // namespace tests::text_test
