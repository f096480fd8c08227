// The clock policy on Linux.
#ifndef GENIE_LINUX_CLOCK_HPP
#define GENIE_LINUX_CLOCK_HPP

#include <time.h>

#include "genie/duration.hpp"

namespace genie::inline v0 {

/// Wall clock: CLOCK_REALTIME. Monotonic: CLOCK_BOOTTIME, which counts suspend and is shared by all processes of a boot
/// (of one time namespace). Source: `clock_gettime(2)`, `time_namespaces(7)`.
class LinuxClock {
 public:
  [[nodiscard]] Milliseconds wall() noexcept { return read(CLOCK_REALTIME); }
  [[nodiscard]] Milliseconds monotonic() noexcept { return read(CLOCK_BOOTTIME); }
  /// Reads no counter, only the time of the last tick.
  [[nodiscard]] Milliseconds coarse() noexcept { return read(CLOCK_MONOTONIC_COARSE); }
  /// A signal may end it early. Source: `nanosleep(2)`.
  void sleep(Milliseconds span) noexcept {
    if (span.count() <= 0) return;
    timespec request{};
    request.tv_sec = static_cast<time_t>(span.count() / 1000);
    request.tv_nsec = static_cast<long>(span.count() % 1000) * 1'000'000L;
    nanosleep(&request, nullptr);
  }

 private:
  static Milliseconds read(clockid_t clock) noexcept {
    timespec now{};
    clock_gettime(clock, &now);
    return Milliseconds{static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000};
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_CLOCK_HPP
