// What the command line says, parsed and checked, before anything is done.
#ifndef GENIE_CLI_OPTIONS_HPP
#define GENIE_CLI_OPTIONS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "genie/ensure.hpp"
#include "genie/serve_guard.hpp"

namespace genie::cli {

/// Exit statuses: sysexits(3) where it has one, LSB for `status`.
enum Exit : int {
  exit_ok = 0,
  exit_failure = 1,
  exit_usage = 64,
  exit_try_again = 75,
  exit_needs_a_person = 78,
};

/// How the supervisor learns that the guarded command is ready.
struct Readiness {
  enum class Kind : std::uint8_t { none, tcp, unix_socket, notify };

  Kind kind = Kind::none;
  std::uint16_t port = 0;  ///< tcp
  std::string path;        ///< unix_socket
  std::string spelling;    ///< as it was given, for messages
};

/// One `--endpoint`.
struct EndpointWords {
  std::string name;
  EndpointKind kind = EndpointKind::tcp;
  std::uint16_t port = 0;  ///< tcp
  std::string value;       ///< unix_socket, text
  std::string spelling;    ///< as it was given

  /// Lives no longer than this does.
  [[nodiscard]] Endpoint endpoint() const { return {name, kind, port, value}; }
};

/// Reads `NAME=tcp:PORT`, `NAME=unix:PATH` or `NAME=text:STRING`. What cannot be published is told where it is.
[[nodiscard]] std::optional<EndpointWords> parse_endpoint(const std::string& text);

/// Reads `none`, `tcp:PORT`, `unix:PATH` or `notify`.
[[nodiscard]] std::optional<Readiness> parse_readiness(const std::string& text);

/// Reads 1 to 65535.
[[nodiscard]] std::optional<std::uint16_t> parse_port(const std::string& text);

/// Reads a whole number, in decimal digits and nothing else.
[[nodiscard]] std::optional<std::uint64_t> parse_count(const std::string& text);

/// Can be added to any time since boot in nanoseconds.
inline constexpr std::chrono::milliseconds longest_span = std::chrono::seconds{1'000'000'000};

/// Reads `10s`, `500ms`, `2m` or a number of seconds, of `longest_span` at most.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_span(const std::string& text);

/// Reads an octal number of permissions, `022`.
[[nodiscard]] std::optional<std::uint32_t> parse_file_mode_mask(const std::string& text);

/// Reads `TERM`, `INT`, `QUIT` or `HUP`, with or without `SIG`. Returns: the signal's number.
[[nodiscard]] std::optional<int> parse_stop_signal(const std::string& text);

/// The same file wherever the server works, without `.` and doubled slashes. `..` stays: after a symbolic link it leads
/// the kernel elsewhere than a reader of the text.
[[nodiscard]] std::string absolute(const std::string& path);

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
  std::vector<EndpointWords> endpoints;
  std::string log;      ///< empty: the caller's own output, or `DIR/NAME.log` in the background
  std::string pidfile;  ///< absolute; empty: none
  int stop_signal = 0;
  std::string stop_signal_name;
  ClaimMode mode = ClaimMode::explicit_start;
  std::chrono::milliseconds deadline{};         ///< for the whole start; 0: as long as it reports progress
  std::string directory;                        ///< where the command works; empty: `/` in the background
  std::optional<std::uint32_t> file_mode_mask;  ///< none: the caller's
  std::vector<std::string> environment;         ///< `NAME=VALUE`, beside or instead of the caller's
  bool clear_environment = false;
  std::string build;    ///< what is told of the server
  std::string version;  ///< the same, to be compared
  UpgradePolicy upgrade = UpgradePolicy::use_running;
  std::chrono::milliseconds grace{10'000};  ///< how long what is replaced may take to end
  bool standby = false;                     ///< wait until nobody owns the directory, instead of giving up
};

/// `$GENIE_HOME`, else `~/.genie`. Returns: empty where there is no home directory.
[[nodiscard]] std::string default_directory();

}  // namespace genie::cli

#endif  // GENIE_CLI_OPTIONS_HPP
