// What a waiting starter shows of a boot: a bar on a terminal, plain lines anywhere else. On standard error, since the
// answer goes to standard output.
#ifndef GENIE_CLI_PROGRESS_HPP
#define GENIE_CLI_PROGRESS_HPP

#include <unistd.h>

#include <cstdio>
#include <string>

#include "genie/fmt.hpp"
#include "output.hpp"

namespace genie::cli {

class Progress {
 public:
  Progress(std::string name, SystemClock clock, std::FILE* to = stderr)
      : name_{std::move(name)}, clock_{clock}, to_{to}, is_terminal_{::isatty(::fileno(to)) == 1} {}

  void show(const BootRecord& boot) {
    if (is_terminal_) {
      show_bar(boot);
    } else if (boot.number != shown_.number || boot.state != shown_.state || tenth_of(boot) != tenth_of(shown_)) {
      (void)say(to_, "{} is starting: {}\n", name_, boot);
      shown_ = boot;
    }
  }
  /// Leaves the terminal as it was.
  void finish() {
    if (is_terminal_ && has_bar_) (void)say(to_, "\r\x1b[K");
    has_bar_ = false;
    std::fflush(to_);
  }

 private:
  static constexpr unsigned width = 24;

  [[nodiscard]] static unsigned tenth_of(const BootRecord& boot) { return percentage(boot) / 10; }

  void show_bar(const BootRecord& boot) {
    std::string bar;
    if (boot.total != 0) {
      const unsigned filled = percentage(boot) * width / 100;
      bar = fmt::format(" [{:#<{}}{: <{}}]", "", filled, "", width - filled);
    }
    const Milliseconds left = estimated_rest(boot, clock_.monotonic());
    const std::string rest =
        left.count() == 0 ? std::string{} : fmt::format(", about {} s left", left.count() / 1000 + 1);
    (void)say(to_, "\r\x1b[K{} is starting:{} {}{}", name_, bar, boot, rest);
    std::fflush(to_);
    has_bar_ = true;
  }

  std::string name_;
  SystemClock clock_;
  std::FILE* to_;
  bool is_terminal_;
  bool has_bar_ = false;
  BootRecord shown_;
};

}  // namespace genie::cli

#endif  // GENIE_CLI_PROGRESS_HPP
