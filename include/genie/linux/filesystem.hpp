// The filesystem policy on Linux.
#ifndef GENIE_LINUX_FILESYSTEM_HPP
#define GENIE_LINUX_FILESYSTEM_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/linux/descriptor.hpp"
#include "genie/posix/files.hpp"

namespace genie::inline v0 {

/// Files by descriptor, names looked up relative to a pinned directory, open-file-description locks (Linux 3.15),
/// inotify. Stateless. Thread safety: each method is; the descriptors are the caller's to share.
class LinuxFilesystem : public posix_detail::OpenFileLocks<F_OFD_SETLK, F_OFD_GETLK> {
 public:
  struct Watch {
    int descriptor = -1;
  };

  /// O_PATH: needs no permission to list. Source: `open(2)`.
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    return file(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  /// Source: `open(2)`, O_TMPFILE. EISDIR is what kernels and file systems without it answer.
  [[nodiscard]] SysResult<File> create_unnamed(File directory, std::uint32_t permissions) noexcept {
    auto result = file(::openat(at(directory), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, permissions));
    if (result.error == EISDIR) result.error = EOPNOTSUPP;
    return result;
  }

  /// AT_EMPTY_PATH wants Linux 6.10 or CAP_DAC_READ_SEARCH, the detour wants /proc. Source: `linkat(2)`.
  [[nodiscard]] SysResult<void> link_unnamed(File unnamed, File directory, const char* name) noexcept {
    if (::linkat(unnamed.descriptor, "", at(directory), name, AT_EMPTY_PATH) == 0) return {};
    if (errno != ENOENT) return SysResult<void>::failure(errno);
    FixedText<40> path{"/proc/self/fd/"};
    path.append_number(static_cast<std::uint64_t>(unnamed.descriptor));
    return status(::linkat(AT_FDCWD, path.c_str(), at(directory), name, AT_SYMLINK_FOLLOW));
  }

  /// Source: `rename(2)`.
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    return rename_with(directory, from, to, 0);
  }
  /// Source: `rename(2)`, RENAME_NOREPLACE.
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    return rename_with(directory, from, to, 1U << 0U);
  }
  /// Source: `rename(2)`, RENAME_EXCHANGE.
  [[nodiscard]] SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    return rename_with(directory, one, other, 1U << 1U);
  }

  /// Source: `fdatasync(2)`.
  [[nodiscard]] SysResult<void> sync(File open_file) noexcept { return status(::fdatasync(open_file.descriptor)); }

  /// Source: `getdents(2)`. Entries that come or go meanwhile may be seen or not.
  [[nodiscard]] SysResult<void> for_each_name(File directory, FunctionRef<void(Text)> visit) noexcept {
    const linux_detail::ScopedDescriptor readable{::openat(at(directory), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!readable.is_open()) return SysResult<void>::failure(errno);
    return linux_detail::for_each_entry(readable.get(), visit);
  }

  /// Source: `inotify(7)`. A writer's close counts as a change, so the death of a lock's owner wakes the waiter.
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    const auto opened = file(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!opened.ok()) return SysResult<Watch>::failure(opened.error);
    const int descriptor = opened.value.descriptor;
    constexpr std::uint32_t mask = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE |
                                   IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DONT_FOLLOW;
    if (::inotify_add_watch(descriptor, path, mask) < 0) {
      const int error = errno;
      ::close(descriptor);
      return SysResult<Watch>::failure(error);
    }
    return {Watch{descriptor}, 0};
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    auto changed = linux_detail::wait_readable(watch.descriptor, span);
    if (changed.ok() && changed.value) forget_changes(watch);
    return changed;
  }
  /// Takes what the kernel has to tell of a watch that was found readable: the next wait is for further changes.
  static void forget_changes(Watch& watch) noexcept {
    alignas(inotify_event) char events[4096];
    while (::read(watch.descriptor, events, sizeof events) > 0) {
    }
  }
  void close_watch(Watch& watch) noexcept {
    if (watch.descriptor >= 0) ::close(watch.descriptor);
    watch.descriptor = -1;
  }

 private:
  static SysResult<void> rename_with(File directory, const char* from, const char* to, unsigned flags) noexcept {
    return status(static_cast<int>(::syscall(SYS_renameat2, at(directory), from, at(directory), to, flags)));
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_FILESYSTEM_HPP
