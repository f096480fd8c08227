// How two types may be related. <concepts> says it, too, and is a sixth of what all of genie costs to include.
#ifndef GENIE_CONCEPTS_HPP
#define GENIE_CONCEPTS_HPP

#include "genie/language.hpp"

namespace genie::inline v0::detail {

template <typename Left, typename Right>
inline constexpr bool is_same = false;
template <typename T>
inline constexpr bool is_same<T, T> = true;

/// Whether they are one type.
template <typename Left, typename Right>
concept SameAs = is_same<Left, Right>;

/// Whether a `From` can be passed where a `To` is wanted.
template <typename From, typename To>
concept ConvertibleTo = requires(From && (&make)(), void (&take)(To)) { take(make()); };

}  // namespace genie::inline v0::detail

#endif  // GENIE_CONCEPTS_HPP
