// Readers of the command line's own little languages.
#include "options.hpp"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace genie::cli {

namespace {

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<Readiness> parse_readiness(const std::string& text) {
  Readiness readiness;
  readiness.spelling = text;
  const std::string_view view = text;
  if (view == "none") return readiness;
  if (view == "notify") {
    readiness.kind = Readiness::Kind::notify;
    return readiness;
  }
  if (view.starts_with("tcp:")) {
    const auto port = parse_port(text.substr(4));
    if (!port) return std::nullopt;
    readiness.kind = Readiness::Kind::tcp;
    readiness.port = *port;
    return readiness;
  }
  if (view.starts_with("unix:") && view.size() > 5) {
    readiness.kind = Readiness::Kind::unix_socket;
    readiness.path = view.substr(5);
    return readiness;
  }
  return std::nullopt;
}

std::optional<EndpointWords> parse_endpoint(const std::string& text) {
  const std::string_view view = text;
  const std::size_t equals = view.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  EndpointWords words;
  words.spelling = text;
  words.name = view.substr(0, equals);
  const std::string_view address = view.substr(equals + 1);
  words.value = address.substr(address.find(':') + 1);
  if (address.starts_with("tcp:")) {
    const auto port = parse_number<std::uint16_t>(words.value);
    if (!port) return std::nullopt;
    words.port = *port;
    words.value.clear();
  } else if (address.starts_with("unix:")) {
    words.kind = EndpointKind::unix_socket;
  } else if (address.starts_with("text:")) {
    words.kind = EndpointKind::text;
  } else {
    return std::nullopt;
  }
  return words;
}

std::optional<std::uint16_t> parse_port(const std::string& text) {
  const auto port = parse_number<std::uint16_t>(text);
  return port && *port != 0 ? port : std::nullopt;
}

std::optional<std::uint64_t> parse_count(const std::string& text) { return parse_number<std::uint64_t>(text); }

std::optional<std::chrono::milliseconds> parse_span(const std::string& text) {
  const std::string_view view = text;
  const std::size_t digits = view.find_first_not_of("0123456789");
  const std::string_view unit = digits == std::string_view::npos ? "s" : view.substr(digits);
  const std::int64_t milliseconds = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : 0;
  const auto count = parse_number<std::int64_t>(view.substr(0, digits));
  if (!count || milliseconds == 0 || *count > longest_span.count() / milliseconds) return std::nullopt;
  return std::chrono::milliseconds{*count * milliseconds};
}

std::optional<std::uint32_t> parse_file_mode_mask(const std::string& text) {
  std::uint32_t mask = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask, 8);
  if (error != std::errc{} || end != text.data() + text.size() || mask > 0777) return std::nullopt;
  return mask;
}

std::optional<int> parse_stop_signal(const std::string& text) {
  std::string_view view = text;
  if (view.starts_with("SIG")) view.remove_prefix(3);
  if (view == "TERM") return SIGTERM;
  if (view == "INT") return SIGINT;
  if (view == "QUIT") return SIGQUIT;
  if (view == "HUP") return SIGHUP;
  return std::nullopt;
}

std::string absolute(const std::string& path) {
  if (path.empty()) return path;
  std::filesystem::path result;
  // An empty name at the end leaves a slash.
  for (const auto& name : std::filesystem::absolute(path)) result /= name == "." ? std::filesystem::path{} : name;
  return result.string();
}

std::string default_directory() {
  if (const char* home = std::getenv("GENIE_HOME"); home != nullptr && *home != '\0') return home;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return std::string{home} + "/.genie";
  if (const passwd* entry = getpwuid(geteuid()); entry != nullptr) return std::string{entry->pw_dir} + "/.genie";
  return {};
}

}  // namespace genie::cli
