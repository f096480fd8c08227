#include "genie/testing/memory_filesystem.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include "catch.hpp"

namespace tests::memory_filesystem_test {

using genie::FileType;
using genie::milliseconds;
using genie::Milliseconds;
using genie::OpenMode;
using genie::Text;
using genie::testing::Call;
using genie::testing::CallEvent;
using genie::testing::ghost_error;
using genie::testing::ManualTime;
using genie::testing::MemoryDisk;
using genie::testing::MemoryFilesystem;

namespace {

struct Fixture {
  using File = MemoryFilesystem::File;

  ManualTime time;
  MemoryDisk disk;
  MemoryFilesystem one{disk, time, 1};
  MemoryFilesystem two{disk, time, 2};
  File dir;

  Fixture() {
    disk.make_directory("/state");
    dir = one.open_directory("/state").value;
  }
  File open(MemoryFilesystem files, const char* name, OpenMode mode = OpenMode::ensure) {
    const std::string path = std::string{"/state/"} + name;
    const auto file = files.open(File{}, path.c_str(), mode, 0600);
    CHECK(file.ok());
    return file.value;
  }
  int write(File file, Text text) { return one.write_at(file, text.data(), text.size(), 0).error; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a lock belongs to the open file, not to the process") {
  const File first = open(one, "lock");
  const File second = open(one, "lock");
  CHECK(one.try_lock(first, 0, 1).ok());
  CHECK(one.try_lock(first, 0, 1).ok());
  CHECK(one.try_lock(second, 0, 1).error == EAGAIN);
  CHECK(one.try_lock(second, 1, 1).ok());
  CHECK(one.try_lock(second, 0, 0).error == EAGAIN);
  one.close(first);
  CHECK(one.try_lock(second, 0, 0).ok());
}

TEST_CASE_METHOD(Fixture, "a file that was handed over is found at its place, and is the same open file") {
  MemoryFilesystem child{disk, time, 3};
  CHECK(child.inherited().error == EBADF);
  const File lock = open(one, "lock");
  CHECK(one.try_lock(lock, 0, 1).ok());
  one.hand_to(child, lock);
  CHECK(child.inherited().value.descriptor == MemoryFilesystem::inherited_descriptor);
  one.close(lock);
  const File other = open(two, "lock");
  CHECK(two.query_lock(other, 0, 1).value.held);
  child.calls().fail(Call::inherited, EIO);
  CHECK(child.inherited().error == EIO);
  child.close(child.inherited().value);
  CHECK_FALSE(two.query_lock(other, 0, 1).value.held);
  CHECK(child.inherited().error == EBADF);
}

TEST_CASE_METHOD(Fixture, "a lock query names the range that is held and takes nothing") {
  const File owner = open(one, "lock");
  const File asker = open(two, "lock", OpenMode::read);
  CHECK_FALSE(two.query_lock(asker, 0, 0).value.held);
  CHECK(one.try_lock(owner, 10, 2).ok());
  CHECK(one.try_lock(owner, 12, 3).ok());
  const MemoryDisk before = disk;
  const auto found = two.query_lock(asker, 0, 0);
  CHECK(found.value.held);
  CHECK(found.value.offset == 10);
  CHECK(found.value.length == 5);
  CHECK_FALSE(one.query_lock(owner, 0, 0).value.held);
  CHECK_FALSE(two.query_lock(asker, 15, 0).value.held);
  CHECK(disk == before);
  CHECK(two.try_lock(asker, 0, 1).error == EBADF);  // an exclusive lock wants a writable file
}

TEST_CASE_METHOD(Fixture, "unlocking the middle of a range leaves its ends") {
  const File owner = open(one, "lock");
  const File asker = open(two, "lock");
  CHECK(one.try_lock(owner, 0, 0).ok());
  CHECK(one.unlock(owner, 5, 2).ok());
  CHECK(two.query_lock(asker, 0, 0).value.length == 5);
  CHECK_FALSE(two.query_lock(asker, 5, 2).value.held);
  CHECK(two.query_lock(asker, 5, 0).value.offset == 7);
  CHECK(two.query_lock(asker, 5, 0).value.length == 0);
}

TEST_CASE_METHOD(Fixture, "a forked child keeps the lock until its last descriptor is closed") {
  const File owner = open(one, "lock");
  CHECK(one.try_lock(owner, 0, 1).ok());
  MemoryFilesystem child{disk, time, 3};
  one.fork_into(child);
  one.die();
  const File newcomer = open(two, "lock");
  CHECK(two.try_lock(newcomer, 0, 1).error == EAGAIN);
  CHECK(disk.lock_holders(two.stat(newcomer).value.id, 0) == std::vector<genie::testing::ProcessIndex>{3});
  SECTION("by its death") { child.die(); }
  SECTION("by becoming another program") { child.exec(); }
  CHECK(two.try_lock(newcomer, 0, 1).ok());
}

TEST_CASE_METHOD(Fixture, "a killed process's descriptors close, its locks drop, and its further calls do nothing") {
  const File owner = open(one, "lock");
  CHECK(one.try_lock(owner, 0, 1).ok());
  one.die();
  CHECK(disk.open_count(1) == 0);
  const MemoryDisk before = disk;
  CHECK(one.open(File{}, "/state/other", OpenMode::create, 0600).error == ghost_error);
  CHECK(one.unlink(File{}, "/state/lock").error == ghost_error);
  one.close(owner);
  CHECK(disk == before);
  CHECK(two.try_lock(open(two, "lock"), 0, 1).ok());
}

TEST_CASE_METHOD(Fixture, "an inode number is used again, but not while the file is open") {
  const File file = open(one, "first");
  const auto first = one.stat(file).value.id;
  CHECK(one.unlink(dir, "first").ok());
  CHECK(one.stat(file).value.links == 0);
  CHECK(two.stat(open(two, "second")).value.id != first);
  one.close(file);
  CHECK(two.stat(open(two, "third")).value.id == first);
  disk.reuses_inode_numbers = false;
  CHECK(one.unlink(dir, "third").ok());
  CHECK(two.stat(open(two, "fourth")).value.id != first);
}

TEST_CASE_METHOD(Fixture, "an unnamed file gets its name once, and the name must be free") {
  const File file = one.create_unnamed(dir, 0600).value;
  CHECK(write(file, "content") == 0);
  CHECK(disk.names("/state").empty());
  disk.write_file("/state/taken", "");
  CHECK(one.link_unnamed(file, dir, "taken").error == EEXIST);
  CHECK(one.link_unnamed(file, dir, "name").ok());
  CHECK(disk.read_file("/state/name") == "content");
  CHECK(one.unlink(dir, "name").ok());
  CHECK(one.link_unnamed(file, dir, "name").error == ENOENT);
}

TEST_CASE_METHOD(Fixture, "names move atomically, and what is taken is reported") {
  disk.write_file("/state/a", "A");
  disk.write_file("/state/b", "B");
  CHECK(one.rename_new(dir, "a", "b").error == EEXIST);
  CHECK(one.exchange(dir, "a", "b").ok());
  CHECK(disk.read_file("/state/a") == "B");
  CHECK(one.exchange(dir, "a", "missing").error == ENOENT);
  CHECK(one.rename(dir, "a", "b").ok());
  CHECK(disk.read_file("/state/b") == "B");
  CHECK(disk.names("/state") == std::vector<std::string>{"b"});
}

TEST_CASE_METHOD(Fixture, "what is no regular file is told apart, and no link is followed") {
  disk.make_symbolic_link("/state/link", "/etc/passwd");
  disk.make_fifo("/state/fifo");
  disk.make_directory("/state/directory");
  disk.write_file("/state/locked", "", 0000);
  CHECK(one.open(dir, "link", OpenMode::read, 0).error == ELOOP);
  CHECK(one.open(dir, "link", OpenMode::create, 0600).error == EEXIST);
  CHECK(one.open(dir, "directory", OpenMode::read_write, 0).error == EISDIR);
  CHECK(one.unlink(dir, "directory").error == EISDIR);
  CHECK(one.open(dir, "locked", OpenMode::read, 0).error == EACCES);
  const auto fifo = one.open(dir, "fifo", OpenMode::read_write, 0);
  CHECK(one.stat(fifo.value).value.type == FileType::other);
  CHECK(one.stat_at(dir, "link").value.type == FileType::symbolic_link);
  disk.make_socket("/state/socket");
  CHECK(one.stat_at(dir, "socket").value.type == FileType::socket);
  CHECK(one.open(dir, "socket", OpenMode::read, 0).error == ENXIO);
  CHECK(one.open(dir, "socket", OpenMode::create, 0600).error == EEXIST);
  CHECK(one.open(dir, std::string(256, 'x').c_str(), OpenMode::ensure, 0600).error == ENAMETOOLONG);
  CHECK(one.open(dir, "missing", OpenMode::read, 0).error == ENOENT);
}

TEST_CASE_METHOD(Fixture, "a socket is bound to a name that is free, and only there") {
  const auto bound = one.bind("/state/socket");
  REQUIRE(bound.ok());
  CHECK(disk.stat("/state/socket")->type == FileType::socket);
  CHECK(disk.stat("/state/socket")->id.inode == bound.value);
  CHECK(one.bind("/state/socket").error == EADDRINUSE);
  CHECK(one.bind("/missing/socket").error == ENOENT);
  disk.set_permissions("/state", 0500);
  CHECK(one.bind("/state/other").error == EACCES);
  disk.is_read_only = true;
  CHECK(one.bind("/state/other").error == EROFS);
  CHECK(one.open(dir, "socket", OpenMode::read_write, 0).error == ENXIO);
}

TEST_CASE_METHOD(Fixture, "nothing can be created in a removed directory, however it is held open") {
  disk.remove("/state");
  CHECK(one.open(dir, "new", OpenMode::create, 0600).error == ENOENT);
  CHECK(one.stat(dir).value.links == 0);
  disk.make_directory("/state");
  CHECK(one.open(dir, "new", OpenMode::create, 0600).error == ENOENT);
}

TEST_CASE_METHOD(Fixture, "permissions count for everybody but user 0") {
  MemoryFilesystem stranger{disk, time, 3, 2000};
  MemoryFilesystem root{disk, time, 4, 0};
  disk.write_file("/state/file", "secret");
  CHECK(stranger.stat_at(File{}, "/state/file").error == EACCES);
  disk.set_permissions("/state", 0755);
  CHECK(stranger.stat_at(File{}, "/state/file").ok());
  CHECK(stranger.open(File{}, "/state/file", OpenMode::read, 0).error == EACCES);
  CHECK(stranger.unlink(File{}, "/state/file").error == EACCES);
  disk.set_permissions("/state", 01777);
  CHECK(stranger.unlink(File{}, "/state/file").error == EPERM);
  CHECK(root.open(File{}, "/state/file", OpenMode::read_write, 0).ok());
}

TEST_CASE_METHOD(Fixture, "a full disk takes what fits, and then nothing") {
  disk.capacity = 10;
  const File file = open(one, "file");
  const std::string text(8, 'x');
  CHECK(one.write_at(file, text.data(), 8, 0).value == 8);
  CHECK(one.write_at(file, text.data(), 8, 8).value == 2);
  CHECK(one.write_at(file, text.data(), 8, 10).error == ENOSPC);
  CHECK(one.write_at(file, text.data(), 8, 2).value == 8);
  CHECK(one.unlink(dir, "file").ok());
  one.close(file);
  CHECK(disk.used() == 0);
}

TEST_CASE_METHOD(Fixture, "a read-only disk refuses changes") {
  disk.write_file("/state/file", "x");
  const MemoryDisk before = disk;
  disk.is_read_only = true;
  CHECK(one.open(dir, "file", OpenMode::read_write, 0).error == EROFS);
  CHECK(one.open(dir, "new", OpenMode::ensure, 0600).error == EROFS);
  CHECK(one.unlink(dir, "file").error == EROFS);
  CHECK(one.rename(dir, "file", "other").error == EROFS);
  CHECK(one.make_directory("/state/new", 0700).error == EROFS);
  disk.is_read_only = false;
  CHECK(disk == before);
}

TEST_CASE_METHOD(Fixture, "features that a file system may lack can be switched off") {
  disk.write_file("/state/a", "");
  disk.write_file("/state/b", "");
  const File file = open(one, "a");
  const File unnamed = one.create_unnamed(dir, 0600).value;
  disk.has_unnamed = disk.has_exchange = disk.has_rename_new = disk.has_locks = disk.has_watch = disk.has_link = false;
  CHECK(one.create_unnamed(dir, 0600).error == EOPNOTSUPP);
  CHECK(one.exchange(dir, "a", "b").error == EINVAL);
  CHECK(one.rename_new(dir, "a", "c").error == EINVAL);
  CHECK(one.try_lock(file, 0, 1).error == ENOLCK);
  CHECK(one.query_lock(file, 0, 1).error == ENOLCK);
  CHECK(one.watch("/state").error == EMFILE);
  CHECK(one.link_unnamed(unnamed, dir, "c").error == EPERM);
  disk.descriptor_limit = disk.open_count(1);
  CHECK(one.open(dir, "a", OpenMode::read, 0).error == EMFILE);
}

TEST_CASE_METHOD(Fixture, "an outsider replaces a file by another, or rewrites it in place") {
  disk.write_file("/state/file", "one");
  const auto first = disk.stat("/state/file")->id;
  disk.write_file("/state/file", "two");
  CHECK(disk.stat("/state/file")->id == first);
  disk.replace("/state/file", "three");
  CHECK(disk.stat("/state/file")->id != first);
  CHECK(disk.read_file("/state/file") == "three");
  CHECK_FALSE(disk.read_file("/state/missing").has_value());
}

TEST_CASE_METHOD(Fixture, "a watch tells once of each change, and sleeps while there is none") {
  disk.write_file("/state/file", "one");
  auto file = one.watch("/state/file").value;
  auto directory = one.watch("/state").value;
  const Milliseconds start = time.monotonic;
  const auto changed = [&](auto& watch) { return one.wait(watch, milliseconds(100)).value; };
  CHECK_FALSE(changed(file));
  CHECK(time.monotonic - start == milliseconds(100));

  const File writer = open(two, "file");
  CHECK_FALSE(changed(file));
  CHECK(two.write_at(writer, "x", 1, 0).ok());
  CHECK(changed(file));
  CHECK(changed(directory));
  two.close(writer);
  CHECK(changed(file));
  (void)changed(directory);
  CHECK_FALSE(changed(directory));
  disk.write_file("/state/other", "");
  CHECK(changed(directory));
  CHECK_FALSE(changed(file));
  disk.remove("/state/file");
  CHECK(changed(directory));
  CHECK(changed(file));
  one.close_watch(file);
  CHECK(one.wait(file, milliseconds(100)).error == EBADF);
}

TEST_CASE_METHOD(Fixture, "a waiter wakes at the moment of the change, and by the death of a writer") {
  const File lock = open(two, "lock");
  CHECK(two.try_lock(lock, 0, 1).ok());
  auto watch = one.watch("/state/lock").value;
  const Milliseconds start = time.monotonic;
  time.after(milliseconds(40), [&] { (void)two.write_at(lock, "x", 1, 0); });
  CHECK(one.wait(watch, milliseconds(1000)).value);
  CHECK(time.monotonic - start == milliseconds(40));
  time.end(2, milliseconds(60));
  CHECK(one.wait(watch, milliseconds(1000)).value);
  CHECK(time.monotonic - start == milliseconds(100));
  CHECK(one.try_lock(open(one, "lock"), 0, 1).ok());
}

TEST_CASE_METHOD(Fixture, "the k-th call of a kind, or the N-th of all, fails without effect") {
  one.calls().clear();
  one.calls().fail(Call::open, EIO, 2);
  CHECK(one.open(dir, "a", OpenMode::ensure, 0600).ok());
  CHECK(one.open(dir, "b", OpenMode::ensure, 0600).error == EIO);
  CHECK(one.open(dir, "c", OpenMode::ensure, 0600).ok());
  CHECK(disk.names("/state") == std::vector<std::string>{"a", "c"});
  one.calls().clear();
  one.calls().fail(Call::any, ENOSPC, 2, 2);
  CHECK(one.stat(dir).ok());
  CHECK(one.stat(dir).error == ENOSPC);
  CHECK(one.unlink(dir, "a").error == ENOSPC);
  CHECK(one.unlink(dir, "a").ok());
  CHECK(two.stat_at(File{}, "/state/c").ok());
  CHECK(one.calls().count() == 4);
  CHECK(one.calls().count(Call::stat) == 2);
  CHECK(one.calls().log() == std::vector<std::string>{"stat", "stat", "unlink a", "unlink a"});
  one.calls().decide = [](const CallEvent& event) { return event.name == Text{"c"} ? EACCES : 0; };
  CHECK(one.unlink(dir, "c").error == EACCES);
}

TEST_CASE_METHOD(Fixture, "reads and writes can fall short") {
  const File file = open(one, "file");
  one.calls().shorten(Call::write_at, 2);
  CHECK(one.write_at(file, "abcd", 4, 0).value == 2);
  CHECK(one.write_at(file, "cd", 2, 2).value == 2);
  char buffer[8] = {};
  one.calls().shorten(Call::read_at, 3, 2);
  CHECK(one.read_at(file, buffer, 8, 0).value == 4);
  CHECK(one.read_at(file, buffer, 8, 0).value == 3);
  CHECK(std::string{buffer} == "abcd");
}

TEST_CASE_METHOD(Fixture, "a rival acts exactly before a call, and can end the caller there") {
  one.calls().before_call = [&](const CallEvent& event) {
    if (event.call == Call::open && event.name == Text{"claim"}) disk.write_file("/state/claim", "rival");
    if (event.call == Call::unlink) one.die();
  };
  CHECK(one.open(dir, "claim", OpenMode::create, 0600).error == EEXIST);
  CHECK(one.unlink(dir, "claim").error == ghost_error);
  CHECK(disk.exists("/state/claim"));
}

TEST_CASE_METHOD(Fixture, "leaked and stray descriptors are noticed") {
  const File file = open(one, "file");
  CHECK(disk.open_count(1) == 2);
  one.close(file);
  CHECK(disk.stray_closes == 0);
  one.close(file);
  CHECK(disk.stray_closes == 1);
  CHECK(disk.open_count(1) == 1);
}

}  // namespace tests::memory_filesystem_test
