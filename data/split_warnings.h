// What is odd about a training and a validation split, told by their labels and their files: the
// same for every format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace mld {

// One sentence each, with counts: classes without a training picture, names that differ in case
// only, one class that every training picture shows, pictures that are in both splits by name.
std::vector<std::string> split_warnings(const Dataset& train, const Dataset& val);

// Pictures of `other` that training has too under another name: the same bytes, by size and hash.
// "" if none. Reads pictures whose sizes agree; one that cannot be read is passed over.
std::string same_pictures_warning(const Dataset& train, const Dataset& other,
                                  std::string_view other_name);

}  // namespace mld
