// The words of a step travel as variables of their own beside STATUS=, which any supervisor understands, sd_notify(3).
#include "boot_step.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "arguments.hpp"
#include "descriptor.hpp"

namespace genie::cli {

namespace {

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

StepState state_of(const BootStepWords& words) {
  if (!words.refused.empty()) return StepState::refused;
  if (words.is_skipped) return StepState::skipped;
  if (words.is_fixed) return StepState::fixed;
  return words.is_ok ? StepState::ok : StepState::running;
}

}  // namespace

void add_boot_step(CLI::App& app, BootStepWords& words) {
  constexpr const char* wanted = "a whole number";
  app.add_option("step", words.step, "STEP: its name")->required()->check(is_not_empty());
  add_number(app, "done", words.done, "DONE: how much of it is done", parse_count, wanted);
  add_number(app, "total", words.total, "TOTAL: of how much", parse_count, wanted);
  CLI::Option_group* ends = app.add_option_group("end", "how the step ended");
  ends->add_flag("--ok", words.is_ok, "it is done");
  ends->add_flag("--fixed", words.is_fixed, "something was wrong, and is not any more");
  ends->add_flag("--skipped", words.is_skipped, "there was nothing to do");
  ends->add_option("--refused", words.refused, "it needs a person, who must run this")->check(is_not_empty());
  ends->require_option(0, 1);
}

Ending report_boot_step(const BootStepWords& words) {
  const char* const address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr || *address == '\0') {
    return {exit_usage, "NOTIFY_SOCKET is not set: this runs in no command that is guarded with --ready notify"};
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(address);
  if (length >= sizeof name.sun_path || (address[0] != '/' && address[0] != '@')) {
    return {exit_usage, fmt::format("NOTIFY_SOCKET is no address: {}", address)};
  }
  std::memcpy(name.sun_path, address, length);
  if (address[0] == '@') name.sun_path[0] = '\0';
  BootRecord shown;
  shown.done = words.done;
  shown.total = words.total;
  const std::string count =
      words.total != 0 ? fmt::format(", {} of {} ({} %)", words.done, words.total, percentage(shown)) : "";
  const std::string message = fmt::format(
      "STATUS={}{}\nX_GENIE_STEP={}\nX_GENIE_DONE={}\nX_GENIE_TOTAL={}\nX_GENIE_STATE={}\nX_GENIE_ADVICE={}",
      one_line(words.step), count, one_line(words.step), words.done, words.total, state_of(words),
      one_line(words.refused));
  const Descriptor socket{checked(open_socket(AF_UNIX, SOCK_DGRAM), "cannot create a socket")};
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&name),
               size) < 0) {
    throw std::system_error{errno, std::generic_category(), fmt::format("cannot send to {}", address)};
  }
  return {exit_ok, ""};
}

}  // namespace genie::cli
