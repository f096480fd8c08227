// The hot standby among real processes: who takes over, how fast, and that the others go on waiting.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "support.hpp"

namespace tests::standby_test {

namespace {

using namespace process_tests;
using genie::StandbyOptions;

struct Board {
  Counter standing_by;
  Counter taken_over;
  std::atomic<pid_t> owner{0};
  std::atomic<double> at{0};
};

/// Stands by, tells on the board when it has taken over, and serves until it is killed.
Child standby(const StateDirectory& directory, Board& board) {
  return start([&] {
    Guard guard{directory.path()};
    const auto keep_waiting = [&](const ClaimReport& report) {
      if (report.outcome == ClaimOutcome::already_running) board.standing_by.add();
      return true;
    };
    REQUIRE(value(guard.claim_when_free({}, keep_waiting)).owned());
    board.at = now_ms();
    board.owner = ::getpid();
    board.taken_over.add();
    for (;;) ::pause();
  });
}

/// Waits until the standby sleeps in the kernel, having looked at everything.
void await_sleep(const Child& process) {
  eventually([&] {
    const std::string stat = read_file("/proc/" + std::to_string(process.pid()) + "/stat");
    return stat.find(") S ") != std::string::npos;
  });
}

struct Takeovers {
  double median = 0;
  double worst = 0;
};

/// `rounds` owners end, each in the way that `end` does it; how long until a standby owned the directory.
template <typename End>
Takeovers measure(int rounds, End end) {
  std::vector<double> spans;
  for (int round = 0; round < rounds; ++round) {
    const StateDirectory directory;
    const Shared<Board> board;
    Actor owner{directory};
    REQUIRE(owner.claim().owned());
    const Child waiting = standby(directory, *board);
    board->standing_by.wait_for(1);
    await_sleep(waiting);
    const double began = now_ms();
    end(owner);
    board->taken_over.wait_for(1);
    spans.push_back(board->at - began);
    Guard guard{directory.path()};
    REQUIRE(value(guard.status()).owner.pid == waiting.pid());
  }
  std::sort(spans.begin(), spans.end());
  return {spans[spans.size() / 2], spans.back()};
}

}  // namespace

TEST_CASE("a standby takes over from an owner that was killed", "[process][standby][timing]") {
  const int rounds = rounds_wanted(50);
  const Takeovers takeovers = measure(rounds, [](Actor& owner) { owner.process().send(SIGKILL); });
  std::printf("a standby owns the directory %.2f ms after kill -9 of its owner (median of %d; at worst %.2f ms)\n",
              takeovers.median, rounds, takeovers.worst);
}

TEST_CASE("a standby takes over from an owner that releases and lives on", "[process][standby][timing]") {
  const int rounds = rounds_wanted(50);
  const Takeovers takeovers = measure(rounds, [](Actor& owner) { owner.release(); });
  std::printf("a standby owns the directory %.2f ms after a release (median of %d; at worst %.2f ms)\n",
              takeovers.median, rounds, takeovers.worst);
}

TEST_CASE("of several standbys exactly one takes over, again and again", "[process][standby]") {
  constexpr std::uint32_t count = 8;
  const StateDirectory directory;
  const Shared<Board> board;
  Actor first{directory};
  REQUIRE(first.claim().owned());
  std::vector<Child> waiting;
  for (std::uint32_t at = 0; at < count; ++at) waiting.push_back(standby(directory, *board));
  board->standing_by.wait_for(count);
  pid_t killed = first.pid();
  first.kill();
  for (std::uint32_t round = 1; round <= count; ++round) {
    board->taken_over.wait_for(round);
    CHECK(board->taken_over.get() == round);
    const pid_t owner = board->owner;
    REQUIRE(owner != killed);
    Guard guard{directory.path()};
    const auto report = value(guard.status());
    CHECK(report.state == ServerState::running);
    CHECK(report.owner.pid == owner);
    CHECK(report.generation == round + 1);
    CHECK(directory.leftovers().empty());
    const auto next =
        std::find_if(waiting.begin(), waiting.end(), [&](const Child& one) { return one.pid() == owner; });
    REQUIRE(next != waiting.end());
    killed = owner;
    next->end();
  }
}

TEST_CASE("a standby takes over from a container that crashes", "[process][standby][F8]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  const Shared<Board> board;
  const Shared<Counter> claimed;
  Child container = start([&]() -> int {
    return in_own_pid_namespace([&] {
      Guard guard{directory.path()};
      REQUIRE(value(guard.claim()).owned());
      claimed->add();
      ::pause();
    });
  });
  while (!claimed->reaches(1, 20)) {
    if (!container.alive()) GENIE_SKIP("PID namespaces are not permitted");
  }
  Child waiting = standby(directory, *board);
  board->standing_by.wait_for(1);
  container.end();
  board->taken_over.wait_for(1);
  CHECK(board->owner == waiting.pid());
  waiting.end();
  orphanage.await_all();
}

TEST_CASE("a standby stays out while a stop is in progress", "[process][standby]") {
  const StateDirectory directory;
  const Shared<Board> board;
  ActorOptions stubborn;
  stubborn.on_terminate = OnTerminate::stay;
  Actor owner{directory, stubborn};
  REQUIRE(owner.claim().owned());
  const Child waiting = standby(directory, *board);
  board->standing_by.wait_for(1);
  Child stopper = start([&] {
    Guard guard{directory.path()};
    StopOptions options;
    options.grace = Milliseconds{patience_s * 1000};
    REQUIRE(value(guard.stop(options)).outcome == StopOutcome::stopped);
  });
  eventually([&] { return owner.terminations() == 1; });
  // The owner is gone, and its stop is not done yet.
  stopper.send(SIGSTOP);
  stopper.await_stop();
  owner.kill();
  Guard guard{directory.path()};
  CHECK(value(guard.status()).stop.standing);
  await_sleep(waiting);
  CHECK(board->taken_over.get() == 0);
  stopper.send(SIGCONT);
  CHECK(stopper.wait() == 0);
  board->taken_over.wait_for(1);
}

}  // namespace tests::standby_test
