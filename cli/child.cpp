// fork, prepare, wait for permission, exec.
#include "child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "genie/linux/launcher.hpp"

namespace genie::cli {

namespace {

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "cannot create a pipe");
  return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

/// Signal dispositions and mask as a freshly started program expects them.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Child::Child(const ChildSetup& setup) {
  std::vector<char*> arguments;
  arguments.reserve(setup.command.size() + 1);
  for (const std::string& argument : setup.command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  Pipe go = make_pipe();
  Pipe failure = make_pipe();
  const pid_t parent = ::getpid();
  pid_ = checked(::fork(), "cannot fork");
  if (pid_ == 0) {
    const auto give_up = [&](int error) {
      (void)!::write(failure.write.get(), &error, sizeof error);
      ::_exit(127);
    };
    go.write.reset();
    failure.read.reset();
    if (setup.parent_death_signal != 0) ::prctl(PR_SET_PDEATHSIG, setup.parent_death_signal);
    // The parent may have died before that took effect.
    if (::getppid() != parent) ::_exit(127);
    char allowed = 0;
    ssize_t count = 0;
    do {
      count = ::read(go.read.get(), &allowed, 1);
    } while (count < 0 && errno == EINTR);
    if (count != 1) ::_exit(127);
    if (setup.output >= 0 && (::dup2(setup.output, STDOUT_FILENO) < 0 || ::dup2(setup.output, STDERR_FILENO) < 0)) {
      give_up(errno);
    }
    if (setup.notify_address.empty()) {
      ::unsetenv("NOTIFY_SOCKET");
    } else {
      ::setenv("NOTIFY_SOCKET", setup.notify_address.c_str(), 1);
    }
    linux_detail::close_all_but({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, setup.lock, failure.write.get()});
    if (setup.lock >= 0 && ::fcntl(setup.lock, F_SETFD, 0) != 0) give_up(errno);
    reset_signals();
    ::execvp(arguments[0], arguments.data());
    give_up(errno);
  }
  pidfd_ = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U))};
  go_ = std::move(go.write);
  failure_ = std::move(failure.read);
  if (!pidfd_.is_open()) {
    const int error = errno;
    go_.reset();
    (void)reap();
    throw std::system_error{error, std::generic_category(), "cannot watch the command (pidfd_open)"};
  }
}

int Child::let_go() {
  const char allowed = 1;
  (void)!::write(go_.get(), &allowed, 1);
  go_.reset();
  int error = 0;
  ssize_t count = 0;
  do {
    count = ::read(failure_.get(), &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  failure_.reset();
  return count == sizeof error ? error : 0;
}

void Child::send(int signal) const noexcept {
  (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0U);
}

int Child::reap() noexcept {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace genie::cli
