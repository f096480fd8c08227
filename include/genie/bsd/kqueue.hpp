// Waiting by kqueue(2), as macOS and FreeBSD have it: for the end of a process, and for changes of a file.
// Never executed on these systems by this project; on Linux its tests run it over a small kqueue of their own.
#ifndef GENIE_BSD_KQUEUE_HPP
#define GENIE_BSD_KQUEUE_HPP

// On other systems, this is only for tests that bring a <sys/event.h>.
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(GENIE_TEST_KQUEUE)

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "genie/posix/descriptor.hpp"

namespace genie::inline v0::bsd_detail {

/// A kqueue that tells of one thing. It becomes readable when there is something to tell, and stays so until
/// `take_events`: so it can be polled together with others, and asked again. It can't be written to, so its number
/// may be that of a missing standard stream. A forked child does not have it. Source: `kqueue(2)`.
/// Returns: its descriptor, or errno.
[[nodiscard]] inline SysResult<int> open_queue(std::uintptr_t subject, short filter, unsigned notes) noexcept {
  const int queue = ::kqueue();
  if (queue < 0) return SysResult<int>::failure(errno);
  struct ::kevent change{};
  change.ident = subject;
  change.filter = filter;
  change.flags = EV_ADD | EV_CLEAR;
  change.fflags = notes;
  // Whatever can't be registered is told as this call's own error, because there is no room for events.
  if (::fcntl(queue, F_SETFD, FD_CLOEXEC) == 0 && ::kevent(queue, &change, 1, nullptr, 0, nullptr) == 0) {
    return {queue, 0};
  }
  const int error = errno;
  ::close(queue);
  return SysResult<int>::failure(error);
}

/// Becomes readable when the process ends, and stays so: nobody takes its events. ESRCH where there is none.
[[nodiscard]] inline SysResult<int> watch_process(pid_t pid) noexcept {
  return open_queue(static_cast<std::uintptr_t>(pid), EVFILT_PROC, NOTE_EXIT);
}

/// What can be told of a file, or of a directory's entries. FreeBSD also tells when a writer closes it; macOS when
/// a lock of flock(2) ends, which no lock of genie is.
[[nodiscard]] inline SysResult<int> watch_file(int file) noexcept {
#if defined(NOTE_CLOSE_WRITE)
  constexpr unsigned writer_gone = NOTE_CLOSE_WRITE;
#else
  constexpr unsigned writer_gone = 0;
#endif
  return open_queue(
      static_cast<std::uintptr_t>(file), EVFILT_VNODE,
      NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE | writer_gone);
}

/// The next wait is for further events.
inline void take_events(int queue) noexcept {
  constexpr timespec at_once{};
  struct ::kevent event{};
  while (::kevent(queue, nullptr, 0, &event, 1, &at_once) > 0) {
  }
}

}  // namespace genie::inline v0::bsd_detail

#endif

#endif  // GENIE_BSD_KQUEUE_HPP
