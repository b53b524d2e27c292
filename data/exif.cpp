#include "data/exif.h"

#include <algorithm>
#include <string_view>

namespace mld {

int exif_orientation(std::span<const uint8_t> exif) {
  constexpr std::string_view kMark("Exif\0\0", 6);
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (exif.size() >= kMark.size() && std::equal(kMark.begin(), kMark.end(), exif.begin())) {
    exif = exif.subspan(kMark.size());
  }
  if (exif.size() < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M')) {
    return 1;
  }
  const bool little = exif[0] == 'I';
  const auto number = [&](size_t at, size_t bytes) {  // 0 past the end
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && at + bytes <= exif.size(); ++i) {
      value = value << 8 | exif[little ? at + bytes - 1 - i : at + i];
    }
    return value;
  };
  const size_t directory = number(4, 4), entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + 12 * i;
    if (number(at, 2) == kOrientation && number(at + 2, 2) == kShort) {
      const uint32_t value = number(at + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

}  // namespace mld
