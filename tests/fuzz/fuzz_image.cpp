// Fuzz target: pictures from anywhere either decode or end in a DataError, and what decodes can be
// resized. PNG chunks carry checksums that a mutated file almost never meets, so such a file is
// tried a second time with its checksums repaired.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "core/error.h"
#include "data/image.h"

namespace {

uint32_t crc32(std::span<const uint8_t> bytes) {  // ISO 3309, as in PNG
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    }
  }
  return ~crc;
}

bool is_png(std::span<const uint8_t> bytes) {
  return bytes.size() > 8 && bytes[0] == 0x89 && bytes[1] == 'P';
}

std::vector<uint8_t> with_png_checksums(std::span<const uint8_t> bytes) {
  std::vector<uint8_t> png(bytes.begin(), bytes.end());
  size_t at = 8;
  while (at + 12 <= png.size()) {
    const size_t length = size_t{png[at]} << 24 | size_t{png[at + 1]} << 16 |
                          size_t{png[at + 2]} << 8 | png[at + 3];
    if (length > png.size() - at - 12) {
      break;
    }
    const uint32_t crc = crc32(std::span(png).subspan(at + 4, length + 4));
    for (size_t i = 0; i < 4; ++i) {
      png[at + 8 + length + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    }
    at += length + 12;
  }
  return png;
}

void decode(std::span<const uint8_t> bytes, const mld::DecodeOptions& options) {
  try {
    const mld::Image image = mld::decode_image(bytes, "fuzz", options);
    const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
    if (pixels == 0 || image.rgb.size() != pixels * 3) {
      std::abort();
    }
    mld::resize(image, 5, 3, mld::Interpolation::bicubic);
  } catch (const mld::DataError&) {
  }
}

constexpr mld::ImageLimits kLimits = {.max_pixels = 1 << 18, .max_side = 4096, .max_scans = 20};

// As stored, and turned over a background.
void decode_both(std::span<const uint8_t> bytes) {
  decode(bytes, {.limits = kLimits});
  decode(bytes, {.limits = kLimits, .turn = true, .background = mld::Rgb{200, 30, 120}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(data, size);
  decode_both(bytes);
  if (is_png(bytes)) {
    decode_both(with_png_checksums(bytes));
  }
  return 0;
}
