// For lines that look at a comparison of two filesystems.
#include <cstdio>
#include <genie/testing/conformance.hpp>
#include <string>

genie::testing::ConformanceReport compare_with_the_kernel() { return {}; }

void test() {
  // BLOCK
}
