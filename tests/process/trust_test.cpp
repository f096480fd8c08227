// Other users: theirs is alive although we may not signal it, and what they can write is not obeyed.
#include <string>
#include <vector>

#include "support.hpp"

namespace tests::trust_test {

namespace {

using namespace process_tests;

constexpr uid_t stranger = nobody - 1;

ClaimReport claim_at_once(const std::string& directory) {
  Guard guard{directory};
  ClaimOptions options;
  options.settle = Milliseconds{0};
  options.empty_grace = Milliseconds{0};
  return value(guard.claim(options));
}

/// A live process of `user` that a record can name.
Child process_of(uid_t user) {
  const Shared<Counter> ready;
  Child child = start([&] {
    become(user);
    ready->add();
    for (;;) ::pause();
  });
  ready->wait_for(1);
  return child;
}

void give(const std::string& path, uid_t user) { REQUIRE(::chown(path.c_str(), user, user) == 0); }

/// Makes a directory that somebody else, neither we nor root, may write.
void make_untrusted(const StateDirectory& directory) {
  if (is_root()) give(directory.path(), nobody);
  REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
}

}  // namespace

TEST_CASE("another user's live server is running, and is not stopped even by root", "[process][users][F17][F18]") {
  if (!is_root()) GENIE_SKIP("needs root, to be two users");
  const StateDirectory directory;
  give(directory.path(), nobody);
  ActorOptions options;
  options.user = nobody;
  Actor server{directory, options};
  REQUIRE(server.claim().owned());
  Guard root{directory.path()};
  CHECK(value(root.running()));
  CHECK(value(root.status()).owner == server.identity());
  CHECK(claim_at_once(directory.path()).outcome == ClaimOutcome::already_running);
  const auto stopped = root.stop();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().kind == ErrorKind::untrusted_record);
  CHECK(server.terminations() == 0);
  CHECK(server.verify() == Ownership::held);
  CHECK_FALSE(directory.has("serve.stopping.lock"));
}

TEST_CASE("a directory that we may not look into is an error and not an absent server", "[process][users][F17]") {
  if (!is_root()) GENIE_SKIP("needs root, to be two users");
  const StateDirectory directory;
  give(directory.path(), nobody);
  REQUIRE(::chmod(directory.path().c_str(), GENERATE(0700U, 0755U)) == 0);
  ActorOptions options;
  options.user = nobody;
  Actor server{directory, options};
  REQUIRE(server.claim().owned());
  in_child([&] {
    become(stranger);
    Guard guard{directory.path()};
    const auto running = guard.running();
    REQUIRE_FALSE(running.has_value());
    REQUIRE(running.error().code == EACCES);
    const auto status = guard.status();
    REQUIRE_FALSE(status.has_value());
    REQUIRE(status.error().code == EACCES);
    const auto claimed = guard.claim();
    REQUIRE_FALSE(claimed.has_value());
    REQUIRE(claimed.error().code == EACCES);
    const auto stopped = guard.stop();
    REQUIRE_FALSE(stopped.has_value());
    REQUIRE(stopped.error().code == EACCES);
  });
  CHECK(server.verify() == Ownership::held);
}

TEST_CASE("another user's process is alive although it may not be signalled", "[process][users][F17]") {
  if (!is_root()) GENIE_SKIP("needs root, to be two users");
  const StateDirectory directory;
  REQUIRE(::chmod(directory.path().c_str(), 01777) == 0);
  const Child server = process_of(nobody);
  const std::string record = record_of(server.identity());
  write_file(directory.record(), record, 0644);
  give(directory.record(), nobody);

  SECTION("where its start time can be seen") {
    in_child([&] {
      become(stranger);
      REQUIRE(::kill(server.pid(), 0) != 0);
      const ClaimReport report = claim_at_once(directory.path());
      REQUIRE(report.outcome == ClaimOutcome::already_running);
      REQUIRE(report.owner.pid == server.pid());
      Guard guard{directory.path()};
      const auto stopped = guard.stop();
      REQUIRE_FALSE(stopped.has_value());
      REQUIRE(stopped.error().kind == ErrorKind::untrusted_record);
    });
  }
  SECTION("where /proc hides it") {
    const int status = in_own_mounts([&]() -> int {
      if (::mount("proc", "/proc", "proc", 0, "hidepid=2") != 0) return not_permitted;
      become(stranger);
      struct ::stat info{};
      if (::stat(("/proc/" + std::to_string(server.pid())).c_str(), &info) == 0) return not_permitted;
      const ClaimReport report = claim_at_once(directory.path());
      REQUIRE(report.outcome == ClaimOutcome::contended);
      Guard guard{directory.path()};
      REQUIRE(value(guard.status()).state == ServerState::unknown);
      const auto running = guard.running();
      REQUIRE_FALSE(running.has_value());
      REQUIRE(running.error().kind == ErrorKind::identity_unknown);
      REQUIRE(value(guard.stop()).outcome == StopOutcome::refused);
      return 0;
    });
    if (status == not_permitted) GENIE_SKIP("/proc can't be mounted with hidepid");
    CHECK(status == 0);
  }
  CHECK(server.alive());
  CHECK(read_file(directory.record()) == record);
}

TEST_CASE("a record in a directory that others may write names nobody to be stopped", "[process][users][F18]") {
  const StateDirectory directory;
  Child victim = start([] { ::pause(); });
  write_file(directory.record(), record_of(victim.identity()));
  ErrorKind expected = ErrorKind::untrusted_directory;
  SECTION("without the sticky bit") { make_untrusted(directory); }
  SECTION("or for a group") {
    make_untrusted(directory);
    REQUIRE(::chmod(directory.path().c_str(), 0770) == 0);
  }
  SECTION("and even where they only may write the record") {
    REQUIRE(::chmod(directory.record().c_str(), 0666) == 0);
    expected = ErrorKind::untrusted_record;
  }
  SECTION("and even where they only own the record") {
    if (!is_root()) GENIE_SKIP("needs root, to be two users");
    give(directory.record(), nobody);
    expected = ErrorKind::untrusted_record;
  }
  Guard guard{directory.path()};
  const auto stopped = guard.stop();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().kind == expected);
  CHECK(victim.alive());
  // It may well be told about, though.
  CHECK(value(guard.status()).state == ServerState::running);
}

TEST_CASE("a lock file that others may write names nobody to be stopped", "[process][users][F18]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  SECTION("by its permissions") { REQUIRE(::chmod(directory.lock().c_str(), 0622) == 0); }
  SECTION("by its directory's") { make_untrusted(directory); }
  SECTION("by its owner") {
    if (!is_root()) GENIE_SKIP("needs root, to be two users");
    give(directory.lock(), nobody);
  }
  Guard guard{directory.path()};
  const auto stopped = guard.stop();
  REQUIRE_FALSE(stopped.has_value());
  CHECK(
      (stopped.error().kind == ErrorKind::untrusted_record || stopped.error().kind == ErrorKind::untrusted_directory));
  CHECK(server.terminations() == 0);
  CHECK(server.verify() == Ownership::held);
}

TEST_CASE("a stale record in a directory that others may write is not taken over", "[process][users][F18]") {
  const StateDirectory directory;
  const std::string record = record_of(dead_process());
  write_file(directory.record(), record);
  make_untrusted(directory);
  for (int attempt = 0; attempt < 2; ++attempt) {
    Guard guard{directory.path()};
    const auto claimed = guard.claim();
    REQUIRE_FALSE(claimed.has_value());
    CHECK(claimed.error().kind == ErrorKind::untrusted_directory);
    CHECK_FALSE(value(guard.running()));
  }
  CHECK(read_file(directory.record()) == record);
  CHECK(directory.leftovers().empty());
}

TEST_CASE("in a sticky directory our own record is trusted", "[process][users][F18]") {
  const StateDirectory directory;
  if (is_root()) give(directory.path(), nobody);
  REQUIRE(::chmod(directory.path().c_str(), 01777) == 0);
  Actor server{directory};
  REQUIRE(server.claim().owned());
  Guard guard{directory.path()};
  CHECK(value(guard.stop()).outcome == StopOutcome::stopped);
  write_file(directory.record(), record_of(dead_process()));
  CHECK(claim_at_once(directory.path()).owned());
}

}  // namespace tests::trust_test
