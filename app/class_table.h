// How many pictures each class has, as `mltrain check` shows it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mld {

// A line per class, in order, with a bar. Of more than 40 classes: the 15 with the most pictures,
// the 15 with the fewest, and how many there are between.   counts[k] pictures show names[k]
std::string class_table(std::span<const std::string> names, std::span<const int64_t> counts);

}  // namespace mld
