// An exploration from a start state, with the rules that hold everywhere.
#ifndef GENIE_TESTS_EXPLORE_SCENARIO_HPP
#define GENIE_TESTS_EXPLORE_SCENARIO_HPP

#include <string>

#include "oracles.hpp"
#include "start_states.hpp"

namespace protocol {

/// An exploration from a start state with the facts, the history, and the oracles that hold everywhere.
[[nodiscard]] inline Exploration from(const StartState& state) {
  Exploration exploration;
  exploration.start = state.make;
  Machine machine;
  state.make(machine);
  std::string initial = "(none)";
  if (machine.disk.exists(record_path)) initial = *machine.disk.read_file(record_path);
  exploration.facts = [initial](const Machine& now) { return facts_of(now, initial); };
  exploration.remember = remember;
  exploration.most_calls = 1000;
  exploration.oracles = {at_most_one_owner(),
                         nobody_loses_to_nobody(),
                         live_claim_stands(),
                         no_stranger_is_signalled(),
                         already_running_is_true(),
                         nothing_stays_open(),
                         nobody_hangs(),
                         generations_grow(),
                         records_are_complete(),
                         sentinels_are_their_writers(),
                         auto_start_stays_out(),
                         ports_end_with_their_owner(),
                         endpoints_end_with_their_owner(),
                         stale_is_true(),
                         sockets_stand(),
                         stopped_is_dead(),
                         stays_end_by_explicit_starts(),
                         ttl_is_kept(),
                         started_servers_hold_the_lock(),
                         running_is_true(),
                         no_client_is_signalled(),
                         launches_stay_out()};
  exploration.aftermath = {a_fresh_contender_wins()};
  return exploration;
}

/// Turns an exploration of hanging starts to servers that get ready at the last moment, and whose starters are killed.
inline void ask_for_ready_servers(Exploration& exploration) {
  exploration.programs.back().may_crash = false;
  exploration.preemptions = 1;
  exploration.remember = remember_who_was_ready;
  exploration.oracles = {at_most_one_owner(), live_claim_stands(),         records_are_complete(), nothing_stays_open(),
                         nobody_hangs(),      starts_are_their_starters(), ready_servers_go_on()};
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_SCENARIO_HPP
