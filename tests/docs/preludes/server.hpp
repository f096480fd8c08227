// A server that serves until a signal ends it.
#include <unistd.h>

void serve() {
  for (;;) ::pause();
}

// BLOCK
