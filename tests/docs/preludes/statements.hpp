// For lines that stand in some function of a program.
#include <genie/ensure.hpp>
#include <genie/serve_guard.hpp>
#include <genie/systemd.hpp>

#include <cstdlib>

void of_a_program() {
  // BLOCK
}
