// Fuzz target: the records of an event file, and cutting one back: what is kept is read whole.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "train/event_files.h"
#include "train/event_records.h"

namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const mld::RunFolder run{fs::temp_directory_path() /
                                  ("fuzz_events_" + std::to_string(::getpid()))};
  fs::create_directories(run.root);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t whole = 0;
  while (mld::next_record(text, whole)) {
  }
  std::ofstream(run.event_file(1), std::ios::binary) << text;
  mld::cut_event_files(run, 10);
  std::ifstream file(run.event_file(1), std::ios::binary);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  size_t at = 0;
  while (mld::next_record(kept, at)) {
  }
  if (mld::can_write_event_files() &&
      (at != kept.size() || kept.size() > whole || !text.starts_with(kept))) {
    std::abort();
  }
  fs::remove_all(run.root);
  return 0;
}
