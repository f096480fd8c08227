// `start`, `ensure` and `restart`: the guarded command in the background, once for everybody who asks.
#ifndef GENIE_CLI_START_HPP
#define GENIE_CLI_START_HPP

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

/// Returns as soon as the server is ready, has failed, or may not be started.
[[nodiscard]] Ending start_in_background(ServeRequest request);

}  // namespace genie::cli

#endif  // GENIE_CLI_START_HPP
