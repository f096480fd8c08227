// What the unit tests share: a guard over fakes, and short ways to look at its state directory.
#ifndef GENIE_TESTS_UNIT_SUPPORT_HPP
#define GENIE_TESTS_UNIT_SUPPORT_HPP

#include <genie/serve_guard.hpp>

#include <genie/fmt.hpp>
#include <genie/testing/machine.hpp>
#include <string>
#include <vector>

namespace tests {

using genie::testing::Call;
using genie::testing::Contender;
using genie::testing::Machine;

using Guard =
    genie::ServeGuard<genie::testing::ManualClock, genie::testing::FakeProcesses, genie::testing::MemoryFilesystem>;

inline constexpr const char* directory = "/tmp/state";
inline constexpr const char* record_path = "/tmp/state/serve.pid";
inline constexpr const char* lock_path = "/tmp/state/serve.lock";
inline constexpr const char* sentinel_path = "/tmp/state/serve.stopping.lock";
inline constexpr const char* port_path = "/tmp/state/pgserve.port";

inline Guard guard_of(const Contender& contender, const char* where = directory) {
  return Guard{where, {}, contender.clock, contender.process, contender.filesystem};
}

inline std::string text_of(const genie::ProcessIdentity& identity) { return fmt::format("{}", identity); }

/// Files that no state directory may keep: everything but genie's own.
inline std::vector<std::string> strangers(const Machine& machine) {
  std::vector<std::string> result;
  if (!machine.disk.exists(directory)) return result;
  for (const std::string& name : machine.disk.names(directory)) {
    if (name != "serve.pid" && name != "serve.lock" && name != "serve.stopping.lock" && name != "pgserve.port" &&
        name != "serve.endpoints" && (machine.disk.has_lock_ranges || name != "serve.stopping.guard")) {
      result.push_back(name);
    }
  }
  return result;
}

/// An owner that claimed and was then killed; its PID is free again.
inline Contender crashed_owner(Machine& machine) {
  Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  if (!guard.claim()) return owner;
  owner.kill();
  owner.reap();
  return owner;
}

}  // namespace tests

#endif  // GENIE_TESTS_UNIT_SUPPORT_HPP
