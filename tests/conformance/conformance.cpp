// Holds the filesystem in memory against the kernel's, by random operations; see genie/testing/conformance.hpp.
//
//   conformance [--operations N] [--seed S] [--sequence K] [DIRECTORY…]
//
// N operations in all (default: a million), shared among the directories (default: the temporary directory and
// /dev/shm). Run by root, half of them are done as another user, because root may do everything. Exits 1 at a
// difference, with the shortest trace that still shows it; its seed and its sequence, with `--operations 1`, show it
// again.
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <genie/system.hpp>
#include <genie/testing/conformance.hpp>
#include <map>
#include <string>
#include <vector>

namespace {

using genie::SystemFilesystem;
using genie::testing::compare_filesystems;
using genie::testing::ConformanceOptions;
using genie::testing::ConformanceReport;
using genie::testing::ConformanceSubject;
using genie::testing::has_distinct_times;
using genie::testing::MemoryModel;
using genie::testing::SystemOutsider;

constexpr uid_t nobody = 65534;

std::string filesystem_name(const std::string& path) {
  static const std::map<std::uint64_t, std::string> names{
      {0xEF53, "ext4"}, {0x01021994, "tmpfs"}, {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x794C7630, "overlayfs"}};
  struct ::statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return "?";
  const auto found = names.find(static_cast<std::uint64_t>(info.f_type));
  return found == names.end() ? "type " + std::to_string(info.f_type) : found->second;
}

/// A new directory of the effective user below `parent`; empty where there can be none.
std::string scratch_below(const std::string& parent) {
  std::string path = parent + "/genie-conformance-XXXXXX";
  return ::mkdtemp(path.data()) == nullptr ? std::string{} : path;
}

/// A file system with fewer features than the fake has by default can't be compared.
bool has_unnamed_files(const std::string& path) {
  SystemFilesystem files;
  const auto directory = files.open_directory(path.c_str());
  const auto unnamed = files.create_unnamed(directory.value, 0600);
  if (unnamed.ok()) files.close(unnamed.value);
  files.close(directory.value);
  return unnamed.ok();
}

struct Total {
  std::map<std::string, std::uint64_t> operations;  // by file system
  std::uint64_t differences = 0;
};

void compare(const std::string& parent, ConformanceOptions options, Total& total) {
  const std::string scratch = scratch_below(parent);
  if (scratch.empty() || !has_unnamed_files(scratch)) {
    std::fprintf(stderr, "conformance: %s can't be compared, left out\n", parent.c_str());
    if (!scratch.empty()) ::rmdir(scratch.c_str());
    return;
  }
  SystemFilesystem system;
  options.distinct_times = has_distinct_times(system, scratch);
  SystemOutsider outsider;
  MemoryModel model{::geteuid()};
  ConformanceSubject kernel{std::vector<SystemFilesystem>(3), outsider, scratch};
  auto memory = model.subject(3);
  const ConformanceReport report = compare_filesystems(kernel, memory, options);
  total.operations[filesystem_name(parent)] += report.operations;
  total.differences += report.differences;
  if (report.differences != 0) {
    std::printf("the kernel (%s) and memory differ; %s", filesystem_name(parent).c_str(), report.text().c_str());
  } else if (model.disk.stray_closes != 0 || !model.disk.open_files.empty()) {
    std::puts("files were left open, or closed twice");
    ++total.differences;
  }
  outsider.clear(scratch);
}

/// Operations that nobody but root may do are compared, too.
void compare_as_all(const std::string& parent, ConformanceOptions options, Total& total) {
  const bool is_root = ::geteuid() == 0;
  if (is_root) options.operations = (options.operations + 1) / 2;
  compare(parent, options, total);
  if (!is_root || ::seteuid(nobody) != 0) return;
  compare(parent, options, total);
  if (::seteuid(0) != 0) std::abort();
}

[[noreturn]] void refuse() {
  std::fputs("usage: conformance [--operations N] [--seed S] [--sequence K] [DIRECTORY…]\n", stderr);
  std::exit(64);
}

}  // namespace

int main(int argc, char** argv) {
  ConformanceOptions options;
  options.operations = 1'000'000;
  options.watched_one_in = 16;
  options.synced_one_in = 256;
  std::vector<std::string> directories;
  for (int at = 1; at < argc; ++at) {
    const std::string argument = argv[at];
    std::uint64_t* number = argument == "--operations" ? &options.operations
                            : argument == "--seed"     ? &options.seed
                            : argument == "--sequence" ? &options.first_sequence
                                                       : nullptr;
    if (number == nullptr && argument.rfind("--", 0) == 0) refuse();
    if (number == nullptr) {
      directories.push_back(argument);
    } else {
      if (++at == argc) refuse();
      *number = std::strtoull(argv[at], nullptr, 10);
    }
  }
  if (directories.empty()) {
    const char* temporary = std::getenv("TMPDIR");
    directories = {temporary != nullptr && *temporary != '\0' ? temporary : "/tmp", "/dev/shm"};
  }
  options.operations = (options.operations + directories.size() - 1) / directories.size();
  const std::uint64_t seed = options.seed;
  const auto start = std::chrono::steady_clock::now();
  Total total;
  for (const std::string& directory : directories) compare_as_all(directory, options, total);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;

  std::string counts;
  for (const auto& [name, operations] : total.operations) {
    counts += counts.empty() ? std::to_string(operations) + " operations on " + name
                             : ", " + std::to_string(operations) + " on " + name;
  }
  std::printf("%s, %llu differences, seed %llu, %.1f s\n", counts.empty() ? "0 operations" : counts.c_str(),
              static_cast<unsigned long long>(total.differences), static_cast<unsigned long long>(seed), taken.count());
  return total.differences != 0 || total.operations.empty() ? 1 : 0;
}
