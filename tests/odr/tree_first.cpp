// One half: the tree's header, then the amalgam, which must add nothing.
#include "../../include/genie/serve_guard.hpp"
// not sorted: the order is the test
#include "../../single_include/genie/serve_guard.hpp"
#include "odr.hpp"

bool claim_with_tree_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto claim = guard.claim();
  return claim && claim->owned() && runs_with_single_first(directory) && both_say_running(directory);
}

bool runs_with_tree_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto running = guard.running();
  return running.has_value() && *running;
}
