#include "genie/testing/machine.hpp"

#include <string>

#include "catch.hpp"

namespace tests::machine_test {

using genie::FileIdentity;
using genie::Liveness;
using genie::LockHolder;
using genie::milliseconds;
using genie::OpenMode;
using genie::seconds;
using genie::Signal;
using genie::Text;
using genie::testing::Call;
using genie::testing::Contender;
using genie::testing::ghost_error;
using genie::testing::Machine;
using genie::testing::MemoryFilesystem;
using genie::testing::name_of;
using genie::testing::ProcessOptions;

namespace {

using File = MemoryFilesystem::File;

bool lock(Contender contender) {
  const auto file = contender.filesystem.open(File{}, "/tmp/lock", OpenMode::ensure, 0600);
  return file.ok() && contender.filesystem.try_lock(file.value, 0, 1).ok();
}

}  // namespace

TEST_CASE("a crash leaves a zombie without descriptors or locks") {
  Machine machine;
  const Contender one = machine.spawn();
  Contender two = machine.spawn();
  CHECK(one.identity.pid != two.identity.pid);
  CHECK(lock(one));
  CHECK_FALSE(lock(two));
  one.kill();
  CHECK_FALSE(one.is_alive());
  CHECK(lock(two));
  CHECK(two.process.look(one.identity.pid).zombie);
  one.reap();
  CHECK_FALSE(two.process.look(one.identity.pid).zombie);
}

TEST_CASE("a process dies before a given call, whichever policy it belongs to") {
  Machine machine;
  Contender one = machine.spawn();
  one.kill_before_call(3);
  (void)one.clock.monotonic();
  CHECK(one.filesystem.open(File{}, "/tmp/a", OpenMode::create, 0600).ok());
  CHECK(one.filesystem.open(File{}, "/tmp/b", OpenMode::create, 0600).error == ghost_error);
  CHECK(machine.disk.names("/tmp") == std::vector<std::string>{"a"});
  CHECK(machine.disk.open_count(one.index()) == 0);
}

TEST_CASE("a signal that ends a process drops its locks, also when it ends later") {
  Machine machine;
  ProcessOptions options;
  options.reaction.terminate_takes = milliseconds(50);
  const Contender server = machine.spawn(options);
  Contender stopper = machine.spawn();
  CHECK(lock(server));
  const auto handle = stopper.process.open(server.identity.pid).value;
  CHECK(stopper.process.signal(handle, Signal::terminate).ok());
  CHECK_FALSE(lock(stopper));
  CHECK(stopper.process.wait(handle, seconds(1)).value);
  CHECK(lock(stopper));
}

TEST_CASE("who holds a lock can be asked, as far as one may look into processes") {
  Machine machine;
  ProcessOptions options;
  options.name = "worker";
  const Contender server = machine.spawn(options);
  CHECK(lock(server));
  Contender child = machine.fork(server);
  server.kill();
  Contender asker = machine.spawn();
  const FileIdentity file = machine.disk.stat("/tmp/lock")->id;
  LockHolder holders[4];
  CHECK(asker.process.lock_holders(file, 0, holders, 4) == 1);
  CHECK(holders[0].pid == child.identity.pid);
  CHECK(holders[0].start == child.identity.start);
  CHECK(Text{holders[0].name} == Text{"worker"});
  CHECK(asker.process.lock_holders(file, 0, holders, 0) == 0);
  options.user = 2000;
  Contender stranger = machine.spawn(options);
  CHECK(stranger.process.lock_holders(file, 0, holders, 4) == 0);
}

TEST_CASE("objects copied by a fork act as the child's for as long as the test says") {
  Machine machine;
  Contender parent = machine.spawn();
  const Contender child = machine.fork(parent);
  const auto file = parent.filesystem.open(File{}, "/tmp/file", OpenMode::ensure, 0600).value;
  machine.act_as(parent, child);
  CHECK(parent.process.self() == child.identity.pid);
  CHECK_FALSE(parent.filesystem.stat(file).ok());  // opened after the fork
  machine.act_as_itself(parent);
  CHECK(parent.process.self() == parent.identity.pid);
  CHECK(parent.filesystem.stat(file).ok());
}

TEST_CASE("a forked child is its parent's, in the parent's session and group") {
  Machine machine;
  Contender parent = machine.spawn();
  Contender child = machine.fork(parent);
  const auto seen = child.process.look(child.identity.pid);
  CHECK(seen.parent == parent.identity.pid);
  CHECK(seen.session == parent.identity.pid);
  CHECK_FALSE(child.process.leads_group(child.identity.pid));
  Contender grandchild = machine.fork(child);
  CHECK(child.process.look(grandchild.identity.pid).session == parent.identity.pid);
  parent.kill();
  CHECK(child.process.look(child.identity.pid).parent == 1);
  CHECK(child.process.look(child.identity.pid).session == parent.identity.pid);
  CHECK(child.process.look(grandchild.identity.pid).parent == child.identity.pid);
}

TEST_CASE("a process ends with a status, or by a signal, and the first end counts") {
  Machine machine;
  const Contender one = machine.spawn();
  const Contender two = machine.spawn();
  CHECK(lock(one));
  one.exit(3);
  CHECK_FALSE(one.is_alive());
  CHECK(lock(two));
  one.kill();
  CHECK(one.process.me().exit == genie::ProcessExit{false, 3});
  two.kill();
  two.exit(3);
  CHECK(two.process.me().exit == genie::ProcessExit{true, 9});
}

TEST_CASE("a reboot ends every process and keeps the files") {
  Machine machine;
  Contender before = machine.spawn();
  CHECK(lock(before));
  CHECK(before.filesystem.create_unnamed(before.filesystem.open_directory("/tmp").value, 0600).ok());
  const std::size_t files = machine.disk.inodes.size();
  const auto wall = machine.time.wall;
  machine.reboot();
  CHECK(machine.disk.inodes.size() == files - 1);
  CHECK(machine.time.wall > wall);
  CHECK(machine.disk.exists("/tmp/lock"));
  Contender after = machine.spawn();
  CHECK(after.identity == before.identity);
  CHECK(after.process.origin() != genie::ProcessOrigin{});
  CHECK_FALSE(before.is_alive());
  CHECK(lock(after));
}

TEST_CASE("a copied machine goes its own way") {
  Machine machine;
  const Contender one = machine.spawn();
  CHECK(lock(one));
  Machine copy = machine;
  copy.contender(one.index()).kill();
  CHECK(lock(copy.spawn()));
  CHECK(one.is_alive());
  CHECK_FALSE(lock(machine.spawn()));
}

TEST_CASE("every call has a name") {
  CHECK(std::string{name_of(Call::any)} == "any");
  CHECK(std::string{name_of(Call::lock_holders)} == "lock_holders");
  CHECK(std::string{name_of(Call::make_directory)} == "make_directory");
  CHECK(std::string{name_of(Call::close)} == "close");
}

}  // namespace tests::machine_test
