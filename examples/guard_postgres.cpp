// Guards a PostgreSQL from C++, without the `genie` command: claims the directory, starts `postgres`, tells when it is
// ready and on which port, hands a request to end on, and ends with it.
//
//   guard_postgres DIRECTORY DATA PORT      `postgres` is looked up in PATH
//
// What holds: of any number of starts one wins, and the others say who is there. The server shares the lock, so that
// nobody starts a second one on DATA while any process of it lives, whatever was killed before.
//
// Linux only, for the sake of `prctl`.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <genie/fmt.hpp>
#include <string>

namespace {

template <typename Problem>
int failed(const Problem& problem) {
  fmt::print(stderr, "guard_postgres: {}\n", problem);
  return 1;
}

/// The child: waits at `gate` until it has been recorded, and becomes the server. Does not return.
[[noreturn]] void become_postgres(int gate, int lock, pid_t parent, const char* data, const char* port) {
  ::prctl(PR_SET_PDEATHSIG, SIGINT);  // if we are killed, the kernel asks it to shut down: SIGINT is its fast shutdown
  char allowed = 0;
  if (::getppid() != parent || ::read(gate, &allowed, 1) != 1) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::fcntl(lock, F_SETFD, 0);  // the server, and each process that it forks, holds our lock as long as it lives
  ::execlp("postgres", "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", "", static_cast<char*>(nullptr));
  std::perror("guard_postgres: can't execute postgres");
  ::_exit(127);
}

/// Whether the server says in its own lock file that it accepts connections, as pg_ctl(1) asks: the first line is its
/// PID, the eighth its status. An open port would not do: it is open during recovery, too.
bool is_ready(const std::string& data, pid_t server) {
  std::ifstream file{data + "/postmaster.pid"};
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1 && line != std::to_string(server)) return false;
    if (number == 8) return line.starts_with("ready");
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return failed("usage: guard_postgres DIRECTORY DATA PORT");
  const std::string data = argv[2];
  const int port = std::atoi(argv[3]);

  sigset_t awaited;
  sigemptyset(&awaited);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&awaited, number);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);

  genie::ServeGuard guard{argv[1]};
  genie::ClaimOptions options;
  options.starting = true;
  const auto claim = guard.claim(options);
  if (!claim) return failed(claim.error());
  if (!claim->owned()) {
    fmt::print("guard_postgres {}\n", *claim);
    return claim->outcome == genie::ClaimOutcome::already_running ? 0 : 75;
  }

  // The claim proves that whoever wrote the lock file which a crash may have left is dead. PostgreSQL can't tell, and
  // would give up where that number is another process's by now: it is told to take that for a relative's. What else
  // it checks, such as the shared memory of a server that was started elsewhere, it goes on checking.
  std::string left;
  std::getline(std::ifstream{data + "/postmaster.pid"}, left);
  ::setenv("PG_GRANDPARENT_PID", left.c_str(), 1);

  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) return failed("can't create a pipe");
  const pid_t parent = ::getpid();
  const pid_t server = ::fork();
  if (server < 0) return failed("can't fork");
  if (server == 0) {
    ::close(gate[1]);
    become_postgres(gate[0], guard.held().lock.descriptor, parent, argv[2], argv[3]);
  }
  // Recorded before it executes anything: whatever becomes of us, `genie stop` finds it.
  const auto recorded = guard.set_server({server, guard.host().process.look(server).start});
  if (recorded && ::write(gate[1], "g", 1) != 1) return failed("the server has gone");
  ::close(gate[1]);  // without permission, it ends

  (void)guard.boot("start PostgreSQL");
  bool told = false;
  for (;;) {
    const timespec soon{0, 10'000'000};
    const int number = told ? ::sigwaitinfo(&awaited, nullptr) : ::sigtimedwait(&awaited, nullptr, &soon);
    if (number == SIGTERM || number == SIGINT) ::kill(server, SIGINT);
    int status = 0;
    if (number == SIGCHLD && ::waitpid(server, &status, WNOHANG) == server) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);  // released by the destructor
    }
    if (!told && is_ready(data, server)) {
      told = true;
      const auto published = guard.publish_port(static_cast<std::uint16_t>(port));
      const auto ready = guard.ready();
      if (!published || !ready) ::kill(server, SIGINT);  // nobody would find it
    }
  }
}
