// Who holds the lock of a state directory: asks the kernel, reads the record, and never takes anything.
#ifndef GENIE_OWNER_HPP
#define GENIE_OWNER_HPP

#include "genie/evidence.hpp"
#include "genie/lock_bytes.hpp"
#include "genie/record/lock_record.hpp"
#include "genie/state_files.hpp"

namespace genie::inline v0 {

/// How many holders of a lock a report can name.
inline constexpr std::size_t holder_capacity = 8;

/// What the owner lock says of who owns the directory.
enum class LockStanding : std::uint8_t {
  free,      ///< nobody holds it
  claiming,  ///< somebody is about to publish a record, to hand its claim to a server, or to clean up
  owned,     ///< its recorded owner holds it
  orphaned,  ///< the recorded owner is gone or has released; a child that inherited the lock still holds it
  unsure,    ///< held, but by whom cannot be told
};

/// The owner lock and its record, as one look saw them.
struct OwnerView {
  LockStanding standing = LockStanding::free;
  bool has_record = false;  ///< whether `record` is valid; it may be a dead owner's
  LockRecord record;
  Evidence evidence;
  LockHolder holders[holder_capacity];  ///< filled where `orphaned` or `unsure`
  std::size_t holder_count = 0;
};

namespace detail {

[[nodiscard]] constexpr bool covers(const LockQuery& query, std::uint64_t byte) noexcept {
  return query.held && query.offset <= byte && (query.length == 0 || byte - query.offset < query.length);
}

template <typename H>
[[nodiscard]] SysResult<LockRecordKind> read_lock_record(H& host, typename H::File lock, LockRecord& record) noexcept {
  char bytes[lock_record_size];
  const auto count = read_whole(host, lock, bytes, sizeof bytes);
  if (!count.ok()) return SysResult<LockRecordKind>::failure(count.error);
  return {parse_lock_record({bytes, count.value}, H::ProcessProbe::pid_limit, record), 0};
}

/// Where a process of `origin` runs, as seen from `own`.
[[nodiscard]] inline Whereabouts whereabouts_of(const ProcessOrigin& origin, const ProcessOrigin& own) noexcept {
  const bool same_boot = origin.boot == own.boot;
  if (!same_boot && !origin.boot.empty() && !own.boot.empty()) return Whereabouts::other_boot;
  if (origin.pid_namespace == 0 || own.pid_namespace == 0) return Whereabouts::unknown;
  if (origin.pid_namespace != own.pid_namespace) return Whereabouts::other_pid_namespace;
  // The first PID namespace has the same number on every machine.
  return same_boot ? Whereabouts::here : Whereabouts::unknown;
}

/// Whether an identity recorded under `origin` can be compared with the processes that we see.
[[nodiscard]] inline bool is_visible_from(const ProcessOrigin& origin, const ProcessOrigin& own) noexcept {
  return whereabouts_of(origin, own) == Whereabouts::here;
}

/// Looks at a recorded process and says what that proves of it.
template <typename H>
[[nodiscard]] Evidence look_at(H& host, const ProcessIdentity& recorded) noexcept {
  Evidence evidence;
  evidence.recorded = recorded;
  evidence.observed = host.process.look(recorded.pid);
  switch (evidence.observed.liveness) {
    case Liveness::gone:
      evidence.reason = evidence.observed.zombie ? Reason::process_zombie : Reason::process_gone;
      break;
    case Liveness::unknown: evidence.reason = Reason::liveness_unknown; break;
    case Liveness::alive:
      if (!recorded.start.known || !evidence.observed.start.known) {
        evidence.reason = Reason::start_unknown;
      } else {
        evidence.reason = recorded.start == evidence.observed.start ? Reason::start_matches : Reason::start_differs;
      }
      break;
  }
  return evidence;
}

/// What the record in a held lock says of its holder, by looking at the recorded process.
template <typename H>
[[nodiscard]] GENIE_COMPACT LockStanding judge_holder(H& host, const LockRecord& record, Evidence& evidence) noexcept {
  const ProcessOrigin own = host.process.origin();
  if (const Whereabouts whereabouts = whereabouts_of(record.origin, own); whereabouts != Whereabouts::here) {
    const bool is_released = record.phase == Phase::released;
    evidence = Evidence{};
    evidence.recorded = record.owner;
    evidence.reason = is_released ? Reason::owner_released : Reason::lock_held_elsewhere;
    evidence.recorded_namespace = record.origin.pid_namespace;
    evidence.own_namespace = own.pid_namespace;
    evidence.whereabouts = whereabouts;
    evidence.observed.error = own.error;
    if (record.phase == Phase::launching) return LockStanding::claiming;
    return is_released ? LockStanding::orphaned : LockStanding::owned;
  }
  if (record.phase == Phase::launching && record.heir.pid != 0) {
    // Whoever holds the claim from now on is the one that counts; its starter may have ended.
    evidence = look_at(host, record.heir);
    if (evidence.observed.liveness != Liveness::gone && evidence.reason != Reason::start_differs) {
      evidence.reason = Reason::handing_over;
      return LockStanding::claiming;
    }
  }
  evidence = look_at(host, record.owner);
  if (record.phase == Phase::released) {
    evidence.reason = Reason::owner_released;
    return LockStanding::orphaned;
  }
  switch (evidence.reason) {
    case Reason::start_matches:
    case Reason::start_unknown:
      if (record.phase == Phase::launching) {
        evidence.reason = Reason::handing_over;
        return LockStanding::claiming;
      }
      evidence.reason = Reason::lock_held;
      return LockStanding::owned;
    case Reason::process_gone:
    case Reason::process_zombie: evidence.reason = Reason::owner_gone; return LockStanding::orphaned;
    case Reason::start_differs:
      // Another time namespace, or a restored checkpoint, shifts start times; only the kernel's list of holders tells.
      evidence.reason = Reason::lock_held_unverified;
      return LockStanding::unsure;
    default: evidence.reason = Reason::lock_held_unverified; return LockStanding::owned;
  }
}

/// Whether a dead owner's lock is held by whoever started it, and is about to notice: no orphan, but a client.
template <typename H>
[[nodiscard]] bool is_with_starter(H& host, const OwnerView& view, FileIdentity lock_id) noexcept {
  if (view.evidence.whereabouts != Whereabouts::here) return false;
  const bool has_left = view.evidence.reason == Reason::owner_gone || view.evidence.reason == Reason::owner_released;
  const ProcessIdentity& starter = view.record.starter;
  if (!has_left || starter.pid == 0 || !host.process.holds_lock(starter.pid, lock_id, owner_byte)) return false;
  return look_at(host, starter).reason != Reason::start_differs;
}

}  // namespace detail

/// Asks who holds the lock file `lock`, whose identity is `lock_id`.
/// Effects: none. Takes no lock, so that no starter can fail because of it.
/// Returns: a view that was true at one moment of the call. A changing record is read again a few times; a holder that
/// can't be told stays `unsure`.
/// Errors: query_lock, read; observe_process where the caller can't learn where it is itself, see
/// `ProcessOrigin::error`.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<OwnerView> inspect_lock(H& host, const StateFiles& files, typename H::File lock,
                                                           FileIdentity lock_id) noexcept {
  using namespace detail;
  constexpr int attempts = 8;
  OwnerView view;
  const auto query = [&] { return uninterrupted([&] { return host.files.query_lock(lock, owner_byte, 2); }); };
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const auto before = query();
    if (!before.ok()) return files.error(Operation::query_lock, before.error, files.lock());
    const auto kind = read_lock_record(host, lock, view.record);
    if (!kind.ok()) return files.error(Operation::read, kind.error, files.lock());
    view.has_record = kind.value == LockRecordKind::valid && view.record.lock == lock_id;
    view.evidence = Evidence{};
    if (!before.value.held) {
      view.standing = LockStanding::free;
      return view;
    }
    if (covers(before.value, starter_byte)) {
      view.standing = LockStanding::claiming;
      view.evidence.reason = Reason::claim_in_progress;
      return view;
    }
    if (!view.has_record) {
      view.standing = LockStanding::unsure;
      view.evidence.reason = Reason::lock_record_unreadable;
      continue;
    }
    view.standing = judge_holder(host, view.record, view.evidence);
    if (view.evidence.whereabouts == Whereabouts::unknown && view.evidence.observed.error != 0) {
      return files.error(Operation::observe_process, view.evidence.observed.error, files.lock());
    }
    if (view.standing == LockStanding::claiming) return view;
    if (view.standing == LockStanding::owned) {
      if (view.record.phase == Phase::claiming) {
        view.standing = LockStanding::claiming;
        view.evidence.reason = Reason::claim_in_progress;
      }
      return view;
    }
    // The owner is gone, or seems to be another. Either somebody else claimed meanwhile, and then the lock or the
    // record has changed; or somebody inherited the lock. Whoever is listed held it before that was compared.
    const bool owner_holds = view.evidence.whereabouts == Whereabouts::here &&
                             host.process.holds_lock(view.record.owner.pid, lock_id, owner_byte);
    const bool starter_holds = is_with_starter(host, view, lock_id);
    // Asking for everybody takes a look at every process there is; not needed where the owner itself explains it.
    const bool is_owners = owner_holds && view.evidence.reason != Reason::owner_gone;
    view.holder_count = is_owners ? 0 : host.process.lock_holders(lock_id, owner_byte, view.holders, holder_capacity);
    const auto after = query();
    if (!after.ok()) return files.error(Operation::query_lock, after.error, files.lock());
    LockRecord again;
    const auto same_kind = read_lock_record(host, lock, again);
    if (!same_kind.ok()) return files.error(Operation::read, same_kind.error, files.lock());
    if (!after.value.held || covers(after.value, starter_byte) || same_kind.value != LockRecordKind::valid ||
        again != view.record) {
      continue;
    }
    if (owner_holds && view.evidence.reason == Reason::lock_held_unverified) {
      view.standing = LockStanding::owned;
      view.evidence.reason = Reason::lock_held_start_shifted;
      return view;
    }
    if (owner_holds && view.evidence.reason == Reason::owner_released) {
      // Its release has not come to its end yet.
      view.standing = LockStanding::claiming;
      view.evidence.reason = Reason::claim_in_progress;
      return view;
    }
    if (starter_holds) {
      view.standing = LockStanding::claiming;
      view.evidence.reason = Reason::handing_over;
      return view;
    }
    if (view.evidence.reason == Reason::lock_held_unverified && view.holder_count > 0) {
      // The recorded PID is somebody else's now, and these are the ones that hold the lock.
      view.standing = LockStanding::orphaned;
      view.evidence.reason = Reason::owner_gone;
    }
    return view;
  }
  if (view.standing == LockStanding::orphaned) view.standing = LockStanding::unsure;
  return view;
}

}  // namespace genie::inline v0

#endif  // GENIE_OWNER_HPP
