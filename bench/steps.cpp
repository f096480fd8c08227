// Where the time of a claim and a release goes: call by call of the policies, each with what genie computes until the
// next one.
//
//   build/release/bench/steps DIRECTORY…     one on each file system of interest, as /tmp and /dev/shm
#include <genie/serve_guard.hpp>
#include <genie/testing/faulting.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include "common.hpp"

namespace {

using bench::require;
using namespace genie::testing;
using Guard = genie::ServeGuard<Faulting<genie::SystemClock>, Faulting<genie::SystemProcessProbe>,
                                Faulting<genie::SystemFilesystem>>;

/// Of one claim and release, the time of each call that was made, in order.
class Stopwatch {
 public:
  void lap(std::string next) {
    const double now = bench::cpu_time();
    if (!name_.empty()) laps_.emplace_back(std::move(name_), now - began_);
    name_ = std::move(next);
    began_ = bench::cpu_time();
  }
  [[nodiscard]] std::vector<std::pair<std::string, double>> take() {
    lap("");
    return std::exchange(laps_, {});
  }

 private:
  std::vector<std::pair<std::string, double>> laps_;
  std::string name_;
  double began_ = 0;
};

void measure(const char* parent) {
  constexpr std::size_t rounds = 2'000;
  const std::string directory = bench::make_directory(parent);
  Stopwatch watch;
  FaultPlan plan;
  plan.before_call = [&](const CallEvent& event) {
    // A temporary name is another one each time.
    std::string name{event.name.data(), event.name.size()};
    name = name.substr(name.rfind('/') + 1);
    if (name.ends_with(".tmp") && name.size() > 20) name = "its temporary name";
    watch.lap(fmt::format("{}{}{}", name_of(event.call), name.empty() ? "" : ", ", name));
  };
  Guard guard{directory + "/state",
              {},
              Faulting<genie::SystemClock>{plan},
              Faulting<genie::SystemProcessProbe>{plan},
              Faulting<genie::SystemFilesystem>{plan}};
  std::vector<std::string> names;
  std::vector<std::vector<double>> spans;
  for (std::size_t round = 0; round <= rounds; ++round) {
    const auto claim = guard.claim();
    require(claim && claim->owned(), "claim");
    watch.lap("");
    require(guard.release().has_value(), "release");
    const auto laps = watch.take();
    if (round == 0) continue;  // the first one learns who it is
    if (round == 1) {
      for (const auto& lap : laps) names.push_back(lap.first);
      spans.resize(names.size());
    }
    for (std::size_t at = 0; at < laps.size(); ++at) {
      require(names[at] == laps[at].first, "another call");
      spans[at].push_back(laps[at].second);
    }
  }
  // What the clock itself takes is in each lap.
  std::vector<double> ticks;
  for (int tick = 0; tick < 1'000; ++tick) {
    const double began = bench::cpu_time();
    ticks.push_back(bench::cpu_time() - began);
  }
  const double tick = bench::median(ticks);
  double sum = 0;
  for (std::vector<double>& each : spans) sum += bench::median(each) - tick;
  fmt::print("| a claim and a release, {} | µs | share |\n|---|---:|---:|\n", parent);
  double others = 0;
  std::size_t small = 0;
  for (std::size_t at = 0; at < names.size(); ++at) {
    const double took = bench::median(spans[at]) - tick;
    if (took < sum / 30) {
      others += took;
      ++small;
    } else {
      fmt::print("| {} | {:.1f} | {:.0f} % |\n", names[at], took, 100 * took / sum);
    }
  }
  fmt::print("| {} others | {:.1f} | {:.0f} % |\n", small, others, 100 * others / sum);
  fmt::print("| all {} | {:.1f} | 100 % |\n\n", names.size(), sum);
  std::filesystem::remove_all(directory);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY...\n", arguments[0]);
    return 64;
  }
  for (int at = 1; at < count; ++at) measure(arguments[at]);
  return 0;
}
