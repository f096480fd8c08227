// The calls of the filesystem policy that macOS and FreeBSD share beyond POSIX.
// Never executed on these systems by this project; on Linux its tests run it over a small kqueue of their own.
#ifndef GENIE_BSD_FILESYSTEM_HPP
#define GENIE_BSD_FILESYSTEM_HPP

// On other systems, this is only for tests that bring a <sys/event.h>.
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(GENIE_TEST_KQUEUE)

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdint>

#include "genie/bsd/kqueue.hpp"
#include "genie/posix/files.hpp"

namespace genie::inline v0::bsd_detail {

/// `Locks` is `posix_detail::Files` with locks; `watch_flags` opens what is watched, without reading it.
template <typename Locks, int watch_flags>
class Filesystem : public Locks {
 public:
  using File = typename Locks::File;
  struct Watch {
    int descriptor = -1;  ///< of the kqueue
    int file = -1;        ///< closing it would end the watch
  };

  /// Source: `open(2)`.
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    return Locks::file(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  /// A link is EMLINK on FreeBSD, a socket EOPNOTSUPP on both. Source: `open(2)`.
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    auto result = Locks::open(directory, name, mode, permissions);
    if (result.error == EMLINK) result.error = ELOOP;
    if (result.error == EOPNOTSUPP) result.error = ENXIO;
    return result;
  }

  /// There are no files without a name.
  [[nodiscard]] SysResult<File> create_unnamed(File, std::uint32_t) noexcept {
    return SysResult<File>::failure(EOPNOTSUPP);
  }
  [[nodiscard]] SysResult<void> link_unnamed(File, File, const char*) noexcept { return {EOPNOTSUPP}; }

  /// Source: `rename(2)`.
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    return Locks::status(::renameat(Locks::at(directory), from, Locks::at(directory), to));
  }

  /// The C library keeps a buffer of its own meanwhile. Source: `readdir(3)`. Entries that come or go meanwhile may be
  /// seen or not.
  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    const int descriptor = ::openat(Locks::at(directory), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const list = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
    if (list == nullptr) {
      const int error = errno;
      if (descriptor >= 0) ::close(descriptor);
      return SysResult<void>::failure(error);
    }
    SysResult<void> result;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(list);
      if (entry == nullptr) {
        result.error = errno;
        break;
      }
      const Text name{entry->d_name};
      if (name != Text{"."} && name != Text{".."}) visit(name);
    }
    ::closedir(list);
    return result;
  }

  /// Source: `kqueue(2)`, EVFILT_VNODE.
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    Watch watch;
    const auto opened = Locks::file(::open(path, watch_flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!opened.ok()) return SysResult<Watch>::failure(opened.error);
    watch.file = opened.value.descriptor;
    const auto queue = watch_file(watch.file);
    watch.descriptor = queue.ok() ? queue.value : -1;
    if (!queue.ok()) {
      close_watch(watch);
      return SysResult<Watch>::failure(queue.error);
    }
    return {watch, 0};
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    auto changed = posix_detail::wait_readable(watch.descriptor, span);
    if (changed.ok() && changed.value) forget_changes(watch);
    return changed;
  }
  static void forget_changes(Watch& watch) noexcept { take_events(watch.descriptor); }
  void close_watch(Watch& watch) noexcept {
    if (watch.descriptor >= 0) ::close(watch.descriptor);
    if (watch.file >= 0) ::close(watch.file);
    watch = Watch{};
  }
};

}  // namespace genie::inline v0::bsd_detail

#endif

#endif  // GENIE_BSD_FILESYSTEM_HPP
