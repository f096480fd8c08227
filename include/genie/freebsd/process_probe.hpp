// The process-probe policy on FreeBSD. Never executed by this project: compiled and linked only; what it shares with
// macOS is tested on Linux.
#ifndef GENIE_FREEBSD_PROCESS_PROBE_HPP
#define GENIE_FREEBSD_PROCESS_PROBE_HPP

#if defined(__FreeBSD__)

#include <sys/param.h>
// Before the next ones.
#include <sys/cpuset.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/user.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/bsd/process_probe.hpp"

namespace genie::inline v0 {

namespace freebsd_detail {

/// Source: `sysctl(3)`, KERN_PROC; `kinfo_getproc(3)`.
struct Processes {
  /// What the kernel adds to each start time, in microseconds. Source: `time(9)`.
  static bool read_boot_time(std::int64_t& microseconds) noexcept {
    int name[] = {CTL_KERN, KERN_BOOTTIME};
    timeval time{};
    std::size_t size = sizeof time;
    if (::sysctl(name, 2, &time, &size, nullptr, 0) != 0 || size != sizeof time) return false;
    microseconds = std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    return true;
  }

  /// The start time is told as the kernel's clock says it was: the time from the boot to the start, and the time of the
  /// boot, which moves whenever somebody sets the clock. Ours is the difference, in microseconds since the boot, as it
  /// was measured once. `boot` is what both looks around this one have told.
  static bsd_detail::ProcessEntry translated(const kinfo_proc& info, bool knows_boot, std::int64_t boot) noexcept {
    bsd_detail::ProcessEntry entry;
    entry.pid = info.ki_pid;
    entry.parent = info.ki_ppid;
    entry.group = info.ki_pgid;
    entry.zombie = info.ki_stat == SZOMB;
    const std::int64_t start = std::int64_t{info.ki_start.tv_sec} * 1'000'000 + info.ki_start.tv_usec - boot;
    if (knows_boot && start >= 0) entry.start = known_start(static_cast<std::uint64_t>(start));
    entry.name.append(Text{info.ki_comm});
    return entry;
  }

  static int read(Pid pid, bsd_detail::ProcessEntry& entry) noexcept {
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, static_cast<int>(pid)};
    kinfo_proc info{};
    bool knows_boot = false;
    std::int64_t boot = 0;
    // Somebody may set the clock in between; hardly again and again.
    for (int attempt = 0; attempt < 4 && !knows_boot; ++attempt) {
      std::size_t size = sizeof info;
      std::int64_t after = 0;
      const bool before = read_boot_time(boot);
      if (::sysctl(name, 4, &info, &size, nullptr, 0) != 0) return errno;
      if (size == 0) return ESRCH;
      if (size != sizeof info || info.ki_structsize != static_cast<int>(sizeof info)) return EBADMSG;
      knows_boot = before && read_boot_time(after) && after == boot;
    }
    entry = translated(info, knows_boot, boot);
    return 0;
  }

  /// As a hardened system is set up: other users' processes, or those of other groups, are nowhere to be seen.
  /// Source: `security(7)` of FreeBSD.
  static bool hides_processes() noexcept {
    if (::geteuid() == 0) return false;
    return is_set_to("security.bsd.see_other_uids", 0) || is_set_to("security.bsd.see_other_gids", 0);
  }

  /// A longer table is cut, and ENOMEM.
  template <typename Visit>
  static int group(Pid pid, Visit&& visit) noexcept {
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PGRP, static_cast<int>(pid)};
    constexpr std::size_t most = 32;
    kinfo_proc members[most]{};
    std::int64_t boot = 0;
    std::int64_t after = 0;
    std::size_t size = sizeof members;
    const bool before = read_boot_time(boot);
    const int error = ::sysctl(name, 4, members, &size, nullptr, 0) == 0 ? 0 : errno;
    const bool knows_boot = before && read_boot_time(after) && after == boot;
    if (error == ESRCH) return 0;
    if (error != 0 && error != ENOMEM) return error;
    for (const kinfo_proc& member : members) {
      if (member.ki_pid == 0) break;
      if (!visit(translated(member, knows_boot, boot))) return 0;
    }
    return error;
  }

  static std::uint64_t serial(Pid) noexcept { return 0; }
  /// Source: `kill(2)`.
  static int signal(const bsd_detail::ProcessHandle& handle, int number) noexcept {
    return ::kill(static_cast<pid_t>(handle.pid), number) == 0 ? 0 : errno;
  }

  /// Source: kern.boot_id (FreeBSD 14; unknown before). Not kern.boottime, which moves with the clock, nor
  /// kern.hostuuid, which stays.
  static BootId boot() noexcept {
    unsigned char bytes[16]{};
    std::size_t size = sizeof bytes;
    if (::sysctlbyname("kern.boot_id", bytes, &size, nullptr, 0) != 0 || size != sizeof bytes) return {};
    constexpr const char* digits = "0123456789abcdef";
    BootId id;
    for (const unsigned char byte : bytes) id.append(digits[byte >> 4U]).append(digits[byte & 0xFU]);
    return id;
  }

  /// PIDs are the same numbers in every jail, but nobody sees those of another jail. The number of the jail is not told
  /// within it; the root of its CPU sets is, and each jail has one of its own as long as it lives.
  /// Source: `jail(8)`, `cpuset_getid(2)`.
  static std::uint64_t pid_namespace() noexcept {
    if (is_set_to("security.jail.jailed", 0)) return 1;
    cpusetid_t root = 0;
    if (::cpuset_getid(CPU_LEVEL_ROOT, CPU_WHICH_PID, -1, &root) != 0 || root <= 0) return 0;
    return static_cast<std::uint64_t>(root) + 1;
  }

  /// Source: `arc4random(3)`.
  static std::uint64_t random() noexcept {
    std::uint64_t value = 0;
    ::arc4random_buf(&value, sizeof value);
    return value;
  }

 private:
  static bool is_set_to(const char* name, int wanted) noexcept {
    int value = 0;
    std::size_t size = sizeof value;
    return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 && size == sizeof value && value == wanted;
  }
};

}  // namespace freebsd_detail

/// Processes as the kernel of FreeBSD tells of them, and kqueue to wait for their end; see `bsd/process_probe.hpp`.
class FreebsdProcessProbe : public bsd_detail::ProcessProbe<freebsd_detail::Processes> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_FREEBSD_PROCESS_PROBE_HPP
