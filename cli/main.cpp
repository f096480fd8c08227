// The `genie` command: guards a program that was never written for it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "boot_step.hpp"
#include "endpoints.hpp"
#include "inspect.hpp"
#include "start.hpp"
#include "supervisor.hpp"
#include "unit.hpp"
#include "wrong_usage.hpp"

namespace genie::cli {

namespace {

constexpr const char* command_option = "command";
constexpr const char* directory_option = "--dir";

/// What the command line says, before it is turned into requests.
struct Words {
  Place place;
  bool chooses_directory = false;  // nobody has said which
  std::string program;             // whatever CLI11 is shown in its place, so that it misses none
  std::vector<std::string> command;
  std::string ready = "none";
  std::string ready_timeout = "15s";
  std::string stop_signal = "TERM";
  std::string grace = "10s";
  std::string log;
  std::string pidfile;
  std::string unit_type = "notify";
  bool for_user = false;
  std::uint16_t port = 0;
  std::string build;
  std::string version;
  std::string deadline = "0s";
  std::string directory;
  std::string file_mode_mask;
  std::vector<std::string> environment;
  bool clear_environment = false;
  bool replaces_older = false;
  BootStepWords boot;
  bool is_awaiting_end = false;
  bool is_awaiting_readiness = true;
  std::string wait_timeout;
  std::vector<std::string> endpoints;
  bool standby = false;
  StatusStyle style;
  EndpointQuestion question;
  std::string wait = "0s";
  StopOptions stop;
};

void add_place(CLI::App& app, Words& words) {
  app.add_option(directory_option, words.place.directory, "state directory (default: $GENIE_HOME, else ~/.genie)")
      ->check(is_not_empty());
  app.add_option("--name", words.place.name, "name of the server, and of its files")
      ->check(is_not_empty())
      ->capture_default_str();
  app.add_option("--port-file", words.place.port_name, "name of the port file (default: pgserve for serve, else NAME)")
      ->check(is_not_empty());
}

void add_serving(CLI::App& app, Words& words) {
  add_place(app, words);
  add_number(app, "--port", words.port, "port to publish once the command is ready (default: that of --ready tcp)",
             parse_port, "a port: 1 to 65535");
  app.add_option("--endpoint", words.endpoints,
                 "NAME=tcp:PORT | NAME=unix:PATH | NAME=text:STRING: what to publish once the command is ready; may be "
                 "given several times; a relative PATH is relative to the state directory")
      ->check(valid(parse_endpoint, "NAME=tcp:PORT, NAME=unix:PATH or NAME=text:STRING"))
      ->allow_extra_args(false);
  app.add_option("--ready", words.ready, "none | tcp:PORT | unix:PATH | notify: how to tell that the command is ready")
      ->check(valid(parse_readiness, "none, tcp:PORT, unix:PATH or notify"))
      ->capture_default_str();
  app.add_option("--ready-timeout", words.ready_timeout, "how long that may take")
      ->check(is_span())
      ->capture_default_str();
  app.add_option("--pidfile", words.pidfile, "file for the PID of genie itself while it serves: for init systems")
      ->check(is_not_empty());
  app.add_option("--log", words.log, "file for the command's output (start, ensure: DIR/NAME.log)")
      ->check(is_not_empty());
  app.add_option("--stop-signal", words.stop_signal,
                 "TERM | INT | QUIT | HUP: how the command wants to be asked to end")
      ->check(valid(parse_stop_signal, "TERM, INT, QUIT or HUP"))
      ->capture_default_str();
  app.add_option("--build", words.build, "what the server says of itself, for status");
  app.add_option("--server-version", words.version, "its version, to be compared");
  app.add_option(command_option, words.program, "COMMAND [ARG...], after --")->required();
}

void add_grace(CLI::App& app, Words& words) {
  app.add_option("--grace", words.grace, "how long the server may take to end before it is killed")
      ->check(is_span())
      ->capture_default_str();
}

void add_launching(CLI::App& app, Words& words) {
  add_serving(app, words);
  app.add_option("--deadline", words.deadline, "how long all of it may take (default: as long as it reports progress)")
      ->check(is_span());
  app.add_option("--chdir", words.directory, "where the command works (default: /)")->check(is_not_empty());
  app.add_option("--umask", words.file_mode_mask, "permissions that its files do not get (default: the caller's)")
      ->check(valid(parse_file_mode_mask, "an octal number such as 022"));
  app.add_option("--env", words.environment, "NAME=VALUE for its environment")
      ->check(CLI::Validator{[](std::string& text) {
                               const bool is_good = text.find('=') != std::string::npos && text.front() != '=';
                               return is_good ? std::string{} : fmt::format("'{}' is not NAME=VALUE", text);
                             },
                             ""})
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false);
  app.add_flag("--replace-older", words.replaces_older,
               "stop a server whose --server-version is older than this one, and start anew; never a newer one");
  app.add_flag("--clear-env", words.clear_environment, "nothing of the caller's environment");
  add_grace(app, words);
}

void add_standby(CLI::App& app, Words& words) {
  app.add_flag("--standby", words.standby,
               "where somebody owns the directory already: wait, and take over at once when it is free");
}

void add_waiting(CLI::App& app, Words& words) {
  add_place(app, words);
  CLI::Option* is_ready = app.add_flag("--ready", words.is_awaiting_readiness, "until it is ready (the default)");
  app.add_flag("--stopped", words.is_awaiting_end, "until nobody owns the directory")->excludes(is_ready);
  app.add_option("--timeout", words.wait_timeout, "at most so long (default: for ever)")->check(is_span());
}

void add_stopping(CLI::App& app, Words& words) {
  add_place(app, words);
  add_grace(app, words);
  app.add_flag("--stay", words.stop.stay, "nothing starts it on demand any more, until `genie start` or `genie run`");
  app.add_flag("--orphans", words.stop.orphans, "end everybody who has inherited the lock from its owner, too");
  app.add_flag("--cgroup", words.stop.cgroup,
               "it has a cgroup of its own: end what is left in that, too; refuse if it has none");
}

void add_unit(CLI::App& app, Words& words) {
  add_serving(app, words);
  add_grace(app, words);
  add_standby(app, words);
  app.add_option("--type", words.unit_type, "notify (genie run) | forking (genie start)")
      ->check(CLI::IsMember({"notify", "forking"}))
      ->capture_default_str();
  app.add_flag("--user", words.for_user, "for a user's own service manager");
}

void add_status(CLI::App& app, Words& words) {
  add_place(app, words);
  app.add_flag("--json", words.style.json, "as one JSON object");
  app.add_flag("--explain", words.style.explain, "with the evidence");
  app.add_flag("-q,--quiet", words.style.quiet, "only by the exit status");
}

void add_endpoint(CLI::App& app, Words& words) {
  add_place(app, words);
  app.add_option("endpoint", words.question.name, "its name; without one, all are listed")->check(is_not_empty());
  app.add_flag("--json", words.question.json, "all of them as one JSON object");
  app.add_option("--wait", words.wait, "how long to wait until it is published by a live server")->check(is_span());
  add_number(app, "--after", words.question.after, "wait for a generation after this one", parse_count,
             "a whole number");
}

ServeRequest request_of(const Words& words, ClaimMode mode) {
  ServeRequest request;
  request.place = words.place;
  request.command = words.command;
  request.readiness = *parse_readiness(words.ready);
  request.ready_timeout = *parse_span(words.ready_timeout);
  request.port = words.port;
  for (const std::string& text : words.endpoints) request.endpoints.push_back(*parse_endpoint(text));
  request.log = absolute(words.log);
  request.pidfile = absolute(words.pidfile);
  request.stop_signal = *parse_stop_signal(words.stop_signal);
  request.stop_signal_name = words.stop_signal;
  request.deadline = *parse_span(words.deadline);
  request.directory = absolute(words.directory);
  if (!words.file_mode_mask.empty()) request.file_mode_mask = parse_file_mode_mask(words.file_mode_mask);
  request.environment = words.environment;
  request.clear_environment = words.clear_environment;
  if (words.replaces_older) request.upgrade = UpgradePolicy::replace_older;
  request.build = words.build;
  request.version = words.version;
  request.grace = *parse_span(words.grace);
  request.mode = mode;
  request.standby = words.standby;
  return request;
}

/// The options of a unit's `genie run` or `genie start`: those that differ from the defaults.
UnitRequest unit_of(const Words& words) {
  const Words defaults;
  UnitRequest request;
  request.type = words.unit_type == "forking" ? UnitRequest::Type::forking : UnitRequest::Type::notify;
  request.user = words.for_user;
  request.name = words.place.name;
  if (!words.chooses_directory) request.directory = words.place.directory;
  const auto add = [&](const char* name, const std::string& value, const std::string& usual) {
    if (value != usual) request.options.insert(request.options.end(), {name, value});
  };
  add("--name", words.place.name, defaults.place.name);
  add("--port-file", words.place.port_name, defaults.place.port_name);
  add("--port", std::to_string(words.port), std::to_string(defaults.port));
  add("--ready", words.ready, defaults.ready);
  add("--ready-timeout", words.ready_timeout, defaults.ready_timeout);
  for (const std::string& endpoint : words.endpoints) add("--endpoint", endpoint, {});
  add("--stop-signal", words.stop_signal, defaults.stop_signal);
  add("--build", words.build, {});
  add("--server-version", words.version, {});
  add("--log", absolute(words.log), {});
  request.pidfile = absolute(words.pidfile);
  if (request.type == UnitRequest::Type::notify) add("--pidfile", request.pidfile, {});
  if (words.standby) request.options.emplace_back("--standby");
  request.ready_timeout = *parse_span(words.ready_timeout);
  request.grace = *parse_span(words.grace);
  request.command = words.command;
  return request;
}

/// Where nobody reads what is said, the work goes on. Not for an answer that nobody wants any more.
void go_on_unheard() { ::signal(SIGPIPE, SIG_IGN); }

int serve(const ServeRequest& request, int (*how)(const ServeRequest&)) {
  go_on_unheard();
  if (const auto problem = problem_with(request)) return tell(*problem);
  return how(request);
}

int in_background(const ServeRequest& request) { return tell(start_in_background(request)); }
int in_background_anew(const ServeRequest& request) {
  ServeRequest anew = request;
  anew.upgrade = UpgradePolicy::replace_running;
  return tell(start_in_background(anew));
}

/// Whoever started us without standard streams gets nothing to read and nothing to see, and none of our files in their
/// place.
void open_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR | O_NOCTTY);
  } while (descriptor >= 0 && descriptor < STDERR_FILENO);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

/// Whatever the caller has ignored, how a child ends is asked for; and a log that may not grow ends nothing.
void set_up_signals() {
  ::signal(SIGCHLD, SIG_DFL);
  ::signal(SIGXFSZ, SIG_IGN);
}

/// What the command line can ask for.
struct Command {
  const char* name;
  const char* description;
  void (*add_options)(CLI::App&, Words&);
  int (*run)(Words&);  // once the place is known
};

constexpr Command commands[] = {
    {"run", "claim, run COMMAND in the foreground, release; exits as COMMAND did",
     [](CLI::App& app, Words& words) {
       add_serving(app, words);
       add_standby(app, words);
     },
     [](Words& words) { return serve(request_of(words, ClaimMode::explicit_start), run_in_foreground); }},
    {"start", "the same in the background; returns when COMMAND is ready", add_launching,
     [](Words& words) { return serve(request_of(words, ClaimMode::explicit_start), in_background); }},
    {"ensure", "start unless running; refuses while it is being stopped", add_launching,
     [](Words& words) { return serve(request_of(words, ClaimMode::automatic), in_background); }},
    {"restart", "stop what runs, then start", add_launching,
     [](Words& words) { return serve(request_of(words, ClaimMode::explicit_start), in_background_anew); }},
    {"wait", "wait until the server is ready, or until it is gone", add_waiting,
     [](Words& words) {
       go_on_unheard();
       return await_server(words.place, words.is_awaiting_end, parse_span(words.wait_timeout));
     }},
    {"boot", "from inside the guarded command: tell which step its boot is in",
     [](CLI::App& app, Words& words) { add_boot_step(app, words.boot); },
     [](Words& words) { return tell(report_boot_step(words.boot)); }},
    {"stop", "stop the server, and only it", add_stopping,
     [](Words& words) {
       go_on_unheard();
       words.stop.grace = *parse_span(words.grace);
       return stop_server(words.place, words.stop);
     }},
    {"status", "say whether it runs; exits 0 running, 1 dead, 3 not running, 4 unknown", add_status,
     [](Words& words) { return print_status(words.place, words.style); }},
    {"port", "print the port that the live server has published", add_place,
     [](Words& words) { return print_port(words.place); }},
    {"unit", "print a systemd unit that guards COMMAND as run or start would", add_unit,
     [](Words& words) {
       const UnitRequest request = unit_of(words);
       if (const auto problem = problem_with(request_of(words, ClaimMode::explicit_start))) return tell(*problem);
       if (words.standby && request.type != UnitRequest::Type::notify) {
         return tell({exit_usage, "--standby wants --type notify"});
       }
       return print_unit(request);
     }},
    {"endpoint", "print what the live server has published under a name, or all", add_endpoint,
     [](Words& words) {
       words.question.wait = *parse_span(words.wait);
       return print_endpoints(words.place, words.question);
     }},
};

/// The words after a subcommand. CLI11 gets only those that are genie's own: it would take an argument like `[a,b]` for
/// a list.
struct SplitWords {
  std::vector<std::string> own;
  std::vector<std::string> command;
};

SplitWords split(const CLI::App& subcommand, const std::vector<std::string>& all) {
  SplitWords words;
  const bool takes_command = subcommand.get_option_no_throw(command_option) != nullptr;
  for (auto word = all.begin(); word != all.end(); ++word) {
    if (*word == "--") {
      // After the beginning of COMMAND nobody can tell whose it is, and CLI11 refuses it.
      if (takes_command && words.command.empty()) {
        words.command.assign(word + 1, all.end());
      } else {
        words.own.insert(words.own.end(), word, all.end());
      }
      break;
    }
    const bool is_dashed = word->size() > 1 && word->front() == '-';
    const bool is_option = is_dashed && (word->at(1) < '0' || word->at(1) > '9');  // and no negative number
    if (!is_option) {
      (takes_command ? words.command : words.own).push_back(*word);
      continue;
    }
    const std::size_t equals = word->find('=');
    const std::string name = word->substr(0, equals);
    const CLI::Option* const option = subcommand.get_option_no_throw(name);
    const bool has_value = option != nullptr && option->get_items_expected_min() > 0;
    if (has_value && equals != std::string::npos) {
      // CLI11 would take the next word for the value of `--dir=`.
      words.own.insert(words.own.end(), {name, word->substr(equals + 1)});
    } else {
      words.own.push_back(*word);
      if (has_value && word + 1 != all.end()) words.own.push_back(*++word);
    }
  }
  return words;
}

int run(int argc, char** argv) {
  Words words;
  CLI::App app{"At most one background server per directory: found at once, started when needed, stopped for good."};
  app.name("genie");
  app.set_version_flag("--version", GENIE_VERSION_STRING);
  app.require_subcommand(1);

  // Making the others, which are only listed by `genie --help`, is most of what a short command would take.
  const auto is_first_word = [&](const Command& command) {
    return argc > 1 && argv[1] == std::string_view{command.name};
  };
  const bool is_certain = std::any_of(std::begin(commands), std::end(commands), is_first_word);
  for (const Command& command : commands) {
    if (is_certain && !is_first_word(command)) continue;
    command.add_options(*app.add_subcommand(command.name, command.description), words);
  }
  std::vector<std::string> line{argv + std::min(argc, 1), argv + argc};
  if (is_certain) {
    SplitWords split_words = split(*app.get_subcommand(line.front()), {line.begin() + 1, line.end()});
    line.resize(1);
    if (!split_words.command.empty()) line.emplace_back("COMMAND");
    line.insert(line.end(), split_words.own.begin(), split_words.own.end());
    words.command = std::move(split_words.command);
  }
  std::reverse(line.begin(), line.end());  // as CLI11 wants it
  try {
    app.parse(std::move(line));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_ok : exit_usage;
  }
  if (!words.command.empty() && words.command.front().empty()) return tell({exit_usage, "COMMAND is given, but empty"});
  const char* const home = std::getenv("GENIE_HOME");
  words.chooses_directory = words.place.directory.empty() && (home == nullptr || *home == '\0');
  if (words.place.directory.empty()) words.place.directory = default_directory();
  words.place.directory = absolute(words.place.directory);
  if (words.place.directory.size() > 1 && words.place.directory.back() == '/') words.place.directory.pop_back();

  const CLI::App& asked = *app.get_subcommands().front();
  if (asked.get_option_no_throw(directory_option) != nullptr) {
    if (const auto problem = problem_with(words.place)) return tell(*problem);
  }
  return std::find_if(std::begin(commands), std::end(commands),
                      [&](const Command& command) { return asked.get_name() == command.name; })
      ->run(words);
}

}  // namespace

}  // namespace genie::cli

int main(int argc, char** argv) {
  try {
    genie::cli::open_standard_streams();
    genie::cli::set_up_signals();
    return genie::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs("genie: ", stderr);
    std::fputs(error.what(), stderr);
    std::fputs("\n", stderr);
    return genie::cli::exit_failure;
  }
}
