// Control groups, version 2: where the unified hierarchy is, which of its directories a process is in, who else is, and
// how all of them are ended. Source: `cgroups(7)`, the kernel's Documentation/admin-guide/cgroup-v2.rst.
#ifndef GENIE_LINUX_CGROUP_HPP
#define GENIE_LINUX_CGROUP_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/identity.hpp"
#include "genie/linux/descriptor.hpp"

namespace genie::inline v0::linux_detail {

/// As /proc tells it: from the root of the reader's cgroup namespace, beginning with '/'.
using CgroupPath = FixedText<4095>;

/// Returns: 0, or errno; EOPNOTSUPP where the process is in no unified hierarchy, EXDEV where its cgroup has no path
/// that we could follow.
[[nodiscard]] inline int read_cgroup_path(Pid pid, CgroupPath& path) noexcept {
  FixedText<64> file{"/proc/"};
  file.append_number(static_cast<std::uint64_t>(pid)).append("/cgroup");
  FixedText<8192> content;
  if (const auto count = read_small_file(file.c_str(), content); !count.ok()) return count.error;
  if (content.size() == content.capacity()) return ENAMETOOLONG;
  for (Text rest = content; !rest.empty();) {
    const Text line = take_line(rest);
    if (!line.starts_with("0::")) continue;
    path = CgroupPath{line.after(3)};
    const bool is_out_of_sight = Text{path}.starts_with("/..") || Text{path}.ends_with(" (deleted)");
    return path.overflowed() || is_out_of_sight ? EXDEV : 0;
  }
  return EOPNOTSUPP;
}

/// Whether `inner` is `outer` or below it.
[[nodiscard]] constexpr bool lies_in(Text inner, Text outer) noexcept {
  if (outer == Text{"/"} || inner == outer) return true;
  return inner.starts_with(outer) && inner[outer.size()] == '/';
}

/// Returns: a descriptor of the directory; EOPNOTSUPP where no unified hierarchy is mounted at its usual places.
[[nodiscard]] inline SysResult<int> open_cgroup_directory(const CgroupPath& path) noexcept {
  constexpr long cgroup2 = 0x63677270;  // CGROUP2_SUPER_MAGIC
  constexpr const char* places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  int error = EOPNOTSUPP;
  for (const char* const place : places) {
    const ScopedDescriptor root{::open(place, flags)};
    if (!root.is_open()) {
      if (errno != ENOENT) error = errno;
      continue;
    }
    struct ::statfs info{};
    if (::fstatfs(root.get(), &info) != 0 || info.f_type != cgroup2) continue;
    const int directory = ::openat(root.get(), path.c_str() + 1, flags);
    return directory < 0 ? SysResult<int>::failure(errno) : above_standard_streams(directory);
  }
  return SysResult<int>::failure(error);
}

/// Calls `visit(Pid)` for each process in the cgroup and in those below it; with 0 for one that has no number here.
[[nodiscard]] inline SysResult<void> for_each_in_cgroup(int directory, FunctionRef<void(Pid)> visit,
                                                        int levels = 16) noexcept {
  {
    const ScopedDescriptor members{::openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC)};
    if (!members.is_open()) return SysResult<void>::failure(errno);
    std::int64_t number = 0;
    char buffer[1024];
    for (ssize_t count = 1; count > 0;) {
      count = ::read(members.get(), buffer, sizeof buffer);
      if (count < 0) return SysResult<void>::failure(errno);
      for (ssize_t at = 0; at < count; ++at) {
        if (buffer[at] == '\n') {
          visit(Pid{number});
          number = 0;
        } else {
          number = number * 10 + (buffer[at] - '0');
        }
      }
    }
  }
  if (levels == 0) return SysResult<void>::failure(ELOOP);
  const ScopedDescriptor entries{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!entries.is_open()) return SysResult<void>::failure(errno);
  SysResult<void> result;
  const auto listed = for_each_entry(entries.get(), [&](Text name) noexcept {
    const ScopedDescriptor below{::openat(directory, name.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
    const int error = below.is_open() ? for_each_in_cgroup(below.get(), visit, levels - 1).error : errno;
    // A file of this one, or one that was removed meanwhile.
    if (error != 0 && error != ENOTDIR && error != ENOENT && error != ENODEV) result.error = error;
  });
  return listed.ok() ? result : listed;
}

/// Returns: 0, or errno.
[[nodiscard]] inline int kill_cgroup(int directory) noexcept {
  const ScopedDescriptor file{::openat(directory, "cgroup.kill", O_WRONLY | O_CLOEXEC)};
  return file.is_open() && ::write(file.get(), "1", 1) == 1 ? 0 : errno;
}

/// Whether any process in the cgroup or below it has not ended; also where that can't be seen.
[[nodiscard]] inline bool is_populated(int directory) noexcept {
  const ScopedDescriptor file{::openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC)};
  FixedText<256> content;
  const ssize_t count = file.is_open() ? ::read(file.get(), content.data(), content.capacity()) : -1;
  if (count < 0) return errno != ENOENT && errno != ENODEV;
  content.resize(static_cast<std::size_t>(count));
  for (Text rest = content; !rest.empty();) {
    if (take_line(rest) == Text{"populated 0"}) return false;
  }
  return true;
}

}  // namespace genie::inline v0::linux_detail

#endif  // GENIE_LINUX_CGROUP_HPP
