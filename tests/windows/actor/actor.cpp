// The processes that the tests of the Windows policies start.
//
//   genie_windows_actor exit CODE
//   genie_windows_actor sleep                     until it is killed
//   genie_windows_actor hold READY DONE           sets the event READY and waits for DONE
//   genie_windows_actor lock FILE READY DONE      the same, with the owner byte of FILE locked
//   genie_windows_actor claim DIR READY DONE      claims, tells, waits, releases; exits with the outcome
//   genie_windows_actor serve DIR READY KIND      a server that ends when it is told to (KIND polite), or never does
//                                                 (deaf), or has a job with a child that does not (family); one that
//                                                 has no stop event but a window (window), a console's window
//                                                 (terminal) or none (silent); one that has both (both)
//   genie_windows_actor race DIR BOARD INDEX END  one contender of many rounds; its claims end by `release` or `crash`
#include <genie/serve_guard.hpp>

#include <windows.h>

#include <cstdlib>
#include <string>

#include "race.hpp"

namespace {

using namespace tests::windows;

HANDLE event(const char* name) { return ::OpenEventA(EVENT_ALL_ACCESS, FALSE, name); }

int hold(const char* ready, const char* done) {
  ::SetEvent(event(ready));
  ::WaitForSingleObject(event(done), INFINITE);
  return 0;
}

int lock(const char* path, const char* ready, const char* done) {
  genie::WindowsFilesystem files;
  const auto opened = files.open({}, path, genie::OpenMode::ensure, 0600);
  if (!opened.ok()) return opened.error;
  if (const auto locked = files.try_lock(opened.value, genie::detail::owner_byte, 2); !locked.ok()) return locked.error;
  return hold(ready, done);
}

int claim(const char* directory, const char* ready, const char* done) {
  genie::ServeGuard<> guard{directory};
  const auto report = guard.claim();
  if (!report) return 1000 + report.error().code;
  if (report->owned()) hold(ready, done);
  return static_cast<int>(report->outcome);
}

// A server with a window exits with this if it was closed.
constexpr int window_was_closed = 42;

LRESULT CALLBACK handle_message(HWND window, UINT message, WPARAM first, LPARAM second) {
  if (message == WM_DESTROY) ::PostQuitMessage(window_was_closed);
  return ::DefWindowProcW(window, message, first, second);
}

/// A hidden top-level window, as programs with an icon in the notification area have one.
HWND make_window(const wchar_t* class_name) {
  WNDCLASSW window_class{};
  window_class.lpfnWndProc = handle_message;
  window_class.hInstance = ::GetModuleHandleW(nullptr);
  window_class.lpszClassName = class_name;
  ::RegisterClassW(&window_class);
  return ::CreateWindowExW(0, class_name, L"genie", WS_OVERLAPPEDWINDOW, 0, 0, 10, 10, nullptr, nullptr,
                           window_class.hInstance, nullptr);
}

/// Until a window is closed, or `stop` is set.
int handle_messages(HANDLE stop) {
  for (;;) {
    const DWORD count = stop != nullptr ? 1 : 0;
    if (::MsgWaitForMultipleObjects(count, &stop, FALSE, INFINITE, QS_ALLINPUT) == WAIT_OBJECT_0 && count != 0)
      return 0;
    MSG message;
    while (::PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE) != 0) {
      if (message.message == WM_QUIT) return static_cast<int>(message.wParam);
      ::DispatchMessageW(&message);
    }
  }
}

int serve_without_event(const char* directory, const char* ready, const std::string& kind) {
  const bool has_window = kind != "silent";
  if (has_window && make_window(kind == "window" ? L"GenieTest" : L"ConsoleWindowClass") == nullptr) return 95;
  genie::ServeGuard<> guard{directory};
  const auto report = guard.claim();
  if (!report || !report->owned()) return 92;
  ::SetEvent(event(ready));
  if (!has_window) ::Sleep(INFINITE);
  const int result = handle_messages(nullptr);
  return guard.release() ? result : 94;
}

int serve(const char* directory, const char* ready, const std::string& kind, const char* own_path) {
  if (kind == "window" || kind == "terminal" || kind == "silent") return serve_without_event(directory, ready, kind);
  genie::WindowsStopEvent stop_event;
  const genie::WindowsJob* const job = kind == "family" ? new genie::WindowsJob : nullptr;
  if (stop_event.error() != 0 || (job != nullptr && job->error() != 0)) return 90;
  if (job != nullptr) {
    std::string line = std::string{"\""} + own_path + "\" sleep";
    STARTUPINFOA startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION info{};
    if (::CreateProcessA(nullptr, line.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr, &startup, &info) == 0) {
      return 91;
    }
  }
  if (kind == "both" && make_window(L"GenieTest") == nullptr) return 95;
  genie::ServeGuard<> guard{directory};
  const auto report = guard.claim();
  if (!report || !report->owned()) return 92;
  if (!guard.publish_port(4711)) return 93;
  ::SetEvent(event(ready));
  if (kind == "deaf") ::Sleep(INFINITE);
  const int result = kind == "both" ? handle_messages(stop_event.handle())
                                    : static_cast<int>(::WaitForSingleObject(stop_event.handle(), INFINITE));
  return guard.release() ? result : 94;
}

int race(const char* directory, const char* board_name, unsigned index, const std::string& ending) {
  const HANDLE mapping = ::OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, board_name);
  auto* const board = static_cast<RaceBoard*>(::MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof(RaceBoard)));
  if (board == nullptr) return 80;
  std::uint32_t round = board->round.load();
  for (;;) {
    ++board->idle;
    while (board->round.load() == round) ::Sleep(0);
    round = board->round.load();
    if (round == UINT32_MAX) return 0;
    genie::ServeGuard<> guard{directory};
    const auto report = guard.claim();
    const bool owned = report && report->owned();
    if (owned) {
      const std::uint32_t owners = ++board->owners;
      std::uint32_t most = board->most_owners.load();
      while (most < owners && !board->most_owners.compare_exchange_weak(most, owners)) {
      }
    }
    board->outcomes[index] =
        report ? static_cast<std::uint32_t>(report->outcome) : 1000 + static_cast<std::uint32_t>(report.error().code);
    board->has_taken_over[index] = report && report->taken_over.recorded.pid != 0 ? 1 : 0;
    board->generations[index] = report ? report->generation : 0;
    ++board->reported;
    while (board->over.load() < round) ::Sleep(1);
    if (owned) {
      --board->owners;
      if (ending == "crash") ::TerminateProcess(::GetCurrentProcess(), 70);
    }
  }
}

}  // namespace

int main(int count, char** words) {
  const std::string verb = count > 1 ? words[1] : "";
  if (verb == "exit" && count == 3) return std::atoi(words[2]);
  if (verb == "hold" && count == 4) return hold(words[2], words[3]);
  if (verb == "sleep") ::Sleep(INFINITE);
  if (verb == "lock" && count == 5) return lock(words[2], words[3], words[4]);
  if (verb == "claim" && count == 5) return claim(words[2], words[3], words[4]);
  if (verb == "serve" && count == 5) return serve(words[2], words[3], words[4], words[0]);
  if (verb == "race" && count == 6)
    return race(words[2], words[3], static_cast<unsigned>(std::atoi(words[4])), words[5]);
  return 99;
}
