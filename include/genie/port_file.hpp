// The port file: tells clients where the server listens, and is believed only while the owner that wrote it lives.
#ifndef GENIE_PORT_FILE_HPP
#define GENIE_PORT_FILE_HPP

#include "genie/publish.hpp"
#include "genie/record/port_record.hpp"

namespace genie::inline v0 {

/// Whether a published port may be believed.
enum class PortStanding : std::uint8_t {
  absent,      ///< no port is published
  live,        ///< published by the owner that lives now
  stale,       ///< published by an owner that is no more
  unverified,  ///< a bare number, as older programs leave it: nobody vouches for it
  garbage,     ///< the file holds no port
};

/// What the port file says, and whether it may be believed.
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
  if (auto ok = check_publisher(host, files, held, files.port()); !ok) return ok;
  PortRecord record;
  record.port = port;
  record.owner = held.written.owner;
  record.generation = held.written.generation;
  record.lock = held.written.lock;
  if (auto ok = publish_file(host, files, held, files.port(), encode_port_record(record)); !ok) return ok;
  held.has_port = true;
  return {};
}

}  // namespace genie::inline v0

#endif  // GENIE_PORT_FILE_HPP
