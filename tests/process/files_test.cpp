// Files that are not what they should be, disks without room, and files that change while others read them.
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

namespace tests::files_test {

namespace {

using namespace process_tests;
using genie::ClaimMode;

ClaimOptions at_once() {
  ClaimOptions options;
  options.mode = ClaimMode::automatic;  // so that the sentinel is read, too
  options.settle = Milliseconds{0};
  options.empty_grace = Milliseconds{0};
  return options;
}

StopOptions short_stop() {
  StopOptions options;
  options.grace = Milliseconds{0};
  options.kill_wait = Milliseconds{0};
  options.settle = Milliseconds{0};
  return options;
}

const std::vector<std::string> all_files{"serve.pid", "serve.lock", "serve.stopping.lock", "pgserve.port"};

std::string one_megabyte_of_noise() {
  std::string noise;
  std::uint64_t state = 1;
  while (noise.size() < 1024 * 1024) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    noise += static_cast<char>(state >> 56U);
  }
  return noise;
}

/// Asks everything that only looks. Any verdict will do, and any error that names a path in the directory.
void look_around(const StateDirectory& directory) {
  Guard guard{directory.path()};
  const auto check_error = [&](const genie::Error& error) {
    REQUIRE(std::string{error.path.c_str()}.rfind(directory.path(), 0) == 0);
  };
  const auto running = guard.running();
  if (running.has_value())
    REQUIRE_FALSE(*running);
  else
    check_error(running.error());
  const auto status = guard.status();
  if (status.has_value())
    REQUIRE_FALSE(status->is_live());
  else
    check_error(status.error());
  const auto port = guard.port();
  if (port.has_value())
    REQUIRE(*port == 0);
  else
    check_error(port.error());
}

}  // namespace

TEST_CASE("any content of any file gives a verdict, and the next start wins", "[process][files][F15]") {
  const std::string noise = one_megabyte_of_noise();
  const std::vector<std::pair<const char*, std::string>> contents{
      {"nothing", ""},
      {"a line feed", "\n"},
      {"1", "1"},
      {"-1", "-1"},
      {"0", "0"},
      {"0:0", "0:0"},
      {"too many digits", "99999999999999999999"},
      {"too many digits of a start", "4711:99999999999999999999"},
      {"a fraction", "1.5"},
      {"an exponent", "1e9"},
      {"zero bytes", std::string(64, '\0')},
      {"a record and a zero byte", std::string{"4711:815\0", 9}},
      {"a date", "9999999999999\nstopper 1:1 - 0 1:1 9999999999999 9999999999999 9999999999999\n"},
      {"a torn lock record", "genie-lock 1\ngeneration 18446744073709551615\nowner 1:1\n"},
      {"a megabyte of noise", noise},
      {"a megabyte of digits", std::string(1024 * 1024, '1')},
      {"a megabyte of white space", std::string(1024 * 1024, ' ')},
  };
  const StateDirectory directory;
  for (const std::string& file : all_files) {
    for (const auto& entry : contents) {
      const std::string& content = entry.second;
      INFO(file << " contains " << entry.first);
      directory.clear();
      write_file(directory.file(file), content);
      in_child([&] {
        look_around(directory);
        REQUIRE(read_file(directory.file(file)) == content);
        Guard guard{directory.path()};
        const auto stopped = value(guard.stop(short_stop()));
        REQUIRE_FALSE(stopped.sent_terminate);
        REQUIRE_FALSE(stopped.sent_kill);
      });
      write_file(directory.file(file), content);
      in_child([&] {
        Guard guard{directory.path()};
        REQUIRE(value(guard.claim(at_once())).outcome == ClaimOutcome::claimed);
        REQUIRE(guard.verify() == Ownership::held);
        REQUIRE(value(guard.port()) == 0);
      });
      REQUIRE(directory.names() == std::vector<std::string>{"serve.lock"});
    }
  }
}

TEST_CASE("nothing but a regular file is read, written or followed", "[process][files][F15]") {
  struct Kind {
    const char* name;
    bool is_directory;
    void (*make)(const char* path, const char* target);
  };
  const std::vector<Kind> kinds{
      {"a symbolic link to a file", false,
       [](const char* path, const char* target) { (void)!::symlink(target, path); }},
      {"a symbolic link to nothing", false, [](const char* path, const char*) { (void)!::symlink("nothing", path); }},
      {"a symbolic link to a directory", false, [](const char* path, const char*) { (void)!::symlink("/tmp", path); }},
      {"a FIFO", false, [](const char* path, const char*) { (void)!::mkfifo(path, 0600); }},
      {"a directory", true, [](const char* path, const char*) { (void)!::mkdir(path, 0700); }},
      {"an endless device", false,
       [](const char* path, const char*) { (void)!::mknod(path, S_IFCHR | 0600, makedev(1, 5)); }},
      {"a socket", false, [](const char* path, const char*) { (void)!::mknod(path, S_IFSOCK | 0600, 0); }},
  };
  const StateDirectory directory;
  const std::string target = directory.path() + ".target";
  const std::string content = "4711";
  for (const std::string& file : all_files) {
    for (const Kind& kind : kinds) {
      INFO(file << " is " << kind.name);
      directory.clear();
      write_file(target, content, 0644);
      kind.make(directory.file(file).c_str(), target.c_str());
      if (!directory.has(file)) {
        WARN("skipped: " << kind.name << " can't be made here");
        continue;
      }
      const bool is_port_to_remove = file == "pgserve.port" && !kind.is_directory;
      in_child([&] {
        look_around(directory);
        for (int attempt = 0; attempt < 2; ++attempt) {
          Guard guard{directory.path()};
          const auto stopped = guard.stop(short_stop());
          if (stopped.has_value()) REQUIRE_FALSE(stopped->sent_terminate);
          const auto claimed = guard.claim(at_once());
          if (is_port_to_remove) {
            REQUIRE(value(claimed).owned());
          } else {
            REQUIRE_FALSE(claimed.has_value());
            REQUIRE(claimed.error().kind == ErrorKind::not_a_regular_file);
            REQUIRE(claimed.error().path.c_str() == directory.file(file));
          }
        }
      });
      REQUIRE(directory.leftovers().empty());
      REQUIRE(directory.has("serve.pid") == (file == "serve.pid"));
      struct ::stat info{};
      REQUIRE(::stat(target.c_str(), &info) == 0);
      REQUIRE((info.st_mode & 07777U) == 0644);
      REQUIRE(read_file(target) == content);
      std::filesystem::remove(directory.file(file));
      REQUIRE(value(Guard{directory.path()}.claim(at_once())).owned());
    }
  }
}

TEST_CASE("a lock file that is a second name of somebody's file is not written to", "[process][files][F15]") {
  const StateDirectory directory;
  const std::string target = directory.path() + ".target";
  write_file(target, "precious");
  REQUIRE(::link(target.c_str(), directory.lock().c_str()) == 0);
  Guard guard{directory.path()};
  const auto claimed = guard.claim();
  REQUIRE_FALSE(claimed.has_value());
  CHECK(claimed.error().kind == ErrorKind::linked_elsewhere);
  (void)guard.stop(short_stop());
  CHECK(read_file(target) == "precious");
}

TEST_CASE("files that may not be read are errors that say so", "[process][files][F15]") {
  const StateDirectory directory;
  if (is_root()) REQUIRE(::chown(directory.path().c_str(), nobody, nobody) == 0);
  for (const std::string& file : all_files) {
    INFO(file << " has mode 0000");
    in_child([&] {
      if (is_root()) become(nobody);
      write_file(directory.file(file), "4711:815", 0);
      look_around(directory);
      {
        Guard guard{directory.path()};
        const auto claimed = guard.claim(at_once());
        if (file == "pgserve.port") {
          REQUIRE(value(claimed).owned());
        } else {
          REQUIRE_FALSE(claimed.has_value());
          REQUIRE(claimed.error().kind == ErrorKind::system);
          REQUIRE(claimed.error().operation == Operation::open);
          REQUIRE(claimed.error().code == EACCES);
          REQUIRE(claimed.error().path.c_str() == directory.file(file));
        }
      }
      REQUIRE(directory.leftovers().empty());
      ::unlink(directory.file(file).c_str());
      REQUIRE(value(Guard{directory.path()}.claim(at_once())).owned());
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------------

namespace {

/// A claim succeeds, or it fails with `code` and leaves nothing half-claimed. Returns: whether it succeeded.
bool claims_or_fails_whole(const StateDirectory& directory, int code) {
  const std::string record = read_file(directory.record());
  Guard guard{directory.path()};
  const auto claimed = guard.claim(at_once());
  if (claimed.has_value()) {
    REQUIRE(claimed->owned());
    REQUIRE(guard.verify() == Ownership::held);
    REQUIRE(read_file(directory.record()) == record_of(claimed->owner));
    ok(guard.release());
    return true;
  }
  INFO(text(claimed.error()));
  REQUIRE(claimed.error().kind == ErrorKind::system);
  REQUIRE(claimed.error().code == code);
  REQUIRE(claimed.error().operation != Operation::none);
  REQUIRE(std::string{claimed.error().path.c_str()}.rfind(directory.path(), 0) == 0);
  REQUIRE_FALSE(guard.owns());
  REQUIRE(read_file(directory.record()) == record);
  REQUIRE(directory.leftovers().size() <= 1);  // the filler, if any
  // The lock is free again: the next one fails for the same reason, and is not told that somebody runs.
  Guard next{directory.path()};
  const auto again = next.claim(at_once());
  REQUIRE_FALSE(again.has_value());
  REQUIRE(again.error().code == code);
  return false;
}

/// Mounts a tmpfs of these limits over the state directory. Only in a mount namespace of its own.
bool mount_small(const StateDirectory& directory, const std::string& limits, unsigned long flags = 0) {
  return ::mount("tmpfs", directory.path().c_str(), "tmpfs", flags, ("mode=0700," + limits).c_str()) == 0;
}

/// Takes all the room but for `pages`.
void fill(const StateDirectory& directory, int pages) {
  const std::string path = directory.file("filler");
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  const std::string page(4096, 'x');
  off_t size = 0;
  while (::write(file, page.data(), page.size()) == static_cast<ssize_t>(page.size())) size += 4096;
  REQUIRE(errno == ENOSPC);
  REQUIRE(::ftruncate(file, std::max<off_t>(0, size - 4096 * pages)) == 0);
  ::close(file);
}

}  // namespace

TEST_CASE("a full disk is an error that says so, and nothing is half-claimed", "[process][files][F16]") {
  const StateDirectory directory;
  const bool stale = GENERATE(false, true);
  INFO("stale record: " << stale);
  const Shared<Counter> failures;
  const int status = in_own_mounts([&]() -> int {
    const ProcessIdentity dead = dead_process();
    for (int pages = 0; pages < 5; ++pages) {
      INFO(pages << " pages free");
      if (!mount_small(directory, "size=64k")) return not_permitted;
      if (stale) write_file(directory.record(), record_of(dead));
      fill(directory, pages);
      if (!claims_or_fails_whole(directory, ENOSPC)) failures->add();
      ::unlink(directory.file("filler").c_str());
      REQUIRE(claims_or_fails_whole(directory, 0));
      REQUIRE(::umount(directory.path().c_str()) == 0);
    }
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("a tmpfs can't be mounted");
  CHECK(status == 0);
  CHECK(failures->get() > 0);
}

TEST_CASE("a file system without room for another file is an error that says so", "[process][files][F16]") {
  const StateDirectory directory;
  const Shared<Counter> failures;
  const int status = in_own_mounts([&]() -> int {
    for (int files = 1; files < 6; ++files) {
      INFO(files << " inodes");
      if (!mount_small(directory, "nr_inodes=" + std::to_string(files))) return not_permitted;
      if (!claims_or_fails_whole(directory, ENOSPC)) failures->add();
      REQUIRE(::umount(directory.path().c_str()) == 0);
    }
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("a tmpfs can't be mounted");
  CHECK(status == 0);
  CHECK(failures->get() > 0);
}

TEST_CASE("an owner on a full disk keeps its claim and can end it", "[process][files][F16]") {
  const StateDirectory directory;
  const int status = in_own_mounts([&]() -> int {
    if (!mount_small(directory, "size=64k")) return not_permitted;
    Actor owner{directory};
    REQUIRE(owner.claim().owned());
    fill(directory, 0);
    const auto published = owner.ask([](Guard& guard) { return guard.publish_port(4711); });
    REQUIRE_FALSE(published.has_value());
    REQUIRE(published.error().code == ENOSPC);
    ok(owner.ask([](Guard& guard) { return guard.ready(); }));
    REQUIRE(owner.verify() == Ownership::held);
    REQUIRE(directory.leftovers() == std::vector<std::string>{"filler"});
    Guard observer{directory.path()};
    const auto stopped = observer.stop();
    if (!stopped.has_value()) {
      REQUIRE(stopped.error().code == ENOSPC);
      REQUIRE(owner.terminations() == 0);
      REQUIRE(directory.leftovers() == std::vector<std::string>{"filler"});
      REQUIRE(owner.leave() == 0);
    }
    REQUIRE(directory.names() == std::vector<std::string>{"filler", "serve.lock"});
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("a tmpfs can't be mounted");
  CHECK(status == 0);
}

TEST_CASE("a read-only file system is an error that says so", "[process][files][F16]") {
  const StateDirectory directory;
  const int status = in_own_mounts([&]() -> int {
    if (!mount_small(directory, "size=64k")) return not_permitted;
    {
      REQUIRE(value(Guard{directory.path()}.claim()).owned());
    }
    const ProcessIdentity dead = dead_process();
    const bool stale = GENERATE(false, true);
    if (stale) write_file(directory.record(), record_of(dead));
    if (::mount(nullptr, directory.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "size=64k") != 0)
      return not_permitted;
    REQUIRE_FALSE(claims_or_fails_whole(directory, EROFS));
    Guard guard{directory.path()};
    REQUIRE(value(guard.status()).state == (stale ? ServerState::stale : ServerState::stopped));
    REQUIRE_FALSE(value(guard.running()));
    return 0;
  });
  if (status == not_permitted) GENIE_SKIP("a tmpfs can't be mounted");
  CHECK(status == 0);
}

TEST_CASE("a directory that we may not write is an error that says so", "[process][files][F16]") {
  const StateDirectory directory;
  if (is_root()) REQUIRE(::chown(directory.path().c_str(), nobody, nobody) == 0);
  const bool has_lock = GENERATE(false, true);
  const bool has_record = GENERATE(false, true);
  in_child([&] {
    if (is_root()) become(nobody);
    if (has_lock) REQUIRE(value(Guard{directory.path()}.claim()).owned());
    if (has_record) write_file(directory.record(), record_of(dead_process()));
    REQUIRE(::chmod(directory.path().c_str(), 0500) == 0);
    REQUIRE_FALSE(claims_or_fails_whole(directory, EACCES));
    REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
    REQUIRE(claims_or_fails_whole(directory, 0));
  });
}

TEST_CASE("a process without free descriptors gets an error that says so", "[process][files][F16]") {
  const StateDirectory directory;
  const ProcessIdentity dead = dead_process();
  const bool stale = GENERATE(false, true);
  int failures = 0;
  for (unsigned free = 0; free < 8; ++free) {
    INFO(free << " descriptors free");
    directory.clear();
    if (stale) write_file(directory.record(), record_of(dead));
    Child claimant = start([&]() -> int {
      const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      ::close(next);
      rlimit limit{};
      limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(next) + free;
      Guard guard{directory.path()};
      // What needs descriptors itself comes before the limit; a sanitizer that checks an assertion needs some, too, so
      // there is none below.
      if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 5;
      const auto claimed = guard.claim(at_once());
      if (claimed.has_value()) return claimed->owned() ? 0 : 1;
      if (claimed.error().code != EMFILE) return 3;
      return guard.owns() ? 4 : 2;
    });
    const int status = claimant.wait();
    REQUIRE((status == 0 || status == 2));
    if (status == 2) ++failures;
    REQUIRE(directory.leftovers().empty());
    // A record that was proved stale may be gone by then, but nobody else's stands there.
    if (status == 2 && directory.has("serve.pid")) REQUIRE(read_file(directory.record()) == record_of(dead));
    REQUIRE(value(Guard{directory.path()}.claim(at_once())).owned());
  }
  CHECK(failures > 0);
}

// ---------------------------------------------------------------------------------------------------------------------

TEST_CASE("a predecessor's port is never told to anybody", "[process][files][F12]") {
  const StateDirectory directory;
  Actor predecessor{directory};
  REQUIRE(predecessor.claim().owned());
  Guard client{directory.path()};
  CHECK(value(client.port()) == 0);
  ok(predecessor.ask([](Guard& guard) { return guard.publish_port(1111); }));
  CHECK(value(client.port()) == 1111);
  const std::string left = read_file(directory.port());
  predecessor.kill();
  REQUIRE(directory.has("pgserve.port"));
  CHECK(value(client.port()) == 0);

  SECTION("once it is dead, nor while its successor starts") {
    Actor successor{directory};
    REQUIRE(successor.claim().owned());
    CHECK_FALSE(directory.has("pgserve.port"));
    CHECK(value(client.port()) == 0);
    write_file(directory.port(), left);  // restored by somebody
    CHECK(value(client.port()) == 0);
    CHECK(value(client.status()).port.standing == genie::PortStanding::stale);
    ok(successor.ask([](Guard& guard) { return guard.publish_port(2222); }));
    CHECK(value(client.port()) == 2222);
  }
  SECTION("also where its successor publishes under another name") {
    genie::GuardOptions names;
    names.port_name = "other";
    Guard successor{directory.path(), names};
    REQUIRE(value(successor.claim()).owned());
    CHECK_FALSE(directory.has("pgserve.port"));
  }
  SECTION("nor that of an older program, which nobody vouches for") {
    write_file(directory.port(), "4711");
    Actor successor{directory};
    CHECK(value(client.port()) == 0);
    REQUIRE(successor.claim().owned());
    CHECK_FALSE(directory.has("pgserve.port"));
    write_file(directory.port(), "4711");
    CHECK(value(client.port()) == 0);
    CHECK(value(client.status()).port.standing == genie::PortStanding::unverified);
  }
}

TEST_CASE("a port of an earlier claim of the same process is not told to anybody", "[process][files][F12]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  ok(server.ask([](Guard& guard) { return guard.publish_port(1111); }));
  const std::string left = read_file(directory.port());
  server.release();
  CHECK_FALSE(directory.has("pgserve.port"));
  REQUIRE(server.claim().owned());
  write_file(directory.port(), left);
  Guard client{directory.path()};
  CHECK(value(client.port()) == 0);
}

TEST_CASE("a client that asks all the time sees no port but those of live owners", "[process][files][F12]") {
  const StateDirectory directory;
  const Shared<Counter> closed;
  const Shared<Counter> asked;
  // Owner number n publishes port n and no other.
  const Shared<std::atomic<int>> current;
  std::vector<Child> clients;
  for (int at = 0; at < 2; ++at) {
    clients.push_back(start([&] {
      Guard client{directory.path()};
      while (closed->get() == 0) {
        const int before = *current;
        const auto port = value(client.port());
        const int after = *current;
        if (port != 0) REQUIRE((port >= before && port <= after));
        asked->add();
      }
    }));
  }
  for (int number = 1; number <= rounds_wanted(100); ++number) {
    *current = number;
    Actor owner{directory};
    eventually([&] { return owner.claim().owned(); });
    ok(owner.ask([number](Guard& guard) { return guard.publish_port(static_cast<std::uint16_t>(number)); }));
    const std::uint32_t seen = asked->get();
    asked->wait_for(seen + 2);
    if (number % 2 == 0)
      owner.kill();
    else
      (void)owner.leave();
  }
  closed->add();
  for (Child& client : clients) CHECK(client.wait() == 0);
}

TEST_CASE("a sentinel that is rewritten is never seen empty, and never lost to its readers", "[process][files][F28]") {
  const StateDirectory directory;
  const Shared<Counter> begun;
  const Shared<Counter> ended;
  const Shared<Counter> looks;
  const Shared<Counter> finished;
  constexpr int readers = 4;
  const int rewrites = 3 * rounds_wanted(100);
  Child writer = start([&] {
    Guard guard{directory.path()};
    genie::SystemFilesystem files;
    const auto opened = files.open_directory(directory.path().c_str());
    REQUIRE(opened.ok());
    genie::StopRegistration<Guard::Host> registration{guard.host(), guard.files(), opened.value,
                                                      identity_of(::getpid()), genie::default_sentinel_ttl};
    for (int at = 0; at < rewrites; ++at) {
      ok(registration.enter([](bool) noexcept {}));
      if (at == 0) begun->add();
      if (at == 0) looks->wait_for(readers);
    }
    ended->add();
    finished->wait_for(readers);
    ok(registration.leave());
  });
  begun->wait_for(1);
  std::vector<Child> children;
  for (int at = 0; at < readers; ++at) {
    children.push_back(start([&, at] {
      Guard guard{directory.path()};
      do {
        if (at < readers / 2) {
          const std::string content = read_file(directory.sentinel());
          genie::Sentinel sentinel;
          REQUIRE(genie::parse_sentinel(content, INT32_MAX, sentinel));
          REQUIRE(sentinel.count == 1);
          REQUIRE(sentinel.stoppers[0].stopper.pid == writer.pid());
        } else {
          const ClaimReport report = value(guard.claim(at_once()));
          REQUIRE(report.outcome == ClaimOutcome::stopping);
        }
        looks->add();
      } while (ended->get() == 0);
      finished->add();
    }));
  }
  for (Child& child : children) CHECK(child.wait() == 0);
  CHECK(writer.wait() == 0);
  CHECK_FALSE(directory.has("serve.stopping.lock"));
  std::printf("a sentinel rewritten %d times: looked at %u times, never empty\n", rewrites, looks->get());
}

}  // namespace tests::files_test
