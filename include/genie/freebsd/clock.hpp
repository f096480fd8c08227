// The clock policy on FreeBSD. Never executed by this project: compiled and linked only.
#ifndef GENIE_FREEBSD_CLOCK_HPP
#define GENIE_FREEBSD_CLOCK_HPP

#if defined(__FreeBSD__)

#include "genie/posix/clock.hpp"

namespace genie::inline v0 {

/// Monotonic: CLOCK_MONOTONIC, the time since the boot. FreeBSD has no clock that counts suspend and that nobody can
/// set (on resume, it moves the time of the boot): a deadline is later by the time that the machine slept.
/// Source: `clock_gettime(2)` of FreeBSD, `time(9)`.
class FreebsdClock : public posix_detail::Clock<CLOCK_MONOTONIC, CLOCK_MONOTONIC_FAST> {};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_FREEBSD_CLOCK_HPP
