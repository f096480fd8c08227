// The owner's full record: rewritten in place under readers, so that every state between two records counts.
#include <genie/serve_guard.hpp>

#include <genie/record/lock_record.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::lock_record_test {

using genie::BootId;
using genie::encode_lock_record;
using genie::FileStamp;
using genie::known_start;
using genie::lock_record_size;
using genie::LockRecord;
using genie::LockRecordKind;
using genie::Milliseconds;
using genie::parse_lock_record;
using genie::Phase;
using genie::Pid;
using genie::Text;
using unit_tests::string;

namespace {

constexpr Pid limit = INT32_MAX;

LockRecord sample() {
  LockRecord record;
  record.generation = 41;
  record.phase = Phase::starting;
  record.owner = {4711, known_start(991)};
  record.origin = {BootId{"0b6f3c1e-5b53-4c5e-9d0a-6a3f1c2d4e5f"}, 4026531836};
  record.lock = {2049, 131};
  record.record = {132, 1'700'000'000'123'456'789};
  record.judged = {815, {}};
  record.judged_record = {77, 1'600'000'000'000'000'001};
  record.temporary = 0xfeedface;
  record.claimed_wall = Milliseconds{1'700'000'000'000};
  record.claimed_monotonic = Milliseconds{123'456};
  record.server = {4712, known_start(992)};
  record.port_name = genie::PortFileName{"pgserve.port"};
  record.build = genie::FixedText<63>{"genie 1.2.3 (abc def)"};
  record.heir = {4713, known_start(993)};
  record.starter = {4714, known_start(994)};
  record.version = genie::VersionText{"1.2.3"};
  record.wanted = genie::VersionText{"1.2.4"};
  record.failed = 40;
  return record;
}

LockRecord largest() {
  constexpr genie::ProcessIdentity somebody{UINT32_MAX, known_start(UINT64_MAX)};
  constexpr FileStamp stamp{UINT64_MAX, INT64_MAX};
  LockRecord record;
  record.generation = record.temporary = record.failed = UINT64_MAX;
  record.phase = Phase::launching;
  record.owner = record.judged = record.server = record.heir = record.starter = somebody;
  record.origin = {BootId{std::string(40, 'b')}, UINT64_MAX};
  record.lock = {UINT64_MAX, UINT64_MAX};
  record.record = record.judged_record = stamp;
  record.claimed_wall = record.claimed_monotonic = Milliseconds{INT64_MAX};
  record.port_name = genie::PortFileName{std::string(205, 'p')};
  record.build = genie::FixedText<63>{std::string(63, '\xc3')};
  record.version = record.wanted = genie::VersionText{std::string(31, '9')};
  return record;
}

/// Some that differ in everything, some that differ by a digit.
std::vector<LockRecord> samples() {
  std::vector<LockRecord> records{LockRecord{}, sample(), largest()};
  LockRecord next = sample();
  next.generation = 42;
  records.push_back(next);
  next.phase = Phase::released;
  next.build = {};
  records.push_back(next);
  return records;
}

LockRecordKind kind_of(Text bytes, Pid highest = limit) {
  LockRecord record;
  return parse_lock_record(bytes, highest, record);
}

/// `lines` with the checksum that makes them a record, if their content does.
std::string sealed(const std::string& lines) {
  const std::string body = "genie-lock 1\n" + lines;
  return body + "checksum " + string(genie::FixedText<16>{}.append_hex(genie::record_detail::checksum(body))) + "\n";
}

std::string without_checksum(const LockRecord& record) {
  const std::string bytes = string(encode_lock_record(record));
  const std::size_t header = bytes.find('\n') + 1;
  return bytes.substr(header, bytes.find("checksum ") - header);
}

}  // namespace

TEST_CASE("a lock record reads back, and always fills the same bytes", "[lock_record]") {
  for (const LockRecord& record : samples()) {
    const auto bytes = encode_lock_record(record);
    CAPTURE(string(bytes));
    CHECK(!bytes.overflowed());
    CHECK(bytes.size() == lock_record_size);
    CHECK(bytes.data()[lock_record_size - 1] == '\n');
    LockRecord again;
    CHECK(parse_lock_record(bytes, INT64_MAX, again) == LockRecordKind::valid);
    CHECK(again == record);
  }
  for (const Phase phase : {Phase::claiming, Phase::launching, Phase::starting, Phase::running, Phase::released}) {
    LockRecord record = sample();
    record.phase = phase;
    LockRecord again;
    CHECK(parse_lock_record(encode_lock_record(record), limit, again) == LockRecordKind::valid);
    CHECK(again == record);
  }
}

TEST_CASE("a lock file that nobody wrote is blank", "[lock_record]") {
  LockRecord record = sample();
  for (const std::string& text : {std::string{}, std::string(lock_record_size, '\0'),
                                  std::string(lock_record_size, '\n'), std::string(" \t\r\n\0", 5)}) {
    CHECK(parse_lock_record(text, limit, record) == LockRecordKind::blank);
  }
  CHECK(record == sample());
}

TEST_CASE("another format, noise and a cut record are unreadable and touch nothing", "[lock_record]") {
  unit_tests::Noise noise{7};
  LockRecord record = sample();
  const std::string whole = string(encode_lock_record(sample()));
  const std::vector<std::string> texts{"x",
                                       "4711:991",
                                       "genie-lock",
                                       "genie-lock 1",
                                       "genie-lock 1\n",
                                       "genie-lock 2" + whole.substr(12),
                                       " " + whole,
                                       "\n" + whole,
                                       "genie-lock 1\r" + whole.substr(12),
                                       noise.bytes(1 << 20),
                                       std::string(1 << 20, 'g'),
                                       whole.substr(0, whole.find("checksum")),
                                       sealed("checksum 0\n")};
  for (const std::string& text : texts) {
    CAPTURE(text.substr(0, 40));
    CHECK(parse_lock_record(text, limit, record) == LockRecordKind::unreadable);
  }
  CHECK(record == sample());
}

TEST_CASE("a write half-way, wherever it stopped, reads as the old record, the new one, or unreadable",
          "[lock_record]") {
  const std::vector<LockRecord> records = samples();
  std::vector<std::string> before{"", std::string(lock_record_size, '\0'), std::string(lock_record_size, '\n')};
  for (const LockRecord& record : records) before.push_back(string(encode_lock_record(record)));
  for (const LockRecord& record : records) {
    const std::string now = string(encode_lock_record(record));
    for (const std::string& old : before) {
      LockRecord was;
      const LockRecordKind old_kind = parse_lock_record(old, INT64_MAX, was);
      for (std::size_t at = 0; at <= lock_record_size; ++at) {
        // Front first, and back first: a reader may see the pages of a write in any order.
        const std::string old_head = old.substr(0, at) + std::string(at > old.size() ? at - old.size() : 0, '\0');
        const std::string front = now.substr(0, at) + (at < old.size() ? old.substr(at) : "");
        for (const std::string& torn : {front, old_head + now.substr(at)}) {
          LockRecord seen;
          const LockRecordKind kind = parse_lock_record(torn, INT64_MAX, seen);
          const bool good =
              kind == LockRecordKind::unreadable ||
              (kind == LockRecordKind::blank && old_kind == LockRecordKind::blank) ||
              (kind == LockRecordKind::valid && (seen == record || (old_kind == LockRecordKind::valid && seen == was)));
          if (!good) FAIL("at " << at << ":\n" << torn);
        }
      }
    }
  }
}

TEST_CASE("pages of two records in any mixture read as one of them, or unreadable", "[lock_record]") {
  unit_tests::Noise noise{8};
  const std::vector<LockRecord> records = samples();
  for (int round = 0; round < 4'000; ++round) {
    const LockRecord& one = records[noise.below(records.size())];
    const LockRecord& other = records[noise.below(records.size())];
    std::string mixed = string(encode_lock_record(one));
    const std::string source = string(encode_lock_record(other));
    for (std::size_t at = 0; at < lock_record_size; at += 32) {
      if (noise.below(2) == 0) mixed.replace(at, 32, source, at, 32);
    }
    LockRecord seen;
    const LockRecordKind kind = parse_lock_record(mixed, INT64_MAX, seen);
    if (kind == LockRecordKind::blank || (kind == LockRecordKind::valid && seen != one && seen != other)) FAIL(mixed);
  }
}

TEST_CASE("one flipped bit is noticed, but for the padding", "[lock_record]") {
  const std::string whole = string(encode_lock_record(sample()));
  const std::size_t end = whole.find("checksum ") + 9 + 16;
  for (std::size_t at = 0; at < lock_record_size; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ (1U << bit));
      LockRecord seen;
      const LockRecordKind kind = parse_lock_record(flipped, limit, seen);
      const bool good =
          at > end ? kind == LockRecordKind::valid && seen == sample() : kind == LockRecordKind::unreadable;
      if (!good) FAIL("bit " << bit << " at " << at);
    }
  }
}

TEST_CASE("a longer record of a later version leaves nothing behind a shorter one", "[lock_record]") {
  std::string longer = string(encode_lock_record(sample()));
  longer.resize(4096, 'x');
  CHECK(kind_of(longer) == LockRecordKind::valid);
}

TEST_CASE("keys that a later version adds are passed over", "[lock_record]") {
  const std::string lines = without_checksum(sample());
  const std::size_t middle = lines.find("owner ");
  LockRecord seen;
  for (const std::string& text : {"future 42\n" + lines, lines + "note\n", lines + "\n\n",
                                  lines.substr(0, middle) + "owners 1:5\n" + lines.substr(middle)}) {
    CAPTURE(text);
    seen = {};
    CHECK(parse_lock_record(sealed(text), limit, seen) == LockRecordKind::valid);
    CHECK(seen == sample());
  }
}

TEST_CASE("a field that is not what it must be makes the record unreadable, even with a good checksum",
          "[lock_record]") {
  CHECK(kind_of(sealed("generation 1\n")) == LockRecordKind::valid);
  for (const char* const line : {"generation",
                                 "generation ",
                                 "generation -1",
                                 "generation 1 ",
                                 "generation 18446744073709551616",
                                 "phase",
                                 "phase asleep",
                                 "phase Running",
                                 "owner 4711",
                                 "owner 0:5",
                                 "owner -1:5",
                                 "owner 1junk:5",
                                 "owner 2147483648:5",
                                 "owner 4711:",
                                 "pid-namespace x",
                                 "lock 5",
                                 "lock 5:",
                                 "lock :5",
                                 "lock 5:6:7",
                                 "record 7",
                                 "record 7@",
                                 "record 7@-1",
                                 "record 7@9223372036854775808",
                                 "judged x",
                                 "judged 1e9:5",
                                 "judged-record 1",
                                 "temporary",
                                 "temporary 0x1",
                                 "claimed -1",
                                 "claimed 9223372036854775808",
                                 "claimed-monotonic",
                                 "server 1.7:5",
                                 "server 99999999999999999999:5"}) {
    CAPTURE(line);
    CHECK(kind_of(sealed(std::string{line} + "\n")) == LockRecordKind::unreadable);
    CHECK(kind_of(sealed("generation 1\n" + (line + ("\n" + without_checksum(sample()))))) ==
          LockRecordKind::unreadable);
  }
}

TEST_CASE("a PID beyond the platform's range makes the record unreadable", "[lock_record]") {
  LockRecord record = sample();
  record.owner.pid = 4'294'967'297;
  CHECK(kind_of(encode_lock_record(record), limit) == LockRecordKind::unreadable);
  CHECK(kind_of(encode_lock_record(record), INT64_MAX) == LockRecordKind::valid);
}

TEST_CASE("a consumer's text of any content and length is one line, cut, and claims nothing else", "[lock_record]") {
  struct Row {
    std::string given;
    std::string read;
  };
  const std::vector<Row> rows{
      {"", ""},
      {"  two  spaces  ", "  two  spaces  "},
      {"a\nb\r\nc", "a b  c"},
      {std::string("a\0b", 3), "a b"},
      {"1\nowner 1:5\nphase released\nchecksum 0", "1 owner 1:5 phase released checksum 0"},
      {"\n\n\n", "   "},
      {std::string(63, 'x'), std::string(63, 'x')},
      {std::string(64, 'x'), std::string(63, 'x')},
      {std::string(5000, '\n'), std::string(63, ' ')},
      {"\xf0\x9f\xa7\x9e \xff\x80", "\xf0\x9f\xa7\x9e \xff\x80"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.given);
    LockRecord record = sample();
    record.build = genie::FixedText<63>{row.given};
    record.port_name = genie::PortFileName{Text{row.given}.first(63)};
    LockRecord seen;
    REQUIRE(parse_lock_record(encode_lock_record(record), limit, seen) == LockRecordKind::valid);
    CHECK(string(seen.build) == row.read);
    CHECK(string(seen.port_name) == row.read);
    seen.build = sample().build;
    seen.port_name = sample().port_name;
    CHECK(seen == sample());
  }
}

TEST_CASE("a time before the epoch is written as the epoch", "[lock_record]") {
  LockRecord record = sample();
  record.claimed_wall = Milliseconds{-5};
  record.record.changed_ns = -5;
  LockRecord seen;
  REQUIRE(parse_lock_record(encode_lock_record(record), limit, seen) == LockRecordKind::valid);
  CHECK(seen.claimed_wall == Milliseconds{0});
  CHECK(seen.record.changed_ns == 0);
}

TEST_CASE("a later file with the same inode number has another stamp", "[lock_record]") {
  CHECK(FileStamp{77, 1} == FileStamp{77, 1});
  CHECK(FileStamp{77, 1} != FileStamp{77, 2});
  CHECK(FileStamp{77, 1} != FileStamp{78, 1});
  LockRecord later = sample();
  later.record.changed_ns += 1;
  LockRecord seen;
  REQUIRE(parse_lock_record(encode_lock_record(later), limit, seen) == LockRecordKind::valid);
  CHECK(seen.record != sample().record);
}

TEST_CASE("every short text is blank or unreadable", "[lock_record]") {
  unit_tests::each_text(unit_tests::every_byte(), 2, [](const std::string& text) {
    const bool blank = text.find_first_not_of(std::string_view{" \t\n\r\v\f\0", 7}) == std::string::npos;
    if (kind_of(text) != (blank ? LockRecordKind::blank : LockRecordKind::unreadable)) FAIL(text);
  });
}

TEST_CASE("a mutated lock record is never taken for another one", "[lock_record]") {
  unit_tests::Noise noise{9};
  std::vector<std::string> seeds{without_checksum(sample()), without_checksum(LockRecord{})};
  const std::string whole = string(encode_lock_record(sample()));
  const std::string end = whole.substr(whole.find("checksum "), 26);
  for (int round = 0; round < 100'000; ++round) {
    const std::string lines = noise.mutated(seeds, "0123456789: \n@-abgenrtio");
    LockRecord seen;
    // As an accident leaves it.
    if (parse_lock_record("genie-lock 1\n" + lines + end, limit, seen) == LockRecordKind::valid && seen != sample()) {
      FAIL(lines);
    }
    // As an enemy of the parser would: what passes the checksum means the same when written again.
    if (lines.find_first_of(std::string_view{"\r\0", 2}) != std::string::npos) continue;
    if (parse_lock_record(sealed(lines), limit, seen) != LockRecordKind::valid) continue;
    LockRecord again;
    if (parse_lock_record(encode_lock_record(seen), limit, again) != LockRecordKind::valid || again != seen)
      FAIL(lines);
  }
}

}  // namespace tests::lock_record_test
