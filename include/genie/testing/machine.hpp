// A simulated machine: one time, one process table, one disk, and any number of processes that contend on it.
//
//   Machine machine;
//   machine.disk.make_directory("/home/me");
//   Contender one = machine.spawn();
//   genie::ServeGuard guard{"/home/me/.genie", options, one.clock, one.process, one.filesystem};
//   one.kill();
//
// Models: what a crash, a fork, an exec and a reboot do to processes, descriptors and locks together.
//
// Does not model: processes that run at the same time. One runs until its call returns; others act in between from the
// hooks of `calls()`, of `ManualTime`, or of a process's reaction.
//
// The machine is a value: a copy is another machine in the same state. Its views are made anew by `contender()`; hooks
// that captured the original still act there.
#ifndef GENIE_TESTING_MACHINE_HPP
#define GENIE_TESTING_MACHINE_HPP

#include <cstdint>

#include "genie/testing/fake_launcher.hpp"
#include "genie/testing/fake_processes.hpp"
#include "genie/testing/manual_clock.hpp"
#include "genie/testing/memory_filesystem.hpp"

namespace genie::inline v0::testing {

/// A machine with nothing on it but an empty root directory. See this header's first lines.
class Machine {
 public:
  ManualTime time;
  ProcessTable processes;
  MemoryDisk disk;
  Programs programs;  ///< that launchers find

  /// A new process.
  [[nodiscard]] Contender spawn(const ProcessOptions& options = {}) {
    const ProcessIndex index = processes.spawn(time, options);
    disk.settle(time);  // another process may have ended for its PID
    return contender(index);
  }
  /// Returns: new views as a process that exists.
  [[nodiscard]] Contender contender(ProcessIndex index) {
    return {ManualClock{time, index}, FakeProcesses{processes, time, index, &disk},
            MemoryFilesystem{disk, time, index, processes.processes[index].user},
            FakeLauncher{processes, time, disk, programs, index}, processes.identity(index)};
  }
  /// A child in its parent's process group that shares the parent's open files.
  [[nodiscard]] Contender fork(const Contender& parent) {
    const Process& original = parent.process.me();
    ProcessOptions options;
    options.user = original.user;
    options.pid_namespace = original.pid_namespace;
    options.leader = original.leader;
    options.session = original.session;
    options.parent = parent.index();
    options.cgroup = original.cgroup;
    options.name = original.name;
    Contender child = spawn(options);
    MemoryFilesystem{parent.filesystem}.fork_into(child.filesystem);
    return child;
  }
  /// From now on, the policies that `original` was given act as `other`'s: the objects that hold them are what a fork
  /// has copied into the child.
  void act_as(const Contender& original, const Contender& other) { time.acting[original.index()] = other.index(); }
  /// Ends `act_as`.
  void act_as_itself(const Contender& original) { time.acting.erase(original.index()); }
  /// Power cut and start: every process is gone, every descriptor and lock with it; files stay.
  void reboot(Milliseconds takes = seconds(60)) {
    time.wall = time.wall + takes;
    time.monotonic = seconds(10);
    time.agenda.clear();
    processes.reboot(time);
    disk.settle(time);
  }
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_MACHINE_HPP
