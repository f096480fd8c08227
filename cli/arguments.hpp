// What is asked of a subcommand's arguments beyond what CLI11 asks.
#ifndef GENIE_CLI_ARGUMENTS_HPP
#define GENIE_CLI_ARGUMENTS_HPP

#include <CLI/CLI.hpp>
#include <string>

#include "genie/fmt.hpp"
#include "options.hpp"

namespace genie::cli {

template <typename Parse>
CLI::Validator valid(Parse parse, const char* wanted) {
  return CLI::Validator{[parse, wanted](std::string& text) {
                          return parse(text) ? std::string{} : fmt::format("'{}' is not {}", text, wanted);
                        },
                        ""};
}

inline CLI::Validator is_span() {
  return valid(parse_span, "a span of time such as 15s, 500ms or 2m, at most 1000000000s");
}

/// As a script's variable is that nobody has set: that must not mean the default.
inline CLI::Validator is_not_empty() {
  return CLI::Validator{[](std::string& text) { return text.empty() ? "given, but empty" : std::string{}; }, ""};
}

/// An option or positional argument. CLI11 itself would read `010` as octal, `0x10`, and `-1` where nothing is signed.
template <typename Number, typename Parse>
CLI::Option* add_number(CLI::App& app, const char* name, Number& number, const char* description, Parse parse,
                        const char* wanted) {
  return app
      .add_option_function<std::string>(
          name, [&number, parse](const std::string& text) { number = *parse(text); }, description)
      ->check(valid(parse, wanted))
      ->type_name("NUMBER");
}

}  // namespace genie::cli

#endif  // GENIE_CLI_ARGUMENTS_HPP
