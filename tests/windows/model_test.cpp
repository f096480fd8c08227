// The filesystem policy on Windows against the model of Linux's: the same random operations of two contenders must give
// the same results, wherever the two systems mean the same by them.
#include "support.hpp"

#include <genie/testing/machine.hpp>
#include <optional>
#include <random>

namespace tests::windows::model_test {

namespace {

constexpr std::uint64_t byte = genie::detail::owner_byte;
constexpr const char* names[] = {"a", "b", "c"};

/// One of the two systems, with the files that its contenders have open.
template <typename F>
class System {
 public:
  System(const std::string& path, F one, F other) : files_{std::move(one), std::move(other)} {
    for (F& files : files_) REQUIRE(files.make_directory(path.c_str(), 0700).error != ENOENT);
    for (int who = 0; who < 2; ++who) directories_[who] = files_[who].open_directory(path.c_str()).value;
  }
  System(const System&) = delete;
  System& operator=(const System&) = delete;
  ~System() {
    for (std::size_t slot = 0; slot < slots; ++slot) close(slot);
    for (int who = 0; who < 2; ++who) files_[who].close(directories_[who]);
  }

  /// Does what the number says. Returns: what came of it, in words.
  std::string act(std::uint32_t number) {
    const auto draw = [&](std::uint32_t count) {
      const std::uint32_t drawn = number % count;
      number /= count;
      return drawn;
    };
    const std::uint32_t what = draw(12);
    const std::size_t slot = draw(slots);
    const int who = static_cast<int>(slot % 2);
    F& files = files_[who];
    const auto directory = directories_[who];
    const char* const from = names[draw(3)];
    const char* const to = names[draw(3)];
    const std::uint64_t first = byte + draw(2);
    const std::uint64_t count = 1 + draw(2);
    const bool is_open = open_[slot].has_value();
    switch (what) {
      case 0:
      case 1:
      case 2: {
        if (is_open) close(slot);
        const OpenMode mode = std::array{OpenMode::read_write, OpenMode::ensure, OpenMode::create}[what];
        const auto opened = files.open(directory, from, mode, 0600);
        if (opened.ok()) open_[slot] = opened.value;
        return fmt::format("open {} {} {}: {}", slot, from, what, opened.error);
      }
      case 3: return fmt::format("rename {} {}: {}", from, to, files.rename(directory, from, to).error);
      case 4:
        if (from == to) return "nothing";
        return fmt::format("rename_new {} {}: {}", from, to, files.rename_new(directory, from, to).error);
      case 5: return fmt::format("unlink {}: {}", from, files.unlink(directory, from).error);
      case 6: {
        if (!is_open) return "nothing";
        const std::string text = fmt::format("{}:{}", slot, first);
        return fmt::format("write {}: {}", slot, files.write_at(*open_[slot], text.data(), text.size(), count).value);
      }
      case 7: {
        if (!is_open) return "nothing";
        char bytes[64];
        const auto read = files.read_at(*open_[slot], bytes, sizeof bytes, count - 1);
        return fmt::format("read {}: {} {}", slot, read.error, std::string(bytes, read.value));
      }
      case 8: {
        if (!is_open) return "nothing";
        return fmt::format("lock {} {} {}: {}", slot, first, count, files.try_lock(*open_[slot], first, count).error);
      }
      case 9: {
        if (!is_open) return "nothing";
        return fmt::format("unlock {} {} {}: {}", slot, first, count, files.unlock(*open_[slot], first, count).error);
      }
      case 10: {
        if (!is_open) return "nothing";
        const auto query = files.query_lock(*open_[slot], first, count);
        std::string text = fmt::format("query {} {} {}: {}", slot, first, count, query.value.held);
        // Which lock is named where several stand in the way is anybody's choice.
        if (query.value.held && count == 1) text += genie::detail::covers(query.value, first) ? " there" : " elsewhere";
        return text;
      }
      default: {
        const auto info = files.stat_at(directory, from);
        std::string text = fmt::format("stat {}: {} {}", from, info.error, info.ok() ? info.value.size : 0);
        for (std::size_t at = 0; at < slots && info.ok(); ++at) {
          if (open_[at] && files_[at % 2].stat(*open_[at]).value.id == info.value.id) text += fmt::format(" {}", at);
        }
        return text;
      }
    }
  }

  static constexpr std::size_t slots = 6;

 private:
  void close(std::size_t slot) {
    if (open_[slot]) files_[slot % 2].close(*open_[slot]);
    open_[slot].reset();
  }

  F files_[2];
  typename F::File directories_[2];
  std::optional<typename F::File> open_[slots];
};

}  // namespace

TEST_CASE("random operations on files and locks give what the model of Linux gives", "[windows][files][model]") {
  const char* const times = std::getenv("GENIE_TEST_ROUNDS");
  const unsigned sequences = 40 * (times == nullptr ? 1U : static_cast<unsigned>(std::atoi(times)));
  std::uint64_t compared = 0;
  for (unsigned seed = 1; seed <= sequences; ++seed) {
    const Scratch scratch;
    genie::testing::Machine machine;
    const genie::testing::Contender one = machine.spawn();
    const genie::testing::Contender other = machine.spawn();
    System<WindowsFilesystem> real{scratch.of(), {}, {}};
    System<genie::testing::MemoryFilesystem> model{"/tmp/state", one.filesystem, other.filesystem};
    std::mt19937 random{seed};
    std::string trace;
    for (int step = 0; step < 120; ++step) {
      const std::uint32_t number = random();
      const std::string expected = model.act(number);
      trace += expected + "\n";
      INFO("seed " << seed << "\n" << trace);
      REQUIRE(real.act(number) == expected);
      compared += expected != "nothing" ? 1U : 0U;
    }
  }
  CHECK(compared > 60 * sequences);
}

}  // namespace tests::windows::model_test
