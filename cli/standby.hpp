// `genie run --standby`: waits in the foreground until the directory is free.
#ifndef GENIE_CLI_STANDBY_HPP
#define GENIE_CLI_STANDBY_HPP

#include <functional>

#include "messages.hpp"
#include "options.hpp"

namespace genie::cli {

/// Waits until the directory is ours. Signals have their default meaning meanwhile: they end a standby.
/// `on_wait` gets a line for people each time it learns of another owner.
[[nodiscard]] Result<ClaimReport> stand_by(ServeGuard<>& guard, const Place& place, const ClaimOptions& options,
                                           const std::function<void(const std::string&)>& on_wait);

}  // namespace genie::cli

#endif  // GENIE_CLI_STANDBY_HPP
