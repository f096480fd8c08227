// The codec of `PORTNAME.port`: the port on the first line, and below it whose port it is.
#ifndef GENIE_RECORD_PORT_RECORD_HPP
#define GENIE_RECORD_PORT_RECORD_HPP

#include <cstdint>

#include "genie/identity.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// What a port file says.
enum class PortRecordKind : std::uint8_t {
  owned,    ///< names its publisher
  bare,     ///< only a number, as older writers leave it: nobody vouches for it
  garbage,  ///< no port at all
};

/// `PORTNAME.port`: a port and who published it.
struct PortRecord {
  PortRecordKind kind = PortRecordKind::garbage;
  std::uint16_t port = 0;
  ProcessIdentity owner;
  std::uint64_t generation = 0;  ///< of the claim under which it was published
  FileIdentity lock;             ///< the lock file of that claim
};

/// The file as it is written.
using PortRecordBytes = FixedText<255>;

/// Returns: the port on the first line, which is all that older readers look at, and its publisher below.
[[nodiscard]] inline PortRecordBytes encode_port_record(const PortRecord& record) noexcept {
  PortRecordBytes bytes;
  bytes.append_number(record.port).append("\nowner ");
  append_identity(bytes, record.owner);
  bytes.append("\ngeneration ").append_number(record.generation).append("\nlock ");
  bytes.append_number(record.lock.device).append(':').append_number(record.lock.inode).append('\n');
  return bytes;
}

/// Total. A port of 0 or above 65535 is garbage; an incomplete owner makes it bare.
[[nodiscard]] GENIE_COMPACT inline PortRecord parse_port_record(Text bytes, Pid pid_limit) noexcept {
  PortRecord record;
  Text rest = bytes;
  std::uint64_t port = 0;
  if (!parse_decimal(trimmed(take_line(rest)), UINT16_MAX, port) || port == 0) return record;
  record.kind = PortRecordKind::bare;
  record.port = static_cast<std::uint16_t>(port);
  bool owner = false;
  bool generation = false;
  bool lock = false;
  while (!rest.empty()) {
    Text line = take_line(rest);
    const Text key = take_field(line, ' ');
    if (key == Text{"owner"}) {
      owner = parse_identity(line, pid_limit, record.owner) && record.owner.pid != 0;
    } else if (key == Text{"generation"}) {
      generation = parse_decimal(line, UINT64_MAX, record.generation);
    } else if (key == Text{"lock"}) {
      lock = parse_decimal(take_field(line, ':'), UINT64_MAX, record.lock.device) &&
             parse_decimal(line, UINT64_MAX, record.lock.inode);
    }
  }
  if (owner && generation && lock) record.kind = PortRecordKind::owned;
  return record;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_PORT_RECORD_HPP
