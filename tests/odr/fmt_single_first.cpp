// With the formatters, which the other half of the program does without: the amalgams, then the tree's headers.
#include "../../single_include/genie/serve_guard.hpp"
// not sorted: the order is the test
#include "../../single_include/genie/ensure.hpp"
#include "../../single_include/genie/fmt.hpp"
//
#include "../../include/genie/fmt.hpp"
#include "odr.hpp"

std::string status_with_fmt_single_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto status = guard.status();
  return status ? fmt::format("{}", *status) : fmt::format("{}", status.error());
}
