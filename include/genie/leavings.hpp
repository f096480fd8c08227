// Removing what a dead owner has left, by somebody who holds the lock and does not claim.
#ifndef GENIE_LEAVINGS_HPP
#define GENIE_LEAVINGS_HPP

#include "genie/endpoint_file.hpp"
#include "genie/leftovers.hpp"
#include "genie/withdraw.hpp"

namespace genie::inline v0::detail {

struct Removed {
  bool has_removed_record = false;
  ProcessIdentity survivor;  ///< whose record stands, and was left alone; PID 0: nobody's
};

/// Removes record, port and temporary files of whoever is proved dead. `may_remove(FileInfo)` is asked before a record
/// is removed, and returns an error where it must not be.
/// Requires: the lock `lock`, whose identity is `lock_id`.
template <typename H, typename MayRemove>
[[nodiscard]] Result<Removed> remove_leavings(H& host, const StateFiles& files, typename H::File directory,
                                              typename H::File lock, FileIdentity lock_id,
                                              MayRemove&& may_remove) noexcept {
  Removed result;
  LockRecord record;
  const auto kind = read_lock_record(host, lock, record);
  if (!kind.ok()) return files.error(Operation::read, kind.error, files.lock());
  const bool is_valid = kind.value == LockRecordKind::valid;
  const bool proof = is_valid && record.lock == lock_id;
  const BootId boot = host.process.origin().boot;
  Leftovers<H> leftovers{host, files, directory, boot, is_valid ? &record : nullptr, proof, false};
  if (auto ok = leftovers.settle(); !ok) return ok.error();
  if (const RecordView* const kept = leftovers.kept(); kept != nullptr) {
    result.survivor = kept->record.owner;  // the lock's record must go on naming it
    return result;
  }
  OpenStateFile<H> opened;
  if (auto ok = open_state_file(host, files, directory, files.record(), OpenMode::read, opened); !ok) return ok.error();
  if (opened.file.is_open()) {
    const auto judged = judge_open_record(host, files, opened, files.record(), proof ? &record : nullptr, false);
    if (!judged) return judged.error();
    if (judged->standing != RecordStanding::dead) {
      result.survivor = judged->record.owner;  // an older program has started meanwhile
      return result;
    }
    if (auto ok = may_remove(opened.info); !ok) return ok.error();
    // The moment of withdrawal needs a temporary name, which the lock's record must tell of.
    if (!proof) {
      const std::uint64_t generation = is_valid ? record.generation : 0;
      record = LockRecord{};
      record.generation = generation;
      record.lock = lock_id;
      record.origin = host.process.origin();
      record.port_name = PortFileName{Text{files.port()}};
    }
    record.phase = Phase::released;
    record.judged = judged->record.owner;
    record.judged_record = {opened.info.id.inode, opened.info.changed_ns};
    record.temporary = host.process.random() | 1U;
    if (const auto written = write_whole(host, lock, encode_lock_record(record)); !written.ok()) {
      return files.error(Operation::write, written.error, files.lock());
    }
    const NameText temporary = files.temporary(record.temporary);
    const auto withdrawn = withdraw(host, files, directory, files.record(), opened.info.id, temporary);
    if (!withdrawn.has_value()) return withdrawn.error();
    result.has_removed_record = true;
  }
  const auto removed = uninterrupted([&] { return host.files.unlink(directory, files.port().c_str()); });
  if (!removed.ok() && removed.error != ENOENT) return files.error(Operation::unlink, removed.error, files.port());
  if (auto ok = drop_endpoints(host, files, directory); !ok) return ok.error();
  return result;
}

}  // namespace genie::inline v0::detail

#endif  // GENIE_LEAVINGS_HPP
