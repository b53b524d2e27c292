// Fuzz target: CIFAR files of both layouts either hold whole records or end in a DataError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "data/formats/cifar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> file(data, size);
  for (const int label_bytes : {1, 2}) {
    const mld::CifarLayout layout{label_bytes};
    try {
      const auto labels = mld::cifar_labels(file, layout, label_bytes == 1 ? 10 : 100, "fuzz");
      const auto record = static_cast<size_t>(layout.record());
      if (labels.size() * record != size) {
        std::abort();
      }
      for (size_t i = 0; i < labels.size(); ++i) {
        mld::cifar_picture(file.subspan(i * record + static_cast<size_t>(label_bytes),
                                        static_cast<size_t>(mld::kCifarPixels)));
      }
    } catch (const mld::DataError&) {
    }
  }
  return 0;
}
