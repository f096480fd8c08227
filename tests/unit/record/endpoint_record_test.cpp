// `NAME.endpoints`, as we write it, as a later genie might, and as accidents leave it.
#include <genie/serve_guard.hpp>

#include <genie/record/endpoint_record.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::endpoint_record_test {

using genie::encode_endpoint_record;
using genie::EndpointKind;
using genie::EndpointName;
using genie::EndpointRecord;
using genie::EndpointText;
using genie::known_start;
using genie::parse_endpoint_record;
using genie::Pid;
using genie::PublishedEndpoint;
using unit_tests::string;

namespace {

constexpr Pid limit = INT32_MAX;

PublishedEndpoint tcp(const std::string& name, std::uint16_t port) {
  return {EndpointName{name}, EndpointKind::tcp, port, {}, {}};
}
PublishedEndpoint socket(const std::string& name, const std::string& path, const genie::SocketStamp& stamp) {
  return {EndpointName{name}, EndpointKind::unix_socket, 0, EndpointText{path}, stamp};
}
PublishedEndpoint text(const std::string& name, const std::string& value) {
  return {EndpointName{name}, EndpointKind::text, 0, EndpointText{value}, {}};
}

EndpointRecord record_of(const std::vector<PublishedEndpoint>& endpoints) {
  EndpointRecord record;
  record.owner = {4711, known_start(991)};
  record.generation = 7;
  record.lock = {2049, 131};
  for (const PublishedEndpoint& endpoint : endpoints) record.endpoints[record.count++] = endpoint;
  return record;
}
EndpointRecord sample() {
  return record_of({tcp("http", 8080), socket("admin", "run/admin.sock", {{2049, 17}, 1'700'000'000'123'456'789}),
                    text("url", "https://localhost:8443/ä b")});
}

/// Eight of the longest names, paths and texts, with the largest numbers.
EndpointRecord largest() {
  std::vector<PublishedEndpoint> endpoints;
  for (char c = '0'; c < '8'; ++c) {
    const std::string name = std::string(30, '-') + c;
    if (c == '0') endpoints.push_back(text(name, std::string(255, '~')));
    if (c == '1') endpoints.push_back(tcp(name, 65535));
    if (c > '1') endpoints.push_back(socket(name, std::string(255, 'x'), {{UINT64_MAX, UINT64_MAX}, INT64_MAX}));
  }
  EndpointRecord record = record_of(endpoints);
  record.owner = {INT64_MAX, known_start(UINT64_MAX)};
  record.generation = UINT64_MAX;
  record.lock = {UINT64_MAX, UINT64_MAX};
  return record;
}

const std::string head = "genie-endpoints 1\nowner 4711:991\ngeneration 7\nlock 2049:131\n";

/// With the checksum that it needs.
std::string sealed(const std::string& content) {
  genie::FixedText<16> sum;
  sum.append_hex(genie::record_detail::checksum(content));
  return content + "checksum " + sum.c_str() + "\n";
}
bool is_whole(const std::string& bytes, Pid pid_limit = limit) {
  EndpointRecord record;
  return parse_endpoint_record(bytes, pid_limit, record);
}
EndpointRecord parsed(const std::string& bytes) {
  EndpointRecord record;
  CHECK(parse_endpoint_record(bytes, limit, record));
  return record;
}

}  // namespace

TEST_CASE("published endpoints are lines that a shell can read, and read back", "[endpoint_record]") {
  CHECK(string(encode_endpoint_record(sample())) == sealed(head + "http tcp 8080\n"
                                                                  "admin unix run/admin.sock\n"
                                                                  "admin stamp 2049:17@1700000000123456789\n"
                                                                  "url text https://localhost:8443/ä b\n"));
  CHECK(parsed(string(encode_endpoint_record(sample()))) == sample());
  CHECK(parsed(sealed(head)) == record_of({}));

  const auto bytes = encode_endpoint_record(largest());
  CHECK_FALSE(bytes.overflowed());
  EndpointRecord record;
  CHECK(parse_endpoint_record(bytes, INT64_MAX, record));
  CHECK(record == largest());
}

TEST_CASE("eight of the longest endpoints of any kind fit, whatever the platform's paths", "[endpoint_record]") {
  for (const EndpointKind kind : {EndpointKind::tcp, EndpointKind::unix_socket, EndpointKind::text}) {
    EndpointRecord record = largest();
    for (PublishedEndpoint& endpoint : record.endpoints) {
      endpoint = {
          endpoint.name, kind, 65535, EndpointText{std::string(255, 'x')}, {{UINT64_MAX, UINT64_MAX}, INT64_MAX}};
    }
    CHECK_FALSE(encode_endpoint_record(record).overflowed());
  }
}

TEST_CASE("an owner of unknown start, a time before the epoch and an empty text can be written", "[endpoint_record]") {
  EndpointRecord record = record_of({text("empty", ""), socket("s", "/s", {{1, 2}, -5})});
  record.owner.start = {};
  EndpointRecord read = parsed(string(encode_endpoint_record(record)));
  CHECK(read.endpoints[1].socket.modified_ns == 0);
  read.endpoints[1].socket.modified_ns = -5;
  CHECK(read == record);
}

TEST_CASE("an endpoint may be called as any line is", "[endpoint_record]") {
  const EndpointRecord record = record_of({tcp("checksum", 1), text("owner", "4711:991"), text("generation", ""),
                                           socket("lock", "stamp", {{1, 2}, 3}), text("stamp", "stamp 1:2@3")});
  CHECK(parsed(string(encode_endpoint_record(record))) == record);
}

TEST_CASE("kinds of a later genie are passed over", "[endpoint_record]") {
  CHECK(parsed(sealed(head + "http tcp 8080\nbus dbus org.example\n\nqueue pipe x y\n")) ==
        record_of({tcp("http", 8080)}));
}

TEST_CASE("two records are the same if all that counts in them is", "[endpoint_record]") {
  CHECK(sample() == sample());
  EndpointRecord other = sample();
  other.endpoints[5] = tcp("unused", 1);
  CHECK(other == sample());
  const auto differs = [](const auto& change) {
    EndpointRecord changed = sample();
    change(changed);
    return changed != sample();
  };
  CHECK(differs([](EndpointRecord& record) { record.owner.pid = 1; }));
  CHECK(differs([](EndpointRecord& record) { ++record.generation; }));
  CHECK(differs([](EndpointRecord& record) { ++record.lock.device; }));
  CHECK(differs([](EndpointRecord& record) { --record.count; }));
  CHECK(differs([](EndpointRecord& record) { record.endpoints[0].port = 1; }));
  CHECK(differs([](EndpointRecord& record) { record.endpoints[1].socket.modified_ns = 1; }));
  CHECK(differs([](EndpointRecord& record) { record.endpoints[2].value = EndpointText{"other"}; }));
}

TEST_CASE("names are 1 to 31 plain characters", "[endpoint_record]") {
  for (const char* const name : {"a", "http", "0", "_", "-", "admin_socket-2", "1234567890123456789012345678901"}) {
    CAPTURE(name);
    CHECK(genie::is_endpoint_name(name));
  }
  for (const char* const name :
       {"", "Http", "a b", "a.b", "a/b", "ä", "a\n", "12345678901234567890123456789012", "{", "`", ":"}) {
    CAPTURE(name);
    CHECK_FALSE(genie::is_endpoint_name(name));
  }
}

TEST_CASE("control characters are not printable, all else is", "[endpoint_record]") {
  for (int c = 0; c < 256; ++c) {
    CAPTURE(c);
    const std::string one(1, static_cast<char>(c));
    CHECK(genie::is_printable("x" + one + "x") == (c >= 0x20 && c != 0x7f));
  }
  CHECK(genie::is_printable(""));
}

TEST_CASE("every kind is called as the file has it", "[endpoint_record]") {
  CHECK(to_string(EndpointKind::tcp) == std::string{"tcp"});
  CHECK(to_string(EndpointKind::unix_socket) == std::string{"unix"});
  CHECK(to_string(EndpointKind::text) == std::string{"text"});
  CHECK(to_string(static_cast<EndpointKind>(9)) == std::string{"?"});
}

TEST_CASE("whatever is not as it was written is no record", "[endpoint_record]") {
  CHECK(is_whole(sealed(head)));
  CHECK(is_whole(sealed(head), 4711));
  CHECK_FALSE(is_whole(sealed(head), 4710));
  const std::string broken[] = {
      "",
      "\n",
      "genie-endpoints 2\nowner 4711:991\ngeneration 7\nlock 2049:131\n",
      "genie-endpoints 1\n",
      "genie-endpoints 1\nowner 4711\ngeneration 7\nlock 2049:131\n",
      "genie-endpoints 1\nowner 0:unknown\ngeneration 7\nlock 2049:131\n",
      "genie-endpoints 1\nOwner 4711:991\ngeneration 7\nlock 2049:131\n",
      "genie-endpoints 1\ngeneration 7\nowner 4711:991\nlock 2049:131\n",
      "genie-endpoints 1\nowner 4711:991\ngeneration -7\nlock 2049:131\n",
      "genie-endpoints 1\nowner 4711:991\ngeneration 7\nlock 2049\n",
      "genie-endpoints 1\nowner 4711:991\ngeneration 7\nlock :131\n",
      "genie-endpoints 1\nowner 4711:991\ngeneration 7\nlock 2049:131:1\n",
      head + "http tcp 0\n",
      head + "http tcp 65536\n",
      head + "http tcp\n",
      head + "http tcp eighty\n",
      head + "Http tcp 80\n",
      head + " tcp 80\n",
      head + "a tcp 80\na text b\n",
      head + "a text b\a\n",
      head + "a text " + std::string(256, 'x') + "\n",
      head + "a unix /a\n",
      head + "a unix /a\nb tcp 80\n",
      head + "a unix /a\nb stamp 1:2@3\n",
      head + "a unix /a\na stamp 1@3\n",
      head + "a unix /a\na stamp 1:2\n",
      head + "a unix /a\na stamp 1:2@-3\n",
      head + "a unix \na stamp 1:2@3\n",
      head + "a unix /a\x7f\na stamp 1:2@3\n",
      head + "a unix " + std::string(256, 'x') + "\na stamp 1:2@3\n",
      head + "1 tcp 1\n2 tcp 1\n3 tcp 1\n4 tcp 1\n5 tcp 1\n6 tcp 1\n7 tcp 1\n8 tcp 1\n9 tcp 1\n",
      head + std::string(genie::endpoint_record_capacity, '\n'),
  };
  for (const std::string& content : broken) {
    CAPTURE(content);
    CHECK_FALSE(is_whole(sealed(content)));
    CHECK_FALSE(is_whole(content));
  }
  CHECK_FALSE(is_whole(sealed(head) + "\n"));
  CHECK_FALSE(is_whole(head + "checksum 0123456789abcdef\n"));
  CHECK_FALSE(is_whole(head + "checksum\n"));
}

TEST_CASE("endpoints cut or changed anywhere are no record", "[endpoint_record]") {
  const std::string whole = string(encode_endpoint_record(sample()));
  CHECK(is_whole(whole.substr(0, whole.size() - 1)));  // the last line feed says nothing
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(is_whole(whole.substr(0, size)));
    std::string changed = whole;
    changed[size] = static_cast<char>(changed[size] ^ 1);
    CHECK_FALSE(is_whole(changed));
  }
}

TEST_CASE("mutated endpoints never crash the reader, and what is whole reads back", "[endpoint_record]") {
  unit_tests::Noise noise{7};
  const std::vector<std::string> seeds{head, head + "http tcp 8080\nadmin unix a\nadmin stamp 1:2@3\nurl text x\n",
                                       head + "checksum tcp 1\n\nx y z\n"};
  const auto check = [](const std::string& bytes) {
    EndpointRecord record;
    if (!parse_endpoint_record(bytes, limit, record)) return;
    EndpointRecord again;
    const bool reads_back = parse_endpoint_record(encode_endpoint_record(record), limit, again) && again == record;
    if (!reads_back || record.owner.pid <= 0 || record.owner.pid > limit) FAIL(bytes);
  };
  unit_tests::each_text(unit_tests::every_byte(), 2, check);
  for (int round = 0; round < 100'000; ++round) {
    const std::string mutated = noise.mutated(seeds, "0123456789: \nabcxtpniu@-");
    check(mutated);
    check(sealed(mutated));
  }
}

}  // namespace tests::endpoint_record_test
