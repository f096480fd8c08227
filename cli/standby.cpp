// The wait, and what is said of it.
#include "standby.hpp"

#include <unistd.h>

#include <csignal>
#include <string>

namespace genie::cli {

namespace {

std::string description(const Place& place, const ClaimReport& report) {
  const bool is_here = report.evidence.whereabouts == Whereabouts::here;
  if (report.outcome == ClaimOutcome::already_running && is_here) {
    return fmt::format("standing by; PID {} owns it", report.owner.pid);
  }
  // The time that a stop has left changes with each look.
  if (report.outcome == ClaimOutcome::stopping) return "standing by; a stop is in progress, or stands";
  return fmt::format("standing by; {} {}", place.name, report);
}

/// The kernel drops signals for the first process of a container where they have no handler.
void end_by_signals_as_first_process() {
  if (::getpid() != 1) return;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    ::signal(number, [](int caught) { ::_exit(128 + caught); });
  }
}

}  // namespace

Result<ClaimReport> stand_by(ServeGuard<>& guard, const Place& place, const ClaimOptions& options,
                             const std::function<void(const std::string&)>& on_wait) {
  end_by_signals_as_first_process();
  StandbyOptions standby;
  standby.claim = options;
  std::string said;
  return guard.claim_when_free(standby, [&](const ClaimReport& report) {
    std::string text = description(place, report);
    if (text != said) on_wait(text);
    said = std::move(text);
    return true;
  });
}

}  // namespace genie::cli
