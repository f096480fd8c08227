// What each method of the filesystem policy promises, on the kernel's own file systems.
#include <genie/serve_guard.hpp>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::filesystem_test {

using genie::FileInfo;
using genie::FileType;
using genie::LinuxFilesystem;
using genie::Milliseconds;
using genie::OpenMode;
using genie::SysResult;
using genie::Text;

namespace {

using File = LinuxFilesystem::File;

constexpr OpenMode every_mode[] = {OpenMode::read, OpenMode::read_write, OpenMode::ensure, OpenMode::create};

/// A directory of its own, on disk or in memory; what was opened in it is closed with it.
class Directory {
 public:
  explicit Directory(const std::string& parent) : path_{parent + "/genie-unit-XXXXXX"} {
    if (::mkdtemp(path_.data()) == nullptr) {
      path_ = "/tmp/genie-unit-XXXXXX";
      REQUIRE(::mkdtemp(path_.data()) != nullptr);
    }
    directory = keep(files.open_directory(path_.c_str()));
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    for (const File file : opened_) files.close(file);
    std::filesystem::remove_all(path_);
  }

  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  SysResult<File> try_open(const char* name, OpenMode mode) {
    const auto result = files.open(directory, name, mode, 0600);
    if (result.ok()) opened_.push_back(result.value);
    return result;
  }
  File keep(SysResult<File> result) {
    INFO("errno " << result.error);
    REQUIRE(result.ok());
    opened_.push_back(result.value);
    return result.value;
  }
  File open(const char* name, OpenMode mode = OpenMode::ensure) {
    const auto result = try_open(name, mode);
    INFO(name << ": errno " << result.error);
    REQUIRE(result.ok());
    return result.value;
  }
  File make(const char* name, std::string_view content) {
    const File file = open(name, OpenMode::create);
    REQUIRE(files.write_at(file, content.data(), content.size(), 0).value == content.size());
    return file;
  }
  /// Closes now what would be closed at the end.
  void close(File file) {
    std::erase_if(opened_, [&](File other) { return other.descriptor == file.descriptor; });
    files.close(file);
  }
  std::string content(const char* name) {
    std::string text(64, '\0');
    const File file = open(name, OpenMode::read);
    text.resize(files.read_at(file, text.data(), text.size(), 0).value);
    close(file);
    return text;
  }
  std::multiset<std::string> names() {
    std::multiset<std::string> all;
    CHECK(files.for_each_name(directory, [&](Text name) { all.insert(unit_tests::string(name)); }).ok());
    return all;
  }
  std::uint64_t inode(const char* name) { return files.stat_at(directory, name).value.id.inode; }

  LinuxFilesystem files;
  File directory;

 private:
  std::string path_;
  std::vector<File> opened_;
};

#define EACH_FILE_SYSTEM GENERATE(as<std::string>{}, "/tmp", "/dev/shm")

bool survives_exec(int descriptor) { return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0; }

}  // namespace

TEST_CASE("each open mode creates, demands and refuses what it says", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  CHECK(dir.try_open("new", OpenMode::read).error == ENOENT);
  CHECK(dir.try_open("new", OpenMode::read_write).error == ENOENT);
  CHECK(dir.names().empty());
  CHECK(dir.try_open("new", OpenMode::create).ok());
  CHECK(dir.try_open("new", OpenMode::create).error == EEXIST);
  CHECK(dir.try_open("new", OpenMode::ensure).ok());
  CHECK(dir.try_open("ensured", OpenMode::ensure).ok());
  CHECK(dir.names() == std::multiset<std::string>{"ensured", "new"});
  CHECK(dir.try_open("absent/file", OpenMode::create).error == ENOENT);
  CHECK(dir.try_open("new/file", OpenMode::create).error == ENOTDIR);
  CHECK(dir.try_open(std::string(256, 'n').c_str(), OpenMode::create).error == ENAMETOOLONG);

  // A mode gives just the access that it names.
  const char byte = 'x';
  CHECK(dir.files.write_at(dir.open("new", OpenMode::read), &byte, 1, 0).error == EBADF);
  CHECK(dir.files.write_at(dir.open("new", OpenMode::read_write), &byte, 1, 0).value == 1);
  CHECK(dir.content("new") == "x");
  dir.open("new", OpenMode::ensure);
  CHECK(dir.content("new") == "x");
}

TEST_CASE("a link is never followed, wherever it points", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  dir.make("target", "precious");
  std::filesystem::create_symlink("target", dir.path("link"));
  std::filesystem::create_symlink("nowhere", dir.path("dangling"));
  std::filesystem::create_symlink("/etc/passwd", dir.path("outside"));
  std::filesystem::create_symlink("loop", dir.path("loop"));
  for (const char* const name : {"link", "dangling", "outside", "loop"}) {
    CAPTURE(name);
    CHECK(dir.try_open(name, OpenMode::read).error == ELOOP);
    CHECK(dir.try_open(name, OpenMode::read_write).error == ELOOP);
    CHECK(dir.try_open(name, OpenMode::ensure).error == ELOOP);
    CHECK(dir.try_open(name, OpenMode::create).error == EEXIST);
    CHECK(dir.files.stat_at(dir.directory, name).value.type == FileType::symbolic_link);
  }
  CHECK(dir.names().count("nowhere") == 0);
  CHECK(dir.files.unlink(dir.directory, "link").ok());
  CHECK(dir.content("target") == "precious");
}

TEST_CASE("a FIFO, a socket or a directory in a file's place blocks nobody, and shows what it is", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  REQUIRE(::mkfifo(dir.path("fifo").c_str(), 0600) == 0);
  CHECK(dir.files.make_directory(dir.path("directory").c_str(), 0700).ok());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(dir.path("socket").copy(address.sun_path, sizeof address.sun_path - 1) > 0);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);

  for (const OpenMode mode : every_mode) {
    CAPTURE(static_cast<int>(mode));
    for (const char* const name : {"fifo", "socket", "directory"}) {
      CAPTURE(name);
      const auto opened = dir.try_open(name, mode);
      if (mode == OpenMode::create) {
        CHECK(opened.error == EEXIST);
      } else if (opened.ok()) {
        CHECK(dir.files.stat(opened.value).value.type != FileType::regular);
      } else {
        CHECK((opened.error == EISDIR || opened.error == ENXIO));
      }
    }
  }
  CHECK(dir.files.stat_at(dir.directory, "fifo").value.type == FileType::other);
  CHECK(dir.files.stat_at(dir.directory, "socket").value.type == FileType::socket);
  CHECK(dir.files.stat_at(dir.directory, "directory").value.type == FileType::directory);
  ::close(socket);
}

TEST_CASE("a file that may not be read says so", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  dir.make("secret", "x");
  REQUIRE(::chmod(dir.path("secret").c_str(), 0) == 0);
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  const uid_t before = ::geteuid();
  if (before == 0) REQUIRE(::seteuid(65534) == 0);
  const int read_error = dir.try_open("secret", OpenMode::read).error;
  const int create_error = before == 0 ? dir.try_open("new", OpenMode::create).error : EACCES;
  const int unlink_error = before == 0 ? dir.files.unlink(dir.directory, "secret").error : EACCES;
  if (before == 0) REQUIRE(::seteuid(before) == 0);
  CHECK(read_error == EACCES);
  CHECK(create_error == EACCES);
  CHECK(unlink_error == EACCES);
}

TEST_CASE("a file never takes the place of a missing standard stream", "[filesystem]") {
  Directory here{"/tmp"};
  const int kept = ::dup(STDIN_FILENO);
  ::close(STDIN_FILENO);
  const auto opened = here.try_open("lock", OpenMode::ensure);
  const auto unnamed = here.files.create_unnamed(here.directory, 0600);
  // Kept for a server's life, which may give itself standard streams meanwhile.
  auto watch = here.files.watch(here.path().c_str());
  const bool is_free = ::fcntl(STDIN_FILENO, F_GETFD) < 0;
  if (kept >= 0) {
    ::dup2(kept, STDIN_FILENO);
    ::close(kept);
  }
  here.files.close(unnamed.value);
  CHECK(is_free);
  CHECK(opened.value.descriptor > STDERR_FILENO);
  CHECK(unnamed.value.descriptor > STDERR_FILENO);
  CHECK(watch.value.descriptor > STDERR_FILENO);
  CHECK(!survives_exec(watch.value.descriptor));
  here.files.close_watch(watch.value);
}

TEST_CASE("nothing that is opened survives exec", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  CHECK(!survives_exec(dir.directory.descriptor));
  for (const OpenMode mode : {OpenMode::create, OpenMode::ensure, OpenMode::read_write, OpenMode::read}) {
    CHECK(!survives_exec(dir.open("file", mode).descriptor));
  }
  CHECK(!survives_exec(dir.keep(dir.files.create_unnamed(dir.directory, 0600)).descriptor));
  auto watch = dir.files.watch(dir.path().c_str());
  REQUIRE(watch.ok());
  CHECK(!survives_exec(watch.value.descriptor));
  dir.files.close_watch(watch.value);
  CHECK(watch.value.descriptor == -1);
}

TEST_CASE("a directory is made once, and pinned wherever it is moved", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const std::string sub = dir.path("sub");
  CHECK(dir.files.open_directory(sub.c_str()).error == ENOENT);
  CHECK(dir.files.make_directory(sub.c_str(), 0700).ok());
  CHECK(dir.files.make_directory(sub.c_str(), 0700).error == EEXIST);
  CHECK(dir.files.make_directory(dir.path("no/parent").c_str(), 0700).error == ENOENT);
  CHECK(dir.files.stat_at(dir.directory, "sub").value.permissions == 0700);
  dir.make("file", "");
  CHECK(dir.files.make_directory(dir.path("file").c_str(), 0700).error == EEXIST);
  CHECK(dir.files.open_directory(dir.path("file").c_str()).error == ENOTDIR);

  const File pinned = dir.keep(dir.files.open_directory(sub.c_str()));
  REQUIRE(::rename(sub.c_str(), dir.path("moved").c_str()) == 0);
  REQUIRE(::mkdir(sub.c_str(), 0700) == 0);
  dir.keep(dir.files.open(pinned, "inside", OpenMode::create, 0600));
  CHECK(std::filesystem::exists(dir.path("moved/inside")));
  CHECK(!std::filesystem::exists(dir.path("sub/inside")));
  CHECK(dir.files.stat(pinned).value.type == FileType::directory);

  std::filesystem::remove_all(dir.path("moved"));
  CHECK(dir.files.open(pinned, "late", OpenMode::create, 0600).error == ENOENT);
  CHECK(dir.files.stat(pinned).value.links == 0);
}

TEST_CASE("a default file, given as a directory, lets paths be absolute", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  dir.keep(dir.files.open(File{}, dir.path("file").c_str(), OpenMode::create, 0600));
  CHECK(dir.files.stat_at(File{}, dir.path("file").c_str()).ok());
  CHECK(dir.files.rename(File{}, dir.path("file").c_str(), dir.path("renamed").c_str()).ok());
  CHECK(dir.files.unlink(File{}, dir.path("renamed").c_str()).ok());
  CHECK(dir.names().empty());
  dir.files.close(File{});
}

TEST_CASE("an unnamed file is invisible until it is linked, whole, and never over another", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File unnamed = dir.keep(dir.files.create_unnamed(dir.directory, 0600));
  CHECK(dir.files.write_at(unnamed, "4711:991", 8, 0).value == 8);
  CHECK(dir.files.stat(unnamed).value.links == 0);
  CHECK(dir.names().empty());
  dir.make("taken", "other");
  CHECK(dir.files.link_unnamed(unnamed, dir.directory, "taken").error == EEXIST);
  CHECK(dir.content("taken") == "other");
  CHECK(dir.files.link_unnamed(unnamed, dir.directory, "record").ok());
  CHECK(dir.content("record") == "4711:991");
  CHECK(dir.inode("record") == dir.files.stat(unnamed).value.id.inode);
  CHECK(dir.files.stat(unnamed).value.links == 1);
  CHECK(dir.files.stat(unnamed).value.permissions == 0600);
}

TEST_CASE("rename replaces, rename_new refuses, exchange wants both", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  dir.make("a", "A");
  dir.make("b", "B");
  CHECK(dir.files.rename_new(dir.directory, "a", "b").error == EEXIST);
  CHECK(dir.files.rename_new(dir.directory, "absent", "c").error == ENOENT);
  CHECK(dir.files.rename(dir.directory, "absent", "c").error == ENOENT);
  CHECK(dir.files.exchange(dir.directory, "a", "absent").error == ENOENT);
  CHECK(dir.files.exchange(dir.directory, "absent", "a").error == ENOENT);
  CHECK(dir.content("a") + dir.content("b") == "AB");

  const std::uint64_t a = dir.inode("a");
  const std::uint64_t b = dir.inode("b");
  CHECK(dir.files.exchange(dir.directory, "a", "b").ok());
  CHECK(dir.inode("a") == b);
  CHECK(dir.inode("b") == a);
  CHECK(dir.files.rename_new(dir.directory, "a", "c").ok());
  CHECK(dir.inode("c") == b);

  const File replaced = dir.open("c");
  CHECK(dir.files.rename(dir.directory, "b", "c").ok());
  CHECK(dir.content("c") == "A");
  CHECK(dir.names() == std::multiset<std::string>{"c"});
  CHECK(dir.files.stat(replaced).value.links == 0);
  CHECK(dir.files.rename_new(dir.directory, "c", "c").error == EEXIST);
}

TEST_CASE("unlink removes a name, never a directory, and the open file lives on", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File file = dir.make("file", "content");
  CHECK(dir.files.unlink(dir.directory, "file").ok());
  CHECK(dir.files.unlink(dir.directory, "file").error == ENOENT);
  CHECK(dir.files.stat_at(dir.directory, "file").error == ENOENT);
  CHECK(dir.files.stat(file).value.links == 0);
  CHECK(dir.files.stat(file).value.size == 7);
  CHECK(dir.files.make_directory(dir.path("sub").c_str(), 0700).ok());
  const int error = dir.files.unlink(dir.directory, "sub").error;
  CHECK((error == EISDIR || error == EPERM));
  CHECK(dir.names() == std::multiset<std::string>{"sub"});
}

TEST_CASE("stat tells identity, kind, size, links, owner and permissions", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File file = dir.make("file", "12345");
  REQUIRE(::link(dir.path("file").c_str(), dir.path("second").c_str()) == 0);
  struct ::stat raw{};
  REQUIRE(::stat(dir.path("file").c_str(), &raw) == 0);
  const FileInfo info = dir.files.stat(file).value;
  CHECK(info.id.inode == raw.st_ino);
  CHECK(info.id.device == raw.st_dev);
  CHECK(info.type == FileType::regular);
  CHECK(info.size == 5);
  CHECK(info.links == 2);
  CHECK(info.user == ::geteuid());
  CHECK(info.permissions == 0600);
  CHECK(info.changed_ns == std::int64_t{raw.st_ctim.tv_sec} * 1'000'000'000 + raw.st_ctim.tv_nsec);
  CHECK(info.modified_ns == std::int64_t{raw.st_mtim.tv_sec} * 1'000'000'000 + raw.st_mtim.tv_nsec);
  CHECK(dir.files.stat_at(dir.directory, "second").value.id == info.id);
  CHECK(dir.files.stat(File{}).error == EBADF);
  CHECK(dir.files.stat_at(dir.directory, "absent").error == ENOENT);
}

TEST_CASE("permissions are the nine bits and the sticky bit, nothing else", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  dir.make("file", "");
  for (const mode_t mode : {mode_t{0}, mode_t{0640}, mode_t{0777}, mode_t{01777}, mode_t{04755}, mode_t{02770}}) {
    CAPTURE(mode);
    REQUIRE(::chmod(dir.path("file").c_str(), mode) == 0);
    CHECK(dir.files.stat_at(dir.directory, "file").value.permissions == (mode & 01777U));
  }
}

TEST_CASE("a later file has another identity or another time, while the first one is held open", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File judged = dir.make("record", "1:5");
  const FileInfo before = dir.files.stat(judged).value;
  for (int round = 0; round < 50; ++round) {
    REQUIRE(dir.files.unlink(dir.directory, "record").ok());
    dir.close(dir.make("record", "1:5"));
    CHECK(dir.files.stat_at(dir.directory, "record").value.id != before.id);
  }
}

TEST_CASE("reads and writes are at an offset, and a read ends at the end", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File file = dir.make("file", "0123456789");
  char bytes[8] = {};
  CHECK(dir.files.read_at(file, bytes, 4, 3).value == 4);
  CHECK(std::string(bytes, 4) == "3456");
  CHECK(dir.files.read_at(file, bytes, 8, 8).value == 2);
  CHECK(dir.files.read_at(file, bytes, 8, 10).value == 0);
  CHECK(dir.files.read_at(file, bytes, 8, 1 << 20).value == 0);
  CHECK(dir.files.write_at(file, "ab", 2, 1).value == 2);
  CHECK(dir.content("file") == "0ab3456789");
  CHECK(dir.files.write_at(file, "z", 1, 12).value == 1);
  CHECK(dir.content("file") == std::string("0ab3456789\0\0z", 13));
  CHECK(dir.files.sync(file).ok());
  CHECK(dir.files.read_at(dir.directory, bytes, 1, 0).error == EBADF);
  CHECK(dir.files.read_at(File{}, bytes, 1, 0).error == EBADF);
  CHECK(dir.files.sync(File{}).error == EBADF);
}

TEST_CASE("two open files conflict in a range, one and the same never does", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  auto& files = dir.files;
  const File one = dir.open("lock");
  const File two = dir.open("lock");
  CHECK(files.try_lock(one, 100, 2).ok());
  CHECK(files.try_lock(one, 100, 2).ok());
  CHECK(files.try_lock(two, 100, 1).error == EAGAIN);
  CHECK(files.try_lock(two, 101, 1).error == EAGAIN);
  CHECK(files.try_lock(two, 99, 2).error == EAGAIN);
  CHECK(files.try_lock(two, 0, 0).error == EAGAIN);
  CHECK(files.try_lock(two, 99, 1).ok());
  CHECK(files.try_lock(two, 102, 0).ok());
  CHECK(files.unlock(one, 101, 1).ok());
  CHECK(files.try_lock(two, 101, 1).ok());
  CHECK(files.try_lock(two, 100, 1).error == EAGAIN);
  CHECK(files.unlock(two, 500, 1).ok());
  CHECK(files.try_lock(dir.open("lock", OpenMode::read), 5, 1).error == EBADF);
  CHECK(files.try_lock(dir.open("other"), 100, 1).ok());
}

TEST_CASE("a lock ends with the last descriptor of its open file, not with the first", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File owner = dir.open("lock");
  const File rival = dir.open("lock");
  const File inherited{::fcntl(owner.descriptor, F_DUPFD_CLOEXEC, 0)};
  REQUIRE(inherited.descriptor >= 0);
  REQUIRE(dir.files.try_lock(owner, 0, 1).ok());
  // POSIX locks would be lost here: any close of the file by the process drops them.
  dir.close(dir.open("lock"));
  CHECK(dir.files.try_lock(rival, 0, 1).error == EAGAIN);
  dir.close(owner);
  CHECK(dir.files.try_lock(rival, 0, 1).error == EAGAIN);
  dir.files.close(inherited);
  CHECK(dir.files.try_lock(rival, 0, 1).ok());
}

TEST_CASE("a query sees another open file's lock, takes nothing, and needs no right to write", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  auto& files = dir.files;
  const File owner = dir.open("lock");
  const File reader = dir.open("lock", OpenMode::read);
  const File rival = dir.open("lock");
  CHECK(!files.query_lock(reader, 0, 0).value.held);
  CHECK(files.try_lock(owner, 0x40000000, 2).ok());
  CHECK(!files.query_lock(owner, 0, 0).value.held);
  for (int round = 0; round < 3; ++round) {
    const auto seen = files.query_lock(reader, 0, 0);
    REQUIRE(seen.ok());
    CHECK(seen.value.held);
    CHECK(seen.value.offset == 0x40000000);
    CHECK(seen.value.length == 2);
  }
  CHECK(files.query_lock(reader, 0x40000001, 1).value.held);
  CHECK(!files.query_lock(reader, 0x40000002, 1).value.held);
  CHECK(!files.query_lock(reader, 0, 0x40000000).value.held);

  // Had the queries taken anything, or lost the owner his lock, these would tell.
  CHECK(files.try_lock(rival, 0x40000002, 0).ok());
  CHECK(files.try_lock(rival, 0, 0x40000000).ok());
  CHECK(files.try_lock(rival, 0x40000000, 1).error == EAGAIN);
  CHECK(files.unlock(owner, 0x40000000, 2).ok());
  CHECK(files.try_lock(rival, 0x40000000, 2).ok());
  const auto to_the_end = files.query_lock(owner, 0x50000000, 1);
  CHECK(to_the_end.value.held);
  CHECK(to_the_end.value.length == 0);
  CHECK(files.query_lock(File{}, 0, 0).error == EBADF);
}

TEST_CASE("every name in a directory is visited once, but for the dots", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  CHECK(dir.names().empty());
  std::multiset<std::string> expected{".hidden", "...", " "};
  // More than one buffer of the kernel's.
  for (int count = 0; count < 150; ++count) expected.insert(std::string(150, 'n') + std::to_string(count));
  for (const std::string& name : expected) dir.close(dir.open(name.c_str()));
  CHECK(dir.names() == expected);
  CHECK(dir.names() == expected);
  CHECK(dir.files.for_each_name(dir.open(" "), [](Text) {}).error == ENOTDIR);
}

TEST_CASE("a watch sees a writer's close, also without a write, and not a reader's", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  const File owner = dir.open("lock");
  auto watch = dir.files.watch(dir.path("lock").c_str());
  REQUIRE(watch.ok());
  const auto changed = [&](std::int64_t ms = 0) {
    const auto result = dir.files.wait(watch.value, Milliseconds{ms});
    CHECK(result.ok());
    return result.value;
  };
  CHECK(!changed());
  CHECK(!changed(-1));
  dir.close(dir.open("lock", OpenMode::read));
  CHECK(!changed());
  CHECK(dir.files.query_lock(dir.open("lock", OpenMode::read), 0, 0).ok());
  CHECK(!changed());
  dir.close(owner);
  CHECK(changed(5'000));
  CHECK(!changed());

  const File writer = dir.open("lock");
  CHECK(dir.files.write_at(writer, "x", 1, 0).ok());
  CHECK(dir.files.write_at(writer, "y", 1, 0).ok());
  CHECK(changed(5'000));
  CHECK(!changed());
  CHECK(dir.files.unlink(dir.directory, "lock").ok());
  CHECK(changed(5'000));
  dir.files.close_watch(watch.value);
}

TEST_CASE("a watched directory shows names that come, go and change places", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  auto watch = dir.files.watch(dir.path().c_str());
  REQUIRE(watch.ok());
  const auto changed = [&] { return dir.files.wait(watch.value, Milliseconds{0}).value; };
  CHECK(!changed());
  dir.make("a", "");
  CHECK(changed());
  CHECK(dir.files.rename(dir.directory, "a", "b").ok());
  CHECK(changed());
  dir.make("c", "");
  CHECK(changed());
  CHECK(dir.files.exchange(dir.directory, "b", "c").ok());
  CHECK(changed());
  CHECK(dir.files.unlink(dir.directory, "b").ok());
  CHECK(changed());
  CHECK(!changed());
  dir.files.close_watch(watch.value);
  CHECK(dir.files.watch(dir.path("absent").c_str()).error == ENOENT);
}

TEST_CASE("a wait ends when its span has passed, and not much later", "[filesystem]") {
  Directory dir{EACH_FILE_SYSTEM};
  genie::LinuxClock clock;
  auto watch = dir.files.watch(dir.path().c_str());
  REQUIRE(watch.ok());
  const Milliseconds before = clock.monotonic();
  CHECK(!dir.files.wait(watch.value, Milliseconds{20}).value);
  const Milliseconds took = clock.monotonic() - before;
  CHECK(took.count() >= 19);
  CHECK(took.count() < 5'000);
  dir.files.close_watch(watch.value);
}

}  // namespace tests::filesystem_test
