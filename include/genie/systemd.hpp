// Opt-in: tells systemd, or whoever else has set $NOTIFY_SOCKET, how far a server is. Needs no libsystemd.
#ifndef GENIE_SYSTEMD_HPP
#define GENIE_SYSTEMD_HPP

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/result.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// Sends messages to a service manager: one datagram each, never waiting for it.
/// Where there is no address, every message succeeds and goes nowhere. Errors: EAGAIN where the manager is behind with
/// reading, ECONNREFUSED or ENOENT where it has gone, EAFNOSUPPORT for an address that is neither an absolute path nor
/// an abstract name, ENAMETOOLONG. They are worth no more than a line in a log.
/// Thread safety: each call is. Source: `sd_notify(3)`, `unix(7)`.
class SystemdNotifier {
 public:
  /// Longest text of a status; what is longer is cut.
  static constexpr std::size_t status_capacity = 1024;

  /// `address`: the value of `$NOTIFY_SOCKET`, empty where it is not set. Borrowed only for this call.
  explicit SystemdNotifier(Text address) noexcept {
    if (address.empty()) return;
    const bool is_abstract = address[0] == '@';
    // A path ends with a zero, an abstract name with its length.
    const std::size_t room = is_abstract ? sizeof address_.sun_path : sizeof address_.sun_path - 1;
    if (!is_abstract && address[0] != '/') {
      error_ = EAFNOSUPPORT;
    } else if (address.size() > room) {
      error_ = ENAMETOOLONG;
    } else {
      for (std::size_t at = 0; at < address.size(); ++at) address_.sun_path[at] = address[at];
      if (is_abstract) address_.sun_path[0] = '\0';
      address_.sun_family = AF_UNIX;
      length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (is_abstract ? 0U : 1U));
    }
  }

  /// Whether there is an address to send to.
  [[nodiscard]] bool has_listener() const noexcept { return length_ != 0; }

  /// The server is ready; with a status in the same message where one is given.
  SysResult<void> ready(Text status = {}) const noexcept {
    Message message{Text{"READY=1"}};
    if (!status.empty()) append_line(message.append("\nSTATUS="), status);
    return send(message);
  }
  /// One line for people. Line feeds become spaces.
  SysResult<void> status(Text text) const noexcept {
    Message message{Text{"STATUS="}};
    append_line(message, text);
    return send(message);
  }
  /// The server needs more time to start, stop or run than the manager would give it: `span` from now.
  SysResult<void> extend_timeout(Milliseconds span) const noexcept {
    Message message{Text{"EXTEND_TIMEOUT_USEC="}};
    const std::int64_t most = INT64_MAX / 1000;
    const std::int64_t count = span.count() < 0 ? 0 : (span.count() < most ? span.count() : most);
    return send(message.append_number(static_cast<std::uint64_t>(count) * 1000));
  }
  /// The server has begun to end.
  SysResult<void> stopping() const noexcept { return send(Message{Text{"STOPPING=1"}}); }
  /// Which process the manager shall watch, where it is not the one that it started.
  SysResult<void> main_pid(Pid pid) const noexcept {
    if (pid <= 0) return SysResult<void>::failure(EINVAL);
    Message message{Text{"MAINPID="}};
    return send(message.append_number(static_cast<std::uint64_t>(pid)));
  }

 private:
  using Message = FixedText<status_capacity + 32>;

  /// A cut must not fall into a character: a status that is not UTF-8 is dropped as a whole.
  static void append_line(TextBuffer& message, Text text) noexcept {
    Text part = text.first(status_capacity);
    if (part.size() < text.size()) {
      std::size_t end = part.size();
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
      part = part.first(end);
    }
    for (const char c : part) message.append(c == '\n' || c == '\0' ? ' ' : c);
  }

  [[nodiscard]] SysResult<void> send(Text message) const noexcept {
    if (error_ != 0) return SysResult<void>::failure(error_);
    if (!has_listener()) return {};
#if defined(__APPLE__)
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    if (socket >= 0) {
      ::fcntl(socket, F_SETFD, FD_CLOEXEC);
      ::fcntl(socket, F_SETFL, O_NONBLOCK);
    }
#else
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#endif
    if (socket < 0) return SysResult<void>::failure(errno);
    const void* const to = &address_;
    const ssize_t sent =
        ::sendto(socket, message.data(), message.size(), MSG_NOSIGNAL, static_cast<const sockaddr*>(to), length_);
    const int error = sent < 0 ? errno : 0;
    ::close(socket);
    return {error};
  }

  sockaddr_un address_{};
  socklen_t length_ = 0;
  int error_ = 0;
};

}  // namespace genie::inline v0

#endif  // GENIE_SYSTEMD_HPP
