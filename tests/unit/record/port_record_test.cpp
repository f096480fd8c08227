// `PORTNAME.port`, as we write it, as older programs do, and as accidents leave it.
#include <genie/serve_guard.hpp>

#include <genie/record/port_record.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::port_record_test {

using genie::encode_port_record;
using genie::known_start;
using genie::parse_port_record;
using genie::Pid;
using genie::PortRecord;
using genie::PortRecordKind;
using unit_tests::string;

namespace {

constexpr Pid limit = INT32_MAX;
constexpr PortRecord sample{PortRecordKind::owned, 54329, {4711, known_start(991)}, 7, {2049, 131}};
constexpr PortRecord largest{
    PortRecordKind::owned, 65535, {INT64_MAX, known_start(UINT64_MAX)}, UINT64_MAX, {UINT64_MAX, UINT64_MAX}};

bool same(const PortRecord& left, const PortRecord& right) {
  return left.kind == right.kind && left.port == right.port && left.owner == right.owner &&
         left.generation == right.generation && left.lock == right.lock;
}

}  // namespace

TEST_CASE("a published port has the bare number on its first line, and reads back with its owner", "[port_record]") {
  CHECK(string(encode_port_record(sample)) == "54329\nowner 4711:991\ngeneration 7\nlock 2049:131\n");
  CHECK(same(parse_port_record(encode_port_record(sample), limit), sample));
  CHECK(!encode_port_record(largest).overflowed());
  CHECK(same(parse_port_record(encode_port_record(largest), INT64_MAX), largest));
  PortRecord unknown_start = sample;
  unknown_start.owner.start = {};
  CHECK(same(parse_port_record(encode_port_record(unknown_start), limit), unknown_start));
}

TEST_CASE("a port is a number from 1 to 65535", "[port_record]") {
  struct Row {
    std::string text;
    std::uint16_t port;  // 0: garbage
  };
  const std::vector<Row> rows{
      {"1", 1},
      {"65535", 65535},
      {"8080\n", 8080},
      {" 8080 \r\n", 8080},
      {"8080\nanything", 8080},
      {"", 0},
      {"\n8080", 0},
      {"0", 0},
      {"65536", 0},
      {"-1", 0},
      {"+80", 0},
      {"80.5", 0},
      {"1e3", 0},
      {"80 81", 0},
      {"65616", 0},
      {"0x50", 0},
      {"eighty", 0},
      {"80:81", 0},
      {"4294967376", 0},
      {"18446744073709551696", 0},
      {std::string("80\0", 3), 0},
      {std::string(5, '\0'), 0},
      {std::string(1 << 20, '8'), 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text.substr(0, 40));
    const PortRecord record = parse_port_record(row.text, limit);
    CHECK(record.port == row.port);
    CHECK((record.kind == (row.port == 0 ? PortRecordKind::garbage : PortRecordKind::bare)));
  }
}

TEST_CASE("a port without all of its owner is bare: nobody vouches for it", "[port_record]") {
  const std::string owner = "owner 4711:991\n";
  const std::string generation = "generation 7\n";
  const std::string lock = "lock 2049:131\n";
  const std::string bare[] = {
      owner,
      generation + lock,
      owner + lock,
      owner + generation,
      "owner 4711\n" + generation + lock,
      "owner 0:unknown\n" + generation + lock,
      "owner -1:5\n" + generation + lock,
      "owner 2147483648:5\n" + generation + lock,
      "Owner 4711:991\n" + generation + lock,
      owner + "generation -7\n" + lock,
      owner + "generation\n" + lock,
      owner + generation + "lock 2049\n",
      owner + generation + "lock 2049:\n",
      owner + generation + "lock :131\n",
      owner + generation + "lock 2049:131:1\n",
      owner + generation + lock + "owner junk\n",
  };
  for (const std::string& text : bare) {
    CAPTURE(text);
    const PortRecord record = parse_port_record("80\n" + text, limit);
    CHECK((record.kind == PortRecordKind::bare));
    CHECK(record.port == 80);
  }
}

TEST_CASE("lines may come in any order, and unknown ones are passed over", "[port_record]") {
  CHECK(same(parse_port_record("54329\nfuture 1\n\nlock 2049:131\ngeneration 7\nowner 4711:991", limit), sample));
}

TEST_CASE("a port file cut anywhere never names another port with an owner, nor another owner", "[port_record]") {
  const std::string whole = string(encode_port_record(sample));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const PortRecord record = parse_port_record(whole.substr(0, size), limit);
    if (record.kind == PortRecordKind::owned) {
      CHECK(record.port == sample.port);
      CHECK(record.owner == sample.owner);
      CHECK(record.generation == sample.generation);
    }
  }
}

TEST_CASE("mutated port files never crash the reader, and what is owned reads back", "[port_record]") {
  unit_tests::Noise noise{5};
  const std::vector<std::string> seeds{string(encode_port_record(sample)), string(encode_port_record(largest)), "8080",
                                       "8080\nowner 4711:unknown\ngeneration 0\nlock 0:0\n"};
  const auto check = [](const std::string& text) {
    const PortRecord record = parse_port_record(text, limit);
    const bool has_port = record.kind != PortRecordKind::garbage;
    const bool owned = record.kind == PortRecordKind::owned;
    if (has_port != (record.port != 0) || (owned && (record.owner.pid <= 0 || record.owner.pid > limit)) ||
        (owned && !same(parse_port_record(encode_port_record(record), limit), record))) {
      FAIL(text);
    }
  };
  unit_tests::each_text(unit_tests::every_byte(), 2, check);
  for (int round = 0; round < 200'000; ++round) check(noise.mutated(seeds, "0123456789: \nownergatilck-"));
}

}  // namespace tests::port_record_test
