// Starts the guarded command as a clean process: nothing inherited but its standard streams and the claim's lock.
#ifndef GENIE_CLI_CHILD_HPP
#define GENIE_CLI_CHILD_HPP

#include <sys/types.h>

#include <string>
#include <vector>

#include "descriptor.hpp"

namespace genie::cli {

struct ChildSetup {
  const std::vector<std::string>& command;
  int lock = -1;                ///< inherited: as long as the command lives, nobody else can claim
  int output = -1;              ///< becomes standard output and error; -1 leaves the caller's
  int parent_death_signal = 0;  ///< delivered to the command when its supervisor dies
  std::vector<int> ignored;     ///< signals that it is to ignore
  std::string notify_address;   ///< NOTIFY_SOCKET; empty removes it
};

/// The guarded command, started but held back until it is allowed to go on.
class Child {
 public:
  /// Forks. The child waits for `let_go` and ends if its parent dies before. Throws `std::system_error`.
  explicit Child(const ChildSetup& setup);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Readable once the child has ended.
  [[nodiscard]] int end_descriptor() const noexcept { return end_.get(); }
  /// Executes the command. Returns: 0, or the errno with which that failed.
  [[nodiscard]] int let_go();
  void send(int signal) const noexcept;
  /// Reaps. Returns: the wait status, `wait(2)`. Requires: the child has ended, or will.
  [[nodiscard]] int reap() noexcept;

 private:
  pid_t pid_ = -1;
  Descriptor end_;  ///< of its handle, as the process probe gives one
  Descriptor go_;
  Descriptor failure_;
};

}  // namespace genie::cli

#endif  // GENIE_CLI_CHILD_HPP
