// Takes a validation split from the training split of data that has none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/formats/file_dataset.h"

namespace mld {

// Note [Stratified split]. A stratum is the set of pictures with the same rarest class; those
// without labels form one too. From the smallest stratum to the largest, each gives its part,
// rounded so that the running sum stays near the fraction, and keeps at least one picture for
// training. The seed decides which pictures are taken. Unknown labels count as present, so that a
// split is the same whether it is opened for training or for evaluation.

// Per sample, whether it goes to validation. Errors: DataError if none does.
std::vector<bool> validation_part(const Dataset& data, double fraction, uint64_t seed);

// Per sample, whether a text file lists its source(), one a line.
// Errors: DataError with file:line for a source that the data do not have or that is listed twice,
// an empty list, or one of every sample.
std::vector<bool> listed_part(const Dataset& data, const std::filesystem::path& list);

// The given samples of a data set, in this order.
std::unique_ptr<Dataset> subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples);
// The same with other labels: row i of `labels`, in columns of `space`, for the i-th sample.
std::unique_ptr<Dataset> subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples,
                                LabelSpace space, LabelTable labels);

}  // namespace mld
