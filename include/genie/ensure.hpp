// Start on demand: one call that gives the running server, and starts it where there is none. Any number of callers at
// once make one start, which all of them wait for; whoever starts claims the directory first, and hands that claim to
// the server, so that there is no moment in which nobody owns it.
#ifndef GENIE_ENSURE_HPP
#define GENIE_ENSURE_HPP

#include "genie/handover.hpp"
#include "genie/log_file.hpp"
#include "genie/role.hpp"
#include "genie/status.hpp"
#include "genie/stop.hpp"
#include "genie/system_launcher.hpp"
#include "genie/version_order.hpp"

namespace genie::inline v0 {

/// What to do with a server that runs, and is not of the version that the caller would start.
enum class UpgradePolicy : std::uint8_t {
  use_running,      ///< use it
  replace_older,    ///< stop an older one, once in a call, and start anew; a newer one, or of no known version, is used
  replace_running,  ///< stop whatever runs or is being started, once in a call, and start anew
};

/// Who asks for the server, for how long, and what is to become of one that runs already.
struct EnsureOptions {
  ClaimMode mode = ClaimMode::automatic;  ///< an explicit start waits for a stop to end, and for no backoff
  Milliseconds stall{15'000};             ///< how long a start may go on without reporting anything
  Milliseconds deadline{};     ///< for the whole call; 0: for as long as the start comes on, below 0: none is left, and
                               ///< nothing is started. What this call has started, and has not claimed by then, is
                               ///< ended, for which it gets its grace
  Milliseconds grace{5'000};   ///< how long a server that stalled or refused may take to end
  Milliseconds settle{1'000};  ///< how long to wait for processes that just end with their server
  Milliseconds sentinel_ttl = default_sentinel_ttl;
  std::uint64_t log_limit = default_log_limit;  ///< a larger log is put aside before a start; 0: never
  UpgradePolicy upgrade = UpgradePolicy::use_running;
  Milliseconds stop_grace{10'000};  ///< how long a server that is replaced may take to end
  Text build{};                     ///< what is said of the server until it speaks for itself
  Text version{};                   ///< the same, to be compared
};

/// Whether there is a server, and if not, why. None of these is an error: errors are in the `Result` around the report.
enum class EnsureOutcome : std::uint8_t {
  running,      ///< a server is there, and ready
  self,         ///< the caller belongs to the server: nothing is started, nothing waited for
  stopping,     ///< it is being stopped, or is to stay stopped
  failed,       ///< the start that was made, or waited for, came to nothing: see `failure`
  backing_off,  ///< it failed too often in a row: see `failure`, and `retry_in`
  timed_out,    ///< the caller's time is up; a start that was made or joined goes on: see `boot`
  contended,    ///< nothing can be proved: see `evidence`
  orphaned,     ///< the owner is gone, but processes that inherited its lock still hold it
};

/// What `ensure` found and did. Its `owner` is the server that answers, whoever started it.
struct EnsureReport {
  EnsureOutcome outcome = EnsureOutcome::contended;
  bool has_started = false;  ///< by this call
  bool has_joined = false;   ///< waited for somebody else's start
  bool has_kept = false;     ///< runs as before though it was to be replaced: see `evidence`
  ProcessIdentity replaced;  ///< the server that this call has stopped; PID 0: none
  VersionText replaced_version;
  ProcessIdentity owner;
  ProcessIdentity server;  ///< the command that the owner guards, where there is one
  std::uint64_t generation = 0;
  FixedText<63> build;
  VersionText version;
  Evidence evidence;
  StopIntent stop;        ///< filled where `stopping`
  BootRecord boot;        ///< the last step that was seen
  FailureRecord failure;  ///< filled where `failed` or `backing_off`
  Milliseconds retry_in;  ///< where `backing_off`
  LockHolder holders[holder_capacity];
  std::size_t holder_count = 0;
};

namespace detail {

/// One call of `ensure`.
template <typename H, typename L, typename OnProgress>
class Ensurer {
 public:
  Ensurer(H& host, L& launcher, const StateFiles& files, const LaunchPlan& plan, const EnsureOptions& options,
          OnProgress& on_progress) noexcept
      : host_{host},
        launcher_{launcher},
        files_{files},
        plan_{plan},
        options_{options},
        on_progress_{on_progress},
        wait_{host, Milliseconds{}} {}
  Ensurer(const Ensurer&) = delete;
  Ensurer& operator=(const Ensurer&) = delete;
  ~Ensurer() { (void)release(host_, files_, held_); }

  [[nodiscard]] Result<EnsureReport> run() noexcept {
    const Milliseconds began = host_.clock.monotonic();
    deadline_ = options_.deadline.count() == 0 ? never : began + options_.deadline;
    progress_at_ = began;
    // Being overtaken takes somebody else's progress each time; this bound only ends a fight with a mad deleter.
    constexpr int patience = 64;
    for (int overtaken = 0; overtaken < patience;) {
      const Result<Step> step = attempt();
      if (!step) return step.error();
      if (*step == Step::finished) return report_;
      if (*step == Step::again) {
        ++overtaken;
      } else if (!wait_.next(files_.lock_path().c_str())) {
        return too_late();
      }
    }
    return files_.refusal(ErrorKind::interrupted, Operation::lock, files_.lock());
  }

 private:
  using Child = typename L::Child;
  using Watch = typename H::Filesystem::Watch;

  static constexpr Milliseconds never{INT64_MAX / 4};
  /// Who wakes so much later than it wanted to was suspended, or the whole machine was: how much of that time others
  /// had, nobody knows.
  static constexpr Milliseconds suspended{1000};
  /// For how a process ended, which whoever is to tell it knows already.
  static constexpr Milliseconds reap_wait{2000};

  enum class Step : std::uint8_t { finished, again, wait };

  /// What one look at the directory shows.
  struct View {
    FoundOwner<H> found;
    StopIntent stop;
    bool is_being_stopped = false;  ///< by somebody who lives
    BootRecord boot;
    FailureRecord failure;
  };

  Result<Step> finish(EnsureOutcome outcome) noexcept {
    report_.outcome = outcome;
    report_.has_kept = outcome == EnsureOutcome::running && kept_.pid != 0 && report_.owner == kept_;
    return Step::finished;
  }

  EnsureReport too_late() noexcept {
    report_.outcome = report_.stop.standing ? EnsureOutcome::stopping : EnsureOutcome::timed_out;
    return report_;
  }

  Result<void> look(View& view) noexcept {
    OpenDirectory<H> directory;
    if (auto ok = open_state_directory(host_, files_, false, directory); !ok) {
      return says_absent(ok.error()) ? Result<void>{} : ok;
    }
    if (auto ok = find_owner(host_, files_, directory.file.get(), false, view.found); !ok) return ok;
    Sentinel sentinel;
    const auto intent = evaluate_sentinel(host_, files_, directory.file.get(), options_.sentinel_ttl, sentinel);
    if (!intent) return intent.error();
    view.stop = *intent;
    view.is_being_stopped = is_any_at_work(host_, sentinel);
    if (!view.found.lock.has_record) return {};
    const LockRecord& record = view.found.lock.record;
    const auto boot = read_boot_record(host_, view.found.lock_file.get(), record.generation, view.boot);
    if (!boot.ok()) return files_.error(Operation::read, boot.error, files_.lock());
    const auto failure = read_failure(host_, view.found.lock_file.get(), record);
    if (!failure.ok()) return files_.error(Operation::read, failure.error, files_.lock());
    view.failure = failure.value;
    return {};
  }

  Result<Step> attempt() noexcept {
    View view;
    if (auto ok = look(view); !ok) return ok.error();
    const OwnerView& lock = view.found.lock;
    note_generation(lock);
    tell(view);
    if (lock.standing != LockStanding::free && lock.has_record && role_of_caller(host_, lock.record) != Role::outside) {
      return finish(EnsureOutcome::self);
    }
    if (failed_meanwhile(view.failure)) return finish(EnsureOutcome::failed);
    if (view.stop.standing) {
      if (options_.mode == ClaimMode::automatic) {
        // Whoever restarts it starts it, too, and all that come meanwhile join.
        return view.stop.restarting ? wait_until(progress_at_ + options_.stall + options_.grace)
                                    : finish(EnsureOutcome::stopping);
      }
      if (view.is_being_stopped) return wait_until(deadline_);
      // What is left is an intent to stay stopped, which this start ends, or of somebody who is dead.
    }
    switch (lock.standing) {
      case LockStanding::owned:
        if (is_to_be_replaced(lock.record) && report_.owner.pid != 0) {
          has_replaced_ = true;
          return replace(report_.owner, lock.record.phase, nullptr);
        }
        return lock.record.phase == Phase::running ? finish(EnsureOutcome::running) : join(view);
      case LockStanding::claiming:
        // A claim takes microseconds, unless its process, or the disk, is held up: nothing is wrong for that.
        return lock.evidence.reason == Reason::claim_in_progress ? outlast(EnsureOutcome::contended, options_.stall)
                                                                 : join(view);
      case LockStanding::unsure:
        return lock.evidence.reason == Reason::lock_record_unreadable
                   ? outlast(EnsureOutcome::contended, options_.settle)
                   : finish(EnsureOutcome::contended);
      case LockStanding::orphaned: return outlast(EnsureOutcome::orphaned, options_.settle);
      case LockStanding::free: break;
    }
    unsettled_since_ = never;
    switch (view.found.record.standing) {
      case RecordStanding::alive:
        // Of its version nobody knows anything.
        if (options_.upgrade == UpgradePolicy::replace_running && !has_replaced_) {
          has_replaced_ = true;
          return replace(report_.owner, Phase::running, nullptr);
        }
        return finish(EnsureOutcome::running);
      case RecordStanding::unsure: return finish(EnsureOutcome::contended);
      case RecordStanding::absent:
      case RecordStanding::dead:
      case RecordStanding::empty: break;
    }
    return start(view.failure);
  }

  /// From which generation on a failed start is one that this call has waited for.
  void note_generation(const OwnerView& lock) noexcept {
    // A record that is just being written tells nothing.
    if (has_looked_ || (!lock.has_record && lock.standing != LockStanding::free)) return;
    has_looked_ = true;
    if (!lock.has_record) return;
    const LockRecord& record = lock.record;
    // Also where the lock seemed free: its record was read a moment later, and of one who died at that nothing will be
    // told. An heir that adopts the claim is `claiming` for a moment. One that has told its failure is on its way out.
    const bool is_settled = record.phase == Phase::running || record.phase == Phase::released;
    const bool is_being_started =
        (lock.evidence.reason == Reason::handing_over || !is_settled) && record.failed != record.generation;
    seen_generation_ = is_being_started ? record.generation - 1 : record.generation;
  }

  /// What the report says of the owner, whatever comes of it.
  void tell(const View& view) noexcept {
    const OwnerView& lock = view.found.lock;
    report_.stop = view.stop;
    report_.owner = ProcessIdentity{};
    report_.server = ProcessIdentity{};
    report_.holder_count = 0;
    if (lock.standing == LockStanding::free) {
      report_.evidence = view.found.record.evidence;
      report_.owner = view.found.record.record.owner;
      return;
    }
    report_.evidence = lock.evidence;
    lock_id_ = view.found.lock_info.id;
    report_.holder_count = lock.holder_count;
    for (std::size_t at = 0; at < lock.holder_count; ++at) report_.holders[at] = lock.holders[at];
    if (!lock.has_record || lock.evidence.reason == Reason::claim_in_progress) return;
    report_.owner = lock.record.phase == Phase::launching ? lock.record.heir : lock.record.owner;
    report_.server = lock.record.server;
    report_.generation = lock.record.generation;
    report_.build = lock.record.build;
    report_.version = lock.record.version;
  }

  bool failed_meanwhile(const FailureRecord& failure) noexcept {
    if (failure.generation <= seen_generation_) return false;
    report_.failure = failure;
    return true;
  }

  [[nodiscard]] bool is_older(Text version) const noexcept {
    return compare_versions(version, options_.version) == VersionOrder::older;
  }
  /// A server that says an older version than it was started for would say it again.
  [[nodiscard]] bool is_to_be_replaced(const LockRecord& record) const noexcept {
    if (has_replaced_) return false;
    switch (options_.upgrade) {
      case UpgradePolicy::use_running: break;
      case UpgradePolicy::replace_older:
        return record.phase == Phase::running && is_older(record.version) &&
               (record.wanted.empty() || is_older(record.wanted));
      case UpgradePolicy::replace_running: return true;
    }
    return false;
  }

  /// Stops a server, one that is being started only as long as it is at `only_at`, and claims the directory before
  /// anybody who starts on demand may. What is replaced is replaced once in a call: where an older client was faster,
  /// its server is used.
  Result<Step> replace(const ProcessIdentity& older, Phase phase, const BootRecord* only_at) noexcept {
    StopOptions stopping;
    stopping.only = older;
    stopping.only_at = only_at;
    stopping.restarting = true;
    stopping.grace = options_.stop_grace;
    stopping.sentinel_ttl = options_.sentinel_ttl;
    const VersionText version = report_.version;
    Result<ClaimReport> claimed = ClaimReport{};
    const auto receipt = stop(host_, files_, stopping, [&](const StopReceipt&) noexcept {
      claimed = claim(host_, files_, claiming(ClaimMode::restart), held_);
    });
    if (!receipt) return receipt.error();
    switch (receipt->outcome) {
      case StopOutcome::stopped:
      case StopOutcome::killed:
      case StopOutcome::already_ended: break;
      case StopOutcome::another: has_ended_start_ = false; return Step::again;
      case StopOutcome::not_running:
      case StopOutcome::cleaned:
      case StopOutcome::orphans_left: return Step::again;
      case StopOutcome::refused:
        // It is not stopped, so it is used; the evidence says why.
        report_.evidence = receipt->evidence;
        kept_ = older;
        return phase == Phase::running ? finish(EnsureOutcome::running) : Step::again;
      case StopOutcome::still_alive:
        // It has been killed, and serves nobody any more; whoever comes later finds it gone.
        report_.evidence = receipt->evidence;
        return finish(EnsureOutcome::contended);
    }
    if (receipt->outcome != StopOutcome::already_ended) {
      report_.replaced = older;
      report_.replaced_version = version;
    }
    if (!claimed) return claimed.error();
    if (!claimed->owned()) return Step::again;
    // What that one has told of its end is not why this start fails.
    seen_generation_ = held_.written.generation - 1;
    // Nobody is left without a server because the stop took the caller's time.
    const Milliseconds until = host_.clock.monotonic() + options_.stall;
    if (deadline_ < until) deadline_ = until;
    return start_under_claim(ClaimMode::restart);
  }

  [[nodiscard]] ClaimOptions claiming(ClaimMode mode) const noexcept {
    ClaimOptions result;
    result.mode = mode;
    result.launching = true;
    result.settle = options_.settle;
    result.sentinel_ttl = options_.sentinel_ttl;
    result.build = options_.build;
    result.version = options_.version;
    return result;
  }

  Result<Step> wait_until(Milliseconds deadline) noexcept {
    wait_.set_deadline(deadline < deadline_ ? deadline : deadline_);
    return Step::wait;
  }

  /// Somebody else is at it. Whoever starts ends a start that stalls, so that we give it a little longer. Where that
  /// one is dead, a person who asks for a server is given one: the start that nobody watches over is ended.
  Result<Step> join(const View& view) noexcept {
    report_.has_joined = true;
    unsettled_since_ = never;
    const LockRecord& record = view.found.lock.record;
    note_progress(record, view.boot);
    const Milliseconds now = host_.clock.monotonic();
    if (joined_at_ != never && now - joined_at_ > ChangeWait<H>::longest_nap + suspended) progress_at_ = now;
    joined_at_ = now;
    const Milliseconds until = progress_at_ + options_.stall + options_.grace;
    const bool may_end_it = options_.mode == ClaimMode::explicit_start && !has_ended_start_ && report_.owner.pid != 0;
    if (may_end_it && now >= until && is_abandoned(view.found.lock)) {
      has_ended_start_ = true;
      return replace(report_.owner, record.phase, &view.boot);
    }
    return wait_until(until + Milliseconds{1});  // and looks once more then
  }

  /// Whether a start has certainly lost its starter. One that was made by nobody has none to lose.
  [[nodiscard]] bool is_abandoned(const OwnerView& lock) noexcept {
    const LockRecord& record = lock.record;
    // Of one that runs elsewhere nothing was seen. In another time namespace, another start than the recorded one would
    // prove nothing.
    const StartToken& seen = lock.evidence.observed.start;
    if (!seen.known || seen != lock.evidence.recorded.start) return false;
    const ProcessIdentity& whom = record.phase == Phase::launching ? record.owner : record.starter;
    if (whom.pid == 0) return false;
    const Evidence starter = look_at(host_, whom);
    return starter.observed.liveness == Liveness::gone || starter.reason == Reason::start_differs;
  }

  /// Whether the start has come further since the last look.
  // NOLINTNEXTLINE(bugprone-exception-escape): what is told must not throw
  void note_progress(const LockRecord& record, const BootRecord& boot) noexcept {
    const bool has_boot = boot.generation == record.generation;
    const bool is_new_boot = has_boot && boot != report_.boot;
    if (record.generation != generation_ || record.phase != phase_ || is_new_boot) {
      progress_at_ = host_.clock.monotonic();
    }
    generation_ = record.generation;
    phase_ = record.phase;
    if (!is_new_boot) return;
    report_.boot = boot;
    on_progress_(boot);
  }

  /// Waits for what should be over at once: a claim half-way, or workers that are just ending with their server. A
  /// child between fork and exec looks the same.
  Result<Step> outlast(EnsureOutcome outcome, Milliseconds span) noexcept {
    const Milliseconds now = host_.clock.monotonic();
    if (unsettled_since_ == never || unsettled_as_ != outcome) unsettled_since_ = now;
    unsettled_as_ = outcome;
    if (now - unsettled_since_ < span) return wait_until(unsettled_since_ + span + Milliseconds{1});
    if (outcome == EnsureOutcome::contended) {
      report_.holder_count = host_.process.lock_holders(lock_id_, owner_byte, report_.holders, holder_capacity);
    }
    return finish(outcome);
  }

  Result<Step> start(const FailureRecord& failure) noexcept {
    if (options_.mode == ClaimMode::automatic && failure.generation != 0 &&
        failure.boot == BootId{host_.process.origin().boot}) {
      const Milliseconds left = failure.retry_at - host_.clock.monotonic();
      // More than anybody waits was not written by us, and keeps nobody out.
      if (left.count() > 0 && left <= longest_backoff) {
        report_.failure = failure;
        report_.retry_in = left;
        return finish(EnsureOutcome::backing_off);
      }
    }
    const auto claimed = claim(host_, files_, claiming(options_.mode), held_);
    if (!claimed) return claimed.error();
    report_.evidence = claimed->evidence;
    switch (claimed->outcome) {
      case ClaimOutcome::claimed: return start_under_claim(options_.mode);
      case ClaimOutcome::already_running:
      case ClaimOutcome::stopping: return Step::again;
      case ClaimOutcome::contended:
      case ClaimOutcome::orphaned: break;
    }
    // Somebody else has come before us.
    const Reason reason = claimed->evidence.reason;
    const bool is_anothers =
        reason == Reason::claim_in_progress || reason == Reason::handing_over || reason == Reason::lock_held_elsewhere;
    if (claimed->outcome == ClaimOutcome::contended && is_anothers) return Step::again;
    report_.owner = claimed->owner;
    report_.holder_count = claimed->holder_count;
    for (std::size_t at = 0; at < claimed->holder_count; ++at) report_.holders[at] = claimed->holders[at];
    return finish(claimed->outcome == ClaimOutcome::orphaned ? EnsureOutcome::orphaned : EnsureOutcome::contended);
  }

  Result<Step> start_under_claim(ClaimMode mode) noexcept {
    const auto failure = read_failure(host_, held_.lock, held_.written);
    if (!failure.ok()) return files_.error(Operation::read, failure.error, files_.lock());
    // Somebody else's start has failed while we waited for the lock.
    if (failed_meanwhile(failure.value)) return finish(EnsureOutcome::failed);
    if (options_.mode == ClaimMode::explicit_start && failure.value.count != 0) {
      FailureRecord forgiven = failure.value;
      forgiven.count = 0;
      forgiven.retry_at = Milliseconds{};
      if (auto ok = write_failure(host_, files_, held_.lock, forgiven); !ok) return ok.error();
    }
    progress_at_ = host_.clock.monotonic();
    if (progress_at_ >= deadline_) {
      report_.owner = ProcessIdentity{};
      return finish(EnsureOutcome::timed_out);
    }
    report_.has_started = true;
    report_.generation = held_.written.generation;
    generation_ = held_.written.generation;
    phase_ = Phase::launching;
    if (plan_.log != nullptr) {
      if (options_.log_limit != 0) {
        if (auto ok = rotate_log(host_, plan_.log, options_.log_limit); !ok) return ok.error();
      }
      const auto log = uninterrupted([&] { return host_.files.stat_at({}, plan_.log); });
      log_from_ = log.ok() ? static_cast<std::uint64_t>(log.value.size) : 0;
    }
    const auto spawned = uninterrupted([&] { return launcher_.spawn(plan_, held_.lock, time_left()); });
    if (spawned.error == ETIMEDOUT) {
      // It hangs in what it needs before it can be executed, and is killed for it.
      report_.owner = ProcessIdentity{};
      const bool is_too_late = host_.clock.monotonic() >= deadline_;
      return is_too_late ? failed(FailureKind::too_late, time_allowed())
                         : failed(FailureKind::not_executed, spawned.error);
    }
    if (!spawned.ok()) return spawn_error(spawned.error);
    child_ = spawned.value;
    const Pid pid = launcher_.pid(child_);
    report_.owner = {pid, host_.process.look(pid).start};
    const Result<Step> result = follow(mode);
    launcher_.close(child_);
    return result;
  }

  /// How long the start may still take without any progress.
  [[nodiscard]] Milliseconds time_left() noexcept {
    const Milliseconds until = progress_at_ + options_.stall;
    return (until < deadline_ ? until : deadline_) - host_.clock.monotonic();
  }

  /// As a failure tells it. Who had none left may still have replaced a server, and then waited for the next one.
  [[nodiscard]] std::int64_t time_allowed() const noexcept {
    return options_.deadline.count() > 0 ? options_.deadline.count() : 0;
  }

  Error launch_error(int code) const noexcept {
    return make_error(ErrorKind::system, Operation::launch, code, Text{plan_.program});
  }
  /// The process enters its directory and opens its log before anything is executed.
  Error spawn_error(int code) const noexcept {
    Error error = launch_error(code);
    error.path.append(" in ").append(Text{plan_.directory});
    if (plan_.log != nullptr) error.path.append(" with the log ").append(Text{plan_.log});
    return error;
  }

  /// From the moment that the process exists until it is ready, or is no more.
  Result<Step> follow(ClaimMode mode) noexcept {
    if (auto ok = name_heir(host_, files_, held_, report_.owner); !ok) return give_up(ok.error());
    if (mode != ClaimMode::explicit_start) {
      // Of us and a stop that comes now, one sees the other: it the heir, or we its sentinel.
      const auto intent = read_stop_intent(host_, files_, held_.directory, options_.sentinel_ttl);
      if (!intent) return give_up(intent.error());
      if (intent->standing && !(mode == ClaimMode::restart && intent->restarting)) return withdraw_start(*intent);
    }
    Watch watch{};
    const auto watched = uninterrupted([&] { return host_.files.watch(files_.lock_path().c_str()); });
    if (watched.ok()) watch = watched.value;
    const Result<Step> result = let_go_and_wait(watch, watched.ok());
    if (watched.ok()) host_.files.close_watch(watch);
    return result;
  }

  Result<Step> let_go_and_wait(Watch& watch, bool is_watched) noexcept {
    const auto executed = uninterrupted([&] { return launcher_.let_go(child_, time_left()); });
    // Where it takes its time, that is a stall like any other.
    if (!executed.ok() && executed.error != ETIMEDOUT) {
      if (end_child()) return failed(FailureKind::not_executed, executed.error);
      hand_over(host_, held_);
      return launch_error(executed.error);
    }
    Milliseconds end_by = never;  // of a server whose boot was refused
    for (;;) {
      LockRecord record;
      const auto kind = read_lock_record(host_, held_.lock, record);
      if (!kind.ok()) return give_up(files_.error(Operation::read, kind.error, files_.lock()));
      const bool is_server = is_adopted(kind.value, record);
      if (is_server && record.phase == Phase::running) return ready(record);
      BootRecord boot;
      const auto has_boot = read_boot_record(host_, held_.lock, held_.written.generation, boot);
      if (!has_boot.ok()) return give_up(files_.error(Operation::read, has_boot.error, files_.lock()));
      if (is_ours(kind.value, record)) note_progress(record, boot);

      const Milliseconds now = host_.clock.monotonic();
      if (boot.state == StepState::refused && end_by == never) end_by = now + options_.grace;
      Milliseconds until = progress_at_ + options_.stall;
      if (end_by < until) until = end_by;
      if (deadline_ < until) until = deadline_;
      if (now >= until) {
        // Either it is a server by itself by now, and will be one for the next caller; or nobody can end it.
        const bool goes_on = until == deadline_ && is_server && end_by == never;
        if (goes_on || !end_child()) {
          hand_over(host_, held_);
          return finish(EnsureOutcome::timed_out);
        }
        if (until == deadline_) return failed(FailureKind::too_late, time_allowed());
        return failed(FailureKind::stalled, options_.stall.count());
      }
      Milliseconds span = until - now;
      // What can't be watched must be looked at.
      constexpr Milliseconds look_again{20};
      if (!is_watched && span > look_again) span = look_again;
      const auto event = launcher_.wait(child_, watch, span);
      if (!event.ok() && event.error != EINTR) return give_up(launch_error(event.error));
      if (event.ok() && event.value == LaunchEvent::ended) return ended();
      const Milliseconds woken = host_.clock.monotonic();
      if (woken - now > span + suspended) progress_at_ = woken;
    }
  }

  [[nodiscard]] bool is_ours(LockRecordKind kind, const LockRecord& record) const noexcept {
    return kind == LockRecordKind::valid && record.generation == held_.written.generation;
  }
  /// Whether the process that we started has taken the claim. It has not been reaped, so that nobody else can have its
  /// number.
  [[nodiscard]] bool is_adopted(LockRecordKind kind, const LockRecord& record) const noexcept {
    return is_ours(kind, record) && record.phase != Phase::launching && record.owner.pid == report_.owner.pid;
  }

  Result<Step> ready(const LockRecord& record) noexcept {
    report_.owner = record.owner;
    report_.server = record.server;
    report_.build = record.build;
    report_.version = record.version;
    report_.evidence = Evidence{};
    hand_over(host_, held_);
    return finish(EnsureOutcome::running);
  }

  /// Nothing has been executed yet, and nothing will be.
  Result<Step> withdraw_start(const StopIntent& intent) noexcept {
    report_.has_started = false;
    if (!end_child()) {
      hand_over(host_, held_);
    } else if (auto ok = take_back(host_, files_, held_, nullptr); !ok) {
      return ok.error();
    }
    report_.stop = intent;
    return intent.restarting ? Result<Step>{Step::again} : finish(EnsureOutcome::stopping);
  }

  /// It has ended before we saw it ready.
  Result<Step> ended() noexcept {
    // As long as it was not reaped, its group is its own. What it has left there would hold on to the lock; it is asked
    // to end, and what does not is orphaned.
    (void)uninterrupted([&] { return launcher_.kill(child_, Signal::terminate); });
    const auto exit = uninterrupted([&] { return launcher_.reap(child_, reap_wait); });
    if (!exit.ok()) return failed(FailureKind::lost, exit.error);
    if (exit.value.not_executed != 0) return failed(FailureKind::not_executed, exit.value.not_executed);
    return failed(exit.value.is_by_signal ? FailureKind::signalled : FailureKind::exited, exit.value.value);
  }

  /// Where we can't follow it any more, nobody may take it for a server that gets ready.
  Result<Step> give_up(const Error& error) noexcept {
    if (end_child()) {
      (void)take_back(host_, files_, held_, nullptr);
    } else {
      hand_over(host_, held_);
    }
    return error;
  }

  /// Asks it to end, makes it end, and waits until it has. Returns: whether it has; a claim that it may have adopted
  /// cannot be taken back otherwise.
  [[nodiscard]] bool end_child() noexcept {
    constexpr Milliseconds kill_wait{2000};
    constexpr Signal escalation[] = {Signal::terminate, Signal::kill};
    for (const Signal signal : escalation) {
      (void)uninterrupted([&] { return launcher_.kill(child_, signal); });
      const Milliseconds until = host_.clock.monotonic() + (signal == Signal::kill ? kill_wait : options_.grace);
      for (;;) {
        const Milliseconds now = host_.clock.monotonic();
        Watch nothing{};
        const auto event = launcher_.wait(child_, nothing, until > now ? until - now : Milliseconds{});
        if (event.ok() && event.value == LaunchEvent::ended) {
          (void)uninterrupted([&] { return launcher_.reap(child_, reap_wait); });
          return true;
        }
        if (now >= until || (!event.ok() && event.error != EINTR)) break;
      }
    }
    return false;
  }

  /// Whether anybody's stop means this server, or may: an older program does not say whom it stops.
  [[nodiscard]] bool is_meant(const StopIntent& intent, const Sentinel& sentinel) const noexcept {
    bool is_target = false;
    for (std::size_t at = 0; at < sentinel.count; ++at) {
      const ProcessIdentity& target = sentinel.stoppers[at].target;
      is_target = is_target || target.pid == 0 || target == report_.owner;
    }
    return intent.stay || is_target;
  }

  Result<Step> failed(FailureKind kind, std::int64_t value) noexcept {
    Sentinel sentinel;
    const auto intent = evaluate_sentinel(host_, files_, held_.directory, options_.sentinel_ttl, sentinel);
    if (intent && is_meant(*intent, sentinel)) {
      // It did not fail: somebody has stopped it.
      report_.stop = *intent;
      if (auto ok = take_back(host_, files_, held_, nullptr); !ok) return ok.error();
      return finish(EnsureOutcome::stopping);
    }
    FailureRecord& failure = report_.failure;
    failure = FailureRecord{};
    failure.kind = kind;
    failure.value = value;
    failure.server = report_.owner;
    // A start that we slept through, and that succeeded, has not failed, whatever became of the server afterwards.
    LockRecord record;
    const auto read = read_lock_record(host_, held_.lock, record);
    const bool was_ready = read.ok() && is_adopted(read.value, record) && record.phase == Phase::running;
    if (plan_.log != nullptr) {
      if (Text{plan_.log}.size() <= decltype(failure.log)::capacity()) failure.log.append(Text{plan_.log});
      (void)read_log_tail(host_, plan_.log, log_from_, failure.tail);
      while (Text{failure.tail}.ends_with("\n")) failure.tail.resize(failure.tail.size() - 1);
    }
    if (auto ok = take_back(host_, files_, held_, was_ready ? nullptr : &failure); !ok) return ok.error();
    return finish(EnsureOutcome::failed);
  }

  H& host_;
  L& launcher_;
  const StateFiles& files_;
  const LaunchPlan& plan_;
  const EnsureOptions& options_;
  OnProgress& on_progress_;
  ChangeWait<H> wait_;
  HeldClaim<H> held_{};
  FileIdentity lock_id_;
  Child child_{};
  Milliseconds deadline_;
  Milliseconds progress_at_;      ///< when the start came further, as far as we saw
  std::uint64_t generation_ = 0;  ///< of the start that we watch, and its phase
  Phase phase_ = Phase::claiming;
  Milliseconds joined_at_ = never;  ///< when we last looked at a start that we wait for
  Milliseconds unsettled_since_ = never;
  EnsureOutcome unsettled_as_ = EnsureOutcome::contended;
  std::uint64_t log_from_ = 0;
  std::uint64_t seen_generation_ = 0;
  bool has_looked_ = false;
  bool has_replaced_ = false;
  bool has_ended_start_ = false;  ///< that had lost its starter
  ProcessIdentity kept_;          ///< who was to be replaced, and could not be stopped
  EnsureReport report_;
};

}  // namespace detail

/// Does nothing with the progress of a start.
struct IgnoreProgress {
  void operator()(const BootRecord&) const noexcept {}
};

/// Gives the running server, and starts it where there is none.
/// Effects: where nobody owns the directory and no stop stands, claims it, starts `plan`, and hands the claim to the
/// process, which takes it by its own `claim`. Where somebody else does that, waits for them. Blocks, in the kernel,
/// until the server is ready, has failed, or `stall` or `deadline` are over; `on_progress(BootRecord)`, which must not
/// throw, is told each step of the boot.
/// Returns: an outcome. That somebody stops the server, or that it can't get ready, is no error.
/// Errors: any policy call; `Operation::launch` where no process could be made, with program, directory and log as its
/// `path`: one of the latter two may be what is missing.
template <typename H, typename L, typename OnProgress = IgnoreProgress>
  requires LauncherPolicy<L, typename H::Filesystem>
[[nodiscard]] Result<EnsureReport> ensure(H& host, L& launcher, const StateFiles& files, const LaunchPlan& plan,
                                          const EnsureOptions& options = {}, OnProgress&& on_progress = {}) noexcept {
  return detail::Ensurer<H, L, OnProgress>{host, launcher, files, plan, options, on_progress}.run();
}

/// The same for the directory that a guard guards. The guard itself owns nothing by it.
template <typename Guard, typename L, typename OnProgress = IgnoreProgress>
  requires LauncherPolicy<L, typename Guard::Host::Filesystem>
[[nodiscard]] Result<EnsureReport> ensure(Guard& guard, L& launcher, const LaunchPlan& plan,
                                          const EnsureOptions& options = {}, OnProgress&& on_progress = {}) noexcept {
  return ensure(guard.host(), launcher, guard.files(), plan, options, on_progress);
}

}  // namespace genie::inline v0

#endif  // GENIE_ENSURE_HPP
