// The explorer: what it counts, that both engines agree, and that each accident does what it is called.
#include "genie/testing/explorer.hpp"

#include <genie/serve_guard.hpp>
#include <set>
#include <string>

#include "catch.hpp"
#include "genie/testing/schedules.hpp"

namespace tests::explorer_test {

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

genie::LaunchPlan server_plan() {
  genie::LaunchPlan plan;
  plan.program = "/usr/bin/server";
  return plan;
}
/// Starts the server that the lock allows, and hands the lock over to it.
void launcher(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredLauncher launcher = me.launcher();
  const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
  if (!lock.ok()) return;
  if (files.try_lock(lock.value, 0, 1).ok()) {
    if (const auto child = launcher.spawn(server_plan(), lock.value, Milliseconds{1000}); child.ok()) {
      if (!launcher.let_go(child.value, Milliseconds{1000}).ok()) me.believe(failed);
      launcher.close(child.value);
    }
  }
  files.close(lock.value);
}
constexpr unsigned told_shift = 8;  ///< bits for how the server ended: by a signal or not, its number or status plus 1
/// The same, but stays until the server has ended, and asks it to end after 3 ms.
void supervisor(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  ExploredLauncher launcher = me.launcher();
  const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
  if (!lock.ok() || !files.try_lock(lock.value, 0, 1).ok()) return;
  const auto child = launcher.spawn(server_plan(), lock.value, Milliseconds{1000});
  if (!child.ok()) return;
  MemoryFilesystem::Watch unwatched;
  const bool is_running = launcher.let_go(child.value, Milliseconds{1000}).ok();
  if (is_running && launcher.wait(child.value, unwatched, milliseconds(3)).value != genie::LaunchEvent::ended) {
    (void)launcher.kill(child.value, genie::Signal::terminate);
  }
  if (const auto told = launcher.reap(child.value, Milliseconds{1000}); told.ok()) {
    me.believe(((static_cast<std::uint64_t>(told.value.value) + 1) << 1U | (told.value.is_by_signal ? 1U : 0U))
               << told_shift);
  }
  launcher.close(child.value);
}
/// Owns the lock that it was given.
void launched(Actor& me) {
  if (!me.filesystem().inherited().ok()) return;
  me.believe(owns);
  me.clock().sleep(milliseconds(5));
  me.doubt(owns);
}
Exploration launching(void (*starter)(Actor&), std::uint32_t starters, void (*server)(Actor&), std::uint32_t servers,
                      const Budget& budget = {}) {
  Exploration exploration = of(starter, starters, budget);
  exploration.programs[0].name = "starter";
  Program program;
  program.name = "server";
  program.run = server;
  program.copies = servers;
  program.path = "/usr/bin/server";
  exploration.programs.push_back(program);
  return exploration;
}
/// The lock is held as long as a server believes that it owns it.
Oracle owner_has_the_lock() {
  return {"the owner has the lock", Oracle::When::state, [](const Situation& now) -> std::string {
            for (const Seat& seat : now.seats) {
              if (!seat.is_alive() || !seat.has(owns)) continue;
              const auto holders = now.machine.disk.lock_holders(now.machine.disk.stat("/tmp/lock")->id, 0);
              bool holds = false;
              for (const ProcessIndex holder : holders) holds = holds || holder == seat.process;
              if (!holds) return "it has not";
            }
            return "";
          }};
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

TEST_CASE("both engines agree on programs that launch others", "[explorer][launch]") {
  struct Case {
    std::uint32_t starters;
    void (*starter)(Actor&);
    Budget budget;
    int preemptions;
  };
  const std::vector<Case> cases{
      {1, launcher, {.crashes = 1, .reuses = 1}, -1},
      {1, launcher, {.errors = 1}, -1},
      {1, launcher, {.delays = 1}, -1},
      {1, launcher, {.reboots = 1}, -1},
      {1, supervisor, {.crashes = 1}, -1},
      {1, supervisor, {.errors = 1}, -1},
      {2, launcher, {}, -1},
      {2, launcher, {.crashes = 1}, 0},
      {2, supervisor, {.crashes = 1}, 0},
  };
  const Case& chosen = cases[GENERATE(range(std::size_t{0}, std::size_t{9}))];
  Exploration exploration = launching(chosen.starter, chosen.starters, launched, chosen.starters, chosen.budget);
  exploration.preemptions = chosen.preemptions;
  exploration.oracles.push_back(owner_has_the_lock());
  const ExplorationReport merged = explore(exploration);
  SchedulesOptions options;
  options.collects_states = true;
  const SchedulesReport each = explore_schedules(exploration, options);
  CHECK(merged.is_complete);
  CHECK(each.is_complete);
  CHECK(merged.schedules == static_cast<double>(each.schedules));
  if (chosen.preemptions >= 0) return;
  CHECK(merged.states == each.states);
  CHECK(merged.visited == each.visited);
}

TEST_CASE("a launched program runs in the process that was let go, with what that has open", "[explorer][launch]") {
  Exploration exploration = launching(launcher, 1, launched, 1);
  bool was_held = false;
  bool did_run = false;
  exploration.oracles = {owner_has_the_lock(),
                         {"looks", Oracle::When::state, [&](const Situation& now) -> std::string {
                            const Seat& server = now.seats[1];
                            was_held =
                                was_held || (!now.machine.time.held.empty() &&
                                             now.machine.disk.open_count(now.machine.time.held.begin()->first) == 1);
                            if (server.status == SeatStatus::unborn || !server.is_alive()) return "";
                            did_run = true;
                            const Process& process = now.machine.processes.processes[server.process];
                            CHECK(process.name == "server");
                            CHECK(process.parent == now.seats[0].process);
                            CHECK(process.leader == server.process);
                            return "";
                          }}};
  CHECK(explore(exploration).is_complete);
  CHECK(was_held);
  CHECK(did_run);
}

TEST_CASE("a lock that is given up although the server has it is found, and shown", "[explorer][launch]") {
  const auto careless_launcher = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    ExploredLauncher launcher = me.launcher();
    const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
    if (files.try_lock(lock.value, 0, 1).ok()) {
      if (const auto child = launcher.spawn(server_plan(), lock.value, Milliseconds{1000}); child.ok()) {
        (void)launcher.let_go(child.value, Milliseconds{1000});
      }
      (void)files.unlock(lock.value, 0, 1);  // of the open file, which is the server's, too
    }
    files.close(lock.value);
  };
  const Exploration exploration = launching(careless_launcher, 2, launched, 2);
  const ExplorationReport report = explore(exploration);
  REQUIRE(report.violation);
  CHECK(report.violation->message == "two of them");
  const std::string& table = report.violation->table;
  CHECK(table.find("spawn /usr/bin/server") != std::string::npos);
  CHECK(table.find("= 1001") != std::string::npos);
  CHECK(table.find("let_go 1001") != std::string::npos);
  CHECK(table.find("server 2 begins") != std::string::npos);
  CHECK(replay(exploration, report.violation->token));
  CHECK(explore_schedules(exploration).violation);
}

TEST_CASE("a held child outlives a killed launcher by a moment, with its lock", "[explorer][launch]") {
  Exploration exploration = launching(launcher, 1, launched, 1, {.crashes = 1});
  bool outlived = false;
  exploration.oracles = {{"looks", Oracle::When::state,
                          [&](const Situation& now) -> std::string {
                            const bool is_orphan =
                                now.seats[0].status == SeatStatus::gone && now.seats[1].status == SeatStatus::unborn;
                            outlived = outlived || (is_orphan && !now.machine.disk.open_files.empty());
                            return "";
                          }},
                         {"end", Oracle::When::end, [](const Situation& now) -> std::string {
                            return now.machine.disk.open_files.empty() ? "" : "somebody is left";
                          }}};
  const ExplorationReport report = explore(exploration);
  CHECK(report.is_complete);
  CHECK(outlived);
  CHECK(table_of(exploration, "r0*3 c0 h0").find("its launcher has ended") != std::string::npos);
}

TEST_CASE("how a launched program ended is told to who launched it, and nobody else reaps it", "[explorer][launch]") {
  const auto failing = [](Actor& me) {
    (void)me.filesystem().inherited();
    me.exit_status = 3;
  };
  Exploration exploration = launching(supervisor, 1, failing, 1, {.crashes = 1, .zombies = 1, .errors = 1});
  exploration.faults = {{Call::let_go, EACCES}};
  exploration.oracles.push_back({"a zombie", Oracle::When::step, [](const Situation& now) -> std::string {
                                   return now.step.kind == StepKind::reap && now.step.seat == 1 ? "reaped" : "";
                                 }});
  const auto all = endings(exploration, [](const Situation& now) -> std::string {
    const Seat& starter = now.seats[0];
    if (starter.status != SeatStatus::finished) return "nobody asks";
    const std::uint64_t told = starter.beliefs >> told_shift;
    return told == 0 ? "nothing" : ((told & 1U) != 0 ? "signal " : "status ") + std::to_string((told >> 1U) - 1);
  });
  CHECK(all == std::set<std::string>{"nobody asks", "status 3", "status 127", "signal 9"});
}

TEST_CASE("a child may be killed while it is held, if its program may crash at all", "[explorer][launch]") {
  Exploration exploration = launching(supervisor, 1, [](Actor& me) { me.stay(); }, 1, {.crashes = 1});
  exploration.programs[0].may_crash = false;
  exploration.programs[1].may_crash = GENERATE(true, false);
  const auto all = endings(exploration, [](const Situation& now) -> std::string {
    CHECK(now.seats[0].status == SeatStatus::finished);
    const std::uint64_t signal = (now.seats[0].beliefs >> told_shift >> 1U) - 1;
    return (now.seats[1].status == SeatStatus::unborn ? "never ran: " : "ran: ") + std::to_string(signal);
  });
  if (exploration.programs[1].may_crash) {
    CHECK(all == std::set<std::string>{"never ran: 9", "ran: 9", "ran: 15"});
    CHECK(table_of(exploration, "r0*3 H0").find("a held child  *** killed ***") != std::string::npos);
  } else {
    CHECK(all == std::set<std::string>{"ran: 15"});
  }
}

TEST_CASE("a wait for a launched program ends with it, with a change, or in time", "[explorer][launch]") {
  const auto watcher = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    ExploredLauncher launcher = me.launcher();
    const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
    auto watch = files.watch("/tmp/lock");
    const auto child = launcher.spawn(server_plan(), lock.value, Milliseconds{1000});
    if (!lock.ok() || !watch.ok() || !child.ok() || !launcher.let_go(child.value, Milliseconds{1000}).ok()) return;
    const auto event = launcher.wait(child.value, watch.value, milliseconds(3));
    if (event.ok()) me.believe(std::uint64_t{1} << static_cast<unsigned>(event.value));
  };
  const auto server = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    const auto lock = files.inherited();
    if (!lock.ok()) return;
    me.clock().sleep(milliseconds(3));
    (void)files.write_at(lock.value, "ready", 5, 0);
  };
  const Exploration exploration = launching(watcher, 1, server, 1, {.crashes = 1});
  const auto all = endings(exploration, [](const Situation& now) { return std::to_string(now.seats[0].beliefs); });
  const auto bit = [](genie::LaunchEvent event) { return std::to_string(1U << static_cast<unsigned>(event)); };
  CHECK(all == std::set<std::string>{"0", bit(genie::LaunchEvent::none), bit(genie::LaunchEvent::changed),
                                     bit(genie::LaunchEvent::ended)});
}

TEST_CASE("a launched program is signalled by who launched it, and may catch that", "[explorer][launch]") {
  const auto serving = [](Actor& me) {
    if (me.await_terminate()) me.exit_status = 7;
  };
  Exploration exploration = launching(supervisor, 1, serving, 1);
  exploration.programs[1].process.reaction.catches_terminate = GENERATE(true, false);
  const auto all =
      endings(exploration, [](const Situation& now) { return std::to_string(now.seats[0].beliefs >> told_shift); });
  const std::uint64_t told =
      exploration.programs[1].process.reaction.catches_terminate ? (7U + 1U) << 1U : (15U + 1U) << 1U | 1U;
  CHECK(all == std::set<std::string>{std::to_string(told)});
}

TEST_CASE("more launches than copies of the program are reported", "[explorer][launch]") {
  const auto short_lived = [](Actor& me) { (void)me.filesystem().inherited(); };
  const Exploration exploration = launching(launcher, 2, short_lived, 1);
  const ExplorationReport report = explore(exploration);
  REQUIRE(report.violation);
  CHECK(report.violation->oracle == "a copy for each launch");
  const auto again = replay(exploration, report.violation->token);
  REQUIRE(again);
  CHECK(again->oracle == "a copy for each launch");
  const SchedulesReport each = explore_schedules(exploration);
  REQUIRE(each.violation);
  CHECK(each.violation->oracle == "a copy for each launch");
}

TEST_CASE("a program that nobody knows cannot be launched", "[explorer][launch]") {
  Exploration exploration = launching(launcher, 1, launched, 1);
  exploration.programs[1].path = "/usr/bin/other";
  CHECK(endings(exploration, [](const Situation& now) {
          CHECK(now.seats[1].status == SeatStatus::unborn);
          return std::string{now.seats[0].has(failed) ? "failed" : "launched"};
        }) == std::set<std::string>{"failed"});
}

TEST_CASE("a child is let go once, and writes a log", "[explorer][launch]") {
  const auto insistent = [](Actor& me) {
    ExploredFilesystem files = me.filesystem();
    ExploredLauncher launcher = me.launcher();
    const auto lock = files.open({}, "/tmp/lock", OpenMode::ensure, 0600);
    if (!lock.ok()) return;
    genie::LaunchPlan plan = server_plan();
    plan.log = "/tmp/log";
    const auto child = launcher.spawn(plan, lock.value, Milliseconds{1000});
    if (!child.ok()) return;
    if (launcher.pid(child.value) != 1001) me.believe(failed);
    (void)launcher.let_go(child.value, Milliseconds{1000});
    (void)launcher.let_go(child.value, Milliseconds{1000});
  };
  const auto server = [](Actor& me) {
    (void)me.filesystem().write_at({MemoryFilesystem::output_descriptor}, "ready", 5, 0);
  };
  const Exploration exploration = launching(insistent, 1, server, 1);
  CHECK(endings(exploration, [](const Situation& now) {
          CHECK_FALSE(now.seats[0].has(failed));
          CHECK(now.seats[1].status == SeatStatus::finished);
          return now.machine.disk.read_file("/tmp/log").value_or("(none)");
        }) == std::set<std::string>{"ready"});
}

TEST_CASE("calls of launchers read well", "[explorer][launch]") {
  Exploration exploration = launching(supervisor, 1, [](Actor& me) { me.stay(); }, 1);
  const std::string table = table_of(exploration, "r0*4 t0 r0*4");
  INFO(table);
  CHECK(table.find("wait_child 1001 3 ms") != std::string::npos);
  CHECK(table.find("time is up") != std::string::npos);
  CHECK(table.find("kill_child 1001 TERM") != std::string::npos);
  CHECK(table.find("reap_child 1001") != std::string::npos);
  CHECK(table.find("signal 15") != std::string::npos);
  CHECK(table.find("close_child 1001") != std::string::npos);
}

}  // namespace tests::explorer_test
