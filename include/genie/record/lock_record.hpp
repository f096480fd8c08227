// The codec of what `NAME.lock` begins with: the owner's full record. Rewritten in place by whoever holds the lock,
// read by anybody at any moment; a checksum tells a reader that it met a write half-way.
#ifndef GENIE_RECORD_LOCK_RECORD_HPP
#define GENIE_RECORD_LOCK_RECORD_HPP

#include <cstdint>

#include "genie/duration.hpp"
#include "genie/identity.hpp"
#include "genie/record/pid_record.hpp"
#include "genie/record/sealed_block.hpp"
#include "genie/text.hpp"

namespace genie::inline v0 {

/// How far the recorded owner has come.
enum class Phase : std::uint8_t {
  claiming,   ///< has the lock, and is about to publish its record
  launching,  ///< owns the directory for the server that it starts: it hands the claim to `LockRecord::heir`
  starting,   ///< owns the directory; the server is not ready yet
  running,    ///< owns the directory; ready
  released,   ///< owns it no more
};

[[nodiscard]] constexpr const char* to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::claiming: return "claiming";
    case Phase::launching: return "launching";
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
/// A consumer's version, `MAJOR.MINOR.PATCH` or the like.
using VersionText = FixedText<31>;

/// The first block of the lock file: who owns the directory, and since when. Whoever holds the owner lock writes it.
struct LockRecord {
  std::uint64_t generation = 0;  ///< grows with every claim of this lock file: a fencing token
  Phase phase = Phase::claiming;
  ProcessIdentity owner;
  ProcessOrigin origin;         ///< where the owner's identity has its meaning
  FileIdentity lock;            ///< the lock file itself: a copy of it proves nothing
  FileStamp record;             ///< the owner's `NAME.pid`; known once it is published
  ProcessIdentity judged;       ///< whose `NAME.pid` the owner judged dead, or took over from its starter
  FileStamp judged_record;      ///< that file
  std::uint64_t temporary = 0;  ///< token of the temporary file that the owner may have left, 0 for none
  /// Neither this owner nor one before it has left `NAME.endpoints`. An older record does not say so.
  bool has_no_endpoints = false;
  Milliseconds claimed_wall;
  Milliseconds claimed_monotonic;
  ProcessIdentity server;    ///< the guarded command, where the owner is a supervisor
  ProcessIdentity heir;      ///< to whom a launching owner hands its claim; it shares the open lock file
  ProcessIdentity starter;   ///< who handed the claim to its heir, the owner; PID 0: it has claimed by itself
  PortFileName port_name;    ///< the port file that this owner publishes
  FixedText<63> build;       ///< what the consumer says of itself
  VersionText version;       ///< the same, to be compared: see `compare_versions`
  VersionText wanted;        ///< the version that whoever started it asked for; empty where nobody did
  std::uint64_t failed = 0;  ///< generation that failed to start, with no success since; 0: none. See `FailureRecord`

  friend constexpr bool operator==(const LockRecord&, const LockRecord&) noexcept = default;
};

/// The first block of the lock file.
inline constexpr std::size_t lock_record_size = 1024;
/// The block as it is written.
using LockRecordBytes = FixedText<lock_record_size>;

namespace record_detail {

[[nodiscard]] inline bool parse_stamp(Text text, FileStamp& stamp) noexcept {
  return parse_number(take_field(text, '@'), stamp.inode) && parse_time(text, stamp.changed_ns);
}
constexpr void append_stamp(LockRecordBytes& bytes, const FileStamp& stamp) noexcept {
  bytes.append_number(stamp.inode).append('@');
  append_time(bytes, stamp.changed_ns);
}

}  // namespace record_detail

/// Lines of `key value`, a checksum, and line feeds up to `lock_record_size`. What has its default value has no line:
/// every character is read and summed up at each claim.
[[nodiscard]] GENIE_COMPACT inline LockRecordBytes encode_lock_record(const LockRecord& record) noexcept {
  using namespace record_detail;
  LockRecordBytes bytes;
  const auto add_number = [&](Text key, std::uint64_t value) noexcept {
    if (value != 0) bytes.append(key).append_number(value);
  };
  const auto add_time = [&](Text key, std::int64_t value) noexcept {
    if (value == 0) return;
    bytes.append(key);
    append_time(bytes, value);
  };
  const auto add_identity = [&](Text key, const ProcessIdentity& identity) noexcept {
    if (identity == ProcessIdentity{}) return;
    bytes.append(key);
    append_identity(bytes, identity);
  };
  const auto add_stamp = [&](Text key, const FileStamp& stamp) noexcept {
    if (stamp == FileStamp{}) return;
    bytes.append(key);
    append_stamp(bytes, stamp);
  };
  const auto add_text = [&](Text key, Text text) noexcept {
    if (text.empty()) return;
    bytes.append(key);
    append_line_text(bytes, text);
  };
  bytes.append("genie-lock 1\ngeneration ").append_number(record.generation);
  bytes.append("\nphase ").append(to_string(record.phase));
  add_identity("\nowner ", record.owner);
  if (!record.origin.boot.empty()) bytes.append("\nboot ").append(record.origin.boot);
  add_number("\npid-namespace ", record.origin.pid_namespace);
  if (record.lock != FileIdentity{}) {
    bytes.append("\nlock ").append_number(record.lock.device).append(':').append_number(record.lock.inode);
  }
  add_stamp("\nrecord ", record.record);
  add_identity("\njudged ", record.judged);
  add_stamp("\njudged-record ", record.judged_record);
  add_number("\ntemporary ", record.temporary);
  if (record.has_no_endpoints) bytes.append("\nendpoints none");
  add_time("\nclaimed ", record.claimed_wall.count());
  add_time("\nclaimed-monotonic ", record.claimed_monotonic.count());
  add_identity("\nserver ", record.server);
  add_identity("\nheir ", record.heir);
  add_identity("\nstarter ", record.starter);
  add_text("\nport ", record.port_name);
  add_text("\nbuild ", record.build);
  add_text("\nversion ", record.version);
  add_text("\nwanted ", record.wanted);
  add_number("\nfailed ", record.failed);
  bytes.append('\n');
  seal(bytes);
  return bytes;
}

/// What the bytes of the block are.
using LockRecordKind = BlockKind;

namespace record_detail {

/// Returns: whether the value is one of that key's; of a key that is not known, any is.
[[nodiscard]] GENIE_COMPACT inline bool read_lock_field(Text key, Text line, Pid pid_limit,
                                                        LockRecord& record) noexcept {
  if (key == Text{"generation"}) return parse_number(line, record.generation);
  if (key == Text{"phase"}) {
    constexpr Phase phases[] = {Phase::claiming, Phase::launching, Phase::starting, Phase::running, Phase::released};
    return parse_word(line, phases, record.phase);
  }
  if (key == Text{"owner"}) return parse_identity(line, pid_limit, record.owner);
  if (key == Text{"pid-namespace"}) return parse_number(line, record.origin.pid_namespace);
  if (key == Text{"lock"}) {
    return parse_number(take_field(line, ':'), record.lock.device) && parse_number(line, record.lock.inode);
  }
  if (key == Text{"record"}) return parse_stamp(line, record.record);
  if (key == Text{"judged"}) return parse_identity(line, pid_limit, record.judged);
  if (key == Text{"judged-record"}) return parse_stamp(line, record.judged_record);
  if (key == Text{"temporary"}) return parse_number(line, record.temporary);
  if (key == Text{"claimed"}) return parse_time(line, record.claimed_wall);
  if (key == Text{"claimed-monotonic"}) return parse_time(line, record.claimed_monotonic);
  if (key == Text{"server"}) return parse_identity(line, pid_limit, record.server);
  if (key == Text{"heir"}) return parse_identity(line, pid_limit, record.heir);
  if (key == Text{"starter"}) return parse_identity(line, pid_limit, record.starter);
  if (key == Text{"failed"}) return parse_number(line, record.failed);
  if (key == Text{"endpoints"}) record.has_no_endpoints = line == Text{"none"};
  if (key == Text{"boot"}) record.origin.boot = BootId{line};
  if (key == Text{"port"}) record.port_name = PortFileName{line};
  if (key == Text{"build"}) record.build = FixedText<63>{line};
  if (key == Text{"version"}) record.version = VersionText{line};
  if (key == Text{"wanted"}) record.wanted = VersionText{line};
  return true;
}

}  // namespace record_detail

/// Total: any bytes give a verdict; `record` is written only where it is `valid`.
[[nodiscard]] inline LockRecordKind parse_lock_record(Text bytes, Pid pid_limit, LockRecord& record) noexcept {
  LockRecord parsed;
  const LockRecordKind kind = record_detail::read_block(bytes, "genie-lock 1", [&](Text key, Text line) noexcept {
    return record_detail::read_lock_field(key, line, pid_limit, parsed);
  });
  if (kind == LockRecordKind::valid) record = parsed;
  return kind;
}

}  // namespace genie::inline v0

#endif  // GENIE_RECORD_LOCK_RECORD_HPP
