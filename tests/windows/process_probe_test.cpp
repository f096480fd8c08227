// The process-probe policy and the clock against Windows: who lives, since when, and how to end them.
#include "support.hpp"

#include <thread>

namespace tests::windows::process_probe_test {

using genie::Liveness;
using genie::Signal;

TEST_CASE("this process lives, and since when it does is known", "[windows][process]") {
  WindowsProcessProbe process;
  const auto seen = process.look(process.self());
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.start.known);
  CHECK(seen.error == 0);
  CHECK_FALSE(seen.zombie);
  CHECK(seen.start == process.look(process.self()).start);
  CHECK(process.self() == static_cast<genie::Pid>(::GetCurrentProcessId()));
  genie::WindowsClock clock;
  const auto started_ms = static_cast<std::int64_t>((seen.start.value - 116'444'736'000'000'000U) / 10'000);
  CHECK(started_ms <= clock.wall().count());
  CHECK(started_ms > clock.wall().count() - 3'600'000);
}

TEST_CASE("a child is seen with its parent, and once it has ended as gone", "[windows][process]") {
  WindowsProcessProbe process;
  Event ready;
  Event done;
  const Actor child{"hold " + ready.name() + " " + done.name()};
  ready.wait(child);
  const auto alive = process.look(child.pid());
  CHECK(alive.liveness == Liveness::alive);
  CHECK(alive.start.known);
  CHECK(alive.parent == process.self());
  const auto opened = process.open(child.pid());
  REQUIRE(opened.ok());
  CHECK_FALSE(process.wait(opened.value, milliseconds(0)).value);
  done.set();
  const auto ended = process.wait(opened.value, seconds(60));
  REQUIRE(ended.ok());
  CHECK(ended.value);
  const auto gone = process.look(child.pid());
  CHECK(gone.liveness == Liveness::gone);
  CHECK(gone.zombie);  // we have it open
  CHECK(process.open(child.pid()).error == ESRCH);
  CHECK(process.signal(opened.value, Signal::kill).error == ESRCH);
  CHECK(process.signal(opened.value, Signal::terminate).error == ESRCH);
  process.close(opened.value);
}

TEST_CASE("what is no PID is nobody's, and what can't be one is not looked for", "[windows][process]") {
  WindowsProcessProbe process;
  CHECK(process.look(0).error == EINVAL);
  CHECK(process.look(-4).liveness == Liveness::unknown);
  CHECK(process.look(WindowsProcessProbe::pid_limit + 1).error == EINVAL);
  CHECK(process.open(0).error == EINVAL);
  // The system would take these for the PID that they follow.
  for (const genie::Pid beside : {1, 2, 3}) {
    CHECK(process.look(process.self() + beside).liveness == Liveness::gone);
    CHECK(process.open(process.self() + beside).error == ESRCH);
  }
  CHECK(process.look(0x7FFFFFF0).liveness == Liveness::gone);
}

TEST_CASE("a start time that can't be read is unknown, and unknown + alive is alive",
          "[windows][process][regression]") {
  using namespace genie::windows_detail;
  const auto seen = seen_by_handle(false, genie::StartToken{});
  CHECK(seen.liveness == Liveness::alive);
  CHECK_FALSE(seen.start.known);
  CHECK(seen.error != 0);
  CHECK(seen_by_handle(true, genie::StartToken{}).liveness == Liveness::gone);
  constexpr Ulong access_denied = 5;
  constexpr Ulong invalid_parameter = 87;
  constexpr Ulong out_of_memory = 14;
  CHECK(seen_without_handle(access_denied).liveness == Liveness::alive);
  CHECK_FALSE(seen_without_handle(access_denied).start.known);
  CHECK(seen_without_handle(access_denied).error == EACCES);
  CHECK(seen_without_handle(invalid_parameter).liveness == Liveness::gone);
  CHECK(seen_without_handle(out_of_memory).liveness == Liveness::unknown);
  CHECK_FALSE(start_of(nullptr).known);
}

namespace {

/// What the original's reviewers predicted: no start time can be read, of nobody.
class Startless : public WindowsProcessProbe {
 public:
  [[nodiscard]] genie::Observation look(genie::Pid pid) noexcept {
    auto seen = WindowsProcessProbe::look(pid);
    seen.start = genie::StartToken{};
    return seen;
  }
};

}  // namespace

TEST_CASE("where no start time can be read, a live owner is never taken over and a dead one is",
          "[windows][process][regression]") {
  using StartlessGuard = genie::ServeGuard<genie::WindowsClock, Startless, WindowsFilesystem>;
  const Scratch scratch;
  WindowsFilesystem files;
  Event ready;
  Event done;
  const Actor child{"hold " + ready.name() + " " + done.name()};
  ready.wait(child);
  // As the original would have written it here, without a lock.
  const std::string record = std::to_string(child.pid()) + ":unknown";
  const auto file = files.open({}, scratch.of("serve.pid").c_str(), OpenMode::create, 0600);
  REQUIRE(files.write_at(file.value, record.data(), record.size(), 0).ok());
  files.close(file.value);
  {
    StartlessGuard guard{scratch.of()};
    const auto report = guard.claim();
    REQUIRE(report);
    CHECK(report->outcome == ClaimOutcome::contended);
    CHECK(report->evidence.reason == genie::Reason::start_unknown);
    CHECK(guard.stop()->outcome == genie::StopOutcome::refused);
    CHECK_FALSE(child.has_ended());
  }
  child.kill();
  StartlessGuard guard{scratch.of()};
  REQUIRE(guard.claim()->owned());
  StartlessGuard other{scratch.of()};
  CHECK(other.claim()->outcome == ClaimOutcome::already_running);
  CHECK(other.status()->state == genie::ServerState::running);
}

TEST_CASE("a process is killed by its handle, and with it the job that it made", "[windows][process]") {
  const Scratch scratch;
  WindowsProcessProbe process;
  Event ready;
  const Actor server{"serve \"" + scratch.of() + "\" " + ready.name() + " family"};
  ready.wait(server);
  const auto opened = process.open(server.pid());
  REQUIRE(opened.ok());
  CHECK(process.leads_group(server.pid()));
  CHECK(process.group_lives(opened.value, server.pid()));
  genie::NamedProcess members[4];
  const std::size_t count = process.group_members(opened.value, server.pid(), members, 4);
  REQUIRE(count == 2);
  for (std::size_t at = 0; at < count; ++at) {
    CHECK(std::string{members[at].name.c_str()} == "genie_windows_actor.exe");
    CHECK(members[at].start.known);
  }
  REQUIRE(process.signal(opened.value, Signal::kill).ok());
  CHECK(server.wait() == WindowsProcessProbe::killed_status);
  CHECK(process.group_lives(opened.value, server.pid()));
  REQUIRE(process.signal_group(opened.value, server.pid(), Signal::kill).ok());
  for (std::size_t at = 0; at < count; ++at) {
    const auto member = process.open(members[at].pid);
    if (member.ok()) {
      CHECK(process.wait(member.value, seconds(60)).value);
      process.close(member.value);
    }
  }
  CHECK_FALSE(process.group_lives(opened.value, server.pid()));
  CHECK(process.signal_group(opened.value, server.pid(), Signal::kill).error == ESRCH);
  process.close(opened.value);
  CHECK_FALSE(process.leads_group(process.self()));
}

TEST_CASE("a process that nobody can ask says so", "[windows][process]") {
  WindowsProcessProbe process;
  Event ready;
  Event done;
  const Actor child{"hold " + ready.name() + " " + done.name()};
  ready.wait(child);
  const auto opened = process.open(child.pid());
  REQUIRE(opened.ok());
  CHECK(process.signal(opened.value, Signal::terminate).error == ESRCH);
  CHECK_FALSE(child.has_ended());
  CHECK_FALSE(process.leads_group(child.pid()));
  CHECK(process.signal_group(opened.value, child.pid(), Signal::kill).error == ESRCH);
  CHECK(process.open_cgroup(child.pid()).error == EOPNOTSUPP);
  process.close(opened.value);
}

TEST_CASE("who asks and where is known, and numbers for names do not repeat", "[windows][process]") {
  WindowsProcessProbe process;
  CHECK(process.origin().pid_namespace != 0);
  CHECK(process.origin() == WindowsProcessProbe{}.origin());
  CHECK(process.user() == WindowsProcessProbe{}.user());
  CHECK(process.random() != process.random());
}

TEST_CASE("the clocks go forward, together with those of other processes, and sleep as long as they say",
          "[windows][clock]") {
  genie::WindowsClock clock;
  const auto wall = clock.wall();
  CHECK(wall.count() > 1'700'000'000'000);
  const auto before = clock.monotonic();
  const auto coarse = clock.coarse();
  clock.sleep(milliseconds(30));
  clock.sleep(milliseconds(-1));
  CHECK(clock.monotonic() - before >= milliseconds(29));
  CHECK(clock.coarse() >= coarse);
  CHECK(clock.wall() >= wall);
}

}  // namespace tests::windows::process_probe_test
