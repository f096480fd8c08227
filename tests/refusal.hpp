// A kernel or a sandbox that refuses: system calls that fail as older kernels, seccomp profiles and exhausted limits
// let them fail; and one that lets the world change right before a call.
#ifndef GENIE_TESTS_REFUSAL_HPP
#define GENIE_TESTS_REFUSAL_HPP

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <future>
#include <iterator>
#include <thread>
#include <vector>

namespace tests {

inline constexpr int any_argument = -1;

// Calls that newer machines never had, or that 32-bit machines make by another number.
#if defined(SYS_poll)
inline constexpr long poll_call = SYS_poll;
#else
inline constexpr long poll_call = SYS_ppoll;
#endif
#if defined(SYS_ppoll_time64)
inline constexpr long ppoll_call = SYS_ppoll_time64;
#else
inline constexpr long ppoll_call = SYS_ppoll;
#endif
#if defined(SYS_readlink)
inline constexpr long readlink_call = SYS_readlink;
#else
inline constexpr long readlink_call = SYS_readlinkat;
#endif
#if defined(SYS_fcntl64)
inline constexpr long fcntl_call = SYS_fcntl64;
#else
inline constexpr long fcntl_call = SYS_fcntl;
#endif
#if defined(SYS_fstatfs64)
inline constexpr long fstatfs_call = SYS_fstatfs64;
#else
inline constexpr long fstatfs_call = SYS_fstatfs;
#endif
#if defined(SYS_newfstatat)
inline constexpr long fstatat_call = SYS_newfstatat;
#else
inline constexpr long fstatat_call = SYS_statx;
#endif
#if defined(__s390__)
inline constexpr int clone_flags_argument = 1;
#else
inline constexpr int clone_flags_argument = 0;
#endif

/// A system call that fails. Where an argument is given, only if it has one of the bits, or has none of them.
struct Refusal {
  long number;
  int error;
  int argument = any_argument;
  std::uint32_t bits = 0;
  bool where_clear = false;
};

namespace detail {

/// `ioctl`, whose request is an `int` in musl and unsigned in glibc.
template <typename Request>
int control(int (*call)(int, Request, ...), int file, unsigned long request, void* data) {
  return call(file, static_cast<Request>(request), data);
}

/// Where an argument's lower 32 bits are.
inline constexpr std::size_t low_half = std::endian::native == std::endian::little ? 0 : sizeof(std::uint32_t);

/// The same call by the number that it had before it took a directory, which musl still uses where there is one.
/// Returns: -1 as the number where there is none.
[[nodiscard]] inline Refusal in_older_form(const Refusal& refusal) {
  Refusal older = refusal;
  older.number = -1;
#if defined(SYS_open)
  if (refusal.number == SYS_openat) {
    older.number = SYS_open;
    if (refusal.argument != any_argument) --older.argument;
  }
#endif
#if defined(SYS_stat)
  if (refusal.number == fstatat_call && refusal.argument == any_argument) older.number = SYS_stat;
#endif
  return older;
}

/// Lets `action` happen to such a call, and goes on behind for any other.
inline void append(std::vector<sock_filter>& program, const Refusal& refusal, std::uint32_t action) {
  const bool always = refusal.argument == any_argument;
  const auto offset = static_cast<std::uint32_t>(
      always ? offsetof(seccomp_data, nr)
             : offsetof(seccomp_data, args) + sizeof(std::uint64_t) * static_cast<std::size_t>(refusal.argument) +
                   low_half);
  const auto skip_if_set = static_cast<std::uint8_t>(refusal.where_clear ? 1 : 0);
  const auto skip_if_clear = static_cast<std::uint8_t>(1 - skip_if_set);
  const auto code = [](unsigned bits_of_it) { return static_cast<std::uint16_t>(bits_of_it); };
  const sock_filter steps[] = {
      {code(BPF_LD | BPF_W | BPF_ABS), 0, 0, static_cast<std::uint32_t>(offsetof(seccomp_data, nr))},
      {code(BPF_JMP | BPF_JEQ | BPF_K), 0, 3, static_cast<std::uint32_t>(refusal.number)},
      {code(BPF_LD | BPF_W | BPF_ABS), 0, 0, offset},
      {code(always ? BPF_JMP | BPF_JGE | BPF_K : BPF_JMP | BPF_JSET | BPF_K), skip_if_set, skip_if_clear,
       always ? 0 : refusal.bits},
      {code(BPF_RET | BPF_K), 0, 0, action},
  };
  program.insert(program.end(), std::begin(steps), std::end(steps));
}

/// Returns: what `seccomp(2)` does, with a filter that has `action` happen to such a call.
[[nodiscard]] inline long install(const Refusal& refusal, std::uint32_t action, unsigned flags) {
  std::vector<sock_filter> program;
  append(program, refusal, action);
  if (const Refusal older = in_older_form(refusal); older.number >= 0) append(program, older, action);
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

}  // namespace detail

/// From now on, for this thread and what it forks or executes. Returns: whether that is possible.
[[nodiscard]] inline bool install(const Refusal& refusal) {
  return detail::install(refusal, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(refusal.error), 0) == 0;
}

/// Runs `act` in a thread of its own, and `judge(n)` before its n-th such call, from 1: what it returns is the errno
/// with which the call fails, or 0, and then the call is made. Returns: whether that is possible (Linux 5.9, and nobody
/// supervises us so); else `act` does not run.
template <typename Judge, typename Act>
[[nodiscard]] bool supervise(const Refusal& which, Judge&& judge, Act&& act) {
  std::promise<int> installed;
  std::thread thread{[&] {
    const long listener = detail::install(which, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    installed.set_value(static_cast<int>(listener));
    if (listener >= 0) act();
  }};
  const int listener = installed.get_future().get();
  pollfd entry{listener, POLLIN, 0};
  for (int calls = 0; listener >= 0;) {
    if (::poll(&entry, 1, -1) < 0) continue;
    if ((entry.revents & POLLIN) == 0) break;  // hung up: the thread has ended, and the filter with it
    seccomp_notif asked{};
    if (detail::control(&::ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
    seccomp_notif_resp answer{};
    answer.id = asked.id;
    answer.error = -judge(++calls);
    if (answer.error == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)detail::control(&::ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  thread.join();
  if (listener >= 0) ::close(listener);
  return listener >= 0;
}

}  // namespace tests

#endif  // GENIE_TESTS_REFUSAL_HPP
