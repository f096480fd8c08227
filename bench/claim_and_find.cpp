// What a claim and a look at a running server cost, beside the bare system calls and what people use today.
//
//   build/release/bench/claim_and_find DIRECTORY…     one on each file system of interest, as /tmp and /dev/shm
//
// Peers are measured where they are installed: libbsd's pidfile (libbsd-dev), Boost.Interprocess (libboost-dev), Qt's
// QLockFile (qtbase5-dev).
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <genie/serve_guard.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common.hpp"

#if __has_include(<bsd/libutil.h>)
#include <bsd/libutil.h>
#define GENIE_BENCH_LIBBSD
#endif
#if __has_include(<boost/interprocess/sync/file_lock.hpp>)
#include <boost/interprocess/sync/file_lock.hpp>
#define GENIE_BENCH_BOOST
#endif
#ifdef GENIE_BENCH_QT
#include <QLockFile>
#endif

namespace {

using bench::require;

void write_pid(int file) {
  const std::string text = std::to_string(::getpid()) + '\n';
  require(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "write");
}

[[nodiscard]] pid_t recorded_pid(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(file >= 0, "open");
  char text[32] = {};
  require(::read(file, text, sizeof text - 1) > 0, "read");
  ::close(file);
  return static_cast<pid_t>(std::atoi(text));
}

#ifdef O_TMPFILE
/// What a record costs that nobody ever sees half written, and that is removed only if it is the very one.
void publish_and_withdraw(int directory) {
  const int file = ::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  require(file >= 0, "openat");
  write_pid(file);
  struct ::stat ours{};
  struct ::stat moved{};
  require(::fstat(file, &ours) == 0, "fstat");
  require(::linkat(file, "", directory, "raw.pid", AT_EMPTY_PATH) == 0, "linkat");
  require(::renameat(directory, "raw.pid", directory, "raw.tmp") == 0, "renameat");
  require(::fstatat(directory, "raw.tmp", &moved, AT_SYMLINK_NOFOLLOW) == 0 && moved.st_ino == ours.st_ino, "fstatat");
  require(::unlinkat(directory, "raw.tmp", 0) == 0, "unlinkat");
  ::close(file);
}

/// What a lock costs that is seen to be the one of that name, and holds a record: read, and written before something is
/// done, after it, and at the end.
void lock_and_tell(const std::string& directory) {
  const std::string path = directory + "/raw.lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  require(file >= 0, "open");
  struct ::flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_len = 2;
  require(::fcntl(file, F_OFD_SETLK, &lock) == 0, "F_OFD_SETLK");
  struct ::stat locked{};
  struct ::stat named{};
  require(::fstat(file, &locked) == 0 && ::lstat(path.c_str(), &named) == 0 && locked.st_ino == named.st_ino, "stat");
  char record[1024] = {};
  require(::pread(file, record, sizeof record, 0) >= 0, "pread");
  for (int turn = 0; turn < 3; ++turn) require(::pwrite(file, record, sizeof record, 0) == sizeof record, "pwrite");
  ::close(file);
}
#endif

void compare_claims(const std::string& directory) {
  const std::string path = directory + "/floor.pid";
  genie::ServeGuard guard{directory + "/genie"};
  std::vector<bench::Work> works;
  works.push_back({"floor: create exclusively, write, close, unlink", [=] {
                     const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                     require(file >= 0, "open");
                     write_pid(file);
                     ::close(file);
                     require(::unlink(path.c_str()) == 0, "unlink");
                   }});
#ifdef O_TMPFILE
  const int raw = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  require(raw >= 0, "open");
  works.push_back(
      {"raw: a record, complete when it appears, compared before it goes", [=] { publish_and_withdraw(raw); }});
  works.push_back(
      {"raw: a verified lock and its record, read and written three times", [=] { lock_and_tell(directory); }});
#endif
  works.push_back({"genie: claim, release", [&] {
                     const auto claim = guard.claim();
                     require(claim && claim->owned() && guard.release(), "genie");
                   }});
  works.push_back({"genie: the same, by a process that does not know yet who it is", [=] {
                     genie::ServeGuard fresh{directory + "/genie"};
                     const auto claim = fresh.claim();
                     require(claim && claim->owned() && fresh.release(), "genie");
                   }});
#ifdef GENIE_BENCH_LIBBSD
  works.push_back({"libbsd: pidfile_open, _write, _remove", [=] {
                     pid_t other = 0;
                     pidfh* const file = ::pidfile_open((directory + "/bsd.pid").c_str(), 0600, &other);
                     require(file != nullptr && ::pidfile_write(file) == 0 && ::pidfile_remove(file) == 0, "pidfile");
                   }});
#endif
#ifdef GENIE_BENCH_BOOST
  std::ofstream{directory + "/boost.lock"};
  works.push_back({"Boost: file_lock, no record", [=] {
                     boost::interprocess::file_lock lock{(directory + "/boost.lock").c_str()};
                     require(lock.try_lock(), "file_lock");
                     lock.unlock();
                   }});
#endif
#ifdef GENIE_BENCH_QT
  works.push_back({"Qt: QLockFile, tryLock, unlock", [=] {
                     QLockFile lock{QString::fromStdString(directory + "/qt.lock")};
                     require(lock.tryLock(0), "QLockFile");
                     lock.unlock();
                   }});
#endif
  bench::compare("claim and release, " + directory, works);
#ifdef O_TMPFILE
  ::close(raw);
#endif
}

void compare_looks(const std::string& directory) {
  const std::string path = directory + "/owner.pid";
  const std::string missing = directory + "/missing.pid";
  std::ofstream{path} << ::getpid() << '\n';
  genie::ServeGuard owner{directory + "/owned"};
  const auto claim = owner.claim();
  require(claim && claim->owned() && owner.ready(), "genie");
  genie::ServeGuard guard{directory + "/owned"};
  genie::ServeGuard former{directory + "/former"};
  require(former.claim().has_value() && former.release().has_value(), "genie");
  genie::ServeGuard nobody{directory + "/nobody"};
  std::vector<bench::Work> works;
  works.push_back({"floor: open, read, close, kill 0", [=] { require(::kill(recorded_pid(path), 0) == 0, "kill"); }});
  works.push_back({"genie: running, live owner", [&] {
                     const auto running = guard.running();
                     require(running.has_value() && *running, "genie");
                   }});
  works.push_back({"one failed open", [=] { require(::open(missing.c_str(), O_RDONLY | O_CLOEXEC) < 0, "open"); }});
  works.push_back({"raw: one failed open, one failed stat", [=] {
                     struct ::stat info{};
                     require(::open(missing.c_str(), O_RDONLY | O_CLOEXEC) < 0, "open");
                     require(::stat(missing.c_str(), &info) != 0, "stat");
                   }});
  works.push_back({"genie: running, nobody ever was", [&] {
                     const auto running = nobody.running();
                     require(running.has_value() && !*running, "genie");
                   }});
  works.push_back({"genie: running, nobody any more", [&] {
                     const auto running = former.running();
                     require(running.has_value() && !*running, "genie");
                   }});
#ifdef GENIE_BENCH_QT
  QLockFile held{QString::fromStdString(directory + "/held.lock")};
  require(held.tryLock(0), "QLockFile");
  works.push_back({"Qt: QLockFile, tryLock of what is locked", [=] {
                     QLockFile lock{QString::fromStdString(directory + "/held.lock")};
                     require(!lock.tryLock(0), "QLockFile");
                   }});
#endif
  bench::compare("is it running, " + directory, works, 100);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY…\n", arguments[0]);
    return 64;
  }
  for (int at = 1; at < count; ++at) {
    const std::string directory = bench::make_directory(arguments[at]);
    compare_claims(directory);
    compare_looks(directory);
    std::filesystem::remove_all(directory);
  }
  return 0;
}
