// EXIF, as far as pictures need it: which way up.
#pragma once

#include <cstdint>
#include <span>

namespace mld {

// The orientation, 1 to 8, of an EXIF block (it begins with a TIFF header, "II*" or "MM*", or with
// "Exif\0\0" before it). 1 where there is none or the block is damaged.
int exif_orientation(std::span<const uint8_t> exif);

}  // namespace mld
