// Says in one line what an older language standard would otherwise say in two hundred.
#ifndef GENIE_LANGUAGE_HPP
#define GENIE_LANGUAGE_HPP

#if !defined(__cpp_concepts)
#error "genie needs C++20: compile with -std=c++20 (MSVC: /std:c++20)"
#endif

#endif  // GENIE_LANGUAGE_HPP
