// `genie boot`: how a guarded command that is a script tells which step its boot is in.
#ifndef GENIE_CLI_BOOT_STEP_HPP
#define GENIE_CLI_BOOT_STEP_HPP

#include <cstdint>
#include <string>

#include "messages.hpp"

namespace CLI {
class App;
}

namespace genie::cli {

struct BootStepWords {
  std::string step;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  bool is_ok = false;
  bool is_fixed = false;
  bool is_skipped = false;
  std::string refused;  ///< what to run
};

void add_boot_step(CLI::App& app, BootStepWords& words);

/// Sends the step to the supervisor, whose address the command has in NOTIFY_SOCKET (`--ready notify`).
[[nodiscard]] Ending report_boot_step(const BootStepWords& words);

}  // namespace genie::cli

#endif  // GENIE_CLI_BOOT_STEP_HPP
