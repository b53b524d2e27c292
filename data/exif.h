// EXIF: only the orientation of a picture.
#pragma once

#include <cstdint>
#include <span>

namespace mld {

// The orientation, 1 to 8, of an EXIF block (a TIFF header, "II*" or "MM*", perhaps after
// "Exif\0\0"). 1 if there is none or the block is damaged.
int exif_orientation(std::span<const uint8_t> exif);

}  // namespace mld
