// stb_image, used only for the pixels of BMP and TGA files. Internal to data/image_*.
#pragma once

#include "data/image_formats.h"

namespace mld {

// Decodes `head` followed by `rest` with stb_image. channels: 1 (grey values or colour indices,
// placed where apply_palette() expects them), 3, or 4 (flattened).
// Errors: DataError, also when stb_image reads past the end of the bytes (it would see zeros).
Image decode_stb(const EncodedImage& file, const char* format, std::span<const uint8_t> head,
                 std::span<const uint8_t> rest, int channels);

}  // namespace mld
