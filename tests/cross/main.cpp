// Every part of the protocol with the policies of the system that this is compiled for, so that all of it is
// instantiated, and linked, also where nobody runs it.
#include <genie/ensure.hpp>
#include <genie/serve_guard.hpp>

#include <cstdio>

int main(int count, char** arguments) {
  const genie::Text directory{count > 1 ? arguments[1] : "/tmp/genie-cross"};
  genie::ServeGuard guard{directory};
  const auto claim = guard.claim();
  if (!claim) {
    std::printf("errno %d\n", claim.error().code);
    return 1;
  }
  bool is_good =
      guard.publish_port(4711).has_value() && guard.ready().has_value() && guard.restore_record().has_value();
  is_good = guard.boot("step", 1, 2).has_value() && is_good;
  const auto status = guard.status();
  const auto port = guard.port();
  const auto running = guard.running();
  std::printf("%d %d %d %d\n", static_cast<int>(guard.verify()), static_cast<int>(status.has_value()),
              static_cast<int>(port.has_value()), static_cast<int>(running.has_value()));
  is_good = guard.release().has_value() && is_good;
  is_good = guard.stop().has_value() && is_good;
  const auto standby = guard.claim_when_free();
  is_good = standby.has_value() && guard.release().has_value() && is_good;

  const char* const server[] = {"/bin/sleep", "1", nullptr};
  genie::LaunchPlan plan;
  plan.program = server[0];
  plan.arguments = server;
  genie::SystemLauncher launcher;
  const auto started = genie::ensure(guard, launcher, plan);
  return is_good && started.has_value() ? 0 : 1;
}
