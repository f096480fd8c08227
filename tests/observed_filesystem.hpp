// The system's file system for tests that act, or count, between any two of its calls.
#ifndef GENIE_TESTS_OBSERVED_FILESYSTEM_HPP
#define GENIE_TESTS_OBSERVED_FILESYSTEM_HPP

#include <functional>
#include <memory>

#include "genie/system.hpp"
#include "genie/testing/faulting.hpp"

namespace tests {

/// Calls a function before each call. Copies share it.
class ObservedFilesystem : private std::shared_ptr<genie::testing::FaultPlan>,
                           public genie::testing::Faulting<genie::SystemFilesystem> {
 public:
  /// `before` must outlive it.
  template <typename Before>
  explicit ObservedFilesystem(Before& before)
      : std::shared_ptr<genie::testing::FaultPlan>{std::make_shared<genie::testing::FaultPlan>()}, Faulting{plan()} {
    plan().before_call = [&before](const genie::testing::CallEvent&) { before(); };
  }

 private:
  [[nodiscard]] genie::testing::FaultPlan& plan() noexcept { return *get(); }
};
static_assert(genie::FilesystemPolicy<ObservedFilesystem>);

}  // namespace tests

#endif  // GENIE_TESTS_OBSERVED_FILESYSTEM_HPP
