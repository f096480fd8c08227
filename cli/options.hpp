// What the command line says, parsed and checked, before anything is done.
#ifndef GENIE_CLI_OPTIONS_HPP
#define GENIE_CLI_OPTIONS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "genie/serve_guard.hpp"

namespace genie::cli {

/// Exit statuses: sysexits(3) where it has one, LSB for `status`.
enum Exit : int {
  exit_ok = 0,
  exit_failure = 1,
  exit_usage = 64,
  exit_try_again = 75,
};

/// How the supervisor learns that the guarded command is ready.
struct Readiness {
  enum class Kind : std::uint8_t { none, tcp, unix_socket, notify };

  Kind kind = Kind::none;
  std::uint16_t port = 0;  ///< tcp
  std::string path;        ///< unix_socket
  std::string spelling;    ///< as it was given, for messages
};

/// Reads `none`, `tcp:PORT`, `unix:PATH` or `notify`.
[[nodiscard]] std::optional<Readiness> parse_readiness(const std::string& text);

/// Reads `10s`, `500ms`, `2m` or a number of seconds.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_span(const std::string& text);

/// Reads `TERM`, `INT`, `QUIT` or `HUP`, with or without `SIG`. Returns: the signal's number.
[[nodiscard]] std::optional<int> parse_stop_signal(const std::string& text);

/// Which directory, and the names in it.
struct Place {
  std::string directory;
  std::string name = "serve";
  std::string port_name;  ///< empty: `pgserve` for `serve`, else the same as `name`

  [[nodiscard]] ServeGuard<> guard() const {
    GuardOptions options;
    options.name = name;
    options.port_name = port_name;
    return ServeGuard<>{directory, options};
  }
};

/// `run`, `start` and `ensure`.
struct ServeRequest {
  Place place;
  std::vector<std::string> command;
  Readiness readiness;
  std::chrono::milliseconds ready_timeout{15'000};
  std::uint16_t port = 0;  ///< 0: none to publish
  std::string log;         ///< empty: the caller's own output, or `DIR/NAME.log` in the background
  std::string pidfile;     ///< absolute; empty: none
  int stop_signal = 0;
  ClaimMode mode = ClaimMode::explicit_start;
  bool standby = false;  ///< wait until nobody owns the directory, instead of giving up
};

/// `$GENIE_HOME`, else `~/.genie`. Returns: empty where there is no home directory.
[[nodiscard]] std::string default_directory();

}  // namespace genie::cli

#endif  // GENIE_CLI_OPTIONS_HPP
