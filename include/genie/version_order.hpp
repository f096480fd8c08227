// Which of two versions is the later one: for servers that a newer client may replace, and an older one never.
#ifndef GENIE_VERSION_ORDER_HPP
#define GENIE_VERSION_ORDER_HPP

#include <cstdint>

#include "genie/text.hpp"

namespace genie::inline v0 {

/// How the first of two versions compares with the second.
enum class VersionOrder : std::uint8_t {
  same,     ///< equal, however they are spelled
  older,    ///< the first is older than the second
  newer,    ///< the first is newer than the second
  unknown,  ///< one of them is no version
};

namespace version_detail {

[[nodiscard]] constexpr VersionOrder order_of(std::uint64_t one, std::uint64_t other) noexcept {
  if (one == other) return VersionOrder::same;
  return one < other ? VersionOrder::older : VersionOrder::newer;
}

[[nodiscard]] constexpr VersionOrder order_of(Text one, Text other) noexcept {
  for (std::size_t at = 0; at < one.size() && at < other.size(); ++at) {
    const auto left = static_cast<unsigned char>(one[at]);
    const auto right = static_cast<unsigned char>(other[at]);
    if (left != right) return left < right ? VersionOrder::older : VersionOrder::newer;
  }
  return order_of(std::uint64_t{one.size()}, std::uint64_t{other.size()});
}

/// Numbers of a release: what is missing at the end is 0.
[[nodiscard]] constexpr VersionOrder order_of_releases(Text one, Text other) noexcept {
  if (one.empty() || other.empty()) return VersionOrder::unknown;
  VersionOrder order = VersionOrder::same;
  while (!one.empty() || !other.empty()) {
    std::uint64_t left = 0;
    std::uint64_t right = 0;
    if (!one.empty() && !parse_decimal(take_field(one, '.'), UINT64_MAX, left)) return VersionOrder::unknown;
    if (!other.empty() && !parse_decimal(take_field(other, '.'), UINT64_MAX, right)) return VersionOrder::unknown;
    if (order == VersionOrder::same) order = order_of(left, right);
  }
  return order;
}

/// What follows the hyphen. A release comes after all that lead to it; numbers come before words, and a longer list
/// after the one that it begins with.
[[nodiscard]] constexpr VersionOrder order_of_previews(Text one, Text other) noexcept {
  if (one.empty() || other.empty()) return order_of(std::uint64_t{one.empty()}, std::uint64_t{other.empty()});
  while (!one.empty() && !other.empty()) {
    const Text left = take_field(one, '.');
    const Text right = take_field(other, '.');
    std::uint64_t left_number = 0;
    std::uint64_t right_number = 0;
    const bool left_counts = parse_decimal(left, UINT64_MAX, left_number);
    const bool right_counts = parse_decimal(right, UINT64_MAX, right_number);
    VersionOrder order = order_of(std::uint64_t{!left_counts}, std::uint64_t{!right_counts});
    if (left_counts && right_counts) order = order_of(left_number, right_number);
    if (!left_counts && !right_counts) order = order_of(left, right);
    if (order != VersionOrder::same) return order;
  }
  return order_of(std::uint64_t{!one.empty()}, std::uint64_t{!other.empty()});
}

}  // namespace version_detail

/// Compares versions as "Semantic Versioning 2.0.0", section 11, does, with any count of numbers and an optional `v` in
/// front. What follows a `+` says nothing.
[[nodiscard]] constexpr VersionOrder compare_versions(Text one, Text other) noexcept {
  if (one.starts_with("v")) one = one.after(1);
  if (other.starts_with("v")) other = other.after(1);
  one = take_field(one, '+');
  other = take_field(other, '+');
  const Text one_release = take_field(one, '-');
  const Text other_release = take_field(other, '-');
  const VersionOrder order = version_detail::order_of_releases(one_release, other_release);
  return order == VersionOrder::same ? version_detail::order_of_previews(one, other) : order;
}

}  // namespace genie::inline v0

#endif  // GENIE_VERSION_ORDER_HPP
