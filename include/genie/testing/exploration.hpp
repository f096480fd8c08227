// What is to be explored: programs on one machine, what may go wrong, and what must hold nevertheless. The engines are
// in `explorer.hpp` (every reachable state once) and `schedules.hpp` (every schedule).
#ifndef GENIE_TESTING_EXPLORATION_HPP
#define GENIE_TESTING_EXPLORATION_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "genie/testing/explored.hpp"

namespace genie::inline v0::testing {

/// Code that runs as a process of its own. See `Actor` for what it must not do.
struct Program {
  std::string name;
  std::function<void(Actor&)> run;
  std::uint32_t copies = 1;  ///< processes that run it; which of them begins first makes no difference
  ProcessOptions process{};  ///< of each copy
  bool may_crash = true;     ///< whether crashes and injected failures may hit it
  /// A copy does not begin by itself: it begins in the process that another program has launched by this path and let
  /// go, with what that process has open. Of `process`, only the reaction counts then. Each launch needs a copy; one
  /// too many is reported as `a copy for each launch`. Empty: it begins by itself.
  std::string path{};

  /// Whether copies of it begin only where they are launched.
  [[nodiscard]] bool is_launched() const noexcept { return !path.empty(); }
};

/// How often what goes wrong may go wrong in one schedule. Where and when is explored.
struct Budget {
  std::uint8_t crashes = 0;   ///< `kill -9` between two calls: control never returns
  std::uint8_t zombies = 0;   ///< so many of the crashes may leave a zombie, which is reaped by a step of its own
  std::uint8_t reuses = 0;    ///< a stranger gets the PID of a process that is gone
  std::uint8_t reboots = 0;   ///< of the machine; programs that have not begun yet may begin after it
  std::uint8_t errors = 0;    ///< calls that fail, or transfer less, as `Exploration::faults` says
  std::uint8_t removals = 0;  ///< somebody removes one of `Exploration::removable`
  std::uint8_t delays = 0;    ///< time passes although somebody could go on
  std::uint8_t jumps = 0;     ///< the wall clock jumps by `Exploration::jump`

  friend bool operator==(const Budget&, const Budget&) = default;
};

/// One way for a call to go wrong.
struct Fault {
  Call call = Call::any;
  int error = 0;
  std::size_t limit = SIZE_MAX;  ///< where `error` is 0: transfers at most so many bytes
};

/// Failures that are likely to find what was forgotten: each call that can fail for lack of something, once.
[[nodiscard]] inline std::vector<Fault> usual_faults() {
  return {{Call::make_directory, ENOSPC},
          {Call::open_directory, EMFILE},
          {Call::open, EMFILE},
          {Call::create_unnamed, ENOSPC},
          {Call::link_unnamed, EIO},
          {Call::rename, EIO},
          {Call::rename_new, EIO},
          {Call::exchange, EIO},
          {Call::link, EIO},
          {Call::unlink_file, EIO},
          {Call::unlink, EIO},
          {Call::stat, EIO},
          {Call::stat_at, EIO},
          {Call::read_at, EIO},
          {Call::write_at, ENOSPC},
          {Call::try_lock, ENOLCK},
          {Call::unlock, ENOLCK},
          {Call::query_lock, EIO},
          {Call::for_each_name, EIO},
          {Call::watch, EMFILE},
          {Call::wait, EIO},
          {Call::look, EACCES},
          {Call::open_process, EMFILE},
          {Call::signal, EPERM},
          {Call::wait_process, EIO},
          {Call::spawn, EAGAIN},
          {Call::spawn, ETIMEDOUT},
          {Call::let_go, EACCES},
          {Call::let_go, ETIMEDOUT},
          {Call::wait_child, EIO},
          {Call::kill_child, EPERM},
          {Call::reap_child, ECHILD}};
}
/// What a program must not even notice.
[[nodiscard]] inline std::vector<Fault> interruptions() {
  return {{Call::open_directory, EINTR}, {Call::open, EINTR},         {Call::create_unnamed, EINTR},
          {Call::link_unnamed, EINTR},   {Call::rename, EINTR},       {Call::rename_new, EINTR},
          {Call::exchange, EINTR},       {Call::unlink, EINTR},       {Call::stat, EINTR},
          {Call::stat_at, EINTR},        {Call::read_at, EINTR},      {Call::write_at, EINTR},
          {Call::try_lock, EINTR},       {Call::unlock, EINTR},       {Call::query_lock, EINTR},
          {Call::for_each_name, EINTR},  {Call::wait, EINTR},         {Call::open_process, EINTR},
          {Call::signal, EINTR},         {Call::wait_process, EINTR}, {Call::sync, EINTR},
          {Call::read_at, 0, 7},         {Call::write_at, 0, 7},      {Call::spawn, EINTR},
          {Call::let_go, EINTR},         {Call::wait_child, EINTR},   {Call::kill_child, EINTR},
          {Call::reap_child, EINTR},     {Call::link, EINTR},         {Call::unlink_file, EINTR}};
}

/// What can happen next.
enum class StepKind : std::uint8_t {
  run,         ///< a program's next call, or its end
  fault,       ///< the call goes wrong; `variant` is the number of the fault
  crash,       ///< the process is gone
  zombie,      ///< the process has ended, its parent has not asked yet
  reap,        ///< now it has
  reuse,       ///< a stranger has the PID
  remove,      ///< `variant` is the number of the path
  reboot,      ///< of the whole machine
  pass,        ///< time passes until somebody wakes, since nobody can go on
  delay,       ///< the same, although somebody could
  long_delay,  ///< `Exploration::long_delay` passes
  jump,        ///< of the wall clock
  end_child,   ///< a forked child ends
  end_held,    ///< a child that was not let go ends, since its launcher has; `variant` counts those that are held
  crash_held,  ///< such a child is killed although its launcher lives
};

/// One thing that happens.
struct Step {
  StepKind kind = StepKind::run;
  std::uint8_t seat = 0;
  std::uint8_t variant = 0;

  friend bool operator==(const Step&, const Step&) = default;
};

/// How a process stands.
enum class SeatStatus : std::uint8_t { unborn, alive, zombie, gone, finished };

/// A process as oracles see it.
struct Seat {
  const Program* program = nullptr;
  SeatStatus status = SeatStatus::unborn;
  ProcessIndex process = 0;
  std::uint64_t beliefs = 0;      ///< see `Actor::beliefs`; none after a crash
  const Request* next = nullptr;  ///< what it is about to call; null where unborn or at its end
  std::uint32_t calls = 0;        ///< that it has made
  Milliseconds deadline;          ///< of a call that blocks

  /// Whether it has begun and not ended.
  [[nodiscard]] bool is_alive() const noexcept { return status == SeatStatus::alive; }
  /// Whether it believes all of these, see `Actor::believe`.
  [[nodiscard]] bool has(std::uint64_t belief) const noexcept { return (beliefs & belief) == belief; }
};

/// What oracles look at: one step and the state that it led to.
struct Situation {
  const Machine& machine;
  const Machine& before;
  std::uint64_t facts = 0;  ///< what `Exploration::facts` says of the machine
  std::uint64_t facts_before = 0;
  std::uint64_t memory = 0;  ///< what `Exploration::remember` has returned
  const std::vector<Seat>& seats;
  Step step;
  const Request* request = nullptr;         ///< the call that was made by this step, if any
  const Response* response = nullptr;       ///< what it answered
  const std::vector<Delivery>& deliveries;  ///< signals that arrived by this step
  Budget spent;                             ///< what has gone wrong so far

  /// Whether this schedule has neither crashes, nor errors, nor any other mishap.
  [[nodiscard]] bool nothing_went_wrong() const noexcept { return spent == Budget{}; }
};

/// Something that must always hold. `check` returns what is wrong, or nothing.
struct Oracle {
  enum class When : std::uint8_t {
    step,   ///< after every step
    state,  ///< in every state, however it was reached
    end,    ///< where nothing can happen any more
  };
  std::string name;
  When when = When::state;
  std::function<std::string(const Situation&)> check;
};

/// Something that must be possible in every state once everybody was killed. `check` may do with the machine as it
/// likes; calls are made at once.
struct Aftermath {
  std::string name;
  std::function<std::string(Machine&)> check;
};

/// What is to be explored. Pass it to `explore` (`explorer.hpp`) or to `explore_schedules` (`schedules.hpp`).
struct Exploration {
  std::function<void(Machine&)> start;  ///< prepares the machine; empty: a new one
  std::vector<Program> programs;
  Budget budget;
  std::vector<Fault> faults = usual_faults();
  std::vector<std::string> removable;
  Milliseconds long_delay;  ///< 0: none; else a delay may also last that long
  Milliseconds jump;
  int preemptions = -1;             ///< how often a program may be left while it could go on; -1: as often as one likes
  std::uint32_t most_calls = 5000;  ///< more own calls of one program are reported as `a bound on own steps`
  std::uint64_t most_states = UINT64_MAX;

  std::function<std::uint64_t(const Machine&)> facts;  ///< asked once for each distinct machine, so it may be slow
  /// The history that oracles need, in 64 bits that become part of the state.
  std::function<std::uint64_t(const Situation&)> remember;
  std::vector<Oracle> oracles;
  std::vector<Aftermath> aftermath;
};

/// What was found wrong, and how it came to that.
struct Violation {
  std::string oracle;
  std::string message;
  std::vector<Step> steps;
  std::string token;  ///< for `replay`
  std::string table;  ///< the steps, readable
};

/// Returns: steps as text that `parse_token` reads; repeated ones are counted.
[[nodiscard]] inline std::string token_of(const std::vector<Step>& steps) {
  static constexpr char letters[] = "rfczpudbtTLjehH";
  std::string text;
  for (std::size_t at = 0; at < steps.size();) {
    std::size_t end = at;
    while (end < steps.size() && steps[end] == steps[at]) ++end;
    if (!text.empty()) text += ' ';
    text += letters[static_cast<std::size_t>(steps[at].kind)];
    text += std::to_string(steps[at].seat);
    if (steps[at].variant != 0) text += '.' + std::to_string(steps[at].variant);
    if (end - at > 1) text += '*' + std::to_string(end - at);
    at = end;
  }
  return text;
}

/// Returns: the steps of a token; stops at what it does not understand.
[[nodiscard]] inline std::vector<Step> parse_token(const std::string& token) {
  static const std::string letters = "rfczpudbtTLjehH";
  std::vector<Step> steps;
  std::size_t at = 0;
  const auto number = [&]() -> std::size_t {
    std::size_t value = 0;
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') {
      value = value * 10 + static_cast<std::size_t>(token[at++] - '0');
    }
    return value;
  };
  while (at < token.size()) {
    if (token[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t kind = letters.find(token[at++]);
    if (kind == std::string::npos) break;
    Step step{static_cast<StepKind>(kind), static_cast<std::uint8_t>(number()), 0};
    std::size_t times = 1;
    if (at < token.size() && token[at] == '.') {
      ++at;
      step.variant = static_cast<std::uint8_t>(number());
    }
    if (at < token.size() && token[at] == '*') {
      ++at;
      times = number();
    }
    steps.insert(steps.end(), times, step);
  }
  return steps;
}

namespace detail {

/// What both engines agree on: which steps are possible, and what those do that are no program's call.
class Rules {
 public:
  explicit Rules(const Exploration& exploration) : exploration_{exploration} {
    for (const Program& program : exploration.programs) {
      for (std::uint32_t copy = 0; copy < program.copies; ++copy) programs_.push_back(&program);
    }
  }

  [[nodiscard]] const std::vector<const Program*>& programs() const noexcept { return programs_; }

  [[nodiscard]] Machine start() const {
    Machine machine;
    if (exploration_.start) exploration_.start(machine);
    machine.time.scripts.clear();
    machine.time.acting.clear();
    machine.time.keeps_scripts = false;
    machine.time.held_outlives = Milliseconds{INT64_MAX / 4};  // its end is a step of its own
    for (const Program& program : exploration_.programs) {
      if (!program.is_launched()) continue;
      machine.programs[program.path] = [&program](const Contender& child) {
        child.process.me().reaction = program.process.reaction;
      };
    }
    machine.processes.deliveries.clear();
    return machine;
  }

  /// Whether a call is made together with the one before it, because nobody could notice the difference.
  [[nodiscard]] bool is_joined(const Request& request, const Machine& machine, ProcessIndex process) const {
    if (request.is_private()) return true;
    if (request.call == Call::look) {
      return request.as == 0 && request.first == static_cast<std::uint64_t>(machine.processes.processes[process].pid);
    }
    // Time passes only while nobody can go on, unless delays say otherwise.
    return (request.call == Call::wall || request.call == Call::monotonic || request.call == Call::coarse) &&
           exploration_.budget.delays == 0 && exploration_.budget.jumps == 0;
  }

  [[nodiscard]] static bool can_run(const Machine& machine, const Seat& seat) {
    if (seat.status != SeatStatus::alive) return false;
    if (seat.next == nullptr || !seat.next->blocks()) return true;
    return is_ready(machine, seat.process, *seat.next) || seat.deadline <= machine.time.monotonic;
  }

  /// Lists every step that is possible, the programs' own first. `last` is who ran last, or the number of seats.
  void enumerate(const Machine& machine, const std::vector<Seat>& seats, const Budget& spent, std::size_t last,
                 int preemptions_left, std::vector<Step>& steps) const {
    steps.clear();
    const Budget& budget = exploration_.budget;
    const bool keeps_last =
        exploration_.preemptions >= 0 && preemptions_left == 0 && last < seats.size() && can_run(machine, seats[last]);
    bool somebody_runs = false;
    const Program* beginner = nullptr;
    for (std::size_t at = 0; at < seats.size(); ++at) {
      const Seat& seat = seats[at];
      const auto number = static_cast<std::uint8_t>(at);
      if (seat.status == SeatStatus::unborn) {
        if (seat.program->is_launched()) continue;
        // Copies are alike until they begin.
        if (beginner == seat.program) continue;
        beginner = seat.program;
        somebody_runs = true;
        if (!keeps_last) steps.push_back({StepKind::run, number, 0});
        continue;
      }
      if (!can_run(machine, seat)) continue;
      somebody_runs = true;
      if (keeps_last && at != last) continue;
      steps.push_back({StepKind::run, number, 0});
      if (spent.errors >= budget.errors || !seat.program->may_crash || seat.next == nullptr) continue;
      for (std::size_t variant = 0; variant < exploration_.faults.size(); ++variant) {
        if (is_possible(exploration_.faults[variant], *seat.next)) {
          steps.push_back({StepKind::fault, number, static_cast<std::uint8_t>(variant)});
        }
      }
    }
    add_accidents(machine, seats, spent, steps);
    add_time(machine, seats, spent, somebody_runs, steps);
  }

  /// Whether going on with `seat` leaves somebody who could go on.
  [[nodiscard]] static bool preempts(const Machine& machine, const std::vector<Seat>& seats, std::size_t last,
                                     const Step& step) {
    if (step.kind != StepKind::run && step.kind != StepKind::fault) return false;
    return last < seats.size() && last != step.seat && can_run(machine, seats[last]);
  }

  /// What a step does to the machine, where it is no program's call.
  void apply(Machine& machine, const std::vector<Seat>& seats, const Step& step) const {
    const ProcessIndex process = seats.empty() ? 0 : seats[step.seat].process;
    ManualTime& time = machine.time;
    switch (step.kind) {
      case StepKind::run:
      case StepKind::fault: break;
      case StepKind::crash:
        machine.processes.crash(time, process);
        if (!seats[step.seat].program->is_launched()) machine.processes.reap(process);
        break;
      case StepKind::zombie: machine.processes.crash(time, process); break;
      case StepKind::reap: machine.processes.reap(process); break;
      case StepKind::reuse: {
        const Process& dead = machine.processes.processes[process];
        ProcessOptions options;
        options.pid = dead.pid;
        options.user = dead.user;
        options.pid_namespace = dead.pid_namespace;
        options.name = "stranger";
        (void)machine.spawn(options);
        break;
      }
      case StepKind::remove: machine.disk.remove(exploration_.removable[step.variant]); break;
      case StepKind::reboot: machine.reboot(); break;
      case StepKind::pass:
      case StepKind::delay: time.advance(next_moment(machine, seats) - time.monotonic); break;
      case StepKind::long_delay: time.advance(exploration_.long_delay); break;
      case StepKind::jump: time.jump_wall(exploration_.jump); break;
      case StepKind::end_child: {
        const ProcessIndex child = first_child(machine, seats, step.seat);
        machine.processes.crash(time, child);
        machine.processes.reap(child);
        break;
      }
      case StepKind::end_held:
      case StepKind::crash_held: machine.processes.crash(time, held_child(machine, step.variant)); break;
    }
    machine.disk.settle(time);
  }

  static void spend(Budget& spent, const Step& step) noexcept {
    switch (step.kind) {
      case StepKind::fault: ++spent.errors; break;
      case StepKind::crash:
      case StepKind::crash_held: ++spent.crashes; break;
      case StepKind::zombie:
        ++spent.crashes;
        ++spent.zombies;
        break;
      case StepKind::reuse: ++spent.reuses; break;
      case StepKind::remove: ++spent.removals; break;
      case StepKind::reboot: ++spent.reboots; break;
      case StepKind::delay:
      case StepKind::long_delay: ++spent.delays; break;
      case StepKind::jump: ++spent.jumps; break;
      default: break;
    }
  }

  /// What the machine says of a process that was alive before the step.
  [[nodiscard]] static SeatStatus status_of(const Machine& machine, const Seat& seat) {
    if (seat.status != SeatStatus::alive && seat.status != SeatStatus::zombie) return seat.status;
    switch (machine.processes.state(machine.time, seat.process)) {
      case ProcessState::alive: return SeatStatus::alive;
      case ProcessState::zombie: return SeatStatus::zombie;
      case ProcessState::gone: break;
    }
    return SeatStatus::gone;
  }

  [[nodiscard]] static Milliseconds deadline_of(const Machine& machine, const Request& request) noexcept {
    if (!request.blocks()) return {};
    if (request.call == Call::stay) return Milliseconds{INT64_MAX};
    return machine.time.monotonic + request.span;
  }

  /// Answers a call that the machine has no part in. Random numbers differ between processes and between calls.
  [[nodiscard]] static bool answers_itself(const Request& request, ProcessIndex process, const Fingerprint& history,
                                           Response& response) {
    if (request.call != Call::random) return false;
    Fingerprinter print;
    print.add(std::uint64_t{process});
    print.add(history);
    response.number = print.result().low;
    return true;
  }

  /// Makes a program's call, a forked child's included.
  [[nodiscard]] static Response make_call(Machine& machine, ProcessIndex process, const Request& request) {
    Response response;
    const ProcessIndex caller = request.as != 0 ? request.as : process;
    if (request.call == Call::fork) {
      response.number = machine.fork(machine.contender(process)).index();
    } else if (request.call == Call::await_terminate) {
      response.number = machine.processes.processes[process].has_pending_terminate ? 1 : 0;
    } else {
      response = perform(machine, caller, request);
    }
    machine.disk.settle(machine.time);
    return response;
  }
  [[nodiscard]] Request limited(const Request& request, const Fault& fault) const {
    Request less = request;
    if (less.call == Call::write_at) less.one.resize(fault.limit);
    if (less.call == Call::read_at) less.second = fault.limit;
    return less;
  }
  [[nodiscard]] static Response failed(const Fault& fault) {
    Response response = Response::failure(fault.error);
    response.seen.error = fault.error;
    return response;
  }
  /// Whether a call that fails has an effect nevertheless.
  [[nodiscard]] static bool has_effect(const Request& request, const Fault& fault) noexcept {
    if (request.call == Call::spawn) return fault.error == ETIMEDOUT;
    return request.call == Call::let_go && fault.error != 0 && fault.error != EINTR;
  }
  /// A child that is not set up in time has its share of the file until it ends. One that cannot execute its program
  /// ends; one that takes its time executes it, whenever its turn comes.
  static void take_effect(Machine& machine, ProcessIndex process, const Request& request, const Fault& fault) {
    FakeLauncher launcher = machine.contender(process).launcher;
    if (request.call == Call::spawn) {
      const Response spawned = perform(machine, process, request);
      const auto child = static_cast<ProcessIndex>(spawned.number);
      if (spawned.error == 0) launcher.close({child, static_cast<Pid>(spawned.number >> 32U)});
      return;
    }
    const FakeLauncher::Child child{static_cast<ProcessIndex>(request.file), static_cast<Pid>(request.first)};
    if (fault.error == ETIMEDOUT) {
      (void)launcher.let_go(child, Milliseconds{});
    } else {
      launcher.fail_to_run(child, fault.error);
    }
  }

  /// The process of a program that has come to its end.
  static void finish(Machine& machine, const Seat& seat, int exit_status) {
    machine.processes.exit(machine.time, seat.process, exit_status);
    if (!seat.program->is_launched()) machine.processes.reap(seat.process);
    machine.disk.settle(machine.time);
  }
  /// Whether the call has launched a process that one of the programs must run in now.
  [[nodiscard]] static bool launches(const Machine& machine, const std::vector<Seat>& seats, const Request& request,
                                     const Response& response) {
    if (request.call != Call::let_go || (response.error != 0 && response.error != ETIMEDOUT)) return false;
    const auto child = static_cast<ProcessIndex>(request.file);
    for (const Seat& seat : seats) {
      if (seat.status != SeatStatus::unborn && seat.process == child) return false;
    }
    return !machine.time.ended(child);
  }
  /// Returns: the seat for it; the number of seats where none is left.
  [[nodiscard]] std::size_t seat_for(const Machine& machine, const std::vector<Seat>& seats,
                                     const Request& request) const {
    const Launch& launch = *machine.processes.processes[static_cast<ProcessIndex>(request.file)].launch;
    std::size_t at = 0;
    while (at < seats.size() && (seats[at].status != SeatStatus::unborn || programs_[at]->path != launch.program)) ++at;
    return at;
  }

  static constexpr const char* launch_rule = "a copy for each launch";
  static constexpr const char* launch_breach = "more launches than copies of the program";

 private:
  [[nodiscard]] static bool is_possible(const Fault& fault, const Request& request) noexcept {
    if (fault.call != request.call) return false;
    if (fault.error != 0) return true;
    return (request.call == Call::write_at ? request.one.size() : request.second) > fault.limit;
  }
  [[nodiscard]] static bool is_child_of(const Machine& machine, ProcessIndex at, const std::vector<Seat>& seats,
                                        std::size_t seat) {
    // Children are in their parent's group, and are no seat's process.
    if (machine.processes.processes[at].leader != seats[seat].process) return false;
    for (const Seat& other : seats) {
      if (other.status != SeatStatus::unborn && other.process == at) return false;
    }
    return machine.processes.state(machine.time, at) == ProcessState::alive;
  }
  /// Returns: the one with that number among those that are alive; 0 where there are fewer.
  [[nodiscard]] static ProcessIndex held_child(const Machine& machine, std::size_t number) {
    for (const auto& [child, launcher] : machine.time.held) {
      if (!machine.time.ended(child) && number-- == 0) return child;
    }
    return 0;
  }
  [[nodiscard]] bool may_crash(const Process& held) const {
    for (const Program* program : programs_) {
      if (program->path == held.launch->program) return program->may_crash;
    }
    return true;
  }
  [[nodiscard]] static ProcessIndex first_child(const Machine& machine, const std::vector<Seat>& seats,
                                                std::size_t seat) {
    for (ProcessIndex at = 1; at < machine.processes.processes.size(); ++at) {
      if (is_child_of(machine, at, seats, seat)) return at;
    }
    return 0;
  }
  [[nodiscard]] static Milliseconds next_moment(const Machine& machine, const std::vector<Seat>& seats) {
    Milliseconds next{INT64_MAX};
    for (const Seat& seat : seats) {
      if (!seat.is_alive() || seat.next == nullptr || !seat.next->blocks()) continue;
      if (seat.deadline > machine.time.monotonic && seat.deadline < next) next = seat.deadline;
    }
    for (const auto& [process, end] : machine.time.ends) {
      if (end > machine.time.monotonic && end < next) next = end;
    }
    // Further away than any timeout: those who wait so long wait for somebody, not for a time.
    return next < Milliseconds{INT64_MAX / 8} ? next : Milliseconds{INT64_MAX};
  }

  void add_accidents(const Machine& machine, const std::vector<Seat>& seats, const Budget& spent,
                     std::vector<Step>& steps) const {
    const Budget& budget = exploration_.budget;
    bool somebody_began = false;
    for (std::size_t at = 0; at < seats.size(); ++at) {
      const Seat& seat = seats[at];
      const auto number = static_cast<std::uint8_t>(at);
      somebody_began = somebody_began || seat.status != SeatStatus::unborn;
      if (seat.is_alive() && seat.program->may_crash && spent.crashes < budget.crashes) {
        steps.push_back({StepKind::crash, number, 0});
        // One that was launched is a zombie anyway, for its launcher to reap.
        if (spent.zombies < budget.zombies && !seat.program->is_launched())
          steps.push_back({StepKind::zombie, number, 0});
      }
      if (seat.status == SeatStatus::zombie && !seat.program->is_launched())
        steps.push_back({StepKind::reap, number, 0});
      const bool left_its_pid = seat.status == SeatStatus::gone || seat.status == SeatStatus::finished;
      if (left_its_pid && spent.reuses < budget.reuses) {
        ProcessIndex other = 0;
        const Process& dead = machine.processes.processes[seat.process];
        if (!machine.processes.find(machine.time, dead.pid_namespace, dead.pid, other)) {
          steps.push_back({StepKind::reuse, number, 0});
        }
      }
      if (seat.status != SeatStatus::unborn && first_child(machine, seats, at) != 0) {
        steps.push_back({StepKind::end_child, number, 0});
      }
    }
    // NOLINTNEXTLINE(bugprone-infinite-loop): the condition changes with `at`
    for (std::size_t at = 0; ProcessIndex child = held_child(machine, at); ++at) {
      const auto variant = static_cast<std::uint8_t>(at);
      if (machine.time.ended(machine.processes.processes[child].parent)) {
        steps.push_back({StepKind::end_held, 0, variant});
      } else if (spent.crashes < budget.crashes && may_crash(machine.processes.processes[child])) {
        steps.push_back({StepKind::crash_held, 0, variant});
      }
    }
    if (spent.removals < budget.removals) {
      for (std::size_t variant = 0; variant < exploration_.removable.size(); ++variant) {
        if (machine.disk.exists(exploration_.removable[variant])) {
          steps.push_back({StepKind::remove, 0, static_cast<std::uint8_t>(variant)});
        }
      }
    }
    if (somebody_began && spent.reboots < budget.reboots) steps.push_back({StepKind::reboot, 0, 0});
  }
  void add_time(const Machine& machine, const std::vector<Seat>& seats, const Budget& spent, bool somebody_runs,
                std::vector<Step>& steps) const {
    const bool may_delay = spent.delays < exploration_.budget.delays;
    if ((!somebody_runs || may_delay) && next_moment(machine, seats) != Milliseconds{INT64_MAX}) {
      steps.push_back({somebody_runs ? StepKind::delay : StepKind::pass, 0, 0});
    }
    if (may_delay && exploration_.long_delay > Milliseconds{}) steps.push_back({StepKind::long_delay, 0, 0});
    if (spent.jumps < exploration_.budget.jumps) steps.push_back({StepKind::jump, 0, 0});
  }

  const Exploration& exploration_;
  std::vector<const Program*> programs_;
};

/// For each seat, the same fields that both engines put into a state's fingerprint.
inline void add_seat(Fingerprinter& print, const Seat& seat, const Fingerprint& history) {
  print.add(static_cast<std::uint64_t>(seat.status) << 32U | seat.process);
  switch (seat.status) {
    case SeatStatus::alive:
      print.add(history);
      if (seat.next != nullptr && seat.next->blocks()) print.add(seat.deadline);
      break;
    // What somebody did who has ended cannot be told any more.
    case SeatStatus::finished: print.add(seat.beliefs); break;
    default: break;
  }
}

inline void add_spent(Fingerprinter& print, const Budget& spent) {
  print.add(std::uint64_t{spent.crashes} | std::uint64_t{spent.zombies} << 8U | std::uint64_t{spent.reuses} << 16U |
            std::uint64_t{spent.reboots} << 24U | std::uint64_t{spent.errors} << 32U |
            std::uint64_t{spent.removals} << 40U | std::uint64_t{spent.delays} << 48U |
            std::uint64_t{spent.jumps} << 56U);
}

/// The history of a program that was answered `response` after `history`.
[[nodiscard]] inline Fingerprint continued(const Fingerprint& history, const Fingerprint& response) noexcept {
  Fingerprinter print;
  print.add(history);
  print.add(response);
  return print.result();
}

}  // namespace detail

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_EXPLORATION_HPP
