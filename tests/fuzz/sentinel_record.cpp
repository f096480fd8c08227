// Fuzzes the codec of `NAME.stopping.lock`: what blocks auto-start is never more, and names nobody else, than the lines
// say, an intent to stay stopped has no expiry, and an older program reads one that no stopper of ours exceeds.
#include <genie/record/sentinel_record.hpp>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using genie::Milliseconds;
using genie::Sentinel;
using genie::Stopper;

/// What a sentinel says.
struct Model {
  std::vector<Stopper> stoppers;
  std::optional<genie::Stay> stay;
};

bool same(const Stopper& left, const Stopper& right) {
  return left.stopper == right.stopper && left.nonce == right.nonce && left.origin == right.origin &&
         left.target == right.target && left.wall_until == right.wall_until &&
         left.monotonic_until == right.monotonic_until && left.ttl == right.ttl && left.restarting == right.restarting;
}
bool same(const Sentinel& left, const Model& right) {
  if (left.count != right.stoppers.size() || left.has_stay != right.stay.has_value()) return false;
  for (std::size_t at = 0; at < right.stoppers.size(); ++at) {
    if (!same(left.stoppers[at], right.stoppers[at])) return false;
  }
  return !right.stay || left.stay == *right.stay;
}

Milliseconds span(std::uint64_t number) { return Milliseconds{static_cast<std::int64_t>(number)}; }
genie::ProcessOrigin origin_of(std::string_view boot, std::uint64_t pid_namespace) {
  return {boot == "-" ? genie::BootId{} : genie::BootId{boot}, pid_namespace};
}

std::optional<Stopper> stopper_of(std::string_view line, genie::Pid limit) {
  if (fuzz::cut(line, ' ') != "stopper") return std::nullopt;
  const auto stopper = fuzz::identity_of(fuzz::cut(line, ' '), limit);
  const std::string_view boot = fuzz::cut(line, ' ');
  const auto pid_namespace = fuzz::number_of(fuzz::cut(line, ' '), UINT64_MAX);
  const auto target = fuzz::identity_of(fuzz::cut(line, ' '), limit);
  const auto wall = fuzz::number_of(fuzz::cut(line, ' '), INT64_MAX);
  const auto monotonic = fuzz::number_of(fuzz::cut(line, ' '), INT64_MAX);
  const auto ttl = fuzz::number_of(fuzz::cut(line, ' '), INT64_MAX);
  const auto nonce = fuzz::number_of(fuzz::cut(line, ' '), UINT64_MAX);
  if (!stopper || !pid_namespace || !target || !wall || !monotonic || !ttl || !nonce) return std::nullopt;
  Stopper entry;
  entry.stopper = *stopper;
  entry.origin = origin_of(boot, *pid_namespace);
  entry.target = *target;
  entry.wall_until = span(*wall);
  entry.monotonic_until = span(*monotonic);
  entry.ttl = span(*ttl);
  entry.nonce = *nonce;
  entry.restarting = (' ' + std::string{line} + ' ').find(" restarting ") != std::string::npos;
  return entry;
}
std::optional<genie::Stay> stay_of(std::string_view line, genie::Pid limit) {
  if (fuzz::cut(line, ' ') != "stay") return std::nullopt;
  const auto setter = fuzz::identity_of(fuzz::cut(line, ' '), limit);
  const std::string_view boot = fuzz::cut(line, ' ');
  const auto pid_namespace = fuzz::number_of(fuzz::cut(line, ' '), UINT64_MAX);
  const auto user = fuzz::number_of(fuzz::cut(line, ' '), UINT64_MAX);
  const auto since = fuzz::number_of(fuzz::cut(line, ' '), INT64_MAX);
  if (!setter || !pid_namespace || !user || !since) return std::nullopt;
  return genie::Stay{*setter, origin_of(boot, *pid_namespace), *user, span(*since)};
}

/// None where the text is no sentinel.
std::optional<Model> expected_of(std::string_view text, genie::Pid limit) {
  const auto until = fuzz::number_of(fuzz::stripped(fuzz::cut(text, '\n')), INT64_MAX);
  if (!until) return std::nullopt;
  Model model;
  while (!text.empty()) {
    const std::string_view line = fuzz::cut(text, '\n');
    const auto entry = stopper_of(line, limit);
    if (entry && model.stoppers.size() < genie::stopper_capacity) model.stoppers.push_back(*entry);
    if (!model.stay) model.stay = stay_of(line, limit);
  }
  // An expiry that is there for older readers is nobody's stop.
  if (model.stoppers.empty() && !model.stay) {
    model.stoppers.emplace_back();
    model.stoppers[0].wall_until = span(*until);
  }
  return model;
}

void check_written(const Sentinel& sentinel, std::string_view text) {
  const auto bytes = genie::encode_sentinel(sentinel);
  require(!bytes.overflowed(), "every sentinel fits", text);
  const auto until = fuzz::number_of(fuzz::digits_as_older_programs_read(fuzz::view(bytes)), INT64_MAX);
  require(until.has_value(), "an older reader finds a time", text);
  Milliseconds last;
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    if (sentinel.stoppers[at].wall_until > last) last = sentinel.stoppers[at].wall_until;
  }
  if (sentinel.has_stay) {
    require(*until == static_cast<std::uint64_t>(static_cast<double>(*until)) && *until > 250'000'000'000'000,
            "an older reader stays out for longer than anybody lives, by a number that it can read", text);
  } else {
    require(static_cast<std::int64_t>(*until) == last.count(), "an older reader waits for the last stopper, not longer",
            text);
  }
  Sentinel again;
  require(genie::parse_sentinel(bytes, fuzz::highest_pid, again), "what is written is a sentinel", text);
  Model model{{sentinel.stoppers, sentinel.stoppers + sentinel.count}, std::nullopt};
  for (Stopper& entry : model.stoppers) {
    for (Milliseconds* const time : {&entry.wall_until, &entry.monotonic_until, &entry.ttl}) {
      if (*time < Milliseconds{}) *time = Milliseconds{};
    }
  }
  if (sentinel.has_stay) {
    model.stay = sentinel.stay;
    if (model.stay->since < Milliseconds{}) model.stay->since = Milliseconds{};
  }
  if (sentinel.empty()) model.stoppers.emplace_back();  // nothing reads as a stop that is over
  require(same(again, model), "a sentinel reads back", text);
}

void check_text(std::string_view text) {
  for (const genie::Pid limit : fuzz::pid_limits) {
    Sentinel sentinel;
    sentinel.count = 7;  // of an earlier use
    sentinel.has_stay = true;
    const std::optional<Model> expected = expected_of(text, limit);
    require(genie::parse_sentinel(text, limit, sentinel) == expected.has_value(), "it begins with a time, or is none",
            text);
    require(same(sentinel, expected.value_or(Model{})), "the stoppers and the intent are as documented", text);
    for (std::size_t at = 0; at < sentinel.count; ++at) {
      const Stopper& entry = sentinel.stoppers[at];
      require(entry.stopper.pid >= 0 && entry.stopper.pid <= limit && entry.target.pid >= 0 &&
                  entry.target.pid <= limit && entry.wall_until >= Milliseconds{} &&
                  entry.monotonic_until >= Milliseconds{} && entry.ttl >= Milliseconds{},
              "PIDs and times are in their ranges", text);
    }
    if (sentinel.has_stay) {
      require(
          sentinel.stay.setter.pid >= 0 && sentinel.stay.setter.pid <= limit && sentinel.stay.since >= Milliseconds{},
          "the intent's are, too", text);
    }
    if (!sentinel.empty() && limit == fuzz::highest_pid) check_written(sentinel, text);
  }
}

/// A boot id is a UUID: hexadecimal digits and dashes.
genie::ProcessOrigin some_origin(fuzz::Source& source) {
  std::string boot = source.text(40);
  for (char& c : boot) c = "0123456789abcdef"[static_cast<unsigned char>(c) % 16];
  return {genie::BootId{boot}, source.number()};
}

void check_value(fuzz::Source source, std::string_view text) {
  Sentinel sentinel;
  sentinel.count = source.below(genie::stopper_capacity + 1);
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    Stopper& entry = sentinel.stoppers[at];
    entry.stopper = source.identity();
    entry.nonce = source.number();
    entry.origin = some_origin(source);
    entry.target = source.identity();
    entry.wall_until = Milliseconds{source.signed_number()};
    entry.monotonic_until = Milliseconds{source.signed_number()};
    entry.ttl = Milliseconds{source.signed_number()};
    entry.restarting = source.flag();
  }
  sentinel.has_stay = source.flag();
  if (sentinel.has_stay) {
    const genie::ProcessIdentity setter = source.identity();
    const genie::ProcessOrigin origin = some_origin(source);
    const std::uint64_t user = source.number();
    sentinel.stay = {setter, origin, user, Milliseconds{source.signed_number()}};
  }
  check_written(sentinel, text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::input(data, size);
  check_text(text);
  check_value({data, size}, text);
  return 0;
}
