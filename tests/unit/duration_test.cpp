// Spans of time, taken from <chrono> by shape.
#include <genie/serve_guard.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

#include "catch.hpp"

namespace tests::duration_test {

using genie::Milliseconds;
using namespace std::chrono_literals;

namespace {

static_assert(genie::DurationLike<std::chrono::seconds> && genie::DurationLike<std::chrono::duration<double>>);
static_assert(!genie::DurationLike<int> && !genie::DurationLike<Milliseconds>);
static_assert(std::is_convertible_v<std::chrono::minutes, Milliseconds>);
static_assert(!std::is_convertible_v<std::int64_t, Milliseconds>, "a bare number has no unit");

constexpr std::int64_t in_ms(Milliseconds span) { return span.count(); }

/// Keeps the compiler from folding the conversion.
template <typename D>
D at_run_time(D duration) {
  volatile typename D::rep count = duration.count();
  return D{count};
}

}  // namespace

TEST_CASE("chrono durations become whole milliseconds, finer ones towards zero", "[duration]") {
  static_assert(in_ms(3s) == 3000);
  CHECK(in_ms(0ns) == 0);
  CHECK(in_ms(999'999ns) == 0);
  CHECK(in_ms(1'999'999ns) == 1);
  CHECK(in_ms(-1'999us) == -1);
  CHECK(in_ms(7ms) == 7);
  CHECK(in_ms(2min) == 120'000);
  CHECK(in_ms(24h) == 86'400'000);
  CHECK(in_ms(1.5s) == 1500);
  CHECK(in_ms(-0.25s) == -250);
  CHECK(in_ms(std::chrono::duration<int, std::ratio<1, 3>>{2}) == 666);
  CHECK(in_ms(std::chrono::duration<std::uint8_t, std::ratio<86'400>>{2}) == 172'800'000);
  CHECK(in_ms(at_run_time(std::chrono::milliseconds::max())) == INT64_MAX);
  CHECK(in_ms(at_run_time(std::chrono::milliseconds::min())) == INT64_MIN);
  CHECK(in_ms(at_run_time(std::chrono::nanoseconds::max())) == INT64_MAX / 1'000'000);
}

TEST_CASE("a duration beyond the range saturates: for ever never becomes at once", "[duration]") {
  CHECK(in_ms(at_run_time(std::chrono::hours::max())) == INT64_MAX);
  CHECK(in_ms(at_run_time(std::chrono::seconds::max())) == INT64_MAX);
  CHECK(in_ms(at_run_time(std::chrono::seconds::min())) == INT64_MIN);
  CHECK(in_ms(at_run_time(std::chrono::duration<double>{1e30})) == INT64_MAX);
  CHECK(in_ms(at_run_time(std::chrono::duration<double>{-1e30})) == INT64_MIN);
  CHECK(in_ms(at_run_time(std::chrono::duration<float>{std::numeric_limits<float>::infinity()})) == INT64_MAX);
}

TEST_CASE("a duration that is no number is none at all", "[duration]") {
  CHECK(in_ms(at_run_time(std::chrono::duration<double>{std::numeric_limits<double>::quiet_NaN()})) == 0);
  CHECK(in_ms(at_run_time(std::chrono::duration<float>{-std::numeric_limits<float>::quiet_NaN()})) == 0);
}

TEST_CASE("seconds and milliseconds make the span that they name", "[duration]") {
  static_assert(genie::seconds(2) == Milliseconds{2000} && genie::milliseconds(-5).count() == -5);
  volatile std::int64_t most = INT64_MAX;
  volatile std::int64_t least = INT64_MIN;
  CHECK(genie::seconds(most).count() == INT64_MAX);
  CHECK(genie::seconds(least).count() == INT64_MIN);
}

TEST_CASE("sums and differences saturate instead of overflowing", "[duration]") {
  constexpr Milliseconds most{INT64_MAX};
  constexpr Milliseconds least{INT64_MIN};
  constexpr Milliseconds one{1};
  static_assert(Milliseconds{3} + Milliseconds{4} == Milliseconds{7});
  static_assert(Milliseconds{3} - Milliseconds{4} == Milliseconds{-1});
  static_assert(most + one == most && one + most == most && most + most == most);
  static_assert(least + Milliseconds{-1} == least && least - one == least && least + least == least);
  static_assert(most - Milliseconds{-1} == most && Milliseconds{} - least == most && most - least == most);
  static_assert(Milliseconds{-2} - most == least && least - most == least && most + least == Milliseconds{-1});
  static_assert(Milliseconds{} == Milliseconds{0} && least < Milliseconds{} && Milliseconds{} < one && one < most);
  static_assert(one > least && one >= one && one <= one && least <= one && most >= one);
  static_assert(!(one > one) && !(one < one) && !(least >= one) && !(most <= one) && one != most);
  CHECK(genie::seconds(1) + 500ms == Milliseconds{1500});
}

}  // namespace tests::duration_test
