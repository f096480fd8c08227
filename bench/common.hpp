// Interleaved repetitions of several works, and the table of their medians and ratios.
#ifndef GENIE_BENCH_COMMON_HPP
#define GENIE_BENCH_COMMON_HPP

#include <fmt/core.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Ends the program where `holds` does not, with what has failed and its errno.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

/// A new directory below `parent`, which the caller removes.
[[nodiscard]] inline std::string make_directory(const char* parent) {
  std::string path = std::string{parent} + "/genie-bench.XXXXXX";
  require(::mkdtemp(path.data()) != nullptr, path.c_str());
  return path;
}

/// Something that is done over and over; `run` does it once, and ends the program if it fails.
struct Work {
  std::string name;
  std::function<void()> run;
};

[[nodiscard]] inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The time that this thread has had of a processor, in microseconds: what others do meanwhile counts little. Waiting
/// does not count at all; nothing that is compared here waits for more than a journal.
[[nodiscard]] inline double cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// What a work took, in each round.
struct Taken {
  std::string name;
  std::vector<double> spans;
};

/// Prints a table in Markdown: microseconds, and the ratio to the first work, its floor, within each round: median, and
/// the range of the middle half of the rounds.
inline void print_table(const std::string& title, const std::vector<Taken>& works) {
  fmt::print("| {} | µs | ratio | from | to |\n|---|---:|---:|---:|---:|\n", title);
  for (const Taken& work : works) {
    const std::size_t rounds = work.spans.size();
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rounds; ++round) ratios.push_back(work.spans[round] / works[0].spans[round]);
    std::sort(ratios.begin(), ratios.end());
    fmt::print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", work.name, median(work.spans), ratios[rounds / 2],
               ratios[rounds / 4], ratios[rounds - 1 - rounds / 4]);
  }
  fmt::print("\n");
}

/// Does each work `times` in a row, one work after the other, `rounds` times over, so that whatever disturbs the
/// machine disturbs all of them. Prints the processor time of each.
inline void compare(const std::string& title, const std::vector<Work>& works, std::size_t times = 25,
                    std::size_t rounds = 400) {
  std::vector<Taken> taken;
  for (const Work& work : works) taken.push_back({work.name, {}});
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t at = 0; at < works.size(); ++at) {
      const double began = cpu_time();
      for (std::size_t time = 0; time < times; ++time) works[at].run();
      const double took = cpu_time() - began;
      if (round > 0) taken[at].spans.push_back(took / static_cast<double>(times));  // the first one warms up
    }
  }
  print_table(title, taken);
}

}  // namespace bench

#endif  // GENIE_BENCH_COMMON_HPP
