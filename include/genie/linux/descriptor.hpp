// What the Linux policies share: reading a small file of /proc, and walking a directory without <dirent.h>'s heap
// buffer.
#ifndef GENIE_LINUX_DESCRIPTOR_HPP
#define GENIE_LINUX_DESCRIPTOR_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/function_ref.hpp"
#include "genie/posix/descriptor.hpp"
#include "genie/result.hpp"
#include "genie/text.hpp"

namespace genie::inline v0::linux_detail {

using namespace posix_detail;

/// Reads the beginning of a file of /proc, which comes whole in one read. Returns: the bytes read, or errno.
[[nodiscard]] inline SysResult<std::size_t> read_small_file(const char* path, TextBuffer& content) noexcept {
  content.clear();
  int descriptor = -1;
  do {
    descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  const ScopedDescriptor file{descriptor};
  if (!file.is_open()) return SysResult<std::size_t>::failure(errno);
  for (;;) {
    const ssize_t count = ::read(file.get(), content.data(), content.room());
    if (count >= 0) {
      content.resize(static_cast<std::size_t>(count));
      return {static_cast<std::size_t>(count), 0};
    }
    if (errno != EINTR) return SysResult<std::size_t>::failure(errno);
  }
}

/// Calls `visit(Text name)` for each entry of an open directory, but for "." and "..". Source: `getdents(2)`.
[[nodiscard]] inline SysResult<void> for_each_entry(int directory, FunctionRef<void(Text)> visit) noexcept {
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
