// As whom the calling process acts on Windows.
#ifndef GENIE_WINDOWS_OWN_USER_HPP
#define GENIE_WINDOWS_OWN_USER_HPP

#include <string.h>

#include "genie/windows/security.hpp"
#include "genie/windows/win32.hpp"

namespace genie::inline v0::windows_detail {

/// The user of the calling process's token.
class OwnSid {
 public:
  OwnSid() noexcept {
    static const auto open_token = native<NtOpenProcessToken>("NtOpenProcessToken");
    static const auto query_token = native<NtQueryInformationToken>("NtQueryInformationToken");
    constexpr std::uint32_t token_query = 8;
    constexpr std::int32_t token_user = 1;
    void* token = nullptr;
    if (open_token(reinterpret_cast<void*>(std::intptr_t{-1}), token_query, &token) < 0) return;
    const ScopedHandle closes{token};
    std::uint32_t needed = 0;
    if (query_token(token, token_user, bytes_, sizeof bytes_, &needed) < 0) return;
    const unsigned char* found = nullptr;
    ::memcpy(&found, bytes_, sizeof found);
    if (found < bytes_ || found > bytes_ + sizeof bytes_) return;
    sid_ = sid_at(bytes_, sizeof bytes_, static_cast<std::size_t>(found - bytes_));
  }
  OwnSid(const OwnSid&) = delete;
  OwnSid& operator=(const OwnSid&) = delete;

  [[nodiscard]] const WindowsSid& get() const noexcept { return sid_; }

 private:
  alignas(8) unsigned char bytes_[128]{};
  WindowsSid sid_;
};

/// A process's user does not change while it lives.
[[nodiscard]] inline const OwnSid& own_sid() noexcept {
  static const OwnSid sid;
  return sid;
}

}  // namespace genie::inline v0::windows_detail

#endif  // GENIE_WINDOWS_OWN_USER_HPP
