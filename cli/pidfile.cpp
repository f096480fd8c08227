// Whose file it is, by the lock on it or by what it says; and the exchange.
#include "pidfile.hpp"

#include <fcntl.h>
#include <fmt/format.h>
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

/// Throws where a living process has left the file there.
void check_nobody_uses(const std::string& path) {
  SystemFilesystem files;
  // A second opinion through O_RDONLY: whoever may not write the file gets the error from replacing it.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  if (!file.is_open()) {
    if (errno == ENOENT) return;
    fail(errno, path);
  }
  struct ::stat info{};
  if (::fstat(file.get(), &info) != 0) fail(errno, path);
  if (!S_ISREG(info.st_mode)) fail(EINVAL, path);
  const auto query = files.query_lock({file.get()}, 0, 1);
  if (!query.ok()) fail(query.error, path);
  std::array<char, 64> bytes{};
  const ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (count < 0) fail(errno, path);
  Text rest{bytes.data(), static_cast<std::size_t>(count)};
  std::uint64_t pid = 0;
  const bool names_somebody = parse_decimal(trimmed(take_line(rest)), INT32_MAX, pid) && pid > 0;
  const std::string who = names_somebody ? fmt::format("PID {}", pid) : "another process";
  if (query.value.held) {
    throw std::runtime_error{fmt::format("the PID file {} is in use by {}: use another path", path, who)};
  }
  if (!names_somebody || static_cast<pid_t>(pid) == ::getpid()) return;
  SystemProcessProbe probe;
  const Observation seen = probe.look(static_cast<Pid>(pid));
  if (seen.liveness == Liveness::gone || !was_there(seen.start, time_of_change(info))) return;
  throw std::runtime_error{
      fmt::format("the PID file {} names {}, which is alive: use another path, or remove the file", path, who)};
}

}  // namespace

PidFile::PidFile(std::string path) {
  if (path.empty()) return;
  check_nobody_uses(path);
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  (void)::unlink(temporary.c_str());  // of a crashed process with our number
  Descriptor file{::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!file.is_open()) fail(errno, temporary);
  const auto give_up = [&] {
    const int error = errno;
    (void)::unlink(temporary.c_str());
    fail(error, path);
  };
  const std::string line = fmt::format("{}\n", ::getpid());
  // Whatever the umask: everybody who may enter the directory may know.
  if (::fchmod(file.get(), 0644) != 0 ||
      ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    give_up();
  }
  // Where there are no locks, what it says has to do.
  SystemFilesystem files;
  (void)files.try_lock({file.get()}, 0, 1);
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up();
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
  struct ::stat ours{};
  struct ::stat named{};
  const bool is_ours = ::fstat(file_.get(), &ours) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
                       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
  if (is_ours) (void)::unlink(path_.c_str());
  file_.reset();
}

}  // namespace genie::cli
