// What `stat(2)` tells, with 64 bits for inode numbers and sizes also in 32-bit programs that were not compiled with
// _FILE_OFFSET_BITS=64: overlayfs and XFS number their files beyond 32 bits, and would be EOVERFLOW otherwise.
#ifndef GENIE_POSIX_FILE_STATUS_HPP
#define GENIE_POSIX_FILE_STATUS_HPP

#include <fcntl.h>
#include <sys/stat.h>

namespace genie::inline v0::posix_detail {

// glibc has two kinds where a program is of 32 bits, and declares both to C++. Other C libraries have one kind, the
// larger.
#if defined(__GLIBC__) && defined(_LARGEFILE64_SOURCE)
using FileStatus = struct ::stat64;
/// Source: `fstat(2)`.
[[nodiscard]] inline int get_status(int descriptor, FileStatus& out) noexcept { return ::fstat64(descriptor, &out); }
/// Source: `fstatat(2)`.
[[nodiscard]] inline int get_status(int directory, const char* name, FileStatus& out, int flags) noexcept {
  return ::fstatat64(directory, name, &out, flags);
}
#else
using FileStatus = struct ::stat;
[[nodiscard]] inline int get_status(int descriptor, FileStatus& out) noexcept { return ::fstat(descriptor, &out); }
[[nodiscard]] inline int get_status(int directory, const char* name, FileStatus& out, int flags) noexcept {
  return ::fstatat(directory, name, &out, flags);
}
#endif

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_FILE_STATUS_HPP
