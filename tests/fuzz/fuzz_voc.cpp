// Fuzz target: VOC annotation files either parse or end in a DataError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "data/formats/voc.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view xml(reinterpret_cast<const char*>(data), size);
    for (const mld::VocObject& object : mld::parse_voc(xml, "fuzz")) {
      if (object.name.empty()) {
        std::abort();
      }
    }
  } catch (const mld::DataError&) {
  }
  return 0;
}
