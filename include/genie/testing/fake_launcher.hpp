// The launcher policy on a simulated machine, and one simulated process with all its policies.
//
// Models: a child that is held until it is let go, and ends by itself if its launcher ends or closes it before; what it
// shares and what it does not; its log, created where it is missing, as descriptor 1; descent, a session and a group of
// its own; how it ended; that it stays a zombie with its PID until it is reaped, and that init or an ancestor adopts
// and reaps what nobody attends to any more; an executable that is missing (one that `Programs` does not know) or that
// cannot be executed (`let_go` fails: the child has ended then, with status 127). A `let_go` that is made to fail with
// ETIMEDOUT has its effect all the same, as an execution has that takes its time.
//
// Does not model: what a program does, except for the hook that stands for it; a process between launcher and child,
// as Linux has one, and its end; the moment that it takes to be adopted and reaped; limits on processes; further
// standard streams, signal masks, working directories and environments, which are only kept in `Process::launch`.
#ifndef GENIE_TESTING_FAKE_LAUNCHER_HPP
#define GENIE_TESTING_FAKE_LAUNCHER_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "genie/policy/launcher.hpp"
#include "genie/testing/fake_processes.hpp"
#include "genie/testing/manual_clock.hpp"
#include "genie/testing/memory_filesystem.hpp"

namespace genie::inline v0::testing {

struct Contender;

/// By path: what an executable does when it begins to run, inside `let_go`. It may do all of its work at once, plan
/// later work by `ManualTime::after`, end by `Contender::exit` or `kill`; when it returns, its process lives on. An
/// empty function does nothing. As all hooks, it must not throw.
using Programs = std::map<std::string, std::function<void(Contender& child)>>;

/// The launcher policy of one process. Copies are views of the same.
class FakeLauncher : public detail::View {
 public:
  struct Child {
    ProcessIndex process = 0;
    Pid number = 0;
  };

  FakeLauncher(ProcessTable& table, ManualTime& time, MemoryDisk& disk, Programs& programs,
               ProcessIndex process) noexcept
      : View{time, process}, table_{&table}, disk_{&disk}, programs_{&programs} {}

  [[nodiscard]] SysResult<Child> spawn(const LaunchPlan& plan, MemoryFilesystem::File file, Milliseconds) noexcept {
    const CallOutcome gate = enter(Call::spawn, plan.program);
    if (gate.error != 0) return SysResult<Child>::failure(gate.error);
    MemoryFilesystem files = files_of(process());
    if (!files.is_open(file)) return SysResult<Child>::failure(EBADF);
    if (const int error = files.prepare(plan.log, plan.directory); error != 0) return SysResult<Child>::failure(error);
    const Process& own = table_->processes[process()];
    ProcessOptions options;
    options.user = own.user;
    options.pid_namespace = own.pid_namespace;
    options.name = own.name;
    options.parent = process();
    const ProcessIndex index = table_->spawn(time(), options);
    Process& child = table_->processes[index];
    child.launch = std::make_shared<const Launch>(launch_of(plan));
    child.has_handle = true;
    time().held[index] = process();
    MemoryFilesystem its_files = files_of(index);
    files.hand_to(its_files, file);
    if (plan.log != nullptr) its_files.write_to(plan.log);
    return {Child{index, child.pid}, 0};
  }
  [[nodiscard]] Pid pid(const Child& child) noexcept { return child.number; }
  /// Nothing happens to a child that has ended, or was let go before.
  [[nodiscard]] SysResult<void> let_go(const Child& child, Milliseconds) noexcept {
    const CallOutcome gate = enter(Call::let_go);
    if (gate.error == ghost_error || gate.error == EINTR) return {gate.error};
    if (!knows(child)) return {EBADF};
    if (time().ended(child.process) || time().held.count(child.process) == 0) return {};
    const std::string path = table_->processes[child.process].launch->program;
    const auto program = programs_->find(path);
    const bool is_late = gate.error == ETIMEDOUT;
    if ((gate.error != 0 && !is_late) || program == programs_->end()) {
      const int error = gate.error != 0 ? gate.error : ENOENT;
      fail_to_run(child, error);
      return {error};
    }
    time().held.erase(child.process);
    table_->processes[child.process].name = path.substr(path.find_last_of('/') + 1);
    run(program->second, child.process);
    disk_->settle(time());
    return {is_ghost() ? ghost_error : gate.error};
  }
  /// Of an end and a change, the end is told first.
  [[nodiscard]] SysResult<LaunchEvent> wait(const Child& child, MemoryFilesystem::Watch& watch,
                                            Milliseconds span) noexcept {
    const CallOutcome gate = enter(Call::wait_child);
    if (gate.error != 0) return SysResult<LaunchEvent>::failure(gate.error);
    const MemoryFilesystem files = files_of(process());
    if (!knows(child) || (watch.descriptor >= 0 && !files.is_open(watch))) {
      return SysResult<LaunchEvent>::failure(EBADF);
    }
    LaunchEvent seen = LaunchEvent::none;
    (void)time().block(process(), span, [&] {
      if (time().ended(child.process)) {
        seen = LaunchEvent::ended;
      } else if (files.takes_change(watch)) {
        seen = LaunchEvent::changed;
      }
      return seen != LaunchEvent::none;
    });
    disk_->settle(time());
    if (is_ghost()) return SysResult<LaunchEvent>::failure(ghost_error);
    return {seen, 0};
  }
  /// Once it was reaped and nobody else is in its group: ESRCH.
  [[nodiscard]] SysResult<void> kill(const Child& child, Signal signal) noexcept {
    const CallOutcome gate = enter(Call::kill_child);
    if (gate.error != 0) return {gate.error};
    if (!knows(child)) return {EBADF};
    if (!table_->has_group_handles && table_->processes[child.process].is_reaped) return {ENOSYS};
    bool is_anybody = false;
    const std::size_t count = table_->processes.size();  // what a hook spawns is not meant
    for (ProcessIndex at = 0; at < count; ++at) {
      if (table_->processes[at].leader != child.process) continue;
      is_anybody = is_anybody || table_->state(time(), at) != ProcessState::gone;
      table_->deliver(time(), process(), at, signal, true);
    }
    disk_->settle(time());
    return {is_anybody ? 0 : ESRCH};
  }
  /// One reaped before: ECHILD.
  [[nodiscard]] SysResult<ProcessExit> reap(const Child& child, Milliseconds span) noexcept {
    const CallOutcome gate = enter(Call::reap_child);
    if (gate.error != 0) return SysResult<ProcessExit>::failure(gate.error);
    if (!knows(child)) return SysResult<ProcessExit>::failure(EBADF);
    if (table_->processes[child.process].is_reaped) return SysResult<ProcessExit>::failure(ECHILD);
    const bool ended = time().block(process(), span, [&] { return time().ended(child.process); });
    disk_->settle(time());
    if (is_ghost()) return SysResult<ProcessExit>::failure(ghost_error);
    if (!ended) return SysResult<ProcessExit>::failure(ETIMEDOUT);
    table_->reap(child.process);
    return {table_->processes[child.process].exit, 0};
  }
  /// A child that is held is held for nobody then, and ends.
  void close(const Child& child) noexcept {
    if (enter(Call::close_child).error == ghost_error || !knows(child)) return;
    table_->processes[child.process].has_handle = false;
    if (time().held.count(child.process) != 0) time().end(child.process);
    disk_->settle(time());
  }

  /// What a child does that cannot execute its program.
  void fail_to_run(const Child& child, int error) noexcept {
    if (time().held.erase(child.process) == 0) return;
    table_->exit(time(), child.process, status_of_failed_exec);
    table_->processes[child.process].exit.not_executed = error;
    disk_->settle(time());
  }
  /// Children that this process has not closed.
  [[nodiscard]] std::size_t open_count() const {
    std::size_t count = 0;
    for (ProcessIndex at = 0; at < table_->processes.size(); ++at) count += knows({at, 0}) ? 1U : 0U;
    return count;
  }

 private:
  static constexpr int status_of_failed_exec = 127;

  [[nodiscard]] CallOutcome enter(Call call, Text name = {}) const {
    const CallOutcome gate = View::enter(call, name);
    disk_->settle(time());
    return gate;
  }
  [[nodiscard]] MemoryFilesystem files_of(ProcessIndex index) const {
    return MemoryFilesystem{*disk_, time(), index, table_->processes[index].user};
  }
  [[nodiscard]] bool knows(const Child& child) const {
    const Process& process = table_->processes[child.process];
    return process.has_handle && process.parent == this->process();
  }
  [[nodiscard]] static std::vector<std::string> list_of(const char* const* texts) {
    std::vector<std::string> result;
    for (; texts != nullptr && *texts != nullptr; ++texts) result.emplace_back(*texts);
    return result;
  }
  [[nodiscard]] static Launch launch_of(const LaunchPlan& plan) {
    return {plan.program,
            list_of(plan.arguments),
            list_of(plan.environment),
            plan.environment != nullptr,
            plan.directory,
            plan.log == nullptr ? "" : plan.log,
            plan.file_mode_mask,
            plan.adopts_orphans};
  }
  inline void run(const std::function<void(Contender&)>& program, ProcessIndex child) const;

  ProcessTable* table_;
  MemoryDisk* disk_;
  Programs* programs_;
};

static_assert(LauncherPolicy<FakeLauncher, MemoryFilesystem>);

/// One simulated process: its policies, views onto its machine. Copies are the same process.
struct Contender {
  ManualClock clock;
  FakeProcesses process;
  MemoryFilesystem filesystem;
  FakeLauncher launcher;
  ProcessIdentity identity;

  /// Its number in the process table.
  [[nodiscard]] ProcessIndex index() const noexcept { return process.original(); }
  /// What is scripted for its calls, and their log.
  [[nodiscard]] CallScript& calls() const { return process.time().scripts[index()]; }
  /// Whether it has not ended.
  [[nodiscard]] bool is_alive() const { return !process.time().ended(index()); }
  /// How it was started; null unless by a launcher.
  [[nodiscard]] const Launch* launch() const { return process.table().processes[index()].launch.get(); }
  /// `kill -9`: descriptors close, locks drop, the process is a zombie, its code a ghost's.
  void kill() const {
    process.table().crash(process.time(), index());
    filesystem.disk().settle(process.time());
  }
  /// The same by itself, with a status for who reaps it.
  void exit(int status) const {
    process.table().exit(process.time(), index(), status);
    filesystem.disk().settle(process.time());
  }
  /// Its parent has asked for its exit status: the PID is free.
  void reap() const { process.table().reap(index()); }
  /// Dies just before its `number`-th call from now, counted from 1.
  void kill_before_call(std::uint64_t number) const {
    calls().at_call[calls().count() + number] = [self = *this] { self.kill(); };
  }
};

inline void FakeLauncher::run(const std::function<void(Contender&)>& program, ProcessIndex child) const {
  if (!program) return;
  const auto hook = program;  // it may replace itself
  Contender self{ManualClock{time(), child}, FakeProcesses{*table_, time(), child, disk_}, files_of(child),
                 FakeLauncher{*table_, time(), *disk_, *programs_, child}, table_->identity(child)};
  hook(self);
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_FAKE_LAUNCHER_HPP
