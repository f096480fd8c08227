// With the formatters, which the other half of the program does without: the tree's headers, then the amalgams.
#include "../../include/genie/fmt.hpp"
// not sorted: the order is the test
#include "../../single_include/genie/ensure.hpp"
#include "../../single_include/genie/fmt.hpp"
#include "../../single_include/genie/serve_guard.hpp"
#include "odr.hpp"

std::string status_with_fmt_tree_first(const char* directory) {
  genie::ServeGuard guard{directory};
  const auto status = guard.status();
  return status ? fmt::format("{}", *status) : fmt::format("{}", status.error());
}
