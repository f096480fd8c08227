// One half of a build tool: the daemon, which keeps what is expensive to load, and goes when nobody has asked it for a
// while. Its clients (build_client.cpp) start it; nobody else does.
//
//   build_daemon DIRECTORY [IDLE-SECONDS]
//
// It listens on DIRECTORY/build.sock, which it publishes as the endpoint `build`: a client dials it only while this
// very process owns the directory. A request is a line, the name of a target; so is the answer.
//
// Linux only, for the sake of `accept4`, `ppoll`.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <genie/fmt.hpp>
#include <string>

namespace {

volatile sig_atomic_t asked_to_end = 0;

template <typename Problem>
int failed(const Problem& problem) {
  fmt::print(stderr, "build_daemon: {}\n", problem);
  return 1;
}

int listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  // No unlink before: the claim has removed the socket of a dead predecessor, and any other one is somebody's.
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return ::listen(listener, SOMAXCONN) == 0 ? listener : -1;
}

/// Answers one client, who has a second for its question: the others wait.
void answer(int client, unsigned job) {
  const timeval patience{1, 0};
  ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char request[256];
  const ssize_t length = ::recv(client, request, sizeof request, 0);
  if (length <= 0) return;
  const std::string target{request, ::strnlen(request, static_cast<std::size_t>(length))};
  const std::string line =
      fmt::format("built {} (job {} of PID {})\n", target.substr(0, target.find('\n')), job, ::getpid());
  (void)::send(client, line.data(), line.size(), MSG_NOSIGNAL);
}

/// Until a signal asks us to end, or nobody has come for `idle`. `receptive` lets such a signal through: only while we
/// wait, so that none is missed.
void serve(int listener, const timespec& idle, const sigset_t& receptive) {
  for (unsigned job = 1; asked_to_end == 0;) {
    pollfd wanted{listener, POLLIN, 0};
    const int ready = ::ppoll(&wanted, 1, &idle, &receptive);
    if (ready == 0) return;
    const int client = ready > 0 ? ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) : -1;
    if (client < 0) continue;
    answer(client, job++);
    ::close(client);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return failed("usage: build_daemon DIRECTORY [IDLE-SECONDS]");
  sigset_t ending;
  sigset_t receptive;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ending, &receptive);
  ::signal(SIGTERM, [](int) { asked_to_end = 1; });

  genie::ServeGuard guard{argv[1]};
  genie::ClaimOptions options;
  options.starting = true;  // clients that wait for `ensure` go on at `ready`
  const auto claim = guard.claim(options);
  if (!claim) return failed(claim.error());
  if (!claim->owned()) return failed(*claim);

  (void)guard.boot("load the dependency graph");  // whoever waits sees this

  const std::string path = std::string{argv[1]} + "/build.sock";
  const int listener = listen_at(path);
  if (listener < 0) return failed(fmt::format("can't listen on {}: {}", path, std::strerror(errno)));
  const genie::Endpoint endpoints[] = {genie::Endpoint::unix_socket("build", "build.sock")};
  if (auto published = guard.publish_endpoints(endpoints); !published) return failed(published.error());
  if (auto ready = guard.ready(); !ready) return failed(ready.error());

  const timespec idle{argc > 2 ? std::atol(argv[2]) : 3600, 0};
  serve(listener, idle, receptive);
  // A client that has connected, and is not answered any more, asks for the next daemon.
  ::close(listener);
  ::unlink(path.c_str());  // still ours: we own the directory
  return 0;
}
