// The filesystem policy on FreeBSD. Never executed by this project: compiled and linked only; what it shares with macOS
// or asks of the protocol is tested on Linux.
#ifndef GENIE_FREEBSD_FILESYSTEM_HPP
#define GENIE_FREEBSD_FILESYSTEM_HPP

#if defined(__FreeBSD__)

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "genie/bsd/filesystem.hpp"
#include "genie/posix/whole_file_locks.hpp"

namespace genie::inline v0 {

namespace freebsd_detail {

/// `flock(2)` belongs to the open file and ends with its last descriptor, as the protocol wants it; `fcntl(2)` does
/// neither, but its F_GETLK sees the locks of `flock(2)`, because the kernel keeps both in one list. Asking takes
/// nothing, and there are no POSIX locks that closing a file could drop.
/// Source: `flock(2)`, `fcntl(2)` of FreeBSD; `sys/kern/kern_lockf.c`.
class Locks : public posix_detail::Files {
 public:
  enum class Kind : unsigned char { none, shared, exclusive };

  static int set(File file, Kind kind) noexcept {
    const int operation = kind == Kind::exclusive ? LOCK_EX : (kind == Kind::shared ? LOCK_SH : LOCK_UN);
    return ::flock(file.descriptor, operation | LOCK_NB) == 0 ? 0 : errno;
  }
  static int query(File file, Kind& kind) noexcept {
    struct ::flock range = lock_range(F_WRLCK, 0, 0);
    if (::fcntl(file.descriptor, F_GETLK, &range) != 0) return errno;
    kind = range.l_type == F_UNLCK ? Kind::none : (range.l_type == F_RDLCK ? Kind::shared : Kind::exclusive);
    return 0;
  }
};

}  // namespace freebsd_detail

/// Locks of whole files, kqueue in place of inotify, no unnamed files, no exchange, no rename that does not replace;
/// instead, a name is given a second time, and removed only where it names a certain file.
/// Stateless. Thread safety: each method is; the descriptors are the caller's to share.
class FreebsdFilesystem : public bsd_detail::Filesystem<posix_detail::WholeFileLocks<freebsd_detail::Locks>, O_RDONLY> {
 public:
  [[nodiscard]] SysResult<void> rename_new(File, const char*, const char*) noexcept { return {ENOSYS}; }
  [[nodiscard]] SysResult<void> exchange(File, const char*, const char*) noexcept { return {ENOSYS}; }

  /// Source: `link(2)`.
  [[nodiscard]] SysResult<void> link(File directory, const char* from, const char* to) noexcept {
    return status(::linkat(at(directory), from, at(directory), to, 0));
  }
  /// Source: `unlink(2)` of FreeBSD, funlinkat (FreeBSD 13), which says EDEADLK.
  [[nodiscard]] SysResult<void> unlink_file(File directory, const char* name, File named) noexcept {
    return status(::funlinkat(at(directory), name, named.descriptor, 0));
  }

  /// Source: `fdatasync(2)`.
  [[nodiscard]] SysResult<void> sync(File open_file) noexcept { return status(::fdatasync(open_file.descriptor)); }
};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_FREEBSD_FILESYSTEM_HPP
