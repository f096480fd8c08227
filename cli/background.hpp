// `genie start` and `genie ensure`: a supervisor in the background, and the wait until it or another one is ready.
#ifndef GENIE_CLI_BACKGROUND_HPP
#define GENIE_CLI_BACKGROUND_HPP

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

/// Starts unless somebody runs already; joins a start in progress. With `ClaimMode::automatic` refuses while a stop is
/// in progress. Throws `std::system_error` where the process itself can't be set up.
[[nodiscard]] Ending start_in_background(ServeRequest request);

}  // namespace genie::cli

#endif  // GENIE_CLI_BACKGROUND_HPP
