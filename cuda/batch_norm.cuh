// Shared by batch norm's forward and backward kernels.
#pragma once

#include <limits>

#include "core/specs.h"
#include "cuda/channels.cuh"

namespace mld::cuda {

// The activations that are fused: straight lines with a corner at 0, relu6 with another at `top`.
struct Lines {
  float slope;  // left of 0: 1 identity, 0 relu and relu6
  float top;    // where relu6 turns flat; infinity for the others

  explicit Lines(const ActivationSpec& act)
      : slope(act.kind == Act::identity     ? 1.0f
              : act.kind == Act::leaky_relu ? act.slope
                                            : 0.0f),
        top(act.kind == Act::relu6 ? kRelu6Top : std::numeric_limits<float>::infinity()) {}

  __device__ float value(float z) const {  // keeps NaN
    const float v = z < 0 ? z * slope : z;
    return v > top ? top : v;
  }
  // dz from dy and y = value(z).
  __device__ float gradient(float dy, float y) const {
    return y > 0 && y < top ? dy : dy * slope;
  }
};

// The grid of an elementwise kernel by channel: as many blocks as keep the device busy.
inline ChannelGrid apply_grid(int64_t M, int64_t C, int V) {
  constexpr int64_t kMostBlocks = 65535;  // along y
  return ChannelGrid(M, C, V, kMostBlocks);
}

}  // namespace mld::cuda
