// The subcommands that look and stop: `status`, `port`, `stop`.
#ifndef GENIE_CLI_INSPECT_HPP
#define GENIE_CLI_INSPECT_HPP

#include "options.hpp"

namespace genie::cli {

struct StatusStyle {
  bool json = false;
  bool explain = false;
  bool quiet = false;
};

/// Returns: the exit status that LSB defines for `status`.
[[nodiscard]] int print_status(const Place& place, const StatusStyle& style);

/// Prints the live owner's port. Returns: 0, or 3 where there is none.
[[nodiscard]] int print_port(const Place& place);

[[nodiscard]] int stop_server(const Place& place, const StopOptions& options);

}  // namespace genie::cli

#endif  // GENIE_CLI_INSPECT_HPP
