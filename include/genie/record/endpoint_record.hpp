// The codec of `NAME.endpoints`: whose endpoints they are, a line for each, and a checksum.
#ifndef GENIE_RECORD_ENDPOINT_RECORD_HPP
#define GENIE_RECORD_ENDPOINT_RECORD_HPP

#include <cstddef>
#include <cstdint>

#include "genie/identity.hpp"
#include "genie/record/lock_record.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// How many endpoints one owner can have.
inline constexpr std::size_t endpoint_capacity = 8;
/// What an endpoint is called; see `is_endpoint_name`.
using EndpointName = FixedText<31>;
/// A text, or the path of a socket, whose length the platform limits further.
using EndpointText = FixedText<255>;

/// How an endpoint is reached.
enum class EndpointKind : std::uint8_t {
  tcp,          ///< a port
  unix_socket,  ///< a path; one that is relative is relative to the state directory
  text,         ///< whatever the owner's clients understand
};

[[nodiscard]] constexpr const char* to_string(EndpointKind kind) noexcept {
  switch (kind) {
    case EndpointKind::tcp: return "tcp";
    case EndpointKind::unix_socket: return "unix";
    case EndpointKind::text: return "text";
  }
  return "?";
}

/// A socket's file as it was when it was published: its path alone may name a later one.
struct SocketStamp {
  FileIdentity id;
  std::int64_t modified_ns = 0;

  friend constexpr bool operator==(const SocketStamp&, const SocketStamp&) noexcept = default;
};

/// One endpoint as it stands in `NAME.endpoints`.
struct PublishedEndpoint {
  EndpointName name;
  EndpointKind kind = EndpointKind::tcp;
  std::uint16_t port = 0;  ///< `tcp`
  EndpointText value;      ///< `unix_socket`: the path as it was published; `text`
  SocketStamp socket;      ///< `unix_socket`

  friend constexpr bool operator==(const PublishedEndpoint&, const PublishedEndpoint&) noexcept = default;
};

/// `NAME.endpoints`: all that an owner has published, and who that is.
struct EndpointRecord {
  ProcessIdentity owner;
  std::uint64_t generation = 0;  ///< of the claim under which they were published
  FileIdentity lock;             ///< the lock file of that claim
  PublishedEndpoint endpoints[endpoint_capacity];
  std::size_t count = 0;

  friend constexpr bool operator==(const EndpointRecord& left, const EndpointRecord& right) noexcept {
    if (left.owner != right.owner || left.generation != right.generation || left.lock != right.lock) return false;
    if (left.count != right.count) return false;
    for (std::size_t at = 0; at < left.count; ++at) {
      if (left.endpoints[at] != right.endpoints[at]) return false;
    }
    return true;
  }
};

/// No file is longer: room for eight of the longest endpoints, and some for what a later genie may add.
inline constexpr std::size_t endpoint_record_capacity = 4096;
/// The file as it is written.
using EndpointRecordBytes = FixedText<endpoint_record_capacity>;

/// 1 to 31 characters of `a-z`, `0-9`, `_` and `-`.
[[nodiscard]] constexpr bool is_endpoint_name(Text name) noexcept {
  if (name.empty() || name.size() > EndpointName::capacity()) return false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!plain) return false;
  }
  return true;
}

/// Whether `text` has no control characters, which would end our line or deceive whoever prints it.
[[nodiscard]] constexpr bool is_printable(Text text) noexcept {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') return false;
  }
  return true;
}

/// Requires: usable names and printable texts.
[[nodiscard]] inline EndpointRecordBytes encode_endpoint_record(const EndpointRecord& record) noexcept {
  EndpointRecordBytes bytes;
  const auto append_file = [&bytes](const FileIdentity& id) noexcept {
    bytes.append_number(id.device).append(':').append_number(id.inode);
  };
  bytes.append("genie-endpoints 1\nowner ");
  append_identity(bytes, record.owner);
  bytes.append("\ngeneration ").append_number(record.generation).append("\nlock ");
  append_file(record.lock);
  bytes.append('\n');
  for (std::size_t at = 0; at < record.count; ++at) {
    const PublishedEndpoint& endpoint = record.endpoints[at];
    bytes.append(endpoint.name).append(' ').append(to_string(endpoint.kind)).append(' ');
    if (endpoint.kind == EndpointKind::tcp) {
      bytes.append_number(endpoint.port);
    } else {
      bytes.append(endpoint.value);
    }
    bytes.append('\n');
    if (endpoint.kind != EndpointKind::unix_socket) continue;
    bytes.append(endpoint.name).append(" stamp ");
    append_file(endpoint.socket.id);
    bytes.append('@');
    bytes.append_number(endpoint.socket.modified_ns < 0 ? 0 : static_cast<std::uint64_t>(endpoint.socket.modified_ns));
    bytes.append('\n');
  }
  const std::uint64_t sum = record_detail::checksum(bytes);
  bytes.append("checksum ").append_hex(sum).append('\n');
  return bytes;
}

namespace record_detail {

[[nodiscard]] inline bool parse_file(Text text, FileIdentity& id) noexcept {
  return parse_number(take_field(text, ':'), id.device) && parse_number(text, id.inode);
}

/// Takes the next line, which must be `key value`. Returns: the value; empty where it is another line.
[[nodiscard]] constexpr Text take_value(Text& rest, Text key) noexcept {
  Text line = take_line(rest);
  return take_field(line, ' ') == key ? line : Text{};
}

/// Reads what follows name and kind. Returns: whether it is one of that kind.
[[nodiscard]] inline bool parse_endpoint_value(Text value, PublishedEndpoint& endpoint) noexcept {
  if (endpoint.kind == EndpointKind::tcp) {
    std::uint64_t port = 0;
    if (!parse_decimal(value, UINT16_MAX, port) || port == 0) return false;
    endpoint.port = static_cast<std::uint16_t>(port);
    return true;
  }
  if (value.size() > EndpointText::capacity() || !is_printable(value)) return false;
  endpoint.value = EndpointText{value};
  return endpoint.kind == EndpointKind::text || !value.empty();
}

}  // namespace record_detail

/// Total: any bytes give a verdict. Kinds of endpoints that it does not know are passed over, so that a later genie may
/// add some.
/// Returns: whether they are a whole record; `record` means something only then.
[[nodiscard]] GENIE_COMPACT inline bool parse_endpoint_record(Text bytes, Pid pid_limit,
                                                              EndpointRecord& record) noexcept {
  using namespace record_detail;
  record = EndpointRecord{};
  if (bytes.size() > endpoint_record_capacity) return false;
  Text rest = bytes;
  if (take_line(rest) != Text{"genie-endpoints 1"}) return false;
  if (!parse_identity(take_value(rest, "owner"), pid_limit, record.owner) || record.owner.pid == 0) return false;
  if (!parse_number(take_value(rest, "generation"), record.generation)) return false;
  if (!parse_file(take_value(rest, "lock"), record.lock)) return false;
  PublishedEndpoint* unstamped = nullptr;
  while (!rest.empty()) {
    const std::size_t line_at = bytes.size() - rest.size();
    Text line = take_line(rest);
    const Text name = take_field(line, ' ');
    if (unstamped != nullptr) {
      if (name != Text{unstamped->name} || take_field(line, ' ') != Text{"stamp"}) return false;
      if (!parse_file(take_field(line, '@'), unstamped->socket.id)) return false;
      if (!parse_time(line, unstamped->socket.modified_ns)) return false;
      unstamped = nullptr;
      continue;
    }
    // An endpoint may have that name, but its line has one more space.
    if (name == Text{"checksum"} && line.find(' ') == line.size()) {
      FixedText<16> expected;
      expected.append_hex(checksum(bytes.first(line_at)));
      return line == Text{expected} && rest.empty();
    }
    const Text kind = take_field(line, ' ');
    PublishedEndpoint endpoint;
    bool known = false;
    constexpr EndpointKind kinds[] = {EndpointKind::tcp, EndpointKind::unix_socket, EndpointKind::text};
    for (const EndpointKind candidate : kinds) {
      if (kind != Text{to_string(candidate)}) continue;
      endpoint.kind = candidate;
      known = true;
    }
    if (!known) continue;
    if (record.count == endpoint_capacity || !is_endpoint_name(name)) return false;
    endpoint.name = EndpointName{name};
    for (std::size_t at = 0; at < record.count; ++at) {
      if (record.endpoints[at].name == endpoint.name) return false;
    }
    if (!parse_endpoint_value(line, endpoint)) return false;
    PublishedEndpoint& added = record.endpoints[record.count++];
    added = endpoint;
    if (added.kind == EndpointKind::unix_socket) unstamped = &added;
  }
  return false;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_ENDPOINT_RECORD_HPP
