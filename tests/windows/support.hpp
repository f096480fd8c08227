// What the tests of the Windows policies share: scratch directories, processes of their own, and a way to talk to them.
#ifndef GENIE_TESTS_WINDOWS_SUPPORT_HPP
#define GENIE_TESTS_WINDOWS_SUPPORT_HPP

#include <genie/serve_guard.hpp>

#include <genie/fmt.hpp>

#include <windows.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace tests::windows {

using genie::ClaimOutcome;
using genie::milliseconds;
using genie::OpenMode;
using genie::seconds;
using genie::Text;
using genie::WindowsFilesystem;
using genie::WindowsProcessProbe;
using File = WindowsFilesystem::File;
using Guard = genie::ServeGuard<>;

/// Long enough for the slowest machine; waiting ends sooner.
inline constexpr DWORD patience = 60'000;

/// A directory of its own for each test, removed at its end.
class Scratch {
 public:
  Scratch() {
    static std::atomic<unsigned> count{0};
    path_ = std::filesystem::temp_directory_path() /
            (L"genie-" + std::to_wstring(::GetCurrentProcessId()) + L"-" + std::to_wstring(::GetTickCount64()) + L"-" +
             std::to_wstring(++count));
    std::filesystem::create_directories(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    // In the form in which a path may be long.
    std::filesystem::remove_all(L"\\\\?\\" + path_.native(), ignored);
  }

  [[nodiscard]] std::string of(const std::string& name = {}) const {
    const std::u8string wide{name.begin(), name.end()};
    const std::u8string text = (name.empty() ? path_ : path_ / wide).u8string();
    return std::string{text.begin(), text.end()};
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator{path_}) {
      const std::u8string name = entry.path().filename().u8string();
      all.emplace_back(name.begin(), name.end());
    }
    return all;
  }

 private:
  std::filesystem::path path_;
};

/// A handle that closes itself.
class Owned {
 public:
  explicit Owned(HANDLE handle = nullptr) : handle_{handle == INVALID_HANDLE_VALUE ? nullptr : handle} {}
  Owned(Owned&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (handle_ != nullptr) ::CloseHandle(handle_);
  }
  [[nodiscard]] HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
};

/// One process of `genie_windows_actor`, killed at the end unless it has ended.
class Actor {
 public:
  explicit Actor(const std::string& arguments) {
    wchar_t own[1024];
    ::GetModuleFileNameW(nullptr, own, 1024);
    const std::filesystem::path program = std::filesystem::path{own}.parent_path() / L"genie_windows_actor.exe";
    std::wstring line = L"\"" + program.wstring() + L"\" ";
    for (const char c : arguments) line += static_cast<wchar_t>(static_cast<unsigned char>(c));
    STARTUPINFOW startup{};
    startup.cb = sizeof startup;
    PROCESS_INFORMATION info{};
    const BOOL made =
        ::CreateProcessW(nullptr, line.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr, &startup, &info);
    REQUIRE(made != 0);
    ::CloseHandle(info.hThread);
    process_ = Owned{info.hProcess};
    pid_ = static_cast<genie::Pid>(info.dwProcessId);
  }
  Actor(Actor&&) = default;
  Actor& operator=(Actor&&) = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() {
    if (process_.get() != nullptr) kill();
  }

  [[nodiscard]] genie::Pid pid() const { return pid_; }
  [[nodiscard]] HANDLE handle() const { return process_.get(); }
  [[nodiscard]] bool has_ended() const { return ::WaitForSingleObject(process_.get(), 0) == WAIT_OBJECT_0; }
  /// Returns: its exit code.
  [[nodiscard]] DWORD wait() const {
    REQUIRE(::WaitForSingleObject(process_.get(), patience) == WAIT_OBJECT_0);
    DWORD code = 0;
    ::GetExitCodeProcess(process_.get(), &code);
    return code;
  }
  void kill() const {
    ::TerminateProcess(process_.get(), 9);
    ::WaitForSingleObject(process_.get(), patience);
  }

 private:
  Owned process_;
  genie::Pid pid_ = 0;
};

/// An event that actors find by its name.
class Event {
 public:
  Event() {
    static std::atomic<unsigned> count{0};
    name_ = "genie-test-" + std::to_string(::GetCurrentProcessId()) + "-" + std::to_string(++count);
    event_ = Owned{::CreateEventA(nullptr, TRUE, FALSE, name_.c_str())};
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  void set() const { ::SetEvent(event_.get()); }
  /// Until `actor` has set it. If that ends instead, its exit code is shown.
  void wait(const Actor& actor) const {
    const HANDLE either[] = {event_.get(), actor.handle()};
    if (::WaitForMultipleObjects(2, either, FALSE, patience) != WAIT_OBJECT_0) {
      FAIL("it is not ready; exit code " << (actor.has_ended() ? std::to_string(actor.wait()) : "none"));
    }
  }
  [[nodiscard]] bool is_set() const { return ::WaitForSingleObject(event_.get(), 0) == WAIT_OBJECT_0; }

 private:
  std::string name_;
  Owned event_;
};

}  // namespace tests::windows

#endif  // GENIE_TESTS_WINDOWS_SUPPORT_HPP
