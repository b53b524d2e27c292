// Fuzz target: Open Images' lists of labels and of their names either parse or end in a DataError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "data/formats/open_images.h"
#include "data/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    mld::read_open_images(text, "fuzz", [](const mld::OpenImagesRow& row) {
      const bool sure = row.confidence == 0 || row.confidence == 1;
      if (row.image.empty() || row.label.empty() || !mld::is_utf8(row.label) ||
          !(row.confidence >= 0 && row.confidence <= 1) || (!row.machine && !sure)) {
        std::abort();
      }
    });
  } catch (const mld::DataError&) {
  }
  try {
    for (const auto& [label, name] : mld::read_label_names(text, "fuzz")) {
      if (label.empty() || name.empty() || !mld::is_utf8(name)) {
        std::abort();
      }
    }
  } catch (const mld::DataError&) {
  }
  return 0;
}
