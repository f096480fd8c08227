// The least that a server does: claims, runs, releases. What that adds to an empty program is genie's own size.
#ifdef GENIE_BUDGET_FLOOR
int main() { return 0; }
#else
#include <genie/serve_guard.hpp>

int main(int, char** arguments) {
  genie::ServeGuard guard{arguments[1]};
  const auto claim = guard.claim();
  if (!claim || !claim->owned()) return 1;
  return guard.release() ? 0 : 1;
}
#endif
