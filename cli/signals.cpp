// By signalfd(2), or by a handler and a pipe.
#include "signals.hpp"

namespace genie::cli {

bool is_ignored(int number) noexcept {
  struct ::sigaction action{};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace genie::cli

#if defined(__linux__)

#include <sys/signalfd.h>

namespace genie::cli {

SignalQueue::SignalQueue(const std::vector<int>& numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  checked(::sigprocmask(SIG_BLOCK, &set, nullptr), "cannot block signals");
  read_ = Descriptor{checked(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "cannot open a signalfd")};
}

bool SignalQueue::take(ReceivedSignal& received) noexcept {
  signalfd_siginfo info{};
  if (::read(read_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return false;
  received = {static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
  return true;
}

}  // namespace genie::cli

#else  // Never executed by this project: compiled and linked only.

#include <fcntl.h>

#include "genie/system_launcher.hpp"

namespace genie::cli {

namespace {

int write_end = -1;

void pass_on(int number, siginfo_t* info, void*) {
  const int error = errno;
  // Nobody's process has sent what a terminal sends.
  const ReceivedSignal received{number, info != nullptr && info->si_pid == 0};
  (void)!::write(write_end, &received, sizeof received);
  errno = error;
}

}  // namespace

SignalQueue::SignalQueue(const std::vector<int>& numbers) {
  int ends[2];
  checked(SystemLauncher::System::open_pipe(ends), "cannot create a pipe");
  read_ = Descriptor{ends[0]};
  write_end = ends[1];
  // A full pipe loses signals; it holds some thousand.
  for (const int end : ends) checked(::fcntl(end, F_SETFL, O_NONBLOCK), "cannot set a pipe up");
  struct ::sigaction action{};
  action.sa_sigaction = pass_on;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigfillset(&action.sa_mask);
  for (const int number : numbers) checked(::sigaction(number, &action, nullptr), "cannot handle signals");
}

bool SignalQueue::take(ReceivedSignal& received) noexcept {
  return ::read(read_.get(), &received, sizeof received) == static_cast<ssize_t>(sizeof received);
}

}  // namespace genie::cli

#endif
