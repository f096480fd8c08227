// The filesystem policy against Windows: names, what open files allow, and locks.
#include "support.hpp"

#include <thread>

namespace tests::windows::filesystem_test {

namespace {

constexpr std::uint64_t byte = genie::detail::owner_byte;

/// A directory, opened, and the policy.
struct Directory {
  Scratch scratch;
  WindowsFilesystem files;
  File file = files.open_directory(scratch.of().c_str()).value;

  Directory() { REQUIRE(file.handle != nullptr); }
  ~Directory() { files.close(file); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  File open(const char* name, OpenMode mode = OpenMode::ensure) {
    const auto opened = files.open(file, name, mode, 0600);
    INFO(name << ": errno " << opened.error);
    REQUIRE(opened.ok());
    return opened.value;
  }
  void write(const char* name, const std::string& content) {
    const File made = open(name);
    REQUIRE(files.write_at(made, content.data(), content.size(), 0).value == content.size());
    files.close(made);
  }
  std::string read(File from) {
    char bytes[64];
    return {bytes, files.read_at(from, bytes, sizeof bytes, 0).value};
  }
  std::string read(const char* name) {
    const File from = open(name, OpenMode::read);
    std::string content = read(from);
    files.close(from);
    return content;
  }
};

}  // namespace

TEST_CASE("a file is created once, opened by whoever comes later, and missing is missing", "[windows][files]") {
  Directory in;
  CHECK(in.files.open(in.file, "a", OpenMode::read, 0600).error == ENOENT);
  CHECK(in.files.open(in.file, "a", OpenMode::read_write, 0600).error == ENOENT);
  const File made = in.open("a", OpenMode::create);
  CHECK(in.files.open(in.file, "a", OpenMode::create, 0600).error == EEXIST);
  const File again = in.open("a");
  CHECK(in.files.write_at(made, "hello", 5, 0).value == 5);
  CHECK(in.files.write_at(made, "!", 1, 7).ok());
  CHECK(in.read(again) == std::string("hello\0\0!", 8));
  char rest[4];
  CHECK(in.files.read_at(again, rest, sizeof rest, 8).value == 0);
  CHECK(in.files.read_at(again, rest, sizeof rest, 800).value == 0);
  CHECK(in.files.sync(made).ok());
  in.files.close(made);
  in.files.close(again);
}

TEST_CASE("what is no file, no directory or no name says so", "[windows][files]") {
  Directory in;
  REQUIRE(in.files.make_directory(in.scratch.of("d").c_str(), 0700).ok());
  CHECK(in.files.make_directory(in.scratch.of("d").c_str(), 0700).error == EEXIST);
  CHECK(in.files.make_directory(in.scratch.of("absent/d").c_str(), 0700).error == ENOENT);
  CHECK(in.files.open(in.file, "d", OpenMode::read, 0600).error == EISDIR);
  CHECK(in.files.unlink(in.file, "d").error == EISDIR);
  CHECK(in.files.unlink(in.file, "absent").error == ENOENT);
  in.write("f", "");
  CHECK(in.files.open_directory(in.scratch.of("f").c_str()).error == ENOTDIR);
  CHECK(in.files.open_directory(in.scratch.of("absent").c_str()).error == ENOENT);
  CHECK(in.files.open(in.file, "f:stream", OpenMode::ensure, 0600).error == EINVAL);
  CHECK(in.files.open({}, (in.scratch.of("f") + ":stream").c_str(), OpenMode::ensure, 0600).error == EINVAL);
  CHECK(in.files.open(in.file, "\xff\xfe", OpenMode::ensure, 0600).error == EINVAL);
  CHECK(in.files.open({}, "", OpenMode::ensure, 0600).error == ENOENT);
  CHECK(in.files.stat({}).error == EBADF);
}

TEST_CASE("names are UTF-8, may be long, and are absolute where they say so", "[windows][files]") {
  Directory in;
  const std::string name = "r\xc3\xa4tsel \xe2\x82\xac " + std::string(180, 'x');
  in.write(name.c_str(), "here");
  CHECK(in.scratch.names() == std::vector<std::string>{name});
  std::vector<std::string> seen;
  CHECK(in.files.for_each_name(in.file, [&](Text entry) { seen.emplace_back(entry.data(), entry.size()); }).ok());
  CHECK(seen == std::vector<std::string>{name});

  std::string path = in.scratch.of();
  for (int depth = 0; depth < 3; ++depth) {
    path += "/" + std::string(120, 'd');
    REQUIRE(in.files.make_directory(path.c_str(), 0700).ok());
  }
  REQUIRE(path.size() > MAX_PATH);
  const auto deep = in.files.open_directory(path.c_str());
  REQUIRE(deep.ok());
  const auto made = in.files.open(deep.value, "f", OpenMode::create, 0600);
  CHECK(made.ok());
  in.files.close(made.value);
  CHECK(in.files.stat_at({}, (path + "/f").c_str()).ok());
  CHECK(in.files.stat_at(deep.value, in.scratch.of(name).c_str()).ok());
  auto watch = in.files.watch((path + "/f").c_str());
  CHECK(watch.ok());
  in.files.close_watch(watch.value);
  CHECK(in.files.unlink(deep.value, "f").ok());
  in.files.close(deep.value);
}

TEST_CASE("a name is looked up in the directory that was opened, wherever it is now", "[windows][files]") {
  Directory in;
  REQUIRE(in.files.make_directory(in.scratch.of("before").c_str(), 0700).ok());
  const auto pinned = in.files.open_directory(in.scratch.of("before").c_str());
  REQUIRE(pinned.ok());
  std::filesystem::rename(in.scratch.of("before"), in.scratch.of("after"));
  REQUIRE(in.files.make_directory(in.scratch.of("before").c_str(), 0700).ok());
  const auto made = in.files.open(pinned.value, "f", OpenMode::create, 0600);
  REQUIRE(made.ok());
  in.files.close(made.value);
  CHECK(in.files.stat_at(in.file, "after/f").ok());
  CHECK(in.files.stat_at(in.file, "before/f").error == ENOENT);
  in.files.close(pinned.value);
}

TEST_CASE("a file is the same by whatever name, and no other is", "[windows][files]") {
  Directory in;
  in.write("a", "12345");
  in.write("b", "");
  const File opened = in.open("a", OpenMode::read);
  const auto info = in.files.stat(opened);
  REQUIRE(info.ok());
  CHECK(info.value.type == genie::FileType::regular);
  CHECK(info.value.size == 5);
  CHECK(info.value.links == 1);
  CHECK(info.value.changed_ns > 1'600'000'000'000'000'000);
  CHECK(info.value.id == in.files.stat_at(in.file, "a").value.id);
  CHECK_FALSE(info.value.id == in.files.stat_at(in.file, "b").value.id);
  CHECK(in.files.stat(in.file).value.type == genie::FileType::directory);
  CHECK(in.files.stat_at(in.file, "c").error == ENOENT);
  std::filesystem::create_hard_link(in.scratch.of("a"), in.scratch.of("c"));
  CHECK(in.files.stat(opened).value.links == 2);
  CHECK(in.files.stat_at(in.file, "c").value.id == info.value.id);
  REQUIRE(in.files.rename(in.file, "a", "d").ok());
  CHECK(in.files.stat_at(in.file, "d").value.id == info.value.id);
  CHECK(in.files.stat(opened).value.id == info.value.id);
  in.files.close(opened);
}

TEST_CASE("a rename replaces, also what somebody reads, who then reads on", "[windows][files]") {
  Directory in;
  in.write("old", "old");
  in.write("new", "new");
  const File reader = in.open("old", OpenMode::read);
  const File writer = in.open("new", OpenMode::read_write);
  CHECK(in.files.rename_new(in.file, "new", "old").error == EEXIST);
  CHECK(in.files.rename_new(in.file, "absent", "x").error == ENOENT);
  CHECK(in.files.rename(in.file, "absent", "old").error == ENOENT);
  REQUIRE(in.files.rename(in.file, "new", "old").ok());
  CHECK(in.read(reader) == "old");
  CHECK(in.read("old") == "new");
  in.files.close(reader);
  in.files.close(writer);
  CHECK(in.scratch.names() == std::vector<std::string>{"old"});
  REQUIRE(in.files.rename_new(in.file, "old", "other").ok());
  CHECK(in.read("other") == "new");
  CHECK(in.files.exchange(in.file, "other", "other").error == EOPNOTSUPP);
  CHECK(in.files.create_unnamed(in.file, 0600).error == EOPNOTSUPP);
  CHECK(in.files.inherited().error == EBADF);
}

TEST_CASE("a removed name is free at once, even while somebody has the file open", "[windows][files]") {
  Directory in;
  in.write("a", "first");
  const File reader = in.open("a", OpenMode::read);
  REQUIRE(in.files.unlink(in.file, "a").ok());
  CHECK(in.files.stat_at(in.file, "a").error == ENOENT);
  const auto made = in.files.open(in.file, "a", OpenMode::create, 0600);
  REQUIRE(made.ok());
  CHECK(in.files.write_at(made.value, "second", 6, 0).ok());
  CHECK(in.read(reader) == "first");
  in.files.close(made.value);
  in.files.close(reader);
  CHECK(in.read("a") == "second");
  CHECK(in.scratch.names() == std::vector<std::string>{"a"});
}

TEST_CASE("whoever keeps a file from being renamed is waited for, and not for ever", "[windows][files]") {
  Directory in;
  in.write("a", "");
  const std::wstring path = std::filesystem::path{in.scratch.of("a")}.wstring();
  {
    const Owned selfish{::CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                                      OPEN_EXISTING, 0, nullptr)};
    REQUIRE(selfish.get() != nullptr);
    CHECK(in.read("a").empty());
    CHECK(in.files.rename_new(in.file, "a", "b").error == EBUSY);
  }
  Owned brief{::CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr)};
  REQUIRE(brief.get() != nullptr);
  std::thread closes{[&] {
    ::Sleep(20);
    brief = Owned{};
  }};
  CHECK(in.files.unlink(in.file, "a").ok());
  closes.join();
  CHECK(in.scratch.names().empty());
}

TEST_CASE("a lock belongs to an open file: another one is told, and a query takes nothing", "[windows][locks]") {
  Directory in;
  const File one = in.open("lock");
  const File other = in.open("lock");
  const File reader = in.open("lock", OpenMode::read);
  CHECK_FALSE(in.files.query_lock(reader, byte, 2).value.held);
  REQUIRE(in.files.try_lock(one, byte, 2).ok());
  CHECK(in.files.try_lock(other, byte, 2).error == EAGAIN);
  CHECK(in.files.try_lock(other, byte + 1, 1).error == EAGAIN);
  CHECK(in.files.try_lock(other, byte + 2, 1).ok());
  CHECK(in.files.try_lock(one, byte, 2).ok());  // its own, once more

  auto query = in.files.query_lock(reader, byte, 2);
  REQUIRE(query.ok());
  CHECK(query.value.held);
  CHECK(genie::detail::covers(query.value, byte));
  CHECK(genie::detail::covers(query.value, byte + 1));
  CHECK_FALSE(genie::detail::covers(query.value, byte + 2));
  CHECK_FALSE(in.files.query_lock(one, byte, 2).value.held);  // not one of another's
  CHECK(in.files.query_lock(one, byte, 3).value.offset == byte + 2);

  REQUIRE(in.files.unlock(one, byte + 1, 1).ok());
  query = in.files.query_lock(reader, byte, 2);
  CHECK(genie::detail::covers(query.value, byte));
  CHECK_FALSE(genie::detail::covers(query.value, byte + 1));
  CHECK(in.files.try_lock(other, byte, 2).error == EAGAIN);
  CHECK_FALSE(in.files.query_lock(reader, byte + 1, 1).value.held);  // nothing of that try is left
  CHECK(in.files.unlock(one, byte + 1, 1).ok());

  in.files.close(one);
  CHECK_FALSE(in.files.query_lock(reader, byte, 2).value.held);
  CHECK(in.files.try_lock(other, byte, 2).ok());
  CHECK(in.files.try_lock(other, byte, 0).error == EINVAL);
  CHECK(in.files.query_lock(other, byte, 17).error == EINVAL);
  in.files.close(other);
  in.files.close(reader);
}

TEST_CASE("locked bytes keep nobody from reading and writing the content", "[windows][locks]") {
  Directory in;
  const File owner = in.open("lock");
  REQUIRE(in.files.try_lock(owner, byte, 2).ok());
  const File other = in.open("lock");
  CHECK(in.files.write_at(other, "content", 7, 0).ok());
  CHECK(in.read(owner) == "content");
  CHECK(in.read(other) == "content");
  in.files.close(owner);
  in.files.close(other);
}

TEST_CASE("a lock ends with its process, however that ends", "[windows][locks]") {
  Directory in;
  Event ready;
  Event done;
  const std::string path = in.scratch.of("lock");
  const File reader = in.open("lock");
  const bool is_killed = GENERATE(false, true);
  const Actor owner{"lock \"" + path + "\" " + ready.name() + " " + done.name()};
  ready.wait(owner);
  CHECK(in.files.query_lock(reader, byte, 2).value.held);
  CHECK(in.files.try_lock(reader, byte, 1).error == EAGAIN);
  if (is_killed) {
    owner.kill();
  } else {
    done.set();
    CHECK(owner.wait() == 0);
  }
  CHECK_FALSE(in.files.query_lock(reader, byte, 2).value.held);
  CHECK(in.files.try_lock(reader, byte, 1).ok());
  in.files.close(reader);
}

TEST_CASE("no query ever keeps anybody from a lock", "[windows][locks]") {
  Directory in;
  const File owner = in.open("lock");
  std::atomic<bool> is_over{false};
  std::atomic<std::uint64_t> queries{0};
  std::atomic<std::uint64_t> held{0};
  std::thread asks{[&] {
    const File reader = in.open("lock", OpenMode::read);
    while (!is_over) {
      held += in.files.query_lock(reader, byte, 2).value.held ? 1U : 0U;
      ++queries;
    }
    in.files.close(reader);
  }};
  unsigned failed = 0;
  unsigned rounds = 0;
  for (; rounds < 300 || queries < 300; ++rounds) {
    if (!in.files.try_lock(owner, byte, 2).ok()) ++failed;
    if (!in.files.unlock(owner, byte, 2).ok()) ++failed;
  }
  is_over = true;
  asks.join();
  INFO(rounds << " rounds, " << queries << " queries, " << held << " of them saw the lock");
  CHECK(failed == 0);
  in.files.close(owner);
}

TEST_CASE("a watch tells of what happens to a file or in a directory, and else that the time is up",
          "[windows][watch]") {
  Directory in;
  in.write("a", "1");
  CHECK(in.files.watch(in.scratch.of("absent").c_str()).error == ENOENT);
  auto watch = in.files.watch(in.scratch.of(GENERATE("", "a")).c_str());
  REQUIRE(watch.ok());
  const auto told = [&] {
    const auto waited = in.files.wait(watch.value, seconds(20));
    while (in.files.wait(watch.value, milliseconds(1)).value) {
    }
    return waited.ok() && waited.value;
  };
  CHECK_FALSE(in.files.wait(watch.value, milliseconds(0)).value);
  in.write("a", "22");
  CHECK(told());
  in.write("b", "");
  CHECK(told());
  REQUIRE(in.files.rename(in.file, "b", "c").ok());
  CHECK(told());
  REQUIRE(in.files.unlink(in.file, "a").ok());
  CHECK(told());
  CHECK_FALSE(in.files.wait(watch.value, milliseconds(0)).value);
  in.files.close_watch(watch.value);
}

TEST_CASE("what genie creates is ours alone, and what others may write is known as such", "[windows][trust]") {
  Directory in;
  WindowsProcessProbe process;
  REQUIRE(in.files.make_directory(in.scratch.of("d").c_str(), 0700).ok());
  const auto made = in.files.open_directory(in.scratch.of("d").c_str());
  REQUIRE(made.ok());
  const auto file = in.files.open(made.value, "f", OpenMode::create, 0600);
  REQUIRE(file.ok());
  for (const File one : {made.value, file.value}) {
    const auto info = in.files.stat(one);
    REQUIRE(info.ok());
    CHECK(info.value.user == process.user());
    CHECK((info.value.permissions & 0022U) == 0);
    CHECK(genie::detail::is_ours(info.value, process.user()));
  }
  in.files.close(file.value);
  in.files.close(made.value);
  CHECK(process.user() != UINT64_MAX);
}

}  // namespace tests::windows::filesystem_test
