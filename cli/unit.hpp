// `genie unit`: a systemd unit for a guarded command.
#ifndef GENIE_CLI_UNIT_HPP
#define GENIE_CLI_UNIT_HPP

#include <chrono>
#include <string>
#include <vector>

#include "messages.hpp"

namespace genie::cli {

struct UnitRequest {
  enum class Type : std::uint8_t { notify, forking };

  Type type = Type::notify;
  bool user = false;                 ///< for a user's own service manager
  std::string name;                  ///< of the server
  std::string directory;             ///< of its state, absolute; empty: the service manager chooses and creates it
  std::vector<std::string> options;  ///< of `genie run` or `genie start`, but for --dir
  std::string pidfile;               ///< absolute; empty: one in the service manager's runtime directory
  std::chrono::milliseconds ready_timeout{};
  std::chrono::milliseconds grace{};  ///< from SIGTERM until the rest is killed
  std::vector<std::string> command;   ///< as given; looked up in PATH now
};

/// Prints the unit. Returns: the exit status.
[[nodiscard]] int print_unit(const UnitRequest& request);

}  // namespace genie::cli

#endif  // GENIE_CLI_UNIT_HPP
