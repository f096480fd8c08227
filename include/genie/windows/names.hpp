// By which names Windows processes find each other's stop events and jobs.
#ifndef GENIE_WINDOWS_NAMES_HPP
#define GENIE_WINDOWS_NAMES_HPP

#include "genie/identity.hpp"
#include "genie/windows/win32.hpp"

namespace genie::inline v0::windows_detail {

/// When the process started, 100 ns since 1601. It is written down once, so that setting the clock does not change it.
/// Source: `GetProcessTimes`.
[[nodiscard]] inline StartToken start_of(void* process) noexcept {
  FileTime created;
  FileTime others[3];
  const auto as_system = [](FileTime& time) noexcept { return reinterpret_cast<_FILETIME*>(&time); };
  if (::GetProcessTimes(process, as_system(created), as_system(others[0]), as_system(others[1]),
                        as_system(others[2])) == 0) {
    return {};
  }
  return created.value() == 0 ? StartToken{} : known_start(created.value());
}

/// `Global\genie-KIND-PID-START`: of one process and never its PID's next user; the same in every session.
class ObjectName {
 public:
  ObjectName(Text kind, const ProcessIdentity& identity) noexcept {
    FixedText<120> name{"Global\\genie-"};
    name.append(kind).append('-').append_number(static_cast<std::uint64_t>(identity.pid));
    name.append('-').append_number(identity.start.value);
    std::size_t size = 0;
    for (const char c : Text{name}) text_[size++] = static_cast<wchar_t>(c);
  }

  [[nodiscard]] const wchar_t* get() const noexcept { return text_; }

 private:
  wchar_t text_[128]{};
};

/// The calling process. Its handle needs no closing.
[[nodiscard]] inline void* own_process() noexcept { return reinterpret_cast<void*>(std::intptr_t{-1}); }

[[nodiscard]] inline ProcessIdentity own_process_identity() noexcept {
  return {static_cast<Pid>(::GetCurrentProcessId()), start_of(own_process())};
}

}  // namespace genie::inline v0::windows_detail

#endif  // GENIE_WINDOWS_NAMES_HPP
