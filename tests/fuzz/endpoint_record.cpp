// Fuzzes the codec of `NAME.endpoints`: only what was written whole is read, and it is read as it was written.
#include <genie/record/endpoint_record.hpp>

#include <vector>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using genie::EndpointKind;
using genie::EndpointRecord;
using genie::PublishedEndpoint;

constexpr std::size_t longest_file = 4096;
constexpr std::size_t longest_value = 255;

/// What a checksum line must say.
std::string sum_of(std::string_view content) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

struct Model {
  std::string name;
  std::string kind;
  std::string value;
  std::optional<genie::SocketStamp> stamp;
};
struct Expected {
  genie::ProcessIdentity owner;
  std::uint64_t generation = 0;
  genie::FileIdentity lock;
  std::vector<Model> endpoints;
};

/// The rest of a line that begins with that word.
std::optional<std::string_view> after(std::string_view line, std::string_view word) {
  if (line.substr(0, line.find(' ')) != word) return std::nullopt;
  return line.size() > word.size() ? line.substr(word.size() + 1) : std::string_view{};
}
std::optional<genie::FileIdentity> file_of(std::string_view text) {
  const auto device = fuzz::number_of(fuzz::cut(text, ':'), UINT64_MAX);
  const auto inode = fuzz::number_of(text, UINT64_MAX);
  if (!device || !inode) return std::nullopt;
  return genie::FileIdentity{*device, *inode};
}
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 31 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}
bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return text.size() <= longest_value;
}
bool add(std::string_view name, std::string_view kind, std::string_view value, std::vector<Model>& to) {
  if (kind != "tcp" && kind != "unix" && kind != "text") return true;
  if (!is_name(name) || to.size() == 8) return false;
  for (const Model& other : to) {
    if (other.name == name) return false;
  }
  if (kind == "tcp") {
    const auto port = fuzz::number_of(value, UINT16_MAX);
    if (!port || *port == 0) return false;
  } else if (!is_plain(value) || (kind == "unix" && value.empty())) {
    return false;
  }
  to.push_back({std::string{name}, std::string{kind}, std::string{value}, std::nullopt});
  return true;
}

std::optional<Expected> expected_of(std::string_view text, genie::Pid limit) {
  const std::string_view whole = text;
  if (text.size() > longest_file || fuzz::cut(text, '\n') != "genie-endpoints 1") return std::nullopt;
  const auto owner = after(fuzz::cut(text, '\n'), "owner");
  const auto generation = after(fuzz::cut(text, '\n'), "generation");
  const auto lock = after(fuzz::cut(text, '\n'), "lock");
  if (!owner || !generation || !lock) return std::nullopt;
  const auto identity = fuzz::identity_of(*owner, limit);
  const auto number = fuzz::number_of(*generation, UINT64_MAX);
  const auto file = file_of(*lock);
  if (!identity || identity->pid == 0 || !number || !file) return std::nullopt;
  Expected expected{*identity, *number, *file, {}};
  while (!text.empty()) {
    const std::size_t line_at = whole.size() - text.size();
    std::string_view line = fuzz::cut(text, '\n');
    const bool awaits_stamp =
        !expected.endpoints.empty() && expected.endpoints.back().kind == "unix" && !expected.endpoints.back().stamp;
    const bool is_short = line.find(' ') == line.rfind(' ');
    if (!awaits_stamp && is_short && after(line, "checksum")) {
      if (*after(line, "checksum") == sum_of(whole.substr(0, line_at)) && text.empty()) return expected;
      return std::nullopt;
    }
    const std::string_view name = fuzz::cut(line, ' ');
    const std::string_view kind = fuzz::cut(line, ' ');
    if (!awaits_stamp) {
      if (!add(name, kind, line, expected.endpoints)) return std::nullopt;
      continue;
    }
    const auto id = file_of(fuzz::cut(line, '@'));
    const auto changed = fuzz::number_of(line, INT64_MAX);
    if (name != expected.endpoints.back().name || kind != "stamp" || !id || !changed) return std::nullopt;
    expected.endpoints.back().stamp = genie::SocketStamp{*id, static_cast<std::int64_t>(*changed)};
  }
  return std::nullopt;
}

bool same(const PublishedEndpoint& endpoint, const Model& model) {
  if (fuzz::view(endpoint.name) != model.name || genie::to_string(endpoint.kind) != model.kind) return false;
  if (endpoint.kind == EndpointKind::tcp) return fuzz::number_of(model.value, UINT16_MAX) == endpoint.port;
  if (fuzz::view(endpoint.value) != model.value) return false;
  return endpoint.kind == EndpointKind::text || endpoint.socket == model.stamp;
}

void check_text(std::string_view text) {
  for (const genie::Pid limit : fuzz::pid_limits) {
    EndpointRecord record;
    const bool is_whole = genie::parse_endpoint_record(text, limit, record);
    const auto expected = expected_of(text, limit);
    require(is_whole == expected.has_value(), "only a whole record is read", text);
    if (!is_whole) continue;
    require(record.owner.pid >= 1 && record.owner.pid <= limit, "an owner's PID is from 1 to its limit", text);
    require(record.owner == expected->owner && record.generation == expected->generation &&
                record.lock == expected->lock && record.count == expected->endpoints.size(),
            "the owner is as documented", text);
    for (std::size_t at = 0; at < record.count; ++at) {
      require(same(record.endpoints[at], expected->endpoints[at]), "endpoints are as documented", text);
    }
    const auto bytes = genie::encode_endpoint_record(record);
    EndpointRecord again;
    require(!bytes.overflowed(), "a record that was read can be written", text);
    require(genie::parse_endpoint_record(bytes, limit, again) && again == record, "read again it is the same record",
            text);
  }
}

/// A checksum is not found by trying: the same text with the one that it needs.
void check_sealed(std::string_view text) {
  const std::string content{text};
  check_text(content + "checksum " + sum_of(content) + "\n");
  const std::string body = "genie-endpoints 1\nowner 4711:991\ngeneration 7\nlock 2049:131\n" + content;
  check_text(body + "checksum " + sum_of(body) + "\n");
}

std::string made_of(std::string text, std::string_view allowed) {
  for (char& c : text) c = allowed[static_cast<unsigned char>(c) % allowed.size()];
  return text;
}

void check_value(fuzz::Source source) {
  EndpointRecord record;
  record.owner = source.identity();
  record.generation = source.number();
  record.lock = {source.number(), source.number()};
  for (std::size_t count = source.below(9); record.count < count; ++record.count) {
    PublishedEndpoint& endpoint = record.endpoints[record.count];
    const std::string name = made_of(source.text(30), "abcxyz019_-") + static_cast<char>('0' + record.count);
    endpoint.name = genie::EndpointName{name};
    endpoint.kind = static_cast<EndpointKind>(source.below(3));
    const auto port = static_cast<std::uint16_t>(source.number());
    std::string value = made_of(source.text(longest_value), " /:=@.ax\xc3\xa4~");
    if (endpoint.kind == EndpointKind::tcp) {
      endpoint.port = port == 0 ? std::uint16_t{1} : port;
      continue;
    }
    if (value.empty() && endpoint.kind == EndpointKind::unix_socket) value = "/";
    endpoint.value = genie::EndpointText{value};
    if (endpoint.kind == EndpointKind::text) continue;
    endpoint.socket = {{source.number(), source.number()}, source.signed_number() & INT64_MAX};
  }
  const auto bytes = genie::encode_endpoint_record(record);
  require(!bytes.overflowed(), "every record fits", fuzz::view(bytes));
  EndpointRecord whole;
  const bool is_read = genie::parse_endpoint_record(bytes, fuzz::highest_pid, whole);
  require(is_read == (record.owner.pid != 0), "a record of somebody is read", fuzz::view(bytes));
  require(!is_read || whole == record, "a record reads back", fuzz::view(bytes));
  const std::size_t kept = source.number() % bytes.size();
  const bool is_cut = !genie::parse_endpoint_record(genie::Text{bytes}.first(kept), fuzz::highest_pid, whole);
  require(is_cut || kept + 1 == bytes.size(), "cut anywhere it is none", fuzz::view(bytes));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_text(fuzz::input(data, size));
  check_sealed(fuzz::input(data, size));
  check_value({data, size});
  return 0;
}
