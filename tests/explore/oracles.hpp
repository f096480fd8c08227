// The rules that genie's protocol must keep under every schedule.
#ifndef GENIE_TESTS_EXPLORE_ORACLES_HPP
#define GENIE_TESTS_EXPLORE_ORACLES_HPP

#include <cstdint>
#include <string>

#include "facts.hpp"

namespace protocol {

[[nodiscard]] inline std::string who(const Situation& now, std::size_t seat) {
  return now.seats[seat].program->name + ' ' + std::to_string(seat);
}

/// I1.
inline Oracle at_most_one_owner() {
  return {"I1: at most one live process believes that it owns the directory", Oracle::When::state,
          [](const Situation& now) -> std::string {
            std::string owners;
            int count = 0;
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (!now.seats[at].is_alive() || !now.seats[at].has(owns)) continue;
              ++count;
              owners += (owners.empty() ? "" : " and ") + who(now, at);
            }
            return count > 1 ? owners + " both do" : "";
          }};
}
/// Instead of I1 where somebody removes the whole directory: nothing is left then that could exclude anybody.
inline Oracle who_lost_the_directory_can_tell() {
  return {"F25: an owner whose directory was removed can tell", Oracle::When::state,
          [](const Situation& now) -> std::string {
            const Facts facts = Facts::unpacked(now.facts);
            int standing = 0;
            for (const Seat& seat : now.seats) {
              const bool has_both = facts.recorded == seat.process && (facts.lock_holders & bit_of(seat.process)) != 0;
              standing += seat.is_alive() && seat.has(owns) && has_both ? 1 : 0;
            }
            return standing > 1 ? "two owners would both be told that all is well" : "";
          }};
}
/// I2. Who fails may have kept others from winning; and while somebody removes files under them, two claimants that
/// each have a lock file of their own may both give way.
inline Oracle nobody_loses_to_nobody() {
  return {"I2: if all stop short, somebody owned it or could have", Oracle::When::end,
          [](const Situation& now) -> std::string {
            if (now.spent.errors != 0 || now.spent.reboots != 0 || now.spent.removals != 0) return "";
            for (const Seat& seat : now.seats) {
              const bool may_have_owned =
                  seat.status == SeatStatus::gone || seat.has(did_own) || seat.has(start_failed);
              if (may_have_owned || seat.has(stopping) || seat.has(is_stopper)) return "";
            }
            return "everybody lost";
          }};
}
/// I4.
inline Oracle live_claim_stands() {
  return {"I4: a live claim is never removed", Oracle::When::state, [](const Situation& now) -> std::string {
            if (now.spent.removals != 0) return "";
            const Facts facts = Facts::unpacked(now.facts);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(owns)) continue;
              if (facts.recorded != seat.process) return "the record of " + who(now, at) + " does not stand";
              if ((facts.lock_holders & bit_of(seat.process)) == 0) return who(now, at) + " does not hold the lock";
              // Where locking the record failed, the lock file's lock has to do.
              if (now.spent.errors == 0 && (facts.record_holders & bit_of(seat.process)) == 0)
                return who(now, at) + " has not locked its record";
            }
            return "";
          }};
}
/// I5.
inline Oracle no_stranger_is_signalled() {
  return {"I5: only a process that held the claim is ever signalled", Oracle::When::step,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (const Delivery& delivery : now.deliveries) {
              if ((memory.held_ever & bit_of(delivery.target)) == 0) {
                return "PID " + std::to_string(delivery.identity.pid) + " was signalled";
              }
            }
            return "";
          }};
}
/// I6, and F24.
inline Oracle already_running_is_true() {
  return {"I6: \"already running\" is said only where somebody was", Oracle::When::step,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (seat.is_alive() && seat.has(already_running) && (memory.met_owner & 1U << at) == 0) {
                return who(now, at) + " met nobody";
              }
            }
            return "";
          }};
}
/// I7, the descriptors.
inline Oracle nothing_stays_open() {
  return {"I7: a program that owns nothing has nothing open at its end", Oracle::When::state,
          [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || seat.next != nullptr || seat.has(owns)) continue;
              // One that never came to its claim still has the file that it was started with.
              const std::size_t inherited = seat.program->is_launched() ? 1 : 0;
              if (now.machine.disk.open_count(seat.process) > inherited)
                return who(now, at) + " leaves descriptors open";
              for (ProcessIndex child = 1; child < now.machine.processes.processes.size(); ++child) {
                const Process& process = now.machine.processes.processes[child];
                const bool is_left = process.launch != nullptr && process.parent == seat.process && process.has_handle;
                if (is_left && now.machine.processes.state(now.machine.time, child) != ProcessState::gone)
                  return who(now, at) + " leaves a child open";
              }
              for (const auto& [number, pin] : now.machine.processes.pins) {
                if (pin.owner == seat.process) return who(now, at) + " leaves a process handle open";
              }
            }
            return "";
          }};
}
inline Oracle one_winner() {
  return {"exactly one wins if nothing goes wrong", Oracle::When::end, [](const Situation& now) -> std::string {
            if (!now.nothing_went_wrong()) return "";
            int owners = 0;
            for (const Seat& seat : now.seats) owners += seat.is_alive() && seat.has(owns) ? 1 : 0;
            return owners == 1 ? "" : std::to_string(owners) + " own it";
          }};
}
inline Oracle nobody_hangs() {
  return {"no deadlock", Oracle::When::end, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || seat.next == nullptr) continue;
              if (seat.next->call != Call::stay && seat.next->call != Call::await_terminate) {
                return who(now, at) + " waits for ever in " + describe(*seat.next);
              }
            }
            return "";
          }};
}
/// Short transfers and signals must not be noticed at all.
inline Oracle interruptions_are_invisible() {
  return {"EINTR and short transfers are invisible", Oracle::When::step, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (now.seats[at].has(failed)) return who(now, at) + " reports an error";
            }
            return "";
          }};
}
inline Oracle one_winner_despite_interruptions() {
  return {"exactly one wins whatever is interrupted", Oracle::When::end, [](const Situation& now) -> std::string {
            int owners = 0;
            for (const Seat& seat : now.seats) owners += seat.is_alive() && seat.has(owns) ? 1 : 0;
            return owners == 1 ? "" : std::to_string(owners) + " own it";
          }};
}
/// F19.
inline Oracle sentinels_are_their_writers() {
  return {"no stop clears another's sentinel", Oracle::When::step, [](const Situation& now) -> std::string {
            if (now.step.kind != StepKind::run && now.step.kind != StepKind::fault) return "";
            const auto lost = static_cast<std::uint16_t>(Facts::unpacked(now.facts_before).stoppers &
                                                         ~Facts::unpacked(now.facts).stoppers);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (at != now.step.seat && seat.is_alive() && (lost & bit_of(seat.process)) != 0) {
                return "that of " + who(now, at) + " was cleared by " + who(now, now.step.seat);
              }
            }
            return "";
          }};
}
/// F20.
inline Oracle ttl_is_kept() {
  return {"a sentinel blocks nobody for longer than its TTL", Oracle::When::step,
          [](const Situation& now) -> std::string {
            if (!Memory::unpacked(now.memory).begun_late) return "";
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (now.seats[at].is_alive() && now.seats[at].has(stopping)) return who(now, at) + " is refused";
            }
            return "";
          }};
}
/// By one that owns the directory; a stop that put it up again then takes it out again.
inline Oracle stays_end_by_explicit_starts() {
  return {"a stay intent ends only by an explicit start", Oracle::When::step, [](const Situation& now) -> std::string {
            const Facts facts = Facts::unpacked(now.facts);
            if (!Facts::unpacked(now.facts_before).has_stay || facts.has_stay || now.spent.removals != 0) return "";
            if (now.step.kind != StepKind::run && now.step.kind != StepKind::fault) return "it ended by itself";
            for (const Seat& seat : now.seats) {
              const bool is_owner = seat.is_alive() && (facts.lock_holders & bit_of(seat.process)) != 0;
              if (is_owner && !seat.has(automatic) && !seat.has(is_stopper)) return "";
            }
            return who(now, now.step.seat) + " ended it";
          }};
}
/// For schedules in which nobody but stayers ends a server.
inline Oracle stopped_to_stay_stays() {
  return {"what was stopped to stay so stays stopped", Oracle::When::end, [](const Situation& now) -> std::string {
            if (!now.nothing_went_wrong() || Facts::unpacked(now.facts).has_stay) return "";
            std::string stayer;
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (seat.is_alive() && seat.has(owns)) return "";  // started since
              if (seat.has(did_stay)) stayer = who(now, at);
            }
            return stayer.empty() ? "" : "nothing runs, and what " + stayer + " wanted is forgotten";
          }};
}
/// For schedules of which the servers are as old as their starters say.
inline Oracle a_newer_client_gets_a_newer_server() {
  return {"a newer client gets a newer server", Oracle::When::end, [](const Situation& now) -> std::string {
            if (!now.nothing_went_wrong()) return "";
            genie::LockRecord record;
            const auto content = now.machine.disk.read_file(lock_path);
            if (!content || genie::parse_lock_record(*content, INT32_MAX, record) != genie::LockRecordKind::valid) {
              return "";
            }
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              const bool is_newer = who(now, at).rfind("newer ensurer", 0) == 0;
              if (!is_newer || !seat.has(is_served) || static_cast<std::uint64_t>(record.owner.pid) != pid_of(seat)) {
                continue;
              }
              if (record.version != genie::VersionText{"2.0"}) return who(now, at) + " was given an older server";
            }
            return "";
          }};
}
inline Oracle auto_start_stays_out() {
  return {"nothing starts by itself while a stop is going on, or where it is to stay stopped", Oracle::When::state,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (seat.is_alive() && seat.has(automatic | owns) && (memory.under_sentinel & 1U << at) != 0) {
                return who(now, at) + " owns it although a sentinel stood all along";
              }
            }
            return "";
          }};
}
/// `seen`: what a client believes that was told what a server has published.
inline Oracle ends_with_its_owner(const char* name, std::uint64_t seen) {
  return {name, Oracle::When::step, [seen](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(seen)) continue;
              bool met = false;
              for (ProcessIndex index = 1; index < now.machine.processes.processes.size(); ++index) {
                const bool is_it =
                    static_cast<std::uint64_t>(now.machine.processes.processes[index].pid) == pid_of(seat);
                met = met || (is_it && (memory.met_by_client & bit_of(index)) != 0);
              }
              if (!met) return who(now, at) + " was told what a dead owner has published";
            }
            return "";
          }};
}
inline Oracle ports_end_with_their_owner() { return ends_with_its_owner("a port never outlives its owner", saw_port); }
inline Oracle endpoints_end_with_their_owner() {
  return ends_with_its_owner("an endpoint never outlives its owner", saw_endpoint);
}
inline Oracle stale_is_true() {
  return {"what a live owner has published is never called stale", Oracle::When::step,
          [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(saw_stale)) continue;
              for (std::size_t other = 0; other < now.seats.size(); ++other) {
                const Seat& owner = now.seats[other];
                if (!owner.is_alive() || !owner.has(owns)) continue;
                const Process& process = now.machine.processes.processes[owner.process];
                if (static_cast<std::uint64_t>(process.pid) == pid_of(seat)) {
                  return who(now, at) + " takes " + who(now, other) + " for dead";
                }
              }
            }
            return "";
          }};
}
inline Oracle sockets_stand() {
  return {"a socket of a live owner is never removed", Oracle::When::state, [](const Situation& now) -> std::string {
            const auto socket = now.machine.disk.stat(socket_path);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(has_socket)) continue;
              if (!socket || socket->id.inode != pid_of(seat)) return "that of " + who(now, at) + " was";
            }
            return "";
          }};
}
inline Oracle stopped_is_dead() {
  return {"what a stop says has ended has ended", Oracle::When::step, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.is_alive() || !seat.has(stopped_it)) continue;
              for (std::size_t other = 0; other < now.seats.size(); ++other) {
                if (!now.seats[other].is_alive()) continue;
                const Process& process = now.machine.processes.processes[now.seats[other].process];
                if (static_cast<std::uint64_t>(process.pid) == pid_of(seat)) return who(now, other) + " is still alive";
              }
            }
            return "";
          }};
}
inline Oracle generations_grow() {
  return {"the generation only grows", Oracle::When::step, [](const Situation& now) -> std::string {
            // A lock file that somebody removed has taken its count with it.
            if (now.spent.removals != 0) return "";
            return Memory::unpacked(now.memory).went_back ? "it went back" : "";
          }};
}
inline Oracle records_are_complete() {
  return {"a record is complete from the first instant", Oracle::When::state, [](const Situation& now) -> std::string {
            // Without its lock file, nobody knows whose an empty file is, and the safe guess is an older program's
            // claim.
            if (now.spent.removals != 0) return "";
            return Facts::unpacked(now.facts).has_broken_record ? "a reader would see a broken one" : "";
          }};
}
/// From the moment that its starter has let it go.
inline Oracle started_servers_hold_the_lock() {
  return {"a started server holds the lock for as long as it lives", Oracle::When::state,
          [](const Situation& now) -> std::string {
            if (now.spent.errors != 0) return "";
            const Facts facts = Facts::unpacked(now.facts);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.program->is_launched() || !seat.is_alive()) continue;
              const bool has_released = seat.has(did_own) && !seat.has(owns);
              if (!has_released && (facts.lock_holders & bit_of(seat.process)) == 0) return who(now, at) + " does not";
            }
            return "";
          }};
}
/// F13. Where nobody stops a server, none fails, and nothing goes wrong.
inline Oracle one_start_for_everybody() {
  return {"one start for everybody", Oracle::When::end, [](const Situation& now) -> std::string {
            if (!now.nothing_went_wrong()) return "";
            int launches = 0;
            int owners = 0;
            std::uint64_t owner = 0;
            for (const Seat& seat : now.seats) {
              launches += seat.program->is_launched() && seat.status != SeatStatus::unborn ? 1 : 0;
              if (!seat.is_alive() || !seat.has(owns)) continue;
              ++owners;
              owner = static_cast<std::uint64_t>(now.machine.processes.processes[seat.process].pid);
            }
            if (owners != 1) return std::to_string(owners) + " own it";
            if (launches > 1) return std::to_string(launches) + " were started";
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.has(is_client)) continue;
              if (!seat.has(is_served)) return who(now, at) + " got none";
              if (pid_of(seat) != owner) return who(now, at) + " was told another one";
            }
            return "";
          }};
}
inline Oracle running_is_true() {
  return {"\"running\" is said only of a server that is ready", Oracle::When::step,
          [](const Situation& now) -> std::string {
            const Memory memory = Memory::unpacked(now.memory);
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& client = now.seats[at];
              if (!client.is_alive() || !client.has(is_served)) continue;
              bool is_known = false;
              for (ProcessIndex index = 1; index < now.machine.processes.processes.size(); ++index) {
                const Process& process = now.machine.processes.processes[index];
                is_known = is_known || (static_cast<std::uint64_t>(process.pid) == pid_of(client) &&
                                        (memory.held_ever & bit_of(index)) != 0);
              }
              if (!is_known) return who(now, at) + " was told nobody";
              for (std::size_t other = 0; other < now.seats.size(); ++other) {
                const Seat& server = now.seats[other];
                if (!server.program->is_launched() || !server.is_alive() || server.has(is_ready)) continue;
                const Process& process = now.machine.processes.processes[server.process];
                if (static_cast<std::uint64_t>(process.pid) == pid_of(client)) return who(now, other) + " is not";
              }
            }
            return "";
          }};
}
/// Where every server fails by itself.
inline Oracle failures_are_told() {
  return {"a failed start is told to everybody who waited for it", Oracle::When::end,
          [](const Situation& now) -> std::string {
            if (now.spent.crashes != 0 || now.spent.errors != 0) return "";
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              if (!seat.has(is_client)) continue;
              if (!seat.has(start_failed)) return who(now, at) + " was told something else";
              if (seat.has(has_joined) && seat.has(has_started)) return who(now, at) + " started another one";
            }
            return "";
          }};
}
inline Oracle failures_leave_nothing() {
  return {"nothing is left after a failed start", Oracle::When::end, [](const Situation& now) -> std::string {
            if (now.spent.crashes != 0 || now.spent.errors != 0) return "";
            for (const Seat& seat : now.seats) {
              if (seat.is_alive() && seat.has(owns)) return "";
            }
            for (const std::string& name : now.machine.disk.names(directory)) {
              if (name != "serve.lock" && name != "serve.stopping.guard") return name + " is left";
            }
            return "";
          }};
}
inline Oracle no_client_is_signalled() {
  return {"who starts a server is never signalled", Oracle::When::step, [](const Situation& now) -> std::string {
            for (const Delivery& delivery : now.deliveries) {
              for (std::size_t at = 0; at < now.seats.size(); ++at) {
                const Seat& seat = now.seats[at];
                const bool may_be_client = !seat.program->is_launched() && seat.status != SeatStatus::unborn &&
                                           seat.program->name.find("ensurer") != std::string::npos;
                if (may_be_client && seat.process == delivery.target) return who(now, at) + " was";
              }
            }
            return "";
          }};
}
inline Oracle launches_stay_out() {
  return {"nothing is launched while a stop is going on", Oracle::When::step, [](const Situation& now) -> std::string {
            const bool is_launch =
                now.request != nullptr && now.request->call == Call::spawn && now.response->error == 0;
            if (!is_launch) return "";
            const Seat& seat = now.seats[now.step.seat];
            if (seat.program->is_launched()) return who(now, now.step.seat) + " starts another server";
            const bool is_kept_out = (Memory::unpacked(now.memory).under_sentinel & 1U << now.step.seat) != 0;
            return seat.has(automatic) && is_kept_out ? who(now, now.step.seat) + " does" : "";
          }};
}
/// A start is ended by whoever made it, by others once it has lost its starter. Not where somebody stops servers, or
/// wants another one.
inline Oracle starts_are_their_starters() {
  return {"nobody ends a start whose starter lives", Oracle::When::step, [](const Situation& now) -> std::string {
            for (const Delivery& delivery : now.deliveries) {
              for (std::size_t at = 0; at < now.seats.size(); ++at) {
                const Seat& seat = now.seats[at];
                if (seat.process != delivery.target || !seat.program->is_launched() || seat.has(is_ready)) continue;
                const ProcessIndex starter = now.machine.processes.processes[seat.process].parent;
                if (starter == delivery.sender || now.machine.time.ended(starter)) continue;
                return who(now, at) + " was ended by another one";
              }
            }
            return "";
          }};
}
/// Where a server hangs, and its starter was killed.
inline Oracle hanging_starts_end() {
  return {"who asks by hand does not wait for a start that nobody watches over", Oracle::When::end,
          [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              if (now.seats[at].has(lost_patience)) return who(now, at) + " did";
            }
            return "";
          }};
}
/// What `ready_servers_go_on` needs to know of the past, instead of `Memory`: bit s: seat s was ready when a stopper
/// last put its sentinel up.
[[nodiscard]] inline std::uint64_t remember_who_was_ready(const Situation& now) {
  if (!puts_up_sentinel(now)) return now.memory;
  std::uint64_t ready = 0;
  for (std::size_t at = 0; at < now.seats.size(); ++at) ready |= now.seats[at].has(is_ready) ? 1ULL << at : 0;
  return ready;
}
/// A start that hangs no more when whoever ends it says so has not hung.
inline Oracle ready_servers_go_on() {
  return {"who gets ready before it is stopped for hanging goes on", Oracle::When::step,
          [](const Situation& now) -> std::string {
            for (const Delivery& delivery : now.deliveries) {
              for (std::size_t at = 0; at < now.seats.size(); ++at) {
                const bool is_target = now.seats[at].process == delivery.target && now.seats[at].program->is_launched();
                if (is_target && (now.memory >> at & 1U) != 0) return who(now, at) + " was ended";
              }
            }
            return "";
          }};
}
/// F21. `inquiring_server`s only.
inline Oracle servers_know_themselves() {
  return {"inside the server nothing is started", Oracle::When::state, [](const Situation& now) -> std::string {
            for (std::size_t at = 0; at < now.seats.size(); ++at) {
              const Seat& seat = now.seats[at];
              const bool is_server = seat.program->is_launched() && seat.is_alive() && seat.has(is_ready);
              if (is_server && !seat.has(is_inside)) return who(now, at) + " took itself for a client";
            }
            return "";
          }};
}

/// F12.
inline Aftermath published_sockets_go() {
  return {"a socket that a dead owner has published is removed by the next one", [](Machine& machine) -> std::string {
            genie::EndpointRecord record;
            const auto published = machine.disk.read_file(endpoints_path);
            const bool is_known = published &&
                                  genie::parse_endpoint_record(*published, FakeProcesses::pid_limit, record) &&
                                  record.count == 2 && machine.disk.exists(socket_path) &&
                                  machine.disk.stat(socket_path)->modified_ns == record.endpoints[1].socket.modified_ns;
            const Contender fresh = machine.spawn();
            LiveGuard guard = guard_of(fresh);
            const auto report = guard.claim();
            if (!report || !report->owned()) return "it does not claim";
            if (report->leftover_error != 0) return "it fails with " + errno_symbol(report->leftover_error);
            return is_known && machine.disk.exists(socket_path) ? "it is left" : "";
          }};
}
/// I3, and I7's temporary files: what a fresh contender finds who comes when everybody is dead.
inline Aftermath a_fresh_contender_wins(bool is_tidy = true) {
  return {"I3: from every state, once everybody is killed, a fresh contender wins and leaves nothing behind",
          [is_tidy](Machine& machine) -> std::string {
            const Contender fresh = machine.spawn();
            LiveGuard guard = guard_of(fresh);
            const auto report = guard.claim();
            if (!report) return "it fails with " + errno_symbol(report.error().code);
            if (!report->owned()) return "outcome " + std::to_string(static_cast<int>(report->outcome));
            if (machine.disk.exists(port_path)) return "a port is left";
            for (const std::string& name : machine.disk.names(directory)) {
              if (is_tidy && name != "serve.pid" && name != "serve.lock" && name != "serve.stopping.lock" &&
                  name != "serve.stopping.guard")
                return name + " is left";
            }
            if (!guard.release()) return "its release fails";
            if (machine.disk.exists(record_path)) return "its record is left";
            return machine.disk.open_count(fresh.index()) == 0 ? "" : "it leaves descriptors open";
          }};
}

}  // namespace protocol

#endif  // GENIE_TESTS_EXPLORE_ORACLES_HPP
