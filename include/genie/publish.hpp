// Publishing a small file as the owner: complete from the first instant it is visible, and never unnoticed litter.
#ifndef GENIE_PUBLISH_HPP
#define GENIE_PUBLISH_HPP

#include "genie/claim.hpp"

namespace genie::inline v0::detail {

/// Errors: `not_claimed`, also where the directory was lost: it is somebody else's by now, or about to be.
template <typename H>
[[nodiscard]] Result<void> check_publisher(H& host, const StateFiles& files, const HeldClaim<H>& held,
                                           const NameText& name) noexcept {
  switch (verify_claim(host, files, held)) {
    case Ownership::held:
    case Ownership::record_missing:
    case Ownership::lock_missing: return {};
    default: return files.refusal(ErrorKind::not_claimed, Operation::create, name);
  }
}

/// Gives the file `name` the content `bytes`, in place of what it was.
/// Requires: `check_publisher`.
/// Errors: create, write, rename.
template <typename H>
[[nodiscard]] Result<void> publish_file(H& host, const StateFiles& files, HeldClaim<H>& held, const NameText& name,
                                        Text bytes) noexcept {
  const NameText temporary = files.temporary(held.written.temporary);
  const Result<typename H::File> created = create_owners_temporary(host, files, held, temporary);
  if (!created) return created.error();
  const auto written = write_whole(host, *created, bytes);
  host.files.close(*created);
  const auto renamed =
      written.ok() ? uninterrupted([&] { return host.files.rename(held.directory, temporary.c_str(), name.c_str()); })
                   : SysResult<void>::failure(written.error);
  if (!renamed.ok()) {
    held.has_litter = !remove_file(host, files, held.directory, temporary);
    return files.error(written.ok() ? Operation::rename : Operation::write, renamed.error, name);
  }
  return {};
}

}  // namespace genie::inline v0::detail

#endif  // GENIE_PUBLISH_HPP
