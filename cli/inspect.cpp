// Verdicts as text and as JSON.
#include "inspect.hpp"

#include <nlohmann/json.hpp>

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

Json to_json(const Place& place, const StatusReport& report) {
  Json json;
  json["state"] = to_string(report.state);
  json["pid"] = pid_or_null(report.owner);
  json["start"] = start_or_null(report.owner.start);
  json["server_pid"] = pid_or_null(report.server);
  json["port"] = report.port.port != 0 ? Json(report.port.port) : Json(nullptr);
  json["port_standing"] = to_string(report.port.standing);
  json["dir"] = place.directory;
  json["name"] = place.name;
  json["uptime_s"] = report.is_live() ? Json(static_cast<double>(report.uptime.count()) / 1000) : Json(nullptr);
  json["generation"] = report.generation;
  json["assurance"] = to_string(report.assurance);
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
  fmt::print("  because: {}\n", report.evidence);
  if (report.server.pid != 0) fmt::print("  guards: {}\n", report.server);
  fmt::print("  port file: {}\n", report.port.standing);
  fmt::print("  assurance: {}\n", report.assurance);
  if (report.stop.is_in_progress()) {
    fmt::print("  stop sentinel: by PID {}, expires in {} ms\n", report.stop.stopper.pid,
               report.stop.remaining.count());
  } else if (report.stop.leftover) {
    fmt::print("  stop sentinel: left behind; empty, malformed or expired\n");
  }
}

}  // namespace

int print_status(const Place& place, const StatusStyle& style) {
  const auto report = place.guard().status();
  if (!report) {
    if (style.json) {
      Json json;
      json["state"] = to_string(ServerState::unknown);
      for (const char* absent : {"pid", "start", "server_pid", "port"}) json[absent] = nullptr;
      json["dir"] = place.directory;
      json["name"] = place.name;
      json["uptime_s"] = nullptr;
      json["assurance"] = to_string(Assurance::none);
      json["evidence"] = {
          {"reason", "error"}, {"text", fmt::format("{}", report.error())}, {"errno", report.error().code}};
      fmt::print("{}\n", dumped(json));
      return delivered(lsb_unknown, lsb_unknown);
    }
    if (!style.quiet) fmt::print(stderr, "genie: {}\n", report.error());
    return lsb_unknown;
  }
  if (style.quiet) return lsb_status(report->state);
  if (style.json) {
    fmt::print("{}\n", dumped(to_json(place, *report)));
    return delivered(lsb_status(report->state), lsb_unknown);
  }
  fmt::print("{} {}", place.name, *report);
  if (report->is_live()) fmt::print(", for {} s", report->uptime.count() / 1000);
  if (report->port.port != 0) fmt::print(", port {}", report->port.port);
  fmt::print("\n");
  if (style.explain) explain(*report);
  return delivered(lsb_status(report->state), lsb_unknown);
}

int print_port(const Place& place) {
  const auto report = place.guard().status();
  if (!report) return tell(ending_of(report.error()));
  if (report->port.port != 0) {
    fmt::print("{}\n", report->port.port);
    return delivered(exit_ok, exit_failure);
  }
  fmt::print(stderr, "{} {}, and has no port (port file: {})\n", place.name, *report, report->port.standing);
  return lsb_not_running;
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
  return tell(ending);
}

}  // namespace genie::cli
