// For lines of an exploration: the program that is explored, and a rule.
#include <genie/serve_guard.hpp>
#include <genie/testing/explorer.hpp>
#include <string>

template <typename Clock, typename Process, typename Filesystem>
void start_up(Clock clock, Process process, Filesystem filesystem) {
  genie::ServeGuard guard{"/tmp/state", {}, clock, process, filesystem};
  (void)guard.claim();
}

std::string at_most_one_owner(const genie::testing::Situation&) { return {}; }

void test() {
  // BLOCK
}
