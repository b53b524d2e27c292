// Elementary functions for kernels, accurate in float32 where the device's own would cancel.
#pragma once

#include "cuda/kernel.h"

namespace mld::cuda {

// 1 / (1 + e^-x), accurate in both tails; 1 - sigmoid(x) is sigmoid(-x).
__device__ inline float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

// log(1 + e^x)
__device__ inline float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

// The standard normal distribution function.
__device__ inline float normal_cdf(float x) {
  constexpr float kRootHalf = 0.707106781f;
  return 0.5f * erfcf(-x * kRootHalf);
}

}  // namespace mld::cuda
