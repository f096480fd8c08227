// The other half: the amalgam, then the tree's header, which must add nothing.
#include "../../single_include/genie/serve_guard.hpp"
// not sorted: the order is the test
#include "../../include/genie/serve_guard.hpp"
#include "odr.hpp"

bool claim_with_single_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto claim = guard.claim();
  return claim && claim->owned() && runs_with_tree_first(directory) && both_say_running(directory);
}

bool runs_with_single_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto running = guard.running();
  return running.has_value() && *running;
}
