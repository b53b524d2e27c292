// From a config to what its data is opened and loaded with.
#pragma once

#include "train/config.h"

namespace mld {

// `label_space`: see DataOptions.
DataOptions data_options(const Config& config, LabelSpace label_space = {});

// Training: shuffled, augmented, a last short batch left out. Evaluation: in order, not augmented,
// every sample.
LoaderOptions loader_options(const Config& config, Purpose purpose);

// Errors: DataError naming the first sample whose labels do not fit the task (single-label needs
// exactly one each).
void check_labels(const Config& config, const Dataset& split);

}  // namespace mld
