// Runs a fuzz target without a fuzzer: on every file given (folders are walked), on the file cut at
// some 64 places and on 64 copies with a few bytes changed. The changes are the same in every run.
//   fuzz_NAME_replay FILE_OR_FOLDER...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "core/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::vector<uint8_t>& bytes) {
  // A heap copy of exactly this size: an address sanitizer sees a read one byte past it.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void run_damaged(const std::vector<uint8_t>& bytes, uint64_t file) {
  for (size_t i = 0; i < 64; ++i) {
    run({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() * i / 64)});
  }
  mld::RandomStream random({.seed = 1, .step = file});
  for (int copy = 0; copy < 64 && !bytes.empty(); ++copy) {
    std::vector<uint8_t> damaged = bytes;
    for (int change = 0; change <= copy % 4; ++change) {
      // Half of the changes go to the first 128 bytes, where the headers are.
      const size_t range = random.coin() ? std::min<size_t>(bytes.size(), 128) : bytes.size();
      const auto at = static_cast<size_t>(random.below(static_cast<int>(range)));
      damaged[at] = static_cast<uint8_t>(random.bits());
    }
    run(damaged);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file()) {
          files.push_back(entry.path());
        }
      }
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  uint64_t number = 0;
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) {
      std::fprintf(stderr, "%s: cannot read\n", path.c_str());
      return 1;
    }
    run(bytes);
    run_damaged(bytes, number++);
  }
  std::printf("%zu files replayed, each with up to 128 damaged copies\n", files.size());
  return files.empty() ? 1 : 0;  // an empty corpus proves nothing
}
