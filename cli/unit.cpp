// Paths made absolute, arguments quoted, and why each line is there.
#include "unit.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>

namespace genie::cli {

namespace {

/// A value in which the service manager expands nothing but what is written as a specifier. Source: `systemd.unit(5)`,
/// SPECIFIERS.
std::string literal(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c;
    if (c == '%') result += '%';
  }
  return result;
}

/// One word of a command line, with neither specifiers nor variables expanded. `is_program`: the first one, in which no
/// variables are. Source: `systemd.service(5)`, COMMAND LINES; `systemd.syntax(7)`, QUOTING.
std::string word_of(std::string_view text, bool is_program = false) {
  std::string result;
  bool is_plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    is_plain = is_plain && (is_letter || std::string_view{"%+,-./:=@_"}.find(c) != std::string_view::npos);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '%' || (c == '$' && !is_program)) {
      result += c;
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (byte < ' ' || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
    } else {
      result += c;
    }
  }
  return is_plain ? result : '"' + result + '"';
}

bool is_executable(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

/// The absolute path of a program, as `execvp(3)` would find it now.
std::string found(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    const std::string path = absolute(program);
    if (is_executable(path)) return path;
  } else if (const char* const variable = std::getenv("PATH"); variable != nullptr) {
    std::string_view rest = variable;
    for (bool more = true; more;) {
      const std::size_t end = rest.find(':');
      more = end != std::string_view::npos;
      const std::filesystem::path directory{rest.substr(0, end)};
      const std::string path = absolute((directory / program).string());
      if (is_executable(path)) return path;
      if (more) rest.remove_prefix(end + 1);
    }
  }
  throw std::runtime_error{fmt::format("cannot find a program {}", program)};
}

/// A single-line value, taken as it is but for specifiers. Throws where that can't be said.
std::string line_of(const std::string& path) {
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < ' ')
      throw std::runtime_error{fmt::format("{} cannot be named in a unit", path)};
  }
  if (path.back() == '\\' || path.back() == ' ')
    throw std::runtime_error{fmt::format("{} cannot be named in a unit", path)};
  return literal(path);
}

/// Where systemd takes no path with `..`: what that leads to now.
std::string without_two_dots(const std::filesystem::path& path) {
  if (std::find(path.begin(), path.end(), "..") == path.end()) return path.string();
  return (std::filesystem::weakly_canonical(path.parent_path()) / path.filename()).string();
}

/// In words that are made of specifiers and the name, nothing may need quoting.
bool is_plain_name(std::string_view name) {
  return name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
         std::string_view::npos;
}

std::int64_t whole_seconds(std::chrono::milliseconds span) {
  return std::chrono::ceil<std::chrono::seconds>(span).count();
}

}  // namespace

int print_unit(const UnitRequest& request) {
  const bool forks = request.type == UnitRequest::Type::forking;
  if (!is_plain_name(request.name) && (request.directory.empty() || (forks && request.pidfile.empty()))) {
    return tell({exit_usage, "for a server of this name, give --dir, and --pidfile with --type forking"});
  }
  const std::string genie = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string state = "genie/" + request.name;
  const std::string pidfile =
      request.pidfile.empty() ? "%t/genie-" + request.name + ".pid" : line_of(without_two_dots(request.pidfile));

  std::string words = word_of(genie, true) + (forks ? " start" : " run");
  // %S is the place in which StateDirectory= makes directories.
  words += " --dir " + (request.directory.empty() ? "%S/" + state : word_of(request.directory));
  for (const std::string& option : request.options) words += ' ' + word_of(option);
  // Who starts in the background works in / unless told otherwise.
  if (forks) words += " --chdir " + word_of(std::filesystem::current_path().string());
  if (forks) words += " --pidfile " + (request.pidfile.empty() ? pidfile : word_of(request.pidfile));
  words += " -- " + word_of(found(request.command.front()));
  for (std::size_t at = 1; at < request.command.size(); ++at) words += ' ' + word_of(request.command[at]);

  std::string unit = "[Unit]\n";
  unit += fmt::format("Description={}, guarded by genie\n", literal(request.name));
  unit += "\n[Service]\n";
  unit += forks ? "Type=forking\nPIDFile=" + pidfile + "\n" : std::string{"Type=notify\nNotifyAccess=main\n"};
  if (request.directory.empty()) {
    unit += fmt::format("StateDirectory={}\nStateDirectoryMode=0700\n", state);
  }
  unit += fmt::format("WorkingDirectory={}\n", line_of(std::filesystem::current_path().string()));
  unit += "ExecStart=" + words + "\n";
  unit += "# genie asks the command to end; whatever is left after that is killed with it.\nKillMode=mixed\n";
  unit += fmt::format("TimeoutStartSec={}\n", whole_seconds(request.ready_timeout) + 10);
  unit += fmt::format("TimeoutStopSec={}\n", whole_seconds(request.grace) + 5);
  unit +=
      "# Already running exits 0, wrong usage 64, what may be tried later 75, what needs a person 78: none of them is "
      "a crash.\n";
  unit += "Restart=on-failure\nRestartSec=1\nRestartPreventExitStatus=0 64 75 78\n";
  unit += fmt::format("\n[Install]\nWantedBy={}\n", request.user ? "default.target" : "multi-user.target");
  answer("{}", unit);
  return delivered(exit_ok, exit_failure);
}

}  // namespace genie::cli
