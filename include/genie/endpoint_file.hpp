// `NAME.endpoints` as those see it who hold the lock: what an owner withdraws, and what it removes of its predecessor.
#ifndef GENIE_ENDPOINT_FILE_HPP
#define GENIE_ENDPOINT_FILE_HPP

#include <errno.h>

#include "genie/language.hpp"
#include "genie/record/endpoint_record.hpp"
#include "genie/state_files.hpp"
#include "genie/withdraw.hpp"

namespace genie::inline v0::detail {

/// Returns: whether the open file holds a whole record; `record` means something only then.
template <typename H>
[[nodiscard]] Result<bool> read_endpoint_record(H& host, const StateFiles& files, const OpenStateFile<H>& opened,
                                                EndpointRecord& record) noexcept {
  if (opened.info.size > static_cast<std::int64_t>(endpoint_record_capacity)) return false;
  EndpointRecordBytes bytes;
  const auto count = read_whole(host, opened.file.get(), bytes.data(), EndpointRecordBytes::capacity());
  if (!count.ok()) return files.error(Operation::read, count.error, files.endpoints());
  bytes.resize(count.value);
  return parse_endpoint_record(bytes, H::ProcessProbe::pid_limit, record);
}

/// From where a socket's path is looked up: one that is relative is relative to the state directory.
template <typename H>
[[nodiscard]] typename H::File origin_of(typename H::File directory, Text path) noexcept {
  return path.starts_with("/") ? typename H::File{} : directory;
}

template <typename H>
[[nodiscard]] SysResult<FileInfo> stat_socket(H& host, typename H::File directory,
                                              const PublishedEndpoint& endpoint) noexcept {
  return uninterrupted(
      [&] { return host.files.stat_at(origin_of<H>(directory, endpoint.value), endpoint.value.c_str()); });
}

/// Whether the path names the published socket no more: it names nothing, or another file. A `chown -R` of the
/// directory, as containers do it before they start a server, makes no other file of it.
[[nodiscard]] inline bool is_replaced(const SysResult<FileInfo>& found, const SocketStamp& published) noexcept {
  if (!found.ok()) return found.error == ENOENT || found.error == ENOTDIR;
  return found.value.type != FileType::socket || SocketStamp{found.value.id, found.value.modified_ns} != published;
}

/// Whether a socket that `record` names is still there, or may be.
template <typename H>
[[nodiscard]] bool has_socket(H& host, typename H::File directory, const EndpointRecord& record) noexcept {
  for (std::size_t at = 0; at < record.count; ++at) {
    if (record.endpoints[at].kind != EndpointKind::unix_socket) continue;
    if (!is_replaced(stat_socket(host, directory, record.endpoints[at]), record.endpoints[at].socket)) return true;
  }
  return false;
}

/// Removes the sockets that the publisher of `record` has left: those that are still the very files that it published,
/// and ours. It held the lock `lock` for life, which the caller holds now; of any other publisher nobody knows that it
/// is dead, and a copied directory names the sockets of a server that lives elsewhere.
/// Returns: the errno of a call that failed, EPERM where one stands that must not be removed, else 0.
template <typename H>
[[nodiscard]] GENIE_COLD int remove_leftover_sockets(H& host, const OpenDirectory<H>& directory,
                                                     const EndpointRecord& record, bool is_trusted,
                                                     FileIdentity lock) noexcept {
  int error = 0;
  const std::uint64_t user = host.process.user();
  for (std::size_t at = 0; at < record.count; ++at) {
    const PublishedEndpoint& endpoint = record.endpoints[at];
    if (endpoint.kind != EndpointKind::unix_socket) continue;
    const auto info = stat_socket(host, directory.file.get(), endpoint);
    if (is_replaced(info, endpoint.socket)) continue;
    if (!info.ok()) {
      error = info.error;
    } else if (!is_trusted || record.lock != lock || info.value.user != user) {
      error = EPERM;
    } else {
      const auto removed = uninterrupted([&] {
        return host.files.unlink(origin_of<H>(directory.file.get(), endpoint.value), endpoint.value.c_str());
      });
      if (!removed.ok() && removed.error != ENOENT) error = removed.error;
    }
  }
  return error;
}

/// Removes a predecessor's endpoints, first the sockets that it left, then the file that tells of them. A socket that
/// can't be removed keeps nobody from claiming: `leftover_error` gets the errno, and whoever binds to it will be told.
/// Requires: the lock `lock`, with nobody else's record standing.
/// Errors: unlink.
template <typename H>
[[nodiscard]] GENIE_COLD Result<void> invalidate_endpoints(H& host, const StateFiles& files,
                                                           const OpenDirectory<H>& directory, FileIdentity lock,
                                                           int& leftover_error) noexcept {
  OpenStateFile<H> opened;
  const auto found = open_state_file(host, files, directory.file.get(), files.endpoints(), OpenMode::read, opened);
  if (!found) {
    leftover_error = found.error().code;
  } else if (!opened.file.is_open()) {
    return {};
  } else {
    EndpointRecord record;
    const auto valid = read_endpoint_record(host, files, opened, record);
    if (!valid.has_value()) {
      leftover_error = valid.error().code;
    } else if (*valid) {
      const bool is_trusted = check_trust(host, files, directory.info, opened.info, files.endpoints()).has_value();
      leftover_error = remove_leftover_sockets(host, directory, record, is_trusted, lock);
    }
  }
  return remove_file(host, files, directory.file.get(), files.endpoints());
}

/// Removes what a dead owner published, unless a socket of it still stands: only the next owner may remove that, and
/// only this file tells which one it is.
/// Requires: the lock. Errors: open, read, unlink.
template <typename H>
[[nodiscard]] Result<void> drop_endpoints(H& host, const StateFiles& files, typename H::File directory) noexcept {
  OpenStateFile<H> opened;
  if (auto ok = open_state_file(host, files, directory, files.endpoints(), OpenMode::read, opened); !ok) return ok;
  if (!opened.file.is_open()) return {};
  EndpointRecord record;
  const auto valid = read_endpoint_record(host, files, opened, record);
  if (!valid.has_value()) return valid.error();
  if (*valid && has_socket(host, directory, record)) return {};
  return remove_file(host, files, directory, files.endpoints());
}

/// Removes the file if `own`, who holds the lock, has published it; unless a socket of it still stands, as above. Where
/// it is gone, `own` says so from now on.
/// Returns: whether nothing is left that the next claim must look for, see `withdraw`.
template <typename H>
[[nodiscard]] GENIE_COLD Result<bool> withdraw_endpoints(H& host, const StateFiles& files, typename H::File directory,
                                                         LockRecord& own, const NameText& temporary) noexcept {
  OpenStateFile<H> opened;
  if (auto ok = open_state_file(host, files, directory, files.endpoints(), OpenMode::read, opened); !ok) {
    return ok.error();
  }
  if (opened.file.is_open()) {
    EndpointRecord record;
    const auto valid = read_endpoint_record(host, files, opened, record);
    if (!valid.has_value()) return valid.error();
    const bool is_own =
        *valid && record.owner == own.owner && record.generation == own.generation && record.lock == own.lock;
    if (!is_own) return false;
    if (has_socket(host, directory, record)) return true;
    const auto withdrawn = withdraw(host, files, directory, files.endpoints(), opened.info.id, temporary);
    if (!withdrawn.has_value() || !*withdrawn) return withdrawn;
  }
  own.has_no_endpoints = true;
  return true;
}

}  // namespace genie::inline v0::detail

#endif  // GENIE_ENDPOINT_FILE_HPP
