// `mltrain check`: checks the data before a run, and estimates the run's cost.
#pragma once

#include "core/device.h"
#include "core/error.h"
#include "train/config.h"

namespace mld {

// Refuses what training would refuse, with the same messages, before it decodes or computes. First
// prints the model's size, the memory predicted for training and a step's estimated time; then,
// after decoding every picture, counts, a class histogram, missing or damaged pictures (train, val,
// and test if one is named), and the run's time and disk space. Returns `data` if more pictures are
// bad than data.max_bad_fraction allows (with on_bad_image = "error": any), `memory` if training
// would not fit, else `ok`.
ExitCode check_run(const Config& config, Device device);

}  // namespace mld
