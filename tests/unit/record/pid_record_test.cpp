// `NAME.pid`, whatever somebody put there.
#include <genie/serve_guard.hpp>

#include <genie/record/pid_record.hpp>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::pid_record_test {

using genie::encode_pid_record;
using genie::known_start;
using genie::parse_pid_record;
using genie::Pid;
using genie::PidRecord;
using genie::PidRecordKind;
using genie::ProcessIdentity;
using genie::Text;
using unit_tests::string;

namespace {

constexpr Pid limit = INT32_MAX;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}
bool has_leading_zero(std::string_view text) { return text.size() > 1 && text[0] == '0' && all_digits(text); }

std::string_view stripped(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\v\f";
  const auto from = text.find_first_not_of(space);
  return from == std::string_view::npos ? std::string_view{}
                                        : text.substr(from, text.find_last_not_of(space) + 1 - from);
}

/// What the format says of texts too short for a number to be out of range.
PidRecordKind expected_of(std::string_view text) {
  const std::string_view record = stripped(text);
  if (record.empty()) return PidRecordKind::empty;
  const auto colon = record.find(':');
  const std::string_view pid = record.substr(0, colon);
  if (!all_digits(pid) || pid.find_first_not_of('0') == std::string_view::npos) return PidRecordKind::garbage;
  if (colon == std::string_view::npos) return PidRecordKind::legacy;
  const std::string_view start = record.substr(colon + 1);
  if (start == "unknown") return PidRecordKind::unknown_start;
  return all_digits(start) ? PidRecordKind::known_start : PidRecordKind::garbage;
}

/// What is accepted says again, byte for byte, what was read. Returns: an explanation where not.
std::string contradiction(std::string_view text) {
  const PidRecord record = parse_pid_record(text, limit);
  std::string again;
  switch (record.kind) {
    case PidRecordKind::empty:
    case PidRecordKind::garbage:
      if (record.owner != ProcessIdentity{}) return "names somebody";
      return record.kind == PidRecordKind::empty && !stripped(text).empty() ? "not empty" : "";
    case PidRecordKind::legacy: again = std::to_string(record.owner.pid); break;
    case PidRecordKind::known_start:
    case PidRecordKind::unknown_start: again = string(encode_pid_record(record.owner)); break;
  }
  if (record.owner.pid <= 0 || record.owner.pid > limit) return "a PID out of range";
  if (record.owner.start.known != (record.kind == PidRecordKind::known_start)) return "kind and start disagree";
  const std::string_view read = stripped(text);
  const auto colon = std::min(read.find(':'), read.size());
  if (has_leading_zero(read.substr(0, colon))) return "";  // a test of its own
  if (colon < read.size() && has_leading_zero(read.substr(colon + 1))) return "";
  return again == read ? "" : "reads as " + again;
}

}  // namespace

TEST_CASE("each form of the record reads as what it is", "[pid_record]") {
  struct Row {
    std::string text;
    PidRecordKind kind;
    ProcessIdentity owner;
  };
  const ProcessIdentity nobody;
  const auto garbage = PidRecordKind::garbage;
  const std::vector<Row> rows{
      {"4711:991", PidRecordKind::known_start, {4711, known_start(991)}},
      {"4711:991\n", PidRecordKind::known_start, {4711, known_start(991)}},
      {"\t4711:991 \r\n\n", PidRecordKind::known_start, {4711, known_start(991)}},
      {" 1:5 ", PidRecordKind::known_start, {1, known_start(5)}},
      {"4711:0", PidRecordKind::known_start, {4711, known_start(0)}},
      {"4711:18446744073709551615", PidRecordKind::known_start, {4711, known_start(UINT64_MAX)}},
      {"2147483647:5", PidRecordKind::known_start, {INT32_MAX, known_start(5)}},
      {"4711:unknown", PidRecordKind::unknown_start, {4711, {}}},
      {"4711:unknown\n", PidRecordKind::unknown_start, {4711, {}}},
      {"4711", PidRecordKind::legacy, {4711, {}}},
      {"1", PidRecordKind::legacy, {1, {}}},
      {"4711\n", PidRecordKind::legacy, {4711, {}}},
      {"", PidRecordKind::empty, nobody},
      {" ", PidRecordKind::empty, nobody},
      {"\n\r\n\t", PidRecordKind::empty, nobody},
      // What a lenient number parser takes for PID 1, or for every process (kill(-1)).
      {"1e9:5", garbage, nobody},
      {"1.7:5", garbage, nobody},
      {"1junk:5", garbage, nobody},
      {"-1:5", garbage, nobody},
      {"-1", garbage, nobody},
      {"0:5", garbage, nobody},
      {"0", garbage, nobody},
      {"00:5", garbage, nobody},
      {"0:unknown", garbage, nobody},
      {"+1:5", garbage, nobody},
      {"0x10:5", garbage, nobody},
      {"1,5", garbage, nobody},
      {"-0:5", garbage, nobody},
      {"\xef\xbb\xbf"
       "4711:991",
       garbage, nobody},
      // The start is compared exactly, so it is whole or it is none.
      {"4711:", garbage, nobody},
      {"4711: 991", garbage, nobody},
      {"4711 :991", garbage, nobody},
      {"4711:991 x", garbage, nobody},
      {"4711:991\n4712:992", garbage, nobody},
      {"4711:991:1", garbage, nobody},
      {"4711::991", garbage, nobody},
      {"4711:-991", garbage, nobody},
      {"4711:+991", garbage, nobody},
      {"4711:9.91", garbage, nobody},
      {"4711:99999999999999999999999", garbage, nobody},
      {"4711:18446744073709551616", garbage, nobody},
      {"4711:unknownx", garbage, nobody},
      {"4711:xunknown", garbage, nobody},
      {"4711:UNKNOWN", garbage, nobody},
      {"4711:unknow", garbage, nobody},
      {":5", garbage, nobody},
      {":", garbage, nobody},
      {":unknown", garbage, nobody},
      {"4711 x", garbage, nobody},
      {"unknown", garbage, nobody},
      {"{\"pid\":4711}", garbage, nobody},
      {std::string("\0\0\0\0", 4), garbage, nobody},
      {std::string("4711:991\0", 9), garbage, nobody},
      {std::string("4711\0:991", 9), garbage, nobody},
      {std::string("\0"
                   "4711:991",
                   9),
       garbage, nobody},
      {"4711:99" + std::string(1, '\0') + "1", garbage, nobody},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const PidRecord record = parse_pid_record(row.text, limit);
    CHECK(static_cast<int>(record.kind) == static_cast<int>(row.kind));
    CHECK(record.owner == row.owner);
    CHECK(contradiction(row.text).empty());
  }
  static_assert(parse_pid_record("4711:991", limit).owner == ProcessIdentity{4711, known_start(991)});
}

TEST_CASE("a PID beyond the platform's range is garbage, never truncated", "[pid_record]") {
  for (const char* const pid : {"2147483648", "4294967296", "4294967297", "4294972007", "9223372036854775807",
                                "9223372036854775808", "18446744073709551615", "18446744073709551617",
                                "99999999999999999999", "340282366920938463463374607431768211457"}) {
    for (const char* const start : {"", ":5", ":unknown"}) {
      CAPTURE(pid, start);
      const PidRecord record = parse_pid_record(pid + std::string{start}, limit);
      CHECK(record.kind == PidRecordKind::garbage);
      CHECK(record.owner == ProcessIdentity{});
    }
  }
  CHECK(parse_pid_record("32768:5", 32767).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record("32767:5", 32767).kind == PidRecordKind::known_start);
  CHECK(parse_pid_record("4294967297:5", INT64_MAX).owner.pid == 4294967297);
}

TEST_CASE("a number with leading zeros is garbage: no writer writes it, and older readers compare text",
          "[pid_record]") {
  for (const char* const text : {"04711:991", "4711:0991", "04711", "04711:unknown", "4711:00"}) {
    CAPTURE(text);
    CHECK(parse_pid_record(text, limit).kind == PidRecordKind::garbage);
  }
}

TEST_CASE("a record longer than any is garbage, however it begins", "[pid_record]") {
  constexpr std::size_t megabyte = 1 << 20;
  unit_tests::Noise noise{2};
  const std::string space(megabyte, ' ');
  CHECK(parse_pid_record(noise.bytes(megabyte), limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record(std::string(megabyte, '1'), limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record(std::string(megabyte, '\0'), limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record("4711:991" + space, limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record(space + "4711:991", limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record(std::string(megabyte, '0') + "4711:991", limit).kind == PidRecordKind::garbage);
  CHECK(parse_pid_record(space, limit).owner == ProcessIdentity{});

  std::string padded = "4711:991";
  padded.resize(genie::pid_record_capacity, '\n');
  CHECK(parse_pid_record(padded, limit).kind == PidRecordKind::known_start);
  padded += '\n';
  CHECK(parse_pid_record(padded, limit).kind == PidRecordKind::garbage);
}

TEST_CASE("what is written reads back, with nothing after it", "[pid_record]") {
  CHECK(string(encode_pid_record({4711, known_start(991)})) == "4711:991");
  CHECK(string(encode_pid_record({4711, {}})) == "4711:unknown");
  CHECK(string(encode_pid_record({INT64_MAX, known_start(UINT64_MAX)})) == "9223372036854775807:18446744073709551615");
  unit_tests::Noise noise{3};
  for (int round = 0; round < 50'000; ++round) {
    ProcessIdentity owner{static_cast<Pid>(1 + noise.below(INT32_MAX)), {}};
    if (round % 8 != 0) owner.start = known_start(noise.next() >> noise.below(64));
    const auto text = encode_pid_record(owner);
    const PidRecord record = parse_pid_record(text, limit);
    genie::ProcessIdentity identity;
    if (record.owner != owner || record.kind == PidRecordKind::legacy || text.overflowed() ||
        !genie::parse_identity(text, limit, identity) || identity != owner) {
      FAIL(string(text));
    }
  }
}

TEST_CASE("every short text has the verdict that the format gives it", "[pid_record]") {
  const auto check = [](const std::string& text) {
    const PidRecord record = parse_pid_record(text, limit);
    const std::string wrong = contradiction(text);
    const auto read = stripped(text);
    const auto colon = std::min(read.find(':'), read.size());
    const bool zero =
        has_leading_zero(read.substr(0, colon)) || has_leading_zero(read.substr(std::min(colon + 1, read.size())));
    if (!wrong.empty() || (!zero && record.kind != expected_of(text))) FAIL('"' << text << "\" " << wrong);
  };
  unit_tests::each_text(unit_tests::every_byte(), 2, check);
  unit_tests::each_text(std::string_view{"019: \n-u\0", 9}, 5, check);
}

TEST_CASE("mutated records never crash the reader, and are never taken for what they do not say", "[pid_record]") {
  unit_tests::Noise noise{4};
  const std::vector<std::string> seeds{"4711:991",
                                       "4711:unknown",
                                       "4711",
                                       "2147483647:18446744073709551615\n",
                                       "1:5",
                                       "",
                                       "0:0",
                                       "99999999999999999999:5",
                                       " 31337:4096 \r\n"};
  for (int round = 0; round < 200'000; ++round) {
    const std::string text = noise.mutated(seeds, "0123456789::: \nunkow-+.ex");
    if (const std::string wrong = contradiction(text); !wrong.empty()) FAIL('"' << text << "\" " << wrong);
  }
}

TEST_CASE("an identity is whole or none, and nobody has a spelling of his own", "[pid_record]") {
  const ProcessIdentity before{1, known_start(1)};
  for (const char* const text :
       {"", "4711", "0", "0:5", "0:unknownx", "-1:5", "1junk:5", "4711:", ":5", "2147483648:5"}) {
    CAPTURE(text);
    ProcessIdentity identity = before;
    CHECK(!genie::parse_identity(text, limit, identity));
    CHECK(identity == before);
  }
  ProcessIdentity identity = before;
  CHECK(genie::parse_identity("0:unknown", limit, identity));
  CHECK(identity == ProcessIdentity{});
  CHECK(string(encode_pid_record({})) == "0:unknown");
}

}  // namespace tests::pid_record_test
