// How a claim ends, and how it does not: destructors, forks, exec, deleted files, stopped owners.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "support.hpp"

namespace tests::release_test {

namespace {

using namespace process_tests;

/// A claim as a newcomer makes it: no patience.
ClaimReport try_claim(Guard& guard) {
  ClaimOptions options;
  options.settle = Milliseconds{0};
  return value(guard.claim(options));
}
ClaimReport newcomer_claims(const StateDirectory& directory) {
  Guard newcomer{directory.path()};
  return try_claim(newcomer);
}

/// A process that claims, forks a worker and waits; both can be told apart. The worker lives until it is killed.
struct Parent {
  Child process;
  Child worker;
};

/// Starts an owner and a worker that it forked after its claim. `after_fork(guard)` runs in the owner.
template <typename AfterFork>
Parent owner_with_forked_worker(const StateDirectory& directory, AfterFork&& after_fork) {
  struct State {
    Counter forked;
    std::atomic<pid_t> worker{0};
  };
  const Shared<State> state;
  Child owner = start([&] {
    Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    Child worker = start([] { ::pause(); }, Family::outlives_parent);
    state->worker = worker.pid();
    after_fork(guard);
    state->forked.add();
    ::pause();
  });
  state->forked.wait_for(1);
  return {std::move(owner), Child{state->worker}};
}

}  // namespace

TEST_CASE("a guard that goes out of scope releases the directory", "[process][release]") {
  const StateDirectory directory;
  {
    Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    ok(guard.publish_port(4711));
    REQUIRE(directory.names() == std::vector<std::string>{"pgserve.port", "serve.lock", "serve.pid"});
  }
  CHECK(directory.names() == std::vector<std::string>{"serve.lock"});
  CHECK(newcomer_claims(directory).owned());
}

TEST_CASE("a moved-from guard owns nothing and releases nothing", "[process][release]") {
  const StateDirectory directory;
  const StateDirectory other;
  auto first = std::make_unique<Guard>(directory.path());
  REQUIRE(value(first->claim()).owned());
  Guard second{std::move(*first)};
  CHECK_FALSE(first->owns());
  CHECK(first->verify() == Ownership::not_claimed);
  first.reset();
  CHECK(second.verify() == Ownership::held);

  Guard third{other.path()};
  REQUIRE(value(third.claim()).owned());
  third = std::move(second);  // releases what it had
  CHECK(third.verify() == Ownership::held);
  CHECK(newcomer_claims(other).owned());
  CHECK(newcomer_claims(directory).outcome == ClaimOutcome::already_running);
}

TEST_CASE("two guards of one process exclude each other", "[process][release]") {
  const StateDirectory directory;
  Guard first{directory.path()};
  Guard second{directory.path()};
  REQUIRE(value(first.claim()).owned());
  const ClaimReport report = try_claim(second);
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner == identity_of(::getpid()));
  ok(second.release());
  CHECK(first.verify() == Ownership::held);
  ok(first.release());
  CHECK(try_claim(second).owned());
}

TEST_CASE("the destructor in a forked child releases nothing", "[process][release][fork]") {
  const StateDirectory directory;
  in_child([&] {
    Child child;
    {
      Guard guard{directory.path()};
      REQUIRE(value(guard.claim()).owned());
      ok(guard.publish_port(4711));
      const pid_t forked = ::fork();
      if (forked != 0) {
        child = Child{forked};
        const int status = child.wait();
        REQUIRE(status == 0);
        REQUIRE(guard.verify() == Ownership::held);
        REQUIRE(value(guard.port()) == 4711);
        REQUIRE(newcomer_claims(directory).outcome == ClaimOutcome::already_running);
      } else {
        REQUIRE_FALSE(guard.owns());
        REQUIRE_FALSE(guard.publish_port(1).has_value());
      }
    }  // here the child runs the destructor, too
  });
  CHECK(directory.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a forked child that asks for itself is told that its parent runs", "[process][release][fork]") {
  const StateDirectory directory;
  Guard guard{directory.path()};
  REQUIRE(value(guard.claim()).owned());
  const ProcessIdentity owner = identity_of(::getpid());
  in_child([&] {
    const ClaimReport report = try_claim(guard);
    REQUIRE(report.outcome == ClaimOutcome::already_running);
    REQUIRE(report.owner == owner);
  });
  CHECK(guard.verify() == Ownership::held);
}

TEST_CASE("a forked worker that outlives its owner is named as the holder", "[process][release][F10]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  Parent parent = owner_with_forked_worker(directory, [](Guard&) {});
  const ProcessIdentity owner = parent.process.identity();
  parent.process.end();

  Guard newcomer{directory.path()};
  const ClaimReport report = try_claim(newcomer);
  REQUIRE(report.outcome == ClaimOutcome::orphaned);
  CHECK(report.owner == owner);
  REQUIRE(report.holder_count == 1);
  CHECK(report.holders[0].pid == parent.worker.pid());
  CHECK(report.holders[0].start == parent.worker.identity().start);

  const auto status = value(newcomer.status());
  CHECK(status.state == ServerState::orphaned);
  REQUIRE(status.holder_count == 1);
  CHECK(status.holders[0].pid == parent.worker.pid());
  CHECK(value(newcomer.running()));

  SECTION("and when it has ended a newcomer wins") {
    parent.worker.end();
    CHECK(try_claim(newcomer).owned());
  }
  SECTION("and a stop ends it on request") {
    CHECK(value(newcomer.stop()).outcome == StopOutcome::orphans_left);
    CHECK(parent.worker.alive());
    const StopReceipt receipt = value(newcomer.stop({.orphans = true}));
    CHECK(receipt.was_orphaned);
    CHECK(receipt.outcome == StopOutcome::stopped);
    CHECK(receipt.target == owner);
    CHECK_FALSE(parent.worker.alive());
    CHECK(try_claim(newcomer).owned());
  }
}

TEST_CASE("a release leaves the lock with a forked worker that still runs", "[process][release][F10]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  Parent parent = owner_with_forked_worker(directory, [](Guard& guard) { ok(guard.release()); });
  CHECK_FALSE(directory.has("serve.pid"));
  const ClaimReport report = newcomer_claims(directory);
  REQUIRE(report.outcome == ClaimOutcome::orphaned);
  CHECK(report.evidence.reason == Reason::owner_released);
  REQUIRE(report.holder_count == 1);
  CHECK(report.holders[0].pid == parent.worker.pid());
  parent.process.end();
  parent.worker.end();
  CHECK(newcomer_claims(directory).owned());
}

TEST_CASE("no descriptor survives exec", "[process][release][exec][F10]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  struct State {
    Counter ready;
    std::atomic<pid_t> program{0};
  };
  const Shared<State> state;
  Child owner = start([&] {
    Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    ok(guard.publish_port(4711));
    int ends[2] = {-1, -1};
    int running[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::pipe2(running, O_CLOEXEC) == 0);
    Child program = start(
        [&] {
          ::dup2(ends[0], STDIN_FILENO);
          ::close(ends[0]);  // its other end stays open, so that it never reads an end of file
          ::execl("/bin/cat", "cat", static_cast<char*>(nullptr));
          FAIL("exec: " << std::strerror(errno));
        },
        Family::outlives_parent);
    ::close(running[1]);
    char byte = 0;
    REQUIRE(::read(running[0], &byte, 1) == 0);  // closed by exec
    state->program = program.pid();
    state->ready.add();
    ::pause();
  });
  state->ready.wait_for(1);
  Child program{state->program};
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(program.pid()) + "/fd"}) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(entry.path(), ignored).string();
    CHECK(target.rfind(directory.path(), 0) == std::string::npos);
  }
  owner.end();
  CHECK(program.alive());
  CHECK(newcomer_claims(directory).owned());
}

TEST_CASE("releasers, waiters and newcomers never overlap, and no release takes the successor's record",
          "[process][release][F5]") {
  const StateDirectory directory;
  struct State {
    Counter barrier;
    std::atomic<int> owners{0};
    std::atomic<int> handovers{0};
  };
  const Shared<State> state;
  constexpr std::uint32_t parties = 4;
  const int rounds = rounds_wanted(100);
  std::vector<Child> contenders;
  for (std::uint32_t at = 0; at < parties; ++at) {
    contenders.push_back(start([&] {
      state->barrier.meet(parties);
      for (int owned = 0; owned < rounds;) {
        ::alarm(patience_s);
        Guard guard{directory.path()};
        // A waiter stays with one claim for a while, a newcomer comes and goes.
        ClaimOptions options;
        options.settle = Milliseconds{owned % 2 == 0 ? 1000 : 0};
        const ClaimReport report = value(guard.claim(options));
        INFO("outcome " << static_cast<int>(report.outcome) << ", reason " << static_cast<int>(report.evidence.reason)
                        << ", holders " << report.holder_count << ", first " << report.holders[0].pid << ", owner "
                        << report.owner.pid);
        REQUIRE((report.owned() || report.outcome == ClaimOutcome::already_running ||
                 report.outcome == ClaimOutcome::contended));
        if (!report.owned()) {
          ::sched_yield();
          continue;
        }
        REQUIRE(state->owners.fetch_add(1) == 0);
        ::sched_yield();
        REQUIRE(guard.verify() == Ownership::held);
        REQUIRE(read_file(directory.record()) == record_of(report.owner));
        REQUIRE(state->owners.fetch_sub(1) == 1);
        state->handovers.fetch_add(1);
        ++owned;
      }
    }));
  }
  for (Child& contender : contenders) CHECK(contender.wait() == 0);
  CHECK(state->handovers == static_cast<int>(parties) * rounds);
  CHECK(directory.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a release in progress is neither orphaned nor stale to anybody", "[process][F5]") {
  const StateDirectory directory;
  int released_at = 0;
  for (int step = 1; released_at == 0; ++step) {
    INFO("the release is parked before its call " << step);
    Shared<Counter> parked;
    Shared<Counter> resumed;
    Child owner = start([&] {
      int calls = 0;
      bool releasing = false;
      const std::function<void()> before = [&] {
        if (!releasing || ++calls != step) return;
        parked->add();
        resumed->wait_for(1);
      };
      ObservedGuard guard = observed_guard(directory.path(), before);
      REQUIRE(value(guard.claim()).owned());
      ok(guard.publish_port(4711));
      releasing = true;
      ok(guard.release());
      releasing = false;
      parked->add(2);
      resumed->wait_for(1);
    });
    parked->wait_for(1);
    if (parked->get() >= 2) released_at = step;
    Guard newcomer{directory.path()};
    const auto status = value(newcomer.status());
    REQUIRE(status.state != ServerState::orphaned);
    REQUIRE(status.state != ServerState::stale);
    const ClaimReport report = try_claim(newcomer);
    REQUIRE(report.outcome != ClaimOutcome::orphaned);
    if (report.owned()) CHECK(newcomer.verify() == Ownership::held);
    resumed->add();
    REQUIRE(owner.wait() == 0);
    if (report.owned()) CHECK(newcomer.verify() == Ownership::held);
    ClaimOptions patient;
    patient.settle = Milliseconds{patience_s * 1000};
    CHECK(value(newcomer.claim(patient)).owned());
  }
}

TEST_CASE("an older program that replaces the record at any step of a release keeps its own", "[process][F5][older]") {
  const StateDirectory directory;
  const Child older = start([] { ::pause(); });
  const std::string record = record_of(older.identity());
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("replaced before call " << step << " of the release");
    int calls = 0;
    bool releasing = false;
    const std::function<void()> before = [&] {
      if (!releasing || ++calls != step) return;
      ::unlink(directory.record().c_str());
      write_file(directory.record(), record);
    };
    {
      ObservedGuard guard = observed_guard(directory.path(), before);
      REQUIRE(value(guard.claim()).owned());
      releasing = true;
      ok(guard.release());
      releasing = false;
    }
    ran_through = calls < step;
    REQUIRE(directory.leftovers().empty());
    if (!ran_through) REQUIRE(read_file(directory.record()) == record);
    ::unlink(directory.record().c_str());
  }
}

TEST_CASE("a deleted record under a live owner is noticed, and its lock keeps newcomers out", "[process][F25]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  ::unlink(directory.record().c_str());
  CHECK(owner.verify() == Ownership::record_missing);
  const ClaimReport report = newcomer_claims(directory);
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner == owner.identity());
  CHECK(owner.leave() == 0);
  CHECK(newcomer_claims(directory).owned());
}

TEST_CASE("a deleted lock file under a live owner is noticed, and its record keeps newcomers out", "[process][F25]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  ::unlink(directory.lock().c_str());
  CHECK(owner.verify() == Ownership::lock_missing);
  const ClaimReport report = newcomer_claims(directory);
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner == owner.identity());
  CHECK(owner.verify() == Ownership::lock_replaced);
  Guard observer{directory.path()};
  CHECK(value(observer.status()).owner == owner.identity());
  CHECK(value(observer.running()));

  SECTION("its release removes its record all the same") {
    CHECK(owner.leave() == 0);
    CHECK_FALSE(directory.has("serve.pid"));
    CHECK(newcomer_claims(directory).owned());
  }
  SECTION("and when it was killed a newcomer wins") {
    owner.kill();
    CHECK(newcomer_claims(directory).owned());
  }
  SECTION("and a stop reaches it") {
    const StopReceipt receipt = value(observer.stop());
    CHECK(receipt.outcome == StopOutcome::stopped);
    CHECK(receipt.target == owner.identity());
    CHECK(owner.terminations() == 1);
    CHECK(newcomer_claims(directory).owned());
  }
}

TEST_CASE("a deleted directory under a live owner is noticed, and its end does not harm the newcomer's",
          "[process][F25]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  ok(owner.ask([](Guard& guard) { return guard.publish_port(1111); }));
  const std::string moved = directory.path() + ".moved";
  SECTION("removed") { directory.remove(); }
  SECTION("moved away") { REQUIRE(::rename(directory.path().c_str(), moved.c_str()) == 0); }
  CHECK(owner.verify() == Ownership::all_missing);

  Actor newcomer{directory};
  REQUIRE(newcomer.claim().owned());
  ok(newcomer.ask([](Guard& guard) { return guard.publish_port(2222); }));
  const Ownership now = owner.verify();
  CHECK((now == Ownership::record_replaced || now == Ownership::lock_replaced));
  CHECK(owner.leave() == 0);
  CHECK(newcomer.verify() == Ownership::held);
  Guard observer{directory.path()};
  CHECK(value(observer.port()) == 2222);
}

TEST_CASE("an older program that removes a live record is noticed, and keeps its own", "[process][F25][older]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  const Child older = start([] { ::pause(); });
  ::unlink(directory.record().c_str());
  write_file(directory.record(), record_of(older.identity()));
  CHECK(owner.verify() == Ownership::record_replaced);
  CHECK(newcomer_claims(directory).outcome == ClaimOutcome::already_running);
  CHECK(owner.leave() == 0);
  CHECK(read_file(directory.record()) == record_of(older.identity()));
  const ClaimReport report = newcomer_claims(directory);
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner == older.identity());
}

TEST_CASE("an owner that was suspended is still the owner", "[process][F14]") {
  const StateDirectory directory;
  Actor owner{directory};
  REQUIRE(owner.claim().owned());
  owner.process().send(SIGSTOP);
  owner.process().await_stop();
  Actor newcomer{directory};
  for (const auto mode : {genie::ClaimMode::explicit_start, genie::ClaimMode::automatic}) {
    ClaimOptions options;
    options.mode = mode;
    options.settle = Milliseconds{0};
    options.empty_grace = Milliseconds{0};
    const ClaimReport report = newcomer.claim(options);
    CHECK(report.outcome == ClaimOutcome::already_running);
    CHECK(report.owner == owner.identity());
  }
  Guard observer{directory.path()};
  CHECK(value(observer.status()).state == ServerState::running);
  owner.process().send(SIGCONT);
  CHECK(owner.verify() == Ownership::held);
  CHECK(newcomer.verify() == Ownership::not_claimed);
}

TEST_CASE("an owner whose main thread has ended is still the owner", "[process][release]") {
  const StateDirectory directory;
  Child owner = start([&] {
    static Guard guard{directory.path()};
    REQUIRE(value(guard.claim()).owned());
    pthread_t thread{};
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          for (;;) ::pause();
        },
        nullptr);
    ::syscall(SYS_exit, 0);  // of this thread only
  });
  // The main thread is a zombie from the moment its state says so. Others see that; an emulator tells a process of
  // itself what it thinks right.
  const std::string stat = "/proc/" + std::to_string(owner.pid()) + "/stat";
  eventually([&] { return read_file(stat).find(") Z ") != std::string::npos; });
  CHECK(owner.alive());
  const ClaimReport report = newcomer_claims(directory);
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner.pid == owner.pid());
  // As an older program's record, without the lock's testimony, it is no zombie either.
  const StateDirectory older;
  write_file(older.record(), record_of(owner.identity()));
  CHECK(newcomer_claims(older).outcome == ClaimOutcome::already_running);
  Guard observer{directory.path()};
  const StopReceipt receipt = value(observer.stop());
  CHECK(receipt.outcome == StopOutcome::stopped);
  CHECK(newcomer_claims(directory).owned());
}

TEST_CASE("containers that share a directory exclude each other, and a crash blocks nobody", "[process][F8]") {
  const Orphanage orphanage;
  const StateDirectory directory;
  const Shared<Counter> claimed;
  // Each is PID 1 of its own PID namespace.
  Child container = start([&]() -> int {
    return in_own_pid_namespace([&] {
      Guard guard{directory.path()};
      REQUIRE(::getpid() == 1);
      REQUIRE(value(guard.claim()).owned());
      claimed->add();
      ::pause();
    });
  });
  while (!claimed->reaches(1, 20)) {
    if (!container.alive()) GENIE_SKIP("PID namespaces are not permitted");
  }
  // Its PID 1 is no evidence here, but its lock is.
  CHECK(newcomer_claims(directory).outcome == ClaimOutcome::already_running);
  const int other = in_own_pid_namespace([&] {
    const ClaimReport report = newcomer_claims(directory);
    REQUIRE(report.outcome == ClaimOutcome::already_running);
  });
  CHECK(other == 0);
  Guard observer{directory.path()};
  CHECK(value(observer.stop()).outcome == StopOutcome::refused);
  container.end();  // kills the namespace, and nobody releases
  orphanage.await_all();
  const int successor = in_own_pid_namespace([&] { REQUIRE(newcomer_claims(directory).owned()); });
  CHECK(successor == 0);
}

}  // namespace tests::release_test
