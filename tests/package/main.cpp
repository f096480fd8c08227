// What every consumer in this directory builds: one claim, seen and released.
#include <cstdio>
#include <genie/serve_guard.hpp>

int main(int, char** arguments) {
  genie::ServeGuard guard{arguments[1]};
  const auto claim = guard.claim();
  if (!claim || !claim->owned()) return 1;
  const auto running = guard.running();
  if (!running.has_value() || !*running) return 2;
  if (!guard.release()) return 3;
  const auto after = guard.running();
  if (!after.has_value() || *after) return 4;
  std::puts("genie " GENIE_VERSION_STRING);
  return 0;
}
