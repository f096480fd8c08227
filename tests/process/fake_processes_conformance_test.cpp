// The same random operations on real children and on simulated ones must look the same: alive, zombie, gone, groups,
// signals by handle. Nothing depends on time: after each signal, whoever it ends is waited for.
#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "genie/testing/machine.hpp"
#include "support.hpp"

namespace tests::fake_processes_conformance_test {

using namespace process_tests;

namespace {

using genie::Liveness;
using genie::Observation;
using genie::Signal;
using genie::SystemProcessProbe;
using genie::testing::FakeProcesses;
using genie::testing::Machine;
using genie::testing::ProcessIndex;
using genie::testing::ProcessOptions;

constexpr std::size_t slots = 4;

/// One child, on both sides.
struct Twin {
  Child real;
  ProcessIdentity identity;
  ProcessIndex fake = 0;
  std::size_t leader = slots;  ///< twin that leads its group; `slots`: it is in ours
  bool is_running = false;
  bool is_reaped = false;
};

struct Pair {
  Machine machine;
  ProcessIndex self = machine.spawn().index();
  SystemProcessProbe real;
  FakeProcesses fake{machine.processes, machine.time, self};
  std::array<std::optional<Twin>, slots> twins;
  std::array<SystemProcessProbe::Handle, slots> real_handles;
  std::array<FakeProcesses::Handle, slots> fake_handles;
  std::array<std::size_t, slots> targets{slots, slots, slots, slots};  ///< twin that a handle names

  [[nodiscard]] Pid fake_pid(const Twin& twin) const { return machine.processes.identity(twin.fake).pid; }

  static std::string text(const Observation& seen, genie::StartToken start) {
    return std::to_string(static_cast<int>(seen.liveness)) + (seen.zombie ? " zombie" : "") +
           (seen.start.known ? (seen.start == start ? " same" : " other") : " unknown") + ' ' +
           std::to_string(seen.error);
  }
  template <typename T>
  static std::string text(const genie::SysResult<T>& result) {
    if constexpr (requires { bool{result.value}; }) {
      if (result.ok()) return result.value ? "true" : "false";
    }
    return "errno " + std::to_string(result.error);
  }

  void spawn(std::size_t at, std::size_t leader) {
    if (twins[at]) return;
    ProcessOptions options;
    options.reaction.leaves_zombie = true;
    options.leader = self;
    if (leader == at) options.leader = 0;
    if (leader != at && leader != slots) {
      if (!twins[leader] || twins[leader]->leader != leader || twins[leader]->is_reaped) return;
      options.leader = twins[leader]->fake;
    }
    Twin twin;
    // Blocked until the child has given up the handlers that it inherits from the test framework.
    sigset_t terminate;
    sigset_t former;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &terminate, &former);
    twin.real = start([&] {
      ::sigprocmask(SIG_SETMASK, &former, nullptr);
      for (;;) ::pause();
    });
    ::sigprocmask(SIG_SETMASK, &former, nullptr);
    if (leader != slots) {
      REQUIRE(::setpgid(twin.real.pid(), leader == at ? 0 : twins[leader]->real.pid()) == 0);
    }
    twin.identity = twin.real.identity();
    twin.fake = machine.processes.spawn(machine.time, options);
    twin.leader = leader;
    twin.is_running = true;
    twins[at] = std::move(twin);
  }
  void await(std::size_t at) {
    if (!twins[at]->is_running) return;
    twins[at]->real.await_zombie();
    twins[at]->is_running = false;
  }

  /// Returns: what both sides answered.
  std::pair<std::string, std::string> perform(unsigned kind, std::size_t at, std::size_t other, Signal signal) {
    const std::size_t named = targets[other];
    const bool is_handle = named != slots && twins[named].has_value();
    if (kind < 5 && !twins[at]) return {};
    if (kind >= 5 && kind < 10 && !is_handle) return {};
    switch (kind) {
      case 0:
        return {text(real.look(twins[at]->identity.pid), twins[at]->identity.start),
                text(fake.look(fake_pid(*twins[at])), machine.processes.identity(twins[at]->fake).start)};
      case 1: {
        if (targets[other] != slots) return {};
        const auto one = real.open(twins[at]->identity.pid);
        const auto two = fake.open(fake_pid(*twins[at]));
        if (one.ok() && two.ok()) {
          real_handles[other] = one.value;
          fake_handles[other] = two.value;
          targets[other] = at;
        }
        return {std::to_string(one.error), std::to_string(two.error)};
      }
      case 2:
        return {std::to_string(real.leads_group(twins[at]->identity.pid)),
                std::to_string(fake.leads_group(fake_pid(*twins[at])))};
      case 3:
        if (twins[at]->is_running || twins[at]->is_reaped) return {};
        (void)twins[at]->real.wait();
        machine.processes.reap(twins[at]->fake);
        twins[at]->is_reaped = true;
        return {};
      case 4: {  // another one may take its place, once nothing refers to it
        for (const std::size_t target : targets) {
          if (target == at) return {};
        }
        for (const auto& twin : twins) {
          if (twin && twin->leader == at && !twin->is_reaped) return {};
        }
        if (twins[at]->is_reaped) twins[at].reset();
        return {};
      }
      case 5: {
        const std::pair answers{text(real.signal(real_handles[other], signal)),
                                text(fake.signal(fake_handles[other], signal))};
        await(named);
        return answers;
      }
      case 6: {
        const std::pair answers{text(real.signal_group(real_handles[other], twins[named]->identity.pid, signal)),
                                text(fake.signal_group(fake_handles[other], fake_pid(*twins[named]), signal))};
        for (std::size_t member = 0; member < slots; ++member) {
          if (twins[member] && twins[member]->leader == named) await(member);
        }
        return answers;
      }
      case 7: {
        genie::NamedProcess out[slots];
        return {std::to_string(real.group_lives(real_handles[other], twins[named]->identity.pid)) + ' ' +
                    std::to_string(real.group_members(real_handles[other], twins[named]->identity.pid, out, slots)),
                std::to_string(fake.group_lives(fake_handles[other], fake_pid(*twins[named]))) + ' ' +
                    std::to_string(fake.group_members(fake_handles[other], fake_pid(*twins[named]), out, slots))};
      }
      case 8: return {text(real.wait(real_handles[other], {})), text(fake.wait(fake_handles[other], {}))};
      case 9:
        real.close(real_handles[other]);
        fake.close(fake_handles[other]);
        targets[other] = slots;
        return {};
      default: spawn(at, other % 2 == 0 ? at : (at + other) % slots == at ? slots : (at + other) % slots); return {};
    }
  }

  ~Pair() {
    for (std::size_t at = 0; at < slots; ++at) {
      if (targets[at] != slots) real.close(real_handles[at]);
    }
  }
};

/// Without PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9), groups go by number.
bool has_group_handles() {
  const Child child = start([] { ::pause(); });
  SystemProcessProbe probe;
  const auto handle = probe.open(child.pid());
  if (!handle.ok()) return false;
  const long sent = ::syscall(SYS_pidfd_send_signal, handle.value.descriptor, 0, nullptr, 1U << 2U);
  const bool has = sent == 0 || errno != EINVAL;
  probe.close(handle.value);
  return has;
}

}  // namespace

TEST_CASE("random operations on processes look the same, real or simulated") {
  if (!has_group_handles()) GENIE_SKIP("handles do not reach process groups before Linux 6.9");
  const int rounds = rounds_wanted(20);
  int compared = 0;
  for (int seed = 1; seed <= rounds; ++seed) {
    Pair pair;
    std::mt19937 random{static_cast<unsigned>(seed)};
    std::string trace;
    for (int step = 0; step < 100; ++step) {
      const unsigned kind = static_cast<unsigned>(random() % 13);
      const std::size_t at = random() % slots;
      const std::size_t other = random() % slots;
      const Signal signal = random() % 2 == 0 ? Signal::terminate : Signal::kill;
      const auto [expected, answered] = pair.perform(kind, at, other, signal);
      trace += std::to_string(kind) + ' ' + std::to_string(at) + ' ' + std::to_string(other) + ": " + expected + '\n';
      if (!expected.empty()) ++compared;
      if (expected == answered) continue;
      INFO("seed " << seed << ", step " << step << "\n" << trace);
      CHECK(answered == expected);
      break;
    }
  }
  CHECK(compared > rounds * 20);
}

}  // namespace tests::fake_processes_conformance_test
