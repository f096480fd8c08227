// The subcommands that look, wait and stop: `status`, `port`, `wait`, `stop`.
#ifndef GENIE_CLI_INSPECT_HPP
#define GENIE_CLI_INSPECT_HPP

#include <chrono>
#include <optional>

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

/// Waits until the server is ready, or until nobody owns the directory any more. Without a timeout: as long as it
/// takes.
[[nodiscard]] int await_server(const Place& place, bool is_awaiting_end,
                               std::optional<std::chrono::milliseconds> timeout);

[[nodiscard]] int stop_server(const Place& place, const StopOptions& options);

}  // namespace genie::cli

#endif  // GENIE_CLI_INSPECT_HPP
