// The folder that the paths of a CSV list start from.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "data/formats/open.h"
#include "data/formats/picture_paths.h"

namespace mld {

// The place of a split's pictures; `first` are the first paths that `list` has for the split. Two
// splits may use the same file names, so a folder of another split is not tried, except that
// train's may hold all labelled pictures if no folder is named after the split.
// Errors: DataError if two folders hold the same paths and neither is named after the split.
PicturePlace csv_picture_place(const DataOptions& options, const std::filesystem::path& list,
                               const std::string& split, std::span<const std::string> first);

}  // namespace mld
