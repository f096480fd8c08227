// What a state directory may look like when the programs begin.
#ifndef GENIE_TESTS_EXPLORE_START_STATES_HPP
#define GENIE_TESTS_EXPLORE_START_STATES_HPP

#include <functional>
#include <string>
#include <vector>

#include "guards.hpp"

namespace protocol {

struct StartState {
  const char* name;
  std::function<void(Machine&)> make;
};

inline Contender crashed_owner(Machine& machine) {
  const Contender owner = machine.spawn();
  LiveGuard guard = guard_of(owner);
  (void)guard.claim();
  owner.kill();
  owner.reap();
  return owner;
}
/// A claim from a crashed owner's leftovers that dies just before its last call of that kind.
inline void crash_in_takeover(Machine& machine, Call call, std::uint64_t occurrence) {
  (void)crashed_owner(machine);
  const Contender second = machine.spawn();
  second.calls().before_call = [second, call, occurrence](const CallEvent& event) {
    if (event.call == call && event.occurrence == occurrence) second.kill();
  };
  {
    LiveGuard guard = guard_of(second);
    (void)guard.claim();
  }
  second.reap();
}
inline void write_record(Machine& machine, const char* content) {
  machine.disk.make_directory(directory);
  machine.disk.write_file(record_path, content);
}

inline const std::vector<StartState>& start_states() {
  static const std::vector<StartState> states{
      {"absent", [](Machine&) {}},
      {"released",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.release();
         owner.kill();
         owner.reap();
       }},
      {"stale", [](Machine& machine) { (void)crashed_owner(machine); }},
      {"stale, with a port",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         (void)guard.publish_port(4711);
         owner.kill();
         owner.reap();
       }},
      {"stale, with endpoints",
       [](Machine& machine) {
         Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         (void)owner.filesystem.bind(socket_path);
         const genie::Endpoint endpoints[] = {genie::Endpoint::tcp("pid", 4711),
                                              genie::Endpoint::unix_socket("socket", socket_path)};
         (void)guard.publish_endpoints(endpoints);
         owner.kill();
         owner.reap();
       }},
      {"zombie",
       [](Machine& machine) {
         const Contender owner = machine.spawn();
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         owner.kill();
       }},
      {"rebooted",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.reboot();
       }},
      {"reused PID",
       [](Machine& machine) {
         ProcessOptions options;
         options.pid = crashed_owner(machine).identity.pid;
         options.name = "stranger";
         (void)machine.spawn(options);
       }},
      {"foreign namespace",
       [](Machine& machine) {
         ProcessOptions options;
         options.pid_namespace = 4026532000;
         const Contender owner = machine.spawn(options);
         LiveGuard guard = guard_of(owner);
         (void)guard.claim();
         owner.kill();
         owner.reap();
       }},
      {"empty record", [](Machine& machine) { write_record(machine, ""); }},
      {"garbage", [](Machine& machine) { write_record(machine, "1junk:5"); }},
      {"legacy", [](Machine& machine) { write_record(machine, "99"); }},
      {"older program, dead", [](Machine& machine) { write_record(machine, "99:1"); }},
      {"older program, unknown start, dead", [](Machine& machine) { write_record(machine, "99:unknown"); }},
      {"deleted lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.remove(lock_path);
       }},
      {"copied lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.replace(lock_path, *machine.disk.read_file(lock_path));
       }},
      {"noise in the lock file",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.write_file(lock_path, "noise");
       }},
      {"takeover died before its exchange", [](Machine& machine) { crash_in_takeover(machine, Call::exchange, 1); }},
      {"takeover died after its exchange", [](Machine& machine) { crash_in_takeover(machine, Call::unlink, 1); }},
      {"expired sentinel",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.write_file(sentinel_path, "1\n");
       }},
      {"stays stopped",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         const Contender operating = machine.spawn();
         (void)guard_of(operating).stop({.stay = true});
         operating.kill();
         operating.reap();
       }},
      {"no unnamed files",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.has_unnamed = false;
       }},
  };
  return states;
}

[[nodiscard]] inline const StartState& start_state(const std::string& name) {
  for (const StartState& state : start_states()) {
    if (state.name == name) return state;
  }
  std::abort();
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_START_STATES_HPP
