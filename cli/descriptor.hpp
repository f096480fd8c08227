// An owned file descriptor, and errno as an exception with a context.
#ifndef GENIE_CLI_DESCRIPTOR_HPP
#define GENIE_CLI_DESCRIPTOR_HPP

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace genie::cli {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int descriptor) noexcept : descriptor_{descriptor} {}
  Descriptor(Descriptor&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  void reset() noexcept {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_ = -1;
};

/// A socket that is not inherited by exec. Returns: its descriptor, or -1 and errno.
inline int open_socket(int family, int type, bool blocks = true) {
#if defined(SOCK_CLOEXEC)
  return ::socket(family, type | SOCK_CLOEXEC | (blocks ? 0 : SOCK_NONBLOCK), 0);
#else
  const int socket = ::socket(family, type, 0);
  if (socket < 0) return socket;
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  if (!blocks) ::fcntl(socket, F_SETFL, O_NONBLOCK);
  return socket;
#endif
}

/// Returns: `result`, unless it is negative: then throws errno with `what`.
inline int checked(int result, const std::string& what) {
  if (result < 0) throw std::system_error{errno, std::generic_category(), what};
  return result;
}

}  // namespace genie::cli

#endif  // GENIE_CLI_DESCRIPTOR_HPP
