// The explorer: what it counts, that both engines agree, and that each accident does what it is called.
#include "genie/testing/explorer.hpp"

#include <genie/serve_guard.hpp>
#include <set>
#include <string>

#include "catch.hpp"
#include "genie/testing/schedules.hpp"

using namespace genie::testing;
using genie::Milliseconds;
using genie::milliseconds;
using genie::OpenMode;

namespace {

constexpr std::uint64_t owns = 1;
constexpr std::uint64_t lost = 2;
constexpr std::uint64_t failed = 4;

/// Locks a file for 5 ms.
void locker(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
  if (!lock.ok()) {
    me.believe(failed);
    return;
  }
  if (files.try_lock(lock.value, 0, 1).ok()) {
    me.believe(owns);
    me.clock().sleep(milliseconds(5));
    me.doubt(owns);
  } else {
    me.believe(lost);
  }
  files.close(lock.value);
}
/// Creates a file if it is not there: one call too many.
void careless(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  if (files.stat_at({}, "/tmp/file").ok()) return;
  const auto file = files.open({}, "/tmp/file", OpenMode::ensure, 0600);
  if (file.ok()) me.believe(owns);
  me.stay();
}

Oracle one_owner() {
  return {"one owner", Oracle::When::state, [](const Situation& now) -> std::string {
            int owners = 0;
            for (const Seat& seat : now.seats) owners += seat.is_alive() && seat.has(owns) ? 1 : 0;
            return owners > 1 ? "two of them" : "";
          }};
}

Exploration of(void (*run)(Actor&), std::uint32_t copies, const Budget& budget = {}) {
  Exploration exploration;
  Program program;
  program.name = "program";
  program.run = run;
  program.copies = copies;
  exploration.programs = {program};
  exploration.budget = budget;
  exploration.oracles = {one_owner()};
  return exploration;
}

/// The names of the final states in which the exploration ends, as `describe` tells them.
std::set<std::string> endings(Exploration exploration, const std::function<std::string(const Situation&)>& describe) {
  std::set<std::string> result;
  exploration.oracles.push_back({"ending", Oracle::When::end, [&](const Situation& now) -> std::string {
                                   result.insert(describe(now));
                                   return "";
                                 }});
  const ExplorationReport report = explore(exploration);
  CHECK(report.is_complete);
  return result;
}

}  // namespace

TEST_CASE("both engines find the same states and the same number of schedules", "[explorer]") {
  const Budget budget =
      GENERATE(Budget{}, Budget{.crashes = 1}, Budget{.crashes = 1, .zombies = 1, .reuses = 1}, Budget{.errors = 1},
               Budget{.removals = 1}, Budget{.delays = 1}, Budget{.reboots = 1}, Budget{.crashes = 1, .jumps = 1});
  Exploration exploration = of(locker, 2, budget);
  exploration.removable = {"/tmp/lock"};
  exploration.jump = milliseconds(-1000);
  if (budget.removals != 0 || budget.reboots != 0) exploration.oracles.clear();  // a lock that is gone excludes nobody
  const ExplorationReport merged = explore(exploration);
  SchedulesOptions options;
  options.collects_states = true;
  const SchedulesReport each = explore_schedules(exploration, options);
  CHECK(merged.is_complete);
  CHECK(each.is_complete);
  CHECK(merged.states == each.states);
  CHECK(merged.visited == each.visited);
  CHECK(merged.schedules == static_cast<double>(each.schedules));
  CHECK(each.schedules >= 3);
}

TEST_CASE("both engines agree under a preemption bound, and on a claim of genie's own", "[explorer]") {
  const int preemptions = GENERATE(0, 1);
  Exploration exploration = of(
      [](Actor& me) {
        genie::ServeGuard guard{"/tmp/state", {}, me.clock(), me.process(), me.filesystem()};
        const auto report = guard.claim();
        if (!report || !report->owned()) return;
        me.believe(owns);
        me.stay();
        me.doubt(owns);
      },
      2);
  exploration.preemptions = preemptions;
  const ExplorationReport merged = explore(exploration);
  const SchedulesReport each = explore_schedules(exploration);
  CHECK_FALSE(merged.violation);
  CHECK_FALSE(each.violation);
  CHECK(merged.schedules == static_cast<double>(each.schedules));
  CHECK(each.schedules >= (preemptions == 0 ? 1U : 10U));
}

TEST_CASE("a violation comes with a shortest schedule, readable and repeatable", "[explorer]") {
  const Exploration exploration = of(careless, 2);
  const ExplorationReport report = explore(exploration);
  REQUIRE(report.violation);
  CHECK_FALSE(report.is_complete);
  CHECK(report.violation->oracle == "one owner");
  CHECK(report.violation->message == "two of them");
  CHECK(report.violation->steps.size() == 4);  // two looks, two creations
  CHECK(report.violation->token == "r0 r1 r0 r1");
  CHECK(report.violation->table.find("open /tmp/file (ensure)") != std::string::npos);
  CHECK(report.violation->table.find("believes 0 -> 1") != std::string::npos);

  const auto again = replay(exploration, report.violation->token);
  REQUIRE(again);
  CHECK(again->message == "two of them");
  CHECK_FALSE(replay(exploration, "r0*2"));
  CHECK_FALSE(replay(exploration, "r9"));
  CHECK(table_of(exploration, "r0*2 r1").find("stat_at /tmp/file") != std::string::npos);

  const SchedulesReport each = explore_schedules(exploration);
  REQUIRE(each.violation);
  CHECK(each.violation->message == "two of them");
  CHECK(replay(exploration, each.violation->token));
}

TEST_CASE("a token reads back as the steps that it names", "[explorer]") {
  const std::vector<Step> steps{{StepKind::run, 1, 0},    {StepKind::run, 1, 0},  {StepKind::fault, 0, 13},
                                {StepKind::crash, 2, 0},  {StepKind::pass, 0, 0}, {StepKind::remove, 0, 1},
                                {StepKind::reboot, 0, 0}, {StepKind::jump, 0, 0}};
  CHECK(parse_token(token_of(steps)) == steps);
  CHECK(token_of(steps).rfind("r1*2 f0.13 c2", 0) == 0);
  CHECK(parse_token("").empty());
  CHECK(parse_token("?").empty());
}

TEST_CASE("a program that crashed never goes on, and its locks are free", "[explorer]") {
  const auto all = endings(of(locker, 2, {.crashes = 1}), [](const Situation& now) {
    int gone = 0;
    int winners = 0;
    for (const Seat& seat : now.seats) {
      gone += seat.status == SeatStatus::gone ? 1 : 0;
      winners += seat.status == SeatStatus::finished && !seat.has(lost) ? 1 : 0;
    }
    CHECK(now.machine.disk.open_files.empty());
    return std::to_string(gone) + " gone, " + std::to_string(winners) + " won";
  });
  CHECK(all == std::set<std::string>{"0 gone, 1 won", "1 gone, 0 won", "1 gone, 1 won"});
}

TEST_CASE("a zombie keeps its PID until it is reaped, and then a stranger may get it", "[explorer]") {
  Exploration exploration = of([](Actor& me) { me.stay(); }, 1, {.crashes = 1, .zombies = 1, .reuses = 1});
  bool was_zombie = false;
  bool was_reused = false;
  exploration.oracles = {{"looks", Oracle::When::state, [&](const Situation& now) -> std::string {
                            const Seat& seat = now.seats[0];
                            was_zombie = was_zombie || seat.status == SeatStatus::zombie;
                            if (now.step.kind == StepKind::reuse) {
                              was_reused = true;
                              CHECK(seat.status == SeatStatus::gone);
                              CHECK(now.machine.processes.processes.back().pid ==
                                    now.machine.processes.processes[seat.process].pid);
                            }
                            return "";
                          }}};
  CHECK(explore(exploration).is_complete);
  CHECK(was_zombie);
  CHECK(was_reused);
}

TEST_CASE("time passes only when nobody can go on, unless delays say otherwise", "[explorer]") {
  const auto run = [](Actor& me) {
    const Milliseconds before = me.clock().monotonic();
    ExploredFilesystem files = me.filesystem();
    (void)files.stat_at({}, "/tmp");
    if (me.clock().monotonic() != before) me.believe(failed);
    me.clock().sleep(milliseconds(7));
  };
  const auto told = [](const Situation& now) {
    bool noticed = false;
    for (const Seat& seat : now.seats) noticed = noticed || seat.has(failed);
    return std::string{noticed ? "time passed in between" : "no time passed"};
  };
  CHECK(endings(of(run, 2), told) == std::set<std::string>{"no time passed"});
  CHECK(endings(of(run, 2, {.delays = 1}), told) == std::set<std::string>{"no time passed", "time passed in between"});
}

TEST_CASE("a reboot ends everybody, and who begins after it begins on a new boot", "[explorer]") {
  const auto all = endings(of([](Actor& me) { (void)me.filesystem().stat_at({}, "/tmp"); }, 2, {.reboots = 1}),
                           [](const Situation& now) {
                             int gone = 0;
                             for (const Seat& seat : now.seats) gone += seat.status == SeatStatus::gone ? 1 : 0;
                             if (now.spent.reboots == 0) CHECK(gone == 0);
                             return std::to_string(now.machine.processes.boots) + ", " + std::to_string(gone) + " gone";
                           });
  CHECK(all.count("2, 1 gone") == 1);
  CHECK(all.count("2, 2 gone") == 1);
}

TEST_CASE("a failing call has no effect, and a short one has less", "[explorer]") {
  const auto run = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    const auto file = files.open({}, "/tmp/file", OpenMode::ensure, 0600);
    if (!file.ok()) return;
    (void)files.write_at(file.value, "0123456789", 10, 0);
    files.close(file.value);
  };
  Exploration exploration = of(run, 1, {.errors = 1});
  exploration.faults = {{Call::open, EMFILE}, {Call::write_at, ENOSPC}, {Call::write_at, 0, 7}};
  const auto all = endings(
      exploration, [](const Situation& now) { return now.machine.disk.read_file("/tmp/file").value_or("(none)"); });
  CHECK(all == std::set<std::string>{"(none)", "", "0123456", "0123456789"});
}

TEST_CASE("a signal reaches a program that waits for it, and ends one that does not", "[explorer]") {
  Exploration exploration;
  Program waiting;
  waiting.name = "waiting";
  waiting.run = [](Actor& me) {
    if (me.await_terminate(milliseconds(1000))) me.believe(owns);
  };
  waiting.process.pid = 500;
  waiting.process.reaction.catches_terminate = GENERATE(true, false);
  Program killer;
  killer.name = "killer";
  killer.run = [](Actor& me) {
    ExploredProcesses processes = me.process();
    const auto handle = processes.open(500);
    if (!handle.ok()) return;
    (void)processes.signal(handle.value, genie::Signal::terminate);
    if (processes.wait(handle.value, milliseconds(10)).value) me.believe(owns);
    processes.close(handle.value);
  };
  exploration.programs = {waiting, killer};
  const auto all = endings(exploration, [](const Situation& now) {
    return std::to_string(static_cast<int>(now.seats[0].status)) +
           (now.seats[0].has(owns) ? " asked, " : " not asked, ") + (now.seats[1].has(owns) ? "ended" : "missed");
  });
  const std::string finished = std::to_string(static_cast<int>(SeatStatus::finished));
  const std::string gone = std::to_string(static_cast<int>(SeatStatus::gone));
  if (waiting.process.reaction.catches_terminate) {
    CHECK(all == std::set<std::string>{finished + " not asked, missed", finished + " asked, ended"});
  } else {
    CHECK(all == std::set<std::string>{finished + " not asked, missed", gone + " not asked, ended"});
  }
}

TEST_CASE("a forked child shares its parent's open files, and keeps them when the parent is gone", "[explorer]") {
  const auto run = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    const auto file = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
    (void)files.try_lock(file.value, 0, 1);
    (void)me.fork();
  };
  Exploration exploration = of(run, 1);
  bool was_orphaned = false;
  exploration.oracles = {{"looks", Oracle::When::state,
                          [&](const Situation& now) -> std::string {
                            const bool is_locked = !now.machine.disk.open_files.empty() &&
                                                   !now.machine.disk.open_files.begin()->second.locks.empty();
                            if (now.seats[0].status == SeatStatus::finished && is_locked) was_orphaned = true;
                            return "";
                          }},
                         {"end", Oracle::When::end, [](const Situation& now) -> std::string {
                            return now.machine.disk.open_files.empty() ? "" : "still locked";
                          }}};
  const ExplorationReport report = explore(exploration);
  CHECK(report.is_complete);
  CHECK(was_orphaned);
}

TEST_CASE("what the aftermath of every state must allow is asked of every state", "[explorer]") {
  Exploration exploration = of(locker, 2);
  exploration.aftermath = {{"the lock can be had", [](Machine& machine) -> std::string {
                              Contender fresh = machine.spawn();
                              const auto lock = fresh.filesystem.open({}, "/tmp/lock", OpenMode::ensure, 0600);
                              return fresh.filesystem.try_lock(lock.value, 0, 1).ok() ? "" : "it is not free";
                            }}};
  const ExplorationReport good = explore(exploration);
  CHECK(good.is_complete);
  CHECK(good.aftermaths >= 2);  // with and without the file
  exploration.aftermath[0].check = [](Machine& machine) -> std::string {
    return machine.disk.exists("/tmp/lock") ? "there is a file" : "";
  };
  const ExplorationReport bad = explore(exploration);
  REQUIRE(bad.violation);
  CHECK(bad.violation->steps.size() == 1);
}

TEST_CASE("a program that never comes to an end is reported", "[explorer]") {
  Exploration exploration = of(
      [](Actor& me) {
        ExploredFilesystem files = me.filesystem();
        while (files.stat_at({}, "/tmp").ok()) {
        }
      },
      1);
  exploration.most_calls = 100;
  const ExplorationReport report = explore(exploration);
  REQUIRE(report.violation);
  CHECK(report.violation->oracle == "a bound on own steps");
}

TEST_CASE("an exploration ends at its limit of states", "[explorer]") {
  Exploration exploration = of(locker, 3);
  exploration.most_states = 50;
  const ExplorationReport report = explore(exploration);
  CHECK_FALSE(report.is_complete);
  CHECK(report.states < 200);
  CHECK(explore_schedules(exploration, {10, false}).schedules == 10);
}
