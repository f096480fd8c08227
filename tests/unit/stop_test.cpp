// Stopping against fakes: who is signalled, in which order, and what is left behind.
#include "support.hpp"

#include <cerrno>
#include <string>

#include "catch.hpp"

namespace tests::stop_test {

using namespace tests;
using genie::milliseconds;
using genie::Reason;
using genie::seconds;
using genie::Signal;
using genie::StopOutcome;
using genie::testing::ProcessOptions;
using genie::testing::Reaction;

namespace {

/// A server that ends itself when asked, as most do: it keeps no claim alive after its end.
Contender server(Machine& machine, const Reaction& reaction = {}) {
  ProcessOptions options;
  options.reaction = reaction;
  return machine.spawn(options);
}

genie::Result<genie::StopReceipt> stop_by(const Contender& contender, const genie::StopOptions& options = {}) {
  Guard guard = guard_of(contender);
  return guard.stop(options);
}

void check_clean(Machine& machine) {
  CHECK_FALSE(machine.disk.exists(record_path));
  const Contender fresh = machine.spawn();
  CHECK(guard_of(fresh).claim({.mode = genie::ClaimMode::automatic})->owned());
  CHECK_FALSE(machine.disk.exists(port_path));
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  CHECK(strangers(machine).empty());
}

}  // namespace

TEST_CASE("stop asks the owner to end, waits for it, and cleans up", "[stop]") {
  Machine machine;
  Reaction reaction;
  reaction.terminate_takes = milliseconds(300);
  const Contender owner = server(machine, reaction);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.publish_port(4711));
  const Contender operating = machine.spawn();
  const auto began = machine.time.monotonic;
  const auto receipt = stop_by(operating);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == owner.identity);
  CHECK(receipt->evidence.reason == Reason::lock_held);
  CHECK(receipt->took == milliseconds(300));
  CHECK_FALSE(receipt->stays);
  CHECK_FALSE(receipt->spared_cgroup);
  CHECK(machine.time.monotonic - began == milliseconds(300));
  REQUIRE(machine.processes.deliveries.size() == 1);
  CHECK(machine.processes.deliveries[0].identity == owner.identity);
  CHECK(machine.processes.deliveries[0].signal == Signal::terminate);
  CHECK(operating.process.open_count() == 0);
  CHECK(machine.disk.open_count(operating.index()) == 0);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
  check_clean(machine);
}

TEST_CASE("the sentinel stands before the first signal and for as long as the server takes", "[stop][F19]") {
  Machine machine;
  Reaction reaction;
  reaction.terminate_takes = seconds(100);
  bool stood = false;
  reaction.on_signal = [&](Signal) { stood = machine.disk.exists(sentinel_path); };
  const Contender owner = server(machine, reaction);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  // Longer than its TTL: it must be renewed.
  for (int second = 1; second < 100; ++second) {
    machine.time.after(seconds(second), [&] {
      const Contender other = machine.spawn();
      CHECK(guard_of(other).claim({.mode = genie::ClaimMode::automatic})->outcome == genie::ClaimOutcome::stopping);
      other.kill();
      other.reap();
    });
  }
  const auto receipt = stop_by(machine.spawn(), {.grace = seconds(200)});
  CHECK(stood);
  CHECK(receipt->outcome == StopOutcome::stopped);
  check_clean(machine);
}

TEST_CASE("an owner that ignores the request is killed after the grace period, and not before", "[stop]") {
  Machine machine;
  Reaction reaction;
  reaction.ignores_terminate = true;
  const Contender owner = server(machine, reaction);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto began = machine.time.monotonic;
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK(receipt->sent_kill);
  CHECK(machine.time.monotonic - began >= seconds(10));
  CHECK(machine.time.monotonic - began < milliseconds(10'100));
  check_clean(machine);
}

TEST_CASE("an owner that cannot even be killed is reported as such", "[stop]") {
  Machine machine;
  Reaction reaction;
  reaction.ignores_terminate = true;
  reaction.kill_takes = seconds(1000);
  const Contender owner = server(machine, reaction);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::still_alive);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("stopping nothing says so, and creates nothing", "[stop]") {
  Machine machine;
  const Contender operating = machine.spawn();
  const auto receipt = stop_by(operating);
  CHECK(receipt->outcome == StopOutcome::not_running);
  CHECK(receipt->holder_count == 0);
  CHECK_FALSE(receipt->joined);
  CHECK_FALSE(receipt->stays);
  CHECK_FALSE(machine.disk.exists(directory));
  machine.disk.make_directory(directory);
  CHECK(stop_by(operating)->outcome == StopOutcome::not_running);
  CHECK(machine.disk.names(directory).empty());
}

TEST_CASE("what a dead owner left is removed, and nobody is signalled", "[stop][F6][F11]") {
  Machine machine;
  const Contender owner = machine.spawn();
  {
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(4711));
    owner.kill();
  }
  SECTION("it is a zombie that nobody reaps") {}
  SECTION("it is gone") { owner.reap(); }
  SECTION("its PID is a stranger's") {
    owner.reap();
    ProcessOptions options;
    options.pid = owner.identity.pid;
    (void)machine.spawn(options);
  }
  SECTION("the machine was started anew") { machine.reboot(); }
  const auto began = machine.time.monotonic;
  const auto receipt = stop_by(machine.spawn());
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::cleaned);
  CHECK(machine.processes.deliveries.empty());
  CHECK(machine.time.monotonic == began);
  check_clean(machine);
}

TEST_CASE("no content of a record ever leads to a signal to somebody who was not recorded",
          "[stop][F6][F15][F18][F29]") {
  const std::string content = GENERATE(as<std::string>{}, "1:5", "0:5", "-1:5", "1e9:5", "1.7:5", "1junk:5", "1", "-1",
                                       "0", "4711", "4711:unknown", "99999999999999999999", "99999999999999999999:1",
                                       "4711:815", "4711:", ":", "", std::string(1'000'000, '4'));
  Machine machine;
  ProcessOptions options;
  options.pid = 4711;
  options.start = genie::known_start(991);
  (void)machine.spawn(options);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, content);
  const auto receipt = stop_by(machine.spawn());
  REQUIRE(receipt);
  INFO(content.substr(0, 40) << ": " << fmt::format("{}", *receipt));
  CHECK((receipt->outcome == StopOutcome::cleaned || receipt->outcome == StopOutcome::refused));
  CHECK(machine.processes.deliveries.empty());
}

TEST_CASE("an older program's live owner is stopped by its identity", "[stop]") {
  Machine machine;
  Reaction reaction;
  reaction.terminate_takes = milliseconds(300);
  const Contender older = server(machine, reaction);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, text_of(older.identity));
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == older.identity);
  CHECK(receipt->took == milliseconds(300));
  check_clean(machine);
}

TEST_CASE("who may not be trusted names nobody to be signalled", "[stop][F18]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  bool trusted = false;
  SECTION("a directory that everybody may write") { machine.disk.set_permissions(directory, 0777); }
  SECTION("a lock file that everybody may write") { machine.disk.set_permissions(lock_path, 0666); }
  SECTION("a lock file of another user") { machine.disk.set_owner(lock_path, 2000); }
  SECTION("a sticky directory, and files of our own") {
    machine.disk.set_permissions(directory, 01777);
    trusted = true;
  }
  ProcessOptions root;
  root.user = 1000;
  const auto receipt = stop_by(machine.spawn(root));
  CHECK(receipt.has_value() == trusted);
  CHECK(machine.processes.deliveries.empty() != trusted);
  CHECK_FALSE(machine.disk.exists(sentinel_path));
}

TEST_CASE("an older program's record that may not be trusted names nobody, dead or alive", "[stop][F18]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender older = machine.spawn();
  const bool lives = GENERATE(true, false);
  machine.disk.write_file(record_path, text_of(older.identity));
  if (!lives) {
    older.kill();
    older.reap();
  }
  auto kind = genie::ErrorKind::untrusted_record;
  SECTION("a record that everybody may write") { machine.disk.set_permissions(record_path, 0666); }
  SECTION("a record of another user") {
    machine.disk.set_permissions(record_path, 0644);
    machine.disk.set_owner(record_path, 2000);
  }
  SECTION("a directory that everybody may write") {
    machine.disk.set_permissions(directory, 0777);
    kind = genie::ErrorKind::untrusted_directory;
  }
  const auto receipt = stop_by(machine.spawn());
  REQUIRE_FALSE(receipt);
  CHECK(receipt.error().kind == kind);
  CHECK(machine.processes.deliveries.empty());
  CHECK(older.is_alive() == lives);
  CHECK(machine.disk.read_file(record_path) == text_of(older.identity));
}

TEST_CASE("an owner that cannot be told from a stranger is left alone", "[stop][F8][F17]") {
  Machine machine;
  SECTION("it lives in another PID namespace") {
    ProcessOptions options;
    options.pid_namespace = 77;
    const Contender inside = machine.spawn(options);
    Guard guard = guard_of(inside);
    REQUIRE(guard.claim()->owned());
    const auto receipt = stop_by(machine.spawn());
    CHECK(receipt->outcome == StopOutcome::refused);
    CHECK(receipt->evidence.reason == Reason::lock_held_elsewhere);
    CHECK(receipt->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
    CHECK(receipt->holder_count == 0);
    CHECK(guard.verify() == genie::Ownership::held);
    // Whoever holds the lock under a number that is one here, too, is named by it.
    const Contender child = machine.fork(inside);
    child.process.me().pid_namespace = machine.spawn().process.me().pid_namespace;
    const auto told = stop_by(machine.spawn());
    CHECK(told->outcome == StopOutcome::refused);
    REQUIRE(told->holder_count == 1);
    CHECK(told->holders[0].pid == child.identity.pid);
  }
  SECTION("an older program's start cannot be read") {
    ProcessOptions options;
    options.pid = 4711;
    options.visibility = genie::testing::Visibility::start_unreadable;
    (void)machine.spawn(options);
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "4711:815");
    CHECK(stop_by(machine.spawn())->outcome == StopOutcome::refused);
  }
  CHECK(machine.processes.deliveries.empty());
}

TEST_CASE("an owner whose start reads otherwise here is stopped, because the kernel lists it as the lock's holder",
          "[stop][F7]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.processes.shift_starts(5000);
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(machine.processes.deliveries.size() == 1);
}

TEST_CASE("the process group is signalled only where the target leads it", "[stop]") {
  Machine machine;
  const bool leads = GENERATE(true, false);
  const Contender shell = machine.spawn();
  ProcessOptions options;
  if (!leads) options.leader = shell.index();
  Reaction reaction;
  const Contender owner = machine.spawn(options);
  options.leader = leads ? owner.index() : shell.index();
  options.reaction.ignores_terminate = true;
  const Contender worker = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(worker.is_alive() != leads);
  CHECK(receipt->killed_group == leads);
  CHECK(shell.is_alive());
}

TEST_CASE("a stopper in the target's own group does not signal itself", "[stop]") {
  Machine machine;
  const Contender owner = machine.spawn();
  ProcessOptions options;
  options.leader = owner.index();
  const Contender child = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  CHECK(stop_by(child)->outcome == StopOutcome::stopped);
  CHECK(child.is_alive());
}

TEST_CASE("a process that asks to stop itself gets an error", "[stop]") {
  Machine machine;
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const auto receipt = guard.stop();
  REQUIRE_FALSE(receipt);
  CHECK(receipt.error().kind == genie::ErrorKind::own_process);
  CHECK(guard.verify() == genie::Ownership::held);
}

TEST_CASE("stops at once send one request, and each gets the same identity", "[stop][F19]") {
  Machine machine;
  Reaction reaction;
  reaction.terminate_takes = seconds(2);
  const Contender owner = server(machine, reaction);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  genie::Result<genie::StopReceipt> second = genie::StopReceipt{};
  machine.time.after(seconds(1), [&] { second = stop_by(two); });
  const auto first = stop_by(one);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->target == owner.identity);
  CHECK(second->target == owner.identity);
  CHECK_FALSE(first->joined);
  CHECK(second->joined);
  CHECK(machine.processes.deliveries.size() == 1);
  check_clean(machine);
}

TEST_CASE("a newcomer that starts while an old stop cleans up is left alone", "[stop][F27]") {
  // The newcomer claims just before each single call that the stopper makes after the owner's end.
  for (std::uint64_t at = 1;; ++at) {
    INFO("the newcomer claims before call " << at << " after the owner's end");
    Machine machine;
    const Contender owner = server(machine);
    const Contender newcomer = machine.spawn();
    const Contender operating = machine.spawn();
    Guard old = guard_of(owner);
    Guard young = guard_of(newcomer);
    REQUIRE(old.claim()->owned());
    REQUIRE(old.publish_port(4711));
    std::uint64_t after_end = 0;
    bool won = false;
    operating.calls().before_call = [&](const genie::testing::CallEvent&) {
      if (owner.is_alive() || ++after_end != at) return;
      const auto report = young.claim({.settle = milliseconds(0)});
      won = report && report->owned();
      if (won) CHECK(young.publish_port(5432));
    };
    const auto receipt = stop_by(operating);
    REQUIRE(receipt);
    CHECK(receipt->target == owner.identity);
    for (const auto& delivery : machine.processes.deliveries) CHECK(delivery.identity == owner.identity);
    operating.calls().before_call = nullptr;
    if (won) {
      CHECK(machine.disk.read_file(record_path) == text_of(newcomer.identity));
      CHECK(young.verify() == genie::Ownership::held);
      CHECK(*young.port() == 5432);
    }
    CHECK_FALSE(machine.disk.exists(sentinel_path));
    if (after_end < at) break;
  }
}

TEST_CASE("who inherited the lock is named by the stop that finds them, and ended on request only", "[stop][F10]") {
  Machine machine;
  const Contender owner = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  std::vector<Contender> workers;
  for (int count = 0; count < 12; ++count) {
    Contender worker = machine.fork(owner);
    machine.processes.processes[worker.index()].leader = worker.index();  // a session of its own
    workers.push_back(worker);
  }
  const Contender operating = machine.spawn();
  const bool at_once = GENERATE(false, true);
  const auto began = machine.time.monotonic;
  const auto first = stop_by(operating, {.orphans = at_once});
  REQUIRE(first);
  CHECK(first->outcome == StopOutcome::stopped);
  CHECK_FALSE(first->was_orphaned);
  CHECK(first->took == milliseconds(0));
  if (!at_once) {
    CHECK(first->holder_count > 0);
    CHECK(machine.time.monotonic - began <= seconds(1));  // `settle`, and once
    const std::size_t before = machine.processes.deliveries.size();
    const auto second = stop_by(operating);
    REQUIRE(second);
    CHECK(second->outcome == StopOutcome::orphans_left);
    CHECK(second->was_orphaned);
    CHECK(second->target == owner.identity);
    CHECK(second->holder_count == genie::holder_capacity);
    CHECK(second->holders[0].pid == workers[0].identity.pid);
    CHECK(second->left[0].pid == 0);
    CHECK_FALSE(machine.disk.exists(sentinel_path));
    CHECK(machine.processes.deliveries.size() == before);
    for (const Contender& worker : workers) CHECK(worker.is_alive());
    const auto third = stop_by(operating, {.orphans = true});
    REQUIRE(third);
    CHECK(third->was_orphaned);
    CHECK(third->outcome == StopOutcome::stopped);
    CHECK(third->holder_count == 0);
  } else {
    CHECK(first->holder_count == 0);
  }
  for (const Contender& worker : workers) CHECK_FALSE(worker.is_alive());
  check_clean(machine);
}

TEST_CASE("orphans are asked to end even while the stop that left them is still at work", "[stop][F10][F19]") {
  Machine machine;
  const Contender owner = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender worker = machine.fork(owner);
  machine.processes.processes[worker.index()].leader = worker.index();
  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  genie::Result<genie::StopReceipt> second = genie::StopReceipt{};
  machine.time.after(milliseconds(100), [&] { second = stop_by(two, {.orphans = true}); });
  const auto first = stop_by(one);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(second->was_orphaned);
  CHECK_FALSE(second->joined);
  CHECK(second->sent_terminate);
  CHECK_FALSE(second->sent_kill);
  CHECK_FALSE(worker.is_alive());
}

TEST_CASE("an orphan that cannot be killed is reported once its time is over", "[stop][F10]") {
  Machine machine;
  Reaction reaction;
  reaction.ignores_terminate = true;
  reaction.kill_takes = seconds(1000);
  const Contender owner = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender worker = machine.fork(owner);
  machine.processes.processes[worker.index()].leader = worker.index();
  machine.processes.processes[worker.index()].reaction = reaction;
  owner.kill();
  owner.reap();
  const auto began = machine.time.monotonic;
  const auto receipt = stop_by(machine.spawn(), {.orphans = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::still_alive);
  CHECK(machine.time.monotonic - began < seconds(20));
}

TEST_CASE("whoever claims while orphans are looked for is not taken for one", "[stop][F27]") {
  Machine machine;
  const Contender owner = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  const Contender worker = machine.fork(owner);
  owner.kill();
  owner.reap();
  const Contender newcomer = machine.spawn();
  Guard young = guard_of(newcomer);
  const Contender operating = machine.spawn();
  bool once = false;
  operating.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::lock_holders || once) return;
    once = true;
    worker.kill();
    CHECK(young.claim()->owned());
  };
  const auto receipt = stop_by(operating);
  REQUIRE(once);
  REQUIRE(receipt);
  // It may be stopped as the owner that it is, and never as what a dead one left behind.
  CHECK_FALSE(receipt->was_orphaned);
  CHECK(receipt->target == newcomer.identity);
}

TEST_CASE("the guarded command of an owner that was killed is ended, too", "[stop]") {
  Machine machine;
  Reaction stubborn;
  stubborn.ignores_terminate = true;
  const Contender owner = server(machine, stubborn);
  const Contender command = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.set_server(command.identity));
  const auto receipt = stop_by(machine.spawn());
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK(receipt->server == command.identity);
  CHECK_FALSE(command.is_alive());
  check_clean(machine);
}

namespace {

/// The first process of a PID namespace, as the others in it see it.
ProcessOptions first_in_its_namespace() {
  ProcessOptions options;
  options.pid_namespace = 77;
  options.reaction.ignores_terminate = true;
  options.reaction.kill_takes = genie::seconds(3600);
  return options;
}

}  // namespace

TEST_CASE("an owner that is PID 1, which can't be killed from within, ends with the command that it guards",
          "[stop][F8]") {
  Machine machine;
  ProcessOptions options = first_in_its_namespace();
  const Contender owner = machine.spawn(options);
  REQUIRE(owner.identity.pid == 1);
  options.reaction.kill_takes = {};
  bool ends_with_its_command = true;
  genie::Milliseconds takes;
  SECTION("at once") {}
  SECTION("or a little later") { takes = seconds(2); }
  SECTION("or does not") { ends_with_its_command = false; }
  options.reaction.on_signal = [&](genie::Signal signal) {
    const auto stop = guard_of(machine.spawn()).status()->stop;
    CHECK(stop.standing);
    // Who is in its PID namespace ends with it, and may leave the sentinel.
    CHECK(stop.remaining <= genie::seconds(1));
    if (signal == genie::Signal::kill && ends_with_its_command) machine.time.end(owner.index(), takes);
  };
  const Contender command = machine.spawn(options);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.set_server(command.identity));
  options.reaction = Reaction{};
  const auto began = machine.time.monotonic;
  const auto receipt = stop_by(machine.spawn(options));
  REQUIRE(receipt);
  CHECK_FALSE(command.is_alive());
  CHECK(receipt->sent_kill);
  if (ends_with_its_command) {
    CHECK(receipt->outcome == StopOutcome::killed);
    CHECK(receipt->took == genie::StopOptions{}.grace + takes);
    check_clean(machine);
  } else {
    CHECK(receipt->outcome == StopOutcome::still_alive);
    CHECK(machine.time.monotonic - began < genie::seconds(3600));
  }
}

TEST_CASE("an heir that is PID 1 is stopped, and not whoever hands its claim to it", "[stop][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 77;
  const Contender heir = machine.spawn(options);
  REQUIRE(heir.identity.pid == 1);
  const Contender starter = machine.spawn(options);
  Guard guard = guard_of(starter);
  REQUIRE(guard.claim()->owned());
  genie::LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  record.phase = genie::Phase::launching;
  record.heir = heir.identity;
  machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
  const auto receipt = stop_by(machine.spawn(options));
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == heir.identity);
  CHECK_FALSE(heir.is_alive());
  CHECK(starter.is_alive());
}

TEST_CASE("an owner that is PID 1, and whose end cannot be waited for, is an error", "[stop][F8][F16]") {
  bool was_asked = false;
  for (std::uint64_t at = 1;; ++at) {
    Machine machine;
    ProcessOptions options = first_in_its_namespace();
    const Contender owner = machine.spawn(options);
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    options.reaction = Reaction{};
    const Contender stopper = machine.spawn(options);
    stopper.calls().fail(Call::wait_process, EIO, at);
    const auto receipt = stop_by(stopper);
    if (stopper.calls().count(Call::wait_process) < at) break;
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == EIO);
    CHECK(receipt.error().operation == genie::Operation::wait);
    CHECK(stopper.process.open_count() == 0);
    was_asked = true;
  }
  CHECK(was_asked);
}

TEST_CASE("a stop waits for a release that goes on in another PID namespace", "[stop][F8]") {
  Machine machine;
  ProcessOptions options;
  options.pid_namespace = 77;
  const Contender inside = machine.spawn(options);
  Guard guard = guard_of(inside);
  REQUIRE(guard.claim()->owned());
  const Contender child = machine.fork(inside);
  REQUIRE(guard.release());
  // A child that inherited the lock makes its last moment longer; it may be one that has come back from there.
  if (GENERATE(false, true)) child.process.me().pid_namespace = machine.spawn().process.me().pid_namespace;
  SECTION("until it is done") {
    machine.time.after(genie::milliseconds(300), [&] { child.kill(); });
    const auto receipt = stop_by(machine.spawn());
    CHECK(receipt->outcome == StopOutcome::not_running);
  }
  SECTION("not for ever") {
    const auto receipt = stop_by(machine.spawn());
    CHECK(receipt->outcome == StopOutcome::refused);
    CHECK(receipt->evidence.reason == Reason::owner_released);
    CHECK(receipt->evidence.whereabouts == genie::Whereabouts::other_pid_namespace);
    CHECK(child.is_alive());
  }
}

TEST_CASE("a guarded command whose PID is a stranger's by now is not touched", "[stop][F6]") {
  Machine machine;
  const Contender owner = server(machine);
  const Contender command = machine.spawn();
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  REQUIRE(guard.set_server(command.identity));
  command.kill();
  command.reap();
  ProcessOptions options;
  options.pid = command.identity.pid;
  const Contender stranger = machine.spawn(options);
  CHECK(stop_by(machine.spawn())->outcome == StopOutcome::stopped);
  CHECK(stranger.is_alive());
}

TEST_CASE("a full disk does not keep the server running, and the receipt says that no sentinel stood", "[stop][F16]") {
  Machine machine;
  const Contender owner = server(machine);
  Guard guard = guard_of(owner);
  REQUIRE(guard.claim()->owned());
  machine.disk.capacity = 0;
  const auto receipt = stop_by(machine.spawn());
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->sentinel_error == ENOSPC);
  CHECK_FALSE(owner.is_alive());
}

TEST_CASE("a stop that was killed at any call leaves nothing that blocks", "[stop][crash]") {
  for (std::uint64_t at = 1;; ++at) {
    INFO("killed before call " << at);
    Machine machine;
    const Contender owner = server(machine);
    Guard guard = guard_of(owner);
    REQUIRE(guard.claim()->owned());
    REQUIRE(guard.publish_port(4711));
    const Contender victim = machine.spawn();
    victim.kill_before_call(at);
    (void)stop_by(victim);
    if (victim.is_alive()) break;
    victim.reap();
    for (const auto& delivery : machine.processes.deliveries) CHECK(delivery.identity == owner.identity);
    machine.time.advance(seconds(30));
    const auto receipt = stop_by(machine.spawn());
    REQUIRE(receipt);
    check_clean(machine);
  }
}

TEST_CASE("an error at any call of a stop signals nobody else, and leaves nothing that blocks", "[stop][fault][F16]") {
  for (std::uint64_t at = 1;; ++at) {
    bool reached = false;
    for (const int code : {EIO, ENOSPC, EACCES, EMFILE, ENOSYS}) {
      INFO("call " << at << " fails with errno " << code);
      Machine machine;
      const Contender owner = server(machine);
      Guard guard = guard_of(owner);
      REQUIRE(guard.claim()->owned());
      const Contender operating = machine.spawn();
      operating.calls().fail(Call::any, code, at);
      const auto receipt = stop_by(operating);
      reached = operating.calls().count() >= at;
      if (!receipt) {
        CHECK_FALSE(receipt.error().path.empty());
      } else if (receipt->outcome == StopOutcome::stopped || receipt->outcome == StopOutcome::killed) {
        CHECK_FALSE(owner.is_alive());
      }
      for (const auto& delivery : machine.processes.deliveries) CHECK(delivery.identity == owner.identity);
      CHECK(machine.disk.open_count(operating.index()) == 0);
      CHECK(operating.process.open_count() == 0);
      operating.kill();
      operating.reap();
      machine.time.advance(seconds(30));
      REQUIRE(stop_by(machine.spawn()));
      check_clean(machine);
    }
    if (!reached) break;
  }
}

}  // namespace tests::stop_test
