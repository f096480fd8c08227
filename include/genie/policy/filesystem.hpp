// The filesystem policy: the requirements that `ServeGuard` has of files, directories and locks.
#ifndef GENIE_POLICY_FILESYSTEM_HPP
#define GENIE_POLICY_FILESYSTEM_HPP

#include <cstddef>
#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/result.hpp"

namespace genie::inline v0 {

/// What kind of file a name stands for, `inode(7)`.
enum class FileType : std::uint8_t { regular, directory, symbolic_link, socket, other };

/// What `stat(2)` tells and the protocol needs.
struct FileInfo {
  FileIdentity id;
  FileType type = FileType::other;
  std::uint32_t permissions = 0;  ///< the nine permission bits and the sticky bit, as in `chmod(2)`
  std::uint64_t user = 0;         ///< owner of the file
  std::uint64_t links = 0;        ///< names that it has; 0 once its last one was removed
  std::int64_t size = 0;
  std::int64_t changed_ns = 0;   ///< time of the last status change, nanoseconds since the epoch
  std::int64_t modified_ns = 0;  ///< the same of the content, which another name, owner or mode does not change
};

/// How a file is opened. No symbolic link is followed in any of them.
enum class OpenMode : std::uint8_t {
  read,        ///< existing file, for reading
  read_write,  ///< existing file, for reading and writing
  ensure,      ///< for reading and writing, created empty where absent
  create,      ///< created by this call; EEXIST where the name is taken
};

/// A lock that stands in the way, as a query sees it.
struct LockQuery {
  bool held = false;
  std::uint64_t offset = 0;  ///< first byte of the conflicting lock
  std::uint64_t length = 0;  ///< 0 means: to the end of the file
};

/// | expression                              | returns              | what it must do                                    |
/// |-----------------------------------------|----------------------|----------------------------------------------------|
/// | `F::File`                               | a trivial type       | an open file or directory; a default-constructed one, given as a directory, lets paths be absolute |
/// | `F::socket_path_limit`                  | `std::size_t` constant | the longest path that a Unix socket can have, `unix(7)` |
/// | `files.make_directory(path, perms)`     | `SysResult<void>`    | creates one directory; EEXIST if the name is taken |
/// | `files.open_directory(path)`            | `SysResult<File>`    | pins a directory; later names are looked up in it even if it is moved |
/// | `files.open(dir, name, mode, perms)`    | `SysResult<File>`    | never follows a link at the last component (ELOOP), never blocks on a FIFO, not inherited by exec |
/// | `files.inherited()`                     | `SysResult<File>`    | the open file that whoever started this process has handed to it, from now on ours and not inherited by exec; EBADF where there is none |
/// | `files.create_unnamed(dir, perms)`      | `SysResult<File>`    | a file without a name; EOPNOTSUPP where there is no such thing |
/// | `files.link_unnamed(file, dir, name)`   | `SysResult<void>`    | gives it its name; EEXIST if the name is taken     |
/// | `files.rename(dir, from, to)`           | `SysResult<void>`    | atomic; replaces `to`                              |
/// | `files.rename_new(dir, from, to)`       | `SysResult<void>`    | atomic; EEXIST if `to` is taken                    |
/// | `files.exchange(dir, a, b)`             | `SysResult<void>`    | atomic; both names must exist (ENOENT); EOPNOTSUPP, EINVAL or ENOSYS where there is no such thing |
/// | `files.unlink(dir, name)`               | `SysResult<void>`    | removes a name, never a directory (EISDIR, EPERM)  |
/// | `files.stat(file)`                      | `SysResult<FileInfo>`|                                                    |
/// | `files.stat_at(dir, name)`              | `SysResult<FileInfo>`| of the name itself, not of what a link points to   |
/// | `files.read_at(file, to, n, offset)`    | `SysResult<size_t>`  | may return less; 0 at the end                      |
/// | `files.write_at(file, from, n, offset)` | `SysResult<size_t>`  | may write less                                     |
/// | `files.sync(file)`                      | `SysResult<void>`    | on stable storage when it returns                  |
/// | `files.try_lock(file, offset, n)`       | `SysResult<void>`    | exclusive; belongs to the open file, and may belong to the process, too; ends when its last descriptor is closed, or that process ends; EAGAIN if another open file has one there |
/// | `files.unlock(file, offset, n)`         | `SysResult<void>`    |                                                    |
/// | `files.query_lock(file, offset, n)`     | `SysResult<LockQuery>` | a lock of another open file in that range; takes nothing, disturbs nobody |
/// | `files.for_each_name(dir, visit)`       | `SysResult<void>`    | calls `visit(Text)` for each entry but `.` and `..`|
/// | `F::Watch`, `files.watch(path)`         | `SysResult<Watch>`   | from now on notices changes of a file or directory |
/// | `files.wait(watch, span)`               | `SysResult<bool>`    | true: something changed since the last wait (or since `watch`), or a writer closed it; false: `span` passed |
/// | `files.close_watch(watch)`, `files.close(file)` | (ignored)    | closing releases locks; `close` is never repeated  |
///
/// Two more are asked for only where they are there, and the other calls answer that the system can't:
///
/// | expression                              | returns              | what it must do                                    |
/// |-----------------------------------------|----------------------|----------------------------------------------------|
/// | `files.link(dir, from, to)`             | `SysResult<void>`    | in place of `rename_new`: gives a file a second name; EEXIST if it is taken; ENOSYS where it can't either |
/// | `files.unlink_file(dir, name, file)`    | `SysResult<void>`    | in place of `exchange`: removes a name if it is that of the open file, in one step; EDEADLK if it is another's; ENOSYS where it can't either |
///
/// A system that locks whole files only answers EOPNOTSUPP to `try_lock` of the stopper's byte, and makes one lock
/// of the owner's and the starter's, see `posix_detail::WholeFileLocks`.
///
/// `path` and `name` are terminated strings. One method is one system call, or one question that the kernel answers at
/// once; composing them is the protocol's work. Calls do not throw, and return errno values (a platform with error
/// codes of its own translates them). EINTR may be returned; the protocol repeats the call.
template <typename F>
concept FilesystemPolicy = requires(F& files, typename F::File file, typename F::Watch& watch, const char* name,
                                    OpenMode mode, std::uint32_t permissions, void* to, const void* from,
                                    std::size_t count, std::uint64_t offset, Milliseconds span, void (*visit)(Text)) {
  { F::socket_path_limit } -> detail::ConvertibleTo<std::size_t>;
  { files.make_directory(name, permissions) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.open_directory(name) } noexcept -> detail::SameAs<SysResult<typename F::File>>;
  { files.open(file, name, mode, permissions) } noexcept -> detail::SameAs<SysResult<typename F::File>>;
  { files.inherited() } noexcept -> detail::SameAs<SysResult<typename F::File>>;
  { files.create_unnamed(file, permissions) } noexcept -> detail::SameAs<SysResult<typename F::File>>;
  { files.link_unnamed(file, file, name) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.rename(file, name, name) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.rename_new(file, name, name) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.exchange(file, name, name) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.unlink(file, name) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.stat(file) } noexcept -> detail::SameAs<SysResult<FileInfo>>;
  { files.stat_at(file, name) } noexcept -> detail::SameAs<SysResult<FileInfo>>;
  { files.read_at(file, to, count, offset) } noexcept -> detail::SameAs<SysResult<std::size_t>>;
  { files.write_at(file, from, count, offset) } noexcept -> detail::SameAs<SysResult<std::size_t>>;
  { files.sync(file) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.try_lock(file, offset, offset) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.unlock(file, offset, offset) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.query_lock(file, offset, offset) } noexcept -> detail::SameAs<SysResult<LockQuery>>;
  { files.for_each_name(file, visit) } noexcept -> detail::SameAs<SysResult<void>>;
  { files.watch(name) } noexcept -> detail::SameAs<SysResult<typename F::Watch>>;
  { files.wait(watch, span) } noexcept -> detail::SameAs<SysResult<bool>>;
  { files.close_watch(watch) } noexcept;
  { files.close(file) } noexcept;
};

}  // namespace genie::inline v0

#endif  // GENIE_POLICY_FILESYSTEM_HPP
