// Makes each entry point's calls between marks that strace shows, and counts what they allocate.
//
//   genie_entry_points DIRECTORY
//
// A mark is a write to no descriptor, `write(-1, "NAME")`. Prints "NAME ALLOCATIONS" for each.
#include <genie/serve_guard.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace {

std::size_t allocations = 0;

}  // namespace

// The C library's own, from which everybody allocates, operator new included.
extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, std::size_t size);       // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  ++allocations;
  return __libc_realloc(block, size);
}
}

namespace {

struct Entry {
  const char* name;
  std::size_t allocated;
};
Entry entries[32];
std::size_t entry_count = 0;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

void mark(const char* name) { (void)!::write(-1, name, std::string::traits_type::length(name)); }

template <typename Calls>
void measure(const char* name, Calls&& calls) {
  mark(name);
  const std::size_t before = allocations;
  const bool ok = calls();
  const std::size_t allocated = allocations - before;
  mark("end");
  require(ok, name);
  entries[entry_count++] = {name, allocated};
}

/// Leaves the record of a server that was killed.
void leave_stale(const char* directory) {
  const pid_t child = ::fork();
  require(child >= 0, "fork");
  if (child == 0) {
    genie::ServeGuard guard{directory};
    const auto claim = guard.claim();
    ::_exit(claim && claim->owned() ? 0 : 1);
  }
  int status = 0;
  require(::waitpid(child, &status, 0) == child && status == 0, "a claim to be left");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 64;
  const std::string at = std::string{arguments[1]} + "/state";
  const std::string nowhere = std::string{arguments[1]} + "/nowhere";
  const std::string stale = std::string{arguments[1]} + "/stale";
  const char* const directory = at.c_str();

  genie::ServeGuard guard{directory};
  genie::ServeGuard client{directory};
  genie::ServeGuard stranger{nowhere};
  const auto claims = [&] {
    const auto claim = guard.claim();
    return claim && claim->owned();
  };
  const auto says = [](genie::ServeGuard<>& asked, bool expected) {
    const auto running = asked.running();
    return running.has_value() && *running == expected;
  };
  measure("running, no directory", [&] { return says(stranger, false); });
  measure("claim, the first of a process and of a directory", claims);
  measure("running, live owner", [&] { return says(client, true); });
  measure("claim, somebody else runs", [&] {
    const auto claim = client.claim();
    return claim && claim->outcome == genie::ClaimOutcome::already_running;
  });
  measure("status, live owner", [&] {
    const auto status = client.status();
    return status && status->state == genie::ServerState::running;
  });
  measure("publish_port", [&] { return guard.publish_port(4711).has_value(); });
  measure("port", [&] {
    const auto port = client.port();
    return port.has_value() && *port == 4711;
  });
  measure("verify", [&] { return guard.verify() == genie::Ownership::held; });
  measure("release, with a port", [&] { return guard.release().has_value(); });
  measure("running, nobody", [&] { return says(client, false); });
  measure("claim", claims);
  measure("release", [&] { return guard.release().has_value(); });
  leave_stale(stale.c_str());
  genie::ServeGuard successor{stale};
  measure("claim, over a stale record", [&] {
    const auto claim = successor.claim();
    return claim && claim->owned() && claim->taken_over.reason != genie::Reason::none;
  });
  for (std::size_t entry = 0; entry < entry_count; ++entry) {
    std::printf("%s: %zu\n", entries[entry].name, entries[entry].allocated);
  }
  return 0;
}
