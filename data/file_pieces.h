// Reading a file of any size without holding it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace mld {

// Hands a regular file's bytes to `take` in pieces of at most 1 MiB, with the file's size, until it
// returns false. Errors: DataError naming the file, as MappedFile's.
using TakePiece = std::function<bool(std::string_view piece, int64_t size)>;
void read_in_pieces(const std::filesystem::path& path, const TakePiece& take);

}  // namespace mld
