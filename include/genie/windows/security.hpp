// Who owns a file on Windows and who may write it, in the terms of the protocol: a user's number and permission bits.
// Reads and writes security descriptors as bytes, so that all of it can be tried without Windows.
#ifndef GENIE_WINDOWS_SECURITY_HPP
#define GENIE_WINDOWS_SECURITY_HPP

#include <cstddef>
#include <cstdint>

namespace genie::inline v0 {

/// A security identifier as its bytes, which are borrowed. Source: [MS-DTYP] 2.4.2.2.
struct WindowsSid {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;  ///< 0: none
};

/// What a descriptor says of its file.
struct WindowsAccess {
  std::uint64_t user = UINT64_MAX;   ///< see `windows_user`; the default is nobody's
  std::uint32_t permissions = 0777;  ///< as in `chmod(2)`; the default trusts nobody
};

namespace windows_detail {

[[nodiscard]] constexpr std::uint32_t little_endian(const unsigned char* bytes, std::size_t count) noexcept {
  std::uint32_t value = 0;
  for (std::size_t at = count; at > 0; --at) value = value << 8U | bytes[at - 1];
  return value;
}

/// Returns: the identifier that begins at `at`; of size 0 where there is no whole one.
[[nodiscard]] constexpr WindowsSid sid_at(const unsigned char* bytes, std::size_t size, std::size_t at) noexcept {
  constexpr std::size_t head = 8;
  if (at > size || size - at < head || bytes[at] != 1) return {};
  const std::size_t length = head + std::size_t{bytes[at + 1]} * 4;
  return size - at < length ? WindowsSid{} : WindowsSid{bytes + at, length};
}

/// Whether the identifier is S-1-AUTHORITY-FIRST…, with so many numbers behind the authority.
[[nodiscard]] constexpr bool is_well_known(const WindowsSid& sid, unsigned authority, unsigned count,
                                           std::uint32_t first, std::uint32_t second = 0) noexcept {
  if (sid.size == 0 || sid.bytes[1] < count || (count < 3 && sid.bytes[1] != count)) return false;
  for (std::size_t at = 2; at < 7; ++at) {
    if (sid.bytes[at] != 0) return false;
  }
  return sid.bytes[7] == authority && little_endian(sid.bytes + 8, 4) == first &&
         (count < 2 || little_endian(sid.bytes + 12, 4) == second);
}

/// Those who can do as they like anyway: SYSTEM, Administrators, and the installer of Windows' own files.
[[nodiscard]] constexpr bool is_system(const WindowsSid& sid) noexcept {
  constexpr std::uint32_t trusted_installer = 956008885;
  return is_well_known(sid, 5, 1, 18) || is_well_known(sid, 5, 2, 32, 544) ||
         is_well_known(sid, 5, 3, 80, trusted_installer);
}

/// Those that stand for the owner: CREATOR OWNER, OWNER RIGHTS.
[[nodiscard]] constexpr bool stands_for_owner(const WindowsSid& sid) noexcept {
  return is_well_known(sid, 3, 1, 0) || is_well_known(sid, 3, 1, 4);
}

[[nodiscard]] constexpr bool is_same(const WindowsSid& one, const WindowsSid& other) noexcept {
  if (one.size != other.size) return false;
  for (std::size_t at = 0; at < one.size; ++at) {
    if (one.bytes[at] != other.bytes[at]) return false;
  }
  return true;
}

}  // namespace windows_detail

/// The number of a user: 0 for the system and its administrators, as root is elsewhere; else a hash of the identifier,
/// by which two users are told apart.
[[nodiscard]] constexpr std::uint64_t windows_user(const WindowsSid& sid) noexcept {
  if (sid.size == 0) return UINT64_MAX;
  if (windows_detail::is_system(sid)) return 0;
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (std::size_t at = 0; at < sid.size; ++at) hash = (hash ^ sid.bytes[at]) * 1099511628211U;
  return hash;
}

/// Reads a self-relative security descriptor with its owner and its access list.
/// Returns: what it grants to others than the owner and the system: 0022 where anybody of them may change the file, or
/// take it away, 0044 where they may read it. Who is denied something is not asked: that only makes it less.
/// Source: [MS-DTYP] 2.4.4, 2.4.5, 2.4.6.
[[nodiscard]] constexpr WindowsAccess read_descriptor(const unsigned char* bytes, std::size_t size) noexcept {
  using namespace windows_detail;
  constexpr std::size_t head = 20;
  constexpr std::uint32_t has_list = 0x0004;
  constexpr std::uint32_t self_relative = 0x8000;
  // Write, append, delete a child, delete, change the list or the owner, and both generic rights that include them.
  constexpr std::uint32_t changing =
      0x00000002U | 0x00000004U | 0x00000040U | 0x00010000U | 0x00040000U | 0x00080000U | 0x40000000U | 0x10000000U;
  constexpr std::uint32_t reading = 0x00000001U | 0x80000000U | 0x10000000U;
  WindowsAccess access;
  if (size < head || bytes[0] != 1) return access;
  const std::uint32_t control = little_endian(bytes + 2, 2);
  const WindowsSid owner = sid_at(bytes, size, little_endian(bytes + 4, 4));
  const std::size_t list = little_endian(bytes + 16, 4);
  if ((control & self_relative) == 0 || owner.size == 0) return access;
  access.user = windows_user(owner);
  // Without a list, everybody may do everything.
  if ((control & has_list) == 0 || list < head || list > size || size - list < 8) return access;
  access.permissions = 0700;
  const std::size_t count = little_endian(bytes + list + 4, 2);
  std::size_t at = list + 8;
  for (std::size_t entry = 0; entry < count; ++entry) {
    if (size - at < 8) return WindowsAccess{access.user, 0777};
    const std::size_t length = little_endian(bytes + at + 2, 2);
    if (length < 8 || length > size - at) return WindowsAccess{access.user, 0777};
    const unsigned type = bytes[at];
    const bool is_inherited_only = (bytes[at + 1] & 0x08U) != 0;
    constexpr unsigned allowed = 0;
    constexpr unsigned allowed_callback = 9;
    if ((type == allowed || type == allowed_callback) && !is_inherited_only) {
      const std::uint32_t mask = little_endian(bytes + at + 4, 4);
      const WindowsSid sid = sid_at(bytes, at + length, at + 8);
      if (sid.size == 0 || !(is_same(sid, owner) || is_system(sid) || stands_for_owner(sid))) {
        if ((mask & changing) != 0) access.permissions |= 0022U;
        if ((mask & reading) != 0) access.permissions |= 0044U;
      }
    } else if (type == 5 || type == 11) {
      access.permissions |= 0022U;  // entries for objects, which files don't have
    }
    at += length;
  }
  return access;
}

/// A security descriptor that gives a new file to one user, and to the system and its administrators.
class PrivateDescriptor {
 public:
  /// `is_directory`: whatever is made in it later gets the same.
  constexpr PrivateDescriptor(const WindowsSid& user, bool is_directory) noexcept {
    constexpr unsigned char system[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    constexpr unsigned char administrators[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0};
    if (user.size == 0 || user.size > longest_sid) return;
    append(0x9004'0001, 4);  // revision 1; self-relative, with a list that inherits nothing
    append(20, 4);           // the owner's place
    append(0, 4);
    append(0, 4);
    const std::size_t list = 20 + user.size;
    append(static_cast<std::uint32_t>(list), 4);
    append(user);
    append(2, 2);  // revision
    append(static_cast<std::uint32_t>(8 + 3 * 8 + user.size + sizeof system + sizeof administrators), 2);
    append(3, 4);
    append_entry(user, is_directory);
    append_entry({system, sizeof system}, is_directory);
    append_entry({administrators, sizeof administrators}, is_directory);
  }

  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const unsigned char* data() const noexcept { return bytes_; }
  [[nodiscard]] constexpr unsigned char* data() noexcept { return bytes_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }

  /// The longest identifier that there can be.
  static constexpr std::size_t longest_sid = 8 + 15 * 4;

 private:
  constexpr void append(std::uint32_t value, std::size_t count) noexcept {
    for (std::size_t at = 0; at < count; ++at) bytes_[size_++] = static_cast<unsigned char>(value >> (8U * at));
  }
  constexpr void append(const WindowsSid& sid) noexcept {
    for (std::size_t at = 0; at < sid.size; ++at) bytes_[size_++] = sid.bytes[at];
  }
  constexpr void append_entry(const WindowsSid& sid, bool is_directory) noexcept {
    constexpr std::uint32_t all_of_a_file = 0x001F01FF;
    append(0, 1);
    append(is_directory ? 3 : 0, 1);
    append(static_cast<std::uint32_t>(8 + sid.size), 2);
    append(all_of_a_file, 4);
    append(sid);
  }

  alignas(8) unsigned char bytes_[20 + 8 + 3 * 8 + 2 * longest_sid + 28]{};
  std::size_t size_ = 0;
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_SECURITY_HPP
