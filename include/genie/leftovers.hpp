// What a crash may have left under a temporary name, settled by whoever holds the lock next.
#ifndef GENIE_LEFTOVERS_HPP
#define GENIE_LEFTOVERS_HPP

#include "genie/judge.hpp"

namespace genie::inline v0::detail {

/// Removes temporary files, and puts back what does not deserve that: a takeover that crashed between its two exchanges
/// may have left there a record that somebody published meanwhile.
template <typename H>
class Leftovers {
 public:
  /// `previous` is what the lock file says, null where it says nothing; `is_this_lock` whether it says so of this very
  /// file. Requires: the lock.
  Leftovers(H& host, const StateFiles& files, typename H::File directory, const LockRecord* previous, bool is_this_lock,
            bool trust_legacy) noexcept
      : host_{host},
        files_{files},
        directory_{directory},
        previous_{previous},
        proof_{is_this_lock ? previous : nullptr},
        trust_legacy_{trust_legacy} {}

  /// Settles the file that the lock's record names; without a record, every file of that kind.
  [[nodiscard]] Result<void> settle() noexcept {
    if (previous_ != nullptr) {
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

 private:
  Result<RecordView> judge(const NameText& name, OpenStateFile<H>& opened) noexcept {
    if (auto ok = open_state_file(host_, files_, directory_, name, OpenMode::read, opened); !ok) return ok.error();
    if (!opened.file.is_open()) return RecordView{};
    return judge_open_record(host_, files_, opened, name, proof_, trust_legacy_);
  }

  Result<void> remove(const NameText& name) noexcept {
    const auto removed = uninterrupted([&] { return host_.files.unlink(directory_, name.c_str()); });
    if (!removed.ok() && removed.error != ENOENT) return files_.error(Operation::unlink, removed.error, name);
    return {};
  }

  Result<void> settle(const NameText& name) noexcept {
    OpenStateFile<H> leftover;
    const Result<RecordView> view = judge(name, leftover);
    if (!view) return view.error();
    if (view->standing == RecordStanding::absent) return {};
    // Its maker's own, not yet published: a file that it displaced can't name it.
    const bool is_makers = proof_ != nullptr && view->record.owner.pid != 0 && view->record.owner == proof_->owner;
    if (view->standing == RecordStanding::dead || is_makers) return remove(name);

    OpenStateFile<H> opened;
    const Result<RecordView> current = judge(files_.record(), opened);
    if (!current) return current.error();
    // An empty file is our own, not yet written one, unless a takeover had exchanged it already.
    const bool was_exchanged = previous_ == nullptr || (previous_->phase == Phase::claiming && opened.file.is_open() &&
                                                        current->record.owner == previous_->owner);
    if (view->standing == RecordStanding::empty && !was_exchanged) return remove(name);
    if (current->standing == RecordStanding::absent) {
      const auto renamed =
          uninterrupted([&] { return host_.files.rename_new(directory_, name.c_str(), files_.record().c_str()); });
      if (!renamed.ok() && renamed.error != EEXIST) return files_.error(Operation::rename, renamed.error, name);
      return {};
    }
    if (current->standing != RecordStanding::dead) return {};
    const auto exchanged =
        uninterrupted([&] { return host_.files.exchange(directory_, name.c_str(), files_.record().c_str()); });
    if (exchanged.error == ENOENT) return {};
    if (!exchanged.ok()) return files_.error(Operation::exchange, exchanged.error, name);
    const auto out = uninterrupted([&] { return host_.files.stat_at(directory_, name.c_str()); });
    if (out.ok() && out.value.id == opened.info.id) return remove(name);
    return {};
  }

  H& host_;
  const StateFiles& files_;
  typename H::File directory_;
  const LockRecord* previous_;
  const LockRecord* proof_;
  bool trust_legacy_;
};

}  // namespace genie::inline v0::detail

#endif  // GENIE_LEFTOVERS_HPP
