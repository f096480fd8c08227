// Policies with every member that the concepts ask for, and nothing else: check.py leaves out one member after the
// other, takes `noexcept` from one after the other, and looks at what compilers say then. One member is one line.
#ifndef GENIE_TESTS_CONCEPTS_POLICIES_HPP
#define GENIE_TESTS_CONCEPTS_POLICIES_HPP

#include <genie/ensure.hpp>
#include <genie/serve_guard.hpp>

namespace policies {

using namespace genie;

// ClockPolicy
struct Clock {
  Milliseconds wall() noexcept;
  Milliseconds monotonic() noexcept;
  Milliseconds coarse() noexcept;
  void sleep(Milliseconds) noexcept;
};

// ProcessProbePolicy
struct Process {
  struct Handle {};
  struct Cgroup {};
  static constexpr Pid pid_limit = 4096;
  Pid self() noexcept;
  Observation look(Pid) noexcept;
  ProcessOrigin origin() noexcept;
  std::uint64_t user() noexcept;
  std::uint64_t random() noexcept;
  SysResult<Handle> open(Pid) noexcept;
  SysResult<void> signal(const Handle&, Signal) noexcept;
  bool leads_group(Pid) noexcept;
  SysResult<void> signal_group(const Handle&, Pid, Signal) noexcept;
  bool group_lives(const Handle&, Pid) noexcept;
  std::size_t group_members(const Handle&, Pid, NamedProcess*, std::size_t) noexcept;
  SysResult<Cgroup> open_cgroup(Pid) noexcept;
  SysResult<void> signal_cgroup(const Cgroup&, Signal) noexcept;
  bool cgroup_lives(const Cgroup&) noexcept;
  std::size_t cgroup_members(const Cgroup&, NamedProcess*, std::size_t) noexcept;
  void close_cgroup(const Cgroup&) noexcept;
  SysResult<bool> wait(const Handle&, Milliseconds) noexcept;
  void close(const Handle&) noexcept;
  bool holds_lock(Pid, FileIdentity, std::uint64_t) noexcept;
  std::size_t lock_holders(FileIdentity, std::uint64_t, LockHolder*, std::size_t) noexcept;
};

// FilesystemPolicy
struct Files {
  struct File {};
  struct Watch {};
  static constexpr std::size_t socket_path_limit = 107;
  SysResult<void> make_directory(const char*, std::uint32_t) noexcept;
  SysResult<File> open_directory(const char*) noexcept;
  SysResult<File> open(File, const char*, OpenMode, std::uint32_t) noexcept;
  SysResult<File> inherited() noexcept;
  SysResult<File> create_unnamed(File, std::uint32_t) noexcept;
  SysResult<void> link_unnamed(File, File, const char*) noexcept;
  SysResult<void> rename(File, const char*, const char*) noexcept;
  SysResult<void> rename_new(File, const char*, const char*) noexcept;
  SysResult<void> exchange(File, const char*, const char*) noexcept;
  SysResult<void> unlink(File, const char*) noexcept;
  SysResult<FileInfo> stat(File) noexcept;
  SysResult<FileInfo> stat_at(File, const char*) noexcept;
  SysResult<std::size_t> read_at(File, void*, std::size_t, std::uint64_t) noexcept;
  SysResult<std::size_t> write_at(File, const void*, std::size_t, std::uint64_t) noexcept;
  SysResult<void> sync(File) noexcept;
  SysResult<void> try_lock(File, std::uint64_t, std::uint64_t) noexcept;
  SysResult<void> unlock(File, std::uint64_t, std::uint64_t) noexcept;
  SysResult<LockQuery> query_lock(File, std::uint64_t, std::uint64_t) noexcept;
  SysResult<void> for_each_name(File, void (*)(Text)) noexcept;
  SysResult<Watch> watch(const char*) noexcept;
  SysResult<bool> wait(Watch&, Milliseconds) noexcept;
  void close_watch(Watch&) noexcept;
  void close(File) noexcept;
};

// LauncherPolicy
struct Launcher {
  struct Child {};
  SysResult<Child> spawn(const LaunchPlan&, Files::File, Milliseconds) noexcept;
  Pid pid(const Child&) noexcept;
  SysResult<void> let_go(const Child&, Milliseconds) noexcept;
  SysResult<LaunchEvent> wait(const Child&, Files::Watch&, Milliseconds) noexcept;
  SysResult<void> kill(const Child&, Signal) noexcept;
  SysResult<ProcessExit> reap(const Child&, Milliseconds) noexcept;
  void close(const Child&) noexcept;
};

}  // namespace policies

#endif  // GENIE_TESTS_CONCEPTS_POLICIES_HPP
