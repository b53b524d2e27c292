// Warnings about a training and a validation split, from their labels and files: the same for every
// format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace mld {

// One sentence each, with counts: classes without a training picture, names that differ only in
// case, a single class that every training picture shows, pictures whose names are in both splits.
std::vector<std::string> split_warnings(const Dataset& train, const Dataset& val);

// Pictures of `other` that training also has under another name: the same bytes, by size and hash.
// "" if none. Reads pictures whose sizes agree; unreadable ones are skipped.
std::string same_pictures_warning(const Dataset& train, const Dataset& other,
                                  std::string_view other_name);

}  // namespace mld
