// The calls of the process-probe policy that are the same on every POSIX system.
#ifndef GENIE_POSIX_PROCESSES_HPP
#define GENIE_POSIX_PROCESSES_HPP

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>

#include "genie/policy/process_probe.hpp"

namespace genie::inline v0::posix_detail {

class Processes {
 public:
  /// PIDs are of type `pid_t`; each kernel's own limit is lower.
  static constexpr Pid pid_limit = INT32_MAX;

  /// Source: `getpid(2)`.
  [[nodiscard]] Pid self() noexcept { return ::getpid(); }

  /// Source: `geteuid(2)`.
  [[nodiscard]] std::uint64_t user() noexcept { return ::geteuid(); }

  /// Source: `getpgid(2)`. A signal to a group that we are in would reach us, too.
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    return pid > 1 && ::getpgrp() != static_cast<pid_t>(pid) && pid <= pid_limit &&
           ::getpgid(static_cast<pid_t>(pid)) == static_cast<pid_t>(pid);
  }

 protected:
  static int number(Signal signal) noexcept {
    switch (signal) {
      case Signal::terminate: return SIGTERM;
      case Signal::kill: return SIGKILL;
    }
    return 0;
  }

  /// For a process of which the system told nothing but `error`: is it hidden, or gone? EPERM means there is somebody.
  /// Source: `kill(2)`.
  static void ask_by_signal(Pid pid, int error, Observation& seen) noexcept {
    if (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM) {
      seen.liveness = Liveness::alive;
      seen.error = error;
    } else if (errno == ESRCH) {
      seen.liveness = Liveness::gone;
    } else {
      seen.error = errno;
    }
  }
};

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_PROCESSES_HPP
