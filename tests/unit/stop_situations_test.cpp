// Stops in the middle of something else: targets that end or change while they are pinned, orphans by the dozen,
// groups, guarded commands, lock files and records that others replace meanwhile.
#include "support.hpp"

#include <cerrno>
#include <functional>
#include <optional>
#include <vector>

#include "catch.hpp"

namespace tests::stop_situations_test {

using namespace tests;
using genie::LockRecord;
using genie::milliseconds;
using genie::Reason;
using genie::seconds;
using genie::Signal;
using genie::StopOutcome;
using genie::testing::CallEvent;
using genie::testing::ProcessOptions;
using genie::testing::Reaction;

namespace {

Contender server(Machine& machine, const Reaction& reaction = {}) {
  ProcessOptions options;
  options.reaction = reaction;
  return machine.spawn(options);
}

Reaction stubborn() {
  Reaction reaction;
  reaction.ignores_terminate = true;
  return reaction;
}

genie::Result<genie::StopReceipt> stop_by(const Contender& contender, const genie::StopOptions& options = {}) {
  return guard_of(contender).stop(options);
}

std::size_t signals_to(const Machine& machine, const Contender& target, Signal signal) {
  std::size_t count = 0;
  for (const auto& delivery : machine.processes.deliveries) {
    if (delivery.identity == target.identity && delivery.signal == signal) ++count;
  }
  return count;
}

/// An owner, and a way to act at a moment of the stop.
struct Stop {
  Machine machine;
  Contender owner;
  Guard guard;
  Contender stopper = machine.spawn();

  explicit Stop(const Reaction& reaction = {}) : owner{server(machine, reaction)}, guard{guard_of(owner)} {
    REQUIRE(guard.claim()->owned());
  }
  void before(Call call, std::uint64_t occurrence, std::function<void()> act) {
    stopper.calls().before_call = [=](const CallEvent& event) {
      if (event.call == call && event.occurrence == occurrence) act();
    };
  }
  /// Before the first call of that kind after the owner's end.
  void once_ended(Call call, std::function<void()> act) {
    stopper.calls().before_call = [this, call, act](const CallEvent& event) {
      if (done || event.call != call || owner.is_alive()) return;
      done = true;
      act();
    };
  }

 private:
  bool done = false;
};

}  // namespace

TEST_CASE("a sentinel's TTL is at least a second and at most an hour", "[stop][sentinel]") {
  struct Row {
    genie::Milliseconds wanted;
    genie::Milliseconds used;
  };
  const Row row =
      GENERATE(Row{milliseconds(0), seconds(1)}, Row{milliseconds(-5), seconds(1)}, Row{seconds(1), seconds(1)},
               Row{seconds(7), seconds(7)}, Row{seconds(3600), seconds(3600)}, Row{seconds(86'400), seconds(3600)});
  Stop stop;
  genie::Milliseconds seen;
  stop.before(Call::signal, 1, [&] {
    genie::Sentinel sentinel;
    REQUIRE(genie::parse_sentinel(*stop.machine.disk.read_file(sentinel_path), INT64_MAX, sentinel));
    REQUIRE(sentinel.count == 1);
    seen = sentinel.stoppers[0].ttl;
  });
  CHECK(stop_by(stop.stopper, {.sentinel_ttl = row.wanted})->outcome == StopOutcome::stopped);
  CHECK(seen == row.used);
}

TEST_CASE("a directory that does not exist is nothing to stop, and no error", "[stop]") {
  Machine machine;
  const Contender stopper = machine.spawn();
  const auto receipt = stop_by(stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::not_running);
  CHECK(receipt->target == genie::ProcessIdentity{});
  CHECK_FALSE(machine.disk.exists(directory));
}

TEST_CASE("an owner that ends before it is pinned is not signalled", "[stop]") {
  Stop stop;
  const Contender command = server(stop.machine);
  REQUIRE(stop.guard.set_server(command.identity));
  Reason reason = Reason::process_gone;
  SECTION("and leaves a zombie") {
    stop.before(Call::open_process, 1, [&] { stop.owner.kill(); });
    reason = Reason::process_zombie;
  }
  SECTION("and nothing") {
    stop.before(Call::open_process, 1, [&] {
      stop.owner.kill();
      stop.owner.reap();
    });
  }
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::already_ended);
  CHECK(receipt->evidence.reason == reason);
  CHECK(stop.machine.processes.deliveries.empty());
  CHECK(stop.stopper.calls().count(Call::open_process) == 1);  // nor is its command pinned, for nothing
  CHECK_FALSE(stop.machine.disk.exists(record_path));
  CHECK(stop.stopper.process.open_count() == 0);
}

TEST_CASE("an owner whose PID is another's by the time it is pinned is not signalled", "[stop][F6]") {
  Stop stop;
  ProcessOptions stranger;
  stranger.pid = stop.owner.identity.pid;
  stop.before(Call::open_process, 1, [&] { (void)stop.machine.spawn(stranger); });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(receipt->evidence.reason == Reason::start_differs);
  CHECK(stop.machine.processes.deliveries.empty());
  CHECK(stop.stopper.process.open_count() == 0);
}

TEST_CASE("an owner of a shifted start must hold the lock, and live, when it is pinned", "[stop][F7]") {
  Stop stop;
  stop.machine.processes.shift_starts(50);
  SECTION("it has died") {
    stop.before(Call::open_process, 1, [&] { stop.owner.kill(); });
    CHECK(stop_by(stop.stopper)->outcome == StopOutcome::already_ended);
  }
  SECTION("it has given the lock up") {
    stop.before(Call::open_process, 1, [&] { stop.owner.filesystem.exec(); });
    CHECK(stop_by(stop.stopper)->outcome == StopOutcome::refused);
    CHECK(stop.owner.is_alive());
  }
  CHECK(stop.machine.processes.deliveries.empty());
}

TEST_CASE("an owner that is its own server is asked once", "[stop]") {
  Stop stop;
  REQUIRE(stop.guard.set_server(stop.owner.identity));
  CHECK(stop_by(stop.stopper)->outcome == StopOutcome::stopped);
  CHECK(signals_to(stop.machine, stop.owner, Signal::terminate) == 1);
  CHECK(stop.machine.processes.deliveries.size() == 1);
}

TEST_CASE("a guarded command that ends with its owner is not signalled", "[stop]") {
  Stop stop;
  const Contender command = server(stop.machine);
  REQUIRE(stop.guard.set_server(command.identity));
  stop.owner.process.me().reaction.on_signal = [&](Signal) { command.kill(); };
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(signals_to(stop.machine, command, Signal::terminate) == 0);
  CHECK(signals_to(stop.machine, command, Signal::kill) == 0);
  CHECK(stop.stopper.calls().count(Call::signal) == 1);
}

TEST_CASE("a guarded command that its dead owner left is ended once, whether it holds the lock or not", "[stop][F10]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  const bool holds = GENERATE(false, true);
  const bool orphans = GENERATE(false, true);
  CAPTURE(holds, orphans);
  const Contender command = holds ? child : server(stop.machine);
  REQUIRE(stop.guard.set_server(command.identity));
  stop.owner.kill();
  stop.owner.reap();
  const auto receipt = stop_by(stop.stopper, {.orphans = orphans});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->was_orphaned);
  CHECK_FALSE(command.is_alive());
  CHECK(signals_to(stop.machine, command, Signal::terminate) == 1);
  // Others that hold the lock are none of this, unless somebody says so.
  const bool is_stopped = holds || orphans;
  CHECK(child.is_alive() != is_stopped);
  CHECK(signals_to(stop.machine, child, Signal::terminate) == (is_stopped ? 1 : 0));
  REQUIRE(receipt->holder_count == (is_stopped ? 0 : 1));
  if (!is_stopped) CHECK(receipt->holders[0].pid == child.identity.pid);
}

TEST_CASE("more orphans than can be pinned at once are ended in turns", "[stop][F10]") {
  Stop stop;
  std::vector<Contender> orphans;
  for (int count = 0; count < 19; ++count) orphans.push_back(stop.machine.fork(stop.owner));
  stop.owner.kill();
  stop.owner.reap();
  SECTION("all of them") {
    const auto receipt = stop_by(stop.stopper, {.orphans = true});
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->holder_count == 0);
    for (const Contender& orphan : orphans) CHECK_FALSE(orphan.is_alive());
  }
  SECTION("one that cannot be pinned is an error") {
    stop.stopper.calls().fail(Call::open_process, EMFILE, 10);
    const auto receipt = stop_by(stop.stopper, {.orphans = true});
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == EMFILE);
    CHECK(receipt.error().operation == genie::Operation::open_process);
  }
  SECTION("one that cannot be signalled is an error") {
    stop.stopper.calls().fail(Call::signal, EPERM, 10);
    const auto receipt = stop_by(stop.stopper, {.orphans = true});
    REQUIRE_FALSE(receipt);
    CHECK(receipt.error().code == EPERM);
    CHECK(receipt.error().operation == genie::Operation::signal);
  }
  SECTION("those that end by themselves in between are none") {
    stop.before(Call::open_process, 9, [&] {
      for (const Contender& orphan : orphans) {
        orphan.kill();
        orphan.reap();
      }
    });
    const auto receipt = stop_by(stop.stopper, {.orphans = true});
    REQUIRE(receipt);
    CHECK(receipt->holder_count == 0);
    CHECK(stop.machine.processes.deliveries.size() == 8);
  }
  CHECK(stop.stopper.process.open_count() == 0);
  CHECK_FALSE(stop.machine.disk.exists(sentinel_path));
}

TEST_CASE("a cgroup that was killed is told of, though more orphans were ended after it", "[stop][cgroup][F10]") {
  Stop stop;
  std::vector<Contender> orphans;
  for (int count = 0; count < 19; ++count) orphans.push_back(stop.machine.fork(stop.owner));
  orphans[0].process.me().cgroup = "/app";
  ProcessOptions options;
  options.cgroup = "/app";
  options.reaction = stubborn();
  const Contender member = stop.machine.spawn(options);
  stop.owner.kill();
  stop.owner.reap();
  const auto receipt = stop_by(stop.stopper, {.grace = milliseconds(100), .orphans = true, .cgroup = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->killed_cgroup);
  CHECK_FALSE(member.is_alive());
  for (const Contender& orphan : orphans) CHECK_FALSE(orphan.is_alive());
}

TEST_CASE("groups that outlive their leaders are killed, and the receipt says so only if one was", "[stop]") {
  Stop stop;
  ProcessOptions options;
  options.leader = stop.owner.index();
  options.reaction = stubborn();
  const Contender member = stop.machine.spawn(options);
  SECTION("the owner's") {
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->killed_group);
    CHECK_FALSE(member.is_alive());
  }
  SECTION("the owner's, and its command's") {
    const Contender command = server(stop.machine);
    REQUIRE(stop.guard.set_server(command.identity));
    options.leader = command.index();
    (void)stop.machine.spawn(options);
    SECTION("both") { stop.stopper.calls().fail(Call::signal_group, EINTR, 2); }
    SECTION("the latter cannot be killed") { stop.stopper.calls().fail(Call::signal_group, EPERM, 4); }
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->killed_group);
    CHECK_FALSE(member.is_alive());
  }
  const auto check_left = [&](const genie::StopReceipt& receipt) {
    CHECK(receipt.outcome == StopOutcome::stopped);
    CHECK_FALSE(receipt.killed_group);
    CHECK(member.is_alive());
    CHECK(receipt.has_left);
    REQUIRE(receipt.left_count == 1);
    CHECK(receipt.left[0].pid == member.identity.pid);
    CHECK(receipt.left[0].start == member.identity.start);
    CHECK(receipt.left[0].name == genie::FixedText<31>{"server"});
  };
  SECTION("the owner's, which nobody may kill") {
    stop.stopper.calls().fail(Call::signal_group, EPERM, 2, 100);
    check_left(*stop_by(stop.stopper));
  }
  SECTION("the owner's, which nobody may ask") {
    stop.stopper.calls().fail(Call::signal_group, EPERM, 1, 100);
    const auto began = stop.machine.time.monotonic;
    check_left(*stop_by(stop.stopper));
    CHECK(stop.machine.time.monotonic - began < seconds(1));
  }
  SECTION("the owner's, of which a member is not gone in time") {
    member.process.me().reaction.kill_takes = seconds(8);
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->killed_group);
    CHECK(receipt->has_left);
    REQUIRE(receipt->left_count == 1);
    CHECK(receipt->left[0].pid == member.identity.pid);
  }
  SECTION("the owner's and its command's, and then all that there is room for are named") {
    const Contender command = server(stop.machine);
    REQUIRE(stop.guard.set_server(command.identity));
    options.reaction.kill_takes = seconds(1000);
    member.process.me().reaction.kill_takes = seconds(1000);
    options.leader = command.index();
    std::vector<Contender> others;
    for (std::size_t count = 0; count < genie::holder_capacity; ++count) others.push_back(stop.machine.spawn(options));
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->has_left);
    REQUIRE(receipt->left_count == genie::holder_capacity);
    CHECK(receipt->left[0].pid == member.identity.pid);
    for (std::size_t at = 1; at < genie::holder_capacity; ++at) {
      CHECK(receipt->left[at].pid == others[at - 1].identity.pid);
    }
  }
  SECTION("the owner's, of which a member takes its time") {
    member.process.me().reaction.kill_takes = seconds(4);
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->killed_group);
    CHECK_FALSE(receipt->has_left);
    CHECK(receipt->left_count == 0);
  }
  SECTION("the owner's, which empties just before it is killed") {
    stop.before(Call::signal_group, 2, [&] {
      member.kill();
      member.reap();
    });
    const auto receipt = stop_by(stop.stopper);
    CHECK_FALSE(receipt->killed_group);
    CHECK_FALSE(receipt->has_left);
  }
  SECTION("the owner's, of which nobody knows whether it lives") {
    member.kill();
    member.reap();
    stop.stopper.calls().fail(Call::group_lives, EMFILE);
    const auto receipt = stop_by(stop.stopper);
    CHECK_FALSE(receipt->killed_group);
    CHECK_FALSE(receipt->has_left);
  }
}

TEST_CASE("a sentinel that is no file does not keep the server running", "[stop][F15][F16]") {
  Stop stop{[] {
    Reaction reaction;
    reaction.terminate_takes = seconds(5);
    return reaction;
  }()};
  SECTION("from the beginning") { stop.machine.disk.make_fifo(sentinel_path); }
  SECTION("when it is renewed") {
    stop.machine.time.after(milliseconds(100), [&] {
      stop.machine.disk.remove(sentinel_path);
      stop.machine.disk.make_fifo(sentinel_path);
    });
  }
  const auto receipt = stop_by(stop.stopper, {.sentinel_ttl = seconds(2)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->sentinel_error == EIO);
  CHECK_FALSE(stop.owner.is_alive());
}

TEST_CASE("a record that cannot be cleaned up is left to the next claim, and the receipt says so", "[stop][F15][F18]") {
  Stop stop;
  SECTION("it is no file any more") {
    stop.once_ended(Call::try_lock, [&] {
      stop.machine.disk.remove(record_path);
      stop.machine.disk.make_fifo(record_path);
    });
  }
  SECTION("others may write it by now") {
    stop.once_ended(Call::try_lock, [&] { stop.machine.disk.set_permissions(record_path, 0666); });
  }
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->clean_up_error == EIO);
  CHECK(stop.machine.disk.exists(record_path));
}

TEST_CASE("a lock file that is replaced during a clean-up is opened anew", "[stop][F25]") {
  Stop stop;
  stop.once_ended(Call::stat_at, [&] { stop.machine.disk.replace(lock_path, ""); });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->clean_up_error == 0);
  CHECK_FALSE(stop.machine.disk.exists(record_path));
  CHECK(stop.machine.disk.open_count(stop.stopper.index()) == 0);
}

TEST_CASE("who holds the lock during a clean-up must be readable", "[stop][F16]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  child.process.me().leader = child.index();  // a session of its own: the owner's group ends without it
  stop.once_ended(Call::try_lock, [&] { stop.stopper.calls().fail(Call::query_lock, EIO); });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->clean_up_error == EIO);
  CHECK(child.is_alive());
}

TEST_CASE("the orphans of a newcomer that has come and gone are not the target's", "[stop][F27]") {
  Stop stop;
  const Contender newcomer = stop.machine.spawn();
  Guard other = guard_of(newcomer);
  stop.once_ended(Call::try_lock, [&] {
    CHECK(other.claim()->owned());
    (void)stop.machine.fork(newcomer);
    newcomer.kill();
  });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->successor == newcomer.identity);
  CHECK(receipt->holder_count == 0);
  CHECK(stop.machine.processes.deliveries.size() == 1);
}

TEST_CASE("what a dead owner left under a copied lock file is removed, and the generation goes on", "[stop]") {
  Machine machine;
  (void)crashed_owner(machine);
  const std::string content = *machine.disk.read_file(lock_path);
  machine.disk.replace(lock_path, content);
  CHECK(stop_by(machine.spawn())->outcome == StopOutcome::cleaned);
  CHECK_FALSE(machine.disk.exists(record_path));
  LockRecord record;
  REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
          genie::LockRecordKind::valid);
  CHECK(record.generation == 1);
  CHECK(record.phase == genie::Phase::released);
  CHECK(record.origin.boot == genie::BootId{genie::Text{machine.processes.boot}});
  CHECK(record.port_name == genie::PortFileName{"pgserve.port"});
  CHECK(record.lock == machine.disk.stat(lock_path)->id);
  CHECK(guard_of(machine.spawn()).claim()->generation == 2);
}

TEST_CASE("an entry of another stopper counts for its own target, boot and namespace only", "[stop][sentinel][F19]") {
  Stop stop;
  const Contender other = stop.machine.spawn();
  genie::Sentinel sentinel;
  sentinel.count = 1;
  genie::Stopper& entry = sentinel.stoppers[0];
  entry.stopper = other.identity;
  entry.origin = stop.stopper.process.origin();
  entry.target = stop.owner.identity;
  entry.ttl = seconds(30);
  entry.wall_until = stop.machine.time.wall + entry.ttl;
  entry.monotonic_until = stop.machine.time.monotonic + entry.ttl;
  bool joins = false;
  SECTION("the same target, a living stopper") { joins = true; }
  SECTION("another target") { entry.target.start = genie::known_start(7); }
  SECTION("another boot") { entry.origin.boot = genie::BootId{"another"}; }
  SECTION("another namespace") { entry.origin.pid_namespace = 7; }
  SECTION("a dead stopper") { other.kill(); }
  SECTION("an older program that names a target") { entry.stopper = {}; }
  SECTION("one with our PID, start and number, but of another boot") {
    entry.stopper = stop.stopper.identity;
    entry.origin.boot = genie::BootId{"another"};
  }
  stop.machine.disk.write_file(sentinel_path, encode_sentinel(sentinel).c_str());
  stop.owner.process.me().reaction.ignores_terminate = true;
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(1)});
  REQUIRE(receipt);
  CHECK(receipt->joined == joins);
  CHECK(receipt->sent_terminate == !joins);
  CHECK(signals_to(stop.machine, stop.owner, Signal::terminate) == (joins ? 0 : 1));
  // Its entry is its own to take out.
  REQUIRE(stop.machine.disk.exists(sentinel_path));
  genie::Sentinel left;
  REQUIRE(genie::parse_sentinel(*stop.machine.disk.read_file(sentinel_path), INT64_MAX, left));
  REQUIRE(left.count == 1);
  CHECK(left.stoppers[0].stopper == entry.stopper);
}

TEST_CASE("a lock file that is replaced while a stopper enters is opened anew", "[stop][sentinel][F25]") {
  Stop stop;
  bool replaced = false;
  stop.stopper.calls().before_call = [&](const CallEvent& event) {
    // The stopper's byte is the only one that is locked while the owner lives.
    if (replaced || event.call != Call::stat_at || stop.stopper.calls().count(Call::try_lock) == 0) return;
    replaced = true;
    stop.machine.disk.replace(lock_path, *stop.machine.disk.read_file(lock_path));
  };
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(replaced);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->sentinel_error == 0);
  CHECK_FALSE(stop.machine.disk.exists(sentinel_path));
  CHECK(stop.machine.disk.open_count(stop.stopper.index()) == 0);
}

TEST_CASE("an entry's remaining time is bounded by its TTL, and the TTL by an hour", "[sentinel][F20]") {
  const genie::ProcessOrigin here{genie::BootId{"here"}, 7};
  genie::Stopper entry;
  entry.stopper = {100, genie::known_start(5)};
  entry.origin = here;
  const auto remaining = [&](genie::Milliseconds ttl, genie::Milliseconds monotonic, genie::Milliseconds wall) {
    entry.ttl = ttl;
    entry.monotonic_until = seconds(1000) + monotonic;
    entry.wall_until = seconds(5000) + wall;
    return genie::detail::remaining_of(entry, here, seconds(5000), seconds(1000), seconds(30));
  };
  CHECK(remaining(seconds(60), seconds(60), seconds(1)) == seconds(60));
  CHECK(remaining(seconds(60), seconds(61), seconds(1)) == seconds(1));   // another clock: the wall decides
  CHECK(remaining(seconds(60), seconds(61), seconds(61)) == seconds(0));  // which was set back
  CHECK(remaining(seconds(86'400), seconds(3600), seconds(1)) == seconds(3600));
  CHECK(remaining(seconds(86'400), seconds(3601), seconds(3601)) == seconds(0));
  CHECK(remaining(seconds(86'400), seconds(3601), seconds(3600)) == seconds(3600));
  CHECK(remaining(seconds(60), seconds(0), seconds(30)) == seconds(0));
  CHECK(remaining(seconds(60), seconds(-5), seconds(30)) == seconds(0));
  CHECK(remaining(seconds(60), milliseconds(1), seconds(30)) == milliseconds(1));
}

TEST_CASE("an entry that is ours but for the boot is not ours", "[stop][sentinel]") {
  Reaction slow;
  slow.terminate_takes = seconds(5);
  Stop stop{slow};
  const genie::BootId another{"another"};
  stop.machine.time.after(milliseconds(100), [&] {
    genie::Sentinel sentinel;
    REQUIRE(genie::parse_sentinel(*stop.machine.disk.read_file(sentinel_path), INT64_MAX, sentinel));
    REQUIRE(sentinel.count == 1);
    sentinel.stoppers[0].origin.boot = another;
    sentinel.stoppers[0].ttl = seconds(60);
    sentinel.stoppers[0].wall_until = stop.machine.time.wall + seconds(60);
    stop.machine.disk.write_file(sentinel_path, encode_sentinel(sentinel).c_str());
  });
  CHECK(stop_by(stop.stopper, {.sentinel_ttl = seconds(2)})->outcome == StopOutcome::stopped);
  REQUIRE(stop.machine.disk.exists(sentinel_path));
  genie::Sentinel left;
  REQUIRE(genie::parse_sentinel(*stop.machine.disk.read_file(sentinel_path), INT64_MAX, left));
  REQUIRE(left.count == 1);
  CHECK(left.stoppers[0].origin.boot == another);
}

TEST_CASE("a newcomer that owns the directory before it is cleaned up is named, and not touched", "[stop][F27]") {
  Stop stop;
  const Contender newcomer = stop.machine.spawn();
  Guard other = guard_of(newcomer);
  stop.once_ended(Call::try_lock, [&] { CHECK(other.claim()->owned()); });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == stop.owner.identity);
  CHECK(receipt->successor == newcomer.identity);
  CHECK(newcomer.is_alive());
  CHECK(other.verify() == genie::Ownership::held);
}

TEST_CASE("an older program that starts before the clean-up is named, and not touched", "[stop][F27]") {
  Stop stop;
  const Contender older = stop.machine.spawn();
  stop.once_ended(Call::try_lock, [&] { stop.machine.disk.replace(record_path, text_of(older.identity)); });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->successor == older.identity);
  CHECK(older.is_alive());
  CHECK(stop.machine.disk.read_file(record_path) == text_of(older.identity));
}

TEST_CASE("a claim in progress is waited for, and then stopped", "[stop]") {
  Machine machine;
  const Contender starter = machine.spawn();
  Guard guard = guard_of(starter);
  const Contender stopper = machine.spawn();
  machine.disk.make_directory(directory);
  genie::testing::MemoryFilesystem files = starter.filesystem;
  const auto lock = files.open({}, lock_path, genie::OpenMode::ensure, 0600);
  REQUIRE(files.try_lock(lock.value, genie::detail::owner_byte, 2).ok());
  bool has_claimed = false;
  machine.time.after(milliseconds(500), [&] {
    files.close(lock.value);
    has_claimed = guard.claim()->owned();
  });
  const auto receipt = stop_by(stopper);
  CHECK(has_claimed);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->target == starter.identity);
  CHECK(signals_to(machine, starter, Signal::terminate) == 1);
}

TEST_CASE("a target that ends just before it is killed has ended", "[stop]") {
  Stop stop{stubborn()};
  stop.stopper.calls().fail(Call::signal, ESRCH, 2);
  stop.before(Call::signal, 2, [&] { stop.owner.kill(); });
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(1)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK(receipt->successor == genie::ProcessIdentity{});
  CHECK_FALSE(stop.machine.disk.exists(record_path));
}

TEST_CASE("an owner that ends between being pinned and being signalled has ended by itself", "[stop]") {
  Stop stop;
  stop.before(Call::signal, 1, [&] {
    stop.owner.kill();
    stop.owner.reap();
  });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::already_ended);
  CHECK_FALSE(receipt->sent_terminate);
  CHECK(stop.machine.processes.deliveries.empty());
}

TEST_CASE("a killed target may take its time to be gone", "[stop]") {
  Reaction reaction = stubborn();
  reaction.kill_takes = seconds(2);
  Stop stop{reaction};
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(1), .kill_wait = seconds(5)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK(receipt->took == seconds(3));
}

TEST_CASE("a start that a stop prevents says whose it is", "[stop][sentinel]") {
  Stop stop;
  bool was_refused = false;
  stop.before(Call::signal, 1, [&] {
    const auto report = guard_of(stop.machine.spawn()).claim({.mode = genie::ClaimMode::automatic});
    was_refused = report && report->outcome == genie::ClaimOutcome::stopping;
    CHECK(report->stop.stopper == stop.stopper.identity);
    CHECK(report->stop.target == stop.owner.identity);
    CHECK(report->evidence.recorded == stop.stopper.identity);
    CHECK(report->evidence.reason == Reason::stop_sentinel);
  });
  CHECK(stop_by(stop.stopper)->outcome == StopOutcome::stopped);
  CHECK(was_refused);
}

TEST_CASE("a lock whose holders cannot be seen is refused, unless something else can be ended", "[stop][F10]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  child.process.me().user = 2000;  // neither its descriptors nor its signals are ours
  const Contender command = server(stop.machine);
  SECTION("nothing can") {
    stop.owner.kill();
    stop.owner.reap();
    const auto receipt = stop_by(stop.stopper, {.orphans = true});
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::refused);
    CHECK(receipt->was_orphaned);
    CHECK(receipt->evidence.reason == Reason::owner_gone);
    CHECK(receipt->holder_count == 0);
    CHECK_FALSE(stop.machine.disk.exists(sentinel_path));
    CHECK(stop.stopper.calls().count(Call::rename) == 0);  // nor did one ever stand
    CHECK(stop.machine.disk.exists(record_path));
  }
  SECTION("the guarded command can") {
    REQUIRE(stop.guard.set_server(command.identity));
    stop.owner.kill();
    stop.owner.reap();
    const auto receipt = stop_by(stop.stopper);
    REQUIRE(receipt);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->was_orphaned);
    CHECK_FALSE(command.is_alive());
  }
  CHECK(child.is_alive());
}

TEST_CASE("orphans that end before they are pinned have ended by themselves", "[stop][F10]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  stop.owner.kill();
  stop.owner.reap();
  stop.before(Call::open_process, 1, [&] {
    child.kill();
    child.reap();
  });
  const auto receipt = stop_by(stop.stopper, {.orphans = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::already_ended);
  CHECK(receipt->was_orphaned);
  CHECK(stop.machine.processes.deliveries.empty());
  CHECK_FALSE(stop.machine.disk.exists(record_path));
}

TEST_CASE("the last orphan of many is asked like the others, and each is pinned and let go once", "[stop][F10]") {
  Stop stop;
  std::vector<Contender> orphans;
  for (int count = 0; count < 17; ++count) orphans.push_back(stop.machine.fork(stop.owner));
  stop.machine.processes.processes[orphans.back().index()].reaction.terminate_takes = milliseconds(40);
  stop.owner.kill();
  stop.owner.reap();
  const auto receipt = stop_by(stop.stopper, {.orphans = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->holder_count == 0);
  CHECK_FALSE(receipt->sent_kill);
  CHECK(receipt->took >= milliseconds(40));
  for (const Contender& orphan : orphans) {
    CHECK_FALSE(orphan.is_alive());
    CHECK(signals_to(stop.machine, orphan, Signal::terminate) == 1);
  }
  CHECK(stop.stopper.calls().count(Call::open_process) == 17);
  CHECK(stop.stopper.calls().count(Call::close_process) == 17);
}

TEST_CASE("an orphan that has the PID of one that was just ended is ended, too", "[stop][F6][F10]") {
  Stop stop;
  std::vector<Contender> orphans;
  for (int count = 0; count < 9; ++count) {
    orphans.push_back(stop.machine.fork(stop.owner));
    orphans.back().process.me().leader = orphans.back().index();
  }
  stop.owner.kill();
  stop.owner.reap();
  // The ninth does not fit into the first turn. Just before the second, it forks and ends.
  std::optional<Contender> heir;
  stop.before(Call::lock_holders, 2, [&] {
    ProcessOptions options;
    options.pid = orphans[0].identity.pid;
    heir = stop.machine.spawn(options);
    genie::testing::MemoryFilesystem{orphans[8].filesystem}.fork_into(heir->filesystem);
    orphans[8].kill();
    orphans[8].reap();
  });
  const auto receipt = stop_by(stop.stopper, {.orphans = true});
  REQUIRE(heir);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->holder_count == 0);
  CHECK_FALSE(heir->is_alive());
  CHECK_FALSE(stop.machine.disk.exists(record_path));
}

TEST_CASE("orphans that each leave another one are ended so often, and then said to be there", "[stop][F10]") {
  Stop stop;
  std::vector<Contender> orphans;
  std::function<void(const Contender&)> bear = [&](const Contender& parent) {
    const Contender orphan = stop.machine.fork(parent);
    orphans.push_back(orphan);
    Reaction& reaction = orphan.process.me().reaction;
    orphan.process.me().leader = orphan.index();
    reaction.on_signal = [&, at = orphans.size() - 1](Signal) { bear(Contender{orphans[at]}); };
  };
  bear(stop.owner);
  stop.owner.kill();
  stop.owner.reap();
  const auto receipt = stop_by(stop.stopper, {.orphans = true});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->was_orphaned);
  CHECK_FALSE(receipt->sent_kill);
  CHECK(orphans.size() == 33);
  for (std::size_t at = 0; at < orphans.size(); ++at) CHECK(orphans[at].is_alive() == (at == 32));
  // The lock is held, and the receipt names by whom.
  REQUIRE(receipt->holder_count == 1);
  CHECK(receipt->holders[0].pid == orphans[32].identity.pid);
  CHECK(stop.machine.disk.exists(record_path));
  CHECK_FALSE(stop.machine.disk.exists(sentinel_path));
  CHECK(stop.stopper.process.open_count() == 0);
  CHECK(stop.machine.disk.open_count(stop.stopper.index()) == 0);
}

TEST_CASE("whoever inherited the lock and has the guarded command's PID, but not its start, is not signalled",
          "[stop][F6][F10]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  child.process.me().leader = child.index();
  genie::ProcessIdentity another = child.identity;
  ++another.start.value;
  REQUIRE(stop.guard.set_server(another));
  StopOutcome outcome = StopOutcome::stopped;
  SECTION("while the owner lives") {}
  SECTION("once it has gone") {
    stop.owner.kill();
    outcome = StopOutcome::orphans_left;
  }
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == outcome);
  CHECK(child.is_alive());
  CHECK(receipt->holder_count == 1);
  CHECK(receipt->holders[0].pid == child.identity.pid);
}

TEST_CASE("a guarded command that takes its time is asked once, though it holds its dead owner's lock", "[stop][F10]") {
  Stop stop;
  const Contender command = stop.machine.fork(stop.owner);
  command.process.me().reaction.terminate_takes = milliseconds(300);
  REQUIRE(stop.guard.set_server(command.identity));
  stop.owner.kill();
  stop.owner.reap();
  const auto receipt = stop_by(stop.stopper, {.orphans = GENERATE(false, true)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->took == milliseconds(300));
  CHECK(signals_to(stop.machine, command, Signal::terminate) == 1);
  CHECK(stop.stopper.calls().count(Call::open_process) == 1);
}

TEST_CASE("a released lock that somebody invisible still holds is waited for", "[stop][F10]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  child.process.me().user = 2000;
  REQUIRE(stop.guard.release());
  const auto began = stop.machine.time.monotonic;
  SECTION("until it is let go") {
    stop.machine.time.after(milliseconds(500), [&] { child.kill(); });
    CHECK(stop_by(stop.stopper)->outcome == StopOutcome::not_running);
    CHECK(stop.machine.time.monotonic - began >= milliseconds(500));
  }
  SECTION("as long as `settle` says") {
    CHECK(stop_by(stop.stopper, {.settle = milliseconds(700)})->outcome == StopOutcome::refused);
    CHECK(stop.machine.time.monotonic - began == milliseconds(700));
  }
}

TEST_CASE("a holder that cannot be told is refused with the reason", "[stop][F7]") {
  Stop stop;
  stop.machine.processes.shift_starts(50);
  stop.owner.process.me().user = 2000;  // the kernel does not show us what it holds
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::refused);
  CHECK(receipt->evidence.reason == Reason::lock_held_unverified);
  CHECK(stop.stopper.calls().count(Call::open_process) == 0);
  CHECK(stop.owner.is_alive());
}

TEST_CASE("the sentinel is written at the beginning and whenever half its time is over", "[stop][sentinel][F20]") {
  Reaction slow;
  slow.terminate_takes = seconds(12);
  Stop stop{slow};
  std::vector<genie::Milliseconds> written;
  const auto began = stop.machine.time.monotonic;
  stop.stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::rename && event.name == genie::Text{"serve.stopping.tmp"}) {
      written.push_back(stop.machine.time.monotonic - began);
    }
  };
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(40), .sentinel_ttl = seconds(10)});
  REQUIRE(receipt);
  CHECK(receipt->took == seconds(12));
  CHECK(written == std::vector<genie::Milliseconds>{seconds(0), seconds(5), seconds(10)});
  CHECK(stop.stopper.calls().count(Call::wait_process) == 3);  // it sleeps in the kernel in between
}

TEST_CASE("a sentinel that cannot be written is told by its errno", "[stop][sentinel][F16]") {
  Stop stop;
  int code = EPERM;
  SECTION("that of the call") { stop.stopper.calls().fail(Call::rename, EPERM); }
  SECTION("EIO where no call has failed") {
    stop.machine.disk.make_fifo(sentinel_path);
    code = EIO;
  }
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->sentinel_error == code);
  CHECK(receipt->sent_terminate);
  CHECK_FALSE(receipt->joined);
}

TEST_CASE("a group is given the grace period, looked at ever more rarely, and killed when it is over", "[stop]") {
  Stop stop;
  ProcessOptions options;
  options.leader = stop.owner.index();
  const auto began = stop.machine.time.monotonic;
  SECTION("it ends in time") {
    options.reaction.terminate_takes = milliseconds(100);
    const Contender member = stop.machine.spawn(options);
    const auto receipt = stop_by(stop.stopper);
    CHECK_FALSE(receipt->killed_group);
    CHECK_FALSE(member.is_alive());
    CHECK(signals_to(stop.machine, member, Signal::kill) == 0);
    CHECK(stop.machine.time.monotonic - began < milliseconds(200));
  }
  SECTION("it does not") {
    options.reaction = stubborn();
    const Contender member = stop.machine.spawn(options);
    // 1 + 2 + 4 + … + 64 ms: the last pause ends with the grace period.
    const auto receipt = stop_by(stop.stopper, {.grace = milliseconds(127)});
    CHECK(receipt->killed_group);
    CHECK_FALSE(member.is_alive());
    CHECK(stop.machine.time.monotonic - began == milliseconds(127));
    CHECK(stop.stopper.calls().count(Call::group_lives) == 10);
  }
}

TEST_CASE("the sentinel stands for as long as a group takes", "[stop][sentinel]") {
  Stop stop;
  ProcessOptions options;
  options.leader = stop.owner.index();
  options.reaction = stubborn();
  (void)stop.machine.spawn(options);
  int times = 0;
  // Longer than its TTL: it must be renewed.
  for (const genie::Milliseconds at : {milliseconds(1500), milliseconds(2500), milliseconds(3500)}) {
    stop.machine.time.after(at, [&] {
      ++times;
      CHECK(guard_of(stop.machine.spawn()).status()->stop.standing);
    });
  }
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(4), .sentinel_ttl = seconds(2)});
  CHECK(receipt->killed_group);
  CHECK(times == 3);
}

TEST_CASE("a group whose leader had to be killed is killed with it", "[stop]") {
  Stop stop{stubborn()};
  ProcessOptions options;
  options.leader = stop.owner.index();
  options.reaction = stubborn();
  const Contender member = stop.machine.spawn(options);
  const auto receipt = stop_by(stop.stopper, {.grace = seconds(1)});
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::killed);
  CHECK_FALSE(receipt->killed_group);  // none was left
  CHECK(signals_to(stop.machine, member, Signal::kill) == 1);
  CHECK(signals_to(stop.machine, member, Signal::terminate) == 0);
}

TEST_CASE("a process that leads no group has none signalled when it is killed", "[stop]") {
  Stop stop{stubborn()};
  const Contender shell = stop.machine.spawn();
  stop.owner.process.me().leader = shell.index();
  CHECK(stop_by(stop.stopper, {.grace = seconds(1)})->outcome == StopOutcome::killed);
  CHECK(stop.stopper.calls().count(Call::signal_group) == 0);
  CHECK(shell.is_alive());
}

TEST_CASE("a clean-up writes to the lock file that is there, and makes none where it was removed", "[stop][F25]") {
  Stop stop;
  LockRecord record;
  SECTION("replaced") {
    stop.once_ended(Call::stat_at, [&] { stop.machine.disk.replace(lock_path, ""); });
    CHECK(stop_by(stop.stopper)->clean_up_error == 0);
    CHECK_FALSE(stop.machine.disk.exists(record_path));
    REQUIRE(genie::parse_lock_record(*stop.machine.disk.read_file(lock_path), INT64_MAX, record) ==
            genie::LockRecordKind::valid);
    CHECK(record.phase == genie::Phase::released);
    CHECK(record.lock == stop.machine.disk.stat(lock_path)->id);
    CHECK(record.generation == 0);  // the new file knows of none
    CHECK(guard_of(stop.machine.spawn()).claim()->generation == 1);
  }
  SECTION("removed") {
    stop.once_ended(Call::stat_at, [&] { stop.machine.disk.remove(lock_path); });
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->clean_up_error == 0);
    CHECK(stop.stopper.calls().count(Call::create_unnamed) == 0);
    CHECK(stop.machine.disk.exists(record_path));  // without the lock, nobody may tell whose it is
    CHECK(guard_of(stop.machine.spawn()).claim()->owned());
  }
  SECTION("removed with its directory") {
    stop.once_ended(Call::open, [&] { stop.machine.disk.remove(directory); });
    const auto receipt = stop_by(stop.stopper);
    CHECK(receipt->outcome == StopOutcome::stopped);
    CHECK(receipt->clean_up_error == 0);
    CHECK_FALSE(stop.machine.disk.exists(directory));
  }
}

TEST_CASE("holders that end while a clean-up waits for them are not named beside a newcomer", "[stop][F27]") {
  Stop stop;
  const Contender child = stop.machine.fork(stop.owner);
  child.process.me().leader = child.index();
  const Contender newcomer = stop.machine.spawn();
  Guard other = guard_of(newcomer);
  stop.machine.time.after(milliseconds(100), [&] {
    child.kill();
    CHECK(other.claim()->owned());
  });
  const auto receipt = stop_by(stop.stopper);
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::stopped);
  CHECK(receipt->successor == newcomer.identity);
  CHECK(receipt->holder_count == 0);
  CHECK(other.verify() == genie::Ownership::held);
}

TEST_CASE("a record that a killed stop had judged dead is dead for the next claim, whoever has its PID by then",
          "[stop][crash][F6]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "4711:unknown");
  const Contender stopper = machine.spawn();
  stopper.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::unlink && event.name.ends_with(".tmp")) stopper.kill();
  };
  (void)stop_by(stopper);
  REQUIRE_FALSE(stopper.is_alive());
  stopper.reap();
  REQUIRE_FALSE(machine.disk.exists(record_path));
  REQUIRE(strangers(machine).size() == 1);
  ProcessOptions options;
  options.pid = 4711;
  const Contender stranger = machine.spawn(options);
  CHECK(guard_of(machine.spawn()).claim()->owned());
  CHECK(strangers(machine).empty());
  CHECK(stranger.is_alive());
}

TEST_CASE("a record without a start time proves no owner to a stop, nor does one that was moved aside", "[stop]") {
  Machine machine;
  ProcessOptions options;
  options.pid = 4711;
  const Contender stranger = machine.spawn(options);
  SECTION("under the record's name") {
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "4711");
  }
  SECTION("under a temporary name, left by a killed claim") {
    (void)crashed_owner(machine);
    LockRecord record;
    REQUIRE(genie::parse_lock_record(*machine.disk.read_file(lock_path), INT64_MAX, record) ==
            genie::LockRecordKind::valid);
    record.phase = genie::Phase::claiming;
    record.temporary = 1;
    machine.disk.write_file(lock_path, encode_lock_record(record).c_str());
    machine.disk.write_file("/tmp/state/serve.0000000000000001.tmp", "4711");
  }
  const auto receipt = stop_by(machine.spawn());
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::cleaned);
  CHECK(receipt->successor == genie::ProcessIdentity{});
  CHECK_FALSE(machine.disk.exists(record_path));
  CHECK(strangers(machine).empty());
  CHECK(stranger.is_alive());
}

TEST_CASE("a dead owner's record that nobody may write is removed all the same", "[stop]") {
  Machine machine;
  (void)crashed_owner(machine);
  machine.disk.set_permissions(record_path, 0400);
  const auto receipt = stop_by(machine.spawn());
  REQUIRE(receipt);
  CHECK(receipt->outcome == StopOutcome::cleaned);
  CHECK_FALSE(machine.disk.exists(record_path));
}

TEST_CASE("a bare PID that a killed claim had put aside is stale to whoever cleans up, whoever has come meanwhile",
          "[stop][older][crash]") {
  int tried = 0;
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Machine machine;
    const Contender bare = machine.spawn();
    const Contender claimant = machine.spawn();
    machine.disk.make_directory(directory);
    machine.disk.write_file(record_path, "99:1");
    claimant.calls().before_call = [&](const CallEvent& event) {
      if (event.call == Call::exchange) machine.disk.replace(record_path, std::to_string(bare.identity.pid));
    };
    claimant.kill_before_call(at);
    (void)guard_of(claimant).claim();
    if (claimant.is_alive()) break;
    claimant.reap();
    const std::vector<std::string> left = strangers(machine);
    if (left.size() != 1) continue;
    if (machine.disk.read_file(std::string{directory} + "/" + left[0]) != std::to_string(bare.identity.pid)) continue;
    ++tried;
    const Contender target = machine.spawn();
    const Contender newcomer = machine.spawn();
    const Contender stopper = machine.spawn();
    machine.disk.replace(record_path, text_of(target.identity));
    bool has_come = false;
    stopper.calls().before_call = [&](const CallEvent&) {
      if (has_come || target.is_alive()) return;
      has_come = true;
      machine.disk.replace(record_path, text_of(newcomer.identity));
    };
    const auto receipt = guard_of(stopper).stop();
    REQUIRE(receipt);
    CHECK(has_come);
    CHECK(receipt->successor == newcomer.identity);
    CHECK(machine.disk.read_file(record_path) == text_of(newcomer.identity));
    CHECK(strangers(machine).empty());
  }
  CHECK(tried > 0);
}

}  // namespace tests::stop_situations_test
