// What a server on Windows starts, as one that can be ended: the part that a process group plays elsewhere.
#ifndef GENIE_WINDOWS_JOB_HPP
#define GENIE_WINDOWS_JOB_HPP

#include "genie/windows/names.hpp"

namespace genie::inline v0 {

/// A job of the calling process and of all that it starts from then on, unless that breaks away. A stop that kills
/// ends those, too. The job's end does not end them. Jobs may be nested since Windows 8. Source: "Job Objects".
class WindowsJob {
 public:
  WindowsJob() noexcept
      : job_{::CreateJobObjectW(nullptr,
                                windows_detail::ObjectName{"job", windows_detail::own_process_identity()}.get())} {
    if (!job_.is_open() || ::AssignProcessToJobObject(job_.get(), windows_detail::own_process()) == 0) {
      error_ = windows_detail::last_error();
      job_.reset();
    }
  }

  /// Returns: 0, or the errno for which there is none.
  [[nodiscard]] int error() const noexcept { return error_; }
  /// The job, which stays this object's.
  [[nodiscard]] void* handle() const noexcept { return job_.get(); }

 private:
  windows_detail::ScopedHandle job_;
  int error_ = 0;
};

}  // namespace genie::inline v0

#endif  // GENIE_WINDOWS_JOB_HPP
