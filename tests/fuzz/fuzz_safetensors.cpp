// Fuzz target: safetensors files from anywhere either parse or end in a DataError.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"
#include "data/crc32c.h"
#include "data/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const mld::SafeTensorsFile file(std::span(data, size), "fuzz");
    for (const auto& name : file.names()) {
      try {
        file.at(name).to_doubles();
        file.at(name).to_tensor();
      } catch (const mld::DataError&) {  // a type or a rank we do not convert
      }
    }
    mld::crc32c(std::span(data, size));
  } catch (const mld::DataError&) {
  }
  return 0;
}
