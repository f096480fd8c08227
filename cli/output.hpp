// What a command says, on standard output and error, also where that can't be written: to a full disk, or to nobody.
#ifndef GENIE_CLI_OUTPUT_HPP
#define GENIE_CLI_OUTPUT_HPP

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "genie/fmt.hpp"

namespace genie::cli {

/// Returns: 0, or the errno with which it could not be written. `fmt::print` would throw, and what is said must not end
/// what is done.
template <typename... Arguments>
int say(std::FILE* to, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  return std::fwrite(text.data(), 1, text.size(), to) == text.size() ? 0 : errno;
}

/// For people, on standard error. Where nobody can be told, the work goes on.
template <typename... Arguments>
void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  (void)say(stderr, format, std::forward<Arguments>(arguments)...);
}

/// The errno of the first part of an answer that could not be written, or 0.
inline int answer_error = 0;

/// A part of an answer, on standard output. What it means that this failed, `delivered` knows.
template <typename... Arguments>
void answer(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const int error = say(stdout, format, std::forward<Arguments>(arguments)...);
  if (answer_error == 0) answer_error = error;
}

/// An answer counts only once it has been written. Returns: `status`, or `otherwise` where it could not be.
inline int delivered(int status, int otherwise) {
  if (std::fflush(stdout) != 0 && answer_error == 0) answer_error = errno;
  if (answer_error == 0) return status;
  warn("genie: can't write to standard output: {}\n", std::strerror(answer_error));
  return otherwise;
}

}  // namespace genie::cli

#endif  // GENIE_CLI_OUTPUT_HPP
