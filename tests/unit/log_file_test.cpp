// The log of a started server against fakes: when it is moved aside, and what of it a failure message quotes.
#include <genie/log_file.hpp>

#include <cerrno>
#include <optional>
#include <string>

#include "catch.hpp"
#include "support.hpp"

namespace tests::log_file_test {

using namespace tests;
using genie::FixedText;
using genie::Operation;
using genie::Text;

namespace {

using Host = Guard::Host;

constexpr const char* log_path = "/tmp/serve.log";
constexpr const char* former_path = "/tmp/serve.log.1";

struct World {
  Machine machine;
  Contender starter = machine.spawn();
  Host host{starter.clock, starter.process, starter.filesystem};

  void write(const std::string& content) { machine.disk.write_file(log_path, content); }
  [[nodiscard]] std::optional<std::string> log() const { return machine.disk.read_file(log_path); }
  [[nodiscard]] std::optional<std::string> former() const { return machine.disk.read_file(former_path); }
  [[nodiscard]] std::size_t open_files() { return machine.disk.tables[starter.index()].descriptors.size(); }

  template <std::size_t Capacity = 100>
  std::string tail(std::uint64_t from = 0) {
    FixedText<Capacity> out{Text{"what was there before"}};
    const auto result = genie::read_log_tail(host, log_path, from, out);
    CHECK(result.error == 0);
    CHECK(open_files() == 0);
    CHECK_FALSE(out.overflowed());
    CHECK(std::string{out.c_str()}.size() == out.size());
    return out.c_str();
  }
};

std::string shown(const std::string& content) {
  World world;
  world.write(content);
  return world.tail();
}

}  // namespace

TEST_CASE("a log is moved aside once it is longer than allowed, and only the last one is kept", "[log]") {
  World world;
  REQUIRE(genie::rotate_log(world.host, log_path, 3));
  CHECK_FALSE(world.log());

  world.write("abc");
  REQUIRE(genie::rotate_log(world.host, log_path, 3));
  CHECK(world.log() == "abc");
  CHECK_FALSE(world.former());

  world.write("abcd");
  REQUIRE(genie::rotate_log(world.host, log_path, 3));
  CHECK_FALSE(world.log());
  CHECK(world.former() == "abcd");

  world.write("efghi");
  REQUIRE(genie::rotate_log(world.host, log_path, 3));
  CHECK_FALSE(world.log());
  CHECK(world.former() == "efghi");
}

TEST_CASE("what is no log is not moved", "[log]") {
  World world;
  world.machine.disk.make_directory(log_path);
  CHECK(genie::rotate_log(world.host, log_path, 0));
  CHECK(world.machine.disk.exists(log_path));
  CHECK_FALSE(world.machine.disk.exists(former_path));
}

TEST_CASE("why a log cannot be moved aside is told with its path", "[log]") {
  World world;
  world.write("abcd");
  SECTION("it cannot be looked at") {
    world.starter.calls().fail(Call::stat_at, EACCES);
    const auto result = genie::rotate_log(world.host, log_path, 3);
    REQUIRE_FALSE(result);
    CHECK(result.error().operation == Operation::stat);
    CHECK(result.error().code == EACCES);
    CHECK(std::string{result.error().path.c_str()} == log_path);
  }
  SECTION("a directory has its new name") {
    world.machine.disk.make_directory(former_path);
    const auto result = genie::rotate_log(world.host, log_path, 3);
    REQUIRE_FALSE(result);
    CHECK(result.error().operation == Operation::rename);
    CHECK(result.error().code == EISDIR);
    CHECK(std::string{result.error().path.c_str()} == log_path);
  }
  CHECK(world.log() == "abcd");
}

TEST_CASE("a log whose new name would be too long stays, and the error says so", "[log]") {
  World world;
  std::string path = "/tmp/serve.log";
  while (path.size() < 4094) path.insert(4, "/");
  world.write("abcd");
  REQUIRE(world.host.files.stat_at({}, path.c_str()).ok());
  const auto result = genie::rotate_log(world.host, path.c_str(), 3);
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == genie::ErrorKind::path_too_long);
  CHECK(world.log() == "abcd");
}

TEST_CASE("calls on a log are repeated where signals interrupt them", "[log]") {
  World world;
  world.write("one\n");
  for (const Call call : {Call::open, Call::stat, Call::read_at}) world.starter.calls().fail(call, EINTR);
  CHECK(world.tail() == "one\n");
  for (const Call call : {Call::stat_at, Call::rename}) world.starter.calls().fail(call, EINTR);
  CHECK(genie::rotate_log(world.host, log_path, 0));
  CHECK(world.former() == "one\n");
}

TEST_CASE("only what was written since is quoted", "[log]") {
  World world;
  world.write("earlier\nnow\n");
  CHECK(world.tail(8) == "now\n");
  CHECK(world.tail(0) == "earlier\nnow\n");
  CHECK(world.tail(12).empty());
  // Whoever empties a log takes away what was there earlier.
  CHECK(world.tail(13) == "earlier\nnow\n");
  world.write("");
  CHECK(world.tail(0).empty());
}

TEST_CASE("the last lines are quoted, from the beginning of one", "[log]") {
  World world;
  world.write("first line\nsecond\nthird\n");
  CHECK(world.tail<13>() == "third\n");
  CHECK(world.tail<14>() == "second\nthird\n");
  CHECK(world.tail<23>() == "second\nthird\n");
  CHECK(world.tail<24>() == "first line\nsecond\nthird\n");
  CHECK(world.tail<14>(11) == "second\nthird\n");
  // Of a line that is too long, what there is room for.
  CHECK(world.tail<4>() == "ird\n");
  world.write("endless");
  CHECK(world.tail<4>() == "less");
}

TEST_CASE("a log that ends while it is read, or comes in pieces, is quoted as far as it goes", "[log]") {
  World world;
  world.write("first line\nsecond\n");
  world.starter.calls().shorten(Call::read_at, 3);
  CHECK(world.tail() == "first line\nsecond\n");

  const std::uint64_t next_read = world.starter.calls().count(Call::read_at) + 1;
  world.starter.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call == Call::read_at && event.occurrence == next_read) world.write("first");
  };
  CHECK(world.tail() == "first");
}

TEST_CASE("why a log cannot be read is told", "[log]") {
  World world;
  FixedText<100> out{Text{"what was there before"}};
  CHECK(genie::read_log_tail(world.host, log_path, 0, out).error == ENOENT);
  CHECK(out.empty());
  world.write("text");
  world.starter.calls().fail(Call::stat, EIO);
  CHECK(genie::read_log_tail(world.host, log_path, 0, out).error == EIO);
  world.starter.calls().fail(Call::read_at, EIO);
  CHECK(genie::read_log_tail(world.host, log_path, 0, out).error == EIO);
  CHECK(out.empty());
  CHECK(world.open_files() == 0);
}

TEST_CASE("a quoted log does not command the terminal", "[log]") {
  CHECK(shown("a\tb\nc d~") == "a\tb\nc d~");
  CHECK(shown(std::string{"\0\x01\x07\b\r\x1B[31m\x1F\x7F", 12}) == "??????[31m??");
  CHECK(shown("é€😀") == "é€😀");
  CHECK(shown("\xC2\xA0|\xDF\xBF|\xE0\xA0\x80|\xED\x9F\xBF|\xEE\x80\x80|\xF0\x90\x80\x80|\xF4\x8F\xBF\xBF") ==
        "\xC2\xA0|\xDF\xBF|\xE0\xA0\x80|\xED\x9F\xBF|\xEE\x80\x80|\xF0\x90\x80\x80|\xF4\x8F\xBF\xBF");
  CHECK(shown("\x9B|\xC2\x9B|\xC2\x80|\xC2\x9F|\x80|\xBF|\xFE|\xFF") == "?|??|??|??|?|?|?|?");
  // Longer than necessary, surrogates, beyond Unicode.
  CHECK(shown("\xC0\x9B|\xC1\xBF|\xE0\x9F\xBF|\xED\xA0\x80|\xED\xBF\xBF|\xF0\x8F\xBF\xBF") == "??|??|???|???|???|????");
  CHECK(shown("\xF4\x90\x80\x80|\xF7\xBF\xBF\xBF|\xF8\x88\x80\x80") == "????|????|????");
  // No beginning of a character, whatever would follow from its lower bits.
  CHECK(shown("\xA3\x80|\xFC\x80\x80\x80|\xF9\x80\x80\x80") == "??|????|????");
  // Cut off.
  CHECK(shown("\xE2\x82") == "??");
  CHECK(shown("\xE2\x82|\xC3|\xF0\x9F\x98|") == "??|?|???|");
  CHECK(shown("\xE2(\xA1") == "?(?");
}

}  // namespace tests::log_file_test
