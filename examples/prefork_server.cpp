// A pre-fork server: one process owns the directory and the listening socket, its workers accept.
//
//   prefork_server DIRECTORY [WORKERS]
//
// `fork` shares the lock with each worker. That is as it should be: as long as a worker lives that could accept, no
// second server starts, even if the owner was killed; `genie status` then names the workers, and they end by
// themselves.
//
// Linux only, for the sake of `prctl`.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <genie/fmt.hpp>
#include <string>
#include <vector>

namespace {

template <typename Problem>
int failed(const Problem& problem) {
  fmt::print(stderr, "prefork_server: {}\n", problem);
  return 1;
}

int listen_anywhere(std::uint16_t& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || ::bind(listener, generic, length) != 0 || ::listen(listener, SOMAXCONN) != 0 ||
      ::getsockname(listener, generic, &length) != 0) {
    return -1;
  }
  port = ntohs(address.sin_port);
  return listener;
}

/// A worker: answers clients until it is asked to end, or the owner has gone.
[[noreturn]] void work(int listener, pid_t owner, const sigset_t& receptive) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != owner) ::_exit(0);
  ::sigprocmask(SIG_SETMASK, &receptive, nullptr);  // SIGTERM ends it
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    const std::string line = fmt::format("hello from worker {}\n", ::getpid());
    (void)::send(client, line.data(), line.size(), MSG_NOSIGNAL);
    ::close(client);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return failed("usage: prefork_server DIRECTORY [WORKERS]");
  const auto wanted = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 4);
  sigset_t awaited;
  sigset_t receptive;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGTERM);
  sigaddset(&awaited, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &awaited, &receptive);

  genie::ServeGuard guard{argv[1]};
  genie::ClaimOptions options;
  options.starting = true;
  const auto claim = guard.claim(options);
  if (!claim) return failed(claim.error());
  fmt::print("prefork_server {}\n", *claim);
  std::fflush(stdout);  // or each worker would have it in its buffer, too
  if (!claim->owned()) return claim->outcome == genie::ClaimOutcome::already_running ? 0 : 75;

  std::uint16_t port = 0;
  const int listener = listen_anywhere(port);
  if (listener < 0) return failed("can't listen");

  const pid_t owner = ::getpid();
  std::vector<pid_t> workers;
  const auto fill_up = [&] {
    while (workers.size() < wanted) {
      const pid_t worker = ::fork();
      if (worker == 0) work(listener, owner, receptive);  // never returns, so it never runs our guard's destructor;
      if (worker < 0) return;                             // which would do nothing there
      workers.push_back(worker);
    }
  };
  fill_up();
  if (auto published = guard.publish_port(port); !published) return failed(published.error());
  if (auto ready = guard.ready(); !ready) return failed(ready.error());

  bool ending = false;
  while (!ending || !workers.empty()) {
    // A worker that could not be forked is tried again.
    const timespec second{1, 0};
    const int number = ::sigtimedwait(&awaited, nullptr, &second);
    if (number == SIGTERM) ending = true;
    for (pid_t ended; (ended = ::waitpid(-1, nullptr, WNOHANG)) > 0;) std::erase(workers, ended);
    if (!ending) fill_up();
    if (number == SIGTERM) {
      for (const pid_t worker : workers) ::kill(worker, SIGTERM);
    }
  }
  return 0;  // the workers have gone, and with the guard goes the claim
}
