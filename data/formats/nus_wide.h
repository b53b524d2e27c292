// NUS-WIDE's zero-shot form: a CSV list, and a JSON file that divides its classes into seen and
// unseen ones.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// Per class, whether it is seen in training, and whether it is one that evaluation asks for.
struct ClassSplit {
  std::vector<bool> seen, unseen;  // [classes]
  int64_t missing = 0;             // classes of the file that the list does not have
};

// {"test class": [...]}, the unseen ones; all others are seen, or with "train class" those.
// Errors: DataError naming the file for other content, and if a class is in both lists.
ClassSplit parse_class_split(std::string_view json, const std::string& name,
                             const std::vector<std::string>& classes);

// The JSON file with a "test class" in a folder; empty if there is none. Errors: DataError if there
// are several.
std::filesystem::path find_class_split(const std::filesystem::path& folder);

}  // namespace mld
