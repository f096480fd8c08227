// What a service manager hears, over real sockets.
#include <genie/systemd.hpp>

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "support.hpp"

namespace tests::systemd_test {

namespace {

using namespace process_tests;
using genie::seconds;
using genie::SystemdNotifier;

/// A service manager's end of `$NOTIFY_SOCKET`.
class Manager {
 public:
  explicit Manager(const std::string& address) : socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    REQUIRE(address.size() <= sizeof name.sun_path);
    std::memcpy(name.sun_path, address.data(), address.size());
    if (name.sun_path[0] == '@') name.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    const void* const at = &name;
    if (::bind(socket_, static_cast<const sockaddr*>(at), length) != 0) FAIL("bind: " << std::strerror(errno));
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() { ::close(socket_); }

  /// The next datagram; empty where none has come.
  [[nodiscard]] std::string hear() const {
    char text[8192];
    const ssize_t count = ::recv(socket_, text, sizeof text, MSG_DONTWAIT);
    return count < 0 ? std::string{} : std::string(text, static_cast<std::size_t>(count));
  }

 private:
  int socket_;
};

std::string abstract_name() { return "@genie-test-" + std::to_string(::getpid()); }

}  // namespace

TEST_CASE("a service manager hears each message as one datagram", "[process][systemd]") {
  const TemporaryDirectory directory;
  const std::string address = GENERATE(true, false) ? directory.path() + "/notify" : abstract_name();
  CAPTURE(address);
  const Manager manager{address};
  const SystemdNotifier notifier{address};
  CHECK(notifier.has_listener());
  CHECK(notifier.ready().ok());
  CHECK(notifier.ready("serving on port 4711").ok());
  CHECK(notifier.status("backfill 3 of 9").ok());
  CHECK(notifier.extend_timeout(seconds(15)).ok());
  CHECK(notifier.stopping().ok());
  CHECK(notifier.main_pid(4711).ok());
  CHECK(manager.hear() == "READY=1");
  CHECK(manager.hear() == "READY=1\nSTATUS=serving on port 4711");
  CHECK(manager.hear() == "STATUS=backfill 3 of 9");
  CHECK(manager.hear() == "EXTEND_TIMEOUT_USEC=15000000");
  CHECK(manager.hear() == "STOPPING=1");
  CHECK(manager.hear() == "MAINPID=4711");
  CHECK(manager.hear().empty());
}

TEST_CASE("a text can't add a line of its own to a message", "[process][systemd]") {
  const Manager manager{abstract_name()};
  const SystemdNotifier notifier{abstract_name()};
  CHECK(notifier.status("all well\nMAINPID=1\n").ok());
  CHECK(notifier.ready(std::string{"a\0b\nc", 5}).ok());
  CHECK(manager.hear() == "STATUS=all well MAINPID=1 ");
  CHECK(manager.hear() == "READY=1\nSTATUS=a b c");
}

TEST_CASE("a long status is cut between two characters", "[process][systemd]") {
  const Manager manager{abstract_name()};
  const SystemdNotifier notifier{abstract_name()};
  const std::size_t most = SystemdNotifier::status_capacity;
  const std::string whole(most, 'a');
  CHECK(notifier.status(whole).ok());
  CHECK(notifier.status(whole + "b").ok());
  CHECK(notifier.status(whole.substr(1) + "\xc3\xa9").ok());
  CHECK(notifier.status(whole.substr(2) + "\xc3\xa9").ok());
  CHECK(notifier.status(whole.substr(3) + "\xf0\x9f\xa7\x9e").ok());
  CHECK(notifier.status(std::string(most + 1, '\x80')).ok());  // no text at all
  CHECK(manager.hear() == "STATUS=" + whole);
  CHECK(manager.hear() == "STATUS=" + whole);
  CHECK(manager.hear() == "STATUS=" + whole.substr(1));
  CHECK(manager.hear() == "STATUS=" + whole.substr(2) + "\xc3\xa9");
  CHECK(manager.hear() == "STATUS=" + whole.substr(3));
  CHECK(manager.hear() == "STATUS=");
}

TEST_CASE("numbers that a manager could not use are not sent", "[process][systemd]") {
  const Manager manager{abstract_name()};
  const SystemdNotifier notifier{abstract_name()};
  CHECK(notifier.main_pid(0).error == EINVAL);
  CHECK(notifier.main_pid(-1).error == EINVAL);
  CHECK(manager.hear().empty());
  CHECK(notifier.extend_timeout(Milliseconds{-1}).ok());
  CHECK(manager.hear() == "EXTEND_TIMEOUT_USEC=0");
  CHECK(notifier.extend_timeout(Milliseconds{INT64_MAX}).ok());
  CHECK(manager.hear() == "EXTEND_TIMEOUT_USEC=9223372036854775000");
}

TEST_CASE("without a manager nothing is sent, and that is no failure", "[process][systemd]") {
  const SystemdNotifier notifier{""};
  CHECK_FALSE(notifier.has_listener());
  CHECK(notifier.ready().ok());
  CHECK(notifier.status("x").ok());
  CHECK(notifier.stopping().ok());
}

TEST_CASE("an address that can't be used, or at which nobody is, is an error of each message", "[process][systemd]") {
  const TemporaryDirectory directory;
  constexpr std::size_t room = sizeof(sockaddr_un::sun_path);
  CHECK(SystemdNotifier{"relative/notify"}.ready().error == EAFNOSUPPORT);
  CHECK(SystemdNotifier{"vsock:2:1234"}.ready().error == EAFNOSUPPORT);
  CHECK(SystemdNotifier{"/" + std::string(room - 1, 'x')}.ready().error == ENAMETOOLONG);
  CHECK(SystemdNotifier{"@" + std::string(room, 'x')}.ready().error == ENAMETOOLONG);
  CHECK_FALSE(SystemdNotifier{"@" + std::string(room, 'x')}.has_listener());
  CHECK(SystemdNotifier{"@" + std::string(room - 1, 'x')}.ready().error == ECONNREFUSED);
  CHECK(SystemdNotifier{directory.path() + "/nobody"}.ready().error == ENOENT);
  CHECK(SystemdNotifier{"/"}.ready().error != 0);
}

TEST_CASE("a manager that does not read makes nobody wait", "[process][systemd]") {
  const Manager manager{abstract_name()};
  const SystemdNotifier notifier{abstract_name()};
  int error = 0;
  for (int at = 0; error == 0 && at < 1'000'000; ++at) error = notifier.status(std::string(1000, 'x')).error;
  CHECK(error == EAGAIN);
}

TEST_CASE("where no socket can be had, the error is told", "[process][systemd]") {
  in_child([] {
    rlimit none{};
    none.rlim_cur = 3;
    none.rlim_max = 3;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    REQUIRE(SystemdNotifier{abstract_name()}.ready().error == EMFILE);
  });
}

}  // namespace tests::systemd_test
