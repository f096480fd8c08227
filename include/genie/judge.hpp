// What `NAME.pid` proves about the process it names: alive, dead, or not to be told.
#ifndef GENIE_JUDGE_HPP
#define GENIE_JUDGE_HPP

#include "genie/evidence.hpp"
#include "genie/owner.hpp"
#include "genie/record/lock_record.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/state_files.hpp"

namespace genie::inline v0 {

/// What `NAME.pid` proves of its owner.
enum class RecordStanding : std::uint8_t {
  absent,  ///< there is no such file
  alive,   ///< its owner lives
  dead,    ///< stale: its owner is proved dead, or it names nobody
  empty,   ///< a claim in progress, or one that died before it wrote
  unsure,  ///< nothing can be proved; must be left alone
};

/// `NAME.pid` as it was read, and the verdict on it.
struct RecordView {
  RecordStanding standing = RecordStanding::absent;
  PidRecord record;
  FileInfo info;
  Evidence evidence;
};

namespace detail {

/// Whether the lock's own record proves that the writer of `record` is dead, given that nobody holds that lock: it held
/// the lock for life. A start time of this boot tells it from its PID's next user; else the file itself must be the
/// same one. The same goes for a record that the lock's last holder had judged dead.
[[nodiscard]] inline bool lock_proves_dead(const LockRecord& lock_record, const PidRecord& record, const FileInfo& info,
                                           const BootId& own_boot) noexcept {
  if (record.owner.pid == 0) return false;
  if (record.owner == lock_record.judged && info.id.inode == lock_record.judged_record.inode) return true;
  if (record.owner != lock_record.owner) return false;
  // While it is being published or withdrawn, the file's time stamp changes.
  const bool is_settled = lock_record.phase != Phase::claiming && lock_record.phase != Phase::released;
  const bool same_time = info.changed_ns == lock_record.record.changed_ns || lock_record.record.changed_ns == 0;
  const bool same_file = info.id.inode == lock_record.record.inode && (!is_settled || same_time);
  return same_file || (record.owner.start.known && lock_record.origin.boot == own_boot);
}

/// Judges an open record file. `lock_record` is null, or the valid record of a lock of which the caller knows that
/// nobody else holds it.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<RecordView> judge_open_record(H& host, const StateFiles& files,
                                                                 const OpenStateFile<H>& opened, const NameText& name,
                                                                 const LockRecord* lock_record,
                                                                 bool trust_legacy) noexcept {
  RecordView view;
  view.info = opened.info;
  char bytes[pid_record_capacity + 1];
  const auto count = read_whole(host, opened.file.get(), bytes, sizeof bytes);
  if (!count.ok()) return files.error(Operation::read, count.error, name);
  view.record = parse_pid_record({bytes, count.value}, H::ProcessProbe::pid_limit);
  view.evidence.recorded = view.record.owner;

  // Our own kind keeps a lock on the record itself, so that it is known to live whatever somebody did to the lock file
  // or to the record's content, and whatever its PID means here.
  const auto pinned = uninterrupted([&] { return host.files.query_lock(opened.file.get(), owner_byte, 1); });
  if (!pinned.ok()) return files.error(Operation::query_lock, pinned.error, name);
  const bool names_somebody =
      view.record.kind == PidRecordKind::known_start || view.record.kind == PidRecordKind::unknown_start;
  if (pinned.value.held) {
    if (names_somebody) view.evidence = look_at(host, view.record.owner);
    view.standing = RecordStanding::alive;
    if (view.evidence.reason != Reason::start_matches) {
      view.standing = RecordStanding::unsure;
      view.evidence.reason = Reason::record_pinned;
    }
    return view;
  }
  switch (view.record.kind) {
    case PidRecordKind::empty:
      view.standing = RecordStanding::empty;
      view.evidence.reason = Reason::empty_record;
      return view;
    case PidRecordKind::garbage:
      view.standing = RecordStanding::dead;
      view.evidence.reason = Reason::garbage_record;
      return view;
    case PidRecordKind::legacy:
      view.evidence = look_at(host, view.record.owner);
      view.standing = trust_legacy && view.evidence.observed.liveness != Liveness::gone ? RecordStanding::alive
                                                                                        : RecordStanding::dead;
      view.evidence.reason = Reason::legacy_record;
      return view;
    case PidRecordKind::known_start:
    case PidRecordKind::unknown_start: break;
  }

  if (lock_record != nullptr && lock_proves_dead(*lock_record, view.record, opened.info, host.process.origin().boot)) {
    view.standing = RecordStanding::dead;
    view.evidence.reason = Reason::writer_lost_lock;
    return view;
  }
  // An older program wrote it, or somebody replaced the lock file.
  view.evidence = look_at(host, view.record.owner);
  if (view.evidence.reason == Reason::start_matches && view.record.owner.pid == host.process.self()) {
    view.standing = RecordStanding::dead;
    view.evidence.reason = Reason::own_leftover;
    return view;
  }
  switch (view.evidence.reason) {
    case Reason::start_matches: view.standing = RecordStanding::alive; break;
    case Reason::start_differs:
    case Reason::process_gone:
    case Reason::process_zombie: view.standing = RecordStanding::dead; break;
    default: view.standing = RecordStanding::unsure; break;
  }
  return view;
}

}  // namespace detail

}  // namespace genie::inline v0

#endif  // GENIE_JUDGE_HPP
