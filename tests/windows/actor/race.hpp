// What the test and its actors share in memory while they race for claims.
#ifndef GENIE_TESTS_WINDOWS_ACTOR_RACE_HPP
#define GENIE_TESTS_WINDOWS_ACTOR_RACE_HPP

#include <atomic>
#include <cstdint>

namespace tests::windows {

inline constexpr unsigned most_contenders = 16;

struct RaceBoard {
  std::atomic<std::uint32_t> round;     ///< everybody claims when it is increased
  std::atomic<std::uint32_t> over;      ///< the round in which the winner may end its claim
  std::atomic<std::uint32_t> reported;  ///< how many have told what came of it, of all rounds
  std::atomic<std::uint32_t> idle;      ///< how many wait for the next round
  std::atomic<std::uint32_t> owners;    ///< who believes that it owns the directory
  std::atomic<std::uint32_t> most_owners;
  std::uint32_t outcomes[most_contenders];  ///< `ClaimOutcome`, or 1000 + errno
  std::uint32_t has_taken_over[most_contenders];
  std::uint64_t generations[most_contenders];
};

}  // namespace tests::windows

#endif  // GENIE_TESTS_WINDOWS_ACTOR_RACE_HPP
