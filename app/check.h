// `mltrain check`: looks at the data before a run does, and estimates what the run will take.
#pragma once

#include "core/device.h"
#include "core/error.h"
#include "train/config.h"

namespace mld {

// Refuses what training would refuse, in the same words, before it decodes or computes. Prints the
// model's size, the memory training is predicted to take and a step's estimated time, at once; then,
// having decoded every picture, counts, a class histogram, missing or damaged pictures (train, val,
// and test where one is named), and time and disk space of the run. Returns data if more pictures are
// bad than data.max_bad_fraction allows (with on_bad_image = "error": any), memory if training would
// not fit, else ok.
ExitCode check_run(const Config& config, Device device);

}  // namespace mld
