// The server that is started here is this very program again: `genie run`, which adopts the claim and guards the
// command.
#include "start.hpp"

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#elif defined(__FreeBSD__)
#include <sys/types.h>
// Before the next one.
#include <sys/sysctl.h>
#endif

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <vector>

#include "descriptor.hpp"
#include "genie/ensure.hpp"
#include "progress.hpp"

namespace genie::cli {

namespace {

/// The kernel's own name of this executable; where the file was replaced since, the way to what it was.
std::string own_executable() {
  std::array<char, PATH_MAX> path{};
#if defined(__APPLE__)
  auto size = static_cast<std::uint32_t>(path.size());
  if (::_NSGetExecutablePath(path.data(), &size) == 0) return path.data();
#elif defined(__FreeBSD__)
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1};
  std::size_t size = path.size();
  if (::sysctl(name, 4, path.data(), &size, nullptr, 0) == 0) return path.data();
#endif
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length > 0 && ::access(path.data(), X_OK) == 0) return {path.data(), static_cast<std::size_t>(length)};
  return "/proc/self/exe";
}

/// The supervisor's command line. What it says need not be repeated by whoever looks for it in a list of processes.
std::vector<std::string> supervisor_arguments(const ServeRequest& request) {
  std::vector<std::string> arguments{"genie", "run", "--dir", request.place.directory, "--name", request.place.name};
  const auto add = [&](const char* option, const std::string& value) {
    if (value.empty()) return;
    arguments.emplace_back(option);
    arguments.push_back(value);
  };
  add("--port-file", request.place.port_name);
  if (request.port != 0) add("--port", std::to_string(request.port));
  for (const EndpointWords& endpoint : request.endpoints) add("--endpoint", endpoint.spelling);
  add("--ready", request.readiness.spelling);
  add("--ready-timeout", std::to_string(request.ready_timeout.count()) + "ms");
  add("--stop-signal", request.stop_signal_name);
  add("--pidfile", request.pidfile);
  add("--build", request.build);
  add("--server-version", request.version);
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), request.command.begin(), request.command.end());
  return arguments;
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(text.c_str());
  result.push_back(nullptr);
  return result;
}

/// The caller's environment, or none, with what was asked for.
std::vector<std::string> environment_of(const ServeRequest& request) {
  std::vector<std::string> result;
  const auto set = [&](const std::string& entry) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(result, [&](const std::string& other) { return other.starts_with(name); });
    result.push_back(entry);
  };
  if (!request.clear_environment) {
    for (char** entry = SystemLauncher::System::environment(); *entry != nullptr; ++entry) {
      if (!posix_detail::is_for_one_process(*entry)) result.emplace_back(*entry);
    }
  }
  for (const std::string& entry : request.environment) set(entry);
  return result;
}

/// The server does not work where its caller does; a command that was named relative to that stays the same.
void make_independent(ServeRequest& request) {
  std::string& program = request.command.front();
  if (program.find('/') != std::string::npos) program = absolute(program);
  if (request.log.empty()) request.log = request.place.directory + "/" + request.place.name + ".log";
}

/// Creates it, so that what is wrong with it can be told here; the server opens it again.
void prepare_log(const ServeRequest& request) {
  if (::mkdir(request.place.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw std::system_error{errno, std::generic_category(),
                            fmt::format("cannot create directory {}", request.place.directory)};
  }
  constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
  const Descriptor log{
      checked(::open(request.log.c_str(), flags, 0600), fmt::format("cannot open the log {}", request.log))};
}

std::uint32_t own_file_mode_mask() {
  const mode_t mask = ::umask(0077);
  ::umask(mask);
  return mask;
}

Ending ending_of_start(const ServeRequest& request, const EnsureReport& report) {
  Ending ending{exit_try_again, fmt::format("{} {}", request.place.name, report)};
  switch (report.outcome) {
    case EnsureOutcome::running:
      // An older server may be used, but a restart was asked for by name.
      if (!report.has_kept || request.upgrade != UpgradePolicy::replace_running) ending.status = exit_ok;
      break;
    case EnsureOutcome::self: ending.status = exit_ok; break;
    case EnsureOutcome::failed: return ending_of(request.place, report.failure);
    case EnsureOutcome::backing_off:
      ending.text = with_tail(ending.text + "; `genie start` does not wait", report.failure);
      break;
    case EnsureOutcome::stopping:
    case EnsureOutcome::timed_out:
    case EnsureOutcome::contended:
    case EnsureOutcome::orphaned: break;
  }
  return ending;
}

}  // namespace

Ending start_in_background(ServeRequest request) {
  make_independent(request);
  ServeGuard<> guard = request.place.guard();
  const bool is_explicit = request.mode == ClaimMode::explicit_start;
  const auto before = guard.status();
  if (!before) return ending_of(before.error());
  // Nothing is created, not even a log, where nothing is started.
  if (!before->is_live() && (is_explicit || !before->stop.standing)) prepare_log(request);

  const std::string program = own_executable();
  const std::vector<std::string> arguments = supervisor_arguments(request);
  const std::vector<std::string> environment = environment_of(request);
  const std::vector<const char*> argument_pointers = pointers(arguments);
  const std::vector<const char*> environment_pointers = pointers(environment);
  LaunchPlan plan;
  plan.program = program.c_str();
  plan.arguments = argument_pointers.data();
  plan.environment = environment_pointers.data();
  plan.directory = request.directory.empty() ? "/" : request.directory.c_str();
  plan.log = request.log.c_str();
  plan.file_mode_mask = request.file_mode_mask ? *request.file_mode_mask : own_file_mode_mask();

  EnsureOptions options;
  options.mode = request.mode;
  // The supervisor has the command end in time, and says why; only a supervisor that hangs itself needs more.
  options.stall = Milliseconds{request.ready_timeout} + seconds(10);
  if (request.deadline.count() > 0) options.deadline = request.deadline;
  options.upgrade = request.upgrade;
  options.stop_grace = request.grace;
  options.build = request.build;
  options.version = request.version;
  Progress progress{request.place.name, guard.host().clock};
  SystemLauncher launcher;
  const auto report = ensure(guard, launcher, plan, options, [&](const BootRecord& boot) { progress.show(boot); });
  progress.finish();
  if (!report) return ending_of(report.error());
  return ending_of_start(request, *report);
}

}  // namespace genie::cli
