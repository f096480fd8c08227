// As much of kqueue(2) as genie uses, on Linux: pidfds and inotify behind an epoll descriptor. It lets the tests run
// the code that macOS and FreeBSD share; how their kernels behave it can't tell.
#ifndef GENIE_TESTS_KQUEUE_SYS_EVENT_H
#define GENIE_TESTS_KQUEUE_SYS_EVENT_H

#pragma GCC system_header  // as the one that it stands for: a struct and a function of one name

#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct kevent {
  std::uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned fflags;
  std::int64_t data;
  void* udata;
};

inline constexpr short EVFILT_VNODE = -4;
inline constexpr short EVFILT_PROC = -5;
inline constexpr unsigned short EV_ADD = 0x1;
inline constexpr unsigned short EV_CLEAR = 0x20;
inline constexpr unsigned NOTE_EXIT = 0x80000000U;
inline constexpr unsigned NOTE_DELETE = 0x1;
inline constexpr unsigned NOTE_WRITE = 0x2;
inline constexpr unsigned NOTE_EXTEND = 0x4;
inline constexpr unsigned NOTE_ATTRIB = 0x8;
inline constexpr unsigned NOTE_LINK = 0x10;
inline constexpr unsigned NOTE_RENAME = 0x20;
inline constexpr unsigned NOTE_REVOKE = 0x40;

namespace kqueue_on_linux {

struct Queues {
  std::mutex mutex;
  std::map<int, int> subjects;  ///< of a queue that still has to tell of it: what it waits for
  int kqueue_error = 0;         ///< what the next kqueue() fails with
};
inline Queues& queues() {
  static Queues all;
  return all;
}

}  // namespace kqueue_on_linux

inline int kqueue() {
  auto& all = kqueue_on_linux::queues();
  const std::scoped_lock lock{all.mutex};
  if (all.kqueue_error != 0) {
    errno = all.kqueue_error;
    all.kqueue_error = 0;
    return -1;
  }
  const int queue = ::epoll_create1(0);
  // The queue that had this number is closed, and what it has waited for is nobody's.
  if (const auto former = all.subjects.find(queue); former != all.subjects.end()) {
    ::close(former->second);
    all.subjects.erase(former);
  }
  return queue;
}

inline int kevent(int queue, const struct kevent* changes, int count, struct kevent* events, int room,
                  const timespec*) {
  auto& all = kqueue_on_linux::queues();
  const std::scoped_lock lock{all.mutex};
  if (count == 1) {
    int subject = -1;
    if (changes->filter == EVFILT_PROC) {
      subject = static_cast<int>(::syscall(434 /* pidfd_open */, static_cast<pid_t>(changes->ident), 0U));
    } else {
      subject = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
      const std::string path = "/proc/self/fd/" + std::to_string(changes->ident);
      const std::uint32_t mask =
          IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE | IN_DELETE | IN_MOVE;
      if (::inotify_add_watch(subject, path.c_str(), mask) < 0) {
        const int error = errno;
        ::close(subject);
        errno = error;
        return -1;
      }
    }
    if (subject < 0) return -1;
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (::epoll_ctl(queue, EPOLL_CTL_ADD, subject, &readable) != 0) {
      ::close(subject);
      errno = EBADF;
      return -1;
    }
    all.subjects[queue] = subject;
    return 0;
  }
  epoll_event ready{};
  if (events == nullptr || room != 1 || ::epoll_wait(queue, &ready, 1, 0) <= 0) return 0;
  char buffer[4096];
  while (::read(all.subjects[queue], buffer, sizeof buffer) > 0) {
  }
  return 1;
}

#endif  // GENIE_TESTS_KQUEUE_SYS_EVENT_H
