// Which version is the later one.
#include <genie/version_order.hpp>

#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::version_order_test {

using genie::compare_versions;
using genie::VersionOrder;

TEST_CASE("versions are ordered as semantic versioning orders them", "[version]") {
  const std::vector<std::string> ascending{"0.9",
                                           "1.0.0-1",
                                           "1.0.0-2",
                                           "1.0.0-10",
                                           "1.0.0-alpha",
                                           "1.0.0-alpha.1",
                                           "1.0.0-alpha.beta",
                                           "1.0.0-alphabet",
                                           "1.0.0-beta",
                                           "1.0.0-beta.2",
                                           "1.0.0-beta.11",
                                           "1.0.0-rc.1",
                                           "1.0.0",
                                           "1.0.0.1",
                                           "1.2",
                                           "1.10",
                                           "2",
                                           "18446744073709551615"};
  for (std::size_t one = 0; one < ascending.size(); ++one) {
    for (std::size_t other = 0; other < ascending.size(); ++other) {
      CAPTURE(ascending[one], ascending[other]);
      const VersionOrder expected =
          one == other ? VersionOrder::same : (one < other ? VersionOrder::older : VersionOrder::newer);
      CHECK(compare_versions(ascending[one], ascending[other]) == expected);
    }
  }
}

TEST_CASE("zeros at the end, a leading v and what follows a plus make no difference", "[version]") {
  for (const char* text : {"1", "1.0", "1.0.0", "v1", "v1.0+build.5", "1+x-y", "01.0"}) {
    CAPTURE(std::string{text});
    CHECK(compare_versions(text, "1.0.0") == VersionOrder::same);
    CHECK(compare_versions("1.0.0", text) == VersionOrder::same);
  }
}

TEST_CASE("what is no version is neither older nor newer", "[version]") {
  for (const char* text : {"", "v", "x", "1.x", "1..2", ".", "-1", "+", "18446744073709551616", "1 .2"}) {
    CAPTURE(std::string{text});
    CHECK(compare_versions(text, "1.0.0") == VersionOrder::unknown);
    CHECK(compare_versions("1.0.0", text) == VersionOrder::unknown);
  }
}

}  // namespace tests::version_order_test
