// Verdicts as text and as JSON.
#include "inspect.hpp"

#include <fmt/chrono.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "endpoints.hpp"
#include "messages.hpp"

namespace genie::cli {

namespace {

using Json = nlohmann::ordered_json;

/// Exit statuses of `status` in the Linux Standard Base, "Init Script Actions".
enum Lsb : int { lsb_running = 0, lsb_dead_with_record = 1, lsb_not_running = 3, lsb_unknown = 4 };

int lsb_status(ServerState state) {
  switch (state) {
    case ServerState::running:
    case ServerState::starting:
    case ServerState::stopping: return lsb_running;
    case ServerState::stale:
    case ServerState::orphaned: return lsb_dead_with_record;
    case ServerState::stopped: return lsb_not_running;
    case ServerState::unknown: break;
  }
  return lsb_unknown;
}

Json pid_or_null(const ProcessIdentity& identity) { return identity.pid != 0 ? Json(identity.pid) : Json(nullptr); }
Json start_or_null(const StartToken& start) { return start.known ? Json(start.value) : Json(nullptr); }

Json or_null(std::uint64_t number) { return number != 0 ? Json(number) : Json(nullptr); }

/// Numbers that have their meaning elsewhere, kept apart from those that can be used here.
Json elsewhere(const StatusReport& report) {
  const Evidence& evidence = report.evidence;
  if (evidence.whereabouts == Whereabouts::here) return nullptr;
  return {{"whereabouts", to_string(evidence.whereabouts)},
          {"pid", pid_or_null(report.owner)},
          {"start", start_or_null(report.owner.start)},
          {"server_pid", pid_or_null(report.server)},
          {"pid_namespace", or_null(evidence.recorded_namespace)},
          {"own_pid_namespace", or_null(evidence.own_namespace)}};
}

Json to_json(const Evidence& evidence) {
  Json json;
  json["reason"] = to_string(evidence.reason);
  json["text"] = fmt::format("{}", evidence);
  json["recorded"] = {{"pid", pid_or_null(evidence.recorded)}, {"start", start_or_null(evidence.recorded.start)}};
  json["observed"] = {{"liveness", to_string(evidence.observed.liveness)},
                      {"zombie", evidence.observed.zombie},
                      {"start", start_or_null(evidence.observed.start)}};
  return json;
}

Json to_json(const BootRecord& boot, Milliseconds now) {
  if (boot.generation == 0) return nullptr;
  Json json;
  json["step"] = boot.step.c_str();
  json["number"] = boot.number;
  json["state"] = to_string(boot.state);
  json["done"] = boot.done;
  json["total"] = boot.total != 0 ? Json(boot.total) : Json(nullptr);
  json["percent"] = boot.total != 0 ? Json(percentage(boot)) : Json(nullptr);
  json["for_ms"] = (now - boot.since).count();
  const Milliseconds rest = estimated_rest(boot, now);
  json["estimated_rest_ms"] = rest.count() != 0 ? Json(rest.count()) : Json(nullptr);
  json["advice"] = boot.advice.c_str();
  return json;
}

Json to_json(const FailureRecord& failure) {
  if (failure.generation == 0) return nullptr;
  Json json;
  json["kind"] = to_string(failure.kind);
  json["value"] = failure.value;
  json["text"] = fmt::format("{}", failure);
  json["count"] = failure.count;
  json["when_ms"] = failure.when.count();
  json["pid"] = pid_or_null(failure.server);
  json["step"] = failure.step.c_str();
  json["advice"] = failure.advice.c_str();
  json["log"] = failure.log.c_str();
  json["tail"] = failure.tail.c_str();
  return json;
}

/// Of `status --json`; docs/interface.md says what may change without a new one.
constexpr int interface_version = 1;

Json to_json(const Place& place, const StatusReport& report, ServeGuard<>& guard) {
  Json json;
  json["interface"] = interface_version;
  json["state"] = to_string(report.state);
  const bool is_here = report.evidence.whereabouts == Whereabouts::here;
  json["pid"] = is_here ? pid_or_null(report.owner) : Json(nullptr);
  json["start"] = is_here ? start_or_null(report.owner.start) : Json(nullptr);
  json["server_pid"] = is_here ? pid_or_null(report.server) : Json(nullptr);
  json["elsewhere"] = elsewhere(report);
  json["port"] = report.port.port != 0 ? Json(report.port.port) : Json(nullptr);
  json["port_standing"] = to_string(report.port.standing);
  json["endpoints"] = endpoints_as_json(guard);
  json["dir"] = place.directory;
  json["name"] = place.name;
  json["uptime_s"] = report.is_live() ? Json(static_cast<double>(report.uptime.count()) / 1000) : Json(nullptr);
  json["generation"] = report.generation;
  json["assurance"] = to_string(report.assurance);
  json["build"] = report.build.c_str();
  json["version"] = report.version.c_str();
  json["boot"] = to_json(report.boot, report.looked_at);
  json["last_failure"] = to_json(report.failure);
  json["evidence"] = to_json(report.evidence);
  json["stopping"] = {{"standing", report.stop.standing},
                      {"remaining_ms", report.stop.remaining.count()},
                      {"stopper_pid", pid_or_null(report.stop.stopper)},
                      {"target_pid", pid_or_null(report.stop.target)},
                      {"restarting", report.stop.restarting},
                      {"stay", report.stop.stay},
                      {"set_by_pid", report.stop.stay ? pid_or_null(report.stop.set_by) : Json(nullptr)},
                      {"set_by_uid", report.stop.stay ? Json(report.stop.user) : Json(nullptr)},
                      {"since_ms", report.stop.stay ? Json(report.stop.since.count()) : Json(nullptr)}};
  json["holders"] = Json::array();
  for (std::size_t at = 0; at < report.holder_count; ++at) {
    json["holders"].push_back({{"pid", report.holders[at].pid}, {"name", report.holders[at].name.c_str()}});
  }
  return json;
}

/// Names of processes may be any bytes.
std::string dumped(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

void explain(const StatusReport& report) {
  answer("  because: {}\n", report.evidence);
  if (report.server.pid != 0) answer("  guards: {}\n", report.server);
  answer("  port file: {}\n", report.port.standing);
  answer("  assurance: {}\n", report.assurance);
  if (report.stop.is_in_progress()) {
    answer("  stop sentinel: by PID {}, expires in {} ms\n", report.stop.stopper.pid, report.stop.remaining.count());
  } else if (report.stop.leftover) {
    answer("  stop sentinel: left behind; empty, malformed or expired\n");
  }
}

void print_failure(const Place& place, const FailureRecord& failure) {
  const auto when = static_cast<std::time_t>(failure.when.count() / 1000);
  std::tm local{};
  ::localtime_r(&when, &local);
  const std::string what = fmt::format("{} {}", place.name, failure);
  answer("  the last start failed at {:%F %T}: {}\n", local, with_tail(what, failure));
}

}  // namespace

int print_status(const Place& place, const StatusStyle& style) {
  ServeGuard<> guard = place.guard();
  const auto report = guard.status();
  if (!report) {
    if (style.json) {
      Json json;
      json["interface"] = interface_version;
      json["state"] = to_string(ServerState::unknown);
      for (const char* absent : {"pid", "start", "server_pid", "elsewhere", "port"}) json[absent] = nullptr;
      json["dir"] = place.directory;
      json["name"] = place.name;
      json["uptime_s"] = nullptr;
      json["assurance"] = to_string(Assurance::none);
      json["evidence"] = {
          {"reason", "error"}, {"text", fmt::format("{}", report.error())}, {"errno", report.error().code}};
      answer("{}\n", dumped(json));
      return delivered(lsb_unknown, lsb_unknown);
    }
    if (!style.quiet) warn("genie: {}\n", report.error());
    return lsb_unknown;
  }
  if (style.quiet) return lsb_status(report->state);
  if (style.json) {
    answer("{}\n", dumped(to_json(place, *report, guard)));
    return delivered(lsb_status(report->state), lsb_unknown);
  }
  answer("{} {}", place.name, *report);
  if (report->is_live()) answer(", for {} s", report->uptime.count() / 1000);
  if (report->port.port != 0) answer(", port {}", report->port.port);
  if (const Milliseconds rest = estimated_rest(report->boot, report->looked_at); rest.count() != 0) {
    answer(", about {} s left", rest.count() / 1000 + 1);
  }
  answer("\n");
  if (report->failure.generation != 0) print_failure(place, report->failure);
  if (style.explain) explain(*report);
  return delivered(lsb_status(report->state), lsb_unknown);
}

int print_port(const Place& place) {
  const auto report = place.guard().status();
  if (!report) return tell(ending_of(report.error()));
  if (report->port.port != 0) {
    answer("{}\n", report->port.port);
    return delivered(exit_ok, exit_failure);
  }
  warn("{} {}, and has no port (port file: {})\n", place.name, *report, report->port.standing);
  return lsb_not_running;
}

int await_server(const Place& place, bool is_awaiting_end, std::optional<std::chrono::milliseconds> timeout) {
  ServeGuard<> guard = place.guard();
  constexpr Milliseconds never{INT64_MAX / 4};
  const Milliseconds span = timeout ? Milliseconds{*timeout} : never;
  ChangeWait<ServeGuard<>::Host> wait{guard.host(), guard.host().clock.monotonic() + span};
  std::optional<std::uint64_t> failed_before;
  for (;;) {
    const auto report = guard.status();
    if (!report) return tell(ending_of(report.error()));
    if (!failed_before) failed_before = report->failure.generation;
    const bool is_gone = report->state == ServerState::stopped || report->state == ServerState::stale;
    if (is_awaiting_end ? is_gone : report->state == ServerState::running) {
      return tell({exit_ok, fmt::format("{} {}", place.name, *report)});
    }
    if (!is_awaiting_end && report->failure.generation > *failed_before) {
      return tell(ending_of(place, report->failure));
    }
    // Its lock file may not exist yet.
    if (!wait.next(guard.files().directory().c_str())) {
      return tell({exit_try_again, fmt::format("gave up after {} ms: {} {}", span.count(), place.name, *report)});
    }
  }
}

int stop_server(const Place& place, const StopOptions& options) {
  const auto receipt = place.guard().stop(options);
  if (!receipt) return tell(ending_of(receipt.error()));
  Ending ending{exit_ok, fmt::format("{} {}", place.name, *receipt)};
  const StopOutcome outcome = receipt->outcome;
  if (outcome == StopOutcome::refused || outcome == StopOutcome::orphans_left) ending.status = exit_try_again;
  const bool is_incomplete = outcome == StopOutcome::still_alive || receipt->has_left || receipt->spared_cgroup;
  if (is_incomplete) ending.status = exit_failure;
  if (options.stay && !receipt->stays) {
    ending.status = exit_failure;
    ending.text += "; that it is to stay stopped is not recorded, or was ended by an explicit start";
  }
  if (receipt->outcome == StopOutcome::refused && receipt->evidence.whereabouts == Whereabouts::other_pid_namespace) {
    // Whoever sees its processes can enter; who doesn't has to ask what runs the containers.
    ending.text += receipt->holder_count != 0
                       ? fmt::format(" (as by nsenter --all --target {})", receipt->holders[0].pid)
                       : std::string{" (as by docker exec, or nsenter from where lsns --type pid lists that number)"};
  }
  return tell(ending);
}

}  // namespace genie::cli
