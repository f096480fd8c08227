// Security descriptors of Windows as bytes, on any system: who owns a file, and who else may write it.
#include <genie/windows/security.hpp>

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "catch.hpp"

namespace tests::windows_security_test {

using genie::PrivateDescriptor;
using genie::read_descriptor;
using genie::windows_user;
using genie::WindowsAccess;
using genie::WindowsSid;

namespace {

using Bytes = std::vector<unsigned char>;

void append(Bytes& bytes, std::uint64_t value, std::size_t count) {
  for (std::size_t at = 0; at < count; ++at) bytes.push_back(static_cast<unsigned char>(value >> (8 * at)));
}

Bytes sid(unsigned char authority, std::initializer_list<std::uint32_t> numbers) {
  Bytes bytes{1, static_cast<unsigned char>(numbers.size()), 0, 0, 0, 0, 0, authority};
  for (const std::uint32_t number : numbers) append(bytes, number, 4);
  return bytes;
}
WindowsSid view(const Bytes& bytes) { return {bytes.data(), bytes.size()}; }

const Bytes alice = sid(5, {21, 1, 2, 3, 1001});
const Bytes bob = sid(5, {21, 1, 2, 3, 1002});
const Bytes everyone = sid(1, {0});
const Bytes users = sid(5, {32, 545});
const Bytes administrators = sid(5, {32, 544});
const Bytes local_system = sid(5, {18});
const Bytes owner_rights = sid(3, {4});

constexpr std::uint32_t all = 0x001F01FF;
constexpr std::uint32_t read_and_execute = 0x001200A9;
constexpr unsigned char inherited_only = 0x0B;

struct Entry {
  unsigned char type;
  unsigned char flags;
  std::uint32_t mask;
  Bytes who;
};

Bytes descriptor(const Bytes& owner, const std::vector<Entry>& entries, std::uint32_t control = 0x8004) {
  Bytes list{2, 0};
  Bytes body;
  for (const Entry& entry : entries) {
    body.push_back(entry.type);
    body.push_back(entry.flags);
    append(body, 8 + entry.who.size(), 2);
    append(body, entry.mask, 4);
    body.insert(body.end(), entry.who.begin(), entry.who.end());
  }
  append(list, 8 + body.size(), 2);
  append(list, entries.size(), 4);
  Bytes bytes{1, 0};
  append(bytes, control, 2);
  append(bytes, 20, 4);
  append(bytes, 0, 4);
  append(bytes, 0, 4);
  append(bytes, 20 + owner.size(), 4);
  bytes.insert(bytes.end(), owner.begin(), owner.end());
  bytes.insert(bytes.end(), list.begin(), list.end());
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

WindowsAccess access(const Bytes& bytes) { return read_descriptor(bytes.data(), bytes.size()); }
std::uint32_t permissions(const std::vector<Entry>& entries) { return access(descriptor(alice, entries)).permissions; }

}  // namespace

TEST_CASE("users are told apart, and the system's own are what root is", "[windows][security]") {
  CHECK(windows_user(view(alice)) != windows_user(view(bob)));
  CHECK(windows_user(view(alice)) == windows_user(view(Bytes{alice})));
  CHECK(windows_user(view(local_system)) == 0);
  CHECK(windows_user(view(administrators)) == 0);
  CHECK(windows_user(view(users)) != 0);
  CHECK(windows_user({}) == UINT64_MAX);
  CHECK(windows_user(view(sid(5, {80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464}))) == 0);
  CHECK(windows_user(view(sid(5, {80, 1, 2, 3, 4, 5}))) != 0);
  CHECK(windows_user(view(sid(5, {18, 1}))) != 0);
}

TEST_CASE("a file is its owner's as long as nobody else may change it", "[windows][security]") {
  CHECK(permissions({{0, 0, all, alice}, {0, 0, all, local_system}, {0, 0, all, administrators}}) == 0700);
  CHECK(permissions({{0, 0, all, alice}, {0, 0, all, owner_rights}}) == 0700);
  CHECK(permissions({{0, 0, all, alice}, {0, 0, read_and_execute, users}}) == 0744);
  CHECK(permissions({{0, 0, all, bob}}) == 0766);
  CHECK(permissions({{0, 0, all, everyone}}) == 0766);
  CHECK(permissions({{0, 0, 0x4, users}}) == 0722);         // append
  CHECK(permissions({{0, 0, 0x10000, users}}) == 0722);     // delete
  CHECK(permissions({{0, 0, 0x40000, users}}) == 0722);     // change the list
  CHECK(permissions({{0, 0, 0x40000000, users}}) == 0722);  // generic write
  CHECK(permissions({{0, inherited_only, all, everyone}}) == 0700);
  CHECK(permissions({{1, 0, all, everyone}, {0, 0, all, alice}}) == 0700);  // denied
  CHECK(permissions({{9, 0, all, bob}}) == 0766);                           // allowed on a condition
  CHECK(permissions({}) == 0700);
  CHECK(access(descriptor(alice, {})).user == windows_user(view(alice)));
}

TEST_CASE("no list means that everybody may do everything", "[windows][security]") {
  CHECK(access(descriptor(alice, {}, 0x8000)).permissions == 0777);
  Bytes without = descriptor(alice, {});
  for (std::size_t at = 16; at < 20; ++at) without[at] = 0;
  CHECK(access(without).permissions == 0777);
}

TEST_CASE("what is no whole descriptor trusts nobody, and reads nothing beyond it", "[windows][security]") {
  const Bytes whole = descriptor(alice, {{0, 0, all, alice}, {0, 0, all, local_system}});
  CHECK(access(whole).permissions == 0700);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
    INFO(size << " bytes");
    CHECK((access(cut).permissions & 0022U) != 0);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 0x7F, 0xFF}) {
      Bytes changed = whole;
      changed[at] = static_cast<unsigned char>(value);
      (void)access(changed);
    }
  }
}

TEST_CASE("what is created in private is nobody else's, and says so when it is read", "[windows][security]") {
  for (const bool is_directory : {false, true}) {
    const PrivateDescriptor made{view(alice), is_directory};
    REQUIRE_FALSE(made.empty());
    const WindowsAccess seen = read_descriptor(made.data(), made.size());
    CHECK(seen.user == windows_user(view(alice)));
    CHECK(seen.permissions == 0700);
  }
  const PrivateDescriptor nobodys{WindowsSid{}, false};
  CHECK(nobodys.empty());
  const Bytes longest = sid(5, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  REQUIRE(longest.size() == PrivateDescriptor::longest_sid);
  const PrivateDescriptor large{view(longest), true};
  CHECK(read_descriptor(large.data(), large.size()).permissions == 0700);
}

}  // namespace tests::windows_security_test
