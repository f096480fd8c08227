// Asks whether somebody holds a state directory: the question that every command of a program makes first.
//
//   running DIR [TIMES]     exits 0 if somebody does, 3 if nobody does, 1 on an error
//
// With TIMES it asks again and again: `strace -c running DIR 1000` shows what one question costs.
#include <cstdio>
#include <cstdlib>
#include <genie/fmt.hpp>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: running DIR [TIMES]\n", stderr);
    return 64;
  }
  genie::ServeGuard guard{argv[1]};
  const int times = argc > 2 ? std::atoi(argv[2]) : 1;
  bool is_running = false;
  for (int time = 0; time < times; ++time) {
    const auto running = guard.running();
    if (!running.has_value()) {
      fmt::print(stderr, "{}\n", running.error());
      return 1;
    }
    is_running = *running;
  }
  std::puts(is_running ? "running" : "not running");
  return is_running ? 0 : 3;
}
