// Fuzz target: CSV lists either parse to sorted labels and safe paths or end in a DataError; the
// escapes for terminal, CSV and JSON of whatever they hold are well-formed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "data/formats/csv.h"
#include "data/formats/csv_text.h"
#include "data/text.h"

namespace {

void require_consistent(const mld::LabelCsv& csv) {
  bool good = std::is_sorted(csv.classes.begin(), csv.classes.end());
  for (const mld::LabelCsv::Row& row : csv.rows) {
    const std::filesystem::path path(row.path);
    good = good && path.is_relative() && std::is_sorted(row.labels.begin(), row.labels.end());
    good = good && std::find(path.begin(), path.end(), "..") == path.end();
    for (const int32_t label : row.labels) {
      good = good && label >= 0 && static_cast<size_t>(label) < csv.classes.size();
    }
    good = good && row.split < static_cast<int32_t>(csv.splits.size());
  }
  if (!good) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    require_consistent(mld::parse_label_csv(text, "fuzz"));
  } catch (const mld::DataError&) {
  }
  if (!mld::is_utf8(mld::printable(text)) || !mld::is_utf8(mld::json_string(text)) ||
      mld::printable(text).find('\n') != std::string::npos) {
    std::abort();
  }
  // What csv_field writes is read back as one field.
  const std::string written = "x," + mld::csv_field(text), name = "fuzz";
  mld::CsvReader reader(written, name);
  std::vector<std::string> fields;
  int64_t line = 0;
  if (!reader.next(fields, line) || fields.size() != 2 || fields[1] != text) {
    std::abort();
  }
  return 0;
}
