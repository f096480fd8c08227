// Endpoints against fakes: published together by the owner, believed only while it lives, waited for, and what a dead
// owner's sockets are to the next one.
#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

namespace tests::endpoints_test {

using namespace tests;
using genie::Endpoint;
using genie::EndpointKind;
using genie::EndpointStanding;
using genie::EndpointsView;
using genie::ErrorKind;
using genie::milliseconds;
using genie::Operation;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;

namespace {

constexpr const char* endpoints_path = "/tmp/state/serve.endpoints";
constexpr const char* socket_path = "/tmp/state/serve.sock";
constexpr const char* distant_path = "/tmp/distant.sock";

const Endpoint http[] = {Endpoint::tcp("http", 8080)};
const Endpoint sockets[] = {Endpoint::unix_socket("near-by", "serve.sock"), Endpoint::tcp("http", 8080),
                            Endpoint::unix_socket("distant", distant_path)};

/// An owner with whatever sockets it has bound.
struct Server {
  Machine& machine;
  Contender process;
  Guard guard;

  explicit Server(Machine& on, const ProcessOptions& options = {})
      : machine{on}, process{on.spawn(options)}, guard{guard_of(process)} {}
  explicit Server(Machine& on, const Contender& as) : machine{on}, process{as}, guard{guard_of(as)} {}

  void claim() { REQUIRE(guard.claim()->owned()); }
  void bind() {
    for (const char* const path : {socket_path, distant_path}) REQUIRE(process.filesystem.bind(path).ok());
  }
  void serve() {
    claim();
    bind();
    REQUIRE(guard.publish_endpoints(sockets));
  }
  void crash() {
    process.kill();
    process.reap();
  }
};

EndpointsView seen(Machine& machine) {
  const auto view = guard_of(machine.spawn()).endpoints();
  REQUIRE(view);
  return *view;
}
EndpointStanding standing(Machine& machine) { return seen(machine).standing; }

/// A claim by somebody new, who is then alone.
int claim_after(Machine& machine) {
  Guard guard = guard_of(machine.spawn());
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK_FALSE(machine.disk.exists(endpoints_path));
  CHECK(strangers(machine).size() == (machine.disk.exists(socket_path) ? 1 : 0));
  return report->leftover_error;
}

genie::EndpointRecord on_disk(const Machine& machine) {
  genie::EndpointRecord record;
  CHECK(genie::parse_endpoint_record(*machine.disk.read_file(endpoints_path), INT64_MAX, record));
  return record;
}
void write(Machine& machine, const genie::EndpointRecord& record) {
  machine.disk.write_file(endpoints_path, encode_endpoint_record(record).c_str());
}

/// As a later genie may write it: with endpoints of a kind that this one does not know, up to `size` bytes.
std::string padded(const std::string& encoded, std::size_t size) {
  constexpr std::size_t last_line = 26;
  std::string bytes = encoded.substr(0, encoded.size() - last_line) + "later kind ";
  bytes += std::string(size - last_line - bytes.size() - 1, 'x') + '\n';
  genie::FixedText<16> sum;
  sum.append_hex(genie::record_detail::checksum(genie::Text{bytes.data(), bytes.size()}));
  bytes += std::string{"checksum "} + sum.c_str() + '\n';
  REQUIRE(bytes.size() == size);
  return bytes;
}

genie::LockRecord told_by_lock(const Machine& machine) {
  genie::LockRecord record;
  CHECK(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
        genie::LockRecordKind::valid);
  return record;
}

}  // namespace

TEST_CASE("endpoints are published together, and read with their kinds and values", "[endpoints][F12]") {
  Machine machine;
  Server server{machine};
  server.claim();
  server.bind();
  const Endpoint all[] = {Endpoint::tcp("http", 8080), Endpoint::unix_socket("admin", "serve.sock"),
                          Endpoint::text("url", "http://localhost:8080/")};
  REQUIRE(server.guard.publish_endpoints(all));
  CHECK(strangers(machine) == std::vector<std::string>{"serve.sock"});
  const EndpointsView view = seen(machine);
  CHECK(view.standing == EndpointStanding::live);
  CHECK(view.generation == 1);
  CHECK(view.owner == server.process.identity);
  REQUIRE(view.count == 3);
  REQUIRE(view.find("http") != nullptr);
  CHECK(view.find("http")->port == 8080);
  CHECK(view.find("admin")->kind == EndpointKind::unix_socket);
  CHECK(view.find("admin")->socket.id == machine.disk.stat(socket_path)->id);
  CHECK(std::string{view.find("url")->value.c_str()} == "http://localhost:8080/");
  CHECK(view.find("other") == nullptr);
  CHECK(view.find("") == nullptr);
  CHECK(std::string{genie::socket_path(server.guard.files(), view.find("admin")->value).c_str()} == socket_path);
  CHECK(std::string{genie::socket_path(server.guard.files(), "/run/x").c_str()} == "/run/x");

  Guard asker = guard_of(machine.spawn());
  CHECK(asker.endpoint("http")->standing == EndpointStanding::live);
  CHECK(asker.endpoint("http")->endpoint.port == 8080);
  CHECK(asker.endpoint("http")->owner == server.process.identity);
  CHECK(asker.endpoint("other")->standing == EndpointStanding::absent);
  CHECK(asker.endpoint("other")->generation == 1);

  const auto port = static_cast<std::uint16_t>(server.process.identity.pid);
  const Endpoint one[] = {Endpoint::tcp("http", port)};
  REQUIRE(server.guard.publish_endpoints(one));
  REQUIRE(seen(machine).count == 1);
  CHECK(seen(machine).endpoints[0].port == port);
  REQUIRE(server.guard.publish_endpoints(nullptr, 0));
  CHECK(standing(machine) == EndpointStanding::live);
  CHECK(asker.endpoint("http")->standing == EndpointStanding::absent);
}

TEST_CASE("as many endpoints as there may be are published, read and removed", "[endpoints][release]") {
  Machine machine;
  Server server{machine};
  server.claim();
  const char* const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  std::vector<Endpoint> all;
  for (const char* const name : names) all.push_back(Endpoint::tcp(name, 8080));
  REQUIRE(all.size() == genie::endpoint_capacity);
  REQUIRE(server.guard.publish_endpoints(all.data(), all.size()));
  const EndpointsView view = seen(machine);
  REQUIRE(view.count == all.size());
  CHECK(view.find("h") == &view.endpoints[7]);
  CHECK(view.find("i") == nullptr);
  SECTION("released") {
    REQUIRE(server.guard.release());
    CHECK_FALSE(machine.disk.exists(endpoints_path));
  }
  SECTION("crashed") {
    server.crash();
    CHECK(claim_after(machine) == 0);
  }
}

TEST_CASE("endpoints of a later genie are read up to the longest file there may be", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  const std::string longest = padded(*machine.disk.read_file(endpoints_path), genie::endpoint_record_capacity);
  machine.disk.write_file(endpoints_path, longest);
  CHECK(standing(machine) == EndpointStanding::live);
  CHECK(seen(machine).find("http") != nullptr);
  machine.disk.write_file(endpoints_path, longest + "x");
  CHECK(standing(machine) == EndpointStanding::unknown);
  CHECK(seen(machine).owner.pid == 0);
}

TEST_CASE("a look at endpoints looks again only where they may have been replaced", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  std::uint64_t opens = 1;
  std::uint64_t comparisons = 0;
  SECTION("nothing published") {}
  SECTION("noise") { machine.disk.write_file(endpoints_path, "noise"); }
  SECTION("longer than any") { machine.disk.write_file(endpoints_path, std::string(5000, 'x')); }
  SECTION("published") {
    REQUIRE(server.guard.publish_endpoints(http));
    opens = 2;
    SECTION("by a live owner") {}
    SECTION("without a lock file") { machine.disk.remove(lock_path); }
    SECTION("by a dead owner") {
      server.crash();
      comparisons = 1;
    }
  }
  const Contender asking = machine.spawn();
  REQUIRE(guard_of(asking).endpoints());
  CHECK(asking.calls().count(Call::open) == opens);
  std::uint64_t compared = 0;
  for (const std::string& call : asking.calls().log()) compared += call == "stat_at serve.endpoints" ? 1U : 0U;
  CHECK(compared == comparisons);
}

TEST_CASE("an endpoint of which nothing is said is a port, which must be told", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  Endpoint unsaid;
  unsaid.name = "http";
  CHECK(server.guard.publish_endpoints(&unsaid, 1).error().kind == ErrorKind::invalid_port);
  CHECK(genie::EndpointView{}.generation == 0);
}

TEST_CASE("endpoints are live only while the owner that published them lives", "[endpoints][F12]") {
  Machine machine;
  CHECK(standing(machine) == EndpointStanding::absent);  // not even a directory
  CHECK_FALSE(machine.disk.exists(directory));
  Server server{machine};
  server.claim();
  CHECK(standing(machine) == EndpointStanding::absent);
  REQUIRE(server.guard.publish_endpoints(http));
  CHECK(standing(machine) == EndpointStanding::live);
  const std::string published = *machine.disk.read_file(endpoints_path);
  Guard asker = guard_of(machine.spawn());

  SECTION("killed") {
    server.process.kill();
    CHECK(standing(machine) == EndpointStanding::stale);
    CHECK(seen(machine).generation == 1);
    CHECK(asker.endpoint("http")->standing == EndpointStanding::stale);
    CHECK(asker.endpoint("other")->standing == EndpointStanding::absent);
  }
  SECTION("released") {
    REQUIRE(server.guard.release());
    CHECK_FALSE(machine.disk.exists(endpoints_path));
    CHECK(standing(machine) == EndpointStanding::absent);
  }
  SECTION("a predecessor's file that came back") {
    REQUIRE(server.guard.release());
    server.claim();
    machine.disk.write_file(endpoints_path, published);
    CHECK(standing(machine) == EndpointStanding::stale);
  }
  SECTION("a dead owner whose child still holds the lock") {
    const Contender child = machine.fork(server.process);
    server.process.kill();
    CHECK(standing(machine) == EndpointStanding::stale);
    genie::EndpointRecord later = on_disk(machine);
    ++later.generation;
    write(machine, later);
    CHECK(standing(machine) == EndpointStanding::unknown);
    child.kill();
  }
  SECTION("a file of a generation to come, or of another owner of this one, was not published under this lock") {
    genie::EndpointRecord record = on_disk(machine);
    SECTION("later") { ++record.generation; }
    SECTION("another") { record.owner.start = genie::known_start(7); }
    write(machine, record);
    CHECK(standing(machine) == EndpointStanding::unknown);
  }
}

TEST_CASE("what cannot be told is unknown, never stale", "[endpoints][F12]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  SECTION("the lock file was deleted under a live owner") {
    machine.disk.remove(lock_path);
    CHECK(standing(machine) == EndpointStanding::unknown);
    REQUIRE(server.guard.publish_endpoints(http));
    CHECK(standing(machine) == EndpointStanding::unknown);
  }
  SECTION("the lock file was replaced by a copy") {
    machine.disk.replace(lock_path, *machine.disk.read_file(lock_path));
    CHECK(standing(machine) == EndpointStanding::unknown);
    CHECK(server.guard.publish_endpoints(http).error().kind == ErrorKind::not_claimed);
  }
  SECTION("the lock is held, and its record cannot be read") {
    machine.disk.write_file(lock_path, "noise");
    CHECK(standing(machine) == EndpointStanding::unknown);
    CHECK(guard_of(machine.spawn()).endpoint("http")->standing == EndpointStanding::unknown);
    CHECK(guard_of(machine.spawn()).endpoint("other")->standing == EndpointStanding::absent);
  }
  SECTION("the file is not one of ours") {
    const std::string published = *machine.disk.read_file(endpoints_path);
    SECTION("at all") {
      machine.disk.replace(endpoints_path, GENERATE(as<std::string>{}, "", "noise", std::string(1'000'000, 'x')));
    }
    SECTION("any more: it was cut off") {
      machine.disk.replace(endpoints_path, published.substr(0, published.size() - 5));
    }
    CHECK(standing(machine) == EndpointStanding::unknown);
    CHECK(seen(machine).count == 0);
    CHECK(seen(machine).owner.pid == 0);
    CHECK(guard_of(machine.spawn()).endpoint("http")->standing == EndpointStanding::unknown);
  }
}

TEST_CASE("an owner in another PID namespace is believed while it holds the lock", "[endpoints][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 4026532000;
  Server server{machine, options};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  CHECK(standing(machine) == EndpointStanding::live);
  server.crash();
  CHECK(standing(machine) == EndpointStanding::stale);
}

TEST_CASE("endpoints that a power cut has kept are removed, though the record that told of them is lost",
          "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  const std::optional<std::string> before = machine.disk.read_file(lock_path);
  REQUIRE(before);
  REQUIRE(server.guard.publish_endpoints(http));
  CHECK(machine.disk.read_file(lock_path) != before);
  server.crash();
  machine.reboot();
  machine.disk.write_file(lock_path, *before);
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("an owner that could not tell of its endpoints tells of them the next time", "[endpoints][faults]") {
  Machine machine;
  Server server{machine};
  server.claim();
  server.process.calls().fail(genie::testing::Call::write_at, EIO);
  REQUIRE_FALSE(server.guard.publish_endpoints(http));
  server.process.calls().clear();
  REQUIRE(server.guard.publish_endpoints(http));
  server.crash();
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("endpoints of an owner that releases, or whose place somebody takes, are stale at once", "[endpoints][F12]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  const Contender asking = machine.spawn();
  std::vector<EndpointStanding> standings;
  SECTION("its own release") {
    server.process.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::rename && event.name == genie::Text{"serve.endpoints"}) {
        standings.push_back(guard_of(asking).endpoints()->standing);
      }
    };
    REQUIRE(server.guard.release());
  }
  SECTION("a claim half-way") {
    server.crash();
    Server next{machine};
    next.process.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::unlink && event.name == genie::Text{"serve.endpoints"}) {
        standings.push_back(guard_of(asking).endpoints()->standing);
      }
    };
    next.claim();
  }
  CHECK(standings == std::vector<EndpointStanding>{EndpointStanding::stale});
}

TEST_CASE("a reader whose file is replaced while it looks gets the newer one", "[endpoints][F12]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  const Contender asking = machine.spawn();
  Server next{machine};
  bool replaces = true;
  bool publishes = true;
  SECTION("published") {}
  SECTION("not yet published") { publishes = false; }
  asking.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::open || event.name != genie::Text{"serve.lock"} || !replaces) return;
    replaces = false;
    server.crash();
    CHECK(next.guard.claim()->owned());
    if (publishes) CHECK(next.guard.publish_endpoints(http));
  };
  const auto view = guard_of(asking).endpoints();
  REQUIRE(view);
  CHECK(view->standing == (publishes ? EndpointStanding::live : EndpointStanding::absent));
  CHECK(view->generation == (publishes ? 2 : 0));
}

TEST_CASE("a reader that is overtaken all the time says what it saw last", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  const std::string published = *machine.disk.read_file(endpoints_path);
  server.crash();
  const Contender asking = machine.spawn();
  asking.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::stat_at) machine.disk.replace(endpoints_path, published);
  };
  CHECK(guard_of(asking).endpoints()->standing == EndpointStanding::stale);
}

TEST_CASE("looking at endpoints changes nothing and leaves nothing open", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.serve();
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  for (const bool is_alive : {true, false}) {
    if (!is_alive) server.process.kill();
    (void)asker.running();
    const auto before = machine.disk;
    CHECK(asker.endpoints());
    CHECK(machine.disk == before);
    CHECK(machine.disk.open_count(asking.index()) == 0);
  }
}

TEST_CASE("endpoints that cannot be published say why, and with what limit", "[endpoints]") {
  Machine machine;
  Server server{machine};
  const std::string long_text(256, 'x');
  const std::string long_path = "/" + std::string(107, 'x');
  const std::string long_relative(107 - std::string{directory}.size(), 'x');
  const std::string very_long(5000, 'x');
  const std::string very_long_absolute = "/" + very_long;
  const std::string with_nul("a\0b", 3);
  struct Row {
    std::vector<Endpoint> endpoints;
    ErrorKind kind;
    std::string path;
    std::uint64_t limit;
  };
  const std::vector<Row> rows{
      {std::vector<Endpoint>(9, http[0]), ErrorKind::too_many_endpoints, "http", 8},
      {{Endpoint::tcp("", 1)}, ErrorKind::invalid_endpoint_name, "", 31},
      {{Endpoint::tcp("Http", 1)}, ErrorKind::invalid_endpoint_name, "Http", 31},
      {{Endpoint::tcp("12345678901234567890123456789012", 1)},
       ErrorKind::invalid_endpoint_name,
       "12345678901234567890123456789012",
       31},
      {{http[0], Endpoint::text("a", "b"), Endpoint::text("http", "")}, ErrorKind::duplicate_endpoint, "http", 0},
      {{Endpoint::tcp("http", 0)}, ErrorKind::invalid_port, "http", 0},
      {{Endpoint::unix_socket("s", long_path)}, ErrorKind::socket_path_too_long, long_path, 107},
      {{Endpoint::unix_socket("s", long_relative)},
       ErrorKind::socket_path_too_long,
       std::string{directory} + "/" + long_relative,
       107},
      {{Endpoint::unix_socket("s", very_long)},
       ErrorKind::socket_path_too_long,
       (std::string{directory} + "/" + very_long).substr(0, 1024),
       107},
      {{Endpoint::unix_socket("s", very_long_absolute)},
       ErrorKind::socket_path_too_long,
       very_long_absolute.substr(0, 1024),
       107},
      {{Endpoint::unix_socket("s", "")}, ErrorKind::invalid_endpoint_text, "s", 0},
      {{Endpoint::unix_socket("s", "/a\nb")}, ErrorKind::invalid_endpoint_text, "s", 0},
      {{Endpoint::text("t", with_nul)}, ErrorKind::invalid_endpoint_text, "t", 0},
      {{Endpoint::text("t", long_text)}, ErrorKind::endpoint_text_too_long, long_text, 255},
  };
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  const auto before = machine.disk;
  for (const Row& row : rows) {
    CAPTURE(row.path.substr(0, 40));
    const auto result = server.guard.publish_endpoints(row.endpoints.data(), row.endpoints.size());
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == row.kind);
    CHECK(result.error().code == 0);
    CHECK(std::string{result.error().path.c_str()} == row.path);
    CHECK(result.error().limit == row.limit);
  }
  CHECK(machine.disk == before);

  const std::string longest_path = long_path.substr(0, 107);
  const std::string longest_relative = long_relative.substr(1);
  const std::string longest_text = long_text.substr(1);
  machine.disk.make_socket(longest_path);
  machine.disk.make_socket(std::string{directory} + "/" + longest_relative);
  const Endpoint longest[] = {Endpoint::unix_socket("a", longest_path), Endpoint::unix_socket("r", longest_relative),
                              Endpoint::text("t", longest_text)};
  REQUIRE(server.guard.publish_endpoints(longest));
  CHECK(seen(machine).count == 3);
}

TEST_CASE("a socket is published only if it is one", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  const Endpoint near_by[] = {sockets[0]};
  const auto missing = server.guard.publish_endpoints(near_by);
  CHECK(missing.error().kind == ErrorKind::system);
  CHECK(missing.error().operation == Operation::stat);
  CHECK(missing.error().code == ENOENT);
  CHECK(std::string{missing.error().path.c_str()} == socket_path);
  machine.disk.write_file(socket_path, "");
  const auto plain = server.guard.publish_endpoints(near_by);
  CHECK(plain.error().kind == ErrorKind::not_a_socket);
  CHECK(plain.error().code == 0);
  CHECK(std::string{plain.error().path.c_str()} == socket_path);
  CHECK_FALSE(machine.disk.exists(endpoints_path));
}

TEST_CASE("endpoints are published by the owner, or not at all", "[endpoints]") {
  Machine machine;
  Server server{machine};
  CHECK(server.guard.publish_endpoints(http).error().kind == ErrorKind::not_claimed);
  server.claim();
  machine.disk.remove(record_path);
  CHECK(server.guard.publish_endpoints(http));
  machine.disk.remove(lock_path);
  CHECK(server.guard.publish_endpoints(http).error().kind == ErrorKind::not_claimed);
}

TEST_CASE("a release leaves endpoints that are not of this very claim", "[endpoints][release][F5]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  genie::EndpointRecord record = on_disk(machine);
  bool goes = false;
  SECTION("ours") { goes = true; }
  SECTION("of another process") { record.owner.start = genie::known_start(7); }
  SECTION("of another claim") { ++record.generation; }
  SECTION("under another lock") { ++record.lock.inode; }
  write(machine, record);
  SECTION("noise") { machine.disk.write_file(endpoints_path, "noise"); }
  SECTION("nothing") {
    machine.disk.remove(endpoints_path);
    goes = true;
  }
  REQUIRE(server.guard.release());
  CHECK(machine.disk.exists(endpoints_path) == !goes);
  // What is told is what the next claim need not look for.
  CHECK(told_by_lock(machine).has_no_endpoints == goes);
  if (goes) CHECK(told_by_lock(machine).temporary == 0);
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("endpoints that come in the place of ours during a release are left to the next claim",
          "[endpoints][release]") {
  Machine machine;
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  bool comes = true;
  server.process.calls().before_call = [&](const CallEvent& event) {
    if (event.call != Call::stat_at || event.name != genie::Text{"serve.endpoints"} || !comes) return;
    comes = false;
    machine.disk.replace(endpoints_path, "noise");
  };
  REQUIRE(server.guard.release());
  CHECK_FALSE(comes);
  CHECK(machine.disk.read_file(endpoints_path) == "noise");
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("any one socket that stands keeps the endpoints for the next claim", "[endpoints][release]") {
  Machine machine;
  Server server{machine};
  server.serve();
  const char* const gone = GENERATE(socket_path, distant_path);
  machine.disk.remove(gone);
  REQUIRE(server.guard.release());
  CHECK(machine.disk.exists(endpoints_path));
  // Nothing of ours is under a temporary name.
  CHECK(told_by_lock(machine).temporary == 0);
  CHECK(claim_after(machine) == 0);
  CHECK(strangers(machine).empty());
  CHECK_FALSE(machine.disk.exists(distant_path));
}

TEST_CASE("a text that looks like a path is not looked for", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.claim();
  const Endpoint text[] = {Endpoint::text("log", "/tmp/closed/log")};
  REQUIRE(server.guard.publish_endpoints(text));
  server.crash();
  machine.disk.make_directory("/tmp/closed");
  machine.disk.set_permissions("/tmp/closed", 0000);
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("a socket that is left over is removed by the next claim, before the file that tells of it",
          "[endpoints][F12]") {
  Machine machine;
  Server server{machine};
  server.serve();
  SECTION("by a crash") {
    server.crash();
    CHECK(standing(machine) == EndpointStanding::stale);
  }
  SECTION("by a release") {
    REQUIRE(server.guard.release());
    CHECK(standing(machine) == EndpointStanding::stale);
  }
  SECTION("by a stop") {
    REQUIRE(guard_of(machine.spawn()).stop()->outcome == genie::StopOutcome::stopped);
    CHECK(standing(machine) == EndpointStanding::stale);
  }
  SECTION("by a stop that finds a dead owner") {
    server.crash();
    REQUIRE(guard_of(machine.spawn()).stop()->outcome == genie::StopOutcome::cleaned);
    CHECK(standing(machine) == EndpointStanding::stale);
  }
  CHECK(machine.disk.exists(socket_path));
  std::vector<std::string> removed;
  Server next{machine};
  next.process.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::unlink) removed.emplace_back(event.name.data(), event.name.size());
  };
  const auto report = next.guard.claim();
  REQUIRE(report->owned());
  CHECK(report->leftover_error == 0);
  std::erase_if(removed,
                [](const std::string& name) { return name.find(".sock") == name.npos && name != "serve.endpoints"; });
  CHECK(removed == std::vector<std::string>{"serve.sock", distant_path, "serve.endpoints"});
  CHECK(strangers(machine).empty());
  CHECK_FALSE(machine.disk.exists(distant_path));
  next.bind();
}

TEST_CASE("without a socket left over, release and stop remove the endpoints themselves", "[endpoints][release]") {
  Machine machine;
  Server server{machine};
  server.serve();
  machine.disk.remove(socket_path);
  machine.disk.remove(distant_path);
  SECTION("released") { REQUIRE(server.guard.release()); }
  SECTION("stopped") { REQUIRE(guard_of(machine.spawn()).stop()->outcome == genie::StopOutcome::stopped); }
  SECTION("stopped, with endpoints that say nothing") {
    machine.disk.write_file(endpoints_path, "noise");
    REQUIRE(guard_of(machine.spawn()).stop()->outcome == genie::StopOutcome::stopped);
  }
  CHECK_FALSE(machine.disk.exists(endpoints_path));
}

TEST_CASE("only the very socket that the dead owner published is removed", "[endpoints][F12][F18]") {
  Machine machine;
  Server server{machine};
  server.serve();
  server.crash();
  machine.time.advance(milliseconds(1));
  machine.disk.settle(machine.time);
  int error = 0;
  SECTION("another socket stands there") {
    const auto before = machine.disk.stat(socket_path)->id;
    machine.disk.remove(socket_path);
    machine.disk.make_socket(socket_path);
    CHECK(machine.disk.stat(socket_path)->id == before);  // the number is used again
  }
  SECTION("it has a namesake on another device") {
    genie::EndpointRecord record = on_disk(machine);
    ++record.endpoints[0].socket.id.device;
    write(machine, record);
  }
  SECTION("something else stands there") {
    machine.disk.remove(socket_path);
    machine.disk.write_file(socket_path, "");
  }
  SECTION("something else with the same stamp stands there") {
    machine.disk.inodes[machine.disk.stat(socket_path)->id.inode].type = genie::FileType::other;
  }
  SECTION("it is somebody else's") {
    machine.disk.inodes[machine.disk.stat(socket_path)->id.inode].user = 2000;
    error = EPERM;
  }
  SECTION("it was published under another lock file: its owner may live elsewhere") {
    machine.disk.replace(lock_path, *machine.disk.read_file(lock_path));
    machine.disk.remove(record_path);
    error = EPERM;
    CHECK(claim_after(machine) == error);
    CHECK(machine.disk.exists(distant_path));
    return;
  }
  SECTION("others may write the file that names it") {
    machine.disk.set_permissions(endpoints_path, 0666);
    error = EPERM;
    CHECK(claim_after(machine) == error);
    CHECK(machine.disk.exists(distant_path));
    return;
  }
  CHECK(claim_after(machine) == error);
  CHECK(machine.disk.exists(socket_path));
  CHECK_FALSE(machine.disk.exists(distant_path));
}

TEST_CASE("a socket whose mode or owner has changed since is still the one that was published", "[endpoints][F18]") {
  Machine machine;
  Server server{machine};
  server.serve();
  server.crash();
  machine.time.advance(milliseconds(1));
  machine.disk.settle(machine.time);
  machine.disk.set_permissions(socket_path, 0777);  // chmod -R
  CHECK(claim_after(machine) == 0);
  CHECK_FALSE(machine.disk.exists(socket_path));
}

TEST_CASE("where nobody can tell the boot, it is looked for endpoints though the lock's record tells of none",
          "[endpoints]") {
  Machine machine;
  const bool is_known = GENERATE(true, false);
  if (!is_known) machine.processes.boot.clear();
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.release());
  machine.disk.write_file(endpoints_path, "noise");  // which a power cut has kept, perhaps
  server.claim();
  CHECK(machine.disk.exists(endpoints_path) == is_known);
}

TEST_CASE("endpoints that say nothing are removed like any others", "[endpoints]") {
  Machine machine;
  Server server{machine};
  server.serve();
  machine.disk.write_file(endpoints_path, "noise");
  server.crash();
  CHECK(claim_after(machine) == 0);
  CHECK(machine.disk.exists(socket_path));
}

TEST_CASE("a socket that is gone with its directory is no error", "[endpoints]") {
  Machine machine;
  Server server{machine};
  machine.disk.make_directory("/tmp/run");
  server.claim();
  REQUIRE(server.process.filesystem.bind("/tmp/run/s").ok());
  const Endpoint all[] = {Endpoint::unix_socket("s", "/tmp/run/s")};
  REQUIRE(server.guard.publish_endpoints(all));
  machine.disk.remove("/tmp/run");
  SECTION("nothing in its place") {}
  SECTION("a file in its place") { machine.disk.write_file("/tmp/run", ""); }
  SECTION("and the owner releases") {
    REQUIRE(server.guard.release());
    CHECK_FALSE(machine.disk.exists(endpoints_path));
  }
  server.crash();
  CHECK(claim_after(machine) == 0);
}

TEST_CASE("a leftover that cannot be removed does not keep the next owner out", "[endpoints][F16]") {
  Machine machine;
  Server server{machine};
  server.serve();
  server.crash();
  const Contender next = machine.spawn();
  int error = EACCES;
  bool is_left = true;
  SECTION("it may not be removed") { machine.disk.set_permissions("/tmp", 0555); }
  SECTION("it cannot be looked at") {
    next.calls().decide = [](const CallEvent& event) {
      return event.call == Call::stat_at && event.name == genie::Text{distant_path} ? EACCES : 0;
    };
  }
  SECTION("it goes at that moment") {
    next.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::unlink && event.name == genie::Text{distant_path}) machine.disk.remove(distant_path);
    };
    error = 0;
    is_left = false;
  }
  SECTION("the file cannot be opened") {
    next.calls().decide = [&](const CallEvent& event) {
      return event.call == Call::open && event.name == genie::Text{"serve.endpoints"} ? EACCES : 0;
    };
  }
  bool is_open = false;
  SECTION("the file cannot be read") {
    next.calls().decide = [&](const CallEvent& event) {
      if (event.call == Call::open) is_open = event.name == genie::Text{"serve.endpoints"};
      return event.call == Call::read_at && is_open ? EIO : 0;
    };
    error = EIO;
  }
  const auto report = guard_of(next).claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->leftover_error == error);
  CHECK(machine.disk.exists(distant_path) == is_left);
  CHECK_FALSE(machine.disk.exists(endpoints_path));
}

TEST_CASE("something else in the place of the endpoints is not followed", "[endpoints][F15]") {
  Machine machine;
  machine.disk.make_directory(directory);
  SECTION("a link") {
    machine.disk.write_file("/tmp/elsewhere", "x");
    machine.disk.make_symbolic_link(endpoints_path, "/tmp/elsewhere");
    CHECK(guard_of(machine.spawn()).endpoints().error().kind == ErrorKind::not_a_regular_file);
    CHECK(guard_of(machine.spawn()).wait_for_endpoints(0, milliseconds(5)).error().kind ==
          ErrorKind::not_a_regular_file);
    CHECK(guard_of(machine.spawn()).endpoint("http").error().kind == ErrorKind::not_a_regular_file);
    CHECK(claim_after(machine) == ELOOP);
    CHECK(machine.disk.read_file("/tmp/elsewhere") == "x");
  }
  SECTION("a FIFO") {
    machine.disk.make_fifo(endpoints_path);
    CHECK(claim_after(machine) == 0);
  }
  SECTION("a directory") {
    machine.disk.make_directory(endpoints_path);
    const auto report = guard_of(machine.spawn()).claim();
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::not_a_regular_file);
    CHECK(report.error().operation == Operation::unlink);
  }
}

TEST_CASE("a publication that was killed at any call leaves nothing that the next claim does not remove",
          "[endpoints][crash]") {
  for (const bool is_second : {false, true}) {
    for (std::uint64_t at = 1;; ++at) {
      INFO((is_second ? "the second" : "the first") << ", killed before call " << at);
      Machine machine;
      Server server{machine};
      server.claim();
      server.bind();
      if (is_second) REQUIRE(server.guard.publish_endpoints(sockets));
      server.process.kill_before_call(at);
      (void)server.guard.publish_endpoints(sockets);
      const bool is_over = server.process.is_alive();
      server.crash();
      const bool is_known = machine.disk.exists(endpoints_path);
      CHECK((standing(machine) == (is_known ? EndpointStanding::stale : EndpointStanding::absent)));
      if (is_second) CHECK(is_known);
      CHECK(claim_after(machine) == 0);
      // Who dies between `bind` and the end of its first publication has told nobody.
      CHECK(machine.disk.exists(socket_path) == !is_known);
      CHECK(machine.disk.exists(distant_path) == !is_known);
      if (is_over) break;
    }
  }
}

TEST_CASE("a release or claim that was killed at any call leaves the way free, and no socket", "[endpoints][crash]") {
  for (const bool claims : {false, true}) {
    for (std::uint64_t at = 1;; ++at) {
      INFO((claims ? "a claim" : "a release") << ", killed before call " << at);
      Machine machine;
      Server server{machine};
      server.serve();
      if (claims) server.crash();
      Server victim{machine, claims ? machine.spawn() : server.process};
      victim.process.kill_before_call(at);
      if (claims) {
        (void)victim.guard.claim();
      } else {
        (void)server.guard.release();
      }
      const bool is_over = victim.process.is_alive();
      victim.crash();
      CHECK(standing(machine) != EndpointStanding::live);
      CHECK(claim_after(machine) == 0);
      CHECK_FALSE(machine.disk.exists(socket_path));
      CHECK_FALSE(machine.disk.exists(distant_path));
      if (is_over) break;
    }
  }
}

TEST_CASE("who waits for endpoints gets them as soon as they are live", "[endpoints][wait]") {
  Machine machine;
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  Server server{machine};
  genie::Milliseconds published;
  std::function<void()> happens = [&] {
    server.claim();
    REQUIRE(server.guard.publish_endpoints(http));
  };
  std::uint64_t after = 0;
  SECTION("in a directory that is not there yet") {}
  SECTION("in a directory that is there") { machine.disk.make_directory(directory); }
  SECTION("in a directory that goes, and comes again") {
    machine.disk.make_directory(directory);
    machine.time.after(milliseconds(1000), [&] { machine.disk.remove(directory); });
  }
  SECTION("of an owner that has not published yet") {
    server.claim();
    happens = [&] { REQUIRE(server.guard.publish_endpoints(http)); };
  }
  SECTION("of the next generation") {
    server.claim();
    REQUIRE(server.guard.publish_endpoints(http));
    after = 1;
    happens = [&] {
      server.crash();
      Server next{machine};
      next.claim();
      REQUIRE(next.guard.publish_endpoints(http));
      server.guard = static_cast<Guard&&>(next.guard);  // it lives on
    };
  }
  bool has_happened = false;
  SECTION("where nothing can be watched, a moment later") { machine.disk.has_watch = false; }
  machine.time.after(milliseconds(5000), [&] {
    published = machine.time.monotonic;
    has_happened = true;
    happens();
  });
  const auto view = asker.wait_for_endpoints(after, milliseconds(60'000));
  REQUIRE(view);
  CHECK(has_happened);
  CHECK(view->standing == EndpointStanding::live);
  CHECK(view->generation == after + 1);
  if (machine.disk.has_watch) CHECK(machine.time.monotonic == published);
  CHECK(machine.time.monotonic - published < milliseconds(25));
  CHECK(machine.disk.open_count(asking.index()) == 0);
}

TEST_CASE("who waits in vain is told at the deadline what stands", "[endpoints][wait]") {
  Machine machine;
  Guard asker = guard_of(machine.spawn());
  Server server{machine};
  EndpointStanding expected = EndpointStanding::absent;
  std::uint64_t after = 0;
  SECTION("no directory") {}
  SECTION("no endpoints") { server.claim(); }
  SECTION("no later generation") {
    server.claim();
    REQUIRE(server.guard.publish_endpoints(http));
    after = 1;
    expected = EndpointStanding::live;
  }
  SECTION("a dead owner's") {
    server.claim();
    REQUIRE(server.guard.publish_endpoints(http));
    server.crash();
    expected = EndpointStanding::stale;
  }
  SECTION("a directory that comes and goes") {
    machine.time.after(milliseconds(1000), [&] { machine.disk.make_directory(directory); });
    machine.time.after(milliseconds(2000), [&] { machine.disk.remove(directory); });
  }
  const auto began = machine.time.monotonic;
  const auto view = asker.wait_for_endpoints(after, milliseconds(4000));
  REQUIRE(view);
  CHECK(view->standing == expected);
  CHECK(machine.time.monotonic - began == milliseconds(4000));
  CHECK(asker.wait_for_endpoints(after, milliseconds(0))->standing == expected);
  CHECK(machine.time.monotonic - began == milliseconds(4000));
}

TEST_CASE("who waits for one endpoint waits until its name is published", "[endpoints][wait]") {
  Machine machine;
  Guard asker = guard_of(machine.spawn());
  Server server{machine};
  server.claim();
  REQUIRE(server.guard.publish_endpoints(http));
  CHECK(asker.wait_for_endpoint("http", 0, milliseconds(4000))->standing == EndpointStanding::live);
  const auto began = machine.time.monotonic;
  machine.time.after(milliseconds(1000), [&] {
    const Endpoint both[] = {http[0], Endpoint::text("url", "http://localhost:8080/")};
    CHECK(server.guard.publish_endpoints(both));
  });
  const auto view = asker.wait_for_endpoint("url", 0, milliseconds(4000));
  REQUIRE(view);
  REQUIRE(view->find("url") != nullptr);
  CHECK(machine.time.monotonic - began == milliseconds(1000));
  // Its generation is not a later one, and a dead owner's does not count.
  CHECK(asker.wait_for_endpoint("url", 1, milliseconds(1000))->generation == 1);
  CHECK(machine.time.monotonic - began == milliseconds(2000));
  server.crash();
  CHECK(asker.wait_for_endpoint("url", 0, milliseconds(1000))->standing == EndpointStanding::stale);
}

TEST_CASE("who waits watches the directory, or where it will be made", "[endpoints][wait]") {
  struct Row {
    const char* directory;
    const char* itself;
    const char* parent;
  };
  for (const Row& row : {Row{"/run/app", "/run/app/.", "/run/."}, Row{"/run/app//", "/run/app//.", "/run/."},
                         Row{"/app", "/app/.", "/."}, Row{"app", "app/.", "."}, Row{"/", "/.", "."}}) {
    CAPTURE(row.directory);
    const genie::StateFiles files{row.directory, "serve", ""};
    CHECK(std::string{genie::detail::watched_path(files, true).c_str()} == row.itself);
    CHECK(std::string{genie::detail::watched_path(files, false).c_str()} == row.parent);
  }
}

TEST_CASE("an unusable directory is an error for who reads and waits", "[endpoints][F16]") {
  Machine machine;
  machine.disk.write_file(directory, "");
  Guard asker = guard_of(machine.spawn());
  CHECK(asker.endpoints().error().kind == ErrorKind::not_a_directory);
  Guard empty = Guard{"", {}, machine.spawn().clock, machine.spawn().process, machine.spawn().filesystem};
  CHECK(empty.endpoints().error().kind == ErrorKind::not_a_directory);
}

}  // namespace tests::endpoints_test
