// What the parts of this program show each other.
#ifndef GENIE_TESTS_ODR_HPP
#define GENIE_TESTS_ODR_HPP

#include <string>

/// Claims `directory`, asks the other parts what they see of the claim, releases. Returns whether all went as it must.
bool claim_with_tree_first(const char* directory);
bool claim_with_single_first(const char* directory);

bool runs_with_tree_first(const char* directory);
bool runs_with_single_first(const char* directory);

/// The status in words.
std::string status_with_fmt_tree_first(const char* directory);
std::string status_with_fmt_single_first(const char* directory);

/// Returns whether both parts with formatters say the same of `directory`, and that it is running.
inline bool both_say_running(const char* directory) {
  const std::string words = status_with_fmt_tree_first(directory);
  return words == status_with_fmt_single_first(directory) && words.find("running") != std::string::npos &&
         words.find("not running") == std::string::npos;
}

#endif  // GENIE_TESTS_ODR_HPP
