// Values, errnos and errors; identities.
#include <genie/serve_guard.hpp>

#include <cerrno>
#include <string>
#include <type_traits>

#include "catch.hpp"

namespace tests::result_test {

using genie::Error;
using genie::ErrorKind;
using genie::Operation;
using genie::Result;
using genie::SysResult;

namespace {

const Error denied = genie::make_error(ErrorKind::system, Operation::open, EACCES, "/run/app/serve.lock");

static_assert(!std::is_convertible_v<Result<int>, bool>, "a result is asked, not taken for a number");
static_assert(std::is_convertible_v<int, Result<int>> && std::is_convertible_v<Error, Result<int>>);

}  // namespace

TEST_CASE("a system call gave a value or an errno", "[result]") {
  static_assert(SysResult<int>{7, 0}.ok() && SysResult<int>{7, 0}.value == 7);
  static_assert(!SysResult<int>::failure(EIO).ok() && SysResult<int>::failure(EIO).error == EIO);
  static_assert(SysResult<int>::failure(EIO).value == 0);
  static_assert(SysResult<void>{}.ok() && SysResult<void>::failure(ENOENT).error == ENOENT);
  CHECK(SysResult<int>{}.ok());
}

TEST_CASE("a result is a value or an error", "[result]") {
  Result<int> good = 7;
  REQUIRE(good);
  CHECK(good.has_value());
  CHECK(*good == 7);
  good.value() = 8;
  CHECK(good.value() == 8);

  const Result<std::string> text = std::string{"abc"};
  CHECK(text->size() == 3);

  const Result<int> bad = denied;
  CHECK(!bad);
  CHECK(bad.error().code == EACCES);

  CHECK(Result<void>{}.has_value());
  const Result<void> failed = denied;
  CHECK(!failed);
  CHECK(failed.error().operation == Operation::open);
}

TEST_CASE("an error keeps kind, operation, errno and path, a very long path cut", "[result]") {
  CHECK(denied.kind == ErrorKind::system);
  CHECK(denied.operation == Operation::open);
  CHECK(denied.code == EACCES);
  CHECK(std::string{denied.path.c_str()} == "/run/app/serve.lock");

  const std::string path(genie::error_path_capacity + 1, 'x');
  const Error cut = genie::make_error(ErrorKind::path_too_long, Operation::none, ENAMETOOLONG, path);
  CHECK(cut.path.overflowed());
  CHECK(std::string{cut.path.c_str()} == path.substr(1));
}

TEST_CASE("only the system says that a file is not there", "[result]") {
  const auto error_of = [](ErrorKind kind, int code) { return genie::make_error(kind, Operation::open, code, "x"); };
  CHECK(genie::says_absent(error_of(ErrorKind::system, ENOENT)));
  CHECK_FALSE(genie::says_absent(error_of(ErrorKind::system, EACCES)));
  CHECK_FALSE(genie::says_absent(error_of(ErrorKind::interrupted, ENOENT)));
}

TEST_CASE("the same PID with another start is another process", "[identity]") {
  using genie::known_start;
  using genie::ProcessIdentity;
  constexpr ProcessIdentity recorded{4711, known_start(815)};
  static_assert(recorded == ProcessIdentity{4711, known_start(815)});
  static_assert(recorded != ProcessIdentity{4711, known_start(991)});
  static_assert(recorded != ProcessIdentity{4712, known_start(815)});
  static_assert(recorded != ProcessIdentity{4711, {}});
  static_assert(ProcessIdentity{4711, known_start(0)} != ProcessIdentity{4711, {}}, "tick 0 is a start, too");

  const genie::ProcessOrigin here{genie::BootId{"b1"}, 1};
  CHECK(here == genie::ProcessOrigin{genie::BootId{"b1"}, 1});
  CHECK(here != genie::ProcessOrigin{genie::BootId{"b2"}, 1});
  CHECK(here != genie::ProcessOrigin{genie::BootId{"b1"}, 2});
  static_assert(genie::FileIdentity{1, 2} != genie::FileIdentity{2, 2});
  CHECK(genie::FileIdentity{1, 2} != genie::FileIdentity{1, 3});
}

}  // namespace tests::result_test
