// Fingerprints of simulated machines: equal for machines that no simulated process can tell apart.
//
// Left out, because nobody can see it: numbers of open files, version counters of watched files (only whether a watch
// has something to tell), processes that are gone, hooks.
#ifndef GENIE_TESTING_FINGERPRINT_HPP
#define GENIE_TESTING_FINGERPRINT_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>

#include "genie/testing/machine.hpp"

namespace genie::inline v0::testing {

/// 128 bits: among 10^9 of them, two that are equal by chance are less likely than 10^-20.
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const Fingerprint&, const Fingerprint&) noexcept = default;
};

/// For standard containers.
struct FingerprintHash {
  [[nodiscard]] std::size_t operator()(const Fingerprint& print) const noexcept {
    return static_cast<std::size_t>(print.low);
  }
};

/// Takes values one after another; order matters.
class Fingerprinter {
 public:
  /// Takes one more value in. The order counts.
  void add(std::uint64_t value) noexcept {
    high_ = mix((high_ ^ value) + 0x9E3779B97F4A7C15U);
    low_ = mix((low_ + value) ^ rotated(high_));
  }
  void add(Text bytes) noexcept {
    add(std::uint64_t{bytes.size()});
    const char* from = bytes.data();
    std::size_t left = bytes.size();
    for (std::uint64_t word = 0; left >= sizeof word; from += sizeof word, left -= sizeof word) {
      std::memcpy(&word, from, sizeof word);
      add(word);
    }
    std::uint64_t rest = 0;
    for (; left > 0; --left) rest = rest << 8U | static_cast<unsigned char>(*from++);
    if (rest != 0) add(rest);
  }
  void add(Milliseconds span) noexcept { add(static_cast<std::uint64_t>(span.count())); }
  void add(const StartToken& start) noexcept {
    add(start.value);
    add(std::uint64_t{start.known});
  }
  void add(const Fingerprint& print) noexcept {
    add(print.high);
    add(print.low);
  }

  /// Returns: the fingerprint of everything that was added.
  [[nodiscard]] Fingerprint result() const noexcept { return {high_, low_}; }

 private:
  [[nodiscard]] static std::uint64_t rotated(std::uint64_t value) noexcept { return value << 23U | value >> 41U; }
  [[nodiscard]] static std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31U);
  }

  std::uint64_t high_ = 0x243F6A8885A308D3U;
  std::uint64_t low_ = 0x13198A2E03707344U;
};

/// Returns: the fingerprint of everything that a process, present or future, can find out about the machine.
[[nodiscard]] inline Fingerprint fingerprint(const Machine& machine) {
  Fingerprinter print;
  const ManualTime& time = machine.time;
  print.add(time.wall);
  print.add(time.monotonic);

  const ProcessTable& table = machine.processes;
  print.add(table.boot);
  print.add(table.next_start);
  for (const auto& [pid_namespace, next] : table.next_pid) {
    print.add(pid_namespace);
    print.add(static_cast<std::uint64_t>(next));
  }
  for (ProcessIndex at = 0; at < table.processes.size(); ++at) {
    const ProcessState state = table.state(time, at);
    if (state == ProcessState::gone) continue;
    const Process& process = table.processes[at];
    print.add(std::uint64_t{at} << 32U | static_cast<std::uint64_t>(state) << 8U |
              static_cast<std::uint64_t>(process.visibility) << 4U |
              static_cast<std::uint64_t>(process.is_stopped) << 1U |
              static_cast<std::uint64_t>(process.has_pending_terminate));
    print.add(static_cast<std::uint64_t>(process.pid));
    print.add(process.start);
    print.add(process.user);
    print.add(process.pid_namespace);
    print.add(std::uint64_t{process.leader});
    print.add(std::uint64_t{process.parent} << 32U | process.session);
    if (process.launch != nullptr) {
      print.add(Text{process.launch->program});
      print.add(std::uint64_t{process.launch->adopts_orphans} | std::uint64_t{process.has_handle} << 1U |
                std::uint64_t{time.held.count(at)} << 2U);
      if (state == ProcessState::zombie) {
        print.add(std::uint64_t{process.exit.is_by_signal} << 32U | static_cast<std::uint32_t>(process.exit.value));
      }
    }
    if (!process.cgroup.empty()) print.add(process.cgroup);
    const Reaction& reaction = process.reaction;
    print.add(std::uint64_t{reaction.ignores_terminate} | std::uint64_t{reaction.catches_terminate} << 1U |
              std::uint64_t{reaction.leaves_zombie} << 2U);
    print.add(reaction.terminate_takes);
    print.add(reaction.kill_takes);
    const auto end = time.ends.find(at);
    print.add(end == time.ends.end() || end->second <= time.monotonic ? Milliseconds{-1} : end->second);
  }
  for (const auto& [number, pin] : table.pins) {
    if (time.ended(pin.owner)) continue;
    print.add(std::uint64_t{number});
    print.add(std::uint64_t{pin.target} << 2U | static_cast<std::uint64_t>(table.state(time, pin.target)));
  }

  for (const auto& [number, cgroup] : table.cgroups) {
    if (time.ended(cgroup.owner)) continue;
    print.add(std::uint64_t{number});
    print.add(cgroup.path);
  }

  const MemoryDisk& disk = machine.disk;
  for (const auto& [number, inode] : disk.inodes) {
    print.add(number);
    print.add(static_cast<std::uint64_t>(inode.type) << 32U | inode.permissions << 1U |
              static_cast<std::uint32_t>(inode.linkable));
    print.add(inode.user);
    print.add(inode.links);
    print.add(inode.parent);
    print.add(static_cast<std::uint64_t>(inode.changed_ns));
    if (inode.type == FileType::socket) print.add(static_cast<std::uint64_t>(inode.modified_ns));  // asked of no other
    print.add(inode.content);
    for (const auto& [name, target] : inode.entries) {
      print.add(name);
      print.add(target);
    }
  }
  // Open files in the order in which the descriptors mention them.
  std::map<std::uint32_t, std::uint64_t> order;
  for (const auto& [process, descriptors] : disk.tables) {
    if (descriptors.descriptors.empty() && descriptors.watches.empty()) continue;
    print.add(std::uint64_t{process} + 1);
    for (const auto& [descriptor, id] : descriptors.descriptors) {
      const auto [known, is_new] = order.try_emplace(id, order.size());
      print.add(static_cast<std::uint64_t>(descriptor) << 32U | known->second);
      if (!is_new) continue;
      const MemoryDisk::OpenFile& file = disk.open_files.find(id)->second;
      print.add(file.inode);
      print.add(file.directory);
      print.add(std::uint64_t{file.readable} | std::uint64_t{file.writable} << 1U);
      for (const MemoryDisk::Range& lock : file.locks) {
        print.add(lock.first);
        print.add(lock.end);
      }
    }
    for (const auto& [descriptor, watch] : descriptors.watches) {
      const auto found = disk.inodes.find(watch.inode);
      const bool lives = found != disk.inodes.end() && found->second.serial == watch.serial;
      const bool changed = watch.seen != (lives ? found->second.version : UINT64_MAX);
      print.add(static_cast<std::uint64_t>(descriptor) << 32U | std::uint64_t{lives} << 1U | std::uint64_t{changed});
      print.add(lives ? watch.inode : 0);
    }
  }
  return print.result();
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_FINGERPRINT_HPP
