// The filesystem policy on a disk in memory, with the errno behaviour of Linux.
//
// Models: unnamed files, removed directories that are still open, FIFOs and symbolic links, a full or read-only disk,
// features that a file system may lack, descriptors shared with forked processes, byte-range locks that belong to the
// open file (F_OFD_SETLK), change notification (inotify).
//
// Does not model: shared locks, capabilities other than "user 0 may everything", trailing
// slashes, the restrictions of sticky directories on creation (`protected_regular`), notifications pending across a
// fork.
#ifndef GENIE_TESTING_MEMORY_FILESYSTEM_HPP
#define GENIE_TESTING_MEMORY_FILESYSTEM_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "genie/lock_bytes.hpp"
#include "genie/policy/filesystem.hpp"
#include "genie/testing/manual_clock.hpp"
#include "genie/testing/memory_disk.hpp"

namespace genie::inline v0::testing {

/// The filesystem policy of one process. Copies are views of the same descriptors.
class MemoryFilesystem : public detail::View {
 public:
  struct File {
    int descriptor = -1;
  };
  struct Watch {
    int descriptor = -1;
  };
  static constexpr std::size_t socket_path_limit = 107;  ///< as on Linux

  /// Where a launched process finds the file that its starter handed to it.
  static constexpr int inherited_descriptor = 3;
  /// Its log, if it has one.
  static constexpr int output_descriptor = 1;

  explicit MemoryFilesystem(MemoryDisk& disk, ManualTime& time, ProcessIndex process = 0, std::uint64_t user = 1000)
      : View{time, process}, disk_{&disk} {
    disk.tables[process].user = user;
  }

  /// The disk that it is a view of.
  [[nodiscard]] MemoryDisk& disk() const noexcept { return *disk_; }

  /// `kill -9`: descriptors close, locks drop, and whatever code still runs is a ghost's.
  void die() noexcept {
    time().end(process());
    disk_->settle(time());
  }
  /// The process becomes another program: every descriptor closes, because all are opened so.
  void exec() noexcept { disk_->close_all(process()); }
  /// `child` gets a duplicate of every descriptor, as by `fork(2)`.
  void fork_into(const MemoryFilesystem& child) noexcept {
    disk_->close_all(child.process());
    disk_->tables[child.process()] = table();
    for (const auto& [descriptor, id] : table().descriptors) ++disk_->open_files[id].descriptors;
  }

  /// `child` gets a duplicate of `file`, which must be open, where `inherited` finds it.
  void hand_to(const MemoryFilesystem& child, File file) noexcept {
    const std::uint32_t id = table().descriptors[file.descriptor];
    ++disk_->open_files[id].descriptors;
    disk_->tables[child.process()].descriptors[inherited_descriptor] = id;
  }
  /// Makes a launched program's log where there is none, and looks at what is to be its working directory.
  /// Returns: 0 or the errno that the launcher reports.
  [[nodiscard]] int prepare(const char* log, const char* directory) noexcept {
    if (log != nullptr) {
      const Place at = look_up({}, File{}, log);
      if (at.error != 0) return at.error;
      if (at.inode == 0) {
        if (const int error = disk_->may_change(at.directory, user()); error != 0) return error;
        disk_->add_name(at.directory, at.name, disk_->create(FileType::regular, 0600, user()));
      } else {
        const MemoryDisk::Inode& found = inode(at);
        if (found.type == FileType::symbolic_link) return ELOOP;
        if (found.type == FileType::directory) return EISDIR;
        if (disk_->is_read_only && found.type == FileType::regular) return EROFS;
        if (!MemoryDisk::may(found, user(), 2)) return EACCES;
        if (found.type != FileType::regular) return ENXIO;
      }
    }
    const Place at = look_up({}, File{}, directory, true);
    if (at.error != 0) return at.error;
    if (at.inode == 0) return ENOENT;
    if (inode(at).type != FileType::directory) return ENOTDIR;
    return MemoryDisk::may(inode(at), user(), 1) ? 0 : EACCES;
  }
  /// What has been prepared becomes the standard output.
  void write_to(const char* log) noexcept {
    const Place at = look_up({}, File{}, log);
    const std::uint32_t id = MemoryDisk::lowest_free(disk_->open_files, 0);
    disk_->open_files[id] = {at.inode, at.directory, at.name, false, true, 1, {}};
    table().descriptors[output_descriptor] = id;
  }
  /// Whether that descriptor, or watch, is open.
  [[nodiscard]] bool is_open(File file) const { return find(file) != nullptr; }
  [[nodiscard]] bool is_open(const Watch& watch) const { return table().watches.count(watch.descriptor) != 0; }
  /// What a wait for the file looks at: whether it has changed since the last look.
  [[nodiscard]] bool takes_change(const Watch& watch) const {
    disk_->settle(time());
    const auto entry = table().watches.find(watch.descriptor);
    if (entry == table().watches.end()) return false;
    MemoryDisk::Watch& state = entry->second;
    const auto found = disk_->inodes.find(state.inode);
    const bool lives = found != disk_->inodes.end() && found->second.serial == state.serial;
    const std::uint64_t version = lives ? found->second.version : MemoryDisk::unwatched;
    const bool changed = state.seen != version;
    state.seen = version;
    return changed;
  }
  /// Not of the policy, but what programs do that have sockets: `bind(2)` to a path. Who listens is not modelled.
  /// Returns: the number of the socket's inode.
  [[nodiscard]] SysResult<std::uint64_t> bind(const char* path, std::uint32_t permissions = 0700) const noexcept {
    const Place at = look_up(enter(Call::bind, path), File{}, path);
    if (at.error != 0) return SysResult<std::uint64_t>::failure(at.error);
    if (at.inode != 0) return SysResult<std::uint64_t>::failure(EADDRINUSE);
    if (const int error = disk_->may_change(at.directory, user()); error != 0) {
      return SysResult<std::uint64_t>::failure(error);
    }
    const InodeNumber created = disk_->create(FileType::socket, permissions, user());
    disk_->add_name(at.directory, at.name, created);
    return {created, 0};
  }

  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    const Place at = look_up(enter(Call::make_directory, path), File{}, path);
    if (at.error != 0) return {at.error};
    if (at.inode != 0) return {EEXIST};
    if (const int error = disk_->may_change(at.directory, user()); error != 0) return {error};
    disk_->add_name(at.directory, at.name, disk_->create(FileType::directory, permissions, user()));
    return {};
  }
  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    const CallOutcome gate = enter(Call::open_directory, path);
    if (gate.error == 0 && is_out_of_descriptors()) return SysResult<File>::failure(EMFILE);
    const Place at = look_up(gate, File{}, path, true);
    if (at.error != 0) return SysResult<File>::failure(at.error);
    if (at.inode == 0) return SysResult<File>::failure(ENOENT);
    if (inode(at).type != FileType::directory) return SysResult<File>::failure(ENOTDIR);
    return opened(at.inode, at.directory, at.name, false, false);  // O_PATH
  }
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    const CallOutcome gate = enter(Call::open, name);
    if (gate.error == 0 && is_out_of_descriptors()) return SysResult<File>::failure(EMFILE);
    const Place at = look_up(gate, directory, name);
    if (at.error != 0) return SysResult<File>::failure(at.error);
    if (at.inode == 0) {
      if (mode == OpenMode::read || mode == OpenMode::read_write) return SysResult<File>::failure(ENOENT);
      if (const int error = disk_->may_change(at.directory, user()); error != 0) return SysResult<File>::failure(error);
      const InodeNumber created = disk_->create(FileType::regular, permissions, user());
      disk_->add_name(at.directory, at.name, created);
      return opened(created, at.directory, at.name, true, true);
    }
    const MemoryDisk::Inode& found = inode(at);
    const bool writes = mode != OpenMode::read;
    if (mode == OpenMode::create) return SysResult<File>::failure(EEXIST);
    if (found.type == FileType::symbolic_link) return SysResult<File>::failure(ELOOP);
    if (found.type == FileType::directory && writes) return SysResult<File>::failure(EISDIR);
    const bool has_content = found.type == FileType::regular || found.type == FileType::directory;
    if (disk_->is_read_only && writes && has_content) return SysResult<File>::failure(EROFS);
    if (!MemoryDisk::may(found, user(), writes ? 6 : 4)) return SysResult<File>::failure(EACCES);
    if (found.type == FileType::socket) return SysResult<File>::failure(ENXIO);
    return opened(at.inode, at.directory, at.name, true, writes);
  }
  [[nodiscard]] SysResult<File> inherited() noexcept {
    const CallOutcome gate = enter(Call::inherited);
    if (gate.error != 0) return SysResult<File>::failure(gate.error);
    if (table().descriptors.count(inherited_descriptor) == 0) return SysResult<File>::failure(EBADF);
    return {File{inherited_descriptor}, 0};
  }
  [[nodiscard]] SysResult<File> create_unnamed(File directory, std::uint32_t permissions) noexcept {
    const CallOutcome gate = enter(Call::create_unnamed);
    if (gate.error == 0 && is_out_of_descriptors()) return SysResult<File>::failure(EMFILE);
    const Place at = look_up(gate, directory, ".");
    if (at.error != 0) return SysResult<File>::failure(at.error);
    if (inode(at).links == 0) return SysResult<File>::failure(EPERM);  // as ext4 answers; others answer otherwise
    if (disk_->is_read_only) return SysResult<File>::failure(EROFS);
    if (!MemoryDisk::may(inode(at), user(), 3)) return SysResult<File>::failure(EACCES);
    if (!disk_->has_unnamed) return SysResult<File>::failure(EOPNOTSUPP);
    const InodeNumber created = disk_->create(FileType::regular, permissions, user());
    disk_->inodes[created].linkable = true;
    return opened(created, at.inode, "/", true, true);
  }
  [[nodiscard]] SysResult<void> link_unnamed(File unnamed, File directory, const char* name) noexcept {
    const CallOutcome gate = enter(Call::link_unnamed, name);
    const MemoryDisk::OpenFile* file = find(unnamed);
    if (gate.error == 0 && file == nullptr) return {EBADF};
    const Place at = look_up(gate, directory, name);
    if (at.error != 0) return {at.error};
    if (at.inode != 0) return {EEXIST};
    if (const int error = disk_->may_change(at.directory, user()); error != 0) return {error};
    const MemoryDisk::Inode& linked = disk_->inode(file->inode);
    if (!disk_->has_link || linked.type == FileType::directory) return {EPERM};
    if (linked.links == 0 && !linked.linkable) return {ENOENT};
    disk_->add_name(at.directory, at.name, file->inode);
    return {};
  }
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    return move(enter(Call::rename, from), directory, from, to, Call::rename);
  }
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    return move(enter(Call::rename_new, from), directory, from, to, Call::rename_new);
  }
  [[nodiscard]] SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    return move(enter(Call::exchange, one), directory, one, other, Call::exchange);
  }
  [[nodiscard]] SysResult<void> link(File directory, const char* from, const char* to) noexcept {
    const Place source = look_up(enter(Call::link, from), directory, from);
    if (source.error == 0 && !disk_->has_file_unlink) return {ENOSYS};
    if (source.error != 0) return {source.error};
    const Place target = look_up({}, directory, to);
    if (target.error != 0) return {target.error};
    if (source.inode == 0) return {ENOENT};
    if (target.inode != 0) return {EEXIST};
    if (disk_->is_read_only) return {EROFS};
    if (const int error = disk_->may_change(target.directory, user()); error != 0) return {error};
    if (!disk_->has_link || inode(source).type == FileType::directory) return {EPERM};
    disk_->add_name(target.directory, target.name, source.inode);
    return {};
  }
  [[nodiscard]] SysResult<void> unlink_file(File directory, const char* name, File named) noexcept {
    const Place at = look_up(enter(Call::unlink_file, name), directory, name);
    if (at.error == 0 && !disk_->has_file_unlink) return {ENOSYS};
    const MemoryDisk::OpenFile* const file = find(named);
    if (at.error == 0 && file == nullptr) return {EBADF};
    if (at.error == 0 && at.inode != 0 && at.inode != file->inode) return {EDEADLK};
    return unlink(at);
  }
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    return unlink(look_up(enter(Call::unlink, name), directory, name));
  }

  [[nodiscard]] SysResult<FileInfo> stat(File file) noexcept {
    const CallOutcome gate = enter(Call::stat);
    if (gate.error != 0) return SysResult<FileInfo>::failure(gate.error);
    const MemoryDisk::OpenFile* found = find(file);
    if (found == nullptr) return SysResult<FileInfo>::failure(EBADF);
    return {disk_->info(found->inode), 0};
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    const Place at = look_up(enter(Call::stat_at, name), directory, name);
    if (at.error != 0) return SysResult<FileInfo>::failure(at.error);
    if (at.inode == 0) return SysResult<FileInfo>::failure(ENOENT);
    return {disk_->info(at.inode), 0};
  }
  [[nodiscard]] SysResult<std::size_t> read_at(File file, void* to, std::size_t count, std::uint64_t offset) noexcept {
    const CallOutcome gate = enter(Call::read_at);
    if (gate.error != 0) return SysResult<std::size_t>::failure(gate.error);
    const MemoryDisk::OpenFile* found = find(file);
    if (offset > INT64_MAX) return SysResult<std::size_t>::failure(EINVAL);
    if (found == nullptr || !found->readable) return SysResult<std::size_t>::failure(EBADF);
    const MemoryDisk::Inode& source = disk_->inode(found->inode);
    if (source.type == FileType::other) return SysResult<std::size_t>::failure(ESPIPE);
    if (source.type == FileType::directory) return SysResult<std::size_t>::failure(EISDIR);
    if (offset >= source.content.size()) return {};
    const auto start = static_cast<std::size_t>(offset);  // inside the content
    return {source.content.copy(static_cast<char*>(to), count < gate.limit ? count : gate.limit, start), 0};
  }
  [[nodiscard]] SysResult<std::size_t> write_at(File file, const void* from, std::size_t count,
                                                std::uint64_t offset) noexcept {
    const CallOutcome gate = enter(Call::write_at);
    if (gate.error != 0) return SysResult<std::size_t>::failure(gate.error);
    const MemoryDisk::OpenFile* found = find(file);
    if (offset > INT64_MAX) return SysResult<std::size_t>::failure(EINVAL);
    if (found == nullptr) return SysResult<std::size_t>::failure(EBADF);
    MemoryDisk::Inode& target = disk_->inodes[found->inode];
    if (target.type == FileType::other) return SysResult<std::size_t>::failure(ESPIPE);
    if (!found->writable) return SysResult<std::size_t>::failure(EBADF);
    if (disk_->is_read_only) return SysResult<std::size_t>::failure(EROFS);
    if (count > gate.limit) count = gate.limit;
    if (count == 0) return {};
    if (offset > largest_file || count > largest_file - offset) return SysResult<std::size_t>::failure(EFBIG);
    const std::size_t used = disk_->used();
    const std::size_t room = target.content.size() + (disk_->capacity > used ? disk_->capacity - used : 0);
    if (offset + count > target.content.size() && offset + count > room) {
      if (offset >= room) return SysResult<std::size_t>::failure(ENOSPC);
      count = room - static_cast<std::size_t>(offset);
    }
    disk_->note_content(target);
    const auto start = static_cast<std::size_t>(offset);  // no file is larger than `largest_file`
    if (target.content.size() < start + count) target.content.resize(start + count);
    target.content.replace(start, count, static_cast<const char*>(from), count);
    target.changed_ns = disk_->now.ns;
    target.modified_ns = target.changed_ns;
    disk_->note_event(*found);
    return {count, 0};
  }
  [[nodiscard]] SysResult<void> sync(File file) noexcept {
    const CallOutcome gate = enter(Call::sync);
    if (gate.error != 0) return {gate.error};
    const MemoryDisk::OpenFile* found = find(file);
    if (found == nullptr || !found->readable) return {EBADF};
    const MemoryDisk::Inode& synced = disk_->inode(found->inode);
    if (synced.type == FileType::other) return {EINVAL};
    disk_->make_durable(synced);
    return {};
  }

  [[nodiscard]] SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    const CallOutcome gate = enter(Call::try_lock);
    MemoryDisk::Range wanted;
    MemoryDisk::OpenFile* found = nullptr;
    if (gate.error == 0 && !disk_->has_lock_ranges) {
      if (offset == genie::detail::stopper_byte) return {EOPNOTSUPP};
      offset = genie::detail::owner_byte;
      length = 2;
    }
    if (const int error = lockable(gate, file, offset, length, found, wanted); error != 0) return {error};
    if (!found->writable) return {EBADF};
    if (conflict(*found, wanted) != nullptr) return {EAGAIN};
    std::vector<MemoryDisk::Range> merged = found->locks;
    for (const MemoryDisk::Range& lock : found->locks) {
      if (lock.first > wanted.end || wanted.first > lock.end) continue;
      merged = without(merged, lock);
      if (lock.first < wanted.first) wanted.first = lock.first;
      if (lock.end > wanted.end) wanted.end = lock.end;
    }
    auto at = merged.begin();
    while (at != merged.end() && at->first < wanted.first) ++at;
    merged.insert(at, wanted);
    found->locks = merged;
    return {};
  }
  [[nodiscard]] SysResult<void> unlock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    const CallOutcome gate = enter(Call::unlock);
    MemoryDisk::Range range;
    MemoryDisk::OpenFile* found = nullptr;
    if (gate.error == 0 && !disk_->has_lock_ranges && offset != genie::detail::starter_byte) {
      offset = genie::detail::owner_byte;
      length = 2;
    }
    if (const int error = lockable(gate, file, offset, length, found, range); error != 0) return {error};
    found->locks = without(found->locks, range);
    return {};
  }
  [[nodiscard]] SysResult<LockQuery> query_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    const CallOutcome gate = enter(Call::query_lock);
    MemoryDisk::Range range;
    MemoryDisk::OpenFile* found = nullptr;
    if (const int error = lockable(gate, file, offset, length, found, range); error != 0) {
      return SysResult<LockQuery>::failure(error);
    }
    if (!disk_->has_lock_ranges) range = {genie::detail::owner_byte, genie::detail::owner_byte + 2};
    const MemoryDisk::Range* lock = conflict(*found, range);
    if (lock == nullptr) return {};
    if (!disk_->has_lock_ranges) return {LockQuery{true, offset, lock->end - lock->first == 1 ? 1 : length}, 0};
    return {LockQuery{true, lock->first, lock->end == UINT64_MAX ? 0 : lock->end - lock->first}, 0};
  }

  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    const CallOutcome gate = enter(Call::for_each_name);
    if (gate.error == 0 && is_out_of_descriptors()) return {EMFILE};
    const Place at = look_up(gate, directory, ".");
    if (at.error != 0) return {at.error};
    if (!MemoryDisk::may(inode(at), user(), 4)) return {EACCES};
    if (inode(at).links == 0) return {ENOENT};
    const auto entries = inode(at).entries;  // a copy: the visitor may change the directory
    for (const auto& [name, number] : entries) visit(Text{name});
    return {};
  }

  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    const CallOutcome gate = enter(Call::watch, path);
    if (gate.error == 0 && (!disk_->has_watch || is_out_of_descriptors())) return SysResult<Watch>::failure(EMFILE);
    const Place at = look_up(gate, File{}, path);
    if (at.error != 0) return SysResult<Watch>::failure(at.error);
    if (at.inode == 0) return SysResult<Watch>::failure(ENOENT);
    if (!MemoryDisk::may(inode(at), user(), 4)) return SysResult<Watch>::failure(EACCES);
    const int number = disk_->lowest_free(table().watches, 0);
    table().watches[number] = {at.inode, inode(at).serial, inode(at).version};
    return {Watch{number}, 0};
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    const CallOutcome gate = enter(Call::wait);
    if (gate.error != 0) return SysResult<bool>::failure(gate.error);
    if (!is_open(watch)) return SysResult<bool>::failure(EBADF);
    const bool changed = time().block(process(), span, [&] { return takes_change(watch); });
    if (is_ghost()) return SysResult<bool>::failure(ghost_error);
    return {changed, 0};
  }
  void close_watch(Watch& watch) noexcept {
    if (enter(Call::close_watch).error == ghost_error) return;
    if (watch.descriptor >= 0 && table().watches.erase(watch.descriptor) == 0) ++disk_->stray_closes;
    watch.descriptor = -1;
  }
  /// An injected failure is ignored: Linux has closed the descriptor all the same.
  void close(File file) noexcept {
    if (enter(Call::close).error == ghost_error) return;
    if (file.descriptor >= 0) disk_->close_descriptor(table(), file.descriptor);
  }

 private:
  using Place = MemoryDisk::Place;
  static constexpr std::size_t largest_file = std::size_t{1} << 28U;

  [[nodiscard]] CallOutcome enter(Call call, Text name = {}) const {
    const CallOutcome gate = View::enter(call, name);
    disk_->settle(time());
    return gate;
  }
  [[nodiscard]] MemoryDisk::Table& table() const { return disk_->tables[process()]; }
  [[nodiscard]] std::uint64_t user() const { return table().user; }
  [[nodiscard]] const MemoryDisk::Inode& inode(const Place& at) const { return disk_->inode(at.inode); }
  [[nodiscard]] bool is_out_of_descriptors() const { return disk_->open_count(process()) >= disk_->descriptor_limit; }
  [[nodiscard]] static bool is_special(const Place& at) { return at.name.empty() || at.name == "." || at.name == ".."; }

  [[nodiscard]] MemoryDisk::OpenFile* find(File file) const {
    const auto found = table().descriptors.find(file.descriptor);
    return found == table().descriptors.end() ? nullptr : &disk_->open_files[found->second];
  }
  [[nodiscard]] Place look_up(const CallOutcome& gate, File directory, const char* name, bool follow = false) const {
    if (gate.error != 0) return {gate.error, 0, {}, 0};
    InodeNumber from = MemoryDisk::root;
    if (directory.descriptor >= 0 && name[0] != '/') {
      const MemoryDisk::OpenFile* file = find(directory);
      if (file == nullptr) return {EBADF, 0, {}, 0};
      from = file->inode;
    }
    return disk_->resolve(from, name, user(), follow);
  }
  [[nodiscard]] SysResult<File> opened(InodeNumber number, InodeNumber directory, const std::string& name,
                                       bool readable, bool writable) const {
    const int descriptor = MemoryDisk::lowest_free(table().descriptors, 3);
    const std::uint32_t id = MemoryDisk::lowest_free(disk_->open_files, 0);
    disk_->open_files[id] = {number, directory, name, readable, writable, 1, {}};
    table().descriptors[descriptor] = id;
    return {File{descriptor}, 0};
  }

  [[nodiscard]] SysResult<void> unlink(const Place& at) noexcept {
    if (at.error != 0) return {at.error};
    if (is_special(at)) return {EISDIR};
    if (disk_->is_read_only) return {EROFS};
    if (at.inode == 0) return {ENOENT};
    if (const int error = disk_->may_remove(at, user()); error != 0) return {error};
    if (inode(at).type == FileType::directory) return {EISDIR};
    disk_->remove_name(at.directory, at.name);
    return {};
  }

  [[nodiscard]] SysResult<void> move(const CallOutcome& gate, File directory, const char* from, const char* to,
                                     Call how) noexcept {
    const Place source = look_up(gate, directory, from);
    if (source.directory == 0) return {source.error};
    const Place target = look_up(gate, directory, to);
    if (target.directory == 0) return {target.error};
    if (source.error == 0 && is_special(source)) return {EBUSY};
    if (target.error == 0 && is_special(target)) return {how == Call::rename_new ? EEXIST : EBUSY};
    if (disk_->is_read_only) return {EROFS};
    if (source.error != 0) return {source.error};
    if (source.inode == 0) return {ENOENT};
    if (target.error != 0) return {target.error};
    if (how == Call::rename_new && target.inode != 0) return {EEXIST};
    if (how == Call::exchange && target.inode == 0) return {ENOENT};
    if (disk_->is_within(target.directory, source.inode)) return {EINVAL};
    if (target.inode != 0 && disk_->is_within(source.directory, target.inode)) {
      return {how == Call::exchange ? EINVAL : ENOTEMPTY};
    }
    if (source.inode == target.inode) return {};
    const bool moves_directory = inode(source).type == FileType::directory;
    if (const int error = disk_->may_remove(source, user()); error != 0) return {error};
    if (const int error =
            target.inode == 0 ? disk_->may_change(target.directory, user()) : disk_->may_remove(target, user());
        error != 0)
      return {error};
    if (how == Call::exchange) {
      if (!disk_->has_exchange) return {EINVAL};
      disk_->exchange_names(source, target);
      return {};
    }
    if (target.inode != 0 && how == Call::rename) {
      const bool hits_directory = inode(target).type == FileType::directory;
      if (hits_directory != moves_directory) return {moves_directory ? ENOTDIR : EISDIR};
      if (!inode(target).entries.empty()) return {ENOTEMPTY};
    }
    if (how == Call::rename_new && !disk_->has_rename_new) return {EINVAL};
    disk_->move_name(source, target);
    return {};
  }

  [[nodiscard]] int lockable(const CallOutcome& gate, File file, std::uint64_t offset, std::uint64_t length,
                             MemoryDisk::OpenFile*& found, MemoryDisk::Range& range) const {
    if (gate.error != 0) return gate.error;
    found = find(file);
    if (found == nullptr || !found->readable) return EBADF;
    if (!disk_->has_locks) return ENOLCK;
    if (offset > INT64_MAX) return EINVAL;
    if (length != 0 && length - 1 > INT64_MAX - offset) return EOVERFLOW;
    const bool is_to_end = length == 0 || offset + length > INT64_MAX;
    range = {offset, is_to_end ? UINT64_MAX : offset + length};
    return 0;
  }
  /// Returns: somebody else's lock in that range.
  [[nodiscard]] const MemoryDisk::Range* conflict(const MemoryDisk::OpenFile& own,
                                                  const MemoryDisk::Range& range) const {
    for (const auto& [id, other] : disk_->open_files) {
      if (&other == &own || other.inode != own.inode) continue;
      for (const MemoryDisk::Range& lock : other.locks) {
        if (lock.overlaps(range)) return &lock;
      }
    }
    return nullptr;
  }
  [[nodiscard]] static std::vector<MemoryDisk::Range> without(const std::vector<MemoryDisk::Range>& locks,
                                                              const MemoryDisk::Range& range) {
    std::vector<MemoryDisk::Range> result;
    for (const MemoryDisk::Range& lock : locks) {
      if (!lock.overlaps(range)) {
        result.push_back(lock);
        continue;
      }
      if (lock.first < range.first) result.push_back({lock.first, range.first});
      if (range.end < lock.end) result.push_back({range.end, lock.end});
    }
    return result;
  }

  MemoryDisk* disk_;
};

static_assert(FilesystemPolicy<MemoryFilesystem>);

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_MEMORY_FILESYSTEM_HPP
