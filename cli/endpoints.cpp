// Endpoints, published from the command line and printed for people, shells and programs.
#include "endpoints.hpp"

#include <nlohmann/json.hpp>
#include <vector>

namespace genie::cli {

namespace {

using Json = nlohmann::ordered_json;

/// As `port` has it, and LSB for what is not running.
constexpr int exit_absent = 3;

std::vector<Endpoint> endpoints_of(const ServeRequest& request) {
  std::vector<Endpoint> endpoints;
  endpoints.reserve(request.endpoints.size());
  for (const EndpointWords& words : request.endpoints) endpoints.push_back(words.endpoint());
  return endpoints;
}

/// What to dial: a path is whole wherever the reader is.
std::string address_of(const StateFiles& files, const PublishedEndpoint& endpoint) {
  switch (endpoint.kind) {
    case EndpointKind::tcp: return std::to_string(endpoint.port);
    case EndpointKind::unix_socket: return socket_path(files, endpoint.value).c_str();
    case EndpointKind::text: break;
  }
  return endpoint.value.c_str();
}

Json to_json(const StateFiles& files, const EndpointsView& view) {
  Json json;
  json["standing"] = to_string(view.standing);
  json["generation"] = view.generation;
  json["pid"] = view.owner.pid != 0 ? Json(view.owner.pid) : Json(nullptr);
  json["endpoints"] = Json::object();
  for (std::size_t at = 0; at < view.count; ++at) {
    const PublishedEndpoint& endpoint = view.endpoints[at];
    Json& entry = json["endpoints"][endpoint.name.c_str()];
    entry["kind"] = to_string(endpoint.kind);
    switch (endpoint.kind) {
      case EndpointKind::tcp: entry["port"] = endpoint.port; break;
      case EndpointKind::unix_socket: entry["path"] = address_of(files, endpoint); break;
      case EndpointKind::text: entry["text"] = endpoint.value.c_str(); break;
    }
  }
  return json;
}

Result<EndpointsView> ask(ServeGuard<>& guard, const EndpointQuestion& question) {
  if (question.name.empty()) return guard.wait_for_endpoints(question.after, question.wait);
  return guard.wait_for_endpoint(question.name, question.after, question.wait);
}

}  // namespace

std::optional<Ending> problem_with_endpoints(const ServeRequest& request) {
  const std::vector<Endpoint> endpoints = endpoints_of(request);
  const ServeGuard<> guard = request.place.guard();
  const auto checked = check_endpoints<ServeGuard<>::Host>(guard.files(), endpoints.data(), endpoints.size());
  if (checked) return std::nullopt;
  return Ending{exit_usage, fmt::format("{}", checked.error())};
}

Result<void> publish_endpoints(ServeGuard<>& guard, const ServeRequest& request) {
  const std::vector<Endpoint> endpoints = endpoints_of(request);
  if (endpoints.empty()) return {};
  return guard.publish_endpoints(endpoints.data(), endpoints.size());
}

Json endpoints_as_json(ServeGuard<>& guard) {
  const auto view = guard.endpoints();
  if (view) return to_json(guard.files(), *view);
  Json json;
  json["standing"] = to_string(EndpointStanding::unknown);
  json["error"] = fmt::format("{}", view.error());
  return json;
}

int print_endpoints(const Place& place, const EndpointQuestion& question) {
  ServeGuard<> guard = place.guard();
  const auto view = ask(guard, question);
  if (!view) return tell(ending_of(view.error()));
  const PublishedEndpoint* const found = view->find(question.name);
  const bool is_published = view->standing == EndpointStanding::live && view->generation > question.after;
  const bool is_there = is_published && (question.name.empty() || found != nullptr);
  if (question.json) {
    // A path or text may be any bytes.
    answer("{}\n", to_json(guard.files(), *view).dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (!is_there) {
    const std::string what = question.name.empty() ? "no endpoints" : fmt::format("no endpoint {}", question.name);
    warn("{} has {} (endpoints: {}, generation {})\n", place.name, what, view->standing, view->generation);
  } else if (found != nullptr) {
    answer("{}\n", address_of(guard.files(), *found));
  } else {
    for (std::size_t at = 0; at < view->count; ++at) {
      const PublishedEndpoint& endpoint = view->endpoints[at];
      answer("{} {} {}\n", endpoint.name.c_str(), to_string(endpoint.kind), address_of(guard.files(), endpoint));
    }
  }
  return delivered(is_there ? exit_ok : exit_absent, exit_failure);
}

}  // namespace genie::cli
