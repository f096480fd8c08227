// Fuzzes the codec of `PORTNAME.port`: a port is never another one than an older program would dial, and only a
// complete owner vouches for it.
#include <genie/record/port_record.hpp>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using genie::PortRecord;
using genie::PortRecordKind;

bool same(const PortRecord& left, const PortRecord& right) {
  return left.kind == right.kind && left.port == right.port && left.owner == right.owner &&
         left.generation == right.generation && left.lock == right.lock;
}

struct Expected {
  PortRecordKind kind = PortRecordKind::garbage;
  std::uint64_t port = 0;
  genie::ProcessIdentity owner;
  std::uint64_t generation = 0;
  genie::FileIdentity lock;
};

/// Of several lines with one key the last one counts.
Expected expected_of(std::string_view text, genie::Pid limit) {
  Expected expected;
  const auto port = fuzz::number_of(fuzz::stripped(fuzz::cut(text, '\n')), UINT16_MAX);
  if (!port || *port == 0) return expected;
  expected.port = *port;
  std::optional<genie::ProcessIdentity> owner;
  std::optional<std::uint64_t> generation;
  std::optional<std::uint64_t> device;
  std::optional<std::uint64_t> inode;
  while (!text.empty()) {
    std::string_view value = fuzz::cut(text, '\n');
    const std::string_view key = fuzz::cut(value, ' ');
    if (key == "owner") owner = fuzz::identity_of(value, limit);
    if (key == "generation") generation = fuzz::number_of(value, UINT64_MAX);
    if (key == "lock") {
      device = fuzz::number_of(fuzz::cut(value, ':'), UINT64_MAX);
      inode = fuzz::number_of(value, UINT64_MAX);
    }
  }
  const bool owned = owner && owner->pid != 0 && generation && device && inode;
  expected.kind = owned ? PortRecordKind::owned : PortRecordKind::bare;
  if (owned) {
    expected.owner = *owner;
    expected.generation = *generation;
    expected.lock = {*device, *inode};
  }
  return expected;
}

void check_text(std::string_view text) {
  for (const genie::Pid limit : fuzz::pid_limits) {
    const PortRecord record = genie::parse_port_record(text, limit);
    const Expected expected = expected_of(text, limit);
    require(record.kind == expected.kind, "the kind is as documented", text);
    require(record.port == expected.port, "the port is as documented", text);
    if (record.kind == PortRecordKind::garbage) continue;
    require(fuzz::number_of(fuzz::digits_as_older_programs_read(text), UINT64_MAX) == record.port,
            "an older reader's port is ours", text);
    if (record.kind != PortRecordKind::owned) continue;
    require(record.owner.pid >= 1 && record.owner.pid <= limit, "an owner's PID is from 1 to its limit", text);
    require(record.owner == expected.owner && record.generation == expected.generation && record.lock == expected.lock,
            "the owner is as documented", text);
    const auto bytes = genie::encode_port_record(record);
    require(!bytes.overflowed(), "a record that was read can be written", text);
    require(same(genie::parse_port_record(bytes, limit), record), "read again it is the same record", text);
  }
}

void check_value(fuzz::Source source) {
  PortRecord record;
  record.kind = PortRecordKind::owned;
  record.port = static_cast<std::uint16_t>(source.number());
  record.owner = source.identity();
  record.generation = source.number();
  record.lock = {source.number(), source.number()};
  const auto bytes = genie::encode_port_record(record);
  require(!bytes.overflowed(), "every record fits", fuzz::view(bytes));
  const PortRecord whole = genie::parse_port_record(bytes, fuzz::highest_pid);
  if (record.port == 0) {
    require(whole.kind == PortRecordKind::garbage, "port 0 is none", fuzz::view(bytes));
  } else if (record.owner.pid == 0) {
    require(whole.kind == PortRecordKind::bare && whole.port == record.port, "nobody vouches for nothing",
            fuzz::view(bytes));
  } else {
    require(same(whole, record), "a record reads back", fuzz::view(bytes));
  }
  const genie::Text head = genie::Text{bytes}.first(source.below(bytes.size() + 1));
  const PortRecord cut = genie::parse_port_record(head, fuzz::highest_pid);
  require(cut.kind != PortRecordKind::owned || (cut.port == record.port && cut.owner == record.owner),
          "cut anywhere it names no other owner", fuzz::view(bytes));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_text(fuzz::input(data, size));
  check_value({data, size});
  return 0;
}
