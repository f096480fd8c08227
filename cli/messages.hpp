// How outcomes become lines of text and exit statuses, the same for every subcommand.
#ifndef GENIE_CLI_MESSAGES_HPP
#define GENIE_CLI_MESSAGES_HPP

#include <string>

#include "genie/fmt.hpp"
#include "options.hpp"
#include "output.hpp"

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

/// What a start that failed is told with, the end of its log included.
[[nodiscard]] inline std::string with_tail(std::string text, const FailureRecord& failure) {
  if (failure.tail.empty()) return text;
  text += fmt::format("\nthe end of {}:", fmt_detail::Foreign{failure.log});
  for (Text rest = failure.tail; !rest.empty();) text += fmt::format("\n{}", fmt_detail::Foreign{take_line(rest)});
  return text;
}

/// The ending of a start that failed.
[[nodiscard]] inline Ending ending_of(const Place& place, const FailureRecord& failure) {
  return {failure.kind == FailureKind::refused ? exit_needs_a_person : exit_failure,
          with_tail(fmt::format("{} {}", place.name, failure), failure)};
}

/// Success goes to standard output, everything else to standard error.
inline int tell(const Ending& ending) {
  if (ending.text.empty()) return ending.status;
  if (ending.status == exit_ok) {
    answer("{}\n", ending.text);
  } else {
    // A refusal begins with the server's name.
    warn("{}{}\n", ending.status == exit_try_again ? "" : "genie: ", ending.text);
  }
  return ending.status;
}

}  // namespace genie::cli

#endif  // GENIE_CLI_MESSAGES_HPP
