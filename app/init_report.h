// What `mltrain init` says about the data.
#pragma once

#include <filesystem>

#include "data/formats/open.h"
#include "data/inspect.h"
#include "train/config.h"

namespace mld {

// inspect(); pictures are decoded unless there are so many that it would take minutes.
DatasetReport look_at(const Dataset& data);

// Prints format, counts, the pictures of each class, and all that is odd: what was assumed, bad,
// turned and transparent pictures, equal ones in both splits, rare classes, pictures not used.
// `test` may be null.
void print_data(const Config& config, const Splits& splits, const Dataset* test,
                const DatasetReport& train, const DatasetReport& val,
                const std::filesystem::path& root);

}  // namespace mld
