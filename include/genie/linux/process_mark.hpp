// Tells a process from the children that it forks without asking the kernel each time: what a process has learned of
// itself holds for as long as it is that very process.
#ifndef GENIE_LINUX_PROCESS_MARK_HPP
#define GENIE_LINUX_PROCESS_MARK_HPP

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace genie::inline v0::linux_detail {

/// One page that the kernel empties in every forked child, shared by all probes of the process, and never unmapped.
struct ProcessMark {
  static inline std::uint64_t none = 0;
  static inline std::uint64_t* word = nullptr;  ///< `&none` where there is no such page
  static inline std::uint64_t last = 0;
};

/// Source: `madvise(2)`, MADV_WIPEONFORK (Linux 4.14).
[[nodiscard]] inline std::uint64_t* map_process_mark() noexcept {
  constexpr std::size_t size = sizeof(std::uint64_t);
  constexpr int wipe_on_fork = 18;
  constexpr int no_such_advice = -1;
  void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return &ProcessMark::none;
  // Emulators that take any advice and do nothing would have us believe that nobody forks.
  if (::madvise(page, size, no_such_advice) == 0 || ::madvise(page, size, wipe_on_fork) != 0) {
    ::munmap(page, size);
    return &ProcessMark::none;
  }
  return static_cast<std::uint64_t*>(page);
}

/// Returns: a number that stays the same for as long as this process lives, and that no other process with a copy of
/// its memory has; 0 where the kernel has no such thing. A child made by `vfork(2)` shares the memory, and has another
/// PID. Thread safety: any number of threads at once.
[[nodiscard]] inline std::uint64_t process_mark() noexcept {
  std::uint64_t* word = __atomic_load_n(&ProcessMark::word, __ATOMIC_ACQUIRE);
  if (word == nullptr) {
    std::uint64_t* const mapped = map_process_mark();
    if (__atomic_compare_exchange_n(&ProcessMark::word, &word, mapped, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      word = mapped;
    } else if (mapped != &ProcessMark::none) {
      ::munmap(mapped, sizeof *mapped);
    }
  }
  if (word == &ProcessMark::none) return 0;
  std::uint64_t mark = __atomic_load_n(word, __ATOMIC_RELAXED);
  if (mark != 0) return mark;
  const std::uint64_t fresh = __atomic_add_fetch(&ProcessMark::last, 1, __ATOMIC_RELAXED);
  return __atomic_compare_exchange_n(word, &mark, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? fresh : mark;
}

}  // namespace genie::inline v0::linux_detail

#endif  // GENIE_LINUX_PROCESS_MARK_HPP
