// Removing and publishing files so that nobody else's is ever lost.
#ifndef GENIE_WITHDRAW_HPP
#define GENIE_WITHDRAW_HPP

#include "genie/state_files.hpp"

namespace genie::inline v0::detail {

/// Removes whatever file has that name; that there is none is no error.
template <typename H>
[[nodiscard]] Result<void> remove_file(H& host, const StateFiles& files, typename H::File directory,
                                       const NameText& name) noexcept {
  const auto removed = uninterrupted([&] { return host.files.unlink(directory, name.c_str()); });
  if (removed.ok() || removed.error == ENOENT) return {};
  if (removed.error == EISDIR) {
    return make_error(ErrorKind::not_a_regular_file, Operation::unlink, EISDIR, files.path_of(name));
  }
  return files.error(Operation::unlink, removed.error, name);
}

/// Removes `name` if it still names the file `pinned`, which the caller holds open. Whatever else stands there by now
/// stays: the name is moved away to `temporary` first, compared, and put back if it was another's.
/// Requires: the lock, whose record names `temporary`.
/// Returns: whether it is certain that nothing is left under that temporary name.
template <typename H>
[[nodiscard]] Result<bool> withdraw(H& host, const StateFiles& files, typename H::File directory, const NameText& name,
                                    FileIdentity pinned, const NameText& temporary) noexcept {
  // Mostly nobody has touched it. Then, or if it is not ours any more, nothing needs to be put back.
  const auto present = uninterrupted([&] { return host.files.stat_at(directory, name.c_str()); });
  if (present.error == ENOENT) return true;
  if (!present.ok()) return files.error(Operation::stat, present.error, name);
  if (present.value.id != pinned) return true;
  const auto moved = uninterrupted([&] { return host.files.rename(directory, name.c_str(), temporary.c_str()); });
  if (moved.error == ENOENT) return true;
  if (!moved.ok()) return files.error(Operation::rename, moved.error, name);
  const auto out = uninterrupted([&] { return host.files.stat_at(directory, temporary.c_str()); });
  if (out.error == ENOENT) return false;  // by somebody else's hand; whoever claims next looks again
  if (!out.ok()) return files.error(Operation::stat, out.error, temporary);
  if (out.value.id != pinned) {
    const auto back = uninterrupted([&] { return host.files.rename_new(directory, temporary.c_str(), name.c_str()); });
    // Taken again: then both stay, and the next claim judges them.
    if (!back.ok() && back.error != EEXIST) return files.error(Operation::rename, back.error, temporary);
    return back.ok();
  }
  const auto removed = uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
  if (!removed.ok() && removed.error != ENOENT) return files.error(Operation::unlink, removed.error, temporary);
  return removed.ok();
}

}  // namespace genie::inline v0::detail

#endif  // GENIE_WITHDRAW_HPP
