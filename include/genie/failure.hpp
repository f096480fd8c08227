// How the last start failed: kept in the lock file for everybody who waited for it, and for `status`, until a start
// succeeds.
#ifndef GENIE_FAILURE_HPP
#define GENIE_FAILURE_HPP

#include "genie/boot.hpp"
#include "genie/claim.hpp"
#include "genie/record/failure_record.hpp"

namespace genie::inline v0 {

/// The longest time for which starts on demand stay out after failures in a row.
inline constexpr Milliseconds longest_backoff{60'000};

/// How long starts on demand stay out after `count` failures in a row: not at all after the first, then a second, and
/// twice as long each time.
[[nodiscard]] constexpr Milliseconds backoff_after(std::uint64_t count) noexcept {
  if (count < 2) return Milliseconds{};
  Milliseconds span{1000};
  for (; count > 2 && span < longest_backoff; --count) span = span + span;
  return span < longest_backoff ? span : longest_backoff;
}

namespace detail {

/// Reads the failure that the lock's record names. Returns: one of generation 0 where there is none.
template <typename H>
[[nodiscard]] SysResult<FailureRecord> read_failure(H& host, typename H::File lock, const LockRecord& record) noexcept {
  SysResult<FailureRecord> result;
  if (record.failed == 0) return result;
  char bytes[failure_record_size];
  const auto count = read_whole(host, lock, bytes, sizeof bytes, failure_record_at);
  if (!count.ok()) return SysResult<FailureRecord>::failure(count.error);
  const BlockKind kind = parse_failure_record({bytes, count.value}, H::ProcessProbe::pid_limit, result.value);
  if (kind != BlockKind::valid || result.value.generation != record.failed) result.value = FailureRecord{};
  return result;
}

template <typename H>
[[nodiscard]] Result<void> write_failure(H& host, const StateFiles& files, typename H::File lock,
                                         const FailureRecord& failure) noexcept {
  const auto written = write_whole(host, lock, encode_failure_record(failure), failure_record_at);
  if (!written.ok()) return files.error(Operation::write, written.error, files.lock());
  return {};
}

/// Completes what is told of a failure: whose it was, in which step, the how many-th, and when to try again.
template <typename H>
[[nodiscard]] Result<void> complete_failure(H& host, const StateFiles& files, typename H::File lock,
                                            const LockRecord& record, FailureRecord& failure) noexcept {
  if (auto ok = check_process<H>(files, failure.server); !ok) return ok;
  const auto earlier = read_failure(host, lock, record);
  if (!earlier.ok()) return files.error(Operation::read, earlier.error, files.lock());
  BootRecord boot;
  const auto has_boot = read_boot_record(host, lock, record.generation, boot);
  if (!has_boot.ok()) return files.error(Operation::read, has_boot.error, files.lock());
  if (has_boot.value) {
    failure.step = boot.step;
    if (boot.state == StepState::refused) {
      failure.kind = FailureKind::refused;
      failure.value = 0;
      failure.advice = boot.advice;
    }
  }
  failure.generation = record.generation;
  failure.count = earlier.value.count + 1;
  failure.when = host.clock.wall();
  failure.boot = host.process.origin().boot;
  failure.failed_at = host.clock.monotonic();
  failure.retry_at = failure.failed_at + backoff_after(failure.count);
  return {};
}

}  // namespace detail

/// Tells everybody who waits for this server why it will not get ready. The owner ends or releases next.
/// `failure` says how, and where its output is; the rest is filled in.
/// Requires: the claim.
/// Errors: read, write; `invalid_process` where `failure.server` can be none; `not_claimed`.
template <typename H>
[[nodiscard]] Result<void> report_failure(H& host, const StateFiles& files, HeldClaim<H>& held,
                                          FailureRecord failure) noexcept {
  if (!detail::has_lock(host, held)) {
    return files.refusal(ErrorKind::not_claimed, Operation::write, files.lock());
  }
  if (auto ok = detail::complete_failure(host, files, held.lock, held.written, failure); !ok) return ok;
  if (auto ok = detail::write_failure(host, files, held.lock, failure); !ok) return ok;
  return update_claim(host, files, held, [&](LockRecord& record) noexcept { record.failed = failure.generation; });
}

}  // namespace genie::inline v0

#endif  // GENIE_FAILURE_HPP
