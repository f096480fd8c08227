// What the first process of a container owes the others: nobody else reaps those whose parents have ended.
#ifndef GENIE_CLI_ORPHANS_HPP
#define GENIE_CLI_ORPHANS_HPP

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace genie::cli {

/// Whether orphans become this process's children. Source: `pid_namespaces(7)`, `PR_SET_CHILD_SUBREAPER(2const)`.
[[nodiscard]] inline bool adopts_orphans() noexcept {
  int is_subreaper = 0;
  return ::getpid() == 1 || (::prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0 && is_subreaper != 0);
}

/// Reaps every child that has ended, but for `own`, whose end its own watcher tells. Does not wait.
inline void reap_orphans(pid_t own) noexcept {
  siginfo_t ended{};
  const auto next = [&] {
    ended.si_pid = 0;
    return ::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 && ended.si_pid != own;
  };
  while (next()) (void)::waitpid(ended.si_pid, nullptr, WNOHANG);
}

}  // namespace genie::cli

#endif  // GENIE_CLI_ORPHANS_HPP
