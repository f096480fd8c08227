// Opt-in: fmt formatters for every public outcome, error and verdict, in words that a person can act on. fmt 9.1 or
// newer.
#ifndef GENIE_FMT_HPP
#define GENIE_FMT_HPP

#include <fmt/format.h>

#include <string_view>

#include "genie/ensure.hpp"
#include "genie/serve_guard.hpp"
#include "genie/system_error.hpp"

namespace genie::inline v0 {

/// Returns: the enumerator in the words of genie's messages. Those that a program compares are enumerators, not texts.
[[nodiscard]] constexpr std::string_view to_string(Operation operation) noexcept {
  switch (operation) {
    case Operation::none: return "use";
    case Operation::open_directory: return "open directory";
    case Operation::make_directory: return "create directory";
    case Operation::open: return "open";
    case Operation::create: return "create";
    case Operation::read: return "read";
    case Operation::write: return "write";
    case Operation::sync: return "sync";
    case Operation::stat: return "stat";
    case Operation::link: return "link";
    case Operation::rename: return "rename";
    case Operation::exchange: return "exchange";
    case Operation::unlink: return "remove";
    case Operation::lock: return "lock";
    case Operation::query_lock: return "query the lock of";
    case Operation::list: return "list";
    case Operation::watch: return "watch";
    case Operation::open_process: return "open the process named by";
    case Operation::observe_process: return "observe the process named by";
    case Operation::signal: return "signal the process named by";
    case Operation::wait: return "wait for the process named by";
    case Operation::inherit: return "inherit";
    case Operation::launch: return "start a server for";
  }
  return "use";
}

[[nodiscard]] constexpr std::string_view to_string(Liveness liveness) noexcept {
  switch (liveness) {
    case Liveness::alive: return "alive";
    case Liveness::gone: return "gone";
    case Liveness::unknown: return "unknown";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view to_string(ClaimOutcome outcome) noexcept {
  switch (outcome) {
    case ClaimOutcome::claimed: return "claimed";
    case ClaimOutcome::already_running: return "already_running";
    case ClaimOutcome::stopping: return "stopping";
    case ClaimOutcome::contended: return "contended";
    case ClaimOutcome::orphaned: return "orphaned";
  }
  return "contended";
}

[[nodiscard]] constexpr std::string_view to_string(ServerState state) noexcept {
  switch (state) {
    case ServerState::running: return "running";
    case ServerState::starting: return "starting";
    case ServerState::stopping: return "stopping";
    case ServerState::stopped: return "stopped";
    case ServerState::stale: return "stale";
    case ServerState::orphaned: return "orphaned";
    case ServerState::unknown: return "unknown";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view to_string(EnsureOutcome outcome) noexcept {
  switch (outcome) {
    case EnsureOutcome::running: return "running";
    case EnsureOutcome::self: return "self";
    case EnsureOutcome::stopping: return "stopping";
    case EnsureOutcome::failed: return "failed";
    case EnsureOutcome::backing_off: return "backing_off";
    case EnsureOutcome::timed_out: return "timed_out";
    case EnsureOutcome::contended: return "contended";
    case EnsureOutcome::orphaned: return "orphaned";
  }
  return "contended";
}

[[nodiscard]] constexpr std::string_view to_string(StopOutcome outcome) noexcept {
  switch (outcome) {
    case StopOutcome::not_running: return "not_running";
    case StopOutcome::cleaned: return "cleaned";
    case StopOutcome::stopped: return "stopped";
    case StopOutcome::killed: return "killed";
    case StopOutcome::already_ended: return "already_ended";
    case StopOutcome::refused: return "refused";
    case StopOutcome::still_alive: return "still_alive";
    case StopOutcome::another: return "another";
    case StopOutcome::orphans_left: return "orphans_left";
  }
  return "refused";
}

[[nodiscard]] constexpr std::string_view to_string(PortStanding standing) noexcept {
  switch (standing) {
    case PortStanding::absent: return "absent";
    case PortStanding::live: return "live";
    case PortStanding::stale: return "stale";
    case PortStanding::unverified: return "unverified";
    case PortStanding::garbage: return "garbage";
  }
  return "garbage";
}

[[nodiscard]] constexpr std::string_view to_string(EndpointStanding standing) noexcept {
  switch (standing) {
    case EndpointStanding::absent: return "absent";
    case EndpointStanding::live: return "live";
    case EndpointStanding::stale: return "stale";
    case EndpointStanding::unknown: return "unknown";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view to_string(Assurance assurance) noexcept {
  switch (assurance) {
    case Assurance::none: return "none";
    case Assurance::kernel_lock: return "kernel_lock";
  }
  return "none";
}

[[nodiscard]] constexpr std::string_view to_string(Ownership ownership) noexcept {
  switch (ownership) {
    case Ownership::held: return "held";
    case Ownership::not_claimed: return "not_claimed";
    case Ownership::record_missing: return "record_missing";
    case Ownership::record_replaced: return "record_replaced";
    case Ownership::lock_missing: return "lock_missing";
    case Ownership::lock_replaced: return "lock_replaced";
    case Ownership::lock_closed: return "lock_closed";
    case Ownership::all_missing: return "all_missing";
  }
  return "not_claimed";
}

[[nodiscard]] constexpr std::string_view to_string(Whereabouts whereabouts) noexcept {
  switch (whereabouts) {
    case Whereabouts::here: return "here";
    case Whereabouts::other_pid_namespace: return "other_pid_namespace";
    case Whereabouts::other_boot: return "other_boot";
    case Whereabouts::unknown: return "unknown";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::none: return "none";
    case Reason::no_record: return "no_record";
    case Reason::lock_held: return "lock_held";
    case Reason::lock_held_elsewhere: return "lock_held_elsewhere";
    case Reason::lock_held_start_shifted: return "lock_held_start_shifted";
    case Reason::lock_held_unverified: return "lock_held_unverified";
    case Reason::handing_over: return "handing_over";
    case Reason::claim_in_progress: return "claim_in_progress";
    case Reason::lock_record_unreadable: return "lock_record_unreadable";
    case Reason::owner_gone: return "owner_gone";
    case Reason::owner_released: return "owner_released";
    case Reason::writer_lost_lock: return "writer_lost_lock";
    case Reason::record_pinned: return "record_pinned";
    case Reason::start_matches: return "start_matches";
    case Reason::start_differs: return "start_differs";
    case Reason::start_unknown: return "start_unknown";
    case Reason::process_gone: return "process_gone";
    case Reason::process_zombie: return "process_zombie";
    case Reason::liveness_unknown: return "liveness_unknown";
    case Reason::own_leftover: return "own_leftover";
    case Reason::legacy_record: return "legacy_record";
    case Reason::empty_record: return "empty_record";
    case Reason::garbage_record: return "garbage_record";
    case Reason::stop_sentinel: return "stop_sentinel";
    case Reason::stay_intent: return "stay_intent";
    case Reason::cgroup_not_own: return "cgroup_not_own";
    case Reason::cgroup_unusable: return "cgroup_unusable";
  }
  return "none";
}

/// What to do about an error; empty where the error says it all.
[[nodiscard]] constexpr std::string_view advice(const Error& error) noexcept {
  switch (error.kind) {
    case ErrorKind::invalid_name: return "use a name without '/', not beginning with '.', of at most 200 characters";
    case ErrorKind::path_too_long: return "use a shorter path";
    case ErrorKind::not_a_directory: return "name a directory";
    case ErrorKind::not_a_regular_file: return "remove it, or use another state directory";
    case ErrorKind::linked_elsewhere: return "remove the other name of the file, or use another state directory";
    case ErrorKind::untrusted_directory:
      return "take the others' right to write away (chmod go-w), or act as its owner";
    case ErrorKind::untrusted_record:
      // Whoever removes the lock file, or a file that can't be told from it, lets a second owner in.
      return Text{error.path}.ends_with(".pid")
                 ? "act as the user who owns it, or remove it"
                 : "take the others' right to write away (chmod go-w), or act as the user who owns it";
    case ErrorKind::identity_unknown: return "see `genie status --explain`";
    case ErrorKind::invalid_endpoint_name: return "use 1 to 31 characters of a-z, 0-9, _ and -";
    case ErrorKind::too_many_endpoints: return "publish fewer, or one text that tells of several";
    case ErrorKind::invalid_endpoint_text: return "use printable characters only";
    case ErrorKind::socket_path_too_long: return "bind it to a shorter path";
    case ErrorKind::interrupted: return "something changes these files all the time; try again";
    case ErrorKind::system:
    case ErrorKind::own_process:
    case ErrorKind::invalid_port:
    case ErrorKind::invalid_process:
    case ErrorKind::duplicate_endpoint:
    case ErrorKind::endpoint_text_too_long:
    case ErrorKind::not_a_socket:
    case ErrorKind::not_claimed: break;
  }
  return {};
}

/// What to do where nothing can be claimed or stopped because of this; empty where the evidence says it all.
[[nodiscard]] constexpr std::string_view advice(const Evidence& evidence) noexcept {
  switch (evidence.reason) {
    case Reason::handing_over:
    case Reason::claim_in_progress:
    case Reason::empty_record: return "try again in a moment";
    case Reason::lock_record_unreadable:
    case Reason::lock_held_unverified: return "if it lasts, end the process that holds the lock";
    case Reason::lock_held_elsewhere: return "act from where it runs";
    case Reason::record_pinned: return "end the process that has it locked, or wait until it ends";
    case Reason::start_unknown:
    case Reason::liveness_unknown: return "if that is not the server, remove the record";
    case Reason::cgroup_not_own: return "stop it without --cgroup, or run it in a cgroup of its own";
    case Reason::cgroup_unusable: return "stop it without --cgroup";
    default: return {};
  }
}

namespace fmt_detail {

/// Formatters without options: `{}` only.
struct PlainFormatter {
  template <typename Context>
  constexpr auto parse(Context& context) {
    return context.begin();
  }
};

/// What somebody else has written, and may be any bytes: shown in one line, and never as a command to the terminal.
struct Foreign {
  Text text;
};

template <typename T>
struct EnumFormatter : PlainFormatter {
  template <typename Context>
  auto format(T value, Context& context) const {
    return fmt::format_to(context.out(), "{}", to_string(value));
  }
};

template <typename Out>
Out format_start(Out out, const StartToken& start) {
  return start.known ? fmt::format_to(out, "{}", start.value) : fmt::format_to(out, "unknown");
}

template <typename Out>
Out format_holders(Out out, const LockHolder* holders, std::size_t count) {
  for (std::size_t at = 0; at < count; ++at) {
    out = fmt::format_to(out, "{}{} (PID {})", at == 0 ? "" : ", ", Foreign{holders[at].name}, holders[at].pid);
  }
  return count == 0 ? fmt::format_to(out, "a process that cannot be seen from here") : out;
}

/// An owner after a word for what it does: `running (PID 4711)`. A number of elsewhere never stands where somebody
/// might take it for one of ours.
template <typename Out>
Out format_owner(Out out, Pid pid, Whereabouts whereabouts) {
  switch (whereabouts) {
    case Whereabouts::here: return fmt::format_to(out, " (PID {})", pid);
    case Whereabouts::other_pid_namespace:
      return fmt::format_to(out, " (in another PID namespace), as PID {} there", pid);
    case Whereabouts::other_boot: return fmt::format_to(out, " (under another kernel), as PID {} there", pid);
    case Whereabouts::unknown: break;
  }
  return fmt::format_to(out, " (perhaps in another PID namespace), as PID {} where it runs", pid);
}

/// `PID 1 of PID namespace 4026532338 (this is 4026531836)`.
template <typename Out>
Out format_elsewhere(Out out, const Evidence& evidence) {
  const auto pid = evidence.recorded.pid;
  if (evidence.whereabouts == Whereabouts::other_boot) {
    return fmt::format_to(out, "PID {} under another kernel: of another machine or sandbox", pid);
  }
  if (evidence.whereabouts == Whereabouts::other_pid_namespace) {
    return fmt::format_to(out, "PID {} of PID namespace {} (this is {})", pid, evidence.recorded_namespace,
                          evidence.own_namespace);
  }
  return fmt::format_to(out, "PID {} of a PID namespace that can't be compared with this one, for want of a /proc",
                        pid);
}

/// `2026-11-25 13:00:00 UTC`.
template <typename Out>
Out format_date(Out out, Milliseconds since_epoch) {
  const std::int64_t seconds = since_epoch.count() < 0 ? 0 : since_epoch.count() / 1000;
  const std::int64_t of_day = seconds % 86'400;
  // Days from 1 March of the year 0, so that a leap day ends its year; 146,097 of them are 400 years.
  const std::int64_t days = seconds / 86'400 + 719'468;
  const std::int64_t of_era = days % 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t from_march = (5 * of_year + 2) / 153;
  const std::int64_t day = of_year - (153 * from_march + 2) / 5 + 1;
  const std::int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  const std::int64_t year = days / 146'097 * 400 + year_of_era + (month <= 2 ? 1 : 0);
  return fmt::format_to(out, "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", year, month, day, of_day / 3600,
                        of_day / 60 % 60, of_day % 60);
}

/// `by PID 4711, user 1000, 2026-11-25 13:00:00 UTC`: who wants it to stay stopped.
template <typename Out>
Out format_stay(Out out, const StopIntent& intent) {
  out = fmt::format_to(out, "by PID {}, user {}, ", intent.set_by.pid, intent.user);
  return format_date(out, intent.since);
}

/// Whether the guarded command is the only one that holds a dead owner's lock; then `genie stop` is enough.
inline bool is_only_server(const ProcessIdentity& server, const LockHolder* holders, std::size_t count) noexcept {
  return count == 1 && server.pid != 0 && holders[0].pid == server.pid && holders[0].start == server.start;
}

/// `is orphaned: …; still held by worker (PID 4712)`, and what ends that.
template <typename Out, typename Report>
Out format_orphaned(Out out, const Report& report) {
  out = fmt::format_to(out, "is orphaned: {}; still held by ", report.evidence);
  out = format_holders(out, report.holders, report.holder_count);
  if (report.evidence.whereabouts != Whereabouts::here) {
    return fmt::format_to(out, "; `genie stop` ends it from where it runs");
  }
  return is_only_server(report.server, report.holders, report.holder_count)
             ? fmt::format_to(out, "; `genie stop` ends it")
             : fmt::format_to(out, "; `genie stop --orphans` ends all of them");
}

template <typename Out>
Out format_advice(Out out, std::string_view advice) {
  return advice.empty() ? out : fmt::format_to(out, "; {}", advice);
}

}  // namespace fmt_detail

}  // namespace genie::inline v0

template <>
struct fmt::formatter<genie::fmt_detail::Foreign> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::fmt_detail::Foreign& foreign, Context& context) const {
    auto out = context.out();
    for (genie::Text rest = foreign.text; !rest.empty();) {
      const std::size_t harmless = rest[0] == '\n' ? 0 : genie::detail::harmless_bytes(rest);
      const genie::Text part = harmless == 0 ? genie::Text{"?"} : rest.first(harmless);
      for (const char c : part) *out++ = c;
      rest = rest.after(harmless == 0 ? 1 : harmless);
    }
    return out;
  }
};

/// As a string, byte for byte, with a string's options: `{:>8}`. Messages show what others have written by `Foreign`.
template <>
struct fmt::formatter<genie::Text> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(genie::Text text, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(fmt::string_view{text.data(), text.size()}, context);
  }
};
template <std::size_t Capacity>
struct fmt::formatter<genie::FixedText<Capacity>> : fmt::formatter<genie::Text> {};

template <>
struct fmt::formatter<genie::Operation> : genie::fmt_detail::EnumFormatter<genie::Operation> {};
template <>
struct fmt::formatter<genie::Liveness> : genie::fmt_detail::EnumFormatter<genie::Liveness> {};
template <>
struct fmt::formatter<genie::ClaimOutcome> : genie::fmt_detail::EnumFormatter<genie::ClaimOutcome> {};
template <>
struct fmt::formatter<genie::ServerState> : genie::fmt_detail::EnumFormatter<genie::ServerState> {};
template <>
struct fmt::formatter<genie::StopOutcome> : genie::fmt_detail::EnumFormatter<genie::StopOutcome> {};
template <>
struct fmt::formatter<genie::PortStanding> : genie::fmt_detail::EnumFormatter<genie::PortStanding> {};
template <>
struct fmt::formatter<genie::EndpointStanding> : genie::fmt_detail::EnumFormatter<genie::EndpointStanding> {};
template <>
struct fmt::formatter<genie::Assurance> : genie::fmt_detail::EnumFormatter<genie::Assurance> {};
template <>
struct fmt::formatter<genie::Ownership> : genie::fmt_detail::EnumFormatter<genie::Ownership> {};
template <>
struct fmt::formatter<genie::Whereabouts> : genie::fmt_detail::EnumFormatter<genie::Whereabouts> {};
template <>
struct fmt::formatter<genie::Reason> : genie::fmt_detail::EnumFormatter<genie::Reason> {};
template <>
struct fmt::formatter<genie::Phase> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(genie::Phase phase, Context& context) const {
    return fmt::format_to(context.out(), "{}", genie::to_string(phase));
  }
};

template <>
struct fmt::formatter<genie::StepState> : genie::fmt_detail::EnumFormatter<genie::StepState> {};
template <>
struct fmt::formatter<genie::FailureKind> : genie::fmt_detail::EnumFormatter<genie::FailureKind> {};
template <>
struct fmt::formatter<genie::EnsureOutcome> : genie::fmt_detail::EnumFormatter<genie::EnsureOutcome> {};

/// `4711:991`, as the record file has it.
template <>
struct fmt::formatter<genie::ProcessIdentity> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::ProcessIdentity& identity, Context& context) const {
    return genie::fmt_detail::format_start(fmt::format_to(context.out(), "{}:", identity.pid), identity.start);
  }
};

/// `cannot open /run/app/serve.lock: Permission denied (errno 13)`, and what to do where that is not obvious.
template <>
struct fmt::formatter<genie::Error> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::Error& error, Context& context) const {
    auto out = fmt::format_to(context.out(), "cannot {} {}: ", error.operation, genie::fmt_detail::Foreign{error.path});
    const genie::ErrorKind kind = error.kind;
    if (kind == genie::ErrorKind::system) {
      return fmt::format_to(out, "{} (errno {})", genie::to_error_code(error).message(), error.code);
    }
    out = fmt::format_to(out, "{}", genie::genie_category().message(static_cast<int>(kind)));
    if (error.code != 0) {
      out = fmt::format_to(out, " ({}, errno {})", std::generic_category().message(error.code), error.code);
    }
    if (error.limit != 0) out = fmt::format_to(out, " (at most {})", error.limit);
    return genie::fmt_detail::format_advice(out, genie::advice(error));
  }
};

/// `http tcp 8080`, as the file has it.
template <>
struct fmt::formatter<genie::PublishedEndpoint> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::PublishedEndpoint& endpoint, Context& context) const {
    auto out = fmt::format_to(context.out(), "{} {} ", endpoint.name.c_str(), genie::to_string(endpoint.kind));
    return endpoint.kind == genie::EndpointKind::tcp
               ? fmt::format_to(out, "{}", endpoint.port)
               : fmt::format_to(out, "{}", genie::fmt_detail::Foreign{endpoint.value});
  }
};

/// `live (PID 4711, generation 7): http tcp 8080, admin unix run/admin.sock`.
template <>
struct fmt::formatter<genie::EndpointsView> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::EndpointsView& view, Context& context) const {
    auto out = fmt::format_to(context.out(), "{}", view.standing);
    if (view.owner.pid != 0) out = fmt::format_to(out, " (PID {}, generation {})", view.owner.pid, view.generation);
    for (std::size_t at = 0; at < view.count; ++at) {
      out = fmt::format_to(out, "{}{}", at == 0 ? ": " : ", ", view.endpoints[at]);
    }
    return out;
  }
};

/// `live (PID 4711, generation 7): http tcp 8080`.
template <>
struct fmt::formatter<genie::EndpointView> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::EndpointView& view, Context& context) const {
    auto out = fmt::format_to(context.out(), "{}", view.standing);
    if (view.owner.pid != 0) out = fmt::format_to(out, " (PID {}, generation {})", view.owner.pid, view.generation);
    return view.endpoint.name.empty() ? out : fmt::format_to(out, ": {}", view.endpoint);
  }
};

/// One sentence with both values that were compared.
template <>
struct fmt::formatter<genie::Evidence> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::Evidence& evidence, Context& context) const {
    using genie::Reason;
    auto out = context.out();
    const auto pid = evidence.recorded.pid;
    const auto starts = [&](std::string_view observed, std::string_view recorded) {
      out = genie::fmt_detail::format_start(fmt::format_to(out, "{}", observed), evidence.observed.start);
      out = genie::fmt_detail::format_start(fmt::format_to(out, "{}", recorded), evidence.recorded.start);
      return out;
    };
    switch (evidence.reason) {
      case Reason::none: return fmt::format_to(out, "nothing stands in the way");
      case Reason::no_record: return fmt::format_to(out, "there is no record of an owner");
      case Reason::lock_held:
        out = fmt::format_to(out, "the lock is held, and PID {} is alive: ", pid);
        return starts("started at ", ", recorded ");
      case Reason::lock_held_elsewhere:
        return genie::fmt_detail::format_elsewhere(fmt::format_to(out, "the lock is held by "), evidence);
      case Reason::lock_held_start_shifted:
        out = fmt::format_to(out, "PID {} holds the lock, though its start time reads otherwise here: ", pid);
        return starts("", ", recorded ");
      case Reason::lock_held_unverified:
        out = fmt::format_to(out, "the lock is held; the record names PID {}, which is {}: ", pid,
                             evidence.observed.liveness);
        return starts("started at ", ", recorded ");
      case Reason::handing_over: return fmt::format_to(out, "PID {} is being started, and about to own it", pid);
      case Reason::claim_in_progress:
        return fmt::format_to(out, "the lock is held by a claim, release or clean-up in progress");
      case Reason::lock_record_unreadable:
        return fmt::format_to(out, "the lock is held, but its record cannot be read");
      case Reason::owner_gone:
        out = fmt::format_to(out, "the lock is held, but its owner, PID {}, is gone: ", pid);
        return starts("started at ", ", recorded ");
      case Reason::owner_released:
        out = fmt::format_to(out, "the lock is held, but its owner, ");
        out = evidence.whereabouts == genie::Whereabouts::here ? fmt::format_to(out, "PID {}", pid)
                                                               : genie::fmt_detail::format_elsewhere(out, evidence);
        return fmt::format_to(out, ", has released it");
      case Reason::writer_lost_lock:
        out = fmt::format_to(out, "stale: PID {} (recorded start ", pid);
        return fmt::format_to(genie::fmt_detail::format_start(out, evidence.recorded.start),
                              ") held the lock for life, and the lock is free");
      case Reason::record_pinned:
        out = fmt::format_to(out, "the record of PID {} is still locked by its writer", pid);
        return evidence.observed.start.known && evidence.observed.start != evidence.recorded.start
                   ? starts("; here that number is another's, started at ", ", recorded ")
                   : out;
      case Reason::start_matches:
        out = fmt::format_to(out, "PID {} is alive: ", pid);
        return starts("started at ", ", recorded ");
      case Reason::start_differs:
        out = fmt::format_to(out, "stale: PID {} ", pid);
        return starts("now started at ", ", recorded ");
      case Reason::start_unknown:
        out = fmt::format_to(out, "PID {} is alive, but its start cannot be compared: ", pid);
        return starts("started at ", ", recorded ");
      case Reason::process_gone: return fmt::format_to(out, "stale: PID {} is gone", pid);
      case Reason::process_zombie:
        return fmt::format_to(out, "stale: PID {} has ended and waits for its parent (zombie)", pid);
      case Reason::liveness_unknown:
        return fmt::format_to(out, "whether PID {} is alive cannot be seen: {} (errno {})", pid,
                              std::generic_category().message(evidence.observed.error), evidence.observed.error);
      case Reason::own_leftover: return fmt::format_to(out, "stale: PID {} is this process, which owns nothing", pid);
      case Reason::legacy_record:
        return fmt::format_to(out, "the record names PID {} without a start time; that PID is {}", pid,
                              evidence.observed.liveness);
      case Reason::empty_record:
        return fmt::format_to(out, "the record is empty: a claim in progress, or one that died");
      case Reason::garbage_record: return fmt::format_to(out, "stale: the record names nobody");
      case Reason::stop_sentinel: return fmt::format_to(out, "a stop is in progress (by PID {})", pid);
      case Reason::stay_intent:
        return fmt::format_to(out, "it is to stay stopped until an explicit start (as PID {} has asked)", pid);
      case Reason::cgroup_not_own:
        return fmt::format_to(out, "the cgroup of PID {} is not its own: {}", pid,
                              evidence.observed.error == EDEADLK
                                  ? "this process is in it"
                                  : "others are in it who were there before, or who cannot be seen");
      case Reason::cgroup_unusable:
        return fmt::format_to(out, "the cgroup of PID {} cannot be ended: {} (errno {})", pid,
                              std::generic_category().message(evidence.observed.error), evidence.observed.error);
    }
    return out;
  }
};

/// `is shutting down (stopped by PID 4711); …`: reads on from the server's name. Requires: it stands.
template <>
struct fmt::formatter<genie::StopIntent> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::StopIntent& intent, Context& context) const {
    auto out = context.out();
    if (intent.stay) {
      out = fmt::format_to(out, "is to stay stopped until an explicit start, such as `genie start` (`stop --stay` ");
      return fmt::format_to(genie::fmt_detail::format_stay(out, intent), ")");
    }
    out = fmt::format_to(out, "{}", intent.restarting ? "is being restarted" : "is shutting down");
    if (intent.stopper.pid != 0) out = fmt::format_to(out, " (stopped by PID {})", intent.stopper.pid);
    return fmt::format_to(out, "; starts on demand stay out until that is done, at most {} ms",
                          intent.remaining.count());
  }
};

/// `already running (PID 4711)`: reads on from the server's name.
template <>
struct fmt::formatter<genie::ClaimReport> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::ClaimReport& report, Context& context) const {
    using genie::ClaimOutcome;
    auto out = context.out();
    switch (report.outcome) {
      case ClaimOutcome::claimed:
        out = fmt::format_to(out, "claimed (PID {}, generation {})", report.owner.pid, report.generation);
        if (report.taken_over.reason != genie::Reason::none) {
          out = fmt::format_to(out, ", taken over: {}", report.taken_over);
        }
        if (report.leftover_error != 0) {
          out = fmt::format_to(out, "; a socket of a predecessor could not be removed ({}, errno {})",
                               std::generic_category().message(report.leftover_error), report.leftover_error);
        }
        return out;
      case ClaimOutcome::already_running:
        return genie::fmt_detail::format_owner(fmt::format_to(out, "already running"), report.owner.pid,
                                               report.evidence.whereabouts);
      case ClaimOutcome::stopping: return fmt::format_to(out, "{}", report.stop);
      case ClaimOutcome::contended:
        out = fmt::format_to(out, "cannot be claimed: {}", report.evidence);
        if (report.holder_count != 0) {
          out =
              genie::fmt_detail::format_holders(fmt::format_to(out, "; held by "), report.holders, report.holder_count);
        }
        return genie::fmt_detail::format_advice(out, genie::advice(report.evidence));
      case ClaimOutcome::orphaned: return genie::fmt_detail::format_orphaned(out, report);
    }
    return out;
  }
};

/// `step 2: backfill, 30 of 100 (30 %)`.
template <>
struct fmt::formatter<genie::BootRecord> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::BootRecord& boot, Context& context) const {
    auto out = fmt::format_to(context.out(), "step {}: {}", boot.number, genie::fmt_detail::Foreign{boot.step});
    if (boot.total != 0) {
      out = fmt::format_to(out, ", {} of {} ({} %)", boot.done, boot.total, genie::percentage(boot));
    } else if (boot.done != 0) {
      out = fmt::format_to(out, ", {}", boot.done);
    }
    if (boot.state != genie::StepState::running) out = fmt::format_to(out, ": {}", boot.state);
    return boot.advice.empty() ? out : fmt::format_to(out, "; {}", genie::fmt_detail::Foreign{boot.advice});
  }
};

/// `exited with status 3 before it was ready, in the step "backfill"`: reads on from the server's name. Without the end
/// of the log, which has lines of its own.
template <>
struct fmt::formatter<genie::FailureRecord> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::FailureRecord& failure, Context& context) const {
    using genie::FailureKind;
    auto out = context.out();
    switch (failure.kind) {
      case FailureKind::exited:
        out = fmt::format_to(out, "exited with status {} before it was ready", failure.value);
        break;
      case FailureKind::signalled:
        out = fmt::format_to(out, "was ended by signal {} before it was ready", failure.value);
        break;
      case FailureKind::refused: out = fmt::format_to(out, "cannot start without you"); break;
      case FailureKind::stalled:
        out = fmt::format_to(out, "was not ready: it reported nothing for {} ms, and was ended", failure.value);
        break;
      case FailureKind::too_late:
        out = fmt::format_to(out, "was not ready after {} ms, and was ended", failure.value);
        break;
      case FailureKind::not_executed:
        out = fmt::format_to(out, "cannot be executed: {} (errno {})",
                             std::generic_category().message(static_cast<int>(failure.value)), failure.value);
        break;
      case FailureKind::lost:
        out = fmt::format_to(out, "ended before it was ready; how could not be learnt (errno {})", failure.value);
        break;
    }
    if (!failure.step.empty()) {
      out = fmt::format_to(out, ", in the step \"{}\"", genie::fmt_detail::Foreign{failure.step});
    }
    return failure.advice.empty() ? out : fmt::format_to(out, "; {}", genie::fmt_detail::Foreign{failure.advice});
  }
};

/// What came of a start on demand: reads on from the server's name.
template <>
struct fmt::formatter<genie::EnsureReport> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::EnsureReport& report, Context& context) const {
    using genie::EnsureOutcome;
    auto out = context.out();
    const auto pid = report.owner.pid;
    switch (report.outcome) {
      case EnsureOutcome::running:
        out = fmt::format_to(out, "{}", report.has_started || report.has_joined ? "started" : "already running");
        out = genie::fmt_detail::format_owner(out, pid, report.evidence.whereabouts);
        if (report.has_kept) return fmt::format_to(out, ", and is not replaced: {}", report.evidence);
        if (report.replaced.pid == 0) return out;
        out = fmt::format_to(out, ", in place of PID {}", report.replaced.pid);
        return report.replaced_version.empty()
                   ? out
                   : fmt::format_to(out, " (version {})", genie::fmt_detail::Foreign{report.replaced_version});
      case EnsureOutcome::self: return fmt::format_to(out, "is what this runs in (PID {}): nothing was started", pid);
      case EnsureOutcome::stopping: return fmt::format_to(out, "{}", report.stop);
      case EnsureOutcome::failed: return fmt::format_to(out, "{}", report.failure);
      case EnsureOutcome::backing_off:
        out = fmt::format_to(out, "failed to start {} times in a row, and is not started on demand for {} ms: it {}",
                             report.failure.count, report.retry_in.count(), report.failure);
        return out;
      case EnsureOutcome::timed_out:
        if (!report.has_started && !report.has_joined) {
          return fmt::format_to(out,
                                "was not started: the time was up before its directory could be claimed; give it more");
        }
        out = pid != 0 ? fmt::format_to(out, "is being started (PID {}), and was not ready in time", pid)
                       : fmt::format_to(out, "is being started, and was not ready in time");
        if (report.boot.generation != 0) out = fmt::format_to(out, "; {}", report.boot);
        return fmt::format_to(out, "; wait for it, or end it by `genie stop`");
      case EnsureOutcome::contended:
        out = fmt::format_to(out, "cannot be claimed: {}", report.evidence);
        if (report.holder_count != 0) {
          out =
              genie::fmt_detail::format_holders(fmt::format_to(out, "; held by "), report.holders, report.holder_count);
        }
        return genie::fmt_detail::format_advice(out, genie::advice(report.evidence));
      case EnsureOutcome::orphaned: return genie::fmt_detail::format_orphaned(out, report);
    }
    return out;
  }
};

/// `running (PID 4711)`: reads on from the server's name.
template <>
struct fmt::formatter<genie::StatusReport> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::StatusReport& report, Context& context) const {
    auto out = fmt::format_to(context.out(), "{}", report.state);
    if (report.owner.pid != 0) {
      out = genie::fmt_detail::format_owner(out, report.owner.pid, report.evidence.whereabouts);
    }
    if (report.boot.generation != 0) out = fmt::format_to(out, ", {}", report.boot);
    if (report.state == genie::ServerState::orphaned) {
      out = fmt::format_to(out, ", still held by ");
      out = genie::fmt_detail::format_holders(out, report.holders, report.holder_count);
    }
    if (report.stop.stay) {
      out = fmt::format_to(out, "; not started on demand (`stop --stay` ");
      out = fmt::format_to(genie::fmt_detail::format_stay(out, report.stop), ")");
    }
    return out;
  }
};

/// `stopped PID 4711 after 12 ms`.
template <>
struct fmt::formatter<genie::StopReceipt> : genie::fmt_detail::PlainFormatter {
  template <typename Context>
  auto format(const genie::StopReceipt& receipt, Context& context) const {
    using genie::StopOutcome;
    auto out = context.out();
    const auto pid = receipt.target.pid;
    const std::string_view orphans = receipt.was_orphaned ? "what was left of " : "";
    switch (receipt.outcome) {
      case StopOutcome::not_running: out = fmt::format_to(out, "not running"); break;
      case StopOutcome::cleaned:
        out = fmt::format_to(out, "not running; removed what was left behind ({})", receipt.evidence);
        break;
      case StopOutcome::stopped:
        out = fmt::format_to(out, "stopped {}PID {} after {} ms{}", orphans, pid, receipt.took.count(),
                             receipt.joined ? ", as asked by another stop" : "");
        break;
      case StopOutcome::killed:
        out = fmt::format_to(out, "killed {}PID {} after {} ms: it did not end when asked", orphans, pid,
                             receipt.took.count());
        break;
      case StopOutcome::already_ended: out = fmt::format_to(out, "PID {} had ended already", pid); break;
      case StopOutcome::refused:
        out = fmt::format_to(out, "nobody was signalled: {}", receipt.evidence);
        out = genie::fmt_detail::format_advice(out, genie::advice(receipt.evidence));
        break;
      case StopOutcome::still_alive: out = fmt::format_to(out, "PID {} was killed, but is not gone yet", pid); break;
      case StopOutcome::another: out = fmt::format_to(out, "nobody was signalled: PID {} does not own it", pid); break;
      case StopOutcome::orphans_left:
        out = fmt::format_to(out, "nobody was signalled: PID {} and what it ran are gone", pid);
        break;
    }
    if (receipt.killed_group) out = fmt::format_to(out, ", with members of its process group");
    if (receipt.killed_cgroup) out = fmt::format_to(out, ", with what was left in its cgroup");
    if (receipt.spared_cgroup) {
      out = fmt::format_to(out, "; its cgroup was left alone, because somebody else owns the directory by now");
    }
    if (receipt.has_left) {
      out = fmt::format_to(out, "; of its process group or cgroup there is still ");
      out = genie::fmt_detail::format_holders(out, receipt.left, receipt.left_count);
    }
    if (receipt.holder_count != 0 || receipt.outcome == StopOutcome::orphans_left) {
      const bool is_elsewhere =
          receipt.outcome == StopOutcome::refused && receipt.evidence.whereabouts != genie::Whereabouts::here;
      out = fmt::format_to(out, "{}", is_elsewhere ? "; from here it is seen as " : "; its lock is still held by ");
      out = genie::fmt_detail::format_holders(out, receipt.holders, receipt.holder_count);
      const bool are_orphans = receipt.holder_count != 0 && receipt.outcome != StopOutcome::refused;
      if (are_orphans) out = fmt::format_to(out, "; `genie stop --orphans` ends all of them");
    }
    if (receipt.sentinel_error != 0) {
      out = fmt::format_to(out, "; no stop sentinel could be written ({}, errno {}), so something may start it again",
                           std::generic_category().message(receipt.sentinel_error), receipt.sentinel_error);
    }
    if (receipt.clean_up_error != 0) {
      out = fmt::format_to(out, "; what it left could not be removed ({}, errno {})",
                           std::generic_category().message(receipt.clean_up_error), receipt.clean_up_error);
    }
    if (receipt.successor.pid != 0) {
      out = fmt::format_to(out, "; PID {} has started since and was left alone", receipt.successor.pid);
    } else if (receipt.stays) {
      out = fmt::format_to(out, "; it stays stopped until an explicit start");
    }
    return out;
  }
};

#endif  // GENIE_FMT_HPP
