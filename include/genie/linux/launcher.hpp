// The launcher policy on Linux: what `genie/posix/launcher.hpp` asks of it.
#ifndef GENIE_LINUX_LAUNCHER_HPP
#define GENIE_LINUX_LAUNCHER_HPP

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "genie/linux/clock.hpp"
#include "genie/linux/descriptor.hpp"
#include "genie/linux/filesystem.hpp"
#include "genie/linux/process_probe.hpp"
#include "genie/posix/launcher.hpp"

namespace genie::inline v0 {

namespace linux_detail {

// How a sanitizer learns of a fork that it does not see; null in a program without one.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
__attribute__((weak)) void __sanitizer_syscall_pre_impl_fork();
__attribute__((weak)) void __sanitizer_syscall_post_impl_fork(long result);
}
// NOLINTEND(bugprone-reserved-identifier)

/// Forks a process that tells nobody when it ends. What it may do before it executes a program: system calls, and
/// nothing that takes a lock or memory, because other threads were cut off in the middle of what they did.
/// Returns: 0 in the new process, its PID in the old one, -1 and errno. Source: `clone(2)`; all arguments are 0,
/// whose order depends on the processor. Emulators of system calls want SIGCHLD, and say EINVAL.
[[nodiscard]] inline pid_t fork_untold() noexcept {
  if (__sanitizer_syscall_pre_impl_fork != nullptr) __sanitizer_syscall_pre_impl_fork();
  const long pid = ::syscall(SYS_clone, 0UL, 0UL, 0UL, 0UL, 0UL);
  const int error = errno;
  if (__sanitizer_syscall_post_impl_fork != nullptr) __sanitizer_syscall_post_impl_fork(pid);
  if (pid < 0 && error == EINVAL) return ::fork();
  errno = error;
  return static_cast<pid_t>(pid);
}

/// Closes every descriptor of this process but those that are `kept`. Async-signal-safe.
/// Source: `close_range(2)` (Linux 5.9), else `proc_pid_fd(5)`, else all numbers that Linux gives unless it was told to
/// give more: `proc_sys_fs(5)`, nr_open.
template <std::size_t Count>
void close_all_but(const int (&kept)[Count]) noexcept {
#if defined(SYS_close_range)
  constexpr long close_range_number = SYS_close_range;
#else
  constexpr long close_range_number = 436;
#endif
  const bool closed = posix_detail::close_between(
      kept, [](unsigned first, unsigned last) noexcept { return ::syscall(close_range_number, first, last, 0U) == 0; });
  if (closed) return;

  const auto close_unless_kept = [&kept](int descriptor) noexcept {
    for (const int other : kept) {
      if (descriptor == other) return;
    }
    ::close(descriptor);
  };
  const int list = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const auto walked = for_each_entry(list, [&](Text name) noexcept {
    auto descriptor = static_cast<std::uint64_t>(list);
    (void)parse_decimal(name, INT32_MAX, descriptor);
    if (static_cast<int>(descriptor) != list) close_unless_kept(static_cast<int>(descriptor));
  });
  ::close(list);
  if (walked.ok()) return;

  // Not up to RLIMIT_NOFILE, which may have been lowered since, or be a thousand times as high.
  constexpr int most = 1 << 20;
  for (int descriptor = 0; descriptor < most; ++descriptor) close_unless_kept(descriptor);
}

struct Launching {
  using Filesystem = LinuxFilesystem;
  using ProcessProbe = LinuxProcessProbe;
  using Clock = LinuxClock;
  static constexpr int signal_count = _NSIG;

  static pid_t fork_untold() noexcept { return linux_detail::fork_untold(); }
  static int await_child(pid_t child, siginfo_t& info) noexcept {
    return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | __WALL) == 0 ? 0 : errno;
  }
  template <std::size_t Count>
  static void close_all_but(const int (&kept)[Count]) noexcept {
    linux_detail::close_all_but(kept);
  }
  /// A filter may refuse that. Source: `prctl(2)`.
  static void end_with_parent(bool ends) noexcept { (void)::prctl(PR_SET_PDEATHSIG, ends ? SIGKILL : 0); }
  static int adopt_orphans() noexcept { return ::prctl(PR_SET_CHILD_SUBREAPER, 1L); }
  static int open_pipe(int (&ends)[2]) noexcept { return ::pipe2(ends, O_CLOEXEC); }
  static int open_line(int (&ends)[2]) noexcept {
    return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
  }
  static char** environment() noexcept { return ::environ; }
  static void collect(const LinuxProcessProbe::Handle& attendant) noexcept {
    constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD, which older headers lack
    siginfo_t info{};
    (void)::waitid(by_descriptor, static_cast<id_t>(attendant.descriptor), &info, WEXITED | __WALL);
  }
};

}  // namespace linux_detail

/// Starts processes by `fork` and `execve`, with pidfds (Linux 5.4; without them `spawn` answers ENOSYS).
///
/// What the program gets besides what the plan says: a session of its own without a terminal, standard input from
/// /dev/null, default signal dispositions, an empty signal mask. What it keeps of the caller's: user and groups,
/// capabilities, resource limits, niceness, scheduling and CPU affinity, namespaces, control group, OOM score
/// adjustment, no_new_privs and seccomp filters. Of the caller's environment, where the plan gives none, it does not
/// get what is meant for one process only: NOTIFY_SOCKET, LISTEN_PID, LISTEN_PIDFDID, LISTEN_FDS, LISTEN_FDNAMES,
/// WATCHDOG_PID, WATCHDOG_USEC.
///
/// The log is created with mode 0600 and must be a regular file, else ENXIO; a link at its last component is not
/// followed (ELOOP). Paths are relative to the caller's working directory; the program's path to `plan.directory`.
///
/// A process that has unshared its PID namespace (`unshare(2)`, CLONE_NEWPID) cannot start servers (ESRCH): the
/// attendant would be that namespace's init, and its end the end of everything in it.
/// Source: `clone(2)`, `execve(2)`, `pidfd_open(2)`, `setsid(2)`, `prctl(2)`.
class LinuxLauncher : public posix_detail::ForkingLauncher<linux_detail::Launching> {};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_LAUNCHER_HPP
