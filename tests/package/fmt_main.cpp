// A consumer of the formatters.
#include <fmt/core.h>

#include <genie/fmt.hpp>

int main(int, char** arguments) {
  genie::ServeGuard guard{arguments[1]};
  const auto claim = guard.claim();
  if (!claim || !claim->owned()) return 1;
  fmt::print("genie {}.{}.{}\n", GENIE_VERSION_MAJOR, GENIE_VERSION_MINOR, GENIE_VERSION_PATCH);
  return 0;
}
