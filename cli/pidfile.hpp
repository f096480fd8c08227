// `--pidfile`: a conventional file with the supervisor's PID, for init systems and `kill $(cat FILE)`. It guards
// nothing; the claim does.
#ifndef GENIE_CLI_PIDFILE_HPP
#define GENIE_CLI_PIDFILE_HPP

#include <string>

#include "descriptor.hpp"

namespace genie::cli {

/// The file, for as long as this process serves.
class PidFile {
 public:
  PidFile() noexcept = default;
  /// Writes our PID and a line feed into `path`, complete from the first instant. An empty path writes nothing.
  /// A file that a living process has left there is not replaced: one that holds the lock on it (our own kind), or the
  /// one that it names, unless that has started only after the file was written (its number has been used again). Nor
  /// is a lock file or record of another state directory in use. Of several who come at once, one gets the name. Throws
  /// `std::system_error` or `std::runtime_error`, with what to do.
  explicit PidFile(std::string path);
  PidFile(PidFile&& other) noexcept = default;
  PidFile& operator=(PidFile&& other) noexcept;
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile() { remove(); }

 private:
  /// Only what is still ours.
  void remove() noexcept;

  std::string path_;
  Descriptor file_;  ///< locked; in a moved-from object not open
};

}  // namespace genie::cli

#endif  // GENIE_CLI_PIDFILE_HPP
