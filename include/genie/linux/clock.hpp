// The clock policy on Linux.
#ifndef GENIE_LINUX_CLOCK_HPP
#define GENIE_LINUX_CLOCK_HPP

#include "genie/posix/clock.hpp"

namespace genie::inline v0 {

/// Monotonic: CLOCK_BOOTTIME, which counts suspend and is shared by all processes of a boot (of one time namespace).
/// Source: `clock_gettime(2)`, `time_namespaces(7)`.
class LinuxClock : public posix_detail::Clock<CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE> {};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_CLOCK_HPP
