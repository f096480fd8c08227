// What is wrong with a command line whose words are well formed each: told before anything is done, and with the exit
// status that keeps a service manager from trying again.
#ifndef GENIE_CLI_WRONG_USAGE_HPP
#define GENIE_CLI_WRONG_USAGE_HPP

#include <optional>

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

/// Returns: the ending of whatever would be done at a place that can't be one.
[[nodiscard]] std::optional<Ending> problem_with(const Place& place);

/// Returns: the ending of a request that can't be met as it is, whatever stands in its directory; its place is one.
[[nodiscard]] std::optional<Ending> problem_with(const ServeRequest& request);

}  // namespace genie::cli

#endif  // GENIE_CLI_WRONG_USAGE_HPP
