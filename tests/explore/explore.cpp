// Explores genie's own protocol: every interleaving, crash, failure and accident that each scenario's budget allows.
//
//   genie_explore [--jobs N] [--nightly] [--limit MINUTES] [--check FILE] [--list] [SCENARIO…]
//
// Prints a table in Markdown; with --check, compares its counts with those that FILE publishes. With --limit, begins no
// further scenario after that time, and says how many it has explored. The nightly ones are cut short, with a plus
// behind their count, after the step in which they pass 20 million states: what comes that early is explored whole, and
// two at once need 8 GB. Exits with 1 if an oracle is violated, with the shortest schedule that does it, or if a count
// has changed.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace {

using namespace protocol;

struct Scenario {
  std::string name;
  Exploration exploration;
};

class Scenarios {
 public:
  explicit Scenarios(bool nightly) : nightly_{nightly} {
    build();
    if (!nightly) return;
    for (Scenario& scenario : list) scenario.exploration.most_states = 20'000'000;
  }

  std::vector<Scenario> list;

 private:
  Exploration& add(const std::string& name, const char* state, std::vector<Program> programs, const Budget& budget) {
    Scenario scenario{name, from(start_state(state))};
    scenario.exploration.programs = std::move(programs);
    scenario.exploration.budget = budget;
    list.push_back(std::move(scenario));
    return list.back().exploration;
  }

  /// Where each scenario takes seconds, a push has the state that has most to tell.
  [[nodiscard]] std::vector<const char*> dear_states() const {
    return nightly_ ? std::vector<const char*>{"absent", "released", "stale"} : std::vector<const char*>{"stale"};
  }

  /// A minute on two cores.
  void build() {
    for (const StartState& state : start_states()) {
      const std::string where = std::string{", "} + state.name;
      const char* const name = state.name;
      add("2 starters, 2 crashes" + where, name, {starters(2)}, {.crashes = 2}).oracles.push_back(one_winner());
      add("2 starters, 1 failing call" + where, name, {starters(2)}, {.errors = 1}).oracles.push_back(one_winner());
      add_interrupted("2 starters, 1 interruption" + where, name, 2, 1);
      add("3 starters one after another, 2 crashes" + where, name, {starters(3)}, {.crashes = 2}).preemptions = 0;
      if (nightly_) build_nightly(name, where);
    }
    add("4 starters one after another, 4 crashes, absent", "absent", {starters(4)}, {.crashes = 4}).preemptions = 0;
    for (const char* state : {"absent", "stale", "empty record", "older program, dead"}) {
      const std::string where = std::string{", "} + state;
      add("3 starters" + where, state, {starters(3)}, {}).oracles.push_back(one_winner());
      add("server, 2 stoppers, 1 preemption" + where, state, {servers(), stoppers(2)}, {}).preemptions = 1;
      add("publisher, client" + where, state, {program("publisher", publisher), program("client", client)}, {});
      add("visitor, 2 standbys, 1 preemption" + where, state, {program("visitor", visitor), standbys(2)}, {});
      list.back().exploration.preemptions = 1;
      list.back().exploration.oracles.push_back(one_winner());
    }
    for (const char* state : {"absent", "stale, with endpoints"}) {
      const std::string where = std::string{", "} + state;
      const Program reader = program("client", endpoint_client);
      add_endpoints("endpoint publisher, client" + where, state, 1, reader, {});
      add_endpoints("endpoint publisher, client, 1 crash" + where, state, 1, reader, {.crashes = 1});
      add_endpoints("endpoint publisher, client, 1 failing call, 3 preemptions" + where, state, 1, reader,
                    {.errors = 1})
          .preemptions = 3;
      add_endpoints("endpoint publisher, patient client, 2 preemptions" + where, state, 1,
                    program("client", patient_client), {})
          .preemptions = 2;
      add_endpoints("2 endpoint publishers, client, 1 crash, 1 preemption" + where, state, 2, reader, {.crashes = 1})
          .preemptions = 1;
      add_endpoints("2 endpoint publishers, client, 2 preemptions" + where, state, 2, reader, {}).preemptions = 2;
    }
    for (const char* state : {"absent", "released", "stale", "no exchange", "stale on FreeBSD"}) {
      add_unwritten(std::string{"republisher, then a starter, 1 crash, 2 failing calls, "} + state, state);
    }
    for (const char* state : dear_states()) {
      const std::string where = std::string{", "} + state;
      add("6 starters, 1 preemption, 1 crash" + where, state, {starters(6)}, {.crashes = 1}).preemptions = 1;
      add("2 starters, 2 delays" + where, state, {starters(2)}, {.delays = 2});
      add("server, 2 stoppers, 2 preemptions" + where, state, {servers(), stoppers(2)}, {}).preemptions = 2;
      add("server, stopper, auto-starter, 1 preemption, 1 crash" + where, state,
          {servers(), stoppers(1), program("auto-starter", auto_starter)}, {.crashes = 1})
          .preemptions = 1;
      add("publisher, client, 1 crash" + where, state, {program("publisher", publisher), program("client", client)},
          {.crashes = 1});
      add("2 publishers, client, 2 preemptions" + where, state,
          {program("publisher", publisher, 2), program("client", client)}, {})
          .preemptions = 2;
      if (!nightly_) {  // which has these for every state
        add("2 starters, 1 crash, 1 failing call" + where, state, {starters(2)}, {.crashes = 1, .errors = 1});
        add("2 starters, 2 failing calls" + where, state, {starters(2)}, {.errors = 2});
      }
      add("2 visitors, 1 crash, zombies, PIDs used again" + where, state, {program("visitor", visitor, 2)},
          {.crashes = 1, .zombies = 1, .reuses = 1});
      add_late("server, stopper, auto-starter, 1 crash, TTL runs out" + where, state, {.crashes = 1, .delays = 1});
      add("server, stayer" + where, state, {servers(), stayers(1)}, {}).oracles.push_back(stopped_to_stay_stays());
      add("server, stayer, auto-starter, 1 preemption, 1 crash" + where, state,
          {servers(), stayers(1), program("auto-starter", auto_starter)}, {.crashes = 1})
          .preemptions = 1;
      add("starter, 2 standbys, 1 preemption, 1 crash" + where, state, {starters(1), standbys(2)}, {.crashes = 1})
          .preemptions = 1;
      add("server, stopper, standby, 1 preemption" + where, state, {servers(), stoppers(1), standbys(1)}, {})
          .preemptions = 1;
      add("starter, standby, 1 failing call, 1 preemption" + where, state, {starters(1), standbys(1)}, {.errors = 1})
          .preemptions = 1;
    }
    add_staying("server, 2 stayers, 1 preemption, stale", "stale", {servers(), stayers(2)}, 1);
    add_staying("2 servers, stayer, 1 preemption, stays stopped", "stays stopped",
                {program("server", server, 2, catching()), stayers(1)}, 1);
    add("starter, stayer, stopper, 1 preemption, stays stopped", "stays stopped",
        {starters(1), stayers(1), stoppers(1)}, {})
        .preemptions = 1;
    add("starter, auto-starter, 1 crash, 1 failing call, 1 preemption, stays stopped", "stays stopped",
        {starters(1), program("auto-starter", auto_starter)}, {.crashes = 1, .errors = 1})
        .preemptions = 1;
    add("2 starters, 1 visitor, 1 crash, 1 reboot, 1 preemption, absent", "absent",
        {program("visitor", visitor), starters(2)}, {.crashes = 1, .reboots = 1})
        .preemptions = 1;
    add_removals("2 starters, a file is removed, absent", "absent", {.removals = 1});
    add_lost_directory("stale");
    if (nightly_) {
      add("5 starters one after another, 4 crashes, absent", "absent", {starters(5)}, {.crashes = 4}).preemptions = 0;
      add_lost_directory("absent");
    }
    build_on_demand();
    build_on_freebsd();
  }

  /// Where files can't be exchanged, and locked as a whole only.
  void build_on_freebsd() {
    for (const StartState& state : start_states_on_freebsd()) {
      const std::string where = std::string{", "} + state.name;
      add("2 starters, 2 crashes" + where, state.name, {starters(2)}, {.crashes = 2}).oracles.push_back(one_winner());
      add("2 starters, 1 failing call" + where, state.name, {starters(2)}, {.errors = 1})
          .oracles.push_back(one_winner());
      add("3 starters one after another, 2 crashes" + where, state.name, {starters(3)}, {.crashes = 2}).preemptions = 0;
      if (nightly_) build_nightly(state.name, where);
    }
    const char* const state = "stale on FreeBSD";
    const std::string where = std::string{", "} + state;
    add_interrupted("2 starters, 1 interruption" + where, state, 2, 1);
    add("server, 2 stoppers, 1 preemption" + where, state, {servers(), stoppers(2)}, {}).preemptions = 1;
    add("publisher, client" + where, state, {program("publisher", publisher), program("client", client)}, {});
    add("server, stayer" + where, state, {servers(), stayers(1)}, {}).oracles.push_back(stopped_to_stay_stays());
    add_stopped("ensurer, stopper, 1 preemption" + where, state, ensurers(1), stoppable(1), {}).preemptions = 1;
    if (!nightly_) return;
    add("starter, 2 standbys, 1 preemption, 1 crash" + where, state, {starters(1), standbys(2)}, {.crashes = 1})
        .preemptions = 1;
    add_start("2 ensurers, 1 crash, 1 preemption" + where, state, ensurers(2), {.crashes = 1}).preemptions = 1;
    build_on_demand_nightly(state, where);
  }

  /// Start on demand.
  void build_on_demand() {
    for (const char* state : {"absent", "released", "stale"}) {
      const std::string where = std::string{", "} + state;
      add_start("2 ensurers, 2 preemptions" + where, state, ensurers(2), {}).preemptions = 2;
      add_start("3 ensurers, 1 preemption" + where, state, ensurers(3), {}).preemptions = 1;
      add_start("ensurer, starter, 1 preemption" + where, state, ensurers(1), {}, starters(1)).preemptions = 1;
      add_start("ensurer, explicit ensurer, 2 preemptions" + where, state, ensurers(1), {}, explicit_ensurers(1))
          .preemptions = 2;
      add_inquiring("2 ensurers, inquiring server, 1 preemption" + where, state).preemptions = 1;
      add_failing("2 ensurers, failing servers, 1 preemption" + where, state, failing_server).preemptions = 1;
      add_failing("2 ensurers, quitting servers, 2 preemptions" + where, state, quitting_server).preemptions = 2;
      add_failing("2 ensurers, foreign servers, 2 preemptions" + where, state, foreign_server).preemptions = 2;
      add_stopped("ensurer, stopper, 1 preemption" + where, state, ensurers(1), stoppable(1), {}).preemptions = 1;
      add_stopped("explicit ensurer, stopper, 1 preemption" + where, state, explicit_ensurers(1), stoppable(1), {})
          .preemptions = 1;
      add_stopped("ensurer, stopper, failing server, 2 preemptions" + where, state, ensurers(1), failing(1), {})
          .preemptions = 2;
      add_replaced("restarter, ensurer, 1 preemption" + where, state, program("restarter", restarter), ensurers(1), {})
          .preemptions = 1;
      add_replaced("older ensurer, newer ensurer, 1 preemption" + where, state, program("older ensurer", older_ensurer),
                   program("newer ensurer", newer_ensurer), {})
          .preemptions = 1;
    }
    for (const char* state : dear_states()) {
      const std::string where = std::string{", "} + state;
      add_start("2 ensurers, 1 crash, 1 preemption" + where, state, ensurers(2), {.crashes = 1}).preemptions = 1;
      add_start("2 ensurers, 1 failing call, 1 preemption" + where, state, ensurers(2), {.errors = 1}).preemptions = 1;
      add_start("2 ensurers one after another, 1 crash, a zombie" + where, state, ensurers(2),
                {.crashes = 1, .zombies = 1})
          .preemptions = 0;
      add_failing("2 ensurers, failing servers, 2 preemptions" + where, state, failing_server).preemptions = 2;
      add_stopped("ensurer, stopper, 2 preemptions" + where, state, ensurers(1), stoppable(1), {}).preemptions = 2;
      add_stopped("ensurer, stopper, 1 crash" + where, state, ensurers(1), stoppable(1), {.crashes = 1}).preemptions =
          0;
      add_stopped("ensurer, stopper, 1 failing call" + where, state, ensurers(1), stoppable(1), {.errors = 1})
          .preemptions = 0;
      add_stopped("ensurer, stopper, failing server, 1 failing call" + where, state, ensurers(1), failing(1),
                  {.errors = 1})
          .preemptions = 0;
    }
    add_replaced("2 restarters, 1 preemption, stale", "stale", program("restarter", restarter, 2),
                 program("nobody", nullptr, 0), {})
        .preemptions = 1;
    add_replaced("older ensurer, newer ensurer one after another, 1 crash, stale", "stale",
                 program("older ensurer", older_ensurer), program("newer ensurer", newer_ensurer), {.crashes = 1})
        .preemptions = 0;
    for (const char* state : dear_states()) {
      const std::string where = std::string{", "} + state;
      add_start("2 ensurers, 1 delay, 1 preemption" + where, state, ensurers(2), {.delays = 1}).preemptions = 1;
      add_start("ensurer, hasty ensurer, 1 delay, 1 preemption" + where, state, ensurers(1), {.delays = 1},
                program("hasty ensurer", hasty_ensurer))
          .preemptions = 1;
      add_hanging("ensurer, hasty ensurer, hanging servers, 1 preemption" + where, state, ensurers(1),
                  program("hasty ensurer", hasty_ensurer), {});
      add_hanging("2 explicit ensurers, hanging servers, 1 crash, 1 preemption" + where, state, explicit_ensurers(1),
                  explicit_ensurers(1), {.crashes = 1})
          .oracles.push_back(hanging_starts_end());
      add_hanging("2 explicit ensurers, hanging servers, 2 delays" + where, state, explicit_ensurers(1),
                  explicit_ensurers(1), {.delays = 2})
          .preemptions = 0;
      if (nightly_) {
        add_hanging("2 explicit ensurers, hanging servers, 2 delays, 1 preemption" + where, state, explicit_ensurers(1),
                    explicit_ensurers(1), {.delays = 2});
      }
      const auto add_slow = [&](const char* name, std::uint8_t crashes) {
        ask_for_ready_servers(
            add(name + where, state, {explicit_ensurers(2), launched("server", slow_server, 3)}, {.crashes = crashes}));
      };
      add_slow("2 explicit ensurers, servers that are ready at last, 1 preemption", 0);
      if (nightly_) add_slow("2 explicit ensurers, servers that are ready at last, 1 crash, 1 preemption", 1);
      // As one that waits for a disk: no signal ends it.
      add_hanging("2 explicit ensurers, hanging servers, 2 kills fail" + where, state, explicit_ensurers(1),
                  explicit_ensurers(1), {.errors = 2})
          .faults = {{Call::kill_child, EPERM}};
    }
    add_stopped("2 ensurers, stopper, 1 preemption, stale", "stale", ensurers(2), stoppable(2), {}).preemptions = 1;
    add_start("2 ensurers one after another, 2 crashes, stale", "stale", ensurers(2), {.crashes = 2}).preemptions = 0;
    for (const StartState& state : start_states_on_demand()) {
      const std::string where = std::string{", "} + state.name;
      add("2 starters, 1 crash" + where, state.name, {starters(2)}, {.crashes = 1});
      add_start("2 explicit ensurers, 1 preemption" + where, state.name, explicit_ensurers(2), {}).preemptions = 1;
      add_start("2 explicit ensurers one after another, 1 crash" + where, state.name, explicit_ensurers(2),
                {.crashes = 1})
          .preemptions = 0;
      if (nightly_) build_on_demand_nightly(state.name, where);
    }
    if (!nightly_) return;
    for (const char* state : {"absent", "released", "stale"}) {
      add(std::string{"ensurer, restarter, stopper, 1 preemption, "} + state, state,
          {ensurers(1), program("restarter", restarter), stoppers(1), stoppable(3)}, {})
          .preemptions = 1;
      build_on_demand_nightly(state, std::string{", "} + state);
    }
  }
  void build_on_demand_nightly(const char* name, const std::string& where) {
    add_start("2 ensurers, 2 crashes, 1 preemption" + where, name, explicit_ensurers(2), {.crashes = 2}).preemptions =
        1;
    add_start("2 ensurers, 1 crash, 1 failing call" + where, name, explicit_ensurers(2), {.crashes = 1, .errors = 1})
        .preemptions = 0;
    add_start("2 ensurers, 1 crash, 2 preemptions" + where, name, explicit_ensurers(2), {.crashes = 1}).preemptions = 2;
    add_start("3 ensurers, 1 crash, 1 preemption" + where, name, explicit_ensurers(3), {.crashes = 1}).preemptions = 1;
    add_start("2 ensurers, starter, 1 crash, 1 preemption" + where, name, explicit_ensurers(2), {.crashes = 1},
              starters(1))
        .preemptions = 1;
    add_stopped("2 ensurers, stopper, 2 preemptions" + where, name, ensurers(2), stoppable(2), {}).preemptions = 2;
    add_stopped("ensurer, stopper, 1 crash, 1 preemption" + where, name, ensurers(1), stoppable(1), {.crashes = 1})
        .preemptions = 1;
    add_stopped("ensurer, stopper, 1 failing call, 1 preemption" + where, name, ensurers(1), stoppable(1),
                {.errors = 1})
        .preemptions = 1;
    add_stopped("ensurer, 2 stoppers, 1 preemption" + where, name, ensurers(1), stoppable(1), {}, 2).preemptions = 1;
  }

  /// What takes hours.
  void build_nightly(const char* name, const std::string& where) {
    add("4 starters one after another, 3 crashes" + where, name, {starters(4)}, {.crashes = 3}).preemptions = 0;
    add("2 starters, 1 crash, 1 failing call" + where, name, {starters(2)}, {.crashes = 1, .errors = 1});
    add("2 starters, 2 failing calls" + where, name, {starters(2)}, {.errors = 2});
    add_interrupted("2 starters, 2 interruptions" + where, name, 2, 2);
    add("2 visitors, 2 crashes, zombies, PIDs used again" + where, name, {program("visitor", visitor, 2)},
        {.crashes = 2, .zombies = 2, .reuses = 2});
    add("3 starters, 1 crash, 3 preemptions" + where, name, {starters(3)}, {.crashes = 1}).preemptions = 3;
    add("6 starters, 2 preemptions, 1 crash" + where, name, {starters(6)}, {.crashes = 1}).preemptions = 2;
    add("2 starters, 1 visitor, 1 crash, 1 reboot, 2 preemptions" + where, name,
        {program("visitor", visitor), starters(2)}, {.crashes = 1, .reboots = 1})
        .preemptions = 2;
    add("server, 2 stoppers, 3 preemptions" + where, name, {servers(), stoppers(2)}, {}).preemptions = 3;
    add("server, stopper, auto-starter, 2 preemptions, 1 crash" + where, name,
        {servers(), stoppers(1), program("auto-starter", auto_starter)}, {.crashes = 1})
        .preemptions = 2;
    add("server, stopper, standby, 2 preemptions, 1 crash" + where, name, {servers(), stoppers(1), standbys(1)},
        {.crashes = 1})
        .preemptions = 2;
    add("starter, 3 standbys, 1 preemption, 2 crashes" + where, name, {starters(1), standbys(3)}, {.crashes = 2})
        .preemptions = 1;
    add_late("server, stopper, auto-starter, 1 crash, TTL runs out, clock set back" + where, name,
             {.crashes = 1, .delays = 1, .jumps = 1});
    add("server, 2 stayers, auto-starter, 2 preemptions, 1 crash" + where, name,
        {servers(), stayers(2), program("auto-starter", auto_starter)}, {.crashes = 1})
        .preemptions = 2;
    add_staying("2 servers, 2 stayers, 2 preemptions" + where, name,
                {program("server", server, 2, catching()), stayers(2)}, 2);
    add_removals("2 starters, a file is removed" + where, name, {.removals = 1});
    add_removals("2 starters, 1 crash, a file is removed" + where, name, {.crashes = 1, .removals = 1});
  }

  [[nodiscard]] static Program starters(std::uint32_t copies) { return program("starter", starter, copies); }
  [[nodiscard]] static Program servers() { return program("server", server, 1, catching()); }
  [[nodiscard]] static Program standbys(std::uint32_t copies) { return program("standby", standby, copies); }
  [[nodiscard]] static Program stoppers(std::uint32_t copies) { return program("stopper", stopper, copies); }
  [[nodiscard]] static Program stayers(std::uint32_t copies) { return program("stayer", stayer, copies); }

  void add_staying(const std::string& name, const char* state, std::vector<Program> programs, int preemptions) {
    Exploration& exploration = add(name, state, std::move(programs), {});
    exploration.oracles.push_back(stopped_to_stay_stays());
    exploration.preemptions = preemptions;
  }

  void add_interrupted(const std::string& name, const char* state, std::uint32_t copies, std::uint8_t times) {
    Exploration& exploration = add(name, state, {starters(copies)}, {.errors = times});
    exploration.faults = interruptions();
    exploration.oracles.push_back(interruptions_are_invisible());
    exploration.oracles.push_back(one_winner_despite_interruptions());
  }
  Exploration& add_endpoints(const std::string& name, const char* state, std::uint32_t publishers,
                             const Program& reader, const Budget& budget) {
    Exploration& exploration =
        add(name, state, {program("endpoint publisher", endpoint_publisher, publishers), reader}, budget);
    if (budget.errors == 0) exploration.aftermath.push_back(published_sockets_go());
    return exploration;
  }
  [[nodiscard]] static Program ensurers(std::uint32_t copies) { return program("ensurer", ensurer, copies); }
  [[nodiscard]] static Program explicit_ensurers(std::uint32_t copies) {
    return program("explicit ensurer", explicit_ensurer, copies);
  }
  [[nodiscard]] static Program stoppable(std::uint32_t copies) {
    return launched("server", stoppable_server, copies, catching());
  }
  [[nodiscard]] static Program failing(std::uint32_t copies) {
    return launched("failing server", failing_server, copies);
  }

  Exploration& add_start(const std::string& name, const char* state, const Program& clients, const Budget& budget,
                         const Program& others = program("nobody", nullptr, 0)) {
    Exploration& exploration = add(
        name, state, {clients, others, launched("server", launched_server, clients.copies + others.copies)}, budget);
    exploration.oracles.push_back(one_start_for_everybody());
    return exploration;
  }
  Exploration& add_inquiring(const std::string& name, const char* state) {
    Exploration& exploration = add(name, state, {ensurers(2), launched("server", inquiring_server, 2)}, {});
    exploration.oracles.push_back(one_start_for_everybody());
    exploration.oracles.push_back(servers_know_themselves());
    return exploration;
  }
  Exploration& add_failing(const std::string& name, const char* state, void (*server)(Actor&)) {
    Exploration& exploration = add(name, state, {ensurers(2), launched("server", server, 2)}, {});
    exploration.oracles.push_back(failures_are_told());
    exploration.oracles.push_back(failures_leave_nothing());
    return exploration;
  }
  Exploration& add_hanging(const std::string& name, const char* state, const Program& one, const Program& other,
                           const Budget& budget) {
    Exploration& exploration = add(name, state, {one, other, launched("server", foreign_server, 3)}, budget);
    exploration.oracles.push_back(starts_are_their_starters());
    exploration.preemptions = 1;
    return exploration;
  }
  Exploration& add_replaced(const std::string& name, const char* state, const Program& one, const Program& other,
                            const Budget& budget) {
    Exploration& exploration = add(name, state, {one, other, stoppable(3)}, budget);
    exploration.oracles.push_back(a_newer_client_gets_a_newer_server());
    return exploration;
  }
  Exploration& add_stopped(const std::string& name, const char* state, const Program& clients, const Program& server,
                           const Budget& budget, std::uint32_t times = 1) {
    return add(name, state, {clients, stoppers(times), server}, budget);
  }
  void add_removals(const std::string& name, const char* state, const Budget& budget) {
    Exploration& exploration = add(name, state, {starters(2)}, budget);
    exploration.removable = {record_path, lock_path};
    // The name of a killed claim's temporary file goes with the lock file that told it.
    exploration.aftermath = {a_fresh_contender_wins(false)};
  }
  void add_late(const std::string& name, const char* state, const Budget& budget) {
    Exploration& exploration =
        add(name, state, {servers(), stoppers(1), program("auto-starter", auto_starter)}, budget);
    // Only the stopper's crash leaves a sentinel.
    exploration.programs.front().may_crash = false;
    exploration.programs.back().may_crash = false;
    // A stopper that is delayed beyond its TTL may lose its sentinel.
    std::erase_if(exploration.oracles,
                  [](const Oracle& oracle) { return oracle.name == sentinels_are_their_writers().name; });
    exploration.preemptions = 0;
    exploration.long_delay = Milliseconds{35'000};
    exploration.jump = Milliseconds{-86'400'000};
  }
  /// What could neither be written nor removed: the owner lives on with it, and publishes again or releases.
  void add_unwritten(const std::string& name, const char* state) {
    Exploration& exploration =
        add(name, state, {program("republisher", republisher), starters(1)}, {.crashes = 1, .errors = 2});
    exploration.preemptions = 0;
    exploration.faults = {{Call::write_at, ENOSPC}, {Call::unlink, EIO}};
  }
  void add_lost_directory(const char* state) {
    Exploration& exploration =
        add(std::string{"2 starters, the directory is removed, "} + state, state, {starters(2)}, {.removals = 1});
    exploration.removable = {directory};
    exploration.oracles = {who_lost_the_directory_can_tell(), nobody_loses_to_nobody(), already_running_is_true(),
                           nothing_stays_open(), nobody_hangs()};
  }

  bool nightly_;
};

struct Row {
  std::string name;
  std::string text;
  bool is_good = false;
};

std::string thousands(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

bool is_cut(const ExplorationReport& report) { return !report.violation && !report.is_complete; }

std::string row_of(const Scenario& scenario, const ExplorationReport& report) {
  char schedules[32];
  std::snprintf(schedules, sizeof schedules, "%.3g", report.schedules);
  return "| " + scenario.name + " | " + thousands(report.states) + (is_cut(report) ? "+ | " : " | ") + schedules +
         " | " + std::to_string(report.longest) + " | " + thousands(report.aftermaths) + " |";
}

/// In a process of its own, so that two can run at once and memory is given back.
void run_in_child(const Scenario& scenario, int to) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const ExplorationReport report = explore(scenario.exploration);
  std::string text = row_of(scenario, report) + '\n';
  if (report.violation) {
    text += "VIOLATION in \"" + scenario.name + "\": " + report.violation->oracle + ": " + report.violation->message +
            '\n' + report.violation->table + "replay: " + report.violation->token + '\n';
  }
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t part = write(to, text.data() + done, text.size() - done);
    if (part <= 0) break;
    done += static_cast<std::size_t>(part);
  }
  _exit(report.violation ? 1 : 0);
}

struct Running {
  std::size_t number = 0;
  int from = -1;
  std::chrono::steady_clock::time_point began;
};

/// Returns: a row for each scenario that was begun before `limit`.
std::vector<Row> run_all(const std::vector<Scenario>& scenarios, std::size_t jobs,
                         std::chrono::steady_clock::time_point limit) {
  std::vector<Row> rows(scenarios.size());
  std::map<pid_t, Running> running;
  std::size_t next = 0;
  const auto may_begin = [&] { return next < rows.size() && std::chrono::steady_clock::now() < limit; };
  while (may_begin() || !running.empty()) {
    while (may_begin() && running.size() < jobs) {
      char path[] = "/tmp/genie_explore.XXXXXX";
      const int file = mkstemp(path);
      if (file < 0) std::abort();
      unlink(path);
      const pid_t child = fork();
      if (child == 0) run_in_child(scenarios[next], file);
      running[child] = {next, file, std::chrono::steady_clock::now()};
      ++next;
    }
    int status = 0;
    const pid_t ended = wait(&status);
    const Running done = running[ended];
    Row& row = rows[done.number];
    row.name = scenarios[done.number].name;
    row.is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char buffer[4096];
    off_t offset = 0;
    for (ssize_t count = 0; (count = pread(done.from, buffer, sizeof buffer, offset)) > 0; offset += count) {
      row.text.append(buffer, static_cast<std::size_t>(count));
    }
    close(done.from);
    running.erase(ended);
    if (!row.is_good) std::printf("%s\n", row.text.c_str());
    std::fflush(stdout);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - done.began).count();
    std::fprintf(stderr, "%7.2f s  %s", took, row.text.substr(0, row.text.find('\n') + 1).c_str());
  }
  rows.resize(next);
  return rows;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t jobs = 2;
  bool nightly = false;
  bool lists = false;
  auto limit = std::chrono::steady_clock::time_point::max();
  std::string published;
  std::vector<std::string> wanted;
  for (int at = 1; at < count; ++at) {
    const std::string argument = arguments[at];
    if (argument == "--nightly") {
      nightly = true;
    } else if (argument == "--list") {
      lists = true;
    } else if (argument == "--jobs" && at + 1 < count) {
      jobs = static_cast<std::size_t>(std::strtoul(arguments[++at], nullptr, 10));
    } else if (argument == "--limit" && at + 1 < count) {
      limit = std::chrono::steady_clock::now() + std::chrono::minutes{std::strtol(arguments[++at], nullptr, 10)};
    } else if (argument == "--check" && at + 1 < count) {
      published = arguments[++at];
    } else if (argument[0] == '-') {
      std::fprintf(stderr, "usage: %s [--jobs N] [--nightly] [--limit MINUTES] [--check FILE] [--list] [SCENARIO...]\n",
                   arguments[0]);
      return 2;
    } else {
      wanted.push_back(argument);
    }
  }
  std::vector<Scenario> scenarios;
  for (Scenario& scenario : Scenarios{nightly}.list) {
    bool matches = wanted.empty();
    for (const std::string& part : wanted) matches = matches || scenario.name.find(part) != std::string::npos;
    if (matches) scenarios.push_back(std::move(scenario));
  }
  if (lists) {
    for (const Scenario& scenario : scenarios) std::printf("%s\n", scenario.name.c_str());
    return 0;
  }

  const auto began = std::chrono::steady_clock::now();
  const std::vector<Row> rows = run_all(scenarios, jobs, limit);
  std::printf("| scenario | states | schedules | longest | wrecks recovered |\n|---|---:|---:|---:|---:|\n");
  std::uint64_t states = 0;
  int bad = 0;
  int cut = 0;
  for (const Row& row : rows) {
    const std::string line = row.text.substr(0, row.text.find('\n'));
    std::printf("%s\n", line.c_str());
    std::string digits;
    for (std::size_t at = line.find(" | ") + 3; at < line.size() && line[at] != ' '; ++at) {
      if (line[at] >= '0' && line[at] <= '9') digits += line[at];
      cut += line[at] == '+' ? 1 : 0;
    }
    states += std::strtoull(digits.c_str(), nullptr, 10);
    bad += row.is_good ? 0 : 1;
  }
  if (!published.empty()) {
    std::ifstream file{published};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    for (const Row& row : rows) {
      const std::string line = row.text.substr(0, row.text.find('\n'));
      if (text.find(line) != std::string::npos) continue;
      if (nightly && text.find("| " + row.name + " |") == std::string::npos)
        continue;  // only the daily ones are published
      std::printf("CHANGED: %s does not say: %s\n", published.c_str(), line.c_str());
      ++bad;
    }
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (rows.size() < scenarios.size()) std::printf("%zu of ", rows.size());
  std::printf("%zu scenarios, %s states, %d bad, ", scenarios.size(), thousands(states).c_str(), bad);
  if (cut > 0) std::printf("%d cut short, ", cut);
  std::printf("%.0f s\n", took);
  return bad == 0 ? 0 : 1;
}
