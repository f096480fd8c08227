// Waits until a file changes, with the kernel's help where there is some.
#ifndef GENIE_CHANGE_WAIT_HPP
#define GENIE_CHANGE_WAIT_HPP

#include "genie/host.hpp"

namespace genie::inline v0 {

/// Watches one path until a deadline. Ask, look at the file, and ask again: no change is lost between.
template <typename H>
class ChangeWait {
 public:
  /// Looks again after this, whatever happens or does not.
  static constexpr Milliseconds longest_nap{250};

  ChangeWait(H& host, Milliseconds deadline) noexcept : host_{&host}, deadline_{deadline} {}
  ChangeWait(const ChangeWait&) = delete;
  ChangeWait& operator=(const ChangeWait&) = delete;
  ~ChangeWait() { stop(); }

  /// Somebody has come further: there is a reason to wait longer, or for less.
  void set_deadline(Milliseconds deadline) noexcept { deadline_ = deadline; }

  /// Waits until `path` may have changed: look again.
  /// Returns: false once the deadline has passed.
  [[nodiscard]] bool next(const char* path) noexcept {
    const Milliseconds remaining = deadline_ - host_->clock.monotonic();
    if (remaining.count() <= 0) return false;
    ++calls_;
    if (calls_ == naps + 1) {
      if (auto watch = host_->files.watch(path); watch.ok()) {
        watch_ = watch.value;
        watching_ = true;
        return true;  // what changed before the watch is seen by looking now
      }
    }
    const Milliseconds span = remaining < slice_ ? remaining : slice_;
    bool changed = false;
    if (watching_) {
      const auto waited = host_->files.wait(watch_, span);
      changed = waited.ok() && waited.value;
      if (!waited.ok() && waited.error != EINTR) stop();
    } else {
      host_->clock.sleep(span);
    }
    // Linux tells of a closed file before it drops the file's locks, so after each change we look again soon; the
    // span then doubles up to a slice that also covers systems where nothing can be watched.
    slice_ = changed ? shortest : Milliseconds{slice_.count() * 2};
    const Milliseconds longest = watching_ ? longest_nap : milliseconds(20);
    if (slice_ > longest) slice_ = longest;
    return true;
  }

 private:
  static constexpr Milliseconds shortest{1};
  /// Most waits are for a claim that takes microseconds, while taking a watch down again takes Linux milliseconds.
  static constexpr int naps = 2;

  void stop() noexcept {
    if (watching_) host_->files.close_watch(watch_);
    watching_ = false;
  }

  H* host_;
  Milliseconds deadline_;
  Milliseconds slice_ = shortest;
  typename H::Filesystem::Watch watch_{};
  int calls_ = 0;
  bool watching_ = false;
};

}  // namespace genie::inline v0

#endif  // GENIE_CHANGE_WAIT_HPP
