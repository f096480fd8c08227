// Claims of real processes on Windows: many at the same instant, after crashes, and what is left of them.
#include "support.hpp"

#include "actor/race.hpp"

namespace tests::windows::claim_test {

namespace {

constexpr unsigned contenders = 8;

/// Everybody claims at once, again and again; the winner releases, or crashes and is replaced.
class Race {
 public:
  Race(const Scratch& scratch, std::string ending) : scratch_{scratch}, ending_{std::move(ending)} {
    mapping_ = Owned{::CreateFileMappingA(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, sizeof(RaceBoard),
                                          (name_.name() + "-board").c_str())};
    board_ = static_cast<RaceBoard*>(::MapViewOfFile(mapping_.get(), FILE_MAP_ALL_ACCESS, 0, 0, sizeof(RaceBoard)));
    REQUIRE(board_ != nullptr);
    for (unsigned index = 0; index < contenders; ++index) actors_.push_back(start(index));
  }
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;
  ~Race() { ::UnmapViewOfFile(board_); }

  [[nodiscard]] RaceBoard& board() { return *board_; }

  /// Returns: whose claim it was.
  unsigned run_round() {
    wait_for(board_->idle, contenders);
    board_->idle = 0;
    board_->reported = 0;
    ++board_->round;
    wait_for(board_->reported, contenders);
    unsigned winner = contenders;
    for (unsigned index = 0; index < contenders; ++index) {
      INFO("contender " << index << ": outcome " << board_->outcomes[index]);
      const auto outcome = static_cast<ClaimOutcome>(board_->outcomes[index]);
      if (outcome == ClaimOutcome::claimed) {
        CHECK(winner == contenders);
        winner = index;
      } else {
        CHECK(outcome == ClaimOutcome::already_running);
      }
    }
    REQUIRE(winner < contenders);
    CHECK(board_->owners == 1);
    return winner;
  }
  /// Lets the winner end its claim, and replaces it if that was by a crash.
  void end_round(unsigned winner) {
    ++board_->over;
    if (ending_ != "crash") return;
    CHECK(actors_[winner].wait() == 70);
    actors_[winner] = start(winner);
  }
  void end() {
    wait_for(board_->idle, contenders);
    board_->round = UINT32_MAX;
    for (const Actor& actor : actors_) CHECK(actor.wait() == 0);
  }

 private:
  static void wait_for(const std::atomic<std::uint32_t>& count, std::uint32_t wanted) {
    const auto until = ::GetTickCount64() + patience;
    while (count.load() < wanted) {
      REQUIRE(::GetTickCount64() < until);
      ::Sleep(1);
    }
  }
  Actor start(unsigned index) const {
    return Actor{"race \"" + scratch_.of() + "\" " + name_.name() + "-board " + std::to_string(index) + " " + ending_};
  }

  const Scratch& scratch_;
  std::string ending_;
  Event name_;
  Owned mapping_;
  RaceBoard* board_ = nullptr;
  std::vector<Actor> actors_;
};

unsigned rounds() {
  const char* const times = std::getenv("GENIE_TEST_ROUNDS");
  return 10 * (times == nullptr ? 1U : static_cast<unsigned>(std::atoi(times)));
}

}  // namespace

TEST_CASE("of many that claim at once one wins, however the winner before has ended", "[windows][claim][race]") {
  const Scratch scratch;
  const std::string ending = GENERATE("release", "crash");
  Race race{scratch, ending};
  std::uint64_t last_generation = 0;
  for (unsigned round = 0; round < rounds(); ++round) {
    INFO("round " << round << ", after a " << ending);
    const unsigned winner = race.run_round();
    CHECK(race.board().generations[winner] == last_generation + 1);
    last_generation = race.board().generations[winner];
    CHECK((race.board().has_taken_over[winner] != 0) == (ending == "crash" && round > 0));
    race.end_round(winner);
  }
  race.end();
  CHECK(race.board().most_owners == 1);
  for (const std::string& name : scratch.names()) {
    INFO(name);
    CHECK((name == "serve.lock" || (ending == "crash" && name == "serve.pid")));
  }
}

TEST_CASE("an owner is found by others, and what it leaves when it releases is its lock file", "[windows][claim]") {
  const Scratch scratch;
  Guard observer{scratch.of()};
  CHECK(observer.status()->state == genie::ServerState::stopped);
  CHECK_FALSE(*observer.running());
  Event ready;
  Event done;
  const Actor owner{"claim \"" + scratch.of() + "\" " + ready.name() + " " + done.name()};
  ready.wait(owner);
  CHECK(*observer.running());
  const auto status = observer.status();
  REQUIRE(status);
  CHECK(status->state == genie::ServerState::running);
  CHECK(status->owner.pid == owner.pid());
  CHECK(status->owner.start.known);
  CHECK(status->assurance == genie::Assurance::kernel_lock);
  const auto refused = observer.claim();
  REQUIRE(refused);
  CHECK(refused->outcome == ClaimOutcome::already_running);
  CHECK(refused->owner == status->owner);
  done.set();
  CHECK(owner.wait() == static_cast<DWORD>(ClaimOutcome::claimed));
  CHECK_FALSE(*observer.running());
  CHECK(scratch.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a killed owner is stale, and is taken over with the evidence of why", "[windows][claim]") {
  const Scratch scratch;
  Event ready;
  const Actor owner{"serve \"" + scratch.of() + "\" " + ready.name() + " polite"};
  ready.wait(owner);
  owner.kill();
  Guard guard{scratch.of()};
  const auto status = guard.status();
  REQUIRE(status);
  CHECK(status->state == genie::ServerState::stale);
  CHECK_FALSE(*guard.running());
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.recorded.pid == owner.pid());
  CHECK(report->taken_over.reason == genie::Reason::writer_lost_lock);
  CHECK(report->generation == 2);
  CHECK(report->is_trusted);
  // The port that the dead one had published is nobody's.
  CHECK(*guard.port() == 0);
  REQUIRE(guard.publish_port(4712));
  REQUIRE(guard.publish_port(4713));
  CHECK(*guard.port() == 4713);
  CHECK(guard.verify() == genie::Ownership::held);
  REQUIRE(guard.release());
  CHECK(scratch.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("a record that was deleted under its owner is missed and restored", "[windows][claim]") {
  const Scratch scratch;
  Guard guard{scratch.of()};
  REQUIRE(guard.claim({.durable = true})->owned());
  WindowsFilesystem files;
  REQUIRE(files.unlink({}, scratch.of("serve.pid").c_str()).ok());
  CHECK(guard.verify() == genie::Ownership::record_missing);
  Guard other{scratch.of()};
  CHECK(other.claim()->outcome == ClaimOutcome::already_running);
  REQUIRE(guard.restore_record());
  CHECK(guard.verify() == genie::Ownership::held);
  CHECK(other.status()->state == genie::ServerState::running);
  REQUIRE(guard.release());
  CHECK(scratch.names() == std::vector<std::string>{"serve.lock"});
}

TEST_CASE("an older program's record counts as long as that lives", "[windows][claim]") {
  const Scratch scratch;
  WindowsFilesystem files;
  WindowsProcessProbe process;
  Event ready;
  Event done;
  const Actor older{"hold " + ready.name() + " " + done.name()};
  ready.wait(older);
  const genie::ProcessIdentity identity{older.pid(), process.look(older.pid()).start};
  const std::string record = fmt::format("{}", identity);
  const auto file = files.open({}, scratch.of("serve.pid").c_str(), OpenMode::create, 0600);
  REQUIRE(files.write_at(file.value, record.data(), record.size(), 0).ok());
  files.close(file.value);
  Guard guard{scratch.of()};
  CHECK(guard.claim()->outcome == ClaimOutcome::already_running);
  CHECK(guard.status()->owner == identity);
  older.kill();
  const auto report = guard.claim();
  REQUIRE(report);
  CHECK(report->owned());
  CHECK(report->taken_over.recorded == identity);
}

TEST_CASE("endpoints are published and found", "[windows][claim]") {
  const Scratch scratch;
  Guard owner{scratch.of()};
  REQUIRE(owner.claim()->owned());
  const genie::Endpoint endpoints[] = {genie::Endpoint::tcp("http", 8080), genie::Endpoint::text("token", "abc")};
  REQUIRE(owner.publish_endpoints(endpoints));
  REQUIRE(owner.publish_endpoints(endpoints));
  Guard client{scratch.of()};
  const auto found = client.endpoint("http");
  REQUIRE(found);
  CHECK(found->standing == genie::EndpointStanding::live);
  CHECK(found->endpoint.port == 8080);
  REQUIRE(owner.release());
  CHECK(client.endpoint("http")->standing == genie::EndpointStanding::absent);
  CHECK(scratch.names() == std::vector<std::string>{"serve.lock"});
}

}  // namespace tests::windows::claim_test
