// Catch2, whichever of its two current major versions the machine has.
#ifndef GENIE_TESTS_CATCH_HPP
#define GENIE_TESTS_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif  // GENIE_TESTS_CATCH_HPP
