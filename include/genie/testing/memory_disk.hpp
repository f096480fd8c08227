// A disk in memory that simulated processes share: directories, inodes, names, open files and their locks.
//
// Models: inodes whose numbers are used again, hard links, owners and permissions, what is open in which process, and
// what a watch would notice. Tests use it as an outsider who may do everything: plant files, replace them, look.
//
// Does not model: groups, umask, mount points, access times, what is lost of unsynced data, space taken by names.
#ifndef GENIE_TESTING_MEMORY_DISK_HPP
#define GENIE_TESTING_MEMORY_DISK_HPP

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "genie/policy/filesystem.hpp"
#include "genie/testing/manual_clock.hpp"

namespace genie::inline v0::testing {

using InodeNumber = std::uint64_t;  ///< 0 means none

/// The shared disk. Plain data, comparable: a call that only looks leaves it equal to what it was.
/// The member functions without a process are those of an outsider with all rights, for use by tests.
struct MemoryDisk {
  struct Inode {
    FileType type = FileType::regular;
    std::uint32_t permissions = 0;
    std::uint64_t user = 0;
    std::uint64_t links = 0;  ///< names; of a directory 1 or, once removed, 0
    std::string content;      ///< of a symbolic link, its target
    std::int64_t changed_ns = 0;
    std::map<std::string, InodeNumber, std::less<>> entries;
    InodeNumber parent = 0;     ///< of a directory
    std::uint64_t serial = 0;   ///< never used again, unlike the number
    std::uint64_t version = 0;  ///< counts what a watch would notice
    bool linkable = false;      ///< created unnamed, and has not had a name yet
    friend bool operator==(const Inode&, const Inode&) = default;
  };
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t end = 0;  ///< UINT64_MAX: to the end of the file
    [[nodiscard]] bool overlaps(const Range& other) const noexcept { return first < other.end && other.first < end; }
    friend bool operator==(const Range&, const Range&) = default;
  };
  /// An open file description; several descriptors may refer to it.
  struct OpenFile {
    InodeNumber inode = 0;
    InodeNumber directory = 0;  ///< in which it was opened; the inode stays as long as the file is open
    bool readable = false;
    bool writable = false;
    std::uint32_t descriptors = 0;
    std::vector<Range> locks;
    friend bool operator==(const OpenFile&, const OpenFile&) = default;
  };
  struct Watch {
    InodeNumber inode = 0;
    std::uint64_t serial = 0;
    std::uint64_t seen = 0;
    friend bool operator==(const Watch&, const Watch&) = default;
  };
  /// What one process has open.
  struct Table {
    std::uint64_t user = 1000;
    std::map<int, std::uint32_t> descriptors;
    std::map<int, Watch> watches;
    friend bool operator==(const Table&, const Table&) = default;
  };
  struct Now {
    std::int64_t ns = 0;
    friend bool operator==(Now, Now) noexcept { return true; }  // time passing is no change of the disk
  };
  struct Place {
    int error = 0;
    InodeNumber directory = 0;  ///< 0 where an error hit on the way to the last component
    std::string name;
    InodeNumber inode = 0;  ///< 0 where the name is not taken
  };

  static constexpr InodeNumber root = 2;

  bool has_unnamed = true;              ///< else EOPNOTSUPP
  bool has_exchange = true;             ///< else EINVAL
  bool has_rename_new = true;           ///< else EINVAL
  bool has_locks = true;                ///< else ENOLCK
  bool has_watch = true;                ///< else EMFILE
  bool has_link = true;                 ///< else EPERM
  bool is_read_only = false;            ///< EROFS
  bool reuses_inode_numbers = true;     ///< the lowest free one, as ext4 does
  std::size_t capacity = SIZE_MAX;      ///< bytes of content; beyond it ENOSPC
  std::size_t descriptor_limit = 1024;  ///< of one process; beyond it EMFILE
  std::uint64_t device = 2049;
  std::uint64_t stray_closes = 0;  ///< descriptors closed that were not open

  std::map<InodeNumber, Inode> inodes;
  std::map<std::uint32_t, OpenFile> open_files;
  std::map<ProcessIndex, Table> tables;
  std::uint64_t next_serial = 1;
  InodeNumber next_inode = root + 1;
  Now now;

  /// A disk with `/` and `/tmp`.
  MemoryDisk() {
    inodes[root] = make_inode(FileType::directory, 0755, 0);
    inodes[root].links = 1;
    inodes[root].parent = root;
    make_directory("/tmp", 01777, 0);
  }
  friend bool operator==(const MemoryDisk&, const MemoryDisk&) = default;

  // What outsiders do. Directories on the way are created; existing files keep inode, owner and permissions.

  void write_file(std::string_view path, std::string_view content, std::uint32_t permissions = 0600,
                  std::uint64_t user = 1000) {
    const InodeNumber number = ensure(path, FileType::regular, permissions, user);
    inodes[number].content = content;
    note_change(number);
    ++inodes[find(path).directory].version;
  }
  /// Replaces the file by another one, with another inode number.
  void replace(std::string_view path, std::string_view content, std::uint32_t permissions = 0600,
               std::uint64_t user = 1000) {
    const std::string temporary = std::string{path} + ".replacement";
    write_file(temporary, content, permissions, user);
    move(temporary, path);
  }
  void make_directory(std::string_view path, std::uint32_t permissions = 0700, std::uint64_t user = 1000) {
    (void)ensure(path, FileType::directory, permissions, user);
  }
  void make_fifo(std::string_view path, std::uint32_t permissions = 0600, std::uint64_t user = 1000) {
    (void)ensure(path, FileType::other, permissions, user);
  }
  void make_symbolic_link(std::string_view path, std::string_view target, std::uint64_t user = 1000) {
    inodes[ensure(path, FileType::symbolic_link, 0777, user)].content = target;
  }
  void make_hard_link(std::string_view path, std::string_view name) {
    const Place at = find(name);
    if (at.inode == 0) add_name(at.directory, at.name, find(path).inode);
  }
  void move(std::string_view from, std::string_view to) {
    const Place source = find(from);
    const Place target = find(to);
    if (source.inode != 0 && target.directory != 0) move_name(source, target);
  }
  /// Directories with everything in them.
  void remove(std::string_view path) {
    const Place at = find(path);
    if (at.inode == 0 || at.inode == root) return;
    for (const std::string& name : names(path)) remove(std::string{path} + '/' + name);
    remove_name(at.directory, at.name);
  }
  void set_permissions(std::string_view path, std::uint32_t permissions) {
    const Place at = find(path);
    if (at.inode == 0) return;
    inodes[at.inode].permissions = permissions;
    note_change(at.inode);
    ++inodes[at.directory].version;
  }
  void set_owner(std::string_view path, std::uint64_t user) {
    const Place at = find(path);
    if (at.inode == 0) return;
    inodes[at.inode].user = user;
    note_change(at.inode);
    ++inodes[at.directory].version;
  }
  [[nodiscard]] bool exists(std::string_view path) const { return find(path).inode != 0; }
  [[nodiscard]] std::optional<std::string> read_file(std::string_view path) const {
    const Place at = find(path);
    if (at.inode == 0) return std::nullopt;
    return inode(at.inode).content;
  }
  [[nodiscard]] std::vector<std::string> names(std::string_view path) const {
    std::vector<std::string> result;
    const Place at = find(path);
    if (at.inode != 0) {
      for (const auto& [name, number] : inode(at.inode).entries) result.push_back(name);
    }
    return result;
  }
  [[nodiscard]] std::optional<FileInfo> stat(std::string_view path) const {
    const Place at = find(path);
    if (at.inode == 0) return std::nullopt;
    return info(at.inode);
  }
  /// Descriptors and watches that a process has open.
  [[nodiscard]] std::size_t open_count(ProcessIndex process) const {
    const auto table = tables.find(process);
    return table == tables.end() ? 0 : table->second.descriptors.size() + table->second.watches.size();
  }
  /// Processes that have a descriptor of `file` with a lock on that byte.
  [[nodiscard]] std::vector<ProcessIndex> lock_holders(FileIdentity file, std::uint64_t offset) const {
    std::vector<ProcessIndex> result;
    for (const auto& [process, table] : tables) {
      bool holds = false;
      for (const auto& [descriptor, id] : table.descriptors) {
        const OpenFile& open_file = open_files.find(id)->second;
        if (file != FileIdentity{device, open_file.inode}) continue;
        for (const Range& lock : open_file.locks) holds = holds || lock.overlaps({offset, offset + 1});
      }
      if (holds) result.push_back(process);
    }
    return result;
  }

  // What the views are made of.

  [[nodiscard]] const Inode& inode(InodeNumber number) const { return inodes.find(number)->second; }
  [[nodiscard]] static bool may(const Inode& inode, std::uint64_t user, std::uint32_t bits) noexcept {
    const std::uint32_t granted = inode.user == user ? inode.permissions >> 6U : inode.permissions;
    return user == 0 || (granted & bits) == bits;
  }
  /// Walks `path` as a user would. Missing is only an error on the way.
  [[nodiscard]] Place resolve(InodeNumber from, std::string_view path, std::uint64_t user, bool follow,
                              int depth = 0) const {
    if (path.empty()) return failed(ENOENT);
    if (path.size() >= 4096) return failed(ENAMETOOLONG);
    Place at{0, from, {}, path.front() == '/' ? root : from};
    for (;;) {
      const std::size_t start = path.find_first_not_of('/');
      if (start == std::string_view::npos) return at;
      const std::size_t end = path.find('/', start);
      at.name = path.substr(start, end == std::string_view::npos ? end : end - start);
      path.remove_prefix(end == std::string_view::npos ? path.size() : end);
      const bool last = path.find_first_not_of('/') == std::string_view::npos;
      if (at.inode == 0) return failed(ENOENT);
      at.directory = at.inode;
      const Inode& directory = inode(at.directory);
      if (directory.type != FileType::directory) return failed(ENOTDIR);
      if (!may(directory, user, 1)) return failed(EACCES);
      if (at.name.size() > 255 && directory.links != 0) return {ENAMETOOLONG, last ? at.directory : 0, {}, 0};
      if (at.name == ".") continue;
      const auto entry = directory.entries.find(at.name);
      at.inode = at.name == ".." ? directory.parent : entry == directory.entries.end() ? 0 : entry->second;
      if (at.inode != 0 && inode(at.inode).type == FileType::symbolic_link && (!last || follow)) {
        if (depth == 40) return failed(ELOOP);
        Place target = resolve(at.directory, inode(at.inode).content, user, true, depth + 1);
        if (target.error != 0) return failed(target.error);
        if (last) return target;
        at.inode = target.inode;
      }
    }
  }
  /// Whether `user` may add or remove names: 0 or an errno.
  [[nodiscard]] int may_change(InodeNumber directory, std::uint64_t user) const {
    if (is_read_only) return EROFS;
    if (inode(directory).links == 0) return ENOENT;
    return may(inode(directory), user, 3) ? 0 : EACCES;
  }
  [[nodiscard]] int may_remove(const Place& at, std::uint64_t user) const {
    if (const int error = may_change(at.directory, user); error != 0) return error;
    const Inode& directory = inode(at.directory);
    const bool sticky = (directory.permissions & 01000U) != 0;
    return sticky && user != 0 && user != directory.user && user != inode(at.inode).user ? EPERM : 0;
  }
  [[nodiscard]] InodeNumber create(FileType type, std::uint32_t permissions, std::uint64_t user) {
    InodeNumber number = next_inode;
    if (reuses_inode_numbers) {
      number = root;
      while (inodes.count(number) != 0) ++number;
    }
    if (number >= next_inode) next_inode = number + 1;
    inodes[number] = make_inode(type, permissions, user);
    return number;
  }
  void add_name(InodeNumber directory, const std::string& name, InodeNumber number) {
    Inode& inode = inodes[number];
    ++inode.links;
    inode.linkable = false;
    inode.parent = directory;
    inodes[directory].entries[name] = number;
    note_change(number);
    note_entries(directory);
  }
  void remove_name(InodeNumber directory, const std::string& name) {
    const auto entry = inodes[directory].entries.find(name);
    const InodeNumber number = entry->second;
    inodes[number].changed_ns = now.ns;
    // A directory's own watch learns of its removal only when nobody has it open any more: inotify tells no earlier.
    if (inodes[number].type != FileType::directory) ++inodes[number].version;
    inodes[directory].entries.erase(entry);
    note_entries(directory);
    --inodes[number].links;
    if (inodes[number].links == 0) inodes[number].parent = root;
    drop_unused(number);
  }
  [[nodiscard]] bool is_within(InodeNumber directory, InodeNumber ancestor) const {
    while (directory != ancestor && directory != root && directory != 0) directory = inode(directory).parent;
    return directory == ancestor;
  }
  /// As `rename(2)`, once it is known to be allowed.
  void move_name(const Place& from, const Place& to) {
    if (from.inode == to.inode) return;
    if (to.inode != 0) {
      ++inodes[to.inode].version;
      remove_name(to.directory, to.name);
    }
    inodes[from.directory].entries.erase(from.name);
    --inodes[from.inode].links;
    add_name(to.directory, to.name, from.inode);
    note_entries(from.directory);
  }
  void exchange_names(const Place& one, const Place& other) {
    inodes[one.directory].entries[one.name] = other.inode;
    inodes[other.directory].entries[other.name] = one.inode;
    inodes[one.inode].parent = other.directory;
    inodes[other.inode].parent = one.directory;
    note_change(one.inode);
    note_change(other.inode);
    note_entries(one.directory);
    note_entries(other.directory);
  }
  void note_change(InodeNumber number) {
    Inode& changed = inodes[number];
    changed.changed_ns = now.ns;
    ++changed.version;
  }
  /// Tells those who watch an open file, or the directory in which it was opened.
  void note_event(const OpenFile& open_file) {
    ++inodes[open_file.inode].version;
    ++inodes[open_file.directory].version;
  }
  void drop_unused(InodeNumber number) {
    if (inodes.count(number) == 0 || inode(number).links != 0) return;
    for (const auto& [id, open_file] : open_files) {
      if (open_file.inode == number || open_file.directory == number) return;
    }
    inodes.erase(number);
  }
  [[nodiscard]] std::size_t used() const {
    std::size_t bytes = 0;
    for (const auto& [number, inode] : inodes) bytes += inode.content.size();
    return bytes;
  }
  [[nodiscard]] FileInfo info(InodeNumber number) const {
    const Inode& found = inode(number);
    FileInfo result{{device, number}, found.type,  found.permissions,
                    found.user,       found.links, static_cast<std::int64_t>(found.content.size()),
                    found.changed_ns};
    if (found.type == FileType::directory && found.links != 0) {
      ++result.links;  // "." and, below, each child's ".."
      for (const auto& [name, child] : found.entries) {
        if (inode(child).type == FileType::directory) ++result.links;
      }
    }
    return result;
  }
  /// Returns: the lowest number that is not a key of `used`, from `first` on.
  template <typename Map>
  [[nodiscard]] static typename Map::key_type lowest_free(const Map& used, typename Map::key_type first) {
    while (used.count(first) != 0) ++first;
    return first;
  }
  void close_descriptor(Table& table, int descriptor) {
    const auto found = table.descriptors.find(descriptor);
    if (found == table.descriptors.end()) {
      ++stray_closes;
      return;
    }
    const auto open_file = open_files.find(found->second);
    table.descriptors.erase(found);
    if (--open_file->second.descriptors != 0) return;
    const OpenFile closed = open_file->second;
    open_files.erase(open_file);
    if (closed.writable) note_event(closed);
    drop_unused(closed.inode);
    drop_unused(closed.directory);
  }
  void close_all(ProcessIndex process) {
    Table& table = tables[process];
    while (!table.descriptors.empty()) close_descriptor(table, table.descriptors.begin()->first);
    table.watches.clear();
  }
  /// Closes what processes had open that have ended by now.
  void settle(const ManualTime& time) {
    now.ns = time.wall.count() * 1'000'000;
    for (auto& [process, table] : tables) {
      if (time.ended(process)) close_all(process);
    }
  }

 private:
  [[nodiscard]] static Place failed(int error) { return {error, 0, {}, 0}; }
  [[nodiscard]] Inode make_inode(FileType type, std::uint32_t permissions, std::uint64_t user) {
    Inode inode;
    inode.type = type;
    inode.permissions = permissions & 01777U;
    inode.user = user;
    inode.changed_ns = now.ns;
    inode.serial = next_serial++;
    return inode;
  }
  [[nodiscard]] Place find(std::string_view path) const { return resolve(root, path, 0, false); }
  InodeNumber ensure(std::string_view path, FileType type, std::uint32_t permissions, std::uint64_t user) {
    Place at = find(path);
    if (at.error == ENOENT && !path.empty()) {
      make_directory(path.substr(0, path.find_last_of('/')), 0755, user);
      at = find(path);
    }
    assert(at.error == 0 && "a file stands where the path needs a directory");
    if (at.inode != 0) return at.inode;
    at.inode = create(type, permissions, user);
    add_name(at.directory, at.name, at.inode);
    return at.inode;
  }
  void note_entries(InodeNumber directory) {
    inodes[directory].changed_ns = now.ns;
    ++inodes[directory].version;
  }
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_MEMORY_DISK_HPP
