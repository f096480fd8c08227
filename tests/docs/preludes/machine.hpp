// For lines of a unit test with a simulated machine.
#include <genie/serve_guard.hpp>
#include <genie/testing/machine.hpp>

void test() {
  // BLOCK
}
