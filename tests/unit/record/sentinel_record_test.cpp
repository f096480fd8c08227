// The stop sentinel: what blocks auto-start, for whom, and for how long.
#include <genie/serve_guard.hpp>

#include <genie/record/sentinel_record.hpp>

#include <string>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::sentinel_record_test {

using genie::BootId;
using genie::encode_sentinel;
using genie::known_start;
using genie::Milliseconds;
using genie::parse_sentinel;
using genie::Pid;
using genie::ProcessIdentity;
using genie::Sentinel;
using genie::Stopper;
using unit_tests::string;

namespace {

constexpr Pid limit = INT32_MAX;

Stopper stopper(Pid pid, std::int64_t wall_until) {
  Stopper entry;
  entry.stopper = {pid, known_start(815)};
  entry.nonce = 77;
  entry.origin = {BootId{"3b1c"}, 4026531836};
  entry.target = {4711, known_start(991)};
  entry.wall_until = Milliseconds{wall_until};
  entry.monotonic_until = Milliseconds{wall_until / 2};
  entry.ttl = Milliseconds{30'000};
  return entry;
}

Sentinel sentinel_of(const std::vector<Stopper>& stoppers) {
  Sentinel sentinel;
  for (const Stopper& entry : stoppers) sentinel.stoppers[sentinel.count++] = entry;
  return sentinel;
}

bool same(const Stopper& left, const Stopper& right) {
  return left.stopper == right.stopper && left.nonce == right.nonce && left.origin == right.origin &&
         left.target == right.target && left.wall_until == right.wall_until &&
         left.monotonic_until == right.monotonic_until && left.ttl == right.ttl && left.restarting == right.restarting;
}
bool same(const Sentinel& left, const Sentinel& right) {
  bool equal = left.count == right.count && left.has_stay == right.has_stay;
  if (left.has_stay) equal = equal && left.stay == right.stay;
  for (std::size_t at = 0; equal && at < left.count; ++at) equal = same(left.stoppers[at], right.stoppers[at]);
  return equal;
}

bool reads_back(const Sentinel& sentinel) {
  Sentinel again;
  const auto bytes = encode_sentinel(sentinel);
  return !bytes.overflowed() && parse_sentinel(bytes, INT64_MAX, again) && same(again, sentinel);
}

}  // namespace

TEST_CASE("a sentinel begins with the latest expiry, as older readers expect it", "[sentinel_record]") {
  const Sentinel two = sentinel_of({stopper(100, 1'700'000'030'000), stopper(200, 1'700'000'020'000)});
  const std::string bytes = string(encode_sentinel(two));
  CHECK(bytes ==
        "1700000030000\n"
        "stopper 100:815 3b1c 4026531836 4711:991 1700000030000 850000015000 30000 77\n"
        "stopper 200:815 3b1c 4026531836 4711:991 1700000020000 850000010000 30000 77\n");
  CHECK(reads_back(two));
}

TEST_CASE("a full sentinel of the largest stoppers fits and reads back", "[sentinel_record]") {
  constexpr Milliseconds most{INT64_MAX};
  const ProcessIdentity somebody{INT64_MAX, known_start(UINT64_MAX)};
  Sentinel full;
  while (full.count < genie::stopper_capacity) {
    Stopper& entry = full.stoppers[full.count++];
    entry.stopper = entry.target = somebody;
    entry.nonce = UINT64_MAX;
    entry.origin = {BootId{std::string(40, 'b')}, UINT64_MAX};
    entry.wall_until = entry.monotonic_until = entry.ttl = most;
    entry.restarting = true;
  }
  full.has_stay = true;
  full.stay = {somebody, full.stoppers[0].origin, UINT64_MAX, most};
  CHECK(reads_back(full));

  const std::string bytes = string(encode_sentinel(full));
  Sentinel again;
  REQUIRE(parse_sentinel(bytes + "stopper 1:5 - 0 0:unknown 1 1 1 1\n", INT64_MAX, again));
  CHECK(same(again, full));
}

TEST_CASE("a stopper with nothing known of it reads back", "[sentinel_record]") {
  CHECK(reads_back(sentinel_of({Stopper{}})));
  Stopper bare;
  bare.stopper = {100, {}};
  bare.wall_until = Milliseconds{5};
  CHECK(reads_back(sentinel_of({bare, stopper(1, 7)})));

  Stopper before_epoch = bare;
  before_epoch.monotonic_until = Milliseconds{-1};
  Sentinel again;
  REQUIRE(parse_sentinel(encode_sentinel(sentinel_of({before_epoch})), limit, again));
  CHECK(again.stoppers[0].monotonic_until == Milliseconds{0});
}

TEST_CASE("an older program's sentinel, one line, stands until that time and names nobody", "[sentinel_record]") {
  for (const char* const text :
       {"1700000000000", "1700000000000\n", " 1700000000000\r\n", "1700000000000\n\n", "1700000000000\nby hand\n",
        "1700000000000\nstopper\n", "1700000000000\nstopper 1:5"}) {
    CAPTURE(text);
    Sentinel sentinel;
    REQUIRE(parse_sentinel(text, limit, sentinel));
    REQUIRE(sentinel.count == 1);
    CHECK(sentinel.stoppers[0].wall_until == Milliseconds{1'700'000'000'000});
    CHECK(sentinel.stoppers[0].stopper == ProcessIdentity{});
    CHECK(sentinel.stoppers[0].target == ProcessIdentity{});
    CHECK(sentinel.stoppers[0].origin == genie::ProcessOrigin{});
  }
}

TEST_CASE("an empty or malformed first line is no sentinel, whatever follows", "[sentinel_record]") {
  const std::string valid = "\nstopper 100:815 3b1c 1 4711:991 5 5 5 5\n";
  for (const std::string& first : {std::string{}, std::string{" "}, std::string{"-1"}, std::string{"+1"},
                                   std::string{"1.7e12"}, std::string{"soon"}, std::string{"1700000000000 ms"},
                                   std::string{"9223372036854775808"}, std::string{"99999999999999999999"},
                                   std::string("1700\0", 5), std::string(13, '\0'), std::string(1 << 20, '9')}) {
    CAPTURE(first.substr(0, 30));
    Sentinel sentinel = sentinel_of({stopper(1, 1)});
    CHECK(!parse_sentinel(first, limit, sentinel));
    CHECK(sentinel.count == 0);
    CHECK(!parse_sentinel(first + valid, limit, sentinel));
    CHECK(sentinel.count == 0);
  }
}

TEST_CASE("a malformed stopper is passed over, the others count", "[sentinel_record]") {
  const Stopper good = stopper(100, 1'000);
  const std::string lines = string(encode_sentinel(sentinel_of({good})));
  for (const char* const line :
       {"stopper 100 3b1c 1 4711:991 5 5 5 5", "stopper -1:5 3b1c 1 4711:991 5 5 5 5",
        "stopper 1junk:5 3b1c 1 4711:991 5 5 5 5", "stopper 100:815 3b1c -1 4711:991 5 5 5 5",
        "stopper 100:815 3b1c 1 0:991 5 5 5 5", "stopper 100:815 3b1c 1 4711:991 -5 5 5 5",
        "stopper 100:815 3b1c 1 4711:991 5 5", "stopper 100:815 3b1c 1 4711:991 5 5 5",
        "stopper 100:815 3b1c 1 4711:991 5 5 9223372036854775808 5", "stopper 2147483648:5 3b1c 1 4711:991 5 5 5 5",
        "stopper  100:815 3b1c 1 4711:991 5 5 5 5", "stoppers 100:815 3b1c 1 4711:991 5 5 5 5", "", "# note"}) {
    CAPTURE(line);
    Sentinel sentinel;
    REQUIRE(parse_sentinel(lines + line, limit, sentinel));
    CHECK(same(sentinel, sentinel_of({good})));
    REQUIRE(parse_sentinel("1000\n" + (line + lines.substr(4)), limit, sentinel));
    CHECK(same(sentinel, sentinel_of({good})));
  }
}

TEST_CASE("a stopper line with more fields than we know is still read", "[sentinel_record]") {
  Sentinel sentinel;
  REQUIRE(parse_sentinel("9\nstopper 100:815 3b1c 1 4711:991 5 6 7 8 future\n", limit, sentinel));
  REQUIRE(sentinel.count == 1);
  CHECK(sentinel.stoppers[0].ttl == Milliseconds{7});
}

TEST_CASE("a stopper that starts the server again says so with a last word", "[sentinel_record]") {
  Stopper entry = stopper(100, 1'700'000'030'000);
  entry.restarting = true;
  const Sentinel sentinel = sentinel_of({entry, stopper(200, 1)});
  CHECK(string(encode_sentinel(sentinel)) ==
        "1700000030000\n"
        "stopper 100:815 3b1c 4026531836 4711:991 1700000030000 850000015000 30000 77 restarting\n"
        "stopper 200:815 3b1c 4026531836 4711:991 1 0 30000 77\n");
  CHECK(reads_back(sentinel));
  Sentinel again;
  for (const auto& [words, restarts] : {std::pair{" restarting", true},
                                        {" future restarting more", true},
                                        {" restarting ", true},
                                        {" restartings", false},
                                        {" future", false}}) {
    CAPTURE(words);
    REQUIRE(parse_sentinel(std::string{"9\nstopper 100:815 3b1c 1 4711:991 5 6 7 8"} + words, limit, again));
    REQUIRE(again.count == 1);
    CHECK(again.stoppers[0].restarting == restarts);
  }
}

TEST_CASE("an intent to stay stopped has a line of its own, and a first line that lies far away", "[sentinel_record]") {
  Sentinel sentinel;
  sentinel.has_stay = true;
  sentinel.stay = {{100, known_start(815)}, {BootId{"3b1c"}, 4026531836}, 1000, Milliseconds{1'700'000'000'000}};
  CHECK(string(encode_sentinel(sentinel)) ==
        "253402300799000\n"
        "stay 100:815 3b1c 4026531836 1000 1700000000000\n");
  CHECK(reads_back(sentinel));
  sentinel.stoppers[sentinel.count++] = stopper(100, INT64_MAX);
  CHECK(string(encode_sentinel(sentinel)).substr(0, 16) == "253402300799000\n");
  CHECK(reads_back(sentinel));
  // A double has it exactly, and it is a date.
  static_assert(genie::stay_until.count() < std::int64_t{1} << 53U && genie::stay_until.count() % 1000 == 0);
}

TEST_CASE("an expiry beside an intent is nobody's stop", "[sentinel_record]") {
  Sentinel sentinel;
  REQUIRE(parse_sentinel("1700000000000\nstay 100:815 3b1c 1 1000 5", limit, sentinel));
  CHECK(sentinel.count == 0);
  CHECK(sentinel.has_stay);
  CHECK_FALSE(sentinel.empty());
}

TEST_CASE("the first valid intent counts, wherever it stands", "[sentinel_record]") {
  const std::string line = "stopper 100:815 3b1c 1 4711:991 5 6 7 8\n";
  Sentinel sentinel;
  REQUIRE(parse_sentinel(
      "9\nstay 1 3b1c 1 1000 5\n" + line + "stay 100:815 3b1c 1 1000 5 future words\nstay 200:815 - 1 0 6\n", limit,
      sentinel));
  CHECK(sentinel.count == 1);
  REQUIRE(sentinel.has_stay);
  CHECK(sentinel.stay == genie::Stay{{100, known_start(815)}, {BootId{"3b1c"}, 1}, 1000, Milliseconds{5}});
  REQUIRE(parse_sentinel("9\nstay 0:unknown - 0 0 0\n", limit, sentinel));
  CHECK(sentinel.has_stay);
  CHECK(sentinel.stay == genie::Stay{});
}

TEST_CASE("a malformed intent is none", "[sentinel_record]") {
  for (const char* const stay :
       {"stay", "stay ", "stay 100 3b1c 1 1000 5", "stay 100:815 3b1c 1 1000", "stay 100:815 3b1c 1 -1 5",
        "stay 100:815 3b1c 1 1000 -5", "stay 100:815 3b1c -1 1000 5", "stays 100:815 3b1c 1 1000 5",
        "stay 2147483648:5 3b1c 1 1000 5", "Stay 100:815 3b1c 1 1000 5"}) {
    CAPTURE(stay);
    Sentinel sentinel;
    sentinel.has_stay = true;
    REQUIRE(parse_sentinel(std::string{"253402300799000\n"} + stay, limit, sentinel));
    CHECK_FALSE(sentinel.has_stay);
    REQUIRE(sentinel.count == 1);
    CHECK(sentinel.stoppers[0].stopper == ProcessIdentity{});
    // It is as if an older program's clock had run away: it blocks nobody.
    CHECK(genie::detail::remaining_of(sentinel.stoppers[0], {}, Milliseconds{1'700'000'000'000}, {},
                                      Milliseconds{30'000}) == Milliseconds{});
  }
}

TEST_CASE("a sentinel never holds longer than its TTL, whatever happened to the clocks", "[sentinel_record]") {
  const genie::ProcessOrigin here{BootId{"3b1c"}, 1};
  const genie::ProcessOrigin other_boot{BootId{"77aa"}, 1};
  constexpr std::int64_t now = 1'700'000'000'000;
  constexpr std::int64_t day = 86'400'000;
  struct Row {
    const char* what;
    Stopper entry;
    std::int64_t wall;
    std::int64_t monotonic;
    std::int64_t remaining;
  };
  const auto ours = [](const genie::ProcessOrigin& origin) {
    Stopper entry = stopper(100, now + 30'000);
    entry.origin = origin;
    entry.monotonic_until = Milliseconds{31'000};
    return entry;
  };
  Stopper older;
  older.wall_until = Milliseconds{now + 30'000};
  Stopper never = older;
  never.wall_until = Milliseconds{INT64_MAX};
  const Row rows[] = {
      {"just written", ours(here), now, 1'000, 30'000},
      {"later", ours(here), now + 10'000, 11'000, 20'000},
      {"at its end", ours(here), now + 30'000, 31'000, 0},
      {"the wall clock stepped a day back", ours(here), now - day, 2'000, 29'000},
      {"the wall clock stepped a day forward", ours(here), now + day, 2'000, 29'000},
      {"written before a reboot", ours(other_boot), now + 30'000, 1'000, 0},
      {"written before a reboot, the clock stepped a day back", ours(other_boot), now - day, 1'000, 0},
      {"an older program's", older, now, 1'000, 30'000},
      {"an older program's, at its end", older, now + 30'000, 1'000, 0},
      {"an older program's, the clock stepped a day back", older, now - day, 1'000, 0},
      {"for ever", never, now, 1'000, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Milliseconds remaining = genie::detail::remaining_of(row.entry, here, Milliseconds{row.wall},
                                                               Milliseconds{row.monotonic}, Milliseconds{30'000});
    CHECK(remaining.count() == row.remaining);
  }
}

TEST_CASE("mutated sentinels never crash the reader, and what it accepts reads back", "[sentinel_record]") {
  unit_tests::Noise noise{6};
  const std::vector<std::string> seeds{
      "1700000000000", "", "5\nstopper 0:unknown - 0 0:unknown 5 0 0 0\n",
      string(encode_sentinel(sentinel_of({stopper(100, 1'700'000'030'000), stopper(200, 1'700'000'020'000)}))),
      "253402300799000\nstay 100:815 3b1c 1 1000 1700000000000\nstopper 100:815 3b1c 1 4711:991 5 6 7 8 restarting\n"};
  Sentinel sentinel;
  const auto check = [&](const std::string& text) {
    const bool good = parse_sentinel(text, limit, sentinel);
    if (good == sentinel.empty() || sentinel.count > genie::stopper_capacity) FAIL(text);
    for (std::size_t at = 0; at < sentinel.count; ++at) {
      const Stopper& entry = sentinel.stoppers[at];
      if (entry.stopper.pid < 0 || entry.stopper.pid > limit || entry.target.pid < 0 || entry.target.pid > limit ||
          entry.wall_until.count() < 0 || entry.monotonic_until.count() < 0 || entry.ttl.count() < 0) {
        FAIL(text);
      }
    }
    if (good && !reads_back(sentinel)) FAIL(text);
  };
  unit_tests::each_text(unit_tests::every_byte(), 2, check);
  for (int round = 0; round < 200'000; ++round) check(noise.mutated(seeds, "0123456789: \nstopper-unkwaying"));
}

}  // namespace tests::sentinel_record_test
