// Status, the short question and the port against fakes: every state, and that looking changes nothing.
#include "support.hpp"

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::status_test {

using namespace tests;
using genie::Reason;
using genie::ServerState;
using genie::testing::ProcessOptions;

namespace {

genie::Result<genie::StatusReport> status_by(const Contender& contender) {
  Guard guard = guard_of(contender);
  return guard.status();
}

}  // namespace

TEST_CASE("status names every state, with its reason, and changes nothing", "[status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  ServerState expected = ServerState::running;
  Reason reason = Reason::lock_held;
  bool live = true;
  SECTION("stopped") {
    expected = ServerState::stopped;
    reason = Reason::no_record;
    live = false;
    SECTION("without a directory") {}
    SECTION("after a release") {
      REQUIRE(guard.claim()->owned());
      REQUIRE(guard.release());
    }
  }
  SECTION("running") { REQUIRE(guard.claim()->owned()); }
  SECTION("starting") {
    REQUIRE(guard.claim({.starting = true})->owned());
    expected = ServerState::starting;
  }
  SECTION("ready after starting") {
    REQUIRE(guard.claim({.starting = true})->owned());
    REQUIRE(guard.ready());
  }
  SECTION("stale") {
    REQUIRE(guard.claim()->owned());
    owner.kill();
    expected = ServerState::stale;
    reason = Reason::writer_lost_lock;
    live = false;
  }
  SECTION("stale, of an older program") {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "99:1");
    expected = ServerState::stale;
    reason = Reason::process_gone;
    live = false;
  }
  SECTION("running, of an older program") {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, text_of(owner.identity));
    reason = Reason::start_matches;
  }
  SECTION("orphaned") {
    REQUIRE(guard.claim()->owned());
    (void)machine.fork(owner);
    owner.kill();
    owner.reap();
    expected = ServerState::orphaned;
    reason = Reason::owner_gone;
  }
  SECTION("unknown") {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, fmt::format("{}:unknown", owner.identity.pid));
    expected = ServerState::unknown;
    reason = Reason::start_unknown;
  }
  SECTION("stopping") {
    REQUIRE(guard.claim()->owned());
    machine.disk.write_file(sentinel_path, std::to_string(machine.time.wall.count() + 1000));
    expected = ServerState::stopping;
  }
  const Contender asking = machine.spawn();
  const auto disk = machine.disk;
  const auto report = status_by(asking);
  REQUIRE(report);
  CHECK(report->state == expected);
  CHECK(report->evidence.reason == reason);
  machine.disk.tables = disk.tables;
  CHECK(machine.disk == disk);
  Guard asker = guard_of(asking);
  const auto running = asker.running();
  if (expected == ServerState::unknown) {
    CHECK(running.error().kind == genie::ErrorKind::identity_unknown);
  } else {
    CHECK(*running == live);
  }
  CHECK(machine.disk.open_count(asking.index()) == 0);
}

TEST_CASE("an owner whose clock is ahead of ours, in another time namespace, has no uptime rather than a negative one",
          "[status]") {
  Machine machine;
  Guard guard = guard_of(machine.spawn());
  machine.time.monotonic = genie::seconds(5000);
  REQUIRE(guard.claim()->owned());
  machine.time.monotonic = genie::seconds(1000);
  const auto report = status_by(machine.spawn());
  REQUIRE(report);
  CHECK(report->state == ServerState::running);
  CHECK(report->uptime == genie::Milliseconds{});
}

TEST_CASE("with a live owner, 'is it running?' costs three calls", "[status][calls]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  CHECK(*asker.running());
  CHECK(asking.calls().log() == std::vector<std::string>{"open /tmp/state/serve.lock", "query_lock", "close"});
}

TEST_CASE("no call of a status takes a lock, writes, or makes a starter fail", "[status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  const Contender asking = machine.spawn();
  asking.calls().before_call = [&](const genie::testing::CallEvent& event) {
    for (const Call forbidden : {Call::try_lock, Call::write_at, Call::unlink, Call::rename, Call::rename_new,
                                 Call::exchange, Call::make_directory, Call::create_unnamed, Call::link_unnamed}) {
      CHECK(event.call != forbidden);
    }
    // A starter claims and releases between any two calls of the status.
    CHECK(guard.claim({.settle = genie::milliseconds(0)})->owned());
    CHECK(guard.release());
  };
  for (int round = 0; round < 3; ++round) {
    const auto report = status_by(asking);
    CHECK(report);
  }
}

TEST_CASE("a verdict during a claim is true at some moment of it", "[status]") {
  // Asked just before each single call of a takeover.
  for (std::uint64_t at = 1;; ++at) {
    INFO("asked before call " << at);
    Machine machine;
    const Contender dead = crashed_owner(machine);
    const Contender starter = machine.spawn();
    const Contender asking = machine.spawn();
    genie::Result<genie::StatusReport> seen = genie::StatusReport{};
    Guard guard = guard_of(starter);
    starter.calls().at_call[at] = [&] { seen = status_by(asking); };
    REQUIRE(guard.claim()->owned());
    if (starter.calls().count() < at) break;
    REQUIRE(seen);
    switch (seen->state) {
      case ServerState::stale: CHECK(seen->owner == dead.identity); break;
      case ServerState::starting: CHECK((seen->owner.pid == 0 || seen->owner == starter.identity)); break;
      case ServerState::running: CHECK(seen->owner == starter.identity); break;
      default: FAIL("state " << fmt::format("{}", seen->state));
    }
  }
}

TEST_CASE("a verdict during a release is true at some moment of it", "[status][F5]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("asked before call " << at);
    Machine machine;
    const Contender owner = machine.spawn();
    const Contender asking = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    const std::uint64_t before = owner.calls().count();
    genie::Result<genie::StatusReport> seen = genie::StatusReport{};
    owner.calls().at_call[before + at] = [&] { seen = status_by(asking); };
    REQUIRE(guard.release());
    if (owner.calls().count() < before + at) break;
    REQUIRE(seen);
    INFO(fmt::format("{}: {}", *seen, seen->evidence));
    CHECK((seen->state == ServerState::running || seen->state == ServerState::starting ||
           seen->state == ServerState::stopped));
  }
}

TEST_CASE("a port is believed only while the owner that published it lives", "[status][port][F12]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  CHECK(*guard.port() == 0);
  REQUIRE(guard.publish_port(4711));
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  CHECK(*asker.port() == 4711);
  REQUIRE(guard.publish_port(4712));
  CHECK(*asker.port() == 4712);
  CHECK(strangers(machine).empty());
  const std::string published = *machine.disk.read_file(port_path);

  SECTION("killed") {
    owner.kill();
    CHECK(*asker.port() == 0);
    CHECK(status_by(asking)->port.standing == genie::PortStanding::stale);
  }
  SECTION("released") {
    REQUIRE(guard.release());
    CHECK_FALSE(machine.disk.exists(port_path));
    CHECK(*asker.port() == 0);
  }
  SECTION("a predecessor's file that came back") {
    REQUIRE(guard.release());
    REQUIRE(guard.claim()->owned());
    machine.disk.write_file(port_path, published);
    CHECK(*asker.port() == 0);
  }
  SECTION("a bare number") {
    machine.disk.replace(port_path, "4711\n");
    CHECK(*asker.port() == 0);
    CHECK(status_by(asking)->port.standing == genie::PortStanding::unverified);
  }
  SECTION("noise") {
    machine.disk.replace(port_path, std::string(1'000'000, 'x'));
    CHECK(*asker.port() == 0);
    CHECK(status_by(asking)->port.standing == genie::PortStanding::garbage);
  }
}

TEST_CASE("a port is published by the owner, or not at all", "[status][port]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  CHECK(guard.publish_port(4711).error().kind == genie::ErrorKind::not_claimed);
  REQUIRE(guard.claim()->owned());
  CHECK(guard.publish_port(0).error().kind == genie::ErrorKind::invalid_port);
  machine.disk.remove(record_path);
  machine.disk.remove(lock_path);
  CHECK(guard.publish_port(4711).error().kind == genie::ErrorKind::not_claimed);
}

TEST_CASE("what cannot be read is an error, not a verdict", "[status][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  ProcessOptions options;
  options.user = 2000;
  const Contender stranger = machine.spawn(options);
  const auto report = status_by(stranger);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == EACCES);
  Guard asker = guard_of(stranger);
  CHECK(asker.running().error().code == EACCES);
  machine.disk.has_locks = false;
  CHECK(guard_of(machine.spawn()).running().error().code == ENOLCK);
}

TEST_CASE("a status tells of an owner what its record says, and of nobody nothing", "[status]") {
  Machine machine;
  const Contender asking = machine.spawn();
  const auto nobody = status_by(asking);
  REQUIRE(nobody);
  CHECK(nobody->state == ServerState::stopped);
  CHECK(nobody->assurance == genie::Assurance::none);
  CHECK(nobody->owner == genie::ProcessIdentity{});
  CHECK(nobody->generation == 0);
  CHECK(nobody->holder_count == 0);
  CHECK(nobody->port.standing == genie::PortStanding::absent);
  CHECK(nobody->port.port == 0);
  CHECK_FALSE(nobody->stop.standing);

  const Contender owner = machine.spawn();
  const Contender command = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim({.build = "1.2"})->owned());
  REQUIRE(guard.set_server(command.identity));
  const auto report = status_by(asking);
  REQUIRE(report);
  CHECK(report->assurance == genie::Assurance::kernel_lock);
  CHECK(report->owner == owner.identity);
  CHECK(report->server == command.identity);
  CHECK(report->generation == 1);
  CHECK(genie::Text{report->build} == genie::Text{"1.2"});
  CHECK(report->evidence.recorded == owner.identity);
}

TEST_CASE("a claim that does not come to its end hides its predecessor", "[status]") {
  Machine machine;
  const Contender former = crashed_owner(machine);
  const Contender starting = machine.spawn();
  genie::Result<genie::StatusReport> report = genie::StatusReport{};
  starting.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::look) report = status_by(machine.spawn());
  };
  Guard guard = guard_of(starting);
  REQUIRE(guard.claim()->owned());
  REQUIRE(report);
  CHECK(report->state == ServerState::starting);
  CHECK(report->owner == genie::ProcessIdentity{});
  CHECK(report->server == genie::ProcessIdentity{});
  CHECK(report->generation == 0);
  CHECK_FALSE(former.is_alive());
}

TEST_CASE("an empty record is nothing that a status can tell of", "[status][F1]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "");
  const Contender asking = machine.spawn();
  const auto report = status_by(asking);
  REQUIRE(report);
  CHECK(report->state == ServerState::unknown);
  CHECK(report->evidence.reason == Reason::empty_record);
}

TEST_CASE("who may read the files and not write them gets the same answers", "[status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  for (const char* const path : {lock_path, record_path, port_path}) machine.disk.set_permissions(path, 0400);
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  CHECK(*asker.running());
  CHECK(*asker.port() == 4711);
  CHECK(asker.status()->state == ServerState::running);
  owner.kill();
  CHECK_FALSE(*asker.running());
  CHECK(asker.status()->state == ServerState::stale);
}

TEST_CASE("looking takes few calls where there is nothing to look at", "[status][calls]") {
  Machine machine;
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  SECTION("no directory") {
    CHECK_FALSE(*asker.running());
    CHECK(asking.calls().log() ==
          std::vector<std::string>{"open /tmp/state/serve.lock", "stat_at /tmp/state/serve.pid"});
  }
  SECTION("a record is judged once") {
    (void)crashed_owner(machine);
    CHECK(asker.status()->state == ServerState::stale);
    std::size_t looks = 0;
    for (const std::string& call : asking.calls().log()) looks += call == "open serve.pid" ? 1U : 0U;
    CHECK(looks == 1);
    // It is dead whatever the lock file says by now.
    const auto log = asking.calls().log();
    auto last = log.rbegin();
    while (last != log.rend() && *last != "query_lock") CHECK(*last++ != "read_at");
  }
  SECTION("a living older program's record is judged once, beside a lock file that does not change") {
    (void)crashed_owner(machine);
    machine.disk.replace(record_path, text_of(machine.spawn().identity));
    CHECK(asker.status()->state == ServerState::running);
    std::size_t looks = 0;
    for (const std::string& call : asking.calls().log()) looks += call == "open serve.pid" ? 1U : 0U;
    CHECK(looks == 1);
  }
}

TEST_CASE("a file in the place of the state directory is an error that says so", "[status][F15]") {
  Machine machine;
  machine.disk.write_file(directory, "");
  const Contender asking = machine.spawn();
  Guard asker = guard_of(asking);
  const auto running = asker.running();
  REQUIRE_FALSE(running.has_value());
  CHECK(running.error().kind == genie::ErrorKind::not_a_directory);
  CHECK(running.error().code == ENOTDIR);
  CHECK(running.error().path == genie::Text{directory});
  const auto report = asker.status();
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::not_a_directory);
  CHECK(report.error().code == ENOTDIR);
}

TEST_CASE("a directory that cannot be opened or looked at is an error, and not an absent one", "[status][F16]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender asking = machine.spawn();
  auto operation = genie::Operation::open_directory;
  int code = EACCES;
  SECTION("opened") { asking.calls().fail(Call::open_directory, code); }
  SECTION("looked at") {
    operation = genie::Operation::stat;
    code = EIO;
    asking.calls().fail(Call::stat, code);
  }
  const auto report = status_by(asking);
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == genie::ErrorKind::system);
  CHECK(report.error().operation == operation);
  CHECK(report.error().code == code);
  CHECK(report.error().path == genie::Text{directory});
}

TEST_CASE("a port is published as long as the directory is not known to be somebody else's", "[status][port][F25]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  bool is_published = true;
  SECTION("held") {}
  SECTION("the record is missing") { machine.disk.remove(record_path); }
  SECTION("the lock file is missing") { machine.disk.remove(lock_path); }
  SECTION("the record was replaced") {
    machine.disk.replace(record_path, "99:1");
    is_published = false;
  }
  SECTION("the lock file was replaced") {
    machine.disk.replace(lock_path, "");
    is_published = false;
  }
  for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{65535}}) {
    const auto published = guard.publish_port(port);
    REQUIRE(published.has_value() == is_published);
    CHECK(machine.disk.exists(port_path) == is_published);
    if (is_published) continue;
    CHECK(published.error().kind == genie::ErrorKind::not_claimed);
    CHECK(published.error().operation == genie::Operation::create);
    CHECK(published.error().path == genie::Text{port_path});
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("a port that cannot be published is an error that says why, and the earlier one stays", "[port][F16]") {
  struct Row {
    Call call;
    std::uint64_t occurrence;
    genie::Operation operation;
  };
  const Row row =
      GENERATE(Row{Call::open, 1, genie::Operation::create}, Row{Call::write_at, 1, genie::Operation::write},
               Row{Call::rename, 1, genie::Operation::rename});
  CAPTURE(name_of(row.call), row.occurrence);
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  owner.calls().fail(row.call, EIO, row.occurrence);
  const auto published = guard.publish_port(4712);
  REQUIRE_FALSE(published);
  CHECK(published.error().operation == row.operation);
  CHECK(published.error().code == EIO);
  CHECK(strangers(machine).empty());
  CHECK(*guard_of(machine.spawn()).port() == 4711);
}

TEST_CASE("a publication that could not be taken away again is no obstacle to the next", "[port][F16]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  owner.calls().fail(Call::write_at, ENOSPC);
  owner.calls().fail(Call::unlink, EIO);
  REQUIRE_FALSE(guard.publish_port(4711));
  owner.calls().clear();
  CHECK(strangers(machine).size() == 1);
  SECTION("its owner publishes once more") {
    REQUIRE(guard.publish_port(4712));
    CHECK(*guard_of(machine.spawn()).port() == 4712);
  }
  SECTION("its owner tries, and it still can't be removed") {
    owner.calls().fail(Call::unlink, EIO);
    const auto published = guard.publish_port(4712);
    REQUIRE_FALSE(published);
    CHECK(published.error().operation == genie::Operation::unlink);
    owner.calls().clear();
    REQUIRE(guard.release());
  }
  SECTION("its owner releases") { REQUIRE(guard.release()); }
  SECTION("its owner releases, and somebody has deleted its record") {
    machine.disk.remove(record_path);
    REQUIRE(guard.release());
    CHECK(guard_of(machine.spawn()).claim()->owned());
  }
  SECTION("its owner is killed") {
    owner.kill();
    owner.reap();
    CHECK(guard_of(machine.spawn()).claim()->owned());
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("what keeps the short question from an answer is told", "[status][F16]") {
  Machine machine;
  (void)crashed_owner(machine);
  const Contender asking = machine.spawn();
  asking.calls().fail(Call::read_at, EIO);
  const auto running = guard_of(asking).running();
  REQUIRE_FALSE(running.has_value());
  CHECK(running.error().kind == genie::ErrorKind::system);
  CHECK(running.error().operation == genie::Operation::read);
  CHECK(running.error().code == EIO);
  CHECK(running.error().path == genie::Text{lock_path});
}

TEST_CASE("an owner that comes while its record is looked for is told with how far it is", "[status]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  const Contender client = machine.spawn();
  bool has_come = false;
  client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (has_come || event.name != genie::Text{"serve.pid"}) return;
    has_come = true;
    CHECK(guard.claim({.starting = true})->owned());
  };
  const auto report = status_by(client);
  REQUIRE(report);
  CHECK(has_come);
  CHECK(report->state == ServerState::starting);
  CHECK(report->generation == 1);
}

TEST_CASE("an owner that comes and goes while its record is looked at is not taken for one that runs", "[status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim());
  REQUIRE(guard.release());
  const Contender client = machine.spawn();
  bool has_come = false;
  client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (!has_come && event.name == genie::Text{"serve.pid"}) {
      has_come = true;
      CHECK(guard.claim()->owned());
    }
    // The first asked for the lock file's, the second for the record's.
    if (event.call == Call::query_lock && event.occurrence == 3) CHECK(guard.release());
  };
  const auto report = status_by(client);
  REQUIRE(report);
  CHECK(has_come);
  CHECK(report->state == ServerState::stopped);
}

TEST_CASE("an owner that claims while its dead predecessor's record is looked at is told", "[status]") {
  Machine machine;
  (void)crashed_owner(machine);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  const Contender client = machine.spawn();
  client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    // After the lock, and after the record.
    if (event.call == Call::query_lock && event.occurrence == 3) CHECK(guard.claim()->owned());
  };
  const auto report = status_by(client);
  REQUIRE(report);
  CHECK(report->state == ServerState::running);
  CHECK(report->owner == owner.identity);
}

TEST_CASE("a lock file that may be there or not is an error, and no reason to believe a record", "[status][F16]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, text_of(machine.spawn().identity));
  const Contender client = machine.spawn();
  client.calls().fail(Call::stat_at, EIO);
  const auto report = status_by(client);
  REQUIRE_FALSE(report);
  CHECK(report.error().operation == genie::Operation::stat);
  CHECK(report.error().code == EIO);
  CHECK(report.error().path == genie::Text{lock_path});
}

TEST_CASE("a failure is told by the lock file in which it was written, and not by a copy of it", "[status]") {
  Machine machine;
  Guard guard = guard_of(machine.spawn());
  REQUIRE(guard.claim({.starting = true})->owned());
  genie::FailureRecord failure;
  failure.kind = genie::FailureKind::exited;
  failure.value = 3;
  REQUIRE(guard.report_failure(failure));
  REQUIRE(guard.release());
  CHECK(status_by(machine.spawn())->failure.generation == 1);
  machine.disk.replace(lock_path, *machine.disk.read_file(lock_path));
  CHECK(status_by(machine.spawn())->failure.generation == 0);
}

TEST_CASE("an owner that comes and goes as often as it is looked for is looked for so often, and no more", "[status]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim());
  REQUIRE(guard.release());
  const Contender client = machine.spawn();
  int rounds = 0;
  client.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::open) return;
    if (event.name == genie::Text{"serve.lock"} && guard.owns()) CHECK(guard.release());
    if (event.name == genie::Text{"serve.pid"} && !guard.owns()) {
      CHECK(guard.claim()->owned());
      ++rounds;
    }
  };
  const auto began = machine.time.monotonic;
  const auto report = status_by(client);
  client.calls().before_call = {};
  REQUIRE(report);
  CHECK(rounds == 16);
  CHECK(machine.time.monotonic == began);
  // What was seen last.
  CHECK(report->state == ServerState::running);
  CHECK(report->owner == owner.identity);
  CHECK(machine.disk.open_count(client.index()) == 0);
}

}  // namespace tests::status_test
