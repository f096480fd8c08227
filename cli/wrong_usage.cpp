// Names, lengths, and files that would be one.
#include "wrong_usage.hpp"

#include <filesystem>
#include <initializer_list>

#include "endpoints.hpp"

namespace genie::cli {

namespace {

using Path = std::filesystem::path;

Ending wrong(std::string text) { return {exit_usage, std::move(text)}; }

/// Without links, as far as there is something already.
Path resolved(const Path& path) {
  std::error_code error;
  const Path result = std::filesystem::weakly_canonical(path, error);
  return error ? path : result;
}

/// The name itself, in a directory without links.
Path entry(const Path& path) { return resolved(path.parent_path()) / path.filename(); }

/// The PID file would replace what genie keeps there, the output would be written into it.
std::optional<Ending> problem_with_files(const ServeRequest& request) {
  if (request.pidfile.empty() && request.log.empty()) return std::nullopt;
  const ServeGuard<> guard = request.place.guard();
  const StateFiles& files = guard.files();
  const Path directory = resolved(request.place.directory);
  const auto problem = [&](const char* option, const std::string& path) -> std::optional<Ending> {
    if (path.empty()) return std::nullopt;
    for (const Path& file : {entry(path), resolved(path)}) {
      for (const NameText* name : {&files.record(), &files.lock(), &files.sentinel(), &files.sentinel_temporary(),
                                   &files.sentinel_guard(), &files.endpoints(), &files.port()}) {
        if (file != directory / name->c_str()) continue;
        return wrong(fmt::format("{} {} is {}, a file of genie's own: use another path", option, path,
                                 files.path_of(*name).c_str()));
      }
    }
    return std::nullopt;
  };
  if (auto found = problem("--pidfile", request.pidfile)) return found;
  if (auto found = problem("--log", request.log)) return found;
  const std::string log =
      request.log.empty() ? request.place.directory + "/" + request.place.name + ".log" : request.log;
  if (!request.pidfile.empty() && (entry(request.pidfile) == entry(log) || entry(request.pidfile) == resolved(log))) {
    return wrong(fmt::format("--pidfile {} is the log {}: use another path", request.pidfile, log));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Ending> problem_with(const Place& place) {
  if (place.directory.empty()) {
    return wrong("nobody knows a home directory here: name a state directory by --dir or GENIE_HOME");
  }
  if (const auto usable = place.guard().files().check(); !usable) return wrong(fmt::format("{}", usable.error()));
  return std::nullopt;
}

std::optional<Ending> problem_with(const ServeRequest& request) {
  constexpr std::size_t limit = SystemFilesystem::socket_path_limit;
  if (request.readiness.path.size() > limit) {
    return wrong(fmt::format("--ready {}: too long for a Unix socket on this platform (at most {})",
                             request.readiness.spelling, limit));
  }
  if (auto problem = problem_with_endpoints(request)) return problem;
  return problem_with_files(request);
}

}  // namespace genie::cli
