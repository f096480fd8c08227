// Stops the owner of a state directory, and nobody else: sentinel, checked handle, signal, wait, clean-up, receipt.
#ifndef GENIE_STOP_HPP
#define GENIE_STOP_HPP

#include "genie/concepts.hpp"
#include "genie/leavings.hpp"
#include "genie/status.hpp"

namespace genie::inline v0 {

/// How hard and how long a stop tries, whom it ends, and what is to hold after it.
struct StopOptions {
  Milliseconds grace{10'000};                        ///< from the request to end until it is made to end
  Milliseconds kill_wait{5'000};                     ///< how long to wait for a killed process to be gone
  Milliseconds settle{1'000};                        ///< how long to wait for a claim in progress to name its owner
  Milliseconds sentinel_ttl = default_sentinel_ttl;  ///< renewed for as long as the stop takes
  /// Records, before anything else and whatever becomes of the stop, that nothing is to start by itself until somebody
  /// asks for a start. Creates the directory where it is absent.
  bool stay = false;
  bool restarting = false;  ///< tells automatic starters that the caller starts the server again
  bool orphans = false;     ///< stops everybody who inherited the lock from its owner, too
  bool cgroup = false;     ///< the server has a cgroup of its own: ends what is left in it, too. Refused if it has none
  ProcessIdentity only{};  ///< stops nobody else than this owner; PID 0: whoever it is
  /// Where given, stops it only while it is not ready, and has reported nothing else than this. Borrowed.
  const BootRecord* only_at = nullptr;
};

/// How a stop ended. None of these is an error: errors are in the `Result` around the receipt.
enum class StopOutcome : std::uint8_t {
  not_running,    ///< there was nothing to stop
  cleaned,        ///< the owner was dead already; what it left was removed
  stopped,        ///< it ended after being asked to
  killed,         ///< it had to be killed
  already_ended,  ///< it ended before it was signalled
  refused,        ///< nobody was signalled, because nobody could be told from a stranger: see `evidence`
  still_alive,    ///< it was killed, and is not gone yet
  another,        ///< nobody was signalled, because the owner is not the one that was to be stopped, or has come
                  ///< further than it was to be: see `successor`
  orphans_left,   ///< nobody was signalled: owner and command are gone, `holders` still hold the lock. See `orphans`
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
  bool killed_group = false;   ///< members of the process group that the target led were left, and were killed
  bool killed_cgroup = false;  ///< the same of its cgroup
  bool spared_cgroup =
      false;               ///< somebody else owns the directory by now, and may be in that cgroup: it was left alone
  bool has_left = false;   ///< some of its group or cgroup could not be ended, or cannot be seen to have ended
  bool stays = false;      ///< for certain, nothing starts by itself until somebody asks for a start; where `refused`,
                           ///< but for a claim that was half-way then
  int sentinel_error = 0;  ///< errno, where no sentinel could be written: the stop went on without
  int clean_up_error = 0;  ///< errno, where what it left could not be removed: the next claim does that
  Milliseconds took;  ///< from the call to the target's end, or of those who held its lock, where it `was_orphaned`
  Evidence evidence;  ///< why the target is, or is not, the owner
  ProcessIdentity successor;            ///< who owns the directory now; PID 0 for nobody. It was not touched.
  LockHolder holders[holder_capacity];  ///< who inherited the lock from the target, and holds it still; where
                                        ///< `refused` because the target runs elsewhere, or somebody's claim or start
                                        ///< does not come to its end: who holds it, as seen from here
  std::size_t holder_count = 0;
  NamedProcess left[holder_capacity];  ///< where `has_left`: those of them that can be seen
  std::size_t left_count = 0;
};

namespace detail {

/// For a stop after which nothing more is to be done.
struct NothingMore {};

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
  ~StopRun() {
    forget_targets();
    if (has_cgroup_) host_.process.close_cgroup(cgroup_);
  }

  template <typename BeforeLeaving>
  [[nodiscard]] Result<StopReceipt> run(BeforeLeaving&& before_leaving) noexcept {
    began_ = host_.clock.monotonic();
    if (auto ok = open_state_directory(host_, files_, options_.stay, directory_); !ok) {
      if (!options_.stay && says_absent(ok.error())) return receipt_;
      return ok.error();
    }
    // Before anybody is looked for: of an explicit start and us, one sees the other.
    if (options_.stay) record_stay();
    bool has_target = false;
    if (auto ok = find_target(has_target); !ok) return ok.error();
    if (has_target && options_.cgroup) find_cgroup(has_target);
    if (!has_target) {
      if (options_.stay) confirm_stay();
      return receipt_;
    }
    if (auto ok = stop_targets(before_leaving); !ok) return ok.error();
    return receipt_;
  }

 private:
  using Handle = typename H::ProcessProbe::Handle;
  using Cgroup = typename H::ProcessProbe::Cgroup;

  struct Target {
    ProcessIdentity identity;
    Handle handle{};
    bool leads_group = false;
    bool ended = false;
  };

  [[nodiscard]] static bool is_elsewhere(const OwnerView& owner) noexcept {
    return owner.evidence.whereabouts != Whereabouts::here;
  }
  void record_stay() noexcept {
    stay_.setter = own_identity(host_);
    stay_.origin = host_.process.origin();
    stay_.user = host_.process.user();
    stay_.since = host_.clock.wall();
    const auto recorded = put_up_stay(host_, files_, directory_.file.get(), options_.sentinel_ttl, stay_);
    if (!recorded) note_sentinel_error(recorded.error());
  }
  /// Where nobody was stopped, an explicit start that came after us may have ended the intent already.
  void confirm_stay() noexcept {
    const auto intent = read_stop_intent(host_, files_, directory_.file.get(), options_.sentinel_ttl);
    receipt_.stays = intent && intent->stay;
    if (!intent) note_sentinel_error(intent.error());
  }
  /// An explicit start may have taken the intent out since we recorded it, and then it is what we stop.
  /// Returns: whether the intent was missing.
  bool restore_stay(Sentinel& sentinel) noexcept {
    if (!options_.stay || sentinel.has_stay) return false;
    sentinel.has_stay = true;
    sentinel.stay = stay_;
    return true;
  }
  /// Takes out again what was put up again, if there is somebody besides our target who may have looked for it before.
  /// Whoever claims from here on finds it. Requires: the stopper lock.
  Result<void> yield_stay(Sentinel& sentinel, const OpenStateFile<H>& lock) noexcept {
    const auto view = inspect_lock(host_, files_, lock.file.get(), lock.info.id);
    if (!view) return view.error();
    const bool is_somebody_elses = view->standing == LockStanding::claiming ||
                                   (view->standing == LockStanding::owned && view->record.owner != receipt_.target);
    if (!is_somebody_elses) return {};
    sentinel.has_stay = false;
    return publish_sentinel(host_, files_, directory_.file.get(), sentinel);
  }
  void note_sentinel_error(const Error& error) noexcept {
    receipt_.sentinel_error = error.code != 0 ? error.code : EIO;
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
        // A starter that was suspended, for example: whoever is to be continued or ended by hand.
        receipt_.holder_count =
            host_.process.lock_holders(found.lock_info.id, owner_byte, receipt_.holders, holder_capacity);
        return {};
      }
      if (!by_lock) return choose_by_record(found, has_target);
      const auto chosen = choose_by_lock(found, has_target);
      // Workers that end together with their server look like orphans for a moment.
      if (chosen && receipt_.outcome == StopOutcome::orphans_left && wait.next(files_.lock_path().c_str())) {
        StopReceipt anew;
        anew.sentinel_error = receipt_.sentinel_error;
        receipt_ = anew;
        continue;
      }
      return chosen;
    }
  }

  /// A server that is being started can be stopped; its starter is a client, and is never signalled.
  static bool has_heir(const OwnerView& lock) noexcept {
    return lock.evidence.reason == Reason::handing_over && lock.record.heir.pid != 0 &&
           lock.evidence.recorded == lock.record.heir;
  }
  [[nodiscard]] bool is_wanted(const ProcessIdentity& owner) const noexcept {
    return options_.only.pid == 0 || owner == options_.only;
  }
  /// Whether a start that was to be ended is not where it was any more. Who cannot tell ends nothing.
  [[nodiscard]] bool has_come_further() noexcept {
    if (options_.only_at == nullptr) return false;
    FoundOwner<H> found;
    if (!find_owner(host_, files_, directory_.file.get(), false, found)) return true;
    const LockRecord& record = found.lock.record;
    if (!found.lock.has_record || record.phase == Phase::running) return true;
    BootRecord boot;
    const auto read = read_boot_record(host_, found.lock_file.get(), record.generation, boot);
    return !read.ok() || boot != *options_.only_at;
  }
  void leave_alone(const ProcessIdentity& owner) noexcept {
    receipt_.outcome = StopOutcome::another;
    receipt_.target = options_.only;
    receipt_.server = ProcessIdentity{};
    receipt_.successor = owner;
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
    const ProcessIdentity owner = receipt_.target;
    if (!is_wanted(owner)) {
      leave_alone(owner);
      return {};
    }
    if (found.lock.standing == LockStanding::orphaned) return choose_orphans(found.lock, has_target);
    const bool is_shifted = found.lock.evidence.reason == Reason::lock_held_start_shifted;
    if (auto ok = pin_owner(receipt_.target, is_shifted, has_target); !ok || !has_target) return ok;
    primary_count_ = target_count_;
    if (record.server.pid != 0 && record.server != receipt_.target) {
      // If it can't be pinned, its owner can still be stopped, and ends it.
      (void)pin(record.server, false);
    }
    return {};
  }

  /// The recorded command is the server, whoever holds the lock; others are stopped on request only.
  Result<void> choose_orphans(const OwnerView& lock, bool& has_target) noexcept {
    receipt_.was_orphaned = true;
    if (auto ok = pin_orphans(lock); !ok) return ok;
    has_target = target_count_ > 0 || (options_.orphans && lock.holder_count > 0);
    if (has_target) return {};
    receipt_.outcome = options_.orphans ? StopOutcome::refused : StopOutcome::orphans_left;
    note_holders(lock);
    return {};
  }
  void note_holders(const OwnerView& lock) noexcept {
    receipt_.holder_count = lock.holder_count;
    for (std::size_t at = 0; at < lock.holder_count; ++at) receipt_.holders[at] = lock.holders[at];
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
    if (!is_wanted(view.record.owner)) {
      if (view.standing == RecordStanding::alive) leave_alone(view.record.owner);
      return {};
    }
    if (auto ok = check_trust(host_, files_, directory_.info, view.info, files_.record()); !ok) return ok;
    if (view.standing == RecordStanding::dead) {
      return clean_up();
    }
    if (auto ok = pin_owner(view.record.owner, false, has_target); !ok) return ok;
    primary_count_ = target_count_;
    return {};
  }

  /// A dead owner's guarded command, and on request everybody else who inherited its lock.
  Result<void> pin_orphans(const OwnerView& lock) noexcept {
    forget_targets();
    if (receipt_.server.pid != 0) {
      const auto pinned = pin(receipt_.server, false);
      if (!pinned.has_value()) return pinned.error();
    }
    for (std::size_t at = 0; options_.orphans && at < lock.holder_count; ++at) {
      const auto pinned = pin({lock.holders[at].pid, lock.holders[at].start}, false);
      if (!pinned.has_value()) return pinned.error();
    }
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

  /// Sets the receipt, and no target, where the cgroup is not only the server's.
  void find_cgroup(bool& has_target) noexcept {
    if (target_count_ == 0) return;
    const Target& target = targets_[0];
    const auto opened = uninterrupted([&] { return host_.process.open_cgroup(target.identity.pid); });
    if (opened.ok()) {
      cgroup_ = opened.value;
      has_cgroup_ = true;
    }
    // Only of a process that has not ended by now was that the cgroup; else it may be that of its PID's next user.
    const auto ended = uninterrupted([&] { return host_.process.wait(target.handle, Milliseconds{}); });
    int error = opened.error;
    if (error == 0) error = ended.value ? ESRCH : ended.error;
    if (error == 0) return;
    has_target = false;
    receipt_.outcome = StopOutcome::refused;
    const bool is_shared = error == EBUSY || error == EDEADLK;
    receipt_.evidence = Evidence{};
    receipt_.evidence.reason = is_shared ? Reason::cgroup_not_own : Reason::cgroup_unusable;
    receipt_.evidence.recorded = target.identity;
    receipt_.evidence.observed.error = error;
  }

  void forget_targets() noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) host_.process.close(targets_[at].handle);
    target_count_ = 0;
    primary_count_ = 0;
  }

  template <typename BeforeLeaving>
  Result<void> stop_targets(BeforeLeaving& before_leaving) noexcept {
    for (std::size_t at = 0; at < target_count_; ++at) {
      // The first process of our own PID namespace takes us with it, and then nobody clears the sentinel.
      if (is_protected(targets_[at])) options_.sentinel_ttl = shortest_ttl;
    }
    StopRegistration<H> registration{
        host_, files_, directory_.file.get(), receipt_.target, options_.sentinel_ttl, options_.restarting};
    registration_ = &registration;
    SysResult<void> signalled;
    Result<void> yielded;
    Sentinel* entries = nullptr;
    const OpenStateFile<H>* locked = nullptr;
    bool is_restored = false;
    bool is_too_far = false;
    const auto ask = [&]() noexcept {
      is_too_far = has_come_further();
      if (!is_too_far) signalled = terminate(0, primary_count_);
    };
    const auto prepare = [&](Sentinel& sentinel, const OpenStateFile<H>& lock) noexcept {
      entries = &sentinel;
      locked = &lock;
      is_restored = restore_stay(sentinel);
    };
    // The sentinel stands before the first signal, and both happen before another stopper can look.
    const auto entered = registration.enter(prepare, [&](bool first) noexcept {
      if (is_restored) yielded = yield_stay(*entries, *locked);
      receipt_.stays = entries->has_stay;
      // Orphans are others than the owner that an earlier stop of the same target has asked.
      const bool asks = first || receipt_.was_orphaned;
      receipt_.joined = !asks;
      if (asks) ask();
    });
    renew_at_ = host_.clock.monotonic() + Milliseconds{options_.sentinel_ttl.count() / 2};
    if (entered) {
      receipt_.sentinel_error = 0;
      if (!yielded) note_sentinel_error(yielded.error());
    } else {
      // A full disk, or a stopper that was suspended, must not keep the server running.
      note_sentinel_error(entered.error());
      ask();
    }
    Result<void> result;
    if (is_too_far) {
      leave_alone(ProcessIdentity{receipt_.target});
    } else if (!signalled.ok()) {
      result = files_.error(Operation::signal, signalled.error, files_.lock());
    } else {
      result = end_and_clean_up();
    }
    if constexpr (!detail::SameAs<BeforeLeaving, const NothingMore>) {
      if (result && !is_too_far && receipt_.outcome != StopOutcome::still_alive) {
        renew_at_ = host_.clock.monotonic();  // for as long as possible
        renew();
        before_leaving(static_cast<const StopReceipt&>(receipt_));
      }
    }
    const auto left = registration.leave();
    registration_ = nullptr;
    if (receipt_.sentinel_error == 0 && !left) receipt_.sentinel_error = left.error().code;
    return result;
  }

  Result<void> end_and_clean_up() noexcept {
    // An owner may have left more orphans than we can pin at once, and orphans may leave others.
    constexpr int most_rounds = 32;
    for (int round = 1;; ++round) {
      if (auto ok = wait_and_kill(); !ok) return ok;
      is_past_target_ = !receipt_.was_orphaned;
      if (auto ok = clean_up(); !ok) {
        // The server is stopped all the same, and the next claim removes what it left.
        receipt_.clean_up_error = ok.error().code != 0 ? ok.error().code : EIO;
        return {};
      }
      if (receipt_.outcome == StopOutcome::still_alive) return {};
      if (!options_.orphans || receipt_.holder_count == 0 || round == most_rounds) return {};
      OwnerView view;
      view.holder_count = receipt_.holder_count;
      for (std::size_t at = 0; at < view.holder_count; ++at) view.holders[at] = receipt_.holders[at];
      if (auto ok = pin_orphans(view); !ok) return ok;
      if (target_count_ == 0) continue;
      if (const auto sent = terminate(0, primary_count_); !sent.ok()) {
        return files_.error(Operation::signal, sent.error, files_.lock());
      }
    }
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
    note_end();
    for (std::size_t at = 0; at < target_count_; ++at) {
      // Past the first ones comes the guarded command of an owner that could not or did not end it.
      if (at >= primary_count_) {
        if (auto ok = end_server(at, deadline); !ok) return ok;
      }
      end_group(targets_[at], deadline);
    }
    if (auto ok = wait_for_the_killed(); !ok) return ok;
    if (has_cgroup_) end_cgroup(deadline);
    if (receipt_.outcome == StopOutcome::still_alive) return {};
    if (receipt_.sent_kill) {
      receipt_.outcome = StopOutcome::killed;
    } else {
      receipt_.outcome = receipt_.sent_terminate || receipt_.joined ? StopOutcome::stopped : StopOutcome::already_ended;
    }
    return {};
  }

  /// Those whom the target has left are ended after it, and take their own time.
  void note_end() noexcept {
    if (!is_past_target_) receipt_.took = host_.clock.monotonic() - began_;
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
    if (!renewed) note_sentinel_error(renewed.error());
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
        note_end();
      }
      if (!target.ended) receipt_.outcome = StopOutcome::still_alive;
    }
    return {};
  }

  /// What is left of the group that the target led.
  void end_group(const Target& target, Milliseconds deadline) noexcept {
    if (!target.leads_group || !target.ended) return;
    const Pid pid = target.identity.pid;
    const bool killed = end_members(
        deadline, [&]() noexcept { return host_.process.group_lives(target.handle, pid); },
        [&](Signal signal) noexcept { return host_.process.signal_group(target.handle, pid, signal); },
        [&](NamedProcess* out, std::size_t count) noexcept {
          return host_.process.group_members(target.handle, pid, out, count);
        });
    receipt_.killed_group = killed || receipt_.killed_group;
  }

  void end_cgroup(Milliseconds deadline) noexcept {
    const bool killed = end_members(
        deadline, [&]() noexcept { return host_.process.cgroup_lives(cgroup_); },
        [&](Signal signal) noexcept -> SysResult<void> {
          receipt_.spared_cgroup = is_succeeded();
          if (receipt_.spared_cgroup) return {ESRCH};  // nobody who is ours for sure
          return host_.process.signal_cgroup(cgroup_, signal);
        },
        [&](NamedProcess* out, std::size_t count) noexcept {
          return host_.process.cgroup_members(cgroup_, out, count);
        });
    receipt_.killed_cgroup = killed || receipt_.killed_cgroup;
  }

  /// Asks those that a target has left to end, kills them after the grace, and names those that are left nevertheless.
  /// Returns: whether they were killed.
  template <typename Live, typename Send, typename Tell>
  bool end_members(Milliseconds deadline, const Live& live, const Send& send, const Tell& tell) noexcept {
    if (!live()) return false;
    const auto asked = uninterrupted([&] { return send(Signal::terminate); });
    if (asked.error == ESRCH) return false;
    bool killed = false;
    if (asked.ok()) {
      if (!outlive(live, deadline)) return false;
      const auto sent = uninterrupted([&] { return send(Signal::kill); });
      if (sent.error == ESRCH) return false;
      killed = sent.ok();
      if (killed && !outlive(live, host_.clock.monotonic() + options_.kill_wait)) return true;
    }
    receipt_.has_left = true;
    NamedProcess* const out = receipt_.left + receipt_.left_count;
    receipt_.left_count += tell(out, holder_capacity - receipt_.left_count);
    return killed;
  }
  /// The kernel does not tell when a group is empty, so this polls; it runs only where a target left members behind.
  template <typename Live>
  bool outlive(const Live& live, Milliseconds deadline) noexcept {
    Milliseconds pause{1};
    while (live()) {
      if (host_.clock.monotonic() >= deadline) return true;
      host_.clock.sleep(pause);
      renew();
      if (pause.count() < 50) pause = Milliseconds{pause.count() * 2};
    }
    return false;
  }

  /// Whether anybody else has claimed the directory since, or that can't be told. A service manager, for example,
  /// starts the next server in the same cgroup.
  bool is_succeeded() noexcept {
    ChangeWait<H> wait{host_, host_.clock.monotonic() + options_.settle};
    do {
      OpenStateFile<H> lock;
      if (!open_state_file(host_, files_, directory_.file.get(), files_.lock(), OpenMode::read, lock)) return true;
      if (!lock.file.is_open()) return false;
      const auto view = inspect_lock(host_, files_, lock.file.get(), lock.info.id);
      if (!view) return true;
      if (view->standing == LockStanding::free || view->standing == LockStanding::orphaned) return false;
      if (view->standing == LockStanding::owned) return view->record.owner != receipt_.target;
      // Another stop cleans up, or somebody is about to claim.
    } while (wait.next(files_.lock_path().c_str()));
    return true;
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
        if (locked.ok()) give_lock_back(host_, lock.file.get());
        lock.file.reset();
        continue;
      }
      if (locked.ok()) {
        const auto cleaned = clean_up_under_lock(lock);
        give_lock_back(host_, lock.file.get());
        return cleaned;
      }
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
        note_holders(*view);
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
    receipt_.successor = cleaned->survivor;
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
  Cgroup cgroup_{};
  bool has_cgroup_ = false;
  Milliseconds began_;
  bool is_past_target_ = false;
  Stay stay_;
  StopReceipt receipt_;
};

}  // namespace detail

/// Stops whoever owns the directory when it is called.
/// Effects: the sentinel stands while this works. Only processes whose identity was checked after they were pinned are
/// signalled, and members of a group or cgroup that such a one leads or has to itself. What the dead owner left is
/// removed, unless somebody else owns the directory by then. `before_leaving(receipt)` runs once the target has ended
/// and what it left was removed, while the sentinel still stands for at least its TTL: what it claims explicitly,
/// nobody claims on demand before it. It does not run where there was nobody to end; it must not throw.
/// Returns: a receipt. "Nothing is running" and "cannot be told" are outcomes.
/// Errors: any policy call, with its errno; a directory or record that others may write.
template <typename H, typename BeforeLeaving>
[[nodiscard]] Result<StopReceipt> stop(H& host, const StateFiles& files, const StopOptions& options,
                                       BeforeLeaving&& before_leaving) noexcept {
  return detail::StopRun<H>{host, files, options}.run(before_leaving);
}
template <typename H>
[[nodiscard]] Result<StopReceipt> stop(H& host, const StateFiles& files, const StopOptions& options = {}) noexcept {
  constexpr detail::NothingMore nothing_more{};
  return detail::StopRun<H>{host, files, options}.run(nothing_more);
}

}  // namespace genie::inline v0

#endif  // GENIE_STOP_HPP
