// Waiting for a file to change: how long, how often one looks, and what happens where nothing can be watched.
#include "support.hpp"

#include <genie/change_wait.hpp>

#include <cerrno>
#include <vector>

#include "catch.hpp"

namespace tests::change_wait_test {

using namespace tests;
using genie::Milliseconds;
using genie::milliseconds;
using genie::seconds;
using Wait = genie::ChangeWait<Guard::Host>;

namespace {

struct Waiting {
  Machine machine;
  Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  Milliseconds began = machine.time.monotonic;

  Waiting() {
    machine.disk.make_directory(directory);
    machine.disk.write_file(lock_path, "");
  }
  [[nodiscard]] Milliseconds passed() const { return machine.time.monotonic - began; }
  [[nodiscard]] std::uint64_t count(Call call) const { return contender.calls().count(call); }
  [[nodiscard]] std::size_t open_watches() { return machine.disk.tables[contender.index()].watches.size(); }
  /// The moments at which one is to look again, until the deadline.
  std::vector<std::int64_t> looks(Milliseconds span) {
    Wait wait{guard.host(), began + span};
    std::vector<std::int64_t> result;
    while (wait.next(lock_path)) result.push_back(passed().count());
    return result;
  }
};

}  // namespace

TEST_CASE("one naps twice before a file is watched, and then waits for up to a quarter of a second", "[change_wait]") {
  Waiting waiting;
  // Naps of 1 and 2 ms, a look once the watch stands, and then waits that double.
  CHECK(waiting.looks(seconds(1)) == std::vector<std::int64_t>{1, 3, 3, 7, 15, 31, 63, 127, 255, 505, 755, 1000});
  CHECK(waiting.count(Call::sleep) == 2);
  CHECK(waiting.count(Call::watch) == 1);
  CHECK(waiting.count(Call::wait) == 9);
  CHECK(waiting.open_watches() == 0);
}

TEST_CASE("where nothing can be watched, one looks at least every 20 ms", "[change_wait]") {
  Waiting waiting;
  waiting.machine.disk.has_watch = false;
  CHECK(waiting.looks(milliseconds(100)) == std::vector<std::int64_t>{1, 3, 7, 15, 31, 51, 71, 91, 100});
  CHECK(waiting.count(Call::sleep) == 9);
  CHECK(waiting.count(Call::watch) == 1);
}

TEST_CASE("a change ends a wait, and one looks again soon after it", "[change_wait]") {
  Waiting waiting;
  waiting.machine.time.after(milliseconds(300), [&] { waiting.machine.disk.write_file(lock_path, "x"); });
  CHECK(waiting.looks(milliseconds(330)) ==
        std::vector<std::int64_t>{1, 3, 3, 7, 15, 31, 63, 127, 255, 300, 301, 303, 307, 315, 330});
}

TEST_CASE("a deadline that has passed is not waited for", "[change_wait]") {
  Waiting waiting;
  CHECK(waiting.looks(milliseconds(0)).empty());
  CHECK(waiting.looks(milliseconds(-5)).empty());
  CHECK(waiting.looks(milliseconds(1)) == std::vector<std::int64_t>{1});
  CHECK(waiting.count(Call::sleep) == 1);
}

TEST_CASE("an interrupted wait goes on watching, and one that fails is replaced by naps", "[change_wait][F16]") {
  Waiting waiting;
  SECTION("interrupted") {
    waiting.contender.calls().fail(Call::wait, EINTR);
    CHECK(waiting.looks(seconds(1)).size() > 5);
    CHECK(waiting.count(Call::sleep) == 2);
    CHECK(waiting.count(Call::wait) > 2);
  }
  SECTION("failing") {
    waiting.contender.calls().fail(Call::wait, EIO);
    CHECK(waiting.looks(seconds(1)).size() > 5);
    CHECK(waiting.count(Call::wait) == 1);
    CHECK(waiting.count(Call::sleep) > 10);
    CHECK(waiting.count(Call::close_watch) == 1);
  }
  CHECK(waiting.open_watches() == 0);
  CHECK(waiting.passed() == seconds(1));
}

}  // namespace tests::change_wait_test
