// The process-probe policy as macOS and FreeBSD share it: processes by the kernel's tables, pinned by a kqueue.
// Never executed on these systems by this project; on Linux its tests run it over a small kqueue of their own.
//
// What a handle is. A kqueue is registered for the end of the process *first*; the start time that the PID has is read
// *after*. The kernel tells the end of the very process that was registered, whatever becomes of its number. So as long
// as the queue has told nothing, the number is that process's, and its start time is the one that was read.
//
// What it can't do. There is no way to signal a process but by its number (macOS has a better one, see there). Between
// the look at the queue and kill(2), the process could end, be reaped, and its number be given to another one: all PIDs
// would have to be used up within microseconds, because both kernels hand them out in turn. (With FreeBSD's
// kern.randompid they come at random, and one within 10⁵ could hit.) No such process is ever signalled after its end
// was told. A group is signalled only while its leader exists, running or not reaped: its number is the group's then.
#ifndef GENIE_BSD_PROCESS_PROBE_HPP
#define GENIE_BSD_PROCESS_PROBE_HPP

// On other systems, this is only for tests that bring a <sys/event.h>.
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(GENIE_TEST_KQUEUE)

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/bsd/kqueue.hpp"
#include "genie/posix/processes.hpp"

namespace genie::inline v0::bsd_detail {

/// What the kernel's table says of one process.
struct ProcessEntry {
  Pid pid = 0;
  Pid parent = 0;
  Pid group = 0;
  bool zombie = false;
  StartToken start;
  FixedText<31> name;
};

struct ProcessHandle {
  int descriptor = -1;  ///< a kqueue, readable once the process has ended
  Pid pid = 0;
  StartToken start;
  std::uint64_t serial = 0;  ///< the system's own number of this process, which none has again; 0: it has none
};

/// What differs from one system to the other is `System`:
///
/// | member                          | what it is                                                                    |
/// |---------------------------------|-------------------------------------------------------------------------------|
/// | `read(pid, entry)`              | 0; ESRCH where there is none that we may see; errno                           |
/// | `hides_processes()`             | whether ESRCH may be said of one that lives                                   |
/// | `group(pid, visit)`             | calls `visit(entry)` for each member, until it says false; errno, also where it can't tell of all |
/// | `serial(pid)`                   | see `ProcessHandle`                                                           |
/// | `signal(handle, number)`        | errno of signalling that very process, as well as the system can              |
/// | `boot()`, `pid_namespace()`     | as in `ProcessOrigin`                                                         |
/// | `random()`                      | as in the policy                                                              |
///
/// Remembers its own process's origin, per PID, because it cannot change, once it could learn it. Thread safety: one
/// thread at a time.
template <typename System>
class ProcessProbe : public posix_detail::Processes {
 public:
  using Handle = ProcessHandle;
  struct Cgroup {};

  [[nodiscard]] Observation look(Pid pid) noexcept {
    Observation seen;
    if (pid <= 0 || pid > pid_limit) {
      seen.error = EINVAL;
      return seen;
    }
    ProcessEntry entry;
    const int error = System::read(pid, entry);
    if (error == 0) {
      seen.zombie = entry.zombie;
      seen.liveness = entry.zombie ? Liveness::gone : Liveness::alive;
      seen.start = entry.start;
      seen.parent = entry.parent;
      const pid_t session = ::getsid(static_cast<pid_t>(pid));
      seen.session = session > 0 ? session : 0;
      return seen;
    }
    ask_by_signal(pid, error, seen);
    if (seen.liveness == Liveness::gone && System::hides_processes()) {
      seen.liveness = Liveness::unknown;
      seen.error = EPERM;
    }
    return seen;
  }

  [[nodiscard]] StartToken own_start() noexcept { return look(self()).start; }

  [[nodiscard]] ProcessOrigin origin() noexcept {
    if (const Pid now = self(); learned_by_ != now) {
      origin_.boot = System::boot();
      origin_.pid_namespace = System::pid_namespace();
      // What could not be learnt, for want of memory perhaps, is asked again.
      learned_by_ = origin_.boot.empty() || origin_.pid_namespace == 0 ? 0 : now;
    }
    return origin_;
  }

  [[nodiscard]] std::uint64_t random() noexcept { return System::random(); }

  /// Source: `kqueue(2)`, EVFILT_PROC. macOS says ESRCH of a process that was not reaped yet, FreeBSD does not.
  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    if (pid <= 0 || pid > pid_limit) return SysResult<Handle>::failure(EINVAL);
    const auto queue = watch_process(static_cast<pid_t>(pid));
    if (!queue.ok()) return SysResult<Handle>::failure(queue.error);
    Handle handle;
    handle.descriptor = queue.value;
    handle.pid = pid;
    ProcessEntry entry;
    if (System::read(pid, entry) == 0) handle.start = entry.start;
    handle.serial = System::serial(pid);
    // Asked last: what was read is its own, unless it has ended meanwhile.
    if (has_ended(handle)) {
      handle.start = StartToken{};
      handle.serial = 0;
    }
    return {handle, 0};
  }

  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept {
    if (has_ended(handle)) return {ESRCH};
    return {System::signal(handle, number(signal))};
  }

  /// Source: `kill(2)`.
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    if (pid <= 1 || pid > pid_limit) return SysResult<void>::failure(EINVAL);
    if (!is_there(handle, pid)) return SysResult<void>::failure(ENOSYS);
    if (::kill(-static_cast<pid_t>(pid), number(signal)) != 0) return SysResult<void>::failure(errno);
    return {};
  }

  [[nodiscard]] bool group_lives(const Handle&, Pid pid) noexcept {
    if (pid <= 1 || pid > pid_limit) return false;
    bool lives = false;
    const int error = System::group(pid, [&](const ProcessEntry& member) noexcept {
      lives = !member.zombie;
      return !lives;
    });
    if (lives || error == 0) return lives;
    return ::kill(-static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
  }
  [[nodiscard]] std::size_t group_members(const Handle&, Pid pid, NamedProcess* out, std::size_t count) noexcept {
    std::size_t found = 0;
    if (pid <= 1 || pid > pid_limit || count == 0) return 0;
    (void)System::group(pid, [&](const ProcessEntry& member) noexcept {
      if (!member.zombie) out[found++] = {member.pid, member.start, member.name};
      return found < count;
    });
    return found;
  }

  /// There are no cgroups.
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid) noexcept { return SysResult<Cgroup>::failure(EOPNOTSUPP); }
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup&, Signal) noexcept { return {EOPNOTSUPP}; }
  [[nodiscard]] bool cgroup_lives(const Cgroup&) noexcept { return true; }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup&, NamedProcess*, std::size_t) noexcept { return 0; }
  void close_cgroup(const Cgroup&) noexcept {}

  /// A kqueue is readable while it has something to tell. Source: `kqueue(2)`, `poll(2)`.
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    return posix_detail::wait_readable(handle.descriptor, span);
  }
  void close(const Handle& handle) noexcept {
    if (handle.descriptor >= 0) ::close(handle.descriptor);
  }

  /// Neither system tells whose descriptor has a lock: FreeBSD's KF_FLAG_HASLOCK is also set by an attempt that failed,
  /// macOS tells nothing. So nobody is named, and nobody is ended as an orphan.
  [[nodiscard]] bool holds_lock(Pid, FileIdentity, std::uint64_t) noexcept { return false; }
  [[nodiscard]] std::size_t lock_holders(FileIdentity, std::uint64_t, LockHolder*, std::size_t) noexcept { return 0; }

 private:
  /// Where that can't be asked, it is taken for ended: nobody is signalled then.
  static bool has_ended(const Handle& handle) noexcept {
    for (;;) {
      const auto told = posix_detail::wait_readable(handle.descriptor, Milliseconds{0});
      if (told.error != EINTR) return !told.ok() || told.value;
    }
  }

  /// Whether the pinned process still has its number: running, or not reaped yet.
  static bool is_there(const Handle& handle, Pid pid) noexcept {
    if (handle.pid != pid) return false;
    if (!has_ended(handle)) return true;
    ProcessEntry entry;
    return handle.start.known && System::read(pid, entry) == 0 && entry.zombie && entry.start == handle.start;
  }

  Pid learned_by_ = 0;
  ProcessOrigin origin_;
};

}  // namespace genie::inline v0::bsd_detail

#endif

#endif  // GENIE_BSD_PROCESS_PROBE_HPP
