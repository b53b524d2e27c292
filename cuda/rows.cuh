// Kernels over the rows of [M, C] matrices: one block per row, rows of any length.
#pragma once

#include "cuda/reduce.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kRowThreads = 128;

// sum over a row of term(i) for i = 0 .. C - 1; every thread of the block gets it.
template <class Term>
__device__ inline float row_sum(int64_t C, const Term& term) {
  float sum = 0;
  for (int64_t c = threadIdx.x; c < C; c += kRowThreads) {
    sum += term(c);
  }
  return block_sum<kRowThreads>(sum);
}

template <class Term>
__device__ inline float row_max(int64_t C, const Term& term) {
  float top = -INFINITY;
  for (int64_t c = threadIdx.x; c < C; c += kRowThreads) {
    top = fmaxf(top, term(c));
  }
  return block_max<kRowThreads>(top);
}

// Calls body(c) for the row's elements.
template <class Body>
__device__ inline void for_row(int64_t C, const Body& body) {
  for (int64_t c = threadIdx.x; c < C; c += kRowThreads) {
    body(c);
  }
}

}  // namespace mld::cuda
