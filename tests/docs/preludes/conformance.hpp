// For lines that look at a comparison of two filesystems.
#include <cstdio>
#include <genie/serve_guard.hpp>
#include <genie/testing/conformance.hpp>
#include <string>
#include <vector>

class ToldFilesystem : public genie::SystemFilesystem {};

void test() {
  // BLOCK
}
