// Runs a fuzz program's corpus without libFuzzer, with any compiler: every input that was ever interesting.
//
//   replay FILE|DIRECTORY...     the last line before an abort names the guilty input
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/support.hpp"

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> inputs;
  for (int at = 1; at < argc; ++at) {
    if (std::filesystem::is_directory(argv[at])) {
      for (const auto& entry : std::filesystem::directory_iterator{argv[at]}) inputs.push_back(entry.path());
    } else {
      inputs.emplace_back(argv[at]);
    }
  }
  std::sort(inputs.begin(), inputs.end());
  for (const auto& path : inputs) {
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    std::ifstream file{path, std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    if (!file) {
      std::fprintf(stderr, "cannot be read\n");
      return 2;
    }
    // A copy of exactly this size, so that a sanitizer sees a read beyond it.
    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
  }
  std::printf("%zu inputs\n", inputs.size());
  // A corpus that is not found must not look like one that passed.
  return inputs.empty() ? 2 : 0;
}
