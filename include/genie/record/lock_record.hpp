// The codec of what `NAME.lock` contains: the owner's full record. Rewritten in place by whoever holds the lock,
// read by anybody at any moment; a checksum tells a reader that it met a write half-way.
#ifndef GENIE_RECORD_LOCK_RECORD_HPP
#define GENIE_RECORD_LOCK_RECORD_HPP

#include <cstdint>

#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// How far the recorded owner has come.
enum class Phase : std::uint8_t {
  claiming,  ///< has the lock, and is about to publish its record
  starting,  ///< owns the directory; the server is not ready yet
  running,   ///< owns the directory; ready
  released,  ///< owns it no more
};

[[nodiscard]] constexpr const char* to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::claiming: return "claiming";
    case Phase::starting: return "starting";
    case Phase::running: return "running";
    case Phase::released: return "released";
  }
  return "?";
}

/// A file as it was when it was judged: its number alone may be reused by a later file.
struct FileStamp {
  std::uint64_t inode = 0;
  std::int64_t changed_ns = 0;

  friend constexpr bool operator==(const FileStamp&, const FileStamp&) noexcept = default;
};

/// Room for the longest PORTNAME and `.port`.
using PortFileName = FixedText<205>;

struct LockRecord {
  std::uint64_t generation = 0;  ///< grows with every claim of this lock file: a fencing token
  Phase phase = Phase::claiming;
  ProcessIdentity owner;
  ProcessOrigin origin;         ///< where the owner's identity has its meaning
  FileIdentity lock;            ///< the lock file itself: a copy of it proves nothing
  FileStamp record;             ///< the owner's `NAME.pid`; known once it is published
  ProcessIdentity judged;       ///< whose `NAME.pid` the owner judged dead and was about to take over
  FileStamp judged_record;      ///< that file
  std::uint64_t temporary = 0;  ///< token of the temporary file that the owner may have left, 0 for none
  Milliseconds claimed_wall;
  Milliseconds claimed_monotonic;
  ProcessIdentity server;  ///< the guarded command, where the owner is a supervisor
  PortFileName port_name;  ///< the port file that this owner publishes
  FixedText<63> build;     ///< what the consumer says of itself

  friend constexpr bool operator==(const LockRecord&, const LockRecord&) noexcept = default;
};

/// A record always fills this many bytes, so that a shorter one leaves nothing of a longer one behind.
inline constexpr std::size_t lock_record_size = 1024;
using LockRecordBytes = FixedText<lock_record_size>;

namespace record_detail {

/// FNV-1a. Guards against torn reads, not against malice.
[[nodiscard]] constexpr std::uint64_t checksum(Text bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

[[nodiscard]] constexpr bool parse_number(Text text, std::uint64_t& value) noexcept {
  return parse_decimal(text, UINT64_MAX, value);
}
/// Times are written as they are, and never before the epoch.
[[nodiscard]] constexpr bool parse_time(Text text, std::int64_t& value) noexcept {
  std::uint64_t number = 0;
  if (!parse_decimal(text, INT64_MAX, number)) return false;
  value = static_cast<std::int64_t>(number);
  return true;
}
[[nodiscard]] constexpr bool parse_stamp(Text text, FileStamp& stamp) noexcept {
  return parse_number(take_field(text, '@'), stamp.inode) && parse_time(text, stamp.changed_ns);
}
constexpr void append_time(LockRecordBytes& bytes, std::int64_t value) noexcept {
  bytes.append_number(value < 0 ? 0 : static_cast<std::uint64_t>(value));
}
constexpr void append_stamp(LockRecordBytes& bytes, const FileStamp& stamp) noexcept {
  bytes.append_number(stamp.inode).append('@');
  append_time(bytes, stamp.changed_ns);
}
/// A consumer's text may contain anything; a line feed in it would end our line.
constexpr void append_line_text(LockRecordBytes& bytes, Text text) noexcept {
  for (const char c : text) bytes.append(c == '\n' || c == '\r' || c == '\0' ? ' ' : c);
}

}  // namespace record_detail

/// Lines of `key value`, a checksum, and line feeds up to `lock_record_size`.
[[nodiscard]] constexpr LockRecordBytes encode_lock_record(const LockRecord& record) noexcept {
  using namespace record_detail;
  LockRecordBytes bytes;
  bytes.append("genie-lock 1\ngeneration ").append_number(record.generation);
  bytes.append("\nphase ").append(to_string(record.phase)).append("\nowner ");
  append_identity(bytes, record.owner);
  bytes.append("\nboot ").append(record.origin.boot).append("\npid-namespace ");
  bytes.append_number(record.origin.pid_namespace).append("\nlock ");
  bytes.append_number(record.lock.device).append(':').append_number(record.lock.inode).append("\nrecord ");
  append_stamp(bytes, record.record);
  bytes.append("\njudged ");
  append_identity(bytes, record.judged);
  bytes.append("\njudged-record ");
  append_stamp(bytes, record.judged_record);
  bytes.append("\ntemporary ").append_number(record.temporary).append("\nclaimed ");
  append_time(bytes, record.claimed_wall.count());
  bytes.append("\nclaimed-monotonic ");
  append_time(bytes, record.claimed_monotonic.count());
  bytes.append("\nserver ");
  append_identity(bytes, record.server);
  bytes.append("\nport ");
  append_line_text(bytes, record.port_name);
  bytes.append("\nbuild ");
  append_line_text(bytes, record.build);
  bytes.append('\n');
  const std::uint64_t sum = checksum(bytes);
  bytes.append("checksum ").append_hex(sum).append('\n');
  while (bytes.size() < lock_record_size) bytes.append('\n');
  return bytes;
}

enum class LockRecordKind : std::uint8_t {
  valid,
  blank,       ///< nothing was ever written here
  unreadable,  ///< a write half-way, another format, or noise
};

/// Total: any bytes give a verdict; `record` is written only where it is `valid`. Keys that it does not know are passed
/// over, so that a later genie may add some.
[[nodiscard]] constexpr LockRecordKind parse_lock_record(Text bytes, Pid pid_limit, LockRecord& record) noexcept {
  using namespace record_detail;
  bool blank = true;
  for (const char c : bytes) blank = blank && (c == '\0' || is_space(c));
  if (blank) return LockRecordKind::blank;

  Text rest = bytes;
  if (take_line(rest) != Text{"genie-lock 1"}) return LockRecordKind::unreadable;
  LockRecord parsed;
  while (!rest.empty()) {
    const std::size_t line_at = bytes.size() - rest.size();
    Text line = take_line(rest);
    const Text key = take_field(line, ' ');
    bool good = true;
    if (key == Text{"generation"}) {
      good = parse_number(line, parsed.generation);
    } else if (key == Text{"phase"}) {
      good = false;
      constexpr Phase phases[] = {Phase::claiming, Phase::starting, Phase::running, Phase::released};
      for (const Phase phase : phases) {
        if (line == Text{to_string(phase)}) {
          parsed.phase = phase;
          good = true;
        }
      }
    } else if (key == Text{"owner"}) {
      good = parse_identity(line, pid_limit, parsed.owner);
    } else if (key == Text{"boot"}) {
      parsed.origin.boot = BootId{line};
    } else if (key == Text{"pid-namespace"}) {
      good = parse_number(line, parsed.origin.pid_namespace);
    } else if (key == Text{"lock"}) {
      good = parse_number(take_field(line, ':'), parsed.lock.device) && parse_number(line, parsed.lock.inode);
    } else if (key == Text{"record"}) {
      good = parse_stamp(line, parsed.record);
    } else if (key == Text{"judged"}) {
      good = parse_identity(line, pid_limit, parsed.judged);
    } else if (key == Text{"judged-record"}) {
      good = parse_stamp(line, parsed.judged_record);
    } else if (key == Text{"temporary"}) {
      good = parse_number(line, parsed.temporary);
    } else if (key == Text{"claimed"} || key == Text{"claimed-monotonic"}) {
      std::int64_t time = 0;
      good = parse_time(line, time);
      (key == Text{"claimed"} ? parsed.claimed_wall : parsed.claimed_monotonic) = Milliseconds{time};
    } else if (key == Text{"server"}) {
      good = parse_identity(line, pid_limit, parsed.server);
    } else if (key == Text{"port"}) {
      parsed.port_name = PortFileName{line};
    } else if (key == Text{"build"}) {
      parsed.build = FixedText<63>{line};
    } else if (key == Text{"checksum"}) {
      FixedText<16> expected;
      expected.append_hex(checksum(bytes.first(line_at)));
      if (line != Text{expected}) return LockRecordKind::unreadable;
      record = parsed;
      return LockRecordKind::valid;
    }
    if (!good) return LockRecordKind::unreadable;
  }
  return LockRecordKind::unreadable;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_LOCK_RECORD_HPP
