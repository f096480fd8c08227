// Fuzzes the codec of `NAME.pid`: whatever the file contains, it names a process only as the format says, and no other
// than the one that an older program would read there.
#include <genie/record/pid_record.hpp>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using genie::PidRecordKind;

/// What the header's comments promise, written down once more.
PidRecordKind expected_kind(std::string_view text, genie::Pid limit) {
  const std::string_view record = fuzz::stripped(text);
  if (record.empty()) return PidRecordKind::empty;
  if (text.size() > genie::pid_record_capacity) return PidRecordKind::garbage;
  if (record.find(':') != std::string_view::npos) {
    const auto identity = record == "0:unknown" ? std::nullopt : fuzz::identity_of(record, limit);
    if (!identity) return PidRecordKind::garbage;
    return identity->start.known ? PidRecordKind::known_start : PidRecordKind::unknown_start;
  }
  const auto pid = fuzz::number_of(record, static_cast<std::uint64_t>(limit));
  return pid && *pid != 0 && fuzz::is_canonical(record) ? PidRecordKind::legacy : PidRecordKind::garbage;
}

void check_older_reader(std::string_view text, const genie::PidRecord& record) {
  std::string_view rest = fuzz::stripped(text);
  const std::string_view pid = fuzz::cut(rest, ':');
  require(fuzz::digits_as_older_programs_read(pid) == std::to_string(record.owner.pid), "an older reader's PID is ours",
          text);
  if (record.kind == PidRecordKind::legacy) return;
  const std::string start = record.owner.start.known ? std::to_string(record.owner.start.value) : "unknown";
  require(fuzz::cut(rest, ':') == start, "an older reader's START is ours, as text", text);
}

void check_text(std::string_view text) {
  for (const genie::Pid limit : fuzz::pid_limits) {
    const genie::PidRecord record = genie::parse_pid_record(text, limit);
    require(record.kind == expected_kind(text, limit), "the kind is as documented", text);
    if (record.kind == PidRecordKind::empty || record.kind == PidRecordKind::garbage) {
      require(record.owner == genie::ProcessIdentity{}, "what is no record names nobody", text);
      continue;
    }
    require(record.owner.pid >= 1 && record.owner.pid <= limit, "a PID is from 1 to its limit", text);
    require(record.owner.start.known == (record.kind == PidRecordKind::known_start), "kind and start agree", text);
    check_older_reader(text, record);
    const auto bytes = genie::encode_pid_record(record.owner);
    require(!bytes.overflowed(), "a record that was read can be written", text);
    if (record.kind == PidRecordKind::legacy) continue;
    require(fuzz::view(bytes) == fuzz::stripped(text), "written again it is the same text", text);
    const genie::PidRecord again = genie::parse_pid_record(bytes, limit);
    require(again.kind == record.kind && again.owner == record.owner, "read again it is the same record", text);
  }
}

void check_identity(std::string_view text) {
  constexpr genie::ProcessIdentity before{77, genie::known_start(78)};
  for (const genie::Pid limit : fuzz::pid_limits) {
    genie::ProcessIdentity identity = before;
    const bool good = genie::parse_identity(text, limit, identity);
    const auto expected = fuzz::identity_of(text, limit);
    require(good == expected.has_value(), "an identity is PID:START, PID:unknown or 0:unknown", text);
    require(identity == expected.value_or(before), "an identity is what it says, and is untouched where it is none",
            text);
  }
}

void check_value(fuzz::Source source) {
  const genie::ProcessIdentity owner = source.identity();
  const auto bytes = genie::encode_pid_record(owner);
  require(!bytes.overflowed() && bytes.size() <= genie::pid_record_capacity, "every identity fits", fuzz::view(bytes));
  require(fuzz::view(bytes).find_first_of(fuzz::white_space) == std::string_view::npos,
          "a record is PID:START and nothing else", fuzz::view(bytes));
  const genie::PidRecord record = genie::parse_pid_record(bytes, fuzz::highest_pid);
  const bool nobody = owner.pid == 0;
  require(nobody ? record.kind == PidRecordKind::garbage : record.owner == owner,
          "an owner reads back, nobody does not", fuzz::view(bytes));
  genie::ProcessIdentity again;
  require(genie::parse_identity(bytes, fuzz::highest_pid, again) && again == owner, "an identity reads back",
          fuzz::view(bytes));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  check_text(text);
  check_identity(text);
  check_value({data, size});
  return 0;
}
