// Why genie came to a verdict: the reason, and both values that it compared.
#ifndef GENIE_EVIDENCE_HPP
#define GENIE_EVIDENCE_HPP

#include <cstdint>

#include "genie/policy/process_probe.hpp"

namespace genie::inline v0 {

/// Why a verdict is what it is: the one observation that decided.
enum class Reason : std::uint8_t {
  none,                     ///< nothing was to be judged
  no_record,                ///< there is no record of an owner
  lock_held,                ///< the lock is held, and its record names a process that is alive
  lock_held_elsewhere,      ///< the lock is held by a process of another PID namespace or boot: see `whereabouts`
  lock_held_start_shifted,  ///< the lock is held by the recorded PID, whose start time reads otherwise here
  lock_held_unverified,     ///< the lock is held; whether by the recorded owner cannot be seen
  handing_over,             ///< the lock is held by a starter and the server to which it hands the claim
  claim_in_progress,        ///< somebody holds the lock and has not yet published its record
  lock_record_unreadable,   ///< the lock is held, but its record cannot be read
  owner_gone,               ///< the lock is held, but the recorded owner has ended
  owner_released,           ///< the lock is held, but its owner has released it
  writer_lost_lock,         ///< the record's writer held this lock for life, and the lock is free: it is dead
  record_pinned,            ///< the record's writer still holds a lock on the record itself
  start_matches,            ///< the recorded PID is alive and started when the record says
  start_differs,            ///< the recorded PID is alive, but started at another time: a stranger
  start_unknown,            ///< the recorded PID is alive, and no start time can be compared
  process_gone,             ///< no process has the recorded PID
  process_zombie,           ///< the recorded process has ended and awaits its parent
  liveness_unknown,         ///< whether the recorded PID is alive cannot be seen
  own_leftover,             ///< the record names this very process, which holds no claim
  legacy_record,            ///< a record without a start time
  empty_record,             ///< a record without content
  garbage_record,           ///< a record that names nobody
  stop_sentinel,            ///< a stop is in progress
  stay_intent,              ///< it is to stay stopped until an explicit start
  cgroup_not_own,           ///< the recorded process's cgroup holds others than it and what it started
  cgroup_unusable,          ///< the recorded process's cgroup cannot be found, or not be killed
};

/// Where a recorded process runs, as seen from here. Anywhere but `here`, its PID names nobody here, or a stranger.
enum class Whereabouts : std::uint8_t {
  here,                 ///< in our own PID namespace, under the same boot
  other_pid_namespace,  ///< in another container, or outside of ours
  other_boot,           ///< under another kernel: of a machine or sandbox that shares the directory
  unknown,              ///< without a /proc of one's own, nobody knows which PID namespace this is
};

/// What a verdict rests on.
struct Evidence {
  Reason reason = Reason::none;
  ProcessIdentity recorded;                     ///< as the file says
  Observation observed;                         ///< of the recorded PID, where it was looked at
  std::uint64_t recorded_namespace = 0;         ///< PID namespace of the recorded process, 0 where unknown
  std::uint64_t own_namespace = 0;              ///< ours
  Whereabouts whereabouts = Whereabouts::here;  ///< of the recorded process
};

/// How a directory's exclusion is guaranteed.
enum class Assurance : std::uint8_t {
  none,         ///< nothing has been claimed or seen yet
  kernel_lock,  ///< by a lock that the kernel drops when its owner dies
};

}  // namespace genie::inline v0

#endif  // GENIE_EVIDENCE_HPP
