// genie: at most one background server per state directory. This is the header to include; `ServeGuard` composes the
// three policies with claim, status, port file, endpoints and stop, each of which has a header of its own.
#ifndef GENIE_SERVE_GUARD_HPP
#define GENIE_SERVE_GUARD_HPP

#include "genie/boot.hpp"
#include "genie/claim.hpp"
#include "genie/endpoints.hpp"
#include "genie/failure.hpp"
#include "genie/port_file.hpp"
#include "genie/standby.hpp"
#include "genie/status.hpp"
#include "genie/stop.hpp"
#include "genie/system.hpp"
#include "genie/version.hpp"

namespace genie::inline v0 {

/// Names of the files in the state directory. Borrowed: pass it to the constructor, which copies them.
struct GuardOptions {
  Text name = "serve";  ///< of `NAME.pid`, `NAME.lock`, `NAME.stopping.lock`
  Text port_name{};     ///< of `PORTNAME.port`; empty: `pgserve` for `serve`, else the same as `name`
};

/// Guards one state directory: claims it for this process, or looks at and stops whoever has.
///
/// Construction touches nothing. The destructor releases what this object claimed, unless it runs in a forked child. A
/// moved-from guard owns nothing. Thread safety: one thread at a time; separate guards are independent.
template <ClockPolicy C = SystemClock, ProcessProbePolicy P = SystemProcessProbe, FilesystemPolicy F = SystemFilesystem>
class ServeGuard {
 public:
  using Host = genie::Host<C, P, F>;

  /// `directory` should be absolute: it is looked up again whenever the claim is verified. Unusable names are reported
  /// by the first operation.
  explicit ServeGuard(Text directory, const GuardOptions& options = {}, C clock = C{}, P process = P{},
                      F filesystem = F{}) noexcept
      : host_{static_cast<C&&>(clock), static_cast<P&&>(process), static_cast<F&&>(filesystem)},
        files_{directory, options.name, options.port_name} {}

  ServeGuard(const ServeGuard&) = delete;
  ServeGuard& operator=(const ServeGuard&) = delete;
  ServeGuard(ServeGuard&& other) noexcept
      : host_{static_cast<Host&&>(other.host_)},
        files_{other.files_},  // NOLINT(performance-move-constructor-init): buffers, nothing to move
        held_{other.held_},    // NOLINT(performance-move-constructor-init)
        boot_{other.boot_} {   // NOLINT(performance-move-constructor-init)
    other.held_ = HeldClaim<Host>{};
  }
  ServeGuard& operator=(ServeGuard&& other) noexcept {
    if (this != &other) {
      (void)release();
      host_ = static_cast<Host&&>(other.host_);
      files_ = other.files_;
      held_ = other.held_;
      boot_ = other.boot_;
      other.held_ = HeldClaim<Host>{};
    }
    return *this;
  }
  ~ServeGuard() { (void)release(); }

  /// Claims the directory for this process; see `genie::claim`. A guard that owns it already says so again.
  Result<ClaimReport> claim(const ClaimOptions& options = {}) noexcept {
    return owns() ? own_claim() : genie::claim(host_, files_, options, held_);
  }

  /// Claims the directory as soon as nobody else owns it; see `genie::claim_when_free`. `keep_waiting(report)` is asked
  /// after each claim that was not won.
  template <typename KeepWaiting>
  Result<ClaimReport> claim_when_free(const StandbyOptions& options, KeepWaiting&& keep_waiting) noexcept {
    return owns() ? own_claim() : genie::claim_when_free(host_, files_, options, held_, keep_waiting);
  }
  Result<ClaimReport> claim_when_free(const StandbyOptions& options = {}) noexcept {
    return claim_when_free(options, [](const ClaimReport&) noexcept { return true; });
  }

  /// Ends the claim; see `genie::release`. Does nothing where this process owns nothing.
  Result<void> release() noexcept { return genie::release(host_, files_, held_); }

  /// Whether this object, in this process, holds the claim. What others did to the files: see `verify`.
  [[nodiscard]] bool owns() noexcept { return detail::is_claimant(host_, held_); }
  /// Looks whether the claim is still visible to others. Call it where losing the directory matters; who has lost it
  /// releases, and may claim anew.
  [[nodiscard]] Ownership verify() noexcept { return verify_claim(host_, files_, held_); }

  /// Publishes the record again where `verify` found it missing; see `genie::restore_record`.
  Result<void> restore_record() noexcept { return genie::restore_record(host_, files_, held_); }

  /// Tells others that the server, claimed as `starting`, is ready. Requires: the claim.
  Result<void> ready() noexcept {
    return update_claim(host_, files_, held_, [](LockRecord& record) noexcept {
      record.phase = Phase::running;
      record.failed = 0;
    });
  }
  /// Reports what the boot is doing; see `genie::report_boot`. Requires: the claim.
  Result<void> boot(Text step, std::uint64_t done = 0, std::uint64_t total = 0) noexcept {
    return report_boot(host_, files_, held_, boot_, step, done, total);
  }
  /// Reports how that step ended. Requires: the claim.
  Result<void> end_step(StepState state, Text advice = {}) noexcept {
    return end_boot_step(host_, files_, held_, boot_, state, advice);
  }
  /// Begins a step that reports by itself. Requires: the claim.
  [[nodiscard]] BootStep<ServeGuard> step(Text name, std::uint64_t total = 0) noexcept { return {*this, name, total}; }
  /// Tells everybody who waits why the server will not get ready; see `genie::report_failure`. Requires: the claim.
  Result<void> report_failure(const FailureRecord& failure) noexcept {
    return genie::report_failure(host_, files_, held_, failure);
  }
  /// Names the process that does the work, where the owner only supervises it: `stop` then ends both. A
  /// default-constructed identity is nobody. Requires: the claim.
  /// Errors: write; `invalid_process`, of what a `fork` that failed has returned, say; `not_claimed`.
  Result<void> set_server(const ProcessIdentity& server) noexcept {
    if (auto ok = detail::check_process<Host>(files_, server); !ok) return ok;
    return update_claim(host_, files_, held_, [&](LockRecord& record) noexcept { record.server = server; });
  }
  /// Publishes where the server listens; see `genie::publish_port`. Requires: the claim.
  Result<void> publish_port(std::uint16_t port) noexcept { return genie::publish_port(host_, files_, held_, port); }

  /// Publishes how else it can be reached, all at once; see `genie::publish_endpoints`. Requires: the claim.
  Result<void> publish_endpoints(const Endpoint* endpoints, std::size_t count) noexcept {
    return genie::publish_endpoints(host_, files_, held_, endpoints, count);
  }
  template <std::size_t Count>
  Result<void> publish_endpoints(const Endpoint (&endpoints)[Count]) noexcept {
    return publish_endpoints(endpoints, Count);
  }

  /// Whether somebody holds the directory; see `genie::is_running`. Three system calls with a live owner.
  Result<bool> running() noexcept { return is_running(host_, files_); }
  /// The verdict with its evidence; see `genie::status`.
  Result<StatusReport> status() noexcept { return genie::status(host_, files_); }
  /// Returns: the live owner's port; 0 where there is none.
  Result<std::uint16_t> port() noexcept {
    const auto report = genie::status(host_, files_);
    if (!report) return report.error();
    return report->port.port;
  }
  /// What is published, and whether it may be dialled; see `genie::read_endpoints`.
  Result<EndpointsView> endpoints() noexcept { return read_endpoints(host_, files_); }
  /// The endpoint of that name; `absent` where the owner has published none.
  Result<EndpointView> endpoint(Text name) noexcept { return read_endpoint(host_, files_, name); }
  /// Waits for at most `span` until endpoints of a later generation are live; see `genie::wait_for_endpoints`.
  Result<EndpointsView> wait_for_endpoints(std::uint64_t after_generation, Milliseconds span) noexcept {
    return genie::wait_for_endpoints(host_, files_, after_generation, host_.clock.monotonic() + span);
  }
  /// The same, until one of that name is among them; see `genie::wait_for_endpoint`.
  Result<EndpointsView> wait_for_endpoint(Text name, std::uint64_t after_generation, Milliseconds span) noexcept {
    return genie::wait_for_endpoint(host_, files_, name, after_generation, host_.clock.monotonic() + span);
  }
  /// Whether a stop is at work; see `genie::is_being_stopped`.
  Result<bool> is_being_stopped() noexcept { return genie::is_being_stopped(host_, files_); }
  /// Stops whoever owns the directory; see `genie::stop`.
  Result<StopReceipt> stop(const StopOptions& options = {}) noexcept { return genie::stop(host_, files_, options); }
  /// The same; `before_leaving(receipt)` may claim the directory before anybody can on demand.
  template <typename BeforeLeaving>
  Result<StopReceipt> stop(const StopOptions& options, BeforeLeaving&& before_leaving) noexcept {
    return genie::stop(host_, files_, options, before_leaving);
  }

  /// The directory and the names in it, for the functions that take them.
  [[nodiscard]] const StateFiles& files() const noexcept { return files_; }
  /// The policies that this guard uses.
  [[nodiscard]] Host& host() noexcept { return host_; }
  /// What the lock file says of our claim; meaningless where we own nothing.
  [[nodiscard]] const HeldClaim<Host>& held() const noexcept { return held_; }

 private:
  [[nodiscard]] ClaimReport own_claim() const noexcept {
    ClaimReport report;
    report.outcome = ClaimOutcome::claimed;
    report.owner = held_.written.owner;
    report.server = held_.written.server;
    report.generation = held_.written.generation;
    return report;
  }

  Host host_;
  StateFiles files_;
  HeldClaim<Host> held_{};
  BootProgress boot_;
};

}  // namespace genie::inline v0

#endif  // GENIE_SERVE_GUARD_HPP
