// The three policies together, as every protocol step receives them, and the few ways in which steps use them:
// calls repeated when a signal interrupted them, whole reads and writes, files that close themselves.
#ifndef GENIE_HOST_HPP
#define GENIE_HOST_HPP

#include <errno.h>

#include <cstddef>
#include <cstdint>

#include "genie/policy/clock.hpp"
#include "genie/policy/filesystem.hpp"
#include "genie/policy/process_probe.hpp"

namespace genie::inline v0 {

/// Owns the policies. The parts of genie (`claim`, `stop`, `status`, …) take one by reference.
template <ClockPolicy C, ProcessProbePolicy P, FilesystemPolicy F>
struct Host {
  using Clock = C;
  using ProcessProbe = P;
  using Filesystem = F;
  using File = typename F::File;

  C clock;
  P process;
  F files;
};
// Clang deduces what an aggregate is made of from version 17 on.
template <typename C, typename P, typename F>
Host(C, P, F) -> Host<C, P, F>;

/// The calling process as a record names it, and where that name has its meaning.
template <typename H>
[[nodiscard]] ProcessIdentity own_identity(H& host) noexcept {
  const Pid pid = host.process.self();
  return {pid, host.process.look(pid).start};
}

namespace detail {

/// When the calling process, which has just asked for its origin, has started; unknown where the policy can't tell.
template <typename H>
[[nodiscard]] StartToken own_start(H& host) noexcept {
  if constexpr (requires { host.process.own_start(); }) {
    return host.process.own_start();
  } else {
    return {};
  }
}

/// Repeats a policy call for as long as signals interrupt it.
template <typename Call>
[[nodiscard]] auto uninterrupted(Call&& call) noexcept {
  for (;;) {
    auto result = call();
    if (result.error != EINTR) return result;
  }
}

/// An open file that is closed at the end of its scope.
template <typename H>
class ScopedFile {
 public:
  using File = typename H::File;

  ScopedFile() noexcept = default;
  ScopedFile(H& host, File file) noexcept : host_{&host}, file_{file} {}
  ScopedFile(const ScopedFile&) = delete;
  ScopedFile& operator=(const ScopedFile&) = delete;
  ScopedFile(ScopedFile&& other) noexcept : host_{other.host_}, file_{other.file_} { other.host_ = nullptr; }
  ScopedFile& operator=(ScopedFile&& other) noexcept {
    if (this != &other) {
      reset();
      host_ = other.host_;
      file_ = other.file_;
      other.host_ = nullptr;
    }
    return *this;
  }
  ~ScopedFile() { reset(); }

  [[nodiscard]] bool is_open() const noexcept { return host_ != nullptr; }
  [[nodiscard]] File get() const noexcept { return file_; }
  /// Returns: the file, which the caller closes from now on.
  [[nodiscard]] File release() noexcept {
    const File file = file_;
    host_ = nullptr;
    file_ = File{};
    return file;
  }
  void reset() noexcept {
    if (host_ != nullptr) host_->files.close(file_);
    host_ = nullptr;
    file_ = File{};
  }

 private:
  H* host_ = nullptr;
  File file_{};
};

/// Reads from `offset` on until `capacity` bytes or the end. Returns: how many there were.
template <typename H>
[[nodiscard]] GENIE_COMPACT SysResult<std::size_t> read_whole(H& host, typename H::File file, char* to,
                                                              std::size_t capacity, std::uint64_t offset = 0) noexcept {
  std::size_t done = 0;
  while (done < capacity) {
    const auto part =
        uninterrupted([&] { return host.files.read_at(file, to + done, capacity - done, offset + done); });
    if (!part.ok()) return part;
    if (part.value == 0) break;
    done += part.value;
  }
  return {done, 0};
}

/// Writes all of `bytes` from `offset` on.
template <typename H>
[[nodiscard]] SysResult<void> write_whole(H& host, typename H::File file, Text bytes,
                                          std::uint64_t offset = 0) noexcept {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto part = uninterrupted(
        [&] { return host.files.write_at(file, bytes.data() + done, bytes.size() - done, offset + done); });
    if (!part.ok()) return SysResult<void>::failure(part.error);
    // A device that takes nothing and reports nothing would keep us here for ever.
    if (part.value == 0) return SysResult<void>::failure(EIO);
    done += part.value;
  }
  return {};
}

}  // namespace detail

}  // namespace genie::inline v0

#endif  // GENIE_HOST_HPP
