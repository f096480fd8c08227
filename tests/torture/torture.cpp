// Torture: real processes claim one directory at the same instant, round after round, while some of them are killed or
// stopped at any step. Two owners are noticed without asking genie: whoever has claimed says so in shared memory and
// looks who else has.
//
//   genie_torture [--rounds N] [--seed S] [--lanes N] [--dir DIR] [--algorithm genie|original] [--prove] [--round R]
//                [--shared-pids]
//
// Exit status 1 at the first violation, which is printed with what it takes to run that round again: `--seed S --round
// R` plays the same round over and over.
#include <genie/serve_guard.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "observed_filesystem.hpp"

namespace {

using genie::ClaimOutcome;
using genie::Milliseconds;

constexpr std::size_t most_workers = 64;
constexpr std::uint32_t steady_workers = 8;    ///< those that stay between the rounds
constexpr std::size_t referee = most_workers;  ///< the referee claims, too, to see whether one can
constexpr std::size_t most_claimants = most_workers + 1;
/// No process has this PID: the kernel's limit is 2^22.
constexpr int nobody = INT_MAX - 1;
constexpr double patience_s = 60;

double now_s() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// SplitMix64: the same numbers everywhere, from any seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(next() % bound); }
  std::uint32_t between(std::uint32_t least, std::uint32_t most) { return least + below(most - least + 1); }
  bool one_in(std::uint32_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

// ---------------------------------------------------------------------------------------------------------------------
// What a round consists of

enum class State : std::uint8_t { clean, absent, stale, empty, legacy, reused_pid, crashed_owner, crashed_midway };
constexpr std::array state_names{"released",    "absent",     "stale",         "empty",
                                 "dead legacy", "reused PID", "crashed owner", "crashed midway"};

enum class Style : std::uint8_t {
  hold,   ///< each claims once; the owner holds on until everybody knows
  churn,  ///< each claims several times and releases at once
};

enum class Fault : std::uint8_t {
  none,
  die,        ///< kill -9 by itself, exactly before a call
  be_killed,  ///< kill -9 by the referee, at about that time
  stop,       ///< SIGSTOP before a call; the referee continues or kills it later
};

enum class Ending : std::uint8_t { release, kill, stop_and_continue, stop_and_kill };

/// What one worker does in one round.
struct Part {
  std::size_t slot = 0;
  Fault fault = Fault::none;
  std::uint32_t fault_at = 0;  ///< before which of its calls
  bool dies_holding = false;
};

struct Plan {
  std::uint64_t round = 0;
  State state = State::clean;
  Style style = Style::hold;
  Ending ending = Ending::release;
  std::uint32_t midway_at = 0;
  bool has_stops = false;
  std::vector<Part> parts;
};

/// Large rounds come in blocks, so that the many processes that they need are not made for one round each.
std::uint32_t most_contenders(std::uint64_t round) {
  const std::uint64_t block = round / 50 % 256;
  if (block == 5) return 64;
  if (block == 37 || block == 101) return 32;
  return block % 32 == 11 ? 16 : steady_workers;
}

/// The whole round follows from seed and number, so that it can be played again.
Plan plan_of(std::uint64_t seed, std::uint64_t round, bool original) {
  Random random{seed * 0x2545f4914f6cdd1dU + round};
  Plan plan;
  plan.round = round;
  constexpr std::array weights{27U, 15U, 22U, 5U, 10U, 9U, 6U, 6U};
  auto choice = random.below(100);
  std::size_t state = 0;
  while (choice >= weights[state]) choice -= weights[state++];
  plan.state = static_cast<State>(state);
  if (original && plan.state > State::stale) plan.state = State::stale;
  plan.midway_at = random.between(1, 60);
  const std::uint32_t most = most_contenders(round);
  const std::uint32_t count = most > steady_workers ? random.between(most / 2 + 1, most)
                              : random.one_in(4)    ? random.between(5, 8)
                                                    : random.between(2, 4);
  // While somebody releases, everybody else looks at all processes: with many that takes its time.
  plan.style = random.one_in(count <= 4 ? 4 : 16) ? Style::churn : Style::hold;
  // Few slots for small rounds: then the same processes meet again and again.
  const std::uint32_t pool = most;
  std::vector<std::size_t> slots(pool);
  for (std::uint32_t at = 0; at < pool; ++at) slots[at] = at;
  for (std::uint32_t at = 0; at < count; ++at) {
    std::swap(slots[at], slots[at + random.below(pool - at)]);
    plan.parts.push_back({slots[at], Fault::none, 0, false});
  }
  const auto ending = random.below(100);
  plan.ending = ending < 78   ? Ending::release
                : ending < 88 ? Ending::kill
                : ending < 97 ? Ending::stop_and_continue
                              : Ending::stop_and_kill;
  if (random.below(100) < 25 && !original) {
    const bool stops = random.one_in(4);
    for (std::uint32_t faults = random.between(1, 2); faults > 0; --faults) {
      Part& part = plan.parts[random.below(count)];
      // A claim makes 15 to 40 calls, a release 10; several claims more.
      part.fault_at = random.between(1, plan.style == Style::churn ? 90 : 45);
      part.fault = stops && random.below(3) != 0 ? Fault::stop : random.one_in(2) ? Fault::die : Fault::be_killed;
      plan.has_stops = plan.has_stops || part.fault == Fault::stop;
    }
  }
  return plan;
}

std::string text_of(const Plan& plan) {
  constexpr std::array fault_names{"", "dies", "is killed", "is stopped"};
  std::string text = "round " + std::to_string(plan.round) + ": " + std::to_string(plan.parts.size()) +
                     " contenders, start state " + state_names[static_cast<std::size_t>(plan.state)] +
                     (plan.style == Style::hold ? ", the owner holds on" : ", each claims and releases three times");
  for (const Part& part : plan.parts) {
    if (part.fault == Fault::none) continue;
    text += "; worker " + std::to_string(part.slot) + " " + fault_names[static_cast<std::size_t>(part.fault)] +
            " at call " + std::to_string(part.fault_at);
  }
  return text;
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory that the processes of a lane share

/// A word to wait at.
class Word {
 public:
  [[nodiscard]] std::uint32_t get() const { return value_.load(); }
  void set(std::uint32_t value) {
    value_.store(value);
    wake();
  }
  void add() {
    value_.fetch_add(1);
    wake();
  }
  /// Returns as soon as the word is not `seen`. Returns: false if that took too long.
  bool wait_while(std::uint32_t seen) {
    const double deadline = now_s() + patience_s;
    while (value_.load() == seen) {
      const double left = deadline - now_s();
      if (left <= 0) return false;
      timespec span{};
      span.tv_sec = static_cast<time_t>(left) + 1;
      ::syscall(SYS_futex, &value_, FUTEX_WAIT, seen, &span, nullptr, 0);
    }
    return true;
  }

 private:
  void wake() { ::syscall(SYS_futex, &value_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); }

  std::atomic<std::uint32_t> value_{0};
};

enum class Progress : std::uint32_t {
  racing,
  holding,  ///< owns, and waits for the end of the round
  done,
};

struct Slot {
  Word go;  ///< counts the rounds that this worker has been sent into
  std::atomic<int> pid{0};
  std::atomic<Progress> progress{Progress::done};
  std::atomic<bool> dying{false};     ///< kills itself now
  std::atomic<bool> doomed{false};    ///< asks to be killed
  std::atomic<bool> stopping{false};  ///< stops itself now
  /// The ground truth: set by the owner once its claim has returned, cleared before its release, or by the referee once
  /// it is dead.
  std::atomic<bool> owns{false};
  std::atomic<std::uint32_t> order{0};  ///< which round it has been sent into

  // Written by the worker, read by the referee after `progress` or once the worker is dead.
  std::uint32_t claims = 0;
  std::uint32_t claimed = 0;
  std::uint32_t undecided = 0;
  bool told_of_owner = false;
  ClaimOutcome last_outcome = ClaimOutcome::contended;
  genie::Pid told_owner = 0;

  // Written by the referee before `go`.
  Part part;
  Style style = Style::hold;
  bool has_stops = false;
  bool is_stirred = false;
  std::uint64_t seed = 0;
};

struct Lane {
  Slot slots[most_claimants];
  Word events;  ///< something has happened that the referee may wait for
  std::atomic<std::uint32_t> arrived{0};
  Word gate;  ///< the round that has begun
  Word over;  ///< the round in which owners may end
  std::atomic<std::uint64_t> generation{0};
  std::atomic<std::uint32_t> count{0};  ///< contenders of the round
  std::atomic<bool> is_violated{false};
  char violation[2048] = {};
};

struct Totals {
  std::atomic<std::uint64_t> rounds{0}, claims{0}, claimed{0}, undecided{0}, kills{0}, stops{0}, forks{0}, doubles{0};
  std::atomic<std::uint64_t> by_state[8]{}, by_size[5]{};
  std::atomic<std::uint32_t> most_owners{0};
  std::atomic<bool> halt{false};
};

template <typename T>
T* shared() {
  void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(2);
  }
  return new (memory) T{};
}

struct Options {
  std::uint64_t rounds = 100'000;
  std::uint64_t seed = 0;
  std::uint32_t lanes = 8;
  std::string directory;
  bool original = false;
  bool prove = false;
  bool shares_pids = false;  ///< all lanes in the PID namespace of the caller
  std::optional<std::uint64_t> only_round;
};

/// The first violation counts.
[[gnu::format(printf, 2, 3)]] void violate(Lane& lane, const char* format, ...) {
  if (lane.is_violated.exchange(true)) return;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(lane.violation, sizeof lane.violation, format, arguments);
  va_end(arguments);
  lane.events.add();
}

// ---------------------------------------------------------------------------------------------------------------------
// The ground truth

/// Whether the process can still execute anything: not if it is gone, a zombie, or ending. Its locks end after the
/// kernel has marked it as ending, so whoever gets a lock from a dying owner sees that mark.
bool can_run(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[512];
  const ssize_t count = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (count <= 0) return false;
  text[count] = '\0';
  const char* const name_end = std::strrchr(text, ')');
  char state = '?';
  unsigned flags = 0;
  if (name_end == nullptr || std::sscanf(name_end + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2) return true;
  constexpr unsigned ending = 0x4;  // PF_EXITING
  return state != 'Z' && state != 'X' && (flags & ending) == 0;
}

/// Called once a claim has returned `claimed`. Whoever still says that it owns the directory, and can still run, owned
/// it at a moment at which we did, too.
void become_owner(Lane& lane, Totals& totals, std::size_t me, std::uint64_t generation, bool compares_generations) {
  if (lane.slots[me].owns.exchange(true)) violate(lane, "worker %zu owns the directory already", me);
  std::uint32_t owners = 1;
  for (std::size_t other = 0; other < most_claimants; ++other) {
    if (other == me || !lane.slots[other].owns.load()) continue;
    const int pid = lane.slots[other].pid.load();
    if (!can_run(pid)) continue;
    ++owners;
    totals.doubles.fetch_add(1);
    violate(lane, "TWO OWNERS: PID %d (worker %zu) and PID %d (worker %zu)", lane.slots[me].pid.load(), me, pid, other);
  }
  std::uint32_t most = totals.most_owners.load();
  while (most < owners && !totals.most_owners.compare_exchange_weak(most, owners)) {
  }
  if (!compares_generations) return;
  const std::uint64_t before = lane.generation.exchange(generation);
  if (generation <= before) {
    violate(lane, "generation %llu of PID %d does not exceed %llu", static_cast<unsigned long long>(generation),
            lane.slots[me].pid.load(), static_cast<unsigned long long>(before));
  }
}

void resign(Lane& lane, std::size_t me) { lane.slots[me].owns.store(false); }

// ---------------------------------------------------------------------------------------------------------------------
// The algorithms

/// What happens before each call of a contender.
class Hook {
 public:
  Hook() = default;
  Hook(Lane& lane, Slot& slot)
      : lane_{&lane}, slot_{&slot}, random_{slot.seed}, is_stirred_{slot.is_stirred}, part_{slot.part} {}

  void operator()() {
    if (slot_ == nullptr) return;
    // A few cores show as many interleavings as many would if contenders give way between any two calls.
    if (is_stirred_ && random_.one_in(4)) ::sched_yield();
    if (++calls_ != part_.fault_at) return;
    switch (part_.fault) {
      case Fault::none: break;
      case Fault::die: die(); break;
      case Fault::be_killed:
        slot_->doomed.store(true);
        lane_->events.add();
        break;
      case Fault::stop:
        slot_->stopping.store(true);
        lane_->events.add();
        ::kill(::getpid(), SIGSTOP);
        break;
    }
  }
  void die() {
    slot_->dying.store(true);
    lane_->events.add();
    ::kill(::getpid(), SIGKILL);
  }

 private:
  Lane* lane_ = nullptr;
  Slot* slot_ = nullptr;
  Random random_{0};
  bool is_stirred_ = false;
  Part part_;
  std::uint32_t calls_ = 0;
};

struct Answer {
  ClaimOutcome outcome = ClaimOutcome::contended;
  genie::Pid owner = 0;
  std::uint64_t generation = 0;
  std::string error;
};

struct Patience {
  Milliseconds settle{1000};
  Milliseconds empty_grace{1};
};

std::string text_of(const genie::Error& error) {
  return "error kind " + std::to_string(static_cast<int>(error.kind)) + ", operation " +
         std::to_string(static_cast<int>(error.operation)) + ", " + std::strerror(error.code) + ", " +
         error.path.c_str();
}

class Genie {
 public:
  static constexpr bool has_generations = true;

  Genie(const std::string& directory, Hook& hook) : guard_{directory, {}, {}, {}, tests::ObservedFilesystem{hook}} {}

  Answer claim(const Patience& patience) {
    genie::ClaimOptions options;
    options.settle = patience.settle;
    options.empty_grace = patience.empty_grace;
    const auto claim = guard_.claim(options);
    Answer answer;
    if (!claim) {
      answer.error = text_of(claim.error());
      return answer;
    }
    answer.outcome = claim->outcome;
    answer.owner = claim->owner.pid;
    answer.generation = claim->generation;
    return answer;
  }
  std::string release() {
    const auto released = guard_.release();
    return released.has_value() ? "" : text_of(released.error());
  }
  bool holds() { return guard_.verify() == genie::Ownership::held; }

 private:
  genie::ServeGuard<genie::SystemClock, genie::SystemProcessProbe, tests::ObservedFilesystem> guard_;
};

/// The algorithm that genie replaces: read; if alive, give up; unlink; create exclusively; write.
class Original {
 public:
  static constexpr bool has_generations = false;

  Original(const std::string& directory, Hook& hook) : hook_{&hook}, path_{directory + "/serve.pid"} {}
  ~Original() { (void)release(); }

  Answer claim(const Patience&) {
    Answer answer;
    for (int attempt = 0; attempt < 3; ++attempt) {
      (*hook_)();
      char text[64] = {};
      const int found = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
      if (found >= 0) {
        (void)!::read(found, text, sizeof text - 1);
        ::close(found);
        const int pid = std::atoi(text);
        (*hook_)();
        if (pid > 0 && ::kill(pid, 0) == 0) {
          answer.outcome = ClaimOutcome::already_running;
          answer.owner = pid;
          return answer;
        }
        (*hook_)();
        ::unlink(path_.c_str());
      }
      (*hook_)();
      const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (file < 0) continue;
      (*hook_)();
      const std::string record = std::to_string(::getpid()) + ":1";
      (void)!::write(file, record.data(), record.size());
      ::close(file);
      owns_ = true;
      answer.outcome = ClaimOutcome::claimed;
      answer.owner = ::getpid();
      return answer;
    }
    return answer;
  }
  std::string release() {
    if (owns_) ::unlink(path_.c_str());
    owns_ = false;
    return "";
  }
  bool holds() { return true; }

 private:
  Hook* hook_;
  std::string path_;
  bool owns_ = false;
};

// ---------------------------------------------------------------------------------------------------------------------
// Workers

template <typename Algorithm>
class Worker {
 public:
  Worker(Lane& lane, Totals& totals, std::size_t me, const std::string& directory)
      : lane_{lane}, totals_{totals}, me_{me}, slot_{lane.slots[me]}, directory_{directory} {}

  [[noreturn]] void run(std::uint32_t seen) {
    for (;;) {
      // A worker may rest for long; it dies with its referee.
      while (!slot_.go.wait_while(seen)) {
      }
      seen = slot_.go.get();
      contend();
      slot_.progress.store(Progress::done);
      lane_.events.add();
    }
  }

 private:
  void contend() {
    const std::uint32_t order = slot_.order.load();
    hook_ = Hook{lane_, slot_};
    Algorithm algorithm{directory_, hook_};
    // The last one to come opens the gate for all.
    if (lane_.arrived.fetch_add(1) + 1 == lane_.count.load())
      lane_.gate.set(order);
    else
      wait_for(lane_.gate, order);
    Patience patience;
    // Nobody waits long for somebody who is stopped half-way.
    if (slot_.has_stops) patience.settle = Milliseconds{1};
    const int times = slot_.style == Style::churn ? 3 : 1;
    for (int time = 0; time < times; ++time) claim_once(algorithm, patience, order);
  }

  void claim_once(Algorithm& algorithm, const Patience& patience, std::uint32_t order) {
    const Answer answer = algorithm.claim(patience);
    ++slot_.claims;
    slot_.last_outcome = answer.outcome;
    if (!answer.error.empty()) return violate(lane_, "PID %d cannot claim: %s", ::getpid(), answer.error.c_str());
    if (answer.outcome == ClaimOutcome::already_running) {
      slot_.told_owner = answer.owner;
      slot_.told_of_owner = true;
    }
    if (answer.outcome != ClaimOutcome::claimed) {
      if (answer.outcome != ClaimOutcome::already_running) ++slot_.undecided;
      return;
    }
    become_owner(lane_, totals_, me_, answer.generation, Algorithm::has_generations);
    ++slot_.claimed;
    if (!algorithm.holds()) violate(lane_, "PID %d has claimed, and holds nothing", ::getpid());
    if (slot_.part.dies_holding) hook_.die();
    if (slot_.style == Style::hold) {
      slot_.progress.store(Progress::holding);
      lane_.events.add();
      wait_for(lane_.over, order);
    }
    resign(lane_, me_);
    if (const std::string error = algorithm.release(); !error.empty()) {
      violate(lane_, "PID %d cannot release: %s", ::getpid(), error.c_str());
    }
  }

  void wait_for(Word& word, std::uint32_t order) {
    for (std::uint32_t seen = word.get(); seen != order; seen = word.get()) {
      if (word.wait_while(seen)) continue;
      violate(lane_, "PID %d waits for ever", ::getpid());
      ::_exit(1);
    }
  }

  Lane& lane_;
  Totals& totals_;
  std::size_t me_;
  Slot& slot_;
  const std::string& directory_;
  Hook hook_;
};

// ---------------------------------------------------------------------------------------------------------------------
// The referee of a lane

template <typename Algorithm>
class Referee {
 public:
  Referee(const Options& options, Lane& lane, Totals& totals, const std::string& directory)
      : options_{options}, lane_{lane}, totals_{totals}, directory_{directory} {
    ::mkdir(directory.c_str(), 0700);
    lane_.slots[referee].pid.store(::getpid());
    // Not reaped, so that nobody gets its PID.
    zombie_ = ::fork();
    if (zombie_ == 0) ::_exit(0);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(zombie_), &info, WEXITED | WNOWAIT);
  }

  /// Returns: false at a violation, which is printed.
  bool play(const Plan& plan) {
    plan_ = &plan;
    random_ = Random{options_.seed ^ (plan.round * 0x9e3779b97f4a7c15U)};
    dismiss(most_contenders(plan.round));
    prepare(plan.state);
    had_faults_ = false;
    if (fine()) race(plan.parts, plan.style, plan.has_stops);
    if (fine() && !had_faults_) judge(plan);
    if (fine()) end_holding(plan.ending);
    if (fine()) fresh_claim();
    totals_.rounds.fetch_add(1);
    totals_.by_state[static_cast<std::size_t>(plan.state)].fetch_add(1);
    const std::size_t count = plan.parts.size();
    totals_.by_size[count <= 4 ? 0 : count <= 8 ? 1 : count <= 16 ? 2 : count <= 32 ? 3 : 4].fetch_add(1);
    return fine();
  }

  /// Each process more makes looking at all of them dearer, for every contender of every round.
  void dismiss(std::size_t from) {
    for (std::size_t at = from; at < most_workers; ++at) {
      Slot& slot = lane_.slots[at];
      if (slot.pid.load() == 0) continue;
      ::kill(slot.pid.load(), SIGKILL);
      ::waitpid(slot.pid.load(), nullptr, 0);
      slot.pid.store(0);
    }
  }

  void print_violation() {
    std::string files;
    for (const std::string& name : names()) files += " " + name;
    std::string workers;
    for (const Part& part : plan_->parts) {
      const Slot& slot = lane_.slots[part.slot];
      workers += "\n  worker " + std::to_string(part.slot) + ": PID " + std::to_string(slot.pid.load()) +
                 (slot.owns.load() ? ", OWNS" : "") + ", claims " + std::to_string(slot.claims) + ", claimed " +
                 std::to_string(slot.claimed) + ", last outcome " +
                 std::to_string(static_cast<int>(slot.last_outcome)) + ", told of PID " +
                 std::to_string(slot.told_owner);
    }
    std::printf("VIOLATION: %s\n  %s%s\n  files:%s\n  again: --seed %llu --round %llu%s\n", lane_.violation,
                text_of(*plan_).c_str(), workers.c_str(), files.c_str(), static_cast<unsigned long long>(options_.seed),
                static_cast<unsigned long long>(plan_->round), options_.original ? " --algorithm original" : "");
    std::fflush(stdout);
  }

 private:
  [[nodiscard]] bool fine() const { return !lane_.is_violated.load(); }

  // --- the start state ---

  std::string path(const char* name) const { return directory_ + "/" + name; }
  void write_record(const std::string& text) const {
    const int file = ::open(path("serve.pid").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)!::write(file, text.data(), text.size());
    ::close(file);
  }
  [[nodiscard]] std::string dead_pid() { return std::to_string(random_.one_in(2) ? nobody : zombie_); }

  void prepare(State state) {
    switch (state) {
      case State::clean: break;
      case State::absent:
        ::unlink(path("serve.lock").c_str());
        lane_.generation.store(0);
        break;
      case State::stale: write_record(dead_pid() + ":1"); break;
      case State::empty: write_record(""); break;
      case State::legacy: write_record(dead_pid()); break;
      case State::reused_pid: write_record(std::to_string(::getpid()) + ":1"); break;
      case State::crashed_owner: crash({0, Fault::none, 0, true}); break;
      case State::crashed_midway:
        if (plan_->midway_at % 2 == 0) write_record(dead_pid() + ":1");
        crash({0, Fault::die, plan_->midway_at, true});
        break;
    }
  }
  void crash(const Part& part) { race({part}, Style::hold, false); }

  // --- the race ---

  void race(const std::vector<Part>& parts, Style style, bool has_stops) {
    parts_ = parts;
    ++order_;
    lane_.count.store(static_cast<std::uint32_t>(parts.size()));
    lane_.arrived.store(0);
    is_over_ = style == Style::churn;
    const bool is_stirred = !random_.one_in(4);
    for (const Part& part : parts_) {
      Slot& slot = lane_.slots[part.slot];
      slot.part = part;
      slot.style = style;
      slot.has_stops = has_stops;
      slot.is_stirred = is_stirred;
      slot.seed = random_.next();
      slot.claims = slot.claimed = slot.undecided = 0;
      slot.told_of_owner = false;
      slot.dying.store(false);
      slot.doomed.store(false);
      slot.stopping.store(false);
      slot.order.store(order_);
      slot.progress.store(Progress::racing);
      if (slot.pid.load() == 0) hire(part.slot);
    }
    for (const Part& part : parts_) lane_.slots[part.slot].go.add();
    settle_all();
    count_claims();
  }

  void count_claims() {
    for (const Part& part : parts_) {
      Slot& slot = lane_.slots[part.slot];
      totals_.claims.fetch_add(slot.claims);
      totals_.claimed.fetch_add(slot.claimed);
      totals_.undecided.fetch_add(slot.undecided);
    }
  }

  void hire(std::size_t at) {
    Slot& slot = lane_.slots[at];
    const std::uint32_t seen = slot.go.get();
    const int parent = ::getpid();
    const int pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      Worker<Algorithm>{lane_, totals_, at, directory_}.run(seen);
    }
    if (pid < 0) return violate(lane_, "cannot fork: %s", std::strerror(errno));
    slot.pid.store(pid);
    totals_.forks.fetch_add(1);
  }

  [[nodiscard]] bool is_stopped(std::size_t at) const {
    return std::find(stopped_.begin(), stopped_.end(), at) != stopped_.end();
  }

  /// Until each contender is dead, done, stopped, or holds on while it may.
  void settle() {
    for (;;) {
      const std::uint32_t seen = lane_.events.get();
      if (!fine()) return;
      bool all = true;
      for (const Part& part : parts_) all = has_settled(part.slot) && all;
      if (all) return;
      if (!lane_.events.wait_while(seen)) return violate(lane_, "the round does not end");
    }
  }

  bool has_settled(std::size_t at) {
    Slot& slot = lane_.slots[at];
    if (slot.pid.load() == 0 || is_stopped(at)) return true;
    if (slot.dying.load()) {
      bury(at);
      return true;
    }
    if (slot.doomed.load()) {
      kill(at);
      return true;
    }
    if (slot.stopping.load()) {
      await_stop(at);
      return true;
    }
    const Progress progress = slot.progress.load();
    return progress == Progress::done || (progress == Progress::holding && !is_over_);
  }

  /// Reaps it. Until then nobody else can get its PID, and after its death it owns nothing.
  void bury(std::size_t at) {
    Slot& slot = lane_.slots[at];
    siginfo_t info{};
    const auto id = static_cast<id_t>(slot.pid.load());
    while (::waitid(P_PID, id, &info, WEXITED | WNOWAIT) != 0) {
      if (errno != EINTR) return violate(lane_, "cannot wait for a worker: %s", std::strerror(errno));
    }
    if (info.si_code != CLD_KILLED || info.si_status != SIGKILL) {
      violate(lane_, "PID %d ended by itself, status %d", slot.pid.load(), info.si_status);
    }
    slot.owns.store(false);
    ::waitid(P_PID, id, &info, WEXITED);
    slot.pid.store(0);
    slot.doomed.store(false);
    slot.progress.store(Progress::done);
    std::erase(stopped_, at);
    had_faults_ = true;
    totals_.kills.fetch_add(1);
  }
  void kill(std::size_t at) {
    ::kill(lane_.slots[at].pid.load(), SIGKILL);
    bury(at);
  }
  void await_stop(std::size_t at) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(lane_.slots[at].pid.load()), &info, WSTOPPED | WEXITED | WNOWAIT) != 0) {
      if (errno != EINTR) return violate(lane_, "cannot wait for a worker: %s", std::strerror(errno));
    }
    if (info.si_code != CLD_STOPPED) return bury(at);
    ::waitid(P_PID, static_cast<id_t>(lane_.slots[at].pid.load()), &info, WSTOPPED);
    stopped_.push_back(at);
    had_faults_ = true;
    totals_.stops.fetch_add(1);
  }
  void resume(std::size_t at) {
    std::erase(stopped_, at);
    lane_.slots[at].stopping.store(false);
    ::kill(lane_.slots[at].pid.load(), SIGCONT);
  }

  /// As `settle`; whoever was stopped goes on or is killed, once everybody else knows.
  void settle_all() {
    settle();
    while (fine() && !stopped_.empty()) {
      try_to_claim();
      const std::vector<std::size_t> stopped = stopped_;
      for (const std::size_t at : stopped) {
        if (random_.one_in(3))
          kill(at);
        else
          resume(at);
      }
      settle();
    }
  }

  /// Nobody half-way or stopped makes a second owner.
  void try_to_claim() {
    if constexpr (Algorithm::has_generations) {
      Hook none;
      Algorithm algorithm{directory_, none};
      Patience at_once;
      at_once.settle = Milliseconds{0};
      const Answer answer = algorithm.claim(at_once);
      if (!answer.error.empty()) return violate(lane_, "a further claim fails: %s", answer.error.c_str());
      if (answer.outcome != ClaimOutcome::claimed) return;
      become_owner(lane_, totals_, referee, answer.generation, true);
      resign(lane_, referee);
      if (const std::string error = algorithm.release(); !error.empty()) {
        violate(lane_, "a further owner cannot release: %s", error.c_str());
      }
    }
  }

  // --- the oracles ---

  /// A round in which nobody was killed or stopped.
  void judge(const Plan& plan) {
    if constexpr (!Algorithm::has_generations) return;
    std::uint32_t claimed = 0;
    int owner = 0;
    for (const Part& part : plan.parts) {
      claimed += lane_.slots[part.slot].claimed;
      if (lane_.slots[part.slot].claimed != 0) owner = lane_.slots[part.slot].pid.load();
    }
    if (claimed == 0) return violate(lane_, "everybody lost to nobody");
    for (const Part& part : plan.parts) {
      const Slot& slot = lane_.slots[part.slot];
      if (!slot.told_of_owner) continue;
      bool is_known = false;
      for (const Part& other : plan.parts) is_known = is_known || lane_.slots[other.slot].pid.load() == slot.told_owner;
      if (!is_known || (plan.style == Style::hold && slot.told_owner != owner)) {
        violate(lane_, "PID %d was told of the owner %lld", slot.pid.load(), static_cast<long long>(slot.told_owner));
      }
    }
    if (plan.style == Style::hold && claimed != 1) violate(lane_, "%u claims of one directory succeeded", claimed);
  }

  /// Ends those who own the directory, one way or another; a release may be interrupted, too.
  void end_holding(Ending ending) {
    for (const Part& part : parts_) {
      Slot& slot = lane_.slots[part.slot];
      if (slot.pid.load() == 0 || slot.progress.load() != Progress::holding || ending == Ending::release) continue;
      if (ending == Ending::kill) {
        kill(part.slot);
        continue;
      }
      ::kill(slot.pid.load(), SIGSTOP);
      await_stop(part.slot);
      try_to_claim();
      if (!fine()) return;
      if (!is_stopped(part.slot)) continue;
      if (ending == Ending::stop_and_kill)
        kill(part.slot);
      else
        resume(part.slot);
    }
    is_over_ = true;
    lane_.over.set(order_);
    settle_all();
  }

  /// Everybody is dead or has released: the next one gets the directory, and it is clean.
  void fresh_claim() {
    if constexpr (Algorithm::has_generations) {
      Hook none;
      Algorithm algorithm{directory_, none};
      const Answer answer = algorithm.claim({});
      if (!answer.error.empty()) return violate(lane_, "a fresh claim fails: %s", answer.error.c_str());
      if (answer.outcome != ClaimOutcome::claimed) {
        return violate(lane_, "a fresh claim is refused, outcome %d, owner %lld", static_cast<int>(answer.outcome),
                       static_cast<long long>(answer.owner));
      }
      become_owner(lane_, totals_, referee, answer.generation, true);
      if (!algorithm.holds()) violate(lane_, "the fresh owner holds nothing");
      require_only({"serve.lock", "serve.pid"});
      resign(lane_, referee);
      const std::string error = algorithm.release();
      if (!error.empty()) violate(lane_, "the fresh owner cannot release: %s", error.c_str());
      require_only({"serve.lock"});
    } else {
      ::unlink(path("serve.pid").c_str());
    }
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    DIR* const folder = ::opendir(directory_.c_str());
    if (folder == nullptr) return found;
    while (const dirent* const entry = ::readdir(folder)) {
      if (entry->d_name[0] != '.') found.emplace_back(entry->d_name);
    }
    ::closedir(folder);
    std::sort(found.begin(), found.end());
    return found;
  }
  void require_only(const std::vector<std::string>& expected) {
    const auto found = names();
    if (found == expected) return;
    std::string text;
    for (const std::string& name : found) text += " " + name;
    violate(lane_, "the directory contains:%s", text.c_str());
  }

  const Options& options_;
  Lane& lane_;
  Totals& totals_;
  const std::string& directory_;
  const Plan* plan_ = nullptr;
  Random random_{0};
  std::vector<Part> parts_;
  std::vector<std::size_t> stopped_;
  int zombie_ = 0;
  std::uint32_t order_ = 0;
  bool is_over_ = false;
  bool had_faults_ = false;
};

// ---------------------------------------------------------------------------------------------------------------------
// All lanes

template <typename Algorithm>
[[noreturn]] void run_lane(const Options& options, Lane& lane, Totals& totals, std::uint32_t number) {
  const std::string directory = options.directory + "/lane-" + std::to_string(number);
  Referee<Algorithm> judge{options, lane, totals, directory};
  for (std::uint64_t round = number; round < options.rounds && !totals.halt.load(); round += options.lanes) {
    const Plan plan = plan_of(options.seed, options.only_round.value_or(round), options.original);
    if (judge.play(plan)) continue;
    if (!totals.halt.exchange(true)) judge.print_violation();
    ::_exit(1);
  }
  judge.dismiss(0);
  ::_exit(0);
}

void print_figures(const Options& options, const Totals& totals, double seconds) {
  const auto count = [](const std::atomic<std::uint64_t>& number) {
    return static_cast<unsigned long long>(number.load());
  };
  std::printf("contenders: 2-4 in %llu rounds, 5-8 in %llu, 9-16 in %llu, 17-32 in %llu, 33-64 in %llu\n",
              count(totals.by_size[0]), count(totals.by_size[1]), count(totals.by_size[2]), count(totals.by_size[3]),
              count(totals.by_size[4]));
  std::printf("start states:");
  for (std::size_t at = 0; at < state_names.size(); ++at) {
    std::printf("%s %s %llu", at == 0 ? "" : ",", state_names[at], count(totals.by_state[at]));
  }
  std::printf(
      "\n%llu claims made somebody the owner, %llu were undecided (somebody was half-way); %llu processes; at most "
      "%u owners at once\n",
      count(totals.claimed), count(totals.undecided), count(totals.forks), totals.most_owners.load());
  std::printf("%llu rounds, %llu claims, %llu kills, %llu stops, %llu doubles in %.1f s (seed %llu%s)\n",
              count(totals.rounds), count(totals.claims), count(totals.kills), count(totals.stops),
              count(totals.doubles), seconds, static_cast<unsigned long long>(options.seed),
              options.original ? ", original algorithm" : "");
  std::fflush(stdout);
}

void write_file(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  (void)!::write(file, text.data(), text.size());
  ::close(file);
}

/// Moves the calling process's children into a PID namespace of their own. genie looks at every process of /proc where
/// an owner is gone while its lock is still held, which in a race it always is for a moment; with a /proc that shows
/// only the lane's own processes, ten times as many rounds fit into a minute.
/// Returns: whether the system permits that.
bool leave_namespaces() {
  const auto user = std::to_string(::geteuid());
  const auto group = std::to_string(::getegid());
  if (::geteuid() == 0) return ::unshare(CLONE_NEWPID | CLONE_NEWNS) == 0;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0) return false;
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", user + " " + user + " 1");
  write_file("/proc/self/gid_map", group + " " + group + " 1");
  return true;
}

/// Returns: in the child 0, in the caller the PID of a process that ends with the lane's exit status.
int fork_lane(bool in_namespace) {
  const int parent = ::getpid();
  const int pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(2);
  // In a session of its own: when the shell ends that has begun us in the background, the kernel continues whoever is
  // stopped in our process group, and a referee would wait for ever for a worker to stop.
  if (::setsid() < 0) ::_exit(2);
  if (!in_namespace) return 0;
  if (!leave_namespaces()) return 0;
  const int lane = ::fork();
  if (lane == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
      std::perror("cannot mount /proc, see --shared-pids");
      ::_exit(2);
    }
    return 0;
  }
  int status = 0;
  ::waitpid(lane, &status, 0);
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
}

/// Returns: whether no violation was found.
bool run(const Options& options, Totals& totals) {
  const double began = now_s();
  std::vector<int> lanes;
  for (std::uint32_t number = 0; number < options.lanes; ++number) {
    Lane* const lane = shared<Lane>();
    std::fflush(stdout);
    const int pid = fork_lane(!options.shares_pids);
    if (pid == 0) {
      if (options.original)
        run_lane<Original>(options, *lane, totals, number);
      else
        run_lane<Genie>(options, *lane, totals, number);
    }
    lanes.push_back(pid);
  }
  bool is_fine = true;
  for (const int pid : lanes) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (status != 0) is_fine = false;
  }
  print_figures(options, totals, now_s() - began);
  return is_fine;
}

void remove_directory(const Options& options) {
  for (std::uint32_t number = 0; number < options.lanes; ++number) {
    const std::string lane = options.directory + "/lane-" + std::to_string(number);
    if (DIR* const folder = ::opendir(lane.c_str())) {
      while (const dirent* const entry = ::readdir(folder)) ::unlink((lane + "/" + entry->d_name).c_str());
      ::closedir(folder);
    }
    ::rmdir(lane.c_str());
  }
  ::rmdir(options.directory.c_str());
}

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s [--rounds N] [--seed S] [--lanes N] [--dir DIR] [--algorithm genie|original] [--prove] "
               "[--round R] [--shared-pids]\n",
               program);
  std::exit(64);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  options.seed = static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
  std::string base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "";
  if (base.empty()) base = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp";
  for (int at = 1; at < argc; ++at) {
    const std::string word = argv[at];
    if (word == "--shared-pids") {
      options.shares_pids = true;
      continue;
    }
    if (word == "--prove") {
      options.prove = true;
      continue;
    }
    if (at + 1 == argc) usage(argv[0]);
    const std::string value = argv[++at];
    const auto number = [&] {
      char* end = nullptr;
      const std::uint64_t parsed = std::strtoull(value.c_str(), &end, 10);
      if (value.empty() || *end != '\0') usage(argv[0]);
      return parsed;
    };
    if (word == "--rounds") {
      options.rounds = number();
    } else if (word == "--seed") {
      options.seed = number();
    } else if (word == "--lanes" && number() >= 1 && number() <= 256) {
      options.lanes = static_cast<std::uint32_t>(number());
    } else if (word == "--dir") {
      base = value;
    } else if (word == "--algorithm" && (value == "genie" || value == "original")) {
      options.original = value == "original";
    } else if (word == "--round") {
      options.only_round = number();
    } else {
      usage(argv[0]);
    }
  }
  options.original = options.original || options.prove;
  // What we have inherited would only be looked at, in each process and again and again.
  for (int descriptor = 3; descriptor < 256; ++descriptor) ::close(descriptor);
  options.directory = base + "/genie-torture-XXXXXX";
  if (::mkdtemp(options.directory.data()) == nullptr) {
    std::perror(options.directory.c_str());
    return 2;
  }
  std::printf("seed %llu, %u lanes in %s\n", static_cast<unsigned long long>(options.seed), options.lanes,
              options.directory.c_str());
  if (options.only_round) {
    std::printf("%s\n", text_of(plan_of(options.seed, *options.only_round, options.original)).c_str());
  }
  Totals& totals = *shared<Totals>();
  const bool is_fine = run(options, totals);
  remove_directory(options);
  if (!options.prove) return is_fine ? 0 : 1;
  const bool is_caught = totals.doubles.load() > 0;
  std::printf("the harness %s the original algorithm with two owners\n", is_caught ? "catches" : "DOES NOT CATCH");
  return is_caught ? 0 : 1;
}
