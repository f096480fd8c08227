// The filesystem policy on macOS. Never executed by this project: compiled and linked only; what it shares with Linux
// or FreeBSD is tested there.
#ifndef GENIE_MACOS_FILESYSTEM_HPP
#define GENIE_MACOS_FILESYSTEM_HPP

#if defined(__APPLE__)

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "genie/bsd/filesystem.hpp"

namespace genie::inline v0 {

namespace macos_detail {

// Older SDKs keep these numbers to themselves; the kernels have had them since before Apple silicon.
#if defined(F_OFD_SETLK)
using Locks = posix_detail::OpenFileLocks<F_OFD_SETLK, F_OFD_GETLK>;
#else
using Locks = posix_detail::OpenFileLocks<90, 92>;
#endif

}  // namespace macos_detail

/// Open-file-description locks as on Linux, kqueue in place of inotify, no unnamed files. APFS exchanges files; HFS+
/// and most network file systems can't: there, a stale record is taken over by no claim. Stateless. Thread
/// safety: each method is; the descriptors are the caller's to share.
class MacosFilesystem : public bsd_detail::Filesystem<macos_detail::Locks, O_EVTONLY> {
 public:
  /// Source: `rename(2)` of macOS, RENAME_EXCL.
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    return rename_with(directory, from, to, RENAME_EXCL);
  }
  /// Source: `rename(2)` of macOS, RENAME_SWAP.
  [[nodiscard]] SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    return rename_with(directory, one, other, RENAME_SWAP);
  }

  /// `fsync(2)` leaves it in the drive's cache. Where a file system has no F_FULLFSYNC, that must do. Source:
  /// `fcntl(2)`.
  [[nodiscard]] SysResult<void> sync(File open_file) noexcept {
    if (::fcntl(open_file.descriptor, F_FULLFSYNC) == 0) return {};
    if (errno == EINTR) return {EINTR};
    return status(::fsync(open_file.descriptor));
  }

 private:
  /// A file system without it says ENOTSUP, which is another number than EOPNOTSUPP there.
  static SysResult<void> rename_with(File directory, const char* from, const char* to, unsigned flags) noexcept {
    auto result = status(::renameatx_np(at(directory), from, at(directory), to, flags));
    if (result.error == ENOTSUP) result.error = EOPNOTSUPP;
    return result;
  }
};

}  // namespace genie::inline v0

#endif

#endif  // GENIE_MACOS_FILESYSTEM_HPP
