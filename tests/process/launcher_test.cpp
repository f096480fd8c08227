// The launcher on Linux: what a started program has and has not, whatever the state of its starter; what becomes of it
// when its starter ends; and how its end is learned.
#include <genie/system_launcher.hpp>

#include <linux/net.h>
#include <pthread.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <array>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "refusal.hpp"
#include "support.hpp"

namespace tests::launcher_test {

using namespace process_tests;
using genie::FixedText;
using genie::LaunchEvent;
using genie::LaunchPlan;
using genie::LinuxFilesystem;
using genie::LinuxLauncher;
using genie::Liveness;
using genie::milliseconds;
using genie::ProcessExit;
using genie::seconds;
using genie::Signal;
using tests::Refusal;

namespace {

constexpr std::uint64_t locked_byte = 1U << 30U;
constexpr genie::Milliseconds patience = seconds(patience_s);

/// A launch plan that owns what it names.
class Plan {
 public:
  explicit Plan(std::vector<std::string> arguments, std::string program = GENIE_LAUNCHED)
      : program_{std::move(program)}, arguments_{std::move(arguments)} {
    arguments_.insert(arguments_.begin(), "launched");
  }
  std::string directory = "/";
  std::string log;
  std::vector<std::string> environment;
  bool has_environment = false;
  std::uint32_t file_mode_mask = 0077;
  bool adopts_orphans = false;

  [[nodiscard]] const LaunchPlan& get() {
    plan_.program = program_.c_str();
    plan_.arguments = pointers(arguments_, argument_pointers_);
    plan_.environment = has_environment ? pointers(environment, variable_pointers_) : nullptr;
    plan_.directory = directory.c_str();
    plan_.log = log.empty() ? nullptr : log.c_str();
    plan_.file_mode_mask = file_mode_mask;
    plan_.adopts_orphans = adopts_orphans;
    return plan_;
  }

 private:
  static const char* const* pointers(const std::vector<std::string>& texts, std::vector<const char*>& to) {
    to.clear();
    for (const std::string& text : texts) to.push_back(text.c_str());
    to.push_back(nullptr);
    return to.data();
  }
  std::string program_;
  std::vector<std::string> arguments_;
  std::vector<const char*> argument_pointers_;
  std::vector<const char*> variable_pointers_;
  LaunchPlan plan_;
};

/// A launched process. Ended by the destructor.
class Launched {
 public:
  Launched(Plan plan, LinuxFilesystem::File file) {
    const auto spawned = launcher.spawn(plan.get(), file, patience);
    if (!spawned.ok()) FAIL("spawn: " << std::strerror(spawned.error));
    child = spawned.value;
  }
  Launched(const Launched&) = delete;
  Launched& operator=(const Launched&) = delete;
  ~Launched() {
    (void)launcher.kill(child, Signal::kill);
    if (is_open_) launcher.close(child);
  }

  void let_go() {
    const int error = launcher.let_go(child, patience).error;
    if (error != 0) FAIL("let_go: " << std::strerror(error));
  }
  [[nodiscard]] ProcessExit reap() {
    const auto result = launcher.reap(child, patience);
    if (!result.ok()) FAIL("reap: " << std::strerror(result.error));
    return result.value;
  }
  void close() {
    launcher.close(child);
    is_open_ = false;
  }
  [[nodiscard]] ProcessIdentity identity() { return identity_of(static_cast<pid_t>(launcher.pid(child))); }
  [[nodiscard]] pid_t attendant() {
    genie::SystemProcessProbe probe;
    return static_cast<pid_t>(probe.look(launcher.pid(child)).parent);
  }

  LinuxLauncher launcher;
  LinuxLauncher::Child child;

 private:
  bool is_open_ = true;
};

/// As long as it lives, and does not refuse them, uses of a file wait for an answer. Source: `fanotify(7)`.
class HangingFile {
 public:
  HangingFile(const std::string& path, std::uint64_t uses)
      : listener_{::fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC)} {
    works_ = listener_ >= 0 && ::fanotify_mark(listener_, FAN_MARK_ADD, uses, AT_FDCWD, path.c_str()) == 0;
  }
  HangingFile(const HangingFile&) = delete;
  HangingFile& operator=(const HangingFile&) = delete;
  ~HangingFile() {
    if (listener_ >= 0) ::close(listener_);
  }

  [[nodiscard]] bool works() const { return works_; }
  void refuse() {
    fanotify_event_metadata event{};
    REQUIRE(::read(listener_, &event, sizeof event) == static_cast<ssize_t>(sizeof event));
    fanotify_response answer{};
    answer.fd = event.fd;
    answer.response = FAN_DENY;
    REQUIRE(::write(listener_, &answer, sizeof answer) == static_cast<ssize_t>(sizeof answer));
    ::close(event.fd);
  }

 private:
  int listener_;
  bool works_ = false;
};

/// As /proc tells it, `proc_pid_stat(5)`; 0: there is no such process any more.
char state_of(pid_t pid) {
  genie::LinuxProcessStat stat;
  return genie::linux_detail::read_stat(pid, stat) == 0 ? stat.state : '\0';
}

/// A directory with a locked file, as a starter has it.
struct Stage {
  Stage() {
    const auto opened = files.open({}, lock_path.c_str(), genie::OpenMode::ensure, 0600);
    REQUIRE(opened.ok());
    lock = opened.value;
    REQUIRE(files.try_lock(lock, locked_byte, 1).ok());
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() { drop_lock(); }

  void drop_lock() {
    files.close(lock);
    lock = {};
  }
  [[nodiscard]] bool is_locked() {
    const auto other = files.open({}, lock_path.c_str(), genie::OpenMode::read_write, 0600);
    REQUIRE(other.ok());
    const auto query = files.query_lock(other.value, locked_byte, 1);
    files.close(other.value);
    REQUIRE(query.ok());
    return query.value.held;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return directory.path() + "/" + name; }
  [[nodiscard]] bool has(const std::string& name) const { return ::access(path(name).c_str(), F_OK) == 0; }

  Watchdog watchdog;
  TemporaryDirectory directory;
  std::string lock_path = path("lock");
  LinuxFilesystem files;
  LinuxFilesystem::File lock;
};

[[nodiscard]] std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    (void)entry;
    ++count;
  }
  return count;
}
/// Whether this process has no child at all, not even a zombie or one that tells nobody of its end.
[[nodiscard]] bool is_childless() { return ::waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD; }

[[nodiscard]] bool is_gone(const ProcessIdentity& identity) {
  genie::SystemProcessProbe probe;
  const genie::Observation seen = probe.look(identity.pid);
  return seen.liveness == Liveness::gone || seen.start != identity.start;
}

/// Never to a group, nor to everybody, whatever a test has come to take for a PID.
void send(Pid pid, int signal) {
  if (pid <= 1) FAIL("nobody to signal");
  ::kill(static_cast<pid_t>(pid), signal);
}

/// What tests/process/launched says of itself.
using Report = std::multimap<std::string, std::string>;

[[nodiscard]] Report parsed(const std::string& text) {
  Report report;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos) report.emplace(line.substr(0, space), line.substr(space + 1));
  }
  return report;
}
[[nodiscard]] std::vector<std::string> all(const Report& report, const std::string& key) {
  std::vector<std::string> values;
  for (auto [at, end] = report.equal_range(key); at != end; ++at) values.push_back(at->second);
  return values;
}
[[nodiscard]] std::string one(const Report& report, const std::string& key) {
  const auto values = all(report, key);
  return values.size() == 1 ? values.front() : "not one";
}

/// Launches the program, as `plan` says, and lets it tell what it has.
[[nodiscard]] Report report_of(Stage& stage, const std::function<void(Plan&)>& change = {}) {
  Plan plan{{"report", stage.path("report"), "an argument", "", "$HOME *"}};
  if (change) change(plan);
  Launched launched{plan, stage.lock};
  launched.let_go();
  const ProcessExit end = launched.reap();
  REQUIRE_FALSE(end.is_by_signal);
  REQUIRE(end.value == 0);
  return parsed(read_file(stage.path("report")));
}

void expect_fresh(const Report& report, const Stage& stage) {
  auto descriptors = all(report, "descriptor");
  std::sort(descriptors.begin(), descriptors.end());
  CAPTURE(descriptors);
  REQUIRE(descriptors == std::vector<std::string>{"0 r /dev/null", "1 wa " + stage.path("log"),
                                                  "2 wa " + stage.path("log"), "3 rwn " + stage.lock_path});
  REQUIRE(one(report, "leads_session") == "1");
  REQUIRE(one(report, "leads_group") == "1");
  REQUIRE(one(report, "terminal") == std::strerror(ENXIO));
  for (const char* const signals : {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"}) {
    CAPTURE(signals);
    REQUIRE(one(report, signals) == "0000000000000000");
  }
  REQUIRE(one(report, "umask") == std::to_string(0027));
  REQUIRE(one(report, "directory") == stage.directory.path());
  REQUIRE(all(report, "argument") ==
          std::vector<std::string>{"launched", "report", stage.path("report"), "an argument", "", "$HOME *"});
}

/// From now on, this process has a terminal.
void take_terminal() {
  REQUIRE(::setsid() > 0);
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0);
  REQUIRE(::grantpt(master) == 0);
  REQUIRE(::unlockpt(master) == 0);
  const int terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  REQUIRE(terminal >= 0);
  REQUIRE(::ioctl(terminal, TIOCSCTTY, 0) == 0);
  for (const int stream : {0, 1, 2}) ::dup2(terminal, stream);
  const int own = ::open("/dev/tty", O_RDWR);
  REQUIRE(own >= 0);
}

void refuse(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    if (!tests::install(refusal)) FAIL("seccomp filters cannot be installed here");
  }
}

void open_many() {
  for (int count = 0; count < 200; ++count) REQUIRE(::dup(STDIN_FILENO) >= 0);
}

/// As the size of the buffer for the names of descriptors, which tells our calls from others.
constexpr std::uint32_t buffer_size = 8192;
const Refusal no_close_range{SYS_close_range, ENOSYS};
const Refusal no_listing{SYS_getdents64, ENOENT, 2, buffer_size};
/// As emulators of system calls know only what `fork` asks for.
const Refusal no_silent_fork{SYS_clone, EINVAL, tests::clone_flags_argument, SIGCHLD, true};

struct World {
  const char* name;
  void (*enter)();
};

const World worlds[] = {
    {"an ordinary one", [] {}},
    {"one with a terminal", take_terminal},
    {"one with many inheritable descriptors", open_many},
    {"one without standard streams",
     [] {
       for (const int stream : {0, 1, 2}) ::close(stream);
     }},
    {"one without standard output alone", [] { ::close(STDOUT_FILENO); }},
    {"one that blocks and ignores signals, and handles others",
     [] {
       for (const int ignored : {SIGPIPE, SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGRTMIN + 1}) ::signal(ignored, SIG_IGN);
       ::signal(SIGUSR1, [](int) {});
       ::signal(SIGSEGV, SIG_DFL);
       sigset_t every;
       ::sigfillset(&every);
       ::sigprocmask(SIG_SETMASK, &every, nullptr);
       ::raise(SIGUSR1);  // stays pending
       ::raise(SIGUSR2);
     }},
    {"one that never sees a child", [] { ::signal(SIGCHLD, SIG_IGN); }},
    {"one that adopts orphans", [] { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }},
    {"one before Linux 5.9",
     [] {
       open_many();
       refuse({no_close_range});
     }},
    {"one before Linux 5.9 without /proc",
     [] {
       open_many();
       refuse({no_close_range, no_listing});
     }},
    {"one on a kernel that always tells parents", [] { refuse({no_silent_fork}); }},
};

}  // namespace

TEST_CASE("a started program has nothing of its starter's, whatever that has", "[process][launcher][F23]") {
  for (const World& world : worlds) {
    INFO("the starter: " << world.name);
    Stage stage;
    in_child([&] {
      ::umask(0);
      world.enter();
      const Report report = report_of(stage, [&](Plan& plan) {
        plan.log = stage.path("log");
        plan.directory = stage.directory.path();
        plan.file_mode_mask = 0027;
      });
      expect_fresh(report, stage);
      REQUIRE(one(report, "adopts_orphans") == "0");
      REQUIRE(is_childless());
    });
  }
}

namespace {

using Variables = std::vector<std::string>;

/// What a program has whose starter has `own`.
[[nodiscard]] Variables variables(Stage& stage, const Variables& own, const std::function<void(Plan&)>& change = {}) {
  in_child([&] {
    ::clearenv();
    for (const std::string& variable : own) REQUIRE(::putenv(const_cast<char*>(variable.c_str())) == 0);
    (void)report_of(stage, change);
    // The starter goes on with its own.
    for (const std::string& variable : own) {
      const std::size_t equals = variable.find('=');
      const char* const found = ::getenv(variable.substr(0, equals).c_str());
      REQUIRE(found != nullptr);
      REQUIRE(found == variable.substr(equals + 1));
    }
  });
  return all(parsed(read_file(stage.path("report"))), "variable");
}
[[nodiscard]] auto given(const Variables& environment) {
  return [environment](Plan& plan) {
    plan.has_environment = true;
    plan.environment = environment;
  };
}

const Variables ordinary{"HOME=/root", "EMPTY=", "LISTEN_ADDRESS=0.0.0.0", "NOTIFY=1", "WATCHDOG_USECS=1"};

}  // namespace

TEST_CASE("a program gets the environment that its plan says", "[process][launcher]") {
  Stage stage;
  const auto sorted = [&](const Variables& own, const std::function<void(Plan&)>& change = {}) {
    Variables seen = variables(stage, own, change);
    std::sort(seen.begin(), seen.end());
    return seen;
  };
  Variables expected = ordinary;
  std::sort(expected.begin(), expected.end());
  CHECK(sorted(ordinary) == expected);
  CHECK(sorted({"NOTIFY_SOCKET=/run/notify", "A=1", "LISTEN_PID=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b",
                "LISTEN_PIDFDID=7", "B=2", "WATCHDOG_USEC=1000", "WATCHDOG_PID=1", "MAINPID=1", "C="}) ==
        Variables{"A=1", "B=2", "C="});
  CHECK(sorted({"LISTEN_PID=1"}).empty());
  CHECK(sorted({}).empty());
  CHECK(sorted({"A=1"}, given({"B=2", "C=3"})) == Variables{"B=2", "C=3"});
  CHECK(sorted({"A=1"}, given({})).empty());
  // Whoever names it means it.
  CHECK(sorted({}, given({"NOTIFY_SOCKET=/run/notify"})) == Variables{"NOTIFY_SOCKET=/run/notify"});
}

TEST_CASE("an environment keeps its order, and what is in it twice", "[process][launcher]") {
  Stage stage;
  CHECK(variables(stage, ordinary) == ordinary);
  CHECK(variables(stage, {"A=1"}, given({"B=2", "B=3"})) == Variables{"B=2", "B=3"});
}

TEST_CASE("a program can be made the parent of its orphans", "[process][launcher]") {
  Stage stage;
  const Report report = report_of(stage, [](Plan& plan) { plan.adopts_orphans = true; });
  CHECK(one(report, "adopts_orphans") == "1");
}

TEST_CASE("without a log, a program writes to nowhere", "[process][launcher]") {
  Stage stage;
  auto descriptors = all(report_of(stage), "descriptor");
  std::sort(descriptors.begin(), descriptors.end());
  CHECK(descriptors ==
        std::vector<std::string>{"0 r /dev/null", "1 w /dev/null", "2 w /dev/null", "3 rwn " + stage.lock_path});
}

TEST_CASE("what a program prints is appended to its log, which others cannot read", "[process][launcher]") {
  const mode_t mask = GENERATE(0U, 0777U);
  Stage stage;
  const std::string log = stage.path("log");
  const auto print = [&](const char* text) {
    Plan plan{{"print", text}};
    plan.log = log;
    Launched launched{plan, stage.lock};
    launched.let_go();
    REQUIRE(launched.reap() == ProcessExit{});
  };
  in_child([&] {
    ::umask(mask);
    print("one");
    print("two");
  });
  CHECK(read_file(log) == "one\none\ntwo\ntwo\n");
  struct ::stat info{};
  REQUIRE(::stat(log.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600);
}

TEST_CASE("a relative log is the starter's, a relative program the directory's", "[process][launcher]") {
  Stage stage;
  ::mkdir(stage.path("work").c_str(), 0700);
  std::filesystem::create_symlink(GENIE_LAUNCHED, stage.path("work/program"));
  in_child([&] {
    REQUIRE(::chdir(stage.directory.path().c_str()) == 0);
    Plan plan{{"print", "text"}, "./program"};
    plan.log = "log";
    plan.directory = "work";
    Launched launched{plan, stage.lock};
    launched.let_go();
    REQUIRE(launched.reap() == ProcessExit{});
  });
  CHECK(read_file(stage.path("log")) == "text\ntext\n");
}

TEST_CASE("what cannot be set up is told before anything is started, and leaves nothing", "[process][launcher][F15]") {
  Stage stage;
  const std::string log = stage.path("log");
  const std::size_t before = open_descriptors();
  const auto error = [&](const std::function<void(Plan&)>& change, LinuxFilesystem::File file) {
    Plan plan{{"stay", stage.path("ran")}};
    change(plan);
    const int result = LinuxLauncher{}.spawn(plan.get(), file, patience).error;
    CHECK(open_descriptors() == before);
    CHECK(is_childless());
    std::filesystem::remove_all(log);
    return result;
  };
  const auto log_error = [&] { return error([&](Plan& plan) { plan.log = log; }, stage.lock); };

  CHECK(error([](Plan& plan) { plan.directory = "/nonexistent"; }, stage.lock) == ENOENT);
  CHECK(error([](Plan& plan) { plan.directory = "/dev/null"; }, stage.lock) == ENOTDIR);
  CHECK(error([](Plan& plan) { plan.log = "/nonexistent/log"; }, stage.lock) == ENOENT);
  CHECK(error([](Plan&) {}, {}) == EBADF);

  std::filesystem::create_symlink(stage.path("elsewhere"), log);
  CHECK(log_error() == ELOOP);
  CHECK_FALSE(stage.has("elsewhere"));
  ::mkdir(log.c_str(), 0700);
  CHECK(log_error() == EISDIR);
  REQUIRE(::mkfifo(log.c_str(), 0600) == 0);
  CHECK(log_error() == ENXIO);
  REQUIRE(::mkfifo(log.c_str(), 0600) == 0);
  const int reader = ::open(log.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Plan plan{{"stay", stage.path("ran")}};
  plan.log = log;
  CHECK(LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error == ENXIO);
  ::close(reader);
  CHECK(error([](Plan& other) { other.log = "/dev/null"; }, stage.lock) == ENXIO);
  CHECK_FALSE(stage.has("ran"));
  // Nobody else has the lock.
  stage.drop_lock();
  CHECK_FALSE(stage.is_locked());
}

TEST_CASE("why a program cannot be executed is told, and its process has ended", "[process][launcher]") {
  Stage stage;
  const std::string program = stage.path("program");
  const auto error = [&] {
    Plan plan{{"report", stage.path("report")}, program};
    Launched launched{plan, stage.lock};
    const int result = launched.launcher.let_go(launched.child, patience).error;
    LinuxFilesystem::Watch none;
    CHECK(launched.launcher.wait(launched.child, none, seconds(patience_s)).value == LaunchEvent::ended);
    CHECK(launched.reap() == ProcessExit{false, 127, result});
    return result;
  };
  CHECK(error() == ENOENT);
  write_file(program, "#!/nonexistent/interpreter\n", 0700);
  CHECK(error() == ENOENT);
  write_file(program, "no program", 0700);
  CHECK(error() == ENOEXEC);
  write_file(program, "no program", 0600);
  CHECK(error() == EACCES);
  std::filesystem::remove(program);
  std::filesystem::copy_file(GENIE_LAUNCHED, program);
  const int writer = ::open(program.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(writer >= 0);
  CHECK(error() == ETXTBSY);
  ::close(writer);
}

TEST_CASE("nothing is executed before it is let go", "[process][launcher]") {
  Stage stage;
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  // The name of what was executed last: a link to it would lead to an emulator where there is one.
  const auto executed = [&] {
    return read_file("/proc/" + std::to_string(launched.launcher.pid(launched.child)) + "/comm");
  };
  CHECK(executed() == read_file("/proc/self/comm"));
  auto watch = stage.files.watch(stage.directory.path().c_str());
  REQUIRE(watch.ok());
  CHECK(launched.launcher.wait(launched.child, watch.value, milliseconds(0)).value == LaunchEvent::none);
  launched.let_go();
  CHECK(executed() == std::filesystem::path{GENIE_LAUNCHED}.filename().string() + "\n");
  while (!stage.has("runs")) {
    REQUIRE(launched.launcher.wait(launched.child, watch.value, seconds(patience_s)).value == LaunchEvent::changed);
  }
  stage.files.close_watch(watch.value);
}

TEST_CASE("a starter learns that the time is up, that a file changed, and that the program ended",
          "[process][launcher]") {
  Stage stage;
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  launched.let_go();
  eventually([&] { return stage.has("runs"); });
  auto watch = stage.files.watch(stage.lock_path.c_str());
  REQUIRE(watch.ok());
  LinuxFilesystem::Watch none;
  const auto wait = [&](LinuxFilesystem::Watch& which, genie::Milliseconds span) {
    const auto result = launched.launcher.wait(launched.child, which, span);
    CHECK(result.ok());
    return result.value;
  };
  CHECK(wait(watch.value, milliseconds(0)) == LaunchEvent::none);
  CHECK(wait(watch.value, milliseconds(-5)) == LaunchEvent::none);
  CHECK(wait(none, milliseconds(1)) == LaunchEvent::none);

  REQUIRE(stage.files.write_at(stage.lock, "x", 1, 0).ok());
  REQUIRE(stage.files.write_at(stage.lock, "y", 1, 1).ok());
  CHECK(wait(none, milliseconds(0)) == LaunchEvent::none);
  CHECK(wait(watch.value, seconds(patience_s)) == LaunchEvent::changed);
  CHECK(wait(watch.value, milliseconds(0)) == LaunchEvent::none);  // told once

  REQUIRE(stage.files.write_at(stage.lock, "z", 1, 0).ok());
  REQUIRE(launched.launcher.kill(launched.child, Signal::kill).ok());
  CHECK(wait(none, seconds(patience_s)) == LaunchEvent::ended);
  CHECK(wait(watch.value, seconds(patience_s)) == LaunchEvent::ended);  // which goes before a change
  CHECK(launched.reap() == ProcessExit{true, SIGKILL});
  CHECK(wait(watch.value, seconds(patience_s)) == LaunchEvent::ended);
  stage.files.close_watch(watch.value);
}

TEST_CASE("how a program ended is learned", "[process][launcher]") {
  Stage stage;
  const auto end = [&](const std::string& task, int argument) {
    Launched launched{Plan{{task, std::to_string(argument)}}, stage.lock};
    launched.let_go();
    return launched.reap();
  };
  CHECK(end("exit", 0) == ProcessExit{false, 0});
  CHECK(end("exit", 7) == ProcessExit{false, 7});
  CHECK(end("exit", 255) == ProcessExit{false, 255});
  for (const int signal : {SIGTERM, SIGKILL, SIGABRT, SIGHUP}) CHECK(end("die", signal) == ProcessExit{true, signal});
}

TEST_CASE("an end is learned once, and nobody is signalled after it", "[process][launcher]") {
  Stage stage;
  Launched launched{Plan{{"exit", "3"}}, stage.lock};
  launched.let_go();
  CHECK(launched.reap() == ProcessExit{false, 3});
  CHECK(launched.launcher.reap(launched.child, patience).error == ECHILD);
  CHECK(launched.launcher.kill(launched.child, Signal::kill).error == ESRCH);
}

TEST_CASE("nobody waits longer than asked for who does not answer", "[process][launcher]") {
  const Stage stage;
  Launched launched{Plan{{"exit", "3"}}, stage.lock};
  const pid_t attendant = launched.attendant();
  LinuxFilesystem::Watch none;
  REQUIRE(::kill(attendant, SIGSTOP) == 0);
  eventually([&] { return state_of(attendant) == 'T'; });
  SECTION("when the program is let go") {
    CHECK(launched.launcher.let_go(launched.child, milliseconds(20)).error == ETIMEDOUT);
    CHECK(launched.launcher.wait(launched.child, none, milliseconds(0)).value == LaunchEvent::none);
    CHECK(launched.launcher.reap(launched.child, milliseconds(20)).error == ETIMEDOUT);
    REQUIRE(::kill(attendant, SIGCONT) == 0);
    // What was asked is done late, and its answer is not taken for another one's.
    CHECK(launched.reap() == ProcessExit{false, 3});
  }
  SECTION("when it has ended") {
    REQUIRE(::kill(attendant, SIGCONT) == 0);
    launched.let_go();
    REQUIRE(::kill(attendant, SIGSTOP) == 0);
    CHECK(launched.launcher.wait(launched.child, none, patience).value == LaunchEvent::ended);
    CHECK(launched.launcher.reap(launched.child, milliseconds(20)).error == ETIMEDOUT);
  }
  SECTION("when it does not end") {
    CHECK(launched.launcher.reap(launched.child, milliseconds(20)).error == ETIMEDOUT);
    REQUIRE(::kill(attendant, SIGCONT) == 0);
  }
  // Neither for good: who is stopped is ended all the same.
  launched.close();
  eventually([&] { return state_of(attendant) == '\0'; });
}

TEST_CASE("who hangs in a file system that does not answer is given up in time, and can be ended",
          "[process][launcher]") {
  Stage stage;
  const std::string program = stage.path("program");
  const std::string log = stage.path("log");
  std::filesystem::copy_file(GENIE_LAUNCHED, program);
  write_file(log, "", 0600);
  Plan plan{{"stay", stage.path("ran")}, program};
  plan.log = log;
  LinuxFilesystem::Watch none;
  SECTION("while it is set up") {
    const HangingFile hanging{log, FAN_OPEN_PERM};
    if (!hanging.works()) GENIE_SKIP("nobody can make an open hang here");
    CHECK(LinuxLauncher{}.spawn(plan.get(), stage.lock, milliseconds(50)).error == ETIMEDOUT);
    stage.drop_lock();
    eventually([&] { return !stage.is_locked(); });
  }
  SECTION("while it is executed") {
    const HangingFile hanging{program, FAN_OPEN_EXEC_PERM};
    if (!hanging.works()) GENIE_SKIP("nobody can make an execution hang here");
    Launched launched{plan, stage.lock};
    CHECK(launched.launcher.let_go(launched.child, milliseconds(50)).error == ETIMEDOUT);
    CHECK(launched.launcher.wait(launched.child, none, milliseconds(0)).value == LaunchEvent::none);
    CHECK(launched.launcher.kill(launched.child, Signal::kill).ok());
    CHECK(launched.launcher.wait(launched.child, none, patience).value == LaunchEvent::ended);
    CHECK(launched.reap() == ProcessExit{true, SIGKILL});
  }
  SECTION("and why it cannot be executed is not lost, however late") {
    HangingFile hanging{program, FAN_OPEN_EXEC_PERM};
    if (!hanging.works()) GENIE_SKIP("nobody can make an execution hang here");
    Launched launched{plan, stage.lock};
    CHECK(launched.launcher.let_go(launched.child, milliseconds(50)).error == ETIMEDOUT);
    hanging.refuse();
    CHECK(launched.reap() == ProcessExit{false, 127, EPERM});
  }
  CHECK_FALSE(stage.has("ran"));
}

TEST_CASE("a process that is not set up in time leaves nothing behind", "[process][launcher]") {
  Stage stage;
  // In no time at all; only a very slow caller finds it ready.
  eventually([&] {
    const auto spawned = LinuxLauncher{}.spawn(Plan{{"stay", stage.path("ran")}}.get(), stage.lock, milliseconds(0));
    if (!spawned.ok()) CHECK(spawned.error == ETIMEDOUT);
    if (spawned.ok()) LinuxLauncher{}.close(spawned.value);
    return !spawned.ok();
  });
  stage.drop_lock();
  eventually([&] { return !stage.is_locked(); });
  CHECK_FALSE(stage.has("ran"));
}

TEST_CASE("a signal reaches the program and its process group", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  {
    Launched launched{Plan{{"family", stage.path("member")}}, stage.lock};
    launched.let_go();
    eventually([&] { return stage.has("member"); });
    const ProcessIdentity member = identity_of(std::stoi(read_file(stage.path("member"))));
    CHECK_FALSE(is_gone(member));
    REQUIRE(launched.launcher.kill(launched.child, Signal::terminate).ok());
    CHECK(launched.reap() == ProcessExit{true, SIGTERM});
    eventually([&] { return is_gone(member); });
  }
  Orphanage::await_all();
}

TEST_CASE("a process that waits to be let go can be ended", "[process][launcher]") {
  Stage stage;
  const Signal signal = GENERATE(Signal::terminate, Signal::kill);
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  REQUIRE(launched.launcher.kill(launched.child, signal).ok());
  CHECK(launched.reap() == ProcessExit{true, signal == Signal::kill ? SIGKILL : SIGTERM});
  CHECK_FALSE(stage.has("runs"));
}

TEST_CASE("the lock lives as long as one of both has it", "[process][launcher]") {
  Stage stage;
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  stage.drop_lock();
  CHECK(stage.is_locked());
  launched.let_go();
  CHECK(stage.is_locked());
  REQUIRE(launched.launcher.kill(launched.child, Signal::kill).ok());
  (void)launched.reap();
  CHECK_FALSE(stage.is_locked());
}

namespace {

/// A process that launches another one, and says so.
struct Starter {
  struct Desk {
    Counter started;
    Counter bystander_is_there;
    std::atomic<Pid> pid{0};
    std::atomic<Pid> attendant{0};
    std::atomic<Pid> bystander{0};
  };

  /// Runs until it is killed. Its lock is its own.
  Starter(Stage& stage, bool lets_go, bool has_bystander) {
    stage.drop_lock();
    process = start([&, this] {
      const auto lock = stage.files.open({}, stage.lock_path.c_str(), genie::OpenMode::ensure, 0600);
      REQUIRE(stage.files.try_lock(lock.value, locked_byte, 1).ok());
      Launched own{Plan{{"stay", stage.path("runs")}}, lock.value};
      if (lets_go) own.let_go();
      desk->pid = own.launcher.pid(own.child);
      desk->attendant = own.attendant();
      Child bystander;
      if (has_bystander) {
        // Such as a worker that is forked by another thread in this moment: it has copies of all our descriptors.
        bystander = start(
            [&] {
              stage.files.close(lock.value);
              desk->bystander_is_there.add();
              ::pause();
            },
            Family::outlives_parent);
        desk->bystander = bystander.pid();
        desk->bystander_is_there.wait_for(1);
      }
      desk->started.add();
      ::pause();
    });
    desk->started.wait_for(1);
    launched = identity_of(static_cast<pid_t>(desk->pid.load()));
    attendant = identity_of(static_cast<pid_t>(desk->attendant.load()));
  }
  Starter(const Starter&) = delete;
  Starter& operator=(const Starter&) = delete;
  ~Starter() {
    process.end();
    for (const Pid pid : {desk->pid.load(), desk->bystander.load()}) {
      if (pid > 1) send(pid, SIGKILL);
    }
    Orphanage::await_all();
  }

  Orphanage orphanage;
  Shared<Desk> desk;
  Child process;
  ProcessIdentity launched;
  ProcessIdentity attendant;
};

}  // namespace

TEST_CASE("who is not let go ends with the starter, and the lock is free", "[process][launcher]") {
  const bool has_bystander = GENERATE(false, true);
  CAPTURE(has_bystander);
  Stage stage;
  Starter starter{stage, false, has_bystander};
  CHECK(stage.is_locked());
  starter.process.end();
  eventually([&] { return is_gone(starter.launched) && is_gone(starter.attendant); });
  CHECK_FALSE(stage.is_locked());
  CHECK_FALSE(stage.has("runs"));
}

TEST_CASE("who was let go outlives the starter, and nothing else of it stays", "[process][launcher]") {
  const bool has_bystander = GENERATE(false, true);
  CAPTURE(has_bystander);
  Stage stage;
  Starter starter{stage, true, has_bystander};
  eventually([&] { return stage.has("runs"); });
  starter.process.end();
  eventually([&] { return is_gone(starter.attendant); });
  genie::SystemProcessProbe probe;
  eventually([&] { return probe.look(starter.launched.pid).parent == ::getpid(); });
  CHECK(stage.is_locked());
}

TEST_CASE("a starter that becomes another program has forgotten what it launched", "[process][launcher]") {
  const bool lets_go = GENERATE(false, true);
  CAPTURE(lets_go);
  const Orphanage orphanage;
  Stage stage;
  const Shared<std::atomic<Pid>> pid;
  const Shared<std::atomic<Pid>> attendant;
  Child starter = start([&] {
    Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
    if (lets_go) launched.let_go();
    *pid = launched.launcher.pid(launched.child);
    *attendant = launched.attendant();
    ::execl(GENIE_LAUNCHED, "launched", "stay", stage.path("other").c_str(), nullptr);
    FAIL("execl: " << std::strerror(errno));
  });
  eventually([&] { return stage.has("other"); });
  genie::SystemProcessProbe probe;
  eventually([&] { return probe.look(attendant->load()).liveness == Liveness::gone; });
  if (lets_go) {
    eventually([&] { return stage.has("runs"); });
    CHECK(probe.look(pid->load()).liveness == Liveness::alive);
    send(pid->load(), SIGKILL);
  } else {
    eventually([&] { return probe.look(pid->load()).liveness == Liveness::gone; });
    CHECK_FALSE(stage.has("runs"));
  }
  starter.end();
  Orphanage::await_all();
}

TEST_CASE("whoever reads what the starter prints sees its end, though the server lives", "[process][launcher][F23]") {
  const Orphanage orphanage;
  Stage stage;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Shared<std::atomic<Pid>> pid;
  Child starter = start([&] {
    for (const int stream : {1, 2}) ::dup2(ends[1], stream);
    const int inheritable = ::dup(ends[1]);
    REQUIRE(inheritable > 0);
    LinuxLauncher launcher;
    Plan plan{{"stay", stage.path("runs")}};
    const auto child = launcher.spawn(plan.get(), stage.lock, patience);
    REQUIRE(child.ok());
    *pid = launcher.pid(child.value);
    REQUIRE(launcher.let_go(child.value, patience).ok());
    eventually([&] { return stage.has("runs"); });
    launcher.close(child.value);
    std::printf("started\n");
  });
  ::close(ends[1]);
  std::string printed;
  char buffer[64];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    printed.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  CHECK(printed == "started\n");
  CHECK(starter.wait() == 0);
  const ProcessIdentity server = identity_of(static_cast<pid_t>(pid->load()));
  CHECK_FALSE(is_gone(server));
  send(server.pid, SIGKILL);
  Orphanage::await_all();
}

namespace {

volatile sig_atomic_t told_of_children = 0;

}  // namespace

TEST_CASE("a starter that lives on is not disturbed by its server, nor keeps its zombie", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  const std::size_t before = open_descriptors();
  in_child([&] {
    ::signal(SIGCHLD, [](int) { told_of_children = told_of_children + 1; });
    LinuxLauncher launcher;
    Plan plan{{"stay", stage.path("runs")}};
    const auto child = launcher.spawn(plan.get(), stage.lock, patience);
    REQUIRE(child.ok());
    const auto sees_no_child = [] { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; };
    REQUIRE(sees_no_child());
    REQUIRE(launcher.let_go(child.value, patience).ok());
    eventually([&] { return stage.has("runs"); });
    REQUIRE(sees_no_child());
    const ProcessIdentity server = identity_of(static_cast<pid_t>(launcher.pid(child.value)));
    launcher.close(child.value);
    REQUIRE(is_childless());
    REQUIRE(open_descriptors() == before);
    REQUIRE_FALSE(is_gone(server));
    send(server.pid, SIGTERM);
    eventually([&] { return is_gone(server); });
    REQUIRE(is_childless());
    REQUIRE(told_of_children == 0);
  });
  Orphanage::await_all();
}

TEST_CASE("who is not let go ends when it is forgotten", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  const std::size_t before = open_descriptors();
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  const ProcessIdentity held = launched.identity();
  launched.close();
  CHECK(open_descriptors() == before);
  Orphanage::await_all();
  eventually([&] { return is_gone(held); });
  CHECK_FALSE(stage.has("runs"));
}

TEST_CASE("an attendant that hangs does not keep the starter", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  launched.let_go();
  const ProcessIdentity server = launched.identity();
  send(launched.attendant(), SIGSTOP);
  launched.close();
  CHECK_FALSE(is_gone(server));
  send(server.pid, SIGKILL);
  Orphanage::await_all();
}

TEST_CASE("without the attendant, who was not let go ends, and who was let go goes on untold", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  LinuxFilesystem::Watch none;
  const auto kill_attendant = [](Launched& launched) {
    const ProcessIdentity attendant = identity_of(launched.attendant());
    send(attendant.pid, SIGKILL);
    eventually([&] { return is_gone(attendant); });
  };
  {
    Launched launched{Plan{{"stay", stage.path("ran")}}, stage.lock};
    kill_attendant(launched);
    CHECK(launched.launcher.let_go(launched.child, patience).error == ECHILD);
    CHECK(launched.launcher.wait(launched.child, none, seconds(patience_s)).value == LaunchEvent::ended);
    CHECK(launched.launcher.reap(launched.child, patience).error == ECHILD);
    CHECK_FALSE(stage.has("ran"));
  }
  {
    Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
    launched.let_go();
    kill_attendant(launched);
    eventually([&] { return stage.has("runs"); });
    CHECK(launched.launcher.wait(launched.child, none, milliseconds(0)).value == LaunchEvent::none);
    REQUIRE(launched.launcher.kill(launched.child, Signal::terminate).ok());
    CHECK(launched.launcher.wait(launched.child, none, seconds(patience_s)).value == LaunchEvent::ended);
    CHECK(launched.launcher.reap(launched.child, patience).error == ECHILD);
  }
  Orphanage::await_all();
}

TEST_CASE("a child does not belong to the thread that started it", "[process][launcher]") {
  Stage stage;
  LinuxLauncher launcher;
  genie::SysResult<LinuxLauncher::Child> child;
  Plan plan{{"exit", "5"}};
  std::thread{[&] { child = launcher.spawn(plan.get(), stage.lock, patience); }}.join();
  REQUIRE(child.ok());
  CHECK(launcher.let_go(child.value, patience).ok());
  const auto end = launcher.reap(child.value, patience);
  CHECK(end.ok());
  CHECK(end.value == ProcessExit{false, 5});
  std::thread{[&] { launcher.close(child.value); }}.join();
  CHECK(is_childless());
}

TEST_CASE("several threads start programs at once, and each learns of its own", "[process][launcher]") {
  constexpr int threads = 4;
  Stage stage;
  const std::size_t before = open_descriptors();
  std::array<int, threads> wrong{};
  std::vector<std::thread> running;
  for (int number = 0; number < threads; ++number) {
    running.emplace_back([&, number] {
      LinuxLauncher launcher;
      for (int round = 0; round < rounds_wanted(5); ++round) {
        const int status = number * 10 + round % 10;
        Plan plan{{"exit", std::to_string(status)}};
        const auto child = launcher.spawn(plan.get(), stage.lock, patience);
        int& mistakes = wrong.at(static_cast<std::size_t>(number));
        if (!child.ok()) {
          ++mistakes;
          continue;
        }
        if (!launcher.let_go(child.value, patience).ok()) ++mistakes;
        const auto end = launcher.reap(child.value, patience);
        if (!end.ok() || end.value != ProcessExit{false, status}) ++mistakes;
        launcher.close(child.value);
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  CHECK(wrong == std::array<int, threads>{});
  CHECK(open_descriptors() == before);
  CHECK(is_childless());
}

namespace {

volatile sig_atomic_t disturbances = 0;
volatile pid_t disturber = 0;

}  // namespace

TEST_CASE("signals that come again and again do not end the wait for an end", "[process][launcher]") {
  Stage stage;
  in_child([&] {
    struct ::sigaction action{};
    action.sa_handler = [](int) {
      disturbances = disturbances + 1;
      if (disturbances == 100 && disturber > 1) ::kill(disturber, SIGKILL);
    };
    ::sigaction(SIGUSR1, &action, nullptr);
    Launched launched{Plan{{"disturb", std::to_string(::getpid())}}, stage.lock};
    disturber = static_cast<pid_t>(launched.launcher.pid(launched.child));
    launched.let_go();
    REQUIRE(launched.reap() == ProcessExit{true, SIGKILL});
    REQUIRE(disturbances >= 100);
  });
}

TEST_CASE("a wait that a signal interrupts says so", "[process][launcher]") {
  Stage stage;
  in_child([&] {
    LinuxFilesystem::Watch none;
    Launched launched{Plan{{"exit", "0"}}, stage.lock};
    refuse({{tests::poll_call, EINTR}, {tests::ppoll_call, EINTR}});
    REQUIRE(launched.launcher.wait(launched.child, none, seconds(1)).error == EINTR);
  });
}

TEST_CASE("what a kernel or a limit refuses is told, and leaves nothing", "[process][launcher][F16]") {
  Stage stage;
  const auto error = [&](const std::vector<Refusal>& refusals, const std::function<void()>& prepare = {}) {
    const Shared<std::atomic<int>> result;
    in_child([&] {
      if (prepare) prepare();
      const std::size_t before = open_descriptors();
      refuse(refusals);
      Plan plan{{"stay", stage.path("ran")}};
      *result = LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error;
      REQUIRE(is_childless());
      REQUIRE(open_descriptors() == before);
    });
    return result->load();
  };
  const auto close_input = [] { ::close(STDIN_FILENO); };
#if defined(SYS_socketcall)
  // By whichever of both the C library makes it; 8 is one bit of the numbers of some others, too.
  CHECK(error({{SYS_socketpair, ENFILE}, {SYS_socketcall, ENFILE, 0, SYS_SOCKETPAIR}}) == ENFILE);
#else
  CHECK(error({{SYS_socketpair, ENFILE}}) == ENFILE);
#endif
  CHECK(error({{tests::fcntl_call, EMFILE, 1, F_DUPFD_CLOEXEC & 0x400}}, close_input) == EMFILE);
  CHECK(error({{SYS_clone, EAGAIN}}) == EAGAIN);
  CHECK(error({{SYS_pidfd_open, ENOSYS}}) == ENOSYS);
  CHECK(error({{SYS_pipe2, ENFILE}}) == ENFILE);
  CHECK(error({{SYS_setsid, EPERM}}) == EPERM);
  // Nobody can wait for another then; which of them notices first is open.
  CHECK(error({{tests::poll_call, ENOMEM}, {tests::ppoll_call, ENOMEM}}) != 0);
  CHECK_FALSE(stage.has("ran"));
}

TEST_CASE("a program of which no handle can be had is not started", "[process][launcher][F16]") {
  const int status = in_own_pid_namespace([] {
    Stage stage;
    if (!choose_next_pid(1000)) return not_permitted;
    in_child([&] {
      REQUIRE(::getpid() == 1000);
      // The attendant is 2047; the program comes after it.
      REQUIRE(choose_next_pid(2047));
      refuse({{SYS_pidfd_open, EMFILE, 0, 2048}});
      const std::size_t before = open_descriptors();
      Plan plan{{"stay", stage.path("ran")}};
      REQUIRE(LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error == EMFILE);
      REQUIRE(is_childless());
      REQUIRE(open_descriptors() == before);
    });
    return stage.has("ran") ? 1 : 0;
  });
  if (status == not_permitted) GENIE_SKIP("no PID namespaces for this user");
  CHECK(status == 0);
}

namespace {

/// Waits until the attendant has said that its program is ready, then ends it.
void end_attendant_once_ready(int) {
  const int error = errno;
  const auto is_ready = [](int descriptor) {
    int type = 0;
    socklen_t size = sizeof type;
    char byte = 0;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
           ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
  };
  const auto any_is_ready = [&] {
    for (int descriptor = 0; descriptor < 64; ++descriptor) {
      if (is_ready(descriptor)) return true;
    }
    return false;
  };
  eventually(any_is_ready);
  genie::SystemProcessProbe probe;
  const int list = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  (void)genie::linux_detail::for_each_entry(list, [&](genie::Text name) {
    std::uint64_t pid = 0;
    if (!genie::parse_decimal(name, INT32_MAX, pid)) return;
    if (probe.look(static_cast<Pid>(pid)).parent == ::getpid()) send(static_cast<Pid>(pid), SIGKILL);
  });
  ::close(list);
  siginfo_t info{};
  (void)::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL);
  errno = error;
}

}  // namespace

TEST_CASE("without the attendant, a number is nobody's own, and no program is started", "[process][launcher]") {
  const Orphanage orphanage;
  Stage stage;
  in_child([&] {
    ::signal(SIGUSR1, end_attendant_once_ready);
    // Its handler runs as soon as the launcher lets signals through again.
    REQUIRE(::pthread_atfork(nullptr, [] { ::raise(SIGUSR1); }, nullptr) == 0);
    refuse({no_silent_fork});
    const std::size_t before = open_descriptors();
    Plan plan{{"stay", stage.path("ran")}};
    REQUIRE(LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error == ECHILD);
    REQUIRE(is_childless());
    REQUIRE(open_descriptors() == before);
  });
  Orphanage::await_all();
  CHECK_FALSE(stage.has("ran"));
}

TEST_CASE("nothing is started where the starter's children begin in another PID namespace", "[process][launcher]") {
  Stage stage;
  const int status = in_own_mounts(
      [&] {
        Plan plan{{"stay", stage.path("ran")}};
        REQUIRE(LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error == ESRCH);
        REQUIRE(is_childless());
      },
      CLONE_NEWPID);
  if (status == not_permitted) GENIE_SKIP("no PID namespaces for this user");
  CHECK(status == 0);
  // A starter that is PID 1 has the number that its child has in the new namespace.
  const int as_init = in_own_pid_namespace([&] {
    REQUIRE(::unshare(CLONE_NEWPID) == 0);
    Plan plan{{"stay", stage.path("ran")}};
    REQUIRE(LinuxLauncher{}.spawn(plan.get(), stage.lock, patience).error == ESRCH);
    REQUIRE(is_childless());
  });
  CHECK(as_init == 0);
  CHECK_FALSE(stage.has("ran"));
}

TEST_CASE("the file that a starter hands over is taken once, and no further", "[process][launcher]") {
  Stage stage;
  in_child([&] {
    LinuxFilesystem files;
    const int other = ::fcntl(stage.lock.descriptor, F_DUPFD_CLOEXEC, LinuxFilesystem::inherited_descriptor + 1);
    ::close(LinuxFilesystem::inherited_descriptor);
    REQUIRE(files.inherited().error == EBADF);
    REQUIRE(::dup2(other, LinuxFilesystem::inherited_descriptor) >= 0);
    const auto inherited = files.inherited();
    REQUIRE(inherited.ok());
    REQUIRE(inherited.value.descriptor == LinuxFilesystem::inherited_descriptor);
    REQUIRE((::fcntl(inherited.value.descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE(files.stat(inherited.value).value.id == files.stat({other}).value.id);
  });
}

TEST_CASE("a process knows its parent and who began its session, and those of others", "[process][launcher]") {
  genie::SystemProcessProbe probe;
  const Watchdog watchdog;
  const Child child = start([] { ::pause(); });
  CHECK(probe.look(child.pid()).parent == ::getpid());
  CHECK(probe.look(child.pid()).session == ::getsid(0));
  Stage stage;
  Launched launched{Plan{{"stay", stage.path("runs")}}, stage.lock};
  const genie::Observation seen = probe.look(launched.launcher.pid(launched.child));
  CHECK(seen.session == launched.launcher.pid(launched.child));
  CHECK(probe.look(seen.parent).parent == ::getpid());
  CHECK(probe.look(1).parent == 0);
}

}  // namespace tests::launcher_test
