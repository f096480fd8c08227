// What the policies of every POSIX system share: descriptors that close themselves or stay out of the way, and a poll
// with a deadline.
#ifndef GENIE_POSIX_DESCRIPTOR_HPP
#define GENIE_POSIX_DESCRIPTOR_HPP

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/duration.hpp"
#include "genie/result.hpp"

namespace genie::inline v0::posix_detail {

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

/// A process that was started without its standard streams must not print into our files; nor must we close what it
/// has opened in their place since.
/// Effects: moves `descriptor` where it has the number of one. Returns: its number from now on, or errno: then it is
/// closed.
[[nodiscard]] inline SysResult<int> above_standard_streams(int descriptor) noexcept {
  if (descriptor > STDERR_FILENO) return {descriptor, 0};
  const int higher = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(descriptor);
  return higher >= 0 ? SysResult<int>{higher, 0} : SysResult<int>{-1, error};
}

/// Calls `close(first, last)` for each range of numbers between those that are `kept`, for as long as it says true.
/// Returns: whether it always did.
template <std::size_t Count, typename Close>
[[nodiscard]] bool close_between(const int (&kept)[Count], Close&& close) noexcept {
  constexpr unsigned beyond_all = UINT32_MAX;
  for (unsigned from = 0; from != beyond_all;) {
    unsigned next = beyond_all - 1;
    for (const int descriptor : kept) {
      const auto number = static_cast<unsigned>(descriptor);
      if (number >= from && number < next) next = number;
    }
    if (next > from && !close(from, next - 1)) return false;
    from = next + 1;
  }
  return true;
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

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_DESCRIPTOR_HPP
