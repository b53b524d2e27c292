// Making a validation split out of a training split that comes without one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"

namespace mld {

// Note [Stratified split]. A stratum is the pictures whose rarest class is the same; those without
// labels are one too. From the smallest stratum to the largest, each gives its part, rounded so that
// the sum stays near the fraction, and keeps at least one picture for training. Which pictures go is
// drawn from the seed. Labels that are unknown count as those that are present, so that a split is
// the same whether it is opened for training or for evaluation.

// Per sample, whether it goes to validation. Errors: DataError if none does.
std::vector<bool> validation_part(const Dataset& data, double fraction, uint64_t seed);

// Some samples of a data set, in this order.
std::unique_ptr<Dataset> subset(std::unique_ptr<Dataset> data, std::vector<int64_t> samples);

}  // namespace mld
