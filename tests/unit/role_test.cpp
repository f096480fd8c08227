// Who the caller is to the server: its owner, one of its own, or nobody.
#include <genie/role.hpp>

#include "support.hpp"

#include "catch.hpp"

namespace tests::role_test {

using namespace tests;
using genie::Role;
using genie::testing::ProcessOptions;

namespace {

/// A server that is the init of a PID namespace, as in a container.
struct Container {
  Machine machine;
  Contender server = spawn(0, 0);
  Guard guard = guard_of(server);

  Container() { REQUIRE(guard.claim()->owned()); }

  [[nodiscard]] Contender spawn(genie::testing::ProcessIndex parent, genie::testing::ProcessIndex session) {
    ProcessOptions options;
    options.pid_namespace = 77;
    options.parent = parent;
    options.session = session;
    return machine.spawn(options);
  }
  [[nodiscard]] Role role_of(const Contender& who) {
    Guard asking = guard_of(who);
    return genie::role_of_caller(asking.host(), guard.held().written);
  }
};

}  // namespace

TEST_CASE("a server with PID 1 knows itself and its own", "[role]") {
  Container container;
  REQUIRE(container.server.identity.pid == 1);
  CHECK(container.role_of(container.server) == Role::owner);
  const Contender child = container.spawn(container.server.index(), 0);
  CHECK(container.role_of(child) == Role::inside);
  CHECK(container.role_of(container.spawn(child.index(), 0)) == Role::inside);
  const Contender orphan = container.spawn(0, container.server.index());
  CHECK(container.role_of(orphan) == Role::inside);
}

TEST_CASE("nobody else is inside, and finding that out takes as many looks as there are ancestors", "[role][calls]") {
  Container container;
  const Contender stranger = container.spawn(0, 0);
  const Contender child = container.spawn(stranger.index(), 0);
  CHECK(container.role_of(stranger) == Role::outside);
  CHECK(container.role_of(child) == Role::outside);
  CHECK(child.calls().count(Call::look) == 2);
  CHECK(container.role_of(container.machine.spawn()) == Role::outside);
}

TEST_CASE("a starter's own processes may ask for a server, and those that it names are the server", "[role]") {
  Container container;
  genie::LockRecord record = container.guard.held().written;
  const Contender named = container.spawn(0, 0);
  const auto role_of = [&](const Contender& who) {
    Guard asking = guard_of(who);
    return genie::role_of_caller(asking.host(), record);
  };
  record.phase = genie::Phase::launching;
  CHECK(role_of(container.server) == Role::outside);
  CHECK(role_of(named) == Role::outside);
  record.heir = named.identity;
  CHECK(role_of(named) == Role::owner);
  record.heir = {};
  record.server = named.identity;
  CHECK(role_of(named) == Role::owner);
  record.server.start.value += 1;  // another process, which had that PID before
  CHECK(role_of(named) == Role::outside);
}

}  // namespace tests::role_test
