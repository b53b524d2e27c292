// What runs are called where several stand beside each other.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mld {

// For each folder the shortest end of its path that no other one has: "a" and "b", or "a/run" and
// "b/run". The same folder twice has one name.
std::vector<std::string> names_apart(const std::vector<std::filesystem::path>& folders);

}  // namespace mld
