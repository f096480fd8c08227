// Names, paths and trust in one state directory.
#include "support.hpp"

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "unit/noise.hpp"

namespace tests::state_files_test {

using genie::ErrorKind;
using genie::FileInfo;
using genie::Operation;
using genie::StateFiles;
using genie::Text;
using unit_tests::string;

namespace {

const std::string long_name(200, 'n');

struct Process {
  std::uint64_t user_id;
  std::uint64_t user() const { return user_id; }
};
struct TrustHost {
  Process process;
};

FileInfo owned_by(std::uint64_t user, std::uint32_t permissions) {
  FileInfo info;
  info.user = user;
  info.permissions = permissions;
  return info;
}

}  // namespace

TEST_CASE("each file of a state directory has its name", "[state_files]") {
  const StateFiles files{"/run/app", "serve", "pgserve"};
  CHECK(files.check());
  CHECK(string(files.directory()) == "/run/app");
  CHECK(string(files.name()) == "serve");
  CHECK(string(files.record()) == "serve.pid");
  CHECK(string(files.lock()) == "serve.lock");
  CHECK(string(files.sentinel()) == "serve.stopping.lock");
  CHECK(string(files.sentinel_temporary()) == "serve.stopping.tmp");
  CHECK(string(files.sentinel_guard()) == "serve.stopping.guard");
  CHECK(string(files.endpoints()) == "serve.endpoints");
  CHECK(string(files.port()) == "pgserve.port");
  CHECK(string(files.lock_path()) == "/run/app/serve.lock");
}

TEST_CASE("a directory is a string, a view or a path, with or without a slash at its end", "[state_files]") {
  const std::string directory = "/run/app";
  for (const StateFiles& files : {StateFiles{directory, "a", "b"}, StateFiles{std::string_view{directory}, "a", "b"},
                                  StateFiles{std::filesystem::path{directory}.u8string(), "a", "b"},
#if !defined(_WIN32)  // where a path's own characters are wide
                                  StateFiles{std::filesystem::path{directory}, "a", "b"},
#endif
                                  StateFiles{directory + "/", std::string{"a"}, std::string_view{"b"}}}) {
    CHECK(files.check());
    CHECK(string(files.path_of("x")) == "/run/app/x");
    CHECK(string(files.path_of("")) == string(files.directory()));
    CHECK(string(files.port()) == "b.port");
  }
  CHECK(string(StateFiles{"/", "a", "b"}.lock_path()) == "/a.lock");
  CHECK(string(StateFiles{".", "a", "b"}.lock_path()) == "./a.lock");
}

TEST_CASE("a port name may come with its ending", "[state_files]") {
  const std::pair<std::string, std::string> rows[] = {
      {"pgserve", "pgserve.port"},
      {"pgserve.port", "pgserve.port"},
      {"a.port.port", "a.port.port"},
      {"port", "port.port"},
      {"a.PORT", "a.PORT.port"},
      {long_name, long_name + ".port"},
      {long_name.substr(5) + ".port", long_name.substr(5) + ".port"},
  };
  for (const auto& [given, file] : rows) {
    CAPTURE(given);
    const StateFiles files{"/d", "serve", given};
    CHECK(files.check());
    CHECK(string(files.port()) == file);
  }
}

TEST_CASE("without a port name, the port file is named after the server", "[state_files]") {
  CHECK(string(StateFiles{"/d", "serve", ""}.port()) == "pgserve.port");
  CHECK(string(StateFiles{"/d", "index", ""}.port()) == "index.port");
  CHECK(StateFiles{"/d", "index", ""}.check());
}

TEST_CASE("a name that is empty, hidden, too long, or leaves the directory is refused", "[state_files]") {
  const std::vector<std::string> bad{"a/b",
                                     "/a",
                                     "a/",
                                     "/",
                                     "..",
                                     ".",
                                     "../x",
                                     ".x",
                                     ".port",
                                     "a\\b",
                                     "a\nb",
                                     "a\tb",
                                     "\x1b[2J",
                                     long_name + "n",
                                     std::string(5000, 'n'),
                                     long_name.substr(1) + "/",  // not too long as well
                                     std::string("a\0b", 3),
                                     std::string("serve\0", 6),
                                     std::string(1, '\0')};
  for (const std::string& name : bad) {
    CAPTURE(name.substr(0, 20), name.size());
    for (const bool is_port : {false, true}) {
      const auto checked = StateFiles{"/d", is_port ? "serve" : Text{name}, is_port ? Text{name} : "pgserve"}.check();
      REQUIRE(!checked);
      CHECK(checked.error().kind == ErrorKind::invalid_name);
      CHECK(checked.error().code == (name.size() > 200 ? ENAMETOOLONG : EINVAL));
    }
  }
  CHECK(StateFiles{"/d", "", "pgserve"}.check().error().kind == ErrorKind::invalid_name);
  CHECK(StateFiles{"/d", "", ""}.check().error().kind == ErrorKind::invalid_name);
  // Its lock file would be the stop sentinel of `serve`.
  CHECK(StateFiles{"/d", "serve.stopping", "pgserve"}.check().error().kind == ErrorKind::invalid_name);
  for (const std::string& name : {std::string{"a"}, std::string{"a b"}, std::string{"a.b."}, std::string{"-x"},
                                  std::string{"\xc3\xa4"}, std::string{"a:b"}, long_name}) {
    CAPTURE(name);
    CHECK(StateFiles("/d", name, name).check());
  }
}

TEST_CASE("a refusal names the name that is at fault, not another one", "[state_files]") {
  CHECK(string(StateFiles{"/d", "bad/name", "pgserve"}.check().error().path) == "bad/name");
  CHECK(string(StateFiles{"/d", "serve", "bad/port"}.check().error().path).find("bad/port") == 0);
  CHECK(string(StateFiles{Text{"/d\0x", 4}, "serve", "pgserve"}.check().error().path).substr(0, 2) == "/d");
}

TEST_CASE("a directory that is empty, too long or holds a NUL is refused", "[state_files]") {
  const std::string longest(genie::directory_capacity, 'd');
  struct Row {
    std::string directory;
    ErrorKind kind;
    int code;
  };
  const Row rows[] = {
      {"", ErrorKind::not_a_directory, ENOENT},
      {longest + "d", ErrorKind::path_too_long, ENAMETOOLONG},
      {std::string(1 << 20, 'd'), ErrorKind::path_too_long, ENAMETOOLONG},
      {std::string("/run\0/app", 9), ErrorKind::invalid_name, EINVAL},
      {std::string(300, 'd') + std::string("\0", 1), ErrorKind::invalid_name, EINVAL},
  };
  for (const Row& row : rows) {
    CAPTURE(row.directory.size());
    const auto checked = StateFiles{row.directory, "serve", "pgserve"}.check();
    REQUIRE(!checked);
    CHECK(checked.error().kind == row.kind);
    CHECK(checked.error().code == row.code);
    CHECK(string(checked.error().path).substr(0, 4) == row.directory.substr(0, 4));
  }
  // The longest directory with the longest names leaves no path cut.
  const StateFiles files{longest, long_name, long_name};
  CHECK(files.check());
  for (const auto& file : {files.record(), files.lock(), files.sentinel(), files.sentinel_temporary(), files.port(),
                           files.temporary(UINT64_MAX)}) {
    CHECK(!file.overflowed());
    CHECK(!files.path_of(file).overflowed());
    CHECK(string(files.path_of(file)) == longest + "/" + string(file));
  }
}

TEST_CASE("a temporary name is recognised, and no other file is taken for one", "[state_files]") {
  const StateFiles files{"/d", "serve", "pgserve"};
  CHECK(string(files.temporary(0xfeedface)) == "serve.00000000feedface.tmp");
  for (const std::uint64_t token :
       {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX, std::uint64_t{0x0123456789abcdef}}) {
    CHECK(files.is_temporary(files.temporary(token)));
    CHECK(!StateFiles("/d", "serv", "p").is_temporary(files.temporary(token)));
    CHECK(!StateFiles("/d", "erve", "p").is_temporary(files.temporary(token)));
    CHECK(!StateFiles("/d", "SERVE", "p").is_temporary(files.temporary(token)));
  }
  for (const std::string& other :
       {string(files.record()), string(files.lock()), string(files.sentinel()), string(files.sentinel_temporary()),
        string(files.port()), std::string{}, std::string{"serve"}, std::string{"serve.tmp"}, std::string{".tmp"},
        std::string{"serve.00000000feedface.tm"}, std::string{"serve.00000000feedface.tmpx"},
        std::string{"serve.0000000feedface.tmp"}, std::string{"serve.000000000feedface.tmp"},
        std::string{"serve.00000000FEEDFACE.tmp"}, std::string{"serve.00000000feedfacg.tmp"},
        std::string{"serve-00000000feedface.tmp"}, std::string{"serve.00000000feed.ace.tmp"},
        std::string{"xserve.00000000feedface.tmp"}, std::string("serve.00000000feed\0ace.tmp", 26)}) {
    CAPTURE(other);
    CHECK(!files.is_temporary(other));
  }
}

TEST_CASE("an error of a state file has operation, errno and full path", "[state_files]") {
  const StateFiles files{"/run/app", "serve", "pgserve"};
  const genie::Error error = files.error(Operation::unlink, EACCES, files.record());
  CHECK(error.kind == ErrorKind::system);
  CHECK(error.operation == Operation::unlink);
  CHECK(error.code == EACCES);
  CHECK(string(error.path) == "/run/app/serve.pid");
  const genie::Error refusal = files.refusal(ErrorKind::untrusted_directory, Operation::none, Text{});
  CHECK(refusal.kind == ErrorKind::untrusted_directory);
  CHECK(refusal.code == 0);
  CHECK(string(refusal.path) == "/run/app");
}

TEST_CASE("a directory that somebody removes as soon as it is there is an error, not a loop", "[state_files][F25]") {
  Machine machine;
  const Contender fresh = machine.spawn();
  const int often = GENERATE(2, 1000);
  int removed = 0;
  fresh.calls().before_call = [&](const genie::testing::CallEvent& event) {
    if (event.call != Call::open_directory || removed == often || !machine.disk.exists(tests::directory)) return;
    machine.disk.remove(tests::directory);
    ++removed;
  };
  Guard guard = guard_of(fresh);
  const auto report = guard.claim();
  CHECK(fresh.calls().count(Call::make_directory) == 3);
  if (often == 2) {
    REQUIRE(report);
    CHECK(report->owned());
    return;
  }
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == ErrorKind::system);
  CHECK(report.error().operation == Operation::open_directory);
  CHECK(report.error().code == ENOENT);
  CHECK(string(report.error().path) == tests::directory);
  CHECK(removed == 3);
  CHECK(machine.disk.open_count(fresh.index()) == 0);
}

TEST_CASE("a record leads to a signal or a takeover only where no other user can have written it", "[state_files]") {
  constexpr std::uint64_t we = 1000;
  constexpr std::uint64_t other = 1001;
  struct Row {
    const char* what;
    FileInfo directory;
    FileInfo record;
    ErrorKind refused;  // system: trusted
  };
  const Row rows[] = {
      {"ours in ours", owned_by(we, 0700), owned_by(we, 0600), ErrorKind::system},
      {"ours, readable by all", owned_by(we, 0755), owned_by(we, 0644), ErrorKind::system},
      {"root's in ours", owned_by(we, 0700), owned_by(0, 0644), ErrorKind::system},
      {"ours in root's", owned_by(0, 0755), owned_by(we, 0600), ErrorKind::system},
      {"ours in a shared sticky directory", owned_by(0, 01777), owned_by(we, 0600), ErrorKind::system},
      {"another's record", owned_by(we, 0700), owned_by(other, 0600), ErrorKind::untrusted_record},
      {"another's record in /tmp", owned_by(0, 01777), owned_by(other, 0600), ErrorKind::untrusted_record},
      {"a record that the group may write", owned_by(we, 0700), owned_by(we, 0620), ErrorKind::untrusted_record},
      {"a record that all may write", owned_by(we, 0700), owned_by(we, 0602), ErrorKind::untrusted_record},
      {"another's directory", owned_by(other, 0755), owned_by(we, 0600), ErrorKind::untrusted_directory},
      {"a directory that the group may write", owned_by(we, 0770), owned_by(we, 0600), ErrorKind::untrusted_directory},
      {"a directory that all may write", owned_by(we, 0707), owned_by(we, 0600), ErrorKind::untrusted_directory},
  };
  const StateFiles files{"/run/app", "serve", "pgserve"};
  TrustHost host{{we}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto trusted = genie::detail::check_trust(host, files, row.directory, row.record, files.record());
    CHECK(trusted.has_value() == (row.refused == ErrorKind::system));
    if (!trusted) {
      CHECK(static_cast<int>(trusted.error().kind) == static_cast<int>(row.refused));
      CHECK(string(trusted.error().path) ==
            (row.refused == ErrorKind::untrusted_record ? "/run/app/serve.pid" : "/run/app"));
    }
  }
}

}  // namespace tests::state_files_test
