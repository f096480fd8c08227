// Time that passes only when a test says so, or when a simulated process sleeps or waits.
//
// Models: a wall clock that can jump, a monotonic clock that counts suspend, things that happen at a point in time,
// and when each simulated process ends. A process that has ended is a ghost: its code may still run, because nothing
// can stop it, but its calls fail with EOWNERDEAD and have no effect, and its sleeping takes nobody else's time.
//
// Does not model: time that passes while code runs; clocks of different rates; time namespaces.
#ifndef GENIE_TESTING_MANUAL_CLOCK_HPP
#define GENIE_TESTING_MANUAL_CLOCK_HPP

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>

#include "genie/duration.hpp"
#include "genie/policy/clock.hpp"
#include "genie/testing/calls.hpp"

namespace genie::inline v0::testing {

/// What the calls of a process that has ended fail with.
inline constexpr int ghost_error = EOWNERDEAD;

/// The time of one simulated machine, and the call scripts of its processes. Plain data; the views share it.
struct ManualTime {
  Milliseconds wall = milliseconds(1'700'000'000'000);
  Milliseconds monotonic = seconds(1000);
  std::uint64_t sleeps = 0;                                   ///< sleeps and waits so far, by anybody
  std::function<void(std::uint64_t nth)> on_sleep;            ///< called at the beginning of each of them
  std::function<void(const CallEvent&)> before_call;          ///< called before each call of any process
  std::multimap<Milliseconds, std::function<void()>> agenda;  ///< by monotonic time; see `after`
  bool keeps_scripts = true;  ///< false: calls are neither counted nor scripted, and no hook runs
  std::map<ProcessIndex, CallScript> scripts;
  std::map<ProcessIndex, Milliseconds> ends;    ///< monotonic time at which a process ends
  std::map<ProcessIndex, ProcessIndex> acting;  ///< see `Machine::act_as`
  std::map<ProcessIndex, ProcessIndex> held;    ///< processes not let go yet, and their launchers: they end with them
  Milliseconds held_outlives;                   ///< so much later, if the test says so

  /// Lets time pass, and lets what is due happen on the way.
  void advance(Milliseconds span) { pass_until(monotonic + span); }
  /// Steps the wall clock alone.
  void jump_wall(Milliseconds step) noexcept { wall = wall + step; }
  /// The machine sleeps: both clocks go on, what falls due meanwhile happens late.
  void suspend(Milliseconds span) noexcept { move_to(monotonic + span); }
  /// `action` happens when `span` has passed.
  void after(Milliseconds span, std::function<void()> action) { agenda.emplace(monotonic + span, std::move(action)); }

  /// Returns: false where it ends no later anyway.
  bool end(ProcessIndex process, Milliseconds delay = Milliseconds{}) {
    const Milliseconds point = monotonic + delay;
    const auto [known, added] = ends.try_emplace(process, point);
    if (!added && known->second <= point) return false;
    known->second = point;
    return true;
  }
  /// Whether that process has ended by now.
  [[nodiscard]] bool ended(ProcessIndex process) const {
    const auto found = ends.find(process);
    if (found != ends.end() && found->second <= monotonic) return true;
    if (held.empty()) return false;
    const auto hold = held.find(process);
    return hold != held.end() && end_of_held(hold->second) <= monotonic;
  }

  /// For the fakes: lets time pass until `ready()` or until `span` is over or `process` ends, stopping wherever
  /// something happens on the way. Returns: whether it became ready.
  template <typename Ready>
  bool block(ProcessIndex process, Milliseconds span, Ready ready) {
    if (ready()) return true;
    if (span <= Milliseconds{}) return false;
    const Milliseconds deadline = monotonic + span;
    ++sleeps;
    if (const auto hook = on_sleep; hook) hook(sleeps);
    while (!ended(process)) {
      if (ready()) return true;
      if (monotonic >= deadline) return false;
      pass_until(next_event(deadline));
    }
    return false;
  }

 private:
  void move_to(Milliseconds point) noexcept {
    if (point <= monotonic) return;
    wall = wall + (point - monotonic);
    monotonic = point;
  }
  void pass_until(Milliseconds point) {
    while (!agenda.empty() && agenda.begin()->first <= point) {
      auto due = agenda.extract(agenda.begin());
      move_to(due.key());
      due.mapped()();
    }
    move_to(point);
  }
  [[nodiscard]] Milliseconds end_of_held(ProcessIndex launcher) const {
    const auto found = ends.find(launcher);
    return found == ends.end() ? Milliseconds{INT64_MAX} : found->second + held_outlives;
  }
  [[nodiscard]] Milliseconds next_event(Milliseconds latest) const {
    if (!agenda.empty() && agenda.begin()->first < latest) latest = agenda.begin()->first;
    for (const auto& [process, point] : ends) {
      if (point > monotonic && point < latest) latest = point;
    }
    for (const auto& [process, launcher] : held) {
      const Milliseconds point = end_of_held(launcher);
      if (point > monotonic && point < latest) latest = point;
    }
    return latest;
  }
};

namespace detail {

/// What the policy views have in common: a machine's time, the process that they belong to, and the one gate
/// that every call goes through. Copies are views of the same.
class View {
 public:
  [[nodiscard]] CallScript& calls() const { return time_->scripts[process()]; }
  [[nodiscard]] ManualTime& time() const noexcept { return *time_; }
  /// The process that this view was made for.
  [[nodiscard]] ProcessIndex original() const noexcept { return process_; }
  /// The process that its calls are made by: the same, unless `Machine::act_as` says otherwise.
  [[nodiscard]] ProcessIndex process() const {
    const auto found = time_->acting.find(process_);
    return found == time_->acting.end() ? process_ : found->second;
  }
  [[nodiscard]] bool is_ghost() const { return time_->ended(process()); }

 protected:
  View(ManualTime& time, ProcessIndex process) noexcept : time_{&time}, process_{process} {}

  [[nodiscard]] CallOutcome enter(Call call, Text name = {}) const {
    if (is_ghost()) return {ghost_error, 0};
    if (!time_->keeps_scripts) return {};
    CallScript& script = calls();
    const CallEvent event = script.note(process(), call, name);
    if (const auto hook = time_->before_call; hook) hook(event);
    script.run_hooks(event);
    if (is_ghost()) return {ghost_error, 0};
    return script.outcome(event);
  }

 private:
  ManualTime* time_;
  ProcessIndex process_;
};

}  // namespace detail

/// The clock policy of one process.
class ManualClock : public detail::View {
 public:
  explicit ManualClock(ManualTime& time, ProcessIndex process = 0) noexcept : View{time, process} {}

  [[nodiscard]] Milliseconds wall() noexcept {
    (void)enter(Call::wall);
    return time().wall + ghost_time_;
  }
  [[nodiscard]] Milliseconds monotonic() noexcept {
    (void)enter(Call::monotonic);
    return time().monotonic + ghost_time_;
  }
  /// The monotonic scale.
  [[nodiscard]] Milliseconds coarse() noexcept {
    (void)enter(Call::coarse);
    return time().monotonic + ghost_time_;
  }
  /// An injected failure ends it at once, as a signal would.
  void sleep(Milliseconds span) noexcept {
    const CallOutcome gate = enter(Call::sleep);
    if (gate.error == 0) {
      (void)time().block(process(), span, [] { return false; });
    } else if (gate.error == ghost_error && span > Milliseconds{}) {
      ghost_time_ = ghost_time_ + span;
    }
  }

 private:
  Milliseconds ghost_time_;
};

static_assert(ClockPolicy<ManualClock>);

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_MANUAL_CLOCK_HPP
