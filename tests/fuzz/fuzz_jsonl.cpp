// Fuzz target: JSON lines either parse to sorted labels and safe paths or end in a DataError.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "data/formats/json_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const mld::JsonLines lines =
        mld::parse_json_lines({reinterpret_cast<const char*>(data), size}, "fuzz");
    bool good = std::is_sorted(lines.classes.begin(), lines.classes.end()) && !lines.rows.empty();
    for (const mld::LabelList::Row& row : lines.rows) {
      const std::filesystem::path path(row.path);
      good = good && path.is_relative() && std::find(path.begin(), path.end(), "..") == path.end();
      for (const auto* labels : {&row.labels, &row.unknown}) {
        good = good && std::is_sorted(labels->begin(), labels->end());
        for (const int32_t label : *labels) {
          good = good && label >= 0 && static_cast<size_t>(label) < lines.classes.size();
        }
      }
      good = good && row.split < static_cast<int32_t>(lines.splits.size());
    }
    if (!good) {
      std::abort();
    }
  } catch (const mld::DataError&) {
  }
  return 0;
}
