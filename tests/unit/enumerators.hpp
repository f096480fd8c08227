// All enumerators of an enumeration with the names that its definition gives them, so that no test can forget a new
// one.
#ifndef GENIE_TESTS_UNIT_ENUMERATORS_HPP
#define GENIE_TESTS_UNIT_ENUMERATORS_HPP

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace unit_tests {

/// Returns: the enumerator's own name; empty where `value` is none. Reads what GCC and Clang call this function.
template <auto value>
constexpr std::string_view own_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text = text.substr(text.find("value = ") + 8);
  text = text.substr(0, text.find_first_of(";]"));
  if (text.empty() || text[0] == '(' || (text[0] >= '0' && text[0] <= '9')) return {};
  return text.substr(text.rfind(':') + 1);
}

template <typename E>
struct Enumerator {
  E value;
  std::string_view name;
};

/// Enumerations here count up from 0. Unused places have no name.
template <typename E, std::size_t... values>
constexpr std::array<Enumerator<E>, sizeof...(values)> named(std::index_sequence<values...>) {
  return {{{static_cast<E>(values), own_name<static_cast<E>(values)>()}...}};
}

/// Calls `visit(value, name)` for each.
template <typename E, typename Visit>
void each_enumerator(const Visit& visit) {
  static constexpr auto all = named<E>(std::make_index_sequence<64>{});
  static_assert(!all.front().name.empty() && all.back().name.empty());
  for (const auto& [value, name] : all) {
    if (!name.empty()) visit(value, name);
  }
}

}  // namespace unit_tests

#endif  // GENIE_TESTS_UNIT_ENUMERATORS_HPP
