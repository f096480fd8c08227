// The stop sentinel against fakes: who may start while it stands, who removes it, and for how long it can block.
#include "support.hpp"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::sentinel_test {

using namespace tests;
using genie::ClaimMode;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::Milliseconds;
using genie::milliseconds;
using genie::seconds;
using Registration = genie::StopRegistration<Guard::Host>;

namespace {

constexpr ClaimOptions automatic{.mode = ClaimMode::automatic};

/// A stopper by hand: the registration without the stop.
struct Stopper {
  explicit Stopper(const Contender& contender)
      : guard{guard_of(contender)},
        directory{*directory_of(guard)},
        registration{guard.host(), guard.files(), directory, {}, genie::default_sentinel_ttl} {}

  static std::optional<genie::testing::MemoryFilesystem::File> directory_of(Guard& guard) {
    const auto opened = guard.host().files.open_directory(directory_path());
    REQUIRE(opened.ok());
    return opened.value;
  }
  static const char* directory_path() { return tests::directory; }
  bool enter() {
    bool is_first = false;
    REQUIRE(registration.enter([&](bool first) noexcept { is_first = first; }));
    return is_first;
  }

  Guard guard;
  genie::testing::MemoryFilesystem::File directory;
  Registration registration;
};

ClaimOutcome claim_automatically(Machine& machine) {
  const Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  const auto report = guard.claim(automatic);
  REQUIRE(report);
  return report->outcome;
}

Machine with_directory() {
  Machine machine;
  machine.disk.make_directory(directory);
  return machine;
}

}  // namespace

TEST_CASE("while a stop is in progress nothing starts by itself, and everything that is asked for does",
          "[sentinel][F19]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  CHECK(stopper.enter());
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  CHECK_FALSE(machine.disk.exists(record_path));
  const Contender asked = machine.spawn();
  Guard guard = guard_of(asked);
  CHECK(guard.claim()->owned());
  REQUIRE(guard.release());
  REQUIRE(stopper.registration.leave());
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
}

TEST_CASE("two stops share the sentinel, and the last one to end removes it", "[sentinel][F19]") {
  Machine machine = with_directory();
  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  Stopper first{one};
  Stopper second{two};
  CHECK(first.enter());
  CHECK_FALSE(second.enter());
  const bool first_ends_first = GENERATE(true, false);
  REQUIRE((first_ends_first ? first : second).registration.leave());
  CHECK(machine.disk.exists(sentinel_path));
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  REQUIRE((first_ends_first ? second : first).registration.leave());
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
}

TEST_CASE("two stops of one process are two", "[sentinel][F19]") {
  Machine machine = with_directory();
  const Contender process = machine.spawn();
  Stopper first{process};
  Stopper second{process};
  CHECK(first.enter());
  CHECK_FALSE(second.enter());
  REQUIRE(first.registration.leave());
  CHECK(machine.disk.exists(sentinel_path));
  REQUIRE(second.registration.leave());
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("more stops than the sentinel has room for end well, too", "[sentinel][F19]") {
  Machine machine = with_directory();
  std::vector<std::unique_ptr<Stopper>> stoppers;
  for (int at = 0; at < 40; ++at) stoppers.push_back(std::make_unique<Stopper>(machine.spawn()));
  int firsts = 0;
  for (auto& stopper : stoppers) firsts += stopper->enter() ? 1 : 0;
  CHECK(firsts == 1);
  for (auto& stopper : stoppers) {
    CHECK(machine.disk.exists(sentinel_path));
    REQUIRE(stopper->registration.leave());
    if (stopper == stoppers[genie::stopper_capacity - 1]) break;  // the others never had an entry
  }
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("a crashed stop blocks auto-start for its TTL, whatever the wall clock does meanwhile", "[sentinel][F20]") {
  const Milliseconds step = GENERATE(seconds(0), seconds(-86400), seconds(86400), seconds(-5), seconds(5));
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  {
    Stopper stopper{stopping};
    CHECK(stopper.enter());
    stopping.kill();
    stopping.reap();
  }
  machine.time.jump_wall(step);
  machine.time.advance(genie::default_sentinel_ttl - milliseconds(1));
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  machine.time.advance(milliseconds(1));
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("a suspended machine does not prolong the sentinel", "[sentinel][F14][F20]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  {
    Stopper stopper{stopping};
    CHECK(stopper.enter());
    stopping.kill();
  }
  machine.time.suspend(seconds(31));
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
}

TEST_CASE("a stop that crashed before a reboot blocks no longer than the TTL after it", "[sentinel][F20]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  {
    Stopper stopper{stopping};
    CHECK(stopper.enter());
    stopping.kill();
  }
  machine.reboot(seconds(1));
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  machine.time.advance(seconds(30));
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
}

TEST_CASE("an older program's sentinel counts for as long as its time says, and at most the TTL", "[sentinel][F20]") {
  Machine machine = with_directory();
  struct Case {
    std::int64_t remaining_ms;
    bool stands;
  };
  const auto [remaining, stands] = GENERATE(Case{1, true}, Case{30'000, true}, Case{30'001, false}, Case{0, false},
                                            Case{-1, false}, Case{86'400'000, false});
  machine.disk.write_file(sentinel_path, std::to_string(machine.time.wall.count() + remaining) + "\n");
  INFO(remaining);
  CHECK(claim_automatically(machine) == (stands ? ClaimOutcome::stopping : ClaimOutcome::claimed));
  CHECK(machine.disk.exists(sentinel_path) == stands);
}

TEST_CASE("an empty or malformed sentinel means absent, and is removed", "[sentinel]") {
  Machine machine = with_directory();
  const std::string content =
      GENERATE(as<std::string>{}, "", "\n", "soon", "-1", "1e99", "99999999999999999999999", std::string(100'000, 'x'));
  machine.disk.write_file(sentinel_path, content);
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("a fresh sentinel that replaces an expired one is not removed with it", "[sentinel][F28]") {
  // The stopper enters just before each single call of the claim.
  for (std::uint64_t at = 1;; ++at) {
    INFO("before call " << at);
    Machine machine = with_directory();
    machine.disk.write_file(sentinel_path, "1\n");
    const Contender stopping = machine.spawn();
    Stopper stopper{stopping};
    const Contender starting = machine.spawn();
    bool entered = false;
    Guard guard = guard_of(starting);
    starting.calls().at_call[at] = [&] {
      // Where the starter has the sentinel locked, the stopper waits, and comes later.
      entered = stopper.registration.enter([](bool) noexcept {}).has_value();
    };
    machine.time.on_sleep = [](std::uint64_t) {};
    const auto report = guard.claim(automatic);
    REQUIRE(report);
    if (starting.calls().count() < at) break;
    if (entered) {
      CHECK(machine.disk.exists(sentinel_path));
      // Either of them has seen the other.
      CHECK((report->outcome == ClaimOutcome::stopping || report->owned()));
      if (report->owned()) CHECK(guard.verify() == genie::Ownership::held);
    }
    CHECK(strangers(machine).empty());
  }
}

TEST_CASE("a start by itself that a stop overtakes at the last moment leaves nothing", "[sentinel][F19]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  const Contender starting = machine.spawn();
  starting.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::link_unnamed) CHECK(stopper.enter());
  };
  Guard guard = guard_of(starting);
  const auto report = guard.claim(automatic);
  REQUIRE(report);
  CHECK(report->outcome == ClaimOutcome::stopping);
  CHECK(report->generation == 0);
  CHECK_FALSE(guard.owns());
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(machine.disk.open_count(starting.index()) == 0);
}

TEST_CASE("no reader ever sees a sentinel empty while it is rewritten", "[sentinel][F28]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  CHECK(stopper.enter());
  stopping.calls().before_call = [&](const genie::testing::CallEvent&) {
    const auto content = machine.disk.read_file(sentinel_path);
    CHECK(content.has_value());
    CHECK_FALSE(content.value_or("").empty());
  };
  for (int round = 0; round < 3; ++round) (void)stopper.enter();
  stopping.calls().before_call = nullptr;
}

TEST_CASE("a stop that was killed at any call of entering or leaving blocks nobody for ever", "[sentinel][crash]") {
  for (const bool leaving : {false, true}) {
    for (std::uint64_t at = 1;; ++at) {
      INFO((leaving ? "leaving" : "entering") << ", killed before call " << at);
      Machine machine = with_directory();
      const Contender victim = machine.spawn();
      {
        Stopper stopper{victim};
        if (leaving) (void)stopper.enter();
        victim.kill_before_call(at);
        if (leaving) {
          (void)stopper.registration.leave();
        } else {
          (void)stopper.registration.enter([](bool) noexcept {});
        }
        if (victim.is_alive()) break;
      }
      victim.reap();
      machine.time.advance(seconds(30));
      CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
      CHECK(strangers(machine).empty());
      const Contender other = machine.spawn();
      Stopper next{other};
      CHECK(next.enter());
      REQUIRE(next.registration.leave());
      CHECK_FALSE(machine.disk.exists(sentinel_path));
    }
  }
}

TEST_CASE("a stopper waits for another one that has the sentinel locked, and five seconds at most", "[sentinel][F19]") {
  Machine machine = with_directory();
  machine.disk.write_file(lock_path, "");
  const Contender holding = machine.spawn();
  genie::testing::MemoryFilesystem files = holding.filesystem;
  const auto lock = files.open({}, lock_path, genie::OpenMode::read_write, 0600);
  REQUIRE(files.try_lock(lock.value, genie::detail::stopper_byte, 1).ok());
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  const auto began = machine.time.monotonic;
  SECTION("it gives the lock up in time") {
    machine.time.after(seconds(4), [&] { files.close(lock.value); });
    CHECK(stopper.enter());
    CHECK(machine.time.monotonic - began >= seconds(4));
    CHECK(machine.time.monotonic - began < seconds(5));
  }
  SECTION("it does not") {
    bool has_run = false;
    const auto entered = stopper.registration.enter([&](bool) noexcept { has_run = true; });
    REQUIRE_FALSE(entered);
    CHECK(entered.error().operation == genie::Operation::lock);
    CHECK(entered.error().code == ETIMEDOUT);
    CHECK(entered.error().path == genie::Text{lock_path});
    CHECK(machine.time.monotonic - began == seconds(5));
    CHECK_FALSE(has_run);
    CHECK_FALSE(machine.disk.exists(sentinel_path));
  }
}

TEST_CASE("a sweep leaves a sentinel that a stopper is just writing", "[sentinel][F28]") {
  Machine machine = with_directory();
  machine.disk.write_file(lock_path, "");
  machine.disk.write_file(sentinel_path, "1\n");
  const Contender writing = machine.spawn();
  genie::testing::MemoryFilesystem files = writing.filesystem;
  const auto lock = files.open({}, lock_path, genie::OpenMode::read_write, 0600);
  REQUIRE(files.try_lock(lock.value, genie::detail::stopper_byte, 1).ok());
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
  CHECK(machine.disk.read_file(sentinel_path) == "1\n");
  files.close(lock.value);
  CHECK(claim_automatically(machine) == ClaimOutcome::claimed);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("an owner that has swept a sentinel lets stoppers enter", "[sentinel][F28]") {
  Machine machine = with_directory();
  machine.disk.write_file(sentinel_path, "1\n");
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim(automatic)->owned());
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  const auto began = machine.time.monotonic;
  CHECK(stopper.enter());
  CHECK(machine.time.monotonic == began);
}

TEST_CASE("a step of a stopper that fails is an error that says which, and leaves no temporary file",
          "[sentinel][F16]") {
  struct Row {
    Call call;
    int code;
    std::uint64_t occurrence;
    genie::Operation operation;
    const char* path;
  };
  constexpr const char* temporary = "/tmp/state/serve.stopping.tmp";
  // The opens of a stopper that enters anew: lock, sentinel, temporary file.
  const Row row = GENERATE(Row{Call::open, EACCES, 1, genie::Operation::open, lock_path},
                           Row{Call::try_lock, ENOLCK, 1, genie::Operation::lock, lock_path},
                           Row{Call::open, EACCES, 2, genie::Operation::open, sentinel_path},
                           Row{Call::read_at, EIO, 1, genie::Operation::read, sentinel_path},
                           Row{Call::open, ENOSPC, 3, genie::Operation::create, temporary},
                           Row{Call::write_at, ENOSPC, 1, genie::Operation::write, temporary},
                           Row{Call::rename, EIO, 1, genie::Operation::rename, sentinel_path});
  CAPTURE(name_of(row.call), row.occurrence);
  Machine machine = with_directory();
  const std::string before = "1700000000001\n";
  machine.disk.write_file(sentinel_path, before);
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  stopping.calls().fail(row.call, row.code, row.occurrence);
  bool has_run = false;
  const auto began = machine.time.monotonic;
  const auto entered = stopper.registration.enter([&](bool) noexcept { has_run = true; });
  REQUIRE_FALSE(entered);
  CHECK(entered.error().operation == row.operation);
  CHECK(entered.error().code == row.code);
  CHECK(entered.error().path == genie::Text{row.path});
  CHECK(machine.time.monotonic == began);
  CHECK_FALSE(has_run);
  CHECK(machine.disk.read_file(sentinel_path) == before);
  CHECK(strangers(machine).empty());
}

TEST_CASE("a step of leaving or sweeping that fails is an error that says which", "[sentinel][F16]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  genie::Result<void> result;
  genie::Operation operation = genie::Operation::unlink;
  const char* path = sentinel_path;
  int code = EIO;
  SECTION("leaving, where the sentinel can't be removed") {
    Stopper stopper{stopping};
    CHECK(stopper.enter());
    stopping.calls().fail(Call::unlink, code);
    result = stopper.registration.leave();
  }
  SECTION("sweeping") {
    machine.disk.write_file(sentinel_path, "1\n");
    machine.disk.write_file(lock_path, "");
    Guard guard = guard_of(stopping);
    const auto opened = guard.host().files.open_directory(directory);
    const auto lock = guard.host().files.open(opened.value, "serve.lock", genie::OpenMode::read_write, 0600);
    SECTION("where the sentinel can't be read") {
      stopping.calls().fail(Call::read_at, code);
      operation = genie::Operation::read;
    }
    SECTION("where it can't be removed") { stopping.calls().fail(Call::unlink, code); }
    SECTION("where nothing can be locked") {
      code = ENOLCK;
      stopping.calls().fail(Call::try_lock, code);
      operation = genie::Operation::lock;
      path = lock_path;
    }
    result = genie::sweep_sentinel(guard.host(), guard.files(), opened.value, lock.value);
    // Whatever failed, a stopper can enter.
    const Contender other = machine.spawn();
    Stopper stopper{other};
    CHECK(stopper.enter());
  }
  REQUIRE_FALSE(result);
  CHECK(result.error().operation == operation);
  CHECK(result.error().code == code);
  CHECK(result.error().path == genie::Text{path});
}

TEST_CASE("a sentinel that somebody else has removed already is removed, and no error", "[sentinel]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  CHECK(stopper.enter());
  stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::unlink && event.name == genie::Text{"serve.stopping.lock"}) {
      machine.disk.remove(sentinel_path);
    }
  };
  CHECK(stopper.registration.leave());
}

TEST_CASE("a stopper whose directory is removed cannot enter, and has nothing to leave", "[sentinel][F25]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  machine.disk.remove(directory);
  const auto entered = stopper.registration.enter([](bool) noexcept {});
  REQUIRE_FALSE(entered);
  CHECK(entered.error().operation == genie::Operation::open);
  CHECK(entered.error().code == ENOENT);
  CHECK(entered.error().path == genie::Text{lock_path});
  CHECK(stopper.registration.leave());
}

TEST_CASE("a sweep by a claim that takes a stopper's temporary file makes it write again", "[sentinel][F28]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  constexpr const char* temporary = "/tmp/state/serve.stopping.tmp";
  int times = 0;
  SECTION("once before it is renamed") {
    stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::rename && ++times == 1) machine.disk.remove(temporary);
    };
    CHECK(stopper.enter());
    CHECK(times == 2);
    CHECK(machine.disk.exists(sentinel_path));
  }
  SECTION("another one stands there when it is created") {
    stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::open && event.name == genie::Text{"serve.stopping.tmp"} && ++times == 1) {
        machine.disk.write_file(temporary, "1\n");
      }
    };
    CHECK(stopper.enter());
    CHECK(times == 2);
    CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  }
  SECTION("again and again") {
    stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::rename) machine.disk.remove(temporary);
    };
    const auto entered = stopper.registration.enter([](bool) noexcept {});
    REQUIRE_FALSE(entered);
    CHECK(entered.error().kind == genie::ErrorKind::interrupted);
    CHECK(entered.error().operation == genie::Operation::rename);
    CHECK(entered.error().path == genie::Text{sentinel_path});
  }
  CHECK(strangers(machine).empty());
}

TEST_CASE("an entry of a living stopper that has expired joins nobody", "[sentinel][F19][F20]") {
  Machine machine = with_directory();
  const Contender one = machine.spawn();
  Stopper former{one};
  CHECK(former.enter());
  CHECK(*former.guard.is_being_stopped());
  machine.time.advance(genie::default_sentinel_ttl);
  CHECK_FALSE(*former.guard.is_being_stopped());
  const Contender two = machine.spawn();
  Stopper next{two};
  CHECK(next.enter());
}

TEST_CASE("a stop that entered before a reboot is told by the wall clock alone after it", "[sentinel][F20]") {
  genie::Stopper entry;
  entry.stopper = {100, genie::known_start(5)};
  entry.origin = {genie::BootId{"before"}, 7};
  entry.ttl = seconds(30);
  entry.wall_until = seconds(5020);
  entry.monotonic_until = seconds(1005);
  const auto left = [&](const char* boot) {
    return genie::detail::remaining_of(entry, {genie::BootId{boot}, 7}, seconds(5000), seconds(1000), seconds(30));
  };
  CHECK(left("before") == seconds(5));
  CHECK(left("after") == seconds(20));
}

TEST_CASE("a sentinel that one may read and not write still counts", "[sentinel]") {
  Machine machine = with_directory();
  machine.disk.write_file(sentinel_path, std::to_string(machine.time.wall.count() + 5) + "\n", 0644, 2000);
  const Contender asking = machine.spawn();
  Guard guard = guard_of(asking);
  const auto opened = guard.host().files.open_directory(directory);
  const auto intent = genie::read_stop_intent(guard.host(), guard.files(), opened.value);
  REQUIRE(intent);
  CHECK(intent->standing);
  CHECK(intent->remaining == milliseconds(5));
}

TEST_CASE("what the sentinel says names the stop that lasts longest", "[sentinel]") {
  Machine machine = with_directory();
  const Contender asking = machine.spawn();
  Guard guard = guard_of(asking);
  const auto opened = guard.host().files.open_directory(directory);
  const auto intent = [&] { return *genie::read_stop_intent(guard.host(), guard.files(), opened.value); };
  CHECK_FALSE(intent().standing);
  CHECK_FALSE(intent().leftover);
  CHECK(intent().user == 0);
  machine.disk.write_file(sentinel_path, "1\n");
  CHECK_FALSE(intent().standing);
  CHECK_FALSE(intent().restarting);
  CHECK(intent().leftover);
  machine.disk.write_file(sentinel_path, std::to_string(machine.time.wall.count() + 1) + "\n");
  CHECK(intent().is_in_progress());  // up to the last millisecond

  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  Stopper first{one};
  Stopper second{two};
  CHECK(first.enter());
  machine.time.advance(seconds(1));
  CHECK_FALSE(second.enter());
  CHECK(intent().standing);
  CHECK_FALSE(intent().leftover);
  CHECK_FALSE(intent().restarting);  // who enters does not, unless it says so
  CHECK(intent().stopper == two.identity);
  CHECK(intent().remaining == seconds(30));
  REQUIRE(second.registration.leave());
  CHECK(intent().stopper == one.identity);
  CHECK(intent().remaining == seconds(29));
}

TEST_CASE("a stopper writes the sentinel under the lock file that is there", "[sentinel][F25]") {
  Machine machine = with_directory();
  machine.disk.write_file(lock_path, "");
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  bool was_locked = false;
  stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::stat_at && event.occurrence == 1) machine.disk.replace(lock_path, "");
    if (event.call != Call::rename) return;
    const auto holders = machine.disk.lock_holders(machine.disk.stat(lock_path)->id, genie::detail::stopper_byte);
    was_locked = holders.size() == 1 && holders[0] == stopping.index();
  };
  CHECK(stopper.enter());
  CHECK(was_locked);
}

TEST_CASE("a stop that renews its entry has one", "[sentinel][F19]") {
  Machine machine = with_directory();
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  for (int round = 0; round < 3; ++round) {
    CHECK(stopper.enter());
    machine.time.advance(seconds(10));
  }
  genie::Sentinel sentinel;
  REQUIRE(genie::parse_sentinel(*machine.disk.read_file(sentinel_path), INT64_MAX, sentinel));
  CHECK(sentinel.count == 1);
}

TEST_CASE("the first process of a container stops like any other", "[sentinel][F17][F19]") {
  Machine machine = with_directory();
  genie::testing::ProcessOptions inside;
  inside.pid_namespace = 77;
  const Contender one = machine.spawn(inside);
  const Contender two = machine.spawn(inside);
  REQUIRE(one.identity.pid == 1);
  Stopper first{one};
  Stopper second{two};
  CHECK(first.enter());
  CHECK_FALSE(second.enter());
  REQUIRE(second.registration.leave());
  CHECK(*guard_of(two).is_being_stopped());
  // By the clock that they share, and not by the wall's.
  machine.time.jump_wall(seconds(86'400));
  CHECK(guard_of(two).claim(automatic)->outcome == ClaimOutcome::stopping);
}

TEST_CASE("whether somebody who lives is stopping", "[sentinel][F19]") {
  Machine machine;
  const auto is_being_stopped = [&] {
    const Contender asking = machine.spawn();
    const auto answer = guard_of(asking).is_being_stopped();
    REQUIRE(answer.has_value());
    return *answer;
  };
  CHECK_FALSE(is_being_stopped());
  CHECK_FALSE(machine.disk.exists(directory));
  machine.disk.make_directory(directory);
  CHECK_FALSE(is_being_stopped());
  {
    const Contender killed = machine.spawn();
    Stopper stopper{killed};
    CHECK(stopper.enter());
    CHECK(is_being_stopped());
    killed.kill();
    killed.reap();
  }
  // Nothing starts on demand yet, but whoever starts by hand has nobody to wait for.
  CHECK_FALSE(is_being_stopped());
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  {
    genie::testing::ProcessOptions inside;
    inside.pid_namespace = 77;
    const Contender elsewhere = machine.spawn(inside);
    Stopper stopper{elsewhere};
    CHECK(stopper.enter());
    CHECK_FALSE(is_being_stopped());
  }
  // One of several.
  const Contender living = machine.spawn();
  Stopper stopper{living};
  CHECK(stopper.enter());
  CHECK(is_being_stopped());
  REQUIRE(stopper.registration.leave());
  CHECK_FALSE(is_being_stopped());

  // One of another PID namespace, with a PID and a start that somebody has here, too.
  genie::Sentinel foreign;
  foreign.count = 1;
  foreign.stoppers[0].stopper = living.identity;
  foreign.stoppers[0].origin = stopper.guard.host().process.origin();
  foreign.stoppers[0].ttl = seconds(20);
  foreign.stoppers[0].wall_until = machine.time.wall + seconds(20);
  foreign.stoppers[0].monotonic_until = machine.time.monotonic + seconds(20);
  machine.disk.write_file(sentinel_path, encode_sentinel(foreign).c_str());
  CHECK(is_being_stopped());
  foreign.stoppers[0].origin.pid_namespace = 77;
  machine.disk.write_file(sentinel_path, encode_sentinel(foreign).c_str());
  CHECK_FALSE(is_being_stopped());

  // An older program does not say who it is.
  machine.disk.replace(sentinel_path, std::to_string((machine.time.wall + seconds(20)).count()) + "\n");
  CHECK(claim_automatically(machine) == ClaimOutcome::stopping);
  CHECK_FALSE(is_being_stopped());
}

TEST_CASE("a sentinel that is read again says what stands by then, and nothing of before", "[sentinel]") {
  Machine machine = with_directory();
  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  Stopper first{one};
  Stopper second{two};
  CHECK(first.enter());
  CHECK_FALSE(second.enter());
  genie::Sentinel sentinel;
  const auto read = [&] {
    auto& [guard, directory, registration] = first;
    return *genie::detail::evaluate_sentinel(guard.host(), guard.files(), directory, seconds(30), sentinel);
  };
  CHECK(read().standing);
  CHECK(sentinel.count == 2);
  REQUIRE(first.registration.leave());
  CHECK(read().stopper == two.identity);
  CHECK(sentinel.count == 1);
  REQUIRE(genie::detail::put_up_stay(first.guard.host(), first.guard.files(), first.directory, seconds(30), {}));
  CHECK(read().stay);
  CHECK(sentinel.count == 1);
  machine.disk.remove(sentinel_path);
  CHECK_FALSE(read().standing);
  CHECK(sentinel.empty());
}

TEST_CASE("a start that fails puts up again the intent to stay stopped that it had ended, and no other",
          "[sentinel][stay]") {
  Machine machine = with_directory();
  const Contender asked = machine.spawn();
  Guard guard = guard_of(asked);
  const auto put_up = [&] {
    REQUIRE(guard_of(machine.spawn()).stop({.settle = milliseconds(10), .stay = true})->stays);
  };
  bool stays = false;
  std::uint64_t starters = 1;  // which unlock is that of the starter's byte: a stopper's goes before
  SECTION("there was one") {
    put_up();
    stays = true;
    starters = 2;
  }
  SECTION("there was none") {}
  SECTION("what stood in its place is gone by then") {
    machine.disk.make_fifo(sentinel_path);
    asked.calls().before_call = [&](const genie::testing::CallEvent& event) {
      if (event.call == Call::unlock && event.occurrence == 1) machine.disk.remove(sentinel_path);
    };
  }
  SECTION("somebody else ended it before") {
    put_up();
    starters = 2;
    asked.calls().before_call = [&](const genie::testing::CallEvent& event) {
      // The lock, the record, and then the stopper's byte.
      if (event.call == Call::try_lock && event.occurrence == 3) machine.disk.remove(sentinel_path);
    };
  }
  const auto before = machine.disk.read_file(sentinel_path);
  asked.calls().fail(Call::unlock, EIO, starters);
  REQUIRE_FALSE(guard.claim());
  CHECK(machine.disk.exists(sentinel_path) == stays);
  if (stays) CHECK(machine.disk.read_file(sentinel_path) == before);
}

TEST_CASE("a stopper's lock that is given up is free for the next, also where it is a file of its own",
          "[sentinel][bsd]") {
  Machine machine = with_directory();
  machine.disk.has_lock_ranges = GENERATE(true, false);
  machine.disk.write_file(lock_path, "");
  const auto lock_of = [](Guard& guard) {
    return guard.host().files.open({}, lock_path, genie::OpenMode::read_write, 0600).value;
  };
  Stopper one{machine.spawn()};
  Stopper two{machine.spawn()};
  genie::detail::StopperLock<Guard::Host> first{one.guard.host(), one.guard.files(), one.directory};
  genie::detail::StopperLock<Guard::Host> second{two.guard.host(), two.guard.files(), two.directory};
  const auto file = lock_of(one.guard);
  const auto other = lock_of(two.guard);
  REQUIRE(first.try_lock(file).ok());
  CHECK(second.try_lock(other).error == EAGAIN);
  first.unlock(file);
  CHECK(second.try_lock(other).ok());
  CHECK(first.try_lock(file).error == EAGAIN);
}

TEST_CASE("where stoppers lock a file of their own, a directory that is removed meanwhile is told at once",
          "[sentinel][bsd][F25]") {
  Machine machine = with_directory();
  machine.disk.has_lock_ranges = false;
  const Contender stopping = machine.spawn();
  Stopper stopper{stopping};
  stopping.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::try_lock && event.occurrence == 1) machine.disk.remove(directory);
  };
  const auto entered = stopper.registration.enter([](bool) noexcept {});
  REQUIRE_FALSE(entered);
  CHECK(entered.error().operation == genie::Operation::lock);
  CHECK(entered.error().code == ENOENT);
}

TEST_CASE("where nobody can tell whether somebody is stopping, that is an error", "[sentinel][F15]") {
  Machine machine = with_directory();
  genie::testing::ProcessOptions options;
  options.user = 2000;
  const Contender stranger = machine.spawn(options);
  CHECK(guard_of(stranger).is_being_stopped().error().code == EACCES);
  const Contender asking = machine.spawn();
  machine.disk.make_fifo(sentinel_path);
  CHECK_FALSE(guard_of(asking).is_being_stopped().has_value());
  machine.disk.write_file("/tmp/file", "");
  CHECK(guard_of(asking, "/tmp/file").is_being_stopped().error().kind == genie::ErrorKind::not_a_directory);
}

}  // namespace tests::sentinel_test
