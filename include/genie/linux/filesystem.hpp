// The filesystem policy on Linux.
#ifndef GENIE_LINUX_FILESYSTEM_HPP
#define GENIE_LINUX_FILESYSTEM_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/linux/descriptor.hpp"
#include "genie/policy/filesystem.hpp"

namespace genie::inline v0 {

/// Files by descriptor, names looked up relative to a pinned directory, open-file-description locks, inotify.
/// Stateless. Thread safety: each method is; the descriptors are the caller's to share.
class LinuxFilesystem {
 public:
  struct File {
    int descriptor = -1;
  };
  struct Watch {
    int descriptor = -1;
  };
  /// Less the character that ends it. Source: `unix(7)`.
  static constexpr std::size_t socket_path_limit = sizeof(sockaddr_un::sun_path) - 1;

  /// Where a launched process finds the file that its starter handed to it.
  static constexpr int inherited_descriptor = 3;

  /// Source: `mkdir(2)`.
  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    return status(::mkdir(path, permissions));
  }

  /// O_PATH: needs no permission to list. Source: `open(2)`.
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    return file(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  /// Source: `open(2)`. O_NONBLOCK keeps a FIFO from blocking us, O_NOCTTY a terminal from becoming ours.
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    switch (mode) {
      case OpenMode::read: flags |= O_RDONLY; break;
      case OpenMode::read_write: flags |= O_RDWR; break;
      case OpenMode::ensure: flags |= O_RDWR | O_CREAT; break;
      case OpenMode::create: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    return file(::openat(at(directory), name, flags, permissions));
  }

  /// The first descriptor behind the standard streams. Source: `fcntl(2)`, FD_CLOEXEC.
  [[nodiscard]] SysResult<File> inherited() noexcept {
    if (::fcntl(inherited_descriptor, F_SETFD, FD_CLOEXEC) != 0) return SysResult<File>::failure(errno);
    return {File{inherited_descriptor}, 0};
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
  /// Source: `unlink(2)`.
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    return status(::unlinkat(at(directory), name, 0));
  }

  /// Source: `stat(2)`.
  [[nodiscard]] SysResult<FileInfo> stat(File open_file) noexcept {
    struct ::stat info{};
    if (::fstat(open_file.descriptor, &info) != 0) return SysResult<FileInfo>::failure(errno);
    return {translated(info), 0};
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    struct ::stat info{};
    if (::fstatat(at(directory), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return SysResult<FileInfo>::failure(errno);
    return {translated(info), 0};
  }

  /// Source: `pread(2)`.
  [[nodiscard]] SysResult<std::size_t> read_at(File from, void* to, std::size_t count, std::uint64_t offset) noexcept {
    return transferred(::pread(from.descriptor, to, count, static_cast<off_t>(offset)));
  }
  /// Source: `pwrite(2)`.
  [[nodiscard]] SysResult<std::size_t> write_at(File to, const void* from, std::size_t count,
                                                std::uint64_t offset) noexcept {
    return transferred(::pwrite(to.descriptor, from, count, static_cast<off_t>(offset)));
  }
  /// Source: `fdatasync(2)`.
  [[nodiscard]] SysResult<void> sync(File open_file) noexcept { return status(::fdatasync(open_file.descriptor)); }

  /// Source: `fcntl(2)`, F_OFD_SETLK (Linux 3.15). EACCES and EAGAIN mean the same there.
  [[nodiscard]] SysResult<void> try_lock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    auto result = set_lock(open_file, F_WRLCK, offset, length);
    if (result.error == EACCES) result.error = EAGAIN;
    return result;
  }
  [[nodiscard]] SysResult<void> unlock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    return set_lock(open_file, F_UNLCK, offset, length);
  }
  /// Source: `fcntl(2)`, F_OFD_GETLK: asks, and takes nothing.
  [[nodiscard]] SysResult<LockQuery> query_lock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range = lock_range(F_WRLCK, offset, length);
    if (::fcntl(open_file.descriptor, F_OFD_GETLK, &range) != 0) return SysResult<LockQuery>::failure(errno);
    if (range.l_type == F_UNLCK) return {};
    LockQuery query;
    query.held = true;
    query.offset = static_cast<std::uint64_t>(range.l_start);
    query.length = static_cast<std::uint64_t>(range.l_len);
    return {query, 0};
  }

  /// Source: `getdents(2)`. Entries that come or go meanwhile may be seen or not.
  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    const linux_detail::ScopedDescriptor readable{::openat(at(directory), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!readable.is_open()) return SysResult<void>::failure(errno);
    return linux_detail::for_each_entry(readable.get(), visit);
  }

  /// Source: `inotify(7)`. A writer's close counts as a change, so the death of a lock's owner wakes the waiter.
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    const int descriptor = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (descriptor < 0) return SysResult<Watch>::failure(errno);
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

  /// Not repeated on EINTR: Linux has closed the descriptor by then. Source: `close(2)`.
  void close(File open_file) noexcept {
    if (open_file.descriptor >= 0) ::close(open_file.descriptor);
  }

 private:
  static int at(File directory) noexcept { return directory.descriptor < 0 ? AT_FDCWD : directory.descriptor; }

  static SysResult<void> status(int result) noexcept {
    return result == 0 ? SysResult<void>{} : SysResult<void>{errno};
  }
  static SysResult<File> file(int descriptor) noexcept {
    if (descriptor < 0) return SysResult<File>::failure(errno);
    const auto moved = linux_detail::above_standard_streams(descriptor);
    return {File{moved.value}, moved.error};
  }
  static SysResult<std::size_t> transferred(ssize_t count) noexcept {
    if (count < 0) return SysResult<std::size_t>::failure(errno);
    return {static_cast<std::size_t>(count), 0};
  }

  static SysResult<void> rename_with(File directory, const char* from, const char* to, unsigned flags) noexcept {
    return status(static_cast<int>(::syscall(SYS_renameat2, at(directory), from, at(directory), to, flags)));
  }

  static struct ::flock lock_range(short type, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range{};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(length);
    return range;
  }
  static SysResult<void> set_lock(File open_file, short type, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range = lock_range(type, offset, length);
    return status(::fcntl(open_file.descriptor, F_OFD_SETLK, &range));
  }

  static FileInfo translated(const struct ::stat& info) noexcept {
    FileInfo result;
    result.id = {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
    result.type = S_ISREG(info.st_mode)    ? FileType::regular
                  : S_ISDIR(info.st_mode)  ? FileType::directory
                  : S_ISLNK(info.st_mode)  ? FileType::symbolic_link
                  : S_ISSOCK(info.st_mode) ? FileType::socket
                                           : FileType::other;
    result.permissions = info.st_mode & 01777U;
    result.user = info.st_uid;
    result.links = info.st_nlink;
    result.size = info.st_size;
    result.changed_ns = static_cast<std::int64_t>(info.st_ctim.tv_sec) * 1'000'000'000 + info.st_ctim.tv_nsec;
    return result;
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_FILESYSTEM_HPP
