// The device's step queue: pinned memory, a copy stream, CUDA graphs.
#pragma once

#include "core/step_queue.h"

namespace mld::cuda {

std::unique_ptr<StepQueue> step_queue();

}  // namespace mld::cuda
