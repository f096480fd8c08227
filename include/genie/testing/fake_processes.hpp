// The processes of a simulated machine, and the process-probe policy as one of them.
//
// Models: PIDs used again on request, start tokens, users, PID namespaces side by side, process groups, cgroups,
// zombies, stopped processes, a hidden /proc, what a process does when signalled, pinned handles, reboots, every signal
// delivered, descent: orphans are adopted, by an ancestor that wants them or by init.
//
// Does not model: threads, a namespace that sees into another, the init of a namespace as a parent (0 is seen there),
// capabilities other than "user 0 may signal everybody", cgroups that are removed, what a process does by itself (a
// test's hooks do it).
#ifndef GENIE_TESTING_FAKE_PROCESSES_HPP
#define GENIE_TESTING_FAKE_PROCESSES_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "genie/policy/launcher.hpp"
#include "genie/policy/process_probe.hpp"
#include "genie/testing/manual_clock.hpp"
#include "genie/testing/memory_disk.hpp"

namespace genie::inline v0::testing {

/// How a simulated process stands.
enum class ProcessState : std::uint8_t { alive, zombie, gone };

/// How much of a process others can see.
enum class Visibility : std::uint8_t {
  full,              ///< everything that the kernel tells of it
  start_unreadable,  ///< as without /proc: alive or not, by a signal that delivers nothing; zombies look alive
  hidden,            ///< nothing: liveness unknown
};

/// What a process does when it is signalled. By default it ends at once, and its parent reaps it.
struct Reaction {
  bool ignores_terminate = false;
  bool catches_terminate = false;         ///< it stays pending, for the process itself to act upon
  Milliseconds terminate_takes;           ///< from the signal to the end
  Milliseconds kill_takes;                ///< as of a process in uninterruptible sleep
  bool leaves_zombie = false;             ///< nobody reaps it
  std::function<void(Signal)> on_signal;  ///< called before it takes effect
};

/// How a simulated process begins.
struct ProcessOptions {
  Pid pid = 0;       ///< 0: the next one. A process that has the number is gone then, and it is used again
  StartToken start;  ///< unknown: the next one
  std::uint64_t user = 1000;
  std::uint64_t pid_namespace = 0;  ///< 0: the host's
  ProcessIndex leader = 0;          ///< of its process group; 0: itself
  std::string cgroup{};             ///< path of its cgroup, beginning with '/'; empty: the root
  std::string name = "server";
  Visibility visibility = Visibility::full;
  Reaction reaction{};
  ProcessIndex parent = 0;   ///< 0: init
  ProcessIndex session = 0;  ///< the process that began it; 0: itself
};

/// How a process was started, kept for tests and for what it runs. See `LaunchPlan`.
struct Launch {
  std::string program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  bool has_own_environment = false;  ///< false: it has its launcher's
  std::string directory;
  std::string log;  ///< empty: none
  std::uint32_t file_mode_mask = 0;
  bool adopts_orphans = false;
};

/// A simulated process, from its start on. It stays in the table when it has ended.
struct Process {
  Pid pid = 0;
  std::uint64_t start = 0;
  std::uint64_t user = 0;
  std::uint64_t pid_namespace = 0;
  ProcessIndex leader = 0;
  std::string name;
  Visibility visibility = Visibility::full;
  Reaction reaction;
  ProcessIndex parent = 0;
  ProcessIndex session = 0;
  bool is_reaped = false;
  bool is_stopped = false;  ///< by SIGSTOP: terminate stays pending, kill does not
  bool has_pending_terminate = false;
  ProcessExit exit{true, 9};             ///< how it ended; means nothing while it is alive
  std::shared_ptr<const Launch> launch;  ///< null unless a launcher started it
  bool has_handle = false;               ///< its launcher has not closed it
  std::string cgroup{};
};

/// A signal that reached a process.
struct Delivery {
  ProcessIndex target = 0;
  ProcessIndex sender = 0;
  ProcessIdentity identity;  ///< of the target
  Signal signal = Signal::terminate;
  bool to_group = false;
};

/// The processes of one machine, the dead ones included. Index 0 is init, PID 1 of the host.
struct ProcessTable {
  struct Pin {
    ProcessIndex owner = 0;
    ProcessIndex target = 0;
  };
  struct CgroupPin {
    ProcessIndex owner = 0;
    std::string path;
  };
  static constexpr std::uint64_t host_namespace = 4026531836;

  std::string boot = "11111111-1111-4111-8111-000000000001";
  bool has_proc = true;           ///< false: as if everybody were `start_unreadable`
  bool has_group_handles = true;  ///< Linux 6.9; false: groups by number, ENOSYS once the leader is gone
  bool has_cgroups = true;        ///< false: they cannot be found, or not be killed
  std::vector<Process> processes;
  std::vector<Delivery> deliveries;
  std::map<std::uint32_t, Pin> pins;             ///< open handles
  std::map<std::uint32_t, CgroupPin> cgroups{};  ///< open ones
  std::map<std::uint64_t, Pid> next_pid;
  std::uint64_t next_start = 100;
  std::uint64_t boots = 1;
  std::uint64_t randoms = 0;

  ProcessTable() { add_init(); }

  /// A new process. In a namespace other than the host's, PIDs begin at 1.
  ProcessIndex spawn(ManualTime& time, const ProcessOptions& options) {
    const std::uint64_t pid_namespace = options.pid_namespace == 0 ? host_namespace : options.pid_namespace;
    const auto index = static_cast<ProcessIndex>(processes.size());
    Process process{options.pid,
                    options.start.known ? options.start.value : next_start++,
                    options.user,
                    pid_namespace,
                    options.leader == 0 ? index : options.leader,
                    options.name,
                    options.visibility,
                    options.reaction,
                    options.parent,
                    options.session == 0 ? index : options.session,
                    false,
                    false,
                    false,
                    {true, 9},
                    nullptr,
                    false};
    process.cgroup = options.cgroup;
    ProcessIndex other = 0;
    if (process.pid == 0) {
      Pid& next = next_pid.try_emplace(pid_namespace, pid_namespace == host_namespace ? 1000 : 1).first->second;
      do {
        process.pid = next++;
      } while (find(time, pid_namespace, process.pid, other));
    } else if (find(time, pid_namespace, process.pid, other)) {
      time.end(other);
      processes[other].is_reaped = true;
    }
    processes.push_back(process);
    return index;
  }
  /// How a process stands at that time.
  [[nodiscard]] ProcessState state(const ManualTime& time, ProcessIndex index) const {
    const Process& process = processes[index];
    if (!time.ended(index)) return ProcessState::alive;
    const bool waits = process.launch != nullptr ? is_attended(time, index) : process.reaction.leaves_zombie;
    return waits && !process.is_reaped ? ProcessState::zombie : ProcessState::gone;
  }
  /// Whether its launcher lives, and has not closed it: only then does it stay a zombie, for the launcher to reap.
  [[nodiscard]] bool is_attended(const ManualTime& time, ProcessIndex index) const {
    return processes[index].has_handle && !time.ended(processes[index].parent);
  }
  /// Returns: whose child it is now; itself where it is nobody's.
  [[nodiscard]] ProcessIndex parent(const ManualTime& time, ProcessIndex index) const {
    ProcessIndex parent = processes[index].parent;
    const bool is_orphan = processes[index].launch != nullptr ? !is_attended(time, index) : time.ended(parent);
    if (parent == index || !is_orphan) return parent;
    for (; parent != processes[parent].parent; parent = processes[parent].parent) {
      const Process& ancestor = processes[parent];
      if (ancestor.launch != nullptr && ancestor.launch->adopts_orphans && !time.ended(parent)) return parent;
    }
    return 0;
  }
  /// Returns: its PID and start token.
  [[nodiscard]] ProcessIdentity identity(ProcessIndex index) const {
    return {processes[index].pid, known_start(processes[index].start)};
  }
  /// Whether a PID is taken, by a process or a zombie, and by which.
  [[nodiscard]] bool find(const ManualTime& time, std::uint64_t pid_namespace, Pid pid, ProcessIndex& index) const {
    for (ProcessIndex at = 0; at < processes.size(); ++at) {
      const Process& process = processes[at];
      if (process.pid != pid || process.pid_namespace != pid_namespace) continue;
      index = at;
      if (state(time, at) != ProcessState::gone) return true;
    }
    return false;
  }
  /// `kill -9` from nowhere: the process becomes a zombie; one that was launched, if its launcher can reap it.
  void crash(ManualTime& time, ProcessIndex index) {
    processes[index].reaction.leaves_zombie = true;
    end(time, index, {true, 9});
  }
  /// It ends by itself.
  void exit(ManualTime& time, ProcessIndex index, int status) { end(time, index, {false, status}); }
  /// Its parent asks how it has ended: a zombie is gone after that.
  void reap(ProcessIndex index) { processes[index].is_reaped = true; }
  /// Suspends it, as SIGSTOP does: signals wait until it is resumed, SIGKILL apart.
  void stop(ProcessIndex index) { processes[index].is_stopped = true; }
  /// Lets it go on, as SIGCONT does.
  void resume(ManualTime& time, ProcessIndex index) {
    processes[index].is_stopped = false;
    if (processes[index].has_pending_terminate) take(time, index, Signal::terminate);
  }
  /// What a restored checkpoint or another time namespace does: everybody's start reads differently.
  void shift_starts(std::uint64_t by) {
    for (Process& process : processes) process.start += by;
  }
  /// Everybody is gone, the boot id is new, PIDs and start tokens begin again.
  void reboot(ManualTime& time) {
    for (ProcessIndex at = 0; at < processes.size(); ++at) {
      time.ends[at] = Milliseconds{INT64_MIN};
      processes[at].is_reaped = true;
    }
    pins.clear();
    time.held.clear();
    cgroups.clear();
    next_pid.clear();
    next_start = 100;
    ++boots;
    boot.replace(boot.size() - 4, 4, std::to_string(10000 + boots).substr(1));
    add_init();
  }
  /// A signal arrives. Zombies take none.
  void deliver(ManualTime& time, ProcessIndex sender, ProcessIndex target, Signal signal, bool to_group) {
    if (state(time, target) != ProcessState::alive) return;
    deliveries.push_back({target, sender, identity(target), signal, to_group});
    if (const auto hook = processes[target].reaction.on_signal; hook) hook(signal);
    take(time, target, signal);
  }

 private:
  void add_init() {
    const auto index = static_cast<ProcessIndex>(processes.size());
    processes.push_back({1,
                         1,
                         0,
                         host_namespace,
                         index,
                         "init",
                         Visibility::full,
                         {true, false, {}, {}, false, {}},
                         index,
                         index,
                         false,
                         false,
                         false,
                         {true, 9},
                         nullptr,
                         false});
  }
  void end(ManualTime& time, ProcessIndex index, const ProcessExit& how, Milliseconds delay = {}) {
    if (time.end(index, delay)) processes[index].exit = how;
  }
  void take(ManualTime& time, ProcessIndex target, Signal signal) {
    Process& process = processes[target];
    if (signal == Signal::kill) {
      end(time, target, {true, 9}, process.reaction.kill_takes);
    } else if (process.is_stopped || process.reaction.catches_terminate) {
      process.has_pending_terminate = true;
    } else if (!process.reaction.ignores_terminate) {
      end(time, target, {true, 15}, process.reaction.terminate_takes);
    }
  }
};

/// The process-probe policy as seen by one process. Copies are views of the same.
class FakeProcesses : public detail::View {
 public:
  static constexpr Pid pid_limit = 4194304;

  /// Names a pin of the table; 0 is none.
  struct Handle {
    std::uint32_t number = 0;
  };
  struct Cgroup {
    std::uint32_t number = 0;
  };

  /// `disk`, where given, answers which processes hold a lock, and learns at once that a process has ended.
  FakeProcesses(ProcessTable& table, ManualTime& time, ProcessIndex process, MemoryDisk* disk = nullptr) noexcept
      : View{time, process}, table_{&table}, disk_{disk} {}

  /// The table that it looks at.
  [[nodiscard]] ProcessTable& table() const noexcept { return *table_; }
  /// The calling process in that table.
  [[nodiscard]] Process& me() const { return table_->processes[process()]; }

  [[nodiscard]] Pid self() noexcept {
    (void)enter(Call::self);
    return me().pid;
  }
  [[nodiscard]] Observation look(Pid pid) noexcept {
    const CallOutcome gate = enter(Call::look);
    Observation seen;
    seen.error = gate.error != 0 ? gate.error : pid <= 0 || pid > pid_limit ? EINVAL : 0;
    if (seen.error != 0) return seen;
    ProcessIndex index = 0;
    const bool taken = find(pid, index);
    const Visibility visibility = table_->has_proc || table_->processes[index].visibility == Visibility::hidden
                                      ? table_->processes[index].visibility
                                      : Visibility::start_unreadable;
    if (!taken) {
      seen.liveness = Liveness::gone;
    } else if (visibility == Visibility::hidden && index != process()) {
      seen.error = EPERM;
    } else if (visibility == Visibility::start_unreadable) {
      seen.liveness = Liveness::alive;
      seen.error = ENOENT;
    } else {
      seen.zombie = state(index) == ProcessState::zombie;
      seen.liveness = seen.zombie ? Liveness::gone : Liveness::alive;
      seen.start = known_start(table_->processes[index].start);
      seen.parent = parent_of(index);
      seen.session = pid_of(table_->processes[index].session);
    }
    return seen;
  }
  /// Is never interrupted.
  [[nodiscard]] ProcessOrigin origin() noexcept {
    ProcessOrigin origin;
    const int error = enter(Call::origin).error;
    if (error != EINTR) origin.error = error;
    if (origin.error != 0) return origin;
    origin.boot = BootId{Text{table_->boot}};
    if (table_->has_proc) origin.pid_namespace = me().pid_namespace;
    return origin;
  }
  /// Known since `origin`: no call.
  [[nodiscard]] StartToken own_start() const noexcept {
    const bool is_readable = table_->has_proc && me().visibility != Visibility::start_unreadable;
    return is_readable ? known_start(me().start) : StartToken{};
  }
  [[nodiscard]] std::uint64_t user() noexcept {
    (void)enter(Call::user);
    return me().user;
  }
  /// Never the same twice in one machine, and the same in every run.
  [[nodiscard]] std::uint64_t random() noexcept {
    (void)enter(Call::random);
    std::uint64_t mixed = ++table_->randoms * 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    return mixed ^ (mixed >> 31U);
  }

  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    const CallOutcome gate = enter(Call::open_process);
    if (gate.error != 0) return SysResult<Handle>::failure(gate.error);
    if (pid <= 0 || pid > pid_limit) return SysResult<Handle>::failure(EINVAL);
    ProcessIndex index = 0;
    if (!find(pid, index)) return SysResult<Handle>::failure(ESRCH);
    // Each process has numbers of its own, so that what it sees does not depend on what others have open.
    const std::uint32_t number = MemoryDisk::lowest_free(table_->pins, process() * 1024U + 1);
    table_->pins[number] = {process(), index};
    return {Handle{number}, 0};
  }
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept {
    const CallOutcome gate = enter(Call::signal);
    ProcessIndex target = 0;
    if (const int error = pinned(gate, handle, target); error != 0) return {error};
    if (state(target) == ProcessState::gone) return {ESRCH};
    if (!may_signal(target)) return {EPERM};
    table_->deliver(time(), process(), target, signal, false);
    settle();
    return {};
  }
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    const CallOutcome gate = enter(Call::leads_group);
    ProcessIndex index = 0;
    return gate.error == 0 && pid > 1 && find(pid, index) && table_->processes[index].leader == index &&
           me().leader != index;
  }
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    const CallOutcome gate = enter(Call::signal_group);
    ProcessIndex pin = 0;
    if (const int error = pinned(gate, handle, pin); error != 0) return {error};
    if (pid <= 1 || pid > pid_limit) return {EINVAL};
    if (!table_->has_group_handles && state(pin) == ProcessState::gone) return {ENOSYS};
    const std::vector<ProcessIndex> group = members(pin, pid);
    bool allowed = false;
    for (const ProcessIndex member : group) {
      if (!may_signal(member)) continue;
      allowed = true;
      table_->deliver(time(), process(), member, signal, true);
    }
    settle();
    return {group.empty() ? ESRCH : allowed ? 0 : EPERM};
  }
  /// Without /proc, a zombie cannot be told from a member that runs.
  [[nodiscard]] bool group_lives(const Handle& handle, Pid pid) noexcept {
    const CallOutcome gate = enter(Call::group_lives);
    if (gate.error != 0) return true;
    ProcessIndex pin = 0;
    if (pinned(gate, handle, pin) != 0 || pid <= 1 || pid > pid_limit) return false;
    for (const ProcessIndex member : members(pin, pid)) {
      if (state(member) == ProcessState::alive || !table_->has_proc) return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t group_members(const Handle& handle, Pid pid, NamedProcess* out,
                                          std::size_t count) noexcept {
    const CallOutcome gate = enter(Call::group_members);
    ProcessIndex pin = 0;
    if (pinned(gate, handle, pin) != 0 || pid <= 1 || pid > pid_limit) return 0;
    return tell(members(pin, pid), out, count);
  }
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid pid) noexcept {
    const CallOutcome gate = enter(Call::open_cgroup);
    ProcessIndex index = 0;
    int error = gate.error;
    if (error == 0 && (pid <= 0 || pid > pid_limit)) error = EINVAL;
    if (error == 0 && (!table_->has_cgroups || !table_->has_proc)) error = EOPNOTSUPP;
    if (error == 0 && (!find(pid, index) || state(index) != ProcessState::alive)) error = ESRCH;
    if (error != 0) return SysResult<Cgroup>::failure(error);
    const Process& process = table_->processes[index];
    if (process.cgroup.empty() || lies_in(me().cgroup, process.cgroup)) return SysResult<Cgroup>::failure(EDEADLK);
    for (const ProcessIndex member : members_of(process.cgroup)) {
      const Process& other = table_->processes[member];
      const bool is_visible = other.pid_namespace == me().pid_namespace && other.visibility == Visibility::full;
      if (!is_visible || other.start < process.start) return SysResult<Cgroup>::failure(EBUSY);
    }
    const std::uint32_t number = MemoryDisk::lowest_free(table_->cgroups, this->process() * 1024U + 1);
    table_->cgroups[number] = {this->process(), process.cgroup};
    return {Cgroup{number}, 0};
  }
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup& cgroup, Signal signal) noexcept {
    const CallOutcome gate = enter(Call::signal_cgroup);
    if (gate.error != 0) return {gate.error};
    const std::vector<ProcessIndex> inside = members_of(cgroup);
    bool allowed = false;
    for (const ProcessIndex member : inside) {
      if (signal == Signal::terminate && !may_signal(member)) continue;
      allowed = true;
      table_->deliver(time(), process(), member, signal, true);
    }
    settle();
    if (signal == Signal::kill) return {};
    return {inside.empty() ? ESRCH : allowed ? 0 : EPERM};
  }
  [[nodiscard]] bool cgroup_lives(const Cgroup& cgroup) noexcept {
    return enter(Call::cgroup_lives).error != 0 || !members_of(cgroup).empty();
  }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup& cgroup, NamedProcess* out, std::size_t count) noexcept {
    if (enter(Call::cgroup_members).error != 0) return 0;
    return tell(members_of(cgroup), out, count);
  }
  void close_cgroup(const Cgroup& cgroup) noexcept {
    if (enter(Call::close_cgroup).error != ghost_error) table_->cgroups.erase(cgroup.number);
  }
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    const CallOutcome gate = enter(Call::wait_process);
    ProcessIndex target = 0;
    if (const int error = pinned(gate, handle, target); error != 0) return SysResult<bool>::failure(error);
    const bool ended = time().block(process(), span, [&] { return time().ended(target); });
    settle();
    if (is_ghost()) return SysResult<bool>::failure(ghost_error);
    return {ended, 0};
  }
  void close(const Handle& handle) noexcept {
    if (enter(Call::close_process).error != ghost_error) table_->pins.erase(handle.number);
  }
  /// Without rights over a process, as without /proc, its descriptors cannot be seen.
  [[nodiscard]] bool holds_lock(Pid pid, FileIdentity file, std::uint64_t offset) noexcept {
    const CallOutcome gate = enter(Call::holds_lock);
    if (gate.error != 0) return false;
    for (const ProcessIndex index : visible_holders(file, offset)) {
      if (table_->processes[index].pid == pid) return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t lock_holders(FileIdentity file, std::uint64_t offset, LockHolder* out,
                                         std::size_t count) noexcept {
    const CallOutcome gate = enter(Call::lock_holders);
    if (gate.error != 0) return 0;
    return tell(visible_holders(file, offset), out, count);
  }

  /// Handles and cgroups that this process has open.
  [[nodiscard]] std::size_t open_count() const {
    std::size_t count = 0;
    for (const auto& [number, pin] : table_->pins) {
      if (pin.owner == process()) ++count;
    }
    for (const auto& [number, pin] : table_->cgroups) {
      if (pin.owner == process()) ++count;
    }
    return count;
  }

 private:
  [[nodiscard]] CallOutcome enter(Call call) const {
    const CallOutcome gate = View::enter(call);
    settle();
    return gate;
  }
  void settle() const {
    if (disk_ != nullptr) disk_->settle(time());
  }
  [[nodiscard]] bool find(Pid pid, ProcessIndex& index) const {
    return table_->find(time(), me().pid_namespace, pid, index);
  }
  [[nodiscard]] Pid parent_of(ProcessIndex index) const {
    const ProcessIndex parent = table_->parent(time(), index);
    return parent == index ? 0 : pid_of(parent);
  }
  /// As we see it.
  [[nodiscard]] Pid pid_of(ProcessIndex index) const {
    const Process& other = table_->processes[index];
    return other.pid_namespace == me().pid_namespace ? other.pid : 0;
  }
  [[nodiscard]] ProcessState state(ProcessIndex index) const { return table_->state(time(), index); }
  [[nodiscard]] std::vector<ProcessIndex> visible_holders(FileIdentity file, std::uint64_t offset) const {
    std::vector<ProcessIndex> result;
    if (disk_ == nullptr || !table_->has_proc) return result;
    for (const ProcessIndex index : disk_->lock_holders(file, offset)) {
      const Process& holder = table_->processes[index];
      if (holder.pid_namespace == me().pid_namespace && may_signal(index) && holder.visibility == Visibility::full) {
        result.push_back(index);
      }
    }
    return result;
  }
  [[nodiscard]] bool may_signal(ProcessIndex target) const {
    return me().user == 0 || me().user == table_->processes[target].user;
  }
  /// Returns: who is in the group of the pinned process, zombies included; where handles do not reach groups, who is in
  /// the group of that number.
  [[nodiscard]] std::vector<ProcessIndex> members(ProcessIndex pin, Pid pid) const {
    std::vector<ProcessIndex> result;
    for (ProcessIndex at = 0; at < table_->processes.size(); ++at) {
      const Process& member = table_->processes[at];
      const bool belongs = table_->has_group_handles ? member.leader == pin
                                                     : table_->processes[member.leader].pid == pid &&
                                                           member.pid_namespace == me().pid_namespace;
      if (belongs && state(at) != ProcessState::gone) result.push_back(at);
    }
    return result;
  }
  /// Whether cgroup `inner` is `outer` or below it.
  [[nodiscard]] static bool lies_in(const std::string& inner, const std::string& outer) {
    return inner == outer || inner.compare(0, outer.size() + 1, outer + '/') == 0;
  }
  /// Returns: who runs in the cgroup or below it. Zombies are in none.
  [[nodiscard]] std::vector<ProcessIndex> members_of(const std::string& path) const {
    std::vector<ProcessIndex> result;
    for (ProcessIndex at = 0; at < table_->processes.size(); ++at) {
      if (lies_in(table_->processes[at].cgroup, path) && state(at) == ProcessState::alive) result.push_back(at);
    }
    return result;
  }
  [[nodiscard]] std::vector<ProcessIndex> members_of(const Cgroup& cgroup) const {
    const auto pin = table_->cgroups.find(cgroup.number);
    return pin == table_->cgroups.end() ? std::vector<ProcessIndex>{} : members_of(pin->second.path);
  }
  /// Names those that run. Returns: how many.
  [[nodiscard]] std::size_t tell(const std::vector<ProcessIndex>& all, NamedProcess* out, std::size_t count) const {
    std::size_t found = 0;
    for (const ProcessIndex index : all) {
      const Process& process = table_->processes[index];
      if (found == count || state(index) != ProcessState::alive) continue;
      out[found++] = {process.pid, known_start(process.start), FixedText<31>{Text{process.name}}};
    }
    return found;
  }
  [[nodiscard]] int pinned(const CallOutcome& gate, const Handle& handle, ProcessIndex& target) const {
    if (gate.error != 0) return gate.error;
    const auto pin = table_->pins.find(handle.number);
    if (pin == table_->pins.end()) return EBADF;
    target = pin->second.target;
    return 0;
  }

  ProcessTable* table_;
  MemoryDisk* disk_;
};

static_assert(ProcessProbePolicy<FakeProcesses>);

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_FAKE_PROCESSES_HPP
