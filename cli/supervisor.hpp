// Claims, runs the guarded command, and releases: what `genie run` does, and `start` and `ensure` in the background.
#ifndef GENIE_CLI_SUPERVISOR_HPP
#define GENIE_CLI_SUPERVISOR_HPP

#include <chrono>
#include <functional>
#include <string>

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

struct SupervisorHooks {
  /// Called once, when the command is ready.
  std::function<void(Pid owner)> on_ready;
  /// A standby waits, and for whom: a line for people.
  std::function<void(const std::string& text)> on_stand_by;
  /// For whoever supervises us: a line for people, the command's wish for more time, and that the end has begun.
  std::function<void(const std::string& text)> on_status;
  std::function<void(std::chrono::microseconds span)> on_extension;
  std::function<void()> on_stopping;
};

struct SupervisorResult {
  bool ran = false;     ///< whether the command was executed and has ended; else `ending` says why not
  int wait_status = 0;  ///< of the command, `wait(2)`
  bool was_ready = false;
  Ending ending;  ///< for people; set as well where the command ended before it was ready
  /// Whether that it ended was genie's doing, or that somebody must do something: `ending.status` says so then, and not
  /// how the command ended.
  bool has_own_status = false;
};

/// Runs the whole life of a guarded command. Blocks SIGTERM and its like for the process and passes them on.
/// Throws `std::system_error` where the process itself can't be set up.
[[nodiscard]] SupervisorResult supervise(const ServeRequest& request, const SupervisorHooks& hooks);

/// `genie run`. Returns: the exit status; a command that a signal ended ends this process in the same way.
[[nodiscard]] int run_in_foreground(const ServeRequest& request);

}  // namespace genie::cli

#endif  // GENIE_CLI_SUPERVISOR_HPP
