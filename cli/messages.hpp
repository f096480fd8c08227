// How outcomes become lines of text and exit statuses, the same for every subcommand.
#ifndef GENIE_CLI_MESSAGES_HPP
#define GENIE_CLI_MESSAGES_HPP

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "genie/fmt.hpp"
#include "options.hpp"

namespace genie::cli {

/// What a subcommand ends with: a line for people and a status for scripts.
struct Ending {
  int status = exit_failure;
  std::string text;
};

/// The ending of a claim that was not won.
[[nodiscard]] inline Ending ending_of(const Place& place, const ClaimReport& report) {
  const bool is_running = report.outcome == ClaimOutcome::already_running;
  return {is_running ? exit_ok : exit_try_again, fmt::format("{} {}", place.name, report)};
}

[[nodiscard]] inline Ending ending_of(const Error& error) { return {exit_failure, fmt::format("{}", error)}; }

[[nodiscard]] inline Ending running_already(const Place& place, const StatusReport& report) {
  ClaimReport told;
  told.outcome = ClaimOutcome::already_running;
  told.owner = report.owner;
  told.evidence = report.evidence;
  return ending_of(place, told);
}

[[nodiscard]] inline Ending started(const Place& place, Pid owner) {
  return {exit_ok, fmt::format("{} started (PID {})", place.name, owner)};
}

/// Success goes to standard output, everything else to standard error.
inline int tell(const Ending& ending) {
  if (ending.status == exit_ok) {
    fmt::print(stdout, "{}\n", ending.text);
  } else {
    fmt::print(stderr, "{}{}\n", ending.status == exit_failure ? "genie: " : "", ending.text);
  }
  return ending.status;
}

/// An answer counts only once it has been written. Returns: `status`, or `otherwise` where it could not be.
inline int delivered(int status, int otherwise) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  fmt::print(stderr, "genie: can't write to standard output: {}\n", std::strerror(errno));
  return otherwise;
}

}  // namespace genie::cli

#endif  // GENIE_CLI_MESSAGES_HPP
