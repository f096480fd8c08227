// Stopping: the owner, all of it, and nobody else.
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

namespace tests::stop_test {

namespace {

using namespace process_tests;
using genie::ClaimMode;

StopOptions with_grace(std::int64_t ms) {
  StopOptions options;
  options.grace = Milliseconds{ms};
  return options;
}

StopReceipt stop(const StateDirectory& directory, const StopOptions& options = {}) {
  Guard guard{directory.path()};
  return value(guard.stop(options));
}

ClaimReport claim_at_once(const StateDirectory& directory, ClaimMode mode = ClaimMode::explicit_start) {
  Guard guard{directory.path()};
  ClaimOptions options;
  options.mode = mode;
  options.settle = Milliseconds{0};
  return value(guard.claim(options));
}

ActorOptions acting(OnTerminate on_terminate, bool leads_group = false) {
  ActorOptions options;
  options.on_terminate = on_terminate;
  options.leads_group = leads_group;
  return options;
}

const std::vector<std::string> only_the_lock{"serve.lock"};

/// A live process that has nothing to do with any of this, and counts what hits it.
class Bystander {
 public:
  Bystander() : actor_{temporary_.path(), acting(OnTerminate::stay, true)} {}
  [[nodiscard]] ProcessIdentity identity() const { return actor_.identity(); }
  [[nodiscard]] pid_t pid() const { return actor_.pid(); }
  [[nodiscard]] bool untouched() { return actor_.terminations() == 0 && actor_.process().alive(); }

 private:
  TemporaryDirectory temporary_;
  Actor actor_;
};

/// Sends no signal anywhere, and says whether one was to be sent.
class HarmlessProbe : public genie::SystemProcessProbe {
 public:
  genie::SysResult<void> signal(const Handle&, genie::Signal) noexcept { return note(); }
  genie::SysResult<void> signal_group(const Handle&, Pid, genie::Signal) noexcept { return note(); }

  int signals = 0;

 private:
  genie::SysResult<void> note() noexcept {
    ++signals;
    return {};
  }
};

/// The time at which a sentinel that stands now has expired.
class LaterClock : public genie::SystemClock {
 public:
  [[nodiscard]] Milliseconds wall() noexcept { return genie::SystemClock::wall() + later; }
  [[nodiscard]] Milliseconds monotonic() noexcept { return genie::SystemClock::monotonic() + later; }

 private:
  static constexpr Milliseconds later = genie::default_sentinel_ttl + genie::seconds(1);
};

/// Lets something happen just before a process is pinned, or the holders of a lock are listed.
class LateProbe : public genie::SystemProcessProbe {
 public:
  explicit LateProbe(const std::function<void()>& before) : before_{&before} {}
  genie::SysResult<Handle> open(Pid pid) noexcept {
    (*before_)();
    return genie::SystemProcessProbe::open(pid);
  }
  template <typename... Arguments>
  std::size_t lock_holders(genie::FileIdentity file, Arguments... arguments) noexcept {
    (*before_)();
    return genie::SystemProcessProbe::lock_holders(file, arguments...);
  }

 private:
  const std::function<void()>* before_;
};

int stoppers_in(const StateDirectory& directory) {
  const std::string sentinel = read_file(directory.sentinel());
  int count = 0;
  for (std::size_t at = sentinel.find("\nstopper "); at != std::string::npos;
       at = sentinel.find("\nstopper ", at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a stop asks the server to end and removes what is left of it", "[process][stop]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  ok(server.ask([](Guard& guard) { return guard.publish_port(4711); }));
  const StopReceipt receipt = stop(directory);
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(receipt.target == server.identity());
  CHECK(receipt.sent_terminate);
  CHECK_FALSE(receipt.joined);
  CHECK_FALSE(receipt.sent_kill);
  CHECK(receipt.successor.pid == 0);
  CHECK(server.terminations() == 1);
  CHECK_FALSE(server.process().alive());
  CHECK(directory.names() == only_the_lock);
  CHECK(claim_at_once(directory, ClaimMode::automatic).owned());
}

TEST_CASE("a stop removes the files of a server that just dies", "[process][stop]") {
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::die)};
  REQUIRE(server.claim().owned());
  ok(server.ask([](Guard& guard) { return guard.publish_port(4711); }));
  CHECK(stop(directory).outcome == StopOutcome::stopped);
  CHECK(directory.names() == only_the_lock);
}

TEST_CASE("a stop returns as soon as the server has ended", "[process][stop][timing]") {
  struct State {
    Counter claimed;
    std::atomic<double> ended{0};
  };
  const StateDirectory directory;
  static State* state_of_server = nullptr;
  constexpr int stops = 20;
  double total = 0;
  double after_end = 0;
  for (int at = 0; at < stops; ++at) {
    const Shared<State> state;
    const Child server = start([&] {
      state_of_server = &*state;
      ::signal(SIGTERM, [](int) {
        state_of_server->ended = now_ms();
        ::_exit(0);
      });
      Guard guard{directory.path()};
      REQUIRE(value(guard.claim()).owned());
      state->claimed.add();
      for (;;) ::pause();
    });
    state->claimed.wait_for(1);
    const double began = now_ms();
    REQUIRE(stop(directory).outcome == StopOutcome::stopped);
    const double now = now_ms();
    total += now - began;
    after_end += now - state->ended;
  }
  std::printf("a stop: %.2f ms, of which %.2f ms after the server's last instruction\n", total / stops,
              after_end / stops);
  CHECK(after_end / stops < 500);
}

TEST_CASE("a server that ignores the request is killed after the grace period", "[process][stop]") {
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::stay)};
  REQUIRE(server.claim().owned());
  SECTION("because it does not care") {}
  SECTION("because it is suspended") {
    server.process().send(SIGSTOP);
    server.process().await_stop();
  }
  const StopReceipt receipt = stop(directory, with_grace(100));
  CHECK(receipt.outcome == StopOutcome::killed);
  CHECK(receipt.sent_terminate);
  CHECK(receipt.sent_kill);
  CHECK(receipt.took.count() >= 99);
  CHECK(directory.names() == only_the_lock);
  CHECK(server.process().wait() == 128 + SIGKILL);
}

TEST_CASE("the grace period begins with the request", "[process][stop]") {
  const StateDirectory directory;
  constexpr int grace = 300;
  // An empty record keeps the server's claim in progress for as long as we like.
  write_file(directory.record(), "");
  Actor server{directory};
  server.tell([](Guard& guard) {
    ClaimOptions options;
    options.empty_grace = Milliseconds{patience_s * 1000};
    return guard.claim(options);
  });
  Guard observer{directory.path()};
  eventually([&] { return value(observer.status()).evidence.reason == Reason::claim_in_progress; });
  const Shared<Counter> stopping;
  Actor stopper{directory};
  stopper.tell([counter = &*stopping](Guard& guard) {
    StopOptions options = with_grace(grace);
    options.settle = Milliseconds{patience_s * 1000};
    counter->add();
    return guard.stop(options);
  });
  stopping->wait_for(1);
  for (const double began = now_ms(); now_ms() - began < grace * 1.2;) ::sched_yield();  // is under test, no barrier
  ::unlink(directory.record().c_str());
  const StopReceipt receipt = value(stopper.answer<Result<StopReceipt>>());
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(receipt.target == server.identity());
  CHECK_FALSE(receipt.sent_kill);
  CHECK(server.process().wait() == 0);
}

TEST_CASE("a stop where nothing runs does nothing", "[process][stop]") {
  const StateDirectory directory;
  CHECK(stop(directory).outcome == StopOutcome::not_running);
  CHECK(directory.names().empty());
  directory.remove();
  CHECK(stop(directory).outcome == StopOutcome::not_running);
  struct ::stat info{};
  CHECK(::stat(directory.path().c_str(), &info) != 0);
}

TEST_CASE("an owner that stops its own directory is told so", "[process][stop]") {
  const StateDirectory directory;
  Guard guard{directory.path()};
  REQUIRE(value(guard.claim()).owned());
  const auto stopped = guard.stop();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().kind == ErrorKind::own_process);
  CHECK(guard.verify() == Ownership::held);
  CHECK_FALSE(directory.has("serve.stopping.lock"));
}

TEST_CASE("a stop ends the guarded command together with its supervisor", "[process][stop]") {
  const StateDirectory directory;
  const TemporaryDirectory elsewhere;
  const OnTerminate reaction = GENERATE(OnTerminate::leave, OnTerminate::die);
  Actor supervisor{directory, acting(reaction)};
  Actor command{elsewhere.path()};
  REQUIRE(supervisor.claim().owned());
  ok(supervisor.ask([server = command.identity()](Guard& guard) { return guard.set_server(server); }));
  const StopReceipt receipt = stop(directory);
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(receipt.target == supervisor.identity());
  CHECK(receipt.server == command.identity());
  CHECK(command.terminations() == 1);
  CHECK_FALSE(command.process().alive());
  CHECK_FALSE(supervisor.process().alive());
  CHECK(directory.names() == only_the_lock);
}

namespace {

/// Lets a server fork a member of its process group, which it never waits for.
Child fork_member(Actor& server, void (*on_terminate)(int)) {
  return Child{server.ask([on_terminate](Guard&) {
    const Shared<Counter> ready;
    const pid_t member = ::fork();
    if (member == 0) {
      ::alarm(patience_s);
      ::signal(SIGTERM, on_terminate);
      ready->add();
      for (;;) ::pause();
    }
    ready->wait_for(1);
    return member;
  })};
}

}  // namespace

TEST_CASE("a group that the server leads is ended with it, and no other", "[process][stop][group]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  Bystander bystander;
  Actor server{directory, acting(OnTerminate::leave, true)};
  REQUIRE(server.claim().owned());
  Child obedient = fork_member(server, SIG_DFL);
  Child stubborn = fork_member(server, SIG_IGN);
  REQUIRE(::getpgid(obedient.pid()) == server.pid());
  Actor stopper{directory};
  stopper.tell([](Guard& guard) { return guard.stop(with_grace(200)); });
  server.process().await_zombie();  // from here on its members are ours to reap
  CHECK(obedient.wait() == 128 + SIGTERM);
  CHECK(stubborn.wait() == 128 + SIGKILL);
  const StopReceipt receipt = value(stopper.answer<Result<StopReceipt>>());
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(receipt.killed_group);
  CHECK(bystander.untouched());
}

TEST_CASE("members of a led group that end in time are not killed, even if nobody reaps them",
          "[process][stop][group][F11]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::leave, true)};
  REQUIRE(server.claim().owned());
  std::vector<Child> members;
  SECTION("where the leader was alone") {}
  SECTION("where there were members") {
    for (int at = 0; at < 3; ++at) members.push_back(fork_member(server, SIG_DFL));
  }
  const double began = now_ms();
  const StopReceipt receipt = stop(directory);
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK_FALSE(receipt.killed_group);
  CHECK(now_ms() - began < 5000);  // half the grace
  for (Child& member : members) CHECK(member.wait() == 128 + SIGTERM);
}

TEST_CASE("a group that the server does not lead is left alone", "[process][stop][group][F6]") {
  const StateDirectory directory;
  Bystander leader;
  Actor server{directory, acting(GENERATE(OnTerminate::leave, OnTerminate::stay))};
  REQUIRE(server.claim().owned());
  REQUIRE(::setpgid(server.pid(), leader.pid()) == 0);
  stop(directory, with_grace(50));
  CHECK_FALSE(server.process().alive());
  CHECK(leader.untouched());
}

TEST_CASE("stops at the same time send one request and all report the same", "[process][stop][F19]") {
  const StateDirectory directory;
  const int count = GENERATE(2, 8, 40);
  Actor server{directory, acting(OnTerminate::stay)};
  REQUIRE(server.claim().owned());
  const ProcessIdentity target = server.identity();
  std::vector<Actor> stoppers;
  for (int at = 0; at < count; ++at) {
    stoppers.emplace_back(directory);
    stoppers.back().tell([](Guard& guard) { return guard.stop(with_grace(patience_s * 1000)); });
  }
  // All that there is room for have entered.
  eventually([&] { return stoppers_in(directory) >= std::min(count, 32); });
  const ClaimReport automatic = claim_at_once(directory, ClaimMode::automatic);
  CHECK(automatic.outcome == ClaimOutcome::stopping);
  CHECK(automatic.stop.target == target);
  CHECK(claim_at_once(directory).outcome == ClaimOutcome::already_running);
  Guard observer{directory.path()};
  CHECK(value(observer.status()).state == ServerState::stopping);
  CHECK(server.leave() == 0);
  int requests = 0;
  int found_it = 0;
  for (Actor& stopper : stoppers) {
    const StopReceipt receipt = value(stopper.answer<Result<StopReceipt>>());
    CHECK_FALSE(receipt.sent_kill);
    // Only one for whom there was no room may have come too late.
    if (receipt.outcome == StopOutcome::not_running || receipt.outcome == StopOutcome::cleaned ||
        receipt.outcome == StopOutcome::already_ended) {
      continue;
    }
    ++found_it;
    CHECK(receipt.outcome == StopOutcome::stopped);
    CHECK(receipt.target == target);
    CHECK(receipt.joined != receipt.sent_terminate);
    requests += receipt.sent_terminate ? 1 : 0;
  }
  CHECK(requests == 1);
  CHECK(found_it >= std::min(count, 32));
  CHECK(server.terminations() == 1);
  CHECK(directory.names() == only_the_lock);
  CHECK(claim_at_once(directory, ClaimMode::automatic).owned());
}

TEST_CASE("automatic starts stay out until the last stop is done", "[process][stop][F19]") {
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::stay)};
  REQUIRE(server.claim().owned());
  const ProcessIdentity target = server.identity();
  const Shared<Counter> parked;
  const Shared<Counter> resumed;
  Child slow = start([&] {
    // Parks at its first step after the server's end.
    bool done = false;
    const std::function<void()> before = [&] {
      if (done || genie::SystemProcessProbe{}.look(target.pid).liveness != genie::Liveness::gone) return;
      done = true;
      parked->add();
      resumed->wait_for(1);
    };
    ObservedGuard guard = observed_guard(directory.path(), before);
    REQUIRE(value(guard.stop()).outcome == StopOutcome::stopped);
  });
  eventually([&] { return stoppers_in(directory) >= 1; });
  Actor quick{directory};
  quick.tell([](Guard& guard) { return guard.stop(); });
  eventually([&] { return stoppers_in(directory) >= 2; });  // so the slow one has let go of the sentinel by now
  CHECK(server.leave() == 0);
  parked->wait_for(1);
  CHECK(value(quick.answer<Result<StopReceipt>>()).outcome == StopOutcome::stopped);
  CHECK(stoppers_in(directory) == 1);
  CHECK(claim_at_once(directory, ClaimMode::automatic).outcome == ClaimOutcome::stopping);
  resumed->add();
  CHECK(slow.wait() == 0);
  CHECK(directory.names() == only_the_lock);
  CHECK(claim_at_once(directory, ClaimMode::automatic).owned());
}

TEST_CASE("a stranger that has the recorded PID by now is neither obeyed nor touched", "[process][stop][F6]") {
  const StateDirectory directory;
  Bystander stranger;
  ProcessIdentity recorded = stranger.identity();
  recorded.start.value -= 100;
  write_file(directory.record(), record_of(recorded));
  SECTION("by a stop") {
    const StopReceipt receipt = stop(directory);
    CHECK(receipt.outcome == StopOutcome::cleaned);
    CHECK(receipt.evidence.reason == Reason::start_differs);
    CHECK(directory.names() == only_the_lock);
  }
  SECTION("by a start") {
    Actor server{directory};
    const ClaimReport report = server.claim();
    CHECK(report.owned());
    CHECK(report.taken_over.reason == Reason::start_differs);
    CHECK(stop(directory).target == server.identity());
  }
  CHECK(stranger.untouched());
}

namespace {

/// A process with the PID of `former` that counts SIGTERMs.
void pause_and_count(Counter* counter) {
  static Counter* count = nullptr;
  count = counter;
  ::signal(SIGTERM, [](int) { count->add(); });
  for (;;) ::pause();
}

}  // namespace

TEST_CASE("the PID of a killed server is reused", "[process][stop][F6]") {
  const StateDirectory directory;
  const Shared<Counter> hits;
  const int status = in_own_pid_namespace([&]() -> int {
    if (!choose_next_pid(500)) return not_permitted;
    Actor server{directory, acting(OnTerminate::die)};
    REQUIRE(server.pid() == 500);
    REQUIRE(server.claim().owned());
    const ProcessIdentity former = server.identity();
    server.kill();
    Child stranger = start_in_place_of(former, [&] { pause_and_count(&*hits); });
    Guard observer{directory.path()};
    REQUIRE(value(observer.status()).state == ServerState::stale);
    REQUIRE_FALSE(value(observer.running()));
    REQUIRE(stop(directory).outcome == StopOutcome::cleaned);
    write_file(directory.record(), record_of(former));  // as an older program would have left it
    REQUIRE(claim_at_once(directory).owned());
    REQUIRE(stranger.alive());
    REQUIRE(hits->get() == 0);
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("PIDs can't be chosen here");
  CHECK(status == 0);
}

TEST_CASE("the PID of a killed server is reused within the same clock tick", "[process][stop][F6]") {
  const StateDirectory directory;
  const Shared<Counter> hits;
  const Shared<Counter> collisions;
  const int status = in_own_pid_namespace([&]() -> int {
    for (int attempt = 0; attempt < 50 && collisions->get() < 3; ++attempt) {
      if (!choose_next_pid(500)) return not_permitted;
      Actor server{directory, acting(OnTerminate::die)};
      REQUIRE(server.claim().owned());
      const ProcessIdentity former = server.identity();
      server.kill();
      REQUIRE(choose_next_pid(500));
      Child stranger = start([&] { pause_and_count(&*hits); });
      const bool same = stranger.identity() == former;
      if (same) collisions->add();
      // Nothing but the lock tells them apart.
      if (attempt % 2 == 0) REQUIRE(stop(directory).outcome == StopOutcome::cleaned);
      REQUIRE(claim_at_once(directory).owned());
      REQUIRE(stranger.alive());
      REQUIRE(hits->get() == 0);
    }
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("PIDs can't be chosen here");
  CHECK(status == 0);
  std::printf("a PID reused within the same clock tick: %u times\n", collisions->get());
}

TEST_CASE("the PID of a server is reused between the verdict and the signal", "[process][stop][F6]") {
  const StateDirectory directory;
  const Shared<Counter> hits;
  const bool by_lock = GENERATE(true, false);
  INFO("its owner is known by its lock: " << by_lock);
  const int status = in_own_pid_namespace([&]() -> int {
    if (!choose_next_pid(500)) return not_permitted;
    Actor server{directory, acting(OnTerminate::die)};
    if (by_lock)
      REQUIRE(server.claim().owned());
    else
      write_file(directory.record(), record_of(server.identity()));
    Child stranger;
    const std::function<void()> before = [&] {
      if (stranger.pid() != 0) return;
      const ProcessIdentity former = server.identity();
      server.kill();
      stranger = start_in_place_of(former, [&] { pause_and_count(&*hits); });
    };
    genie::ServeGuard<genie::SystemClock, LateProbe> guard{directory.path(), {}, {}, LateProbe{before}};
    const auto receipt = value(guard.stop(with_grace(20)));
    REQUIRE(stranger.pid() == 500);
    REQUIRE(stranger.alive());
    REQUIRE(hits->get() == 0);
    REQUIRE_FALSE(receipt.sent_terminate);
    REQUIRE_FALSE(receipt.sent_kill);
    REQUIRE(claim_at_once(directory).owned());
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("PIDs can't be chosen here");
  CHECK(status == 0);
}

TEST_CASE("the PID of a dead owner is reused while its forked worker holds the lock", "[process][stop][F6][F10]") {
  const StateDirectory directory;
  const Shared<Counter> hits;
  const int status = in_own_pid_namespace([&]() -> int {
    if (!choose_next_pid(500)) return not_permitted;
    Actor server{directory, acting(OnTerminate::die)};
    REQUIRE(server.claim().owned());
    Child worker = fork_member(server, SIG_DFL);
    const ProcessIdentity former = server.identity();
    server.kill();
    Child stranger = start_in_place_of(former, [&] { pause_and_count(&*hits); });
    Guard observer{directory.path()};
    const auto report = value(observer.status());
    REQUIRE(report.state == ServerState::orphaned);
    REQUIRE(report.holder_count == 1);
    REQUIRE(report.holders[0].pid == worker.pid());
    StopOptions options;
    options.settle = Milliseconds{20};
    const StopReceipt left = stop(directory, options);
    REQUIRE(left.outcome == StopOutcome::orphans_left);
    REQUIRE(left.holder_count == 1);
    REQUIRE(left.holders[0].pid == worker.pid());
    REQUIRE(worker.alive());
    options.orphans = true;
    const StopReceipt receipt = stop(directory, options);
    REQUIRE(receipt.was_orphaned);
    REQUIRE(receipt.outcome == StopOutcome::stopped);
    REQUIRE(worker.wait() == 128 + SIGTERM);
    REQUIRE(stranger.alive());
    REQUIRE(hits->get() == 0);
    REQUIRE(claim_at_once(directory).owned());
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("PIDs can't be chosen here");
  CHECK(status == 0);
}

TEST_CASE("a newcomer is not taken for a dead owner's worker that held the lock before it",
          "[process][stop][F10][F27]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::die)};
  REQUIRE(server.claim().owned());
  Child worker = fork_member(server, SIG_DFL);
  server.kill();
  Actor newcomer{directory};
  bool claimed = false;
  const std::function<void()> before = [&] {
    if (claimed) return;
    worker.end();
    claimed = newcomer.claim().owned();
  };
  genie::ServeGuard<genie::SystemClock, LateProbe> guard{directory.path(), {}, {}, LateProbe{before}};
  SECTION("by a claim") {
    ClaimOptions at_once;
    at_once.settle = Milliseconds{0};
    const ClaimReport report = value(guard.claim(at_once));
    REQUIRE(claimed);
    CHECK(report.outcome == ClaimOutcome::already_running);
    CHECK(report.owner == newcomer.identity());
  }
  SECTION("by a stop") {
    const StopReceipt receipt = value(guard.stop());
    REQUIRE(claimed);
    // To stop the newcomer, as the directory's owner, would be right. To stop it in the name of another is not.
    if (receipt.target != newcomer.identity()) {
      CHECK(newcomer.terminations() == 0);
      CHECK(newcomer.process().alive());
    }
  }
  CHECK(claimed);
}

TEST_CASE("an owner that is a zombie nobody reaps is dead", "[process][stop][F11]") {
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::die)};
  REQUIRE(server.claim().owned());
  const ProcessIdentity zombie = server.identity();
  server.process().send(SIGKILL);
  server.process().await_zombie();
  SECTION("whatever wrote its record") {}
  SECTION("also where only its record is left") {
    directory.clear();
    write_file(directory.record(), record_of(zombie));
  }
  Guard observer{directory.path()};
  CHECK(value(observer.status()).state == ServerState::stale);
  CHECK_FALSE(value(observer.running()));
  const double began = now_ms();
  const StopReceipt receipt = stop(directory);
  CHECK(receipt.outcome == StopOutcome::cleaned);
  CHECK(now_ms() - began < 5000);
  write_file(directory.record(), record_of(zombie));
  CHECK(claim_at_once(directory).owned());
}

TEST_CASE("a server that dies during a stop and is not reaped has ended", "[process][stop][F11]") {
  const StateDirectory directory;
  Actor server{directory, acting(OnTerminate::die, true)};
  REQUIRE(server.claim().owned());
  const double began = now_ms();
  CHECK(stop(directory).outcome == StopOutcome::stopped);
  CHECK(now_ms() - began < 5000);
}

TEST_CASE("a server that starts at any step of the stop of its predecessor keeps its files", "[process][stop][F27]") {
  const StateDirectory directory;
  const OnTerminate reaction = GENERATE(OnTerminate::leave, OnTerminate::die);
  int successors = 0;
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("a newcomer before call " << step << " of the stop");
    directory.clear();
    Actor server{directory, acting(reaction)};
    Actor newcomer{directory};
    REQUIRE(server.claim().owned());
    ok(server.ask([](Guard& guard) { return guard.publish_port(1111); }));
    int calls = 0;
    bool claimed = false;
    const std::function<void()> before = [&] {
      if (++calls != step) return;
      ClaimOptions at_once;
      at_once.settle = Milliseconds{0};
      claimed = newcomer.claim(at_once).owned();
      if (claimed) ok(newcomer.ask([](Guard& guard) { return guard.publish_port(2222); }));
    };
    ObservedGuard guard = observed_guard(directory.path(), before);
    const auto receipt = value(guard.stop());
    ran_through = calls < step;
    CHECK(receipt.target == server.identity());
    CHECK_FALSE(server.process().alive());
    if (!claimed) {
      REQUIRE(directory.names() == only_the_lock);
      continue;
    }
    ++successors;
    REQUIRE((receipt.successor == newcomer.identity() || receipt.successor.pid == 0));
    REQUIRE(newcomer.verify() == Ownership::held);
    REQUIRE(newcomer.terminations() == 0);
    REQUIRE(value(guard.port()) == 2222);
    REQUIRE(directory.names() == std::vector<std::string>{"pgserve.port", "serve.lock", "serve.pid"});
  }
  CHECK(successors > 0);
}

TEST_CASE("an older program that starts at any step of a stop keeps its record", "[process][stop][F27][older]") {
  const StateDirectory directory;
  const OnTerminate reaction = GENERATE(OnTerminate::leave, OnTerminate::die);
  Bystander newcomer;
  const std::string record = record_of(newcomer.identity());
  int successors = 0;
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("a newcomer before call " << step << " of the stop");
    directory.clear();
    Actor server{directory, acting(reaction)};
    REQUIRE(server.claim().owned());
    const ProcessIdentity target = server.identity();
    int calls = 0;
    bool claimed = false;
    const std::function<void()> before = [&] {
      if (++calls != step) return;
      // It takes over from a dead one by name, and yields to a live one.
      if (genie::SystemProcessProbe{}.look(target.pid).liveness == genie::Liveness::alive) return;
      if (read_file(directory.record()) == record_of(target)) ::unlink(directory.record().c_str());
      const int file = ::open(directory.record().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (file < 0) return;
      claimed = ::write(file, record.data(), record.size()) > 0;
      ::close(file);
    };
    ObservedGuard guard = observed_guard(directory.path(), before);
    const auto receipt = value(guard.stop());
    ran_through = calls < step;
    CHECK(receipt.target == target);
    REQUIRE(newcomer.untouched());
    REQUIRE(directory.leftovers().empty());
    REQUIRE(directory.has("serve.pid") == claimed);
    if (!claimed) continue;
    ++successors;
    REQUIRE(read_file(directory.record()) == record);
    REQUIRE(claim_at_once(directory).outcome == ClaimOutcome::already_running);
  }
  CHECK(successors > 0);
}

TEST_CASE("a stop that was killed at any step blocks neither the next stop nor the next start",
          "[process][stop][crash]") {
  const StateDirectory directory;
  const OnTerminate reaction = GENERATE(OnTerminate::leave, OnTerminate::die);
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("killed before call " << step);
    directory.clear();
    Actor server{directory, acting(reaction)};
    REQUIRE(server.claim().owned());
    Child victim = start([&] {
      int calls = 0;
      const std::function<void()> before = [&] {
        if (++calls == step) ::kill(::getpid(), SIGKILL);
      };
      ObservedGuard guard = observed_guard(directory.path(), before);
      (void)value(guard.stop());
    });
    ran_through = victim.wait() == 0;
    const StopReceipt receipt = stop(directory);
    REQUIRE((receipt.outcome == StopOutcome::stopped || receipt.outcome == StopOutcome::cleaned ||
             receipt.outcome == StopOutcome::not_running || receipt.outcome == StopOutcome::already_ended));
    server.process().await_zombie();
    REQUIRE(claim_at_once(directory).owned());
    // An automatic start has to wait for the sentinel of the killed one, but no longer than it was good for.
    genie::ServeGuard<LaterClock> later{directory.path()};
    ClaimOptions automatic;
    automatic.mode = ClaimMode::automatic;
    const ClaimReport report = value(later.claim(automatic));
    REQUIRE(report.owned());
    REQUIRE(directory.names() == std::vector<std::string>{"serve.lock", "serve.pid"});
  }
}

TEST_CASE("no content of a record leads to a signal for everybody", "[process][stop][F29]") {
  const std::string content =
      GENERATE(as<std::string>{}, "1:5", "0:5", "-1:5", "1e9:5", "1.7:5", "1junk:5", "1", "0", "-1", "-0:5", "+1:5",
               "0x1:5", " 1 :5", "1:", ":5", ":", "4294967297:5", "2147483648:5", "18446744073709551615:5",
               "99999999999999999999:5", "1:unknown", "1:5:5", "1:-5");
  INFO("the record says '" << content << "'");
  const StateDirectory directory;
  write_file(directory.record(), content);

  SECTION("as its signals are counted") {
    genie::ServeGuard<genie::SystemClock, HarmlessProbe> guard{directory.path()};
    StopOptions options;
    options.grace = Milliseconds{0};
    options.kill_wait = Milliseconds{0};
    const auto receipt = value(guard.stop(options));
    CHECK((receipt.outcome == StopOutcome::cleaned || receipt.outcome == StopOutcome::refused));
    CHECK(guard.host().process.signals == 0);
  }
  SECTION("as a namespace survives it") {
    const Shared<Counter> hits;
    const int status = in_own_pid_namespace([&] {
      ::signal(SIGTERM, SIG_IGN);
      Child bystander = start([&] { pause_and_count(&*hits); });
      const StopReceipt receipt = stop(directory, with_grace(20));
      REQUIRE((receipt.outcome == StopOutcome::cleaned || receipt.outcome == StopOutcome::refused));
      REQUIRE(bystander.alive());
      REQUIRE(hits->get() == 0);
    });
    if (status == not_permitted) GENIE_SKIP("PID namespaces are not permitted");
    CHECK(status == 0);
  }
}

}  // namespace tests::stop_test
