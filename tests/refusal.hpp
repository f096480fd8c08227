// A kernel or a sandbox that refuses: system calls that fail as older kernels, seccomp profiles and exhausted limits
// let them fail.
#ifndef GENIE_TESTS_REFUSAL_HPP
#define GENIE_TESTS_REFUSAL_HPP

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdint>
#include <iterator>

namespace tests {

inline constexpr int any_argument = -1;

/// A system call that fails. Where an argument is given, only if it has one of the bits, or has none of them.
struct Refusal {
  long number;
  int error;
  int argument = any_argument;
  std::uint32_t bits = 0;
  bool where_clear = false;
};

/// From now on, for this thread and what it forks or executes. Returns: whether that is possible.
[[nodiscard]] inline bool install(const Refusal& refusal) {
  const auto offset = static_cast<std::uint32_t>(
      refusal.argument == any_argument
          ? offsetof(seccomp_data, nr)
          : offsetof(seccomp_data, args) + sizeof(std::uint64_t) * static_cast<std::size_t>(refusal.argument));
  const bool always = refusal.argument == any_argument;
  const auto skip_if_set = static_cast<std::uint8_t>(refusal.where_clear ? 1 : 0);
  const auto skip_if_clear = static_cast<std::uint8_t>(1 - skip_if_set);
  const auto code = [](unsigned bits_of_it) { return static_cast<std::uint16_t>(bits_of_it); };
  sock_filter program[] = {
      {code(BPF_LD | BPF_W | BPF_ABS), 0, 0, static_cast<std::uint32_t>(offsetof(seccomp_data, nr))},
      {code(BPF_JMP | BPF_JEQ | BPF_K), 0, 3, static_cast<std::uint32_t>(refusal.number)},
      {code(BPF_LD | BPF_W | BPF_ABS), 0, 0, offset},
      {code(always ? BPF_JMP | BPF_JGE | BPF_K : BPF_JMP | BPF_JSET | BPF_K), skip_if_set, skip_if_clear,
       always ? 0 : refusal.bits},
      {code(BPF_RET | BPF_K), 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(refusal.error)},
      {code(BPF_RET | BPF_K), 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace tests

#endif  // GENIE_TESTS_REFUSAL_HPP
