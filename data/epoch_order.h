// The order in which an epoch of training visits the samples.
#pragma once

#include <cstdint>
#include <vector>

namespace mld {

// How many times an epoch visits any sample: repeated augmentation (arXiv 1901.09335, timm's
// RepeatAugSampler) visits each sample of a shuffled list `repeats` times in a row and ends after
// about as many visits as there are samples: their number rounded down to a multiple of 256, or all
// of them if there are fewer.
int64_t epoch_visits(int64_t samples, int64_t repeats);

// The sample of every visit: a pure function of the arguments.   -> [epoch_visits()]
// (Fisher and Yates' shuffle on a Philox stream.) Errors: DataError for more than 2^31 - 1 samples.
std::vector<int64_t> epoch_order(int64_t samples, uint64_t seed, int64_t epoch,
                                 int64_t repeats = 1);

}  // namespace mld
