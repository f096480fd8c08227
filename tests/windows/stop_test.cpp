// Stopping servers on Windows: by their stop event, by force, and with all that they started.
#include "support.hpp"

namespace tests::windows::stop_test {

using genie::StopOutcome;

namespace {

/// A server that owns the directory.
struct Served {
  Scratch scratch;
  Event ready;
  Actor server;
  Guard guard{scratch.of()};

  explicit Served(const std::string& kind) : server{"serve \"" + scratch.of() + "\" " + ready.name() + " " + kind} {
    ready.wait(server);
  }
};

}  // namespace

TEST_CASE("a server that waits for its stop event ends when it is asked to", "[windows][stop]") {
  Served served{"polite"};
  CHECK(*served.guard.port() == 4711);
  const auto receipt = served.guard.stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target.pid == served.server.pid());
  CHECK(receipt->sent_terminate);
  CHECK_FALSE(receipt->sent_kill);
  CHECK(receipt->sentinel_error == 0);
  CHECK(receipt->clean_up_error == 0);
  CHECK(receipt->holder_count == 0);
  CHECK(served.server.wait() == 0);
  CHECK(served.guard.status()->state == genie::ServerState::stopped);
  CHECK(served.scratch.names() == std::vector<std::string>{"serve.lock"});
  CHECK(served.guard.stop()->outcome == StopOutcome::not_running);
}

TEST_CASE("a server that does not listen is killed after the grace, and what it left is removed", "[windows][stop]") {
  Served served{"deaf"};
  const auto receipt = served.guard.stop({.grace = milliseconds(100)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK(receipt->sent_kill);
  CHECK(receipt->clean_up_error == 0);
  CHECK(served.server.wait() == WindowsProcessProbe::killed_status);
  CHECK(served.scratch.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a server without a stop event is asked by closing its window, and nobody else's is", "[windows][stop]") {
  const Served bystander{"window"};
  Served served{"window"};
  const auto receipt = served.guard.stop();
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->sent_terminate);
  CHECK_FALSE(receipt->sent_kill);
  CHECK(served.server.wait() == 42);
  CHECK(served.scratch.names() == std::vector<std::string>{"serve.lock"});
  // It would have been asked before.
  CHECK_FALSE(bystander.server.has_ended());
}

TEST_CASE("a server that has a stop event is asked by that, and its window is left to it", "[windows][stop]") {
  Served served{"both"};
  CHECK(served.guard.stop()->outcome == StopOutcome::stopped);
  CHECK(served.server.wait() == 0);
}

TEST_CASE("a console's window is never closed: it would end everybody who shares the console", "[windows][stop]") {
  Served served{"terminal"};
  const auto receipt = served.guard.stop({.grace = milliseconds(100)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK_FALSE(receipt->sent_terminate);
  CHECK(served.server.wait() == WindowsProcessProbe::killed_status);
}

TEST_CASE("windows that the system makes for a process are told by their class", "[windows][stop]") {
  using genie::windows_detail::is_of_the_system;
  CHECK(is_of_the_system(L"ConsoleWindowClass"));
  CHECK(is_of_the_system(L"PseudoConsoleWindow"));
  CHECK(is_of_the_system(L"IME"));
  for (const wchar_t* const own : {L"", L"I", L"IMEX", L"ConsoleWindowClas", L"GenieTest", L"Notepad"}) {
    CHECK_FALSE(is_of_the_system(own));
  }
}

TEST_CASE("a server that nobody can ask is not said to have been asked", "[windows][stop]") {
  Served served{"silent"};
  const auto receipt = served.guard.stop({.grace = milliseconds(100)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK_FALSE(receipt->sent_terminate);
}

TEST_CASE("what the console asks for sets the stop event, while it is listened to", "[windows][stop]") {
  using genie::windows_detail::end_by_console;
  CHECK(end_by_console(CTRL_C_EVENT) == 0);  // nobody listens: the next handler, or the end
  genie::WindowsStopEvent stop_event;
  REQUIRE(stop_event.error() == 0);
  REQUIRE(stop_event.listen_to_console().ok());
  CHECK(stop_event.listen_to_console().ok());
  // Services are told of every user who logs off.
  CHECK(end_by_console(CTRL_LOGOFF_EVENT) == 1);
  CHECK_FALSE(stop_event.wait(milliseconds(0)).value);
  CHECK(end_by_console(CTRL_BREAK_EVENT) == 1);
  CHECK(stop_event.wait(milliseconds(0)).value);
}

TEST_CASE("what a server has started in its job ends with it", "[windows][stop]") {
  Served served{"family"};
  WindowsProcessProbe process;
  const auto pinned = process.open(served.server.pid());
  REQUIRE(pinned.ok());
  CHECK(process.group_lives(pinned.value, served.server.pid()));
  const auto receipt = served.guard.stop({.grace = milliseconds(500)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->killed_group);
  CHECK_FALSE(receipt->has_left);
  CHECK_FALSE(process.group_lives(pinned.value, served.server.pid()));
  process.close(pinned.value);
}

TEST_CASE("a dead owner's leavings are cleaned, and a stranger's process is left alone", "[windows][stop]") {
  Served served{"deaf"};
  served.server.kill();
  CHECK(served.guard.stop()->outcome == StopOutcome::cleaned);
  CHECK(served.scratch.names() == std::vector<std::string>{"serve.lock"});

  // A record of a PID that is somebody else's by now.
  Event ready;
  Event done;
  const Actor stranger{"hold " + ready.name() + " " + done.name()};
  ready.wait(stranger);
  const std::string record = std::to_string(stranger.pid()) + ":1";
  WindowsFilesystem files;
  const auto file = files.open({}, served.scratch.of("serve.pid").c_str(), OpenMode::create, 0600);
  REQUIRE(files.write_at(file.value, record.data(), record.size(), 0).ok());
  files.close(file.value);
  CHECK(served.guard.stop()->outcome == StopOutcome::cleaned);
  CHECK_FALSE(stranger.has_ended());
}

TEST_CASE("to stay stopped lasts until somebody starts it by hand", "[windows][stop]") {
  Served served{"polite"};
  const auto receipt = served.guard.stop({.stay = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->stays);
  Guard later{served.scratch.of()};
  const auto refused = later.claim({.mode = genie::ClaimMode::automatic});
  REQUIRE(refused);
  CHECK(refused->outcome == ClaimOutcome::stopping);
  CHECK(refused->stop.stay);
  CHECK(later.claim()->owned());
  CHECK(served.scratch.names().size() == 2);
}

TEST_CASE("a standby takes over when the owner has died", "[windows][standby]") {
  Served served{"deaf"};
  served.server.kill();
  const auto report = served.guard.claim_when_free();
  REQUIRE(report);
  CHECK(report->owned());
}

}  // namespace tests::windows::stop_test
