// The table of pictures per class that `mltrain check` shows.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mld {

// A line per class, in order, with a bar. For more than 40 classes: the 15 with the most pictures,
// the 15 with the fewest, and how many are in between.   counts[k] pictures show names[k]
// utf8: else bars in ASCII.
std::string class_table(std::span<const std::string> names, std::span<const int64_t> counts,
                        bool utf8 = true);

}  // namespace mld
