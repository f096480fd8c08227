// The launcher policy on macOS: what `genie/posix/launcher.hpp` asks of it. Never executed by this project: compiled
// and linked only; all but these few calls is tested on Linux.
#ifndef GENIE_MACOS_LAUNCHER_HPP
#define GENIE_MACOS_LAUNCHER_HPP

#if defined(__APPLE__)

#include <crt_externs.h>
#include <errno.h>
#include <fcntl.h>
#include <libproc.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/macos/clock.hpp"
#include "genie/macos/filesystem.hpp"
#include "genie/macos/process_probe.hpp"
#include "genie/posix/launcher.hpp"

namespace genie::inline v0 {

namespace macos_detail {

struct Launching {
  using Filesystem = MacosFilesystem;
  using ProcessProbe = MacosProcessProbe;
  using Clock = MacosClock;
  static constexpr int signal_count = NSIG;

  /// There is no other kind of child: the caller's SIGCHLD handler is told of the attendant's end.
  static pid_t fork_untold() noexcept { return ::fork(); }
  static int await_child(pid_t child, siginfo_t& info) noexcept {
    return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED) == 0 ? 0 : errno;
  }
  static void collect(const MacosProcessProbe::Handle& attendant) noexcept {
    siginfo_t info{};
    (void)await_child(static_cast<pid_t>(attendant.pid), info);
  }

  /// Source: XNU, `proc_pidinfo`, PROC_PIDLISTFDS: those that are open, as many as there is room for.
  template <std::size_t Count>
  static void close_all_but(const int (&kept)[Count]) noexcept {
    constexpr int room = 512;
    proc_fdinfo open[room];
    for (bool closed_any = true; closed_any;) {
      closed_any = false;
      const int size = ::proc_pidinfo(::getpid(), PROC_PIDLISTFDS, 0, open, static_cast<int>(sizeof open));
      const int count = size / static_cast<int>(sizeof open[0]);
      for (int at = 0; at < count; ++at) {
        bool keeps = false;
        for (const int descriptor : kept) keeps = keeps || descriptor == open[at].proc_fd;
        if (!keeps) closed_any = ::close(open[at].proc_fd) == 0 || closed_any;
      }
      if (count < room) return;
    }
  }

  /// There is nothing like it. The program ends by itself when its gate is closed.
  static void end_with_parent(bool) noexcept {}
  /// There is nothing like it: orphans become children of launchd.
  static int adopt_orphans() noexcept { return 0; }

  static int open_pipe(int (&ends)[2]) noexcept {
    if (::pipe(ends) != 0) return -1;
    close_on_exec(ends);
    return 0;
  }
  /// There are no SOCK_SEQPACKET. What is sent here is so short that it comes in one piece.
  static int open_line(int (&ends)[2]) noexcept {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
    close_on_exec(ends);
    return 0;
  }
  static char** environment() noexcept { return *::_NSGetEnviron(); }

 private:
  static void close_on_exec(const int (&ends)[2]) noexcept {
    for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
};

}  // namespace macos_detail

/// Starts processes by `fork` and `execve`. Differs from Linux: if a starter is killed at the very moment at which its
/// server's process hangs in a file system that does not answer, that process lives until it is answered; the server
/// does not adopt orphans; a thread of the caller that forks and executes at the very moment of `spawn` may hand on one
/// end of a socket. Source: `fork(2)`, `execve(2)`, `setsid(2)` of macOS.
class MacosLauncher : public posix_detail::ForkingLauncher<macos_detail::Launching> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_MACOS_LAUNCHER_HPP
