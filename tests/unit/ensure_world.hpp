// What the tests of start on demand share: a machine, programs that only simulate, and the servers that run.
#ifndef GENIE_TESTS_UNIT_ENSURE_WORLD_HPP
#define GENIE_TESTS_UNIT_ENSURE_WORLD_HPP

#include <genie/ensure.hpp>

#include <functional>
#include <memory>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

namespace tests {

using genie::ClaimMode;
using genie::EnsureOptions;
using genie::EnsureOutcome;
using genie::EnsureReport;
using genie::Milliseconds;

inline constexpr const char* program_path = "/usr/bin/server";
inline constexpr const char* arguments[] = {"server", "--quiet", nullptr};

inline genie::LaunchPlan plan() {
  genie::LaunchPlan result;
  result.program = program_path;
  result.arguments = arguments;
  return result;
}

/// A server process that goes on after its hook returns.
struct Server {
  explicit Server(const Contender& self) : contender{self}, guard{guard_of(self)} {}
  Contender contender;
  Guard guard;
};

/// Programs, and the servers that run: they must outlive what is planned for them.
struct World {
  Machine machine;
  std::vector<std::unique_ptr<Server>> servers;
  Contender client = machine.spawn();

  World() {
    program([](Server& server) { CHECK(server.guard.claim()->adopted); });
  }

  /// From now on, a started program does this.
  void program(std::function<void(Server&)> run) {
    machine.programs[program_path] = [this, run](Contender& child) {
      servers.push_back(std::make_unique<Server>(child));
      run(*servers.back());
    };
  }
  [[nodiscard]] genie::Result<EnsureReport> ensure(const Contender& caller, const EnsureOptions& options = {},
                                                   const genie::LaunchPlan& what = plan()) {
    Guard guard = guard_of(caller);
    Contender self = caller;
    return genie::ensure(guard, self.launcher, what, options);
  }
  [[nodiscard]] genie::Result<EnsureReport> ensure(const EnsureOptions& options = {}) {
    return ensure(client, options);
  }
  [[nodiscard]] genie::StatusReport status() {
    Guard guard = guard_of(machine.spawn());
    return *guard.status();
  }
  [[nodiscard]] Server& server() { return *servers.back(); }
  /// The client's first look from here on happens at that point in time, and a millisecond passes after it, before the
  /// client asks how long it may wait.
  void looks_at(Milliseconds point) {
    client.calls().before_call = [this, point,
                                  asked = std::make_shared<int>(-1)](const genie::testing::CallEvent& event) {
      // Close enough that none of its own waits is longer.
      constexpr Milliseconds close{250};
      if (event.call == Call::query_lock && *asked < 0 && point - machine.time.monotonic < close) {
        *asked = 0;
        machine.time.advance(point - machine.time.monotonic);
      } else if (event.call == Call::monotonic && *asked >= 0 && ++*asked == 2) {
        machine.time.advance(Milliseconds{1});
      }
    };
  }
  /// Ends whatever runs, as by `kill -9`.
  void kill_server() {
    server().contender.kill();
    server().contender.reap();
  }
};

/// Claims for a server that does not exist yet, as a starter does.
struct Starter {
  explicit Starter(Machine& machine) : contender{machine.spawn()}, guard{guard_of(contender)} {}

  void claim() {
    genie::ClaimOptions options;
    options.launching = true;
    CHECK(genie::claim(guard.host(), guard.files(), options, held)->owned());
  }
  void turn(genie::Phase phase) {
    CHECK(genie::update_claim(guard.host(), guard.files(), held,
                              [&](genie::LockRecord& record) noexcept { record.phase = phase; }));
  }
  void take_back(genie::FailureRecord* failure = nullptr) {
    CHECK(genie::take_back(guard.host(), guard.files(), held, failure));
  }

  Contender contender;
  Guard guard;
  genie::HeldClaim<Guard::Host> held;
};

/// Calls `act` just before the `occurrence`-th call of that kind, counted from now.
inline void before(const Contender& who, Call call, std::uint64_t occurrence, std::function<void()> act) {
  const std::uint64_t at = who.calls().count(call) + occurrence;
  who.calls().before_call = [call, at, act](const genie::testing::CallEvent& event) {
    if (event.call == call && event.occurrence == at) act();
  };
}

inline EnsureOptions explicitly() {
  EnsureOptions options;
  options.mode = ClaimMode::explicit_start;
  return options;
}

}  // namespace tests

#endif  // GENIE_TESTS_UNIT_ENSURE_WORLD_HPP
