// The process-probe policy on Windows.
#ifndef GENIE_WINDOWS_PROCESS_PROBE_HPP
#define GENIE_WINDOWS_PROCESS_PROBE_HPP

#include <errno.h>
#include <string.h>

#include <cstddef>
#include <cstdint>

#include "genie/policy/process_probe.hpp"
#include "genie/windows/close_windows.hpp"
#include "genie/windows/names.hpp"
#include "genie/windows/own_user.hpp"
#include "genie/windows/win32.hpp"

namespace genie::inline v0 {

namespace windows_detail {

/// Source: "Process Security and Access Rights", "Job Object Security and Access Rights".
inline constexpr Ulong may_terminate = 0x0001;
inline constexpr Ulong may_query = 0x1000;
inline constexpr Ulong may_synchronize = 0x00100000;
inline constexpr Ulong job_may_query = 0x0004;
inline constexpr Ulong job_may_terminate = 0x0008;

/// What can be said of a PID when it could not be opened. "No permission" means that there is somebody.
[[nodiscard]] constexpr Observation seen_without_handle(Ulong error) noexcept {
  constexpr Ulong access_denied = 5;
  constexpr Ulong no_such_process = 87;
  Observation seen;
  if (error == no_such_process) {
    seen.liveness = Liveness::gone;
  } else {
    seen.liveness = error == access_denied ? Liveness::alive : Liveness::unknown;
    seen.error = errno_of(error);
  }
  return seen;
}

/// What an open process tells of itself. A start that cannot be read is unknown, and its process lives all the same.
[[nodiscard]] constexpr Observation seen_by_handle(bool has_ended, const StartToken& start) noexcept {
  Observation seen;
  seen.liveness = has_ended ? Liveness::gone : Liveness::alive;
  seen.zombie = has_ended;
  seen.start = start;
  if (!start.known) seen.error = EACCES;
  return seen;
}

}  // namespace windows_detail

/// Processes by handle and creation time. Nobody is told apart by a PID alone: Windows reuses them at once.
///
/// Groups: the job that a server made for itself (`WindowsJob`) is the group that it leads. Signals: `terminate` sets
/// the server's `WindowsStopEvent`; where it has none, its windows are closed (WM_CLOSE), and whoever has neither can't
/// be asked: ESRCH. (A console event can't be aimed: it would reach everybody who shares the console, unless the server
/// leads a group there, which nobody can ask for.) `kill` is `TerminateProcess`. Cgroups: there are none. Who holds a
/// lock can't be seen; it ends with its process.
/// Thread safety: one thread at a time.
class WindowsProcessProbe {
 public:
  /// PIDs are of type DWORD.
  static constexpr Pid pid_limit = UINT32_MAX;
  /// With which a process ends that was killed.
  static constexpr unsigned killed_status = 137;

  struct Handle {
    void* process = nullptr;
    void* job = nullptr;  ///< that it leads
    Pid pid = 0;
  };
  struct Cgroup {};

  /// Source: `GetCurrentProcessId`.
  [[nodiscard]] Pid self() noexcept { return static_cast<Pid>(::GetCurrentProcessId()); }

  /// A process that has ended and that somebody has open still is a zombie. Source: `OpenProcess`,
  /// `WaitForSingleObject`, `GetProcessTimes`.
  [[nodiscard]] Observation look(Pid pid) noexcept {
    using namespace windows_detail;
    Observation seen;
    if (pid <= 0 || pid > pid_limit) {
      seen.error = EINVAL;
      return seen;
    }
    ScopedHandle process{open_process(pid, may_query | may_synchronize)};
    if (!process.is_open()) {
      seen = seen_without_handle(::GetLastError());
      // Its times may be told nevertheless.
      process.reset(seen.liveness == Liveness::alive ? open_process(pid, may_query) : nullptr);
      if (process.is_open()) seen.start = start_of(process.get());
      if (seen.start.known) seen.error = 0;
      return seen;
    }
    // The system takes three numbers beside each PID for the same.
    if (static_cast<Pid>(::GetProcessId(process.get())) != pid) {
      seen.liveness = Liveness::gone;
      return seen;
    }
    const auto ended = wait_for(process.get(), Milliseconds{});
    seen = seen_by_handle(ended.ok() && ended.value, start_of(process.get()));
    seen.parent = parent_of(process.get(), seen.start);
    return seen;
  }

  /// START is an absolute time here, so that no boot is needed to tell two processes apart; where PIDs mean the same is
  /// the machine, or the container: a hash of its number and name.
  [[nodiscard]] ProcessOrigin origin() noexcept {
    ProcessOrigin origin;
    static const std::uint64_t machine = machine_number();
    origin.pid_namespace = machine;
    return origin;
  }

  /// Source: `NtQueryInformationToken`, TokenUser.
  [[nodiscard]] std::uint64_t user() noexcept {
    static const std::uint64_t own = windows_user(windows_detail::own_sid().get());
    return own;
  }

  /// Source: `RtlGenRandom`.
  [[nodiscard]] std::uint64_t random() noexcept {
    std::uint64_t value = 0;
    if (::SystemFunction036(&value, sizeof value) != 0) return value;
    std::int64_t now = 0;
    ::QueryPerformanceCounter(reinterpret_cast<_LARGE_INTEGER*>(&now));
    return static_cast<std::uint64_t>(now) ^ static_cast<std::uint64_t>(self()) << 32U;
  }

  /// As long as a handle is open, its PID is nobody else's. Source: `OpenProcess`.
  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    using namespace windows_detail;
    constexpr Ulong access_denied = 5;
    constexpr Ulong no_such_process = 87;
    if (pid <= 0 || pid > pid_limit) return SysResult<Handle>::failure(EINVAL);
    ScopedHandle process{open_process(pid, may_query | may_synchronize | may_terminate)};
    // Whoever may not be killed may be waited for.
    if (!process.is_open() && ::GetLastError() == access_denied) {
      process.reset(open_process(pid, may_query | may_synchronize));
    }
    if (!process.is_open()) {
      const Ulong error = ::GetLastError();
      return SysResult<Handle>::failure(error == no_such_process ? ESRCH : errno_of(error));
    }
    const auto ended = wait_for(process.get(), Milliseconds{});
    if (static_cast<Pid>(::GetProcessId(process.get())) != pid || (ended.ok() && ended.value)) {
      return SysResult<Handle>::failure(ESRCH);
    }
    Handle handle;
    handle.pid = pid;
    handle.job = job_of(process.get(), pid);
    handle.process = process.release();
    return {handle, 0};
  }

  /// Source: `SetEvent`, `PostMessageW`, `TerminateProcess`.
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept {
    const auto ended = windows_detail::wait_for(handle.process, Milliseconds{});
    if (ended.ok() && ended.value) return {ESRCH};
    if (signal == Signal::terminate) return {ask(handle.process, handle.pid) ? 0 : ESRCH};
    if (::TerminateProcess(handle.process, killed_status) != 0) return {};
    const int error = windows_detail::last_error();
    // One that is just ending can't be ended.
    const auto ends = windows_detail::wait_for(handle.process, Milliseconds{});
    return {ends.ok() && ends.value ? ESRCH : error};
  }

  /// Source: `OpenJobObjectW`.
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    const auto opened = open(pid);
    if (!opened.ok()) return false;
    const bool leads = opened.value.job != nullptr;
    close(opened.value);
    return leads;
  }

  /// Source: `TerminateJobObject`.
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    if (handle.job == nullptr || handle.pid != pid) return {ESRCH};
    if (!group_lives(handle, pid)) return {ESRCH};
    if (signal == Signal::kill) {
      return {::TerminateJobObject(handle.job, killed_status) != 0 ? 0 : windows_detail::last_error()};
    }
    // Who can't be asked is killed when the grace is over.
    for_each_member(handle.job, [&](Pid member) noexcept {
      const auto opened = open(member);
      if (!opened.ok()) return;
      if (member != self()) (void)ask(opened.value.process, member);
      close(opened.value);
    });
    return {};
  }

  /// Source: `QueryInformationJobObject`, JobObjectBasicAccountingInformation.
  [[nodiscard]] bool group_lives(const Handle& handle, Pid pid) noexcept {
    using namespace windows_detail;
    static const auto query_job = native<NtQueryInformationJobObject>("NtQueryInformationJobObject");
    constexpr std::int32_t accounting = 1;
    struct Accounting {
      std::int64_t times[4];
      std::uint32_t page_faults;
      std::uint32_t processes;
      std::uint32_t active;
      std::uint32_t terminated;
    } answer{};
    if (handle.job == nullptr || handle.pid != pid) return false;
    return query_job(handle.job, accounting, &answer, sizeof answer, nullptr) < 0 || answer.active > 0;
  }

  [[nodiscard]] std::size_t group_members(const Handle& handle, Pid pid, NamedProcess* out,
                                          std::size_t count) noexcept {
    std::size_t found = 0;
    if (handle.job == nullptr || handle.pid != pid) return 0;
    for_each_member(handle.job, [&](Pid member) noexcept {
      if (found < count) out[found++] = named_process(member);
    });
    return found;
  }

  /// Returns: EOPNOTSUPP.
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid) noexcept { return SysResult<Cgroup>::failure(EOPNOTSUPP); }
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup&, Signal) noexcept { return {EOPNOTSUPP}; }
  [[nodiscard]] bool cgroup_lives(const Cgroup&) noexcept { return false; }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup&, NamedProcess*, std::size_t) noexcept { return 0; }
  void close_cgroup(const Cgroup&) noexcept {}

  /// Source: `WaitForSingleObject`.
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    return windows_detail::wait_for(handle.process, span);
  }
  void close(const Handle& handle) noexcept {
    if (handle.job != nullptr) ::CloseHandle(handle.job);
    if (handle.process != nullptr) ::CloseHandle(handle.process);
  }

  /// Returns: false. Windows tells of no locks.
  [[nodiscard]] bool holds_lock(Pid, FileIdentity, std::uint64_t) noexcept { return false; }
  [[nodiscard]] std::size_t lock_holders(FileIdentity, std::uint64_t, LockHolder*, std::size_t) noexcept { return 0; }

 private:
  static void* open_process(Pid pid, windows_detail::Ulong access) noexcept {
    return ::OpenProcess(access, 0, static_cast<windows_detail::Ulong>(pid));
  }

  /// A PID that Windows gives as a parent's may have been reused since: then whoever has it is younger than the child.
  static Pid parent_of(void* process, const StartToken& start) noexcept {
    using namespace windows_detail;
    static const auto query_process = native<NtQueryInformationProcess>("NtQueryInformationProcess");
    constexpr std::int32_t basic = 0;
    struct Basic {
      std::intptr_t status;
      void* environment;
      std::uintptr_t affinity;
      std::intptr_t priority;
      std::uintptr_t pid;
      std::uintptr_t parent;
    } answer{};
    if (!start.known || query_process(process, basic, &answer, sizeof answer, nullptr) < 0 || answer.parent == 0) {
      return 0;
    }
    const auto parent = static_cast<Pid>(answer.parent);
    const ScopedHandle opened{open_process(parent, may_query)};
    if (!opened.is_open()) return 0;
    const StartToken older = start_of(opened.get());
    return older.known && older.value <= start.value ? parent : 0;
  }

  static std::uint64_t machine_number() noexcept {
    using windows_detail::Ulong;
    wchar_t text[160]{};
    constexpr Ulong as_string = 0x00000002;
    constexpr Ulong of_64_bits = 0x00010000;
    constexpr std::size_t half = 80;
    Ulong bytes = half * sizeof(wchar_t);
    const auto local_machine =
        reinterpret_cast<GenieKey>(static_cast<std::intptr_t>(static_cast<std::int32_t>(0x80000002)));
    (void)::RegGetValueW(local_machine, L"SOFTWARE\\Microsoft\\Cryptography", L"MachineGuid", as_string | of_64_bits,
                         nullptr, text, &bytes);
    Ulong length = half;
    (void)::GetComputerNameW(text + half, &length);
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (const wchar_t c : text) hash = (hash ^ static_cast<std::uint64_t>(c)) * 1099511628211U;
    return hash | 1U;
  }

  /// Asks the process that is open as `process` to end. Returns: whether it could be asked.
  static bool ask(void* process, Pid pid) noexcept {
    using namespace windows_detail;
    constexpr Ulong may_set = 0x0002;
    constexpr Ulong file_not_found = 2;
    const StartToken start = start_of(process);
    if (start.known) {
      const ScopedHandle event{::OpenEventW(may_set, 0, ObjectName{"stop", {pid, start}}.get())};
      if (event.is_open()) return ::SetEvent(event.get()) != 0;
      // It listens, but not to us.
      if (::GetLastError() != file_not_found) return false;
    }
    return close_windows_of(static_cast<Ulong>(pid));
  }

  /// Returns: the job that the process leads, and that we are not in, to be closed by the caller; null where there is
  /// none.
  static void* job_of(void* process, Pid pid) noexcept {
    using namespace windows_detail;
    const StartToken start = start_of(process);
    if (!start.known) return nullptr;
    ScopedHandle job{::OpenJobObjectW(job_may_query | job_may_terminate, 0, ObjectName{"job", {pid, start}}.get())};
    if (!job.is_open()) return nullptr;
    // Anybody can make a job of that name, but not put the process into it.
    bool has_it = false;
    bool has_us = false;
    for_each_member(job.get(), [&](Pid member) noexcept {
      has_it = has_it || member == pid;
      has_us = has_us || member == static_cast<Pid>(::GetCurrentProcessId());
    });
    return has_it && !has_us ? job.release() : nullptr;
  }

  /// Of the first 512. Source: `QueryInformationJobObject`, JobObjectBasicProcessIdList.
  template <typename Visit>
  static void for_each_member(void* job, Visit&& visit) noexcept {
    using namespace windows_detail;
    static const auto query_job = native<NtQueryInformationJobObject>("NtQueryInformationJobObject");
    constexpr std::int32_t process_list = 3;
    constexpr Status more = static_cast<Status>(0x80000005);
    struct List {
      std::uint32_t assigned;
      std::uint32_t listed;
      std::uintptr_t pids[512];
    } list{};
    const Status status = query_job(job, process_list, &list, sizeof list, nullptr);
    if (status < 0 && status != more) return;
    for (std::uint32_t at = 0; at < list.listed && at < 512; ++at) visit(static_cast<Pid>(list.pids[at]));
  }

  NamedProcess named_process(Pid pid) noexcept {
    using namespace windows_detail;
    constexpr unsigned utf8 = 65001;
    NamedProcess process;
    process.pid = pid;
    const ScopedHandle opened{open_process(pid, may_query)};
    if (!opened.is_open()) return process;
    process.start = start_of(opened.get());
    wchar_t path[1024];
    Ulong size = 1024;
    if (::QueryFullProcessImageNameW(opened.get(), 0, path, &size) == 0) return process;
    Ulong at = size;
    while (at > 0 && path[at - 1] != L'\\') --at;
    char name[1024];
    const int length =
        ::WideCharToMultiByte(utf8, 0, path + at, static_cast<int>(size - at), name, sizeof name, nullptr, nullptr);
    if (length > 0) process.name.append(Text{name, static_cast<std::size_t>(length)}.first(31));
    return process;
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_PROCESS_PROBE_HPP
