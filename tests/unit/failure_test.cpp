// What is kept of a failed start: what a server says of it itself, and what becomes of earlier accounts.
#include <cerrno>
#include <cstdint>

#include "catch.hpp"
#include "support.hpp"

namespace tests::failure_test {

using namespace tests;
using genie::FailureKind;
using genie::FailureRecord;
using genie::Milliseconds;
using genie::StepState;

namespace {

/// A server that boots, and what others see of it.
struct Boot {
  Machine machine;
  Contender owner = machine.spawn();
  Guard guard = guard_of(owner);

  Boot() { start(); }

  void start() { REQUIRE(guard.claim({.starting = true})->owned()); }
  [[nodiscard]] FailureRecord seen() {
    Guard observer = guard_of(machine.spawn());
    return observer.status()->failure;
  }
};

FailureRecord exit_status(int value) {
  FailureRecord failure;
  failure.kind = FailureKind::exited;
  failure.value = value;
  return failure;
}

}  // namespace

TEST_CASE("a failure is told with its time, and with the step in which the boot was", "[failure]") {
  Boot boot;
  REQUIRE(boot.guard.boot("load"));
  boot.machine.time.advance(Milliseconds{70});
  const std::uint64_t reads = boot.owner.calls().count(Call::read_at);
  REQUIRE(boot.guard.report_failure(exit_status(3)));
  // That of the boot: no earlier failure is named, so that none is looked for.
  CHECK(boot.owner.calls().count(Call::read_at) == reads + 1);
  const FailureRecord seen = boot.seen();
  CHECK(seen.generation == 1);
  CHECK(seen.count == 1);
  CHECK(seen.kind == FailureKind::exited);
  CHECK(seen.value == 3);
  CHECK(seen.step == genie::StepName{"load"});
  CHECK(seen.when == boot.machine.time.wall);
  CHECK(seen.failed_at == boot.machine.time.monotonic);
}

TEST_CASE("a failure of a server of an impossible number is refused, and nothing is written", "[failure]") {
  Boot boot;
  const auto lock = boot.machine.disk.read_file(lock_path);
  FailureRecord failure = exit_status(3);
  failure.server.pid = GENERATE(-1, INT64_MAX);
  const auto reported = boot.guard.report_failure(failure);
  REQUIRE_FALSE(reported);
  CHECK(reported.error().kind == genie::ErrorKind::invalid_process);
  CHECK(reported.error().code == EINVAL);
  CHECK(boot.machine.disk.read_file(lock_path) == lock);
  failure.server = boot.owner.identity;
  REQUIRE(boot.guard.report_failure(failure));
  CHECK(boot.seen().server == boot.owner.identity);
}

TEST_CASE("a step that was refused is the failure, whatever the server ended with", "[failure]") {
  Boot boot;
  REQUIRE(boot.guard.boot("migrate"));
  REQUIRE(boot.guard.end_step(StepState::refused, "run: migrate"));
  REQUIRE(boot.guard.report_failure(exit_status(3)));
  const FailureRecord seen = boot.seen();
  CHECK(seen.kind == FailureKind::refused);
  CHECK(seen.value == 0);
  CHECK(seen.advice == genie::StepAdvice{"run: migrate"});
}

TEST_CASE("where this boot has reported no step, the one that the failure names stays", "[failure]") {
  Boot boot;
  SECTION("of the first server") {}
  SECTION("of one whose predecessor has reported some") {
    REQUIRE(boot.guard.boot("load"));
    REQUIRE(boot.guard.release());
    boot.start();
  }
  FailureRecord failure = exit_status(3);
  failure.step = genie::StepName{"listen"};
  REQUIRE(boot.guard.report_failure(failure));
  CHECK(boot.seen().step == genie::StepName{"listen"});
}

TEST_CASE("an account that its lock record does not name is none", "[failure]") {
  Boot boot;
  REQUIRE(boot.guard.report_failure(exit_status(3)));
  REQUIRE(boot.guard.release());
  CHECK(boot.seen().generation == 1);
  boot.start();
  // The account is written, and the record that names it is not.
  boot.owner.calls().fail(Call::write_at, ENOSPC, 2);
  CHECK(boot.guard.report_failure(exit_status(4)).error().code == ENOSPC);
  CHECK(boot.seen() == FailureRecord{});
}

TEST_CASE("a failure in a row counts the ones before, or is not told at all", "[failure]") {
  Boot boot;
  REQUIRE(boot.guard.report_failure(exit_status(3)));
  REQUIRE(boot.guard.release());
  boot.start();
  boot.owner.calls().fail(Call::read_at, EIO);
  const auto failed = boot.guard.report_failure(exit_status(4));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == EIO);
  CHECK(failed.error().operation == genie::Operation::read);
  CHECK(boot.seen().count == 1);
  REQUIRE(boot.guard.report_failure(exit_status(4)));
  CHECK(boot.seen().count == 2);
  CHECK(boot.seen().retry_at == boot.machine.time.monotonic + genie::backoff_after(2));
}

}  // namespace tests::failure_test
