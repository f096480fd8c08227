#include "genie/testing/fake_processes.hpp"

#include <cerrno>
#include <vector>

#include "catch.hpp"

namespace tests::fake_processes_test {

using genie::known_start;
using genie::Liveness;
using genie::milliseconds;
using genie::Milliseconds;
using genie::seconds;
using genie::Signal;
using genie::testing::Call;
using genie::testing::FakeProcesses;
using genie::testing::ManualTime;
using genie::testing::ProcessIndex;
using genie::testing::ProcessOptions;
using genie::testing::ProcessState;
using genie::testing::ProcessTable;
using genie::testing::Visibility;

namespace {

struct Fixture {
  ManualTime time;
  ProcessTable table;
  ProcessIndex self = table.spawn(time, {});
  FakeProcesses process{table, time, self};

  ProcessIndex spawn(const ProcessOptions& options = {}) { return table.spawn(time, options); }
  FakeProcesses::Handle open(ProcessIndex index) {
    const auto handle = process.open(table.identity(index).pid);
    CHECK(handle.ok());
    return handle.value;
  }
};

ProcessOptions with_pid(genie::Pid pid) {
  ProcessOptions options;
  options.pid = pid;
  return options;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a look tells alive, zombie and gone apart") {
  const ProcessIndex server = spawn();
  const auto identity = table.identity(server);
  CHECK(process.look(identity.pid).liveness == Liveness::alive);
  CHECK(process.look(identity.pid).start == identity.start);
  CHECK(process.look(process.self()).start == table.identity(self).start);
  table.crash(time, server);
  CHECK(process.look(identity.pid).liveness == Liveness::gone);
  CHECK(process.look(identity.pid).zombie);
  table.reap(server);
  CHECK_FALSE(process.look(identity.pid).zombie);
  CHECK(process.look(0).liveness == Liveness::unknown);
}

TEST_CASE_METHOD(Fixture, "a hidden process is unknown, an unreadable start is unknown but alive") {
  ProcessOptions options;
  options.visibility = Visibility::hidden;
  CHECK(process.look(table.identity(spawn(options)).pid).liveness == Liveness::unknown);
  const ProcessIndex server = spawn();
  table.has_proc = false;
  const auto seen = process.look(table.identity(server).pid);
  CHECK(seen.liveness == Liveness::alive);
  CHECK_FALSE(seen.start.known);
  CHECK(seen.error != 0);
  time.end(server);
  CHECK(process.look(table.identity(server).pid).liveness == Liveness::gone);
}

TEST_CASE_METHOD(Fixture, "a handle names its process, never the PID's next user") {
  const ProcessIndex server = spawn(with_pid(4711));
  const auto handle = open(server);
  const ProcessIndex stranger = spawn(with_pid(4711));
  CHECK(table.state(time, server) == ProcessState::gone);
  CHECK(process.look(4711).start == table.identity(stranger).start);
  CHECK(process.signal(handle, Signal::kill).error == ESRCH);
  CHECK(process.wait(handle, milliseconds(10)).value);
  CHECK(table.state(time, stranger) == ProcessState::alive);
  CHECK(table.deliveries.empty());
  process.close(handle);
  CHECK(process.signal(handle, Signal::kill).error == EBADF);
}

TEST_CASE_METHOD(Fixture, "signals end a process at once, unless it reacts otherwise") {
  ProcessOptions options;
  SECTION("at once") {
    const ProcessIndex server = spawn(options);
    const auto handle = open(server);
    CHECK(process.signal(handle, Signal::terminate).ok());
    CHECK(table.state(time, server) == ProcessState::gone);
    CHECK(table.deliveries.size() == 1);
    CHECK(table.deliveries[0].target == server);
    CHECK(table.deliveries[0].sender == self);
    CHECK(process.signal(handle, Signal::kill).error == ESRCH);
  }
  SECTION("after some time, which ends a wait early") {
    options.reaction.terminate_takes = milliseconds(300);
    const auto handle = open(spawn(options));
    CHECK(process.signal(handle, Signal::terminate).ok());
    const Milliseconds start = time.monotonic;
    CHECK_FALSE(process.wait(handle, milliseconds(100)).value);
    CHECK(process.wait(handle, seconds(10)).value);
    CHECK(time.monotonic - start == milliseconds(300));
  }
  SECTION("only by kill") {
    options.reaction.ignores_terminate = true;
    const ProcessIndex server = spawn(options);
    const auto handle = open(server);
    CHECK(process.signal(handle, Signal::terminate).ok());
    CHECK_FALSE(process.wait(handle, seconds(1)).value);
    CHECK(process.signal(handle, Signal::kill).ok());
    CHECK(table.state(time, server) == ProcessState::gone);
  }
  SECTION("into a zombie, which still takes signals") {
    options.reaction.leaves_zombie = true;
    const ProcessIndex server = spawn(options);
    const auto handle = open(server);
    CHECK(process.signal(handle, Signal::terminate).ok());
    CHECK(table.state(time, server) == ProcessState::zombie);
    CHECK(process.wait(handle, milliseconds(0)).value);
    CHECK(process.signal(handle, Signal::kill).ok());
    CHECK(table.deliveries.size() == 1);
  }
  SECTION("with something done first") {
    Signal seen = Signal::kill;
    options.reaction.on_signal = [&](Signal signal) { seen = signal; };
    CHECK(process.signal(open(spawn(options)), Signal::terminate).ok());
    CHECK(seen == Signal::terminate);
  }
}

TEST_CASE_METHOD(Fixture, "a stopped process takes terminate when it resumes, and kill at once") {
  const ProcessIndex server = spawn();
  const ProcessIndex other = spawn();
  table.stop(server);
  table.stop(other);
  CHECK(process.signal(open(server), Signal::terminate).ok());
  CHECK(process.signal(open(other), Signal::kill).ok());
  CHECK(table.state(time, server) == ProcessState::alive);
  CHECK(table.state(time, other) == ProcessState::gone);
  table.resume(time, server);
  CHECK(table.state(time, server) == ProcessState::gone);
}

TEST_CASE_METHOD(Fixture, "another user's process is alive and cannot be signalled") {
  ProcessOptions options;
  options.user = 2000;
  const ProcessIndex server = spawn(options);
  CHECK(process.look(table.identity(server).pid).liveness == Liveness::alive);
  CHECK(process.signal(open(server), Signal::terminate).error == EPERM);
  CHECK(process.signal_group(open(server), table.identity(server).pid, Signal::kill).error == EPERM);
  CHECK(table.deliveries.empty());
}

TEST_CASE_METHOD(Fixture, "a group is its leader's, also after the leader has gone") {
  const ProcessIndex server = spawn(with_pid(4711));
  ProcessOptions options;
  options.leader = server;
  const ProcessIndex child = spawn(options);
  const auto handle = open(server);
  CHECK(process.leads_group(4711));
  CHECK_FALSE(process.leads_group(table.identity(child).pid));
  CHECK_FALSE(process.leads_group(1));
  CHECK(process.signal_group(handle, 1, Signal::kill).error == EINVAL);
  time.end(server);
  SECTION("by handle") {
    CHECK(process.group_lives(handle, 4711));
    CHECK(process.signal_group(handle, 4711, Signal::terminate).ok());
    CHECK_FALSE(process.group_lives(handle, 4711));
    CHECK(table.state(time, child) == ProcessState::gone);
    CHECK(table.deliveries.size() == 1);
    CHECK(table.deliveries[0].to_group);
    CHECK(process.signal_group(handle, 4711, Signal::terminate).error == ESRCH);
  }
  SECTION("not by number, which may be another's") {
    table.has_group_handles = false;
    CHECK(process.signal_group(handle, 4711, Signal::terminate).error == ENOSYS);
  }
}

TEST_CASE_METHOD(Fixture, "a group's members are named while they run") {
  const ProcessIndex server = spawn(with_pid(4711));
  ProcessOptions options;
  options.leader = server;
  options.name = "worker";
  const ProcessIndex child = spawn(options);
  options.reaction.leaves_zombie = true;
  time.end(spawn(options));
  const auto handle = open(server);
  genie::NamedProcess members[3];
  CHECK(process.group_members(handle, 4711, members, 3) == 2);
  CHECK(members[1].pid == table.identity(child).pid);
  CHECK(members[1].start == table.identity(child).start);
  CHECK(members[1].name == genie::FixedText<31>{"worker"});
  CHECK(process.group_members(handle, 4711, members, 1) == 1);
  CHECK(process.group_members(handle, 1, members, 3) == 0);
  process.calls().fail(Call::group_members, EIO);
  CHECK(process.group_members(handle, 4711, members, 3) == 0);
  process.calls().fail(Call::group_lives, EIO);
  time.end(server);
  time.end(child);
  CHECK(process.group_lives(handle, 4711));
  CHECK_FALSE(process.group_lives(handle, 4711));
}

TEST_CASE_METHOD(Fixture, "a cgroup is its own to a process before which nobody was in it") {
  const auto spawn_in = [&](const char* cgroup) {
    ProcessOptions options;
    options.cgroup = cgroup;
    return spawn(options);
  };
  const auto open_cgroup = [&](ProcessIndex index) { return process.open_cgroup(table.identity(index).pid); };
  const ProcessIndex server = spawn_in("/a");
  const ProcessIndex child = spawn_in("/a/b");
  const ProcessIndex stranger = spawn_in("/ab");
  const auto cgroup = open_cgroup(server);
  REQUIRE(cgroup.ok());
  CHECK(process.open_count() == 1);
  SECTION("who is in it or below it is named, and ended") {
    genie::NamedProcess members[3];
    REQUIRE(process.cgroup_members(cgroup.value, members, 3) == 2);
    CHECK(members[0].pid == table.identity(server).pid);
    CHECK(members[1].pid == table.identity(child).pid);
    CHECK(process.cgroup_members(cgroup.value, members, 1) == 1);
    CHECK(process.cgroup_lives(cgroup.value));
    const Signal signal = GENERATE(Signal::terminate, Signal::kill);
    CHECK(process.signal_cgroup(cgroup.value, signal).ok());
    CHECK_FALSE(process.cgroup_lives(cgroup.value));
    CHECK(table.state(time, stranger) == ProcessState::alive);
    CHECK(table.deliveries.size() == 2);
    CHECK(process.signal_cgroup(cgroup.value, Signal::terminate).error == ESRCH);
    CHECK(process.signal_cgroup(cgroup.value, Signal::kill).ok());
  }
  SECTION("a zombie is in none") {
    table.crash(time, server);
    CHECK(process.cgroup_lives(cgroup.value));
    table.crash(time, child);
    CHECK_FALSE(process.cgroup_lives(cgroup.value));
    CHECK(open_cgroup(server).error == ESRCH);
  }
  SECTION("another user's process is not asked, but killed") {
    table.processes[server].user = table.processes[child].user = 2000;
    CHECK(process.signal_cgroup(cgroup.value, Signal::terminate).error == EPERM);
    CHECK(process.signal_cgroup(cgroup.value, Signal::kill).ok());
    CHECK(table.deliveries.size() == 2);
  }
  SECTION("not where it was not the first") {
    CHECK(open_cgroup(spawn_in("/a")).error == EBUSY);
    CHECK(open_cgroup(child).ok());
    CHECK(process.open_count() == 2);
  }
  SECTION("not where somebody cannot be seen") {
    table.processes[child].visibility = Visibility::hidden;
    CHECK(open_cgroup(server).error == EBUSY);
    table.processes[child].visibility = Visibility::full;
    table.processes[child].pid_namespace = 7;
    CHECK(open_cgroup(server).error == EBUSY);
  }
  SECTION("not the caller's, one above it, or the root") {
    table.processes[self].cgroup = "/a/b/c";
    CHECK(open_cgroup(server).error == EDEADLK);
    CHECK(open_cgroup(stranger).ok());
    table.processes[self].cgroup = "/a";
    CHECK(open_cgroup(server).error == EDEADLK);
    CHECK(open_cgroup(spawn()).error == EDEADLK);
  }
  SECTION("not where there are none") {
    CHECK(process.open_cgroup(0).error == EINVAL);
    table.has_proc = false;
    CHECK(open_cgroup(server).error == EOPNOTSUPP);
    table.has_proc = true;
    table.has_cgroups = false;
    CHECK(open_cgroup(server).error == EOPNOTSUPP);
  }
  SECTION("not knowing is not evidence of its end") {
    for (const auto call : {Call::open_cgroup, Call::signal_cgroup, Call::cgroup_lives, Call::cgroup_members}) {
      process.calls().fail(call, EIO);
    }
    genie::NamedProcess members[1];
    CHECK(open_cgroup(server).error == EIO);
    CHECK(process.signal_cgroup(cgroup.value, Signal::kill).error == EIO);
    CHECK(process.cgroup_members(cgroup.value, members, 1) == 0);
    time.end(server);
    time.end(child);
    CHECK(process.cgroup_lives(cgroup.value));
    CHECK_FALSE(process.cgroup_lives(cgroup.value));
  }
  process.close_cgroup(cgroup.value);
  CHECK_FALSE(process.cgroup_lives(cgroup.value));
  table.reboot(time);
  CHECK(table.cgroups.empty());
}

TEST_CASE_METHOD(Fixture, "PID namespaces do not see one another, and number from 1") {
  ProcessOptions options;
  options.pid_namespace = 7;
  const ProcessIndex inner = spawn(options);
  FakeProcesses container{table, time, inner};
  CHECK(container.self() == 1);
  CHECK(container.origin().pid_namespace == 7);
  CHECK(process.look(1).start != container.look(1).start);
  CHECK(container.look(process.self()).liveness == Liveness::gone);
  CHECK(container.open(process.self()).error == ESRCH);
}

TEST_CASE_METHOD(Fixture, "a look tells descent: the parent, or init for an orphan, and who began the session") {
  ProcessOptions options;
  options.parent = self;
  options.session = self;
  const ProcessIndex child = spawn(options);
  options.parent = child;
  options.session = 0;
  const ProcessIndex grandchild = spawn(options);
  const auto look = [&](ProcessIndex index) { return process.look(table.identity(index).pid); };
  CHECK(look(self).parent == 1);
  CHECK(look(self).session == process.self());
  CHECK(look(child).parent == process.self());
  CHECK(look(child).session == process.self());
  CHECK(look(grandchild).parent == table.identity(child).pid);
  CHECK(look(grandchild).session == table.identity(grandchild).pid);
  CHECK(process.look(1).parent == 0);
  table.crash(time, child);
  CHECK(look(grandchild).parent == 1);
  CHECK(look(child).parent == process.self());  // a zombie is still its parent's
  table.reboot(time);
  const ProcessIndex later = spawn();
  CHECK(FakeProcesses{table, time, later}.look(table.identity(later).pid).parent == 1);
}

TEST_CASE_METHOD(Fixture, "descent from another namespace reads 0, and what cannot be seen has none") {
  ProcessOptions options;
  options.pid_namespace = 7;
  options.parent = self;
  options.session = self;
  const ProcessIndex inside = spawn(options);
  FakeProcesses container{table, time, inside};
  const auto seen = container.look(container.self());
  CHECK(seen.liveness == Liveness::alive);
  CHECK(seen.parent == 0);
  CHECK(seen.session == 0);
  table.has_proc = false;
  CHECK(process.look(process.self()).parent == 0);
  CHECK(process.look(process.self()).session == 0);
}

TEST_CASE_METHOD(Fixture, "after a reboot everybody is gone, and PID and start may recur under another boot id") {
  const auto before = table.identity(self);
  const auto boot = process.origin().boot;
  table.reboot(time);
  const ProcessIndex next = spawn();
  FakeProcesses later{table, time, next};
  CHECK(table.identity(next) == before);
  CHECK(later.origin().boot != boot);
  CHECK(table.state(time, self) == ProcessState::gone);
  CHECK(process.look(later.self()).liveness == Liveness::unknown);  // a ghost sees nothing
}

TEST_CASE_METHOD(Fixture, "starts shift as in another time namespace") {
  const auto before = process.look(process.self()).start;
  table.shift_starts(500);
  CHECK(process.look(process.self()).start == known_start(before.value + 500));
}

TEST_CASE_METHOD(Fixture, "random numbers differ within a run and recur in the next") {
  ProcessTable other_table;
  FakeProcesses other{other_table, time, 0};
  const auto first = process.random();
  CHECK(process.random() != first);
  CHECK(other.random() == first);
}

TEST_CASE_METHOD(Fixture, "process calls fail as told, and handles are counted") {
  const ProcessIndex server = spawn();
  process.calls().fail(Call::open_process, ENOSYS);
  CHECK(process.open(table.identity(server).pid).error == ENOSYS);
  const auto handle = open(server);
  CHECK(process.open_count() == 1);
  process.calls().fail(Call::wait_process, EINTR);
  CHECK(process.wait(handle, seconds(1)).error == EINTR);
  process.close(handle);
  CHECK(process.open_count() == 0);
}

}  // namespace tests::fake_processes_test
