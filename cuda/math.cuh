// Elementary functions for kernels, accurate in float32 where the device's own would cancel.
#pragma once

#include "core/host_device.h"
#include "cuda/kernel.h"

namespace mld::cuda {

// 1 / (1 + e^-x), accurate in both tails; 1 - sigmoid(x) is sigmoid(-x).
MLD_HOST_DEVICE inline float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0 ? e : 1.0f) / (1.0f + e);
}

// log(1 + e^x)
MLD_HOST_DEVICE inline float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

// For the formulas that the backends share (core/asl.h).
struct Math {
  MLD_HOST_DEVICE static float sigmoid(float x) { return cuda::sigmoid(x); }
  MLD_HOST_DEVICE static float softplus(float x) { return cuda::softplus(x); }
  MLD_HOST_DEVICE static float log1p(float x) { return log1pf(x); }
  MLD_HOST_DEVICE static float pow(float x, float y) { return powf(x, y); }
};

// The standard normal distribution function.
__device__ inline float normal_cdf(float x) {
  constexpr float kRootHalf = 0.707106781f;
  return 0.5f * erfcf(-x * kRootHalf);
}

}  // namespace mld::cuda
