// Stops the owner of a state directory, and nobody else: sentinel, checked handle, signal, wait, clean-up, receipt.
#ifndef GENIE_STOP_HPP
#define GENIE_STOP_HPP

#include "genie/leavings.hpp"
#include "genie/status.hpp"

namespace genie::inline v0 {

struct StopOptions {
  Milliseconds grace{10'000};                        ///< from the request to end until it is made to end
  Milliseconds kill_wait{5'000};                     ///< how long to wait for a killed process to be gone
  Milliseconds settle{1'000};                        ///< how long to wait for a claim in progress to name its owner
  Milliseconds sentinel_ttl = default_sentinel_ttl;  ///< renewed for as long as the stop takes
};

enum class StopOutcome : std::uint8_t {
  not_running,    ///< there was nothing to stop
  cleaned,        ///< the owner was dead already; what it left was removed
  stopped,        ///< it ended after being asked to
  killed,         ///< it had to be killed
  already_ended,  ///< it ended before it was signalled
  refused,        ///< nobody was signalled, because nobody could be told from a stranger: see `evidence`
  still_alive,    ///< it was killed, and is not gone yet
};

/// What was done, and to whom.
struct StopReceipt {
  StopOutcome outcome = StopOutcome::not_running;
  ProcessIdentity target;       ///< whom the directory named as its owner when `stop` was called
  ProcessIdentity server;       ///< the command that it guarded, where there was one
  bool was_orphaned = false;    ///< the owner was dead; those who held its lock were stopped
  bool sent_terminate = false;  ///< by this call
  bool joined = false;          ///< another stop had asked the target before; this one waited with it
  bool sent_kill = false;
  bool killed_group = false;  ///< members of the process group that the target led were left, and were killed
  int sentinel_error = 0;     ///< errno, where no sentinel could be written: the stop went on without
  int clean_up_error = 0;     ///< errno, where what it left could not be removed: the next claim does that
  Milliseconds took;          ///< from the call to the target's end
  Evidence evidence;          ///< why the target is, or is not, the owner
  ProcessIdentity successor;  ///< who owns the directory now; PID 0 for nobody. It was not touched.
  LockHolder
      holders[holder_capacity];  ///< who inherited the lock from the target, and holds it still; where
                                 ///< `refused` because the target runs elsewhere: who holds it, as seen from here
  std::size_t holder_count = 0;
};

namespace detail {

template <typename H>
class StopRun {
 public:
  StopRun(H& host, const StateFiles& files, const StopOptions& options) noexcept
      : host_{host}, files_{files}, options_{options} {
    if (options_.sentinel_ttl < shortest_ttl) options_.sentinel_ttl = shortest_ttl;
    if (options_.sentinel_ttl > longest_sentinel_ttl) options_.sentinel_ttl = longest_sentinel_ttl;
  }
  StopRun(const StopRun&) = delete;
  StopRun& operator=(const StopRun&) = delete;
  ~StopRun() { forget_targets(); }

  [[nodiscard]] Result<StopReceipt> run() noexcept {
    began_ = host_.clock.monotonic();
    if (auto ok = open_state_directory(host_, files_, false, directory_); !ok) {
      if (ok.error().code == ENOENT && ok.error().kind == ErrorKind::system) return receipt_;
      return ok.error();
    }
    bool has_target = false;
    if (auto ok = find_target(has_target); !ok) return ok.error();
    if (!has_target) return receipt_;
    if (auto ok = stop_targets(); !ok) return ok.error();
    return receipt_;
  }

 private:
  using Handle = typename H::ProcessProbe::Handle;

  struct Target {
    ProcessIdentity identity;
    Handle handle{};
    bool leads_group = false;
    bool ended = false;
  };

  [[nodiscard]] static bool is_elsewhere(const OwnerView& owner) noexcept {
    return owner.evidence.whereabouts != Whereabouts::here;
  }

  /// Sets the receipt and no target where there is nobody to signal.
  Result<void> find_target(bool& has_target) noexcept {
    ChangeWait<H> wait{host_, host_.clock.monotonic() + options_.settle};
    for (;;) {
      FoundOwner<H> found;
      if (auto ok = find_owner(host_, files_, directory_.file.get(), false, found); !ok) return ok;
      const bool by_lock = found.lock.standing != LockStanding::free;
      receipt_.evidence = by_lock ? found.lock.evidence : found.record.evidence;
      const bool unsettled = (found.lock.standing == LockStanding::claiming && !has_heir(found.lock)) ||
                             found.lock.evidence.reason == Reason::lock_record_unreadable ||
                             (found.lock.evidence.reason == Reason::owner_released &&
                              (found.lock.holder_count == 0 || is_elsewhere(found.lock))) ||
                             (!by_lock && found.record.standing == RecordStanding::empty);
      if (unsettled) {
        if (wait.next(files_.lock_path().c_str())) continue;
        receipt_.outcome = StopOutcome::refused;
        return {};
      }
      return by_lock ? choose_by_lock(found, has_target) : choose_by_record(found, has_target);
    }
  }

  /// A server that is being started can be stopped; its starter is a client, and is never signalled.
  static bool has_heir(const OwnerView& lock) noexcept {
    return lock.evidence.reason == Reason::handing_over && lock.record.heir.pid != 0 &&
           lock.evidence.recorded == lock.record.heir;
  }

  Result<void> choose_by_lock(const FoundOwner<H>& found, bool& has_target) noexcept {
    if (auto ok = check_trust(host_, files_, directory_.info, found.lock_info, files_.lock()); !ok) return ok;
    lock_id_ = found.lock_info.id;
    const LockRecord& record = found.lock.record;
    receipt_.target = has_heir(found.lock) ? record.heir : record.owner;
    receipt_.server = record.server;
    if (found.lock.standing == LockStanding::unsure) {
      receipt_.outcome = StopOutcome::refused;
      return {};
    }
    if (is_elsewhere(found.lock)) {
      receipt_.outcome = StopOutcome::refused;
      // From a PID namespace above the owner's, it can be told by which numbers it goes here.
      receipt_.holder_count = host_.process.lock_holders(lock_id_, owner_byte, receipt_.holders, holder_capacity);
      return {};
    }
    if (found.lock.standing == LockStanding::orphaned) {
      receipt_.was_orphaned = true;
      if (auto ok = pin_orphans(found.lock); !ok) return ok;
      has_target = target_count_ > 0 || found.lock.holder_count > 0;
      if (!has_target) receipt_.outcome = StopOutcome::refused;
      return {};
    }
    const bool is_shifted = found.lock.evidence.reason == Reason::lock_held_start_shifted;
    if (auto ok = pin_owner(receipt_.target, is_shifted, has_target); !ok || !has_target) return ok;
    primary_count_ = target_count_;
    if (record.server.pid != 0 && record.server != receipt_.target) {
      // If it can't be pinned, its owner can still be stopped, and ends it.
      (void)pin(record.server, false);
    }
    return {};
  }

  Result<void> choose_by_record(const FoundOwner<H>& found, bool& has_target) noexcept {
    const RecordView& view = found.record;
    receipt_.target = view.record.owner;
    switch (view.standing) {
      case RecordStanding::absent:
      case RecordStanding::empty: receipt_.outcome = StopOutcome::not_running; return {};
      case RecordStanding::unsure: receipt_.outcome = StopOutcome::refused; return {};
      case RecordStanding::dead:
      case RecordStanding::alive: break;
    }
    if (auto ok = check_trust(host_, files_, directory_.info, view.info, files_.record()); !ok) return ok;
    if (view.standing == RecordStanding::dead) {
      return clean_up();
    }
    if (auto ok = pin_owner(view.record.owner, false, has_target); !ok) return ok;
    primary_count_ = target_count_;
    return {};
  }

  /// Everybody who inherited a dead owner's lock, its guarded command among them.
  Result<void> pin_orphans(const OwnerView& lock) noexcept {
    forget_targets();
    for (std::size_t at = 0; at < lock.holder_count; ++at) {
      const auto pinned = pin({lock.holders[at].pid, lock.holders[at].start}, false);
      if (!pinned.has_value()) return pinned.error();
    }
    if (lock.has_record && lock.record.server.pid != 0) (void)pin(lock.record.server, false);
    primary_count_ = target_count_;
    return {};
  }

  /// Sets the receipt where the owner can't be pinned.
  Result<void> pin_owner(const ProcessIdentity& owner, bool is_shifted, bool& pinned) noexcept {
    const auto result = pin(owner, is_shifted);
    if (!result.has_value()) return result.error();
    pinned = *result;
    if (pinned) return {};
    receipt_.evidence = look_at(host_, owner);
    const bool is_gone = receipt_.evidence.observed.liveness == Liveness::gone;
    receipt_.outcome = is_gone ? StopOutcome::already_ended : StopOutcome::refused;
    return is_gone ? clean_up() : Result<void>{};
  }

  /// Opens a handle, and only then compares: whoever had the PID at the first moment and has the recorded start at the
  /// second is the recorded process. A start that reads otherwise here (time namespaces, checkpoints) is accepted only
  /// of a process that the kernel lists as a holder of the lock.
  /// Returns: false, and pins nobody, where it is gone or somebody else.
  Result<bool> pin(const ProcessIdentity& identity, bool by_lock) noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) {
      if (targets_[at].identity.pid == identity.pid) return true;
    }
    if (target_count_ == target_capacity) return false;
    const auto opened = uninterrupted([&] { return host_.process.open(identity.pid); });
    if (opened.error == ESRCH) return false;
    if (!opened.ok()) return files_.error(Operation::open_process, opened.error, files_.lock());
    const Evidence evidence = look_at(host_, identity);
    const bool is_it =
        evidence.reason == Reason::start_matches || (by_lock && evidence.observed.liveness == Liveness::alive &&
                                                     host_.process.holds_lock(identity.pid, lock_id_, owner_byte));
    if (!is_it || identity.pid == host_.process.self()) {
      host_.process.close(opened.value);
      if (is_it) return files_.refusal(ErrorKind::own_process, Operation::signal, files_.lock());
      return false;
    }
    Target& target = targets_[target_count_++];
    target = Target{};
    target.identity = identity;
    target.handle = opened.value;
    target.leads_group = host_.process.leads_group(identity.pid);
    return true;
  }

  void forget_targets() noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) host_.process.close(targets_[at].handle);
    target_count_ = 0;
    primary_count_ = 0;
  }

  Result<void> stop_targets() noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) {
      // The first process of our own PID namespace takes us with it, and then nobody clears the sentinel.
      if (is_protected(targets_[at])) options_.sentinel_ttl = shortest_ttl;
    }
    StopRegistration<H> registration{host_, files_, directory_.file.get(), receipt_.target, options_.sentinel_ttl};
    registration_ = &registration;
    SysResult<void> signalled;
    // The sentinel stands before the first signal, and both happen before another stopper can look.
    const auto entered = registration.enter([&](bool first) noexcept {
      // Orphans are others than the owner that an earlier stop of the same target has asked.
      const bool asks = first || receipt_.was_orphaned;
      receipt_.joined = !asks;
      if (asks) signalled = terminate(0, primary_count_);
    });
    renew_at_ = host_.clock.monotonic() + Milliseconds{options_.sentinel_ttl.count() / 2};
    if (!entered) {
      // A full disk, or a stopper that was suspended, must not keep the server running.
      receipt_.sentinel_error = entered.error().code != 0 ? entered.error().code : EIO;
      signalled = terminate(0, primary_count_);
    }
    Result<void> result;
    if (!signalled.ok()) {
      result = files_.error(Operation::signal, signalled.error, files_.lock());
    } else {
      result = end_and_clean_up();
    }
    const auto left = registration.leave();
    registration_ = nullptr;
    if (receipt_.sentinel_error == 0 && !left) receipt_.sentinel_error = left.error().code;
    return result;
  }

  Result<void> end_and_clean_up() noexcept {
    // An owner may have left more orphans than we can pin at once.
    for (int round = 0; round < 32; ++round) {
      if (auto ok = wait_and_kill(); !ok) return ok;
      if (auto ok = clean_up(); !ok) {
        // The server is stopped all the same, and the next claim removes what it left.
        receipt_.clean_up_error = ok.error().code != 0 ? ok.error().code : EIO;
        return {};
      }
      if (receipt_.outcome == StopOutcome::still_alive) return {};
      if (!receipt_.was_orphaned || receipt_.holder_count == 0) return {};
      OwnerView view;
      view.holder_count = receipt_.holder_count;
      for (std::size_t at = 0; at < view.holder_count; ++at) view.holders[at] = receipt_.holders[at];
      if (auto ok = pin_orphans(view); !ok) return ok;
      if (target_count_ == 0) continue;
      if (const auto sent = terminate(0, primary_count_); !sent.ok()) {
        return files_.error(Operation::signal, sent.error, files_.lock());
      }
    }
    return {};
  }

  SysResult<void> terminate(std::size_t from, std::size_t to) noexcept {
    for (std::size_t at = from; at < to; ++at) {
      if (targets_[at].ended) continue;
      const auto sent = uninterrupted([&] { return host_.process.signal(targets_[at].handle, Signal::terminate); });
      if (sent.ok()) {
        receipt_.sent_terminate = true;
      } else if (sent.error != ESRCH) {
        return sent;
      }
    }
    return {};
  }

  Result<void> wait_and_kill() noexcept {
    const Milliseconds deadline = host_.clock.monotonic() + options_.grace;
    for (std::size_t at = 0; at < primary_count_; ++at) {
      if (auto ok = wait_for(targets_[at], deadline); !ok) return ok;
      if (!targets_[at].ended) {
        if (auto ok = kill(targets_[at]); !ok) return ok;
      }
    }
    receipt_.took = host_.clock.monotonic() - began_;
    for (std::size_t at = 0; at < target_count_; ++at) {
      // Past the first ones comes the guarded command of an owner that could not or did not end it.
      if (at >= primary_count_) {
        if (auto ok = end_server(at, deadline); !ok) return ok;
      }
      if (auto ok = end_group(targets_[at], deadline); !ok) return ok;
    }
    if (auto ok = wait_for_the_killed(); !ok) return ok;
    if (receipt_.outcome == StopOutcome::still_alive) return {};
    if (receipt_.sent_kill) {
      receipt_.outcome = StopOutcome::killed;
    } else {
      receipt_.outcome = receipt_.sent_terminate || receipt_.joined ? StopOutcome::stopped : StopOutcome::already_ended;
    }
    return {};
  }

  Result<void> end_server(std::size_t at, Milliseconds deadline) noexcept {
    Target& server = targets_[at];
    if (auto ok = wait_for(server, host_.clock.monotonic()); !ok || server.ended) return ok;
    if (const auto sent = terminate(at, at + 1); !sent.ok()) {
      return files_.error(Operation::signal, sent.error, files_.lock());
    }
    if (auto ok = wait_for(server, deadline); !ok || server.ended) return ok;
    return kill(server);
  }

  /// Blocks in the kernel until the target ends or `deadline`; wakes only to renew the sentinel.
  Result<void> wait_for(Target& target, Milliseconds deadline) noexcept {
    while (!target.ended) {
      const Milliseconds now = host_.clock.monotonic();
      const Milliseconds until = renew_at_ < deadline ? renew_at_ : deadline;
      const Milliseconds span = until > now ? until - now : Milliseconds{};
      const auto waited = host_.process.wait(target.handle, span);
      if (!waited.ok() && waited.error != EINTR) return files_.error(Operation::wait, waited.error, files_.lock());
      if (waited.ok() && waited.value) {
        target.ended = true;
      } else if (now >= deadline) {
        break;
      }
      renew();
    }
    return {};
  }

  /// Keeps the sentinel up for as long as the stop takes.
  void renew() noexcept {
    if (host_.clock.monotonic() < renew_at_) return;
    const auto renewed = registration_->enter([](bool) noexcept {});
    if (!renewed) receipt_.sentinel_error = renewed.error().code != 0 ? renewed.error().code : EIO;
    renew_at_ = host_.clock.monotonic() + Milliseconds{options_.sentinel_ttl.count() / 2};
  }

  Result<void> kill(Target& target) noexcept {
    receipt_.sent_kill = true;
    // The leader first: what it could still start would otherwise survive.
    const auto sent = uninterrupted([&] { return host_.process.signal(target.handle, Signal::kill); });
    if (!sent.ok() && sent.error != ESRCH) return files_.error(Operation::signal, sent.error, files_.lock());
    if (target.leads_group) {
      (void)uninterrupted([&] { return host_.process.signal_group(target.handle, target.identity.pid, Signal::kill); });
    }
    return wait_for(target, host_.clock.monotonic() + (is_protected(target) ? Milliseconds{} : options_.kill_wait));
  }

  /// The kernel keeps the first process of a PID namespace from being killed by the others in it. As an owner that
  /// guards a command, it still ends when that has been killed.
  [[nodiscard]] static bool is_protected(const Target& target) noexcept { return target.identity.pid == 1; }

  Result<void> wait_for_the_killed() noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) {
      Target& target = targets_[at];
      if (!target.ended && is_protected(target)) {
        if (auto ok = wait_for(target, host_.clock.monotonic() + options_.kill_wait); !ok) return ok;
        receipt_.took = host_.clock.monotonic() - began_;
      }
      if (!target.ended) receipt_.outcome = StopOutcome::still_alive;
    }
    return {};
  }

  /// What is left of the group that the target led. The kernel does not tell when a group is empty, so this polls; it
  /// runs only where a leader left members behind.
  Result<void> end_group(Target& target, Milliseconds deadline) noexcept {
    if (!target.leads_group || !target.ended) return {};
    const auto lives = [&]() noexcept { return host_.process.group_lives(target.handle, target.identity.pid); };
    const auto send = [&](Signal signal) noexcept {
      return uninterrupted([&] { return host_.process.signal_group(target.handle, target.identity.pid, signal); });
    };
    if (!lives() || !send(Signal::terminate).ok()) return {};
    Milliseconds pause{1};
    while (host_.clock.monotonic() < deadline) {
      host_.clock.sleep(pause);
      if (!lives()) return {};
      renew();
      if (pause.count() < 50) pause = Milliseconds{pause.count() * 2};
    }
    receipt_.killed_group = send(Signal::kill).ok() || receipt_.killed_group;
    return {};
  }

  /// Removes what the dead owner left, if nobody else owns the directory by now.
  Result<void> clean_up() noexcept {
    receipt_.holder_count = 0;
    ChangeWait<H> wait{host_, host_.clock.monotonic() + options_.settle};
    OpenStateFile<H> lock;
    do {
      if (!lock.file.is_open()) {
        if (auto ok = open_state_file(host_, files_, directory_.file.get(), files_.lock(), OpenMode::ensure, lock);
            !ok) {
          return ok;
        }
        if (!lock.file.is_open()) return {};  // the directory is gone, and all that was in it
      }
      const auto locked = uninterrupted([&] { return host_.files.try_lock(lock.file.get(), owner_byte, 2); });
      if (!locked.ok() && locked.error != EAGAIN) return files_.error(Operation::lock, locked.error, files_.lock());
      const auto named =
          uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), files_.lock().c_str()); });
      if (named.error == ENOENT) return {};
      if (!named.ok() || named.value.id != lock.info.id) {
        lock.file.reset();
        continue;
      }
      if (locked.ok()) return clean_up_under_lock(lock);
      const auto view = inspect_lock(host_, files_, lock.file.get(), lock.info.id);
      if (!view) return view.error();
      receipt_.holder_count = 0;
      if (view->standing == LockStanding::owned) {
        if (view->record.owner != receipt_.target) receipt_.successor = view->record.owner;
        return {};
      }
      if (registration_ != nullptr) renew();
      if (view->standing == LockStanding::orphaned) {
        if (!view->has_record || view->record.owner != receipt_.target) {
          receipt_.successor = view->record.owner;  // it has come and gone, and these are its orphans
          return {};
        }
        receipt_.holder_count = view->holder_count;
        for (std::size_t at = 0; at < view->holder_count; ++at) receipt_.holders[at] = view->holders[at];
      }
    } while (wait.next(files_.lock_path().c_str()));
    return {};
  }

  Result<void> clean_up_under_lock(OpenStateFile<H>& lock) noexcept {
    const auto cleaned = remove_leavings(host_, files_, directory_.file.get(), lock.file.get(), lock.info.id,
                                         [&](const FileInfo& record) noexcept {
                                           return check_trust(host_, files_, directory_.info, record, files_.record());
                                         });
    if (!cleaned) return cleaned.error();
    if (cleaned->survivor.pid != 0) receipt_.successor = cleaned->survivor;
    if (cleaned->has_removed_record && receipt_.outcome == StopOutcome::not_running) {
      receipt_.outcome = StopOutcome::cleaned;
    }
    return {};
  }

  static constexpr std::size_t target_capacity = holder_capacity + 2;
  static constexpr Milliseconds shortest_ttl{1000};

  H& host_;
  const StateFiles& files_;
  StopOptions options_;
  OpenDirectory<H> directory_;
  StopRegistration<H>* registration_ = nullptr;  ///< while targets are being stopped
  Milliseconds renew_at_;
  FileIdentity lock_id_;
  Target targets_[target_capacity];
  std::size_t target_count_ = 0;
  std::size_t primary_count_ = 0;  ///< those that are asked first; the others are a dead owner's guarded command
  Milliseconds began_;
  StopReceipt receipt_;
};

}  // namespace detail

/// Stops whoever owns the directory when it is called.
/// Effects: the sentinel stands while this works. Only processes whose identity was checked after they were pinned are
/// signalled. What the dead owner left is removed, unless somebody else owns the directory by then.
/// Returns: a receipt. "Nothing is running" and "cannot be told" are outcomes.
/// Errors: any policy call, with its errno; a directory or record that others may write.
template <typename H>
[[nodiscard]] Result<StopReceipt> stop(H& host, const StateFiles& files, const StopOptions& options = {}) noexcept {
  return detail::StopRun<H>{host, files, options}.run();
}

}  // namespace genie::inline v0

#endif  // GENIE_STOP_HPP
