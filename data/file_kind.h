// Recognises a file by its first bytes, for the message about a file of the wrong kind.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mld {

// What a file with these first bytes is, and what to do: "is a Git LFS pointer, not the file it
// stands for; run git lfs pull". "" for unknown content. Looks at the first 512 bytes.
std::string other_file_kind(std::span<const uint8_t> bytes);

// The same, but only for files that are never the wanted one, whatever its kind: stand-ins for a
// missing file (a Git LFS pointer, a web page instead of a download).
std::string stand_in_kind(std::span<const uint8_t> bytes);

// other_file_kind() of a file; "" if it is missing or unreadable.
std::string other_file_kind_of(const std::string& path);

}  // namespace mld
