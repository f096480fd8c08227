// Finds out when the guarded command is ready: a connection that is accepted, or systemd's NOTIFY_SOCKET protocol.
#ifndef GENIE_CLI_READINESS_HPP
#define GENIE_CLI_READINESS_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "descriptor.hpp"
#include "options.hpp"

namespace genie::cli {

/// A step of its boot, as the command has told it.
struct ReportedStep {
  std::string step;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  StepState state = StepState::running;
  std::string advice;
};

/// What comes of an attempt to connect.
enum class Answer : std::uint8_t {
  refused,
  silence,  ///< neither a connection nor a refusal, which on the same machine takes no time
  connected,
};

class ReadinessProbe {
 public:
  /// Opens the notify socket where one is needed. Throws `std::system_error`.
  explicit ReadinessProbe(const Readiness& readiness);

  /// Whether somebody listens at the endpoint already, before our command was even started; also who accepts nobody.
  [[nodiscard]] bool is_taken() const;
  /// Asks now. True means ready.
  [[nodiscard]] bool check();
  /// How much more time than it had the command has asked for since the last call (EXTEND_TIMEOUT_USEC); 0 if none.
  [[nodiscard]] std::chrono::microseconds take_extension() noexcept { return std::exchange(extension_, {}); }
  /// What the command has told of its boot since the last call: by STATUS=, or more exactly by `genie boot`. Nothing
  /// that it says after READY=1.
  [[nodiscard]] std::vector<ReportedStep> take_steps() noexcept { return std::exchange(steps_, {}); }
  /// What it has said of itself since the last call (STATUS); empty if nothing.
  [[nodiscard]] std::string take_status() noexcept { return std::exchange(status_, {}); }
  /// Readable when `check` is worth a call; -1 where there is nothing to wait for but time.
  [[nodiscard]] int descriptor() const noexcept { return notify_.get(); }
  /// Value of NOTIFY_SOCKET for the command; empty where it gets none.
  [[nodiscard]] const std::string& notify_address() const noexcept { return notify_address_; }

 private:
  [[nodiscard]] Answer ask() const;
  [[nodiscard]] bool receive_ready();
  void receive_step(std::string_view message);
  void receive_extension(std::string_view microseconds);

  Readiness readiness_;
  Descriptor notify_;
  std::string notify_address_;
  bool is_ready_ = false;  ///< as it has said
  std::chrono::microseconds extension_{};
  std::vector<ReportedStep> steps_;
  std::string status_;
};

}  // namespace genie::cli

#endif  // GENIE_CLI_READINESS_HPP
