// The log of a server that was started on demand: kept small, and quoted where the start failed.
#ifndef GENIE_LOG_FILE_HPP
#define GENIE_LOG_FILE_HPP

#include <errno.h>

#include <cstddef>
#include <cstdint>

#include "genie/host.hpp"

namespace genie::inline v0 {

/// Bytes that a log may have when a server is started, unless somebody says otherwise.
inline constexpr std::uint64_t default_log_limit = std::uint64_t{1} << 20U;

namespace detail {

/// What a terminal shows of `text`, from its beginning, without obeying it. Returns: the bytes of a line feed, a tab,
/// or a character that is no control character, in UTF-8; 0 where there is none.
[[nodiscard]] constexpr std::size_t harmless_bytes(Text text) noexcept {
  const auto byte = [text](std::size_t at) noexcept {
    return at < text.size() ? static_cast<unsigned>(static_cast<unsigned char>(text[at])) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return (first >= 0x20 && first != 0x7F) || first == '\n' || first == '\t' ? 1 : 0;
  const std::size_t size = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
  std::uint32_t character = first & (0x7FU >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xC0U) != 0x80) return 0;
    character = character << 6U | (byte(at) & 0x3FU);
  }
  // Up to U+009F there are control characters; a longer form than necessary may hide one.
  constexpr std::uint32_t least[] = {0xA0, 0x800, 0x10000};
  const bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
  return character < least[size - 2] || is_surrogate || character > 0x10FFFF || first >= 0xF8 || first < 0xC0 ? 0
                                                                                                              : size;
}

}  // namespace detail

/// Makes room in a log that has more than `most` bytes: it gets the name `PATH.1`, which replaces the one before, so
/// there are two files at most. A log that is not there, and what is not a regular file, stays as it is.
/// Requires: nobody starts a server that writes to it meanwhile (the claim). Whoever still writes, writes to `PATH.1`.
/// Errors: stat, rename; `path_too_long`.
template <typename H>
[[nodiscard]] Result<void> rotate_log(H& host, const char* path, std::uint64_t most) noexcept {
  using detail::uninterrupted;
  const auto info = uninterrupted([&] { return host.files.stat_at({}, path); });
  if (info.error == ENOENT) return {};
  if (!info.ok()) return make_error(ErrorKind::system, Operation::stat, info.error, path);
  if (info.value.type != FileType::regular || static_cast<std::uint64_t>(info.value.size) <= most) return {};
  FixedText<4095> former{Text{path}};
  former.append(".1");
  if (former.overflowed()) return make_error(ErrorKind::path_too_long, Operation::rename, ENAMETOOLONG, path);
  const auto renamed = uninterrupted([&] { return host.files.rename({}, path, former.c_str()); });
  if (!renamed.ok()) return make_error(ErrorKind::system, Operation::rename, renamed.error, path);
  return {};
}

/// Reads the last lines of what was written to the log since it had `from` bytes, as many as `out` holds; of a line
/// that alone is longer, its end. A log that has become shorter than `from` is read from its beginning.
/// What is no text is shown as `?`: control characters but line feed and tab, and what is not UTF-8.
/// Errors: of open, stat, read.
template <typename H>
[[nodiscard]] SysResult<void> read_log_tail(H& host, const char* path, std::uint64_t from, TextBuffer& out) noexcept {
  using detail::uninterrupted;
  out.clear();
  const std::size_t capacity = out.room();
  const auto opened = uninterrupted([&] { return host.files.open({}, path, OpenMode::read, 0); });
  if (!opened.ok()) return {opened.error};
  const detail::ScopedFile<H> log{host, opened.value};
  const auto info = uninterrupted([&] { return host.files.stat(log.get()); });
  if (!info.ok()) return {info.error};
  const auto size = static_cast<std::uint64_t>(info.value.size);
  std::uint64_t begin = size < from ? 0 : from;
  const bool is_cut = size - begin > capacity;
  if (is_cut) begin = size - capacity;

  std::size_t count = 0;
  while (count < capacity) {
    const auto part = uninterrupted(
        [&] { return host.files.read_at(log.get(), out.data() + count, capacity - count, begin + count); });
    if (!part.ok()) return {part.error};
    if (part.value == 0) break;
    count += part.value;
  }

  const Text bytes{out.data(), count};
  const std::size_t first_end = bytes.find('\n') + 1;
  Text rest = is_cut && first_end < count ? bytes.after(first_end) : bytes;
  // What is kept never overtakes what is still to be read.
  std::size_t kept = 0;
  while (!rest.empty()) {
    const std::size_t harmless = detail::harmless_bytes(rest);
    if (harmless == 0) out.data()[kept++] = '?';
    for (std::size_t at = 0; at < harmless; ++at) out.data()[kept++] = rest[at];
    rest = rest.after(harmless == 0 ? 1 : harmless);
  }
  out.resize(kept);
  return {};
}

}  // namespace genie::inline v0

#endif  // GENIE_LOG_FILE_HPP
