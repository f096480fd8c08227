// The other half of a build tool: the command that people run. It asks the daemon (build_daemon.cpp, expected beside
// it), which it starts where none runs; any number of clients at once start one.
//
//   build_client DIRECTORY TARGET...
//
// Linux only, for the sake of SOCK_CLOEXEC.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <genie/fmt.hpp>
#include <string>

namespace {

template <typename Problem>
int failed(const Problem& problem) {
  fmt::print(stderr, "build_client: {}\n", problem);
  return 1;
}

/// Returns: the daemon's answer; empty where it did not give one.
std::string ask(const std::string& path, const std::string& target) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0) return {};
  std::string answer;
  const std::string line = target + "\n";
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(server, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size())) {
    char piece[512];
    for (ssize_t count; (count = ::recv(server, piece, sizeof piece, 0)) > 0;) {
      answer.append(piece, static_cast<std::size_t>(count));
    }
  }
  ::close(server);
  return answer;
}

/// Has `target` built by the daemon that runs, or that this call starts.
int build(genie::ServeGuard<>& guard, const genie::LaunchPlan& plan, const std::string& target) {
  genie::SystemLauncher launcher;
  // A daemon that had nothing to do may end between our question and our call; then the next one is started.
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto server = genie::ensure(guard, launcher, plan);
    if (!server) return failed(server.error());
    if (server->outcome != genie::EnsureOutcome::running) {
      (void)failed(*server);
      return server->outcome == genie::EnsureOutcome::failed ? 1 : 75;
    }
    const auto endpoint = guard.endpoint("build");
    if (!endpoint) return failed(endpoint.error());
    if (endpoint->standing != genie::EndpointStanding::live) continue;
    const auto path = genie::socket_path(guard.files(), endpoint->endpoint.value);
    const std::string answer = ask(path.c_str(), target);
    if (answer.empty()) continue;
    std::fputs(answer.c_str(), stdout);
    return 0;
  }
  return failed("the daemon ends each time before it answers; see build.log");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return failed("usage: build_client DIRECTORY TARGET...");
  const std::filesystem::path directory = std::filesystem::absolute(argv[1]);
  const std::string daemon = std::filesystem::read_symlink("/proc/self/exe").replace_filename("build_daemon");
  const std::string log = directory / "build.log";
  const char* const arguments[] = {"build_daemon", directory.c_str(), nullptr};

  genie::ServeGuard guard{directory};
  genie::LaunchPlan plan;
  plan.program = daemon.c_str();
  plan.arguments = arguments;
  plan.log = log.c_str();
  for (int at = 2; at < argc; ++at) {
    if (const int status = build(guard, plan, argv[at]); status != 0) return status;
  }
  return 0;
}
