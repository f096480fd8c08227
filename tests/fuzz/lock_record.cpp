// Fuzzes the codec of `NAME.lock`: a record is believed only with the checksum of the very bytes before it, says what
// they say, and a write half-way is never taken for a third record.
#include <genie/record/lock_record.hpp>

#include "fuzz/sealed.hpp"

namespace {

using fuzz::require;
using genie::LockRecord;
using genie::LockRecordKind;
using genie::Milliseconds;

constexpr std::string_view header{"genie-lock 1\n"};

using fuzz::checksum_of;

std::string sealed(std::string_view lines) { return fuzz::sealed(header, lines); }

bool read_number(std::string_view text, std::uint64_t& value) {
  const auto number = fuzz::number_of(text, UINT64_MAX);
  value = number.value_or(0);
  return number.has_value();
}
bool read_time(std::string_view text, std::int64_t& value) {
  const auto number = fuzz::number_of(text, INT64_MAX);
  value = static_cast<std::int64_t>(number.value_or(0));
  return number.has_value();
}
bool read_time(std::string_view text, Milliseconds& value) {
  std::int64_t count = 0;
  const bool good = read_time(text, count);
  value = Milliseconds{count};
  return good;
}
bool read_stamp(std::string_view text, genie::FileStamp& stamp) {
  const std::string_view inode = fuzz::cut(text, '@');
  return read_number(inode, stamp.inode) && read_time(text, stamp.changed_ns);
}
bool read_identity(std::string_view text, genie::Pid limit, genie::ProcessIdentity& identity) {
  const auto read = fuzz::identity_of(text, limit);
  identity = read.value_or(genie::ProcessIdentity{});
  return read.has_value();
}
bool read_phase(std::string_view text, genie::Phase& phase) {
  for (const genie::Phase candidate : {genie::Phase::claiming, genie::Phase::launching, genie::Phase::starting,
                                       genie::Phase::running, genie::Phase::released}) {
    if (text != genie::to_string(candidate)) continue;
    phase = candidate;
    return true;
  }
  return false;
}

/// Returns: whether the line says what a line with this key must.
bool read_line(std::string_view key, std::string_view value, genie::Pid limit, LockRecord& record) {
  if (key == "generation") return read_number(value, record.generation);
  if (key == "phase") return read_phase(value, record.phase);
  if (key == "owner") return read_identity(value, limit, record.owner);
  if (key == "endpoints") record.has_no_endpoints = value == "none";
  if (key == "boot") record.origin.boot = genie::BootId{value.substr(0, 40)};
  if (key == "pid-namespace") return read_number(value, record.origin.pid_namespace);
  if (key == "lock") {
    const std::string_view device = fuzz::cut(value, ':');
    return read_number(device, record.lock.device) && read_number(value, record.lock.inode);
  }
  if (key == "record") return read_stamp(value, record.record);
  if (key == "judged") return read_identity(value, limit, record.judged);
  if (key == "judged-record") return read_stamp(value, record.judged_record);
  if (key == "temporary") return read_number(value, record.temporary);
  if (key == "claimed") return read_time(value, record.claimed_wall);
  if (key == "claimed-monotonic") return read_time(value, record.claimed_monotonic);
  if (key == "server") return read_identity(value, limit, record.server);
  if (key == "heir") return read_identity(value, limit, record.heir);
  if (key == "starter") return read_identity(value, limit, record.starter);
  if (key == "failed") return read_number(value, record.failed);
  if (key == "wanted") record.wanted = genie::VersionText{value.substr(0, 31)};
  if (key == "version") record.version = genie::VersionText{value.substr(0, 31)};
  if (key == "port") record.port_name = genie::PortFileName{value.substr(0, 205)};
  if (key == "build") record.build = genie::FixedText<63>{value.substr(0, 63)};
  return true;
}

LockRecordKind expected_of(std::string_view bytes, genie::Pid limit, LockRecord& record) {
  if (bytes.find_first_not_of(std::string_view{" \t\n\r\v\f\0", 7}) == std::string_view::npos) {
    return LockRecordKind::blank;
  }
  std::string_view rest = bytes;
  if (fuzz::cut(rest, '\n') != "genie-lock 1") return LockRecordKind::unreadable;
  LockRecord read;
  while (!rest.empty()) {
    const std::string_view before = bytes.substr(0, bytes.size() - rest.size());
    std::string_view value = fuzz::cut(rest, '\n');
    const std::string_view key = fuzz::cut(value, ' ');
    if (key == "checksum") {
      if (value != checksum_of(before)) return LockRecordKind::unreadable;
      record = read;
      return LockRecordKind::valid;
    }
    if (!read_line(key, value, limit, read)) return LockRecordKind::unreadable;
  }
  return LockRecordKind::unreadable;
}

/// A record as it reads when it was written once: control characters of a consumer's text are spaces then.
LockRecord written(LockRecord record) {
  using fuzz::as_line;
  as_line(record.port_name);
  as_line(record.build);
  as_line(record.version);
  as_line(record.wanted);
  for (Milliseconds* const time : {&record.claimed_wall, &record.claimed_monotonic}) {
    if (*time < Milliseconds{}) *time = Milliseconds{};
  }
  for (genie::FileStamp* const stamp : {&record.record, &record.judged_record}) {
    if (stamp->changed_ns < 0) stamp->changed_ns = 0;
  }
  return record;
}

void check_encoding(const LockRecord& record, std::string_view text) {
  const auto bytes = genie::encode_lock_record(record);
  require(!bytes.overflowed(), "every record fits", text);
  require(bytes.size() == genie::lock_record_size, "a record always has the same size", text);
  LockRecord again;
  require(genie::parse_lock_record(bytes, fuzz::highest_pid, again) == LockRecordKind::valid,
          "a written record is valid", text);
  require(again == written(record), "a record reads back", text);
}

/// `text` as a file's whole content. Returns: what it is.
LockRecordKind check_text(std::string_view text) {
  LockRecordKind kind{};
  for (const genie::Pid limit : fuzz::pid_limits) {
    LockRecord before;
    before.generation = 4711;
    LockRecord record = before;
    LockRecord expected = before;
    kind = genie::parse_lock_record(text, limit, record);
    require(kind == expected_of(text, limit, expected), "the kind is as documented", text);
    require(record == expected, "a record says what its lines say, and is untouched where it is not valid", text);
    if (kind != LockRecordKind::valid) continue;
    for (const genie::ProcessIdentity& one :
         {record.owner, record.judged, record.server, record.heir, record.starter}) {
      require(one.pid >= 0 && one.pid <= limit && (one.pid != 0 || !one.start.known), "PIDs are in their range", text);
    }
    require(record.claimed_wall >= Milliseconds{} && record.claimed_monotonic >= Milliseconds{} &&
                record.record.changed_ns >= 0 && record.judged_record.changed_ns >= 0,
            "times are in their range", text);
    if (limit == fuzz::highest_pid) check_encoding(record, text);
  }
  return kind;
}

LockRecord record_of(fuzz::Source& source) {
  LockRecord record;
  record.generation = source.number();
  record.phase = static_cast<genie::Phase>(source.below(5));
  record.owner = source.identity();
  std::string boot = source.text(40);
  for (char& c : boot) c = "0123456789abcdef"[static_cast<unsigned char>(c) % 16];
  record.origin = {genie::BootId{boot}, source.number()};
  record.lock = {source.number(), source.number()};
  record.record = {source.number(), source.signed_number()};
  record.judged = source.identity();
  record.judged_record = {source.number(), source.signed_number()};
  record.temporary = source.number();
  record.claimed_wall = Milliseconds{source.signed_number()};
  record.claimed_monotonic = Milliseconds{source.signed_number()};
  record.server = source.identity();
  record.port_name = genie::PortFileName{source.text(206)};
  record.build = genie::FixedText<63>{source.text(64)};
  record.heir = source.identity();
  record.starter = source.identity();
  record.version = genie::VersionText{source.text(32)};
  record.wanted = genie::VersionText{source.text(32)};
  record.failed = source.number();
  return record;
}

/// One record written over another one, up to somewhere.
void check_torn(const LockRecord& before, const LockRecord& now, fuzz::Source& source, std::string_view text) {
  const auto old_bytes = genie::encode_lock_record(before);
  const auto new_bytes = genie::encode_lock_record(now);
  const std::size_t at = (std::size_t{source.byte()} << 8U | source.byte()) % (genie::lock_record_size + 1);
  std::string torn{fuzz::view(new_bytes).substr(0, at)};
  torn += fuzz::view(old_bytes).substr(at);
  LockRecord seen;
  const LockRecordKind kind = genie::parse_lock_record(torn, fuzz::highest_pid, seen);
  require(kind != LockRecordKind::blank, "a torn write is not blank", text);
  require(kind != LockRecordKind::valid || seen == written(before) || seen == written(now),
          "a torn write reads as the old record, the new one, or not at all", text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  check_text(text);
  // Past the checksum, which no fuzzer guesses.
  const std::string whole = sealed(text);
  if (check_text(whole) == LockRecordKind::valid) {
    // A checksum of other bytes is none. The first one counts: the text may have brought its own.
    std::string changed = whole;
    const std::size_t at = (size == 0 ? 0U : data[0]) % (whole.find("\nchecksum ") + 1);
    changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << (size % 8)));
    LockRecord seen;
    require(genie::parse_lock_record(changed, fuzz::highest_pid, seen) != LockRecordKind::valid,
            "a flipped bit is noticed", changed);
  }
  fuzz::Source source{data, size};
  const LockRecord before = record_of(source);
  const LockRecord now = record_of(source);
  check_encoding(before, text);
  check_torn(before, now, source, text);
  return 0;
}
