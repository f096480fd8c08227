// A process that another thread forks while its parent has a lock for a moment shares that open file: it must keep
// nobody out by it.
#include "support.hpp"

#include <cerrno>
#include <genie/ensure.hpp>
#include <optional>

#include "catch.hpp"

namespace tests::forked_meanwhile_test {

using namespace tests;
using genie::ClaimMode;
using genie::seconds;
using genie::StopOutcome;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;

namespace {

/// Forks `parent` before its `at`-th call from now on, at most once. Returns: whether there was such a call.
class ForkAt {
 public:
  ForkAt(Machine& machine, const Contender& parent, std::uint64_t at) : parent_{parent} {
    parent_.calls().before_call = [this, &machine, at](const CallEvent&) {
      if (++count_ == at) child_.emplace(machine.fork(parent_));
    };
  }
  ForkAt(const ForkAt&) = delete;
  ForkAt& operator=(const ForkAt&) = delete;
  ~ForkAt() { parent_.calls().before_call = nullptr; }

  [[nodiscard]] bool has_forked() const { return child_.has_value(); }

 private:
  Contender parent_;
  std::uint64_t count_ = 0;
  std::optional<Contender> child_;
};

void check_free(Machine& machine) {
  const auto began = machine.time.monotonic;
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const auto claim = guard.claim();
  REQUIRE(claim);
  CAPTURE(claim->outcome, claim->evidence.reason);
  CHECK(claim->owned());
  const Contender operating = machine.spawn();
  const auto receipt = guard_of(operating).stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(machine.time.monotonic - began == genie::Milliseconds{});
}

}  // namespace

TEST_CASE("who is forked during a stop keeps nobody out", "[stop]") {
  const bool stay = GENERATE(false, true);
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(stay, at);
    Machine machine;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    const Contender stopper = machine.spawn();
    Guard stopping = guard_of(stopper);
    ForkAt fork{machine, stopper, at};
    REQUIRE(stopping.stop({.stay = stay})->outcome == StopOutcome::stopped);
    if (!fork.has_forked()) break;
    check_free(machine);
  }
}

TEST_CASE("who is forked when a stop has, or misses, a lock on a file that it can't compare keeps nobody out",
          "[stop]") {
  const bool has_lock_ranges = GENERATE(true, false);
  const bool is_taken = GENERATE(false, true);  // by somebody who is about to claim, or stops as well
  for (std::uint64_t failing = 1;; ++failing) {
    CAPTURE(has_lock_ranges, is_taken, failing);
    Machine machine;
    machine.disk.has_lock_ranges = has_lock_ranges;
    const Contender owner = machine.spawn();
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    const Contender stopper = machine.spawn();
    std::optional<Contender> child;
    std::uint64_t looks = 0;
    stopper.calls().decide = [&](const CallEvent& event) {
      if (event.call == Call::try_lock && is_taken && looks + 1 == failing) return EAGAIN;
      if (event.call != Call::stat_at || ++looks != failing) return 0;
      child.emplace(machine.fork(stopper));
      return EIO;
    };
    (void)guard_of(stopper).stop({.grace = seconds(1)});
    stopper.calls().decide = nullptr;
    if (!child) break;
    check_free(machine);
  }
}

TEST_CASE("who releases a claim for which an heir is named leaves the lock to that", "[handover]") {
  Machine machine;
  const Contender starter = machine.spawn();
  Guard guard = guard_of(starter);
  genie::HeldClaim<Guard::Host> held;
  REQUIRE(genie::claim(guard.host(), guard.files(), {.launching = true}, held)->owned());
  const Contender heir = machine.fork(starter);
  const bool is_named = GENERATE(true, false);
  if (is_named) REQUIRE(genie::name_heir(guard.host(), guard.files(), held, heir.identity));
  REQUIRE(genie::release(guard.host(), guard.files(), held));
  const auto claim = guard_of(machine.spawn()).claim();
  REQUIRE(claim);
  CHECK(claim->owned() != is_named);
}

TEST_CASE("who is forked during a start for which no process can be made keeps nobody out", "[ensure]") {
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    const Contender starter = machine.spawn();
    Guard guard = guard_of(starter);
    const char* const arguments[] = {"server", nullptr};
    genie::LaunchPlan plan;
    plan.program = "/usr/bin/server";
    plan.arguments = arguments;
    starter.calls().fail(Call::spawn, EAGAIN);
    genie::testing::FakeLauncher launcher = starter.launcher;
    bool has_forked = false;
    {
      ForkAt fork{machine, starter, at};
      REQUIRE_FALSE(genie::ensure(guard, launcher, plan, {}));
      has_forked = fork.has_forked();
    }
    if (!has_forked) break;
    check_free(machine);
  }
}

TEST_CASE("who is forked during a claim that comes to nothing keeps nobody out", "[claim]") {
  const bool over_stale = GENERATE(false, true);
  for (std::uint64_t failing = 1;; ++failing) {
    std::uint64_t calls = 0;
    bool has_failed = false;
    for (std::uint64_t at = 1; at <= failing; ++at) {
      CAPTURE(over_stale, failing, at);
      Machine machine;
      if (over_stale) (void)crashed_owner(machine);
      const Contender contender = machine.spawn();
      Guard guard = guard_of(contender);
      calls = 0;
      contender.calls().decide = [&](const CallEvent& event) {
        return ++calls == failing && event.call != Call::unlock ? EIO : 0;
      };
      bool has_forked = false;
      bool has_claimed = false;
      {
        ForkAt fork{machine, contender, at};
        const auto claim = guard.claim();
        has_claimed = claim && claim->owned();
        has_forked = fork.has_forked();
      }
      contender.calls().decide = nullptr;
      has_failed = has_failed || !has_claimed;
      if (has_claimed || !has_forked) break;
      check_free(machine);
    }
    if (calls < failing) break;
  }
}

TEST_CASE("between the steps in which a failed claim gives its locks back, nobody is told that somebody runs",
          "[claim]") {
  const bool over_stale = GENERATE(false, true);
  for (std::uint64_t failing = 1; failing < 60; ++failing) {
    for (std::uint64_t also = failing; also < 60; ++also) {
      CAPTURE(over_stale, failing, also);
      Machine machine;
      if (over_stale) (void)crashed_owner(machine);
      const Contender contender = machine.spawn();
      Guard guard = guard_of(contender);
      std::uint64_t calls = 0;
      contender.calls().decide = [&](const CallEvent& event) {
        ++calls;
        const bool may_fail = event.call != Call::unlock && event.call != Call::close;
        return may_fail && (calls == failing || calls == also) ? EIO : 0;
      };
      bool has_unlocked = false;
      std::optional<genie::ClaimOutcome> newcomers;
      contender.calls().before_call = [&](const CallEvent& event) {
        if (has_unlocked && !newcomers) {
          const auto claim = guard_of(machine.spawn()).claim({.settle = genie::milliseconds(0)});
          newcomers = claim ? claim->outcome : genie::ClaimOutcome::contended;
        }
        has_unlocked = has_unlocked || event.call == Call::unlock;
      };
      const auto claim = guard.claim();
      contender.calls().before_call = nullptr;
      contender.calls().decide = nullptr;
      if (claim && claim->owned()) continue;
      CHECK(newcomers != genie::ClaimOutcome::already_running);
    }
  }
}

}  // namespace tests::forked_meanwhile_test
