// A TCP server that guards itself: at most one per state directory, its port where clients look for it, and gone on
// SIGTERM. Start it twice; the second one says who is there.
//
//   tcp_server DIRECTORY
//
// `genie status`, `genie port` and `genie stop`, each with `--dir DIRECTORY`, work with it as with any other server.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <genie/fmt.hpp>
#include <genie/serve_guard.hpp>

namespace {

volatile sig_atomic_t asked_to_end = 0;

/// Answers each client until a signal asks us to end. `receptive` is the mask that lets such a signal through: only
/// while we wait, so that none is missed.
void serve(int listener, const sigset_t& receptive) {
  while (asked_to_end == 0) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(listener, &readable);
    if (::pselect(listener + 1, &readable, nullptr, nullptr, nullptr, &receptive) <= 0) continue;
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    (void)::send(client, "hello\n", 6, MSG_NOSIGNAL);
    ::close(client);
  }
}

template <typename Problem>
int failed(const Problem& problem) {
  fmt::print(stderr, "tcp_server: {}\n", problem);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return failed("usage: tcp_server DIRECTORY");
  sigset_t ending;
  sigset_t receptive;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ending, &receptive);
  ::signal(SIGTERM, [](int) { asked_to_end = 1; });

  // Claim first. Whatever comes next, a slow boot or a failure, happens to the only server of this directory.
  genie::ServeGuard<> guard{argv[1]};
  genie::ClaimOptions options;
  options.starting = true;
  const auto claim = guard.claim(options);
  if (!claim) return failed(claim.error());
  fmt::print("tcp_server {}\n", *claim);
  if (!claim->owned()) return claim->outcome == genie::ClaimOutcome::already_running ? 0 : 75;

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || ::fcntl(listener, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(listener, F_SETFL, O_NONBLOCK) != 0 ||
      ::bind(listener, generic, length) != 0 || ::listen(listener, SOMAXCONN) != 0 ||
      ::getsockname(listener, generic, &length) != 0) {
    std::perror("tcp_server: cannot listen");
    return 1;
  }

  if (auto published = guard.publish_port(ntohs(address.sin_port)); !published) return failed(published.error());
  if (auto ready = guard.ready(); !ready) return failed(ready.error());
  serve(listener, receptive);
  ::close(listener);
  return 0;  // the guard's destructor removes the port and the record, and gives up the claim
}
