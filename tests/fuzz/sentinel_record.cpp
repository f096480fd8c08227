// Fuzzes the codec of `NAME.stopping.lock`: what blocks auto-start is never more, and names nobody else, than the lines
// say, and an older program reads an expiry that no stopper of ours exceeds.
#include <genie/record/sentinel_record.hpp>

#include "fuzz/support.hpp"

namespace {

using fuzz::require;
using genie::Milliseconds;
using genie::Sentinel;
using genie::Stopper;

bool same(const Stopper& left, const Stopper& right) {
  return left.stopper == right.stopper && left.nonce == right.nonce && left.origin == right.origin &&
         left.target == right.target && left.wall_until == right.wall_until &&
         left.monotonic_until == right.monotonic_until && left.ttl == right.ttl;
}
bool same(const Sentinel& left, const std::vector<Stopper>& right) {
  if (left.count != right.size()) return false;
  for (std::size_t at = 0; at < right.size(); ++at) {
    if (!same(left.stoppers[at], right[at])) return false;
  }
  return true;
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
  if (boot != "-") entry.origin.boot = genie::BootId{boot};
  entry.origin.pid_namespace = *pid_namespace;
  entry.target = *target;
  entry.wall_until = Milliseconds{static_cast<std::int64_t>(*wall)};
  entry.monotonic_until = Milliseconds{static_cast<std::int64_t>(*monotonic)};
  entry.ttl = Milliseconds{static_cast<std::int64_t>(*ttl)};
  entry.nonce = *nonce;
  return entry;
}

/// None where the text is no sentinel.
std::vector<Stopper> expected_of(std::string_view text, genie::Pid limit) {
  std::vector<Stopper> stoppers;
  const auto until = fuzz::number_of(fuzz::stripped(fuzz::cut(text, '\n')), INT64_MAX);
  if (!until) return stoppers;
  while (!text.empty() && stoppers.size() < genie::stopper_capacity) {
    if (const auto entry = stopper_of(fuzz::cut(text, '\n'), limit)) stoppers.push_back(*entry);
  }
  if (stoppers.empty()) {
    stoppers.emplace_back();
    stoppers[0].wall_until = Milliseconds{static_cast<std::int64_t>(*until)};
  }
  return stoppers;
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
  require(static_cast<std::int64_t>(*until) == last.count(), "an older reader waits for the last stopper, not longer",
          text);
  Sentinel again;
  require(genie::parse_sentinel(bytes, INT64_MAX, again), "what is written is a sentinel", text);
  if (sentinel.count == 0) {
    require(again.count == 1 && same(again.stoppers[0], Stopper{}), "no stopper reads as one that is over", text);
  } else {
    std::vector<Stopper> stoppers(sentinel.stoppers, sentinel.stoppers + sentinel.count);
    for (Stopper& entry : stoppers) {
      for (Milliseconds* const time : {&entry.wall_until, &entry.monotonic_until, &entry.ttl}) {
        if (*time < Milliseconds{}) *time = Milliseconds{};
      }
    }
    require(same(again, stoppers), "a sentinel reads back", text);
  }
}

void check_text(std::string_view text) {
  for (const genie::Pid limit : fuzz::pid_limits) {
    Sentinel sentinel;
    sentinel.count = 7;  // of an earlier use
    const std::vector<Stopper> expected = expected_of(text, limit);
    require(genie::parse_sentinel(text, limit, sentinel) == !expected.empty(), "it begins with a time, or is none",
            text);
    require(same(sentinel, expected), "the stoppers are as documented", text);
    for (std::size_t at = 0; at < sentinel.count; ++at) {
      const Stopper& entry = sentinel.stoppers[at];
      require(entry.stopper.pid >= 0 && entry.stopper.pid <= limit && entry.target.pid >= 0 &&
                  entry.target.pid <= limit && entry.wall_until >= Milliseconds{} &&
                  entry.monotonic_until >= Milliseconds{} && entry.ttl >= Milliseconds{},
              "PIDs and times are in their ranges", text);
    }
    if (sentinel.count > 0 && limit == INT64_MAX) check_written(sentinel, text);
  }
}

void check_value(fuzz::Source source, std::string_view text) {
  Sentinel sentinel;
  sentinel.count = source.below(genie::stopper_capacity + 1);
  for (std::size_t at = 0; at < sentinel.count; ++at) {
    Stopper& entry = sentinel.stoppers[at];
    entry.stopper = source.identity();
    entry.nonce = source.number();
    // A boot id is a UUID: hexadecimal digits and dashes.
    std::string boot = source.text(40);
    for (char& c : boot) c = "0123456789abcdef"[static_cast<unsigned char>(c) % 16];
    entry.origin = {genie::BootId{boot}, source.number()};
    entry.target = source.identity();
    entry.wall_until = Milliseconds{source.signed_number()};
    entry.monotonic_until = Milliseconds{source.signed_number()};
    entry.ttl = Milliseconds{source.signed_number()};
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
