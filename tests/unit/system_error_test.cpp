// Errors as `std::error_code`.
#include <genie/serve_guard.hpp>

#include <genie/system_error.hpp>

#include <cerrno>
#include <set>
#include <string>
#include <system_error>

#include "catch.hpp"
#include "unit/enumerators.hpp"

namespace tests::system_error_test {

using genie::ErrorKind;
using genie::make_error;
using genie::Operation;
using genie::to_error_code;

TEST_CASE("a failed system call keeps its errno in the generic category", "[system_error]") {
  const std::error_code code = to_error_code(make_error(ErrorKind::system, Operation::open, EACCES, "/x"));
  CHECK(code == std::errc::permission_denied);
  CHECK(code.value() == EACCES);
  CHECK(code.category() == std::generic_category());
}

TEST_CASE("a refusal has its kind in genie's category, with errno or without", "[system_error]") {
  unit_tests::each_enumerator<ErrorKind>([](ErrorKind kind, std::string_view name) {
    if (kind == ErrorKind::system) return;
    CAPTURE(std::string{name});
    for (const int code : {0, ENOTDIR}) {
      const std::error_code error = to_error_code(make_error(kind, Operation::none, code, "/x"));
      CHECK(static_cast<bool>(error));
      CHECK(error == kind);
      CHECK(error == make_error_code(kind));
      CHECK(error != std::errc::not_a_directory);
      CHECK(error.category() == genie::genie_category());
    }
  });
  CHECK(std::string{genie::genie_category().name()} == "genie");
  CHECK(&genie::genie_category() == &genie::genie_category());
}

TEST_CASE("every kind of error has words of its own", "[system_error]") {
  std::set<std::string> seen{"unknown error"};
  unit_tests::each_enumerator<ErrorKind>([&](ErrorKind kind, std::string_view name) {
    CAPTURE(std::string{name});
    CHECK(seen.insert(genie::genie_category().message(static_cast<int>(kind))).second);
  });
  CHECK(genie::genie_category().message(200) == "unknown error");
  CHECK(genie::genie_category().message(-1) == "unknown error");
}

}  // namespace tests::system_error_test
