// The clock policy where clock_gettime(2) has a clock for each of its scales.
#ifndef GENIE_POSIX_CLOCK_HPP
#define GENIE_POSIX_CLOCK_HPP

#include <time.h>

#include "genie/duration.hpp"

namespace genie::inline v0::posix_detail {

/// Wall clock: CLOCK_REALTIME. Source: `clock_gettime(2)`.
template <clockid_t Monotonic, clockid_t Coarse>
class Clock {
 public:
  [[nodiscard]] Milliseconds wall() noexcept { return read(CLOCK_REALTIME); }
  [[nodiscard]] Milliseconds monotonic() noexcept { return read(Monotonic); }
  /// Reads no counter, only the time of the last tick.
  [[nodiscard]] Milliseconds coarse() noexcept { return read(Coarse); }
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

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_CLOCK_HPP
