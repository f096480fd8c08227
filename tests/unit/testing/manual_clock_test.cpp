#include "genie/testing/manual_clock.hpp"

#include <cerrno>
#include <vector>

#include "catch.hpp"

namespace tests::manual_clock_test {

using genie::Milliseconds;
using genie::milliseconds;
using genie::seconds;
using genie::testing::Call;
using genie::testing::ManualClock;
using genie::testing::ManualTime;

TEST_CASE("time passes only by sleeping or when the test says so") {
  ManualTime time;
  ManualClock clock{time};
  const Milliseconds wall = clock.wall();
  const Milliseconds start = clock.monotonic();
  CHECK(clock.monotonic() == start);
  clock.sleep(milliseconds(250));
  CHECK(clock.monotonic() - start == milliseconds(250));
  time.advance(milliseconds(750));
  CHECK(clock.monotonic() - start == seconds(1));
  CHECK(clock.wall() - wall == seconds(1));
  CHECK(time.sleeps == 1);
}

TEST_CASE("a step of the wall clock leaves the monotonic clock alone, a suspend moves both") {
  ManualTime time;
  ManualClock clock{time};
  const Milliseconds wall = clock.wall();
  const Milliseconds start = clock.monotonic();
  time.jump_wall(seconds(-86400));
  CHECK(clock.wall() - wall == seconds(-86400));
  CHECK(clock.monotonic() == start);
  time.suspend(seconds(3600));
  CHECK(clock.wall() - wall == seconds(3600 - 86400));
  CHECK(clock.monotonic() - start == seconds(3600));
}

TEST_CASE("copies of a clock show the same time") {
  ManualTime time;
  ManualClock one{time};
  ManualClock other = one;
  one.sleep(seconds(5));
  CHECK(one.monotonic() == other.monotonic());
}

TEST_CASE("others act during a sleep: at its beginning, or when their time has come") {
  ManualTime time;
  ManualClock clock{time};
  std::vector<std::int64_t> seen;
  const Milliseconds start = clock.monotonic();
  time.on_sleep = [&](std::uint64_t nth) { seen.push_back(static_cast<std::int64_t>(nth)); };
  time.after(milliseconds(30), [&] { seen.push_back((time.monotonic - start).count()); });
  time.after(milliseconds(130), [&] { seen.push_back((time.monotonic - start).count()); });
  clock.sleep(milliseconds(100));
  CHECK(seen == std::vector<std::int64_t>{1, 30});
  clock.sleep(milliseconds(100));
  CHECK(seen == std::vector<std::int64_t>{1, 30, 2, 130});
  CHECK(clock.monotonic() - start == milliseconds(200));
}

TEST_CASE("what falls due while the machine is suspended happens late") {
  ManualTime time;
  ManualClock clock{time};
  Milliseconds happened;
  time.after(seconds(1), [&] { happened = time.monotonic; });
  time.suspend(seconds(60));
  CHECK(happened == Milliseconds{});
  const Milliseconds resumed = clock.monotonic();
  clock.sleep(milliseconds(1));
  CHECK(happened == resumed);
}

TEST_CASE("a signal can end a sleep at once") {
  ManualTime time;
  ManualClock clock{time};
  clock.calls().fail(Call::sleep, EINTR);
  const Milliseconds start = clock.monotonic();
  clock.sleep(seconds(1));
  CHECK(clock.monotonic() == start);
  clock.sleep(seconds(1));
  CHECK(clock.monotonic() - start == seconds(1));
}

TEST_CASE("the sleep of a dead process takes only its own time") {
  ManualTime time;
  ManualClock clock{time, 1};
  ManualClock other{time, 2};
  const Milliseconds start = other.monotonic();
  time.end(1);
  clock.sleep(seconds(10));
  CHECK(clock.monotonic() - start == seconds(10));
  CHECK(other.monotonic() == start);
}

}  // namespace tests::manual_clock_test
