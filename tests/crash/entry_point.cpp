// One entry point of the library per run, for `crash_at_every_call.py`: the calls between two marks (sched_yield, which
// genie never makes) are the ones that the script interrupts. The other commands make the states in which those runs
// begin, and look at what they leave.
//
//   genie_crash_entry_point COMMAND DIRECTORY [ARGUMENT...]
#include <genie/ensure.hpp>
#include <genie/serve_guard.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

using Guard = genie::ServeGuard<>;
using genie::ClaimMode;
using genie::ClaimOptions;
using genie::ClaimOutcome;
using genie::Milliseconds;
using genie::StopOutcome;
using genie::Text;

constexpr std::uint16_t owner_port = 4711;
const genie::Endpoint endpoints[] = {genie::Endpoint::tcp("http", owner_port), genie::Endpoint::text("url", "/")};

/// An empty record is outlasted, and a claim that does not end is given up, sooner than the defaults say: that changes
/// no call, and each run waits for it.
ClaimOptions impatient() {
  ClaimOptions options;
  options.empty_grace = Milliseconds{3};
  options.settle = Milliseconds{300};
  return options;
}

const char* name_of(ClaimOutcome outcome) {
  switch (outcome) {
    case ClaimOutcome::claimed: return "claimed";
    case ClaimOutcome::already_running: return "already_running";
    case ClaimOutcome::stopping: return "stopping";
    case ClaimOutcome::contended: return "contended";
    case ClaimOutcome::orphaned: return "orphaned";
  }
  return "?";
}

const char* name_of(genie::ServerState state) {
  using genie::ServerState;
  switch (state) {
    case ServerState::running: return "running";
    case ServerState::starting: return "starting";
    case ServerState::stopping: return "stopping";
    case ServerState::stopped: return "stopped";
    case ServerState::stale: return "stale";
    case ServerState::orphaned: return "orphaned";
    case ServerState::unknown: return "unknown";
  }
  return "?";
}

const char* name_of(StopOutcome outcome) {
  switch (outcome) {
    case StopOutcome::not_running: return "not_running";
    case StopOutcome::cleaned: return "cleaned";
    case StopOutcome::stopped: return "stopped";
    case StopOutcome::killed: return "killed";
    case StopOutcome::already_ended: return "already_ended";
    case StopOutcome::refused: return "refused";
    case StopOutcome::still_alive: return "still_alive";
    case StopOutcome::another: return "another";
    case StopOutcome::orphans_left: return "orphans_left";
  }
  return "?";
}

const char* name_of(genie::EndpointStanding standing) {
  using genie::EndpointStanding;
  switch (standing) {
    case EndpointStanding::absent: return "absent";
    case EndpointStanding::live: return "live";
    case EndpointStanding::stale: return "stale";
    case EndpointStanding::unknown: return "unknown";
  }
  return "?";
}

const char* name_of(genie::EnsureOutcome outcome) {
  using genie::EnsureOutcome;
  switch (outcome) {
    case EnsureOutcome::running: return "running";
    case EnsureOutcome::self: return "self";
    case EnsureOutcome::stopping: return "stopping";
    case EnsureOutcome::failed: return "failed";
    case EnsureOutcome::backing_off: return "backing_off";
    case EnsureOutcome::timed_out: return "timed_out";
    case EnsureOutcome::contended: return "contended";
    case EnsureOutcome::orphaned: return "orphaned";
  }
  return "?";
}

const char* name_of(genie::Ownership ownership) {
  using genie::Ownership;
  switch (ownership) {
    case Ownership::held: return "held";
    case Ownership::not_claimed: return "not_claimed";
    case Ownership::record_missing: return "record_missing";
    case Ownership::record_replaced: return "record_replaced";
    case Ownership::lock_missing: return "lock_missing";
    case Ownership::lock_replaced: return "lock_replaced";
    case Ownership::lock_closed: return "lock_closed";
    case Ownership::all_missing: return "all_missing";
  }
  return "?";
}

int open_descriptors() {
  DIR* folder = nullptr;
  // Where the number of calls before varies, the fault may strike here; it does so once.
  for (int attempt = 0; attempt < 2 && folder == nullptr; ++attempt) folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int count = 0;
  while (const dirent* const entry = ::readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count - 1;  // the folder's own
}

void mark() { ::sched_yield(); }

/// Writes the whole line in one call: nobody reads half of it.
void say(const std::string& line) { (void)!::write(STDOUT_FILENO, line.data(), line.size()); }

std::string text(const genie::Error& error) {
  const bool is_launch = error.operation == genie::Operation::launch;
  return "result=error kind=" + std::to_string(static_cast<int>(error.kind)) +
         " operation=" + (is_launch ? "launch" : std::to_string(static_cast<int>(error.operation))) +
         " errno=" + std::to_string(error.code) + " path=" + error.path.c_str();
}
template <typename T>
std::string text(const genie::Result<T>& result, const std::string& good) {
  return result.has_value() ? good : text(result.error());
}
std::string text(const genie::Result<void>& result) { return text(result, "result=ok"); }
std::string text(const genie::Result<genie::ClaimReport>& claim) {
  if (!claim) return text(claim.error());
  return std::string{"result="} + name_of(claim->outcome) + " owner=" + std::to_string(claim->owner.pid);
}

void wait_until_stdin_closes() {
  char byte = 0;
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count == 0 || (count < 0 && errno != EINTR)) return;
  }
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "cannot prepare: %s\n", what);
  std::exit(3);
}

// ---------------------------------------------------------------------------------------------------------------------
// The calls under test

/// Runs `call` between the marks, says what it gave and how many descriptors it left open, and stays until stdin
/// closes: what is claimed then is still held, what failed must not be.
template <typename Call>
int examine(Call&& call) {
  const int before = open_descriptors();
  mark();
  const std::string answer = call();
  mark();
  say("descriptors=" + std::to_string(open_descriptors() - before) + " " + answer + "\n");
  wait_until_stdin_closes();
  return 0;
}

/// As `examine`, by a guard that has claimed as `starting`, or tried to.
template <typename Call>
int examine_owner(Guard& guard, Call&& call) {
  ClaimOptions options = impatient();
  options.starting = true;
  options.empty_grace = Milliseconds{0};
  (void)guard.claim(options);
  return examine([&] { return call(); });
}

/// How programs were written before: look, and if nobody is there, write. Every crash and every error that this ignores
/// must be seen by the script.
int original(const std::string& directory) {
  return examine([&]() -> std::string {
    const std::string path = directory + "/serve.pid";
    ::mkdir(directory.c_str(), 0700);
    long pid = 0;
    std::ifstream{path} >> pid;
    if (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) == 0) {
      return "result=already_running owner=" + std::to_string(pid);
    }
    ::unlink(path.c_str());
    std::ofstream{path + ".tmp"} << ::getpid();
    ::rename((path + ".tmp").c_str(), path.c_str());
    return "result=claimed owner=" + std::to_string(::getpid());
  });
}

/// Starts this very program as a server on demand, which adopts the claim; or one that ends before it is ready.
int start_on_demand(Guard& guard, const std::string& directory, const char* what) {
  const char* const arguments[] = {"genie_crash_entry_point", what, directory.c_str(), nullptr};
  genie::LaunchPlan plan;
  plan.program = "/proc/self/exe";
  plan.arguments = arguments;
  const std::string log = directory + "/serve.log";
  plan.log = log.c_str();
  genie::EnsureOptions options;
  options.stall = Milliseconds{20'000};
  options.grace = Milliseconds{500};
  options.settle = Milliseconds{300};
  genie::SystemLauncher launcher;
  return examine([&] {
    const auto report = genie::ensure(guard, launcher, plan, options);
    if (!report) return text(report.error());
    return std::string{"result="} + name_of(report->outcome) + " owner=" + std::to_string(report->owner.pid) +
           " started=" + std::to_string(report->has_started ? 1 : 0) +
           " failure=" + std::to_string(report->failure.value);
  });
}

int run_entry(const std::string& entry, const std::string& directory) {
  Guard guard{directory};
  if (entry == "ensure") return start_on_demand(guard, directory, "serve_adopted");
  if (entry == "ensure_failing") return start_on_demand(guard, directory, "fail_adopted");
  if (entry == "claim") return examine([&] { return text(guard.claim(impatient())); });
  if (entry == "claim_durable") {
    ClaimOptions options = impatient();
    options.durable = true;
    return examine([&] { return text(guard.claim(options)); });
  }
  if (entry == "claim_automatic") {
    ClaimOptions options = impatient();
    options.mode = ClaimMode::automatic;
    return examine([&] { return text(guard.claim(options)); });
  }
  if (entry == "claim_and_release") {
    return examine([&] {
      const std::string claimed = text(guard.claim(impatient()));
      const auto released = guard.release();
      return released.has_value() ? claimed : text(released);
    });
  }
  if (entry == "release") {
    return examine_owner(guard, [&] { return text(guard.release()); });
  }
  if (entry == "release_with_port") {
    (void)guard.claim(impatient());
    (void)guard.publish_port(owner_port);
    return examine([&] { return text(guard.release()); });
  }
  if (entry == "ready") {
    return examine_owner(guard, [&] { return text(guard.ready()); });
  }
  if (entry == "publish_port") {
    return examine_owner(guard, [&] { return text(guard.publish_port(owner_port)); });
  }
  if (entry == "publish_port_again") {
    (void)guard.claim(impatient());
    (void)guard.publish_port(owner_port);
    return examine([&] { return text(guard.publish_port(owner_port + 1)); });
  }
  if (entry == "publish_endpoints") {
    return examine_owner(guard, [&] { return text(guard.publish_endpoints(endpoints)); });
  }
  if (entry == "release_with_endpoints") {
    (void)guard.claim(impatient());
    (void)guard.publish_endpoints(endpoints);
    return examine([&] { return text(guard.release()); });
  }
  if (entry == "set_server") {
    const genie::ProcessIdentity server{::getppid(), guard.host().process.look(::getppid()).start};
    return examine_owner(guard, [&] { return text(guard.set_server(server)); });
  }
  if (entry == "restore_record") {
    const auto claim = guard.claim(impatient());
    if (claim && claim->owned()) ::unlink((directory + "/serve.pid").c_str());
    return examine([&] { return text(guard.restore_record()); });
  }
  if (entry == "verify") {
    return examine_owner(guard, [&] { return std::string{"result="} + name_of(guard.verify()); });
  }
  if (entry == "running") {
    return examine([&] {
      const auto running = guard.running();
      return text(running, running.has_value() && *running ? "result=yes" : "result=no");
    });
  }
  if (entry == "status") {
    return examine([&] {
      const auto status = guard.status();
      return text(status, std::string{"result="} + name_of(status->state) + " owner=" +
                              std::to_string(status->owner.pid) + " port=" + std::to_string(status->port.port));
    });
  }
  if (entry == "port") {
    return examine([&] {
      const auto port = guard.port();
      return text(port, "result=" + std::to_string(*port));
    });
  }
  if (entry == "endpoint") {
    return examine([&] {
      const auto endpoint = guard.endpoint("http");
      return text(endpoint, std::string{"result="} + name_of(endpoint->standing) +
                                " port=" + std::to_string(endpoint->endpoint.port));
    });
  }
  if (entry == "stop") {
    genie::StopOptions options;
    options.grace = Milliseconds{500};
    options.settle = Milliseconds{100};
    return examine([&] {
      const auto receipt = guard.stop(options);
      return text(receipt, std::string{"result="} + name_of(receipt->outcome) +
                               " owner=" + std::to_string(receipt->target.pid) +
                               " sentinel_errno=" + std::to_string(receipt->sentinel_error) +
                               " clean_up_errno=" + std::to_string(receipt->clean_up_error));
    });
  }
  if (entry == "original") return original(directory);
  return -1;
}

// ---------------------------------------------------------------------------------------------------------------------
// States to begin in

/// Dies at the first removal that follows an exchange: in the middle of a takeover.
class CrashingFilesystem : public genie::SystemFilesystem {
 public:
  genie::SysResult<void> exchange(File directory, const char* one, const char* other) noexcept {
    has_exchanged_ = true;
    return genie::SystemFilesystem::exchange(directory, one, other);
  }
  genie::SysResult<void> unlink(File directory, const char* name) noexcept {
    if (has_exchanged_) die();
    return genie::SystemFilesystem::unlink(directory, name);
  }

 private:
  bool has_exchanged_ = false;
};

void claim_or_exit(Guard& guard) {
  const auto claim = guard.claim(impatient());
  require(claim.has_value() && claim->owned(), "the claim");
}

/// Makes a socket in the state directory that nobody listens to, and publishes it with the others.
void publish_with_socket(Guard& guard) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = guard.files().path_of("serve.sock").c_str();
  require(descriptor >= 0 && path.copy(address.sun_path, sizeof address.sun_path - 1) == path.size(), "a socket");
  require(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "a socket's name");
  ::close(descriptor);
  const genie::Endpoint all[] = {endpoints[0], endpoints[1], genie::Endpoint::unix_socket("socket", "serve.sock")};
  require(guard.publish_endpoints(all).has_value(), "the endpoints");
}

/// An owner that dies with a port and endpoints published.
[[noreturn]] void crash(const std::string& directory) {
  Guard guard{directory};
  claim_or_exit(guard);
  require(guard.publish_port(owner_port).has_value(), "the port");
  publish_with_socket(guard);
  die();
}

[[noreturn]] void crash_midway(const std::string& directory) {
  genie::ServeGuard<genie::SystemClock, genie::SystemProcessProbe, CrashingFilesystem> guard{directory};
  (void)guard.claim(impatient());
  std::exit(3);
}

/// A stopper that dies while its sentinel stands.
[[noreturn]] void crash_stopping(const std::string& directory) {
  Guard guard{directory};
  genie::detail::OpenDirectory<Guard::Host> opened;
  require(genie::detail::open_state_directory(guard.host(), guard.files(), false, opened).has_value(), "the directory");
  const auto status = guard.status();
  require(status.has_value(), "the status");
  genie::StopRegistration<Guard::Host> registration{guard.host(), guard.files(), opened.file.get(), status->owner,
                                                    genie::default_sentinel_ttl};
  require(registration.enter([](bool) noexcept {}).has_value(), "the sentinel");
  die();
}

/// The record, the lock's record and the port of an owner that has died, and whose PID `stranger` has by now.
int leave_reused_pid(const std::string& directory, const char* stranger) {
  ::mkdir(directory.c_str(), 0700);
  Guard guard{directory};
  const genie::ProcessIdentity dead{std::strtol(stranger, nullptr, 10), {true, 1}};
  const auto write = [&](Text name, Text bytes) {
    const std::string path = guard.files().path_of(name).c_str();
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "a file");
    struct ::stat info{};
    ::fstat(file, &info);
    ::close(file);
    return genie::FileIdentity{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
  };
  genie::LockRecord record;
  record.generation = 7;
  record.phase = genie::Phase::running;
  record.owner = dead;
  record.server = dead;
  record.origin = guard.host().process.origin();
  record.record.inode = write(guard.files().record(), genie::encode_pid_record(dead)).inode;
  record.lock = write(guard.files().lock(), "");
  record.port_name = genie::PortFileName{Text{guard.files().port()}};
  write(guard.files().lock(), genie::encode_lock_record(record));
  genie::PortRecord port;
  port.port = owner_port;
  port.owner = dead;
  port.generation = record.generation;
  port.lock = record.lock;
  write(guard.files().port(), genie::encode_port_record(port));
  return 0;
}

/// An owner that serves until stdin closes, or somebody stops it.
int own(const std::string& directory) {
  Guard guard{directory};
  claim_or_exit(guard);
  require(guard.publish_port(owner_port).has_value(), "the port");
  say("result=claimed owner=" + std::to_string(::getpid()) + "\n");
  wait_until_stdin_closes();
  return 0;
}

/// The fresh start after a run: what a new process is told, and it holds what it got until stdin closes.
int check(const std::string& directory) {
  Guard guard{directory};
  const auto claim = guard.claim(impatient());
  std::string answer = text(claim);
  if (claim && claim->owned() && guard.verify() != genie::Ownership::held) answer = "result=claim_not_held";
  say(answer + "\n");
  wait_until_stdin_closes();
  const auto released = guard.release();
  if (!released) say(text(released) + "\n");
  return released.has_value() ? 0 : 1;
}

/// A server that was started on demand: adopts its claim, and serves until a signal ends it; or fails instead.
int serve_adopted(const std::string& directory, bool fails) {
  Guard guard{directory};
  ClaimOptions options = impatient();
  options.starting = true;
  const auto claim = guard.claim(options);
  require(claim.has_value() && claim->owned() && claim->adopted, "the adoption");
  require(guard.boot("load", 1, 2).has_value(), "the step");
  if (fails) std::_Exit(7);
  require(guard.ready().has_value(), "the readiness");
  for (;;) ::pause();
}

/// The guarded command: notes itself and the descriptors that it was given in FILE; ends at once where BRIEF is given.
int serve(const char* file, bool brief) {
  std::string note = std::to_string(::getpid());
  for (int descriptor = 3; descriptor < 64; ++descriptor) {
    char target[256];
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    if (length > 0) note += " " + std::string{target, static_cast<std::size_t>(length)};
  }
  note += "\n";
  const int descriptor = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  (void)!::write(descriptor, note.data(), note.size());
  ::close(descriptor);
  while (!brief) ::pause();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s COMMAND DIRECTORY [ARGUMENT...]\n", argv[0]);
    return 64;
  }
  const std::string command = argv[1];
  const std::string directory = argv[2];
  if (command == "crash") crash(directory);
  if (command == "crash_midway") crash_midway(directory);
  if (command == "crash_stopping") crash_stopping(directory);
  if (command == "reused_pid" && argc == 4) return leave_reused_pid(directory, argv[3]);
  if (command == "own") return own(directory);
  if (command == "check") return check(directory);
  if (command == "serve_adopted") return serve_adopted(directory, false);
  if (command == "fail_adopted") return serve_adopted(directory, true);
  if (command == "serve") return serve(argv[2], argc == 4);
  const int status = run_entry(command, directory);
  if (status < 0) std::fprintf(stderr, "no such command: %s\n", argv[1]);
  return status < 0 ? 64 : status;
}
