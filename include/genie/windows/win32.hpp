// The few functions of Windows that genie calls, declared here: <windows.h> costs more than all of genie, and defines
// macros that no header may force on its users. It may be included before or after this one.
#ifndef GENIE_WINDOWS_WIN32_HPP
#define GENIE_WINDOWS_WIN32_HPP

#include <errno.h>
#include <stddef.h>

#include <cstddef>
#include <cstdint>

#include "genie/duration.hpp"
#include "genie/result.hpp"

#if defined(_MSC_VER)
#pragma comment(lib, "advapi32")
#endif

// The system's own names, so that these are the same types and functions as those of <windows.h>.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,google-runtime-int)
struct _FILETIME;
struct _OVERLAPPED;
union _LARGE_INTEGER;
#if defined(NO_STRICT)
using GenieModule = void*;
using GenieKey = void*;
#else
struct HINSTANCE__;
struct HKEY__;
using GenieModule = HINSTANCE__*;
using GenieKey = HKEY__*;
#endif
#if defined(_WIN64)
using GenieProcedure = long long(__stdcall*)();
#else
using GenieProcedure = int(__stdcall*)();
#endif

extern "C" {
__declspec(dllimport) int __stdcall CloseHandle(void*);
__declspec(dllimport) void* __stdcall CreateEventW(struct _SECURITY_ATTRIBUTES*, int, int, const wchar_t*);
__declspec(dllimport) void* __stdcall CreateJobObjectW(struct _SECURITY_ATTRIBUTES*, const wchar_t*);
__declspec(dllimport) int __stdcall AssignProcessToJobObject(void*, void*);
__declspec(dllimport) int __stdcall FindCloseChangeNotification(void*);
__declspec(dllimport) void* __stdcall FindFirstChangeNotificationW(const wchar_t*, int, unsigned long);
__declspec(dllimport) int __stdcall FindNextChangeNotification(void*);
__declspec(dllimport) int __stdcall FlushFileBuffers(void*);
__declspec(dllimport) int __stdcall GetComputerNameW(wchar_t*, unsigned long*);
__declspec(dllimport) unsigned long __stdcall GetCurrentProcessId();
__declspec(dllimport) unsigned long __stdcall GetFullPathNameW(const wchar_t*, unsigned long, wchar_t*, wchar_t**);
__declspec(dllimport) unsigned long __stdcall GetLastError();
__declspec(dllimport) GenieModule __stdcall GetModuleHandleW(const wchar_t*);
__declspec(dllimport) GenieProcedure __stdcall GetProcAddress(GenieModule, const char*);
__declspec(dllimport) unsigned long __stdcall GetProcessId(void*);
__declspec(dllimport) int __stdcall GetProcessTimes(void*, _FILETIME*, _FILETIME*, _FILETIME*, _FILETIME*);
__declspec(dllimport) void __stdcall GetSystemTimePreciseAsFileTime(_FILETIME*);
__declspec(dllimport) unsigned long long __stdcall GetTickCount64();
__declspec(dllimport) GenieModule __stdcall LoadLibraryExW(const wchar_t*, void*, unsigned long);
__declspec(dllimport) int __stdcall LockFileEx(void*, unsigned long, unsigned long, unsigned long, unsigned long,
                                               _OVERLAPPED*);
__declspec(dllimport) int __stdcall MultiByteToWideChar(unsigned, unsigned long, const char*, int, wchar_t*, int);
__declspec(dllimport) void* __stdcall OpenEventW(unsigned long, int, const wchar_t*);
__declspec(dllimport) void* __stdcall OpenJobObjectW(unsigned long, int, const wchar_t*);
__declspec(dllimport) void* __stdcall OpenProcess(unsigned long, int, unsigned long);
__declspec(dllimport) int __stdcall QueryPerformanceCounter(_LARGE_INTEGER*);
__declspec(dllimport) int __stdcall QueryPerformanceFrequency(_LARGE_INTEGER*);
__declspec(dllimport) int __stdcall QueryFullProcessImageNameW(void*, unsigned long, wchar_t*, unsigned long*);
__declspec(dllimport) int __stdcall ReadFile(void*, void*, unsigned long, unsigned long*, _OVERLAPPED*);
__declspec(dllimport) long __stdcall RegGetValueW(GenieKey, const wchar_t*, const wchar_t*, unsigned long,
                                                  unsigned long*, void*, unsigned long*);
__declspec(dllimport) int __stdcall SetConsoleCtrlHandler(int(__stdcall*)(unsigned long), int);
__declspec(dllimport) int __stdcall SetEvent(void*);
__declspec(dllimport) void __stdcall Sleep(unsigned long);
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void*, unsigned long);
__declspec(dllimport) int __stdcall TerminateJobObject(void*, unsigned);
__declspec(dllimport) int __stdcall TerminateProcess(void*, unsigned);
__declspec(dllimport) int __stdcall UnlockFileEx(void*, unsigned long, unsigned long, unsigned long, _OVERLAPPED*);
__declspec(dllimport) unsigned long __stdcall WaitForSingleObject(void*, unsigned long);
__declspec(dllimport) int __stdcall WideCharToMultiByte(unsigned, unsigned long, const wchar_t*, int, char*, int,
                                                        const char*, int*);
__declspec(dllimport) int __stdcall WriteFile(void*, const void*, unsigned long, unsigned long*, _OVERLAPPED*);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,google-runtime-int)

namespace genie::inline v0::windows_detail {

using Ulong = unsigned long;  // NOLINT(google-runtime-int): 32 bits, as everywhere on Windows
using Status = std::int32_t;  ///< NTSTATUS

// --- structures, each as the platform's own headers lay it out -------------------------------------------------------

/// FILETIME: 100 ns since 1601.
struct FileTime {
  std::uint32_t low = 0;
  std::uint32_t high = 0;

  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return std::uint64_t{high} << 32U | low; }
};
/// OVERLAPPED: from where to read, write or lock.
struct Position {
  std::uintptr_t internal = 0;
  std::uintptr_t internal_high = 0;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  void* event = nullptr;
};
static_assert(sizeof(FileTime) == 8 && offsetof(Position, low) == 2 * sizeof(void*));

[[nodiscard]] constexpr Position position(std::uint64_t offset) noexcept {
  return {0, 0, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(offset >> 32U), nullptr};
}

struct IoStatus {
  std::uintptr_t status = 0;
  std::uintptr_t information = 0;
};
struct UnicodeString {
  std::uint16_t length = 0;    ///< in bytes
  std::uint16_t capacity = 0;  ///< in bytes
  wchar_t* text = nullptr;
};
struct ObjectAttributes {
  std::uint32_t size = sizeof(ObjectAttributes);
  void* root = nullptr;
  UnicodeString* name = nullptr;
  std::uint32_t attributes = 0;
  void* security = nullptr;
  void* quality = nullptr;
};

/// What to call where there is no import library that everybody links. Source: <winternl.h>, <ntifs.h>.
using NtCreateFile = Status(__stdcall*)(void**, std::uint32_t, ObjectAttributes*, IoStatus*, std::int64_t*,
                                        std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, void*,
                                        std::uint32_t);
using NtSetInformationFile = Status(__stdcall*)(void*, IoStatus*, void*, std::uint32_t, std::int32_t);
using NtQueryInformationFile = Status(__stdcall*)(void*, IoStatus*, void*, std::uint32_t, std::int32_t);
using NtQueryVolumeInformationFile = Status(__stdcall*)(void*, IoStatus*, void*, std::uint32_t, std::int32_t);
using NtQueryDirectoryFile = Status(__stdcall*)(void*, void*, void*, void*, IoStatus*, void*, std::uint32_t,
                                                std::int32_t, unsigned char, UnicodeString*, unsigned char);
using NtQuerySecurityObject = Status(__stdcall*)(void*, std::uint32_t, void*, std::uint32_t, std::uint32_t*);
using NtOpenProcessToken = Status(__stdcall*)(void*, std::uint32_t, void**);
using NtQueryInformationToken = Status(__stdcall*)(void*, std::int32_t, void*, std::uint32_t, std::uint32_t*);
using NtQueryInformationJobObject = Status(__stdcall*)(void*, std::int32_t, void*, std::uint32_t, std::uint32_t*);
using NtQueryInformationProcess = Status(__stdcall*)(void*, std::int32_t, void*, std::uint32_t, std::uint32_t*);

/// Returns: the function of ntdll, which every process has; null where it has none of that name. Some of these are in
/// no import library that a program links by itself, and others are declared differently by different vendors' headers.
template <typename Function>
[[nodiscard]] Function native(const char* name) noexcept {
  return reinterpret_cast<Function>(reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), name)));
}

// --- errors ----------------------------------------------------------------------------------------------------------

/// What genie's policies answer where Windows answers `status`. Source: [MS-ERREF] 2.3.
[[nodiscard]] constexpr int errno_of_status(Status status) noexcept {
  if (status >= 0) return 0;
  switch (static_cast<std::uint32_t>(status)) {
    case 0xC0000034U:                  // OBJECT_NAME_NOT_FOUND
    case 0xC000003AU:                  // OBJECT_PATH_NOT_FOUND: what stands in the way of a path is not told
    case 0xC000000FU:                  // NO_SUCH_FILE
    case 0xC0000056U:                  // DELETE_PENDING: its name goes as soon as the last who has it open closes it
    case 0xC0000123U:                  // FILE_DELETED
    case 0xC00000BEU:                  // BAD_NETWORK_PATH
    case 0xC00000CCU: return ENOENT;   // BAD_NETWORK_NAME
    case 0xC0000035U: return EEXIST;   // OBJECT_NAME_COLLISION
    case 0xC00000BAU: return EISDIR;   // FILE_IS_A_DIRECTORY
    case 0xC0000103U: return ENOTDIR;  // NOT_A_DIRECTORY
    case 0xC0000022U:                  // ACCESS_DENIED
    case 0xC0000061U: return EACCES;   // PRIVILEGE_NOT_HELD
    case 0xC0000121U: return EPERM;    // CANNOT_DELETE
    case 0xC0000043U: return EBUSY;    // SHARING_VIOLATION
    case 0xC0000054U:                  // FILE_LOCK_CONFLICT
    case 0xC0000055U: return EAGAIN;   // LOCK_NOT_GRANTED
    case 0xC000050BU: return ELOOP;    // REPARSE_POINT_ENCOUNTERED
    case 0xC000007FU: return ENOSPC;   // DISK_FULL
    case 0xC0000044U: return ENOSPC;   // QUOTA_EXCEEDED
    case 0xC00000A2U: return EROFS;    // MEDIA_WRITE_PROTECTED
    case 0xC0000106U: return ENAMETOOLONG;
    case 0xC0000033U:                 // OBJECT_NAME_INVALID
    case 0xC000003BU:                 // OBJECT_PATH_SYNTAX_BAD
    case 0xC000000DU: return EINVAL;  // INVALID_PARAMETER
    case 0xC0000008U:                 // INVALID_HANDLE
    case 0xC0000024U: return EBADF;   // OBJECT_TYPE_MISMATCH
    case 0xC0000002U:                 // NOT_IMPLEMENTED
    case 0xC0000003U:                 // INVALID_INFO_CLASS
    case 0xC0000010U:                 // INVALID_DEVICE_REQUEST
    case 0xC00000BBU: return EOPNOTSUPP;
    case 0xC0000017U:                 // NO_MEMORY
    case 0xC000009AU: return ENOMEM;  // INSUFFICIENT_RESOURCES
    case 0xC000011FU: return EMFILE;  // TOO_MANY_OPENED_FILES
    default: return EIO;
  }
}

/// The same for what `GetLastError` answers. Source: [MS-ERREF] 2.2.
[[nodiscard]] constexpr int errno_of(Ulong error) noexcept {
  switch (error) {
    case 0: return 0;
    case 2:                       // FILE_NOT_FOUND
    case 3: return ENOENT;        // PATH_NOT_FOUND
    case 4: return EMFILE;        // TOO_MANY_OPEN_FILES
    case 5: return EACCES;        // ACCESS_DENIED
    case 6: return EBADF;         // INVALID_HANDLE
    case 8:                       // NOT_ENOUGH_MEMORY
    case 14:                      // OUTOFMEMORY
    case 1450: return ENOMEM;     // NO_SYSTEM_RESOURCES
    case 19: return EROFS;        // WRITE_PROTECT
    case 32: return EBUSY;        // SHARING_VIOLATION
    case 33: return EAGAIN;       // LOCK_VIOLATION
    case 39:                      // HANDLE_DISK_FULL
    case 112: return ENOSPC;      // DISK_FULL
    case 1:                       // INVALID_FUNCTION
    case 50:                      // NOT_SUPPORTED
    case 120: return EOPNOTSUPP;  // CALL_NOT_IMPLEMENTED
    case 80:                      // FILE_EXISTS
    case 183: return EEXIST;      // ALREADY_EXISTS
    case 87:                      // INVALID_PARAMETER
    case 123: return EINVAL;      // INVALID_NAME
    case 206: return ENAMETOOLONG;
    case 267: return ENOTDIR;
    case 1314: return EPERM;  // PRIVILEGE_NOT_HELD
    default: return EIO;
  }
}

[[nodiscard]] inline int last_error() noexcept { return errno_of(::GetLastError()); }

// --- handles ---------------------------------------------------------------------------------------------------------

/// Owns a handle; null means none.
class ScopedHandle {
 public:
  explicit ScopedHandle(void* handle = nullptr) noexcept : handle_{handle} {}
  ScopedHandle(const ScopedHandle&) = delete;
  ScopedHandle& operator=(const ScopedHandle&) = delete;
  ~ScopedHandle() { reset(); }

  [[nodiscard]] void* get() const noexcept { return handle_; }
  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] void* release() noexcept {
    void* const handle = handle_;
    handle_ = nullptr;
    return handle;
  }
  void reset(void* handle = nullptr) noexcept {
    if (handle_ != nullptr) ::CloseHandle(handle_);
    handle_ = handle;
  }

 private:
  void* handle_;
};

/// Returns: `span` as `WaitForSingleObject` takes it; a negative one means at once, and none is infinite.
[[nodiscard]] constexpr Ulong wait_span(Milliseconds span) noexcept {
  constexpr std::int64_t longest = 1'000'000'000;
  return static_cast<Ulong>(span.count() < 0 ? 0 : (span.count() > longest ? longest : span.count()));
}

/// Waits until a process ends or an event or notification is signalled. Source: `WaitForSingleObject`.
[[nodiscard]] inline SysResult<bool> wait_for(void* handle, Milliseconds span) noexcept {
  constexpr Ulong timeout = 258;
  const Ulong result = ::WaitForSingleObject(handle, wait_span(span));
  if (result == 0 || result == timeout) return {result == 0, 0};
  return SysResult<bool>::failure(last_error());
}

}  // namespace genie::inline v0::windows_detail

#endif  // GENIE_WINDOWS_WIN32_HPP
