// Kernels over tokens: x [N, L, C], one value per picture and channel on the other side.
#pragma once

#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kTokenThreads = 256, kTokenLanes = 32;

// The sum over the tokens of term(l), for channel c of the calling thread's column of 32 x 8:
// thread row r takes tokens r, r + 8, ...; every thread of the column gets the sum. All must call.
template <class Term>
__device__ inline float token_sum(int64_t L, bool live, const Term& term) {
  SHARED(float[kTokenThreads / kTokenLanes][kTokenLanes], part);
  constexpr int kRows = kTokenThreads / kTokenLanes;
  const int lane = threadIdx.x % kTokenLanes, row = threadIdx.x / kTokenLanes;
  float sum = 0;
  for (int64_t l = row; live && l < L; l += kRows) {
    sum += term(l);
  }
  part[row][lane] = sum;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    total += part[r][lane];
  }
  __syncthreads();  // the next call writes part again
  return total;
}

// One block per 32 channels of a picture.
inline dim3 token_grid(int64_t N, int64_t C) {
  return dim3(static_cast<unsigned>(N), static_cast<unsigned>(ceil_div(C, kTokenLanes)));
}

}  // namespace mld::cuda
