// Sums over the threads of a warp and of a block, in a fixed order.
#pragma once

#include "cuda/kernel.h"

namespace mld::cuda {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// Every lane gets the sum over the warp; all 32 lanes must call.   T: float or double
template <class T>
__device__ inline T warp_sum(T v) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    v += __shfl_xor_sync(kAllLanes, v, distance);
  }
  return v;
}

__device__ inline float warp_max(float v) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, distance));
  }
  return v;
}

// Every thread gets the sum over the block of Threads (a multiple of 32); all must call.
template <int Threads, class T>
__device__ inline T block_sum(T v) {
  SHARED(T[Threads / 32], part);
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) {
    part[threadIdx.x / 32] = v;
  }
  __syncthreads();
  T sum = 0;
#pragma unroll
  for (int i = 0; i < Threads / 32; ++i) {
    sum += part[i];
  }
  __syncthreads();  // the next call writes part again
  return sum;
}

template <int Threads>
__device__ inline float block_max(float v) {
  SHARED(float[Threads / 32], part);
  v = warp_max(v);
  if (threadIdx.x % 32 == 0) {
    part[threadIdx.x / 32] = v;
  }
  __syncthreads();
  float top = part[0];
#pragma unroll
  for (int i = 1; i < Threads / 32; ++i) {
    top = fmaxf(top, part[i]);
  }
  __syncthreads();
  return top;
}

}  // namespace mld::cuda
