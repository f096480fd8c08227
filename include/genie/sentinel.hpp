// The stop sentinel: while it stands, nothing starts by itself. Several stoppers share one file; the last one to end
// removes it, and a crashed one blocks nobody for longer than its TTL. Only the intent to stay stopped has no TTL: it
// stands until an explicit start takes it out.
#ifndef GENIE_SENTINEL_HPP
#define GENIE_SENTINEL_HPP

#include "genie/change_wait.hpp"
#include "genie/language.hpp"
#include "genie/owner.hpp"
#include "genie/record/sentinel_record.hpp"
#include "genie/state_files.hpp"

namespace genie::inline v0 {

/// How long the entry of a stopper that has died blocks starts on demand.
inline constexpr Milliseconds default_sentinel_ttl = Milliseconds{30'000};
/// No entry holds for longer, whatever it says: a longer stop renews its own.
inline constexpr Milliseconds longest_sentinel_ttl = Milliseconds{3'600'000};

/// What the sentinel says now.
struct StopIntent {
  bool standing = false;
  Milliseconds remaining;   ///< until the last stop in progress expires; 0 where only `stay` stands
  ProcessIdentity stopper;  ///< one of those who stop; PID 0 where only an older program knows
  ProcessIdentity target;   ///< whom it stops; PID 0 where it does not say
  bool leftover = false;    ///< the file is there, but empty, malformed or expired
  bool restarting = false;  ///< whoever stops it starts it again: worth waiting for. No other stop is in progress
  bool stay = false;        ///< it is to stay stopped until an explicit start, whatever the clocks say
  ProcessIdentity set_by;   ///< where `stay`: whose call that was. It need not live any more
  std::uint64_t user = 0;   ///< where `stay`: as whom
  Milliseconds since;       ///< where `stay`: when, by the wall clock of that moment

  /// Whether somebody is at it, as opposed to having been.
  [[nodiscard]] bool is_in_progress() const noexcept { return remaining.count() > 0; }
};

namespace detail {

/// How long one entry still holds, 0 if it does not. `ttl` bounds what an entry without one of its own may claim.
[[nodiscard]] inline Milliseconds remaining_of(const Stopper& entry, const ProcessOrigin& own, Milliseconds wall,
                                               Milliseconds monotonic, Milliseconds ttl) noexcept {
  constexpr Milliseconds none{};
  if (entry.stopper.pid != 0) ttl = entry.ttl < longest_sentinel_ttl ? entry.ttl : longest_sentinel_ttl;
  if (entry.stopper.pid != 0 && is_visible_from(entry.origin, own)) {
    const Milliseconds left = entry.monotonic_until - monotonic;
    if (left <= none) return none;
    if (left <= ttl) return left;
    // More than its TTL remains: a monotonic clock of another time namespace. The wall clock must do.
  }
  // More than the TTL can't remain; if it seems to, the clock was set back since, and nobody knows how long ago.
  const Milliseconds left = entry.wall_until - wall;
  return left > none && left <= ttl ? left : none;
}

template <typename H>
[[nodiscard]] SysResult<std::size_t> read_sentinel(H& host, typename H::File file, SentinelBytes& bytes) noexcept {
  const auto count = read_whole(host, file, bytes.data(), SentinelBytes::capacity());
  bytes.resize(count.value);
  return count;
}

/// Reads the sentinel and drops all stoppers' entries that do not hold any more.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<StopIntent> evaluate_sentinel(H& host, const StateFiles& files,
                                                                 typename H::File directory, Milliseconds ttl,
                                                                 Sentinel& sentinel) noexcept {
  StopIntent intent;
  sentinel.count = 0;
  sentinel.has_stay = false;
  OpenStateFile<H> opened;
  if (auto ok = open_state_file(host, files, directory, files.sentinel(), OpenMode::read, opened); !ok) {
    return ok.error();
  }
  if (!opened.file.is_open()) return intent;
  SentinelBytes bytes;
  if (const auto count = read_sentinel(host, opened.file.get(), bytes); !count.ok()) {
    return files.error(Operation::read, count.error, files.sentinel());
  }
  intent.leftover = true;
  if (!parse_sentinel(bytes, H::ProcessProbe::pid_limit, sentinel)) return intent;
  const ProcessOrigin own = host.process.origin();
  const Milliseconds wall = host.clock.wall();
  const Milliseconds monotonic = host.clock.monotonic();
  std::size_t kept = 0;
  bool is_for_good = sentinel.has_stay;
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    const Stopper& entry = sentinel.stoppers[at];
    const Milliseconds remaining = remaining_of(entry, own, wall, monotonic, ttl);
    if (remaining.count() <= 0) continue;
    is_for_good = is_for_good || !entry.restarting;
    if (remaining > intent.remaining) {
      intent.remaining = remaining;
      intent.stopper = entry.stopper;
      intent.target = entry.target;
    }
    sentinel.stoppers[kept++] = entry;
  }
  sentinel.count = kept;
  intent.standing = !sentinel.empty();
  intent.leftover = !intent.standing;
  intent.restarting = kept > 0 && !is_for_good;
  if (sentinel.has_stay) {
    intent.stay = true;
    intent.set_by = sentinel.stay.setter;
    intent.user = sentinel.stay.user;
    intent.since = sentinel.stay.since;
  }
  return intent;
}

/// Replaces the sentinel by `sentinel`, or removes it where nothing is left in it. An intent to stay outlives a power
/// cut. Requires: the stopper lock.
template <typename H>
[[nodiscard]] GENIE_COLD Result<void> publish_sentinel(H& host, const StateFiles& files, typename H::File directory,
                                                       const Sentinel& sentinel) noexcept {
  if (sentinel.empty()) {
    const auto removed = uninterrupted([&] { return host.files.unlink(directory, files.sentinel().c_str()); });
    if (!removed.ok() && removed.error != ENOENT) {
      return files.error(Operation::unlink, removed.error, files.sentinel());
    }
    return {};
  }
  const NameText& temporary = files.sentinel_temporary();
  const SentinelBytes bytes = encode_sentinel(sentinel);
  // A claim sweeps leftovers of this name without asking; ours may be among them.
  for (int attempt = 0; attempt < 16; ++attempt) {
    (void)uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
    const auto created =
        uninterrupted([&] { return host.files.open(directory, temporary.c_str(), OpenMode::create, private_file); });
    if (created.error == EEXIST) continue;
    if (!created.ok()) return files.error(Operation::create, created.error, temporary);
    const ScopedFile<H> file{host, created.value};
    if (const auto written = write_whole(host, created.value, bytes); !written.ok()) {
      (void)uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
      return files.error(Operation::write, written.error, temporary);
    }
    if (sentinel.has_stay) {
      if (const auto synced = uninterrupted([&] { return host.files.sync(created.value); }); !synced.ok()) {
        (void)uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
        return files.error(Operation::sync, synced.error, temporary);
      }
    }
    const auto renamed =
        uninterrupted([&] { return host.files.rename(directory, temporary.c_str(), files.sentinel().c_str()); });
    if (renamed.ok()) {
      if (sentinel.has_stay) (void)sync_directory(host, files, directory);  // not every file system can
      return {};
    }
    if (renamed.error != ENOENT) {
      (void)uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
      return files.error(Operation::rename, renamed.error, files.sentinel());
    }
  }
  return files.refusal(ErrorKind::interrupted, Operation::rename, files.sentinel());
}

/// The lock by which those who rewrite the sentinel keep each other out: a byte of the lock file, or where that can be
/// locked as a whole only, a file of its own.
template <typename H>
class StopperLock {
 public:
  StopperLock(H& host, const StateFiles& files, typename H::File directory) noexcept
      : host_{&host}, files_{&files}, directory_{directory} {}

  /// Errors: EAGAIN where another stopper has it.
  [[nodiscard]] SysResult<void> try_lock(typename H::File lock) noexcept {
    const auto locked = uninterrupted([&] { return host_->files.try_lock(lock, stopper_byte, 1); });
    return locked.error == EOPNOTSUPP ? try_lock_guard() : locked;
  }
  /// Closing the lock file does the same, unless somebody shares the open file by a fork.
  void unlock(typename H::File lock) noexcept {
    if (guard_.file.is_open()) {
      (void)uninterrupted([&] { return host_->files.unlock(guard_.file.get(), owner_byte, 1); });
      guard_.file.reset();
    } else {
      (void)uninterrupted([&] { return host_->files.unlock(lock, stopper_byte, 1); });
    }
  }
  /// The path of the file that its holder closes.
  [[nodiscard]] PathText path() const noexcept {
    return guard_.file.is_open() ? files_->path_of(files_->sentinel_guard()) : files_->lock_path();
  }

 private:
  SysResult<void> try_lock_guard() noexcept {
    const NameText& name = files_->sentinel_guard();
    if (!guard_.file.is_open()) {
      if (auto ok = open_state_file(*host_, *files_, directory_, name, OpenMode::ensure, guard_); !ok) {
        const int code = ok.error().code;
        return {code != 0 ? code : EINVAL};
      }
      if (!guard_.file.is_open()) return {ENOENT};
    }
    const auto locked = uninterrupted([&] { return host_->files.try_lock(guard_.file.get(), owner_byte, 1); });
    const auto named = uninterrupted([&] { return host_->files.stat_at(directory_, name.c_str()); });
    if (named.ok() && named.value.id == guard_.info.id) return locked;
    if (locked.ok()) unlock(typename H::File{});
    guard_.file.reset();
    return {EAGAIN};
  }

  H* host_;
  const StateFiles* files_;
  typename H::File directory_;
  OpenStateFile<H> guard_;
};

/// Lets `change(sentinel, lock)` do what it likes under the stopper lock; it gets what holds of the sentinel, and the
/// lock file.
/// Errors: open; lock (ETIMEDOUT where another stopper keeps the sentinel locked); those of `change`.
template <typename H, typename Change>
[[nodiscard]] GENIE_COLD Result<void> rewrite_sentinel(H& host, const StateFiles& files, typename H::File directory,
                                                       Milliseconds ttl, Change&& change) noexcept {
  // A stopper needs the lock for some microseconds. One that was suspended there must not suspend us for ever.
  ChangeWait<H> wait{host, host.clock.monotonic() + milliseconds(5000)};
  OpenStateFile<H> lock;
  StopperLock<H> stopper{host, files, directory};
  do {
    // Kept open while we wait: closing it would look like a change to everybody, ourselves included.
    if (!lock.file.is_open()) {
      if (auto ok = open_state_file(host, files, directory, files.lock(), OpenMode::ensure, lock); !ok) return ok;
      if (!lock.file.is_open()) return files.error(Operation::open, ENOENT, files.lock());
    }
    const auto locked = stopper.try_lock(lock.file.get());
    if (!locked.ok() && locked.error != EAGAIN) return files.error(Operation::lock, locked.error, files.lock());
    const auto named = uninterrupted([&] { return host.files.stat_at(directory, files.lock().c_str()); });
    if (!named.ok() || named.value.id != lock.info.id) {
      if (locked.ok()) stopper.unlock(lock.file.get());
      lock.file.reset();
      continue;
    }
    if (locked.ok()) {
      Sentinel sentinel;
      const auto intent = evaluate_sentinel(host, files, directory, ttl, sentinel);
      const Result<void> changed = intent ? change(sentinel, lock) : Result<void>{intent.error()};
      stopper.unlock(lock.file.get());  // closing the file wakes who waits for it
      return changed;
    }
  } while (wait.next(stopper.path().c_str()));
  return files.error(Operation::lock, ETIMEDOUT, files.lock());
}

/// Records that the server is to stay stopped, unless somebody has already done so: whose intent it is stays as it is.
template <typename H>
[[nodiscard]] Result<void> put_up_stay(H& host, const StateFiles& files, typename H::File directory, Milliseconds ttl,
                                       const Stay& stay) noexcept {
  return rewrite_sentinel(host, files, directory, ttl,
                          [&](Sentinel& sentinel, const OpenStateFile<H>&) noexcept -> Result<void> {
                            if (sentinel.has_stay) return {};
                            sentinel.has_stay = true;
                            sentinel.stay = stay;
                            return publish_sentinel(host, files, directory, sentinel);
                          });
}

/// Takes the intent to stay stopped out, for an explicit start that owns the directory. A stop in progress keeps its
/// own entry. Returns: whether there was one; `taken` is what it said.
template <typename H>
[[nodiscard]] Result<bool> take_out_stay(H& host, const StateFiles& files, typename H::File directory, Milliseconds ttl,
                                         Stay& taken) noexcept {
  Sentinel sentinel;
  const auto intent = evaluate_sentinel(host, files, directory, ttl, sentinel);
  // What is no regular file says nothing, and is no reason not to start what somebody asked for.
  if (!intent && intent.error().kind == ErrorKind::not_a_regular_file) return false;
  if (!intent) return intent.error();
  // Whoever puts one up from here on looks for an owner then, and finds us.
  if (!intent->stay) return false;
  bool has_taken = false;
  const auto rewritten = rewrite_sentinel(host, files, directory, ttl,
                                          [&](Sentinel& now, const OpenStateFile<H>&) noexcept -> Result<void> {
                                            if (!now.has_stay) return {};
                                            taken = now.stay;
                                            has_taken = true;
                                            now.has_stay = false;
                                            return publish_sentinel(host, files, directory, now);
                                          });
  if (!rewritten) return rewritten.error();
  // A power cut must not bring back what somebody has ended.
  if (has_taken) (void)sync_directory(host, files, directory);
  return has_taken;
}

}  // namespace detail

/// Reads the sentinel. Effects: none.
/// Errors: open, stat, read; a symbolic link, FIFO or directory in its place.
template <typename H>
[[nodiscard]] Result<StopIntent> read_stop_intent(H& host, const StateFiles& files, typename H::File directory,
                                                  Milliseconds ttl = default_sentinel_ttl) noexcept {
  Sentinel sentinel;
  return detail::evaluate_sentinel(host, files, directory, ttl, sentinel);
}

namespace detail {

/// A stopper that was killed, or an older program's, of which nobody can tell, blocks no explicit start.
template <typename H>
[[nodiscard]] bool is_any_at_work(H& host, const Sentinel& sentinel) noexcept {
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    const Stopper& entry = sentinel.stoppers[at];
    if (entry.stopper.pid == 0 || !is_visible_from(entry.origin, host.process.origin())) continue;
    if (look_at(host, entry.stopper).reason == Reason::start_matches) return true;
  }
  return false;
}

}  // namespace detail

/// Whether somebody who lives is stopping the server: for that, an explicit start waits. Effects: none.
/// Errors: open_directory, open, stat, read; a missing directory is no error.
template <typename H>
[[nodiscard]] Result<bool> is_being_stopped(H& host, const StateFiles& files,
                                            Milliseconds ttl = default_sentinel_ttl) noexcept {
  detail::OpenDirectory<H> directory;
  if (auto ok = detail::open_state_directory(host, files, false, directory); !ok) {
    if (says_absent(ok.error())) return false;
    return ok.error();
  }
  Sentinel sentinel;
  const auto intent = detail::evaluate_sentinel(host, files, directory.file.get(), ttl, sentinel);
  if (!intent) return intent.error();
  return detail::is_any_at_work(host, sentinel);
}

/// Removes a sentinel that is empty, malformed or expired. Does nothing where a stopper is just writing one.
template <typename H>
[[nodiscard]] GENIE_COLD Result<void> sweep_sentinel(H& host, const StateFiles& files, typename H::File directory,
                                                     typename H::File lock,
                                                     Milliseconds ttl = default_sentinel_ttl) noexcept {
  detail::StopperLock<H> stopper{host, files, directory};
  const auto locked = stopper.try_lock(lock);
  if (locked.error == EAGAIN) return {};
  if (!locked.ok()) return files.error(Operation::lock, locked.error, files.lock());
  Sentinel sentinel;
  Result<void> result;
  const auto intent = detail::evaluate_sentinel(host, files, directory, ttl, sentinel);
  if (!intent) {
    result = intent.error();
  } else if (intent->leftover) {
    result = detail::publish_sentinel(host, files, directory, Sentinel{});
  }
  stopper.unlock(lock);
  return result;
}

/// One stopper's entry in the sentinel.
template <typename H>
class StopRegistration {
 public:
  /// `restarting`: tells automatic starters that we start the server again.
  StopRegistration(H& host, const StateFiles& files, typename H::File directory, const ProcessIdentity& target,
                   Milliseconds ttl, bool restarting = false) noexcept
      : host_{&host}, files_{&files}, directory_{directory}, ttl_{ttl} {
    entry_.stopper = own_identity(host);
    entry_.origin = host.process.origin();
    entry_.nonce = host.process.random();
    entry_.target = target;
    entry_.ttl = ttl;
    entry_.restarting = restarting;
  }

  /// Enters us, or renews our entry. `under_lock(bool first)` runs before anybody else can look: `first` tells whether
  /// no other living stopper has entered for the same target.
  /// Errors: lock (ETIMEDOUT where another stopper keeps the sentinel locked), create, write, rename.
  template <typename UnderLock>
  [[nodiscard]] Result<void> enter(UnderLock&& under_lock) noexcept {
    return enter([](Sentinel&, const OpenLock&) noexcept {}, under_lock);
  }
  /// The same; `prepare(sentinel, lock)` may change the sentinel before it is published. Both live until this ends.
  template <typename Prepare, typename UnderLock>
  [[nodiscard]] Result<void> enter(Prepare&& prepare, UnderLock&& under_lock) noexcept {
    return rewrite([&](Sentinel& sentinel, const OpenLock& lock) noexcept -> Result<void> {
      bool first = true;
      std::size_t own = sentinel.count;
      for (std::size_t at = 0; at < sentinel.count; ++at) {
        const Stopper& other = sentinel.stoppers[at];
        if (is_mine(other)) {
          own = at;
        } else if (other.target == entry_.target && lives(other)) {
          first = false;
        }
      }
      if (own == sentinel.count && sentinel.count < stopper_capacity) ++sentinel.count;
      if (own < sentinel.count) {
        entry_.wall_until = host_->clock.wall() + ttl_;
        entry_.monotonic_until = host_->clock.monotonic() + ttl_;
        sentinel.stoppers[own] = entry_;
      }
      prepare(sentinel, lock);
      // Where no entry is free, those of the others keep the sentinel up; they were here first.
      if (auto published = detail::publish_sentinel(*host_, *files_, directory_, sentinel); !published) {
        return published;
      }
      under_lock(first);
      return {};
    });
  }

  /// Takes our entry out, and the file away if nothing else is left in it. Where the directory was removed meanwhile,
  /// nothing is left to do.
  [[nodiscard]] Result<void> leave() noexcept {
    auto left = rewrite([&](Sentinel& sentinel, const OpenLock&) noexcept -> Result<void> {
      std::size_t kept = 0;
      for (std::size_t at = 0; at < sentinel.count; ++at) {
        if (!is_mine(sentinel.stoppers[at])) sentinel.stoppers[kept++] = sentinel.stoppers[at];
      }
      sentinel.count = kept;
      return detail::publish_sentinel(*host_, *files_, directory_, sentinel);
    });
    if (!left && says_absent(left.error())) return {};
    return left;
  }

 private:
  using OpenLock = detail::OpenStateFile<H>;

  template <typename Change>
  [[nodiscard]] Result<void> rewrite(Change&& change) noexcept {
    return detail::rewrite_sentinel(*host_, *files_, directory_, ttl_, change);
  }
  [[nodiscard]] bool is_mine(const Stopper& other) const noexcept {
    return other.stopper == entry_.stopper && other.nonce == entry_.nonce && other.origin == entry_.origin;
  }
  [[nodiscard]] bool lives(const Stopper& other) noexcept {
    if (other.stopper.pid == 0 || !detail::is_visible_from(other.origin, entry_.origin)) return false;
    return detail::look_at(*host_, other.stopper).reason == Reason::start_matches;
  }

  H* host_;
  const StateFiles* files_;
  typename H::File directory_;
  Milliseconds ttl_;
  Stopper entry_;
};

}  // namespace genie::inline v0

#endif  // GENIE_SENTINEL_HPP
