// CIFAR-10 and CIFAR-100, binary versions: fixed-size records of label bytes and planar pixels.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"

namespace mld {

constexpr int kCifarSide = 32;
constexpr int64_t kCifarPixels = int64_t{3} * kCifarSide * kCifarSide;  // R plane, G plane, B plane

// CIFAR-10: [label, pixels]. CIFAR-100: [coarse label, fine label, pixels]; the fine one is used.
struct CifarLayout {
  int label_bytes = 1;  // 1 or 2; the last one is the class
  int64_t record() const { return label_bytes + kCifarPixels; }
};

// The class of every record of a file. Errors: DataError with the byte offset for a file that is
// empty or does not consist of whole records, or a label that is not below `classes`.
std::vector<int32_t> cifar_labels(std::span<const uint8_t> file, const CifarLayout& layout,
                                  int64_t classes, const std::string& name);

// The picture of a record's pixels [3, 32, 32].
Image cifar_picture(std::span<const uint8_t> pixels);

}  // namespace mld
