// What a state directory may look like when the programs begin.
#ifndef GENIE_TESTS_EXPLORE_START_STATES_HPP
#define GENIE_TESTS_EXPLORE_START_STATES_HPP

#include <functional>
#include <string>
#include <vector>

#include <genie/ensure.hpp>

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
/// A start on demand in which both sides die: the starter just before its `starters`-th wait for the server that it has
/// let go, or before letting it go where that is 0; the server just before its first call of that kind.
inline void crash_in_handover(Machine& machine, std::uint64_t starters, Call servers) {
  (void)crashed_owner(machine);
  machine.programs[server_path] = [servers](Contender& child) {
    child.calls().before_call = [child, servers](const CallEvent& event) {
      if (event.call == servers) child.kill();
    };
    LiveGuard guard = guard_of(child);
    (void)guard.claim({.starting = true});
  };
  const Contender starter = machine.spawn();
  starter.calls().before_call = [starter, starters](const CallEvent& event) {
    const bool is_it =
        starters == 0 ? event.call == Call::let_go : event.call == Call::wait_child && event.occurrence == starters;
    if (is_it) starter.kill();
  };
  {
    LiveGuard guard = guard_of(starter);
    Contender self = starter;
    genie::LaunchPlan plan;
    plan.program = server_path;
    (void)genie::ensure(guard, self.launcher, plan);
  }
  for (ProcessIndex at = 1; at < machine.processes.processes.size(); ++at) {
    machine.processes.crash(machine.time, at);
    machine.processes.reap(at);
  }
  machine.time.held.clear();
  machine.disk.settle(machine.time);
}
/// So many starts on demand that failed one after another.
inline void fail_to_start(Machine& machine, int times) {
  for (int nth = 0; nth < times; ++nth) {
    machine.programs[server_path] = [](Contender& child) {
      LiveGuard guard = guard_of(child);
      (void)guard.claim({.starting = true});
      child.exit(3);
    };
    Contender starter = machine.spawn();
    LiveGuard guard = guard_of(starter);
    genie::LaunchPlan plan;
    plan.program = server_path;
    (void)genie::ensure(guard, starter.launcher, plan);
    starter.kill();
    starter.reap();
  }
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
      {"no exchange",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.has_unnamed = false;
         machine.disk.has_exchange = false;
       }},
      {"no unnamed files",
       [](Machine& machine) {
         (void)crashed_owner(machine);
         machine.disk.has_unnamed = false;
       }},
  };
  return states;
}
/// What starts on demand may have left.
inline const std::vector<StartState>& start_states_on_demand() {
  static const std::vector<StartState> states{
      {"starter died before it let go", [](Machine& machine) { crash_in_handover(machine, 0, Call::any); }},
      {"server died before its adoption", [](Machine& machine) { crash_in_handover(machine, 1, Call::inherited); }},
      {"adoption died before its exchange", [](Machine& machine) { crash_in_handover(machine, 1, Call::exchange); }},
      {"adoption died after its exchange", [](Machine& machine) { crash_in_handover(machine, 1, Call::unlink); }},
      {"failed start", [](Machine& machine) { fail_to_start(machine, 1); }},
      {"2 failed starts", [](Machine& machine) { fail_to_start(machine, 2); }},
  };
  return states;
}
/// Disks that can do less than those of Linux.
inline void be_like_freebsd(Machine& machine) {
  machine.disk.has_unnamed = false;
  machine.disk.has_rename_new = false;
  machine.disk.has_exchange = false;
  machine.disk.has_lock_ranges = false;
  machine.disk.has_file_unlink = true;
}
inline const std::vector<StartState>& start_states_on_freebsd() {
  static const std::vector<StartState> states{
      {"absent on FreeBSD", be_like_freebsd},
      {"stale on FreeBSD",
       [](Machine& machine) {
         be_like_freebsd(machine);
         (void)crashed_owner(machine);
       }},
      {"takeover died after its unlink on FreeBSD",
       [](Machine& machine) {
         be_like_freebsd(machine);
         crash_in_takeover(machine, Call::link, 1);
       }},
      {"takeover died with two names on FreeBSD",
       [](Machine& machine) {
         be_like_freebsd(machine);
         crash_in_takeover(machine, Call::unlink, 1);
       }},
  };
  return states;
}

[[nodiscard]] inline const StartState& start_state(const std::string& name) {
  for (const std::vector<StartState>* const states :
       {&start_states(), &start_states_on_demand(), &start_states_on_freebsd()}) {
    for (const StartState& state : *states) {
      if (state.name == name) return state;
    }
  }
  std::abort();
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_START_STATES_HPP
