// A function that is lent for one call.
#include <genie/serve_guard.hpp>

#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"

namespace tests::function_ref_test {

using genie::FunctionRef;

namespace {

int call(FunctionRef<int(int, const std::string&)> function, int number) { return function(number, "abc"); }

static_assert(std::is_nothrow_copy_constructible_v<FunctionRef<void()>>);
static_assert(std::is_trivially_copyable_v<FunctionRef<void()>>);

}  // namespace

TEST_CASE("any object that can be called so can be lent", "[function_ref]") {
  int sum = 0;
  const auto add = [&sum](int number, const std::string& text) {
    sum += number;
    return sum + static_cast<int>(text.size());
  };
  CHECK(call(add, 1) == 4);
  CHECK(call(add, 2) == 6);
  CHECK(sum == 3);
  CHECK(call([](int number, const std::string&) { return number; }, 7) == 7);
  int counted = 0;
  CHECK(call([counted](int, const std::string&) mutable { return ++counted; }, 0) == 1);
}

TEST_CASE("what is lent on is what was lent, not the loan", "[function_ref]") {
  int calls = 0;
  auto count = [&calls] { ++calls; };
  FunctionRef<void()> lent{count};
  FunctionRef<void()> lent_on{lent};
  const FunctionRef<void()> once_more{std::as_const(lent_on)};
  lent = [] {};
  lent_on = FunctionRef<void()>{lent};
  once_more();
  CHECK(calls == 1);
}

}  // namespace tests::function_ref_test
