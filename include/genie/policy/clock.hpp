// The clock policy: the requirements that `ServeGuard` has of a source of time.
#ifndef GENIE_POLICY_CLOCK_HPP
#define GENIE_POLICY_CLOCK_HPP

#include "genie/concepts.hpp"
#include "genie/duration.hpp"

namespace genie::inline v0 {

/// | expression           | returns        | what it must do                                                             |
/// |----------------------|----------------|-----------------------------------------------------------------------------|
/// | `clock.wall()`       | `Milliseconds` | time since the Unix epoch; may jump both ways                                |
/// | `clock.monotonic()`  | `Milliseconds` | never goes back, counts suspend, the same scale for every process of a boot |
/// | `clock.coarse()`     | `Milliseconds` | never goes back; a scale of its own that may lag by some ms, so cheap that it may be asked a million times |
/// | `clock.sleep(span)`  | (ignored)      | returns when `span` has passed on the monotonic scale, or earlier            |
///
/// No call may throw. The wall clock serves only the stop sentinel, because older readers compare it; every deadline
/// runs on the monotonic clock; the coarse one only spares work that would be repeated too soon.
template <typename C>
concept ClockPolicy = requires(C& clock, Milliseconds span) {
  { clock.wall() } noexcept -> detail::SameAs<Milliseconds>;
  { clock.monotonic() } noexcept -> detail::SameAs<Milliseconds>;
  { clock.coarse() } noexcept -> detail::SameAs<Milliseconds>;
  { clock.sleep(span) } noexcept;
};

}  // namespace genie::inline v0

#endif  // GENIE_POLICY_CLOCK_HPP
