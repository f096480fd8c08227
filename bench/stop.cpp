// From the decision to stop a server until it is known to have ended, by the clock on the wall.
//
//   build/release/bench/stop DIRECTORY
//
// Each server is a child that ends at SIGTERM by its default action. The floor is a parent's own `kill` and `waitpid`;
// the others could stop anybody's. start-stop-daemon is started for each stop, as its users do.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <genie/serve_guard.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common.hpp"

extern char** environ;

namespace {

using bench::require;

/// A child that has claimed the directory.
[[nodiscard]] pid_t start_server(const std::string& directory) {
  int ready[2];
  require(::pipe(ready) == 0, "pipe");
  const pid_t server = ::fork();
  require(server >= 0, "fork");
  if (server == 0) {
    genie::ServeGuard<> guard{directory};
    const auto claim = guard.claim();
    if (claim && claim->owned()) (void)!::write(ready[1], "", 1);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte;
  require(::read(ready[0], &byte, 1) == 1, "server");
  ::close(ready[0]);
  return server;
}

void run(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) return;
  int status = 0;
  require(::waitpid(child, &status, 0) == child, "waitpid");
}

/// The system calls without which it can't be told that a stop is at work, whom it signals, and that nothing is left.
void stop_by_bare_calls(int directory, pid_t server) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, server, 0));
  require(process >= 0, "pidfd_open");
  const int intent = ::openat(directory, "serve.stopping.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(intent >= 0 && ::write(intent, "1", 1) == 1, "write");
  require(::renameat(directory, "serve.stopping.tmp", directory, "serve.stopping.lock") == 0, "renameat");
  ::close(intent);
  require(::syscall(SYS_pidfd_send_signal, process, SIGTERM, nullptr, 0) == 0, "pidfd_send_signal");
  pollfd entry{process, POLLIN, 0};
  require(::poll(&entry, 1, -1) == 1, "poll");
  require(::renameat(directory, "serve.pid", directory, "serve.tmp") == 0, "renameat");
  require(::unlinkat(directory, "serve.tmp", 0) == 0, "unlinkat");
  require(::unlinkat(directory, "serve.stopping.lock", 0) == 0, "unlinkat");
  ::close(process);
}

struct Way {
  std::string name;
  std::function<void(pid_t)> stop;
  bool knows_zombies = true;
};

[[nodiscard]] bool has(const char* command) {
  return std::system((std::string{command} + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY [ROUNDS]\n", arguments[0]);
    return 64;
  }
  const std::size_t rounds = count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 100;
  const std::string directory = bench::make_directory(arguments[1]);
  genie::ServeGuard<> guard{directory};
  std::vector<Way> ways;
  ways.push_back({"floor: kill and waitpid of a child", [](pid_t server) {
                    require(::kill(server, SIGTERM) == 0 && ::waitpid(server, nullptr, 0) == server, "waitpid");
                  }});
  const int files = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  require(files >= 0, "open");
  ways.push_back({"raw: the intent written, a pidfd signalled and polled, record and intent removed",
                  [=](pid_t server) { stop_by_bare_calls(files, server); }});
  ways.push_back({"genie: stop", [&](pid_t) {
                    const auto receipt = guard.stop();
                    require(receipt && receipt->outcome == genie::StopOutcome::stopped, "genie");
                  }});
  const std::string pid_file = directory + "/pid";
  if (has("start-stop-daemon --version")) {
    ways.push_back(
        {"start-stop-daemon --stop --retry 5, with its own start",
         [&](pid_t) { run({"start-stop-daemon", "--stop", "--quiet", "--retry", "5", "--pidfile", pid_file}); },
         false});
  }
  std::vector<bench::Taken> taken;
  for (const Way& way : ways) taken.push_back({way.name, {}});
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t at = 0; at < ways.size(); ++at) {
      const pid_t server = start_server(directory);
      std::ofstream{pid_file} << server << '\n';
      // Who looks for a PID finds a zombie, too: somebody has to reap it meanwhile.
      std::thread reaper;
      if (!ways[at].knows_zombies) reaper = std::thread{[=] { (void)::waitpid(server, nullptr, 0); }};
      const auto began = std::chrono::steady_clock::now();
      ways[at].stop(server);
      const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
      if (reaper.joinable()) reaper.join();
      (void)::waitpid(server, nullptr, WNOHANG);
      if (round > 0) taken[at].spans.push_back(took.count());  // the first one warms up
    }
  }
  bench::print_table("stop, " + std::string{arguments[1]}, taken);
  std::filesystem::remove_all(directory);
  return 0;
}
