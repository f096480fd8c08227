// Whether the caller belongs to the server it asks about: told by who it descends from, not by its environment.
#ifndef GENIE_ROLE_HPP
#define GENIE_ROLE_HPP

#include "genie/owner.hpp"

namespace genie::inline v0 {

/// What the caller is to the server.
enum class Role : std::uint8_t {
  outside,  ///< a client, or nobody can tell
  owner,    ///< the owner itself, its guarded command, or the process that is about to adopt the claim
  inside,   ///< a descendant of one of those, or a process of a session that one of them leads
};

namespace detail {

/// Whether that PID names, now, somebody whom the record names as the server.
template <typename H>
[[nodiscard]] bool is_named_by(H& host, const LockRecord& record, Pid pid) noexcept {
  // Before and after that, the owner may be a starter, which is no server: its other threads and children may ask for
  // one.
  const bool serves = record.phase == Phase::starting || record.phase == Phase::running;
  const ProcessIdentity owner = serves ? record.owner : ProcessIdentity{};
  const ProcessIdentity named_ones[] = {owner, record.server, record.heir};
  for (const ProcessIdentity& named : named_ones) {
    if (named.pid != 0 && named.pid == pid) return look_at(host, named).reason == Reason::start_matches;
  }
  return false;
}

}  // namespace detail

/// Asks whether the calling process is the server that the record of a held lock names, or descends from it. A
/// descendant that left both its parents and its session is not known any more.
/// Effects: none.
template <typename H>
[[nodiscard]] Role role_of_caller(H& host, const LockRecord& record) noexcept {
  using namespace detail;
  if (!is_visible_from(record.origin, host.process.origin())) return Role::outside;
  const Pid self = host.process.self();
  if (is_named_by(host, record, self)) return Role::owner;
  Observation seen = host.process.look(self);
  if (seen.session != self && is_named_by(host, record, seen.session)) return Role::inside;
  // Deeper than anybody's process tree; processes that end meanwhile could lead us in a circle.
  for (int depth = 0; depth < 256 && seen.parent > 0; ++depth) {
    if (is_named_by(host, record, seen.parent)) return Role::inside;
    seen = host.process.look(seen.parent);
  }
  return Role::outside;
}

}  // namespace genie::inline v0

#endif  // GENIE_ROLE_HPP
