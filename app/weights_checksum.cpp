#include "app/weights_checksum.h"

#include <algorithm>
#include <vector>

#include "data/crc32c.h"

namespace mld {

uint32_t weights_checksum(std::span<const StateView> state) {
  constexpr size_t kMost = 4096;
  std::vector<uint8_t> bytes;
  for (const StateView& view : state) {
    const auto* from = static_cast<const uint8_t*>(view.data);
    const size_t size = static_cast<size_t>(view.shape.numel()) * size_of(view.dtype);
    bytes.insert(bytes.end(), from, from + std::min(size, kMost));
  }
  return crc32c(bytes);
}

}  // namespace mld
