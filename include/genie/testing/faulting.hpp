// Real policies that fail on demand: decorators over any clock, process probe, filesystem and launcher which count
// their calls, let the N-th fail, transfer less, or kill the process there. For tests on the real system what
// `CallScript` is for those in memory.
//
//   FaultPlan plan;
//   plan.fail(Call::write_at, ENOSPC);
//   ServeGuard guard{"/tmp/state", {}, Faulting<SystemClock>{plan}, Faulting<SystemProcessProbe>{plan},
//                    Faulting<SystemFilesystem>{plan}};
//
// A failing call has no effect, with one exception: `close` closes, as Linux does when it reports an error. What can't
// report an error answers that it knows nothing: `look` with liveness unknown and the error, `origin` with an empty
// one and the error, unless it is EINTR, `leads_group` and `holds_lock` with false, `group_lives` and `cgroup_lives`
// with true, `lock_holders`, `group_members` and `cgroup_members` with 0; `sleep` returns at once. `wall`, `monotonic`,
// `coarse`, `self`, `user` and `random` are counted, and can be died at, but never fail. A launcher's `pid` asks
// nobody, and is not counted.
//
// Does not model: a call that takes effect and reports failure nevertheless, and so the end of a child that could not
// execute its program: after a failing `let_go` it is still held.
#ifndef GENIE_TESTING_FAULTING_HPP
#define GENIE_TESTING_FAULTING_HPP

#include <signal.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "genie/policy/clock.hpp"
#include "genie/policy/filesystem.hpp"
#include "genie/policy/launcher.hpp"
#include "genie/policy/process_probe.hpp"
#include "genie/testing/calls.hpp"
#include "genie/testing/manual_clock.hpp"
#if defined(_WIN32)
#include "genie/windows/process_probe.hpp"
#endif

namespace genie::inline v0::testing {

/// What is to happen to the calls of one process, and their account. Shared by its `Faulting` policies, which must not
/// outlive it. A forked child has a copy, and goes on counting from there. No call allocates. Thread safety: one thread
/// at a time.
class FaultPlan {
 public:
  static constexpr std::size_t capacity = 16;  ///< faults that can be planned at once

  std::function<void(const CallEvent&)> before_call;  ///< before every call; must not throw
  /// Called instead of dying. Where it returns, this call and all later ones fail with EOWNERDEAD and do nothing: what
  /// the process had open stays open until it really ends.
  std::function<void()> on_death;

  FaultPlan() = default;
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  /// From now on, the `occurrence`-th call (from 1) of that kind, or of all with `Call::any`, and `times - 1` calls
  /// after it fail with `error`.
  void fail(Call call, int error, std::uint64_t occurrence = 1, std::uint64_t times = 1) {
    add({call, count(call) + occurrence, times, {error, SIZE_MAX}, false});
  }
  /// The same, but the calls transfer at most `bytes`. Of `Call::any`, those that transfer at all.
  void shorten(Call call, std::size_t bytes, std::uint64_t occurrence = 1, std::uint64_t times = 1) {
    add({call, count(call) + occurrence, times, {0, bytes}, false});
  }
  /// The process ends itself by SIGKILL just before that call; or see `on_death`.
  void die(Call call = Call::any, std::uint64_t occurrence = 1) { add({call, count(call) + occurrence, 1, {}, true}); }
  /// Forgets faults, counts, hooks, and that it died.
  void clear() {
    before_call = nullptr;
    on_death = nullptr;
    planned_ = 0;
    is_dead_ = false;
    counts_.fill(0);
  }

  /// Returns: how often that kind of call was made, or all of them.
  [[nodiscard]] std::uint64_t count(Call call = Call::any) const noexcept {
    return counts_[static_cast<std::size_t>(call)];
  }
  /// Whether a fault has "killed" the process: no later call does anything.
  [[nodiscard]] bool is_dead() const noexcept { return is_dead_; }

  /// For the decorators: accounts for a call, and says what is to become of it.
  [[nodiscard]] CallOutcome enter(Call call, Text name = {}) noexcept {
    if (is_dead_) return {ghost_error, 0};
    const std::uint64_t number = ++counts_[0];
    const CallEvent event{0, call, number, ++counts_[static_cast<std::size_t>(call)], name};
    if (before_call) before_call(event);
    CallOutcome outcome;
    for (std::size_t at = 0; at < planned_; ++at) {
      const Fault& fault = faults_[at];
      if (fault.call != Call::any && fault.call != call) continue;
      const std::uint64_t reached = fault.call == Call::any ? event.number : event.occurrence;
      if (reached < fault.first || reached - fault.first >= fault.times) continue;
      if (fault.kills) {
        end();
        return {ghost_error, 0};
      }
      if (fault.outcome.error != 0) outcome.error = fault.outcome.error;
      if (fault.outcome.limit < outcome.limit) outcome.limit = fault.outcome.limit;
    }
    return outcome;
  }

 private:
  struct Fault {
    Call call = Call::any;
    std::uint64_t first = 0;
    std::uint64_t times = 0;
    CallOutcome outcome;
    bool kills = false;
  };
  void add(const Fault& fault) {
    assert(planned_ < capacity && "clear() forgets earlier faults");
    if (planned_ < capacity) faults_[planned_++] = fault;
  }
  void end() noexcept {
    if (!on_death) end_process();
    is_dead_ = true;
    if (on_death) on_death();
  }

  static void end_process() noexcept {
#if defined(_WIN32)
    ::TerminateProcess(windows_detail::own_process(), WindowsProcessProbe::killed_status);
#else
    (void)::raise(SIGKILL);
#endif
  }

  std::array<std::uint64_t, call_count> counts_{};
  std::array<Fault, capacity> faults_{};
  std::size_t planned_ = 0;
  bool is_dead_ = false;
};

/// A policy `P` under a plan: a clock, a process probe, a filesystem or a launcher, and the same kind of policy itself.
template <typename P>
class Faulting;

namespace detail {

/// What is a launcher for some filesystem. See `LauncherPolicy`.
template <typename L>
concept StartsChildren = requires { typename L::Child; };

}  // namespace detail

template <ClockPolicy P>
class Faulting<P> {
 public:
  explicit Faulting(FaultPlan& plan, P policy = P{}) noexcept : plan_{&plan}, policy_{static_cast<P&&>(policy)} {}

  /// The plan that it follows.
  [[nodiscard]] FaultPlan& plan() const noexcept { return *plan_; }

  [[nodiscard]] Milliseconds wall() noexcept {
    (void)plan_->enter(Call::wall);
    return policy_.wall();
  }
  [[nodiscard]] Milliseconds monotonic() noexcept {
    (void)plan_->enter(Call::monotonic);
    return policy_.monotonic();
  }
  [[nodiscard]] Milliseconds coarse() noexcept {
    (void)plan_->enter(Call::coarse);
    return policy_.coarse();
  }
  void sleep(Milliseconds span) noexcept {
    if (plan_->enter(Call::sleep).error == 0) (void)policy_.sleep(span);
  }

 private:
  FaultPlan* plan_;
  P policy_;
};

template <ProcessProbePolicy P>
class Faulting<P> {
 public:
  using Handle = typename P::Handle;
  using Cgroup = typename P::Cgroup;
  static constexpr Pid pid_limit = P::pid_limit;

  explicit Faulting(FaultPlan& plan, P policy = P{}) noexcept : plan_{&plan}, policy_{static_cast<P&&>(policy)} {}

  /// The plan that it follows.
  [[nodiscard]] FaultPlan& plan() const noexcept { return *plan_; }

  [[nodiscard]] Pid self() noexcept {
    (void)plan_->enter(Call::self);
    return policy_.self();
  }
  [[nodiscard]] Observation look(Pid pid) noexcept {
    Observation seen;
    seen.error = plan_->enter(Call::look).error;
    return seen.error != 0 ? seen : policy_.look(pid);
  }
  [[nodiscard]] ProcessOrigin origin() noexcept {
    ProcessOrigin origin;
    const int error = plan_->enter(Call::origin).error;
    if (error != EINTR) origin.error = error;
    return origin.error != 0 ? origin : policy_.origin();
  }
  /// Not counted: it belongs to `origin`.
  [[nodiscard]] StartToken own_start() noexcept
    requires requires(P& policy) { policy.own_start(); }
  {
    return policy_.own_start();
  }
  [[nodiscard]] std::uint64_t user() noexcept {
    (void)plan_->enter(Call::user);
    return policy_.user();
  }
  [[nodiscard]] std::uint64_t random() noexcept {
    (void)plan_->enter(Call::random);
    return policy_.random();
  }
  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    if (const int error = plan_->enter(Call::open_process).error; error != 0) return SysResult<Handle>::failure(error);
    return policy_.open(pid);
  }
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept {
    if (const int error = plan_->enter(Call::signal).error; error != 0) return {error};
    return policy_.signal(handle, signal);
  }
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    return plan_->enter(Call::leads_group).error == 0 && policy_.leads_group(pid);
  }
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    if (const int error = plan_->enter(Call::signal_group).error; error != 0) return {error};
    return policy_.signal_group(handle, pid, signal);
  }
  [[nodiscard]] bool group_lives(const Handle& handle, Pid pid) noexcept {
    return plan_->enter(Call::group_lives).error != 0 || policy_.group_lives(handle, pid);
  }
  [[nodiscard]] std::size_t group_members(const Handle& handle, Pid pid, NamedProcess* out,
                                          std::size_t count) noexcept {
    if (plan_->enter(Call::group_members).error != 0) return 0;
    return policy_.group_members(handle, pid, out, count);
  }
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid pid) noexcept {
    if (const int error = plan_->enter(Call::open_cgroup).error; error != 0) return SysResult<Cgroup>::failure(error);
    return policy_.open_cgroup(pid);
  }
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup& cgroup, Signal signal) noexcept {
    if (const int error = plan_->enter(Call::signal_cgroup).error; error != 0) return {error};
    return policy_.signal_cgroup(cgroup, signal);
  }
  [[nodiscard]] bool cgroup_lives(const Cgroup& cgroup) noexcept {
    return plan_->enter(Call::cgroup_lives).error != 0 || policy_.cgroup_lives(cgroup);
  }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup& cgroup, NamedProcess* out, std::size_t count) noexcept {
    if (plan_->enter(Call::cgroup_members).error != 0) return 0;
    return policy_.cgroup_members(cgroup, out, count);
  }
  void close_cgroup(const Cgroup& cgroup) noexcept {
    if (plan_->enter(Call::close_cgroup).error != ghost_error) (void)policy_.close_cgroup(cgroup);
  }
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::wait_process).error; error != 0) return SysResult<bool>::failure(error);
    return policy_.wait(handle, span);
  }
  void close(const Handle& handle) noexcept {
    if (plan_->enter(Call::close_process).error != ghost_error) (void)policy_.close(handle);
  }
  [[nodiscard]] bool holds_lock(Pid pid, FileIdentity file, std::uint64_t offset) noexcept {
    return plan_->enter(Call::holds_lock).error == 0 && policy_.holds_lock(pid, file, offset);
  }
  [[nodiscard]] std::size_t lock_holders(FileIdentity file, std::uint64_t offset, LockHolder* out,
                                         std::size_t count) noexcept {
    if (plan_->enter(Call::lock_holders).error != 0) return 0;
    return policy_.lock_holders(file, offset, out, count);
  }

 private:
  FaultPlan* plan_;
  P policy_;
};

template <FilesystemPolicy P>
class Faulting<P> {
 public:
  using File = typename P::File;
  using Watch = typename P::Watch;
  static constexpr std::size_t socket_path_limit = P::socket_path_limit;

  explicit Faulting(FaultPlan& plan, P policy = P{}) noexcept : plan_{&plan}, policy_{static_cast<P&&>(policy)} {}

  /// The plan that it follows.
  [[nodiscard]] FaultPlan& plan() const noexcept { return *plan_; }

  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    if (const int error = plan_->enter(Call::make_directory, path).error; error != 0) return {error};
    return policy_.make_directory(path, permissions);
  }
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    if (const int error = plan_->enter(Call::open_directory, path).error; error != 0) return failed(error);
    return policy_.open_directory(path);
  }
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    if (const int error = plan_->enter(Call::open, name).error; error != 0) return failed(error);
    return policy_.open(directory, name, mode, permissions);
  }
  [[nodiscard]] SysResult<File> inherited() noexcept {
    if (const int error = plan_->enter(Call::inherited).error; error != 0) return failed(error);
    return policy_.inherited();
  }
  [[nodiscard]] SysResult<File> create_unnamed(File directory, std::uint32_t permissions) noexcept {
    if (const int error = plan_->enter(Call::create_unnamed).error; error != 0) return failed(error);
    return policy_.create_unnamed(directory, permissions);
  }
  [[nodiscard]] SysResult<void> link_unnamed(File unnamed, File directory, const char* name) noexcept {
    if (const int error = plan_->enter(Call::link_unnamed, name).error; error != 0) return {error};
    return policy_.link_unnamed(unnamed, directory, name);
  }
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    if (const int error = plan_->enter(Call::rename, from).error; error != 0) return {error};
    return policy_.rename(directory, from, to);
  }
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    if (const int error = plan_->enter(Call::rename_new, from).error; error != 0) return {error};
    return policy_.rename_new(directory, from, to);
  }
  [[nodiscard]] SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    if (const int error = plan_->enter(Call::exchange, one).error; error != 0) return {error};
    return policy_.exchange(directory, one, other);
  }
  [[nodiscard]] SysResult<void> link(File directory, const char* from, const char* to) noexcept
    requires requires(P& files) { files.link(directory, from, to); }
  {
    if (const int error = plan_->enter(Call::link, from).error; error != 0) return {error};
    return policy_.link(directory, from, to);
  }
  [[nodiscard]] SysResult<void> unlink_file(File directory, const char* name, File file) noexcept
    requires requires(P& files) { files.unlink_file(directory, name, file); }
  {
    if (const int error = plan_->enter(Call::unlink_file, name).error; error != 0) return {error};
    return policy_.unlink_file(directory, name, file);
  }
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    if (const int error = plan_->enter(Call::unlink, name).error; error != 0) return {error};
    return policy_.unlink(directory, name);
  }
  [[nodiscard]] SysResult<FileInfo> stat(File file) noexcept {
    if (const int error = plan_->enter(Call::stat).error; error != 0) return SysResult<FileInfo>::failure(error);
    return policy_.stat(file);
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    if (const int error = plan_->enter(Call::stat_at, name).error; error != 0) {
      return SysResult<FileInfo>::failure(error);
    }
    return policy_.stat_at(directory, name);
  }
  [[nodiscard]] SysResult<std::size_t> read_at(File file, void* to, std::size_t count, std::uint64_t offset) noexcept {
    const CallOutcome outcome = plan_->enter(Call::read_at);
    if (outcome.error != 0) return SysResult<std::size_t>::failure(outcome.error);
    return policy_.read_at(file, to, count < outcome.limit ? count : outcome.limit, offset);
  }
  [[nodiscard]] SysResult<std::size_t> write_at(File file, const void* from, std::size_t count,
                                                std::uint64_t offset) noexcept {
    const CallOutcome outcome = plan_->enter(Call::write_at);
    if (outcome.error != 0) return SysResult<std::size_t>::failure(outcome.error);
    return policy_.write_at(file, from, count < outcome.limit ? count : outcome.limit, offset);
  }
  [[nodiscard]] SysResult<void> sync(File file) noexcept {
    if (const int error = plan_->enter(Call::sync).error; error != 0) return {error};
    return policy_.sync(file);
  }
  [[nodiscard]] SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (const int error = plan_->enter(Call::try_lock).error; error != 0) return {error};
    return policy_.try_lock(file, offset, length);
  }
  [[nodiscard]] SysResult<void> unlock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (const int error = plan_->enter(Call::unlock).error; error != 0) return {error};
    return policy_.unlock(file, offset, length);
  }
  [[nodiscard]] SysResult<LockQuery> query_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (const int error = plan_->enter(Call::query_lock).error; error != 0) return SysResult<LockQuery>::failure(error);
    return policy_.query_lock(file, offset, length);
  }
  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    if (const int error = plan_->enter(Call::for_each_name).error; error != 0) return {error};
    return policy_.for_each_name(directory, static_cast<Visit&&>(visit));
  }
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    if (const int error = plan_->enter(Call::watch, path).error; error != 0) return SysResult<Watch>::failure(error);
    return policy_.watch(path);
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::wait).error; error != 0) return SysResult<bool>::failure(error);
    return policy_.wait(watch, span);
  }
  void close_watch(Watch& watch) noexcept {
    if (plan_->enter(Call::close_watch).error != ghost_error) (void)policy_.close_watch(watch);
  }
  void close(File file) noexcept {
    if (plan_->enter(Call::close).error != ghost_error) (void)policy_.close(file);
  }

 private:
  [[nodiscard]] static SysResult<File> failed(int error) noexcept { return SysResult<File>::failure(error); }

  FaultPlan* plan_;
  P policy_;
};

template <detail::StartsChildren P>
class Faulting<P> {
 public:
  using Child = typename P::Child;

  explicit Faulting(FaultPlan& plan, P policy = P{}) noexcept : plan_{&plan}, policy_{static_cast<P&&>(policy)} {}

  /// The plan that it follows.
  [[nodiscard]] FaultPlan& plan() const noexcept { return *plan_; }

  template <typename File>
  [[nodiscard]] SysResult<Child> spawn(const LaunchPlan& plan, File file, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::spawn, plan.program).error; error != 0) {
      return SysResult<Child>::failure(error);
    }
    return policy_.spawn(plan, file, span);
  }
  [[nodiscard]] Pid pid(const Child& child) noexcept { return policy_.pid(child); }
  [[nodiscard]] SysResult<void> let_go(const Child& child, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::let_go).error; error != 0) return {error};
    return policy_.let_go(child, span);
  }
  template <typename Watch>
  [[nodiscard]] SysResult<LaunchEvent> wait(const Child& child, Watch& watch, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::wait_child).error; error != 0) {
      return SysResult<LaunchEvent>::failure(error);
    }
    return policy_.wait(child, watch, span);
  }
  [[nodiscard]] SysResult<void> kill(const Child& child, Signal signal) noexcept {
    if (const int error = plan_->enter(Call::kill_child).error; error != 0) return {error};
    return policy_.kill(child, signal);
  }
  [[nodiscard]] SysResult<ProcessExit> reap(const Child& child, Milliseconds span) noexcept {
    if (const int error = plan_->enter(Call::reap_child).error; error != 0) {
      return SysResult<ProcessExit>::failure(error);
    }
    return policy_.reap(child, span);
  }
  void close(const Child& child) noexcept {
    if (plan_->enter(Call::close_child).error != ghost_error) (void)policy_.close(child);
  }

 private:
  FaultPlan* plan_;
  P policy_;
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_FAULTING_HPP
