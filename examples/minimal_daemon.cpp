// The smallest daemon: at most one per state directory, found and stopped by `genie status` and `genie stop`.
//
//   minimal_daemon DIRECTORY      exits 0 if another one runs already
#include <signal.h>

#include <cstdio>
#include <genie/fmt.hpp>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: minimal_daemon DIRECTORY\n", stderr);
    return 64;
  }
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);  // before the claim: from then on a stop may come

  genie::ServeGuard guard{argv[1]};
  const auto claim = guard.claim();
  if (!claim) {
    fmt::print(stderr, "minimal_daemon: {}\n", claim.error());
    return 1;
  }
  fmt::print("minimal_daemon {}\n", *claim);
  if (!claim->owned()) return claim->outcome == genie::ClaimOutcome::already_running ? 0 : 75;
  std::fflush(stdout);

  int received = 0;
  ::sigwait(&ending, &received);  // here it would serve
}  // released
