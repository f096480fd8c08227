// What a test can do with the policy calls of one simulated process: count them, see them, act just before one of them,
// let one fail, transfer less, or end the process there.
//
// Models: a failing call has no effect; calls are counted over all policies of a process together and one by one.
//
// Does not model: a call that takes effect and reports failure nevertheless.
#ifndef GENIE_TESTING_CALLS_HPP
#define GENIE_TESTING_CALLS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "genie/text.hpp"

namespace genie::inline v0::testing {

/// Number of a simulated process in its machine's table. Never used again, unlike its PID.
using ProcessIndex = std::uint32_t;

/// The calls of the policies, and what a program under exploration may do besides (`explored.hpp`).
enum class Call : std::uint8_t {
  any,
  wall,
  monotonic,
  coarse,
  sleep,
  self,
  look,
  origin,
  user,
  random,
  open_process,
  signal,
  leads_group,
  signal_group,
  group_lives,
  group_members,
  open_cgroup,
  signal_cgroup,
  cgroup_lives,
  cgroup_members,
  close_cgroup,
  wait_process,
  close_process,
  holds_lock,
  lock_holders,
  make_directory,
  open_directory,
  open,
  inherited,
  create_unnamed,
  link_unnamed,
  rename,
  rename_new,
  exchange,
  link,
  unlink_file,
  unlink,
  stat,
  stat_at,
  read_at,
  write_at,
  sync,
  try_lock,
  unlock,
  query_lock,
  for_each_name,
  watch,
  wait,
  close_watch,
  close,
  spawn,
  let_go,
  wait_child,
  kill_child,
  reap_child,
  close_child,
  stay,
  await_terminate,
  fork,
  bind,
};
/// How many kinds of calls there are, `any` included.
inline constexpr std::size_t call_count = static_cast<std::size_t>(Call::bind) + 1;
/// Their names, in the order of the enumeration.
inline constexpr std::array call_names{"any",
                                       "wall",
                                       "monotonic",
                                       "coarse",
                                       "sleep",
                                       "self",
                                       "look",
                                       "origin",
                                       "user",
                                       "random",
                                       "open_process",
                                       "signal",
                                       "leads_group",
                                       "signal_group",
                                       "group_lives",
                                       "group_members",
                                       "open_cgroup",
                                       "signal_cgroup",
                                       "cgroup_lives",
                                       "cgroup_members",
                                       "close_cgroup",
                                       "wait_process",
                                       "close_process",
                                       "holds_lock",
                                       "lock_holders",
                                       "make_directory",
                                       "open_directory",
                                       "open",
                                       "inherited",
                                       "create_unnamed",
                                       "link_unnamed",
                                       "rename",
                                       "rename_new",
                                       "exchange",
                                       "link",
                                       "unlink_file",
                                       "unlink",
                                       "stat",
                                       "stat_at",
                                       "read_at",
                                       "write_at",
                                       "sync",
                                       "try_lock",
                                       "unlock",
                                       "query_lock",
                                       "for_each_name",
                                       "watch",
                                       "wait",
                                       "close_watch",
                                       "close",
                                       "spawn",
                                       "let_go",
                                       "wait_child",
                                       "kill_child",
                                       "reap_child",
                                       "close_child",
                                       "stay",
                                       "await_terminate",
                                       "fork",
                                       "bind"};
static_assert(call_names.size() == call_count);

/// Returns: the name of that kind of call.
[[nodiscard]] constexpr const char* name_of(Call call) noexcept { return call_names[static_cast<std::size_t>(call)]; }

/// One policy call that is about to happen.
struct CallEvent {
  ProcessIndex process = 0;
  Call call = Call::any;
  std::uint64_t number = 0;      ///< among all calls of the process, from 1
  std::uint64_t occurrence = 0;  ///< among its calls of this kind, from 1
  Text name;                     ///< file name or path, where the call has one
};

/// What a call must do instead of its work: fail, or transfer no more than `limit` bytes.
struct CallOutcome {
  int error = 0;
  std::size_t limit = SIZE_MAX;
};

/// The plan for one process, and the account of what it called. Hooks run inside calls that must not throw, so they
/// must not throw either (CHECK instead of REQUIRE). A hook may use every fake, even end the process that calls.
class CallScript {
 public:
  std::function<void(const CallEvent&)> before_call;       ///< before every call
  std::function<int(const CallEvent&)> decide;             ///< returns the errno that the call fails with, or 0
  std::map<std::uint64_t, std::function<void()>> at_call;  ///< before the call with that number
  bool keeps_log = true;

  /// From now on, the `occurrence`-th call (from 1) and `times - 1` calls after it fail with `error`.
  void fail(Call call, int error, std::uint64_t occurrence = 1, std::uint64_t times = 1) {
    add({call, count(call) + occurrence, times, {error, SIZE_MAX}});
  }
  /// The same, but the calls transfer at most `bytes`.
  void shorten(Call call, std::size_t bytes, std::uint64_t occurrence = 1, std::uint64_t times = 1) {
    add({call, count(call) + occurrence, times, {0, bytes}});
  }
  /// Forgets hooks, failures, counts and log.
  void clear() { *this = CallScript{}; }

  /// Returns: how often that kind of call was made, or all of them.
  [[nodiscard]] std::uint64_t count(Call call = Call::any) const { return counts_[static_cast<std::size_t>(call)]; }
  /// Returns: every call as "open serve.pid", in order.
  [[nodiscard]] const std::vector<std::string>& log() const noexcept { return log_; }

  /// For the fakes: accounts for a call.
  CallEvent note(ProcessIndex process, Call call, Text name) {
    if (keeps_log) {
      log_.emplace_back(name_of(call));
      if (!name.empty()) log_.back().append(1, ' ').append(name.data(), name.size());
    }
    const std::uint64_t number = ++counts_[0];
    return {process, call, number, ++counts_[static_cast<std::size_t>(call)], name};
  }
  /// For the fakes: runs the hooks of this process.
  void run_hooks(const CallEvent& event) const {
    if (const auto hook = before_call; hook) hook(event);
    if (const auto found = at_call.find(event.number); found != at_call.end()) {
      if (const auto hook = found->second; hook) hook();
    }
  }
  /// What is scripted for a call that is about to be made.
  [[nodiscard]] CallOutcome outcome(const CallEvent& event) const {
    CallOutcome result;
    for (const Fault& fault : faults_) {
      const std::uint64_t number = fault.call == Call::any ? event.number : event.occurrence;
      if (fault.call != Call::any && fault.call != event.call) continue;
      if (number < fault.first || number - fault.first >= fault.times) continue;
      if (fault.outcome.error != 0) result.error = fault.outcome.error;
      if (fault.outcome.limit < result.limit) result.limit = fault.outcome.limit;
    }
    if (result.error == 0 && decide) result.error = decide(event);
    return result;
  }

 private:
  struct Fault {
    Call call;
    std::uint64_t first;
    std::uint64_t times;
    CallOutcome outcome;
  };
  void add(const Fault& fault) { faults_.push_back(fault); }

  std::array<std::uint64_t, call_count> counts_{};
  std::vector<Fault> faults_;
  std::vector<std::string> log_;
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_CALLS_HPP
