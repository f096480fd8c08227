// The process-probe policy on macOS. Never executed by this project: compiled and linked only; what it shares with
// FreeBSD is tested on Linux.
#ifndef GENIE_MACOS_PROCESS_PROBE_HPP
#define GENIE_MACOS_PROCESS_PROBE_HPP

#if defined(__APPLE__)

#include <dlfcn.h>
#include <errno.h>
#include <libproc.h>
#include <mach/message.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/sysctl.h>

#include <cstddef>
#include <cstdint>

#include "genie/bsd/process_probe.hpp"

namespace genie::inline v0 {

namespace macos_detail {

/// Source: `sysctl(3)`, KERN_PROC.
struct Processes {
  /// The start time is in microseconds since the epoch, as the clock stood when the process was forked: later steps of
  /// the clock do not change it, nor does exec.
  static bsd_detail::ProcessEntry translated(const kinfo_proc& info) noexcept {
    bsd_detail::ProcessEntry entry;
    const extern_proc& process = info.kp_proc;
    entry.pid = process.p_pid;
    entry.parent = info.kp_eproc.e_ppid;
    entry.group = info.kp_eproc.e_pgid;
    entry.zombie = process.p_stat == SZOMB;
    const timeval& start = process.p_starttime;
    entry.start =
        known_start(static_cast<std::uint64_t>(start.tv_sec) * 1'000'000U + static_cast<std::uint64_t>(start.tv_usec));
    entry.name.append(Text{process.p_comm});
    return entry;
  }

  /// Nobody's processes are hidden from it; a process that is not there is a table of none.
  static int read(Pid pid, bsd_detail::ProcessEntry& entry) noexcept {
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, static_cast<int>(pid)};
    kinfo_proc info{};
    std::size_t size = sizeof info;
    if (::sysctl(name, 4, &info, &size, nullptr, 0) != 0) return errno;
    if (size < sizeof info) return ESRCH;
    entry = translated(info);
    return 0;
  }
  static bool hides_processes() noexcept { return false; }

  /// A longer table is cut, and ENOMEM.
  template <typename Visit>
  static int group(Pid pid, Visit&& visit) noexcept {
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PGRP, static_cast<int>(pid)};
    constexpr std::size_t most = 64;
    kinfo_proc members[most]{};
    std::size_t size = sizeof members;
    const int error = ::sysctl(name, 4, members, &size, nullptr, 0) == 0 ? 0 : errno;
    if (error != 0 && error != ENOMEM) return error;
    for (const kinfo_proc& member : members) {
      if (member.kp_proc.p_pid == 0) break;
      if (!visit(translated(member))) return 0;
    }
    return error;
  }

  /// The kernel's version of the PID: the one thing that tells two users of a number apart for certain.
  /// Source: XNU, `bsd/sys/proc_info_private.h`, PROC_PIDUNIQIDENTIFIERINFO.
  static std::uint64_t serial(Pid pid) noexcept {
    struct UniqueIdentifier {
      std::uint8_t executable[16];
      std::uint64_t unique_id;
      std::uint64_t parent_unique_id;
      std::int32_t version;
      std::int32_t original_parent_version;
      std::uint64_t reserved[2];
    };
    static_assert(sizeof(UniqueIdentifier) == 56);
    constexpr int unique_identifier = 17;
    UniqueIdentifier info{};
    const int size = ::proc_pidinfo(static_cast<int>(pid), unique_identifier, 0, &info, static_cast<int>(sizeof info));
    return size == static_cast<int>(sizeof info) ? std::uint64_t{1} << 32U | static_cast<std::uint32_t>(info.version)
                                                 : 0;
  }

  /// By PID and version, where this macOS has the call (it returns an errno; the token's other fields are not looked
  /// at); else by number. Source: XNU, `libsyscall/wrappers/libproc`, proc_signal_with_audittoken.
  static int signal(const bsd_detail::ProcessHandle& handle, int number) noexcept {
    if (handle.serial != 0) {
      using Call = int (*)(audit_token_t*, int);
      // NOLINTNEXTLINE(bugprone-casting-through-void): what dlsym is for
      const auto call = reinterpret_cast<Call>(::dlsym(RTLD_DEFAULT, "proc_signal_with_audittoken"));
      if (call != nullptr) {
        audit_token_t token{};
        token.val[5] = static_cast<unsigned>(handle.pid);
        token.val[7] = static_cast<unsigned>(handle.serial);
        if (const int error = call(&token, number); error != ENOSYS) return error;
      }
    }
    return ::kill(static_cast<pid_t>(handle.pid), number) == 0 ? 0 : errno;
  }

  /// Source: `sysctl(3)`, kern.bootsessionuuid. Not kern.boottime, which moves with the clock.
  static BootId boot() noexcept {
    char text[BootId::capacity() + 1]{};
    std::size_t size = sizeof text;
    if (::sysctlbyname("kern.bootsessionuuid", text, &size, nullptr, 0) != 0) return {};
    return BootId{Text{text}};
  }
  /// There is only one.
  static std::uint64_t pid_namespace() noexcept { return 1; }

  /// Source: `arc4random(3)`.
  static std::uint64_t random() noexcept {
    std::uint64_t value = 0;
    ::arc4random_buf(&value, sizeof value);
    return value;
  }
};

}  // namespace macos_detail

/// Processes as the kernel of macOS tells of them, and kqueue to wait for their end; see `bsd/process_probe.hpp`.
class MacosProcessProbe : public bsd_detail::ProcessProbe<macos_detail::Processes> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_MACOS_PROCESS_PROBE_HPP
