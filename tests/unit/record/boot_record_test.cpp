// The two blocks behind the owner's record: a boot's step, and the last failure.
#include <genie/record/failure_record.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::boot_record_test {

using genie::BlockKind;
using genie::BootRecord;
using genie::FailureKind;
using genie::FailureRecord;
using genie::known_start;
using genie::Milliseconds;
using genie::StepState;
using unit_tests::string;

namespace {

BootRecord boot_sample() {
  BootRecord boot;
  boot.generation = 7;
  boot.number = 3;
  boot.state = StepState::refused;
  boot.step = genie::StepName{"migrate the schema"};
  boot.done = 10;
  boot.total = 400;
  boot.since = Milliseconds{1000};
  boot.updated = Milliseconds{2000};
  boot.advice = genie::StepAdvice{"run: myapp migrate --yes"};
  return boot;
}

FailureRecord failure_sample() {
  FailureRecord failure;
  failure.generation = 7;
  failure.count = 2;
  failure.kind = FailureKind::signalled;
  failure.value = 11;
  failure.server = {4711, known_start(991)};
  failure.step = genie::StepName{"migrate"};
  failure.advice = genie::StepAdvice{"run: x"};
  failure.when = Milliseconds{1'700'000'000'000};
  failure.boot = genie::BootId{"0b6f3c1e-5b53-4c5e-9d0a-6a3f1c2d4e5f"};
  failure.failed_at = Milliseconds{5000};
  failure.retry_at = Milliseconds{6000};
  failure.log = genie::FixedText<255>{"/var/log/x"};
  failure.tail = genie::FixedText<1000>{"\nline\n\n> quoted\nchecksum 0000000000000000"};
  return failure;
}

FailureRecord largest_failure() {
  FailureRecord failure = failure_sample();
  failure.generation = failure.count = UINT64_MAX;
  failure.kind = FailureKind::not_executed;
  failure.value = INT64_MAX;
  failure.server = {INT64_MAX, known_start(UINT64_MAX)};
  failure.step = genie::StepName{std::string(63, 's')};
  failure.advice = genie::StepAdvice{std::string(255, 'a')};
  failure.when = failure.failed_at = failure.retry_at = Milliseconds{INT64_MAX};
  failure.boot = genie::BootId{std::string(40, 'b')};
  failure.log = genie::FixedText<255>{std::string(255, 'l')};
  std::string tail(1000, '\n');
  tail.back() = 'x';
  failure.tail = genie::FixedText<1000>{tail};
  return failure;
}

}  // namespace

TEST_CASE("a boot's step reads back, in every state", "[boot_record]") {
  for (const StepState state :
       {StepState::running, StepState::ok, StepState::fixed, StepState::skipped, StepState::refused}) {
    BootRecord boot = boot_sample();
    boot.state = state;
    const auto bytes = genie::encode_boot_record(boot);
    CHECK(bytes.size() == genie::boot_record_size);
    BootRecord again;
    CHECK(genie::parse_boot_record(bytes, again) == BlockKind::valid);
    CHECK(again == boot);
  }
}

TEST_CASE("the longest step fits its block, and stays one line", "[boot_record]") {
  BootRecord boot = boot_sample();
  boot.generation = boot.number = boot.done = boot.total = UINT64_MAX;
  boot.since = boot.updated = Milliseconds{INT64_MAX};
  boot.step = genie::StepName{std::string(63, '\n')};
  boot.advice = genie::StepAdvice{std::string(255, '\r')};
  const auto bytes = genie::encode_boot_record(boot);
  CHECK_FALSE(bytes.overflowed());
  BootRecord again;
  CHECK(genie::parse_boot_record(bytes, again) == BlockKind::valid);
  CHECK(again.step == genie::StepName{std::string(63, ' ')});
  CHECK(again.advice == genie::StepAdvice{std::string(255, ' ')});
}

TEST_CASE("a failure reads back, of every kind, with lines of output that look like its own", "[failure_record]") {
  for (const FailureKind kind :
       {FailureKind::exited, FailureKind::signalled, FailureKind::refused, FailureKind::stalled, FailureKind::too_late,
        FailureKind::not_executed, FailureKind::lost}) {
    FailureRecord failure = failure_sample();
    failure.kind = kind;
    const auto bytes = genie::encode_failure_record(failure);
    CHECK(bytes.size() == genie::failure_record_size);
    FailureRecord again;
    CHECK(genie::parse_failure_record(bytes, INT32_MAX, again) == BlockKind::valid);
    CHECK(again == failure);
  }
  FailureRecord again;
  const auto bytes = genie::encode_failure_record(largest_failure());
  CHECK_FALSE(bytes.overflowed());
  CHECK(genie::parse_failure_record(bytes, INT64_MAX, again) == BlockKind::valid);
  CHECK(again == largest_failure());
}

TEST_CASE("what is blank, of another kind or damaged touches nothing", "[boot_record][failure_record]") {
  const std::string boot_bytes = string(genie::encode_boot_record(boot_sample()));
  const std::string failure_bytes = string(genie::encode_failure_record(failure_sample()));
  const auto check = [](const std::string& text, BlockKind boot_kind, BlockKind failure_kind) {
    CAPTURE(text);
    BootRecord boot = boot_sample();
    FailureRecord failure = failure_sample();
    CHECK(genie::parse_boot_record(text, boot) == boot_kind);
    CHECK(genie::parse_failure_record(text, INT32_MAX, failure) == failure_kind);
    CHECK(boot == boot_sample());
    CHECK(failure == failure_sample());
  };
  check("", BlockKind::blank, BlockKind::blank);
  check(std::string(1024, '\0'), BlockKind::blank, BlockKind::blank);
  check(boot_bytes, BlockKind::valid, BlockKind::unreadable);
  check(failure_bytes, BlockKind::unreadable, BlockKind::valid);
  check(boot_bytes.substr(0, 60), BlockKind::unreadable, BlockKind::unreadable);
  for (std::string whole : {boot_bytes, failure_bytes}) {
    const std::size_t value_at = whole.find("generation ") + 11;
    for (const char wrong : {'8', 'x'}) {
      whole[value_at] = wrong;
      check(whole, BlockKind::unreadable, BlockKind::unreadable);
    }
  }
}

TEST_CASE("a value that is none of its key's makes a block unreadable", "[boot_record][failure_record]") {
  const auto sealed = [](const std::string& lines) {
    genie::FixedText<16> sum;
    sum.append_hex(genie::record_detail::checksum(lines));
    return lines + "checksum " + string(sum) + "\n";
  };
  BootRecord boot;
  for (const char* line :
       {"generation x", "number -1", "done 1.5", "total ", "since 99999999999999999999", "updated x", "state asleep"}) {
    CAPTURE(std::string{line});
    CHECK(genie::parse_boot_record(sealed(std::string{"genie-boot 1\n"} + line + "\n"), boot) == BlockKind::unreadable);
  }
  FailureRecord failure;
  for (const char* line :
       {"generation x", "count x", "kind unlucky", "value -1", "server 0", "when x", "failed-at x", "retry-at x"}) {
    CAPTURE(std::string{line});
    CHECK(genie::parse_failure_record(sealed(std::string{"genie-failure 1\n"} + line + "\n"), INT32_MAX, failure) ==
          BlockKind::unreadable);
  }
  CHECK(genie::parse_boot_record(sealed("genie-boot 1\nlater thing\n"), boot) == BlockKind::valid);
}

}  // namespace tests::boot_record_test
