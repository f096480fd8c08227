// What the most frequent question costs: counted at the policies, and at the kernel.
#include <sys/ptrace.h>
#include <sys/user.h>

#include <string>
#include <vector>

#include "support.hpp"

namespace tests::system_calls_test {

namespace {

using namespace process_tests;

/// Answers nothing: a question that only needs the lock must not ask it.
class SilentProbe : public genie::SystemProcessProbe {
 public:
  genie::Observation look(Pid pid) noexcept {
    ++looks;
    return genie::SystemProcessProbe::look(pid);
  }
  int looks = 0;
};

/// How many policy calls `question(guard)` makes.
template <typename Question>
int calls_of(const StateDirectory& directory, Question&& question) {
  int calls = 0;
  const std::function<void()> count = [&] { ++calls; };
  ObservedGuard guard = observed_guard(directory.path(), count);
  question(guard);
  return calls;
}

/// What PTRACE_GET_SYSCALL_INFO tells (Linux 5.3).
struct SyscallInfo {
  static constexpr std::uint8_t entry = 1;
  std::uint8_t operation = 0;
  std::uint8_t unused[3] = {};
  std::uint32_t architecture = 0;
  std::uint64_t instruction = 0;
  std::uint64_t stack = 0;
  std::uint64_t number = 0;
  std::uint64_t arguments[8] = {};
};
constexpr auto get_syscall_info = static_cast<decltype(PTRACE_SYSCALL)>(0x420e);

/// How many system calls a child makes between two marks, or -1 where it can't be traced.
template <typename Question>
int system_calls_of(const StateDirectory& directory, Question&& question) {
  constexpr long mark = SYS_getpriority;
  Child child = start([&] {
    Guard guard{directory.path()};
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return not_permitted;
    ::raise(SIGSTOP);
    ::syscall(mark, PRIO_PROCESS, 0);
    question(guard);
    ::syscall(mark, PRIO_PROCESS, 0);
    return 0;
  });
  int status = 0;
  if (::waitpid(child.pid(), &status, 0) != child.pid() || !WIFSTOPPED(status)) return -1;
  if (::ptrace(PTRACE_SETOPTIONS, child.pid(), nullptr, PTRACE_O_TRACESYSGOOD) != 0) return -1;
  int marks = 0;
  int calls = 0;
  while (marks < 2) {
    if (::ptrace(PTRACE_SYSCALL, child.pid(), nullptr, nullptr) != 0) return -1;
    if (::waitpid(child.pid(), &status, 0) != child.pid() || !WIFSTOPPED(status)) return -1;
    SyscallInfo info;
    if (::ptrace(get_syscall_info, child.pid(), sizeof info, &info) < 0) return -1;
    if (info.operation != SyscallInfo::entry) continue;
    if (info.number == static_cast<std::uint64_t>(mark))
      ++marks;
    else if (marks == 1)
      ++calls;
  }
  ::ptrace(PTRACE_DETACH, child.pid(), nullptr, nullptr);
  REQUIRE(child.wait() == 0);
  return calls;
}

void ask_running(auto& guard) { REQUIRE(value(guard.running())); }

}  // namespace

TEST_CASE("asking whether a server runs costs three calls", "[process][calls]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  const int policy_calls = calls_of(directory, [](ObservedGuard& guard) { ask_running(guard); });
  CHECK(policy_calls <= 3);
  const int system_calls = system_calls_of(directory, [](Guard& guard) { ask_running(guard); });
  if (system_calls < 0) GENIE_SKIP("nothing can be traced here");
  std::printf("running() with a live owner: %d policy calls, %d system calls\n", policy_calls, system_calls);
  CHECK(system_calls == 3);
}

TEST_CASE("asking whether a server runs does not look at any process", "[process][calls]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  genie::ServeGuard<genie::SystemClock, SilentProbe> guard{directory.path()};
  CHECK(value(guard.running()));
  CHECK(guard.host().process.looks == 0);
}

TEST_CASE("asking whether a server runs is cheap where none does", "[process][calls]") {
  const StateDirectory directory;
  CHECK(calls_of(directory, [](ObservedGuard& guard) { REQUIRE_FALSE(value(guard.running())); }) <= 3);
  {
    REQUIRE(value(Guard{directory.path()}.claim()).owned());
  }
  CHECK(calls_of(directory, [](ObservedGuard& guard) { REQUIRE_FALSE(value(guard.running())); }) <= 4);
}

TEST_CASE("questions write nothing and take no lock", "[process][calls]") {
  const StateDirectory directory;
  Actor server{directory};
  REQUIRE(server.claim().owned());
  ok(server.ask([](Guard& guard) { return guard.publish_port(4711); }));
  const auto stamps = [&] {
    std::vector<std::string> all;
    for (const std::string& name : directory.names()) {
      struct ::stat info{};
      REQUIRE(::stat(directory.file(name).c_str(), &info) == 0);
      all.push_back(name + " " + std::to_string(info.st_ino) + " " + std::to_string(info.st_mtim.tv_nsec) + " " +
                    std::to_string(info.st_ctim.tv_nsec));
    }
    return all;
  };
  const auto before = stamps();
  Guard guard{directory.path()};
  CHECK(value(guard.running()));
  CHECK(value(guard.status()).state == ServerState::running);
  CHECK(value(guard.port()) == 4711);
  CHECK(stamps() == before);
  // A starter that meets nothing but questions always wins.
  const StateDirectory busy;
  const Shared<Counter> ended;
  std::vector<Child> askers;
  const Shared<Counter> asked;
  for (int at = 0; at < 4; ++at) {
    askers.push_back(start([&] {
      Guard asker{busy.path()};
      while (ended->get() == 0) {
        (void)value(asker.status());
        (void)value(asker.running());
        asked->add();
      }
    }));
  }
  asked->wait_for(4);
  for (int round = 0; round < 5 * rounds_wanted(100); ++round) {
    Guard starter{busy.path()};
    ClaimOptions options;
    options.settle = Milliseconds{0};
    REQUIRE(value(starter.claim(options)).owned());
  }
  ended->add();
  for (Child& asker : askers) CHECK(asker.wait() == 0);
}

}  // namespace tests::system_calls_test
