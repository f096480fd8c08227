// Values at the ends of their ranges: times that saturate, enumerators that do not exist, results that hold them.
#include <genie/fmt.hpp>
#include <genie/serve_guard.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "catch.hpp"

namespace tests::values_test {

using genie::Milliseconds;
using genie::milliseconds;

namespace {

template <typename E>
constexpr E none_of_them() {
  return static_cast<E>(250);
}

}  // namespace

TEST_CASE("times saturate instead of overflowing", "[duration]") {
  const Milliseconds most{INT64_MAX};
  const Milliseconds least{INT64_MIN};
  CHECK(most + milliseconds(1) == most);
  CHECK(least + milliseconds(-1) == least);
  CHECK(least - milliseconds(1) == least);
  CHECK(most - milliseconds(-1) == most);
  CHECK(most - milliseconds(1) == Milliseconds{INT64_MAX - 1});
  CHECK(least + milliseconds(1) == Milliseconds{INT64_MIN + 1});
  CHECK(milliseconds(0) - least == most);
}

TEST_CASE("a value that is no enumerator has a name that says nothing wrong", "[fmt]") {
  CHECK(std::string{genie::to_string(none_of_them<genie::Phase>())} == "?");
  CHECK(fmt::format("{}", none_of_them<genie::ClaimOutcome>()) == "contended");
  CHECK(fmt::format("{}", none_of_them<genie::ServerState>()) == "unknown");
  CHECK(fmt::format("{}", none_of_them<genie::StopOutcome>()) == "refused");
  CHECK(fmt::format("{}", none_of_them<genie::Liveness>()) == "unknown");
  CHECK(fmt::format("{}", none_of_them<genie::Ownership>()) == "not_claimed");
  CHECK(fmt::format("{}", none_of_them<genie::Operation>()) == "use");
  CHECK(fmt::format("{}", none_of_them<genie::Reason>()) == "none");
  CHECK(fmt::format("{}", none_of_them<genie::Assurance>()) == "none");
  CHECK(fmt::format("{}", none_of_them<genie::PortStanding>()) == "garbage");
  CHECK(fmt::format("{}", none_of_them<genie::EnsureOutcome>()) == "contended");
  CHECK(fmt::format("{}", none_of_them<genie::EndpointStanding>()) == "unknown");
  CHECK(genie::to_string(none_of_them<genie::Whereabouts>()) == "unknown");
  CHECK(std::string{genie::to_string(none_of_them<genie::StepState>())} == "?");
  CHECK(std::string{genie::to_string(none_of_them<genie::FailureKind>())} == "?");
  genie::EnsureReport ensured;
  ensured.outcome = none_of_them<genie::EnsureOutcome>();
  CHECK(fmt::format("{}", ensured).empty());
  genie::Evidence evidence;
  evidence.reason = none_of_them<genie::Reason>();
  CHECK(fmt::format("{}", evidence).empty());
  genie::ClaimReport report;
  report.outcome = none_of_them<genie::ClaimOutcome>();
  CHECK(fmt::format("{}", report).empty());
  genie::Error error;
  error.kind = none_of_them<genie::ErrorKind>();
  CHECK(genie::advice(error).empty());
}

TEST_CASE("a report of a claim that does not end names who is at it", "[fmt]") {
  genie::ClaimReport report;
  report.outcome = genie::ClaimOutcome::contended;
  report.evidence.reason = genie::Reason::claim_in_progress;
  CHECK(fmt::format("{}", report).find("held by worker") == std::string::npos);
  report.holder_count = 1;
  report.holders[0] = {4711, genie::known_start(5), genie::FixedText<31>{"worker"}};
  CHECK(fmt::format("{}", report).find("; held by worker (PID 4711); try again in a moment") != std::string::npos);
}

TEST_CASE("a receipt says what went wrong beside the stop, and who is left", "[fmt]") {
  genie::StopReceipt receipt;
  receipt.outcome = genie::StopOutcome::killed;
  receipt.target = {4711, genie::known_start(5)};
  const std::string plain = fmt::format("{}", receipt);
  const auto said = [&](genie::StopReceipt changed) {
    const std::string text = fmt::format("{}", changed);
    CHECK(text.substr(0, plain.size()) == plain);
    return text.substr(plain.size());
  };
  CHECK(said(receipt).empty());
  genie::StopReceipt held = receipt;
  held.holder_count = 1;
  held.holders[0] = {4712, genie::known_start(6), genie::FixedText<31>{"worker"}};
  CHECK(said(held).find("its lock is still held by") != std::string::npos);
  CHECK(said(held).find("4712") != std::string::npos);
  genie::StopReceipt full = receipt;
  full.sentinel_error = ENOSPC;
  CHECK(said(full).find(fmt::format("errno {}), so something may start it again", ENOSPC)) != std::string::npos);
  genie::StopReceipt dirty = receipt;
  dirty.clean_up_error = EIO;
  CHECK(said(dirty).find(fmt::format("could not be removed ({}, errno {})", std::generic_category().message(EIO),
                                     EIO)) != std::string::npos);
  genie::StopReceipt group = receipt;
  group.killed_group = true;
  CHECK(said(group) == ", with members of its process group");
}

TEST_CASE("a result's value can be changed in place", "[result]") {
  genie::Result<int> result{7};
  result.value() = 8;
  CHECK(*result == 8);
  const genie::Result<int>& constant = result;
  CHECK(constant.value() == 8);
}

TEST_CASE("only a whole temporary name of our own is temporary", "[state_files]") {
  const genie::StateFiles files{"/d", "serve", {}};
  CHECK(files.is_temporary("serve.0123456789abcdef.tmp"));
  for (const char* const name :
       {"serve.0123456789abcdef.txt", "serve.0123456789abcdeg.tmp", "serve-0123456789abcdef.tmp",
        "serve.0123456789abcde.tmp", "other.0123456789abcdef.tmp", "serve.0123456789ABCDEF.tmp"}) {
    CAPTURE(name);
    CHECK_FALSE(files.is_temporary(name));
  }
}

}  // namespace tests::values_test
