// How a server on Windows is told to end: Windows has no signals, so the server makes an event that a stop sets.
#ifndef GENIE_WINDOWS_STOP_EVENT_HPP
#define GENIE_WINDOWS_STOP_EVENT_HPP

#include "genie/windows/names.hpp"

namespace genie::inline v0 {

/// What SIGTERM is elsewhere. A server makes one before it claims, and waits for it where it waits anyway:
///
///   genie::WindowsStopEvent stop_event;
///   …
///   WaitForMultipleObjects(2, handles_with(stop_event.handle()), FALSE, INFINITE);
///
/// Without one, a server can only be killed, after the grace. Thread safety: each method is. Source: `CreateEventW`.
class WindowsStopEvent {
 public:
  WindowsStopEvent() noexcept
      : event_{::CreateEventW(nullptr, 1, 0,
                              windows_detail::ObjectName{"stop", windows_detail::own_process_identity()}.get())} {
    if (!event_.is_open()) error_ = windows_detail::last_error();
  }

  /// Returns: 0, or the errno for which there is none; then `handle()` is null, and nobody can be told.
  [[nodiscard]] int error() const noexcept { return error_; }
  /// To be waited for together with others. Signalled from the first request to end on.
  [[nodiscard]] void* handle() const noexcept { return event_.get(); }
  /// Waits until somebody asks this process to end (true) or `span` has passed (false).
  [[nodiscard]] SysResult<bool> wait(Milliseconds span) noexcept {
    if (!event_.is_open()) return SysResult<bool>::failure(error_);
    return windows_detail::wait_for(event_.get(), span);
  }

 private:
  windows_detail::ScopedHandle event_;
  int error_ = 0;
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_STOP_EVENT_HPP
