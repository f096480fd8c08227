// The files of one state directory: their names, their paths, and which of them may be trusted.
#ifndef GENIE_STATE_FILES_HPP
#define GENIE_STATE_FILES_HPP

#include <errno.h>

#include <cstddef>
#include <cstdint>

#include "genie/host.hpp"
#include "genie/language.hpp"

namespace genie::inline v0 {

/// Longest path of a state directory: PATH_MAX of Linux less room for the names in it.
inline constexpr std::size_t directory_capacity = 4096 - 256 - 2;
/// Longest NAME or PORTNAME: NAME_MAX less room for the endings that genie adds.
inline constexpr std::size_t name_capacity = 200;
/// A path in a state directory. Room for PATH_MAX of Linux.
using PathText = FixedText<4096>;
/// A file's name. Room for NAME_MAX.
using NameText = FixedText<255>;

/// A state directory and the names of genie's files in it. Checked once, reported by the first operation.
class StateFiles {
 public:
  /// `port_name` may be empty: then it is `pgserve` for `serve`, and else the same as `name`.
  StateFiles(Text directory, Text name, Text port_name) noexcept {
    if (port_name.empty()) port_name = name == Text{"serve"} ? Text{"pgserve"} : name;
    directory_.append(directory.first(directory_capacity + 1));
    if (directory.empty()) {
      problem_ = ErrorKind::not_a_directory;
      problem_code_ = ENOENT;
    } else if (directory.size() > directory_capacity) {
      problem_ = ErrorKind::path_too_long;
      problem_code_ = ENAMETOOLONG;
      culprit_.append(directory);
    } else if (!usable(directory)) {
      refuse(directory, directory_capacity);
    } else if (!is_usable_name(name) || name.ends_with(".stopping")) {
      refuse(name, name_capacity);
    } else if (!is_usable_name(port_name)) {
      refuse(port_name, name_capacity);
    }
    name_.append(name);
    record_.append(name).append(".pid");
    lock_.append(name).append(".lock");
    sentinel_.append(name).append(".stopping.lock");
    sentinel_temporary_.append(name).append(".stopping.tmp");
    sentinel_guard_.append(name).append(".stopping.guard");
    endpoints_.append(name).append(".endpoints");
    port_ = port_file(port_name);
    lock_path_ = path_of(lock_);
  }

  /// Whether `text` can begin the names of our files, and stays in the directory.
  [[nodiscard]] static bool is_usable_name(Text text) noexcept {
    if (text.empty() || text.size() > name_capacity || text[0] == '.') return false;
    for (const char c : text) {
      if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < ' ') return false;
    }
    return true;
  }

  /// The state directory, as it was given.
  [[nodiscard]] const PathText& directory() const noexcept { return directory_; }
  /// NAME itself.
  [[nodiscard]] const NameText& name() const noexcept { return name_; }
  [[nodiscard]] const NameText& record() const noexcept { return record_; }        ///< `NAME.pid`
  [[nodiscard]] const NameText& lock() const noexcept { return lock_; }            ///< `NAME.lock`
  [[nodiscard]] const NameText& sentinel() const noexcept { return sentinel_; }    ///< `NAME.stopping.lock`
  [[nodiscard]] const NameText& port() const noexcept { return port_; }            ///< `PORTNAME.port`
  [[nodiscard]] const NameText& endpoints() const noexcept { return endpoints_; }  ///< `NAME.endpoints`
  /// The lock file's path, directory included.
  [[nodiscard]] const PathText& lock_path() const noexcept { return lock_path_; }
  /// Only the holder of the stopper lock writes it, so one name is enough.
  [[nodiscard]] const NameText& sentinel_temporary() const noexcept { return sentinel_temporary_; }

  /// What stoppers lock where `NAME.lock` can be locked as a whole only. Like that one, it is never removed.
  [[nodiscard]] const NameText& sentinel_guard() const noexcept { return sentinel_guard_; }

  /// `NAME.<16 hex digits>.tmp`. Only a holder of the lock makes such files, and its record says which.
  [[nodiscard]] NameText temporary(std::uint64_t token) const noexcept {
    NameText text{name_};
    text.append('.').append_hex(token).append(".tmp");
    return text;
  }
  /// Whether a file has a name that `temporary` gives.
  [[nodiscard]] bool is_temporary(Text file) const noexcept {
    if (file.size() != name_.size() + 21 || !file.starts_with(name_) || !file.ends_with(".tmp")) return false;
    if (file[name_.size()] != '.') return false;
    for (const char c : file.after(name_.size() + 1).first(16)) {
      if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
    }
    return true;
  }

  /// The directory's own path where `file` is empty.
  [[nodiscard]] PathText path_of(Text file) const noexcept {
    PathText path{directory_};
    if (file.empty()) return path;
    if (!directory_.empty() && directory_.data()[directory_.size() - 1] != '/') path.append('/');
    path.append(file);
    return path;
  }

  /// What a system call failed with, at one of these files.
  [[nodiscard]] Error error(Operation operation, int code, Text file) const noexcept {
    return make_error(ErrorKind::system, operation, code, path_of(file));
  }
  /// Why genie refused to do something, without a system call that failed.
  [[nodiscard]] Error refusal(ErrorKind kind, Operation operation, Text file) const noexcept {
    return make_error(kind, operation, 0, path_of(file));
  }

  /// Returns: an error where directory or names can't be used at all.
  [[nodiscard]] Result<void> check() const noexcept {
    if (problem_ == ErrorKind::system) return {};
    return make_error(problem_, Operation::none, problem_code_, culprit_);
  }

 private:
  /// Accepts `pgserve` and `pgserve.port` alike.
  static NameText port_file(Text name) noexcept {
    NameText text{name};
    if (!name.ends_with(".port")) text.append(".port");
    return text;
  }
  void refuse(Text culprit, std::size_t most) noexcept {
    problem_ = ErrorKind::invalid_name;
    problem_code_ = culprit.size() > most ? ENAMETOOLONG : EINVAL;
    culprit_.append(culprit);
  }
  static bool usable(Text text) noexcept {
    for (const char c : text) {
      if (c == '\0') return false;
    }
    return true;
  }

  PathText directory_;
  PathText lock_path_;
  NameText name_;
  NameText record_;
  NameText lock_;
  NameText sentinel_;
  NameText sentinel_temporary_;
  NameText sentinel_guard_;
  NameText port_;
  NameText endpoints_;
  ErrorKind problem_ = ErrorKind::system;
  int problem_code_ = 0;
  FixedText<error_path_capacity> culprit_;
};

namespace detail {

inline constexpr std::uint32_t sticky = 01000;
inline constexpr std::uint32_t writable_by_others = 0022;
inline constexpr std::uint32_t private_directory = 0700;
inline constexpr std::uint32_t private_file = 0600;

/// Whether a call fails because system or file system have no such thing.
[[nodiscard]] constexpr bool is_unsupported(int error) noexcept {
  return error == ENOSYS || error == EINVAL || error == EOPNOTSUPP;
}

/// Only we and root can have written it. A directory's owner can replace what is in it, a file's owner its content.
[[nodiscard]] inline bool is_ours(const FileInfo& info, std::uint64_t user) noexcept {
  return (info.user == user || info.user == 0) && (info.permissions & writable_by_others) == 0;
}

/// Whether a file of ours in the directory stays where it is, and what it is: also where others may write, and the
/// directory is sticky or root's (as /tmp is).
[[nodiscard]] inline bool keeps_our_files(const FileInfo& directory, std::uint64_t user) noexcept {
  return is_ours(directory, user) || (directory.permissions & sticky) != 0 || directory.user == 0;
}

/// Whether what `record` says may lead to a signal or a takeover: if nobody but us could have written it.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> check_trust(H& host, const StateFiles& files, const FileInfo& directory,
                                                     const FileInfo& record, Text record_name) noexcept {
  const std::uint64_t user = host.process.user();
  if (!is_ours(record, user)) return files.refusal(ErrorKind::untrusted_record, Operation::none, record_name);
  if (keeps_our_files(directory, user)) return {};
  return files.refusal(ErrorKind::untrusted_directory, Operation::none, Text{});
}

template <typename H>
struct OpenDirectory {
  ScopedFile<H> file;
  FileInfo info;
};

/// Opens the state directory, creating its last component where asked and absent.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> open_state_directory(H& host, const StateFiles& files, bool create,
                                                              OpenDirectory<H>& out) noexcept {
  if (auto usable = files.check(); !usable) return usable;
  const char* path = files.directory().c_str();
  auto opened = uninterrupted([&] { return host.files.open_directory(path); });
  // Somebody may remove it as soon as it is there.
  for (int attempt = 0; attempt < 3 && opened.error == ENOENT && create; ++attempt) {
    const auto made = uninterrupted([&] { return host.files.make_directory(path, private_directory); });
    if (!made.ok() && made.error != EEXIST) return files.error(Operation::make_directory, made.error, Text{});
    opened = uninterrupted([&] { return host.files.open_directory(path); });
  }
  if (opened.error == ENOTDIR) {
    return make_error(ErrorKind::not_a_directory, Operation::open_directory, ENOTDIR, files.directory());
  }
  if (!opened.ok()) return make_error(ErrorKind::system, Operation::open_directory, opened.error, files.directory());
  out.file = ScopedFile<H>{host, opened.value};
  const auto info = uninterrupted([&] { return host.files.stat(opened.value); });
  if (!info.ok()) return make_error(ErrorKind::system, Operation::stat, info.error, files.directory());
  out.info = info.value;
  return {};
}

/// Brings the names in the directory onto stable storage; its own descriptor need not be one that can.
template <typename H>
[[nodiscard]] GENIE_COLD Result<void> sync_directory(H& host, const StateFiles& files,
                                                     typename H::File directory) noexcept {
  const auto opened = uninterrupted([&] { return host.files.open(directory, ".", OpenMode::read, private_file); });
  if (!opened.ok()) return files.error(Operation::open, opened.error, Text{});
  const ScopedFile<H> readable{host, opened.value};
  const auto synced = uninterrupted([&] { return host.files.sync(opened.value); });
  if (!synced.ok()) return files.error(Operation::sync, synced.error, Text{});
  return {};
}

template <typename H>
struct OpenStateFile {
  ScopedFile<H> file;  ///< not open where the file is absent
  FileInfo info;
};

/// Opens one of genie's files; absent is no error. Anything but a regular file is refused: nothing is followed.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> open_state_file(H& host, const StateFiles& files, typename H::File directory,
                                                         const NameText& name, OpenMode mode,
                                                         OpenStateFile<H>& out) noexcept {
  out.file.reset();
  const auto opened = uninterrupted([&] { return host.files.open(directory, name.c_str(), mode, private_file); });
  if (opened.error == ENOENT) return {};
  if (opened.error == ELOOP || opened.error == EISDIR || opened.error == ENXIO) {
    return make_error(ErrorKind::not_a_regular_file, Operation::open, opened.error, files.path_of(name));
  }
  if (!opened.ok()) return files.error(Operation::open, opened.error, name);
  out.file = ScopedFile<H>{host, opened.value};
  const auto info = uninterrupted([&] { return host.files.stat(opened.value); });
  if (!info.ok()) return files.error(Operation::stat, info.error, name);
  if (info.value.type != FileType::regular) {
    return files.refusal(ErrorKind::not_a_regular_file, Operation::open, name);
  }
  out.info = info.value;
  return {};
}

}  // namespace detail

}  // namespace genie::inline v0

#endif  // GENIE_STATE_FILES_HPP
