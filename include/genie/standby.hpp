// The hot standby: waits until nobody owns a state directory, and claims it at that moment.
#ifndef GENIE_STANDBY_HPP
#define GENIE_STANDBY_HPP

#include "genie/claim.hpp"

namespace genie::inline v0 {

/// How a standby waits, and how it claims then.
struct StandbyOptions {
  ClaimOptions claim{};                  ///< its mode does not count: a standby is an automatic start
  Milliseconds patience{INT64_MAX / 4};  ///< how long to wait at most; by default for ever
};

namespace detail {

/// One wait for a state directory. The kernel tells of its end: by the lock file, which is closed by an owner that dies
/// as well as by one that releases and lives on, and by the owner's own end.
template <typename H>
class Standby {
 public:
  Standby(H& host, const StateFiles& files, const StandbyOptions& options) noexcept
      : host_{host}, files_{files}, options_{options.claim}, deadline_{host.clock.monotonic() + options.patience} {
    options_.mode = ClaimMode::automatic;
  }
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;
  ~Standby() {
    forget_owner();
    stop_watching();
  }

  template <typename KeepWaiting>
  // NOLINTNEXTLINE(bugprone-exception-escape): what is told must not throw
  [[nodiscard]] Result<ClaimReport> run(HeldClaim<H>& held, KeepWaiting& keep_waiting) noexcept {
    for (bool in_time = true;;) {
      const Result<ClaimReport> report = claim(host_, files_, options_, held);
      if (!report) return report;
      if (report->owned()) {
        hand_over_watch(held);
        return report;
      }
      if (!in_time || !keep_waiting(*report)) return report;
      in_time = report->outcome == ClaimOutcome::stopping ? outlast_sentinel() : outlast_owner(*report);
    }
  }

 private:
  static constexpr Milliseconds shortest{1};
  /// Covers what cannot be watched: owners on other machines, lock files that were replaced.
  static constexpr Milliseconds longest{250};
  static constexpr Milliseconds longest_unwatched{20};

  /// Returns: false once the deadline has passed.
  bool outlast_sentinel() noexcept {
    ChangeWait<H> wait{host_, deadline_};
    const PathText path = files_.path_of(files_.sentinel());
    for (;;) {
      OpenDirectory<H> directory;
      if (!open_state_directory(host_, files_, false, directory)) return true;
      const auto intent = read_stop_intent(host_, files_, directory.file.get(), options_.sentinel_ttl);
      if (!intent || !intent->standing) return true;
      if (!wait.next(path.c_str())) return false;
    }
  }

  /// Returns when another claim is worth while: true, or false once the deadline has passed.
  bool outlast_owner(const ClaimReport& report) noexcept {
    pin_owner(report);
    told_owner_ = report.owner;
    must_ask_ = false;
    is_near_ = false;
    if (is_free()) return pause();
    pause_ = Milliseconds{};
    do {
      if (!block()) return false;
    } while (!must_ask_ && !is_free());
    return true;
  }

  /// The lock is free, and still the claim was not won: by its record, an older program owns the directory; or somebody
  /// was faster, and has gone already.
  bool pause() noexcept {
    const Milliseconds left = remaining();
    if (left.count() <= 0) return false;
    const Milliseconds span = pause_ < left ? pause_ : left;
    if (span.count() > 0) await_end_of_owner(span);
    pause_ = pause_.count() == 0 ? shortest : doubled(pause_, longest);
    return true;
  }

  /// Whether nobody holds the lock, or a claim is worth while for another reason: what keeps us from seeing it, or a
  /// new owner, is told by that.
  bool is_free() noexcept {
    const auto opened =
        uninterrupted([&] { return host_.files.open({}, files_.lock_path().c_str(), OpenMode::read, 0); });
    if (!opened.ok()) return true;
    const ScopedFile<H> lock{host_, opened.value};
    const auto query = uninterrupted([&] { return host_.files.query_lock(opened.value, owner_byte, 2); });
    if (!query.ok() || !query.value.held) return true;
    const auto info = uninterrupted([&] { return host_.files.stat(opened.value); });
    if (!info.ok()) return true;
    if (watching_ && info.value.id != watched_) stop_watching();
    seen_ = info.value.id;
    if (is_near_) {
      LockRecord record;
      const auto kind = read_lock_record(host_, opened.value, record);
      const bool is_valid = kind.ok() && kind.value == LockRecordKind::valid;
      is_releasing_ = is_valid && record.phase == Phase::released;
      // Another was faster: the next claim tells, and that one's end is waited for then.
      must_ask_ = is_valid && record.owner != told_owner_ &&
                  (record.phase == Phase::starting || record.phase == Phase::running);
      return must_ask_;
    }
    return false;
  }

  /// Blocks until something may have changed. Returns: false once the deadline has passed.
  bool block() noexcept {
    const Milliseconds left = remaining();
    if (left.count() <= 0) return false;
    if (!watching_) {
      if (const auto watch = host_.files.watch(files_.lock_path().c_str()); watch.ok()) {
        watch_ = watch.value;
        watched_ = seen_;
        watching_ = true;
        return true;  // what changed before the watch is seen by looking now
      }
      await_unwatched(left);
      return true;
    }
    const Milliseconds span = slice_ < left ? slice_ : left;
    if (is_near_ && has_owner_ && !is_releasing_) {
      // A dying owner's file is closed, but its lock not yet dropped: the next that it does is to end.
      is_near_ = false;
      await_end_of_owner(span);
      return true;
    }
    const auto waited = host_.files.wait(watch_, span);
    is_near_ = waited.ok() && waited.value;
    slice_ = is_near_ ? shortest : doubled(slice_, longest);
    if (waited.error == EINTR) {
      must_ask_ = true;
    } else if (!waited.ok()) {
      stop_watching();
      await_unwatched(left);
    }
    return true;
  }

  [[nodiscard]] Milliseconds remaining() noexcept { return deadline_ - host_.clock.monotonic(); }
  [[nodiscard]] static Milliseconds doubled(Milliseconds span, Milliseconds most) noexcept {
    const Milliseconds twice{span.count() * 2};
    return twice < most ? twice : most;
  }

  void await_unwatched(Milliseconds left) noexcept {
    await_end_of_owner(left < longest_unwatched ? left : longest_unwatched);
  }
  /// At most `span`; where the owner is not known, all of it.
  void await_end_of_owner(Milliseconds span) noexcept {
    if (!has_owner_) {
      host_.clock.sleep(span);
      return;
    }
    const auto ended = host_.process.wait(owner_, span);
    if (ended.error == EINTR) {
      must_ask_ = true;
    } else if (!ended.ok() || ended.value) {
      forget_owner();  // others may hold its lock still
    }
  }

  /// A handle is opened first and compared then, so that it is the owner's and not that of its PID's next user.
  void pin_owner(const ClaimReport& report) noexcept {
    const bool is_here = report.owner.pid != 0 && report.evidence.whereabouts == Whereabouts::here;
    if (has_owner_ && is_here && report.owner == owner_identity_) return;
    forget_owner();
    if (!is_here) return;
    const auto opened = uninterrupted([&] { return host_.process.open(report.owner.pid); });
    if (!opened.ok()) return;
    if (look_at(host_, report.owner).reason != Reason::start_matches) {
      host_.process.close(opened.value);
      return;
    }
    owner_ = opened.value;
    owner_identity_ = report.owner;
    has_owner_ = true;
  }
  void forget_owner() noexcept {
    if (has_owner_) host_.process.close(owner_);
    has_owner_ = false;
  }

  void stop_watching() noexcept {
    if (watching_) host_.files.close_watch(watch_);
    watching_ = false;
  }
  /// Taking a watch down takes Linux milliseconds, in which the server can start already.
  void hand_over_watch(HeldClaim<H>& held) noexcept {
    held.watch = watch_;
    held.has_watch = watching_;
    watching_ = false;
  }

  H& host_;
  const StateFiles& files_;
  ClaimOptions options_;
  Milliseconds deadline_;

  typename H::Filesystem::Watch watch_{};
  bool watching_ = false;
  FileIdentity watched_;
  FileIdentity seen_;  ///< the lock file as it was looked at last
  typename H::ProcessProbe::Handle owner_{};
  ProcessIdentity owner_identity_;
  bool has_owner_ = false;
  bool is_near_ = false;       ///< the watch has just told of a change
  bool is_releasing_ = false;  ///< the owner was about to close the lock file, and to live on
  bool must_ask_ = false;      ///< though the lock is held: a signal came, or the owner is another
  ProcessIdentity told_owner_;
  Milliseconds slice_ = longest;
  Milliseconds pause_;
};

}  // namespace detail

/// Waits until nobody owns the state directory, and claims it then for the calling process. Of several that wait, one
/// wins, and the others go on waiting.
/// A standby is an automatic start: it does not take over while a stop sentinel stands, and waits for its end as well.
/// Effects: as of `claim`. Blocks in the kernel; looks by itself four times a second, for what the kernel does not
/// tell. `keep_waiting(const ClaimReport&)` is asked after each claim that was not won, also when a signal has
/// interrupted the wait: false ends it. Returns: as `claim`; another outcome than `claimed` only once `patience` has
/// passed or `keep_waiting` has said no. Errors: those of `claim`.
template <typename H, typename KeepWaiting>
[[nodiscard]] Result<ClaimReport> claim_when_free(H& host, const StateFiles& files, const StandbyOptions& options,
                                                  HeldClaim<H>& held, KeepWaiting&& keep_waiting) noexcept {
  return detail::Standby<H>{host, files, options}.run(held, keep_waiting);
}

}  // namespace genie::inline v0

#endif  // GENIE_STANDBY_HPP
