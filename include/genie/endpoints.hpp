// Endpoints: where and how a server can be reached, under names, published together and believed only while the owner
// that published them lives.
#ifndef GENIE_ENDPOINTS_HPP
#define GENIE_ENDPOINTS_HPP

#include "genie/change_wait.hpp"
#include "genie/publish.hpp"

namespace genie::inline v0 {

/// What a server wants to publish. Borrows its texts.
struct Endpoint {
  Text name;
  EndpointKind kind = EndpointKind::tcp;
  std::uint16_t port = 0;
  Text value;

  /// A port of this host.
  [[nodiscard]] static constexpr Endpoint tcp(Text name, std::uint16_t port) noexcept {
    return {name, EndpointKind::tcp, port, {}};
  }
  /// A socket that exists. A relative path is relative to the state directory.
  [[nodiscard]] static constexpr Endpoint unix_socket(Text name, Text path) noexcept {
    return {name, EndpointKind::unix_socket, 0, path};
  }
  /// Whatever the clients of the owner understand: 255 characters at most, no control characters.
  [[nodiscard]] static constexpr Endpoint text(Text name, Text value) noexcept {
    return {name, EndpointKind::text, 0, value};
  }
};

/// Whether what is published may be believed.
enum class EndpointStanding : std::uint8_t {
  absent,   ///< nothing is published
  live,     ///< published by the owner that lives now
  stale,    ///< published by an owner that is no more
  unknown,  ///< whether its publisher lives cannot be told, or the file cannot be read as one of ours
};

/// All that an owner has published. Dial only what is `live`; the rest is for people.
struct EndpointsView {
  EndpointStanding standing = EndpointStanding::absent;
  ProcessIdentity owner;         ///< the publisher; PID 0 where nobody is named
  std::uint64_t generation = 0;  ///< of its claim
  PublishedEndpoint endpoints[endpoint_capacity];
  std::size_t count = 0;

  /// Returns: null where there is none of that name.
  [[nodiscard]] const PublishedEndpoint* find(Text name) const noexcept {
    for (std::size_t at = 0; at < count; ++at) {
      if (Text{endpoints[at].name} == name) return &endpoints[at];
    }
    return nullptr;
  }
};

/// One of them. Dial it only where it is `live`.
struct EndpointView {
  EndpointStanding standing = EndpointStanding::absent;
  ProcessIdentity owner;
  std::uint64_t generation = 0;
  PublishedEndpoint endpoint;  ///< nameless where there is none
};

/// Returns: the path of a published socket, whole wherever the reader's working directory is.
[[nodiscard]] inline PathText socket_path(const StateFiles& files, Text value) noexcept {
  return value.starts_with("/") ? PathText{value} : files.path_of(value);
}

/// Whether these could be published; asks nobody and touches nothing.
/// Errors: a kind for each reason, with the offending value as `path` and the limit that it exceeds.
template <typename H>
[[nodiscard]] Result<void> check_endpoints(const StateFiles& files, const Endpoint* endpoints,
                                           std::size_t count) noexcept {
  const auto refused = [](ErrorKind kind, Text value, std::size_t limit = 0) noexcept {
    Error error = make_error(kind, Operation::none, 0, value);
    error.limit = limit;
    return error;
  };
  if (count > endpoint_capacity) {
    return refused(ErrorKind::too_many_endpoints, endpoints[endpoint_capacity].name, endpoint_capacity);
  }
  for (std::size_t at = 0; at < count; ++at) {
    const Endpoint& endpoint = endpoints[at];
    if (!is_endpoint_name(endpoint.name)) {
      return refused(ErrorKind::invalid_endpoint_name, endpoint.name, EndpointName::capacity());
    }
    for (std::size_t other = 0; other < at; ++other) {
      if (endpoints[other].name == endpoint.name) return refused(ErrorKind::duplicate_endpoint, endpoint.name);
    }
    if (endpoint.kind == EndpointKind::tcp) {
      if (endpoint.port == 0) return refused(ErrorKind::invalid_port, endpoint.name);
      continue;
    }
    const bool is_socket = endpoint.kind == EndpointKind::unix_socket;
    if (is_socket) {
      const PathText path = socket_path(files, endpoint.value);
      constexpr std::size_t limit = H::Filesystem::socket_path_limit;
      static_assert(limit <= EndpointText::capacity(), "the record has room for every path");
      if (path.overflowed() || path.size() > limit) return refused(ErrorKind::socket_path_too_long, path, limit);
    } else if (endpoint.value.size() > EndpointText::capacity()) {
      return refused(ErrorKind::endpoint_text_too_long, endpoint.value, EndpointText::capacity());
    }
    if (!is_printable(endpoint.value) || (is_socket && endpoint.value.empty())) {
      return refused(ErrorKind::invalid_endpoint_text, endpoint.name);
    }
  }
  return {};
}

/// Publishes these as ours, all at once, in place of what we published before.
/// Requires: the claim; of each socket, that it is bound.
/// Errors: those of `check_endpoints`; `not_a_socket`; stat, create, write, rename; `not_claimed` also where the
/// directory was lost.
template <typename H>
[[nodiscard]] Result<void> publish_endpoints(H& host, const StateFiles& files, HeldClaim<H>& held,
                                             const Endpoint* endpoints, std::size_t count) noexcept {
  using namespace detail;
  if (auto ok = check_endpoints<H>(files, endpoints, count); !ok) return ok;
  if (auto ok = check_publisher(host, files, held, files.endpoints()); !ok) return ok;
  EndpointRecord record;
  record.owner = held.written.owner;
  record.generation = held.written.generation;
  record.lock = held.written.lock;
  for (; record.count < count; ++record.count) {
    const Endpoint& endpoint = endpoints[record.count];
    PublishedEndpoint& published = record.endpoints[record.count];
    published.name = EndpointName{endpoint.name};
    published.kind = endpoint.kind;
    published.port = endpoint.port;
    published.value = EndpointText{endpoint.value};
    if (endpoint.kind != EndpointKind::unix_socket) continue;
    const auto info = stat_socket(host, held.directory, published);
    if (!info.ok()) {
      return make_error(ErrorKind::system, Operation::stat, info.error, socket_path(files, endpoint.value));
    }
    if (info.value.type != FileType::socket) {
      return make_error(ErrorKind::not_a_socket, Operation::none, 0, socket_path(files, endpoint.value));
    }
    published.socket = {info.value.id, info.value.modified_ns};
  }
  if (held.written.has_no_endpoints) {
    held.written.has_no_endpoints = false;
    if (auto ok = write_lock_record(host, files, held.lock, held.written); !ok) {
      held.written.has_no_endpoints = true;  // so that the next publication says it
      return ok;
    }
  }
  if (auto ok = publish_file(host, files, held, files.endpoints(), encode_endpoint_record(record)); !ok) return ok;
  held.has_endpoints = true;
  return {};
}

namespace detail {

/// What a look at the lock, taken after `published` was read, proves of its publisher.
[[nodiscard]] inline EndpointStanding judge_publisher(const EndpointRecord& published, FileIdentity lock,
                                                      const OwnerView& now) noexcept {
  // Published under another lock file: nobody here knows who holds that one.
  if (published.lock != lock) return EndpointStanding::unknown;
  switch (now.standing) {
    case LockStanding::free:      // it held the lock for life
    case LockStanding::claiming:  // which somebody else has by now, or it is just being released
      return EndpointStanding::stale;
    case LockStanding::owned:
      if (published.generation == now.record.generation && published.owner == now.record.owner) {
        return EndpointStanding::live;
      }
      return published.generation < now.record.generation ? EndpointStanding::stale : EndpointStanding::unknown;
    case LockStanding::orphaned:
      return published.generation <= now.record.generation ? EndpointStanding::stale : EndpointStanding::unknown;
    case LockStanding::unsure: break;
  }
  return EndpointStanding::unknown;
}

/// One look. First the file, then the lock: so the answer was true when the lock was looked at.
/// Returns: false where the file was replaced meanwhile, and there may be a better answer.
template <typename H>
[[nodiscard]] Result<bool> look_at_endpoints(H& host, const StateFiles& files, typename H::File directory,
                                             EndpointsView& view) noexcept {
  view = EndpointsView{};
  OpenStateFile<H> opened;
  if (auto ok = open_state_file(host, files, directory, files.endpoints(), OpenMode::read, opened); !ok) {
    return ok.error();
  }
  if (!opened.file.is_open()) return true;
  EndpointRecord record;
  const auto valid = read_endpoint_record(host, files, opened, record);
  if (!valid.has_value()) return valid.error();
  view.standing = EndpointStanding::unknown;
  if (!*valid) return true;
  view.owner = record.owner;
  view.generation = record.generation;
  view.count = record.count;
  for (std::size_t at = 0; at < record.count; ++at) view.endpoints[at] = record.endpoints[at];

  OpenStateFile<H> lock;
  if (auto ok = open_state_file(host, files, directory, files.lock(), OpenMode::read, lock); !ok) return ok.error();
  if (!lock.file.is_open()) return true;
  const auto now = inspect_lock(host, files, lock.file.get(), lock.info.id);
  if (!now) return now.error();
  view.standing = judge_publisher(record, lock.info.id, *now);
  if (view.standing != EndpointStanding::stale) return true;
  const auto named = uninterrupted([&] { return host.files.stat_at(directory, files.endpoints().c_str()); });
  if (!named.ok() && named.error != ENOENT) return files.error(Operation::stat, named.error, files.endpoints());
  return named.ok() && named.value.id == opened.info.id;
}

/// `has_directory` tells whether there is a state directory.
template <typename H>
[[nodiscard]] Result<EndpointsView> read_endpoints(H& host, const StateFiles& files, bool& has_directory) noexcept {
  EndpointsView view;
  OpenDirectory<H> directory;
  has_directory = false;
  if (auto ok = open_state_directory(host, files, false, directory); !ok) {
    if (ok.error().code != ENOENT || ok.error().kind != ErrorKind::system) return ok.error();
    return view;
  }
  has_directory = true;
  // Each further round means that somebody published or released while we looked.
  for (int round = 0; round < 16; ++round) {
    const auto settled = look_at_endpoints(host, files, directory.file.get(), view);
    if (!settled.has_value()) return settled.error();
    if (*settled) break;
  }
  return view;
}

/// The path that changes when the state directory does, or comes into being.
[[nodiscard]] inline PathText watched_path(const StateFiles& files, bool has_directory) noexcept {
  // With a last component, so that a link to the directory is followed.
  if (has_directory) return files.path_of(".");
  Text path = files.directory();
  while (path.ends_with("/")) path = path.first(path.size() - 1);
  std::size_t end = path.size();
  while (end > 0 && path[end - 1] != '/') --end;
  PathText parent{path.first(end)};
  parent.append('.');
  return parent;
}

/// Looks until `wanted(view)`, each time that something has changed in the directory.
template <typename H, typename Wanted>
[[nodiscard]] Result<EndpointsView> wait_until(H& host, const StateFiles& files, Milliseconds deadline,
                                               Wanted&& wanted) noexcept {
  bool has_directory = false;
  for (;;) {
    const bool watches_directory = has_directory;
    const PathText path = watched_path(files, watches_directory);
    ChangeWait<H> wait{host, deadline};
    for (;;) {
      const auto view = read_endpoints(host, files, has_directory);
      if (!view || wanted(*view)) return view;
      if (has_directory != watches_directory) break;
      if (!wait.next(path.c_str())) return view;
    }
  }
}

}  // namespace detail

/// Looks what is published. Effects: none.
/// Errors: open_directory, open, stat, read, query_lock; anything but a regular file in the file's place. A missing
/// directory is no error, but `absent`.
template <typename H>
[[nodiscard]] Result<EndpointsView> read_endpoints(H& host, const StateFiles& files) noexcept {
  bool has_directory = false;
  return detail::read_endpoints(host, files, has_directory);
}

/// The same for one name. Returns: `absent` where others are published, but none of that name.
template <typename H>
[[nodiscard]] Result<EndpointView> read_endpoint(H& host, const StateFiles& files, Text name) noexcept {
  const auto all = read_endpoints(host, files);
  if (!all) return all.error();
  EndpointView view;
  view.owner = all->owner;
  view.generation = all->generation;
  const PublishedEndpoint* const found = all->find(name);
  if (found != nullptr) view.endpoint = *found;
  // A file that names nobody cannot be read, and may name it.
  if (found != nullptr || all->owner.pid == 0) view.standing = all->standing;
  return view;
}

/// Waits until the endpoints of a generation after `after_generation` are live; 0 waits for any.
/// Returns: them, as soon as they are; or what stands when `deadline`, on the monotonic clock, has passed. The kernel
/// tells when to look again, where it can.
/// Errors: as `read_endpoints`.
template <typename H>
[[nodiscard]] Result<EndpointsView> wait_for_endpoints(H& host, const StateFiles& files, std::uint64_t after_generation,
                                                       Milliseconds deadline) noexcept {
  return detail::wait_until(host, files, deadline, [after_generation](const EndpointsView& view) noexcept {
    return view.standing == EndpointStanding::live && view.generation > after_generation;
  });
}

/// The same, until one of that name is among them: an owner may publish several times.
template <typename H>
[[nodiscard]] Result<EndpointsView> wait_for_endpoint(H& host, const StateFiles& files, Text name,
                                                      std::uint64_t after_generation, Milliseconds deadline) noexcept {
  return detail::wait_until(host, files, deadline, [name, after_generation](const EndpointsView& view) noexcept {
    return view.standing == EndpointStanding::live && view.generation > after_generation && view.find(name) != nullptr;
  });
}

}  // namespace genie::inline v0

#endif  // GENIE_ENDPOINTS_HPP
