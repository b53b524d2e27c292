// Fuzz target: PyTorch's files from anywhere either parse or end in a DataError. A pickle alone is
// tried too, so that the fuzzer need not find a container around it.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"
#include "data/pickle.h"
#include "data/pth.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  try {
    const mld::PthFile file(bytes, "fuzz");
    for (const auto& [name, tensor] : file.tensors()) {
      try {
        tensor.to_doubles();
        tensor.to_tensor();
      } catch (const mld::DataError&) {  // a type or a rank we do not convert
      }
    }
  } catch (const mld::DataError&) {
  }
  try {
    mld::pickle::read(bytes, "fuzz");
  } catch (const mld::DataError&) {
  }
  return 0;
}
