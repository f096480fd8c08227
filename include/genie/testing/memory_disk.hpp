// A disk in memory that simulated processes share: directories, inodes, names, open files and their locks.
//
// Models: inodes whose numbers are used again, hard links, owners and permissions, what is open in which process, what
// a watch would notice, and, on request, what a power cut takes of what was not synced. Tests use it as an outsider who
// may do everything: plant files, replace them, look.
//
// Does not model: groups, umask, mount points, access times, space taken by names.
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

/// What a power cut does to content that was not synced.
enum class ContentLoss : std::uint8_t {
  none,        ///< it had reached the disk, by chance
  since_sync,  ///< each file is as it was when it was last synced; empty where it never was
  whole_file,  ///< each file that was written since then is empty: harsher than ext4, which keeps what it had allocated
};

/// What the disk looks like after a power cut. Names change in their order and whole operations at a time, as in a
/// journal: of a rename or an exchange, either all or nothing is left.
struct PowerCut {
  ContentLoss content = ContentLoss::none;
  std::size_t names_kept =
      SIZE_MAX;  ///< operations on names not yet synced, the oldest first; the later ones are undone
};

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
    std::int64_t modified_ns = 0;
    std::map<std::string, InodeNumber, std::less<>> entries;
    InodeNumber parent = 0;     ///< of a directory; stays when it is removed
    std::uint64_t serial = 0;   ///< never used again, unlike the number
    std::uint64_t version = 0;  ///< counts what a watch would notice; `unwatched` once watches have ended
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
    InodeNumber directory = 0;  ///< of the name by which it was opened; stays as long as the file is open
    std::string name;           ///< the same, and follows it; with a slash in front once it was removed
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
  /// A name that a power cut may bring back to what it was.
  struct NameChange {
    std::uint64_t directory = 0;  ///< this and the next two: serials of inodes, 0 for none
    std::string name;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    std::int64_t changed_ns = 0;  ///< of the inode that is renamed, linked or removed, before that
    bool is_joined = false;       ///< belongs to the same operation as the change before it
    friend bool operator==(const NameChange&, const NameChange&) = default;
  };
  struct RemovedInode {
    InodeNumber number = 0;
    Inode inode;
    friend bool operator==(const RemovedInode&, const RemovedInode&) = default;
  };
  /// What is not yet on stable storage. Empty unless `tracks_durability`.
  struct Unsynced {
    std::map<std::uint64_t, std::string> contents;  ///< by serial: what the file contained when it was last synced
    std::vector<NameChange> names;                  ///< the oldest first
    std::map<std::uint64_t, RemovedInode> removed;  ///< by serial: those whose names may come back
    friend bool operator==(const Unsynced&, const Unsynced&) = default;
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
  static constexpr std::uint64_t unwatched = UINT64_MAX;

  bool has_unnamed = true;              ///< else EOPNOTSUPP
  bool has_exchange = true;             ///< else EINVAL
  bool has_rename_new = true;           ///< else EINVAL
  bool has_locks = true;                ///< else ENOLCK
  bool has_lock_ranges = true;          ///< else only whole files can be locked, as with `WholeFileLocks`
  bool has_file_unlink = false;         ///< `link` and `unlink_file`, as on FreeBSD; else ENOSYS
  bool has_watch = true;                ///< else EMFILE
  bool has_link = true;                 ///< else EPERM
  bool is_read_only = false;            ///< EROFS
  bool reuses_inode_numbers = true;     ///< the lowest free one, as ext4 does
  bool tracks_durability = false;       ///< remembers what `cut_power` may lose; set it before the first change
  std::size_t capacity = SIZE_MAX;      ///< bytes of content; beyond it ENOSPC
  std::size_t descriptor_limit = 1024;  ///< of one process; beyond it EMFILE
  std::uint64_t device = 2049;
  std::uint64_t stray_closes = 0;  ///< descriptors closed that were not open

  std::map<InodeNumber, Inode> inodes;
  std::map<std::uint32_t, OpenFile> open_files;
  std::map<ProcessIndex, Table> tables;
  std::uint64_t next_serial = 1;
  InodeNumber next_inode = root + 1;
  Unsynced unsynced;
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

  /// Makes a file, or replaces the content of one that is there.
  void write_file(std::string_view path, std::string_view content, std::uint32_t permissions = 0600,
                  std::uint64_t user = 1000) {
    const InodeNumber number = ensure(path, FileType::regular, permissions, user);
    note_content(inodes[number]);
    inodes[number].content = content;
    inodes[number].modified_ns = now.ns;
    note_change(number);
    bump(inodes[find(path).directory]);
  }
  /// Replaces the file by another one, with another inode number.
  void replace(std::string_view path, std::string_view content, std::uint32_t permissions = 0600,
               std::uint64_t user = 1000) {
    const std::string temporary = std::string{path} + ".replacement";
    write_file(temporary, content, permissions, user);
    move(temporary, path);
  }
  /// Makes an empty directory.
  void make_directory(std::string_view path, std::uint32_t permissions = 0700, std::uint64_t user = 1000) {
    (void)ensure(path, FileType::directory, permissions, user);
  }
  /// Makes a FIFO.
  void make_fifo(std::string_view path, std::uint32_t permissions = 0600, std::uint64_t user = 1000) {
    (void)ensure(path, FileType::other, permissions, user);
  }
  /// Makes a socket's file; nobody listens there.
  void make_socket(std::string_view path, std::uint32_t permissions = 0700, std::uint64_t user = 1000) {
    (void)ensure(path, FileType::socket, permissions, user);
  }
  /// Makes `path` a symbolic link to `target`, which need not exist.
  void make_symbolic_link(std::string_view path, std::string_view target, std::uint64_t user = 1000) {
    inodes[ensure(path, FileType::symbolic_link, 0777, user)].content = target;
  }
  /// Gives the file `path` a second name, unless that is taken.
  void make_hard_link(std::string_view path, std::string_view name) {
    const Place at = find(name);
    if (at.inode == 0) add_name(at.directory, at.name, find(path).inode);
  }
  /// Renames, replacing what is at `to`.
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
  /// Sets the permission bits, as `chmod(2)` does.
  void set_permissions(std::string_view path, std::uint32_t permissions) {
    const Place at = find(path);
    if (at.inode == 0) return;
    inodes[at.inode].permissions = permissions;
    note_change(at.inode);
    bump(inodes[directory_of(at)]);
  }
  /// Gives the file to another user, as `chown(2)` does.
  void set_owner(std::string_view path, std::uint64_t user) {
    const Place at = find(path);
    if (at.inode == 0) return;
    inodes[at.inode].user = user;
    note_change(at.inode);
    bump(inodes[directory_of(at)]);
  }
  /// As `sync(2)`: everything is on stable storage now, also what outsiders have changed.
  void sync_all() { unsynced = Unsynced{}; }
  /// Returns: the power cuts that ext4 makes possible now, each of which may leave another disk behind; the first one
  /// keeps everything.
  [[nodiscard]] std::vector<PowerCut> power_cuts() const {
    std::size_t operations = 0;
    for (const NameChange& change : unsynced.names) operations += change.is_joined ? 0U : 1U;
    std::vector<PowerCut> cuts;
    for (const ContentLoss content : {ContentLoss::none, ContentLoss::since_sync}) {
      if (content != ContentLoss::none && unsynced.contents.empty()) continue;
      for (std::size_t lost = 0; lost <= operations; ++lost) cuts.push_back({content, operations - lost});
    }
    return cuts;
  }
  /// The power fails: nothing is open any more, and what was not synced is lost as `cut` says. The processes are the
  /// caller's: see `Machine::reboot`.
  ///
  /// Models ext4 as it is mounted by default: `sync` of a file makes its content durable, of a directory the names in
  /// it, and a file that was never synced can be empty. Without `tracks_durability`, everything is kept.
  ///
  /// Does not model: parts of a file that were lost, content of one file lost and of another kept, a directory's names
  /// made durable by the sync of a file in it (as ext4 does for new files), permissions and owners, torn sectors.
  void cut_power(const PowerCut& cut = {}) {
    open_files.clear();
    for (auto& [process, table] : tables) {
      table.descriptors.clear();
      table.watches.clear();
    }
    undo_names(cut.names_kept);
    for (auto& [number, inode] : inodes) {
      const auto synced = unsynced.contents.find(inode.serial);
      if (synced == unsynced.contents.end() || cut.content == ContentLoss::none) continue;
      inode.content = cut.content == ContentLoss::since_sync ? synced->second : std::string{};
    }
    unsynced = Unsynced{};
    drop_unreachable();
  }
  /// Whether there is anything at that path.
  [[nodiscard]] bool exists(std::string_view path) const { return find(path).inode != 0; }
  /// Returns: the content of a regular file; nothing where there is none.
  [[nodiscard]] std::optional<std::string> read_file(std::string_view path) const {
    const Place at = find(path);
    if (at.inode == 0) return std::nullopt;
    return inode(at.inode).content;
  }
  /// Returns: the names in a directory, sorted.
  [[nodiscard]] std::vector<std::string> names(std::string_view path) const {
    std::vector<std::string> result;
    const Place at = find(path);
    if (at.inode != 0) {
      for (const auto& [name, number] : inode(at.inode).entries) result.push_back(name);
    }
    return result;
  }
  /// Returns: what `stat(2)` would tell; nothing where there is nothing.
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

  /// The file of that number. Requires: it exists.
  [[nodiscard]] const Inode& inode(InodeNumber number) const { return inodes.find(number)->second; }
  /// Whether the permission bits allow `user` all of `bits` (4 read, 2 write, 1 search).
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
  /// Returns: 0, or the errno for which `user` may not remove that name.
  [[nodiscard]] int may_remove(const Place& at, std::uint64_t user) const {
    if (const int error = may_change(at.directory, user); error != 0) return error;
    const Inode& directory = inode(at.directory);
    const bool sticky = (directory.permissions & 01000U) != 0;
    return sticky && user != 0 && user != directory.user && user != inode(at.inode).user ? EPERM : 0;
  }
  /// A new file without a name.
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
  /// `joins`: as part of the operation on names that came before it.
  void add_name(InodeNumber directory, const std::string& name, InodeNumber number, bool joins = false) {
    Inode& inode = inodes[number];
    note_name(directory, name, 0, inode.serial, inode.changed_ns, joins);
    ++inode.links;
    inode.linkable = false;
    inode.parent = directory;
    inodes[directory].entries[name] = number;
    note_change(number);
    note_entries(directory);
  }
  /// Removes a name; the file goes with its last name and descriptor.
  void remove_name(InodeNumber directory, const std::string& name) {
    const auto entry = inodes[directory].entries.find(name);
    const InodeNumber number = entry->second;
    note_name(directory, name, inodes[number].serial, 0, inodes[number].changed_ns, false);
    inodes[number].changed_ns = now.ns;
    // A directory's own watch learns of its removal only when nobody has it open any more: inotify tells no earlier.
    if (inodes[number].type != FileType::directory) bump(inodes[number]);
    inodes[directory].entries.erase(entry);
    note_entries(directory);
    --inodes[number].links;
    bool is_busy = false;
    for (auto& [id, open_file] : open_files) {
      if (open_file.inode != number || open_file.directory != directory || open_file.name != name) continue;
      is_busy = true;
      open_file.name.insert(0, 1, '/');
    }
    // Watches end with the last name, unless that is one by which somebody has opened the file; then when it is closed.
    if (inodes[number].links == 0 && !is_busy) inodes[number].version = unwatched;
    drop_unused(number);
  }
  /// Whether a directory is `ancestor`, or below it.
  [[nodiscard]] bool is_within(InodeNumber directory, InodeNumber ancestor) const {
    while (directory != ancestor && directory != root && directory != 0) directory = inode(directory).parent;
    return directory == ancestor;
  }
  /// As `rename(2)`, once it is known to be allowed.
  void move_name(const Place& from, const Place& to) {
    if (from.inode == to.inode) return;
    if (to.inode != 0) {
      bump(inodes[to.inode]);
      remove_name(to.directory, to.name);
    }
    follow(from, to, "");
    note_name(from.directory, from.name, inode(from.inode).serial, 0, inode(from.inode).changed_ns, to.inode != 0);
    inodes[from.directory].entries.erase(from.name);
    --inodes[from.inode].links;
    add_name(to.directory, to.name, from.inode, true);
    note_entries(from.directory);
  }
  /// Swaps what two names stand for.
  void exchange_names(const Place& one, const Place& other) {
    follow(one, other, "//");  // no such name, so that the two can be told apart
    follow(other, one, "");
    for (auto& [id, open_file] : open_files) {
      if (open_file.name.starts_with("//")) open_file.name.erase(0, 2);
    }
    note_name(one.directory, one.name, inode(one.inode).serial, inode(other.inode).serial, inode(one.inode).changed_ns,
              false);
    note_name(other.directory, other.name, inode(other.inode).serial, inode(one.inode).serial,
              inode(other.inode).changed_ns, true);
    inodes[one.directory].entries[one.name] = other.inode;
    inodes[other.directory].entries[other.name] = one.inode;
    inodes[one.inode].parent = other.directory;
    inodes[other.inode].parent = one.directory;
    note_change(one.inode);
    note_change(other.inode);
    note_entries(one.directory);
    note_entries(other.directory);
  }
  /// Notes that a file has changed: its change time, and who watches it.
  void note_change(InodeNumber number) {
    Inode& changed = inodes[number];
    changed.changed_ns = now.ns;
    bump(changed);
  }
  /// Tells those who watch an open file, or the directory in which it was opened.
  void note_event(const OpenFile& open_file) {
    bump(inodes[open_file.inode]);
    bump(inodes[open_file.directory]);
  }
  /// Forgets a file that has neither name nor descriptor.
  void drop_unused(InodeNumber number) {
    if (inodes.count(number) == 0 || inode(number).links != 0) return;
    for (const auto& [id, open_file] : open_files) {
      if (open_file.inode == number || open_file.directory == number) return;
    }
    for (const auto& [other, child] : inodes) {
      if (child.type == FileType::directory && child.parent == number && other != number) return;  // its ".."
    }
    const InodeNumber parent = inode(number).type == FileType::directory ? inode(number).parent : 0;
    if (may_come_back(inode(number).serial)) unsynced.removed[inode(number).serial] = {number, inode(number)};
    inodes.erase(number);
    drop_unused(parent);
  }
  /// Before the content of `inode` changes.
  void note_content(const Inode& inode) {
    if (tracks_durability) unsynced.contents.try_emplace(inode.serial, inode.content);
  }
  /// The content of a file, or the names in a directory, are on stable storage now.
  void make_durable(const Inode& inode) {
    unsynced.contents.erase(inode.serial);
    if (inode.type != FileType::directory || unsynced.names.empty()) return;
    std::vector<NameChange> rest;
    for (std::size_t at = 0; at < unsynced.names.size();) {
      std::size_t end = at + 1;
      while (end < unsynced.names.size() && unsynced.names[end].is_joined) ++end;
      bool is_durable = false;  // an operation on two directories is one, and so it is durable in both
      for (std::size_t change = at; change < end; ++change) {
        is_durable = is_durable || unsynced.names[change].directory == inode.serial;
      }
      for (; at < end; ++at) {
        if (!is_durable) rest.push_back(unsynced.names[at]);
      }
    }
    unsynced.names = rest;
    for (auto at = unsynced.removed.begin(); at != unsynced.removed.end();) {
      at = may_come_back(at->first) ? ++at : unsynced.removed.erase(at);
    }
  }
  /// Returns: how many bytes all files have together.
  [[nodiscard]] std::size_t used() const {
    std::size_t bytes = 0;
    for (const auto& [number, inode] : inodes) bytes += inode.content.size();
    return bytes;
  }
  /// Returns: what `stat(2)` tells of that file.
  [[nodiscard]] FileInfo info(InodeNumber number) const {
    const Inode& found = inode(number);
    FileInfo result{{device, number}, found.type,       found.permissions,
                    found.user,       found.links,      static_cast<std::int64_t>(found.content.size()),
                    found.changed_ns, found.modified_ns};
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
  /// Closes one descriptor; the last one of an open file ends its locks.
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
    bool is_busy = false;
    for (const auto& [id, other] : open_files) {
      is_busy =
          is_busy || (other.inode == closed.inode && other.directory == closed.directory && other.name == closed.name);
    }
    if (inode(closed.inode).links == 0 && !is_busy) inodes[closed.inode].version = unwatched;
    drop_unused(closed.inode);
    drop_unused(closed.directory);
  }
  /// Closes what a process has open, as its end does.
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
    inode.modified_ns = now.ns;
    inode.serial = next_serial++;
    return inode;
  }
  /// "." and ".." are names of a directory, but not those under which others see it.
  [[nodiscard]] InodeNumber directory_of(const Place& at) const {
    return inode(at.inode).type == FileType::directory ? inode(at.inode).parent : at.directory;
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
    inodes[directory].modified_ns = now.ns;
    bump(inodes[directory]);
  }
  void note_name(InodeNumber directory, const std::string& name, std::uint64_t before, std::uint64_t after,
                 std::int64_t changed_ns, bool joins) {
    if (tracks_durability) unsynced.names.push_back({inode(directory).serial, name, before, after, changed_ns, joins});
  }
  [[nodiscard]] bool may_come_back(std::uint64_t serial) const {
    for (const NameChange& change : unsynced.names) {
      if (change.before == serial) return true;
    }
    return false;
  }
  /// Returns: the number of the inode with that serial, which comes back where it was removed; 0 where there is none.
  InodeNumber revive(std::uint64_t serial) {
    for (const auto& [number, inode] : inodes) {
      if (inode.serial == serial) return number;
    }
    const auto removed = unsynced.removed.find(serial);
    if (removed == unsynced.removed.end()) return 0;
    InodeNumber number = removed->second.number;
    if (inodes.count(number) != 0) number = lowest_free(inodes, root);
    inodes[number] = removed->second.inode;
    return number;
  }
  void undo_names(std::size_t kept) {
    std::size_t operations = 0;
    std::size_t first = 0;
    while (first < unsynced.names.size() && (operations < kept || unsynced.names[first].is_joined)) {
      ++first;
      if (first == unsynced.names.size() || !unsynced.names[first].is_joined) ++operations;
    }
    for (std::size_t at = unsynced.names.size(); at > first; --at) {
      const NameChange& change = unsynced.names[at - 1];
      const InodeNumber directory = revive(change.directory);
      const InodeNumber moved = revive(change.before != 0 ? change.before : change.after);
      if (moved != 0) inodes[moved].changed_ns = change.changed_ns;
      if (directory == 0) continue;
      if (change.before != 0) {
        inodes[directory].entries[change.name] = moved;
      } else {
        inodes[directory].entries.erase(change.name);
        set_aside(moved);  // its number belongs to somebody else again
      }
    }
  }
  void set_aside(InodeNumber number) {
    if (inodes.count(number) == 0) return;
    for (const auto& [other, directory] : inodes) {
      for (const auto& [name, named] : directory.entries) {
        if (named == number) return;
      }
    }
    unsynced.removed[inode(number).serial] = {number, inode(number)};
    inodes.erase(number);
  }
  /// After a power cut: counts names anew, and frees what has none.
  void drop_unreachable() {
    for (auto& [number, inode] : inodes) inode.links = number == root ? 1 : 0;
    std::vector<InodeNumber> directories{root};
    while (!directories.empty()) {
      const InodeNumber directory = directories.back();
      directories.pop_back();
      for (const auto& [name, number] : inode(directory).entries) {
        ++inodes[number].links;
        inodes[number].parent = directory;
        if (inode(number).type == FileType::directory) directories.push_back(number);
      }
    }
    for (auto at = inodes.begin(); at != inodes.end();) at = at->second.links == 0 ? inodes.erase(at) : ++at;
  }
  static void bump(Inode& inode) noexcept {
    if (inode.version != unwatched) ++inode.version;
  }
  /// Whoever has opened a file by a name has it open by the new one after it was renamed.
  void follow(const Place& from, const Place& to, std::string_view prefix) {
    for (auto& [id, open_file] : open_files) {
      if (open_file.inode != from.inode || open_file.directory != from.directory || open_file.name != from.name)
        continue;
      open_file.directory = to.directory;
      open_file.name.assign(prefix).append(to.name);
    }
  }
};

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_MEMORY_DISK_HPP
