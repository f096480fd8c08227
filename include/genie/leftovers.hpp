// What a crash may have left under a temporary name, settled by whoever holds the lock next.
#ifndef GENIE_LEFTOVERS_HPP
#define GENIE_LEFTOVERS_HPP

#include "genie/judge.hpp"
#include "genie/language.hpp"
#include "genie/withdraw.hpp"

namespace genie::inline v0::detail {

/// Removes temporary files, and puts back what does not deserve that: a takeover that crashed between its two exchanges
/// may have left there a record that somebody published meanwhile.
template <typename H>
class Leftovers {
 public:
  /// `previous` is what the lock file says, null where it says nothing; `is_this_lock` whether it says so of this very
  /// file; `boot` is our own. Requires: the lock.
  Leftovers(H& host, const StateFiles& files, typename H::File directory, const BootId& boot,
            const LockRecord* previous, bool is_this_lock, bool trust_legacy) noexcept
      : host_{host},
        files_{files},
        directory_{directory},
        boot_{boot},
        previous_{previous},
        proof_{is_this_lock ? previous : nullptr},
        trust_legacy_{trust_legacy} {}

  /// Settles the file that the lock's record names; without a record of this boot, every file of that kind: a power cut
  /// may have lost the last record, and kept the file.
  [[nodiscard]] Result<void> settle() noexcept {
    is_rebooted_ =
        previous_ != nullptr && !previous_->origin.boot.empty() && !boot_.empty() && previous_->origin.boot != boot_;
    if (previous_ != nullptr && !is_rebooted_) {
      if (previous_->temporary == 0) return {};
      return settle(files_.temporary(previous_->temporary));
    }
    constexpr std::size_t most = 64;
    NameText names[most];
    std::size_t count = 0;
    const auto listed = uninterrupted([&] {
      count = 0;
      return host_.files.for_each_name(directory_, [&](Text name) noexcept {
        if (count < most && files_.is_temporary(name)) names[count++] = NameText{name};
      });
    });
    if (!listed.ok()) return files_.error(Operation::list, listed.error, Text{});
    for (std::size_t at = 0; at < count; ++at) {
      if (auto ok = settle(names[at]); !ok) return ok;
    }
    return {};
  }

  /// What a record says that may be a living owner's, but has no place to be put back to; else null.
  [[nodiscard]] const RecordView* kept() const noexcept { return has_kept_ ? &kept_ : nullptr; }

 private:
  Result<RecordView> judge(const NameText& name, OpenStateFile<H>& opened) noexcept {
    if (auto ok = open_state_file(host_, files_, directory_, name, OpenMode::read, opened); !ok) return ok.error();
    if (!opened.file.is_open()) return RecordView{};
    return judge_open_record(host_, files_, opened, name, proof_, trust_legacy_);
  }

  Result<bool> removed(const NameText& name) noexcept {
    const auto unlinked = uninterrupted([&] { return host_.files.unlink(directory_, name.c_str()); });
    if (!unlinked.ok() && unlinked.error != ENOENT) return files_.error(Operation::unlink, unlinked.error, name);
    return true;
  }

  [[nodiscard]] bool is_named(const NameText& name) const noexcept {
    return previous_ != nullptr && name == files_.temporary(previous_->temporary);
  }

  GENIE_COLD Result<void> settle(const NameText& name) noexcept {
    // Since the machine was started, nobody can have made one that the lock's record does not name.
    if (is_rebooted_ && !is_named(name)) {
      sweep(name);
      return {};
    }
    // Each further round means that somebody replaced a record while we looked.
    has_displaced_ = false;
    for (int round = 0; round < 16; ++round) {
      const Result<bool> settled = try_to_settle(name);
      if (!settled.has_value()) return settled.error();
      if (*settled) return {};
    }
    return files_.refusal(ErrorKind::interrupted, Operation::exchange, name);
  }

  /// Removes litter. What can't be opened or removed stays: it must not keep a server from starting.
  void sweep(const NameText& name) noexcept {
    OpenStateFile<H> opened;
    if (!open_state_file(host_, files_, directory_, name, OpenMode::read, opened) || !opened.file.is_open()) return;
    // Only a claim under another lock file could still be at it.
    const auto pinned = uninterrupted([&] { return host_.files.query_lock(opened.file.get(), owner_byte, 1); });
    if (pinned.ok() && !pinned.value.held) (void)removed(name);
  }

  /// Returns: false where somebody else was at it, too: judge again.
  GENIE_COLD Result<bool> try_to_settle(const NameText& name) noexcept {
    OpenStateFile<H> leftover;
    const Result<RecordView> view = judge(name, leftover);
    if (!view) return view.error();
    if (view->standing == RecordStanding::absent) return true;
    // Its maker's own, not yet published: a file that it displaced can't name it.
    const bool is_makers = proof_ != nullptr && view->record.owner.pid != 0 && view->record.owner == proof_->owner;
    if (view->standing == RecordStanding::dead || is_makers) return removed(name);

    OpenStateFile<H> opened;
    const Result<RecordView> current = judge(files_.record(), opened);
    if (!current) return current.error();
    if (view->standing == RecordStanding::empty && !is_moved(name, *current, opened)) return removed(name);
    if (is_owners(name, *view, *current, opened)) return removed(name);
    if (current->standing == RecordStanding::absent) {
      const auto renamed = rename_to_new(host_, directory_, name, files_.record());
      if (!renamed.ok() && renamed.error != EEXIST && renamed.error != ENOENT) {
        return files_.error(Operation::rename, renamed.error, name);
      }
      return renamed.ok();
    }
    if (current->standing != RecordStanding::dead) {
      // There is no place for it. An empty file says nothing that anybody could miss; a record must not be forgotten.
      if (view->standing == RecordStanding::empty) return removed(name);
      kept_ = *view;
      has_kept_ = true;
      return true;
    }
    const auto exchanged =
        uninterrupted([&] { return host_.files.exchange(directory_, name.c_str(), files_.record().c_str()); });
    if (exchanged.error == ENOENT) return false;
    if (is_unsupported(exchanged.error)) {
      // Without the dead one, there is a place to put it back to.
      const auto unlinked = unlink_pinned(host_, directory_, files_.record(), opened.file.get());
      if (unlinked.ok() || unlinked.error == ENOENT || unlinked.error == EDEADLK) return false;
      if (unlinked.error != ENOSYS) return files_.error(Operation::unlink, unlinked.error, files_.record());
      // If that is killed half-way, a dead record stays under a name that nobody knows, until the machine is started
      // anew.
      const NameText aside = files_.temporary(host_.process.random() | 1U);
      const auto gone = withdraw(host_, files_, directory_, files_.record(), opened.info.id, aside);
      if (!gone.has_value()) return gone.error();
      return false;
    }
    if (!exchanged.ok()) return files_.error(Operation::exchange, exchanged.error, name);
    const auto out = uninterrupted([&] { return host_.files.stat_at(directory_, name.c_str()); });
    if (!out.ok() && out.error != ENOENT) return files_.error(Operation::stat, out.error, name);
    if (!out.ok() || out.value.id != opened.info.id) {
      // Somebody published in between: the newer file belongs where it was. Where that can't be undone, judge what is
      // there now.
      has_displaced_ = true;
      (void)uninterrupted([&] { return host_.files.exchange(directory_, name.c_str(), files_.record().c_str()); });
      return false;
    }
    return removed(name);
  }

  /// Whether the file stood under the record's name before. Else it is its maker's own, not yet written. A claim puts
  /// its own record in the place of what it moves away; a release moves away what stands in the place of its own. The
  /// maker's identity alone does not tell: an owner of an earlier boot may have had the same.
  bool is_moved(const NameText& name, const RecordView& current, const OpenStateFile<H>& opened) const noexcept {
    if (has_displaced_ || !is_named(name) || previous_->phase == Phase::released) return true;
    return has_makers_record(current, opened) == (previous_->phase == Phase::claiming);
  }

  /// Whether it is what an owner, whose own record still stands, was publishing or had withdrawn. The first digits of a
  /// port could be taken for a record without start time. With one, it is no port, but what the owner had put itself
  /// in the place of: whoever has created that may have written to it since.
  bool is_owners(const NameText& name, const RecordView& view, const RecordView& current,
                 const OpenStateFile<H>& opened) const noexcept {
    const bool is_record =
        view.record.kind == PidRecordKind::known_start || view.record.kind == PidRecordKind::unknown_start;
    return !is_record && is_named(name) && previous_->phase != Phase::claiming && has_makers_record(current, opened);
  }

  [[nodiscard]] bool has_makers_record(const RecordView& current, const OpenStateFile<H>& opened) const noexcept {
    return opened.file.is_open() && current.record.owner == previous_->owner &&
           opened.info.id.inode == previous_->record.inode;
  }

  H& host_;
  const StateFiles& files_;
  typename H::File directory_;
  const BootId& boot_;
  const LockRecord* previous_;
  const LockRecord* proof_;
  bool trust_legacy_;
  bool is_rebooted_ = false;
  bool has_displaced_ = false;  ///< by our own exchange: somebody else's is under the temporary name now
  bool has_kept_ = false;
  RecordView kept_;
};

}  // namespace genie::inline v0::detail

#endif  // GENIE_LEFTOVERS_HPP
