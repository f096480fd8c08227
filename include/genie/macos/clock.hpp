// The clock policy on macOS. Never executed by this project: compiled and linked only.
#ifndef GENIE_MACOS_CLOCK_HPP
#define GENIE_MACOS_CLOCK_HPP

#if defined(__APPLE__)

#include "genie/posix/clock.hpp"

namespace genie::inline v0 {

/// Monotonic: CLOCK_MONOTONIC_RAW, which is `mach_continuous_time`: it counts sleep, and no change of the time of day
/// moves it. (CLOCK_MONOTONIC is made of the time of day; CLOCK_UPTIME_RAW stands still in sleep.)
/// Source: `clock_gettime(3)` of macOS.
class MacosClock : public posix_detail::Clock<CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_RAW_APPROX> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_MACOS_CLOCK_HPP
