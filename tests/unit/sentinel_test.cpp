// The stop sentinel against fakes: who may start while it stands, who removes it, and for how long it can block.
#include "support.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"

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
