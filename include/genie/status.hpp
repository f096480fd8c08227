// Is it running? A verdict with its evidence. Never writes, never starts, never takes a lock.
#ifndef GENIE_STATUS_HPP
#define GENIE_STATUS_HPP

#include "genie/failure.hpp"
#include "genie/judge.hpp"
#include "genie/owner.hpp"
#include "genie/port_file.hpp"
#include "genie/sentinel.hpp"

namespace genie::inline v0 {

/// How the server stands.
enum class ServerState : std::uint8_t {
  running,   ///< alive and ready
  starting,  ///< claimed, not ready yet
  stopping,  ///< alive, and a stop of it is in progress
  stopped,   ///< nobody owns the directory, and nothing is left behind
  stale,     ///< the owner is dead, but its record is left
  orphaned,  ///< the owner is dead, but processes that inherited its lock still hold it
  unknown,   ///< nothing can be proved
};

/// One look at a state directory: the verdict, and what it rests on.
struct StatusReport {
  ServerState state = ServerState::unknown;
  ProcessIdentity owner;         ///< PID 0 where nobody is known
  ProcessIdentity server;        ///< the command that the owner guards, where there is one
  std::uint64_t generation = 0;  ///< of the owner's claim
  Evidence evidence;
  Assurance assurance = Assurance::none;
  PortView port;
  StopIntent stop;
  Milliseconds looked_at;               ///< monotonic; when this was seen
  Milliseconds uptime;                  ///< since the owner claimed, suspend included; 0 where unknown
  FixedText<63> build;                  ///< what the owner says of itself
  VersionText version;                  ///< the same
  BootRecord boot;                      ///< the step that a starting owner has reported; generation 0: none
  FailureRecord failure;                ///< of the last start, if none has succeeded since; generation 0: none
  LockHolder holders[holder_capacity];  ///< filled where `orphaned`
  std::size_t holder_count = 0;

  /// Whether a server is there, ready or not.
  [[nodiscard]] bool is_live() const noexcept {
    return state == ServerState::running || state == ServerState::starting || state == ServerState::stopping;
  }
};

namespace detail {

/// Who owns the directory, by the lock, or where nobody holds it by the record that an older program may have left.
template <typename H>
struct FoundOwner {
  OwnerView lock;
  FileInfo lock_info;
  ScopedFile<H> lock_file;  ///< open where there is one
  bool has_lock_file = false;
  RecordView record;  ///< looked at only while the lock is free
};

template <typename H>
[[nodiscard]] Result<void> find_owner(H& host, const StateFiles& files, typename H::File directory, bool trust_legacy,
                                      FoundOwner<H>& found) noexcept {
  // Each further round means that somebody claimed or released while we looked.
  for (int round = 0; round < 16; ++round) {
    found = FoundOwner<H>{};
    OpenStateFile<H> lock;
    if (auto ok = open_state_file(host, files, directory, files.lock(), OpenMode::read, lock); !ok) return ok;
    found.has_lock_file = lock.file.is_open();
    found.lock_info = lock.info;
    found.lock_file = static_cast<ScopedFile<H>&&>(lock.file);
    if (found.has_lock_file) {
      const auto view = inspect_lock(host, files, found.lock_file.get(), lock.info.id);
      if (!view) return view.error();
      found.lock = *view;
      if (found.lock.standing != LockStanding::free) return {};
    }
    OpenStateFile<H> opened;
    if (auto ok = open_state_file(host, files, directory, files.record(), OpenMode::read, opened); !ok) return ok;
    if (!opened.file.is_open()) return {};
    const auto judged = judge_open_record(host, files, opened, files.record(),
                                          found.lock.has_record ? &found.lock.record : nullptr, trust_legacy);
    if (!judged) return judged.error();
    found.record = *judged;
    if (!found.has_lock_file) {
      // Whoever claims makes the lock file first, so that the record says nothing where there is one by now.
      const auto made = uninterrupted([&] { return host.files.stat_at(directory, files.lock().c_str()); });
      if (made.error == ENOENT) return {};
      if (!made.ok()) return files.error(Operation::stat, made.error, files.lock());
      continue;
    }
    // The lock's record proves a death only if nobody has taken the lock since it was read.
    const auto now = uninterrupted([&] { return host.files.query_lock(found.lock_file.get(), owner_byte, 2); });
    if (!now.ok()) return files.error(Operation::query_lock, now.error, files.lock());
    if (now.value.held) continue;
    if (judged->standing == RecordStanding::dead) return {};
    // And whoever seemed to live may have come and gone meanwhile: every claim writes to the lock file.
    LockRecord again;
    const auto kind = read_lock_record(host, found.lock_file.get(), again);
    if (!kind.ok()) return files.error(Operation::read, kind.error, files.lock());
    if (kind.value != LockRecordKind::valid || again == found.lock.record) return {};
  }
  return {};
}

/// What the lock file tells beside the owner's record.
template <typename H>
[[nodiscard]] Result<void> read_story(H& host, const StateFiles& files, const FoundOwner<H>& found,
                                      StatusReport& report) noexcept {
  if (!found.lock.has_record) return {};
  const LockRecord& record = found.lock.record;
  if (found.lock.standing == LockStanding::owned && record.phase == Phase::starting) {
    const auto boot = read_boot_record(host, found.lock_file.get(), record.generation, report.boot);
    if (!boot.ok()) return files.error(Operation::read, boot.error, files.lock());
  }
  const auto failure = read_failure(host, found.lock_file.get(), record);
  if (!failure.ok()) return files.error(Operation::read, failure.error, files.lock());
  report.failure = failure.value;
  return {};
}

}  // namespace detail

/// Looks at a state directory. Effects: none.
/// Errors: open_directory, open, stat, read, query_lock; a missing directory is no error, but `stopped`.
template <typename H>
[[nodiscard]] Result<StatusReport> status(H& host, const StateFiles& files,
                                          Milliseconds sentinel_ttl = default_sentinel_ttl,
                                          bool trust_legacy = false) noexcept {
  StatusReport report;
  detail::OpenDirectory<H> directory;
  if (auto ok = detail::open_state_directory(host, files, false, directory); !ok) {
    if (ok.error().code != ENOENT || ok.error().kind != ErrorKind::system) return ok.error();
    report.state = ServerState::stopped;
    report.evidence.reason = Reason::no_record;
    return report;
  }
  detail::FoundOwner<H> found;
  if (auto ok = detail::find_owner(host, files, directory.file.get(), trust_legacy, found); !ok) return ok.error();
  const auto intent = read_stop_intent(host, files, directory.file.get(), sentinel_ttl);
  if (!intent) return intent.error();
  report.stop = *intent;
  const auto port = read_port_of(host, files, directory.file.get(), found.lock);
  if (!port) return port.error();
  report.port = *port;

  if (auto ok = detail::read_story(host, files, found, report); !ok) return ok.error();
  if (found.lock.standing != LockStanding::free) {
    report.assurance = Assurance::kernel_lock;
    report.evidence = found.lock.evidence;
    if (found.lock.has_record) {
      report.owner = found.lock.record.owner;
      report.server = found.lock.record.server;
      report.generation = found.lock.record.generation;
      report.build = found.lock.record.build;
      report.version = found.lock.record.version;
      if (found.lock.record.origin.boot == BootId{host.process.origin().boot}) {
        report.looked_at = host.clock.monotonic();
        // Later than now is another scale: the owner is in another time namespace, `time_namespaces(7)`.
        const Milliseconds claimed = found.lock.record.claimed_monotonic;
        if (claimed < report.looked_at) report.uptime = report.looked_at - claimed;
      }
    }
  } else {
    report.owner = found.record.record.owner;
    report.evidence = found.record.evidence;
  }

  switch (found.lock.standing) {
    case LockStanding::owned:
      report.state = found.lock.record.phase == Phase::starting ? ServerState::starting : ServerState::running;
      break;
    case LockStanding::claiming:
      // Its record may still be its predecessor's.
      report.state = ServerState::starting;
      if (found.lock.evidence.reason == Reason::handing_over) {
        report.owner = found.lock.record.heir;  // nobody yet, until its starter has named it
      } else if (found.lock.evidence.recorded.pid == 0) {
        report.owner = ProcessIdentity{};
        report.server = ProcessIdentity{};
        report.generation = 0;
      }
      break;
    case LockStanding::orphaned:
      report.state = ServerState::orphaned;
      report.holder_count = found.lock.holder_count;
      for (std::size_t at = 0; at < report.holder_count; ++at) report.holders[at] = found.lock.holders[at];
      break;
    case LockStanding::unsure: report.state = ServerState::unknown; break;
    case LockStanding::free:
      switch (found.record.standing) {
        case RecordStanding::absent:
          report.state = ServerState::stopped;
          report.evidence.reason = Reason::no_record;
          break;
        case RecordStanding::alive: report.state = ServerState::running; break;
        case RecordStanding::dead: report.state = ServerState::stale; break;
        case RecordStanding::empty:
        case RecordStanding::unsure: report.state = ServerState::unknown; break;
      }
      break;
  }
  const bool meant = report.stop.target.pid == 0 || report.stop.target == report.owner;
  if (report.is_live() && report.stop.is_in_progress() && meant) report.state = ServerState::stopping;
  return report;
}

/// The short question. With a live owner it costs three system calls: open, query, close.
/// Returns: whether somebody holds the directory: an owner, a claim in progress, or an orphan.
/// Errors: open, query_lock; `identity_unknown` where only a record is left and its owner can't be told. That a
/// directory stands where the lock file belongs is not noticed, which would be a call more: `status` and `claim` do.
template <typename H>
[[nodiscard]] Result<bool> is_running(H& host, const StateFiles& files) noexcept {
  using namespace detail;
  if (auto usable = files.check(); !usable) return usable.error();
  const auto lock = uninterrupted([&] { return host.files.open({}, files.lock_path().c_str(), OpenMode::read, 0); });
  if (lock.ok()) {
    const auto query = uninterrupted([&] { return host.files.query_lock(lock.value, owner_byte, 2); });
    host.files.close(lock.value);
    if (!query.ok()) return files.error(Operation::query_lock, query.error, files.lock());
    if (query.value.held) return true;
  } else if (lock.error == ENOTDIR) {
    return make_error(ErrorKind::not_a_directory, Operation::open, ENOTDIR, files.directory());
  } else if (lock.error != ENOENT) {
    return files.error(Operation::open, lock.error, files.lock());
  }
  const PathText record_path = files.path_of(files.record());
  const auto record = uninterrupted([&] { return host.files.stat_at({}, record_path.c_str()); });
  if (record.error == ENOENT) return false;
  const auto report = status(host, files);
  if (!report) return report.error();
  if (report->state == ServerState::unknown) {
    return files.refusal(ErrorKind::identity_unknown, Operation::observe_process, files.record());
  }
  return report->is_live() || report->state == ServerState::orphaned;
}

}  // namespace genie::inline v0

#endif  // GENIE_STATUS_HPP
