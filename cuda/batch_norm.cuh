// Shared by batch norm's forward and backward kernels.
#pragma once

#include "core/specs.h"
#include "cuda/channels.cuh"

namespace mld::cuda {

// The slope of an activation left of zero: 1 identity, 0 relu.
inline float negative_slope(const ActivationSpec& act) {
  return act.kind == Act::identity ? 1.0f : act.kind == Act::relu ? 0.0f : act.slope;
}

// The grid of an elementwise kernel by channel: as many blocks as keep the device busy.
inline ChannelGrid apply_grid(int64_t M, int64_t C, int V) {
  constexpr int64_t kMostBlocks = 65535;  // along y
  return ChannelGrid(M, C, V, kMostBlocks);
}

}  // namespace mld::cuda
