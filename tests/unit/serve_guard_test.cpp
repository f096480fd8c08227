// The guard as an object: release, move, fork, and files that others delete.
#include "support.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace tests::serve_guard_test {

using namespace tests;
using genie::Ownership;

namespace {

/// What libraries that make daemons do.
void close_all(Machine& machine, const Contender& who) {
  Contender self = who;
  std::vector<int> open;
  for (const auto& [descriptor, file] : machine.disk.tables[who.index()].descriptors) open.push_back(descriptor);
  for (const int descriptor : open) self.filesystem.close({descriptor});
}

}  // namespace

static_assert(!std::is_copy_constructible_v<Guard>);
static_assert(std::is_nothrow_move_constructible_v<Guard>);
static_assert(std::is_same_v<decltype(genie::ServeGuard{"/state"}), genie::ServeGuard<>>);
static_assert(std::is_same_v<decltype(genie::ServeGuard{std::string{}, {.name = "serve"}}), genie::ServeGuard<>>);

TEST_CASE("the destructor releases", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  {
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    CHECK(guard.owns());
  }
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.exists(lock_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
}

TEST_CASE("a moved-from guard owns nothing, and the claim moves along", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard first = guard_of(owner);
  REQUIRE(first.claim()->owned());
  Guard second{std::move(first)};
  CHECK(second.owns());
  CHECK_FALSE(first.owns());  // NOLINT(bugprone-use-after-move)
  REQUIRE(first.release());
  CHECK(machine.disk.exists(record_path));
  first = std::move(second);
  CHECK(first.owns());
  Guard third = guard_of(owner, "/tmp/other");
  REQUIRE(third.claim()->owned());
  third = std::move(first);
  CHECK_FALSE(machine.disk.exists("/tmp/other/serve.pid"));
  CHECK(third.owns());
}

TEST_CASE("a guard that another is moved into is that one, policies and names and all", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  const Contender other = machine.spawn();
  Guard first = guard_of(owner);
  REQUIRE(first.claim()->owned());
  Guard second{"/tmp/other", {.name = "index"}, other.clock, other.process, other.filesystem};
  second = std::move(first);
  CHECK(second.owns());
  CHECK(second.files().directory() == genie::Text{directory});
  CHECK(second.verify() == genie::Ownership::held);
  REQUIRE(second.release());
  CHECK_FALSE(machine.disk.exists(record_path));
}

TEST_CASE("a forked child's guard neither owns nor releases", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(owner);
  const std::string record = *machine.disk.read_file(record_path);
  // The child's copy of the object, in which self() answers with the child's PID.
  genie::HeldClaim<Guard::Host> copy = guard.held();
  Guard in_child = guard_of(child);
  CHECK(genie::verify_claim(in_child.host(), in_child.files(), copy) == Ownership::not_claimed);
  REQUIRE(genie::release(in_child.host(), in_child.files(), copy));
  CHECK(machine.disk.read_file(record_path) == record);
  CHECK(guard.verify() == Ownership::held);
}

TEST_CASE("an owner that can no longer see /proc still owns, and releases", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.processes.has_proc = false;  // a chroot, a sandbox
  CHECK(guard.owns());
  REQUIRE(guard.ready());
  REQUIRE(guard.publish_port(4711));
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
}

TEST_CASE("an owner that could not see /proc when it claimed still owns, and releases", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  machine.processes.has_proc = false;
  REQUIRE(guard.claim()->owned());
  machine.processes.has_proc = true;
  CHECK(guard.owns());
  REQUIRE(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
}

TEST_CASE("a child with the same number in a PID namespace of its own is not the owner", "[guard][F8]") {
  Machine machine;
  genie::testing::ProcessOptions options;
  options.pid_namespace = 77;
  const Contender owner = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  options.pid_namespace = 78;
  const Contender child = machine.spawn(options);
  REQUIRE(child.identity.pid == owner.identity.pid);
  genie::HeldClaim<Guard::Host> copy = guard.held();
  Guard in_child = guard_of(child);
  REQUIRE(genie::release(in_child.host(), in_child.files(), copy));
  CHECK(guard.verify() == Ownership::held);
}

TEST_CASE("a descendant that gets its dead owner's PID is not the owner", "[guard][F10]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender worker = machine.fork(owner);  // keeps the lock, and a copy of the guard
  owner.kill();
  owner.reap();
  const Contender child = machine.fork(worker);
  child.process.me().pid = owner.identity.pid;
  genie::HeldClaim<Guard::Host> copy = guard.held();
  Guard in_child = guard_of(child);
  const auto record = machine.disk.read_file(record_path);
  const auto verified = [&] { return genie::verify_claim(in_child.host(), in_child.files(), copy); };
  SECTION("as its start tells") {
    CHECK(verified() == Ownership::not_claimed);
    CHECK(
        genie::update_claim(in_child.host(), in_child.files(), copy, [](genie::LockRecord&) noexcept {}).error().kind ==
        genie::ErrorKind::not_claimed);
    CHECK(genie::release(in_child.host(), in_child.files(), copy));
    CHECK(machine.disk.read_file(record_path) == record);
  }
  SECTION("but where no start can be read, that is no evidence") {
    machine.processes.has_proc = false;
    CHECK(verified() == Ownership::held);
  }
}

TEST_CASE("files deleted under a live owner are noticed, and nobody takes over while one of them is left",
          "[guard][F25]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender other = machine.spawn();
  Guard newcomer = guard_of(other);
  CHECK(guard.verify() == Ownership::held);
  SECTION("the record") {
    machine.disk.remove(record_path);
    CHECK(guard.verify() == Ownership::record_missing);
    CHECK_FALSE(newcomer.claim()->owned());
    REQUIRE(guard.restore_record());
    CHECK(guard.verify() == Ownership::held);
    CHECK_FALSE(newcomer.claim()->owned());
    CHECK(machine.disk.read_file(record_path) == text_of(owner.identity));
    REQUIRE(guard.release());
    CHECK_FALSE(machine.disk.exists(record_path));
  }
  SECTION("the lock file") {
    machine.disk.remove(lock_path);
    CHECK(guard.verify() == Ownership::lock_missing);
    const auto report = newcomer.claim();
    CHECK(report->outcome == genie::ClaimOutcome::already_running);
    CHECK(report->owner == owner.identity);
    CHECK(guard.verify() == Ownership::lock_replaced);
  }
  SECTION("the lock file, and somebody spoils the record") {
    machine.disk.remove(lock_path);
    const std::string content = GENERATE(as<std::string>{}, "", "junk", "4711", "4711:1");
    machine.disk.write_file(record_path, content);
    const auto report = newcomer.claim();
    CHECK(report->outcome == genie::ClaimOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::record_pinned);
  }
  SECTION("both") {
    machine.disk.remove(record_path);
    machine.disk.remove(lock_path);
    CHECK(guard.verify() == Ownership::all_missing);
    CHECK(newcomer.claim()->owned());
    CHECK(guard.verify() == Ownership::record_replaced);
    REQUIRE(guard.release());  // ours; the newcomer's stays
    CHECK(machine.disk.read_file(record_path) == text_of(other.identity));
    CHECK(newcomer.verify() == Ownership::held);
  }
  SECTION("the whole directory") {
    machine.disk.remove(directory);
    CHECK(guard.verify() == Ownership::all_missing);
    REQUIRE(guard.release());
    CHECK(newcomer.claim()->owned());
  }
  SECTION("the directory was moved away, and made anew") {
    machine.disk.move(directory, "/tmp/moved");
    CHECK(newcomer.claim()->owned());
    CHECK(guard.verify() == Ownership::record_replaced);
    REQUIRE(guard.release());
    CHECK(machine.disk.read_file(record_path) == text_of(other.identity));
  }
}

TEST_CASE("an older program that replaces our record is noticed, and its record survives our release", "[guard][F25]") {
  Machine machine;
  const Contender owner = machine.spawn();
  const Contender older = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.disk.replace(record_path, text_of(older.identity));
  CHECK(guard.verify() == Ownership::record_replaced);
  REQUIRE(guard.release());
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
}

TEST_CASE("a record that is replaced at any call of a release survives it", "[guard][F5]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("replaced before call " << at);
    Machine machine;
    const Contender owner = machine.spawn();
    const Contender older = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    const std::uint64_t before = owner.calls().count();
    owner.calls().at_call[before + at] = [&] { machine.disk.replace(record_path, text_of(older.identity)); };
    REQUIRE(guard.release());
    if (owner.calls().count() < before + at) break;
    CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("who claims again what it owns is told of its own claim, its server included", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  const Contender server = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  CHECK(guard.claim()->server == genie::ProcessIdentity{});
  REQUIRE(guard.set_server(server.identity));
  const auto again = guard.claim();
  CHECK(again->owned());
  CHECK(again->owner == owner.identity);
  CHECK(again->server == server.identity);
  CHECK(again->generation == 1);
}

TEST_CASE("who closes all descriptors loses the claim, learns of it, and finds the files that it opened then untouched",
          "[guard][F25]") {
  Machine machine;
  machine.disk.make_directory("/data");
  const Contender owner = machine.spawn();
  Contender self = owner;
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim({.starting = true})->owned());
  REQUIRE(guard.boot("load"));
  REQUIRE(guard.publish_port(4711));
  close_all(machine, owner);
  std::vector<genie::testing::MemoryFilesystem::File> opened;
  const auto open_own_files = [&] {
    for (const char* const path : {"/data/0", "/data/1", "/data/2", "/data/3", "/data/4"}) {
      machine.disk.write_file(path, "precious");
      opened.push_back(self.filesystem.open({}, path, genie::OpenMode::read_write, 0).value);
    }
  };
  SECTION("into the free places") { open_own_files(); }
  SECTION("none yet") {}
  CHECK(guard.verify() == Ownership::lock_closed);
  const auto refused = [&](const genie::Result<void>& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == genie::ErrorKind::not_claimed);
  };
  const auto lock = machine.disk.read_file(lock_path);
  const auto record = machine.disk.read_file(record_path);
  machine.time.advance(genie::seconds(1));
  refused(guard.ready());
  refused(guard.boot("load", 1, 2));
  refused(guard.end_step(genie::StepState::ok));
  refused(guard.set_server(owner.identity));
  refused(guard.report_failure({}));
  refused(guard.publish_port(4712));
  const genie::Endpoint endpoint = genie::Endpoint::tcp("http", 80);
  refused(guard.publish_endpoints(&endpoint, 1));
  refused(guard.restore_record());
  refused(guard.release());
  CHECK_FALSE(guard.owns());
  CHECK(guard.release());  // nothing, any more
  CHECK(machine.disk.read_file(lock_path) == lock);
  CHECK(machine.disk.read_file(record_path) == record);
  CHECK(machine.disk.open_count(owner.index()) == opened.size());
  CHECK(machine.disk.stray_closes == 0);
  for (const char* const path : {"/data/0", "/data/1", "/data/2", "/data/3", "/data/4"}) {
    if (!opened.empty()) CHECK(machine.disk.read_file(path) == "precious");
  }
  // It was nobody's any more: whoever comes, or comes again, is let in.
  CHECK(guard_of(machine.spawn()).claim()->owned());
  CHECK(guard.claim()->owned());
}

TEST_CASE("a record that stayed open while the lock was closed is not kept from the next claim", "[guard][F25]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Contender self = owner;
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  self.filesystem.close(guard.held().lock);
  CHECK(guard.verify() == Ownership::lock_closed);
  CHECK_FALSE(guard.release());
  const auto report = guard_of(machine.spawn()).claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(machine.disk.stray_closes == 0);
}

TEST_CASE("that a lock file can't be looked at is no evidence that it was closed", "[guard][F17]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  owner.calls().fail(Call::stat, GENERATE(EIO, ESTALE, EACCES), 1, 1000);
  CHECK(guard.verify() == Ownership::held);
  CHECK(guard.ready());
  CHECK(guard.release());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(owner.index()) == 0);
}

TEST_CASE("a server of an impossible number is refused, and the record goes on naming what it named", "[guard]") {
  Machine machine;
  const Contender owner = machine.spawn();
  const Contender server = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.set_server(server.identity));
  const auto lock = machine.disk.read_file(lock_path);
  const std::uint64_t calls = owner.calls().count();
  constexpr genie::Pid beyond = genie::testing::FakeProcesses::pid_limit + 1;
  // The first is what a `fork` that failed has returned.
  for (const genie::ProcessIdentity& impossible :
       {genie::ProcessIdentity{-1, {}}, genie::ProcessIdentity{-1, genie::known_start(991)},
        genie::ProcessIdentity{0, genie::known_start(991)}, genie::ProcessIdentity{beyond, {}},
        genie::ProcessIdentity{INT64_MIN, {}}, genie::ProcessIdentity{INT64_MAX, {}}}) {
    CAPTURE(text_of(impossible));
    const auto set = guard.set_server(impossible);
    REQUIRE_FALSE(set);
    CHECK(set.error().kind == genie::ErrorKind::invalid_process);
    CHECK(set.error().operation == genie::Operation::write);
    CHECK(set.error().code == EINVAL);
    CHECK(set.error().path == genie::Text{lock_path});
  }
  CHECK(owner.calls().count() == calls);
  CHECK(machine.disk.read_file(lock_path) == lock);
  CHECK(guard.held().written.server == server.identity);
  Guard observer = guard_of(machine.spawn());
  CHECK(observer.status()->server == server.identity);
  REQUIRE(guard.set_server({beyond - 1, {}}));
  CHECK(observer.status()->server.pid == beyond - 1);
  REQUIRE(guard.set_server({}));  // nobody, any more
  CHECK(observer.status()->server == genie::ProcessIdentity{});
  CHECK(observer.status()->state == genie::ServerState::running);
}

TEST_CASE("durations of std::chrono are accepted", "[guard]") {
  using namespace std::chrono_literals;
  const genie::StopOptions options{.grace = 2s, .settle = 1500us};
  CHECK(options.grace.count() == 2000);
  CHECK(options.settle.count() == 1);
}

TEST_CASE("a release does not look at a port that was not published", "[guard][port]") {
  Machine machine;
  Guard guard = guard_of(machine.spawn());
  REQUIRE(guard.claim()->owned());
  machine.disk.make_directory(port_path);  // whoever made it: it is no affair of ours
  CHECK(guard.release());
  CHECK(machine.disk.exists(port_path));
}

TEST_CASE("a port that somebody has removed is no error for a release", "[guard][port]") {
  Machine machine;
  Guard guard = guard_of(machine.spawn());
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  machine.disk.remove(port_path);
  CHECK(guard.release());
}

TEST_CASE("a port that one may read and not write is released like any other", "[guard][port]") {
  Machine machine;
  Guard guard = guard_of(machine.spawn());
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  machine.disk.set_permissions(port_path, 0400);
  CHECK(guard.release());
  CHECK_FALSE(machine.disk.exists(port_path));
}

}  // namespace tests::serve_guard_test
