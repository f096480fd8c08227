// Whether two filesystem policies are the same to a program: random operations on both must give the same results and
// the same errno. It is how `MemoryFilesystem` is held against the kernel, and how a policy of your own can be held
// against either.
//
//   SystemOutsider system;
//   MemoryModel model{::geteuid()};
//   ConformanceSubject kernel{std::vector{SystemFilesystem{}, SystemFilesystem{}}, system, "/tmp/scratch"};
//   ConformanceSubject memory = model.subject(2);
//   const ConformanceReport report = compare_filesystems(kernel, memory, {.operations = 100'000});
//   if (report.differences != 0) puts(report.text().c_str());
//
// Compares: every call of `FilesystemPolicy` by its value and errno; of a FileInfo, type, permissions, user, links,
// size, whether the change time moved, and which of the open files it is (numbers of inodes and devices may differ);
// locks between contenders, and between files that a fork has duplicated; what a watch noticed; all of it also in
// directories that were removed or may not be entered.
//
// Leaves out, because file systems differ, or nobody can tell: how long a call takes, and waits that block; short reads
// and writes; a full or read-only disk; EMFILE; `create_unnamed` in a removed directory; paths that end in a slash;
// sizes of directories; the order of names; change times closer than the clock (see `distinct_times`); which of
// several conflicting locks a query names; more than one user.
#ifndef GENIE_TESTING_CONFORMANCE_HPP
#define GENIE_TESTING_CONFORMANCE_HPP

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genie/policy/filesystem.hpp"
#include "genie/testing/manual_clock.hpp"
#include "genie/testing/memory_filesystem.hpp"

namespace genie::inline v0::testing {

/// How much is tried.
struct ConformanceOptions {
  std::uint64_t seed = 1;            ///< the same seed, the same operations
  std::uint64_t operations = 10000;  ///< at least so many; the last sequence is not cut short
  std::uint64_t first_sequence = 0;  ///< to repeat one that differed, together with `operations = 1`
  unsigned steps = 150;              ///< operations of one sequence, which begins with an empty directory
  unsigned watched_one_in = 4;       ///< sequences with watches, which take Linux milliseconds to close; 0: none
  unsigned synced_one_in = 16;       ///< sequences that sync, which waits for the disk; 0: none
  bool distinct_times = false;       ///< see `has_distinct_times`
  bool directory_links = true;       ///< a directory's links count its subdirectories
  bool closed_files = true;          ///< uses a default-constructed `File` as one that is closed: EBADF
  bool shrinks = true;               ///< looks for a shorter sequence that differs, too
  unsigned most_differences = 1;     ///< stops after so many sequences that differ
};

/// What came of it. With `differences == 0` the other members but `operations` and `sequences` mean nothing.
struct ConformanceReport {
  std::uint64_t operations = 0;
  std::uint64_t sequences = 0;
  std::uint64_t differences = 0;  ///< sequences that differed
  std::uint64_t seed = 0;
  std::uint64_t sequence = 0;      ///< the first that differed
  std::uint64_t step = 0;          ///< in it, from 1
  std::uint64_t operation = 0;     ///< operations until then, in all
  std::vector<std::string> trace;  ///< of its shortest form that still differs; both answers in the last line

  /// Returns: the report for people, with the first difference and the operations that led to it.
  [[nodiscard]] std::string text() const {
    if (differences == 0) return std::to_string(operations) + " operations, no difference";
    std::string text = "seed " + std::to_string(seed) + ", sequence " + std::to_string(sequence) + ", step " +
                       std::to_string(step) + " (operation " + std::to_string(operation) + "):\n";
    for (const std::string& line : trace) text += "  " + line + "\n";
    return text;
  }
};

/// What else happens to files, and no policy does. Each member function is optional, and an operation that one of the
/// two outsiders lacks is left out. They act as the user whose policies are compared; what they can't do, they don't.
///
/// | expression                           | what it does                                                            |
/// |--------------------------------------|-------------------------------------------------------------------------|
/// | `make_fifo(path, permissions)`       | `mkfifo(3)`                                                             |
/// | `make_socket(path, permissions)`     | `mknod(2)`, S_IFSOCK, as `bind(2)` does it                              |
/// | `make_symbolic_link(path, target)`   | `symlink(2)`                                                            |
/// | `make_hard_link(path, other)`        | `link(2)`: `other` becomes a name of the file `path`                    |
/// | `remove_directory(path)`             | `rmdir(2)`                                                              |
/// | `set_permissions(path, permissions)` | `chmod(2)` of what is no symbolic link                                  |
/// | `duplicate(files, file, others)`     | returns a `std::optional<File>` of `others`: the same open file, as after a fork |
/// | `end(files)`                         | closes all that a contender has open, at once                           |
/// | `clear(path)`                        | removes a directory and all that is in it, whatever its permissions     |
/// | `tick()`                             | lets a moment pass, before each operation                               |
///
/// Without `clear`, the directories of all sequences stay.
struct NoOutsider {};

/// An outsider who acts by the system's own calls. While it lives, the process's umask is 0, as a comparison needs it.
class SystemOutsider {
 public:
  SystemOutsider() noexcept : mask_{::umask(0)} {}
  SystemOutsider(const SystemOutsider&) = delete;
  SystemOutsider& operator=(const SystemOutsider&) = delete;
  ~SystemOutsider() { ::umask(mask_); }

  /// Makes a FIFO.
  void make_fifo(const std::string& path, std::uint32_t permissions) {
    (void)::mkfifo(path.c_str(), static_cast<mode_t>(permissions));
  }
  /// Makes a socket's file; nobody listens there.
  void make_socket(const std::string& path, std::uint32_t permissions) {
    (void)::mknod(path.c_str(), static_cast<mode_t>(S_IFSOCK | permissions), 0);
  }
  /// Makes `path` a symbolic link to `target`, which need not exist.
  void make_symbolic_link(const std::string& path, const std::string& target) {
    (void)!::symlink(target.c_str(), path.c_str());
  }
  /// Gives a file a second name.
  void make_hard_link(const std::string& path, const std::string& other) {
    (void)!::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, other.c_str(), 0);
  }
  /// Removes an empty directory.
  void remove_directory(const std::string& path) { (void)::rmdir(path.c_str()); }
  /// Sets the permission bits of a file.
  void set_permissions(const std::string& path, std::uint32_t permissions) {
    struct ::stat info{};
    if (::lstat(path.c_str(), &info) == 0 && !S_ISLNK(info.st_mode)) {
      (void)!::chmod(path.c_str(), static_cast<mode_t>(permissions));
    }
  }
  /// Another descriptor of an open file, for another contender. Returns: nothing where `file` is not open.
  template <typename F>
    requires requires(typename F::File file) { file.descriptor; }
  [[nodiscard]] std::optional<typename F::File> duplicate(F&, typename F::File file, F&) {
    const int descriptor = ::fcntl(file.descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (descriptor < 0) return std::nullopt;
    return typename F::File{descriptor};
  }
  /// Removes everything that is there, and the path itself.
  void clear(const std::string& path) { clear_at(AT_FDCWD, path.c_str()); }

 private:
  static void clear_at(int parent, const char* name) {
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0) return;
    if (errno == EACCES || errno == ENOTEMPTY) (void)!::fchmodat(parent, name, 0700, 0);
    const int descriptor = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR* const directory = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
    if (directory == nullptr) return;
    while (const dirent* const entry = ::readdir(directory)) {
      const Text file{entry->d_name};
      if (file == Text{"."} || file == Text{".."}) continue;
      if (::unlinkat(descriptor, entry->d_name, 0) != 0 && (errno == EISDIR || errno == EPERM)) {
        clear_at(descriptor, entry->d_name);
      }
    }
    ::closedir(directory);
    (void)::unlinkat(parent, name, AT_REMOVEDIR);
  }

  mode_t mask_;
};

/// An outsider who acts on a disk in memory, as the given user.
class MemoryOutsider {
 public:
  MemoryOutsider(MemoryDisk& disk, ManualTime& time, std::uint64_t user) noexcept
      : disk_{&disk}, time_{&time}, user_{user} {}

  /// Makes a FIFO.
  void make_fifo(const std::string& path, std::uint32_t permissions) {
    if (is_creatable(path)) disk_->make_fifo(path, permissions, user_);
  }
  /// Makes a socket's file; nobody listens there.
  void make_socket(const std::string& path, std::uint32_t permissions) {
    if (is_creatable(path)) disk_->make_socket(path, permissions, user_);
  }
  /// Makes `path` a symbolic link to `target`, which need not exist.
  void make_symbolic_link(const std::string& path, const std::string& target) {
    if (is_creatable(path)) disk_->make_symbolic_link(path, target, user_);
  }
  /// Gives a file a second name.
  void make_hard_link(const std::string& path, const std::string& other) {
    const MemoryDisk::Place source = find(path);
    if (source.error != 0 || source.inode == 0 || !is_creatable(other)) return;
    if (disk_->inode(source.inode).type != FileType::directory) disk_->make_hard_link(path, other);
  }
  /// Removes an empty directory.
  void remove_directory(const std::string& path) {
    const MemoryDisk::Place at = find(path);
    if (at.error != 0 || at.inode == 0 || disk_->may_remove(at, user_) != 0) return;
    const MemoryDisk::Inode& inode = disk_->inode(at.inode);
    if (inode.type == FileType::directory && inode.entries.empty()) disk_->remove(path);
  }
  /// Sets the permission bits of a file.
  void set_permissions(const std::string& path, std::uint32_t permissions) {
    const MemoryDisk::Place at = find(path);
    if (at.error != 0 || at.inode == 0 || disk_->inode(at.inode).type == FileType::symbolic_link) return;
    disk_->set_permissions(path, permissions);
  }
  /// A second descriptor of an open file; see `SystemOutsider::duplicate`.
  [[nodiscard]] std::optional<MemoryFilesystem::File> duplicate(MemoryFilesystem& files, MemoryFilesystem::File file,
                                                                MemoryFilesystem& others) {
    MemoryDisk::Table& from = disk_->tables[files.process()];
    MemoryDisk::Table& to = disk_->tables[others.process()];
    const auto found = from.descriptors.find(file.descriptor);
    if (found == from.descriptors.end()) return std::nullopt;
    const std::uint32_t open_file = found->second;
    const int descriptor = MemoryDisk::lowest_free(to.descriptors, 3);
    ++disk_->open_files[open_file].descriptors;
    to.descriptors[descriptor] = open_file;
    return MemoryFilesystem::File{descriptor};
  }
  /// Ends a contender: what it has open is closed.
  void end(MemoryFilesystem& files) { files.exec(); }
  /// Removes everything that is there, and the path itself.
  void clear(const std::string& path) { disk_->remove(path); }
  /// Lets time pass, so that the next change of a file has another time.
  void tick() {
    time_->advance(milliseconds(1));
    disk_->settle(*time_);
  }

 private:
  [[nodiscard]] MemoryDisk::Place find(const std::string& path) const {
    return disk_->resolve(MemoryDisk::root, path, user_, false);
  }
  [[nodiscard]] bool is_creatable(const std::string& path) const {
    const MemoryDisk::Place at = find(path);
    return at.error == 0 && at.inode == 0 && disk_->may_change(at.directory, user_) == 0;
  }

  MemoryDisk* disk_;
  ManualTime* time_;
  std::uint64_t user_;
};

/// One of the two sides: the policies of one or more contenders, each as if in a process of its own, and a directory
/// that exists, may be written by `user`, and is empty. The contenders must have open files of their own, but they
/// may well live in the same process: then locks of different open files conflict all the same.
template <FilesystemPolicy F, typename O = NoOutsider>
struct ConformanceSubject {
  using Filesystem = F;
  using Outsider = O;

  std::vector<F> contenders;
  O& outsider;
  std::string directory;
};
template <typename F, typename O>
ConformanceSubject(std::vector<F>, O&, const char*) -> ConformanceSubject<F, O>;
template <typename F, typename O>
ConformanceSubject(std::vector<F>, O&, std::string) -> ConformanceSubject<F, O>;

/// A disk in memory, ready to be compared. Must outlive its subjects.
class MemoryModel {
 public:
  ManualTime time;
  MemoryDisk disk;
  MemoryOutsider outsider;

  explicit MemoryModel(std::uint64_t user) : outsider{disk, time, user}, user_{user} {
    disk.make_directory("/scratch", 0777, user);
  }
  MemoryModel(const MemoryModel&) = delete;
  MemoryModel& operator=(const MemoryModel&) = delete;

  /// The model as the subject of a comparison, with so many contenders.
  [[nodiscard]] ConformanceSubject<MemoryFilesystem, MemoryOutsider> subject(ProcessIndex contenders) {
    std::vector<MemoryFilesystem> files;
    for (ProcessIndex index = 0; index < contenders; ++index) {
      files.emplace_back(disk, time, index, user_);
      files.back().calls().keeps_log = false;
    }
    return {files, outsider, "/scratch"};
  }

 private:
  std::uint64_t user_;
};

namespace detail {

enum class ConformanceKind : std::uint8_t {
  open,
  create_unnamed,
  link_unnamed,
  rename,
  rename_new,
  exchange,
  unlink,
  stat,
  stat_at,
  read,
  write,
  lock,
  unlock,
  query,
  list,
  close,
  make_directory,
  open_directory,
  sync,
  watch,
  wait,
  make_fifo,
  make_socket,
  make_symbolic_link,
  make_hard_link,
  remove_directory,
  set_permissions,
  duplicate,
  end,
};
inline constexpr std::size_t conformance_kinds = static_cast<std::size_t>(ConformanceKind::end) + 1;
inline constexpr std::array<const char*, conformance_kinds> conformance_names{
    "open",      "create_unnamed", "link_unnamed",   "rename",         "rename_new", "exchange", "unlink",
    "stat",      "stat_at",        "read_at",        "write_at",       "try_lock",   "unlock",   "query_lock",
    "list",      "close",          "make_directory", "open_directory", "sync",       "watch",    "wait",
    "make fifo", "make socket",    "symbolic link",  "hard link",      "rmdir",      "chmod",    "duplicate",
    "end"};
/// How often each is drawn, in proportion.
inline constexpr std::array<std::uint8_t, conformance_kinds> conformance_weights{
    30, 6, 6, 5, 5, 5, 6, 9, 7, 6, 7, 12, 5, 7, 3, 7, 3, 2, 2, 2, 8, 2, 2, 3, 2, 3, 5, 3, 1};

/// Names are numbers in a step, so that sequences are the same on all machines and cheap to keep.
inline constexpr std::size_t usual_names = 4;
inline constexpr std::uint8_t own_name = 8;     // "."
inline constexpr std::uint8_t parent_name = 9;  // ".."
inline const std::array<std::string, 11> conformance_paths{
    "a", "b", "c", "d", "d/a", "missing/a", "a/b", std::string(256, 'x'), ".", "..", ""};

struct ConformanceStep {
  ConformanceKind kind = ConformanceKind::open;
  OpenMode mode = OpenMode::read;
  std::uint8_t contender = 0;
  std::uint8_t other_contender = 0;
  std::uint8_t slot = 0;
  std::uint8_t other_slot = 0;
  std::uint8_t where = 0;  ///< directory 0 or 1 of the contender, 2: its slot `other_slot`, 3: none, absolute path
  std::uint8_t name = 0;
  std::uint8_t other = 0;
  std::uint8_t flag = 0;
  std::uint16_t permissions = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};

/// What a step gave. `values` mean something else for each kind.
struct ConformanceAnswer {
  static constexpr std::int8_t untold = -1;

  bool skipped = false;
  std::int8_t changed = untold;  ///< whether the change time has moved since the file was last looked at
  bool is_vague = false;         ///< a query that several locks answer: `values` are one of them
  int error = 0;
  std::array<std::uint64_t, 7> values{};
};

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators". The same everywhere, unlike <random>.
class ConformanceRandom {
 public:
  explicit ConformanceRandom(std::uint64_t seed) noexcept : state_{seed} {}
  std::uint64_t next() noexcept {
    std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }
  /// Returns: a number below `limit`, which is not 0.
  std::uint8_t below(std::uint64_t limit) noexcept { return static_cast<std::uint8_t>((next() >> 20U) % limit); }
  bool one_in(std::uint64_t count) noexcept { return count != 0 && (next() >> 20U) % count == 0; }

 private:
  std::uint64_t state_;
};

/// One side during one sequence.
template <typename Subject>
class ConformanceSide {
 public:
  using Files = typename Subject::Filesystem;
  using Outsider = typename Subject::Outsider;
  using File = typename Files::File;
  using Watch = typename Files::Watch;
  using Kind = ConformanceKind;

  static constexpr std::size_t slot_count = 4;
  static constexpr std::size_t watch_count = 2;

  ConformanceSide(Subject& subject, const ConformanceOptions& options, std::uint64_t number)
      : subject_{subject}, options_{options}, contenders_(subject.contenders.size()) {
    const std::string parent = subject.directory + "/" + std::to_string(number);
    // One more, so that ".." is the same on both sides, too.
    (void)files(0).make_directory(parent.c_str(), 0700);
    root_ = parent + "/state";
    (void)files(0).make_directory(root_.c_str(), 0700);
    for (std::size_t index = 0; index < contenders_.size(); ++index) enter_root(index);
  }
  ConformanceSide(const ConformanceSide&) = delete;
  ConformanceSide& operator=(const ConformanceSide&) = delete;
  ~ConformanceSide() {
    for (std::size_t index = 0; index < contenders_.size(); ++index) close_all(index);
    if constexpr (requires { subject_.outsider.clear(root_); }) {
      subject_.outsider.clear(root_.substr(0, root_.size() - std::strlen("/state")));
    }
  }

  /// Whether an outsider can do what `kind` needs.
  [[nodiscard]] static bool can(Kind kind) noexcept {
    const auto answer = [kind](auto* outsider, auto* policy, const std::string& path) {
      switch (kind) {
        case Kind::make_fifo: return requires { outsider->make_fifo(path, 0U); };
        case Kind::make_socket: return requires { outsider->make_socket(path, 0U); };
        case Kind::make_symbolic_link: return requires { outsider->make_symbolic_link(path, path); };
        case Kind::make_hard_link: return requires { outsider->make_hard_link(path, path); };
        case Kind::remove_directory: return requires { outsider->remove_directory(path); };
        case Kind::set_permissions: return requires { outsider->set_permissions(path, 0U); };
        case Kind::duplicate: return requires { outsider->duplicate(*policy, File{}, *policy); };
        default: return true;
      }
    };
    return answer(static_cast<Outsider*>(nullptr), static_cast<Files*>(nullptr), {});
  }

  [[nodiscard]] ConformanceAnswer perform(const ConformanceStep& step) {
    if constexpr (requires { subject_.outsider.tick(); }) subject_.outsider.tick();
    Contender& me = contenders_[step.contender];
    Files& calls = files(step.contender);
    Slot& slot = me.held[step.slot];
    const bool names_nothing = !is_open(me, step);
    // Else most steps would be about files that are closed.
    if (names_nothing && (!options_.closed_files || step.flag != 0)) return skipped();
    const File file = file_of(me, step);
    const File directory = directory_of(me, step);
    const std::string& name = step.where == 3 ? path_of(step.name, path_) : conformance_paths[step.name];
    const std::string& other = step.where == 3 ? path_of(step.other, other_path_) : conformance_paths[step.other];
    switch (step.kind) {
      case Kind::open: return opened(calls.open(directory, name.c_str(), step.mode, step.permissions), calls, slot);
      case Kind::create_unnamed: {
        // Where the directory was removed, each file system answers otherwise.
        const auto where = calls.stat(directory);
        if (!where.ok() || where.value.links == 0) return skipped();
        return opened(calls.create_unnamed(directory, step.permissions), calls, slot);
      }
      case Kind::link_unnamed: return status(calls.link_unnamed(file, directory, name.c_str()).error);
      case Kind::rename: return status(calls.rename(directory, name.c_str(), other.c_str()).error);
      case Kind::rename_new: return status(calls.rename_new(directory, name.c_str(), other.c_str()).error);
      case Kind::exchange: return status(calls.exchange(directory, name.c_str(), other.c_str()).error);
      case Kind::unlink: return status(calls.unlink(directory, name.c_str()).error);
      case Kind::stat: {
        const auto result = calls.stat(file);
        ConformanceAnswer answer = described(result);
        if (result.ok() && step.slot < slot_count && slot.file) note_time(slot, result.value.changed_ns, answer);
        return answer;
      }
      case Kind::stat_at: return described(calls.stat_at(directory, name.c_str()));
      case Kind::read: {
        char buffer[16] = {};
        const auto result = calls.read_at(file, buffer, step.length, step.offset);
        ConformanceAnswer answer = status(result.error);
        answer.values[0] = result.value;
        for (std::size_t at = 0; at < result.value && at < sizeof buffer; ++at) {
          answer.values[1 + at / 8] |= std::uint64_t{static_cast<unsigned char>(buffer[at])} << (8 * (at % 8));
        }
        return answer;
      }
      case Kind::write: {
        const auto result = calls.write_at(file, &"abcdefghijklmnopqrstuvwxyz"[step.flag], step.length, step.offset);
        ConformanceAnswer answer = status(result.error);
        answer.values[0] = result.value;
        return answer;
      }
      case Kind::lock: {
        const int error = calls.try_lock(file, lock_at(step), step.length).error;
        if (error == 0 && step.slot < slot_count) mark_locked(slot.description);
        return status(error);
      }
      case Kind::unlock: return status(calls.unlock(file, lock_at(step), step.length).error);
      case Kind::query: {
        const auto result = calls.query_lock(file, lock_at(step), step.length);
        ConformanceAnswer answer = status(result.error);
        answer.values = {result.value.held ? 1U : 0U, result.value.offset, result.value.length};
        answer.is_vague = result.value.held && has_other_lockers(slot);
        return answer;
      }
      case Kind::list: {
        ConformanceAnswer answer;
        answer.error = calls
                           .for_each_name(directory,
                                          [&](Text entry) {
                                            ++answer.values[0];
                                            for (std::size_t at = 0; at < usual_names; ++at) {
                                              if (entry == Text{conformance_paths[at]})
                                                answer.values[1] |= std::uint64_t{1} << at;
                                            }
                                          })
                           .error;
        return answer;
      }
      case Kind::close: {
        if (!slot.file) return skipped();
        calls.close(*slot.file);
        slot = Slot{};
        return {};
      }
      case Kind::make_directory:
        return status(calls.make_directory(path_of(step.name, path_).c_str(), step.permissions | 0700U).error);
      case Kind::open_directory: {
        const auto result = calls.open_directory(path_of(step.name, path_).c_str());
        if (result.ok()) {
          if (me.directories[1]) calls.close(*me.directories[1]);
          me.directories[1] = result.value;
        }
        return status(result.error);
      }
      case Kind::sync: return status(calls.sync(file).error);
      case Kind::watch: {
        auto& watch = watches_[step.slot % watch_count];
        if (watch.first) files(watch.second).close_watch(*watch.first);
        watch.first.reset();
        const auto result = calls.watch(path_of(step.name, path_).c_str());
        if (result.ok()) watch = {result.value, step.contender};
        return status(result.error);
      }
      case Kind::wait: {
        auto& watch = watches_[step.slot % watch_count];
        if (!watch.first) return skipped();
        const auto result = files(watch.second).wait(*watch.first, Milliseconds{});
        ConformanceAnswer answer = status(result.error);
        answer.values[0] = result.value ? 1 : 0;
        return answer;
      }
      default: return act(step, me);
    }
  }

 private:
  struct Slot {
    std::optional<File> file;
    std::uint64_t description = 0;
    FileIdentity id;
    std::int64_t seen_ns = 0;
    bool may_lock = false;  ///< its open file has had a lock
  };
  struct Contender {
    std::array<Slot, slot_count> held{};
    std::array<std::optional<File>, 2> directories{};  ///< the root, and one that may be removed
  };

  [[nodiscard]] static ConformanceAnswer skipped() {
    ConformanceAnswer answer;
    answer.skipped = true;
    return answer;
  }
  [[nodiscard]] static ConformanceAnswer status(int error) {
    ConformanceAnswer answer;
    answer.error = error;
    return answer;
  }
  /// Up to the last byte that a lock can have.
  [[nodiscard]] static std::uint64_t lock_at(const ConformanceStep& step) {
    constexpr std::uint64_t last = INT64_MAX;
    return step.flag == 3 && step.other < 2 ? last - step.offset : step.offset;
  }

  [[nodiscard]] Files& files(std::size_t contender) { return subject_.contenders[contender]; }
  [[nodiscard]] const std::string& path_of(std::uint8_t name, std::string& buffer) {
    buffer = root_;
    buffer += '/';
    buffer += conformance_paths[name].empty() ? "a" : conformance_paths[name].c_str();
    return buffer;
  }
  [[nodiscard]] static bool is_open(const Contender& me, const ConformanceStep& step) {
    switch (step.kind) {
      case Kind::link_unnamed:
      case Kind::stat:
      case Kind::read:
      case Kind::write:
      case Kind::sync:
      case Kind::lock:
      case Kind::unlock:
      case Kind::query: return step.slot >= slot_count || me.held[step.slot].file.has_value();
      default: return true;
    }
  }
  [[nodiscard]] static File file_of(const Contender& me, const ConformanceStep& step) {
    if (step.slot >= slot_count) return me.directories[0].value_or(File{});
    return me.held[step.slot].file.value_or(File{});
  }
  [[nodiscard]] static File directory_of(const Contender& me, const ConformanceStep& step) {
    const File first = me.directories[0].value_or(File{});
    switch (step.where) {
      case 1: return me.directories[1].value_or(first);
      case 2: return me.held[step.other_slot].file.value_or(first);
      case 3: return File{};
      default: return first;
    }
  }
  void enter_root(std::size_t index) {
    const auto opened = files(index).open_directory(root_.c_str());
    if (opened.ok()) contenders_[index].directories[0] = opened.value;
  }
  void close_all(std::size_t index) {
    Contender& contender = contenders_[index];
    Files& calls = files(index);
    for (auto& watch : watches_) {
      if (watch.first && watch.second == index) calls.close_watch(*watch.first);
      if (watch.second == index) watch.first.reset();
    }
    for (Slot& slot : contender.held) {
      if (slot.file) calls.close(*slot.file);
    }
    for (auto& directory : contender.directories) {
      if (directory) calls.close(*directory);
    }
    contender = Contender{};
  }

  [[nodiscard]] ConformanceAnswer opened(const SysResult<File>& result, Files& calls, Slot& slot) {
    if (!result.ok()) return status(result.error);
    if (slot.file) calls.close(*slot.file);
    slot = Slot{};
    slot.file = result.value;
    slot.description = ++descriptions_;
    const auto info = calls.stat(result.value);
    slot.id = info.value.id;
    slot.seen_ns = info.value.changed_ns;
    return described(info);
  }
  /// Numbers of inodes differ, but which of the open files it is must not.
  [[nodiscard]] ConformanceAnswer described(const SysResult<FileInfo>& result) const {
    ConformanceAnswer answer = status(result.error);
    if (!result.ok()) return answer;
    const FileInfo& info = result.value;
    const bool is_directory = info.type == FileType::directory;
    std::uint64_t same = 0;
    for (const Contender& contender : contenders_) {
      for (const Slot& slot : contender.held) same = same * 2 + (slot.file && slot.id == info.id ? 1 : 0);
    }
    answer.values = {static_cast<std::uint64_t>(info.type),
                     info.permissions,
                     info.user,
                     is_directory && !options_.directory_links && info.links != 0 ? 1 : info.links,
                     is_directory ? 0 : static_cast<std::uint64_t>(info.size),
                     same};
    return answer;
  }
  static void note_time(Slot& slot, std::int64_t changed_ns, ConformanceAnswer& answer) {
    answer.changed = changed_ns != slot.seen_ns ? 1 : 0;
    answer.values[6] = changed_ns < slot.seen_ns ? 1 : 0;  // time never goes back
    slot.seen_ns = changed_ns;
  }

  void mark_locked(std::uint64_t description) {
    for (Contender& contender : contenders_) {
      for (Slot& slot : contender.held) {
        if (slot.file && slot.description == description) slot.may_lock = true;
      }
    }
  }
  /// Whether more than one lock may stand in the way.
  [[nodiscard]] bool has_other_lockers(const Slot& own) const {
    std::uint64_t first = 0;
    for (const Contender& contender : contenders_) {
      for (const Slot& slot : contender.held) {
        if (!slot.file || !slot.may_lock || slot.id != own.id || slot.description == own.description) continue;
        if (first != 0 && first != slot.description) return true;
        first = slot.description;
      }
    }
    return false;
  }

  /// What an outsider does.
  [[nodiscard]] ConformanceAnswer act(const ConformanceStep& step, Contender& me) {
    Outsider& outsider = subject_.outsider;
    const std::string& path = path_of(step.name, path_);
    switch (step.kind) {
      case Kind::make_fifo:
        if constexpr (requires { outsider.make_fifo(path, 0U); }) outsider.make_fifo(path, step.permissions);
        return {};
      case Kind::make_socket:
        if constexpr (requires { outsider.make_socket(path, 0U); }) outsider.make_socket(path, step.permissions);
        return {};
      case Kind::make_symbolic_link:
        if constexpr (requires { outsider.make_symbolic_link(path, path); }) {
          outsider.make_symbolic_link(path, step.other == 10 ? "a" : conformance_paths[step.other]);
        }
        return {};
      case Kind::make_hard_link:
        if constexpr (requires { outsider.make_hard_link(path, path); }) {
          outsider.make_hard_link(path, path_of(step.other, other_path_));
        }
        return {};
      case Kind::remove_directory:
        if constexpr (requires { outsider.remove_directory(path); }) outsider.remove_directory(path);
        return {};
      case Kind::set_permissions:
        if constexpr (requires { outsider.set_permissions(path, 0U); }) {
          outsider.set_permissions(path, step.permissions);
        }
        return {};
      case Kind::duplicate:
        if constexpr (requires { outsider.duplicate(files(0), File{}, files(0)); }) {
          Slot& from = me.held[step.slot];
          Slot& to = contenders_[step.other_contender].held[step.other_slot];
          if (!from.file || &from == &to) return skipped();
          const auto copy = outsider.duplicate(files(step.contender), *from.file, files(step.other_contender));
          if (!copy) return status(EMFILE);
          if (to.file) files(step.other_contender).close(*to.file);
          to = from;
          to.file = *copy;
        }
        return {};
      case Kind::end:
        if constexpr (requires { outsider.end(files(0)); }) {
          outsider.end(files(step.contender));
          for (auto& watch : watches_) {
            if (watch.second == step.contender) watch.first.reset();
          }
          me = Contender{};
        } else {
          close_all(step.contender);
        }
        enter_root(step.contender);
        return {};
      default: return skipped();
    }
  }

  Subject& subject_;
  const ConformanceOptions& options_;
  std::string root_;
  std::string path_;
  std::string other_path_;
  std::vector<Contender> contenders_;
  std::array<std::pair<std::optional<Watch>, std::size_t>, watch_count> watches_{};
  std::uint64_t descriptions_ = 0;
};

template <typename Reference, typename Candidate>
class Conformance {
 public:
  Conformance(Reference& reference, Candidate& candidate, const ConformanceOptions& options)
      : reference_{reference}, candidate_{candidate}, options_{options} {
    contenders_ = reference.contenders.size() < candidate.contenders.size() ? reference.contenders.size()
                                                                            : candidate.contenders.size();
    for (std::size_t kind = 0; kind < conformance_kinds; ++kind) {
      const auto value = static_cast<ConformanceKind>(kind);
      if (!ConformanceSide<Reference>::can(value) || !ConformanceSide<Candidate>::can(value)) continue;
      for (std::uint8_t times = 0; times < conformance_weights[kind]; ++times) drawn_.push_back(value);
    }
  }

  [[nodiscard]] ConformanceReport run() {
    ConformanceReport report;
    report.seed = options_.seed;
    std::vector<ConformanceStep> steps(options_.steps == 0 ? 1 : options_.steps);
    for (std::uint64_t sequence = options_.first_sequence; report.operations < options_.operations; ++sequence) {
      draw(sequence, steps);
      const std::size_t done = play(steps, nullptr);
      ++report.sequences;
      if (done == steps.size()) {
        report.operations += done;
        continue;
      }
      report.operations += done + 1;
      if (++report.differences == 1) explain(sequence, steps, done, report);
      if (report.differences >= options_.most_differences) break;
    }
    return report;
  }

 private:
  using Kind = ConformanceKind;

  void draw(std::uint64_t sequence, std::vector<ConformanceStep>& steps) const {
    static constexpr std::uint16_t permissions[] = {0600, 0600, 0700, 0400, 0200, 0000, 0644, 0755, 01700};
    ConformanceRandom random{options_.seed * 0x2545F4914F6CDD1DU + sequence};
    (void)random.next();
    const bool has_watches = random.one_in(options_.watched_one_in);
    const bool has_syncs = random.one_in(options_.synced_one_in);
    const std::uint64_t contenders = random.one_in(3) ? 1 : contenders_;
    const auto name = [&] { return random.below(random.one_in(4) ? conformance_paths.size() : usual_names); };
    unsigned watches = 0;
    for (ConformanceStep& step : steps) {
      step = ConformanceStep{};
      step.kind = drawn_[static_cast<std::size_t>(random.next() >> 20U) % drawn_.size()];
      if (step.kind == Kind::watch && (!has_watches || ++watches > 3))
        step.kind = has_watches ? Kind::wait : Kind::open;
      if (step.kind == Kind::wait && !has_watches) step.kind = Kind::open;
      if (step.kind == Kind::sync && !has_syncs) step.kind = Kind::open;
      step.mode = static_cast<OpenMode>(random.below(4));
      if (step.kind == Kind::open && random.one_in(3)) step.mode = OpenMode::ensure;
      step.contender = random.below(contenders);
      step.other_contender = random.below(contenders);
      step.slot = random.below(ConformanceSide<Reference>::slot_count);
      step.other_slot = random.below(ConformanceSide<Reference>::slot_count);
      const bool is_of_file = step.kind == Kind::stat || step.kind == Kind::read || step.kind == Kind::sync ||
                              step.kind == Kind::lock || step.kind == Kind::query || step.kind == Kind::write;
      if (is_of_file && random.one_in(16)) step.slot = ConformanceSide<Reference>::slot_count;
      step.where = random.one_in(3) ? static_cast<std::uint8_t>(1 + random.below(3)) : std::uint8_t{0};
      // Without a name, no directory would mean the working directory.
      if (step.where == 3 && (step.kind == Kind::list || step.kind == Kind::create_unnamed)) step.where = 0;
      step.name = name();
      step.other = name();
      // Nobody leaves the directories that are removed afterwards.
      const bool goes_there = step.kind == Kind::open || step.kind == Kind::open_directory;
      if (step.name == parent_name && goes_there) step.name = 0;
      if (step.other == parent_name && step.kind == Kind::make_symbolic_link) step.other = 0;
      const bool is_outsiders = step.kind >= Kind::make_fifo;
      if (is_outsiders) step.name = random.below(usual_names);
      if (step.kind == Kind::set_permissions && random.one_in(8)) step.name = own_name;
      if (step.kind == Kind::make_hard_link) step.other = random.below(usual_names);
      step.flag = random.below(4);
      step.permissions = permissions[random.below(sizeof permissions / sizeof *permissions)];
      step.offset = random.below(12);
      step.length = random.below(6);
    }
  }

  /// Returns: how many steps gave the same.
  std::size_t play(const std::vector<ConformanceStep>& steps, std::vector<std::string>* trace) {
    ++plays_;
    ConformanceSide<Reference> reference{reference_, options_, plays_};
    ConformanceSide<Candidate> candidate{candidate_, options_, plays_};
    for (std::size_t at = 0; at < steps.size(); ++at) {
      const ConformanceAnswer expected = reference.perform(steps[at]);
      const ConformanceAnswer answered = candidate.perform(steps[at]);
      const bool is_same = same(expected, answered);
      if (trace != nullptr && (!expected.skipped || !is_same)) {
        trace->push_back(text_of(steps[at]) + ": " + text_of(steps[at], expected));
        if (!is_same) trace->back() += ", but the other " + text_of(steps[at], answered);
      }
      if (!is_same) return at;
    }
    return steps.size();
  }
  [[nodiscard]] bool same(const ConformanceAnswer& expected, const ConformanceAnswer& answered) const {
    if (expected.skipped != answered.skipped || expected.error != answered.error) return false;
    if (expected.changed != answered.changed) {
      // A coarse clock hides that something has changed, but never shows what has not.
      const bool is_directory = expected.values[0] == static_cast<std::uint64_t>(FileType::directory);
      if (expected.changed != 0 || (options_.distinct_times && !is_directory)) return false;
    }
    if (expected.error != 0) return true;
    if (expected.is_vague && answered.is_vague) return expected.values[0] == answered.values[0];
    return expected.values == answered.values;
  }

  void explain(std::uint64_t sequence, std::vector<ConformanceStep> steps, std::size_t done,
               ConformanceReport& report) {
    report.sequence = sequence;
    report.step = done + 1;
    report.operation = report.operations;
    steps.resize(done + 1);
    if (options_.shrinks) shrink(steps);
    report.trace.clear();
    if (play(steps, &report.trace) == steps.size()) {
      report.trace.emplace_back("(it did not differ when it was repeated)");
    }
  }
  /// Leaves out halves, quarters, … single steps, for as long as the rest still differs.
  void shrink(std::vector<ConformanceStep>& steps) {
    for (std::size_t size = steps.size() / 2; size > 0;) {
      bool is_shorter = false;
      for (std::size_t at = 0; at + size <= steps.size();) {
        std::vector<ConformanceStep> rest = steps;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at),
                   rest.begin() + static_cast<std::ptrdiff_t>(at + size));
        const std::size_t done = play(rest, nullptr);
        if (done == rest.size()) {
          at += size;
          continue;
        }
        rest.resize(done + 1);
        steps = rest;
        is_shorter = true;
      }
      if (!is_shorter || size > steps.size()) size /= 2;
    }
  }

  // What follows is for people.

  [[nodiscard]] static std::string text_of(const ConformanceStep& step) {
    static constexpr const char* modes[] = {"read", "read_write", "ensure", "create"};
    const std::string slot =
        step.slot >= ConformanceSide<Reference>::slot_count ? "directory 0" : "file " + std::to_string(step.slot);
    const auto quoted = [](std::uint8_t name) {
      return '"' + (conformance_paths[name].size() > 9 ? "xxx…" : conformance_paths[name]) + '"';
    };
    const std::string where = (step.where == 2   ? "at file " + std::to_string(step.other_slot)
                               : step.where == 3 ? "at /"
                                                 : "at directory " + std::to_string(step.where)) +
                              ' ';
    const auto octal = [](unsigned value) {
      std::string digits;
      for (; value != 0; value /= 8) digits.insert(digits.begin(), static_cast<char>('0' + value % 8));
      return '0' + digits;
    };
    const std::string range = std::to_string(step.offset) + '+' + std::to_string(step.length);
    std::string text = std::to_string(step.contender) + ": " + conformance_names[static_cast<std::size_t>(step.kind)];
    text += ' ';
    switch (step.kind) {
      case Kind::open:
        return text + where + quoted(step.name) + ' ' + modes[static_cast<std::size_t>(step.mode)] + ' ' +
               octal(step.permissions) + " as " + slot;
      case Kind::create_unnamed: return text + where + octal(step.permissions) + " as " + slot;
      case Kind::link_unnamed: return text + slot + ' ' + where + quoted(step.name);
      case Kind::rename:
      case Kind::rename_new:
      case Kind::exchange: return text + where + quoted(step.name) + ' ' + quoted(step.other);
      case Kind::unlink:
      case Kind::stat_at: return text + where + quoted(step.name);
      case Kind::list: return text + where;
      case Kind::stat:
      case Kind::sync:
      case Kind::close: return text + slot;
      case Kind::read:
      case Kind::write: return text + slot + ' ' + range;
      case Kind::lock:
      case Kind::unlock:
      case Kind::query: return text + slot + ' ' + (step.flag == 3 && step.other < 2 ? "last-" : "") + range;
      case Kind::watch: return text + quoted(step.name) + " as watch " + std::to_string(step.slot % 2);
      case Kind::wait: return text + "watch " + std::to_string(step.slot % 2);
      case Kind::make_fifo:
      case Kind::make_socket:
      case Kind::set_permissions:
      case Kind::make_directory:
        return text + quoted(step.name) + ' ' +
               octal(step.permissions | (step.kind == Kind::make_directory ? 0700U : 0U));
      case Kind::make_symbolic_link: return text + quoted(step.name) + " to " + quoted(step.other);
      case Kind::make_hard_link: return text + "of " + quoted(step.name) + " as " + quoted(step.other);
      case Kind::open_directory: return text + quoted(step.name) + " as directory 1";
      case Kind::remove_directory: return text + quoted(step.name);
      case Kind::duplicate:
        return text + slot + " to " + std::to_string(step.other_contender) + ": file " +
               std::to_string(step.other_slot);
      case Kind::end: return text;
    }
    return text;
  }
  [[nodiscard]] static std::string text_of(const ConformanceStep& step, const ConformanceAnswer& answer) {
    static constexpr const char* types[] = {"file", "directory", "symbolic link", "other"};
    if (answer.skipped) return "not done";
    if (answer.error != 0) return "errno " + std::to_string(answer.error) + " (" + std::strerror(answer.error) + ')';
    const auto& values = answer.values;
    switch (step.kind) {
      case Kind::open:
      case Kind::create_unnamed:
      case Kind::stat:
      case Kind::stat_at: {
        std::string text = types[values[0] & 3U];
        const char* const titles[] = {"permissions", "user", "links", "size", "same"};
        for (std::size_t at = 1; at <= 5; ++at) text += ' ' + (titles[at - 1] + (' ' + std::to_string(values[at])));
        if (answer.changed >= 0) text += answer.changed != 0 ? ", changed" : ", not changed";
        if (values[6] != 0) text += " and earlier than before";
        return text;
      }
      case Kind::read: {
        std::string text = std::to_string(values[0]) + " bytes \"";
        for (std::size_t at = 0; at < values[0] && at < 16; ++at) {
          const auto byte = static_cast<char>((values[1 + at / 8] >> (8 * (at % 8))) & 0xFFU);
          text += byte == '\0' ? '.' : byte;
        }
        return text + '"';
      }
      case Kind::write: return std::to_string(values[0]) + " bytes";
      case Kind::query:
        if (values[0] == 0) return "free";
        return "held at " + std::to_string(values[1]) + '+' + std::to_string(values[2]);
      case Kind::list: {
        std::string text = std::to_string(values[0]) + " names:";
        for (std::size_t at = 0; at < usual_names; ++at) {
          if ((values[1] >> at & 1U) != 0) text += ' ' + conformance_paths[at];
        }
        return text;
      }
      case Kind::wait: return values[0] != 0 ? "changed" : "unchanged";
      default: return "ok";
    }
  }

  Reference& reference_;
  Candidate& candidate_;
  const ConformanceOptions& options_;
  std::size_t contenders_ = 1;
  std::uint64_t plays_ = 0;
  std::vector<ConformanceKind> drawn_;
};

}  // namespace detail

/// Plays the same random operations on both, each sequence in a new directory below the subject's.
/// Effects: none outside these directories. Takes as many contenders as both have.
/// Returns: what differed, shortened to a trace that a person can read. `reference` counts as right.
template <typename Reference, typename Candidate>
[[nodiscard]] ConformanceReport compare_filesystems(Reference& reference, Candidate& candidate,
                                                    const ConformanceOptions& options = {}) {
  return detail::Conformance<Reference, Candidate>{reference, candidate, options}.run();
}

/// Whether a file's change gets a time of its own if `stat` has looked since the last one, however close they are:
/// Linux 6.13 on most file systems, there too not always for directories. `directory` must exist, and a file be allowed
/// in it.
template <FilesystemPolicy F>
[[nodiscard]] bool has_distinct_times(F& files, const std::string& directory) {
  const std::string path = directory + "/time";
  const auto file = files.open({}, path.c_str(), OpenMode::ensure, 0600);
  bool is_distinct = file.ok();
  std::int64_t last = 0;
  for (int round = 0; round < 50 && is_distinct; ++round) {
    is_distinct = files.write_at(file.value, "x", 1, 0).ok();
    const std::int64_t now = files.stat(file.value).value.changed_ns;
    is_distinct = is_distinct && now != last;
    last = now;
  }
  if (file.ok()) files.close(file.value);
  (void)files.unlink({}, path.c_str());
  return is_distinct;
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_CONFORMANCE_HPP
