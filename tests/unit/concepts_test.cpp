// How two types may be related; the same as what <concepts> says.
#include <genie/serve_guard.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "catch.hpp"

namespace tests::concepts_test {

using genie::detail::ConvertibleTo;
using genie::detail::SameAs;

namespace {

struct Explicit {
  explicit Explicit(int) {}
};
struct Pinned {
  Pinned() = default;
  Pinned(const Pinned&) = delete;
};

template <typename Left, typename Right>
constexpr bool agree_with_the_library =
    SameAs<Left, Right> == std::same_as<Left, Right> && ConvertibleTo<Left, Right> == std::convertible_to<Left, Right>;

template <typename T>
constexpr bool agree_for =
    agree_with_the_library<T, T> && agree_with_the_library<T, const T&> && agree_with_the_library<T&, T> &&
    agree_with_the_library<const T&, T&> && agree_with_the_library<int, T> && agree_with_the_library<T, int> &&
    agree_with_the_library<T, std::string_view> && agree_with_the_library<const char*, T>;

static_assert(agree_for<int> && agree_for<bool> && agree_for<std::int64_t> && agree_for<std::string> &&
              agree_for<std::string_view> && agree_for<const char*> && agree_for<Explicit> && agree_for<Pinned>);
static_assert(agree_with_the_library<const std::size_t&, std::size_t> && agree_with_the_library<void, int>);
static_assert(agree_with_the_library<const char (&)[4], const char*> && agree_with_the_library<std::nullptr_t, int>);

}  // namespace

TEST_CASE("types are related as the standard library says", "[concepts]") {
  STATIC_REQUIRE(SameAs<int, int>);
  STATIC_REQUIRE_FALSE(SameAs<int, const int>);
  STATIC_REQUIRE(ConvertibleTo<int, std::int64_t>);
  STATIC_REQUIRE_FALSE(ConvertibleTo<int, Explicit>);
}

}  // namespace tests::concepts_test
