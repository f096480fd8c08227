// What the compiler must know: says in one line what an older language standard would otherwise say in two hundred; and
// marks that MSVC would warn of in whoever includes us, if they were written out.
#ifndef GENIE_LANGUAGE_HPP
#define GENIE_LANGUAGE_HPP

#if !defined(__cpp_concepts)
#error "genie needs C++20: compile with -std=c++20 (MSVC: /std:c++20)"
#endif

#if defined(__GNUC__)
/// Marks what only a crash, an older program or a contender leads to: it is compiled for size, and put out of the way.
#define GENIE_COLD [[gnu::cold]]
/// Marks what is long, and waits for the kernel for most of its time: it is compiled for size.
#define GENIE_COMPACT [[gnu::cold]]
/// Marks what is called from so many places that a copy in each would cost more than the call.
#define GENIE_NOINLINE [[gnu::noinline]]
#else
#define GENIE_COLD
#define GENIE_COMPACT
#define GENIE_NOINLINE
#endif

#endif  // GENIE_LANGUAGE_HPP
