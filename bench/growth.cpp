// Whether what genie costs grows with what is around it: processes on the machine, files in the directory, claims made
// before, callers at the same time. And what it costs to report the progress of a boot a million times.
//
//   build/release/bench/growth DIRECTORY >results.csv     then: scripts/plots.py results.csv docs/images
//
// Prints `series,x,y` lines. Microseconds are medians, per call, of the processor time of the calling thread.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <genie/serve_guard.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common.hpp"

namespace {

using bench::require;

void claim_and_release(genie::ServeGuard<>& guard) {
  const auto claim = guard.claim();
  require(claim && claim->owned() && guard.release(), "genie");
}

void ask(genie::ServeGuard<>& guard) {
  const auto running = guard.running();
  require(running.has_value() && *running, "genie");
}

template <typename Act>
[[nodiscard]] double median_price(Act&& act, std::size_t times, std::size_t rounds = 301) {
  std::vector<double> prices;
  for (std::size_t round = 0; round < rounds; ++round) {
    const double began = bench::cpu_time();
    for (std::size_t time = 0; time < times; ++time) act();
    prices.push_back((bench::cpu_time() - began) / static_cast<double>(times));
  }
  return bench::median(std::move(prices));
}

void print(const char* series, double x, double y) {
  fmt::print("{},{:.0f},{:.3f}\n", series, x, y);
  std::fflush(stdout);
}

/// A claim, and a look at a live owner, in directories that no other work has touched.
class Prices {
 public:
  explicit Prices(const std::string& directory)
      : directory_{directory},
        claimed_{directory + "/claimed"},
        owner_{directory + "/owned"},
        asker_{directory + "/owned"} {
    std::filesystem::create_directories(directory);
    claim_and_release(claimed_);
    const auto claim = owner_.claim();
    require(claim && claim->owned() && owner_.ready(), "genie");
  }
  void measure(const std::string& by, std::size_t x) {
    print(("claim and release by " + by).c_str(), static_cast<double>(x),
          median_price([&] { claim_and_release(claimed_); }, 20));
    print(("running by " + by).c_str(), static_cast<double>(x), median_price([&] { ask(asker_); }, 100));
  }
  [[nodiscard]] std::string claimed() const { return directory_ + "/claimed/"; }
  [[nodiscard]] std::string owned() const { return directory_ + "/owned/"; }

 private:
  std::string directory_;
  genie::ServeGuard<> claimed_;
  genie::ServeGuard<> owner_;
  genie::ServeGuard<> asker_;
};

void grow_processes(const std::string& directory) {
  Prices prices{directory};
  std::vector<pid_t> idle;
  for (const std::size_t count : {0U, 250U, 500U, 1000U, 2000U}) {
    while (idle.size() < count) {
      const pid_t child = ::fork();
      require(child >= 0, "fork");
      if (child == 0) {
        for (;;) ::pause();
      }
      idle.push_back(child);
    }
    prices.measure("idle processes", count);
  }
  for (const pid_t child : idle) ::kill(child, SIGKILL);
  for (const pid_t child : idle) ::waitpid(child, nullptr, 0);
}

void grow_files(const std::string& directory) {
  Prices prices{directory};
  std::size_t made = 0;
  for (const std::size_t count : {0U, 10U, 100U, 1'000U, 10'000U, 100'000U}) {
    for (; made < count; ++made) {
      std::ofstream{prices.claimed() + "other-" + std::to_string(made)};
      std::ofstream{prices.owned() + "other-" + std::to_string(made)};
    }
    prices.measure("files in the directory", count);
  }
}

void grow_claims(const std::string& directory, std::size_t most) {
  genie::ServeGuard<> guard{directory};
  const std::size_t block = most / 20;
  for (std::size_t made = 0; made < most; made += block) {
    const double began = bench::cpu_time();
    for (std::size_t at = 0; at < block; ++at) claim_and_release(guard);
    print("claim and release by claims before", static_cast<double>(made),
          (bench::cpu_time() - began) / static_cast<double>(block));
  }
  std::size_t files = 0;
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator{directory}) {
    ++files;
    bytes += entry.file_size();
  }
  print("files left", static_cast<double>(most), static_cast<double>(files));
  print("bytes left", static_cast<double>(most), static_cast<double>(bytes));
}

/// The processor time of the whole process, in microseconds.
[[nodiscard]] double time_of_all() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// Per second of a processor, so that it does not matter how many of them others leave to us: callers that got into
/// each other's way would spend it on waiting actively, or leave processors idle, which the second series tells.
void grow_callers(const std::string& directory) {
  genie::ServeGuard<> owner{directory};
  const auto claim = owner.claim();
  require(claim && claim->owned() && owner.ready(), "genie");
  for (const std::size_t callers : {1U, 2U, 4U, 8U, 16U, 32U, 64U}) {
    std::atomic<bool> is_over{false};
    std::atomic<std::size_t> asked{0};
    std::vector<std::thread> threads;
    const auto began = std::chrono::steady_clock::now();
    const double used_before = time_of_all();
    for (std::size_t at = 0; at < callers; ++at) {
      threads.emplace_back([&] {
        genie::ServeGuard<> guard{directory};
        std::size_t count = 0;
        for (; !is_over.load(std::memory_order_relaxed); ++count) ask(guard);
        asked += count;
      });
    }
    std::this_thread::sleep_for(std::chrono::seconds{2});
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    const double used = time_of_all() - used_before;
    const auto x = static_cast<double>(callers);
    print("questions per second of a processor by callers", x, static_cast<double>(asked) / used * 1e6);
    print("questions per second by callers", x, static_cast<double>(asked) / took.count() * 1e6);
    print("processors used by callers", x, used / took.count());
  }
}

void report_progress(const std::string& directory) {
  constexpr std::size_t total = 1'000'000;
  genie::ServeGuard<> guard{directory};
  genie::ClaimOptions options;
  options.starting = true;
  const auto claim = guard.claim(options);
  require(claim && claim->owned(), "genie");
  const double began = bench::cpu_time();
  for (std::size_t done = 1; done <= total; ++done) (void)guard.boot("backfill", done, total);
  print("milliseconds of a processor for updates of a boot's progress", total, (bench::cpu_time() - began) / 1e3);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY [boot | processes | callers | files | claims]…\n", arguments[0]);
    return 64;
  }
  const std::string directory = bench::make_directory(arguments[1]);
  const std::vector<std::string> wanted{arguments + 2, arguments + count};
  const auto is_wanted = [&](const char* name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  fmt::print("series,x,y\n");
  if (is_wanted("boot")) report_progress(directory + "/boot");
  if (is_wanted("processes")) grow_processes(directory + "/processes");
  if (is_wanted("callers")) grow_callers(directory + "/callers");
  if (is_wanted("files")) grow_files(directory + "/files");
  if (is_wanted("claims")) grow_claims(directory + "/claims", 1'000'000);
  std::filesystem::remove_all(directory);
  return 0;
}
