// The locks of the filesystem policy on a system whose locks that belong to an open file are those of whole files,
// shared or exclusive, and can be queried.
#ifndef GENIE_POSIX_WHOLE_FILE_LOCKS_HPP
#define GENIE_POSIX_WHOLE_FILE_LOCKS_HPP

#include <errno.h>

#include <cstdint>

#include "genie/lock_bytes.hpp"
#include "genie/policy/filesystem.hpp"

namespace genie::inline v0::posix_detail {

/// Owner and starter byte are one lock: exclusive while the starter's is held, or was never given up; shared while only
/// the owner's is. An exclusive one can't be had beside a shared one, so both keep every other claimant out, and
/// nobody ever takes a shared one first. Making an exclusive lock shared must leave no gap.
/// The stopper byte would need a second lock of the same file: EOPNOTSUPP, and stoppers lock a file of their own.
///
/// `Base` has `set(file, kind)`, which does not wait, and `query(file, kind)`; both return errno.
template <typename Base>
class WholeFileLocks : public Base {
 public:
  using File = typename Base::File;
  using Kind = typename Base::Kind;

  [[nodiscard]] SysResult<void> try_lock(File file, std::uint64_t offset, std::uint64_t) noexcept {
    if (offset == detail::stopper_byte) return {EOPNOTSUPP};
    const int error = this->set(file, Kind::exclusive);
    return {error == EWOULDBLOCK ? EAGAIN : error};
  }
  [[nodiscard]] SysResult<void> unlock(File file, std::uint64_t offset, std::uint64_t) noexcept {
    return {this->set(file, offset == detail::starter_byte ? Kind::shared : Kind::none)};
  }
  [[nodiscard]] SysResult<LockQuery> query_lock(File file, std::uint64_t offset, std::uint64_t length) noexcept {
    Kind kind = Kind::none;
    if (const int error = this->query(file, kind); error != 0) return SysResult<LockQuery>::failure(error);
    if (kind == Kind::none) return {};
    LockQuery found;
    found.held = true;
    found.offset = offset;
    found.length = kind == Kind::exclusive ? length : 1;
    return {found, 0};
  }
};

}  // namespace genie::inline v0::posix_detail

#endif  // GENIE_POSIX_WHOLE_FILE_LOCKS_HPP
