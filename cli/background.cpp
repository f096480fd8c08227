// The background supervisor is forked here and tells through a pipe how its start went.
#include "background.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "child.hpp"
#include "descriptor.hpp"
#include "supervisor.hpp"

namespace genie::cli {

namespace {

/// The supervisor's answer: a status, a space, a text. This status means: somebody else is starting, wait for them.
constexpr int join_status = 200;

std::uintmax_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

/// The last lines of what was appended to the log since it had `offset` bytes.
std::string log_tail(const std::string& path, std::uintmax_t offset) {
  constexpr std::uintmax_t most = 4096;
  constexpr int lines = 20;
  std::ifstream log{path, std::ios::binary};
  const std::uintmax_t size = size_of(path);
  if (size > offset + most) offset = size - most;
  log.seekg(static_cast<std::streamoff>(offset));
  std::string text{std::istreambuf_iterator<char>{log}, {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t from = text.size();
  for (int count = 0; count < lines && from != std::string::npos && from > 0; ++count)
    from = text.rfind('\n', from - 1);
  return from == std::string::npos || from == 0 ? text : text.substr(from + 1);
}

void write_answer(int descriptor, int status, const std::string& text) {
  const std::string answer = fmt::format("{} {}", status, text);
  (void)!::write(descriptor, answer.data(), answer.size());
}

constexpr int answer_descriptor = 3;

/// The background process: own session, no terminal, no descriptor of the caller's.
[[noreturn]] void supervise_detached(const ServeRequest& request, Descriptor answer) {
  ::setsid();
  const Descriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  const Descriptor log{::open(request.log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
  const int output = log.is_open() ? log.get() : null.get();
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  // What the caller itself had inherited, a pipe to `cat` for example, must not stay open for the server's lifetime.
  if (answer.get() != answer_descriptor) {
    ::dup3(answer.get(), answer_descriptor, O_CLOEXEC);
    answer = Descriptor{answer_descriptor};
  }
  close_all_from(answer_descriptor + 1);
  SupervisorHooks hooks;
  bool answered = false;
  hooks.on_ready = [&](Pid owner) {
    write_answer(answer.get(), exit_ok, started(request.place, owner).text);
    answered = true;
    answer.reset();
  };
  hooks.on_contention = [&](const ClaimReport& report) {
    if (report.outcome != ClaimOutcome::already_running && report.outcome != ClaimOutcome::contended) return;
    write_answer(answer.get(), join_status, ending_of(request.place, report).text);
    answered = true;
  };
  int status = exit_failure;
  try {
    const SupervisorResult result = supervise(request, hooks);
    if (!answered) write_answer(answer.get(), result.ending.status, result.ending.text);
    status = result.ran && WIFEXITED(result.wait_status) ? WEXITSTATUS(result.wait_status) : exit_failure;
  } catch (const std::exception& error) {
    if (!answered) write_answer(answer.get(), exit_failure, error.what());
  }
  ::_exit(status);
}

struct Answer {
  int status = exit_failure;
  std::string text;
};

/// Reads until the supervisor has answered or died.
Answer read_answer(int descriptor) {
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = ::read(descriptor, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return {exit_failure, "the supervisor died before it could answer"};
  return {std::stoi(text.substr(0, space)), text.substr(space + 1)};
}

/// Waits for somebody else's start to come to its end. Returns: nothing where nobody owns the directory any more.
std::optional<Ending> join(const ServeRequest& request) {
  ServeGuard<> guard = request.place.guard();
  const Milliseconds deadline = guard.host().clock.monotonic() + Milliseconds{request.ready_timeout};
  ChangeWait<ServeGuard<>::Host> wait{guard.host(), deadline};
  bool was_starting = false;
  for (;;) {
    const auto report = guard.status();
    if (!report) return ending_of(report.error());
    switch (report->state) {
      case ServerState::running:
        return was_starting ? started(request.place, report->owner.pid)
                            : running_already(request.place, report->owner.pid);
      case ServerState::stopping:
        if (request.mode == ClaimMode::automatic)
          return Ending{exit_try_again, request.place.name + " is shutting down"};
        return running_already(request.place, report->owner.pid);
      case ServerState::starting: was_starting = true; break;
      case ServerState::stopped:
      case ServerState::stale: return std::nullopt;
      case ServerState::orphaned:
      case ServerState::unknown:
        return Ending{exit_try_again, fmt::format("{} {}: {}", request.place.name, *report, report->evidence)};
    }
    if (!wait.next(guard.files().lock_path().c_str())) {
      const std::string starter = report->owner.pid != 0 ? fmt::format("PID {}", report->owner.pid) : "another process";
      return Ending{exit_try_again, fmt::format("{} is being started by {}, and was not ready within {} ms",
                                                request.place.name, starter, request.ready_timeout.count())};
    }
  }
}

/// The directory and the log exist before the fork, so that what fails can be told here.
void prepare(ServeRequest& request) {
  if (::mkdir(request.place.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw std::system_error{errno, std::generic_category(),
                            fmt::format("cannot create directory {}", request.place.directory)};
  }
  if (request.log.empty()) request.log = request.place.directory + "/" + request.place.name + ".log";
  const Descriptor log{checked(
      ::open(request.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600),
      fmt::format("cannot open the log {}", request.log))};
}

}  // namespace

Ending start_in_background(ServeRequest request) {
  ServeGuard<> guard = request.place.guard();
  // Ends are told from a state that was seen, so a bound on the rounds only ends a fight with a mad stopper.
  for (int round = 0; round < 16; ++round) {
    const auto report = guard.status();
    if (!report) return ending_of(report.error());
    if (request.mode == ClaimMode::automatic && report->stop.standing) {
      return {exit_try_again, fmt::format("{} {}", request.place.name, report->stop)};
    }
    if (report->is_live()) {
      if (auto joined = join(request)) return *joined;
      continue;
    }
    prepare(request);
    const std::uintmax_t log_offset = size_of(request.log);
    std::array<int, 2> ends{};
    checked(::pipe2(ends.data(), O_CLOEXEC), "cannot create a pipe");
    Descriptor from_supervisor{ends[0]};
    Descriptor to_parent{ends[1]};
    const pid_t pid = checked(::fork(), "cannot fork");
    if (pid == 0) {
      from_supervisor.reset();
      supervise_detached(request, std::move(to_parent));
    }
    to_parent.reset();
    const Answer answer = read_answer(from_supervisor.get());
    if (answer.status == exit_ok) return {exit_ok, answer.text};
    (void)::waitpid(pid, nullptr, 0);
    if (answer.status != join_status) {
      Ending ending{answer.status, answer.text};
      const std::string tail = log_tail(request.log, log_offset);
      if (ending.status == exit_failure && !tail.empty()) {
        ending.text += fmt::format("\nthe end of {}:\n{}", request.log, tail);
      }
      return ending;
    }
    if (auto joined = join(request)) return *joined;
  }
  return {exit_try_again, fmt::format("{} was started and stopped by others again and again", request.place.name)};
}

}  // namespace genie::cli
