// What a record proves of the process that it names, beyond what a claim's start states show.
#include "support.hpp"

#include <string>

#include "catch.hpp"

namespace tests::judge_test {

using namespace tests;
using genie::BootId;
using genie::ClaimOptions;
using genie::FileInfo;
using genie::known_start;
using genie::LockRecord;
using genie::Phase;
using genie::PidRecord;
using genie::PidRecordKind;
using genie::Reason;
using genie::testing::ProcessOptions;

TEST_CASE("a lock's record proves the death of exactly those that it names", "[judge]") {
  const BootId boot{"this boot"};
  LockRecord lock;
  lock.owner = {4711, known_start(991)};
  lock.origin.boot = boot;
  lock.phase = Phase::running;
  lock.record = {132, 1000};
  lock.judged = {815, known_start(7)};
  lock.judged_record = {77, 2000};

  FileInfo published;
  published.id.inode = 132;
  published.changed_ns = 1000;
  FileInfo other = published;
  other.id.inode = 133;
  const auto proves = [&](const LockRecord& by, const genie::ProcessIdentity& owner, const FileInfo& file,
                          const BootId& now) {
    PidRecord record;
    record.kind = owner.start.known ? PidRecordKind::known_start : PidRecordKind::unknown_start;
    record.owner = owner;
    return genie::detail::lock_proves_dead(by, record, file, now);
  };

  CHECK(proves(lock, lock.owner, published, boot));
  CHECK(proves(lock, lock.owner, other, boot));                      // its start tells, of this boot
  CHECK_FALSE(proves(lock, lock.owner, other, BootId{"the next"}));  // which says nothing of another boot
  CHECK(proves(lock, lock.owner, published, BootId{"the next"}));    // but the very file does
  CHECK_FALSE(proves(lock, {4711, known_start(992)}, published, boot));
  CHECK_FALSE(proves(lock, {}, published, boot));

  LockRecord unknown = lock;
  unknown.owner.start = {};
  FileInfo changed = published;
  changed.changed_ns = 1001;
  CHECK(proves(unknown, unknown.owner, published, boot));
  CHECK_FALSE(proves(unknown, unknown.owner, other, boot));
  CHECK_FALSE(proves(unknown, unknown.owner, changed, boot));
  unknown.phase = Phase::claiming;  // while it is published its time stamp changes
  CHECK(proves(unknown, unknown.owner, changed, boot));
  unknown.phase = Phase::released;  // and while it is withdrawn
  CHECK(proves(unknown, unknown.owner, changed, boot));
  unknown.phase = Phase::starting;
  CHECK_FALSE(proves(unknown, unknown.owner, changed, boot));
  unknown.record.changed_ns = 0;  // restored, and the stamp not yet known
  CHECK(proves(unknown, unknown.owner, changed, boot));

  FileInfo judged;
  judged.id.inode = 77;
  CHECK(proves(lock, lock.judged, judged, BootId{"the next"}));
  CHECK_FALSE(proves(lock, lock.judged, published, boot));
  CHECK_FALSE(proves(lock, {815, known_start(8)}, judged, boot));
  lock.judged = {};
  CHECK_FALSE(proves(lock, {}, judged, boot));

  lock.owner.pid = 1;  // the first process of a container
  CHECK(proves(lock, lock.owner, published, boot));
}

TEST_CASE("a trusted legacy record of a PID that is free is stale all the same", "[judge]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, "4711");
  ClaimOptions trusting;
  trusting.trust_legacy = true;
  const Contender fresh = machine.spawn();
  Guard guard = guard_of(fresh);
  const genie::Milliseconds began = machine.time.monotonic;
  const auto report = guard.claim(trusting);
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::legacy_record);
  CHECK(machine.time.monotonic == began);  // nothing to wait for
}

TEST_CASE("a legacy record proves nothing to those who only look, even if its PID is taken", "[judge][status]") {
  Machine machine;
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, std::to_string(machine.spawn().identity.pid));
  Guard guard = guard_of(machine.spawn());
  CHECK(guard.running().value() == false);
  CHECK(guard.status()->state == genie::ServerState::stale);
  CHECK(guard.status()->evidence.reason == Reason::legacy_record);
}

TEST_CASE("a record that begins like one and is too long is garbage", "[judge]") {
  Machine machine;
  const Contender older = machine.spawn();
  machine.disk.make_directory(directory);
  const std::string record = text_of(older.identity);
  const std::size_t room = genie::pid_record_capacity - record.size();
  Guard guard = guard_of(machine.spawn());
  machine.disk.write_file(record_path, record + std::string(room, ' '));
  CHECK(guard.status()->state == genie::ServerState::running);
  machine.disk.write_file(record_path, record + std::string(room + 1, ' '));
  CHECK(guard.status()->state == genie::ServerState::stale);
  CHECK(guard.status()->evidence.reason == Reason::garbage_record);
}

TEST_CASE("a record whose process cannot be seen is left alone, and the report says why", "[judge][status]") {
  Machine machine;
  ProcessOptions options;
  options.visibility = genie::testing::Visibility::hidden;
  const Contender older = machine.spawn(options);
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, text_of(older.identity));
  Guard guard = guard_of(machine.spawn());
  CHECK(guard.status()->state == genie::ServerState::unknown);
  CHECK(guard.status()->evidence.reason == Reason::liveness_unknown);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->outcome == genie::ClaimOutcome::contended);
  CHECK(report->owner == older.identity);
  CHECK(report->evidence.reason == Reason::liveness_unknown);
}

TEST_CASE("a record of the claimant itself that nobody has locked is stale", "[judge][claim]") {
  Machine machine;
  machine.disk.make_directory(directory);
  const Contender fresh = machine.spawn();
  machine.disk.write_file(record_path, text_of(fresh.identity));
  const auto began = machine.time.monotonic;
  Guard guard = guard_of(fresh);
  CHECK(guard.status()->state == genie::ServerState::stale);
  CHECK(guard.status()->evidence.reason == Reason::own_leftover);
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.reason == Reason::own_leftover);
  CHECK(machine.time.monotonic == began);
}

}  // namespace tests::judge_test
