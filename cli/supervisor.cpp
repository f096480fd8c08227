// The supervisor: one poll loop over signals, the command's end, its readiness, and the state directory.
#include "supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "child.hpp"
#include "genie/systemd.hpp"
#include "orphans.hpp"
#include "pidfile.hpp"
#include "readiness.hpp"
#include "standby.hpp"

namespace genie::cli {

namespace {

using Clock = std::chrono::steady_clock;

/// Signals that somebody sends to end or inform the server; the supervisor hands them on.
constexpr std::array passed_on{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

Descriptor open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : passed_on) sigaddset(&set, number);
  if (adopts_orphans()) sigaddset(&set, SIGCHLD);
  checked(::sigprocmask(SIG_BLOCK, &set, nullptr), "cannot block signals");
  return Descriptor{checked(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "cannot open a signalfd")};
}

Descriptor open_log(const std::string& path) {
  if (path.empty()) return Descriptor{};
  return Descriptor{checked(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600),
                            fmt::format("cannot open the log {}", path))};
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) return fmt::format("was ended by signal {}", WTERMSIG(wait_status));
  return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
}

class Supervision {
 public:
  Supervision(const ServeRequest& request, const SupervisorHooks& hooks)
      : request_{request}, hooks_{hooks}, guard_{request.place.guard()}, probe_{request.readiness} {}

  SupervisorResult run() {
    // A signal ends a standby.
    if (!request_.standby) signals_ = open_signals();
    if (!claim()) return result_;
    if (request_.standby) signals_ = open_signals();
    if (!start_command()) return result_;
    watch_directory();
    serve();
    result_.ran = true;
    result_.wait_status = child_->reap();
    if (!result_.was_ready && !timed_out_) {
      result_.ending = {exit_failure, fmt::format("{} {} before it was ready", request_.command.front(),
                                                  describe_end(result_.wait_status))};
    }
    pidfile_ = PidFile{};
    if (const auto released = guard_.release(); !released) {
      fmt::print(stderr, "genie: while releasing: {}\n", released.error());
    }
    return result_;
  }

 private:
  bool claim() {
    ClaimOptions options;
    options.mode = request_.mode;
    options.starting = true;
    const auto say = [&](const std::string& text) {
      fmt::print(stderr, "genie: {}\n", text);
      if (hooks_.on_stand_by) hooks_.on_stand_by(text);
    };
    const auto claimed = request_.standby ? stand_by(guard_, request_.place, options, say) : guard_.claim(options);
    if (!claimed) {
      result_.ending = ending_of(claimed.error());
      return false;
    }
    if (!claimed->owned()) {
      if (hooks_.on_contention) hooks_.on_contention(*claimed);
      result_.ending = ending_of(request_.place, *claimed);
      return false;
    }
    if (!claimed->is_trusted) {
      fmt::print(stderr, "genie: others may write to {}: nothing in it can be stopped or taken over (chmod go-w)\n",
                 request_.place.directory);
    }
    if (claimed->taken_over.reason != Reason::none) {
      fmt::print(stderr, "genie: taking over {}: {}\n", request_.place.directory, claimed->taken_over);
    }
    try {
      pidfile_ = PidFile{request_.pidfile};
    } catch (const std::exception& error) {
      result_.ending = {exit_failure, error.what()};
      return false;
    }
    return true;
  }

  bool start_command() {
    if (probe_.is_taken()) {
      result_.ending = {exit_failure, fmt::format("{} is answered by another process already: {} was not started",
                                                  request_.readiness.spelling, request_.command.front())};
      return false;
    }
    const Descriptor log = open_log(request_.log);
    child_.emplace(ChildSetup{.command = request_.command,
                              .lock = guard_.held().lock.descriptor,
                              .output = log.get(),
                              .parent_death_signal = request_.stop_signal,
                              .notify_address = probe_.notify_address()});
    // Recorded before it executes anything: whatever happens to us, it can be found and told from a stranger.
    const ProcessIdentity server{child_->pid(), guard_.host().process.look(child_->pid()).start};
    if (const auto recorded = guard_.set_server(server); !recorded) {
      child_->send(SIGKILL);
      (void)child_->reap();
      result_.ending = ending_of(recorded.error());
      return false;
    }
    if (const int error = child_->let_go(); error != 0) {
      (void)child_->reap();
      result_.ending = {exit_failure, fmt::format("cannot execute {}: {} (errno {})", request_.command.front(),
                                                  std::generic_category().message(error), error)};
      return false;
    }
    return true;
  }

  void watch_directory() {
    directory_watch_ = Descriptor{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    constexpr std::uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
    if (directory_watch_.is_open()) {
      (void)::inotify_add_watch(directory_watch_.get(), request_.place.directory.c_str(), mask);
    }
  }

  /// Until the command has ended.
  void serve() {
    auto deadline = Clock::now() + request_.ready_timeout;
    auto pause = std::chrono::milliseconds{1};
    for (;;) {
      if (!result_.was_ready && !timed_out_) {
        const bool is_ready = probe_.check();
        const auto extension = pass_notifications_on();
        if (is_ready) {
          announce();
        } else if (extension.count() > 0) {
          deadline = std::max(deadline, Clock::now() + extension);
        } else if (Clock::now() >= deadline) {
          give_up_waiting();
        }
      } else if (probe_.descriptor() >= 0) {
        // A command whose messages nobody reads would wait for us in the end.
        (void)probe_.check();
        (void)pass_notifications_on();
      }
      int timeout = -1;
      if (kill_at_) {
        timeout = milliseconds_until(*kill_at_);
      } else if (!result_.was_ready && !timed_out_) {
        timeout = milliseconds_until(deadline);
        // A listening socket announces itself to nobody; asking again is all there is.
        if (probe_.descriptor() < 0 && pause.count() < timeout) timeout = static_cast<int>(pause.count());
        if (pause.count() < 50) pause *= 2;
      }
      std::array<pollfd, 4> entries{{{child_->pidfd(), POLLIN, 0},
                                     {signals_.get(), POLLIN, 0},
                                     {directory_watch_.get(), POLLIN, 0},
                                     {probe_.descriptor(), POLLIN, 0}}};
      if (::poll(entries.data(), entries.size(), timeout) < 0 && errno != EINTR) {
        throw std::system_error{errno, std::generic_category(), "cannot wait for the command"};
      }
      if (entries[0].revents != 0) return;
      if (entries[1].revents != 0) pass_signals_on();
      if (entries[2].revents != 0) look_after_claim();
      if (kill_at_ && Clock::now() >= *kill_at_) {
        child_->send(SIGKILL);
        kill_at_.reset();
      }
    }
  }

  /// Returns: the time that the command has asked for.
  std::chrono::microseconds pass_notifications_on() {
    if (const std::string status = probe_.take_status(); !status.empty() && hooks_.on_status) hooks_.on_status(status);
    const auto extension = probe_.take_extension();
    if (extension.count() > 0 && hooks_.on_extension) hooks_.on_extension(extension);
    return extension;
  }

  static int milliseconds_until(Clock::time_point time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left);
  }

  void announce() {
    const std::uint16_t port =
        request_.port != 0
            ? request_.port
            : (request_.readiness.kind == Readiness::Kind::tcp ? request_.readiness.port : std::uint16_t{0});
    if (port != 0) {
      if (const auto published = guard_.publish_port(port); !published) return fail(published.error());
    }
    if (const auto announced = guard_.ready(); !announced) return fail(announced.error());
    result_.was_ready = true;
    if (hooks_.on_ready) hooks_.on_ready(guard_.held().written.owner.pid);
  }

  void fail(const Error& error) {
    timed_out_ = true;
    result_.ending = ending_of(error);
    ask_to_end();
  }

  void give_up_waiting() {
    timed_out_ = true;
    result_.ending = {exit_failure, fmt::format("{} was not ready ({}) within {} ms", request_.command.front(),
                                                request_.readiness.spelling, request_.ready_timeout.count())};
    ask_to_end();
  }

  void ask_to_end() {
    if (hooks_.on_stopping) hooks_.on_stopping();
    child_->send(request_.stop_signal);
    kill_at_ = Clock::now() + std::chrono::seconds{5};
  }

  void pass_signals_on() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) {
        reap_orphans(child_->pid());
        continue;
      }
      // A terminal sends to the whole foreground group, the command included.
      if (info.ssi_code == SI_KERNEL && ::getpgid(child_->pid()) == ::getpgrp()) continue;
      if (number == SIGTERM && hooks_.on_stopping) hooks_.on_stopping();
      child_->send(number == SIGTERM ? request_.stop_signal : number);
      // Nobody needs to be told any more what becomes of the directory; and taking a watch down takes milliseconds,
      // which the command now uses as well.
      if (number == SIGTERM) directory_watch_.reset();
    }
  }

  /// Somebody changed the directory: are its files still ours?
  void look_after_claim() {
    std::array<char, 4096> events;
    while (::read(directory_watch_.get(), events.data(), events.size()) > 0) {
    }
    if (is_lost_) return;
    const Ownership ownership = guard_.verify();
    switch (ownership) {
      case Ownership::held:
      case Ownership::not_claimed: return;
      case Ownership::record_missing:
        if (const auto restored = guard_.restore_record(); restored) {
          fmt::print(stderr, "genie: somebody removed {}; restored it\n", guard_.files().record().c_str());
        }
        return;
      case Ownership::lock_missing:
        fmt::print(stderr, "genie: somebody removed {}; its record still keeps others out\n",
                   guard_.files().lock().c_str());
        return;
      case Ownership::record_replaced:
      case Ownership::lock_replaced:
      case Ownership::all_missing: break;
    }
    // Another server may run on the same data by now, or could at any moment.
    is_lost_ = true;
    fmt::print(stderr, "genie: lost {} ({}): ending {}\n", request_.place.directory, ownership,
               request_.command.front());
    ask_to_end();
  }

  const ServeRequest& request_;
  const SupervisorHooks& hooks_;
  ServeGuard<> guard_;
  ReadinessProbe probe_;
  SupervisorResult result_;
  Descriptor signals_;
  Descriptor directory_watch_;
  PidFile pidfile_;
  std::optional<Child> child_;
  std::optional<Clock::time_point> kill_at_;
  bool timed_out_ = false;
  bool is_lost_ = false;
};

/// Ends this process by the signal that ended the command, without a core of our own.
void end_by_signal(int number) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(number);
}

/// What a service manager that started us is told. What it does not hear changes nothing for the command.
SupervisorHooks hooks_of(const SystemdNotifier& manager, const Place& place) {
  SupervisorHooks hooks;
  if (!manager.has_listener()) return hooks;
  hooks.on_ready = [&](Pid) { manager.ready(place.name + " is running"); };
  hooks.on_stand_by = [&](const std::string& text) { manager.ready(text); };
  hooks.on_status = [&](const std::string& text) { manager.status(text); };
  hooks.on_extension = [&](std::chrono::microseconds span) {
    manager.extend_timeout(std::chrono::ceil<std::chrono::milliseconds>(span));
  };
  hooks.on_stopping = [&] { manager.stopping(); };
  return hooks;
}

}  // namespace

SupervisorResult supervise(const ServeRequest& request, const SupervisorHooks& hooks) {
  return Supervision{request, hooks}.run();
}

int run_in_foreground(const ServeRequest& request) {
  const char* const address = std::getenv("NOTIFY_SOCKET");
  const SystemdNotifier manager{address != nullptr ? Text{address} : Text{}};
  const SupervisorResult result = supervise(request, hooks_of(manager, request.place));
  if (!result.ran && result.ending.status == exit_ok) {
    // A service manager would take an end without this for a failure, and try again.
    manager.ready(result.ending.text);
  }
  if (!result.ran) return tell(result.ending);
  if (!result.was_ready && !result.ending.text.empty()) (void)tell(result.ending);
  if (WIFSIGNALED(result.wait_status)) {
    end_by_signal(WTERMSIG(result.wait_status));
    return 128 + WTERMSIG(result.wait_status);
  }
  const int status = WEXITSTATUS(result.wait_status);
  return !result.was_ready && status == exit_ok && request.readiness.kind != Readiness::Kind::none ? exit_failure
                                                                                                   : status;
}

}  // namespace genie::cli
