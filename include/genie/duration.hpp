// Spans of time without <chrono>: whole milliseconds, made from any chrono-like duration by its shape.
#ifndef GENIE_DURATION_HPP
#define GENIE_DURATION_HPP

#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/language.hpp"

namespace genie::inline v0 {

/// Anything shaped like `std::chrono::duration`: a count, and a period as a ratio of seconds.
template <typename D>
concept DurationLike = requires(const D& duration) {
  typename D::rep;
  { D::period::num } -> detail::ConvertibleTo<std::int64_t>;
  { D::period::den } -> detail::ConvertibleTo<std::int64_t>;
  { duration.count() } -> detail::ConvertibleTo<typename D::rep>;
};

/// A span of time, or a point on a clock's own scale. Unit: milliseconds; saturates instead of overflowing.
class Milliseconds {
 public:
  constexpr Milliseconds() noexcept = default;
  constexpr explicit Milliseconds(std::int64_t count) noexcept : count_{count} {}
  /// Accepts `std::chrono` durations. Finer units are rounded towards zero; what is too long saturates, and what is no
  /// number (a quotient of zeros, say) is 0.
  template <DurationLike D>
  constexpr Milliseconds(const D& duration) noexcept  // NOLINT(google-explicit-constructor)
      : count_{clamped(static_cast<long double>(duration.count()) * 1000 * static_cast<long double>(D::period::num) /
                       static_cast<long double>(D::period::den))} {}

  /// Returns: the number of milliseconds, with the sign of the span.
  [[nodiscard]] constexpr std::int64_t count() const noexcept { return count_; }

  // One by one: `<=>` needs <compare>, which costs more to include than all of this.
  friend constexpr bool operator==(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ == right.count_;
  }
  friend constexpr bool operator<(Milliseconds left, Milliseconds right) noexcept { return left.count_ < right.count_; }
  friend constexpr bool operator>(Milliseconds left, Milliseconds right) noexcept { return left.count_ > right.count_; }
  friend constexpr bool operator<=(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ <= right.count_;
  }
  friend constexpr bool operator>=(Milliseconds left, Milliseconds right) noexcept {
    return left.count_ >= right.count_;
  }
  friend constexpr Milliseconds operator+(Milliseconds left, Milliseconds right) noexcept {
    const std::int64_t more = right.count_;
    const bool overflows = more > 0 ? left.count_ > INT64_MAX - more : left.count_ < INT64_MIN - more;
    return overflows ? saturated(more > 0) : Milliseconds{left.count_ + more};
  }
  friend constexpr Milliseconds operator-(Milliseconds left, Milliseconds right) noexcept {
    const std::int64_t less = right.count_;
    const bool overflows = less > 0 ? left.count_ < INT64_MIN + less : left.count_ > INT64_MAX + less;
    return overflows ? saturated(less < 0) : Milliseconds{left.count_ - less};
  }

 private:
  static constexpr std::int64_t clamped(long double count) noexcept {
    constexpr long double limit = 9.2e18L;
    if (count >= limit) return INT64_MAX;
    if (count > -limit) return static_cast<std::int64_t>(count);
    return count <= -limit ? INT64_MIN : 0;  // NaN compares with nothing, and must not be converted
  }
  static constexpr Milliseconds saturated(bool high) noexcept { return Milliseconds{high ? INT64_MAX : INT64_MIN}; }

  std::int64_t count_ = 0;
};

/// A span of so many milliseconds.
[[nodiscard]] constexpr Milliseconds milliseconds(std::int64_t count) noexcept { return Milliseconds{count}; }
/// A span of so many seconds.
[[nodiscard]] constexpr Milliseconds seconds(std::int64_t count) noexcept {
  constexpr std::int64_t limit = INT64_MAX / 1000;
  if (count > limit) return Milliseconds{INT64_MAX};
  return count < -limit ? Milliseconds{INT64_MIN} : Milliseconds{count * 1000};
}

}  // namespace genie::inline v0

#endif  // GENIE_DURATION_HPP
