// What a power cut takes of what was not synced, and what genie makes of the rest.
#include <string>
#include <vector>

#include "../support.hpp"
#include "catch.hpp"

namespace tests::power_cut_test {

using genie::ClaimOptions;
using genie::OpenMode;
using genie::testing::ContentLoss;
using genie::testing::ManualTime;
using genie::testing::MemoryDisk;
using genie::testing::MemoryFilesystem;
using genie::testing::PowerCut;
using tests::Contender;
using tests::Guard;
using tests::guard_of;
using tests::Machine;

namespace {

using File = MemoryFilesystem::File;

struct Fixture {
  ManualTime time;
  MemoryDisk disk;
  MemoryFilesystem files{disk, time, 1};
  File dir;

  Fixture() {
    disk.make_directory("/state");
    disk.write_file("/state/old", "old");
    disk.tracks_durability = true;
    dir = files.open_directory("/state").value;
  }
  File open(const char* name) {
    const auto file = files.open(dir, name, OpenMode::ensure, 0600);
    CHECK(file.ok());
    return file.value;
  }
  void write(File file, const std::string& text) {
    CHECK(files.write_at(file, text.data(), text.size(), 0).value == text.size());
  }
  void sync_directory() {
    const File readable = files.open(dir, ".", OpenMode::read, 0).value;
    CHECK(files.sync(readable).ok());
    files.close(readable);
  }
  [[nodiscard]] MemoryDisk after(const PowerCut& cut) const {
    MemoryDisk copy = disk;
    copy.cut_power(cut);
    CHECK(copy.open_count(1) == 0);
    CHECK(copy.unsynced == MemoryDisk::Unsynced{});
    return copy;
  }
  [[nodiscard]] std::vector<std::string> names_after(std::size_t kept) const {
    return after({ContentLoss::none, kept}).names("/state");
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Fixture, "a power cut loses content since the last sync of its file, or the whole file") {
  const File old = open("old");
  const File fresh = open("new");
  write(old, "OLDER");
  write(fresh, "new");
  CHECK(after({}).read_file("/state/old") == "OLDER");
  CHECK(after({ContentLoss::since_sync}).read_file("/state/old") == "old");
  CHECK(after({ContentLoss::since_sync}).read_file("/state/new") == "");
  CHECK(after({ContentLoss::whole_file}).read_file("/state/old") == "");
  CHECK(files.sync(old).ok());
  write(fresh, "newer");
  CHECK(after({ContentLoss::whole_file}).read_file("/state/old") == "OLDER");
  CHECK(files.sync(fresh).ok());
  CHECK(after({ContentLoss::since_sync}).read_file("/state/new") == "newer");
  write(fresh, "N");
  CHECK(after({ContentLoss::since_sync}).read_file("/state/new") == "newer");
}

TEST_CASE_METHOD(Fixture, "a power cut undoes operations on names from the last one on, each as a whole") {
  files.close(open("a"));
  CHECK(files.rename(dir, "a", "old").ok());
  files.close(open("b"));
  CHECK(files.exchange(dir, "old", "b").ok());
  CHECK(files.unlink(dir, "b").ok());
  const auto number = [&](std::size_t kept, const char* path) {
    const auto info = after({ContentLoss::none, kept}).stat(path);
    return info ? info->id.inode : 0;
  };
  CHECK(names_after(0) == Names{"old"});
  CHECK(after({ContentLoss::none, 0}).read_file("/state/old") == "old");
  CHECK(names_after(1) == Names{"a", "old"});
  CHECK(names_after(2) == Names{"old"});
  CHECK(after({ContentLoss::none, 2}).read_file("/state/old") == "");
  CHECK(names_after(3) == Names{"b", "old"});
  CHECK(number(3, "/state/old") == number(4, "/state/b"));
  CHECK(number(3, "/state/b") == number(4, "/state/old"));
  CHECK(names_after(5) == Names{"old"});
  CHECK(after({}) == after({ContentLoss::none, 5}));
  CHECK(disk.power_cuts().size() == 6);
}

TEST_CASE_METHOD(Fixture, "names are durable once their directory was synced") {
  files.close(open("a"));
  CHECK(files.unlink(dir, "old").ok());
  sync_directory();
  CHECK(disk.unsynced == MemoryDisk::Unsynced{});
  CHECK(names_after(0) == Names{"a"});
  CHECK(files.rename(dir, "a", "b").ok());
  CHECK(names_after(0) == Names{"a"});
  CHECK(names_after(1) == Names{"b"});
}

TEST_CASE_METHOD(Fixture, "a removed file comes back as it was, also where its number is in use again") {
  const auto before = disk.stat("/state/old");
  time.advance(genie::seconds(1));
  CHECK(files.unlink(dir, "old").ok());
  const File other = open("other");
  CHECK(disk.stat("/state/other")->id == before->id);
  files.close(other);
  const MemoryDisk cut = after({ContentLoss::none, 0});
  CHECK(cut.names("/state") == Names{"old"});
  CHECK(cut.read_file("/state/old") == "old");
  CHECK(cut.stat("/state/old")->changed_ns == before->changed_ns);
  CHECK(cut.stat("/state/old")->links == 1);
  CHECK(after({ContentLoss::none, 1}).names("/state").empty());
}

TEST_CASE_METHOD(Fixture, "a directory comes and goes with what is in it") {
  CHECK(files.make_directory("/state/d", 0700).ok());
  files.close(files.open(dir, "d/file", OpenMode::ensure, 0600).value);
  CHECK(names_after(0) == Names{"old"});
  CHECK(after({ContentLoss::none, 1}).names("/state/d").empty());
  CHECK(after({}).names("/state/d") == Names{"file"});
  CHECK(after({ContentLoss::none, 0}).inodes.size() == after({ContentLoss::none, 2}).inodes.size() - 2);
}

TEST_CASE("without tracking, a power cut keeps everything and costs nothing before") {
  MemoryDisk disk;
  ManualTime time;
  MemoryFilesystem files{disk, time, 1};
  disk.write_file("/tmp/file", "text");
  CHECK(files.create_unnamed(files.open_directory("/tmp").value, 0600).ok());
  CHECK(disk.unsynced == MemoryDisk::Unsynced{});
  CHECK(disk.power_cuts().size() == 1);
  disk.cut_power({ContentLoss::whole_file, 0});
  CHECK(disk.read_file("/tmp/file") == "text");
  CHECK(disk.open_files.empty());
}

namespace {

/// What the machine looks like after each possible power cut and the reboot after it.
std::vector<Machine> rebooted(const Machine& machine) {
  std::vector<Machine> result;
  for (const PowerCut& cut : machine.disk.power_cuts()) {
    result.push_back(machine);
    result.back().disk.cut_power(cut);
    result.back().reboot();
  }
  return result;
}

/// A machine whose state directory is there to stay.
Machine durable_machine() {
  Machine machine;
  machine.disk.make_directory(tests::directory);
  machine.disk.tracks_durability = true;
  return machine;
}

void check_fresh_claim(Machine& machine, std::uint64_t least_generation) {
  Contender other = machine.spawn();  // takes the PID that the owner had before the reboot
  Contender contender = machine.spawn();
  Guard guard = guard_of(contender);
  const auto claimed = guard.claim();
  REQUIRE(claimed.has_value());
  CHECK(claimed->owned());
  CHECK(claimed->generation >= least_generation);
  CHECK(tests::strangers(machine).empty());
  CHECK(other.is_alive());
}

}  // namespace

TEST_CASE("the generation of a durable claim survives every power cut") {
  Machine machine = durable_machine();
  const bool has_predecessor = GENERATE(false, true);
  if (has_predecessor) (void)tests::crashed_owner(machine);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  ClaimOptions options;
  options.durable = true;
  const auto claimed = guard.claim(options);
  REQUIRE(claimed.has_value());
  const std::uint64_t generation = claimed->generation;
  CHECK(generation == (has_predecessor ? 2 : 1));
  const bool releases = GENERATE(false, true);
  if (releases) CHECK(guard.release());
  for (Machine& machine_after : rebooted(machine)) check_fresh_claim(machine_after, generation + 1);
}

TEST_CASE("whatever a power cut leaves of a claim that is not durable, a fresh claim wins") {
  Machine machine = durable_machine();
  const bool has_predecessor = GENERATE(false, true);
  if (has_predecessor) (void)tests::crashed_owner(machine);
  const Contender owner = machine.spawn();
  Guard guard = guard_of(owner);
  std::size_t cuts = 0;
  // Also in the middle of it: before each call.
  machine.time.before_call = [&](const genie::testing::CallEvent&) {
    Machine copy = machine;
    copy.time.before_call = nullptr;
    for (Machine& machine_after : rebooted(copy)) {
      check_fresh_claim(machine_after, 1);
      ++cuts;
    }
  };
  const auto claimed = guard.claim();
  CHECK((claimed && claimed->owned()));
  CHECK(guard.publish_port(5433));
  CHECK(guard.release());
  machine.time.before_call = nullptr;
  CHECK(cuts > 200);
}

}  // namespace tests::power_cut_test
