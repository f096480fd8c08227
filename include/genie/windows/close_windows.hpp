// How a Windows process that has windows is asked to end: they are closed, as by its user.
#ifndef GENIE_WINDOWS_CLOSE_WINDOWS_HPP
#define GENIE_WINDOWS_CLOSE_WINDOWS_HPP

#include <cstdint>
#include <initializer_list>

#include "genie/windows/win32.hpp"

namespace genie::inline v0::windows_detail {

/// What is called of user32, which is loaded by the first who has somebody's windows to close: a program that has none
/// of its own does without it. Source: <winuser.h>.
struct WindowFunctions {
  using Visit = int(__stdcall*)(void* window, std::intptr_t context);
  int(__stdcall* enumerate)(Visit, std::intptr_t) = nullptr;
  Ulong(__stdcall* thread_and_process)(void*, Ulong*) = nullptr;
  void*(__stdcall* related)(void*, unsigned) = nullptr;
  int(__stdcall* class_name)(void*, wchar_t*, int) = nullptr;
  int(__stdcall* post)(void*, unsigned, std::uintptr_t, std::intptr_t) = nullptr;

  WindowFunctions() noexcept {
    constexpr Ulong from_system_directory = 0x0800;
    const GenieModule user32 = ::LoadLibraryExW(L"user32.dll", nullptr, from_system_directory);
    if (user32 == nullptr) return;
    find(user32, "EnumWindows", enumerate);
    find(user32, "GetWindowThreadProcessId", thread_and_process);
    find(user32, "GetWindow", related);
    find(user32, "GetClassNameW", class_name);
    find(user32, "PostMessageW", post);
  }

  [[nodiscard]] bool are_there() const noexcept {
    return enumerate != nullptr && thread_and_process != nullptr && related != nullptr && class_name != nullptr &&
           post != nullptr;
  }

 private:
  template <typename Function>
  static void find(GenieModule module, const char* name, Function& function) noexcept {
    function = reinterpret_cast<Function>(reinterpret_cast<void*>(::GetProcAddress(module, name)));
  }
};

/// Returns: whether windows of this class are not their process's own. A console's window claims to be of the first
/// process in it, and closing it ends everybody who shares that console; an input method's, which each thread that has
/// a window has, tells its program nothing.
[[nodiscard]] constexpr bool is_of_the_system(const wchar_t* class_name) noexcept {
  for (const wchar_t* theirs : {L"ConsoleWindowClass", L"PseudoConsoleWindow", L"IME", L"MSCTFIME UI"}) {
    const wchar_t* name = class_name;
    while (*name != L'\0' && *name == *theirs) ++name, ++theirs;
    if (*name == *theirs) return true;
  }
  return false;
}

struct WindowsToClose {
  const WindowFunctions& functions;
  Ulong pid;
  bool has_asked;
};

inline int __stdcall close_if_it_is_one(void* window, std::intptr_t context) noexcept {
  constexpr unsigned owner = 4;       // GW_OWNER
  constexpr unsigned close = 0x0010;  // WM_CLOSE
  auto& to_close = *reinterpret_cast<WindowsToClose*>(context);
  const WindowFunctions& functions = to_close.functions;
  Ulong pid = 0;
  (void)functions.thread_and_process(window, &pid);
  if (pid != to_close.pid || functions.related(window, owner) != nullptr) return 1;
  wchar_t name[64]{};
  if (functions.class_name(window, name, 64) <= 0 || is_of_the_system(name)) return 1;
  if (functions.post(window, close, 0, 0) != 0) to_close.has_asked = true;
  return 1;
}

/// Asks each window to close that belongs to the process `pid`, is nobody's child and has no owner: a dialog goes with
/// the window that owns it. Preconditions: the caller has that process open, so that its PID is nobody else's.
/// Returns: whether there was one that could be asked; those of other desktops and sessions can't.
/// Source: `EnumWindows`, `PostMessageW` with WM_CLOSE.
[[nodiscard]] inline bool close_windows_of(Ulong pid) noexcept {
  static const WindowFunctions functions;
  WindowsToClose to_close{functions, pid, false};
  if (functions.are_there()) (void)functions.enumerate(close_if_it_is_one, reinterpret_cast<std::intptr_t>(&to_close));
  return to_close.has_asked;
}

}  // namespace genie::inline v0::windows_detail

#endif  // GENIE_WINDOWS_CLOSE_WINDOWS_HPP
