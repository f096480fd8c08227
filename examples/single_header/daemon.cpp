// The library as one vendored header, without CMake and without fmt:
//
//   mkdir -p vendor/genie
//   cp single_include/genie/serve_guard.hpp vendor/genie/
//   g++ -std=c++20 -Ivendor daemon.cpp -o daemon
#include <genie/serve_guard.hpp>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  genie::ServeGuard guard{argc > 1 ? argv[1] : "/tmp/genie-daemon"};
  const auto claim = guard.claim();
  if (!claim) {
    const genie::Error& error = claim.error();
    std::fprintf(stderr, "daemon: %s: %s\n", error.path.c_str(), std::strerror(error.code));
    return 1;
  }
  if (!claim->owned()) {
    std::printf("already there: PID %lld\n", static_cast<long long>(claim->owner.pid));
    return claim->outcome == genie::ClaimOutcome::already_running ? 0 : 75;
  }
  std::puts("it is ours; press Enter to end");
  std::fflush(stdout);
  (void)std::getchar();
}
