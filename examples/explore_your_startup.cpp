// A consumer's exploration test: every interleaving and every `kill -9` of three processes that start a daemon which
// must load its cache exactly once. Finds the mistake of the first version, and proves the second one right.
#include <genie/serve_guard.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

#include "genie/testing/explorer.hpp"

using genie::testing::Actor;
using genie::testing::Exploration;
using genie::testing::ExploredFilesystem;
using genie::testing::Oracle;
using genie::testing::Program;
using genie::testing::Seat;
using genie::testing::Situation;

namespace {

constexpr std::uint64_t loads_cache = 1;  // what our programs believe, for the oracle

/// "Nobody has a lock file, so it is us": the look and the creation are two calls.
void looks_first(Actor& me) {
  ExploredFilesystem files = me.filesystem();
  if (files.stat_at({}, "/tmp/daemon.lock").ok()) return;
  if (!files.open({}, "/tmp/daemon.lock", genie::OpenMode::ensure, 0600).ok()) return;
  me.believe(loads_cache);
  me.stay();
}

/// The same daemon, guarded.
void guarded(Actor& me) {
  genie::ServeGuard guard{"/tmp/daemon", {}, me.clock(), me.process(), me.filesystem()};
  const auto claim = guard.claim();
  if (!claim || !claim->owned()) return;
  me.believe(loads_cache);
  me.stay();
  me.doubt(loads_cache);
}

Exploration of(const char* name, void (*run)(Actor&), std::uint32_t copies) {
  Program daemon;
  daemon.name = name;
  daemon.run = run;
  daemon.copies = copies;
  Exploration exploration;
  exploration.programs = {daemon};
  exploration.budget.crashes = 1;
  exploration.oracles = {{"the cache is loaded once", Oracle::When::state, [](const Situation& now) -> std::string {
                            int loading = 0;
                            for (const Seat& seat : now.seats)
                              loading += seat.is_alive() && seat.has(loads_cache) ? 1 : 0;
                            return loading > 1 ? "two processes load it" : "";
                          }}};
  return exploration;
}

}  // namespace

int main() {
  const auto first = explore(of("daemon", looks_first, 3));
  if (!first.violation) return 1;
  std::printf("%s: %s\n%s", first.violation->oracle.c_str(), first.violation->message.c_str(),
              first.violation->table.c_str());

  const auto second = explore(of("daemon", guarded, 2));
  std::printf("guarded: %llu states, %.3g schedules, %s\n", static_cast<unsigned long long>(second.states),
              second.schedules, second.violation ? second.violation->message.c_str() : "all is well");
  return second.violation || !second.is_complete ? 1 : 0;
}
