// Steps of a boot: what is written when, and what becomes of steps, estimates and guards.
#include "support.hpp"

#include <string>
#include <utility>

#include "catch.hpp"

namespace tests::boot_test {

using namespace tests;
using genie::BootRecord;
using genie::Milliseconds;
using genie::StepState;

namespace {

struct Boot {
  Machine machine;
  Contender owner = machine.spawn();
  Guard guard = guard_of(owner);

  Boot() { REQUIRE(guard.claim({.starting = true})->owned()); }

  [[nodiscard]] BootRecord seen() {
    Guard observer = guard_of(machine.spawn());
    return observer.status()->boot;
  }
  [[nodiscard]] std::uint64_t writes() const { return owner.calls().count(Call::write_at); }
};

}  // namespace

TEST_CASE("a step is visible as soon as it is reported", "[boot]") {
  Boot boot;
  CHECK(boot.seen().generation == 0);
  REQUIRE(boot.guard.boot("load", 3, 10));
  const BootRecord first = boot.seen();
  CHECK(first.generation == 1);
  CHECK(first.number == 1);
  CHECK(first.step == genie::StepName{"load"});
  CHECK(first.done == 3);
  CHECK(first.total == 10);
  CHECK(first.since == boot.machine.time.monotonic);
  boot.machine.time.advance(Milliseconds{10});
  REQUIRE(boot.guard.boot("index"));
  CHECK(boot.seen().number == 2);
  CHECK(boot.seen().since == boot.machine.time.monotonic);
  CHECK(boot.seen().updated == boot.machine.time.monotonic);
  CHECK(boot.seen().done == 0);
  CHECK(boot.seen().total == 0);
  // Only of a server that is not ready yet.
  REQUIRE(boot.guard.ready());
  CHECK(boot.seen().generation == 0);
}

TEST_CASE("a million reports of progress are a few writes, and the last one is seen", "[boot]") {
  Boot boot;
  boot.owner.calls().keeps_log = false;
  constexpr std::uint64_t total = 1'000'000;
  const std::uint64_t before = boot.writes();
  for (std::uint64_t done = 0; done <= total; ++done) {
    if (done % 1000 == 0) boot.machine.time.advance(Milliseconds{1});
    if (!boot.guard.boot("backfill", done, total)) FAIL("not written");
  }
  CHECK(boot.writes() - before <= 13);
  CHECK(boot.seen().done == total);
  CHECK(boot.seen().number == 1);
}

TEST_CASE("progress that comes slowly is written each time", "[boot]") {
  Boot boot;
  for (std::uint64_t done = 1; done <= 5; ++done) {
    REQUIRE(boot.guard.boot("backfill", done));
    CHECK(boot.seen().done == done);
    CHECK(boot.seen().updated == boot.machine.time.monotonic);
    boot.machine.time.advance(genie::boot_interval);
  }
}

TEST_CASE("the end of a step tells how far it came, also what came too soon to be written", "[boot]") {
  Boot boot;
  REQUIRE(boot.guard.boot("load", 1, 10));
  REQUIRE(boot.guard.boot("load", 7, 12));
  CHECK(boot.seen().done == 1);
  REQUIRE(boot.guard.end_step(StepState::ok));
  CHECK(boot.seen().done == 7);
  CHECK(boot.seen().total == 12);
}

TEST_CASE("a report that could not be written is tried again at once", "[boot]") {
  Boot boot;
  REQUIRE(boot.guard.boot("load", 1, 10));
  boot.machine.time.advance(genie::boot_interval);
  boot.owner.calls().fail(Call::write_at, ENOSPC);
  const auto failed = boot.guard.boot("load", 2, 10);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ENOSPC);
  REQUIRE(boot.guard.boot("load", 3, 10));
  CHECK(boot.seen().done == 3);
}

TEST_CASE("a step as an object reports how it goes and how it ends", "[boot]") {
  Boot boot;
  auto step = boot.guard.step("load", 10);
  CHECK(boot.seen().done == 0);
  CHECK(boot.seen().total == 10);
  step.advance(20, 20);
  CHECK(boot.seen().done == 20);
  SECTION("ok") {
    step.ok();
    CHECK(boot.seen().state == StepState::ok);
  }
  SECTION("fixed") {
    step.fixed();
    CHECK(boot.seen().state == StepState::fixed);
  }
  SECTION("skipped") {
    step.skipped();
    CHECK(boot.seen().state == StepState::skipped);
  }
  SECTION("refused, with what to run") {
    step.refused("run: x");
    CHECK(boot.seen().state == StepState::refused);
    CHECK(boot.seen().advice == genie::StepAdvice{"run: x"});
  }
  CHECK(step.result());
  // The same name again is another step.
  REQUIRE(boot.guard.boot("load"));
  CHECK(boot.seen().number == 2);
  CHECK(boot.seen().state == StepState::running);
}

TEST_CASE("a step remembers the first report that could not be written", "[boot]") {
  Boot boot;
  auto step = boot.guard.step("load");
  CHECK(boot.seen().total == 0);
  boot.owner.calls().fail(Call::write_at, EIO);
  step.ok();
  boot.owner.calls().fail(Call::write_at, ENOSPC);
  step.ok();
  REQUIRE_FALSE(step.result());
  CHECK(step.result().error().code == EIO);
}

TEST_CASE("only an owner reports, and only of a step that has begun", "[boot]") {
  Machine machine;
  const Contender process = machine.spawn();
  Guard guard = guard_of(process);
  CHECK(guard.boot("load").error().kind == genie::ErrorKind::not_claimed);
  CHECK(guard.end_step(StepState::ok).error().kind == genie::ErrorKind::not_claimed);
  CHECK(guard.report_failure({}).error().kind == genie::ErrorKind::not_claimed);
  REQUIRE(guard.claim({.starting = true}));
  CHECK(guard.end_step(StepState::ok).error().kind == genie::ErrorKind::not_claimed);
  REQUIRE(guard.boot("load"));
  REQUIRE(guard.release());
  CHECK(guard.boot("load").error().kind == genie::ErrorKind::not_claimed);
  // The next claim's boot begins at its first step.
  REQUIRE(guard.claim({.starting = true}));
  Guard observer = guard_of(machine.spawn());
  CHECK(observer.status()->boot.generation == 0);
  REQUIRE(guard.boot("load"));
  CHECK(observer.status()->boot.number == 1);
  CHECK(observer.status()->boot.generation == 2);
}

TEST_CASE("a guard that was moved goes on with its boot", "[boot]") {
  Boot boot;
  REQUIRE(boot.guard.boot("load"));
  Guard moved{std::move(boot.guard)};
  REQUIRE(moved.boot("index"));
  CHECK(boot.seen().number == 2);
  Guard assigned = guard_of(boot.machine.spawn(), "/tmp/other");
  assigned = std::move(moved);
  REQUIRE(assigned.boot("serve"));
  CHECK(boot.seen().number == 3);
}

TEST_CASE("what is left of a step is estimated from how it went", "[boot]") {
  BootRecord record;
  record.since = Milliseconds{1000};
  const auto rest = [&](std::uint64_t done, std::uint64_t total, std::int64_t now = 3000) {
    record.done = done;
    record.total = total;
    return genie::estimated_rest(record, Milliseconds{now}).count();
  };
  CHECK(rest(10, 40) == 6000);
  CHECK(rest(0, 40) == 0);
  CHECK(rest(40, 40) == 0);
  CHECK(rest(10, 0) == 0);
  CHECK(rest(10, 40, 1000) == 0);
  CHECK(rest(10, 40, 1001) == 3);
  CHECK(rest(10, 40, 900) == 0);
  CHECK(rest(1, UINT64_MAX) == 1'000'000'000'000'000);
  record.state = StepState::ok;
  CHECK(rest(10, 40) == 0);
  record.done = 1;
  record.total = 3;
  CHECK(genie::percentage(record) == 33);
  record.done = 7;
  CHECK(genie::percentage(record) == 100);
  record.total = 7;
  CHECK(genie::percentage(record) == 100);
  record.total = 0;
  CHECK(genie::percentage(record) == 0);
  record.done = 0;
  CHECK(genie::percentage(record) == 0);
  record.total = 1;
  CHECK(genie::percentage(record) == 0);
  record.done = 1;
  CHECK(genie::percentage(record) == 100);
}

TEST_CASE("blocks that cannot be read are told as what they are, and damaged ones as none", "[boot][failure]") {
  Boot boot;
  REQUIRE(boot.guard.boot("load"));
  genie::FailureRecord failure;
  failure.value = 1;
  REQUIRE(boot.guard.report_failure(failure));
  CHECK(boot.seen().step == genie::StepName{"load"});
  const Contender reader = boot.machine.spawn();
  Guard observer = guard_of(reader);
  CHECK(observer.status()->failure.count == 1);
  for (std::uint64_t read = 1; read <= reader.calls().count(Call::read_at); ++read) {
    const Contender other = boot.machine.spawn();
    other.calls().fail(Call::read_at, EIO, read);
    const auto report = guard_of(other).status();
    REQUIRE_FALSE(report);
    CHECK(report.error().code == EIO);
  }
  std::string content = *boot.machine.disk.read_file(lock_path);
  content[genie::boot_record_at + 20] ^= 1;
  content[genie::failure_record_at + 20] ^= 1;
  boot.machine.disk.write_file(lock_path, content);
  CHECK(boot.seen().generation == 0);
  CHECK(observer.status()->failure.generation == 0);
}

}  // namespace tests::boot_test
