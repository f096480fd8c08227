// What the two halves of this program show each other.
#ifndef GENIE_TESTS_ODR_HPP
#define GENIE_TESTS_ODR_HPP

/// Claims `directory`, asks the other half whether it sees the claim, releases. Returns whether all went as it must.
bool claim_with_tree_first(const char* directory);
bool claim_with_single_first(const char* directory);

bool runs_with_tree_first(const char* directory);
bool runs_with_single_first(const char* directory);

#endif  // GENIE_TESTS_ODR_HPP
