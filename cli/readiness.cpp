// The probes behind `--ready`.
#include "readiness.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string_view>

namespace genie::cli {

namespace {

template <typename Address>
const sockaddr* as_sockaddr(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Whether a connection ends where it begins: to a port on which nobody listens there is one if by chance the kernel
/// has it begin at that very port, RFC 9293 (simultaneous open).
bool leads_to_itself(int socket) {
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_length = sizeof own;
  socklen_t peer_length = sizeof peer;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_length) == 0 && own_length == peer_length &&
         std::memcmp(&own, &peer, own_length) == 0;
}

/// Never waits for long: who asks hears no signal meanwhile.
Answer answer_at(int family, const sockaddr* address, socklen_t length) {
  constexpr int patience_ms = 100;
  const Descriptor socket{open_socket(family, SOCK_STREAM, false)};
  if (!socket.is_open()) return Answer::refused;
  if (::connect(socket.get(), address, length) != 0) {
    // Somebody listens, and has yet to accept those who came before us.
    if (family == AF_UNIX && errno == EAGAIN) return Answer::connected;
    if (errno != EINPROGRESS) return Answer::refused;
    pollfd entry{socket.get(), POLLOUT, 0};
    if (::poll(&entry, 1, patience_ms) <= 0) return Answer::silence;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return Answer::refused;
  }
  if (family == AF_UNIX || !leads_to_itself(socket.get())) return Answer::connected;
  // Else the port would be in TIME_WAIT, and the server could not listen there for a minute.
  const linger not_at_all{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &not_at_all, sizeof not_at_all);
  return Answer::refused;
}

}  // namespace

ReadinessProbe::ReadinessProbe(const Readiness& readiness) : readiness_{readiness} {
  if (readiness.kind == Readiness::Kind::unix_socket && readiness.path.size() >= sizeof(sockaddr_un::sun_path)) {
    throw std::system_error{ENAMETOOLONG, std::generic_category(),
                            fmt::format("cannot use the socket {}", readiness.path)};
  }
  if (readiness.kind != Readiness::Kind::notify) return;
#if defined(__linux__)
  notify_ = Descriptor{checked(open_socket(AF_UNIX, SOCK_DGRAM, false), "cannot create a notify socket")};
  // An abstract name, unix(7): leaves no file behind. Who may speak there is checked message by message.
  std::random_device random;
  const std::string name = fmt::format("genie-{}-{:08x}{:08x}", ::getpid(), random(), random());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  checked(::bind(notify_.get(), as_sockaddr(address), length), "cannot bind a notify socket");
  const int on = 1;
  checked(::setsockopt(notify_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), "cannot set up a notify socket");
  notify_address_ = "@" + name;
#else
  // Neither such a name nor the sender's user can be had for a datagram.
  throw std::runtime_error{"--ready notify wants Linux"};
#endif
}

bool ReadinessProbe::is_taken() const { return ask() != Answer::refused; }

bool ReadinessProbe::check() {
  switch (readiness_.kind) {
    case Readiness::Kind::none: return true;
    case Readiness::Kind::notify: return receive_ready();
    case Readiness::Kind::tcp:
    case Readiness::Kind::unix_socket: break;
  }
  return ask() == Answer::connected;
}

Answer ReadinessProbe::ask() const {
  if (readiness_.kind == Readiness::Kind::tcp) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(readiness_.port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const Answer answer = answer_at(AF_INET, as_sockaddr(v4), sizeof v4);
    if (answer == Answer::connected) return answer;
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(readiness_.port);
    v6.sin6_addr = in6addr_loopback;
    // Its silence may be a filter's that drops all of IPv6; the other's is that of a server which accepts nobody.
    return answer_at(AF_INET6, as_sockaddr(v6), sizeof v6) == Answer::connected ? Answer::connected : answer;
  }
  if (readiness_.kind == Readiness::Kind::unix_socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, readiness_.path.data(), readiness_.path.size());
    return answer_at(AF_UNIX, as_sockaddr(address), sizeof address);
  }
  return Answer::refused;
}

bool ReadinessProbe::receive_ready() {
#if defined(__linux__)
  for (;;) {
    char text[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec part{text, sizeof text};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(notify_.get(), &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return is_ready_;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
    if (sender.uid != ::geteuid() && sender.uid != 0) continue;
    const std::string_view whole{text, static_cast<std::size_t>(count)};
    if (!is_ready_) receive_step(whole);
    for (std::string_view rest = whole; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      constexpr std::string_view extend = "EXTEND_TIMEOUT_USEC=";
      constexpr std::string_view status = "STATUS=";
      if (line == "READY=1") is_ready_ = true;
      if (line.starts_with(status)) status_ = line.substr(status.size());
      if (line.starts_with(extend)) receive_extension(line.substr(extend.size()));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
#else
  return is_ready_;
#endif
}

void ReadinessProbe::receive_step(std::string_view message) {
  const auto value_of = [&](std::string_view variable) -> std::optional<std::string_view> {
    for (std::string_view rest = message; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      if (line.starts_with(variable)) return line.substr(variable.size());
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return std::nullopt;
  };
  const auto number_of = [&](std::string_view variable) {
    std::uint64_t number = 0;
    const std::string_view value = value_of(variable).value_or("");
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  };
  ReportedStep reported;
  const auto step = value_of("X_GENIE_STEP=");
  reported.step = step.value_or(value_of("STATUS=").value_or(""));
  if (reported.step.empty()) return;
  if (step) {
    reported.done = number_of("X_GENIE_DONE=");
    reported.total = number_of("X_GENIE_TOTAL=");
    reported.advice = value_of("X_GENIE_ADVICE=").value_or("");
    for (const StepState state : {StepState::ok, StepState::fixed, StepState::skipped, StepState::refused}) {
      if (value_of("X_GENIE_STATE=") == to_string(state)) reported.state = state;
    }
  }
  steps_.push_back(std::move(reported));
}

void ReadinessProbe::receive_extension(std::string_view microseconds) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(microseconds.data(), microseconds.data() + microseconds.size(), count);
  if (error == std::errc{} && end == microseconds.data() + microseconds.size()) {
    constexpr std::uint64_t longest = INT64_MAX;
    extension_ = std::chrono::microseconds{std::min(count, longest)};
  }
}

}  // namespace genie::cli
