// Removing and publishing files so that nobody else's is ever lost.
#ifndef GENIE_WITHDRAW_HPP
#define GENIE_WITHDRAW_HPP

#include "genie/language.hpp"
#include "genie/state_files.hpp"

namespace genie::inline v0::detail {

/// Gives a file another name, which nobody else may have (EEXIST). Where there is no such rename, a system may give a
/// file a second name: then that comes first, and the old one goes after. Who is killed in between leaves both; where
/// the old one can't be removed, both are left as well, and that is the error.
/// Requires: the lock, whose record names the temporary one of the two.
template <typename H>
[[nodiscard]] GENIE_COLD SysResult<void> rename_to_new(H& host, typename H::File directory, const NameText& from,
                                                       const NameText& to) noexcept {
  auto renamed = uninterrupted([&] { return host.files.rename_new(directory, from.c_str(), to.c_str()); });
  if constexpr (requires { host.files.link(directory, from.c_str(), to.c_str()); }) {
    if (!is_unsupported(renamed.error)) return renamed;
    const auto linked = uninterrupted([&] { return host.files.link(directory, from.c_str(), to.c_str()); });
    if (linked.error == ENOSYS) return renamed;
    if (!linked.ok()) return linked;
    renamed = uninterrupted([&] { return host.files.unlink(directory, from.c_str()); });
    if (renamed.error == ENOENT) renamed.error = 0;
  }
  return renamed;
}

/// Removes a name if it is that of the open file `pinned`, in one step. Returns: ENOSYS where the system can't; EDEADLK
/// where the name is another file's.
template <typename H>
[[nodiscard]] SysResult<void> unlink_pinned(H& host, typename H::File directory, const NameText& name,
                                            typename H::File pinned) noexcept {
  if constexpr (requires { host.files.unlink_file(directory, name.c_str(), pinned); }) {
    return uninterrupted([&] { return host.files.unlink_file(directory, name.c_str(), pinned); });
  } else {
    return SysResult<void>::failure(ENOSYS);
  }
}

/// Removes whatever file has that name; that there is none is no error.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<void> remove_file(H& host, const StateFiles& files, typename H::File directory,
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
/// Returns: whether it is certain that nothing is left, under neither name; whoever claims next looks again if not.
template <typename H>
[[nodiscard]] GENIE_COMPACT Result<bool> withdraw(H& host, const StateFiles& files, typename H::File directory,
                                                  const NameText& name, FileIdentity pinned,
                                                  const NameText& temporary) noexcept {
  // Mostly nobody has touched it. Then, or if it is not ours any more, nothing needs to be put back.
  const auto present = uninterrupted([&] { return host.files.stat_at(directory, name.c_str()); });
  if (present.error == ENOENT) return true;
  if (!present.ok()) return files.error(Operation::stat, present.error, name);
  if (present.value.id != pinned) return false;
  const auto moved = uninterrupted([&] { return host.files.rename(directory, name.c_str(), temporary.c_str()); });
  // Gone by somebody else's hand; or by ours, where that was interrupted when it had been done.
  const bool is_gone = moved.error == ENOENT;
  if (!moved.ok() && !is_gone) return files.error(Operation::rename, moved.error, name);
  const auto out = uninterrupted([&] { return host.files.stat_at(directory, temporary.c_str()); });
  if (out.error == ENOENT) return false;  // by somebody else's hand
  if (!out.ok()) return files.error(Operation::stat, out.error, temporary);
  if (out.value.id != pinned) {
    if (is_gone) return false;
    const auto back = rename_to_new(host, directory, temporary, name);
    // Taken again: then both stay, and the next claim judges them.
    if (!back.ok() && back.error != EEXIST) return files.error(Operation::rename, back.error, temporary);
    return false;
  }
  const auto removed = uninterrupted([&] { return host.files.unlink(directory, temporary.c_str()); });
  if (!removed.ok() && removed.error != ENOENT) return files.error(Operation::unlink, removed.error, temporary);
  return removed.ok();
}

}  // namespace genie::inline v0::detail

#endif  // GENIE_WITHDRAW_HPP
