// Who a process is and what a file is: a PID alone is a number that gets reused, a path alone is a name that gets
// moved.
#ifndef GENIE_IDENTITY_HPP
#define GENIE_IDENTITY_HPP

#include <cstdint>

#include "genie/text.hpp"

namespace genie::inline v0 {

/// A process number. Zero means none. Wider than any platform's, so that nothing is ever truncated.
using Pid = std::int64_t;

/// When a process started, in the platform's own unit: the same PID with another start is another process.
/// Source on Linux: field 22 of `/proc/PID/stat`, clock ticks since boot, `proc_pid_stat(5)`. On macOS: microseconds
/// since the epoch, on FreeBSD since the boot, of `sysctl(3)`, KERN_PROC.
struct StartToken {
  std::uint64_t value = 0;
  bool known = false;

  friend constexpr bool operator==(const StartToken&, const StartToken&) noexcept = default;
};

/// A start that could be read.
[[nodiscard]] constexpr StartToken known_start(std::uint64_t value) noexcept { return {value, true}; }

/// `PID:START`, what the record file says of its owner. Unique within one boot and one PID namespace.
struct ProcessIdentity {
  Pid pid = 0;
  StartToken start;

  friend constexpr bool operator==(const ProcessIdentity&, const ProcessIdentity&) noexcept = default;
};

/// A boot of the operating system; empty means unknown. Source on Linux: `/proc/sys/kernel/random/boot_id`,
/// `random(4)`; on macOS kern.bootsessionuuid, on FreeBSD kern.boot_id.
using BootId = FixedText<40>;

/// Where a `ProcessIdentity` has its meaning: this boot of this machine, this PID namespace.
struct ProcessOrigin {
  BootId boot;
  std::uint64_t pid_namespace = 0;  ///< on Linux, its inode number, `pid_namespaces(7)`; 0 means unknown
  int error = 0;  ///< errno for which something is unknown now, and may be known when asked again; no part of it

  friend constexpr bool operator==(const ProcessOrigin& left, const ProcessOrigin& right) noexcept {
    return left.boot == right.boot && left.pid_namespace == right.pid_namespace;
  }
};

/// A file, whatever its name: device and inode number, `inode(7)`. Only unique while the file is held open.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend constexpr bool operator==(const FileIdentity&, const FileIdentity&) noexcept = default;
};

}  // namespace genie::inline v0

#endif  // GENIE_IDENTITY_HPP
