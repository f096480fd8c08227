// Interleaved repetitions of several works, and the table of their medians and ratios.
#ifndef GENIE_BENCH_COMMON_HPP
#define GENIE_BENCH_COMMON_HPP

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Something that is done over and over; `run` does it once, and ends the program if it fails.
struct Work {
  std::string name;
  std::function<void()> run;
};

[[nodiscard]] inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Does each work `times` in a row, one work after the other, `rounds` times over, so that whatever disturbs the
/// machine disturbs all of them. Prints a table in Markdown: microseconds, and the ratio to the first work, its floor,
/// within each round: median, least, most.
inline void compare(const std::string& title, const std::vector<Work>& works, std::size_t times = 500,
                    std::size_t rounds = 21) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> spans(works.size());
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t at = 0; at < works.size(); ++at) {
      const Clock::time_point began = Clock::now();
      for (std::size_t time = 0; time < times; ++time) works[at].run();
      const std::chrono::duration<double, std::micro> took = Clock::now() - began;
      if (round > 0) spans[at].push_back(took.count() / static_cast<double>(times));  // the first one warms up
    }
  }
  fmt::print("| {} | µs | ratio | least | most |\n|---|---:|---:|---:|---:|\n", title);
  for (std::size_t at = 0; at < works.size(); ++at) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < rounds; ++round) ratios.push_back(spans[at][round] / spans[0][round]);
    fmt::print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |\n", works[at].name, median(spans[at]), median(ratios),
               *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()));
  }
  fmt::print("\n");
}

}  // namespace bench

#endif  // GENIE_BENCH_COMMON_HPP
