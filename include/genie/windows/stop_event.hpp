// How a server on Windows is told to end: Windows has no signals, so the server makes an event that a stop sets.
#ifndef GENIE_WINDOWS_STOP_EVENT_HPP
#define GENIE_WINDOWS_STOP_EVENT_HPP

#include "genie/windows/names.hpp"

namespace genie::inline v0 {

namespace windows_detail {

/// What the process's console asks for, as a request to end. Runs in a thread that Windows makes for it.
inline int __stdcall end_by_console(Ulong event) noexcept {
  constexpr Ulong may_set = 0x0002;
  constexpr Ulong window_closed = 2;  // CTRL_CLOSE_EVENT; above are logoff and shutdown
  constexpr Ulong user_leaves = 5;    // CTRL_LOGOFF_EVENT
  // Only services are told, and not of whom.
  if (event == user_leaves) return 1;
  const ScopedHandle stop{::OpenEventW(may_set, 0, ObjectName{"stop", own_process_identity()}.get())};
  if (!stop.is_open() || ::SetEvent(stop.get()) == 0) return 0;
  // Having answered these, the process is ended: it gets all the time that there is to end by itself.
  if (event >= window_closed) ::Sleep(0xFFFFFFFFU);
  return 1;
}

}  // namespace windows_detail

/// What SIGTERM is elsewhere. A server makes one before it claims, and waits for it where it waits anyway:
///
///   genie::WindowsStopEvent stop_event;
///   …
///   WaitForMultipleObjects(2, handles_with(stop_event.handle()), FALSE, INFINITE);
///
/// Without one, a server that has windows is asked by closing them, any other can only be killed, after the grace.
/// Thread safety: each method is. Source: `CreateEventW`.
class WindowsStopEvent {
 public:
  WindowsStopEvent() noexcept
      : event_{::CreateEventW(nullptr, 1, 0,
                              windows_detail::ObjectName{"stop", windows_detail::own_process_identity()}.get())} {
    if (!event_.is_open()) error_ = windows_detail::last_error();
  }
  WindowsStopEvent(const WindowsStopEvent&) = delete;
  WindowsStopEvent& operator=(const WindowsStopEvent&) = delete;
  ~WindowsStopEvent() {
    if (listens_to_console_) (void)::SetConsoleCtrlHandler(windows_detail::end_by_console, 0);
  }

  /// Effects: from now on the console can ask, too: Ctrl+C, Ctrl+Break, its window that is closed, the machine that
  /// shuts down, `docker stop`. After the last three the process has a few seconds left.
  /// Errors: of `SetConsoleCtrlHandler`. Thread safety: not beside another call of it.
  [[nodiscard]] SysResult<void> listen_to_console() noexcept {
    if (listens_to_console_) return {};
    if (::SetConsoleCtrlHandler(windows_detail::end_by_console, 1) == 0) return {windows_detail::last_error()};
    listens_to_console_ = true;
    return {};
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
  bool listens_to_console_ = false;
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_STOP_EVENT_HPP
