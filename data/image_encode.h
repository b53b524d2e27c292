// Pictures as the bytes of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image.h"

namespace mld {

// `name` starts messages. Errors: DataError with the library's reason.
std::vector<uint8_t> encode_png(const Image& image, const std::string& name);
// quality 1 to 100; colours at full resolution.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, const std::string& name);

}  // namespace mld
