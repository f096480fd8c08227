// The filesystem policy on Windows.
#ifndef GENIE_WINDOWS_FILESYSTEM_HPP
#define GENIE_WINDOWS_FILESYSTEM_HPP

#include <errno.h>
#include <string.h>

#include <cstddef>
#include <cstdint>

#include "genie/policy/filesystem.hpp"
#include "genie/windows/own_user.hpp"
#include "genie/windows/security.hpp"
#include "genie/windows/win32.hpp"

namespace genie::inline v0 {

namespace windows_detail {

inline constexpr int utf8 = 65001;

// Access rights, share modes, dispositions and options. Source: `NtCreateFile`.
inline constexpr std::uint32_t read_content = 0x00000001;
inline constexpr std::uint32_t write_content = 0x00000002;
inline constexpr std::uint32_t traverse = 0x00000020;
inline constexpr std::uint32_t read_attributes = 0x00000080;
inline constexpr std::uint32_t delete_access = 0x00010000;
inline constexpr std::uint32_t read_control = 0x00020000;
inline constexpr std::uint32_t synchronize = 0x00100000;
inline constexpr std::uint32_t generic_read = 0x80000000;
inline constexpr std::uint32_t generic_write = 0x40000000;
inline constexpr std::uint32_t share_everything = 7;
inline constexpr std::uint32_t open_existing = 1;
inline constexpr std::uint32_t create_new = 2;
inline constexpr std::uint32_t open_or_create = 3;
inline constexpr std::uint32_t directories_only = 0x00000001;
inline constexpr std::uint32_t synchronous = 0x00000020;
inline constexpr std::uint32_t no_directories = 0x00000040;
inline constexpr std::uint32_t delete_on_close = 0x00001000;
inline constexpr std::uint32_t no_following = 0x00200000;

/// A path as the kernel takes it, in UTF-16. Longer than what any file system takes as a name.
class WidePath {
 public:
  static constexpr std::size_t capacity = 4352;

  /// A name below an open directory. Errors: EINVAL, ENAMETOOLONG.
  [[nodiscard]] int set_relative(const char* name) noexcept {
    if (Text{name} == Text{"."}) return 0;
    if (const int error = convert(name, text_); error != 0) return error;
    for (std::size_t at = 0; at < size_; ++at) {
      if (text_[at] == L':') return EINVAL;  // another stream of some file
      if (text_[at] == L'/') text_[at] = L'\\';
    }
    return 0;
  }

  /// A path for which the current directory counts where it is not absolute. Errors: EINVAL, ENAMETOOLONG, ENOENT.
  [[nodiscard]] int set_absolute(const char* path) noexcept {
    wchar_t given[capacity];
    if (const int error = convert(path, given); error != 0) return error;
    if (size_ == 0) return ENOENT;
    for (std::size_t at = 2; at < size_; ++at) {
      if (given[at] == L':' && !(at == 5 && given[0] == L'\\')) return EINVAL;
    }
    // Room in front for what the kernel has before it.
    constexpr std::size_t room = 8;
    const std::size_t length = ::GetFullPathNameW(given, capacity - room, text_ + room, nullptr);
    if (length == 0) return last_error();
    if (length >= capacity - room) return ENAMETOOLONG;
    const wchar_t* const full = text_ + room;
    std::size_t skipped = 0;
    const wchar_t* front = L"\\??\\";
    if (full[0] == L'\\' && full[1] == L'\\') {
      const bool is_device = (full[2] == L'?' || full[2] == L'.') && full[3] == L'\\';
      skipped = is_device ? 4 : 2;
      if (!is_device) front = L"\\??\\UNC\\";
    }
    size_ = 0;
    while (*front != L'\0') text_[size_++] = *front++;
    for (std::size_t at = skipped; at < length; ++at) text_[size_++] = full[at];
    text_[size_] = L'\0';
    return 0;
  }

  /// Cuts the last component off. Returns: whether there was one.
  bool to_parent() noexcept {
    std::size_t at = size_;
    while (at > 0 && text_[at - 1] != L'\\') --at;
    if (at < 4) return false;
    size_ = at > 1 && text_[at - 2] == L':' ? at : at - 1;
    text_[size_] = L'\0';
    return true;
  }
  /// Turns the kernel's form into that of the other functions, which is as long.
  [[nodiscard]] const wchar_t* as_win32() noexcept {
    if (size_ > 1 && text_[0] == L'\\' && text_[1] == L'?') text_[1] = L'\\';
    return text_;
  }
  [[nodiscard]] UnicodeString as_native() noexcept {
    const auto bytes = static_cast<std::uint16_t>(size_ * sizeof(wchar_t));
    return {bytes, bytes, text_};
  }
  [[nodiscard]] const wchar_t* data() const noexcept { return text_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Adds a dot and sixteen hexadecimal digits.
  void append_token(std::uint64_t token) noexcept {
    FixedText<20> digits{"."};
    digits.append_hex(token);
    for (const char c : Text{digits}) {
      if (size_ + 1 < capacity) text_[size_++] = static_cast<wchar_t>(c);
    }
    text_[size_] = L'\0';
  }

 private:
  int convert(const char* from, wchar_t* to) noexcept {
    const Text text{from};
    size_ = 0;
    to[0] = L'\0';
    if (text.empty()) return 0;
    if (text.size() >= capacity) return ENAMETOOLONG;
    constexpr Ulong invalid_is_an_error = 8;
    const int count = ::MultiByteToWideChar(utf8, invalid_is_an_error, text.data(), static_cast<int>(text.size()), to,
                                            static_cast<int>(capacity - 1));
    if (count <= 0) return EINVAL;
    size_ = static_cast<std::size_t>(count);
    to[size_] = L'\0';
    return 0;
  }

  wchar_t text_[capacity]{};
  std::size_t size_ = 0;
};

/// Whether the system looks a name up by itself, wherever it is given.
[[nodiscard]] constexpr bool is_absolute(Text name) noexcept {
  const auto separates = [](char c) noexcept { return c == '/' || c == '\\'; };
  if (name.empty()) return false;
  return separates(name[0]) || (name.size() > 2 && name[1] == ':' && separates(name[2]));
}

}  // namespace windows_detail

/// Files by handle, names looked up relative to a pinned directory by the kernel itself, byte-range locks, change
/// notifications. Everything is opened so that others may read, write, rename and remove it meanwhile.
///
/// Names are UTF-8. What is looked up with a directory is one name, or several separated by `/`; `..` is not
/// understood there.
///
/// Locks: Windows has no way to ask for a lock without taking one. So each byte of the protocol stands for several
/// places far behind the content. One decides who has the lock; nobody but a `try_lock` ever touches it, so that no
/// query can make one fail. Who has got it takes another, which is there to be seen: a query tries to take that, shared
/// and without waiting, and gives it up at once. So a `try_lock` may have to wait for the microseconds
/// of a query, and no longer than `longest_query`. A lock belongs to the open file *and* its process: a child that
/// inherits the handle has no lock, so a lock never outlives its owner. Source: `LockFileEx`.
///
/// Stateless. Thread safety: each method is; the handles are the caller's to share.
class WindowsFilesystem {
 public:
  struct File {
    void* handle = nullptr;
  };
  struct Watch {
    void* handle = nullptr;
  };
  /// Less the character that ends it. Source: <afunix.h>, UNIX_PATH_MAX.
  static constexpr std::size_t socket_path_limit = 107;
  /// A query that was suspended half-way keeps a claim from its lock for so long; then that ends with ETIMEDOUT.
  static constexpr Milliseconds longest_query{2000};
  /// For how long a program that reads a file without letting it be renamed or removed (a virus scanner, `fopen`) is
  /// waited for; then the call ends with EBUSY.
  static constexpr Milliseconds longest_reader{1000};

  /// Source: `NtCreateFile`, FILE_CREATE.
  [[nodiscard]] SysResult<void> make_directory(const char* path, std::uint32_t permissions) noexcept {
    using namespace windows_detail;
    const auto made = open_at({}, path, read_attributes, create_new, directories_only, permissions);
    if (made.ok()) close(made.value);
    return {made.error};
  }

  [[nodiscard]] SysResult<File> open_directory(const char* path) noexcept {
    using namespace windows_detail;
    return open_at({}, path, read_content | traverse | read_attributes | read_control, open_existing, directories_only);
  }

  /// Source: `NtCreateFile`, FILE_OPEN_REPARSE_POINT. A Unix socket can't be opened: ENXIO, as elsewhere.
  [[nodiscard]] SysResult<File> open(File directory, const char* name, OpenMode mode,
                                     std::uint32_t permissions) noexcept {
    using namespace windows_detail;
    if (Text{name} == Text{"."}) return open_itself(directory);
    std::uint32_t disposition = open_existing;
    if (mode == OpenMode::ensure) disposition = open_or_create;
    if (mode == OpenMode::create) disposition = create_new;
    const std::uint32_t access = mode == OpenMode::read ? generic_read : generic_read | generic_write;
    const auto opened = open_at(directory, name, access, disposition, no_directories, permissions);
    if (!opened.ok()) return opened;
    AttributeTag tag;
    const int error = errno_of_status(query(opened.value, tag, attribute_tag_information));
    const FileType type = type_of(tag);
    int refused = error;
    if (type == FileType::symbolic_link) refused = ELOOP;
    if (type == FileType::socket) refused = ENXIO;
    if (refused == 0) return opened;
    close(opened.value);
    return SysResult<File>::failure(refused);
  }

  /// Nobody can hand a lock over to another process here. Returns: EBADF.
  [[nodiscard]] SysResult<File> inherited() noexcept { return SysResult<File>::failure(EBADF); }

  /// Returns: EOPNOTSUPP. There is no such thing; the protocol takes a temporary name.
  [[nodiscard]] SysResult<File> create_unnamed(File, std::uint32_t) noexcept {
    return SysResult<File>::failure(EOPNOTSUPP);
  }
  /// Returns: EOPNOTSUPP.
  [[nodiscard]] SysResult<void> link_unnamed(File, File, const char*) noexcept { return {EOPNOTSUPP}; }

  /// Atomic where the file system knows FILE_RENAME_POSIX_SEMANTICS (NTFS since Windows 10 1709). Elsewhere, where
  /// somebody has `to` open, that name is missing for a moment. Source: [MS-FSCC] 2.4.42, FileRenameInformationEx.
  [[nodiscard]] SysResult<void> rename(File directory, const char* from, const char* to) noexcept {
    using namespace windows_detail;
    if (Text{from} == Text{to}) return {stat_at(directory, from).error};
    return patiently([&]() noexcept {
      const auto source = open_at(directory, from, delete_access, open_existing, 0);
      if (!source.ok()) return SysResult<void>::failure(source.error);
      const ScopedHandle closes{source.value.handle};
      Target target;
      if (const int error = target.set(directory, to); error != 0) return SysResult<void>::failure(error);
      constexpr std::uint32_t replace = 1;
      constexpr std::uint32_t even_if_open = 2;
      auto renamed = set_name(source.value, target, replace | even_if_open, rename_information_ex);
      if (renamed.error != EOPNOTSUPP && renamed.error != EINVAL) return renamed;
      renamed = set_name(source.value, target, replace, rename_information);
      if (renamed.error != EACCES) return renamed;
      // Somebody has it open. Its name is free once it has been moved away.
      if (const auto gone = unlink(directory, to); !gone.ok() && gone.error != ENOENT) return gone;
      renamed = set_name(source.value, target, 0, rename_information);
      if (renamed.error == EEXIST) renamed.error = EBUSY;  // taken again meanwhile: try anew
      return renamed;
    });
  }

  /// Source: [MS-FSCC] 2.4.42, FileRenameInformation.
  [[nodiscard]] SysResult<void> rename_new(File directory, const char* from, const char* to) noexcept {
    using namespace windows_detail;
    return patiently([&]() noexcept {
      const auto source = open_at(directory, from, delete_access, open_existing, 0);
      if (!source.ok()) return SysResult<void>::failure(source.error);
      const ScopedHandle closes{source.value.handle};
      Target target;
      if (const int error = target.set(directory, to); error != 0) return SysResult<void>::failure(error);
      return set_name(source.value, target, 0, rename_information);
    });
  }

  /// Returns: EOPNOTSUPP. Windows exchanges no names; the protocol moves the one away, and then publishes the other.
  [[nodiscard]] SysResult<void> exchange(File, const char*, const char*) noexcept { return {EOPNOTSUPP}; }

  /// The name is free at once, even while somebody has the file open: by FILE_DISPOSITION_POSIX_SEMANTICS, or else
  /// by moving it to a name that goes with the file. Source: [MS-FSCC] 2.4.12, FileDispositionInformationEx.
  [[nodiscard]] SysResult<void> unlink(File directory, const char* name) noexcept {
    using namespace windows_detail;
    return patiently([&]() noexcept {
      {
        const auto opened = open_at(directory, name, delete_access, open_existing, no_directories);
        if (!opened.ok()) return SysResult<void>::failure(opened.error);
        const ScopedHandle closes{opened.value.handle};
        constexpr std::uint32_t remove = 1;
        constexpr std::uint32_t even_if_open = 2;
        std::uint32_t flags = remove | even_if_open;
        const int error = set(opened.value, &flags, sizeof flags, disposition_information_ex);
        if (error != EOPNOTSUPP && error != EINVAL) return SysResult<void>{error};
      }
      // Whatever happens to us from here on, the file goes with the handle.
      const auto opened = open_at(directory, name, delete_access, open_existing, no_directories | delete_on_close);
      if (!opened.ok()) return SysResult<void>::failure(opened.error);
      const ScopedHandle closes{opened.value.handle};
      Target aside;
      if (aside.set(directory, name) == 0) {
        aside.path.append_token(random_token());
        (void)set_name(opened.value, aside, 0, rename_information);
      }
      return SysResult<void>{};
    });
  }

  /// Source: [MS-FSCC] 2.4, FileBasicInformation and its like; 2.5.9, FileFsVolumeInformation.
  [[nodiscard]] SysResult<FileInfo> stat(File file) noexcept {
    using namespace windows_detail;
    BasicInformation basic;
    StandardInformation standard;
    InternalInformation internal;
    AttributeTag tag;
    VolumeInformation volume;
    // Not all in one question: the answer to that would begin with the name, which may be another by now.
    int error = errno_of_status(query(file, basic, basic_information));
    if (error == 0) error = errno_of_status(query(file, standard, standard_information));
    if (error == 0) error = errno_of_status(query(file, internal, internal_information));
    if (error == 0) error = errno_of_status(query(file, tag, attribute_tag_information));
    if (error == 0 && tells_volumes()) error = errno_of_status(query_volume(file, volume));
    if (error != 0) return SysResult<FileInfo>::failure(error);
    FileInfo info;
    info.id = {volume.serial, internal.index};
    info.type = type_of(tag);
    const WindowsAccess access = access_of(file);
    info.permissions = access.permissions;
    info.user = access.user;
    info.links = standard.is_delete_pending != 0 && standard.links <= 1 ? 0 : standard.links;
    info.size = info.type == FileType::directory ? 0 : standard.size;
    info.changed_ns = nanoseconds_since_epoch(basic.changed);
    info.modified_ns = nanoseconds_since_epoch(basic.written);
    return {info, 0};
  }
  [[nodiscard]] SysResult<FileInfo> stat_at(File directory, const char* name) noexcept {
    using namespace windows_detail;
    auto opened = open_at(directory, name, read_attributes | read_control, open_existing, 0);
    // Who may not see whose it is sees that it is there.
    if (opened.error == EACCES) opened = open_at(directory, name, read_attributes, open_existing, 0);
    if (!opened.ok()) return SysResult<FileInfo>::failure(opened.error);
    const auto info = stat(opened.value);
    close(opened.value);
    return info;
  }

  /// Source: `ReadFile`.
  [[nodiscard]] SysResult<std::size_t> read_at(File file, void* to, std::size_t count, std::uint64_t offset) noexcept {
    using namespace windows_detail;
    constexpr Ulong at_the_end = 38;
    Position from = position(offset);
    Ulong done = 0;
    if (::ReadFile(file.handle, to, most_at_once(count), &done, overlapped(from)) != 0) return {done, 0};
    const Ulong error = ::GetLastError();
    return error == at_the_end ? SysResult<std::size_t>{} : SysResult<std::size_t>::failure(errno_of(error));
  }
  /// Source: `WriteFile`.
  [[nodiscard]] SysResult<std::size_t> write_at(File file, const void* from, std::size_t count,
                                                std::uint64_t offset) noexcept {
    using namespace windows_detail;
    Position to = position(offset);
    Ulong done = 0;
    if (::WriteFile(file.handle, from, most_at_once(count), &done, overlapped(to)) != 0) return {done, 0};
    return SysResult<std::size_t>::failure(last_error());
  }
  /// Source: `FlushFileBuffers`.
  [[nodiscard]] SysResult<void> sync(File file) noexcept {
    return {::FlushFileBuffers(file.handle) != 0 ? 0 : windows_detail::last_error()};
  }

  /// Up to 16 bytes, each for itself. Source: `LockFileEx`.
  [[nodiscard]] SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (!is_lockable(offset, length)) return {EINVAL};
    bool is_new[most_lockable]{};
    int error = 0;
    for (std::uint64_t at = 0; at < length && error == 0; ++at) {
      if (is_ours(file, offset + at)) continue;
      error = decide(file, offset + at);
      is_new[at] = error == 0;
    }
    // The first byte is shown last, so that a query that sees it sees the others as well.
    for (std::uint64_t at = length; at > 0 && error == 0; --at) {
      if (is_new[at - 1]) error = patient_take(file, place(offset + at - 1, Place::shown));
    }
    for (std::uint64_t at = 0; at < length && error != 0; ++at) {
      if (is_new[at]) give_up_all(file, offset + at);
    }
    return {error};
  }
  /// Source: `UnlockFileEx`. What is not locked is no error.
  [[nodiscard]] SysResult<void> unlock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (!is_lockable(offset, length)) return {EINVAL};
    for (std::uint64_t at = length; at > 0; --at) give_up_all(file, offset + at - 1);
    return {};
  }
  /// Takes nothing that a `try_lock` needs. Our own locks are not reported.
  [[nodiscard]] SysResult<LockQuery> query_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    if (!is_lockable(offset, length)) return SysResult<LockQuery>::failure(EINVAL);
    LockQuery found;
    // From the first byte on, which is given up last.
    for (std::uint64_t at = offset; at < offset + length; ++at) {
      // Both bytes of it, so that giving it up can't be taken for giving up our own lock.
      const int error = take(file, place(at, Place::shown), 2, shared);
      if (error == 0) {
        (void)give_up(file, place(at, Place::shown), 2);
        if (found.held) break;
      } else if (error != EAGAIN) {
        return SysResult<LockQuery>::failure(error);
      } else {
        if (!found.held) found.offset = at;
        found.held = true;
        ++found.length;
      }
    }
    return {found, 0};
  }

  /// Source: `NtQueryDirectoryFile`, FileNamesInformation. Entries that come or go meanwhile may be seen or not.
  template <typename Visit>
  [[nodiscard]] SysResult<void> for_each_name(File directory, Visit&& visit) noexcept {
    using namespace windows_detail;
    static const auto list = native<NtQueryDirectoryFile>("NtQueryDirectoryFile");
    constexpr std::int32_t names_information = 12;
    constexpr Status no_more_files = static_cast<Status>(0x80000006);
    const auto opened = open_at(directory, ".", read_content, open_existing, directories_only);
    if (!opened.ok()) return SysResult<void>::failure(opened.error);
    const ScopedHandle closes{opened.value.handle};
    alignas(8) unsigned char buffer[8192];
    for (unsigned char restarts = 1;; restarts = 0) {
      IoStatus io;
      const Status status = list(opened.value.handle, nullptr, nullptr, nullptr, &io, buffer, sizeof buffer,
                                 names_information, 0, nullptr, restarts);
      if (status == no_more_files) return {};
      if (status < 0) return {errno_of_status(status)};
      for (const unsigned char* entry = buffer;;) {
        std::uint32_t head[3];  // where the next one begins, an index, the name's length in bytes
        ::memcpy(head, entry, sizeof head);
        char name[1024];
        const int length =
            ::WideCharToMultiByte(utf8, 0, reinterpret_cast<const wchar_t*>(entry + sizeof head),
                                  static_cast<int>(head[2] / sizeof(wchar_t)), name, sizeof name - 1, nullptr, nullptr);
        if (length > 0) {
          name[length] = '\0';
          const Text text{name};
          if (text != Text{"."} && text != Text{".."}) visit(text);
        }
        if (head[0] == 0) break;
        entry += head[0];
      }
    }
  }

  /// Of a file, its directory is watched. The system may tell of a change in place only when what was written leaves
  /// its cache, so whoever waits looks again now and then. Source: `FindFirstChangeNotificationW`.
  [[nodiscard]] SysResult<Watch> watch(const char* path) noexcept {
    using namespace windows_detail;
    constexpr Ulong names_attributes_sizes_writes_security = 0x1F | 0x100;
    const auto info = stat_at({}, path);
    if (!info.ok()) return SysResult<Watch>::failure(info.error);
    WidePath wide;
    if (const int error = wide.set_absolute(path); error != 0) return SysResult<Watch>::failure(error);
    if (info.value.type != FileType::directory && !wide.to_parent()) return SysResult<Watch>::failure(ENOTDIR);
    void* const handle = ::FindFirstChangeNotificationW(wide.as_win32(), 0, names_attributes_sizes_writes_security);
    if (handle == reinterpret_cast<void*>(std::intptr_t{-1})) return SysResult<Watch>::failure(last_error());
    return {Watch{handle}, 0};
  }
  [[nodiscard]] SysResult<bool> wait(Watch& watch, Milliseconds span) noexcept {
    const auto changed = windows_detail::wait_for(watch.handle, span);
    if (!changed.ok() || !changed.value) return changed;
    if (::FindNextChangeNotification(watch.handle) == 0) {
      return SysResult<bool>::failure(windows_detail::last_error());
    }
    return changed;
  }
  void close_watch(Watch& watch) noexcept {
    if (watch.handle != nullptr) ::FindCloseChangeNotification(watch.handle);
    watch.handle = nullptr;
  }

  void close(File file) noexcept {
    if (file.handle != nullptr) ::CloseHandle(file.handle);
  }

 private:
  // Classes of information. Source: [MS-FSCC] 2.4.
  static constexpr std::int32_t basic_information = 4;
  static constexpr std::int32_t standard_information = 5;
  static constexpr std::int32_t internal_information = 6;
  static constexpr std::int32_t rename_information = 10;
  static constexpr std::int32_t attribute_tag_information = 35;
  static constexpr std::int32_t disposition_information_ex = 64;
  static constexpr std::int32_t rename_information_ex = 65;

  struct AttributeTag {
    std::uint32_t attributes = 0;
    std::uint32_t tag = 0;
  };
  struct BasicInformation {
    std::int64_t created = 0;
    std::int64_t accessed = 0;
    std::int64_t written = 0;
    std::int64_t changed = 0;
    std::uint32_t attributes = 0;
    std::uint32_t unused = 0;
  };
  struct StandardInformation {
    std::int64_t allocated = 0;
    std::int64_t size = 0;
    std::uint32_t links = 0;
    unsigned char is_delete_pending = 0;
    unsigned char is_directory = 0;
    std::uint16_t unused = 0;
  };
  struct InternalInformation {
    std::uint64_t index = 0;
  };
  static_assert(sizeof(BasicInformation) == 40 && sizeof(StandardInformation) == 24);
  /// FILE_FS_VOLUME_INFORMATION, with a label that may be cut short.
  struct VolumeInformation {
    std::int64_t created = 0;
    std::uint32_t serial = 0;
    unsigned char rest[76]{};
  };

  /// To where a file is renamed.
  struct Target {
    File root;
    windows_detail::WidePath path;

    [[nodiscard]] int set(File directory, const char* name) noexcept {
      const bool is_relative = directory.handle != nullptr && !windows_detail::is_absolute(name);
      root = is_relative ? directory : File{};
      return is_relative ? path.set_relative(name) : path.set_absolute(name);
    }
  };

  static _OVERLAPPED* overlapped(windows_detail::Position& place) noexcept {
    return reinterpret_cast<_OVERLAPPED*>(&place);
  }
  static windows_detail::Ulong most_at_once(std::size_t count) noexcept {
    constexpr std::size_t most = 1U << 30U;
    return static_cast<windows_detail::Ulong>(count < most ? count : most);
  }
  static std::uint64_t random_token() noexcept {
    std::uint64_t token = 0;
    (void)::SystemFunction036(&token, sizeof token);
    return token;
  }

  /// Repeats a call that fails only because somebody has the file open without sharing it.
  template <typename Call>
  static SysResult<void> patiently(Call&& call) noexcept {
    for (Milliseconds waited{0};; waited = waited + milliseconds(1)) {
      const SysResult<void> result = call();
      if (result.error != EBUSY || waited >= longest_reader) return result;
      ::Sleep(1);
    }
  }

  static SysResult<File> open_at(File directory, const char* name, std::uint32_t access, std::uint32_t disposition,
                                 std::uint32_t options, std::uint32_t permissions = 0) noexcept {
    using namespace windows_detail;
    static const auto create_file = native<NtCreateFile>("NtCreateFile");
    constexpr std::uint32_t ignoring_case = 0x40;
    constexpr std::uint32_t normal = 0x80;
    Target target;
    if (const int error = target.set(directory, name); error != 0) return SysResult<File>::failure(error);
    UnicodeString path = target.path.as_native();
    ObjectAttributes object;
    object.root = target.root.handle;
    object.name = &path;
    object.attributes = ignoring_case;
    const bool creates = disposition != open_existing;
    const bool is_private = creates && (permissions & 0077U) == 0;
    const OwnSid* const owner = is_private ? &own_sid() : nullptr;
    PrivateDescriptor descriptor{is_private ? owner->get() : WindowsSid{}, (options & directories_only) != 0};
    if (!descriptor.empty()) object.security = descriptor.data();
    IoStatus io;
    File file;
    const Status status = create_file(&file.handle, access | synchronize, &object, &io, nullptr, normal,
                                      share_everything, disposition, options | synchronous | no_following, nullptr, 0);
    if (status >= 0) return {file, 0};
    // Such a name can't be given to another file as long as somebody has the removed one open.
    const bool is_being_deleted = static_cast<std::uint32_t>(status) == 0xC0000056U;
    return SysResult<File>::failure(is_being_deleted && disposition == create_new ? EEXIST : errno_of_status(status));
  }
  /// A directory once more, so that it can be synced if we may do that.
  static SysResult<File> open_itself(File directory) noexcept {
    using namespace windows_detail;
    const std::uint32_t needed = read_content | traverse | read_attributes | read_control;
    const auto opened = open_at(directory, ".", needed | write_content, open_existing, directories_only);
    return opened.error == EACCES ? open_at(directory, ".", needed, open_existing, directories_only) : opened;
  }

  template <typename Information>
  static windows_detail::Status query(File file, Information& information, std::int32_t kind) noexcept {
    using namespace windows_detail;
    static const auto query_file = native<NtQueryInformationFile>("NtQueryInformationFile");
    constexpr Status cut_short = static_cast<Status>(0x80000005);
    IoStatus io;
    const Status status = query_file(file.handle, &io, &information, sizeof information, kind);
    return status == cut_short ? 0 : status;
  }
  /// Wine does not know any more on which volume a file is that was renamed while it was open. There, the file's index
  /// must do.
  static bool tells_volumes() noexcept {
    static const bool is_windows = windows_detail::native<void*>("wine_get_version") == nullptr;
    return is_windows;
  }
  static windows_detail::Status query_volume(File file, VolumeInformation& information) noexcept {
    using namespace windows_detail;
    static const auto query_file = native<NtQueryVolumeInformationFile>("NtQueryVolumeInformationFile");
    constexpr Status cut_short = static_cast<Status>(0x80000005);
    constexpr std::int32_t volume_information = 1;
    IoStatus io;
    const Status status = query_file(file.handle, &io, &information, sizeof information, volume_information);
    return status == cut_short ? 0 : status;
  }
  static int set(File file, void* information, std::size_t size, std::int32_t kind) noexcept {
    using namespace windows_detail;
    static const auto set_file = native<NtSetInformationFile>("NtSetInformationFile");
    IoStatus io;
    return errno_of_status(set_file(file.handle, &io, information, static_cast<std::uint32_t>(size), kind));
  }

  /// FILE_RENAME_INFORMATION: flags, directory, length, name.
  static SysResult<void> set_name(File file, const Target& target, std::uint32_t flags, std::int32_t kind) noexcept {
    struct Head {
      std::uint32_t flags = 0;
      void* root = nullptr;
      std::uint32_t length = 0;
    };
    constexpr std::size_t name_at = offsetof(Head, length) + sizeof(std::uint32_t);
    alignas(Head) unsigned char bytes[name_at + windows_detail::WidePath::capacity * sizeof(wchar_t)]{};
    Head head;
    head.flags = flags;
    head.root = target.root.handle;
    const std::size_t length = target.path.size() * sizeof(wchar_t);
    head.length = static_cast<std::uint32_t>(length);
    ::memcpy(bytes, &head, name_at);
    ::memcpy(bytes + name_at, target.path.data(), length);
    // Even the shortest name takes as much as the whole structure.
    constexpr std::size_t least = sizeof(Head) + sizeof(void*) - sizeof(std::uint32_t);
    const std::size_t size = name_at + length;
    return {set(file, bytes, size < least ? least : size, kind)};
  }

  static FileType type_of(const AttributeTag& tag) noexcept {
    constexpr std::uint32_t directory = 0x10;
    constexpr std::uint32_t reparse_point = 0x400;
    if ((tag.attributes & reparse_point) != 0) {
      switch (tag.tag) {
        case 0xA000000CU:                                  // a symbolic link
        case 0xA0000003U: return FileType::symbolic_link;  // a junction
        case 0x80000023U: return FileType::socket;
        case 0x80000013U: break;  // a file whose content is shared with others', which is of no concern here
        default: return FileType::other;
      }
    }
    return (tag.attributes & directory) != 0 ? FileType::directory : FileType::regular;
  }

  static WindowsAccess access_of(File file) noexcept {
    using namespace windows_detail;
    static const auto query_security = native<NtQuerySecurityObject>("NtQuerySecurityObject");
    constexpr std::uint32_t owner_and_list = 1 | 4;
    alignas(8) unsigned char bytes[4096];
    std::uint32_t size = 0;
    // A list that is longer than this can't be told, and is not trusted.
    if (query_security(file.handle, owner_and_list, bytes, sizeof bytes, &size) < 0) return {};
    return read_descriptor(bytes, size < sizeof bytes ? size : sizeof bytes);
  }

  static std::int64_t nanoseconds_since_epoch(std::int64_t time) noexcept {
    constexpr std::int64_t unix_epoch = 116'444'736'000'000'000;
    return time < unix_epoch ? 0 : (time - unix_epoch) * 100;
  }

  // --- locks ---------------------------------------------------------------------------------------------------------

  /// What each byte of the protocol stands for.
  enum class Place : std::uint64_t {
    decided = 0,  ///< whoever has this has the lock
    marked = 1,   ///< its owner's sign to itself: only who has locked something can unlock it
    shown = 2,    ///< what queries look at, together with the place behind it
  };
  static constexpr windows_detail::Ulong shared = 1;     ///< without waiting
  static constexpr windows_detail::Ulong exclusive = 3;  ///< without waiting
  static constexpr std::size_t most_lockable = 16;

  static bool is_lockable(std::uint64_t offset, std::uint64_t length) noexcept {
    return length > 0 && length <= most_lockable && offset < (std::uint64_t{1} << 40U);
  }
  /// Far behind all content: what an exclusive lock covers can't be read.
  static std::uint64_t place(std::uint64_t byte, Place which) noexcept {
    return (std::uint64_t{1} << 44U) + 4 * byte + static_cast<std::uint64_t>(which);
  }

  static int take(File file, std::uint64_t where, windows_detail::Ulong count, windows_detail::Ulong how) noexcept {
    windows_detail::Position at = windows_detail::position(where);
    return ::LockFileEx(file.handle, how, 0, count, 0, overlapped(at)) != 0 ? 0 : windows_detail::last_error();
  }
  /// Returns: whether this open file had a lock on just these bytes.
  static bool give_up(File file, std::uint64_t where, windows_detail::Ulong count) noexcept {
    windows_detail::Position at = windows_detail::position(where);
    return ::UnlockFileEx(file.handle, 0, count, 0, overlapped(at)) != 0;
  }
  static void give_up_all(File file, std::uint64_t byte) noexcept {
    (void)give_up(file, place(byte, Place::shown), 1);
    (void)give_up(file, place(byte, Place::marked), 1);
    (void)give_up(file, place(byte, Place::decided), 1);
  }

  /// An exclusive lock can't be had twice, not even by who has it; the protocol may ask again for its own.
  static bool is_ours(File file, std::uint64_t byte) noexcept {
    if (!give_up(file, place(byte, Place::marked), 1)) return false;
    return patient_take(file, place(byte, Place::marked)) == 0;
  }
  static int decide(File file, std::uint64_t byte) noexcept {
    if (const int error = take(file, place(byte, Place::decided), 1, exclusive); error != 0) return error;
    const int error = patient_take(file, place(byte, Place::marked));
    if (error != 0) (void)give_up(file, place(byte, Place::decided), 1);
    return error;
  }
  /// Takes what nobody else has for more than a moment: a query, or what is left of a process that has just ended.
  static int patient_take(File file, std::uint64_t where) noexcept {
    for (Milliseconds waited{0};; waited = waited + milliseconds(1)) {
      for (int attempt = 0; attempt < 64; ++attempt) {
        const int error = take(file, where, 1, exclusive);
        if (error != EAGAIN) return error;
        ::Sleep(0);
      }
      if (waited >= longest_query) return ETIMEDOUT;
      ::Sleep(1);
    }
  }
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_FILESYSTEM_HPP
