// 64 processes that find the record of a dead owner, all at once: from the barrier until each of them knows whether it
// owns the directory, by the clock on the wall.
//
//   build/release/bench/contenders DIRECTORY [ROUNDS]
//
// The floor is a bare lock, which says who has won and nothing else. Each owner is killed before the next round.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <genie/serve_guard.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common.hpp"

#if __has_include(<bsd/libutil.h>)
#include <bsd/libutil.h>
#define GENIE_BENCH_LIBBSD
#endif
#ifdef GENIE_BENCH_QT
#include <QLockFile>
#endif

namespace {

using bench::require;

constexpr unsigned contenders = 64;

[[nodiscard]] std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// What the processes of a round share.
struct Round {
  pthread_barrier_t begin;
  pthread_barrier_t end;
  std::atomic<unsigned> owners;
  std::int64_t known[contenders];
};

/// A way of claiming: whether this process owns the directory now; what holds it stays until the process ends.
struct Way {
  std::string name;
  std::function<bool()> claim;
};

[[noreturn]] void contend(Round& round, unsigned self, const Way& way) {
  ::pthread_barrier_wait(&round.begin);
  const bool owns = way.claim();
  round.known[self] = now();
  if (owns) ++round.owners;
  ::pthread_barrier_wait(&round.end);
  ::_exit(0);
}

/// Returns: microseconds until the last one knew.
[[nodiscard]] double run(Round& round, const Way& way) {
  round.owners = 0;
  for (unsigned at = 0; at < contenders; ++at) {
    const pid_t child = ::fork();
    require(child >= 0, "fork");
    if (child == 0) contend(round, at, way);
  }
  ::pthread_barrier_wait(&round.begin);
  const std::int64_t began = now();
  ::pthread_barrier_wait(&round.end);
  for (unsigned at = 0; at < contenders; ++at) require(::wait(nullptr) > 0, "wait");
  if (round.owners != 1) fmt::print(stderr, "{}: {} owners\n", way.name, round.owners.load());
  return static_cast<double>(*std::max_element(round.known, round.known + contenders) - began) / 1e3;
}

[[nodiscard]] std::vector<Way> ways_in(const std::string& directory) {
  std::vector<Way> ways;
  std::ofstream{directory + "/floor.lock"};
  ways.push_back({"floor: open, lock", [=] {
                    const int file = ::open((directory + "/floor.lock").c_str(), O_RDWR | O_CLOEXEC);
                    require(file >= 0, "open");
                    struct flock lock{};
                    lock.l_type = F_WRLCK;
                    return ::fcntl(file, F_OFD_SETLK, &lock) == 0;
                  }});
  ways.push_back({"genie: claim", [=] {
                    auto* const guard = new genie::ServeGuard<>{directory + "/genie"};  // never released
                    const auto claim = guard->claim();
                    require(claim.has_value(), "genie");
                    return claim->owned();
                  }});
#ifdef GENIE_BENCH_LIBBSD
  ways.push_back({"libbsd: pidfile_open, _write", [=] {
                    pid_t other = 0;
                    pidfh* const file = ::pidfile_open((directory + "/bsd.pid").c_str(), 0600, &other);
                    return file != nullptr && ::pidfile_write(file) == 0;
                  }});
#endif
#ifdef GENIE_BENCH_QT
  ways.push_back({"Qt: QLockFile, tryLock", [=] {
                    auto* const lock = new QLockFile{QString::fromStdString(directory + "/qt.lock")};
                    return lock->tryLock(0);
                  }});
#endif
  return ways;
}

void print(const std::string& title, std::vector<bench::Taken> works) {
  fmt::print("| {} | p50, µs | p99, µs | p50, in p50 of the floor | p99, in p99 of the floor |\n", title);
  fmt::print("|---|---:|---:|---:|---:|\n");
  for (bench::Taken& work : works) std::sort(work.spans.begin(), work.spans.end());
  const std::size_t rounds = works[0].spans.size();
  const std::size_t middle = rounds / 2;
  const std::size_t late = rounds - 1 - rounds / 100;
  for (const bench::Taken& work : works) {
    fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} | {:.2f} |\n", work.name, work.spans[middle], work.spans[late],
               work.spans[middle] / works[0].spans[middle], work.spans[late] / works[0].spans[late]);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY [ROUNDS]\n", arguments[0]);
    return 64;
  }
  const std::size_t rounds = count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 200;
  const std::string directory = bench::make_directory(arguments[1]);
  void* const shared = ::mmap(nullptr, sizeof(Round), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(shared != MAP_FAILED, "mmap");
  auto* const round = new (shared) Round{};
  pthread_barrierattr_t attributes{};
  ::pthread_barrierattr_init(&attributes);
  ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_barrier_init(&round->begin, &attributes, contenders + 1);
  ::pthread_barrier_init(&round->end, &attributes, contenders + 1);

  const std::vector<Way> ways = ways_in(directory);
  std::vector<bench::Taken> taken;
  for (const Way& way : ways) taken.push_back({way.name, {}});
  for (std::size_t at = 0; at <= rounds; ++at) {
    for (std::size_t way = 0; way < ways.size(); ++way) {
      const double took = run(*round, ways[way]);
      if (at > 0) taken[way].spans.push_back(took);  // the first one finds no record
    }
  }
  print(fmt::format("{} contenders, stale record, {}", contenders, arguments[1]), taken);
  std::filesystem::remove_all(directory);
  return 0;
}
