// For lines of a server that tells a service manager.
#include <genie/systemd.hpp>

#include <cstdlib>

void serve() {
  // BLOCK
}
