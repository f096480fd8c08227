// Policy calls as data: what a simulated process asks, what it is answered, and how a machine answers it.
#ifndef GENIE_TESTING_REQUEST_HPP
#define GENIE_TESTING_REQUEST_HPP

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "genie/testing/fingerprint.hpp"

namespace genie::inline v0::testing {

/// One policy call with its arguments.
struct Request {
  Call call = Call::any;
  ProcessIndex as = 0;  ///< a forked child that makes the call; 0: the process itself
  int file = -1;        ///< descriptor, number of a watch, of a handle, a child or a cgroup
  int directory = -1;
  std::string one;           ///< name, path, or bytes to write
  std::string two;           ///< second name; of a launch the directory and, after a NUL, the log
  std::uint64_t first = 0;   ///< offset, PID or inode number
  std::uint64_t second = 0;  ///< length, count, permissions or the place of a lock
  std::uint64_t third = 0;   ///< PID; or a count, where others are taken
  OpenMode mode = OpenMode::read;
  Signal signal = Signal::terminate;
  Milliseconds span;

  /// Returns: what tells it from every other one.
  [[nodiscard]] Fingerprint fingerprint() const noexcept {
    Fingerprinter print;
    print.add(static_cast<std::uint64_t>(call) | std::uint64_t{as} << 8U | static_cast<std::uint64_t>(mode) << 40U |
              static_cast<std::uint64_t>(signal) << 48U);
    print.add(static_cast<std::uint64_t>(file) << 32U | static_cast<std::uint32_t>(directory));
    print.add(one);
    print.add(two);
    print.add(first);
    print.add(second);
    print.add(third);
    print.add(span);
    return print.result();
  }
  /// Whether the call may have to wait, for time to pass or for somebody else.
  [[nodiscard]] bool blocks() const noexcept {
    return call == Call::sleep || call == Call::wait || call == Call::wait_process || call == Call::stay ||
           call == Call::await_terminate || call == Call::wait_child || call == Call::reap_child;
  }
  /// Whether the answer depends on nothing that others could do.
  [[nodiscard]] bool is_private() const noexcept {
    return call == Call::self || call == Call::origin || call == Call::user || call == Call::random;
  }
  /// Whether the call leaves the machine as it is.
  [[nodiscard]] bool only_looks() const noexcept {
    switch (call) {
      case Call::wall:
      case Call::monotonic:
      case Call::coarse:
      case Call::self:
      case Call::look:
      case Call::origin:
      case Call::user:
      case Call::random:
      case Call::leads_group:
      case Call::group_lives:
      case Call::group_members:
      case Call::cgroup_lives:
      case Call::cgroup_members:
      case Call::wait_process:
      case Call::holds_lock:
      case Call::lock_holders:
      case Call::stat:
      case Call::stat_at:
      case Call::read_at:
      case Call::query_lock:
      case Call::for_each_name:
      case Call::sleep:
      case Call::stay: return true;
      default: return false;
    }
  }
};

/// What a call returned. Which members mean something depends on the call.
struct Response {
  int error = 0;
  std::uint64_t number = 0;  ///< descriptor, count, PID, milliseconds or truth
  std::string bytes;
  FileInfo info;
  Observation seen;
  LockQuery query;
  ProcessOrigin origin;
  std::vector<LockHolder> holders;
  std::vector<std::string> names;

  /// Returns: what tells it from every other one.
  [[nodiscard]] Fingerprint fingerprint() const noexcept {
    Fingerprinter print;
    print.add(static_cast<std::uint64_t>(error));
    print.add(number);
    print.add(bytes);
    print.add(info.id.device);
    print.add(info.id.inode);
    print.add(static_cast<std::uint64_t>(info.type) << 32U | info.permissions);
    print.add(info.user);
    print.add(info.links);
    print.add(static_cast<std::uint64_t>(info.size));
    print.add(static_cast<std::uint64_t>(info.changed_ns));
    print.add(static_cast<std::uint64_t>(seen.liveness) | std::uint64_t{seen.zombie} << 8U |
              static_cast<std::uint64_t>(seen.error) << 16U);
    print.add(seen.start);
    print.add(static_cast<std::uint64_t>(seen.parent) << 32U | static_cast<std::uint64_t>(seen.session));
    print.add(query.offset << 1U | std::uint64_t{query.held});
    print.add(query.length);
    print.add(Text{origin.boot});
    print.add(origin.pid_namespace);
    for (const LockHolder& holder : holders) {
      print.add(static_cast<std::uint64_t>(holder.pid));
      print.add(holder.start);
    }
    for (const std::string& name : names) print.add(name);
    return print.result();
  }
  /// The answer to a call that fails with that errno.
  [[nodiscard]] static Response failure(int error) {
    Response response;
    response.error = error;
    return response;
  }
};

namespace detail {

inline void perform_on_files(MemoryFilesystem& files, const Request& request, Response& response) {
  using File = MemoryFilesystem::File;
  const File file{request.file};
  const File directory{request.directory};
  const char* const one = request.one.c_str();
  const char* const two = request.two.c_str();
  const auto permissions = static_cast<std::uint32_t>(request.second);
  const auto opened = [&](const SysResult<File>& result) {
    response.error = result.error;
    if (result.ok()) response.number = static_cast<std::uint64_t>(result.value.descriptor);
  };
  const auto told = [&](const SysResult<FileInfo>& result) {
    response.error = result.error;
    if (result.ok()) response.info = result.value;
  };
  switch (request.call) {
    case Call::make_directory: response.error = files.make_directory(one, permissions).error; break;
    case Call::open_directory: opened(files.open_directory(one)); break;
    case Call::open: opened(files.open(directory, one, request.mode, permissions)); break;
    case Call::inherited: opened(files.inherited()); break;
    case Call::create_unnamed: opened(files.create_unnamed(directory, permissions)); break;
    case Call::link_unnamed: response.error = files.link_unnamed(file, directory, one).error; break;
    case Call::rename: response.error = files.rename(directory, one, two).error; break;
    case Call::rename_new: response.error = files.rename_new(directory, one, two).error; break;
    case Call::exchange: response.error = files.exchange(directory, one, two).error; break;
    case Call::link: response.error = files.link(directory, one, two).error; break;
    case Call::unlink_file: response.error = files.unlink_file(directory, one, file).error; break;
    case Call::unlink: response.error = files.unlink(directory, one).error; break;
    case Call::stat: told(files.stat(file)); break;
    case Call::stat_at: told(files.stat_at(directory, one)); break;
    case Call::read_at: {
      response.bytes.resize(static_cast<std::size_t>(request.second));
      const auto result = files.read_at(file, response.bytes.data(), response.bytes.size(), request.first);
      response.error = result.error;
      response.bytes.resize(result.ok() ? result.value : 0);
      break;
    }
    case Call::write_at: {
      const auto result = files.write_at(file, request.one.data(), request.one.size(), request.first);
      response.error = result.error;
      if (result.ok()) response.number = result.value;
      break;
    }
    case Call::sync: response.error = files.sync(file).error; break;
    case Call::try_lock: response.error = files.try_lock(file, request.first, request.second).error; break;
    case Call::unlock: response.error = files.unlock(file, request.first, request.second).error; break;
    case Call::query_lock: {
      const auto result = files.query_lock(file, request.first, request.second);
      response.error = result.error;
      if (result.ok()) response.query = result.value;
      break;
    }
    case Call::for_each_name:
      response.error =
          files.for_each_name(directory, [&](Text name) { response.names.emplace_back(name.data(), name.size()); })
              .error;
      break;
    case Call::watch: {
      const auto result = files.watch(one);
      response.error = result.error;
      if (result.ok()) response.number = static_cast<std::uint64_t>(result.value.descriptor);
      break;
    }
    case Call::wait: {
      MemoryFilesystem::Watch watch{request.file};
      const auto result = files.wait(watch, Milliseconds{});
      response.error = result.error;
      response.number = result.ok() && result.value ? 1 : 0;
      break;
    }
    case Call::close_watch: {
      MemoryFilesystem::Watch watch{request.file};
      files.close_watch(watch);
      break;
    }
    case Call::close: files.close(file); break;
    case Call::bind: {
      const auto result = files.bind(one);
      response.error = result.error;
      response.number = result.value;
      break;
    }
    default: break;
  }
}

inline void perform_on_processes(FakeProcesses& processes, FileIdentity locked, const Request& request,
                                 Response& response) {
  const FakeProcesses::Handle handle{static_cast<std::uint32_t>(request.file)};
  const FakeProcesses::Cgroup cgroup{static_cast<std::uint32_t>(request.file)};
  // `named(out, count)` fills in whom it names, and returns how many.
  const auto told = [&](auto&& named) {
    response.holders.resize(static_cast<std::size_t>(request.third));
    response.holders.resize(named(response.holders.data(), response.holders.size()));
  };
  switch (request.call) {
    case Call::self: response.number = static_cast<std::uint64_t>(processes.self()); break;
    case Call::look: response.seen = processes.look(static_cast<Pid>(request.first)); break;
    case Call::origin: response.origin = processes.origin(); break;
    case Call::user: response.number = processes.user(); break;
    case Call::open_process: {
      const auto result = processes.open(static_cast<Pid>(request.first));
      response.error = result.error;
      if (result.ok()) response.number = result.value.number;
      break;
    }
    case Call::signal: response.error = processes.signal(handle, request.signal).error; break;
    case Call::leads_group: response.number = processes.leads_group(static_cast<Pid>(request.first)) ? 1 : 0; break;
    case Call::signal_group:
      response.error = processes.signal_group(handle, static_cast<Pid>(request.first), request.signal).error;
      break;
    case Call::group_lives:
      response.number = processes.group_lives(handle, static_cast<Pid>(request.first)) ? 1 : 0;
      break;
    case Call::group_members:
      told([&](NamedProcess* out, std::size_t count) {
        return processes.group_members(handle, static_cast<Pid>(request.first), out, count);
      });
      break;
    case Call::open_cgroup: {
      const auto result = processes.open_cgroup(static_cast<Pid>(request.first));
      response.error = result.error;
      if (result.ok()) response.number = result.value.number;
      break;
    }
    case Call::signal_cgroup: response.error = processes.signal_cgroup(cgroup, request.signal).error; break;
    case Call::cgroup_lives: response.number = processes.cgroup_lives(cgroup) ? 1 : 0; break;
    case Call::cgroup_members:
      told([&](NamedProcess* out, std::size_t count) { return processes.cgroup_members(cgroup, out, count); });
      break;
    case Call::close_cgroup: processes.close_cgroup(cgroup); break;
    case Call::wait_process: {
      const auto result = processes.wait(handle, Milliseconds{});
      response.error = result.error;
      response.number = result.ok() && result.value ? 1 : 0;
      break;
    }
    case Call::close_process: processes.close(handle); break;
    case Call::holds_lock:
      response.number = processes.holds_lock(static_cast<Pid>(request.third), locked, request.second) ? 1 : 0;
      break;
    case Call::lock_holders:
      told([&](NamedProcess* out, std::size_t count) {
        return processes.lock_holders(locked, request.second, out, count);
      });
      break;
    default: break;
  }
}

inline void perform_on_children(FakeLauncher& launcher, const Request& request, Response& response) {
  const FakeLauncher::Child child{static_cast<ProcessIndex>(request.file), static_cast<Pid>(request.first)};
  switch (request.call) {
    case Call::spawn: {
      LaunchPlan plan;
      plan.program = request.one.c_str();
      plan.directory = request.two.c_str();
      if (const std::size_t end = request.two.find('\0'); end != std::string::npos) {
        plan.log = request.two.c_str() + end + 1;
      }
      plan.file_mode_mask = static_cast<std::uint32_t>(request.second);
      plan.adopts_orphans = request.third != 0;
      const auto result = launcher.spawn(plan, MemoryFilesystem::File{request.file}, Milliseconds{});
      response.error = result.error;
      if (result.ok()) {
        response.number = static_cast<std::uint64_t>(result.value.number) << 32U | result.value.process;
      }
      break;
    }
    case Call::let_go: response.error = launcher.let_go(child, Milliseconds{}).error; break;
    case Call::wait_child: {
      MemoryFilesystem::Watch watch{request.directory};
      const auto result = launcher.wait(child, watch, Milliseconds{});
      response.error = result.error;
      if (result.ok()) response.number = static_cast<std::uint64_t>(result.value);
      break;
    }
    case Call::kill_child: response.error = launcher.kill(child, request.signal).error; break;
    case Call::reap_child: {
      const auto result = launcher.reap(child, Milliseconds{});
      response.error = result.error;
      if (result.ok()) {
        const ProcessExit& exit = result.value;
        response.number = static_cast<std::uint64_t>(exit.not_executed) << 32U |
                          static_cast<std::uint64_t>(exit.value) << 1U | std::uint64_t{exit.is_by_signal};
      }
      break;
    }
    case Call::close_child: launcher.close(child); break;
    default: break;
  }
}
/// Whether a watch has something to tell, or is none of the process.
[[nodiscard]] inline bool is_changed(const Machine& machine, ProcessIndex process, int number) {
  const auto table = machine.disk.tables.find(process);
  if (table == machine.disk.tables.end()) return true;
  const auto watch = table->second.watches.find(number);
  if (watch == table->second.watches.end()) return true;
  const auto found = machine.disk.inodes.find(watch->second.inode);
  const bool lives = found != machine.disk.inodes.end() && found->second.serial == watch->second.serial;
  return watch->second.seen != (lives ? found->second.version : MemoryDisk::unwatched);
}

}  // namespace detail

/// Lets a process of the machine make the call. One that blocks answers at once, as if its time were up.
[[nodiscard]] inline Response perform(Machine& machine, ProcessIndex process, const Request& request) {
  Contender self = machine.contender(process);
  Response response;
  switch (request.call) {
    case Call::wall: response.number = static_cast<std::uint64_t>(self.clock.wall().count()); break;
    case Call::monotonic: response.number = static_cast<std::uint64_t>(self.clock.monotonic().count()); break;
    case Call::coarse: response.number = static_cast<std::uint64_t>(self.clock.coarse().count()); break;
    case Call::self:
    case Call::look:
    case Call::origin:
    case Call::user:
    case Call::open_process:
    case Call::signal:
    case Call::leads_group:
    case Call::signal_group:
    case Call::group_lives:
    case Call::group_members:
    case Call::open_cgroup:
    case Call::signal_cgroup:
    case Call::cgroup_lives:
    case Call::cgroup_members:
    case Call::close_cgroup:
    case Call::wait_process:
    case Call::close_process:
    case Call::holds_lock:
    case Call::lock_holders:
      detail::perform_on_processes(self.process, {machine.disk.device, request.first}, request, response);
      break;
    case Call::spawn:
    case Call::let_go:
    case Call::wait_child:
    case Call::kill_child:
    case Call::reap_child:
    case Call::close_child: detail::perform_on_children(self.launcher, request, response); break;
    default: detail::perform_on_files(self.filesystem, request, response); break;
  }
  return response;
}

/// Whether what a blocking call waits for has happened.
[[nodiscard]] inline bool is_ready(const Machine& machine, ProcessIndex process, const Request& request) {
  switch (request.call) {
    case Call::wait_process: {
      const auto pin = machine.processes.pins.find(static_cast<std::uint32_t>(request.file));
      return pin == machine.processes.pins.end() || machine.time.ended(pin->second.target);
    }
    case Call::wait: return detail::is_changed(machine, process, request.file);
    case Call::wait_child:
      if (request.directory >= 0 && detail::is_changed(machine, process, request.directory)) return true;
      [[fallthrough]];
    case Call::reap_child: {
      const auto child = static_cast<ProcessIndex>(request.file);
      return !machine.processes.processes[child].has_handle || machine.time.ended(child);
    }
    case Call::await_terminate: return machine.processes.processes[process].has_pending_terminate;
    case Call::sleep:
    case Call::stay: return false;
    default: return true;
  }
}

/// Returns: the symbol of an errno value that genie's calls return, else the number.
[[nodiscard]] inline std::string errno_symbol(int error) {
  struct Symbol {
    int value;
    const char* name;
  };
  static constexpr Symbol symbols[] = {{EPERM, "EPERM"},
                                       {ENOENT, "ENOENT"},
                                       {ESRCH, "ESRCH"},
                                       {EINTR, "EINTR"},
                                       {EIO, "EIO"},
                                       {EBADF, "EBADF"},
                                       {EAGAIN, "EAGAIN"},
                                       {ENOMEM, "ENOMEM"},
                                       {EACCES, "EACCES"},
                                       {EADDRINUSE, "EADDRINUSE"},
                                       {EBUSY, "EBUSY"},
                                       {EEXIST, "EEXIST"},
                                       {ENOTDIR, "ENOTDIR"},
                                       {EISDIR, "EISDIR"},
                                       {EINVAL, "EINVAL"},
                                       {ENFILE, "ENFILE"},
                                       {EMFILE, "EMFILE"},
                                       {ENOSPC, "ENOSPC"},
                                       {EROFS, "EROFS"},
                                       {ENOSYS, "ENOSYS"},
                                       {EDEADLK, "EDEADLK"},
                                       {ELOOP, "ELOOP"},
                                       {EOPNOTSUPP, "EOPNOTSUPP"},
                                       {ENOLCK, "ENOLCK"},
                                       {ENOTEMPTY, "ENOTEMPTY"},
                                       {ECHILD, "ECHILD"},
                                       {ENAMETOOLONG, "ENAMETOOLONG"},
                                       {ghost_error, "(dead)"}};
  for (const Symbol& symbol : symbols) {
    if (symbol.value == error) return symbol.name;
  }
  return "errno " + std::to_string(error);
}

namespace detail {

/// Bytes for people: one line, at most so long.
[[nodiscard]] inline std::string shown(const std::string& bytes, std::size_t most = 48) {
  std::string text = "\"";
  for (const char c : bytes) {
    if (text.size() > most) return text + "…\"";
    if (c == '\n') {
      text += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') {
      text += '?';
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace detail

/// Returns: the call as people read it, `open serve.lock (ensure)`.
[[nodiscard]] inline std::string describe(const Request& request) {
  static constexpr const char* modes[] = {"read", "read_write", "ensure", "create"};
  std::string text = request.as == 0 ? "" : "in the child: ";
  text += name_of(request.call);
  switch (request.call) {
    case Call::open: text += ' ' + request.one + " (" + modes[static_cast<std::size_t>(request.mode)] + ')'; break;
    case Call::rename:
    case Call::link:
    case Call::rename_new: text += ' ' + request.one + " to " + request.two; break;
    case Call::exchange: text += ' ' + request.one + " with " + request.two; break;
    case Call::make_directory:
    case Call::open_directory:
    case Call::link_unnamed:
    case Call::unlink:
    case Call::unlink_file:
    case Call::stat_at:
    case Call::bind:
    case Call::watch: text += ' ' + request.one; break;
    case Call::write_at: text += ' ' + std::to_string(request.file) + ' ' + detail::shown(request.one); break;
    case Call::look:
    case Call::open_process:
    case Call::open_cgroup: text += ' ' + std::to_string(request.first); break;
    case Call::holds_lock: text += ' ' + std::to_string(request.third); break;
    case Call::signal:
    case Call::signal_group:
    case Call::signal_cgroup: text += request.signal == Signal::kill ? " KILL" : " TERM"; break;
    case Call::try_lock:
    case Call::unlock:
    case Call::query_lock: {
      text += ' ' + std::to_string(request.file) + " at +" + std::to_string(request.first);
      if (request.second != 1) text += " length " + std::to_string(request.second);
      break;
    }
    case Call::spawn: text += ' ' + request.one; break;
    case Call::let_go:
    case Call::close_child: text += ' ' + std::to_string(request.first); break;
    case Call::reap_child:
    case Call::wait_child:
      text += ' ' + std::to_string(request.first) + ' ' + std::to_string(request.span.count()) + " ms";
      break;
    case Call::kill_child:
      text += ' ' + std::to_string(request.first) + (request.signal == Signal::kill ? " KILL" : " TERM");
      break;
    case Call::sleep:
    case Call::wait:
    case Call::wait_process: text += ' ' + std::to_string(request.span.count()) + " ms"; break;
    case Call::stat:
    case Call::read_at:
    case Call::sync:
    case Call::close:
    case Call::close_watch:
    case Call::close_process:
    case Call::close_cgroup: text += ' ' + std::to_string(request.file); break;
    default: break;
  }
  return text;
}

/// Returns: what it answered, as people read it.
[[nodiscard]] inline std::string describe(const Request& request, const Response& response) {
  if (response.error != 0 && request.call != Call::look) return errno_symbol(response.error);
  switch (request.call) {
    case Call::open_directory:
    case Call::open:
    case Call::inherited:
    case Call::create_unnamed:
    case Call::watch:
    case Call::open_process:
    case Call::open_cgroup: return "= " + std::to_string(response.number);
    case Call::write_at: return std::to_string(response.number) + " bytes";
    case Call::read_at: return detail::shown(response.bytes);
    case Call::stat:
    case Call::stat_at:
      return "inode " + std::to_string(response.info.id.inode) + ", links " + std::to_string(response.info.links) +
             ", " + std::to_string(response.info.size) + " bytes";
    case Call::query_lock: return response.query.held ? "held" : "free";
    case Call::look:
      switch (response.seen.liveness) {
        case Liveness::alive:
          return response.seen.start.known ? "alive since " + std::to_string(response.seen.start.value) : "alive";
        case Liveness::gone: return response.seen.zombie ? "zombie" : "gone";
        case Liveness::unknown: return "unknown";
      }
      return {};
    case Call::wait:
    case Call::wait_process:
    case Call::await_terminate: return response.number != 0 ? "yes" : "time is up";
    case Call::spawn: return "= " + std::to_string(response.number >> 32U);
    case Call::wait_child:
      return response.number == static_cast<std::uint64_t>(LaunchEvent::ended)     ? "it has ended"
             : response.number == static_cast<std::uint64_t>(LaunchEvent::changed) ? "changed"
                                                                                   : "time is up";
    case Call::reap_child:
      return ((response.number & 1U) != 0 ? "signal " : "status ") +
             std::to_string((response.number & UINT32_MAX) >> 1U);
    case Call::holds_lock:
    case Call::leads_group:
    case Call::group_lives:
    case Call::cgroup_lives: return response.number != 0 ? "yes" : "no";
    case Call::lock_holders:
    case Call::group_members:
    case Call::cgroup_members: return std::to_string(response.holders.size());
    case Call::for_each_name: return std::to_string(response.names.size()) + " names";
    case Call::wall:
    case Call::monotonic:
    case Call::coarse:
    case Call::self:
    case Call::user: return std::to_string(response.number);
    default: return "ok";
  }
}

}  // namespace genie::inline v0::testing

#endif  // GENIE_TESTING_REQUEST_HPP
