// The translation units of one program, two with the tree before the amalgam and two the other way round, one of each
// with the formatters and one without, must agree on everything.
#include "odr.hpp"

#include <cstdio>
#include <filesystem>
#include <system_error>

int main(int, char** arguments) {
  const std::string directory = std::string{arguments[0]} + "-state";
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  const bool agreed = claim_with_tree_first(directory.c_str()) && claim_with_single_first(directory.c_str());
  std::filesystem::remove_all(directory, ignored);
  std::puts(agreed ? "all parts agree" : "the parts disagree");
  return agreed ? 0 : 1;
}
