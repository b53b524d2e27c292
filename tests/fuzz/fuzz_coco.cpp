// Fuzz target: COCO annotation files either parse to consistent labels or end in a DataError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "data/formats/coco.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    mld::CocoAnnotations coco = mld::read_coco(std::span(data, size), "fuzz");
    mld::merge_same_files(coco);
    const mld::CocoIndex index = mld::index_coco(coco);
    if (index.order.size() != coco.images.size() ||
        index.entries.size() != coco.annotations.size()) {
      std::abort();
    }
    for (const mld::CocoIndex::Entry& entry : index.entries) {
      const auto column = static_cast<size_t>(entry.column);
      if (entry.image >= index.annotated || column >= coco.categories.size()) {
        std::abort();
      }
    }
    mld::coco_size_targets(coco);
  } catch (const mld::DataError&) {
  }
  return 0;
}
