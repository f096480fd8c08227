// Endpoints on the command line: what `run`, `start` and `ensure` publish, and what `endpoint` and `status` print.
#ifndef GENIE_CLI_ENDPOINTS_HPP
#define GENIE_CLI_ENDPOINTS_HPP

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

/// Returns: the ending of a request whose endpoints cannot be published.
[[nodiscard]] std::optional<Ending> problem_with_endpoints(const ServeRequest& request);

/// Publishes those of the request; without any, does nothing.
[[nodiscard]] Result<void> publish_endpoints(ServeGuard<>& guard, const ServeRequest& request);

/// `endpoint`.
struct EndpointQuestion {
  std::string name;  ///< empty: all
  bool json = false;
  std::chrono::milliseconds wait{0};
  std::uint64_t after = 0;  ///< waits for a later generation than this one
};

/// Prints what the live owner has published. Returns: 0, or 3 where it has not.
[[nodiscard]] int print_endpoints(const Place& place, const EndpointQuestion& question);

/// For `status`: what is published, with its standing.
[[nodiscard]] nlohmann::ordered_json endpoints_as_json(ServeGuard<>& guard);

}  // namespace genie::cli

#endif  // GENIE_CLI_ENDPOINTS_HPP
