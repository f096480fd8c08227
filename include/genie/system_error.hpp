// Opt-in: genie's errors as `std::error_code`.
#ifndef GENIE_SYSTEM_ERROR_HPP
#define GENIE_SYSTEM_ERROR_HPP

#include <string>
#include <system_error>

#include "genie/result.hpp"

namespace genie::inline v0 {

/// The category of `ErrorKind`, for errors that no system call reported.
class GenieCategory final : public std::error_category {
 public:
  /// Returns: `genie`.
  [[nodiscard]] const char* name() const noexcept override { return "genie"; }
  /// Returns: what that `ErrorKind` means, in a few words.
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<ErrorKind>(value)) {
      case ErrorKind::system: return "system error";
      case ErrorKind::invalid_name: return "not a usable name";
      case ErrorKind::path_too_long: return "the path is too long";
      case ErrorKind::not_a_directory: return "not a directory";
      case ErrorKind::not_a_regular_file: return "not a regular file";
      case ErrorKind::linked_elsewhere: return "the file has another name elsewhere";
      case ErrorKind::untrusted_directory:
        return "others may write to the directory, so its records are not acted upon";
      case ErrorKind::untrusted_record: return "others own or may write the record, so it is not acted upon";
      case ErrorKind::identity_unknown: return "the recorded process cannot be told from a stranger's";
      case ErrorKind::own_process: return "a process cannot stop itself this way";
      case ErrorKind::invalid_port: return "0 is not a port";
      case ErrorKind::invalid_process: return "no process can have this number";
      case ErrorKind::invalid_endpoint_name: return "not a usable name of an endpoint";
      case ErrorKind::duplicate_endpoint: return "two endpoints have this name";
      case ErrorKind::too_many_endpoints: return "more endpoints than one owner can publish";
      case ErrorKind::invalid_endpoint_text: return "an endpoint's text has control characters, or its path is empty";
      case ErrorKind::endpoint_text_too_long: return "an endpoint's text is too long";
      case ErrorKind::socket_path_too_long: return "the path is too long for a Unix socket on this platform";
      case ErrorKind::not_a_socket: return "not a Unix socket";
      case ErrorKind::not_claimed: return "this process does not own the state directory";
      case ErrorKind::interrupted: return "overtaken by others too often";
    }
    return "unknown error";
  }
};

/// The category in which an `ErrorKind` is a code; there is one of it.
[[nodiscard]] inline const std::error_category& genie_category() noexcept {
  static const GenieCategory category;
  return category;
}

/// An `ErrorKind` as a code of `genie_category()`.
[[nodiscard]] inline std::error_code make_error_code(ErrorKind kind) noexcept {
  return {static_cast<int>(kind), genie_category()};
}

/// The errno of the failed call in `std::generic_category()`, else the kind in `genie_category()`.
[[nodiscard]] inline std::error_code to_error_code(const Error& error) noexcept {
  return error.kind == ErrorKind::system ? std::error_code{error.code, std::generic_category()}
                                         : make_error_code(error.kind);
}

}  // namespace genie::inline v0

template <>
struct std::is_error_code_enum<genie::ErrorKind> : std::true_type {};

#endif  // GENIE_SYSTEM_ERROR_HPP
