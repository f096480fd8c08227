// fork, prepare, wait for permission, exec.
#include "child.hpp"

#include <fcntl.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#elif defined(__FreeBSD__)
#include <sys/procctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "genie/system_launcher.hpp"

namespace genie::cli {

namespace {

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Pipe make_pipe() {
  int ends[2];
  checked(SystemLauncher::System::open_pipe(ends), "cannot create a pipe");
  return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

/// Signal dispositions and mask as a freshly started program expects them, which may be to ignore some.
void reset_signals(const std::vector<int>& ignored) {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  for (const int number : ignored) ::signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Has the kernel send it to the calling process when its parent ends, where that can be had.
void arrange_death_signal([[maybe_unused]] int signal) {
#if defined(__linux__)
  ::prctl(PR_SET_PDEATHSIG, signal);
#elif defined(__FreeBSD__)
  ::procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &signal);
#endif
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
    if (setup.parent_death_signal != 0) arrange_death_signal(setup.parent_death_signal);
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
    SystemLauncher::System::close_all_but(
        {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, setup.lock, failure.write.get()});
    if (setup.lock >= 0 && ::fcntl(setup.lock, F_SETFD, 0) != 0) give_up(errno);
    reset_signals(setup.ignored);
    ::execvp(arguments[0], arguments.data());
    give_up(errno);
  }
  const auto handle = SystemProcessProbe{}.open(pid_);
  if (handle.ok()) end_ = Descriptor{handle.value.descriptor};
  go_ = std::move(go.write);
  failure_ = std::move(failure.read);
  if (!handle.ok()) {
    go_.reset();
    (void)reap();
    throw std::system_error{handle.error, std::generic_category(), "cannot watch the command"};
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
#if defined(__linux__)
  (void)::syscall(SYS_pidfd_send_signal, end_.get(), signal, nullptr, 0U);
#else
  // Its PID is its own as long as we have not reaped it.
  (void)::kill(pid_, signal);
#endif
}

int Child::reap() noexcept {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace genie::cli
