// Pictures as files of common formats. A build without MLD_PICTURES has none of them: Error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image.h"

namespace mld {

// `name` starts the message of an error. Errors: DataError if the library refuses.
std::vector<uint8_t> encode_png(const Image& image, const std::string& name);
// quality: 1 to 100; colour at full resolution (4:4:4).
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, const std::string& name);

}  // namespace mld
