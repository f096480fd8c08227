// A short run of what tests/conformance does at length, and that the harness finds what it is for.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.hpp"
#include "genie/system.hpp"
#include "genie/testing/conformance.hpp"

namespace tests::memory_filesystem_conformance_test {

namespace {

using genie::OpenMode;
using genie::SysResult;
using genie::SystemFilesystem;
using genie::testing::compare_filesystems;
using genie::testing::ConformanceOptions;
using genie::testing::ConformanceReport;
using genie::testing::ConformanceSubject;
using genie::testing::MemoryFilesystem;
using genie::testing::MemoryModel;
using genie::testing::NoOutsider;
using genie::testing::SystemOutsider;

bool has_unnamed_files(const std::string& path) {
  SystemFilesystem files;
  const auto directory = files.open_directory(path.c_str());
  const auto unnamed = files.create_unnamed(directory.value, 0600);
  if (unnamed.ok()) files.close(unnamed.value);
  files.close(directory.value);
  return unnamed.ok();
}

/// A mistake that a policy may make: locks that belong to nobody.
class Lockless : public MemoryFilesystem {
 public:
  explicit Lockless(const MemoryFilesystem& files) : MemoryFilesystem{files} {}
  [[nodiscard]] SysResult<void> try_lock(File, std::uint64_t, std::uint64_t) noexcept { return {}; }
};

ConformanceReport compare_with_lockless(const ConformanceOptions& options) {
  MemoryModel right{1000};
  MemoryModel wrong{1000};
  NoOutsider nobody;
  auto reference = right.subject(2);
  std::vector<Lockless> contenders;
  for (const MemoryFilesystem& files : wrong.subject(2).contenders) contenders.emplace_back(files);
  ConformanceSubject candidate{contenders, nobody, "/scratch"};
  return compare_filesystems(reference, candidate, options);
}

}  // namespace

TEST_CASE("random operations answer in memory as in the kernel") {
  const char* temporary = std::getenv("TMPDIR");
  for (const std::string parent : {temporary != nullptr ? temporary : "/tmp", "/dev/shm"}) {
    std::string scratch = parent + "/genie-conformance-XXXXXX";
    if (::mkdtemp(scratch.data()) == nullptr) continue;
    SystemOutsider outsider;
    if (has_unnamed_files(scratch)) {  // else it has fewer features than the fake by default
      MemoryModel model{::geteuid()};
      ConformanceSubject kernel{std::vector<SystemFilesystem>(3), outsider, scratch};
      auto memory = model.subject(3);
      ConformanceOptions options;
      options.operations = 12'000;
      options.watched_one_in = 8;
      const ConformanceReport report = compare_filesystems(kernel, memory, options);
      INFO(report.text());
      CHECK(report.differences == 0);
      CHECK(report.operations >= options.operations);
      CHECK(model.disk.open_files.empty());
      CHECK(model.disk.stray_closes == 0);
      CHECK(model.disk.names("/scratch").empty());
    }
    outsider.clear(scratch);
    CHECK(::access(scratch.c_str(), F_OK) != 0);
  }
}

TEST_CASE("a policy that answers otherwise is found, with a trace that can be read") {
  const ConformanceReport report = compare_with_lockless({});
  REQUIRE(report.differences == 1);
  CHECK(report.operation < 2000);
  CHECK(report.trace.size() <= 4);
  CHECK(report.text().find("seed 1, sequence ") == 0);
  CHECK(report.trace.back().find(", but the other ") != std::string::npos);
  SECTION("the same in every run") { CHECK(compare_with_lockless({}).text() == report.text()); }
  SECTION("the sequence alone shows it, too") {
    ConformanceOptions options;
    options.operations = 1;
    options.first_sequence = report.sequence;
    CHECK(compare_with_lockless(options).trace == report.trace);
  }
  SECTION("unshortened") {
    ConformanceOptions options;
    options.shrinks = false;
    CHECK(compare_with_lockless(options).trace.size() > report.trace.size());
  }
}

}  // namespace tests::memory_filesystem_conformance_test
