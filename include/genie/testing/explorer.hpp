// Explores every state that programs on one machine can reach, under every interleaving of their calls and every crash,
// failure and accident that the budget allows.
//
//   Exploration exploration;
//   exploration.programs = {{"starter", [](Actor& me) { … }, 3}};
//   exploration.budget.crashes = 2;
//   exploration.oracles = {{"one owner", Oracle::When::state, [](const Situation& now) { … }}};
//   const ExplorationReport report = explore(exploration);
//
// A program with a `path` begins where another one has launched it by that path:
//
//   exploration.programs.push_back({"server", [](Actor& me) { … me.filesystem().inherited() … }, 3});
//   exploration.programs.back().path = "/usr/bin/server";
//
// A state is the machine, how far each program is, and what has gone wrong so far. States are reached breadth-first, so
// that the first violation found has a shortest trace. A program is deterministic given the answers to its calls: what
// it calls next after a history of answers is learned by running it once, and kept in a decision tree. What a call
// does to a machine is computed once for each distinct machine. No threads and no stack switches: sanitizers need not
// know.
#ifndef GENIE_TESTING_EXPLORER_HPP
#define GENIE_TESTING_EXPLORER_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "genie/testing/exploration.hpp"
#include "genie/testing/flat_map.hpp"

namespace genie::inline v0::testing {

/// What an exploration has seen.
struct ExplorationReport {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  std::uint64_t ends = 0;        ///< states in which nothing can happen any more
  double schedules = 0;          ///< different orders of events that the states stand for
  std::uint32_t longest = 0;     ///< steps of the longest schedule
  std::uint64_t machines = 0;    ///< distinct ones
  std::uint64_t histories = 0;   ///< distinct ones of a program
  std::uint64_t runs = 0;        ///< of the programs' real code
  std::uint64_t aftermaths = 0;  ///< distinct machines with everybody killed
  bool is_complete = false;      ///< false: ended by a violation or by `most_states`
  Fingerprint visited;           ///< of the set of states
  std::optional<Violation> violation;
};

namespace detail {

/// Every bit of a number into the low ones (the finalizer of SplitMix64).
[[nodiscard]] constexpr std::uint64_t spread(std::uint64_t number) noexcept {
  number = (number ^ (number >> 30U)) * 0xBF58476D1CE4E5B9U;
  number = (number ^ (number >> 27U)) * 0x94D049BB133111EBU;
  return number ^ (number >> 31U);
}

/// Keeps one copy of equal values, and numbers them.
template <typename T>
class Interner {
 public:
  std::uint32_t intern(T&& value) {
    const Fingerprint print = value.fingerprint();
    const auto [number, is_new] = numbers_.insert(print, static_cast<std::uint32_t>(values_.size()));
    if (is_new) {
      prints_.push_back(print);
      values_.push_back(std::move(value));
    }
    return *number;
  }
  [[nodiscard]] const T& operator[](std::uint32_t number) const { return values_[number]; }
  [[nodiscard]] const Fingerprint& print(std::uint32_t number) const { return prints_[number]; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }

 private:
  FlatMap<Fingerprint, std::uint32_t, FingerprintHash> numbers_;
  std::deque<Fingerprint> prints_;
  std::deque<T> values_;
};

/// Which call each program makes after which answers, learned by running it.
class DecisionTree {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Node {
    Fingerprint history;
    std::uint32_t request = none;  ///< the next call; none at the program's end
    std::uint32_t calls = 0;
    std::uint64_t beliefs = 0;
    int exit_status = 0;
  };

  [[nodiscard]] const Node& node(std::uint32_t number) const { return nodes_[number]; }
  [[nodiscard]] const Request* request(std::uint32_t number) const {
    const std::uint32_t request = nodes_[number].request;
    return request == none ? nullptr : &requests_[request];
  }
  [[nodiscard]] const Response& response(std::uint32_t number) const { return responses_[number]; }
  [[nodiscard]] std::uint32_t intern(Response&& response) { return responses_.intern(std::move(response)); }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] std::uint64_t runs() const noexcept { return runs_; }

  /// Returns: where the program is after `response`, or at its beginning where `parent` is none. `answer` answers the
  /// calls that are joined to the one before; it returns null for all others.
  template <typename Answer>
  std::uint32_t next(const Program& program, std::uint32_t parent, std::uint32_t response, Answer&& answer) {
    std::uint32_t at = child(program, parent, response);
    if (at == none) {
      Learner<Answer> learner{*this, program, parent, response, answer};
      Actor actor{learner};
      learner.actor = &actor;
      ++runs_;
      program.run(actor);
      if (!learner.is_ghost) learner.finish();
      return learner.last;
    }
    for (;;) {
      const Request* const request = this->request(at);
      if (request == nullptr) return at;
      std::optional<Response> answered = answer(*request, nodes_[at].history);
      if (!answered) return at;
      const std::uint32_t number = intern(std::move(*answered));
      const std::uint32_t further = child(program, at, number);
      if (further == none) return next(program, at, number, answer);
      at = further;
    }
  }

 private:
  template <typename Answer>
  class Learner final : public Gate {
   public:
    Learner(DecisionTree& tree, const Program& program, std::uint32_t parent, std::uint32_t response, Answer& answer)
        : last{parent}, tree_{tree}, program_{program}, response_{response}, answer_{answer} {
      for (std::uint32_t at = parent; at != none; at = tree.ways_[at].parent) {
        path_.push_back({tree.ways_[at].call, response});
        response = tree.ways_[at].response;
      }
    }

    const Response* known(Call call) noexcept override {
      if (replayed_ == path_.size()) return nullptr;
      ++replayed_;
      const Answered& answered = path_[path_.size() - replayed_];
      // Else the program keeps something between its runs, and no exploration of it means anything.
      if (answered.call != call) std::abort();
      return &tree_.responses_[answered.response];
    }
    const Response& ask(Request&& request) noexcept override {
      if (is_ghost) return ghost(request);
      const Fingerprint history = add(tree_.requests_.intern(std::move(request)));
      const Request& asked = *tree_.request(last);
      std::optional<Response> answered = answer_(asked, history);
      if (!answered) {
        is_ghost = true;
        return ghost(asked);
      }
      response_ = tree_.intern(std::move(*answered));
      return tree_.responses_[response_];
    }
    void finish() { (void)add(none); }

    std::uint32_t last;
    bool is_ghost = false;
    const Actor* actor = nullptr;

   private:
    struct Answered {
      Call call;
      std::uint32_t response;
    };

    Fingerprint add(std::uint32_t request) {
      tree_.ways_.push_back({last, response_, request == none ? Call{} : tree_.requests_[request].call});
      Node node;
      node.request = request;
      node.beliefs = actor->beliefs;
      node.exit_status = actor->exit_status;
      if (last != none) {
        node.calls = tree_.nodes_[last].calls + 1;
        node.history = continued(tree_.nodes_[last].history, tree_.responses_.print(response_));
      } else {
        Fingerprinter print;
        print.add(program_.name);
        node.history = print.result();
      }
      const auto number = static_cast<std::uint32_t>(tree_.nodes_.size());
      tree_.nodes_.push_back(node);
      if (last == none) {
        tree_.roots_[&program_] = number;
      } else {
        (void)tree_.children_.insert(ChildKey{last, response_}, number);
      }
      last = number;
      return node.history;
    }

    DecisionTree& tree_;
    const Program& program_;
    std::uint32_t response_;
    Answer& answer_;
    std::vector<Answered> path_;  ///< the last one first
    std::size_t replayed_ = 0;
  };

  struct ChildKey {
    std::uint32_t node = none;
    std::uint32_t response = none;
    friend bool operator==(const ChildKey&, const ChildKey&) = default;
  };
  struct ChildHash {
    [[nodiscard]] std::size_t operator()(const ChildKey& key) const noexcept {
      return static_cast<std::size_t>(spread(std::uint64_t{key.node} << 32U | key.response));
    }
  };
  [[nodiscard]] std::uint32_t child(const Program& program, std::uint32_t parent, std::uint32_t response) const {
    if (parent == none) {
      const auto root = roots_.find(&program);
      return root == roots_.end() ? none : root->second;
    }
    const std::uint32_t* const found = children_.find(ChildKey{parent, response});
    return found == nullptr ? none : *found;
  }

  /// How a node was reached, and of what kind its next call is: what each run walks up through. Close together, because
  /// that walk waits for memory at each step.
  struct Way {
    std::uint32_t parent;
    std::uint32_t response;
    Call call;
  };

  std::deque<Node> nodes_;
  std::vector<Way> ways_;  ///< of the same numbers
  FlatMap<ChildKey, std::uint32_t, ChildHash> children_;
  std::unordered_map<const Program*, std::uint32_t> roots_;
  Interner<Request> requests_;
  Interner<Response> responses_;
  std::uint64_t runs_ = 0;
};

/// Distinct machines, and what calls do to them. Those that no state needs any more can be dropped.
class MachineStore {
 public:
  explicit MachineStore(const Exploration& exploration) : exploration_{exploration} {}

  struct Outcome {
    std::uint32_t response = DecisionTree::none;
    std::uint32_t machine = 0;
    std::uint32_t deliveries = 0;  ///< number of a list of them; 0: none
  };

  [[nodiscard]] Machine& operator[](std::uint32_t number) { return *machines_[number].machine; }
  [[nodiscard]] const Fingerprint& print(std::uint32_t number) const { return machines_[number].print; }
  [[nodiscard]] std::uint64_t facts(std::uint32_t number) const { return machines_[number].facts; }
  [[nodiscard]] const std::vector<Delivery>& deliveries(std::uint32_t number) const { return deliveries_[number]; }
  [[nodiscard]] std::uint64_t distinct() const noexcept { return distinct_; }
  [[nodiscard]] std::size_t held() const noexcept { return numbers_.size(); }

  /// `is_new`: whether this machine was not held.
  std::uint32_t intern(Machine&& machine, bool& is_new) {
    const Fingerprint print = fingerprint(machine);
    const auto [known, inserted] = numbers_.try_emplace(print, 0);
    is_new = inserted;
    if (!inserted) return known->second;
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(machines_.size()));
      machines_.emplace_back();
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    known->second = number;
    Held& held = machines_[number];
    held.print = print;
    held.facts = exploration_.facts ? exploration_.facts(machine) : 0;
    held.machine.emplace(std::move(machine));
    ++distinct_;
    return number;
  }
  std::uint32_t take_deliveries(Machine& machine) {
    if (machine.processes.deliveries.empty()) return 0;
    deliveries_.push_back(std::move(machine.processes.deliveries));
    machine.processes.deliveries.clear();
    return static_cast<std::uint32_t>(deliveries_.size() - 1);
  }

  [[nodiscard]] Outcome* known(std::uint32_t machine, ProcessIndex process, std::uint32_t request,
                               std::uint32_t variant) {
    return outcomes_.find(Key{machine, process | variant << 16U, request});
  }
  void remember(std::uint32_t machine, ProcessIndex process, std::uint32_t request, std::uint32_t variant,
                const Outcome& outcome) {
    (void)outcomes_.insert(Key{machine, process | variant << 16U, request}, outcome);
  }
  /// Drops every machine that is not marked.
  void drop_unmarked(const std::vector<bool>& marked) {
    for (std::uint32_t at = 0; at < machines_.size(); ++at) {
      Held& held = machines_[at];
      if ((at < marked.size() && marked[at]) || !held.machine) continue;
      numbers_.erase(held.print);
      held.machine.reset();
      free_.push_back(at);
    }
    outcomes_.clear();
  }

 private:
  struct Held {
    Fingerprint print;
    std::uint64_t facts = 0;
    std::optional<Machine> machine;
  };
  struct Key {
    std::uint32_t machine = 0;
    std::uint32_t process = 0;
    std::uint32_t request = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    [[nodiscard]] std::size_t operator()(const Key& key) const noexcept {
      return static_cast<std::size_t>(
          spread((std::uint64_t{key.machine} << 32U | key.request) ^ key.process * 0xBF58476D1CE4E5B9U));
    }
  };

  const Exploration& exploration_;
  std::deque<Held> machines_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Fingerprint, std::uint32_t, FingerprintHash> numbers_;
  FlatMap<Key, Outcome, KeyHash> outcomes_;
  std::vector<std::vector<Delivery>> deliveries_{1};
  std::uint64_t distinct_ = 0;
};

/// The fingerprints of all states seen, with the step that led to each. Open addressing: a node-based container would
/// need three times the memory.
class VisitedStates {
 public:
  struct Entry {
    Fingerprint print;
    std::uint32_t parent;
    Step step;
  };

  /// Returns: its number, and whether it is new.
  std::pair<std::uint32_t, bool> insert(const Fingerprint& print, std::uint32_t parent, const Step& step) {
    if ((std::size_t{size_} + 1) * 2 > slots_.size()) grow();
    std::size_t at = static_cast<std::size_t>(print.low) & (slots_.size() - 1);
    for (; slots_[at].number != empty; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].tag == tag_of(print) && entry(slots_[at].number).print == print) return {slots_[at].number, false};
    }
    if (size_ % chunk_size == 0) chunks_.emplace_back().reserve(chunk_size);
    chunks_.back().push_back({print, parent, step});
    slots_[at] = {size_, tag_of(print)};
    return {size_++, true};
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::vector<Step> path_to(std::uint32_t number) const {
    std::vector<Step> steps;
    for (; entry(number).parent != empty; number = entry(number).parent) steps.push_back(entry(number).step);
    return {steps.rbegin(), steps.rend()};
  }
  /// Of the set: the order does not matter.
  [[nodiscard]] Fingerprint print() const noexcept {
    Fingerprint sum;
    for (const std::vector<Entry>& chunk : chunks_) {
      for (const Entry& entry : chunk) {
        sum.high += entry.print.high;
        sum.low += entry.print.low;
      }
    }
    return sum;
  }

  static constexpr std::uint32_t empty = UINT32_MAX;

 private:
  /// Part of the fingerprint stands beside the number, so that mostly only the right entry is looked at: each look
  /// waits for memory.
  struct Slot {
    std::uint32_t number = empty;
    std::uint32_t tag = 0;
  };
  static constexpr std::uint32_t chunk_size = 1U << 16U;

  [[nodiscard]] static std::uint32_t tag_of(const Fingerprint& print) noexcept {
    return static_cast<std::uint32_t>(print.high);
  }
  [[nodiscard]] const Entry& entry(std::uint32_t number) const noexcept {
    return chunks_[number / chunk_size][number % chunk_size];
  }
  void grow() {
    slots_.assign(slots_.empty() ? 1024 : slots_.size() * 2, Slot{});
    for (std::uint32_t number = 0; number < size_; ++number) {
      const Fingerprint& print = entry(number).print;
      std::size_t at = static_cast<std::size_t>(print.low) & (slots_.size() - 1);
      while (slots_[at].number != empty) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {number, tag_of(print)};
    }
  }

  std::vector<Slot> slots_;
  std::vector<std::vector<Entry>> chunks_;
  std::uint32_t size_ = 0;
};

/// The stateful engine.
class StateSearch {
 public:
  explicit StateSearch(const Exploration& exploration)
      : exploration_{exploration}, rules_{exploration}, machines_{exploration} {
    seats_.resize(rules_.programs().size());
    if (seats_.size() > most_seats) std::abort();
  }

  [[nodiscard]] ExplorationReport run() {
    std::vector<State> layer{start()};
    std::vector<double> ways{1.0};
    std::vector<State> next_layer;
    std::vector<double> next_ways;
    (void)visited_.insert(print_of(layer[0], 0), VisitedStates::empty, {});
    std::uint32_t layer_begin = 0;
    std::uint32_t depth = 0;
    std::vector<Step> steps;
    while (!layer.empty() && !report_.violation) {
      report_.longest = depth;
      const auto next_begin = static_cast<std::uint32_t>(visited_.size());
      next_layer.clear();
      next_ways.clear();
      for (std::size_t at = 0; at < layer.size() && !report_.violation; ++at) {
        const State state = layer[at];
        const std::uint32_t number = layer_begin + static_cast<std::uint32_t>(at);
        view(state);
        rules_.enumerate(machines_[state.machine], seats_, state.spent, state.last, state.preemptions_left, steps);
        if (steps.empty()) {
          ++report_.ends;
          report_.schedules += ways[at];
          judge_end(state, number);
          continue;
        }
        for (const Step& step : steps) {
          view(state);
          if (!take(state, step)) {
            fail_with(breach_.rule, breach_.message, number, step);
            break;
          }
          ++report_.transitions;
          const auto [index, is_new] = visited_.insert(print_of(successor_, depth + 1), number, step);
          if (is_new) {
            next_layer.push_back(successor_);
            next_ways.push_back(ways[at]);
          } else if (index >= next_begin) {
            next_ways[index - next_begin] += ways[at];
          }
          if (!judge(state, step, number, is_new)) break;
        }
      }
      if (visited_.size() > exploration_.most_states) break;
      layer.swap(next_layer);
      ways.swap(next_ways);
      layer_begin = next_begin;
      ++depth;
      drop_old_machines(layer);
    }
    report_.is_complete = !report_.violation && layer.empty();
    report_.states = visited_.size();
    report_.machines = machines_.distinct();
    report_.histories = tree_.size();
    report_.runs = tree_.runs();
    report_.aftermaths = aftermaths_.size();
    report_.visited = visited_.print();
    return std::move(report_);
  }

  /// Takes the steps of a trace, and returns it as a table.
  [[nodiscard]] std::string table(const std::vector<Step>& steps) {
    State state = start();
    std::vector<Row> rows;
    for (const Step& step : steps) {
      view(state);
      if (!is_possible(state, step)) {
        rows.push_back({"", "(not possible here)", "", ""});
        break;
      }
      (void)take(state, step);
      rows.push_back(row_of(state, step));
      state = successor_;
    }
    return print_rows(rows);
  }

  /// Takes the steps of a trace, and judges each.
  [[nodiscard]] std::optional<Violation> replay(const std::vector<Step>& steps) {
    State state = start();
    (void)visited_.insert(print_of(state, 0), VisitedStates::empty, {});
    std::uint32_t number = 0;
    std::uint32_t depth = 0;
    for (const Step& step : steps) {
      view(state);
      if (!is_possible(state, step)) return std::nullopt;
      const std::uint32_t parent = number;
      if (!take(state, step)) {
        fail_with(breach_.rule, breach_.message, parent, step);
        return report_.violation;
      }
      number = visited_.insert(print_of(successor_, ++depth), parent, step).first;
      const State next = successor_;
      if (!judge(state, step, parent, true)) return report_.violation;
      state = next;
    }
    view(state);
    std::vector<Step> possible;
    rules_.enumerate(machines_[state.machine], seats_, state.spent, state.last, state.preemptions_left, possible);
    if (possible.empty()) judge_end(state, number);
    return report_.violation;
  }

 private:
  static constexpr std::size_t most_seats = 8;

  struct SeatState {
    std::uint32_t node = DecisionTree::none;
    ProcessIndex process = 0;
    Milliseconds deadline;
    SeatStatus status = SeatStatus::unborn;
  };
  struct State {
    std::uint32_t machine = 0;
    std::uint8_t last = most_seats;
    std::int8_t preemptions_left = -1;
    Budget spent;
    std::uint64_t memory = 0;
    SeatState seats[most_seats];
  };
  struct Row {
    std::string who;
    std::string call;
    std::string answer;
    std::string remark;
  };

  [[nodiscard]] State start() {
    State state;
    bool is_new = false;
    state.machine = machines_.intern(rules_.start(), is_new);
    state.preemptions_left = static_cast<std::int8_t>(exploration_.preemptions);
    return state;
  }

  /// Fills `seats_` with what the state says.
  void view(const State& state) {
    for (std::size_t at = 0; at < seats_.size(); ++at) {
      const SeatState& from = state.seats[at];
      Seat& seat = seats_[at];
      seat.program = rules_.programs()[at];
      seat.status = from.status;
      seat.process = from.process;
      seat.deadline = from.deadline;
      seat.next = nullptr;
      seat.calls = 0;
      seat.beliefs = 0;
      if (from.node == DecisionTree::none) continue;
      const DecisionTree::Node& node = tree_.node(from.node);
      seat.calls = node.calls;
      if (from.status == SeatStatus::alive || from.status == SeatStatus::finished) seat.beliefs = node.beliefs;
      if (from.status == SeatStatus::alive) seat.next = tree_.request(from.node);
    }
  }

  [[nodiscard]] Fingerprint print_of(const State& state, std::uint32_t depth) const {
    Fingerprinter print;
    // The number of steps is part of it, so that every way to a state can be counted when its layer is done.
    print.add(std::uint64_t{depth});
    print.add(machines_.print(state.machine));
    add_spent(print, state.spent);
    print.add(state.memory);
    if (exploration_.preemptions >= 0) {
      print.add(std::uint64_t{state.last} << 8U | static_cast<std::uint8_t>(state.preemptions_left));
    }
    for (std::size_t at = 0; at < rules_.programs().size(); ++at) {
      const SeatState& from = state.seats[at];
      Seat seat;
      seat.status = from.status;
      seat.process = from.process;
      seat.deadline = from.deadline;
      Fingerprint history;
      if (from.node != DecisionTree::none) {
        const DecisionTree::Node& node = tree_.node(from.node);
        history = node.history;
        seat.beliefs = node.beliefs;
        seat.next = tree_.request(from.node);
      }
      add_seat(print, seat, history);
    }
    return print.result();
  }

  [[nodiscard]] bool is_possible(const State& state, const Step& step) {
    std::vector<Step> steps;
    rules_.enumerate(machines_[state.machine], seats_, state.spent, state.last, state.preemptions_left, steps);
    for (const Step& possible : steps) {
      if (possible == step) return true;
    }
    return false;
  }

  /// What no oracle has to watch for: a program made more calls, or more launches, than it may.
  struct Breach {
    const char* rule = "";
    const char* message = "";
  };

  /// Fills `successor_`. Returns: false where `breach_` says what is wrong.
  bool take(const State& state, const Step& step) {
    successor_ = state;
    request_ = nullptr;
    response_ = DecisionTree::none;
    delivered_ = 0;
    if (Rules::preempts(machines_[state.machine], seats_, state.last, step) && state.preemptions_left > 0) {
      --successor_.preemptions_left;
    }
    Rules::spend(successor_.spent, step);
    bool is_well = true;
    if (step.kind == StepKind::run || step.kind == StepKind::fault) {
      is_well = run_program(state, step);
      successor_.last = step.seat;
    } else {
      Machine machine = machines_[state.machine];
      rules_.apply(machine, seats_, step);
      settle_in(std::move(machine));
    }
    refresh_statuses();
    if (exploration_.remember) {
      view(successor_);
      successor_.memory = exploration_.remember(situation(state, successor_, step));
    }
    return is_well;
  }

  void settle_in(Machine&& machine) {
    delivered_ = machines_.take_deliveries(machine);
    bool is_new = false;
    successor_.machine = machines_.intern(std::move(machine), is_new);
  }

  void refresh_statuses() {
    const Machine& machine = machines_[successor_.machine];
    for (std::size_t at = 0; at < seats_.size(); ++at) {
      Seat seat;
      seat.status = successor_.seats[at].status;
      seat.process = successor_.seats[at].process;
      successor_.seats[at].status = Rules::status_of(machine, seat);
    }
  }

  bool run_program(const State& state, const Step& step) {
    SeatState& seat = successor_.seats[step.seat];
    const Program& program = *rules_.programs()[step.seat];
    if (seat.status == SeatStatus::unborn) {
      Machine machine = machines_[state.machine];
      seat.process = machine.spawn(program.process).index();
      seat.status = SeatStatus::alive;
      settle_in(std::move(machine));
      advance(program, seat, DecisionTree::none);
      const Request* const first = tree_.request(seat.node);
      // A program begins with its first call, unless that may fail or has to wait.
      if (exploration_.budget.errors > 0 || first == nullptr ||
          !Rules::can_run(machines_[successor_.machine], seat_of(seat, program)))
        return true;
    }
    request_ = tree_.request(seat.node);
    if (request_ == nullptr) {
      Machine machine = machines_[successor_.machine];
      Rules::finish(machine, seat_of(seat, program), tree_.node(seat.node).exit_status);
      seat.status = SeatStatus::finished;
      settle_in(std::move(machine));
      return true;
    }
    const std::uint32_t request_number = tree_.node(seat.node).request;
    const std::uint32_t variant = step.kind == StepKind::fault ? step.variant + 1U : 0;
    if (const MachineStore::Outcome* const known =
            machines_.known(successor_.machine, seat.process, request_number, variant);
        known != nullptr) {
      response_ = known->response;
      delivered_ = known->deliveries;
      successor_.machine = known->machine;
    } else {
      const std::uint32_t before = successor_.machine;
      perform_call(seat.process, step);
      machines_.remember(before, seat.process, request_number, variant, {response_, successor_.machine, delivered_});
    }
    advance(program, seat, response_);
    if (tree_.node(seat.node).calls > exploration_.most_calls) {
      breach_ = {"a bound on own steps", "a program makes ever more calls"};
      return false;
    }
    return request_->call != Call::let_go || seat_launched();
  }

  /// Returns: false where no copy is left for the process that was let go.
  bool seat_launched() {
    view(successor_);
    if (!Rules::launches(machines_[successor_.machine], seats_, *request_, tree_.response(response_))) return true;
    const std::size_t at = rules_.seat_for(machines_[successor_.machine], seats_, *request_);
    if (at == seats_.size()) {
      breach_ = {Rules::launch_rule, Rules::launch_breach};
      return false;
    }
    SeatState& seat = successor_.seats[at];
    seat.process = static_cast<ProcessIndex>(request_->file);
    seat.status = SeatStatus::alive;
    advance(*rules_.programs()[at], seat, DecisionTree::none);
    return true;
  }

  void perform_call(ProcessIndex process, const Step& step) {
    const Request* request = request_;
    Request limited;
    if (step.kind == StepKind::fault) {
      const Fault& fault = exploration_.faults[step.variant];
      if (fault.error != 0) {
        response_ = tree_.intern(Rules::failed(fault));
        if (Rules::has_effect(*request, fault)) {
          Machine machine = machines_[successor_.machine];
          Rules::take_effect(machine, process, *request, fault);
          settle_in(std::move(machine));
        }
        return;
      }
      limited = rules_.limited(*request, fault);
      request = &limited;
    }
    if (request->only_looks()) {
      response_ = tree_.intern(Rules::make_call(machines_[successor_.machine], process, *request));
      return;
    }
    Machine machine = machines_[successor_.machine];
    response_ = tree_.intern(Rules::make_call(machine, process, *request));
    settle_in(std::move(machine));
  }

  void advance(const Program& program, SeatState& seat, std::uint32_t response) {
    Machine& machine = machines_[successor_.machine];
    seat.node = tree_.next(program, seat.node, response,
                           [&](const Request& request, const Fingerprint& history) -> std::optional<Response> {
                             if (!rules_.is_joined(request, machine, seat.process)) return std::nullopt;
                             Response answer;
                             if (Rules::answers_itself(request, seat.process, history, answer)) return answer;
                             return Rules::make_call(machine, seat.process, request);
                           });
    const Request* const next = tree_.request(seat.node);
    seat.deadline = next == nullptr ? Milliseconds{} : Rules::deadline_of(machine, *next);
  }

  [[nodiscard]] Seat seat_of(const SeatState& from, const Program& program) const {
    Seat seat;
    seat.program = &program;
    seat.status = from.status;
    seat.process = from.process;
    seat.deadline = from.deadline;
    seat.next = tree_.request(from.node);
    return seat;
  }

  /// Judges the step that led to `successor_`, and that state if it is new. Returns: false where something is wrong.
  bool judge(const State& from, const Step& step, std::uint32_t parent, bool is_new) {
    if (exploration_.oracles.empty() && exploration_.aftermath.empty()) return true;
    view(successor_);
    const Situation now = situation(from, successor_, step);
    for (const Oracle& oracle : exploration_.oracles) {
      if (oracle.when == Oracle::When::end || (oracle.when == Oracle::When::state && !is_new)) continue;
      if (const std::string wrong = oracle.check(now); !wrong.empty()) {
        fail_with(oracle.name, wrong, parent, step);
        return false;
      }
    }
    if (exploration_.aftermath.empty()) return true;
    return judge_aftermath(successor_.machine, parent, step);
  }

  [[nodiscard]] Situation situation(const State& from, const State& to, const Step& step) {
    return {machines_[to.machine],
            machines_[from.machine],
            machines_.facts(to.machine),
            machines_.facts(from.machine),
            to.memory,
            seats_,
            step,
            request_,
            response_ == DecisionTree::none ? nullptr : &tree_.response(response_),
            machines_.deliveries(delivered_),
            to.spent};
  }

  void judge_end(const State& state, std::uint32_t number) {
    view(state);
    request_ = nullptr;
    response_ = DecisionTree::none;
    delivered_ = 0;
    const Situation now = situation(state, state, {});
    for (const Oracle& oracle : exploration_.oracles) {
      if (oracle.when != Oracle::When::end) continue;
      if (const std::string wrong = oracle.check(now); !wrong.empty()) {
        fail(oracle.name, wrong, visited_.path_to(number));
        return;
      }
    }
  }

  bool judge_aftermath(std::uint32_t number, std::uint32_t parent, const Step& step) {
    if (!judged_machines_.insert(machines_.print(number), 0, {}).second) return true;
    Machine wreck = machines_[number];
    for (ProcessIndex at = 1; at < wreck.processes.processes.size(); ++at) {
      if (wreck.processes.state(wreck.time, at) == ProcessState::gone) continue;
      wreck.processes.crash(wreck.time, at);
      wreck.processes.reap(at);
    }
    wreck.disk.settle(wreck.time);
    if (!aftermaths_.insert(fingerprint(wreck), 0, {}).second) return true;
    for (const Aftermath& aftermath : exploration_.aftermath) {
      Machine machine = wreck;
      if (const std::string wrong = aftermath.check(machine); !wrong.empty()) {
        fail_with(aftermath.name, wrong, parent, step);
        return false;
      }
    }
    return true;
  }

  void fail_with(const std::string& oracle, const std::string& message, std::uint32_t parent, const Step& step) {
    std::vector<Step> steps = visited_.path_to(parent);
    steps.push_back(step);
    fail(oracle, message, std::move(steps));
  }
  void fail(const std::string& oracle, const std::string& message, std::vector<Step> steps) {
    Violation violation;
    violation.oracle = oracle;
    violation.message = message;
    violation.token = token_of(steps);
    violation.table = StateSearch{exploration_}.table(steps);
    violation.steps = std::move(steps);
    report_.violation = std::move(violation);
  }

  [[nodiscard]] Row row_of(const State& state, const Step& step) {
    const Program* const program = seats_.empty() ? nullptr : rules_.programs()[step.seat];
    const std::string who = program == nullptr ? "" : program->name + ' ' + std::to_string(step.seat);
    const auto pid = [&]() -> std::string {
      const ProcessIndex process = successor_.seats[step.seat].process;
      return process == 0 ? "" : std::to_string(machines_[successor_.machine].processes.processes[process].pid);
    };
    switch (step.kind) {
      case StepKind::run:
      case StepKind::fault: {
        std::string remark = state.seats[step.seat].status == SeatStatus::unborn ? "begins as PID " + pid() : "";
        if (step.kind == StepKind::fault) remark = "injected";
        const DecisionTree::Node& node = tree_.node(successor_.seats[step.seat].node);
        const std::uint64_t before =
            state.seats[step.seat].node == DecisionTree::none ? 0 : tree_.node(state.seats[step.seat].node).beliefs;
        if (node.beliefs != before) {
          remark += (remark.empty() ? "believes " : ", believes ") + std::to_string(before) + " -> " +
                    std::to_string(node.beliefs);
        }
        for (std::size_t at = 0; at < rules_.programs().size(); ++at) {
          if (at == step.seat || state.seats[at].status == successor_.seats[at].status) continue;
          if (state.seats[at].status != SeatStatus::unborn) continue;
          remark += (remark.empty() ? "" : ", ") + rules_.programs()[at]->name + ' ' + std::to_string(at) + " begins";
        }
        if (request_ == nullptr) return {who, "(ends)", "", remark};
        return {who, describe(*request_),
                response_ == DecisionTree::none ? "" : describe(*request_, tree_.response(response_)), remark};
      }
      case StepKind::crash: return {who, "*** killed ***", "", "PID " + pid() + " is gone"};
      case StepKind::zombie: return {who, "*** killed ***", "", "PID " + pid() + " is a zombie"};
      case StepKind::reap: return {who, "(reaped)", "", "PID " + pid() + " is gone"};
      case StepKind::reuse: return {who, "(PID used again)", "", "a stranger is PID " + pid()};
      case StepKind::remove: return {"somebody", "removes " + exploration_.removable[step.variant], "", ""};
      case StepKind::reboot: return {"", "*** reboot ***", "", ""};
      case StepKind::pass:
      case StepKind::delay:
      case StepKind::long_delay: {
        const Milliseconds span =
            machines_[successor_.machine].time.monotonic - machines_[state.machine].time.monotonic;
        return {"", std::to_string(span.count()) + " ms pass", "", ""};
      }
      case StepKind::jump: return {"", "wall clock jumps " + std::to_string(exploration_.jump.count()) + " ms", "", ""};
      case StepKind::end_child: return {who, "(its child ends)", "", ""};
      case StepKind::end_held: return {"a held child", "(ends)", "", "its launcher has ended"};
      case StepKind::crash_held: return {"a held child", "*** killed ***", "", ""};
    }
    return {};
  }

  [[nodiscard]] static std::string print_rows(const std::vector<Row>& rows) {
    std::size_t widths[3] = {3, 4, 6};
    const auto widen = [](std::size_t& width, const std::string& text) {
      if (text.size() > width && text.size() <= 60) width = text.size();
    };
    for (const Row& row : rows) {
      widen(widths[0], row.who);
      widen(widths[1], row.call);
      widen(widths[2], row.answer);
    }
    std::string text;
    const auto cell = [&](const std::string& content, std::size_t width) {
      text += content;
      text.append(content.size() < width ? width - content.size() : 0, ' ');
      text += "  ";
    };
    std::size_t number = 0;
    for (const Row& row : rows) {
      const std::string count = std::to_string(++number);
      text.append(count.size() < 4 ? 4 - count.size() : 0, ' ');
      text += count + "  ";
      cell(row.who, widths[0]);
      cell(row.call, widths[1]);
      cell(row.answer, widths[2]);
      text += row.remark;
      while (!text.empty() && text.back() == ' ') text.pop_back();
      text += '\n';
    }
    return text;
  }

  void drop_old_machines(const std::vector<State>& layer) {
    if (machines_.held() < most_held_) return;
    std::vector<bool> marked;
    for (const State& state : layer) {
      if (state.machine >= marked.size()) marked.resize(state.machine + 1);
      marked[state.machine] = true;
    }
    machines_.drop_unmarked(marked);
    most_held_ = 200'000 + machines_.held() * 2;
  }

  const Exploration& exploration_;
  Rules rules_;
  DecisionTree tree_;
  MachineStore machines_;
  VisitedStates visited_;
  VisitedStates judged_machines_;
  VisitedStates aftermaths_;
  std::vector<Seat> seats_;
  std::size_t most_held_ = 200'000;
  ExplorationReport report_;

  State successor_;
  const Request* request_ = nullptr;
  std::uint32_t response_ = DecisionTree::none;
  std::uint32_t delivered_ = 0;
  Breach breach_;
};

}  // namespace detail

/// Explores all states. Returns at the first violation, whose trace no other is shorter than.
[[nodiscard]] inline ExplorationReport explore(const Exploration& exploration) {
  return detail::StateSearch{exploration}.run();
}

/// Repeats a schedule that a violation's token describes.
/// Returns: what is wrong there, with its table; nothing where all is well or the token fits another exploration.
[[nodiscard]] inline std::optional<Violation> replay(const Exploration& exploration, const std::string& token) {
  return detail::StateSearch{exploration}.replay(parse_token(token));
}

/// Returns: a schedule as a readable table.
[[nodiscard]] inline std::string table_of(const Exploration& exploration, const std::string& token) {
  return detail::StateSearch{exploration}.table(parse_token(token));
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_EXPLORER_HPP
