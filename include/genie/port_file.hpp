// The port file: tells clients where the server listens, and is believed only while the owner that wrote it lives.
#ifndef GENIE_PORT_FILE_HPP
#define GENIE_PORT_FILE_HPP

#include "genie/claim.hpp"
#include "genie/record/port_record.hpp"

namespace genie::inline v0 {

enum class PortStanding : std::uint8_t {
  absent,      ///< no port is published
  live,        ///< published by the owner that lives now
  stale,       ///< published by an owner that is no more
  unverified,  ///< a bare number, as older programs leave it: nobody vouches for it
  garbage,     ///< the file holds no port
};

struct PortView {
  PortStanding standing = PortStanding::absent;
  std::uint16_t port = 0;  ///< set where `live`, and only there
  PortRecord record;       ///< as the file says, for evidence
};

/// Reads the port file and compares its publisher with the owner seen in the lock. Effects: none.
/// Errors: open, stat, read; anything but a regular file in its place.
template <typename H>
[[nodiscard]] Result<PortView> read_port_of(H& host, const StateFiles& files, typename H::File directory,
                                            const OwnerView& owner) noexcept {
  detail::OpenStateFile<H> opened;
  if (auto ok = detail::open_state_file(host, files, directory, files.port(), OpenMode::read, opened); !ok) {
    return ok.error();
  }
  PortView view;
  if (!opened.file.is_open()) return view;
  PortRecordBytes bytes;
  const auto count = detail::read_whole(host, opened.file.get(), bytes.data(), PortRecordBytes::capacity());
  if (!count.ok()) return files.error(Operation::read, count.error, files.port());
  bytes.resize(count.value);
  view.record = parse_port_record(bytes, H::ProcessProbe::pid_limit);
  switch (view.record.kind) {
    case PortRecordKind::garbage: view.standing = PortStanding::garbage; break;
    case PortRecordKind::bare: view.standing = PortStanding::unverified; break;
    case PortRecordKind::owned: {
      const LockRecord& record = owner.record;
      const bool same = owner.standing == LockStanding::owned && view.record.owner == record.owner &&
                        view.record.generation == record.generation && view.record.lock == record.lock;
      view.standing = same ? PortStanding::live : PortStanding::stale;
      if (same) view.port = view.record.port;
      break;
    }
  }
  return view;
}

/// Publishes `port` as ours: complete from the first instant it is visible, replacing what we published before.
/// Requires: the claim.
/// Errors: create, write, rename; `not_claimed` also where the directory was lost.
template <typename H>
[[nodiscard]] Result<void> publish_port(H& host, const StateFiles& files, HeldClaim<H>& held,
                                        std::uint16_t port) noexcept {
  using namespace detail;
  if (port == 0) return files.refusal(ErrorKind::invalid_port, Operation::create, files.port());
  switch (verify_claim(host, files, held)) {
    case Ownership::held:
    case Ownership::record_missing:
    case Ownership::lock_missing: break;
    default:
      // Somebody else's by now, or about to be.
      return files.refusal(ErrorKind::not_claimed, Operation::create, files.port());
  }
  PortRecord record;
  record.port = port;
  record.owner = held.written.owner;
  record.generation = held.written.generation;
  record.lock = held.written.lock;
  const PortRecordBytes bytes = encode_port_record(record);

  // The lock's record names the temporary file first, so that none can be left behind unnoticed.
  if (held.written.temporary != 0) {
    const NameText earlier = files.temporary(held.written.temporary);
    const auto removed = uninterrupted([&] { return host.files.unlink(held.directory, earlier.c_str()); });
    if (!removed.ok() && removed.error != ENOENT) return files.error(Operation::unlink, removed.error, earlier);
  }
  held.written.temporary = host.process.random() | 1U;
  if (auto ok = write_lock_record(host, files, held.lock, held.written); !ok) return ok;
  const NameText temporary = files.temporary(held.written.temporary);
  const auto created =
      uninterrupted([&] { return host.files.open(held.directory, temporary.c_str(), OpenMode::create, private_file); });
  if (!created.ok()) return files.error(Operation::create, created.error, temporary);
  const auto written = write_whole(host, created.value, bytes);
  host.files.close(created.value);
  const auto renamed =
      written.ok()
          ? uninterrupted([&] { return host.files.rename(held.directory, temporary.c_str(), files.port().c_str()); })
          : SysResult<void>::failure(written.error);
  if (!renamed.ok()) {
    (void)uninterrupted([&] { return host.files.unlink(held.directory, temporary.c_str()); });
    return files.error(written.ok() ? Operation::rename : Operation::write, renamed.error, files.port());
  }
  held.has_port = true;
  return {};
}

}  // namespace genie::inline v0

#endif  // GENIE_PORT_FILE_HPP
