// What the Linux policies share: descriptors that close themselves or stay out of the way, a poll with a deadline,
// reading a small file of /proc, and walking a directory without <dirent.h>'s heap buffer.
#ifndef GENIE_LINUX_DESCRIPTOR_HPP
#define GENIE_LINUX_DESCRIPTOR_HPP

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/duration.hpp"
#include "genie/result.hpp"
#include "genie/text.hpp"

namespace genie::inline v0::linux_detail {

class ScopedDescriptor {
 public:
  explicit ScopedDescriptor(int descriptor) noexcept : descriptor_{descriptor} {}
  ScopedDescriptor(const ScopedDescriptor&) = delete;
  ScopedDescriptor& operator=(const ScopedDescriptor&) = delete;
  ~ScopedDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

/// A process that was started without its standard streams must not print into our files.
/// Effects: moves `descriptor` where it has the number of one. Returns: its number from now on, or errno: then it is
/// closed.
[[nodiscard]] inline SysResult<int> above_standard_streams(int descriptor) noexcept {
  if (descriptor > STDERR_FILENO) return {descriptor, 0};
  const int higher = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(descriptor);
  return higher >= 0 ? SysResult<int>{higher, 0} : SysResult<int>{-1, error};
}

[[nodiscard]] inline pollfd readable(int descriptor) noexcept {
  pollfd entry{};
  entry.fd = descriptor;
  entry.events = POLLIN;
  return entry;
}

/// Returns: whether one of the entries became ready within `span`; a negative span means at once. Source: `poll(2)`.
[[nodiscard]] inline SysResult<bool> wait_ready(pollfd* entries, nfds_t count, Milliseconds span) noexcept {
  constexpr std::int64_t longest = 1'000'000'000;
  const std::int64_t clamped = span.count() < 0 ? 0 : (span.count() > longest ? longest : span.count());
  const int ready = ::poll(entries, count, static_cast<int>(clamped));
  if (ready < 0) return SysResult<bool>::failure(errno);
  return {ready > 0, 0};
}

[[nodiscard]] inline SysResult<bool> wait_readable(int descriptor, Milliseconds span) noexcept {
  pollfd entry = readable(descriptor);
  return wait_ready(&entry, 1, span);
}

/// Reads the beginning of a file of /proc, which comes whole in one read. Returns: the bytes read, or errno.
template <std::size_t Capacity>
[[nodiscard]] SysResult<std::size_t> read_small_file(const char* path, FixedText<Capacity>& content) noexcept {
  int descriptor = -1;
  do {
    descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  const ScopedDescriptor file{descriptor};
  if (!file.is_open()) return SysResult<std::size_t>::failure(errno);
  for (;;) {
    const ssize_t count = ::read(file.get(), content.data(), Capacity);
    if (count >= 0) {
      content.resize(static_cast<std::size_t>(count));
      return {static_cast<std::size_t>(count), 0};
    }
    if (errno != EINTR) return SysResult<std::size_t>::failure(errno);
  }
}

/// Calls `visit(Text name)` for each entry of an open directory, but for "." and "..". Source: `getdents(2)`.
template <typename Visit>
[[nodiscard]] SysResult<void> for_each_entry(int directory, Visit&& visit) noexcept {
  // struct linux_dirent64: ino (8 bytes), offset (8), record length (2), type (1), name.
  constexpr std::size_t length_at = 16;
  constexpr std::size_t name_at = 19;
  alignas(8) char buffer[8192];
  for (;;) {
    const long count = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (count < 0) return SysResult<void>::failure(errno);
    if (count == 0) return {};
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      std::uint16_t length = 0;
      __builtin_memcpy(&length, buffer + at + length_at, sizeof length);
      const Text name{buffer + at + name_at};
      if (name != Text{"."} && name != Text{".."}) visit(name);
      at += length;
    }
  }
}

}  // namespace genie::inline v0::linux_detail

#endif  // GENIE_LINUX_DESCRIPTOR_HPP
