// Every message a person may read.
#include <genie/serve_guard.hpp>

#include <genie/fmt.hpp>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "unit/enumerators.hpp"

namespace tests::fmt_test {

using genie::ErrorKind;
using genie::Evidence;
using genie::known_start;
using genie::Operation;
using genie::Reason;
using unit_tests::each_enumerator;

namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// A recorded owner 4711:815 of namespace 31; PID 4711 now started at 991, and could not be seen for EPERM; we are in
/// namespace 32.
Evidence evidence_of(Reason reason) {
  Evidence evidence;
  evidence.reason = reason;
  evidence.recorded = {4711, known_start(815)};
  evidence.observed.start = known_start(991);
  evidence.observed.liveness = genie::Liveness::alive;
  evidence.observed.error = EPERM;
  evidence.recorded_namespace = 31;
  evidence.own_namespace = 32;
  if (reason == Reason::lock_held_elsewhere) evidence.whereabouts = genie::Whereabouts::other_pid_namespace;
  return evidence;
}

template <typename E>
void check_own_names() {
  each_enumerator<E>([](E value, std::string_view name) { CHECK(fmt::format("{}", value) == name); });
}

}  // namespace

TEST_CASE("every enumerator is formatted as its own name", "[fmt]") {
  check_own_names<genie::Liveness>();
  check_own_names<genie::ClaimOutcome>();
  check_own_names<genie::ServerState>();
  check_own_names<genie::StopOutcome>();
  check_own_names<genie::PortStanding>();
  check_own_names<genie::EndpointStanding>();
  check_own_names<genie::Assurance>();
  check_own_names<genie::Ownership>();
  check_own_names<genie::Reason>();
  check_own_names<genie::Whereabouts>();
  check_own_names<genie::Phase>();
  check_own_names<genie::StepState>();
  check_own_names<genie::FailureKind>();
  check_own_names<genie::EnsureOutcome>();
}

TEST_CASE("every operation has words of its own that go between cannot and a path", "[fmt]") {
  std::set<std::string> seen;
  each_enumerator<Operation>([&](Operation operation, std::string_view name) {
    CAPTURE(std::string{name});
    const std::string words = fmt::format("{}", operation);
    CHECK(seen.insert(words).second);
    CHECK(!words.empty());
    CHECK(!contains(words, "_"));
    CHECK(!contains(words, "?"));
  });
}

TEST_CASE("an identity is formatted as the record file has it", "[fmt]") {
  CHECK(fmt::format("{}", genie::ProcessIdentity{4711, known_start(991)}) == "4711:991");
  CHECK(fmt::format("{}", genie::ProcessIdentity{4711, {}}) == "4711:unknown");
}

TEST_CASE("every error says operation, path and errno, and what the system calls it", "[fmt]") {
  CHECK(fmt::format("{}", make_error(ErrorKind::system, Operation::open, EACCES, "/run/app/serve.lock")) ==
        "cannot open /run/app/serve.lock: Permission denied (errno 13)");
  each_enumerator<ErrorKind>([](ErrorKind kind, std::string_view name) {
    CAPTURE(std::string{name});
    each_enumerator<Operation>([&](Operation operation, std::string_view) {
      const std::string text = fmt::format("{}", make_error(kind, operation, ENOSPC, "/run/app/serve.pid"));
      CAPTURE(text);
      CHECK(contains(text, fmt::format("cannot {} /run/app/serve.pid: ", operation)));
      CHECK(contains(text, fmt::format("errno {}", ENOSPC)));
      CHECK(contains(text, std::strerror(ENOSPC)));
      if (kind != ErrorKind::system) CHECK(contains(text, genie::genie_category().message(static_cast<int>(kind))));
      CHECK(contains(text, genie::advice(make_error(kind, operation, 0, "/run/app/serve.pid"))));
      CHECK(!contains(text, "already running"));
    });
    if (kind == ErrorKind::system) return;
    const std::string refusal = fmt::format("{}", make_error(kind, Operation::none, 0, "/run/app"));
    CHECK(contains(refusal, "/run/app"));
    CHECK(!contains(refusal, "errno"));
    CHECK(!contains(refusal, "Success"));
  });
}

TEST_CASE("nobody is advised to remove a lock file: a second owner could come in", "[fmt]") {
  const auto advice_for = [](genie::Text path) {
    return std::string{genie::advice(make_error(ErrorKind::untrusted_record, Operation::none, 0, path))};
  };
  CHECK(advice_for("/run/app/serve.pid") == "act as the user who owns it, or remove it");
  for (const std::string& path : {std::string{"/run/app/serve.lock"}, "/run/" + std::string(5000, 'd')}) {
    CAPTURE(path);
    CHECK(advice_for(path) == "take the others' right to write away (chmod go-w), or act as the user who owns it");
  }
}

TEST_CASE("an error about something too large says what the limit is", "[fmt]") {
  genie::Error error = make_error(ErrorKind::socket_path_too_long, Operation::none, 0, "/run/long.sock");
  error.limit = 107;
  CHECK(fmt::format("{}", error) ==
        "cannot use /run/long.sock: the path is too long for a Unix socket on this platform (at most 107); bind it to "
        "a shorter path");
}

TEST_CASE("an endpoint is formatted as its file has it", "[fmt]") {
  genie::PublishedEndpoint endpoint;
  endpoint.name = genie::EndpointName{"http"};
  endpoint.port = 8080;
  CHECK(fmt::format("{}", endpoint) == "http tcp 8080");
  endpoint.kind = genie::EndpointKind::unix_socket;
  endpoint.value = genie::EndpointText{"/run/a.sock"};
  CHECK(fmt::format("{}", endpoint) == "http unix /run/a.sock");
  endpoint.kind = genie::EndpointKind::text;
  CHECK(fmt::format("{}", endpoint) == "http text /run/a.sock");

  genie::EndpointsView view;
  CHECK(fmt::format("{}", view) == "absent");
  view.standing = genie::EndpointStanding::live;
  view.owner = {4711, known_start(991)};
  view.generation = 7;
  view.endpoints[0] = endpoint;
  view.endpoints[1] = endpoint;
  view.count = 2;
  CHECK(fmt::format("{}", view) == "live (PID 4711, generation 7): http text /run/a.sock, http text /run/a.sock");
}

TEST_CASE("one endpoint is formatted with its publisher", "[fmt]") {
  genie::EndpointView view;
  CHECK(fmt::format("{}", view) == "absent");
  view.standing = genie::EndpointStanding::stale;
  view.owner = {4711, known_start(991)};
  view.generation = 7;
  CHECK(fmt::format("{}", view) == "stale (PID 4711, generation 7)");
  view.endpoint.name = genie::EndpointName{"http"};
  view.endpoint.port = 8080;
  CHECK(fmt::format("{}", view) == "stale (PID 4711, generation 7): http tcp 8080");
}

TEST_CASE("a text is formatted as a string, as it is and with a string's options", "[fmt]") {
  const std::string unterminated = "admin.sock, and more";
  const genie::Text text{unterminated.data(), 10};
  CHECK(fmt::format("{}", text) == "admin.sock");
  CHECK(fmt::format("{}", genie::Text{}).empty());
  CHECK(fmt::format("{:>12}|{:-<12}|{:.5}", text, text, text) == "  admin.sock|admin.sock--|admin");
  CHECK(fmt::format("{:{}}|", text, 11) == "admin.sock |");

  const genie::EndpointText value{"a\x1B\n"};
  CHECK(fmt::format("{}", value) == "a\x1B\n");
  CHECK(fmt::format("{:>5}", genie::EndpointName{"http"}) == " http");
  const genie::Error error = make_error(ErrorKind::system, Operation::open, EACCES, "/run/app/serve.lock");
  CHECK(fmt::format("{}", error.path) == "/run/app/serve.lock");
}

TEST_CASE("an error for a very long path is cut, not lost", "[fmt]") {
  const std::string text =
      fmt::format("{}", make_error(ErrorKind::path_too_long, Operation::none, ENAMETOOLONG, std::string(5000, 'd')));
  CHECK(contains(text, std::string(genie::error_path_capacity, 'd')));
  CHECK(contains(text, "use a shorter path"));
}

TEST_CASE("every reason is a sentence with the recorded PID and both values that it compares", "[fmt]") {
  const std::set<Reason> names_nobody{Reason::none,         Reason::no_record,      Reason::claim_in_progress,
                                      Reason::empty_record, Reason::garbage_record, Reason::lock_record_unreadable};
  const std::set<Reason> compares_starts{Reason::lock_held,     Reason::lock_held_start_shifted,
                                         Reason::start_matches, Reason::lock_held_unverified,
                                         Reason::start_differs, Reason::owner_gone,
                                         Reason::start_unknown};
  std::set<std::string> seen;
  each_enumerator<Reason>([&](Reason reason, std::string_view name) {
    CAPTURE(std::string{name});
    const std::string text = fmt::format("{}", evidence_of(reason));
    CAPTURE(text);
    CHECK(seen.insert(text).second);
    CHECK(text.size() > 10);
    CHECK(text.back() != ' ');
    CHECK(contains(text, "4711") == (names_nobody.count(reason) == 0));
    if (compares_starts.count(reason) != 0) {
      CHECK(contains(text, "991"));
      CHECK(contains(text, "815"));
    }
  });
  CHECK(fmt::format("{}", evidence_of(Reason::start_differs)) == "stale: PID 4711 now started at 991, recorded 815");
  const std::string elsewhere = fmt::format("{}", evidence_of(Reason::lock_held_elsewhere));
  CHECK(contains(elsewhere, "31"));
  CHECK(contains(elsewhere, "32"));
  CHECK(contains(fmt::format("{}", evidence_of(Reason::liveness_unknown)), "Operation not permitted (errno 1)"));
  CHECK(contains(fmt::format("{}", evidence_of(Reason::legacy_record)), "alive"));
  CHECK(contains(fmt::format("{}", evidence_of(Reason::cgroup_unusable)), "Operation not permitted (errno 1)"));
  Evidence shared = evidence_of(Reason::cgroup_not_own);
  CHECK(contains(fmt::format("{}", shared), "others are in it"));
  shared.observed.error = EDEADLK;
  CHECK(contains(fmt::format("{}", shared), "this process is in it"));
}

TEST_CASE("a PID of elsewhere is never shown as one of here", "[fmt][F8]") {
  using genie::Whereabouts;
  each_enumerator<Whereabouts>([](Whereabouts whereabouts, std::string_view name) {
    CAPTURE(std::string{name});
    const bool is_here = whereabouts == Whereabouts::here;
    genie::StatusReport status;
    status.state = genie::ServerState::running;
    status.owner = {4711, known_start(991)};
    status.evidence = evidence_of(is_here ? Reason::lock_held : Reason::lock_held_elsewhere);
    status.evidence.whereabouts = whereabouts;
    genie::ClaimReport claim;
    claim.owner = status.owner;
    claim.evidence = status.evidence;
    claim.outcome = genie::ClaimOutcome::already_running;
    genie::StopReceipt receipt;
    receipt.outcome = genie::StopOutcome::refused;
    receipt.target = status.owner;
    receipt.evidence = status.evidence;
    for (const std::string& text : {fmt::format("{}", status), fmt::format("{}", claim), fmt::format("{}", receipt)}) {
      CAPTURE(text);
      CHECK(contains(text, "4711"));
      CHECK(contains(text, "(PID 4711)") == (is_here && !contains(text, "nobody was signalled")));
      CHECK(contains(text, "another PID namespace") ==
            (whereabouts != Whereabouts::here && whereabouts != Whereabouts::other_boot &&
             !contains(text, "nobody was signalled")));
    }
    CHECK(contains(fmt::format("{}", receipt), "; act from where it runs") == !is_here);
    status.evidence.reason = Reason::owner_released;
    CHECK(contains(fmt::format("{}", status.evidence), "4711"));
    claim.evidence = status.evidence;
    claim.outcome = genie::ClaimOutcome::orphaned;
    CHECK(contains(fmt::format("{}", claim), "from where it runs") == !is_here);
  });
  genie::StatusReport status;
  status.state = genie::ServerState::running;
  status.owner = {1, known_start(991)};
  status.evidence = evidence_of(Reason::lock_held_elsewhere);
  CHECK(fmt::format("{}", status) == "running (in another PID namespace), as PID 1 there");
  CHECK(fmt::format("{}", status.evidence) == "the lock is held by PID 4711 of PID namespace 31 (this is 32)");
  genie::StopReceipt receipt;
  receipt.outcome = genie::StopOutcome::refused;
  receipt.evidence = status.evidence;
  receipt.holders[0] = {815, {}, genie::FixedText<31>{"genie"}};
  receipt.holder_count = 1;
  CHECK(fmt::format("{}", receipt) ==
        "nobody was signalled: the lock is held by PID 4711 of PID namespace 31 (this is 32); act from where it runs; "
        "from here it is seen as genie (PID 815)");
  // Whoever is half-way with a claim, and has been suspended there.
  receipt.evidence = evidence_of(Reason::claim_in_progress);
  receipt.evidence.whereabouts = genie::Whereabouts::here;
  CHECK(contains(fmt::format("{}", receipt), "; its lock is still held by genie (PID 815)"));
  CHECK(!contains(fmt::format("{}", receipt), "--orphans"));
}

TEST_CASE("a record that its writer has locked is told from the process that has its number here", "[fmt][F8]") {
  Evidence evidence = evidence_of(Reason::record_pinned);
  CHECK(contains(fmt::format("{}", evidence), "that number is another's, started at 991, recorded 815"));
  evidence.observed.start = evidence.recorded.start;
  CHECK(fmt::format("{}", evidence) == "the record of PID 4711 is still locked by its writer");
  evidence.observed.start = {};
  CHECK(fmt::format("{}", evidence) == "the record of PID 4711 is still locked by its writer");
}

TEST_CASE("a start that is not known is called unknown, never 0", "[fmt]") {
  Evidence evidence = evidence_of(Reason::start_unknown);
  evidence.recorded.start = {};
  CHECK(contains(fmt::format("{}", evidence), "started at 991, recorded unknown"));
  evidence = evidence_of(Reason::start_unknown);
  evidence.observed.start = {};
  CHECK(contains(fmt::format("{}", evidence), "started at unknown, recorded 815"));
}

TEST_CASE("what others call themselves does not command the terminal", "[fmt]") {
  const auto hostile = [](auto text) {
    text = decltype(text){"a\x1B[2Jb\n\tc\x7F\x9B\xC3\xA9"};
    return text;
  };
  constexpr std::string_view shown = "a?[2Jb?\tc??\xC3\xA9";
  const auto is_clean = [&](const auto& report) {
    const std::string text = fmt::format("{}", report);
    CAPTURE(text);
    return contains(text, shown) && !contains(text, "\x1B") && !contains(text, "\n");
  };

  genie::StatusReport status;
  status.state = genie::ServerState::orphaned;
  status.holders[0].name = hostile(genie::FixedText<31>{});
  status.holder_count = 1;
  CHECK(is_clean(status));
  genie::BootRecord boot;
  boot.step = hostile(genie::StepName{});
  CHECK(is_clean(boot));
  boot = {};
  boot.advice = hostile(genie::StepAdvice{});
  CHECK(is_clean(boot));
  genie::FailureRecord failure;
  failure.step = hostile(genie::StepName{});
  CHECK(is_clean(failure));
  failure = {};
  failure.advice = hostile(genie::StepAdvice{});
  CHECK(is_clean(failure));
  genie::EnsureReport ensured;
  ensured.outcome = genie::EnsureOutcome::running;
  ensured.replaced.pid = 4711;
  ensured.replaced_version = hostile(genie::VersionText{});
  CHECK(is_clean(ensured));
  genie::PublishedEndpoint endpoint;
  endpoint.kind = genie::EndpointKind::text;
  endpoint.value = hostile(genie::EndpointText{});
  CHECK(is_clean(endpoint));
  genie::Error error = genie::make_error(ErrorKind::system, Operation::open, EACCES, "a\x1B[2Jb\n\tc\x7F\x9B\xC3\xA9");
  CHECK(is_clean(error));
}

TEST_CASE("a claim's outcome reads on from the server's name", "[fmt]") {
  genie::ClaimReport report;
  report.owner = {4711, known_start(991)};
  report.generation = 7;
  report.evidence = evidence_of(Reason::record_pinned);
  report.holders[0] = {4712, {}, genie::FixedText<31>{"worker"}};
  report.holders[1] = {4713, {}, genie::FixedText<31>{"other"}};

  report.outcome = genie::ClaimOutcome::claimed;
  CHECK(fmt::format("{}", report) == "claimed (PID 4711, generation 7)");
  report.taken_over = evidence_of(Reason::start_differs);
  CHECK(fmt::format("{}", report) ==
        "claimed (PID 4711, generation 7), taken over: stale: PID 4711 now started at 991, recorded 815");
  report.taken_over = {};
  report.leftover_error = EACCES;
  CHECK(fmt::format("{}", report) ==
        "claimed (PID 4711, generation 7); a socket of a predecessor could not be removed (Permission denied, errno "
        "13)");
  report.outcome = genie::ClaimOutcome::already_running;
  CHECK(fmt::format("{}", report) == "already running (PID 4711)");

  std::set<std::string> seen;
  each_enumerator<genie::ClaimOutcome>([&](genie::ClaimOutcome outcome, std::string_view name) {
    CAPTURE(std::string{name});
    report.outcome = outcome;
    const std::string text = fmt::format("{}", report);
    CHECK(seen.insert(text).second);
    // Said only of a verified owner.
    CHECK(contains(text, "already running") == (outcome == genie::ClaimOutcome::already_running));
  });

  report.outcome = genie::ClaimOutcome::contended;
  CHECK(fmt::format("{}", report) ==
        "cannot be claimed: the record of PID 4711 is still locked by its writer; here that number is another's, "
        "started at 991, recorded 815; end the process that has it locked, or wait until it ends");
  report.holder_count = 1;
  CHECK(contains(fmt::format("{}", report), "; held by worker (PID 4712); end the process"));
  report.outcome = genie::ClaimOutcome::stopping;
  report.stop.remaining = genie::milliseconds(2500);
  CHECK(contains(fmt::format("{}", report), "until that is done, at most 2500 ms"));
  report.stop.stopper.pid = 4714;
  CHECK(contains(fmt::format("{}", report), "is shutting down (stopped by PID 4714);"));
  report.stop.restarting = true;
  CHECK(contains(fmt::format("{}", report), "is being restarted (stopped by PID 4714);"));
  report.stop.stay = true;
  report.stop.set_by.pid = 4715;
  report.stop.user = 1000;
  report.stop.since = genie::Milliseconds{1'795'611'600'999};
  CHECK(fmt::format("{}", report) ==
        "is to stay stopped until an explicit start, such as `genie start` (`stop --stay` by PID 4715, user 1000, "
        "2026-11-25 13:00:00 UTC)");

  report.outcome = genie::ClaimOutcome::orphaned;
  report.holder_count = 2;
  CHECK(contains(fmt::format("{}", report), "still held by worker (PID 4712), other (PID 4713)"));
  CHECK(contains(fmt::format("{}", report), "`genie stop --orphans` ends all of them"));
  report.holder_count = 1;
  CHECK(contains(fmt::format("{}", report), "`genie stop --orphans` ends all of them"));
  report.server = {4712, known_start(5)};
  CHECK(contains(fmt::format("{}", report), "`genie stop --orphans` ends all of them"));
  report.holders[0].start = report.server.start;
  report.holders[0].pid = 4716;
  CHECK(contains(fmt::format("{}", report), "`genie stop --orphans` ends all of them"));
  report.holders[0].pid = report.server.pid;
  CHECK(contains(fmt::format("{}", report), "; `genie stop` ends it"));
  report.holder_count = 0;
  CHECK(contains(fmt::format("{}", report), "still held by a process that cannot be seen from here"));
}

TEST_CASE("a status names state and owner", "[fmt]") {
  each_enumerator<genie::ServerState>([](genie::ServerState state, std::string_view name) {
    CAPTURE(std::string{name});
    genie::StatusReport report;
    report.state = state;
    CHECK(contains(fmt::format("{}", report), name));
    CHECK(!contains(fmt::format("{}", report), "PID 0"));
    report.owner = {4711, known_start(991)};
    CHECK(contains(fmt::format("{}", report), std::string{name} + " (PID 4711)"));
    CHECK(contains(fmt::format("{}", report), "still held by") == (state == genie::ServerState::orphaned));
    CHECK(!contains(fmt::format("{}", report), "on demand"));
    report.stop.stay = true;
    report.stop.set_by.pid = 4714;
    CHECK(contains(fmt::format("{}", report),
                   "; not started on demand (`stop --stay` by PID 4714, user 0, 1970-01-01 00:00:00 UTC)"));
  });
}

TEST_CASE("a receipt says who was stopped, how, and who was left alone", "[fmt]") {
  genie::StopReceipt receipt;
  receipt.target = {4711, known_start(991)};
  receipt.took = genie::milliseconds(12);
  receipt.evidence = evidence_of(Reason::start_differs);
  std::set<std::string> seen;
  each_enumerator<genie::StopOutcome>([&](genie::StopOutcome outcome, std::string_view name) {
    CAPTURE(std::string{name});
    receipt.outcome = outcome;
    const std::string text = fmt::format("{}", receipt);
    CHECK(seen.insert(text).second);
    CHECK(contains(text, "4711") == (outcome != genie::StopOutcome::not_running));
  });
  receipt.outcome = genie::StopOutcome::stopped;
  CHECK(fmt::format("{}", receipt) == "stopped PID 4711 after 12 ms");
  receipt.joined = true;
  CHECK(contains(fmt::format("{}", receipt), "as asked by another stop"));
  receipt.killed_group = true;
  CHECK(contains(fmt::format("{}", receipt), "process group"));
  receipt.was_orphaned = true;
  CHECK(contains(fmt::format("{}", receipt), "what was left of PID 4711"));
  receipt.killed_cgroup = true;
  CHECK(contains(fmt::format("{}", receipt), "what was left in its cgroup"));
  receipt.spared_cgroup = true;
  CHECK(contains(fmt::format("{}", receipt), "its cgroup was left alone"));
  receipt.has_left = true;
  CHECK(contains(fmt::format("{}", receipt), "there is still a process that cannot be seen from here"));
  receipt.left[0] = {4712, {}, genie::FixedText<31>{"worker"}};
  receipt.left_count = 1;
  CHECK(contains(fmt::format("{}", receipt), "there is still worker (PID 4712)"));
  CHECK(!contains(fmt::format("{}", receipt), "--orphans"));
  receipt.holders[0] = {4713, {}, genie::FixedText<31>{"other"}};
  receipt.holder_count = 1;
  CHECK(contains(fmt::format("{}", receipt),
                 "its lock is still held by other (PID 4713); `genie stop --orphans` ends all of them"));
  receipt.stays = true;
  CHECK(contains(fmt::format("{}", receipt), "; it stays stopped until an explicit start"));
  receipt.successor = {4800, known_start(1)};
  CHECK(contains(fmt::format("{}", receipt), "PID 4800 has started since and was left alone"));
  CHECK(!contains(fmt::format("{}", receipt), "it stays stopped"));
  receipt = {};
  receipt.target = {4711, known_start(991)};
  receipt.outcome = genie::StopOutcome::not_running;
  CHECK(fmt::format("{}", receipt) == "not running");
  receipt.stays = true;
  CHECK(fmt::format("{}", receipt) == "not running; it stays stopped until an explicit start");
  receipt.stays = false;
  receipt.outcome = genie::StopOutcome::orphans_left;
  CHECK(fmt::format("{}", receipt) ==
        "nobody was signalled: PID 4711 and what it ran are gone; its lock is still held by a process that cannot be "
        "seen from here");
}

TEST_CASE("a date is that of the calendar", "[fmt]") {
  const auto date = [](std::int64_t seconds) {
    genie::StopIntent intent;
    intent.stay = true;
    intent.since = genie::Milliseconds{seconds * 1000};
    const std::string text = fmt::format("{}", intent);
    const std::string::size_type at = text.find("user 0, ") + 8;
    return text.substr(at, text.size() - at - 1);
  };
  CHECK(date(-1) == "1970-01-01 00:00:00 UTC");
  CHECK(date(951'782'399) == "2000-02-28 23:59:59 UTC");
  CHECK(date(951'782'400) == "2000-02-29 00:00:00 UTC");
  CHECK(date(951'868'800) == "2000-03-01 00:00:00 UTC");
  CHECK(date(4'107'542'399) == "2100-02-28 23:59:59 UTC");
  CHECK(date(4'107'542'400) == "2100-03-01 00:00:00 UTC");
  CHECK(date(1'767'225'599) == "2025-12-31 23:59:59 UTC");
  CHECK(date(253'402'300'799) == "9999-12-31 23:59:59 UTC");
  CHECK(date(INT64_MAX / 1000) == "292278994-08-17 07:12:55 UTC");
}

TEST_CASE("what keeps from claiming or stopping comes with what to do about it", "[fmt]") {
  // These end a claim or a stop without an outcome that speaks for itself.
  const std::set<Reason> refusals{
      Reason::handing_over,         Reason::claim_in_progress,   Reason::empty_record,   Reason::lock_record_unreadable,
      Reason::lock_held_unverified, Reason::lock_held_elsewhere, Reason::record_pinned,  Reason::start_unknown,
      Reason::liveness_unknown,     Reason::cgroup_not_own,      Reason::cgroup_unusable};
  each_enumerator<Reason>([&](Reason reason, std::string_view name) {
    CAPTURE(std::string{name});
    const std::string_view advice = genie::advice(evidence_of(reason));
    CHECK(advice.empty() == (refusals.count(reason) == 0));
    genie::StopReceipt receipt;
    receipt.outcome = genie::StopOutcome::refused;
    receipt.evidence = evidence_of(reason);
    CHECK(contains(fmt::format("{}", receipt), std::string{advice}));
  });
}

TEST_CASE("a step of a boot is formatted with what is known of it", "[fmt]") {
  genie::BootRecord boot;
  boot.generation = 1;
  boot.number = 2;
  boot.step = genie::StepName{"backfill"};
  CHECK(fmt::format("{}", boot) == "step 2: backfill");
  boot.done = 30;
  CHECK(fmt::format("{}", boot) == "step 2: backfill, 30");
  boot.total = 99;
  CHECK(fmt::format("{}", boot) == "step 2: backfill, 30 of 99 (30 %)");
  boot.state = genie::StepState::refused;
  boot.advice = genie::StepAdvice{"run: myapp repair"};
  CHECK(fmt::format("{}", boot) == "step 2: backfill, 30 of 99 (30 %): refused; run: myapp repair");
  genie::StatusReport status;
  status.state = genie::ServerState::starting;
  status.owner.pid = 4711;
  boot = genie::BootRecord{};
  boot.generation = 1;
  boot.number = 1;
  boot.step = genie::StepName{"load"};
  status.boot = boot;
  CHECK(fmt::format("{}", status) == "starting (PID 4711), step 1: load");
}

TEST_CASE("a failed start is told with how, where and what to do", "[fmt]") {
  genie::FailureRecord failure;
  failure.value = 3;
  std::set<std::string> seen;
  each_enumerator<genie::FailureKind>([&](genie::FailureKind kind, std::string_view name) {
    CAPTURE(std::string{name});
    failure.kind = kind;
    CHECK(seen.insert(fmt::format("{}", failure)).second);
  });
  failure.kind = genie::FailureKind::exited;
  failure.step = genie::StepName{"migrate"};
  CHECK(fmt::format("{}", failure) == "exited with status 3 before it was ready, in the step \"migrate\"");
  failure.kind = genie::FailureKind::refused;
  failure.advice = genie::StepAdvice{"run: myapp migrate"};
  CHECK(fmt::format("{}", failure) == "cannot start without you, in the step \"migrate\"; run: myapp migrate");
  failure = genie::FailureRecord{};
  failure.kind = genie::FailureKind::not_executed;
  failure.value = ENOENT;
  CHECK(fmt::format("{}", failure) == "cannot be executed: No such file or directory (errno 2)");
}

TEST_CASE("what came of a start on demand reads on from the server's name", "[fmt]") {
  genie::EnsureReport report;
  report.owner.pid = 4711;
  report.failure.count = 3;
  report.failure.value = 1;
  report.retry_in = genie::milliseconds(1500);
  report.evidence = evidence_of(Reason::record_pinned);
  const auto text = [&](genie::EnsureOutcome outcome) {
    report.outcome = outcome;
    return fmt::format("{}", report);
  };
  using genie::EnsureOutcome;
  CHECK(text(EnsureOutcome::running) == "already running (PID 4711)");
  report.evidence.whereabouts = genie::Whereabouts::other_pid_namespace;
  CHECK(contains(text(EnsureOutcome::running), "in another PID namespace"));
  report.evidence.whereabouts = genie::Whereabouts::here;
  report.has_kept = true;
  CHECK(text(EnsureOutcome::running) ==
        "already running (PID 4711), and is not replaced: the record of PID 4711 is still locked by its writer; here "
        "that number is another's, started at 991, recorded 815");
  report.has_kept = false;
  report.has_joined = true;
  CHECK(text(EnsureOutcome::running) == "started (PID 4711)");
  report.has_joined = false;
  report.has_started = true;
  CHECK(text(EnsureOutcome::running) == "started (PID 4711)");
  CHECK(text(EnsureOutcome::self) == "is what this runs in (PID 4711): nothing was started");
  report.stop.standing = true;
  report.stop.stopper.pid = 99;
  CHECK(text(EnsureOutcome::stopping) == fmt::format("{}", report.stop));
  CHECK(contains(text(EnsureOutcome::stopping), "99"));
  report.replaced.pid = 98;
  CHECK(text(EnsureOutcome::running) == "started (PID 4711), in place of PID 98");
  report.replaced_version = genie::VersionText{"1.2.0"};
  CHECK(text(EnsureOutcome::running) == "started (PID 4711), in place of PID 98 (version 1.2.0)");
  CHECK(text(EnsureOutcome::failed) == "exited with status 1 before it was ready");
  CHECK(text(EnsureOutcome::backing_off) ==
        "failed to start 3 times in a row, and is not started on demand for 1500 ms: it exited with status 1 before it "
        "was ready");
  CHECK(text(EnsureOutcome::timed_out) ==
        "is being started (PID 4711), and was not ready in time; wait for it, or end it by `genie stop`");
  report.boot.generation = 1;
  report.boot.number = 1;
  report.boot.step = genie::StepName{"load"};
  CHECK(text(EnsureOutcome::timed_out) ==
        "is being started (PID 4711), and was not ready in time; step 1: load; wait for it, or end it by `genie stop`");
  report.owner.pid = 0;
  CHECK(contains(text(EnsureOutcome::timed_out), "is being started, and"));
  report.has_started = false;
  report.has_joined = true;
  CHECK(contains(text(EnsureOutcome::timed_out), "is being started, and"));
  report.has_joined = false;
  CHECK(text(EnsureOutcome::timed_out) ==
        "was not started: the time was up before its directory could be claimed; give it more");
  CHECK(contains(text(EnsureOutcome::contended), "cannot be claimed: the record of PID 4711 is still locked by its"));
  CHECK(contains(text(EnsureOutcome::contended), "or wait until it ends"));
  report.holder_count = 1;
  report.holders[0] = {4712, known_start(5), genie::FixedText<31>{"worker"}};
  CHECK(contains(text(EnsureOutcome::contended), "; held by worker (PID 4712);"));
  CHECK(contains(text(EnsureOutcome::orphaned), "still held by worker (PID 4712)"));
  CHECK(contains(text(EnsureOutcome::orphaned), "; `genie stop --orphans` ends all of them"));
  report.server = {4712, known_start(5)};
  CHECK(contains(text(EnsureOutcome::orphaned), "still held by worker (PID 4712); `genie stop` ends it"));
  report.evidence.whereabouts = genie::Whereabouts::other_pid_namespace;
  CHECK(contains(text(EnsureOutcome::orphaned), "; `genie stop` ends it from where it runs"));
}

}  // namespace tests::fmt_test
