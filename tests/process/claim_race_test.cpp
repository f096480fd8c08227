// Many real processes claim one directory at the same instant, again and again; and the same harness with the algorithm
// that genie replaces, to show that it would notice.
#include <cstdio>
#include <string>
#include <vector>

#include "support.hpp"

namespace tests::claim_race_test {

namespace {

using namespace process_tests;

constexpr std::uint32_t most_workers = 64;

enum class Ending : std::uint8_t {
  release,  ///< the winner's guard is destroyed
  exit,     ///< the winner exits without a release
  kill,     ///< kill -9
};

/// What one worker says of one round.
struct Report {
  bool failed = false;
  genie::Error error;
  ClaimReport claim;
  Ownership ownership = Ownership::not_claimed;  ///< asked once everybody has reported
};

struct Race {
  Counter go;        ///< the number of the round that has begun
  Counter reported;  ///< how many reports there are, of all rounds
  Counter over;      ///< the number of the round in which winners may end
  Counter done;      ///< how many workers have ended a round, of all rounds
  bool closed = false;
  bool stirred = false;
  Ending ending = Ending::release;
  ClaimOptions options;
  Report reports[most_workers];
};

/// Gives up the processor before some of the steps, so that a few cores show as many interleavings as many would.
class Stirrer {
 public:
  explicit Stirrer(bool stirs) : stirs_{stirs}, state_{static_cast<std::uint64_t>(::getpid()) ^ seed()} {}
  void operator()() {
    if (!stirs_) return;
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    if ((state_ >> 33U) % 4 == 0) ::sched_yield();
  }

 private:
  static std::uint64_t seed() { return static_cast<std::uint64_t>(now_ms() * 1e6); }

  bool stirs_;
  std::uint64_t state_;
};

/// One claim of one worker: it is made, verified later, and ended by the destructor.
class NewStyle {
 public:
  NewStyle(const std::string& directory, bool stirred)
      : before_{Stirrer{stirred}}, guard_{observed_guard(directory, before_)} {}
  void claim(const ClaimOptions& options, Report& report) {
    const auto claimed = guard_.claim(options);
    report.failed = !claimed.has_value();
    if (claimed.has_value())
      report.claim = *claimed;
    else
      report.error = claimed.error();
  }
  Ownership verify() { return guard_.verify(); }

 private:
  std::function<void()> before_;
  ObservedGuard guard_;
};

/// The algorithm that genie replaces: create exclusively, and when that fails read, check, unlink, try again.
class OldStyle {
 public:
  OldStyle(const std::string& directory, bool stirred) : stir_{stirred}, path_{directory + "/serve.pid"} {}
  ~OldStyle() {
    if (verify() == Ownership::held) ::unlink(path_.c_str());
  }
  void claim(const ClaimOptions&, Report& report) {
    report.claim.outcome = ClaimOutcome::contended;
    for (int attempt = 0; attempt < 3; ++attempt) {
      stir_();
      const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (file >= 0) {
        mine_ = record_of(identity_of(::getpid()));
        stir_();
        report.failed = ::write(file, mine_.data(), mine_.size()) != static_cast<ssize_t>(mine_.size());
        ::close(file);
        report.claim.outcome = ClaimOutcome::claimed;
        report.claim.owner = identity_of(::getpid());
        return;
      }
      stir_();
      const genie::PidRecord record = genie::parse_pid_record(read_file(path_), INT32_MAX);
      if (record.kind == genie::PidRecordKind::known_start && ::kill(static_cast<pid_t>(record.owner.pid), 0) == 0) {
        report.claim.outcome = ClaimOutcome::already_running;
        report.claim.owner = record.owner;
        return;
      }
      stir_();
      ::unlink(path_.c_str());
    }
  }
  Ownership verify() {
    return !mine_.empty() && read_file(path_) == mine_ ? Ownership::held : Ownership::record_replaced;
  }

 private:
  Stirrer stir_;
  std::string path_;
  std::string mine_;
};

/// One line per finished race.
struct Figures {
  int rounds = 0;
  int timed = 0;  ///< those that were not stirred
  int contended = 0;
  int doubles = 0;
  double total_ms = 0;
  double worst_ms = 0;

  void print(const char* what, std::uint32_t workers) const {
    std::printf("%s: %u processes, %d rounds, until all know %.2f ms on average, %.2f ms at worst; %d contended\n",
                what, workers, rounds, total_ms / timed, worst_ms, contended);
    std::fflush(stdout);
  }
};

/// Persistent workers that race round after round. A worker that died in a round is replaced for the next.
class Harness {
 public:
  using Claim = void (*)(Harness&, std::uint32_t worker, std::uint32_t round);

  /// `old_workers` of the workers follow the old algorithm.
  Harness(const StateDirectory& directory, std::uint32_t workers, std::uint32_t old_workers = 0)
      : directory_{directory}, old_workers_{old_workers} {
    for (std::uint32_t at = 0; at < workers; ++at) children_.push_back(hire(at));
  }
  ~Harness() {
    race_->closed = true;
    race_->over.add();  // after a failed assertion they are still in their round
    race_->go.add();
    for (Child& child : children_) (void)child.wait();
  }

  [[nodiscard]] Race& race() { return *race_; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(children_.size()); }
  [[nodiscard]] const Report& report(std::uint32_t worker) const { return race_->reports[worker]; }
  [[nodiscard]] ProcessIdentity identity(std::uint32_t worker) const { return children_[worker].identity(); }
  [[nodiscard]] Figures& figures() { return figures_; }

  /// Returns: the workers that claimed, once all have reported. They go on holding until `finish`.
  std::vector<std::uint32_t> run(const ClaimOptions& options, Ending ending) {
    Watchdog::rearm();
    race_->options = options;
    race_->ending = ending;
    race_->stirred = ++round_ % 2 == 0;
    const double began = now_ms();
    race_->go.add();
    race_->reported.wait_for(size() * round_);
    const double took = now_ms() - began;
    ++figures_.rounds;
    if (!race_->stirred) {
      ++figures_.timed;
      figures_.total_ms += took;
      figures_.worst_ms = std::max(figures_.worst_ms, took);
    }
    std::vector<std::uint32_t> winners;
    for (std::uint32_t at = 0; at < size(); ++at) {
      if (report(at).failed) continue;
      if (report(at).claim.owned()) winners.push_back(at);
      if (report(at).claim.outcome == ClaimOutcome::contended) ++figures_.contended;
    }
    if (winners.size() > 1) ++figures_.doubles;
    return winners;
  }

  void finish(const std::vector<std::uint32_t>& winners) {
    const Ending ending = race_->ending;
    if (ending == Ending::kill) {
      for (const std::uint32_t winner : winners) children_[winner].end();
    }
    race_->over.add();
    if (ending != Ending::release) {
      for (const std::uint32_t winner : winners) {
        if (ending == Ending::exit) (void)children_[winner].wait();
        race_->done.add();
      }
    }
    race_->done.wait_for(size() * round_);
    if (ending != Ending::release) {
      for (const std::uint32_t winner : winners) children_[winner] = hire(winner);
    }
  }

 private:
  Child hire(std::uint32_t worker) {
    return start([this, worker] {
      for (std::uint32_t round = round_ + 1;; ++round) {
        race_->go.wait_for(round);
        if (race_->closed) return;
        ::alarm(patience_s);
        if (worker < old_workers_) {
          take_part<OldStyle>(worker, round);
        } else {
          take_part<NewStyle>(worker, round);
        }
        race_->done.add();
      }
    });
  }

  template <typename Style>
  void take_part(std::uint32_t worker, std::uint32_t round) {
    Report& report = race_->reports[worker];
    report = Report{};
    Style style{directory_.path(), race_->stirred};
    style.claim(race_->options, report);
    race_->reported.add();
    race_->over.wait_for(round);
    if (report.failed || !report.claim.owned()) return;
    report.ownership = style.verify();
    if (race_->ending == Ending::exit) ::_exit(0);
  }

  const StateDirectory& directory_;
  std::uint32_t old_workers_;
  std::uint32_t round_ = 0;
  Figures figures_;
  Shared<Race> race_;
  std::vector<Child> children_;
};

/// What is wrong with a round of genies only, in words; empty where nothing is.
std::string problems_of(Harness& harness, const std::vector<std::uint32_t>& winners, const StateDirectory& directory) {
  std::string problems;
  if (winners.size() != 1) problems += std::to_string(winners.size()) + " owners; ";
  for (std::uint32_t at = 0; at < harness.size(); ++at) {
    const Report& report = harness.report(at);
    if (report.failed) problems += text(report.error) + "; ";
    if (report.failed || report.claim.owned() || report.claim.outcome == ClaimOutcome::contended) continue;
    if (report.claim.outcome != ClaimOutcome::already_running) {
      problems += "outcome " + std::to_string(static_cast<int>(report.claim.outcome)) + "; ";
    } else if (winners.size() == 1 && report.claim.owner != harness.identity(winners[0])) {
      problems += "a loser names PID " + std::to_string(report.claim.owner.pid) + "; ";
    }
  }
  if (winners.size() == 1 && read_file(directory.record()) != record_of(harness.identity(winners[0]))) {
    problems += "the record says '" + read_file(directory.record()) + "'; ";
  }
  for (const std::string& name : directory.leftovers()) problems += "left over: " + name + "; ";
  return problems;
}

/// Races with each ending in turn, over what `prepare(round)` makes of the directory.
template <typename Prepare>
void race(const char* what, const ClaimOptions& options, Prepare&& prepare) {
  const StateDirectory directory;
  Harness harness{directory, most_workers};
  const int rounds = rounds_wanted(100);
  std::uint64_t generation = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto ending = static_cast<Ending>(round % 3);
    INFO(what << ", round " << round << ", ending " << round % 3);
    prepare(directory, round);
    if (!directory.has("serve.lock")) generation = 0;
    const auto winners = harness.run(options, ending);
    REQUIRE(problems_of(harness, winners, directory) == "");
    const std::uint64_t next = harness.report(winners[0]).claim.generation;
    REQUIRE(next > generation);
    generation = next;
    harness.finish(winners);
    if (ending != Ending::kill) REQUIRE(harness.report(winners[0]).ownership == Ownership::held);
    REQUIRE(directory.leftovers().empty());
    REQUIRE(directory.has("serve.pid") == (ending != Ending::release));
  }
  harness.figures().print(what, harness.size());
}

/// A record that nobody alive stands behind, of a kind that changes with `round`.
std::string stale_record(const ProcessIdentity& dead, int round) {
  switch (round % 4) {
    case 0: return record_of(dead);
    case 1: return std::to_string(::getpid()) + ":1";  // reused by a stranger: this test program
    case 2: return "4711 junk\n";
    default: return std::to_string(dead.pid);
  }
}

}  // namespace

TEST_CASE("exactly one of 64 starters claims an empty directory", "[process][race]") {
  race("absent record", {}, [](const StateDirectory& directory, int round) {
    switch (round / 3 % 3) {
      case 0: ::unlink(directory.record().c_str()); break;
      case 1: directory.clear(); break;
      default: directory.remove(); break;
    }
  });
}

TEST_CASE("exactly one of 64 starters takes over a stale record", "[process][race][F3][F30]") {
  const ProcessIdentity dead = dead_process();
  race("stale record", {}, [&](const StateDirectory& directory, int round) {
    // What the last winner left is one kind; where it released, the others take their turns.
    if (directory.has("serve.pid")) return;
    write_file(directory.record(), stale_record(dead, round / 3));
    if (round / 12 % 2 == 1) ::unlink(directory.lock().c_str());
  });
}

TEST_CASE("exactly one of 64 starters takes over a record that stays empty", "[process][race][F2]") {
  ClaimOptions options;
  options.empty_grace = Milliseconds{3};
  race("empty record", options, [](const StateDirectory& directory, int) { write_file(directory.record(), ""); });
}

TEST_CASE("the harness catches the original algorithm with two owners", "[process][race][control]") {
  for (const std::uint32_t workers : {8U, 32U, 64U}) {
    const StateDirectory directory;
    const ProcessIdentity dead = dead_process();
    Harness harness{directory, workers, workers};
    for (int round = 0; round < 100; ++round) {
      write_file(directory.record(), record_of(dead));
      harness.finish(harness.run({}, Ending::release));
    }
    std::printf("control, the original algorithm: %u processes, %d of %d rounds had several owners\n", workers,
                harness.figures().doubles, harness.figures().rounds);
    if (workers == most_workers) REQUIRE(harness.figures().doubles > 0);
  }
}

TEST_CASE("one older program beside seven genies is detected and never loses its record to them",
          "[process][race][older]") {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  Harness harness{directory, 8, 1};
  const int rounds = 4 * rounds_wanted(100);
  int old_won = 0;
  int overlaps = 0;
  for (int round = 0; round < rounds; ++round) {
    INFO("round " << round);
    if (round % 2 == 0) {
      write_file(directory.record(), record_of(dead));
    } else {
      ::unlink(directory.record().c_str());
    }
    const auto winners = harness.run({}, Ending::release);
    const bool old_claimed = harness.report(0).claim.owned();
    const std::string record = read_file(directory.record());
    harness.finish(winners);
    std::vector<std::uint32_t> genies = winners;
    std::erase(genies, 0U);
    for (std::uint32_t at = 0; at < harness.size(); ++at) {
      INFO("worker " << at << ": " << text(harness.report(at).error));
      REQUIRE_FALSE(harness.report(at).failed);
    }
    REQUIRE(genies.size() <= 1);
    REQUIRE_FALSE(winners.empty());
    if (old_claimed) {
      ++old_won;
      CHECK(record == record_of(harness.identity(0)));
    }
    if (old_claimed && !genies.empty()) {
      // The older program removed a live record by its name. That can't be prevented, but it is noticed; by then the
      // older program may have released its own record.
      ++overlaps;
      const Ownership seen = harness.report(genies[0]).ownership;
      CHECK((seen == Ownership::record_replaced || seen == Ownership::record_missing));
    }
    REQUIRE(directory.leftovers().empty());
  }
  std::printf("one older program beside seven genies: %d rounds, it won %d, both claimed in %d\n", rounds, old_won,
              overlaps);
}

TEST_CASE("a starter that finds an empty record waits for its writer", "[process][F1]") {
  const StateDirectory directory;
  write_file(directory.record(), "");
  const Child writer = start([] { ::pause(); });
  Actor starter{directory};
  const std::string record = record_of(writer.identity());
  starter.tell([](Guard& guard) {
    ClaimOptions patient;
    patient.empty_grace = Milliseconds{patience_s * 1000};
    return guard.claim(patient);
  });
  // It holds the lock while it waits, so everybody else knows that somebody is at it.
  Guard observer{directory.path()};
  eventually([&] { return value(observer.status()).evidence.reason == Reason::claim_in_progress; });
  REQUIRE_FALSE(starter.has_answered());
  const int file = ::open(directory.record().c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::write(file, record.data(), record.size()) == static_cast<ssize_t>(record.size()));
  ::close(file);
  const ClaimReport report = value(starter.answer<Result<ClaimReport>>());
  CHECK(report.outcome == ClaimOutcome::already_running);
  CHECK(report.owner == writer.identity());
  CHECK(read_file(directory.record()) == record);
}

namespace {

/// Claims, serves and releases with each kind of file in turn; `before` sees every call.
void whole_life(const std::string& directory, const std::function<void()>& before) {
  ObservedGuard guard = observed_guard(directory, before);
  ClaimOptions options;
  options.starting = true;
  options.empty_grace = Milliseconds{0};
  const ClaimReport report = value(guard.claim(options));
  REQUIRE(report.outcome == ClaimOutcome::claimed);
  ok(guard.publish_port(4711));
  ok(guard.ready());
  ok(guard.release());
}

enum class Found { nothing, stale, empty, garbage };

void prepare(const StateDirectory& directory, Found found, const ProcessIdentity& dead) {
  directory.clear();
  switch (found) {
    case Found::nothing: break;
    case Found::stale: write_file(directory.record(), record_of(dead)); break;
    case Found::empty: write_file(directory.record(), ""); break;
    case Found::garbage: write_file(directory.record(), "garbage"); break;
  }
}

}  // namespace

TEST_CASE("an owner killed before any of its calls blocks nobody and leaves nothing", "[process][crash][F2]") {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  int steps = 0;
  for (const Found found : {Found::nothing, Found::stale, Found::empty, Found::garbage}) {
    bool survived = false;
    for (int step = 1; !survived; ++step, ++steps) {
      INFO("found " << static_cast<int>(found) << ", killed before call " << step);
      prepare(directory, found, dead);
      Child victim = start([&] {
        int calls = 0;
        whole_life(directory.path(), [&] {
          if (++calls == step) ::kill(::getpid(), SIGKILL);
        });
      });
      const int status = victim.wait();
      survived = status == 0;
      REQUIRE((survived || status == 128 + SIGKILL));
      {
        Guard next{directory.path()};
        ClaimOptions options;
        options.empty_grace = Milliseconds{0};
        const ClaimReport report = value(next.claim(options));
        REQUIRE(report.outcome == ClaimOutcome::claimed);
        REQUIRE(next.verify() == Ownership::held);
        REQUIRE(directory.leftovers().empty());
        REQUIRE_FALSE(directory.has("pgserve.port"));
      }
      REQUIRE(directory.names() == std::vector<std::string>{"serve.lock"});
    }
  }
  std::printf("killed before each call of a whole life: %d deaths\n", steps);
}

TEST_CASE("an older program that starts at any step of a takeover keeps its record or is noticed",
          "[process][race][older][F4]") {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  const Child older = start([] { ::pause(); });
  const std::string record = record_of(older.identity());
  int yielded = 0;
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("started before call " << step);
    prepare(directory, Found::stale, dead);
    int calls = 0;
    bool created = false;
    const std::function<void()> before = [&] {
      if (++calls != step) return;
      // It has read the stale record before, and breaks it by its name. The file gets the inode number of the old one.
      ::unlink(directory.record().c_str());
      write_file(directory.record(), record);
      created = true;
    };
    ObservedGuard guard = observed_guard(directory.path(), before);
    const ClaimReport report = value(guard.claim());
    ran_through = !created;
    calls = step;  // what follows is not under test
    REQUIRE(directory.leftovers().empty());
    if (ran_through) {
      REQUIRE(report.owned());
      REQUIRE(guard.verify() == Ownership::held);
    } else if (report.owned()) {
      REQUIRE(guard.verify() == Ownership::record_replaced);
      REQUIRE(read_file(directory.record()) == record);
    } else {
      ++yielded;
      REQUIRE(report.outcome == ClaimOutcome::already_running);
      REQUIRE(report.owner == older.identity());
      REQUIRE(read_file(directory.record()) == record);
    }
  }
  CHECK(yielded > 0);
}

namespace {

/// Deletes the lock file, or the whole directory, at each step of a claim in turn, and lets a newcomer claim there.
void delete_at_each_step(Found found, bool all) {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("deleted before call " << step);
    prepare(directory, found, dead);
    Actor newcomer{directory};
    int calls = 0;
    ClaimReport other;
    const std::function<void()> before = [&] {
      if (++calls != step) return;
      if (all)
        directory.remove();
      else
        ::unlink(directory.lock().c_str());
      ClaimOptions at_once;
      at_once.settle = Milliseconds{0};
      other = newcomer.claim(at_once);
    };
    ObservedGuard guard = observed_guard(directory.path(), before);
    const ClaimReport report = value(guard.claim());
    const bool claimed = other.owned();
    INFO("outcomes " << static_cast<int>(report.outcome) << " and " << static_cast<int>(other.outcome) << ", reasons "
                     << static_cast<int>(report.evidence.reason) << " and " << static_cast<int>(other.evidence.reason));
    ran_through = calls < step;
    calls = step;  // what follows is not under test
    // Where both gave up, nothing is left that keeps the next one out.
    if (!report.owned() && !claimed) REQUIRE(newcomer.claim().owned());
    if (!all) REQUIRE_FALSE((report.owned() && claimed));
    if (claimed) REQUIRE(newcomer.verify() == Ownership::held);
    if (claimed && report.owned()) REQUIRE(guard.verify() != Ownership::held);
    if (!claimed && !all) REQUIRE(guard.verify() != Ownership::record_replaced);
  }
}

}  // namespace

TEST_CASE("a lock file deleted at any step of a claim makes no second owner and blocks nobody",
          "[process][race][F25]") {
  delete_at_each_step(GENERATE(Found::nothing, Found::stale), false);
}

TEST_CASE("a directory deleted at any step of a claim makes no second owner who believes in it",
          "[process][race][F25]") {
  delete_at_each_step(GENERATE(Found::nothing, Found::stale), true);
}

TEST_CASE("a breaker of a stale record that is parked before any of its calls never makes a second owner",
          "[process][race][F3]") {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  std::vector<Actor> others;
  for (int at = 0; at < 3; ++at) others.emplace_back(directory);
  ClaimOptions at_once;
  at_once.settle = Milliseconds{0};
  bool ran_through = false;
  for (int step = 1; !ran_through; ++step) {
    INFO("parked before call " << step);
    prepare(directory, Found::stale, dead);
    Shared<Counter> parked;
    Shared<Counter> resumed;
    Shared<Counter> claimed;
    Child breaker = start([&] {
      int calls = 0;
      bool parking = true;
      const std::function<void()> before = [&] {
        if (!parking || ++calls != step) return;
        parked->add();
        resumed->wait_for(1);
      };
      ObservedGuard guard = observed_guard(directory.path(), before);
      const ClaimReport report = value(guard.claim());
      parking = false;
      if (report.owned()) claimed->add();
      parked->add(2);
      resumed->wait_for(2);
    });
    parked->wait_for(1);
    ran_through = parked->get() >= 2;  // the claim has fewer calls than that
    int owners = 0;
    for (Actor& other : others) owners += other.claim(at_once).owned() ? 1 : 0;
    resumed->add();
    parked->wait_for(2);
    REQUIRE(owners + static_cast<int>(claimed->get()) == 1);
    for (Actor& other : others) {
      const Ownership held = other.verify();
      REQUIRE((held == Ownership::held || held == Ownership::not_claimed));
    }
    resumed->add();
    REQUIRE(breaker.wait() == 0);
    for (Actor& other : others) other.release();
    REQUIRE(directory.names() == std::vector<std::string>{"serve.lock"});
  }
}

}  // namespace tests::claim_race_test
