// The claim: at most one live process owns a state directory. Lock first, judge the record that is there, publish a
// complete one of our own, and only then let the server start.
#ifndef GENIE_CLAIM_HPP
#define GENIE_CLAIM_HPP

#include "genie/change_wait.hpp"
#include "genie/endpoint_file.hpp"
#include "genie/judge.hpp"
#include "genie/language.hpp"
#include "genie/leftovers.hpp"
#include "genie/owner.hpp"
#include "genie/record/port_record.hpp"
#include "genie/sentinel.hpp"
#include "genie/withdraw.hpp"

namespace genie::inline v0 {

/// Who asks for the claim. That decides what a stop sentinel means to it.
enum class ClaimMode : std::uint8_t {
  explicit_start,  ///< somebody asked for it: goes ahead even while a stop sentinel stands, and ends `stop --stay`
  automatic,       ///< started on demand: refused while a stop sentinel stands
  restart,         ///< by who has stopped it to start it again: refused only while somebody else's sentinel stands
};

/// What a claim may do, for how long it waits, and what it says of its owner. The defaults are those of a start by
/// hand.
struct ClaimOptions {
  ClaimMode mode = ClaimMode::explicit_start;
  bool starting = false;           ///< claim as `starting`; `ready` tells later that the server is ready
  bool launching = false;          ///< claim for a server that is about to be started, see `Phase::launching`
  bool create_directory = true;    ///< create the state directory's last component, mode 0700
  bool trust_legacy = false;       ///< a record without start time counts as alive while its PID is; else it is stale
  bool durable = false;            ///< the generation is on stable storage before the claim returns
  Milliseconds settle{1000};       ///< how long to wait for another claim, or a clean-up, to come to its end
  Milliseconds empty_grace{2000};  ///< how long an empty record is taken for an older program's claim in progress
  Milliseconds sentinel_ttl = default_sentinel_ttl;
  Text build{};    ///< what the owner says of itself, at most 63 characters
  Text version{};  ///< the same, to be compared with others': at most 31 characters, see `compare_versions`
};

/// How a claim ended. None of these is an error: errors are in the `Result` around the report.
enum class ClaimOutcome : std::uint8_t {
  claimed,          ///< the directory is ours
  already_running,  ///< a verified owner lives
  stopping,         ///< a stop sentinel stands, and the claim was automatic
  contended,        ///< somebody is at it, or nothing can be proved: neither ours nor known to be somebody's
  orphaned,         ///< the owner is gone, but processes that inherited its lock still hold it
};

/// What a claim found and did.
struct ClaimReport {
  ClaimOutcome outcome = ClaimOutcome::contended;
  ProcessIdentity owner;         ///< who owns the directory: we, or somebody else
  ProcessIdentity server;        ///< the command that the owner guards, where there is one
  std::uint64_t generation = 0;  ///< of the owner's claim: larger than that of every claim before
  bool adopted = false;          ///< it was claimed for us by whoever started us
  Evidence evidence;             ///< why it is not ours
  Evidence taken_over;     ///< whose record was found stale and replaced, and why; reason `none` where there was none
  int leftover_error = 0;  ///< errno, where a predecessor's socket could not be removed: `bind` will tell
  StopIntent stop;         ///< filled where `stopping`
  bool is_trusted = true;  ///< false: others may write to the directory or to the lock file, so that nobody can be
                           ///< stopped, and nothing taken over after a crash
  LockHolder holders[holder_capacity];  ///< filled where `orphaned`, or `contended` by a claim that does not end
  std::size_t holder_count = 0;

  /// Whether this process owns the directory now.
  [[nodiscard]] bool owned() const noexcept { return outcome == ClaimOutcome::claimed; }
};

/// A claim that this process holds. Not a guard: `release` ends it, or the death of the process. `ServeGuard` is the
/// type that releases by itself.
template <typename H>
struct HeldClaim {
  bool held = false;
  Pid claimant = 0;  ///< the process that claimed; a forked copy of this struct holds nothing
  bool has_port = false;
  bool has_endpoints = false;
  bool has_litter = false;  ///< a temporary file could not be removed
  typename H::File directory{};
  typename H::File lock{};
  typename H::File record{};
  FileIdentity lock_id;
  FileIdentity record_id;
  LockRecord written;  ///< what the lock file says of us
  bool has_watch = false;
  typename H::Filesystem::Watch watch{};  ///< by which a standby waited for its claim
};

/// Whether a claim is still what it was. Others can delete files under a live owner; its own program can close them.
enum class Ownership : std::uint8_t {
  held,             ///< as it was: lock and record are ours and in their places
  not_claimed,      ///< this process holds no claim
  record_missing,   ///< `NAME.pid` was deleted; the lock still keeps others out
  record_replaced,  ///< another program's record stands there: there may be two owners
  lock_missing,     ///< `NAME.lock` was deleted; the record still keeps others out
  lock_replaced,    ///< another lock file stands there
  lock_closed,      ///< our own descriptors were closed, as libraries that make daemons do: somebody else can claim now
  all_missing,      ///< both are gone, or the whole directory: somebody else can claim now
};

namespace detail {

/// Before the lock file is closed, so that nobody keeps it who shares the open file by a fork.
template <typename H>
GENIE_COLD GENIE_NOINLINE void give_lock_back(H& host, typename H::File lock) noexcept {
  (void)uninterrupted([&] { return host.files.unlock(lock, owner_byte, 2); });
}

/// The lock on our own record, for the same reason.
template <typename H>
GENIE_COLD GENIE_NOINLINE void give_record_back(H& host, typename H::File record) noexcept {
  (void)uninterrupted([&] { return host.files.unlock(record, owner_byte, 1); });
}

/// Releases step by step; goes on after a failure, and returns the first.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> release_held(H& host, const StateFiles& files, HeldClaim<H>& held) noexcept;

/// Whether this process made the claim. The PID alone tells neither a child that was forked into another PID namespace
/// nor a descendant that got its dead owner's number.
template <typename H>
[[nodiscard]] bool is_claimant(H& host, const HeldClaim<H>& held) noexcept {
  if (!held.held || host.process.self() != held.claimant) return false;
  // Unknown, where /proc is or was out of reach (a chroot, a sandbox), is no evidence of another one.
  const std::uint64_t own = host.process.origin().pid_namespace;
  const std::uint64_t claimants = held.written.origin.pid_namespace;
  if (own != 0 && claimants != 0 && own != claimants) return false;
  const StartToken start = own_start(host);
  const StartToken claimed = held.written.owner.start;
  return !start.known || !claimed.known || start == claimed;
}

/// Whether the lock is gone because its descriptor was closed under us; any file of the program may have its number by
/// now. What the system can't tell is no evidence of that.
template <typename H>
[[nodiscard]] GENIE_COMPACT bool is_lock_closed(H& host, const HeldClaim<H>& held) noexcept {
  const auto open = uninterrupted([&] { return host.files.stat(held.lock); });
  return open.ok() ? open.value.id != held.lock_id : open.error == EBADF;
}

/// Whether this process made the claim, and can still write what the lock file says of it.
template <typename H>
[[nodiscard]] bool has_lock(H& host, const HeldClaim<H>& held) noexcept {
  return is_claimant(host, held) && !is_lock_closed(host, held);
}

/// Forgets a claim whose lock was closed. Of its other descriptors only the record's can be told from the program's
/// files, and must be closed: for as long as it is open, the record counts as a living one's.
template <typename H>
GENIE_COLD void forget_claim(H& host, HeldClaim<H>& held) noexcept {
  const auto record = uninterrupted([&] { return host.files.stat(held.record); });
  if (record.ok() && record.value.id == held.record_id) host.files.close(held.record);
  held = HeldClaim<H>{};
}

template <typename H>
[[nodiscard]] Result<void> write_lock_record(H& host, const StateFiles& files, typename H::File lock,
                                             const LockRecord& record) noexcept {
  const auto written = write_whole(host, lock, encode_lock_record(record));
  if (!written.ok()) return files.error(Operation::write, written.error, files.lock());
  return {};
}

/// Who is no process, and not nobody (`ProcessIdentity{}`) either, can't be read again, nor what is written beside it.
template <typename H>
[[nodiscard]] Result<void> check_process(const StateFiles& files, const ProcessIdentity& process) noexcept {
  const bool is_possible = process.pid > 0 && process.pid <= H::ProcessProbe::pid_limit;
  if (is_possible || process == ProcessIdentity{}) return {};
  return make_error(ErrorKind::invalid_process, Operation::write, EINVAL, files.lock_path());
}

/// Creates the owner's temporary file. The lock's record has told its name since the claim, so that none can be left
/// behind unnoticed.
template <typename H>
[[nodiscard]] Result<typename H::File> create_owners_temporary(H& host, const StateFiles& files, HeldClaim<H>& held,
                                                               const NameText& temporary) noexcept {
  const auto create = [&] {
    return uninterrupted(
        [&] { return host.files.open(held.directory, temporary.c_str(), OpenMode::create, private_file); });
  };
  auto created = create();
  if (created.error == EEXIST) {  // an earlier one could not be removed
    if (auto ok = remove_file(host, files, held.directory, temporary); !ok) return ok.error();
    held.has_litter = false;
    created = create();
  }
  if (!created.ok()) return files.error(Operation::create, created.error, temporary);
  return created.value;
}

/// One call of `claim`. What only a crash, an older program or a contender leads to is `cold`: compiled for size, and
/// out of the way of the rest.
template <typename H>
class Claimant {
 public:
  Claimant(H& host, const StateFiles& files, const ClaimOptions& options, HeldClaim<H>& held) noexcept
      : host_{host}, files_{files}, options_{options}, held_{held} {}
  Claimant(const Claimant&) = delete;
  Claimant& operator=(const Claimant&) = delete;
  ~Claimant() {
    // First, so that nobody takes for a living one's what stands there yet.
    if (published_.file.is_open()) give_record_back(host_, published_.file.get());
    published_.file.reset();
    unlock();
  }

  [[nodiscard]] GENIE_COMPACT Result<ClaimReport> run() noexcept {
    // Being overtaken takes somebody else's progress each time; this bound only ends a fight with a mad deleter.
    constexpr int patience = 64;
    ChangeWait<H> wait{host_, host_.clock.monotonic() + options_.settle};
    for (int overtaken = 0; overtaken < patience;) {
      const Result<Step> step = attempt();
      if (!step) return step.error();
      switch (*step) {
        case Step::finished: return report_;
        case Step::again: ++overtaken; break;
        case Step::unsettled:
          if (!wait.next(files_.lock_path().c_str())) return unsettled_at_last();
          break;
        case Step::judge_again: break;
      }
    }
    return files_.refusal(ErrorKind::interrupted, Operation::lock, files_.lock());
  }

 private:
  enum class Step : std::uint8_t {
    finished,     ///< `report_` is complete
    again,        ///< overtaken by somebody: begin anew
    judge_again,  ///< the record has changed, the lock is still ours
    unsettled,    ///< somebody else is half-way; wait for them
  };

  /// Whoever was half-way still is.
  ClaimReport unsettled_at_last() noexcept {
    if (is_orphaned_) {
      report_.outcome = ClaimOutcome::orphaned;
    } else {
      report_.outcome = ClaimOutcome::contended;
      report_.holder_count = host_.process.lock_holders(lock_.info.id, owner_byte, report_.holders, holder_capacity);
    }
    return report_;
  }

  Result<Step> finish(ClaimOutcome outcome) noexcept {
    report_.outcome = outcome;
    return Step::finished;
  }

  GENIE_COMPACT Result<Step> attempt() noexcept {
    if (!directory_.file.is_open()) {
      if (auto ok = open_state_directory(host_, files_, options_.create_directory, directory_); !ok) return ok.error();
      const auto stopping = refused_by_sentinel(false);
      if (!stopping.has_value()) return stopping.error();
      if (*stopping) return finish(ClaimOutcome::stopping);
    }
    if (!lock_.file.is_open()) {
      if (auto ok = open_state_file(host_, files_, directory_.file.get(), files_.lock(), OpenMode::ensure, lock_);
          !ok) {
        return ok.error();
      }
      if (!lock_.file.is_open()) return start_over();  // the directory itself was removed
    }
    const auto locked = uninterrupted([&] { return host_.files.try_lock(lock_.file.get(), owner_byte, 2); });
    if (!locked.ok() && locked.error != EAGAIN) return files_.error(Operation::lock, locked.error, files_.lock());
    has_locked_ = locked.ok();
    // By its whole path: the directory may have been moved away as well as the file.
    const auto named = uninterrupted([&] { return host_.files.stat_at({}, files_.lock_path().c_str()); });
    if (!named.ok() && named.error != ENOENT) return files_.error(Operation::stat, named.error, files_.lock());
    if (!named.ok() || named.value.id != lock_.info.id) return start_over();
    if (named.value.links > 1) {
      return files_.refusal(ErrorKind::linked_elsewhere, Operation::open, files_.lock());
    }
    return locked.ok() ? claim_under_lock() : look_at_holder();
  }

  /// Whoever another thread has forked meanwhile shares the open file, and would keep its lock. An heir has locked
  /// nothing itself.
  void unlock() noexcept {
    if (has_locked_ && lock_.file.is_open()) give_lock_back(host_, lock_.file.get());
  }

  /// An heir has only what it was handed, and would be nobody's then.
  Result<Step> begin_anew() noexcept { return is_heir_ ? finish(ClaimOutcome::contended) : Result<Step>{Step::again}; }

  Result<Step> start_over() noexcept {
    unlock();
    lock_.file.reset();
    directory_.file.reset();
    return Step::again;
  }

  GENIE_COLD Result<Step> look_at_holder() noexcept {
    const Result<OwnerView> view = inspect_lock(host_, files_, lock_.file.get(), lock_.info.id);
    if (!view) return view.error();
    report_.evidence = view->evidence;
    is_orphaned_ = view->standing == LockStanding::orphaned;
    // A claim half-way has its predecessor's record still.
    const bool is_holders = view->has_record && view->standing != LockStanding::claiming;
    report_.owner = is_holders ? view->record.owner : ProcessIdentity{};
    report_.server = is_holders ? view->record.server : ProcessIdentity{};
    report_.generation = is_holders ? view->record.generation : 0;
    if (is_heir_of(*view)) return adopt(view->record);
    switch (view->standing) {
      case LockStanding::free: return Step::again;
      case LockStanding::owned: return finish(ClaimOutcome::already_running);
      case LockStanding::claiming: return Step::unsettled;
      case LockStanding::unsure:
        return view->evidence.reason == Reason::lock_record_unreadable ? Step::unsettled
                                                                       : finish(ClaimOutcome::contended);
      case LockStanding::orphaned: break;
    }
    report_.holder_count = view->holder_count;
    for (std::size_t at = 0; at < view->holder_count; ++at) report_.holders[at] = view->holders[at];
    // A child between fork and exec looks the same, and so do workers that are just ending with their server.
    return Step::unsettled;
  }

  /// Whether the claim is being handed to this very process.
  bool is_heir_of(const OwnerView& view) noexcept {
    const LockRecord& record = view.record;
    if (!view.has_record || record.phase != Phase::launching || record.heir.pid == 0) return false;
    if (record.heir.pid != host_.process.self()) return false;
    // Without /proc nobody knows who we are, and whoever started us may not know of which boot it is; then that we
    // share the lock must do.
    const Whereabouts whereabouts = whereabouts_of(record.origin, host_.process.origin());
    if (whereabouts != Whereabouts::here && whereabouts != Whereabouts::unknown) return false;
    const ProcessIdentity self = own_identity(host_);
    return !record.heir.start.known || !self.start.known || record.heir == self;
  }

  /// Whoever started us shares its open lock file with us, and has claimed the directory for us. Its record is replaced
  /// by ours as a stale one would be; a crash on the way leaves what a crashed takeover leaves.
  GENIE_COLD Result<Step> adopt(const LockRecord& starters) noexcept {
    const auto inherited = uninterrupted([&] { return host_.files.inherited(); });
    if (!inherited.ok()) return files_.error(Operation::inherit, inherited.error, files_.lock());
    const auto info = uninterrupted([&] { return host_.files.stat(inherited.value); });
    if (!info.ok()) return files_.error(Operation::stat, info.error, files_.lock());
    // Ours is the lock only if this is the open file that holds it.
    const auto locked = info.value.id == lock_.info.id
                            ? uninterrupted([&] { return host_.files.try_lock(inherited.value, owner_byte, 1); })
                            : SysResult<void>::failure(EBADF);
    if (!locked.ok()) return files_.error(Operation::inherit, locked.error, files_.lock());
    lock_.file = ScopedFile<H>{host_, inherited.value};
    previous_ = starters;
    has_previous_ = true;
    previous_is_this_lock_ = true;
    is_heir_ = true;
    record_ = starters;
    record_.phase = Phase::claiming;
    record_.owner = own_identity(host_);
    // What our starter could not learn of where both of us are would be missing for our life.
    const ProcessOrigin own = host_.process.origin();
    if (record_.origin.boot.empty()) record_.origin.boot = own.boot;
    if (record_.origin.pid_namespace == 0) record_.origin.pid_namespace = own.pid_namespace;
    record_.heir = ProcessIdentity{};
    record_.starter = starters.owner;
    record_.record = FileStamp{};
    record_.judged = starters.owner;
    record_.judged_record = FileStamp{};
    record_.temporary = 0;
    describe_owner();
    report_.adopted = true;
    return settle_and_judge();
  }

  /// What the consumer says of itself. An heir of whom nothing is said is what its starter took it for.
  void describe_owner() noexcept {
    if (!options_.build.empty()) record_.build = FixedText<63>{options_.build.first(63)};
    if (!options_.version.empty()) record_.version = VersionText{options_.version.first(31)};
    if (options_.launching) record_.wanted = record_.version;
  }

  GENIE_COMPACT Result<Step> claim_under_lock() noexcept {
    const auto kind = read_lock_record(host_, lock_.file.get(), previous_);
    if (!kind.ok()) return files_.error(Operation::read, kind.error, files_.lock());
    has_previous_ = kind.value == LockRecordKind::valid;
    // A copied or restored lock file is not the one that its record's owner held.
    previous_is_this_lock_ = has_previous_ && previous_.lock == lock_.info.id;

    record_ = LockRecord{};
    record_.generation = (has_previous_ ? previous_.generation : 0) + 1;
    record_.phase = Phase::claiming;
    record_.owner = own_identity(host_);
    record_.origin = host_.process.origin();
    // Who reads a record without an origin can't tell whether its owner lives, for all of that owner's life.
    if (record_.origin.error != 0) return files_.error(Operation::observe_process, record_.origin.error, files_.lock());
    record_.lock = lock_.info.id;
    record_.claimed_wall = host_.clock.wall();
    record_.claimed_monotonic = host_.clock.monotonic();
    // Until they are gone, so that whoever comes after a crash still knows of them.
    record_.port_name = has_previous_ ? previous_.port_name : PortFileName{Text{files_.port()}};
    describe_owner();
    record_.failed = previous_is_this_lock_ ? previous_.failed : 0;
    record_.has_no_endpoints = is_of_this_boot() && previous_.has_no_endpoints;
    return settle_and_judge();
  }

  /// Settles what a crash has left, or a takeover that could not remove it, and only then judges the record.
  GENIE_COMPACT Result<Step> settle_and_judge() noexcept {
    Leftovers<H> leftovers{host_,
                           files_,
                           directory_.file.get(),
                           record_.origin.boot,
                           has_previous_ ? &previous_ : nullptr,
                           proof() != nullptr,
                           options_.trust_legacy};
    if (auto ok = leftovers.settle(); !ok) return failed_in_directory(ok.error());
    kept_ = leftovers.kept();
    const Result<Step> step = judge_repeatedly();
    kept_ = nullptr;
    return step;
  }

  /// Whether what the lock's record says of other files is so. A power cut may have kept one of them, and lost another.
  [[nodiscard]] bool is_of_this_boot() const noexcept {
    return previous_is_this_lock_ && !record_.origin.boot.empty() && previous_.origin.boot == record_.origin.boot;
  }

  /// Whether the lock's last holder has removed its own record, and left nothing under a temporary name. Then the lock
  /// proves nothing of whatever record may stand there by now, and most often there is none.
  [[nodiscard]] bool has_been_released() const noexcept {
    return is_of_this_boot() && previous_.phase == Phase::released && previous_.temporary == 0;
  }

  GENIE_COMPACT Result<Step> judge_repeatedly() noexcept {
    if (has_been_released()) {
      const Result<Step> step = publish_new();
      if (step.has_value() ? *step != Step::judge_again : !may_hide_record()) return step;
    }
    for (int round = 0; round < 64; ++round) {
      const Result<Step> step = judge_and_publish();
      if (!step || *step != Step::judge_again) return step;
    }
    return files_.refusal(ErrorKind::interrupted, Operation::exchange, files_.record());
  }

  /// After an error: whether we still hold the lock, and somebody else's record stands, which would have been looked at
  /// first if we had not been so sure that there is none. That somebody lives is told on a full disk, too.
  GENIE_COLD bool may_hide_record() noexcept {
    if (!lock_.file.is_open()) return false;
    const auto named =
        uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), files_.record().c_str()); });
    return named.ok() && named.value.id != published_.info.id;
  }

  [[nodiscard]] const LockRecord* proof() const noexcept { return previous_is_this_lock_ ? &previous_ : nullptr; }

  Result<RecordView> judge(const NameText& name, OpenStateFile<H>& opened) noexcept {
    if (auto ok = open_state_file(host_, files_, directory_.file.get(), name, OpenMode::read, opened); !ok) {
      return ok.error();
    }
    if (!opened.file.is_open()) return RecordView{};
    return judge_open_record(host_, files_, opened, name, proof(), options_.trust_legacy);
  }

  GENIE_COLD Result<Step> judge_and_publish() noexcept {
    OpenStateFile<H> opened;
    const Result<RecordView> view = judge(files_.record(), opened);
    if (!view) return view.error();
    if (published_.file.is_open() && opened.file.is_open() && opened.info.id == published_.info.id) return complete();
    report_.evidence = view->evidence;
    if (is_heir_ && opened.file.is_open() && view->record.owner == previous_.owner &&
        opened.info.id.inode == previous_.record.inode) {
      return take_over(*view, opened);
    }
    switch (view->standing) {
      case RecordStanding::alive: report_.owner = view->record.owner; return finish(ClaimOutcome::already_running);
      case RecordStanding::unsure: report_.owner = view->record.owner; return finish(ClaimOutcome::contended);
      case RecordStanding::absent: return kept_ != nullptr ? begin_anew() : publish_new();
      case RecordStanding::dead: return kept_ != nullptr ? begin_anew() : take_over(*view, opened);
      case RecordStanding::empty: break;
    }
    if (kept_ != nullptr) {
      // A crashed takeover had put somebody's record aside, and this one has taken its place.
      report_.evidence = kept_->evidence;
      report_.owner = kept_->record.owner;
      return finish(ClaimOutcome::contended);
    }
    return outlast_empty_record(*view) ? take_over(*view, opened) : Step::judge_again;
  }

  /// Returns: whether the record stayed empty for the whole grace; false as soon as it changes.
  GENIE_COLD bool outlast_empty_record(const RecordView& view) noexcept {
    ChangeWait<H> wait{host_, host_.clock.monotonic() + options_.empty_grace};
    const PathText path = files_.path_of(files_.record());
    while (wait.next(path.c_str())) {
      const auto now =
          uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), files_.record().c_str()); });
      if (!now.ok() || now.value.id != view.info.id || now.value.size != view.info.size) return false;
    }
    return true;
  }

  /// Creates our record file with its whole content, but not yet under its name.
  GENIE_COMPACT Result<void> write_record_into(typename H::File file) noexcept {
    if (const auto written = write_whole(host_, file, encode_pid_record(record_.owner)); !written.ok()) {
      return files_.error(Operation::write, written.error, files_.record());
    }
    // Keeps the record known as a live one even if somebody replaces the lock file. Where it fails, the lock suffices.
    (void)uninterrupted([&] { return host_.files.try_lock(file, owner_byte, 1); });
    const auto info = uninterrupted([&] { return host_.files.stat(file); });
    if (!info.ok()) return files_.error(Operation::stat, info.error, files_.record());
    published_.info = info.value;
    record_.record = {info.value.id.inode, info.value.changed_ns};
    return {};
  }

  GENIE_COMPACT Result<Step> publish_new() noexcept {
    if (auto ok = drop_litter(); !ok) return failed_in_directory(ok.error());
    auto unnamed = uninterrupted([&] { return host_.files.create_unnamed(directory_.file.get(), private_file); });
    if (is_unsupported(unnamed.error)) return publish_by_rename();
    if (!unnamed.ok()) return failed_in_directory(files_.error(Operation::create, unnamed.error, files_.record()));
    published_.file = ScopedFile<H>{host_, unnamed.value};
    if (auto ok = write_record_into(unnamed.value); !ok) return ok.error();
    if (record_.temporary == 0) record_.temporary = host_.process.random() | 1U;
    // The lock's record comes first: from the moment our record is visible, it must be provable whose it is. It names a
    // temporary file, too, which there is none of yet: for the rest of our life we need no other.
    if (auto ok = write_lock_record(host_, files_, lock_.file.get(), record_); !ok) return ok.error();
    const auto linked = uninterrupted(
        [&] { return host_.files.link_unnamed(unnamed.value, directory_.file.get(), files_.record().c_str()); });
    if (linked.ok()) return complete();
    published_.file.reset();
    if (linked.error == EEXIST) return Step::judge_again;
    // No /proc, no hard links, a sandbox: there is another way.
    return publish_by_rename();
  }

  /// An error, unless the directory was removed under us: then there is another one, or none, to begin with.
  GENIE_COLD Result<Step> failed_in_directory(const Error& error) noexcept {
    if (error.code != ENOENT && error.code != EPERM) return error;
    const auto named = uninterrupted([&] { return host_.files.stat_at({}, files_.lock_path().c_str()); });
    if (named.ok() && named.value.id == lock_.info.id) return error;
    return start_over();
  }

  /// Creates a temporary file with our record; the lock's record says which, so that it can't be left behind unnoticed.
  GENIE_COLD Result<void> create_temporary() noexcept {
    if (auto ok = drop_litter(); !ok) return ok;
    for (int attempt = 0; attempt < 16; ++attempt) {
      record_.temporary = host_.process.random() | 1U;
      record_.record = {};
      temporary_ = files_.temporary(record_.temporary);
      if (auto ok = write_lock_record(host_, files_, lock_.file.get(), record_); !ok) return ok;
      const auto created = uninterrupted(
          [&] { return host_.files.open(directory_.file.get(), temporary_.c_str(), OpenMode::create, private_file); });
      if (created.error == EEXIST) continue;
      if (!created.ok()) return files_.error(Operation::create, created.error, temporary_);
      published_.file = ScopedFile<H>{host_, created.value};
      auto written = write_record_into(created.value);
      // Now that it is known which file will be our record: without a start time, only that proves whose it was.
      if (written) written = write_lock_record(host_, files_, lock_.file.get(), record_);
      if (!written) drop_temporary();
      return written;
    }
    return files_.refusal(ErrorKind::interrupted, Operation::create, temporary_);
  }

  /// Where that fails, the lock's record must go on naming it: no other may be created.
  GENIE_COLD void drop_temporary() noexcept {
    const auto removed = uninterrupted([&] { return host_.files.unlink(directory_.file.get(), temporary_.c_str()); });
    litter_error_ = removed.error;
    has_litter_ = !removed.ok() && removed.error != ENOENT;
    published_.file.reset();
  }

  Result<void> drop_litter() noexcept {
    if (!has_litter_) return {};
    drop_temporary();
    if (has_litter_) return files_.error(Operation::unlink, litter_error_, temporary_);
    return {};
  }

  GENIE_COLD Result<Step> publish_by_rename() noexcept {
    if (auto ok = create_temporary(); !ok) return failed_in_directory(ok.error());
    return publish_temporary();
  }

  GENIE_COLD Result<Step> publish_temporary() noexcept {
    const auto renamed = rename_to_new(host_, directory_.file.get(), temporary_, files_.record());
    if (renamed.ok()) return complete();
    if (renamed.error == ENOENT) return Step::judge_again;  // swept by somebody who may have published it for us
    drop_temporary();
    if (renamed.error == EEXIST) return Step::judge_again;
    return files_.error(Operation::rename, renamed.error, files_.record());
  }

  /// Replaces a stale record. What the exchange brings out is compared with what was judged: if somebody replaced it
  /// meanwhile, the exchange is undone and the newcomer is judged.
  GENIE_COLD Result<Step> take_over(const RecordView& stale, const OpenStateFile<H>& pinned) noexcept {
    // An heir acts on the word of the lock that it holds, not on that of a file.
    if (!is_heir_) {
      if (auto ok = check_trust(host_, files_, directory_.info, lock_.info, files_.lock()); !ok) return ok.error();
      if (auto ok = check_trust(host_, files_, directory_.info, stale.info, files_.record()); !ok) return ok.error();
    }
    record_.judged = stale.record.owner;
    record_.judged_record = {stale.info.id.inode, stale.info.changed_ns};
    if (auto ok = create_temporary(); !ok) return failed_in_directory(ok.error());
    const auto exchange = [&] {
      return uninterrupted(
          [&] { return host_.files.exchange(directory_.file.get(), temporary_.c_str(), files_.record().c_str()); });
    };
    if (const auto exchanged = exchange(); !exchanged.ok()) {
      if (exchanged.error == ENOENT) {
        // Either the stale record vanished, and we try as with none, or our temporary file did.
        drop_temporary_unless_published();
        return Step::judge_again;
      }
      if (is_unsupported(exchanged.error)) return remove_and_publish(stale, pinned);
      drop_temporary();
      return files_.error(Operation::exchange, exchanged.error, files_.record());
    }
    const auto out = uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), temporary_.c_str()); });
    if (out.ok() && out.value.id == stale.info.id && still_says(stale, pinned)) {
      // Where that fails, the lock's record goes on naming it, for whoever comes next.
      const auto removed = uninterrupted([&] { return host_.files.unlink(directory_.file.get(), temporary_.c_str()); });
      has_litter_ = !removed.ok() && removed.error != ENOENT;
      if (!is_heir_) report_.taken_over = stale.evidence;
      return complete();
    }
    // A claim under another lock file has settled it; whether our record stands is for the next look.
    if (out.error == ENOENT) return Step::judge_again;
    return put_back(exchange());
  }

  /// Replaces a stale record where files can't be exchanged, but a name be removed only where it is that of a certain
  /// file. For a moment, there is no record: whoever publishes one then is found, and judged. What is written into the
  /// very file that is being removed is lost, and seen too late to be put back: then nobody owns the directory.
  GENIE_COLD Result<Step> remove_and_publish(const RecordView& stale, const OpenStateFile<H>& pinned) noexcept {
    const bool is_stale_still = still_says(stale, pinned);
    const auto removed = is_stale_still
                             ? unlink_pinned(host_, directory_.file.get(), files_.record(), pinned.file.get())
                             : SysResult<void>::failure(EDEADLK);
    if (!removed.ok()) {
      drop_temporary();
      if (removed.error == EDEADLK || removed.error == ENOENT) return Step::judge_again;
      if (removed.error == ENOSYS) return take_over_by_moving(stale, pinned);
      return files_.error(Operation::unlink, removed.error, files_.record());
    }
    if (!still_says(stale, pinned)) {
      drop_temporary();
      return finish(ClaimOutcome::contended);
    }
    if (!is_heir_) report_.taken_over = stale.evidence;
    return publish_temporary();
  }

  /// Where a name can only be removed whosever it is by then, the stale record is moved aside and compared, and ours is
  /// published as where there was none. Nothing is ever replaced; whoever publishes in between is judged.
  GENIE_COLD Result<Step> take_over_by_moving(const RecordView& stale, const OpenStateFile<H>& pinned) noexcept {
    if (auto ok = drop_litter(); !ok) return failed_in_directory(ok.error());
    record_.temporary = host_.process.random() | 1U;
    record_.record = {};
    temporary_ = files_.temporary(record_.temporary);
    if (auto ok = write_lock_record(host_, files_, lock_.file.get(), record_); !ok) return ok.error();
    const auto moved = uninterrupted(
        [&] { return host_.files.rename_new(directory_.file.get(), files_.record().c_str(), temporary_.c_str()); });
    if (moved.error == ENOENT || moved.error == EEXIST) return Step::judge_again;
    if (!moved.ok()) return files_.error(Operation::rename, moved.error, files_.record());
    const auto out = uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), temporary_.c_str()); });
    if (out.error == ENOENT) return Step::judge_again;  // settled by a claim under another lock file
    if (out.ok() && out.value.id == stale.info.id && still_says(stale, pinned)) {
      drop_temporary();
      if (!is_heir_) report_.taken_over = stale.evidence;
      return Step::judge_again;
    }
    const auto back = rename_to_new(host_, directory_.file.get(), temporary_, files_.record());
    return back.ok() || back.error == ENOENT ? Step::judge_again : yield_to_the_next();
  }

  /// A file may be rewritten in place, too.
  GENIE_COLD bool still_says(const RecordView& stale, const OpenStateFile<H>& pinned) noexcept {
    char bytes[pid_record_capacity + 1];
    const auto count = read_whole(host_, pinned.file.get(), bytes, sizeof bytes);
    if (!count.ok()) return false;
    const PidRecord now = parse_pid_record({bytes, count.value}, H::ProcessProbe::pid_limit);
    return now.kind == stale.record.kind && now.owner == stale.record.owner;
  }

  /// After the second exchange, or instead of it where our own record vanished meanwhile.
  GENIE_COLD Result<Step> put_back(SysResult<void> exchanged) noexcept {
    if (!exchanged.ok()) {
      const auto renamed = rename_to_new(host_, directory_.file.get(), temporary_, files_.record());
      if (!renamed.ok()) return yield_to_the_next();
      published_.file.reset();
      return Step::judge_again;
    }
    const auto out = uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), temporary_.c_str()); });
    if (out.error == ENOENT) return Step::judge_again;  // settled by a claim under another lock file
    if (!out.ok() || out.value.id != published_.info.id) return yield_to_the_next();
    drop_temporary();
    return Step::judge_again;
  }

  /// Others replace records as fast as we do (two older programs, or a second lock file), and what we hold now is a
  /// third one's. It stays under its temporary name, which the lock's record tells, and the next claim judges it.
  Result<Step> yield_to_the_next() noexcept { return finish(ClaimOutcome::contended); }

  void drop_temporary_unless_published() noexcept {
    const auto named =
        uninterrupted([&] { return host_.files.stat_at(directory_.file.get(), files_.record().c_str()); });
    if (named.ok() && named.value.id == published_.info.id) return;
    drop_temporary();
  }

  /// Our record stands under its name. Everything that must be so before a server may start.
  GENIE_COMPACT Result<Step> complete() noexcept {
    // Its new name has changed the file's time stamp, by which it is told from a later file of the same inode number.
    const auto info = uninterrupted([&] { return host_.files.stat(published_.file.get()); });
    if (info.ok() && info.value.links == 0) {
      // Somebody with another lock file took our takeover for a crashed one, and what we removed was our own.
      published_.file.reset();
      return Step::judge_again;
    }
    held_.held = true;
    held_.claimant = record_.owner.pid;
    held_.has_port = false;
    held_.has_endpoints = false;
    held_.has_litter = has_litter_;
    held_.lock_id = lock_.info.id;
    held_.record_id = published_.info.id;
    if (auto ok = complete_under_lock(info); !ok) {
      fill_held();
      (void)release_held(host_, files_, held_);
      return ok.error();
    }
    if (const auto stopping = refused_by_sentinel(true); !stopping.has_value() || *stopping) {
      fill_held();
      (void)release_held(host_, files_, held_);
      if (!stopping.has_value()) return stopping.error();
      return finish(ClaimOutcome::stopping);
    }
    Stay taken;
    bool has_taken = false;
    // Whoever started an heir has already done that, or was not asked for by a person.
    if (options_.mode == ClaimMode::explicit_start && !is_heir_) {
      const auto out = take_out_stay(host_, files_, directory_.file.get(), options_.sentinel_ttl, taken);
      if (!out.has_value()) {
        fill_held();
        (void)release_held(host_, files_, held_);
        return out.error();
      }
      has_taken = *out;
    }
    // First give up the starter's byte, then announce: who waits is woken by the announcement.
    record_.phase = options_.launching ? Phase::launching : (options_.starting ? Phase::starting : Phase::running);
    if (record_.phase == Phase::running) record_.failed = 0;
    auto announced = [&]() noexcept -> Result<void> {
      const auto unlocked = uninterrupted([&] { return host_.files.unlock(lock_.file.get(), starter_byte, 1); });
      if (!unlocked.ok()) return files_.error(Operation::lock, unlocked.error, files_.lock());
      if (auto ok = write_lock_record(host_, files_, lock_.file.get(), record_); !ok) return ok;
      return options_.durable ? make_durable() : Result<void>{};
    }();
    fill_held();
    if (!announced) {
      held_.written.phase = Phase::claiming;  // for all that is known
      // This start has failed, so the intent that it was to end stands on.
      if (has_taken) (void)put_up_stay(host_, files_, held_.directory, options_.sentinel_ttl, taken);
      (void)release_held(host_, files_, held_);
      return announced.error();
    }
    report_.owner = record_.owner;
    report_.server = ProcessIdentity{};
    report_.generation = record_.generation;
    report_.evidence = Evidence{};
    // As `check_trust` will judge, with one call for both files: the lock file may be older than this claim.
    const std::uint64_t user = host_.process.user();
    report_.is_trusted =
        is_ours(lock_.info, user) && is_ours(published_.info, user) && keeps_our_files(directory_.info, user);
    return finish(ClaimOutcome::claimed);
  }

  /// The lock file's content, and its name in the directory.
  Result<void> make_durable() noexcept {
    const auto synced = uninterrupted([&] { return host_.files.sync(lock_.file.get()); });
    if (!synced.ok()) return files_.error(Operation::sync, synced.error, files_.lock());
    return sync_directory(host_, files_, directory_.file.get());
  }

  void fill_held() noexcept {
    held_.directory = directory_.file.release();
    held_.lock = lock_.file.release();
    held_.record = published_.file.release();
    held_.written = record_;
  }

  Result<void> complete_under_lock(const SysResult<FileInfo>& info) noexcept {
    if (!info.ok()) return files_.error(Operation::stat, info.error, files_.record());
    record_.record.changed_ns = info.value.changed_ns;
    if (auto ok = invalidate_port(files_.port()); !ok) return ok;
    if (has_previous_ && !previous_.port_name.empty() && Text{previous_.port_name} != Text{files_.port()} &&
        Text{previous_.port_name}.ends_with(".port") && StateFiles::is_usable_name(previous_.port_name)) {
      if (auto ok = invalidate_port(NameText{previous_.port_name}); !ok) return ok;
    }
    record_.port_name = PortFileName{Text{files_.port()}};
    if (!record_.has_no_endpoints) {
      int& leftover_error = report_.leftover_error;
      if (auto ok = invalidate_endpoints(host_, files_, directory_, lock_.info.id, leftover_error); !ok) return ok;
      record_.has_no_endpoints = true;
    }
    // A stopper that crashed while it wrote; one that is at it now writes again.
    (void)uninterrupted([&] { return host_.files.unlink(directory_.file.get(), files_.sentinel_temporary().c_str()); });
    return {};
  }

  Result<void> invalidate_port(const NameText& name) noexcept {
    return remove_file(host_, files_, directory_.file.get(), name);
  }

  /// Asked before anything is touched, and again once we own the directory: a stopper writes its sentinel first and
  /// looks for an owner then, so that one of us sees the other.
  Result<bool> refused_by_sentinel(bool owner) noexcept {
    if (options_.mode == ClaimMode::explicit_start) return false;
    const auto intent = read_stop_intent(host_, files_, directory_.file.get(), options_.sentinel_ttl);
    if (!intent) return intent.error();
    report_.stop = *intent;
    if (intent->standing && !(intent->restarting && options_.mode == ClaimMode::restart)) {
      report_.evidence = Evidence{};
      report_.evidence.reason = intent->stay ? Reason::stay_intent : Reason::stop_sentinel;
      report_.evidence.recorded = intent->stay ? intent->set_by : intent->stopper;
      return true;
    }
    if (owner && intent->leftover) {
      if (auto swept = sweep_sentinel(host_, files_, directory_.file.get(), lock_.file.get(), options_.sentinel_ttl);
          !swept) {
        return swept.error();
      }
    }
    return false;
  }

  H& host_;
  const StateFiles& files_;
  const ClaimOptions& options_;
  HeldClaim<H>& held_;

  OpenDirectory<H> directory_;
  OpenStateFile<H> lock_;
  OpenStateFile<H> published_;  ///< our own record file
  NameText temporary_;
  const RecordView* kept_ = nullptr;  ///< a record that has no place, see `Leftovers::kept`
  bool has_litter_ = false;           ///< the temporary file could not be removed
  int litter_error_ = 0;
  LockRecord previous_;
  bool has_previous_ = false;
  bool previous_is_this_lock_ = false;
  bool is_orphaned_ = false;
  bool has_locked_ = false;
  bool is_heir_ = false;
  LockRecord record_;
  ClaimReport report_;
};

/// Removes the port file if we published it.
/// Returns: whether nothing is left that the next claim must look for, see `withdraw`.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<bool> withdraw_port(H& host, const StateFiles& files, const HeldClaim<H>& held,
                                                       const NameText& temporary) noexcept {
  OpenStateFile<H> port;
  if (auto ok = open_state_file(host, files, held.directory, files.port(), OpenMode::read, port); !ok) {
    return ok.error();
  }
  if (!port.file.is_open()) return true;
  PortRecordBytes bytes;
  const auto count = read_whole(host, port.file.get(), bytes.data(), PortRecordBytes::capacity());
  if (!count.ok()) return files.error(Operation::read, count.error, files.port());
  bytes.resize(count.value);
  const PortRecord published = parse_port_record(bytes, H::ProcessProbe::pid_limit);
  const LockRecord& record = held.written;
  if (published.kind != PortRecordKind::owned || published.owner != record.owner ||
      published.generation != record.generation || published.lock != record.lock) {
    return false;
  }
  return withdraw(host, files, held.directory, files.port(), port.info.id, temporary);
}

template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> release_held(H& host, const StateFiles& files, HeldClaim<H>& held) noexcept {
  Result<void> result;
  bool is_clean = true;
  const auto note = [&](const auto& step) noexcept {
    if (result && !step.has_value()) result = step.error();
    is_clean = is_clean && step.has_value() && *step;
  };
  LockRecord& record = held.written;
  // Files are withdrawn under the temporary name that the lock's record has told since the claim.
  const NameText temporary = files.temporary(record.temporary);
  if (held.has_litter) {
    // Were it our record's second name, moving that one to it would move nothing. And once we are released, an empty
    // file under this name is taken for one that we have moved there.
    const auto removed = remove_file(host, files, held.directory, temporary);
    if (!removed) result = removed;
    is_clean = removed.has_value();
  }
  // From now on, nobody is to be told to come here. And what a claim moves away is not what a release does: whoever
  // comes after a crash must be able to tell which it was.
  const bool is_half_way = record.phase == Phase::claiming;
  const bool is_unstarted = record.phase == Phase::launching && record.heir.pid == 0;
  const bool has_come_to_nothing = (is_half_way || is_unstarted) && record.starter.pid == 0;
  const bool is_told_first = held.has_endpoints || held.has_port || is_half_way;
  record.phase = Phase::released;
  if (is_told_first) {
    const auto told = write_lock_record(host, files, held.lock, record);
    if (result && !told) result = told;
  }
  if (held.has_endpoints) note(withdraw_endpoints(host, files, held.directory, record, temporary));
  if (held.has_port) note(withdraw_port(host, files, held, temporary));
  note(withdraw(host, files, held.directory, files.record(), held.record_id, temporary));
  if (has_come_to_nothing) give_record_back(host, held.record);
  host.files.close(held.record);
  // Whoever claims next need not look for what is not there.
  if (is_clean) record.temporary = 0;
  const auto announced = write_lock_record(host, files, held.lock, record);
  if (result && !announced) result = announced;
  // Last, and by closing: an explicit unlock would take it from a forked child that still serves, unnoticed. Nobody
  // serves under a claim that came to nothing, unless its starter goes on.
  if (has_come_to_nothing) give_lock_back(host, held.lock);
  host.files.close(held.lock);
  host.files.close(held.directory);
  if (held.has_watch) host.files.close_watch(held.watch);
  held = HeldClaim<H>{};
  return result;
}

}  // namespace detail

/// Claims the state directory for the calling process.
/// Effects: where `claimed`, `NAME.lock` is locked and names us, `NAME.pid` is ours, the ports and endpoints of
/// predecessors are gone and `held` is filled; else nothing is left behind. Blocks at most for `settle` and
/// `empty_grace`.
/// Returns: an outcome. Somebody else's claim is an outcome, never an error.
/// Errors: any policy call, with its errno; a directory, lock file or record that can't be trusted.
template <typename H>
[[nodiscard]] Result<ClaimReport> claim(H& host, const StateFiles& files, const ClaimOptions& options,
                                        HeldClaim<H>& held) noexcept {
  return detail::Claimant<H>{host, files, options, held}.run();
}

/// Ends a claim: endpoints, port, record, lock, in this order, and only what is ours. Does nothing in a forked child.
/// Errors: the first that occurred; the lock is given up all the same. `not_claimed` where the lock was closed before,
/// see `Ownership::lock_closed`: then all is left to the next claim.
template <typename H>
[[nodiscard]] Result<void> release(H& host, const StateFiles& files, HeldClaim<H>& held) noexcept {
  if (!held.held) return {};
  if (!detail::is_claimant(host, held)) {
    held = HeldClaim<H>{};  // the descriptors stay: a child made by vfork shares them with its parent
    return {};
  }
  if (detail::is_lock_closed(host, held)) {
    detail::forget_claim(host, held);
    return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  }
  return detail::release_held(host, files, held);
}

/// Rewrites what the lock file says of us, for everybody who asks or waits. `change` gets the record.
/// Errors: write; `not_claimed`, also where the lock was closed, see `Ownership::lock_closed`.
template <typename H, typename Change>
[[nodiscard]] Result<void> update_claim(H& host, const StateFiles& files, HeldClaim<H>& held,
                                        Change&& change) noexcept {
  if (!detail::has_lock(host, held)) {
    return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  }
  change(held.written);
  return detail::write_lock_record(host, files, held.lock, held.written);
}

/// Looks whether the files that make the claim visible still do. Effects: none.
template <typename H>
[[nodiscard]] Ownership verify_claim(H& host, const StateFiles& files, const HeldClaim<H>& held) noexcept {
  if (!detail::is_claimant(host, held)) return Ownership::not_claimed;
  if (detail::is_lock_closed(host, held)) return Ownership::lock_closed;
  const auto lock = detail::uninterrupted([&] { return host.files.stat_at({}, files.lock_path().c_str()); });
  const PathText record_path = files.path_of(files.record());
  const auto record = detail::uninterrupted([&] { return host.files.stat_at({}, record_path.c_str()); });
  const bool lock_gone = lock.error == ENOENT || lock.error == ENOTDIR;
  const bool record_gone = record.error == ENOENT || record.error == ENOTDIR;
  if (lock_gone && record_gone) return Ownership::all_missing;
  if (record.ok() && record.value.id != held.record_id) return Ownership::record_replaced;
  if (lock.ok() && lock.value.id != held.lock_id) return Ownership::lock_replaced;
  if (lock_gone) return Ownership::lock_missing;
  if (record_gone) return Ownership::record_missing;
  return Ownership::held;
}

namespace detail {

/// Publishes a new record file of the claim's owner, which is `file` and has a name already if `temporary` is not null.
template <typename H>
[[nodiscard]] Result<void> publish_record_again(H& host, const StateFiles& files, HeldClaim<H>& held,
                                                ScopedFile<H>& file, const NameText* temporary) noexcept {
  const auto written = write_whole(host, file.get(), encode_pid_record(held.written.owner));
  if (!written.ok()) return files.error(Operation::write, written.error, files.record());
  (void)uninterrupted([&] { return host.files.try_lock(file.get(), owner_byte, 1); });
  const auto before = uninterrupted([&] { return host.files.stat(file.get()); });
  if (!before.ok()) return files.error(Operation::stat, before.error, files.record());
  const FileStamp earlier = held.written.record;
  held.written.record = {before.value.id.inode, 0};
  if (auto ok = write_lock_record(host, files, held.lock, held.written); !ok) {
    held.written.record = earlier;
    return ok;
  }
  const auto named =
      temporary != nullptr
          ? rename_to_new(host, held.directory, *temporary, files.record())
          : uninterrupted([&] { return host.files.link_unnamed(file.get(), held.directory, files.record().c_str()); });
  const auto failure = [&]() noexcept -> Result<void> {
    return files.error(temporary != nullptr ? Operation::rename : Operation::link, named.error, files.record());
  };
  if (!named.ok()) {
    // It may have both names now.
    const auto stands = uninterrupted([&] { return host.files.stat_at(held.directory, files.record().c_str()); });
    if (!stands.ok() || stands.value.id != before.value.id) {
      held.written.record = earlier;
      (void)write_lock_record(host, files, held.lock, held.written);
      return failure();
    }
  }
  // Whatever fails from here on, this is our record.
  host.files.close(held.record);
  held.record = file.release();
  held.record_id = before.value.id;
  if (!named.ok()) return failure();
  const auto info = uninterrupted([&] { return host.files.stat(held.record); });
  if (!info.ok()) return files.error(Operation::stat, info.error, files.record());
  held.written.record.changed_ns = info.value.changed_ns;
  return write_lock_record(host, files, held.lock, held.written);
}

/// The same where there are no files without a name.
template <typename H>
[[nodiscard]] Result<void> restore_by_rename(H& host, const StateFiles& files, HeldClaim<H>& held) noexcept {
  const NameText temporary = files.temporary(held.written.temporary);
  const Result<typename H::File> created = create_owners_temporary(host, files, held, temporary);
  if (!created) return created.error();
  ScopedFile<H> file{host, *created};
  auto published = publish_record_again(host, files, held, file, &temporary);
  // The lock's record goes on naming it, so that what can't be removed here is removed by the next claim.
  if (!published) held.has_litter = !remove_file(host, files, held.directory, temporary);
  return published;
}

}  // namespace detail

/// Publishes the record again where somebody deleted it under its owner; the lock has kept others out meanwhile.
/// Errors: create, write, link or rename (EEXIST where another program's record stands there by now).
template <typename H>
[[nodiscard]] Result<void> restore_record(H& host, const StateFiles& files, HeldClaim<H>& held) noexcept {
  using namespace detail;
  if (!has_lock(host, held)) {
    return files.refusal(ErrorKind::not_claimed, Operation::create, files.record());
  }
  const auto created = uninterrupted([&] { return host.files.create_unnamed(held.directory, private_file); });
  if (is_unsupported(created.error)) return restore_by_rename(host, files, held);
  if (!created.ok()) return files.error(Operation::create, created.error, files.record());
  ScopedFile<H> file{host, created.value};
  return publish_record_again(host, files, held, file, nullptr);
}

}  // namespace genie::inline v0

#endif  // GENIE_CLAIM_HPP
