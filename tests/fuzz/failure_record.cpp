// Fuzzes the codec of the last failure: whatever is written reads back, whatever is read was sealed, and a write
// half-way is never taken for a third record.
#include <genie/record/failure_record.hpp>

#include "fuzz/sealed.hpp"

namespace {

using genie::FailureRecord;
using genie::Milliseconds;

FailureRecord written(FailureRecord record) {
  fuzz::as_line(record.step);
  fuzz::as_line(record.advice);
  fuzz::as_line(record.boot);
  fuzz::as_line(record.log);
  // Line feeds part its lines; the last one ends the last line and says nothing.
  genie::FixedText<1000> tail;
  for (const char c : genie::Text{record.tail}) tail.append(c == '\r' || c == '\0' ? ' ' : c);
  if (genie::Text{tail}.ends_with("\n")) tail.resize(tail.size() - 1);
  record.tail = tail;
  if (record.value < 0) record.value = 0;
  for (Milliseconds* const time : {&record.when, &record.failed_at, &record.retry_at}) {
    if (*time < Milliseconds{}) *time = Milliseconds{};
  }
  return record;
}

constexpr fuzz::BlockCodec<FailureRecord, genie::failure_record_size> codec{
    "genie-failure 1\n", [](const FailureRecord& record) { return genie::encode_failure_record(record); },
    [](genie::Text bytes, FailureRecord& record) {
      return genie::parse_failure_record(bytes, fuzz::highest_pid, record);
    },
    written};

FailureRecord record_of(fuzz::Source& source) {
  FailureRecord record;
  record.generation = source.number();
  record.count = source.number();
  record.kind = static_cast<genie::FailureKind>(source.below(7));
  record.value = source.signed_number();
  record.server = source.identity();
  record.step = genie::StepName{source.text(64)};
  record.advice = genie::StepAdvice{source.text(256)};
  record.when = Milliseconds{source.signed_number()};
  record.boot = genie::BootId{source.text(41)};
  record.failed_at = Milliseconds{source.signed_number()};
  record.retry_at = Milliseconds{source.signed_number()};
  record.log = genie::FixedText<255>{source.text(256)};
  record.tail = genie::FixedText<1000>{source.text(255) + source.text(255) + source.text(255) + source.text(255)};
  return record;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Source source{data, size};
  const std::size_t torn_at = std::size_t{source.byte()} << 8U | source.byte();
  const FailureRecord before = record_of(source);
  const FailureRecord now = record_of(source);
  codec.check(fuzz::input(data, size), before, now, torn_at);
  return 0;
}
