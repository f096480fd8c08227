// An ordinary unit test of a program's own start-up code, with genie's fakes in place of clock, processes and disk: no
// real time passes, no process is started, no file is written. Each fake alone first, then all of them together.
//
// No test framework needed: exits 1 if a check fails.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <genie/serve_guard.hpp>
#include <genie/testing/machine.hpp>
#include <string>

// --- What is tested: the start of a small daemon, a template over the three policies. --------------------------------

enum class Started { yes, already, failed };

/// Claims `directory` and publishes `port`. Where somebody else is half-way in, looks again for at most five seconds.
template <typename Guard, typename Clock>
Started start_daemon(Guard& guard, Clock& clock, std::uint16_t port) {
  const genie::Milliseconds deadline = clock.monotonic() + genie::seconds(5);
  for (;;) {
    const auto claim = guard.claim();
    if (!claim) return Started::failed;
    if (claim->owned()) return guard.publish_port(port) ? Started::yes : Started::failed;
    if (claim->outcome == genie::ClaimOutcome::already_running) return Started::already;
    if (clock.monotonic() >= deadline) return Started::failed;
    clock.sleep(genie::milliseconds(500));
  }
}

// --- The test. -------------------------------------------------------------------------------------------------------

namespace {

using namespace genie::testing;
using Guard = genie::ServeGuard<ManualClock, FakeProcesses, MemoryFilesystem>;

constexpr const char* directory = "/tmp/daemon";
int failures = 0;

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

Guard guard_of(const Contender& me) { return Guard{directory, {}, me.clock, me.process, me.filesystem}; }

void test_clock_alone() {
  ManualTime time;
  ManualClock clock{time};
  const genie::Milliseconds start = clock.monotonic();
  bool rang = false;
  time.after(genie::seconds(3600), [&] { rang = true; });
  clock.sleep(genie::seconds(7200));  // returns at once
  check(rang && clock.monotonic() - start == genie::seconds(7200), "sleeping lets time pass");
  time.jump_wall(genie::seconds(-86400));
  check(clock.monotonic() - start == genie::seconds(7200), "a step of the wall clock is no time");
}

void test_processes_alone() {
  ManualTime time;
  ProcessTable table;
  FakeProcesses probe{table, time, table.spawn(time, {})};
  ProcessOptions options;
  options.reaction.terminate_takes = genie::milliseconds(300);
  const ProcessIndex server = table.spawn(time, options);
  const auto handle = probe.open(table.identity(server).pid);
  check(probe.signal(handle.value, genie::Signal::terminate).ok(), "a process can be signalled");
  check(!probe.wait(handle.value, genie::milliseconds(100)).value, "it takes its time");
  check(probe.wait(handle.value, genie::seconds(10)).value, "and ends");
  check(probe.look(table.identity(server).pid).liveness == genie::Liveness::gone, "then its PID is free");
}

void test_filesystem_alone() {
  ManualTime time;
  MemoryDisk disk;
  MemoryFilesystem files{disk, time};
  disk.write_file("/etc/daemon.conf", "port 5433\n");
  files.calls().fail(Call::read_at, EIO);
  char text[32] = {};
  const auto file = files.open({}, "/etc/daemon.conf", genie::OpenMode::read, 0);
  check(files.read_at(file.value, text, sizeof text, 0).error == EIO, "the first read fails as told");
  check(files.read_at(file.value, text, sizeof text, 0).value == 10, "the second one reads");
  files.close(file.value);
  check(disk.open_count(0) == 0, "nothing is left open");
}

void test_start_of_the_daemon() {
  Machine machine;
  Contender first = machine.spawn();
  Contender second = machine.spawn();
  Guard running = guard_of(first);
  Guard late = guard_of(second);
  check(start_daemon(running, first.clock, 5433) == Started::yes, "the first one starts");
  check(start_daemon(late, second.clock, 5434) == Started::already, "the second one does not");
  check(*late.port() == 5433, "and knows where the first one listens");

  first.kill();  // kill -9: no destructor has run, everything is left behind
  check(machine.disk.exists("/tmp/daemon/serve.pid"), "a crash leaves a record");
  check(start_daemon(late, second.clock, 5434) == Started::yes, "which is no obstacle");

  Contender third = machine.spawn();
  Guard refused = guard_of(third);
  third.calls().fail(Call::open_directory, EACCES);
  check(start_daemon(refused, third.clock, 5435) == Started::failed, "a failure is a failure");
}

}  // namespace

int main() {
  test_clock_alone();
  test_processes_alone();
  test_filesystem_alone();
  test_start_of_the_daemon();
  if (failures == 0) std::puts("all checks hold");
  return failures == 0 ? 0 : 1;
}
