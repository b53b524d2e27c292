// The room a run's files need, looked at before the first step rather than at the first save.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "nn/module.h"
#include "train/config.h"
#include "train/run_folder.h"

namespace mld {

struct RunBytes {
  int64_t weights = 0;  // best.safetensors, and as many for last.safetensors
  int64_t state = 0;    // last.state.safetensors, when the best weights are not the last ones
  // A save writes the new state beside the old one.
  int64_t most() const { return 2 * (state + weights); }
};

// From shapes alone: the model needs no values.
RunBytes run_bytes(Module& model, const Config& config);

// What this process may still write below `folder` or, while that is missing, beside it. Nothing for
// a file system that does not say.
std::optional<int64_t> free_disk_bytes(std::filesystem::path folder);

// Errors: Error (exit code 1) if the disk that `folder` is on, or will be, has less free than the
// run needs beyond the files that are there already.
void require_disk_space(const RunBytes& bytes, const RunFolder& folder);

}  // namespace mld
