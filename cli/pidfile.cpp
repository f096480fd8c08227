// Whose file it is, by the lock on it or by what it says; and the exchange.
#include "pidfile.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <array>
#include <ctime>
#include <stdexcept>

#include "genie/serve_guard.hpp"

namespace genie::cli {

namespace {

[[noreturn]] void fail(int error, const std::string& path) {
  throw std::system_error{error, std::generic_category(), fmt::format("cannot use the PID file {}", path)};
}

double seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Whether a process that has started at `start` was there before `written`. Where that can't be told, it was.
bool was_there(const StartToken& start, const timespec& written) {
  constexpr double slack = 1;  // of ticks, of time stamps, and of a clock that is being corrected
#if defined(__APPLE__)
  return !start.known || static_cast<double>(start.value) / 1e6 <= seconds_of(written) + slack;
#else
  timespec wall{};
  timespec since_boot{};
#if defined(__linux__)
  const long ticks = ::sysconf(_SC_CLK_TCK);
#else
  constexpr long ticks = 1'000'000;
#endif
  if (!start.known || ticks <= 0 || ::clock_gettime(CLOCK_REALTIME, &wall) != 0 ||
      ::clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
    return true;
  }
  const double started =
      seconds_of(wall) - seconds_of(since_boot) + static_cast<double>(start.value) / static_cast<double>(ticks);
  return started <= seconds_of(written) + slack;
#endif
}

const timespec& time_of_change(const struct ::stat& info) {
#if defined(__APPLE__)
  return info.st_mtimespec;
#else
  return info.st_mtim;
#endif
}

/// Not open where there is nothing. Whoever may read but not write it can't lock it, and gets an error, if any, from
/// replacing it.
Descriptor open_existing(const std::string& path) {
  constexpr int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Descriptor file{::open(path.c_str(), O_RDWR | flags)};
  if (!file.is_open() && (errno == EACCES || errno == EROFS)) file = Descriptor{::open(path.c_str(), O_RDONLY | flags)};
  if (!file.is_open() && errno != ENOENT) fail(errno, path);
  return file;
}

bool is_named(const Descriptor& file, const std::string& path) {
  struct ::stat ours{};
  struct ::stat named{};
  return ::fstat(file.get(), &ours) == 0 && ::lstat(path.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

/// Throws where a living process has left the file there. Returns: whether it may be replaced, and by nobody but us as
/// long as it is open; if not, look again.
bool is_ours_to_replace(const Descriptor& file, const std::string& path) {
  SystemFilesystem files;
  struct ::stat info{};
  if (::fstat(file.get(), &info) != 0) fail(errno, path);
  if (!S_ISREG(info.st_mode)) fail(EINVAL, path);
  // As a whole: the lock file of another state directory is used, too.
  const auto query = files.query_lock({file.get()}, 0, 0);
  if (!query.ok()) fail(query.error, path);
  const bool is_locked = query.value.held || files.try_lock({file.get()}, 0, 1).error == EAGAIN;
  std::array<char, 64> bytes{};
  const ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (count < 0) fail(errno, path);
  Text rest{bytes.data(), static_cast<std::size_t>(count)};
  Text line = take_line(rest);
  std::uint64_t pid = 0;
  // The record of another state directory is PID:START.
  const bool names_somebody = parse_decimal(trimmed(take_field(line, ':')), INT32_MAX, pid) && pid > 0;
  bool is_alive = false;
  if (names_somebody && static_cast<pid_t>(pid) != ::getpid()) {
    SystemProcessProbe probe;
    const Observation seen = probe.look(static_cast<Pid>(pid));
    is_alive = seen.liveness != Liveness::gone && was_there(seen.start, time_of_change(info));
  }
  const std::string who = names_somebody ? fmt::format("PID {}", pid) : "another process";
  if (is_locked && (is_alive || !names_somebody)) {
    throw std::runtime_error{fmt::format("the PID file {} is in use by {}: use another path", path, who)};
  }
  if (is_alive) {
    throw std::runtime_error{
        fmt::format("the PID file {} names {}, which is alive: use another path, or remove the file", path, who)};
  }
  // Locked by somebody else than whom it names: by one of us who is about to replace it.
  return !is_locked && is_named(file, path);
}

/// Gives the file `temporary`, which we hold locked, the name `path`.
void publish(const std::string& temporary, const std::string& path) {
  constexpr int attempts = 1000;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const Descriptor existing = open_existing(path);
    if (existing.is_open()) {
      if (is_ours_to_replace(existing, path)) {
        if (::rename(temporary.c_str(), path.c_str()) != 0) fail(errno, path);
        return;
      }
      (void)::poll(nullptr, 0, 1);
      continue;
    }
    if (::link(temporary.c_str(), path.c_str()) == 0) return;
    if (errno == EEXIST) continue;
    // A file system without second names: who comes at the same instant is replaced.
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(errno, path);
    return;
  }
  throw std::runtime_error{fmt::format("the PID file {} is in use by another process: use another path", path)};
}

/// Removes a name at the end of its scope, if it is still there.
struct ScopedName {
  explicit ScopedName(std::string name) : path{std::move(name)} {}
  ScopedName(const ScopedName&) = delete;
  ScopedName& operator=(const ScopedName&) = delete;
  ~ScopedName() { (void)::unlink(path.c_str()); }

  std::string path;
};

}  // namespace

PidFile::PidFile(std::string path) {
  if (path.empty()) return;
  const ScopedName temporary{fmt::format("{}.{}.tmp", path, ::getpid())};
  (void)::unlink(temporary.path.c_str());  // of a crashed process with our number
  Descriptor file{::open(temporary.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!file.is_open()) fail(errno, temporary.path);
  const std::string line = fmt::format("{}\n", ::getpid());
  // Whatever the umask: everybody who may enter the directory may know.
  if (::fchmod(file.get(), 0644) != 0 ||
      ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    fail(errno, path);
  }
  // Where there are no locks, what it says has to do.
  SystemFilesystem files;
  (void)files.try_lock({file.get()}, 0, 1);
  publish(temporary.path, path);
  path_ = std::move(path);
  file_ = std::move(file);
}

PidFile& PidFile::operator=(PidFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    file_ = std::move(other.file_);
  }
  return *this;
}

void PidFile::remove() noexcept {
  if (!file_.is_open()) return;
  if (is_named(file_, path_)) (void)::unlink(path_.c_str());
  file_.reset();
}

}  // namespace genie::cli
