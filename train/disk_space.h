// The disk space for a run's files, checked before the first step rather than at the first save.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "nn/module.h"
#include "train/config.h"
#include "train/run_folder.h"

namespace mld {

struct RunBytes {
  int64_t weights = 0;  // best.safetensors; last.safetensors takes the same
  int64_t state = 0;    // last.state.safetensors, when the best weights are not the last ones
  // A save writes the new state beside the old one.
  int64_t most() const { return 2 * (state + weights); }
};

// Computed from shapes alone: the model needs no values.
RunBytes run_bytes(Module& model, const Config& config);

// The bytes this process may still write below `folder` or its nearest existing parent. nullopt if
// the file system does not tell.
std::optional<int64_t> free_disk_bytes(std::filesystem::path folder);

// Errors: Error (exit code 1) if the run needs more than is free on the disk where `folder` is or
// will be, not counting the space of files already there.
void require_disk_space(const RunBytes& bytes, const RunFolder& folder);

}  // namespace mld
