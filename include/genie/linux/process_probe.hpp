// The process-probe policy on Linux.
#ifndef GENIE_LINUX_PROCESS_PROBE_HPP
#define GENIE_LINUX_PROCESS_PROBE_HPP

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/linux/descriptor.hpp"
#include "genie/policy/process_probe.hpp"

namespace genie::inline v0 {

/// What `/proc/PID/stat` says, as far as genie asks. Source: `proc_pid_stat(5)`.
struct LinuxProcessStat {
  char state = '?';
  std::uint64_t parent = 0;
  std::uint64_t group = 0;
  std::uint64_t session = 0;
  std::uint64_t threads = 0;
  StartToken start;
};

/// A leader that ended before its other threads looks like a zombie, and is none.
[[nodiscard]] constexpr bool has_ended(const LinuxProcessStat& stat) noexcept {
  return (stat.state == 'Z' || stat.state == 'X' || stat.state == 'x') && stat.threads <= 1;
}

/// Reads a line of `/proc/PID/stat`. The command name may contain anything, so parsing begins after the last `)`.
/// Returns: whether state (field 3), ppid (4), pgrp (5), session (6), num_threads (20) and starttime (22) were all
/// there.
[[nodiscard]] constexpr bool parse_process_stat(Text line, LinuxProcessStat& result) noexcept {
  std::size_t after_name = line.size();
  while (after_name > 0 && line[after_name - 1] != ')') --after_name;
  if (after_name == 0) return false;
  Text rest = trimmed(line.after(after_name));
  LinuxProcessStat parsed;
  for (int field = 3; field <= 22; ++field) {
    const Text value = take_field(rest, ' ');
    if (field == 3) {
      if (value.size() != 1) return false;
      parsed.state = value[0];
    } else if (field == 4 || field == 5 || field == 6) {
      std::uint64_t& number = field == 4 ? parsed.parent : (field == 5 ? parsed.group : parsed.session);
      if (!parse_decimal(value, INT32_MAX, number)) return false;
    } else if (field == 20) {
      if (!parse_decimal(value, UINT64_MAX, parsed.threads)) return false;
    } else if (field == 22) {
      if (!parse_decimal(value, UINT64_MAX, parsed.start.value)) return false;
      parsed.start.known = true;
    }
  }
  result = parsed;
  return true;
}

/// Whether `/proc/PID/status` gives more than one number of the process: then that /proc belongs to a PID namespace
/// above the process's own. Kernels before 4.1 don't say. Source: `proc_pid_status(5)`, NSpid.
[[nodiscard]] constexpr bool is_seen_from_above(Text status) noexcept {
  while (!status.empty()) {
    const Text line = take_line(status);
    if (!line.starts_with("NSpid:")) continue;
    const Text numbers = trimmed(line.after(6));
    return numbers.find('\t') != numbers.size();
  }
  return false;
}

/// Processes through /proc and pidfds (Linux 5.3; without them `open` answers ENOSYS and nothing is ever signalled).
/// Remembers its own process's origin, per PID, because it cannot change. Thread safety: one thread at a time.
class LinuxProcessProbe {
 public:
  /// PIDs are of type `pid_t`; the kernel's own limit is lower, `proc_sys_kernel(5)`, pid_max.
  static constexpr Pid pid_limit = INT32_MAX;

  struct Handle {
    int descriptor = -1;
  };

  /// Source: `getpid(2)`.
  [[nodiscard]] Pid self() noexcept { return ::getpid(); }

  /// Source: `proc_pid_stat(5)`, `kill(2)`.
  [[nodiscard]] Observation look(Pid pid) noexcept {
    Observation seen;
    if (pid <= 0 || pid > pid_limit) {
      seen.error = EINVAL;
      return seen;
    }
    learn_origin();
    int proc_error = ENOENT;
    if (proc_is_ours_) {
      LinuxProcessStat stat;
      proc_error = read_stat(pid, stat);
      if (proc_error == 0) {
        seen.zombie = has_ended(stat);
        seen.liveness = seen.zombie ? Liveness::gone : Liveness::alive;
        seen.start = stat.start;
        seen.parent = static_cast<Pid>(stat.parent);
        seen.session = static_cast<Pid>(stat.session);
        return seen;
      }
    }
    // Hidden (hidepid, no /proc) or gone: the kernel tells which, and EPERM means there is somebody.
    if (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM) {
      seen.liveness = Liveness::alive;
      seen.error = proc_error;
    } else if (errno == ESRCH) {
      seen.liveness = Liveness::gone;
    } else {
      seen.error = errno;
    }
    return seen;
  }

  /// The PID alone does not tell a child that was forked into a new namespace and has the same number there.
  /// Source: `proc_sys_kernel(5)`, `pid_namespaces(7)`.
  [[nodiscard]] ProcessOrigin origin() noexcept {
    learn_origin();
    struct ::stat info{};
    ProcessOrigin origin;
    origin.boot = boot_;
    if (proc_is_ours_ && ::stat("/proc/self/ns/pid", &info) == 0) origin.pid_namespace = info.st_ino;
    return origin;
  }

  /// Source: `geteuid(2)`.
  [[nodiscard]] std::uint64_t user() noexcept { return ::geteuid(); }

  /// Source: `getrandom(2)`; where it is not to be had, the address and time of the call must do.
  [[nodiscard]] std::uint64_t random() noexcept {
    std::uint64_t value = 0;
    if (::syscall(SYS_getrandom, &value, sizeof value, 0U) == static_cast<long>(sizeof value)) return value;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    value = static_cast<std::uint64_t>(now.tv_nsec) ^ (static_cast<std::uint64_t>(::getpid()) << 32U);
    return value ^ static_cast<std::uint64_t>(now.tv_sec);
  }

  /// Source: `pidfd_open(2)`. For a thread that is no process it answers EINVAL, or ENOENT since Linux 6.9.
  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    if (pid <= 0 || pid > pid_limit) return SysResult<Handle>::failure(EINVAL);
    const long descriptor = ::syscall(pidfd_open_number, static_cast<pid_t>(pid), 0U);
    if (descriptor < 0) return SysResult<Handle>::failure(errno == EINVAL || errno == ENOENT ? ESRCH : errno);
    return {Handle{static_cast<int>(descriptor)}, 0};
  }

  /// Source: `pidfd_send_signal(2)`.
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept { return send(handle, signal, 0); }

  /// Source: `getpgid(2)`. A signal to a group that we are in would reach us, too.
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    return pid > 1 && ::getpgrp() != static_cast<pid_t>(pid) && pid <= pid_limit &&
           ::getpgid(static_cast<pid_t>(pid)) == static_cast<pid_t>(pid);
  }

  /// PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9) reaches the group of the pinned process, even when it has ended. Before
  /// that there is only `kill(2)` with a number, which is the right one as long as its leader was not reaped.
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    constexpr unsigned process_group = 1U << 2U;
    if (pid <= 1 || pid > pid_limit) return SysResult<void>::failure(EINVAL);
    auto sent = send(handle, signal, process_group);
    if (sent.error != EINVAL) return sent;
    if (!send_number(handle, 0, 0).ok()) return SysResult<void>::failure(ENOSYS);
    if (::kill(-static_cast<pid_t>(pid), number(signal)) != 0) return SysResult<void>::failure(errno);
    return {};
  }

  /// The kernel counts zombies as members, so the leader that nobody has reaped yet hides whether others are left; then
  /// only /proc tells. Source: `kill(2)`, `proc_pid_stat(5)`.
  [[nodiscard]] bool group_lives(const Handle& handle, Pid pid) noexcept {
    constexpr unsigned process_group = 1U << 2U;
    if (pid <= 1 || pid > pid_limit) return false;
    auto asked = send_number(handle, 0, process_group);
    if (asked.error == EINVAL && ::kill(-static_cast<pid_t>(pid), 0) != 0) asked.error = errno;
    if (asked.error == ESRCH) return false;
    learn_origin();
    if (!proc_is_ours_) return asked.ok();
    const linux_detail::ScopedDescriptor proc{::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!proc.is_open()) return asked.ok();
    bool lives = false;
    (void)linux_detail::for_each_entry(proc.get(), [&](Text name) noexcept {
      std::uint64_t member = 0;
      LinuxProcessStat stat;
      if (lives || !parse_decimal(name, static_cast<std::uint64_t>(pid_limit), member)) return;
      if (read_stat(static_cast<Pid>(member), stat) != 0) return;
      lives = stat.group == static_cast<std::uint64_t>(pid) && !has_ended(stat);
    });
    return lives;
  }

  /// A pidfd becomes readable when its process ends. Source: `pidfd_open(2)`, `poll(2)`.
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    return linux_detail::wait_readable(handle.descriptor, span);
  }
  void close(const Handle& handle) noexcept {
    if (handle.descriptor >= 0) ::close(handle.descriptor);
  }

  /// Source: `proc_pid_fd(5)`, `proc_pid_fdinfo(5)`. Sees only processes that we may inspect.
  [[nodiscard]] bool holds_lock(Pid pid, FileIdentity file, std::uint64_t offset) noexcept {
    learn_origin();
    if (!proc_is_ours_ || pid <= 0) return false;
    FixedText<64> path{"/proc/"};
    path.append_number(static_cast<std::uint64_t>(pid)).append("/fd");
    const linux_detail::ScopedDescriptor descriptors{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!descriptors.is_open()) return false;
    bool holds = false;
    (void)linux_detail::for_each_entry(descriptors.get(), [&](Text name) noexcept {
      struct ::stat info{};
      if (holds || ::fstatat(descriptors.get(), name.data(), &info, 0) != 0) return;
      const FileIdentity seen{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
      if (seen != file) return;
      FixedText<64> details{"/proc/"};
      details.append_number(static_cast<std::uint64_t>(pid)).append("/fdinfo/").append(name);
      FixedText<1024> content;
      if (!linux_detail::read_small_file(details.c_str(), content).ok()) return;
      for (Text rest = content; !rest.empty();) holds = is_lock_on(take_line(rest), offset) || holds;
    });
    return holds;
  }

  [[nodiscard]] std::size_t lock_holders(FileIdentity file, std::uint64_t offset, LockHolder* out,
                                         std::size_t count) noexcept {
    std::size_t found = 0;
    learn_origin();
    if (!proc_is_ours_) return 0;
    const linux_detail::ScopedDescriptor proc{::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!proc.is_open()) return 0;
    (void)linux_detail::for_each_entry(proc.get(), [&](Text name) noexcept {
      std::uint64_t pid = 0;
      if (found == count || !parse_decimal(name, static_cast<std::uint64_t>(pid_limit), pid)) return;
      if (!holds_lock(static_cast<Pid>(pid), file, offset)) return;
      const StartToken start = look(static_cast<Pid>(pid)).start;
      // Asked again: if its PID was reused meanwhile, this start is a stranger's.
      if (!holds_lock(static_cast<Pid>(pid), file, offset)) return;
      LockHolder& holder = out[found++];
      holder = LockHolder{};
      holder.pid = static_cast<Pid>(pid);
      holder.start = start;
      FixedText<64> path{"/proc/"};
      path.append(name).append("/comm");
      FixedText<64> command;
      if (linux_detail::read_small_file(path.c_str(), command).ok()) holder.name.append(trimmed(command));
    });
    return found;
  }

 private:
#if defined(SYS_pidfd_open)
  static constexpr long pidfd_open_number = SYS_pidfd_open;
  static constexpr long pidfd_send_signal_number = SYS_pidfd_send_signal;
#else
  static constexpr long pidfd_open_number = 434;
  static constexpr long pidfd_send_signal_number = 424;
#endif

  static int number(Signal signal) noexcept {
    switch (signal) {
      case Signal::terminate: return SIGTERM;
      case Signal::kill: return SIGKILL;
    }
    return 0;
  }

  static SysResult<void> send(const Handle& handle, Signal signal, unsigned flags) noexcept {
    return send_number(handle, number(signal), flags);
  }
  static SysResult<void> send_number(const Handle& handle, int number, unsigned flags) noexcept {
    const long result = ::syscall(pidfd_send_signal_number, handle.descriptor, number, nullptr, flags);
    return result == 0 ? SysResult<void>{} : SysResult<void>::failure(errno);
  }

  /// The file below task/ costs the same however many threads there are. Returns: 0, or errno.
  static int read_stat(Pid pid, LinuxProcessStat& stat) noexcept {
    FixedText<64> path{"/proc/"};
    path.append_number(static_cast<std::uint64_t>(pid)).append("/task/");
    path.append_number(static_cast<std::uint64_t>(pid)).append("/stat");
    FixedText<1024> line;
    const auto count = linux_detail::read_small_file(path.c_str(), line);
    if (!count.ok()) return count.error;
    return parse_process_stat(line, stat) ? 0 : EBADMSG;
  }

  void learn_origin() noexcept {
    const Pid now = self();
    if (learned_by_ == now) return;
    learned_by_ = now;
    boot_.clear();
    FixedText<64> boot;
    if (linux_detail::read_small_file("/proc/sys/kernel/random/boot_id", boot).ok()) boot_.append(trimmed(boot));
    // A /proc of another PID namespace speaks of other processes by the same numbers.
    char link[24];
    const ssize_t length = ::readlink("/proc/self", link, sizeof link);
    std::uint64_t pid = 0;
    proc_is_ours_ = length > 0 && parse_decimal({link, static_cast<std::size_t>(length)}, INT32_MAX, pid) &&
                    static_cast<Pid>(pid) == now;
    // We may have the same number in both.
    FixedText<4096> numbers;
    if (proc_is_ours_ && linux_detail::read_small_file("/proc/self/status", numbers).ok()) {
      proc_is_ours_ = !is_seen_from_above(numbers);
    }
  }

  /// Reads a line such as `lock: 1: OFDLCK ADVISORY WRITE -1 fe:00:42 1073741824 1073741825` of fdinfo; the last two
  /// fields are the first and the last byte, or EOF.
  static bool is_lock_on(Text line, std::uint64_t offset) noexcept {
    if (!line.starts_with("lock:")) return false;
    Text fields[3];  // the last three
    bool writes = false;
    for (Text rest = trimmed(line.after(5)); !rest.empty(); rest = trimmed(rest)) {
      fields[0] = fields[1];
      fields[1] = fields[2];
      fields[2] = take_field(rest, ' ');
      writes = writes || fields[2] == Text{"WRITE"};
    }
    std::uint64_t first = 0;
    std::uint64_t last = UINT64_MAX;
    if (!writes || !parse_decimal(fields[1], UINT64_MAX, first)) return false;
    if (fields[2] != Text{"EOF"} && !parse_decimal(fields[2], UINT64_MAX, last)) return false;
    return first <= offset && offset <= last;
  }

  Pid learned_by_ = 0;
  bool proc_is_ours_ = false;
  BootId boot_;
};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_PROCESS_PROBE_HPP
