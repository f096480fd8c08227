// The process-probe policy: the requirements that `ServeGuard` has of a view of the machine's processes.
#ifndef GENIE_POLICY_PROCESS_PROBE_HPP
#define GENIE_POLICY_PROCESS_PROBE_HPP

#include <cstddef>
#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/result.hpp"

namespace genie::inline v0 {

/// What can be said of a PID now. "Unknown" is not "gone": nothing is ever taken over on it.
enum class Liveness : std::uint8_t { alive, gone, unknown };

/// One look at one PID.
struct Observation {
  Liveness liveness = Liveness::unknown;
  StartToken start;     ///< of the process that has the PID now; unknown where it cannot be read
  Pid parent = 0;       ///< 0: none, or it cannot be read
  Pid session = 0;      ///< PID of the process that began its session; 0: it cannot be read
  bool zombie = false;  ///< exited, but not yet reaped by its parent; reported as gone
  int error = 0;        ///< why liveness or start are unknown, 0 where they are known
};

/// What the protocol asks of a process. Which signal that is, is the platform's matter.
enum class Signal : std::uint8_t {
  terminate,  ///< please end (SIGTERM)
  kill,       ///< end now (SIGKILL)
};

/// A process that somebody is told about.
struct NamedProcess {
  Pid pid = 0;
  StartToken start;
  FixedText<31> name;  ///< what the system calls it; for people, never compared
};
/// One that has a locked descriptor of a file.
using LockHolder = NamedProcess;

/// | expression                          | returns               | what it must do                                       |
/// |-------------------------------------|-----------------------|-------------------------------------------------------|
/// | `P::pid_limit`                      | `Pid` constant        | the highest PID that the platform can have; at most 32 bits |
/// | `P::Handle`                         | a trivial type        | names one process, never its PID's next user          |
/// | `process.self()`                    | `Pid`                 | the calling process; changes in a forked child        |
/// | `process.look(pid)`                 | `Observation`         | liveness, start token and descent; a zombie is gone; no permission means alive or unknown, never gone |
/// | `process.origin()`                  | `ProcessOrigin`       | boot id and PID namespace of the caller; `error` where they can't be learnt now |
/// | `process.user()`                    | `std::uint64_t`       | the user whose files are "ours" (effective user id)   |
/// | `process.random()`                  | `std::uint64_t`       | unpredictable enough for a temporary file's name      |
/// | `process.open(pid)`                 | `SysResult<Handle>`   | pins whichever process has the PID now; ESRCH if none |
/// | `process.signal(handle, s)`         | `SysResult<void>`     | signals that very process; ESRCH once it is gone, or where there is no way to ask it |
/// | `process.leads_group(pid)`          | `bool`                | whether `pid` leads its process group, and the caller is not in it |
/// | `process.signal_group(handle, pid, s)` | `SysResult<void>`  | signals the group that the pinned process `pid` leads; ESRCH if empty; ENOSYS where it can't be told from another |
/// | `process.group_lives(handle, pid)`  | `bool`                | whether any member of that group may still run; zombies do not, whoever cannot be looked at may |
/// | `process.group_members(handle, pid, out, n)` | `std::size_t` | writes at most `n` members that run; how many were written |
/// | `P::Cgroup`                         | a trivial type        | names one cgroup, never its path's next user          |
/// | `process.open_cgroup(pid)`          | `SysResult<Cgroup>`   | pins the cgroup of `pid`, if it is its own: EBUSY where somebody is in it or below it who is older or cannot be seen, EDEADLK where the caller is, or it is the root; EOPNOTSUPP where it cannot be killed |
/// | `process.signal_cgroup(cgroup, s)`  | `SysResult<void>`     | terminate: signals each process in it or below it that may be, ESRCH only if there is none; kill: ends all of them at once |
/// | `process.cgroup_lives(cgroup)`      | `bool`                | whether any process in it or below it may still run   |
/// | `process.cgroup_members(cgroup, out, n)` | `std::size_t`    | writes at most `n` such processes; how many were written |
/// | `process.close_cgroup(cgroup)`      | (ignored)             | forgets it                                            |
/// | `process.wait(handle, span)`        | `SysResult<bool>`     | blocks until that process ended (true) or `span` has passed (false); a zombie has ended |
/// | `process.close(handle)`             | (ignored)             | forgets the handle                                    |
/// | `process.holds_lock(pid, file, offset)` | `bool`            | whether `pid` has a descriptor of `file` with an exclusive lock on that byte; false where it can't be seen |
/// | `process.lock_holders(file, offset, out, n)` | `std::size_t` | writes at most `n` such processes; how many were found |
///
/// One more is asked for only where it is there; else a claim is told from that of a dead process of the same PID by
/// nothing but the PID namespace:
///
/// | expression                          | returns               | what it must do                                       |
/// |-------------------------------------|-----------------------|-------------------------------------------------------|
/// | `process.own_start()`               | `StartToken`          | the calling process's own, as `look` tells it. Always asked right after `origin`, so that what that has noticed (a fork) need not be asked again |
///
/// Calls do not throw, and return the errno of the failed system call. EINTR may be returned; the protocol repeats the
/// call. A handle must be opened first and the PID's start token compared after: only this order proves that
/// the handle names the process that was recorded. A cgroup is that process's if the handle, asked after the cgroup was
/// opened, says that the process has not ended.
template <typename P>
concept ProcessProbePolicy =
    requires(P& process, Pid pid, const typename P::Handle& handle, const typename P::Cgroup& cgroup, Signal signal,
             Milliseconds span, FileIdentity file, std::uint64_t offset, NamedProcess* out, std::size_t count) {
      { P::pid_limit } -> detail::ConvertibleTo<Pid>;
      requires P::pid_limit > 0 && P::pid_limit <= Pid{UINT32_MAX};  // records have room for no more digits
      { process.self() } noexcept -> detail::SameAs<Pid>;
      { process.look(pid) } noexcept -> detail::SameAs<Observation>;
      { process.origin() } noexcept -> detail::ConvertibleTo<ProcessOrigin>;
      { process.user() } noexcept -> detail::SameAs<std::uint64_t>;
      { process.random() } noexcept -> detail::SameAs<std::uint64_t>;
      { process.open(pid) } noexcept -> detail::SameAs<SysResult<typename P::Handle>>;
      { process.signal(handle, signal) } noexcept -> detail::SameAs<SysResult<void>>;
      { process.leads_group(pid) } noexcept -> detail::SameAs<bool>;
      { process.signal_group(handle, pid, signal) } noexcept -> detail::SameAs<SysResult<void>>;
      { process.group_lives(handle, pid) } noexcept -> detail::SameAs<bool>;
      { process.group_members(handle, pid, out, count) } noexcept -> detail::SameAs<std::size_t>;
      { process.open_cgroup(pid) } noexcept -> detail::SameAs<SysResult<typename P::Cgroup>>;
      { process.signal_cgroup(cgroup, signal) } noexcept -> detail::SameAs<SysResult<void>>;
      { process.cgroup_lives(cgroup) } noexcept -> detail::SameAs<bool>;
      { process.cgroup_members(cgroup, out, count) } noexcept -> detail::SameAs<std::size_t>;
      { process.close_cgroup(cgroup) } noexcept;
      { process.wait(handle, span) } noexcept -> detail::SameAs<SysResult<bool>>;
      { process.close(handle) } noexcept;
      { process.holds_lock(pid, file, offset) } noexcept -> detail::SameAs<bool>;
      { process.lock_holders(file, offset, out, count) } noexcept -> detail::SameAs<std::size_t>;
    };

}  // namespace genie::inline v0

#endif  // GENIE_POLICY_PROCESS_PROBE_HPP
