// The policies for code under exploration: each call stops at a gate, where an explorer decides what happens
// before it goes on.
#ifndef GENIE_TESTING_EXPLORED_HPP
#define GENIE_TESTING_EXPLORED_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "genie/testing/request.hpp"

namespace genie::inline v0::testing {

class Actor;

namespace detail {

/// Where the calls of one explored program arrive. Once it answers with `ghost_error`, nothing that the program does
/// has an effect any more: it was ended there, or is only run to its end to free what it holds.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  virtual ~Gate() = default;

  /// Returns: the answer to a call of that kind, where it is known from an earlier run of the program; else null.
  virtual const Response* known(Call call) noexcept = 0;
  virtual const Response& ask(Request&& request) noexcept = 0;

  /// For a program that has ended: time flies, so that each of its waits comes to an end.
  [[nodiscard]] const Response& ghost(const Request& request) noexcept {
    // A loop that goes on whatever its calls answer would never let go of what the program holds.
    constexpr std::uint64_t patience = 1'000'000;
    if (++ghost_calls_ > patience) std::abort();
    ghost_time_ += 1 + static_cast<std::uint64_t>(request.span.count() > 0 ? request.span.count() : 0);
    ghost_answer_ = Response::failure(ghost_error);
    ghost_answer_.seen.error = ghost_error;
    ghost_answer_.number = ghost_time_;
    return ghost_answer_;
  }

 private:
  std::uint64_t ghost_calls_ = 0;
  std::uint64_t ghost_time_ = 1U << 30U;
  Response ghost_answer_;
};

/// What the policies have in common.
class GateView {
 public:
  GateView(Gate& gate, const ProcessIndex& as) noexcept : gate_{&gate}, as_{&as} {}

 protected:
  /// `fill` completes the request; it is not called where the answer is known already.
  template <typename Fill>
  [[nodiscard]] const Response& ask(Call call, Fill fill) const noexcept {
    if (const Response* const known = gate_->known(call); known != nullptr) return *known;
    Request request;
    request.call = call;
    request.as = *as_;
    fill(request);
    return gate_->ask(static_cast<Request&&>(request));
  }
  [[nodiscard]] const Response& ask(Call call) const noexcept {
    return ask(call, [](Request&) {});
  }

 private:
  Gate* gate_;
  const ProcessIndex* as_;
};

}  // namespace detail

/// The clock policy under exploration.
class ExploredClock : public detail::GateView {
 public:
  using GateView::GateView;

  [[nodiscard]] Milliseconds wall() noexcept { return span_of(ask(Call::wall)); }
  [[nodiscard]] Milliseconds monotonic() noexcept { return span_of(ask(Call::monotonic)); }
  [[nodiscard]] Milliseconds coarse() noexcept { return span_of(ask(Call::coarse)); }
  void sleep(Milliseconds span) noexcept {
    (void)ask(Call::sleep, [&](Request& request) { request.span = span; });
  }

 private:
  [[nodiscard]] static Milliseconds span_of(const Response& response) noexcept {
    return Milliseconds{static_cast<std::int64_t>(response.number)};
  }
};

/// The process-probe policy under exploration.
class ExploredProcesses : public detail::GateView {
 public:
  static constexpr Pid pid_limit = FakeProcesses::pid_limit;
  using Handle = FakeProcesses::Handle;
  using Cgroup = FakeProcesses::Cgroup;
  using GateView::GateView;

  [[nodiscard]] Pid self() noexcept { return static_cast<Pid>(ask(Call::self).number); }
  [[nodiscard]] Observation look(Pid pid) noexcept {
    return ask(Call::look, [&](Request& request) { request.first = static_cast<std::uint64_t>(pid); }).seen;
  }
  [[nodiscard]] ProcessOrigin origin() noexcept { return ask(Call::origin).origin; }
  [[nodiscard]] std::uint64_t user() noexcept { return ask(Call::user).number; }
  [[nodiscard]] std::uint64_t random() noexcept { return ask(Call::random).number; }
  [[nodiscard]] SysResult<Handle> open(Pid pid) noexcept {
    const Response& response =
        ask(Call::open_process, [&](Request& request) { request.first = static_cast<std::uint64_t>(pid); });
    if (response.error != 0) return SysResult<Handle>::failure(response.error);
    return {Handle{static_cast<std::uint32_t>(response.number)}, 0};
  }
  [[nodiscard]] SysResult<void> signal(const Handle& handle, Signal signal) noexcept {
    const Response& response = ask(Call::signal, [&](Request& request) {
      request.file = static_cast<int>(handle.number);
      request.signal = signal;
    });
    return {response.error};
  }
  [[nodiscard]] bool leads_group(Pid pid) noexcept {
    const Response& response =
        ask(Call::leads_group, [&](Request& request) { request.first = static_cast<std::uint64_t>(pid); });
    return response.error == 0 && response.number != 0;
  }
  [[nodiscard]] SysResult<void> signal_group(const Handle& handle, Pid pid, Signal signal) noexcept {
    const Response& response = ask(Call::signal_group, [&](Request& request) {
      request.file = static_cast<int>(handle.number);
      request.first = static_cast<std::uint64_t>(pid);
      request.signal = signal;
    });
    return {response.error};
  }
  [[nodiscard]] bool group_lives(const Handle& handle, Pid pid) noexcept {
    const Response& response = ask(Call::group_lives, [&](Request& request) {
      request.file = static_cast<int>(handle.number);
      request.first = static_cast<std::uint64_t>(pid);
    });
    return response.error != 0 || response.number != 0;
  }
  [[nodiscard]] std::size_t group_members(const Handle& handle, Pid pid, NamedProcess* out,
                                          std::size_t count) noexcept {
    return told(ask(Call::group_members,
                    [&](Request& request) {
                      request.file = static_cast<int>(handle.number);
                      request.first = static_cast<std::uint64_t>(pid);
                      request.third = count;
                    }),
                out);
  }
  [[nodiscard]] SysResult<Cgroup> open_cgroup(Pid pid) noexcept {
    const Response& response =
        ask(Call::open_cgroup, [&](Request& request) { request.first = static_cast<std::uint64_t>(pid); });
    if (response.error != 0) return SysResult<Cgroup>::failure(response.error);
    return {Cgroup{static_cast<std::uint32_t>(response.number)}, 0};
  }
  [[nodiscard]] SysResult<void> signal_cgroup(const Cgroup& cgroup, Signal signal) noexcept {
    const Response& response = ask(Call::signal_cgroup, [&](Request& request) {
      request.file = static_cast<int>(cgroup.number);
      request.signal = signal;
    });
    return {response.error};
  }
  [[nodiscard]] bool cgroup_lives(const Cgroup& cgroup) noexcept {
    const Response& response =
        ask(Call::cgroup_lives, [&](Request& request) { request.file = static_cast<int>(cgroup.number); });
    return response.error != 0 || response.number != 0;
  }
  [[nodiscard]] std::size_t cgroup_members(const Cgroup& cgroup, NamedProcess* out, std::size_t count) noexcept {
    return told(ask(Call::cgroup_members,
                    [&](Request& request) {
                      request.file = static_cast<int>(cgroup.number);
                      request.third = count;
                    }),
                out);
  }
  void close_cgroup(const Cgroup& cgroup) noexcept {
    (void)ask(Call::close_cgroup, [&](Request& request) { request.file = static_cast<int>(cgroup.number); });
  }
  [[nodiscard]] SysResult<bool> wait(const Handle& handle, Milliseconds span) noexcept {
    const Response& response = ask(Call::wait_process, [&](Request& request) {
      request.file = static_cast<int>(handle.number);
      request.span = span;
    });
    if (response.error != 0) return SysResult<bool>::failure(response.error);
    return {response.number != 0, 0};
  }
  void close(const Handle& handle) noexcept {
    (void)ask(Call::close_process, [&](Request& request) { request.file = static_cast<int>(handle.number); });
  }
  [[nodiscard]] bool holds_lock(Pid pid, FileIdentity file, std::uint64_t offset) noexcept {
    const Response& response = ask(Call::holds_lock, [&](Request& request) {
      request.first = file.inode;
      request.second = offset;
      request.third = static_cast<std::uint64_t>(pid);
    });
    return response.error == 0 && response.number != 0;
  }
  [[nodiscard]] std::size_t lock_holders(FileIdentity file, std::uint64_t offset, LockHolder* out,
                                         std::size_t count) noexcept {
    return told(ask(Call::lock_holders,
                    [&](Request& request) {
                      request.first = file.inode;
                      request.second = offset;
                      request.third = count;
                    }),
                out);
  }

 private:
  [[nodiscard]] static std::size_t told(const Response& response, NamedProcess* out) noexcept {
    for (std::size_t at = 0; at < response.holders.size(); ++at) out[at] = response.holders[at];
    return response.holders.size();
  }
};

/// The filesystem policy under exploration.
class ExploredFilesystem : public detail::GateView {
 public:
  using File = MemoryFilesystem::File;
  using Watch = MemoryFilesystem::Watch;
  static constexpr std::size_t socket_path_limit = MemoryFilesystem::socket_path_limit;
  using GateView::GateView;

  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    const Response& response = ask(Call::make_directory, [&](Request& request) {
      request.one = path;
      request.second = permissions;
    });
    return {response.error};
  }
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    return opened(ask(Call::open_directory, [&](Request& request) { request.one = path; }));
  }
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    return opened(ask(Call::open, [&](Request& request) {
      request.directory = directory.descriptor;
      request.one = name;
      request.mode = mode;
      request.second = permissions;
    }));
  }
  [[nodiscard]] SysResult<File> inherited() noexcept { return opened(ask(Call::inherited)); }
  [[nodiscard]] SysResult<File> create_unnamed(File directory, std::uint32_t permissions) noexcept {
    return opened(ask(Call::create_unnamed, [&](Request& request) {
      request.directory = directory.descriptor;
      request.second = permissions;
    }));
  }
  [[nodiscard]] SysResult<void> link_unnamed(File unnamed, File directory, const char* name) noexcept {
    const Response& response = ask(Call::link_unnamed, [&](Request& request) {
      request.file = unnamed.descriptor;
      request.directory = directory.descriptor;
      request.one = name;
    });
    return {response.error};
  }
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    return named(Call::rename, directory, from, to);
  }
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    return named(Call::rename_new, directory, from, to);
  }
  [[nodiscard]] SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    return named(Call::exchange, directory, one, other);
  }
  [[nodiscard]] SysResult<void> link(File directory, const char* from, const char* to) noexcept {
    return named(Call::link, directory, from, to);
  }
  [[nodiscard]] SysResult<void> unlink_file(File directory, const char* name, File file) noexcept {
    const Response& response = ask(Call::unlink_file, [&](Request& request) {
      request.file = file.descriptor;
      request.directory = directory.descriptor;
      request.one = name;
    });
    return {response.error};
  }
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    return named(Call::unlink, directory, name, "");
  }
  [[nodiscard]] SysResult<FileInfo> stat(File file) noexcept {
    return told(ask(Call::stat, [&](Request& request) { request.file = file.descriptor; }));
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    return told(ask(Call::stat_at, [&](Request& request) {
      request.directory = directory.descriptor;
      request.one = name;
    }));
  }
  [[nodiscard]] SysResult<std::size_t> read_at(File file, void* to, std::size_t count, std::uint64_t offset) noexcept {
    const Response& response = ask(Call::read_at, [&](Request& request) {
      request.file = file.descriptor;
      request.first = offset;
      request.second = count;
    });
    if (response.error != 0) return SysResult<std::size_t>::failure(response.error);
    return {response.bytes.copy(static_cast<char*>(to), count), 0};
  }
  [[nodiscard]] SysResult<std::size_t> write_at(File file, const void* from, std::size_t count,
                                                std::uint64_t offset) noexcept {
    const Response& response = ask(Call::write_at, [&](Request& request) {
      request.file = file.descriptor;
      request.one.assign(static_cast<const char*>(from), count);
      request.first = offset;
    });
    if (response.error != 0) return SysResult<std::size_t>::failure(response.error);
    return {static_cast<std::size_t>(response.number), 0};
  }
  [[nodiscard]] SysResult<void> sync(File file) noexcept {
    return {ask(Call::sync, [&](Request& request) { request.file = file.descriptor; }).error};
  }
  [[nodiscard]] SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    return {range(Call::try_lock, file, offset, length).error};
  }
  [[nodiscard]] SysResult<void> unlock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    return {range(Call::unlock, file, offset, length).error};
  }
  [[nodiscard]] SysResult<LockQuery> query_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    const Response& response = range(Call::query_lock, file, offset, length);
    if (response.error != 0) return SysResult<LockQuery>::failure(response.error);
    return {response.query, 0};
  }
  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    // A copy: the visitor may call us again.
    const Response response =
        ask(Call::for_each_name, [&](Request& request) { request.directory = directory.descriptor; });
    for (const std::string& name : response.names) visit(Text{name});
    return {response.error};
  }
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    const Response& response = ask(Call::watch, [&](Request& request) { request.one = path; });
    if (response.error != 0) return SysResult<Watch>::failure(response.error);
    return {Watch{static_cast<int>(response.number)}, 0};
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    const Response& response = ask(Call::wait, [&](Request& request) {
      request.file = watch.descriptor;
      request.span = span;
    });
    if (response.error != 0) return SysResult<bool>::failure(response.error);
    return {response.number != 0, 0};
  }
  void close_watch(Watch& watch) noexcept {
    (void)ask(Call::close_watch, [&](Request& request) { request.file = watch.descriptor; });
    watch.descriptor = -1;
  }
  void close(File file) noexcept {
    (void)ask(Call::close, [&](Request& request) { request.file = file.descriptor; });
  }

 private:
  [[nodiscard]] static SysResult<File> opened(const Response& response) noexcept {
    if (response.error != 0) return SysResult<File>::failure(response.error);
    return {File{static_cast<int>(response.number)}, 0};
  }
  [[nodiscard]] static SysResult<FileInfo> told(const Response& response) noexcept {
    if (response.error != 0) return SysResult<FileInfo>::failure(response.error);
    return {response.info, 0};
  }
  [[nodiscard]] SysResult<void> named(Call call, File directory, const char* one, const char* two) const noexcept {
    const Response& response = ask(call, [&](Request& request) {
      request.directory = directory.descriptor;
      request.one = one;
      request.two = two;
    });
    return {response.error};
  }
  [[nodiscard]] const Response& range(Call call, File file, std::uint64_t offset, std::uint64_t length) const noexcept {
    return ask(call, [&](Request& request) {
      request.file = file.descriptor;
      request.first = offset;
      request.second = length;
    });
  }
};

/// The launcher policy under exploration. A child runs the explored program that is `Program::launched` by that path;
/// of its plan, arguments and environment are not kept.
class ExploredLauncher : public detail::GateView {
 public:
  using Child = FakeLauncher::Child;
  using GateView::GateView;

  [[nodiscard]] SysResult<Child> spawn(const LaunchPlan& plan, MemoryFilesystem::File file, Milliseconds) noexcept {
    const Response& response = ask(Call::spawn, [&](Request& request) {
      request.one = plan.program;
      request.two = plan.directory;
      if (plan.log != nullptr) request.two.append(1, '\0').append(plan.log);
      request.file = file.descriptor;
      request.second = plan.file_mode_mask;
      request.third = plan.adopts_orphans ? 1 : 0;
    });
    if (response.error != 0) return SysResult<Child>::failure(response.error);
    return {Child{static_cast<ProcessIndex>(response.number), static_cast<Pid>(response.number >> 32U)}, 0};
  }
  [[nodiscard]] Pid pid(const Child& child) noexcept { return child.number; }
  [[nodiscard]] SysResult<void> let_go(const Child& child, Milliseconds) noexcept {
    return {ask_of(child, Call::let_go).error};
  }
  [[nodiscard]] SysResult<LaunchEvent> wait(const Child& child, MemoryFilesystem::Watch& watch,
                                            Milliseconds span) noexcept {
    const Response& response = ask_of(child, Call::wait_child, [&](Request& request) {
      request.directory = watch.descriptor;
      request.span = span;
    });
    if (response.error != 0) return SysResult<LaunchEvent>::failure(response.error);
    return {static_cast<LaunchEvent>(response.number), 0};
  }
  [[nodiscard]] SysResult<void> kill(const Child& child, Signal signal) noexcept {
    return {ask_of(child, Call::kill_child, [&](Request& request) { request.signal = signal; }).error};
  }
  [[nodiscard]] SysResult<ProcessExit> reap(const Child& child, Milliseconds span) noexcept {
    const Response& response = ask_of(child, Call::reap_child, [&](Request& request) { request.span = span; });
    if (response.error != 0) return SysResult<ProcessExit>::failure(response.error);
    return {ProcessExit{(response.number & 1U) != 0, static_cast<int>((response.number & UINT32_MAX) >> 1U),
                        static_cast<int>(response.number >> 32U)},
            0};
  }
  void close(const Child& child) noexcept { (void)ask_of(child, Call::close_child); }

 private:
  template <typename Fill>
  [[nodiscard]] const Response& ask_of(const Child& child, Call call, Fill fill) const noexcept {
    return ask(call, [&](Request& request) {
      request.file = static_cast<int>(child.process);
      request.first = static_cast<std::uint64_t>(child.number);
      fill(request);
    });
  }
  [[nodiscard]] const Response& ask_of(const Child& child, Call call) const noexcept {
    return ask_of(child, call, [](Request&) {});
  }
};

static_assert(ClockPolicy<ExploredClock> && ProcessProbePolicy<ExploredProcesses> &&
              FilesystemPolicy<ExploredFilesystem> && LauncherPolicy<ExploredLauncher, ExploredFilesystem>);

/// One explored process, as its program sees itself. A program must be deterministic given what its calls return, must
/// not keep anything between runs (it is run many times), and must end when its calls fail.
class Actor {
 public:
  explicit Actor(detail::Gate& gate) noexcept : gate_{&gate} {}
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  /// The clock that the program must use, as it must use the other policies: each call is a step of the exploration.
  [[nodiscard]] ExploredClock clock() const noexcept { return {*gate_, as_}; }
  /// The processes that it sees.
  [[nodiscard]] ExploredProcesses process() const noexcept { return {*gate_, as_}; }
  /// The files and locks that it sees.
  [[nodiscard]] ExploredFilesystem filesystem() const noexcept { return {*gate_, as_}; }
  /// The way in which it starts others of the exploration's programs.
  [[nodiscard]] ExploredLauncher launcher() const noexcept { return {*gate_, as_}; }

  /// What the program believes, for the oracles: any 64 bits. A change takes effect together with the call before it.
  std::uint64_t beliefs = 0;
  /// Notes for the oracles what the program believes from here on; each bit means what the exploration's author says.
  void believe(std::uint64_t bits) noexcept { beliefs |= bits; }
  /// Takes such a note back.
  void doubt(std::uint64_t bits) noexcept { beliefs &= ~bits; }

  /// What its process ends with where the program returns, for whoever launched it.
  int exit_status = 0;

  /// Does nothing for the rest of its life, as a server that nobody asks to end.
  void stay() noexcept { (void)ask(Call::stay, {}); }
  /// Waits until it is asked to end, which its `Reaction::catches_terminate` must allow, at most for `span`.
  /// Returns: whether it was.
  bool await_terminate(Milliseconds span = Milliseconds{INT64_MAX / 4}) noexcept {
    const Response& response = ask(Call::await_terminate, span);
    return response.error == 0 && response.number != 0;
  }
  /// Makes a socket at `path`, as by `bind(2)`. Returns: the number of its inode.
  [[nodiscard]] SysResult<std::uint64_t> bind(const char* path) noexcept {
    const Response* response = gate_->known(Call::bind);
    if (response == nullptr) {
      Request request;
      request.call = Call::bind;
      request.as = as_;
      request.one = path;
      response = &gate_->ask(static_cast<Request&&>(request));
    }
    return {response->number, response->error};
  }
  /// A child that shares the open files, as by `fork(2)`. It lives until the explorer ends it.
  /// Returns: what to give to `act_as`.
  [[nodiscard]] ProcessIndex fork() noexcept { return static_cast<ProcessIndex>(ask(Call::fork, {}).number); }
  /// From now on, calls are the child's; with 0, the process's own again.
  void act_as(ProcessIndex child) noexcept { as_ = child; }

 private:
  const Response& ask(Call call, Milliseconds span) noexcept {
    if (const Response* const known = gate_->known(call); known != nullptr) return *known;
    Request request;
    request.call = call;
    request.span = span;
    return gate_->ask(static_cast<Request&&>(request));
  }

  detail::Gate* gate_;
  ProcessIndex as_ = 0;
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_EXPLORED_HPP
