// Containers: PID namespaces that share a state directory. Numbers mean something else on the other side; the kernel's
// lock means the same everywhere.
#include <cstdio>
#include <string>

#include "support.hpp"

namespace tests::container_test {

namespace {

using namespace process_tests;
using genie::StatusReport;
using genie::Whereabouts;

/// Whose /proc a container sees.
enum class Proc { own, of_the_host };

/// A PID namespace whose PID 1 runs `body`. Ended by the death of that PID 1, without any clean-up.
class Container {
  struct State {
    std::atomic<pid_t> init{0};
  };

 public:
  template <typename Body>
  explicit Container(Body body, Proc proc = Proc::own)
      : runner_{start([this, &body, proc]() -> int {
          return in_own_mounts(
              [&]() -> int {
                Child init = start([&]() -> int {
                  if (proc == Proc::own && ::mount("proc", "/proc", "proc", 0, nullptr) != 0) return not_permitted;
                  return process_tests::detail::status_of(body);
                });
                state_->init = init.pid();
                return init.wait();
              },
              CLONE_NEWPID);
        })} {}

  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() {
    if (::getpid() == maker_ && state_->init != 0 && runner_.alive()) kill();
  }

  /// Returns: whether the body has counted; false where no such container can be made.
  [[nodiscard]] bool has_reached(Counter& counter, std::uint32_t count = 1) {
    while (!counter.reaches(count, 20)) {
      if (!runner_.alive()) return false;
    }
    eventually([&] { return state_->init != 0; });
    return true;
  }
  /// Its PID 1, as numbered here.
  [[nodiscard]] pid_t init() const { return state_->init; }
  [[nodiscard]] bool is_alive() const { return runner_.alive(); }
  /// Ends everything in it. All its locks are gone when this returns.
  void kill() {
    REQUIRE(::getpid() == maker_);  // elsewhere, its number may be another's
    ::kill(state_->init, SIGKILL);
    (void)runner_.wait();
  }

 private:
  pid_t maker_ = ::getpid();
  Shared<State> state_;
  Child runner_;
};

/// Claims, publishes a port, counts, and serves until it is killed.
auto server(const StateDirectory& directory, Counter& claimed) {
  return [&] {
    Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    ok(guard.publish_port(4711));
    claimed.add();
    for (;;) ::pause();
  };
}

ClaimReport claim_at_once(const StateDirectory& directory) {
  Guard guard{directory.path()};
  ClaimOptions options;
  options.settle = Milliseconds{0};
  return value(guard.claim(options));
}

std::uint64_t namespace_of(const char* pid) {
  struct ::stat info{};
  REQUIRE(::stat(("/proc/" + std::string{pid} + "/ns/pid").c_str(), &info) == 0);
  return info.st_ino;
}

/// What everybody outside of the owner's PID namespace must find, wherever that is.
void check_that_it_runs_elsewhere(const StateDirectory& directory, Whereabouts whereabouts, Pid owner = 1) {
  Guard guard{directory.path()};
  REQUIRE(value(guard.running()));
  const StatusReport report = value(guard.status());
  REQUIRE(report.state == ServerState::running);
  REQUIRE(report.owner.pid == owner);
  REQUIRE(report.evidence.reason == Reason::lock_held_elsewhere);
  REQUIRE(report.evidence.whereabouts == whereabouts);
  REQUIRE(value(guard.port()) == 4711);
  const ClaimReport refused = claim_at_once(directory);
  REQUIRE(refused.outcome == ClaimOutcome::already_running);
  REQUIRE(refused.evidence.whereabouts == whereabouts);
  const StopReceipt receipt = value(guard.stop());
  REQUIRE(receipt.outcome == StopOutcome::refused);
  REQUIRE(receipt.evidence.whereabouts == whereabouts);
  REQUIRE_FALSE(receipt.sent_terminate);
  REQUIRE_FALSE(receipt.sent_kill);
  REQUIRE_FALSE(directory.has("serve.stopping.lock"));
}

}  // namespace

TEST_CASE("an owner that is PID 1 of a container is seen from outside, and not signalled", "[process][container][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  const Proc proc = GENERATE(Proc::own, Proc::of_the_host);
  Container container{server(directory, *claimed), proc};
  if (!container.has_reached(*claimed)) GENIE_SKIP("PID namespaces are not permitted");
  const Whereabouts whereabouts = proc == Proc::own ? Whereabouts::other_pid_namespace : Whereabouts::unknown;
  check_that_it_runs_elsewhere(directory, whereabouts);

  Guard guard{directory.path()};
  const StopReceipt receipt = value(guard.stop());
  // We see its processes, and can say by which number it goes here.
  REQUIRE(receipt.holder_count == 1);
  CHECK(receipt.holders[0].pid == container.init());
  if (proc == Proc::own) {
    CHECK(receipt.evidence.own_namespace == namespace_of("self"));
    CHECK(receipt.evidence.recorded_namespace == namespace_of(std::to_string(container.init()).c_str()));
  }
  CHECK(container.is_alive());
  container.kill();
  CHECK(value(guard.status()).state == ServerState::stale);
  CHECK(claim_at_once(directory).owned());
}

TEST_CASE("containers beside and within each other exclude each other", "[process][container][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  Container owner{server(directory, *claimed)};
  if (!owner.has_reached(*claimed)) GENIE_SKIP("PID namespaces are not permitted");
  SECTION("the asker is in one beside it") {
    CHECK(in_own_pid_namespace([&] {
            REQUIRE(::getpid() == 1);
            check_that_it_runs_elsewhere(directory, Whereabouts::other_pid_namespace);
            Guard guard{directory.path()};
            REQUIRE(value(guard.stop()).holder_count == 0);
          }) == 0);
  }
  SECTION("the asker is in one beside it, and sees the host's /proc") {
    const Shared<Counter> done;
    Container asker{[&] {
                      check_that_it_runs_elsewhere(directory, Whereabouts::unknown);
                      done->add();
                      for (;;) ::pause();
                    },
                    Proc::of_the_host};
    CHECK(asker.has_reached(*done));
  }
  CHECK(owner.is_alive());
}

TEST_CASE("an owner outside of a container is seen from inside, and not signalled", "[process][container][F8]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  ok(owner.ask([](Guard& guard) { return guard.publish_port(4711); }));
  const pid_t pid = owner.pid();
  const int status = in_own_pid_namespace([&]() -> int {
    check_that_it_runs_elsewhere(directory, Whereabouts::other_pid_namespace, pid);
    // Two levels down.
    return in_own_pid_namespace(
        [&] { check_that_it_runs_elsewhere(directory, Whereabouts::other_pid_namespace, pid); });
  });
  if (status == not_permitted) GENIE_SKIP("PID namespaces are not permitted");
  CHECK(status == 0);
  CHECK(owner.terminations() == 0);
  CHECK(owner.verify() == Ownership::held);
}

TEST_CASE("a process that has the number of a container's owner is not touched", "[process][container][F6][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  const Shared<Counter> hits;
  const Shared<Counter> looked;
  const Shared<Counter> killed;
  // Not PID 1, which the kernel would protect.
  Container container{[&] {
    if (!choose_next_pid(500)) return;
    Child owner = start(server(directory, *claimed));
    REQUIRE(owner.pid() == 500);
    (void)owner.wait();
  }};
  if (!container.has_reached(*claimed)) GENIE_SKIP("PIDs can't be chosen here");
  Container asker{[&] {
    REQUIRE(choose_next_pid(500));
    const Shared<Counter> listening;
    static Counter* count = nullptr;
    count = &*hits;
    Child stranger = start([&] {
      ::setpgid(0, 0);
      ::signal(SIGTERM, [](int) { count->add(); });
      listening->add();
      for (;;) ::pause();
    });
    REQUIRE(stranger.pid() == 500);
    listening->wait_for(1);
    check_that_it_runs_elsewhere(directory, Whereabouts::other_pid_namespace, 500);
    looked->add();
    killed->wait_for(1);
    Guard guard{directory.path()};
    REQUIRE(value(guard.status()).state == ServerState::stale);
    REQUIRE(claim_at_once(directory).owned());
    REQUIRE(value(guard.stop()).outcome == StopOutcome::not_running);
    // As an older program leaves it, or a genie whose lock file was deleted.
    write_file(directory.record(), "500:1");
    REQUIRE(value(guard.stop()).outcome == StopOutcome::cleaned);
    REQUIRE(claim_at_once(directory).owned());
    REQUIRE(stranger.alive());
    REQUIRE(hits->get() == 0);
    looked->add();
  }};
  REQUIRE(asker.has_reached(*looked));
  container.kill();
  killed->add();
  CHECK(asker.has_reached(*looked, 2));
}

TEST_CASE("a container that crashes again and again always starts again", "[process][container][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  const Proc proc = GENERATE(Proc::own, Proc::of_the_host);
  std::uint64_t generation = 0;
  const int restarts = rounds_wanted(50);
  for (int restart = 0; restart < restarts; ++restart) {
    CAPTURE(restart);
    Watchdog::rearm();
    Container container{server(directory, *claimed), proc};
    if (!container.has_reached(*claimed, static_cast<std::uint32_t>(restart) + 1)) {
      if (restart == 0) GENIE_SKIP("PID namespaces are not permitted");
      FAIL("the container did not start");
    }
    Guard observer{directory.path()};
    const StatusReport report = value(observer.status());
    REQUIRE(report.state == ServerState::running);
    REQUIRE(report.owner.pid == 1);
    REQUIRE(report.generation > generation);
    generation = report.generation;
    container.kill();
    // Its leftovers, which the next one finds.
    REQUIRE(directory.names() == std::vector<std::string>{"pgserve.port", "serve.lock", "serve.pid"});
    REQUIRE(value(observer.status()).state == ServerState::stale);
    REQUIRE(value(observer.port()) == 0);
    REQUIRE_FALSE(value(observer.running()));
    if (restart % 10 == 0) {
      // Sometimes it is the host that starts next.
      Guard next{directory.path()};
      const ClaimReport taken = value(next.claim());
      REQUIRE(taken.owned());
      generation = taken.generation;
    }
  }
}

TEST_CASE("a crashed container whose lock file was deleted blocks no start", "[process][container][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  Container container{server(directory, *claimed)};
  if (!container.has_reached(*claimed)) GENIE_SKIP("PID namespaces are not permitted");
  std::filesystem::remove(directory.lock());
  // Alive: its record is locked, and names somebody who is not PID 1 of here.
  CHECK(claim_at_once(directory).outcome == ClaimOutcome::contended);
  Guard guard{directory.path()};
  CHECK(value(guard.stop()).outcome == StopOutcome::refused);
  container.kill();
  // Its record names PID 1, which lives here; but not since then.
  CHECK(claim_at_once(directory).owned());
}

TEST_CASE("a child with its owner's own number, in a namespace below, owns nothing", "[process][container][fork][F8]") {
  const StateDirectory directory;
  const Shared<Counter> claimed;
  const Shared<Counter> finished;
  Container container{[&] {
    REQUIRE(::getpid() == 1);
    Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    REQUIRE(guard.owns());
    claimed->add();
    REQUIRE(::unshare(CLONE_NEWPID) == 0);
    Child child = start([&] {
      REQUIRE(::getpid() == 1);
      REQUIRE_FALSE(guard.owns());
      ok(guard.release());
      return 0;
    });
    REQUIRE(child.wait() == 0);
    REQUIRE(guard.owns());
    REQUIRE(guard.verify() == Ownership::held);
    finished->add();
    ::pause();
  }};
  if (!container.has_reached(*claimed)) GENIE_SKIP("PID namespaces are not permitted");
  REQUIRE(container.has_reached(*finished));
}

TEST_CASE("a /proc of the host's is not taken for our own where we have the same number in both",
          "[process][container][F8]") {
  const int status = in_own_pid_namespace([&]() -> int {
    // Threads of a sanitizer's runtime take numbers, too, in one namespace or in both: every round tries another.
    const auto number = [](std::uint32_t round) { return static_cast<pid_t>(700 + 16 * round); };
    constexpr int numbered_otherwise = 3;
    const Shared<Counter> inside;
    const Shared<Counter> chosen;
    const Shared<Counter> numbered;
    Child chooser = start([&] {
      for (std::uint32_t round = 1;; ++round) {
        inside->wait_for(round);
        REQUIRE(choose_next_pid(number(round)));
        chosen->add();
      }
    });
    Container container{[&] {
                          Child other = start([] { ::pause(); });
                          int result = numbered_otherwise;
                          for (std::uint32_t round = 1; result == numbered_otherwise; ++round) {
                            if (!choose_next_pid(number(round))) return;
                            inside->add();
                            chosen->wait_for(round);
                            Child same = start([&]() -> int {
                              char link[16] = {};
                              REQUIRE(::readlink("/proc/self", link, sizeof link - 1) > 0);
                              if (std::to_string(::getpid()) != link) return numbered_otherwise;
                              genie::SystemProcessProbe probe;
                              REQUIRE(probe.origin().pid_namespace == 0);
                              const genie::Observation seen = probe.look(other.pid());
                              REQUIRE(seen.liveness == genie::Liveness::alive);
                              REQUIRE_FALSE(seen.start.known);
                              return 0;
                            });
                            result = same.wait();
                          }
                          REQUIRE(result == 0);
                          numbered->add();
                          ::pause();
                        },
                        Proc::of_the_host};
    if (!container.has_reached(*inside)) return not_permitted;
    REQUIRE(container.has_reached(*numbered));
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("PIDs can't be chosen here");
  CHECK(status == 0);
}

}  // namespace tests::container_test
