// Explores schedule after schedule, each run for real from its beginning: nothing is hashed, merged or remembered
// between them. Slower than `explorer.hpp` by many orders of magnitude, and its check: both must find the same.
//
// Each program runs on a stack of its own and stops at every call. A program that crashes never goes on; when its
// schedule is over, it is run to its end as a ghost, whose calls have no effect, so that what it holds is freed.
#ifndef GENIE_TESTING_SCHEDULES_HPP
#define GENIE_TESTING_SCHEDULES_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "genie/testing/coroutine.hpp"
#include "genie/testing/exploration.hpp"

namespace genie::inline v0::testing {

/// What was tried, and the first violation.
struct SchedulesReport {
  std::uint64_t schedules = 0;
  std::uint64_t steps = 0;
  std::uint64_t states = 0;            ///< distinct ones; counted only on request
  Fingerprint visited;                 ///< of the set of states, comparable with `ExplorationReport::visited`
  bool is_complete = false;            ///< false: ended by a violation or by the limit
  std::optional<Violation> violation;  ///< the first one found, not the shortest; without a table
};

/// How much is tried, and in which order.
struct SchedulesOptions {
  std::uint64_t most_schedules = UINT64_MAX;
  bool collects_states = false;
};

namespace detail {

/// One program that runs for real, a call at a time.
class LiveProgram final : public Gate {
 public:
  explicit LiveProgram(const Program& program) : program_{program}, actor_{*this}, coroutine_{[this] { run(); }} {
    Fingerprinter print;
    print.add(program.name);
    history_ = print.result();
    coroutine_.resume();
  }
  ~LiveProgram() override {
    is_ghost_ = true;
    while (!coroutine_.has_ended()) coroutine_.resume();
  }

  [[nodiscard]] bool has_ended() const noexcept { return coroutine_.has_ended(); }
  [[nodiscard]] const Request* next() const noexcept { return coroutine_.has_ended() ? nullptr : &request_; }
  [[nodiscard]] const Fingerprint& history() const noexcept { return history_; }
  [[nodiscard]] std::uint64_t beliefs() const noexcept { return actor_.beliefs; }
  [[nodiscard]] int exit_status() const noexcept { return actor_.exit_status; }
  [[nodiscard]] std::uint32_t calls() const noexcept { return calls_; }
  void answer(Response&& response) {
    history_ = continued(history_, response.fingerprint());
    response_ = std::move(response);
    ++calls_;
    coroutine_.resume();
  }

 private:
  const Response* known(Call) noexcept override { return nullptr; }
  const Response& ask(Request&& request) noexcept override {
    if (is_ghost_) return ghost(request);
    request_ = std::move(request);
    coroutine_.suspend();
    if (is_ghost_) return ghost(request_);
    return response_;
  }
  void run() { program_.run(actor_); }

  const Program& program_;
  Actor actor_;
  Request request_;
  Response response_;
  Fingerprint history_;
  std::uint32_t calls_ = 0;
  bool is_ghost_ = false;
  Coroutine coroutine_;
};

/// The stateless engine.
class ScheduleSearch {
 public:
  ScheduleSearch(const Exploration& exploration, const SchedulesOptions& options)
      : exploration_{exploration}, options_{options}, rules_{exploration} {}

  [[nodiscard]] SchedulesReport run() {
    for (;;) {
      run_one();
      ++report_.schedules;
      if (report_.violation || report_.schedules >= options_.most_schedules) break;
      while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().count) choices_.pop_back();
      if (choices_.empty()) {
        report_.is_complete = true;
        break;
      }
      ++choices_.back().taken;
    }
    report_.states = states_.size();
    return std::move(report_);
  }

 private:
  struct Choice {
    std::size_t taken;
    std::size_t count;
  };
  using Seats = std::vector<Seat>;

  void run_one() {
    Machine machine = rules_.start();
    Seats seats(rules_.programs().size());
    for (std::size_t at = 0; at < seats.size(); ++at) seats[at].program = rules_.programs()[at];
    live_.clear();
    live_.resize(seats.size());
    Budget spent;
    std::uint64_t memory = 0;
    std::size_t last = seats.size();
    int preemptions_left = exploration_.preemptions;
    std::vector<Step> steps;
    std::vector<Step> trace;
    collect(machine, seats, spent, memory, 0);
    for (std::size_t depth = 0;; ++depth) {
      rules_.enumerate(machine, seats, spent, last, preemptions_left, steps);
      if (steps.empty()) {
        judge(Oracle::When::end,
              {machine,
               machine,
               facts(machine),
               facts(machine),
               memory,
               seats,
               {},
               nullptr,
               nullptr,
               no_deliveries_,
               spent},
              trace);
        return;
      }
      if (depth == choices_.size()) choices_.push_back({0, steps.size()});
      const Step step = steps[choices_[depth].taken];
      const Machine before = machine;
      const std::uint64_t facts_before = facts(before);
      if (Rules::preempts(machine, seats, last, step) && preemptions_left > 0) --preemptions_left;
      Rules::spend(spent, step);
      std::optional<Request> request;
      std::optional<Response> response;
      if (step.kind == StepKind::run || step.kind == StepKind::fault) {
        run_program(machine, seats[step.seat], step, request, response);
        last = step.seat;
        if (request && Rules::launches(machine, seats, *request, *response) &&
            !seat_launched(machine, seats, *request)) {
          trace.push_back(step);
          report_.violation = Violation{Rules::launch_rule, Rules::launch_breach, trace, token_of(trace), {}};
          return;
        }
      } else {
        rules_.apply(machine, seats, step);
      }
      trace.push_back(step);
      ++report_.steps;
      const std::vector<Delivery> deliveries = std::exchange(machine.processes.deliveries, {});
      for (Seat& seat : seats) {
        seat.status = Rules::status_of(machine, seat);
        const bool has_beliefs = seat.status == SeatStatus::alive || seat.status == SeatStatus::finished;
        if (!has_beliefs) seat.beliefs = 0;
        if (seat.status != SeatStatus::alive) seat.next = nullptr;
      }
      Situation now{machine,
                    before,
                    facts(machine),
                    facts_before,
                    memory,
                    seats,
                    step,
                    request ? &*request : nullptr,
                    response ? &*response : nullptr,
                    deliveries,
                    spent};
      if (exploration_.remember) {
        memory = exploration_.remember(now);
        now.memory = memory;
      }
      if (!judge(Oracle::When::step, now, trace) || !judge(Oracle::When::state, now, trace)) return;
      collect(machine, seats, spent, memory, depth + 1);
    }
  }

  void run_program(Machine& machine, Seat& seat, const Step& step, std::optional<Request>& request,
                   std::optional<Response>& response) {
    std::unique_ptr<LiveProgram>& live = live_[step.seat];
    if (seat.status == SeatStatus::unborn) {
      seat.process = machine.spawn(seat.program->process).index();
      seat.status = SeatStatus::alive;
      live = std::make_unique<LiveProgram>(*seat.program);
      settle_in(machine, seat, *live);
      if (exploration_.budget.errors > 0 || live->has_ended() || !Rules::can_run(machine, seat)) return;
    }
    if (live->has_ended()) {
      Rules::finish(machine, seat, live->exit_status());
      seat.status = SeatStatus::finished;
      return;
    }
    request = *live->next();
    if (step.kind == StepKind::fault) {
      const Fault& fault = exploration_.faults[step.variant];
      if (Rules::has_effect(*request, fault)) Rules::take_effect(machine, seat.process, *request, fault);
      response = fault.error != 0 ? Rules::failed(fault)
                                  : Rules::make_call(machine, seat.process, rules_.limited(*request, fault));
    } else {
      response = Rules::make_call(machine, seat.process, *request);
    }
    live->answer(Response{*response});
    settle_in(machine, seat, *live);
  }

  /// Returns: false where no copy is left for the process.
  bool seat_launched(Machine& machine, Seats& seats, const Request& request) {
    const std::size_t at = rules_.seat_for(machine, seats, request);
    if (at == seats.size()) return false;
    Seat& seat = seats[at];
    seat.process = static_cast<ProcessIndex>(request.file);
    seat.status = SeatStatus::alive;
    live_[at] = std::make_unique<LiveProgram>(*seat.program);
    settle_in(machine, seat, *live_[at]);
    return true;
  }

  /// Makes the calls that are joined to the one before.
  void settle_in(Machine& machine, Seat& seat, LiveProgram& live) {
    while (!live.has_ended() && rules_.is_joined(*live.next(), machine, seat.process)) {
      Response response;
      if (!Rules::answers_itself(*live.next(), seat.process, live.history(), response)) {
        response = Rules::make_call(machine, seat.process, *live.next());
      }
      live.answer(std::move(response));
    }
    seat.beliefs = live.beliefs();
    seat.calls = live.calls();
    seat.next = live.next();
    seat.deadline = seat.next == nullptr ? Milliseconds{} : Rules::deadline_of(machine, *seat.next);
  }

  bool judge(Oracle::When when, const Situation& now, const std::vector<Step>& trace) {
    for (const Oracle& oracle : exploration_.oracles) {
      if (oracle.when != when) continue;
      if (std::string wrong = oracle.check(now); !wrong.empty()) {
        report_.violation = Violation{oracle.name, std::move(wrong), trace, token_of(trace), {}};
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] std::uint64_t facts(const Machine& machine) const {
    return exploration_.facts ? exploration_.facts(machine) : 0;
  }

  void collect(const Machine& machine, const Seats& seats, const Budget& spent, std::uint64_t memory,
               std::size_t depth) {
    if (!options_.collects_states || exploration_.preemptions >= 0) return;
    Fingerprinter print;
    print.add(std::uint64_t{depth});
    print.add(fingerprint(machine));
    add_spent(print, spent);
    print.add(memory);
    for (std::size_t at = 0; at < seats.size(); ++at) {
      add_seat(print, seats[at], live_[at] ? live_[at]->history() : Fingerprint{});
    }
    if (states_.insert(print.result()).second) {
      report_.visited.high += print.result().high;
      report_.visited.low += print.result().low;
    }
  }

  const Exploration& exploration_;
  SchedulesOptions options_;
  Rules rules_;
  std::vector<Choice> choices_;
  std::vector<std::unique_ptr<LiveProgram>> live_;
  std::unordered_set<Fingerprint, FingerprintHash> states_;
  std::vector<Delivery> no_deliveries_;
  SchedulesReport report_;
};

}  // namespace detail

/// Runs every schedule that the exploration's budgets and preemption bound allow.
[[nodiscard]] inline SchedulesReport explore_schedules(const Exploration& exploration,
                                                       const SchedulesOptions& options = {}) {
  return detail::ScheduleSearch{exploration, options}.run();
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_SCHEDULES_HPP
