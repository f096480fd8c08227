// Claims, runs the guarded command, and releases: what `genie run` does, and `start` and `ensure` in the background.
#ifndef GENIE_CLI_SUPERVISOR_HPP
#define GENIE_CLI_SUPERVISOR_HPP

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

struct SupervisorResult {
  bool ran = false;     ///< whether the command was executed and has ended; else `ending` says why not
  int wait_status = 0;  ///< of the command, `wait(2)`
  bool was_ready = false;
  Ending ending;  ///< for people; set as well where the command ended before it was ready
};

/// Runs the whole life of a guarded command. Blocks SIGTERM and its like for the process and passes them on.
/// Throws `std::system_error` where the process itself can't be set up.
[[nodiscard]] SupervisorResult supervise(const ServeRequest& request);

/// `genie run`. Returns: the exit status; a command that a signal ended ends this process in the same way.
[[nodiscard]] int run_in_foreground(const ServeRequest& request);

}  // namespace genie::cli

#endif  // GENIE_CLI_SUPERVISOR_HPP
