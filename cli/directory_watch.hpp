// Whether files come into a directory or leave it.
#ifndef GENIE_CLI_DIRECTORY_WATCH_HPP
#define GENIE_CLI_DIRECTORY_WATCH_HPP

#include <string>

#if defined(__linux__)
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "descriptor.hpp"
#else
#include "genie/system.hpp"
#endif

namespace genie::cli {

#if defined(__linux__)

/// Not of what is written to them, as `LinuxFilesystem::watch` would tell. Source: `inotify(7)`.
class DirectoryWatch {
 public:
  /// Returns: 0, or the errno with which it can't be watched: EMFILE and ENOSPC where others watch too much already.
  [[nodiscard]] int open(const std::string& path) {
    notifications_ = Descriptor{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    constexpr std::uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
    if (notifications_.is_open() && ::inotify_add_watch(notifications_.get(), path.c_str(), mask) >= 0) return 0;
    const int error = errno;
    notifications_.reset();
    return error;
  }
  /// Readable when there is something to take; negative where nothing is watched.
  [[nodiscard]] int descriptor() const noexcept { return notifications_.get(); }
  void take() noexcept {
    std::array<char, 4096> events;
    while (::read(notifications_.get(), events.data(), events.size()) > 0) {
    }
  }
  void reset() noexcept { notifications_.reset(); }

 private:
  Descriptor notifications_;
};

#else

/// A kqueue does not tell of what is written to them.
class DirectoryWatch {
 public:
  DirectoryWatch() noexcept = default;
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;
  ~DirectoryWatch() { reset(); }

  [[nodiscard]] int open(const std::string& path) {
    const auto opened = SystemFilesystem{}.watch(path.c_str());
    if (opened.ok()) watch_ = opened.value;
    return opened.error;
  }
  [[nodiscard]] int descriptor() const noexcept { return watch_.descriptor; }
  void take() noexcept {
    if (watch_.descriptor >= 0) SystemFilesystem::forget_changes(watch_);
  }
  void reset() noexcept { SystemFilesystem{}.close_watch(watch_); }

 private:
  SystemFilesystem::Watch watch_{};
};

#endif

}  // namespace genie::cli

#endif  // GENIE_CLI_DIRECTORY_WATCH_HPP
