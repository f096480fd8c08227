// Which byte of `NAME.lock` means what when it is locked.
#ifndef GENIE_LOCK_BYTES_HPP
#define GENIE_LOCK_BYTES_HPP

#include <cstdint>

namespace genie::inline v0::detail {

/// Lock ranges lie beyond the content: on some platforms a lock forbids reading the bytes it covers.
inline constexpr std::uint64_t owner_byte = 0x40000000;
/// Held together with the owner's, in one call, until a claim has published its record: a held owner byte without
/// this one means that the record in the lock file is its holder's.
inline constexpr std::uint64_t starter_byte = owner_byte + 1;
/// Held by a stopper for the moment in which it rewrites the sentinel.
inline constexpr std::uint64_t stopper_byte = owner_byte + 2;

}  // namespace genie::inline v0::detail

#endif  // GENIE_LOCK_BYTES_HPP
