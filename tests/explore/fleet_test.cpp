// A mixed fleet: programs of the older protocol beside genies. Both columns of what is safe are asserted, so that the
// documentation cannot drift.
//
// | beside genies      | two genies own it at once | an older program and a genie do  | two older programs do |
// |--------------------|---------------------------|----------------------------------|-----------------------|
// | none               | never                     |                                  |                       |
// | one older program  | never                     | may happen, the genie can tell   |                       |
// | two older programs | never                     | may happen, and unnoticed        | may happen            |
#include "catch.hpp"
#include "scenario.hpp"

using namespace protocol;

namespace {

Exploration fleet_of(const char* state, std::uint32_t genies, std::uint32_t originals) {
  Exploration exploration = from(start_state(state));
  exploration.programs = {program("starter", starter, genies), program("original", original, originals)};
  exploration.oracles.clear();
  // What an older program leaves behind when it is killed half-way is settled by the next genie as well.
  exploration.aftermath = {a_fresh_contender_wins()};
  exploration.preemptions = genies + originals > 2 ? 3 : -1;
  return exploration;
}

/// No two programs of these kinds own the directory at once.
Oracle never_both(const std::string& one, const std::string& other) {
  return {"never both", Oracle::When::state, [one, other](const Situation& now) -> std::string {
            for (std::size_t first = 0; first < now.seats.size(); ++first) {
              for (std::size_t second = first + 1; second < now.seats.size(); ++second) {
                const Seat& left = now.seats[first];
                const Seat& right = now.seats[second];
                if (!left.is_alive() || !right.is_alive() || !left.has(owns) || !right.has(owns)) continue;
                const bool is_pair = (left.program->name == one && right.program->name == other) ||
                                     (left.program->name == other && right.program->name == one);
                if (is_pair) return who(now, first) + " and " + who(now, second);
              }
            }
            return "";
          }};
}

/// Where an older program owns it too, the record is not the genie's any more: `verify` says so.
Oracle the_genie_can_tell() {
  return {"the genie can tell", Oracle::When::end, [](const Situation& now) -> std::string {
            const Facts facts = Facts::unpacked(now.facts);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& genie = now.seats[at];
              if (genie.program->name != "starter" || !genie.is_alive() || !genie.has(owns)) continue;
              for (const Seat& other : now.seats) {
                const bool is_rival = other.program->name == "original" && other.is_alive() && other.has(owns);
                if (is_rival && facts.recorded == genie.process) return who(now, at) + " would not notice its rival";
              }
            }
            return "";
          }};
}

void is_safe(Exploration exploration, const Oracle& oracle) {
  exploration.oracles = {oracle};
  const ExplorationReport report = explore(exploration);
  INFO((report.violation ? report.violation->message + '\n' + report.violation->table : std::string{}));
  CHECK_FALSE(report.violation);
  CHECK(report.is_complete);
}
void is_unsafe(Exploration exploration, const Oracle& oracle) {
  exploration.oracles = {oracle};
  exploration.aftermath.clear();
  CHECK(explore(exploration).violation);
}

}  // namespace

TEST_CASE("fleet: genies beside one older program never double, and can tell when it does", "[fleet]") {
  for (const char* state : {"absent", "stale", "empty record", "older program, dead"}) {
    INFO(state);
    is_safe(fleet_of(state, 1, 1), the_genie_can_tell());
    is_safe(fleet_of(state, 2, 1), never_both("starter", "starter"));
    is_safe(fleet_of(state, 2, 1), the_genie_can_tell());
  }
}
TEST_CASE("fleet: genies beside two older programs never double", "[fleet]") {
  for (const char* state : {"absent", "stale", "older program, dead"}) {
    INFO(state);
    is_safe(fleet_of(state, 2, 2), never_both("starter", "starter"));
    // One of the older programs can remove the other's record, and then the genie's stands as if nothing had happened.
    is_unsafe(fleet_of(state, 1, 2), the_genie_can_tell());
  }
}
TEST_CASE("fleet: an older program may take over a directory that a genie owns", "[fleet]") {
  is_unsafe(fleet_of("older program, dead", 1, 1), never_both("starter", "original"));
  is_unsafe(fleet_of("stale", 1, 1), never_both("starter", "original"));
}
TEST_CASE("fleet: two older programs are unsafe, with or without a genie", "[fleet]") {
  is_unsafe(fleet_of("older program, dead", 0, 2), never_both("original", "original"));
  is_unsafe(fleet_of("older program, dead", 1, 2), never_both("original", "original"));
}
