// The state directory that the explorations are about, and guards of it: over the explored policies, and over the
// fakes where calls are made at once.
#ifndef GENIE_TESTS_EXPLORE_GUARDS_HPP
#define GENIE_TESTS_EXPLORE_GUARDS_HPP

#include <genie/serve_guard.hpp>

#include "genie/testing/explorer.hpp"

namespace protocol {

using namespace genie::testing;
using genie::ClaimMode;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::Milliseconds;
using genie::Pid;
using genie::Text;

inline constexpr const char* directory = "/tmp/state";
inline constexpr const char* record_path = "/tmp/state/serve.pid";
inline constexpr const char* lock_path = "/tmp/state/serve.lock";
inline constexpr const char* sentinel_path = "/tmp/state/serve.stopping.lock";
inline constexpr const char* port_path = "/tmp/state/pgserve.port";
inline constexpr const char* endpoints_path = "/tmp/state/serve.endpoints";
inline constexpr const char* socket_path = "/tmp/serve.sock";  ///< of a server; not in the state directory
inline constexpr const char* server_path = "/usr/bin/server";  ///< of what is started on demand

using Guard = genie::ServeGuard<ExploredClock, ExploredProcesses, ExploredFilesystem>;
using LiveGuard = genie::ServeGuard<ManualClock, FakeProcesses, MemoryFilesystem>;

inline Guard guard_of(Actor& me) { return Guard{directory, {}, me.clock(), me.process(), me.filesystem()}; }
inline LiveGuard guard_of(const Contender& contender) {
  return LiveGuard{directory, {}, contender.clock, contender.process, contender.filesystem};
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_GUARDS_HPP
