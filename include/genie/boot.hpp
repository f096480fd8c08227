// Steps of a boot: what a server does before it is ready, visible to `status` and to everybody who waits for it, so
// that nobody takes a long boot for a hang.
#ifndef GENIE_BOOT_HPP
#define GENIE_BOOT_HPP

#include "genie/claim.hpp"
#include "genie/record/boot_record.hpp"

namespace genie::inline v0 {

/// Progress within a step is written no more often than this; steps and their ends are written at once.
inline constexpr Milliseconds boot_interval{100};

/// What an owner has reported of its boot, and when it last wrote that.
struct BootProgress {
  BootRecord record;
  bool is_written = false;
  Milliseconds written_at;  ///< on the coarse clock
};

/// How long the rest of a step will take at `now` of the monotonic clock, if it goes on as it went.
/// Returns: 0 where nobody can tell.
[[nodiscard]] constexpr Milliseconds estimated_rest(const BootRecord& record, Milliseconds now) noexcept {
  if (record.state != StepState::running || record.done == 0 || record.done >= record.total) return {};
  const Milliseconds taken = now - record.since;
  if (taken.count() <= 0) return {};
  const long double rest = static_cast<long double>(record.total - record.done) / static_cast<long double>(record.done);
  const long double estimate = static_cast<long double>(taken.count()) * rest;
  constexpr long double longest = 1e15L;
  return Milliseconds{static_cast<std::int64_t>(estimate < longest ? estimate : longest)};
}

/// Returns: per cent of a step; 0 where its total is not known.
[[nodiscard]] constexpr unsigned percentage(const BootRecord& record) noexcept {
  if (record.total == 0) return 0;
  if (record.done >= record.total) return 100;
  return static_cast<unsigned>(static_cast<long double>(record.done) * 100 / static_cast<long double>(record.total));
}

namespace detail {

template <typename H>
[[nodiscard]] Result<void> write_boot_record(H& host, const StateFiles& files, const HeldClaim<H>& held,
                                             BootProgress& progress, Milliseconds now) noexcept {
  progress.record.updated = host.clock.monotonic();
  progress.written_at = now;
  const auto written = write_whole(host, held.lock, encode_boot_record(progress.record), boot_record_at);
  progress.is_written = written.ok();
  if (!written.ok()) return files.error(Operation::write, written.error, files.lock());
  return {};
}

/// Reads what the owner of that generation reports; the record stays as it is where there is nothing to read.
template <typename H>
[[nodiscard]] SysResult<bool> read_boot_record(H& host, typename H::File lock, std::uint64_t generation,
                                               BootRecord& record) noexcept {
  char bytes[boot_record_size];
  const auto count = read_whole(host, lock, bytes, sizeof bytes, boot_record_at);
  if (!count.ok()) return SysResult<bool>::failure(count.error);
  BootRecord read;
  if (parse_boot_record({bytes, count.value}, read) != BlockKind::valid) return {false, 0};
  if (read.generation == 0 || read.generation != generation) return {false, 0};
  record = read;
  return {true, 0};
}

}  // namespace detail

/// Reports that the boot is in `step`, which has done `done` of `total`; a `total` of 0 means that it is not known.
/// Another name than before is the next step. Cheap: a report that follows another one too soon, and says nothing new
/// but a number, is not written.
/// Requires: the claim.
/// Errors: write; `not_claimed`.
template <typename H>
[[nodiscard]] Result<void> report_boot(H& host, const StateFiles& files, HeldClaim<H>& held, BootProgress& progress,
                                       Text step, std::uint64_t done, std::uint64_t total) noexcept {
  BootRecord& record = progress.record;
  const bool is_same = held.held && record.generation == held.written.generation &&
                       record.state == StepState::running && Text{record.step} == step.first(StepName::capacity());
  const bool is_end = done == total && done != record.done;
  const Milliseconds now = host.clock.coarse();
  if (is_same && progress.is_written && !is_end && now - progress.written_at < boot_interval) {
    record.done = done;
    record.total = total;
    return {};
  }
  if (!detail::has_lock(host, held)) return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  if (!is_same) {
    const bool is_first = record.generation != held.written.generation;
    const std::uint64_t number = is_first ? 1 : record.number + 1;
    record = BootRecord{};
    record.generation = held.written.generation;
    record.number = number;
    record.step = StepName{step.first(StepName::capacity())};
    record.since = host.clock.monotonic();
  }
  record.done = done;
  record.total = total;
  return detail::write_boot_record(host, files, held, progress, now);
}

/// Reports how the step that was reported last has ended; `advice` is what a person must run where it was refused.
/// Requires: the claim, and a step.
/// Errors: write; `not_claimed`.
template <typename H>
[[nodiscard]] Result<void> end_boot_step(H& host, const StateFiles& files, HeldClaim<H>& held, BootProgress& progress,
                                         StepState state, Text advice) noexcept {
  if (!detail::has_lock(host, held) || progress.record.generation != held.written.generation) {
    return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  }
  progress.record.state = state;
  progress.record.advice = StepAdvice{advice.first(StepAdvice::capacity())};
  return detail::write_boot_record(host, files, held, progress, host.clock.coarse());
}

/// One step of a boot as an object: `auto step = guard.step("backfill"); … step.advance(n, total); … step.ok();`.
/// Without a verdict it stays the step in which the boot is, until the next one, readiness, or the end of the server.
/// The guard must not be moved or destroyed while it exists. What can't be written need not fail a boot:
/// `result()` tells.
template <typename Guard>
class BootStep {
 public:
  BootStep(Guard& guard, Text name, std::uint64_t total) noexcept : guard_{&guard}, name_{name}, total_{total} {
    note(guard_->boot(name, 0, total));
  }

  /// Reports how much of the step is done; with a new `total` where that has turned out to be another.
  void advance(std::uint64_t done) noexcept { note(guard_->boot(name_, done, total_)); }
  void advance(std::uint64_t done, std::uint64_t total) noexcept {
    total_ = total;
    advance(done);
  }
  /// It is done.
  void ok() noexcept { note(guard_->end_step(StepState::ok)); }
  /// Something was wrong, and is not any more.
  void fixed() noexcept { note(guard_->end_step(StepState::fixed)); }
  /// There was nothing to do.
  void skipped() noexcept { note(guard_->end_step(StepState::skipped)); }
  /// It needs a person. The server should end now: everybody who waits for it is told `what_to_run`.
  void refused(Text what_to_run) noexcept { note(guard_->end_step(StepState::refused, what_to_run)); }

  /// The first report that could not be written.
  [[nodiscard]] const Result<void>& result() const noexcept { return result_; }

 private:
  void note(const Result<void>& result) noexcept {
    if (result_ && !result) result_ = result;
  }

  Guard* guard_;
  StepName name_;
  std::uint64_t total_;
  Result<void> result_;
};

}  // namespace genie::inline v0

#endif  // GENIE_BOOT_HPP
