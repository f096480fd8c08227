// Signals as something that can be polled.
#ifndef GENIE_CLI_SIGNALS_HPP
#define GENIE_CLI_SIGNALS_HPP

#include <csignal>
#include <vector>

#include "descriptor.hpp"

namespace genie::cli {

struct ReceivedSignal {
  int number = 0;
  bool is_from_terminal = false;  ///< the kernel has sent it, to the whole foreground process group
};

/// Whether the caller has had it ignored, as nohup(1) does, and shells for what scripts run in the background.
[[nodiscard]] bool is_ignored(int number) noexcept;

/// From its making on, the given signals do nothing but make its descriptor readable. Source: `signalfd(2)`; on systems
/// without it, a pipe that signal handlers write to: of that, there may be one in a program.
class SignalQueue {
 public:
  SignalQueue() noexcept = default;
  /// Throws `std::system_error`.
  explicit SignalQueue(const std::vector<int>& numbers);

  [[nodiscard]] int descriptor() const noexcept { return read_.get(); }
  /// Returns: whether there was one.
  [[nodiscard]] bool take(ReceivedSignal& received) noexcept;

 private:
  Descriptor read_;
};

}  // namespace genie::cli

#endif  // GENIE_CLI_SIGNALS_HPP
