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

#include "genie/language.hpp"
#include "genie/linux/cgroup.hpp"
#include "genie/linux/descriptor.hpp"
#include "genie/linux/process_mark.hpp"
#include "genie/linux/process_stat.hpp"
#include "genie/posix/file_status.hpp"
#include "genie/posix/processes.hpp"

namespace genie::inline v0 {

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
/// Remembers its own process's origin and start, because they cannot change, once it could learn them; a forked child
/// learns its own, also where it has the same number in another PID namespace. Thread safety: one thread at a time.
class LinuxProcessProbe : public posix_detail::Processes {
 public:
  struct Handle {
    int descriptor = -1;
  };
  struct Cgroup {
    int directory = -1;
  };

  /// Source: `proc_pid_stat(5)`, `kill(2)`.
  [[nodiscard]] Observation look(Pid pid) noexcept {
    Observation seen;
    if (pid <= 0 || pid > pid_limit) {
      seen.error = EINVAL;
      return seen;
    }
    learn_origin();
    if (start_.known && pid == learned_by_) return myself();
    int proc_error = ENOENT;
    if (proc_is_ours_) {
      LinuxProcessStat stat;
      proc_error = linux_detail::read_stat(pid, stat);
      if (proc_error == 0) {
        seen.zombie = has_ended(stat);
        seen.liveness = seen.zombie ? Liveness::gone : Liveness::alive;
        seen.start = stat.start;
        seen.parent = static_cast<Pid>(stat.parent);
        seen.session = static_cast<Pid>(stat.session);
        if (pid == learned_by_ && mark_ != 0) start_ = stat.start;
        return seen;
      }
    }
    // Hidden (hidepid, no /proc) or gone: the kernel tells which.
    ask_by_signal(pid, proc_error, seen);
    return seen;
  }

  /// Source: `proc_sys_kernel(5)`, `pid_namespaces(7)`.
  [[nodiscard]] ProcessOrigin origin() noexcept {
    learn_origin();
    // The PID alone does not tell a child that was forked into a new namespace and has the same number there. And what
    // could not be seen once may be seen now.
    if (proc_is_ours_ && (mark_ == 0 || origin_.pid_namespace == 0)) origin_.pid_namespace = own_pid_namespace();
    return origin_;
  }

  /// `origin` has forgotten it where this is a child of whoever learned it.
  [[nodiscard]] StartToken own_start() noexcept { return start_.known ? start_ : look(self()).start; }

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
    const auto moved = posix_detail::above_standard_streams(static_cast<int>(descriptor));
    return {Handle{moved.value}, moved.error};
  }

  /// Source: `pidfd_send_signal(2)`.
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept { return send(handle, signal, 0); }

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
    if (!proc_is_ours_) return true;
    bool lives = false;
    const auto listed = for_each_in_group(pid, [&](Pid, const StartToken&) noexcept {
      lives = true;
      return false;
    });
    return lives || !listed.ok();
  }
  /// Source: `proc_pid_stat(5)`.
  [[nodiscard]] std::size_t group_members(const Handle& handle, Pid pid, NamedProcess* out,
                                          std::size_t count) noexcept {
    std::size_t found = 0;
    if (count == 0 || !group_lives(handle, pid)) return 0;
    (void)for_each_in_group(pid, [&](Pid member, const StartToken& start) noexcept {
      out[found++] = linux_detail::named_process(member, start);
      return found < count;
    });
    return found;
  }

  /// Its own is one in which nobody is who was there before it, so that what else is in it was started by it or by
  /// those that it started. The path that /proc tells is believed only where the process is found there: it may be told
  /// as another cgroup namespace sees it. Source: `cgroups(7)`, `cgroup_namespaces(7)`.
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid pid) noexcept {
    using namespace linux_detail;
    if (pid <= 0 || pid > pid_limit) return SysResult<Cgroup>::failure(EINVAL);
    learn_origin();
    if (!proc_is_ours_) return SysResult<Cgroup>::failure(EOPNOTSUPP);
    LinuxProcessStat leader;
    int error = linux_detail::read_stat(pid, leader);
    CgroupPath path;
    CgroupPath own;
    if (error == 0) error = read_cgroup_path(pid, path);
    if (error == 0) error = read_cgroup_path(self(), own);
    if (error != 0) return SysResult<Cgroup>::failure(says_gone(error) ? ESRCH : error);
    if (lies_in(own, path)) return SysResult<Cgroup>::failure(EDEADLK);
    const auto opened = open_cgroup_directory(path);
    if (!opened.ok()) return SysResult<Cgroup>::failure(opened.error);
    bool is_in_it = false;
    bool is_its_own = true;
    const auto listed = for_each_in_cgroup(opened.value, [&](Pid member) noexcept {
      LinuxProcessStat stat;
      const int unseen = member == 0 ? EPERM : linux_detail::read_stat(member, stat);
      if (member == pid) {
        is_in_it = true;
      } else if (!says_gone(unseen) && (unseen != 0 || stat.start.value < leader.start.value)) {
        is_its_own = false;
      }
    });
    error = listed.error;
    if (error == 0 && !is_in_it) error = EXDEV;
    if (error == 0 && !is_its_own) error = EBUSY;
    // Older kernels have no such file.
    if (error == 0 && ::faccessat(opened.value, "cgroup.kill", W_OK, AT_EACCESS) != 0) {
      error = errno == ENOENT ? EOPNOTSUPP : errno;
    }
    if (error == 0) return {Cgroup{opened.value}, 0};
    ::close(opened.value);
    return SysResult<Cgroup>::failure(error);
  }

  /// Source: `cgroups(7)`, cgroup.kill (Linux 5.14); `pidfd_send_signal(2)`.
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup& cgroup, Signal signal) noexcept {
    if (signal == Signal::kill) {
      const int error = linux_detail::kill_cgroup(cgroup.directory);
      return {linux_detail::says_gone(error) ? ESRCH : error};
    }
    int result = ESRCH;
    // Who is there and could not be asked is not taken for nobody.
    const auto add = [&](int error) noexcept {
      if (error == 0 || (result == ESRCH && !linux_detail::says_gone(error))) result = error;
    };
    const auto listed = linux_detail::for_each_in_cgroup(cgroup.directory, [&](Pid member) noexcept {
      if (member == self()) return;
      const auto opened = open(member);
      if (!opened.ok()) return add(opened.error);
      // Whoever has the number still is in it, so it was in it when it was pinned, or has ended since.
      bool is_still_there = false;
      const auto found = linux_detail::for_each_in_cgroup(
          cgroup.directory, [&](Pid again) noexcept { is_still_there = is_still_there || again == member; });
      if (is_still_there) {
        add(this->signal(opened.value, signal).error);
      } else if (!found.ok()) {
        add(found.error);
      }
      close(opened.value);
    });
    if (!listed.ok()) add(listed.error);
    return {result};
  }

  /// Source: `cgroups(7)`, cgroup.events.
  [[nodiscard]] bool cgroup_lives(const Cgroup& cgroup) noexcept {
    return linux_detail::is_populated(cgroup.directory);
  }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup& cgroup, NamedProcess* out, std::size_t count) noexcept {
    std::size_t found = 0;
    (void)linux_detail::for_each_in_cgroup(cgroup.directory, [&](Pid member) noexcept {
      if (member != 0 && found < count) out[found++] = linux_detail::named_process(member, look(member).start);
    });
    return found;
  }
  void close_cgroup(const Cgroup& cgroup) noexcept {
    if (cgroup.directory >= 0) ::close(cgroup.directory);
  }

  /// A pidfd becomes readable when its process ends. Source: `pidfd_open(2)`, `poll(2)`.
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    return linux_detail::wait_readable(handle.descriptor, span);
  }
  void close(const Handle& handle) noexcept {
    if (handle.descriptor >= 0) ::close(handle.descriptor);
  }

  /// Source: `proc_pid_fd(5)`, `proc_pid_fdinfo(5)`. Sees only processes that we may inspect.
  [[nodiscard]] GENIE_COMPACT bool holds_lock(Pid pid, FileIdentity file, std::uint64_t offset) noexcept {
    learn_origin();
    if (!proc_is_ours_ || pid <= 0) return false;
    FixedText<64> path{"/proc/"};
    path.append_number(static_cast<std::uint64_t>(pid)).append("/fd");
    const linux_detail::ScopedDescriptor descriptors{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!descriptors.is_open()) return false;
    bool holds = false;
    (void)linux_detail::for_each_entry(descriptors.get(), [&](Text name) noexcept {
      posix_detail::FileStatus info{};
      if (holds || posix_detail::get_status(descriptors.get(), name.data(), info, 0) != 0) return;
      const FileIdentity seen{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
      if (seen != file) return;
      FixedText<64> details{"/proc/"};
      details.append_number(static_cast<std::uint64_t>(pid)).append("/fdinfo/").append(name);
      FixedText<1024> content;
      (void)linux_detail::read_small_file(details.c_str(), content);  // closed meanwhile: nothing to read
      for (Text rest = content; !rest.empty();) holds = is_lock_on(take_line(rest), offset) || holds;
    });
    return holds;
  }

  [[nodiscard]] GENIE_COLD std::size_t lock_holders(FileIdentity file, std::uint64_t offset, LockHolder* out,
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
      out[found++] = linux_detail::named_process(static_cast<Pid>(pid), start);
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

  static SysResult<void> send(const Handle& handle, Signal signal, unsigned flags) noexcept {
    return send_number(handle, number(signal), flags);
  }
  static SysResult<void> send_number(const Handle& handle, int number, unsigned flags) noexcept {
    const long result = ::syscall(pidfd_send_signal_number, handle.descriptor, number, nullptr, flags);
    return result == 0 ? SysResult<void>{} : SysResult<void>::failure(errno);
  }

  /// Calls `visit(pid, start)` for each member of the group that runs, or may: whose state cannot be read.
  static SysResult<void> for_each_in_group(Pid group, FunctionRef<bool(Pid, const StartToken&)> visit) noexcept {
    const linux_detail::ScopedDescriptor proc{::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!proc.is_open()) return SysResult<void>::failure(errno);
    bool goes_on = true;
    return linux_detail::for_each_entry(proc.get(), [&](Text name) noexcept {
      std::uint64_t member = 0;
      if (!goes_on || !parse_decimal(name, static_cast<std::uint64_t>(pid_limit), member)) return;
      LinuxProcessStat stat;
      const bool is_known = linux_detail::read_stat(static_cast<Pid>(member), stat) == 0;
      if (is_known && (stat.group != static_cast<std::uint64_t>(group) || has_ended(stat))) return;
      if (!is_known && ::getpgid(static_cast<pid_t>(member)) != static_cast<pid_t>(group)) return;
      goes_on = visit(static_cast<Pid>(member), stat.start);
    });
  }

  /// Inode number of the caller's PID namespace, 0 where it cannot be learned. Source: `pid_namespaces(7)`.
  static std::uint64_t own_pid_namespace() noexcept {
    struct ::stat info{};
    return ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
  }

  GENIE_COMPACT void learn_origin() noexcept {
    const Pid now = self();
    const std::uint64_t mark = linux_detail::process_mark();
    const bool is_known_process = learned_by_ == now && mark_ == mark;
    if (is_known_process && origin_.error == 0) return;
    const bool is_child_elsewhere = learned_by_ == now && mark_ != 0 && !is_known_process;
    learned_by_ = now;
    mark_ = mark;
    start_ = StartToken{};
    origin_ = ProcessOrigin{};
    FixedText<64> boot;
    const auto boot_read = linux_detail::read_small_file("/proc/sys/kernel/random/boot_id", boot);
    if (boot_read.ok()) origin_.boot.append(trimmed(boot));
    note_shortage(boot_read.error);
    // A /proc of another PID namespace speaks of other processes by the same numbers.
    char link[24];
    const ssize_t length = ::readlink("/proc/self", link, sizeof link);
    if (length < 0) note_shortage(errno);
    std::uint64_t pid = 0;
    proc_is_ours_ = length > 0 && parse_decimal({link, static_cast<std::size_t>(length)}, INT32_MAX, pid) &&
                    static_cast<Pid>(pid) == now;
    if (!proc_is_ours_) {
      // That much must be known of a child with its parent's number: that what the parent holds is not its own.
      if (is_child_elsewhere) origin_.pid_namespace = own_pid_namespace();
      return;
    }
    origin_.pid_namespace = own_pid_namespace();
    if (origin_.pid_namespace == first_pid_namespace) return;
    // We may have the same number in both.
    FixedText<4096> numbers;
    const auto numbers_read = linux_detail::read_small_file("/proc/self/status", numbers);
    if (numbers_read.ok()) proc_is_ours_ = !is_seen_from_above(numbers);
    note_shortage(numbers_read.error);
    if (!proc_is_ours_) origin_.pid_namespace = 0;
  }

  /// What fails for want of descriptors or memory may not fail the next time; what fails for another reason will.
  void note_shortage(int error) noexcept {
    if (error == EMFILE || error == ENFILE || error == ENOMEM) origin_.error = error;
  }

  /// We run, and nobody becomes somebody else; but others' end gives us another parent, and `setsid` another session.
  /// Source: `getppid(2)`, `getsid(2)`.
  [[nodiscard]] Observation myself() const noexcept {
    Observation seen;
    seen.liveness = Liveness::alive;
    seen.start = start_;
    seen.parent = ::getppid();
    seen.session = ::getsid(0);
    return seen;
  }

  /// Reads a line such as `lock: 1: OFDLCK ADVISORY WRITE -1 fe:00:42 1073741824 1073741825` of fdinfo; the last two
  /// fields are the first and the last byte, or EOF.
  GENIE_COMPACT static bool is_lock_on(Text line, std::uint64_t offset) noexcept {
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

  /// Of the first PID namespace, which has none above it, on every machine. Source: `linux/nsfs.h`, PID_NS_INIT_INO.
  static constexpr std::uint64_t first_pid_namespace = 0xEFFFFFFC;

  Pid learned_by_ = 0;
  std::uint64_t mark_ = 0;  ///< of the process that learned; 0: a fork can't be noticed
  bool proc_is_ours_ = false;
  StartToken start_;
  ProcessOrigin origin_;
};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_PROCESS_PROBE_HPP
