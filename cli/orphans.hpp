// What a process owes those who become its children when their parents end: nobody else reaps them.
#ifndef GENIE_CLI_ORPHANS_HPP
#define GENIE_CLI_ORPHANS_HPP

#include <sys/wait.h>

namespace genie::cli {

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
