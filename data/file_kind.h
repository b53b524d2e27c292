// Telling what a file is by its first bytes, for the message about a file of the wrong kind.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mld {

// What a file that begins so is, and what to do about it: "is a Git LFS pointer, not the file it
// stands for; run git lfs pull". "" for content we have no name for. Looks at the first 512 bytes.
std::string other_file_kind(std::span<const uint8_t> bytes);

// The same, but only of what nobody can want to read whatever is expected: something that stands
// for a file which is not there (a Git LFS pointer, a web page instead of a download).
std::string stand_in_kind(std::span<const uint8_t> bytes);

// other_file_kind() of a file that may be missing or unreadable ("" then).
std::string other_file_kind_of(const std::string& path);

}  // namespace mld
