// Removing a file that somebody else may replace at any moment: what is not ours stays, under its own name if it can.
#include "support.hpp"

#include <cerrno>
#include <optional>

#include "catch.hpp"

namespace tests::withdraw_test {

using namespace tests;
using genie::testing::CallEvent;

namespace {

constexpr const char* temporary_path = "/tmp/state/serve.0000000000000001.tmp";

/// Somebody withdraws `NAME.pid`, of which the file that is there now is its own.
struct Withdrawal {
  Machine machine;
  Contender actor = machine.spawn();
  Guard guard = guard_of(actor);

  Withdrawal() {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "ours");
  }
  /// `hook` runs just before each call.
  genie::Result<bool> run(const std::function<void(const CallEvent&)>& hook = {}) {
    const auto opened = guard.host().files.open_directory(directory);
    REQUIRE(opened.ok());
    const genie::FileIdentity pinned = machine.disk.stat(record_path)->id;
    actor.calls().before_call = hook;
    const genie::StateFiles& files = guard.files();
    const genie::NameText temporary = files.temporary(1);
    const auto result = genie::detail::withdraw(guard.host(), files, opened.value, files.record(), pinned, temporary);
    actor.calls().before_call = {};
    guard.host().files.close(opened.value);
    return result;
  }
  [[nodiscard]] std::optional<std::string> record() const { return machine.disk.read_file(record_path); }
  [[nodiscard]] std::optional<std::string> left() const { return machine.disk.read_file(temporary_path); }
};

}  // namespace

TEST_CASE("one's own file goes", "[withdraw]") {
  Withdrawal withdrawal;
  CHECK(*withdrawal.run());
  CHECK_FALSE(withdrawal.record());
  CHECK_FALSE(withdrawal.left());
}

TEST_CASE("another's file that is there already is not even moved", "[withdraw][F5]") {
  Withdrawal withdrawal;
  const std::uint64_t first = withdrawal.actor.calls().count(Call::stat_at) + 1;
  CHECK_FALSE(*withdrawal.run([&](const CallEvent& event) {
    if (event.call == Call::stat_at && event.occurrence == first) withdrawal.machine.disk.replace(record_path, "other");
  }));
  CHECK(withdrawal.record() == "other");
  CHECK(withdrawal.actor.calls().count(Call::rename) == 0);
}

TEST_CASE("another's file in its place stays, whenever it came", "[withdraw][F5]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("replaced before call " << at);
    Withdrawal withdrawal;
    const std::uint64_t before = withdrawal.actor.calls().count();
    bool replaced = false;
    bool was_gone = false;
    const auto is_clean = withdrawal.run([&](const CallEvent& event) {
      if (event.number != before + 1 + at) return;  // the first one opens the directory
      replaced = true;
      was_gone = !withdrawal.record();
      withdrawal.machine.disk.replace(record_path, "theirs");
    });
    REQUIRE(is_clean.has_value());
    if (!replaced) break;
    // What comes when ours has gone is met by whoever claims next.
    CHECK(*is_clean == was_gone);
    CHECK(withdrawal.record() == "theirs");
    CHECK_FALSE(withdrawal.left());
  }
}

TEST_CASE("two others' files both stay, one under the temporary name", "[withdraw][F5]") {
  Withdrawal withdrawal;
  const auto is_clean = withdrawal.run([&](const CallEvent& event) {
    if (event.call == Call::rename) withdrawal.machine.disk.replace(record_path, "theirs");
    if (event.call == Call::rename_new) withdrawal.machine.disk.write_file(record_path, "a third one's");
  });
  REQUIRE(is_clean.has_value());
  CHECK_FALSE(*is_clean);
  CHECK(withdrawal.record() == "a third one's");
  CHECK(withdrawal.left() == "theirs");
}

TEST_CASE("another's file that cannot be put back is an error, and is not lost", "[withdraw][F16]") {
  Withdrawal withdrawal;
  withdrawal.actor.calls().fail(Call::rename_new, EIO);
  const auto result = withdrawal.run([&](const CallEvent& event) {
    if (event.call == Call::rename) withdrawal.machine.disk.replace(record_path, "theirs");
  });
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == EIO);
  CHECK(result.error().operation == genie::Operation::rename);
  CHECK(withdrawal.left() == "theirs");
}

TEST_CASE("a file that goes away by itself is no error", "[withdraw]") {
  struct Row {
    Call call;
    std::uint64_t occurrence;
  };
  const Row row = GENERATE(Row{Call::stat_at, 1}, Row{Call::rename, 1}, Row{Call::stat_at, 2}, Row{Call::unlink, 1});
  CAPTURE(name_of(row.call), row.occurrence);
  Withdrawal withdrawal;
  const auto is_clean = withdrawal.run([&](const CallEvent& event) {
    if (event.call != row.call || event.occurrence != row.occurrence) return;
    withdrawal.machine.disk.remove(row.occurrence == 2 || row.call == Call::unlink ? temporary_path : record_path);
  });
  REQUIRE(is_clean.has_value());
  // Where it was another that took it away meanwhile, who knows what else they do.
  CHECK(*is_clean == (row.call == Call::stat_at && row.occurrence == 1));
  CHECK_FALSE(withdrawal.record());
  CHECK_FALSE(withdrawal.left());
}

TEST_CASE("a move that was interrupted when it had been done goes on", "[withdraw]") {
  Withdrawal withdrawal;
  const auto is_clean = withdrawal.run([&](const CallEvent& event) {
    if (event.call != Call::rename) return;
    withdrawal.machine.disk.make_hard_link(record_path, temporary_path);
    withdrawal.machine.disk.remove(record_path);
  });
  REQUIRE(is_clean.has_value());
  CHECK(*is_clean);
  CHECK_FALSE(withdrawal.left());
}

TEST_CASE("what stands under the temporary name is not put in the place of a file that is gone", "[withdraw]") {
  Withdrawal withdrawal;
  const auto is_clean = withdrawal.run([&](const CallEvent& event) {
    if (event.call != Call::rename) return;
    withdrawal.machine.disk.write_file(temporary_path, "litter");
    withdrawal.machine.disk.remove(record_path);
  });
  REQUIRE(is_clean.has_value());
  CHECK_FALSE(*is_clean);
  CHECK_FALSE(withdrawal.record());
  CHECK(withdrawal.left() == "litter");
}

TEST_CASE("whatever fails while a file is withdrawn is reported", "[withdraw][F16]") {
  std::vector<std::string> failed;
  for (std::uint64_t at = 2;; ++at) {  // the first call opens the directory
    Withdrawal withdrawal;
    const std::uint64_t before = withdrawal.actor.calls().count();
    withdrawal.actor.calls().fail(Call::any, EIO, at);
    const auto result = withdrawal.run();
    if (result.has_value()) break;
    failed.push_back(withdrawal.actor.calls().log()[static_cast<std::size_t>(before + at - 1)]);
    CAPTURE(failed.back());
    CHECK(result.error().code == EIO);
    CHECK((withdrawal.record() == "ours" || withdrawal.left() == "ours"));
  }
  CHECK(failed == std::vector<std::string>{"stat_at serve.pid", "rename serve.pid",
                                           "stat_at serve.0000000000000001.tmp", "unlink serve.0000000000000001.tmp"});
}

}  // namespace tests::withdraw_test
