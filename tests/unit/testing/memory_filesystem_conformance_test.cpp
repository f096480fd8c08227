// The same random operations on a disk in memory and on the kernel's file systems must answer the same.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "genie/system.hpp"
#include "genie/testing/memory_filesystem.hpp"

namespace {

using genie::FileInfo;
using genie::FileType;
using genie::OpenMode;
using genie::Text;
using genie::testing::ManualTime;
using genie::testing::MemoryDisk;
using genie::testing::MemoryFilesystem;

enum class Kind {
  open,
  create_unnamed,
  link_unnamed,
  rename,
  rename_new,
  exchange,
  unlink,
  stat,
  stat_at,
  read,
  write,
  sync,
  lock,
  unlock,
  query,
  list,
  close,
  make_directory,
  watch,
  wait,
  remove_directory,
  make_symbolic_link,
  make_fifo,
  chmod,
  count
};

struct Step {
  Kind kind;
  std::string name;
  std::string other;
  std::size_t slot;
  std::size_t directory;
  OpenMode mode;
  std::uint32_t permissions;
  std::size_t offset;
  std::size_t length;

  [[nodiscard]] std::string text() const {
    return "kind " + std::to_string(static_cast<int>(kind)) + " " + name.substr(0, 9) + " " + other.substr(0, 9) +
           " slot " + std::to_string(slot) + " directory " + std::to_string(directory) + " mode " +
           std::to_string(static_cast<int>(mode)) + " permissions " + std::to_string(permissions) + " range " +
           std::to_string(offset) + "+" + std::to_string(length);
  }
};

constexpr std::size_t slot_count = 5;

/// One of the two file systems, with what the test has open on it.
template <typename F>
struct Side {
  static constexpr bool is_fake = std::is_same_v<F, MemoryFilesystem>;

  F files;
  MemoryDisk* disk;
  std::string root;
  std::vector<std::optional<typename F::File>> slots = std::vector<std::optional<typename F::File>>(slot_count);
  std::optional<typename F::File> directories[2] = {};  // the root, and one below it that may be removed
  std::optional<typename F::Watch> watches[2] = {};

  void start() {
    REQUIRE(files.make_directory(root.c_str(), 0700).ok());
    directories[0] = files.open_directory(root.c_str()).value;
  }
  void finish() {
    for (auto& slot : slots) {
      if (slot) files.close(*slot);
    }
    for (auto& directory : directories) {
      if (directory) files.close(*directory);
    }
    for (auto& watch : watches) {
      if (watch) files.close_watch(*watch);
    }
    if constexpr (!is_fake) {
      std::filesystem::permissions(root, std::filesystem::perms::owner_all);
      for (const auto& entry : std::filesystem::directory_iterator{root}) {
        if (entry.symlink_status().type() != std::filesystem::file_type::directory) continue;
        std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
      }
      std::filesystem::remove_all(root);
    }
  }

  static std::string status(int error) { return error == 0 ? "ok" : "errno " + std::to_string(error); }
  static std::string describe(const FileInfo& info) {
    const bool directory = info.type == FileType::directory;
    return "type " + std::to_string(static_cast<int>(info.type)) + " permissions " + std::to_string(info.permissions) +
           " user " + std::to_string(info.user) +
           (directory ? (info.links == 0 ? " removed" : "")
                      : " links " + std::to_string(info.links) + " size " + std::to_string(info.size));
  }

  std::string perform(const Step& step) {
    auto& slot = slots[step.slot];
    const typename F::File file = slot ? *slot : typename F::File{500};
    const typename F::File directory = directories[step.directory] ? *directories[step.directory] : *directories[0];
    const char* name = step.name.c_str();
    const char* other = step.other.c_str();
    const std::string path = root + "/" + step.name;
    switch (step.kind) {
      case Kind::open:
      case Kind::create_unnamed: {
        // In a removed directory, each file system answers otherwise.
        const auto where = files.stat(directory);
        if (step.kind == Kind::create_unnamed && (!where.ok() || where.value.links == 0)) return "";
        const auto result = step.kind == Kind::open ? files.open(directory, name, step.mode, step.permissions)
                                                    : files.create_unnamed(directory, step.permissions);
        if (result.ok()) {
          if (slot) files.close(*slot);
          slot = result.value;
        }
        return status(result.error);
      }
      case Kind::link_unnamed: return slot ? status(files.link_unnamed(file, directory, name).error) : "";
      case Kind::rename: return status(files.rename(directory, name, other).error);
      case Kind::rename_new: return status(files.rename_new(directory, name, other).error);
      case Kind::exchange: return status(files.exchange(directory, name, other).error);
      case Kind::unlink: return status(files.unlink(directory, name).error);
      case Kind::stat: {
        const auto result = files.stat(file);
        if (!result.ok()) return status(result.error);
        const auto named = files.stat_at(directory, name);
        return describe(result.value) + (named.ok() && named.value.id == result.value.id ? " same" : " other");
      }
      case Kind::stat_at: {
        const auto result = files.stat_at(directory, name);
        return result.ok() ? describe(result.value) : status(result.error);
      }
      case Kind::read: {
        char buffer[64] = {};
        const auto result = files.read_at(file, buffer, step.length, step.offset);
        return result.ok() ? "read " + std::string(buffer, result.value) : status(result.error);
      }
      case Kind::write: {
        const auto result = files.write_at(file, "abcdefghijklmnopqrstuvwxyz", step.length, step.offset);
        return result.ok() ? "wrote " + std::to_string(result.value) : status(result.error);
      }
      case Kind::sync: return status(files.sync(file).error);
      case Kind::lock: return status(files.try_lock(file, step.offset, step.length).error);
      case Kind::unlock: return status(files.unlock(file, step.offset, step.length).error);
      case Kind::query: {
        const auto result = files.query_lock(file, step.offset, step.length);
        return result.ok() ? (result.value.held ? "held" : "free") : status(result.error);
      }
      case Kind::list: {
        std::vector<std::string> names;
        const auto result =
            files.for_each_name(directory, [&](Text entry) { names.emplace_back(entry.data(), entry.size()); });
        std::sort(names.begin(), names.end());
        std::string text = status(result.error);
        for (const std::string& entry : names) text += " " + entry;
        return text;
      }
      case Kind::close: {
        if (!slot) return "";
        files.close(*slot);
        slot.reset();
        return "";
      }
      case Kind::make_directory: {
        const auto result = files.make_directory(path.c_str(), 0700);
        if (step.length % 2 == 0) return status(result.error);
        const auto opened = files.open_directory(path.c_str());
        if (opened.ok()) {
          if (directories[1]) files.close(*directories[1]);
          directories[1] = opened.value;
        }
        return status(result.error) + status(opened.error);
      }
      case Kind::watch: {
        auto& watch = watches[step.slot % 2];
        if (watch) files.close_watch(*watch);
        watch.reset();
        const auto result = files.watch(step.length % 2 == 0 ? root.c_str() : path.c_str());
        if (result.ok()) watch = result.value;
        return status(result.error);
      }
      case Kind::wait: {
        auto& watch = watches[step.slot % 2];
        if (!watch) return "";
        const auto result = files.wait(*watch, genie::Milliseconds{});
        return result.ok() ? (result.value ? "changed" : "unchanged") : status(result.error);
      }
      case Kind::remove_directory:
        if constexpr (is_fake) {
          const auto info = disk->stat(path);
          if (info && info->type == FileType::directory && disk->names(path).empty()) disk->remove(path);
        } else {
          (void)::rmdir(path.c_str());
        }
        return "";
      case Kind::make_symbolic_link:
        if constexpr (is_fake) {
          if (!disk->exists(path)) disk->make_symbolic_link(path, step.other, ::geteuid());
        } else {
          (void)::symlink(other, path.c_str());
        }
        return "";
      case Kind::make_fifo:
        if constexpr (is_fake) {
          if (!disk->exists(path)) disk->make_fifo(path, step.permissions, ::geteuid());
        } else {
          (void)::mkfifo(path.c_str(), step.permissions);
        }
        return "";
      case Kind::chmod: {
        const auto info = files.stat_at(*directories[0], name);
        if (!info.ok() || info.value.type == FileType::symbolic_link) return "";
        if constexpr (is_fake) {
          disk->set_permissions(path, step.permissions);
        } else {
          (void)::chmod(path.c_str(), step.permissions);
        }
        return "";
      }
      case Kind::count: break;
    }
    return "";
  }
};

/// The same on every standard library, unlike the distributions of <random>.
std::size_t below(std::mt19937& random, std::size_t limit) { return random() % limit; }

Step random_step(std::mt19937& random) {
  static const std::vector<std::string> names{"a", "b", "c", "d", "d/a", "missing/a", "a/b", std::string(256, 'x'),
                                              "."};
  static const std::uint32_t permissions[] = {0600, 0600, 0700, 0400, 0200, 0000, 0644};
  const auto name = [&] { return names[below(random, below(random, 4) == 0 ? names.size() : 4)]; };
  Step step{};
  step.kind = static_cast<Kind>(below(random, static_cast<std::size_t>(Kind::count)));
  if (below(random, 4) == 0) step.kind = Kind::open;
  step.name = name();
  step.other = name();
  if (step.kind == Kind::watch && below(random, 4) != 0) step.kind = Kind::wait;  // to close one takes the kernel long
  const bool by_outsider = step.kind >= Kind::remove_directory && step.kind < Kind::count;
  if (by_outsider) step.name = names[below(random, 4)];
  step.slot = below(random, slot_count);
  step.directory = below(random, 4) == 0 ? 1 : 0;
  step.mode = static_cast<OpenMode>(below(random, 4));
  step.permissions = permissions[below(random, std::size(permissions))];
  step.offset = below(random, 12);
  step.length = below(random, 6);
  return step;
}

void compare(const std::string& root, unsigned seed) {
  const mode_t mask = ::umask(0);
  ManualTime time;
  MemoryDisk disk;
  disk.set_permissions("/", 0777);
  Side<genie::SystemFilesystem> real{{}, nullptr, root};
  Side<MemoryFilesystem> fake{MemoryFilesystem{disk, time, 0, ::geteuid()}, &disk, "/state"};
  real.start();
  fake.start();
  std::mt19937 random{seed};
  std::string trace;
  for (int number = 0; number < 120; ++number) {
    const Step step = random_step(random);
    const std::string expected = real.perform(step);
    const std::string answered = fake.perform(step);
    trace += step.text() + ": " + expected + "\n";
    if (answered != expected) {
      INFO("seed " << seed << "\n" << trace);
      CHECK(answered == expected);
      break;
    }
  }
  real.finish();
  fake.finish();
  CHECK(disk.open_count(0) == 0);
  CHECK(disk.stray_closes == 0);
  ::umask(mask);
}

std::optional<std::string> scratch_below(const char* parent) {
  std::string path = std::string{parent} + "/genie-conformance-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return std::nullopt;
  genie::SystemFilesystem files;
  const auto directory = files.open_directory(path.c_str());
  const auto unnamed = files.create_unnamed(directory.value, 0600);
  if (unnamed.ok()) files.close(unnamed.value);
  files.close(directory.value);
  if (unnamed.ok()) return path;
  (void)::rmdir(path.c_str());  // a file system with fewer features than the fake has by default
  return std::nullopt;
}

}  // namespace

TEST_CASE("random operations answer in memory as in the kernel") {
  for (const char* parent : {"/dev/shm", "/tmp"}) {
    const auto scratch = scratch_below(parent);
    if (!scratch) continue;
    for (unsigned seed = 1; seed <= 100; ++seed) compare(*scratch + "/state", seed);
    CHECK(::rmdir(scratch->c_str()) == 0);
  }
}
