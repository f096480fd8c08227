// Results without exceptions: what a policy call returns (a value or an errno), and what a protocol step returns
// (a value or an Error that names operation and path).
#ifndef GENIE_RESULT_HPP
#define GENIE_RESULT_HPP

#include <errno.h>

#include <cstdint>

#include "genie/concepts.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// What one system call gave: a value, or the errno it failed with. Zero means success.
template <typename T>
struct SysResult {
  T value{};
  int error = 0;

  /// Whether the call succeeded.
  [[nodiscard]] constexpr bool ok() const noexcept { return error == 0; }
  /// The result of a call that failed with that errno.
  [[nodiscard]] static constexpr SysResult failure(int code) noexcept { return {T{}, code}; }
};

template <>
struct SysResult<void> {
  int error = 0;

  /// Whether the call succeeded.
  [[nodiscard]] constexpr bool ok() const noexcept { return error == 0; }
  /// The result of a call that failed with that errno.
  [[nodiscard]] static constexpr SysResult failure(int code) noexcept { return {code}; }
};

/// What genie was doing when it failed. Each value is one operation of a policy.
enum class Operation : std::uint8_t {
  none,
  open_directory,
  make_directory,
  open,
  create,
  read,
  write,
  sync,
  stat,
  link,
  rename,
  exchange,
  unlink,
  lock,
  query_lock,
  list,
  watch,
  open_process,
  observe_process,
  signal,
  wait,
  inherit,
  launch,
};

/// Why an operation was refused or failed.
enum class ErrorKind : std::uint8_t {
  system,                  ///< the operating system said no: see `Error::code`
  invalid_name,            ///< a name that is empty, too long, or would leave the state directory
  path_too_long,           ///< the directory's path is longer than the platform allows
  not_a_directory,         ///< the state directory's path names something else
  not_a_regular_file,      ///< a symbolic link, FIFO, device or directory stands where a file of genie belongs
  linked_elsewhere,        ///< the lock file has a second name: writing to it would change somebody's other file
  untrusted_directory,     ///< others may write into the state directory, so what it names is not acted upon
  untrusted_record,        ///< somebody else owns a record or may write it, so what it names is not acted upon
  identity_unknown,        ///< the process to signal could not be told from a stranger's
  own_process,             ///< the process asked to stop is the calling one
  invalid_port,            ///< 0 is no port
  invalid_process,         ///< no process has that number: below 1, or above the platform's limit
  invalid_endpoint_name,   ///< not 1 to 31 characters of `a-z`, `0-9`, `_` and `-`
  duplicate_endpoint,      ///< two endpoints of one name
  too_many_endpoints,      ///< more than an owner can publish: see `Error::limit`
  invalid_endpoint_text,   ///< a text or path with control characters, or an empty path
  endpoint_text_too_long,  ///< a text longer than `Error::limit`
  socket_path_too_long,    ///< a path, whole, at which this platform can have no socket: longer than `Error::limit`
  not_a_socket,            ///< the path to publish names something else
  not_claimed,             ///< only the owner can do this, and this process owns nothing
  interrupted,             ///< gave up after being overtaken too often by others
};

/// How much of a path an `Error` keeps.
inline constexpr std::size_t error_path_capacity = 1024;

/// An error: what was attempted, where, and what the system answered. Never "somebody else is running".
struct Error {
  ErrorKind kind = ErrorKind::system;
  Operation operation = Operation::none;
  int code = 0;                         ///< errno of the failed call, 0 where no call failed
  FixedText<error_path_capacity> path;  ///< the file, directory or value concerned; cut where longer than the buffer
  std::uint64_t limit = 0;              ///< what was exceeded, 0 where nothing was
};

/// An error that concerns `path`.
[[nodiscard]] constexpr Error make_error(ErrorKind kind, Operation operation, int code, Text path) noexcept {
  Error error;
  error.kind = kind;
  error.operation = operation;
  error.code = code;
  error.path.append(path);
  return error;
}

/// Whether the system says that a file or directory is not there.
[[nodiscard]] constexpr bool says_absent(const Error& error) noexcept {
  return error.kind == ErrorKind::system && error.code == ENOENT;
}

/// A value or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  constexpr Result(const T& value) noexcept : has_value_{true}, value_{value} {}  // NOLINT(google-explicit-constructor)
  constexpr Result(const Error& error) noexcept
      : has_value_{false}, error_{error} {}  // NOLINT(google-explicit-constructor)

  /// Whether there is no error.
  [[nodiscard]] constexpr bool has_value() const noexcept { return has_value_; }
  /// Whether there is no error. Not for a `Result<bool>`, where a reader would take it for the answer.
  constexpr explicit operator bool() const noexcept
    requires(!detail::SameAs<T, bool>)
  {
    return has_value_;
  }

  /// Requires: `has_value()`.
  [[nodiscard]] constexpr const T& value() const noexcept { return value_; }
  [[nodiscard]] constexpr T& value() noexcept { return value_; }
  [[nodiscard]] constexpr const T& operator*() const noexcept { return value_; }
  [[nodiscard]] constexpr T& operator*() noexcept { return value_; }
  constexpr const T* operator->() const noexcept { return &value_; }
  constexpr T* operator->() noexcept { return &value_; }

  /// Requires: `!has_value()`.
  [[nodiscard]] constexpr const Error& error() const noexcept { return error_; }

 private:
  bool has_value_;
  T value_{};
  Error error_{};
};

template <>
class [[nodiscard]] Result<void> {
 public:
  constexpr Result() noexcept = default;
  constexpr Result(const Error& error) noexcept
      : has_value_{false}, error_{error} {}  // NOLINT(google-explicit-constructor)

  /// Whether there is no error.
  [[nodiscard]] constexpr bool has_value() const noexcept { return has_value_; }
  constexpr explicit operator bool() const noexcept { return has_value_; }
  /// Requires: `!has_value()`.
  [[nodiscard]] constexpr const Error& error() const noexcept { return error_; }

 private:
  bool has_value_ = true;
  Error error_{};
};

}  // namespace genie::inline v0

#endif  // GENIE_RESULT_HPP
