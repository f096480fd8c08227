// What Linux tells of one process in a line of /proc.
#ifndef GENIE_LINUX_PROCESS_STAT_HPP
#define GENIE_LINUX_PROCESS_STAT_HPP

#include <errno.h>

#include <cstddef>
#include <cstdint>

#include "genie/linux/descriptor.hpp"
#include "genie/policy/process_probe.hpp"

namespace genie::inline v0 {

/// What `/proc/PID/stat` says, as far as genie asks. Source: `proc_pid_stat(5)`.
struct LinuxProcessStat {
  char state = '?';
  std::uint64_t parent = 0;
  std::uint64_t group = 0;
  std::uint64_t session = 0;
  std::uint64_t threads = 0;
  StartToken start;
};

/// A leader that ended before its other threads looks like a zombie, and is none.
[[nodiscard]] constexpr bool has_ended(const LinuxProcessStat& stat) noexcept {
  return (stat.state == 'Z' || stat.state == 'X' || stat.state == 'x') && stat.threads <= 1;
}

/// Reads a line of `/proc/PID/stat`. The command name may contain anything, so parsing begins after the last `)`.
/// Returns: whether state (field 3), ppid (4), pgrp (5), session (6), num_threads (20) and starttime (22) were all
/// there.
[[nodiscard]] GENIE_COMPACT constexpr bool parse_process_stat(Text line, LinuxProcessStat& result) noexcept {
  std::size_t after_name = line.size();
  while (after_name > 0 && line[after_name - 1] != ')') --after_name;
  if (after_name == 0) return false;
  Text rest = trimmed(line.after(after_name));
  LinuxProcessStat parsed;
  for (int field = 3; field <= 22; ++field) {
    const Text value = take_field(rest, ' ');
    if (field == 3) {
      if (value.size() != 1) return false;
      parsed.state = value[0];
    } else if (field == 4 || field == 5 || field == 6) {
      std::uint64_t& number = field == 4 ? parsed.parent : (field == 5 ? parsed.group : parsed.session);
      if (!parse_decimal(value, INT32_MAX, number)) return false;
    } else if (field == 20) {
      if (!parse_decimal(value, UINT64_MAX, parsed.threads)) return false;
    } else if (field == 22) {
      if (!parse_decimal(value, UINT64_MAX, parsed.start.value)) return false;
      parsed.start.known = true;
    }
  }
  result = parsed;
  return true;
}

namespace linux_detail {

/// The file below task/ costs the same however many threads there are. Returns: 0, or errno.
[[nodiscard]] inline int read_stat(Pid pid, LinuxProcessStat& stat) noexcept {
  FixedText<64> path{"/proc/"};
  path.append_number(static_cast<std::uint64_t>(pid)).append("/task/");
  path.append_number(static_cast<std::uint64_t>(pid)).append("/stat");
  FixedText<1024> line;
  const auto count = read_small_file(path.c_str(), line);
  if (!count.ok()) return count.error;
  return parse_process_stat(line, stat) ? 0 : EBADMSG;
}

/// Whether `error` says that a process, or what the kernel kept of it, is gone.
[[nodiscard]] constexpr bool says_gone(int error) noexcept {
  return error == ENOENT || error == ESRCH || error == ENODEV;
}

/// The process as people are told of it.
[[nodiscard]] inline NamedProcess named_process(Pid pid, const StartToken& start) noexcept {
  NamedProcess process;
  process.pid = pid;
  process.start = start;
  FixedText<64> path{"/proc/"};
  path.append_number(static_cast<std::uint64_t>(pid)).append("/comm");
  FixedText<64> command;
  if (read_small_file(path.c_str(), command).ok()) process.name.append(trimmed(command));
  return process;
}

}  // namespace linux_detail

}  // namespace genie::inline v0

#endif  // GENIE_LINUX_PROCESS_STAT_HPP
