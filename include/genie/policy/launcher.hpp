// The launcher policy: the requirements that start on demand has of a way to start processes.
#ifndef GENIE_POLICY_LAUNCHER_HPP
#define GENIE_POLICY_LAUNCHER_HPP

#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/policy/filesystem.hpp"
#include "genie/policy/process_probe.hpp"

namespace genie::inline v0 {

/// What to start, and how. Borrowed: everything must live until the process runs.
struct LaunchPlan {
  const char* program = nullptr;             ///< the executable's path: no search in PATH, no shell. Absolute: it is
                                             ///< looked up from `directory`
  const char* const* arguments = nullptr;    ///< from argv[0] on, ended by a null pointer
  const char* const* environment = nullptr;  ///< `NAME=VALUE`, ended by a null pointer; null: the caller's own
  const char* directory = "/";               ///< its working directory
  const char* log = nullptr;                 ///< file that standard output and error are appended to; null: nowhere.
                                             ///< Its directory must exist; a relative path is the caller's
  std::uint32_t file_mode_mask = 0077;       ///< `umask(2)`
  bool adopts_orphans = false;               ///< descendants that lose their parent become its children
};

/// How a process ended.
struct ProcessExit {
  bool is_by_signal = false;
  int value = 0;         ///< exit status, or the signal's number
  int not_executed = 0;  ///< the errno for which it never executed its program; 0: nothing is known of that

  friend constexpr bool operator==(const ProcessExit&, const ProcessExit&) noexcept = default;
};

/// Why a wait for a started process has ended.
enum class LaunchEvent : std::uint8_t {
  none,     ///< the time is up
  changed,  ///< what the watch is about may have changed
  ended,    ///< the process has ended
};

/// | expression                           | returns                  | what it must do                                |
/// |--------------------------------------|--------------------------|------------------------------------------------|
/// | `L::Child`                           | a trivial type           | names one process that was started here        |
/// | `launcher.spawn(plan, file, span)`   | `SysResult<Child>`       | a process that is ready to execute the program, but does not yet; shares the open file `file`, which it finds by `files.inherited()`. It ends by itself if the caller ends before it lets it go |
/// | `launcher.pid(child)`                | `Pid`                    | its number, which stays its own until `reap`   |
/// | `launcher.let_go(child, span)`       | `SysResult<void>`        | it executes the program; the errno for which it could not; ETIMEDOUT where it has not yet, but may |
/// | `launcher.wait(child, watch, span)`  | `SysResult<LaunchEvent>` | blocks until the process ended, the watched file changed, or `span` has passed |
/// | `launcher.kill(child, s)`            | `SysResult<void>`        | signals it, and whoever is in the process group that it leads |
/// | `launcher.reap(child, span)`         | `SysResult<ProcessExit>` | how it ended; waits for its end. Its number may be another's from now on |
/// | `launcher.close(child)`              | (ignored)                | forgets it; it goes on                         |
///
/// The started process leads a session and a process group of its own, has no controlling terminal, reads from nowhere,
/// and has nothing open but its standard streams and the one file; its signals are as a fresh program expects them.
/// No call takes much longer than its `span`: when that has passed, it answers ETIMEDOUT, and what `spawn` has begun
/// ends as soon as it can. Calls do not throw. EINTR may be returned; the protocol repeats the call.
template <typename L, typename F>
concept LauncherPolicy = FilesystemPolicy<F> && requires(L& launcher, const LaunchPlan& plan, typename F::File file,
                                                         const typename L::Child& child, typename F::Watch& watch,
                                                         Milliseconds span, Signal signal) {
  { launcher.spawn(plan, file, span) } noexcept -> detail::SameAs<SysResult<typename L::Child>>;
  { launcher.pid(child) } noexcept -> detail::SameAs<Pid>;
  { launcher.let_go(child, span) } noexcept -> detail::SameAs<SysResult<void>>;
  { launcher.wait(child, watch, span) } noexcept -> detail::SameAs<SysResult<LaunchEvent>>;
  { launcher.kill(child, signal) } noexcept -> detail::SameAs<SysResult<void>>;
  { launcher.reap(child, span) } noexcept -> detail::SameAs<SysResult<ProcessExit>>;
  { launcher.close(child) } noexcept;
};

}  // namespace genie::inline v0

#endif  // GENIE_POLICY_LAUNCHER_HPP
