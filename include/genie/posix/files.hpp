// The calls of the filesystem policy that are the same on every POSIX system.
#ifndef GENIE_POSIX_FILES_HPP
#define GENIE_POSIX_FILES_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/policy/filesystem.hpp"
#include "genie/posix/descriptor.hpp"
#include "genie/posix/file_status.hpp"

namespace genie::inline v0::posix_detail {

/// Files by descriptor, names looked up relative to a pinned directory. Stateless.
/// Thread safety: each method is; the descriptors are the caller's to share.
class Files {
 public:
  struct File {
    int descriptor = -1;
  };
  /// Less the character that ends it. Source: `unix(7)`, `unix(4)`.
  static constexpr std::size_t socket_path_limit = sizeof(sockaddr_un::sun_path) - 1;

  /// Where a launched process finds the file that its starter handed to it.
  static constexpr int inherited_descriptor = 3;

  /// Source: `mkdir(2)`.
  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    return status(::mkdir(path, static_cast<mode_t>(permissions)));
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

  /// Source: `unlink(2)`.
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    return status(::unlinkat(at(directory), name, 0));
  }

  /// Source: `stat(2)`.
  [[nodiscard]] SysResult<FileInfo> stat(File open_file) noexcept {
    FileStatus info{};
    if (get_status(open_file.descriptor, info) != 0) return SysResult<FileInfo>::failure(errno);
    return {translated(info), 0};
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    FileStatus info{};
    if (get_status(at(directory), name, info, AT_SYMLINK_NOFOLLOW) != 0) return SysResult<FileInfo>::failure(errno);
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

  /// Not repeated on EINTR: Linux, macOS and FreeBSD have closed the descriptor by then. Source: `close(2)`.
  void close(File open_file) noexcept {
    if (open_file.descriptor >= 0) ::close(open_file.descriptor);
  }

 protected:
  static int at(File directory) noexcept { return directory.descriptor < 0 ? AT_FDCWD : directory.descriptor; }

  static SysResult<void> status(int result) noexcept {
    return result == 0 ? SysResult<void>{} : SysResult<void>{errno};
  }
  static SysResult<File> file(int descriptor) noexcept {
    if (descriptor < 0) return SysResult<File>::failure(errno);
    const auto moved = above_standard_streams(descriptor);
    return {File{moved.value}, moved.error};
  }
  static SysResult<std::size_t> transferred(ssize_t count) noexcept {
    if (count < 0) return SysResult<std::size_t>::failure(errno);
    return {static_cast<std::size_t>(count), 0};
  }

  static struct ::flock lock_range(short type, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range{};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(length);
    return range;
  }

  static FileInfo translated(const FileStatus& info) noexcept {
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
#if defined(__APPLE__)
    result.changed_ns = nanoseconds(info.st_ctimespec);
    result.modified_ns = nanoseconds(info.st_mtimespec);
#else
    result.changed_ns = nanoseconds(info.st_ctim);
    result.modified_ns = nanoseconds(info.st_mtim);
#endif
    return result;
  }
  static constexpr std::int64_t nanoseconds(const timespec& time) noexcept {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  }
};

/// Locks of byte ranges that belong to the open file. Both systems that have them took their numbers into <fcntl.h>.
/// Source: `fcntl(2)`, F_OFD_SETLK, F_OFD_GETLK.
template <int SetLock, int GetLock>
class OpenFileLocks : public Files {
 public:
  /// EACCES and EAGAIN mean the same here.
  [[nodiscard]] SysResult<void> try_lock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    auto result = set_lock(open_file, F_WRLCK, offset, length);
    if (result.error == EACCES) result.error = EAGAIN;
    return result;
  }
  [[nodiscard]] SysResult<void> unlock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    return set_lock(open_file, F_UNLCK, offset, length);
  }
  /// Asks, and takes nothing.
  [[nodiscard]] SysResult<LockQuery> query_lock(File open_file, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range = lock_range(F_WRLCK, offset, length);
    if (::fcntl(open_file.descriptor, GetLock, &range) != 0) return SysResult<LockQuery>::failure(errno);
    if (range.l_type == F_UNLCK) return {};
    LockQuery query;
    query.held = true;
    query.offset = static_cast<std::uint64_t>(range.l_start);
    query.length = static_cast<std::uint64_t>(range.l_len);
    return {query, 0};
  }

 private:
  static SysResult<void> set_lock(File open_file, short type, std::uint64_t offset, std::uint64_t length) noexcept {
    struct ::flock range = lock_range(type, offset, length);
    return status(::fcntl(open_file.descriptor, SetLock, &range));
  }
};

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_FILES_HPP
