// Fuzzes the codec of a boot's steps: whatever is written reads back, whatever is read was sealed, and a write half-way
// is never taken for a third record.
#include <genie/record/boot_record.hpp>

#include "fuzz/sealed.hpp"

namespace {

using genie::BootRecord;
using genie::Milliseconds;

BootRecord written(BootRecord record) {
  fuzz::as_line(record.step);
  fuzz::as_line(record.advice);
  for (Milliseconds* const time : {&record.since, &record.updated}) {
    if (*time < Milliseconds{}) *time = Milliseconds{};
  }
  return record;
}

constexpr fuzz::BlockCodec<BootRecord, genie::boot_record_size> codec{
    "genie-boot 1\n", [](const BootRecord& record) { return genie::encode_boot_record(record); },
    [](genie::Text bytes, BootRecord& record) { return genie::parse_boot_record(bytes, record); }, written};

BootRecord record_of(fuzz::Source& source) {
  BootRecord record;
  record.generation = source.number();
  record.number = source.number();
  record.state = static_cast<genie::StepState>(source.below(5));
  record.step = genie::StepName{source.text(64)};
  record.done = source.number();
  record.total = source.number();
  record.since = Milliseconds{source.signed_number()};
  record.updated = Milliseconds{source.signed_number()};
  record.advice = genie::StepAdvice{source.text(256)};
  return record;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Source source{data, size};
  const std::size_t torn_at = std::size_t{source.byte()} << 8U | source.byte();
  const BootRecord before = record_of(source);
  const BootRecord now = record_of(source);
  codec.check(fuzz::input(data, size), before, now, torn_at);
  return 0;
}
