// The clock policy on Windows.
#ifndef GENIE_WINDOWS_CLOCK_HPP
#define GENIE_WINDOWS_CLOCK_HPP

#include "genie/duration.hpp"
#include "genie/windows/win32.hpp"

namespace genie::inline v0 {

/// Wall clock: the system time. Monotonic: the performance counter, which counts sleep and hibernation and is shared by
/// all processes of a boot. Source: `GetSystemTimePreciseAsFileTime` (Windows 8), "Acquiring high-resolution time
/// stamps".
class WindowsClock {
 public:
  [[nodiscard]] Milliseconds wall() noexcept {
    constexpr std::uint64_t unix_epoch = 116'444'736'000'000'000;  // 1970 on a scale that begins with 1601
    windows_detail::FileTime now;
    ::GetSystemTimePreciseAsFileTime(reinterpret_cast<_FILETIME*>(&now));
    const std::uint64_t value = now.value();
    return Milliseconds{value < unix_epoch ? 0 : static_cast<std::int64_t>((value - unix_epoch) / 10'000)};
  }
  [[nodiscard]] Milliseconds monotonic() noexcept {
    std::int64_t now = 0;
    std::int64_t frequency = 0;
    ::QueryPerformanceCounter(reinterpret_cast<_LARGE_INTEGER*>(&now));
    ::QueryPerformanceFrequency(reinterpret_cast<_LARGE_INTEGER*>(&frequency));
    if (frequency <= 0) return coarse();
    return Milliseconds{now / frequency * 1000 + now % frequency * 1000 / frequency};
  }
  /// Reads no counter, only the time of the last tick. Source: `GetTickCount64`.
  [[nodiscard]] Milliseconds coarse() noexcept { return Milliseconds{static_cast<std::int64_t>(::GetTickCount64())}; }
  /// Ends with a tick of the system's timer, mostly every 15.6 ms. Source: `Sleep`.
  void sleep(Milliseconds span) noexcept {
    if (span.count() > 0) ::Sleep(windows_detail::wait_span(span));
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_CLOCK_HPP
