// The launcher policy on FreeBSD: what `genie/posix/launcher.hpp` asks of it. Never executed by this project: compiled
// and linked only; all but these few calls is tested on Linux.
#ifndef GENIE_FREEBSD_LAUNCHER_HPP
#define GENIE_FREEBSD_LAUNCHER_HPP

#if defined(__FreeBSD__)

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/procctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "genie/freebsd/clock.hpp"
#include "genie/freebsd/filesystem.hpp"
#include "genie/freebsd/process_probe.hpp"
#include "genie/posix/launcher.hpp"

// Declared nowhere. Source: `environ(7)`.
extern "C" char** environ;

namespace genie::inline v0 {

namespace freebsd_detail {

struct Launching {
  using Filesystem = FreebsdFilesystem;
  using ProcessProbe = FreebsdProcessProbe;
  using Clock = FreebsdClock;
  static constexpr int signal_count = _SIG_MAXSIG + 1;

  /// A child that ends without a signal. Source: `rfork(2)`, RFTSIGZMB with signal 0.
  static pid_t fork_untold() noexcept { return ::rfork(RFPROC | RFFDG | RFTSIGZMB); }
  /// Who ends without a signal, and who ends with one, are two kinds to wait for; what a program becomes by exec, the
  /// manual does not say.
  static int await_child(pid_t child, siginfo_t& info) noexcept {
    constexpr int without_signal = static_cast<int>(WLINUXCLONE);
    const auto id = static_cast<id_t>(child);
    if (::waitid(P_PID, id, &info, WEXITED | without_signal) == 0) return 0;
    if (errno != ECHILD) return errno;
    return ::waitid(P_PID, id, &info, WEXITED) == 0 ? 0 : errno;
  }
  static void collect(const FreebsdProcessProbe::Handle& attendant) noexcept {
    siginfo_t info{};
    (void)await_child(static_cast<pid_t>(attendant.pid), info);
  }

  /// Source: `close_range(2)` (FreeBSD 12.2).
  template <std::size_t Count>
  static void close_all_but(const int (&kept)[Count]) noexcept {
    (void)posix_detail::close_between(
        kept, [](unsigned first, unsigned last) noexcept { return ::close_range(first, last, 0) == 0; });
  }

  /// Source: `procctl(2)`, PROC_PDEATHSIG_CTL.
  static void end_with_parent(bool ends) noexcept {
    int signal = ends ? SIGKILL : 0;
    (void)::procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &signal);
  }
  /// Source: `procctl(2)`, PROC_REAP_ACQUIRE.
  static int adopt_orphans() noexcept { return ::procctl(P_PID, 0, PROC_REAP_ACQUIRE, nullptr); }

  static int open_pipe(int (&ends)[2]) noexcept { return ::pipe2(ends, O_CLOEXEC); }
  static int open_line(int (&ends)[2]) noexcept {
    return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
  }
  static char** environment() noexcept { return ::environ; }
};

}  // namespace freebsd_detail

/// Starts processes by `rfork` and `execve`. Source: `rfork(2)`, `execve(2)`, `setsid(2)`, `procctl(2)` of FreeBSD.
class FreebsdLauncher : public posix_detail::ForkingLauncher<freebsd_detail::Launching> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_FREEBSD_LAUNCHER_HPP
