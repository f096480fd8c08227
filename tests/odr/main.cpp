// Two translation units, one with the tree before the amalgam and one the other way round, must agree on everything.
#include <cstdio>
#include <filesystem>

#include "odr.hpp"

int main() {
  char directory[] = "/tmp/genie-odr-XXXXXX";
  if (mkdtemp(directory) == nullptr) return 2;
  const bool agreed = claim_with_tree_first(directory) && claim_with_single_first(directory);
  std::filesystem::remove_all(directory);
  std::puts(agreed ? "both halves agree" : "the halves disagree");
  return agreed ? 0 : 1;
}
