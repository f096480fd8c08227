// A starter's claim on its way to the server that it starts: named as heir, handed over, or taken back.
#ifndef GENIE_HANDOVER_HPP
#define GENIE_HANDOVER_HPP

#include "genie/failure.hpp"
#include "genie/leavings.hpp"

namespace genie::inline v0 {

/// Names the process that is to adopt the claim. From now on it is the one that `status` and `stop` see.
/// Requires: a claim made with `ClaimOptions::launching`, whose lock file the process shares.
/// Errors: write; `invalid_process`; `not_claimed`.
template <typename H>
[[nodiscard]] Result<void> name_heir(H& host, const StateFiles& files, HeldClaim<H>& held,
                                     const ProcessIdentity& heir) noexcept {
  if (auto ok = detail::check_process<H>(files, heir); !ok) return ok;
  return update_claim(host, files, held, [&](LockRecord& record) noexcept { record.heir = heir; });
}

/// Gives the claim to the heir, which has adopted it. Nothing is written: only our share of the open files ends.
template <typename H>
void hand_over(H& host, HeldClaim<H>& held) noexcept {
  if (!detail::is_claimant(host, held)) return;
  if (detail::is_lock_closed(host, held)) return detail::forget_claim(host, held);
  host.files.close(held.record);
  host.files.close(held.directory);
  host.files.close(held.lock);
  if (held.has_watch) host.files.close_watch(held.watch);
  held = HeldClaim<H>{};
}

/// Ends the claim of an heir that has ended, however far it had come, and tells why where `failure` is given: that is
/// completed, or replaced by what the heir itself has told.
/// Requires: a claim that was handed over to a process that has ended since.
/// Errors: the first that occurred; the lock is given up all the same. `not_claimed` where the lock was closed before.
template <typename H>
[[nodiscard]] Result<void> take_back(H& host, const StateFiles& files, HeldClaim<H>& held,
                                     FailureRecord* failure) noexcept {
  using namespace detail;
  if (!is_claimant(host, held)) return {};
  if (is_lock_closed(host, held)) {
    forget_claim(host, held);
    return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  }
  Result<void> result;
  const auto note = [&](const Result<void>& step) noexcept {
    if (result && !step) result = step;
  };
  // Until it is done, we are to be taken neither for an owner nor for somebody whom a dead one has left. Where that
  // fails, only somebody who looks at this very moment could.
  (void)uninterrupted([&] { return host.files.try_lock(held.lock, starter_byte, 1); });
  // Our lock on it would make our own record a living one.
  host.files.close(held.record);
  const auto removed = remove_leavings(host, files, held.directory, held.lock, held.lock_id,
                                       [](const FileInfo&) noexcept -> Result<void> { return {}; });
  if (!removed) note(removed.error());

  LockRecord record;
  const auto kind = read_lock_record(host, held.lock, record);
  if (kind.ok() && kind.value == LockRecordKind::valid && record.generation == held.written.generation) {
    held.written = record;
  } else {
    held.written.has_no_endpoints = false;  // nobody knows what it has published
  }
  record = held.written;
  if (failure != nullptr && record.failed == record.generation) {
    const auto told = read_failure(host, held.lock, record);
    if (told.ok() && told.value.generation != 0) {
      // Where its output went is what a server itself may not know.
      const FailureRecord ours = *failure;
      *failure = told.value;
      if (failure->tail.empty() && !ours.log.empty()) {
        failure->log = ours.log;
        failure->tail = ours.tail;
        note(write_failure(host, files, held.lock, *failure));
      }
    }
  } else if (failure != nullptr) {
    Result<void> told = complete_failure(host, files, held.lock, record, *failure);
    if (told) told = write_failure(host, files, held.lock, *failure);
    if (told) record.failed = record.generation;
    note(told);
  }
  // Where something is left, the record goes on telling what its owner was about, as if both of us had died here.
  if (removed) {
    record.phase = Phase::released;
    record.owner = own_identity(host);
  }
  record.heir = ProcessIdentity{};
  note(write_lock_record(host, files, held.lock, record));
  // Children of the heir may share the open file, and would keep this byte for as long as they live.
  (void)uninterrupted([&] { return host.files.unlock(held.lock, starter_byte, 1); });
  host.files.close(held.lock);
  host.files.close(held.directory);
  if (held.has_watch) host.files.close_watch(held.watch);
  held = HeldClaim<H>{};
  return result;
}

}  // namespace genie::inline v0

#endif  // GENIE_HANDOVER_HPP
