// Reductions over the tokens of [N, L, C]: shared by mean_tokens, scale_channels and variance.
#pragma once

#include "core/cpu/support/values.h"

namespace mld::cpu {

inline constexpr int64_t kChannelBlock = 64;

// Calls body(n, c0, c1) once for every picture n and block of channels [c0, c1), in parallel.
template <class Body>
void for_each_channel_block(int64_t N, int64_t L, int64_t C, Body&& body) {
  const int64_t blocks = (C + kChannelBlock - 1) / kChannelBlock;
  parallel_for(N * blocks, row_grain(L * kChannelBlock), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t c0 = i % blocks * kChannelBlock;
      body(i / blocks, c0, std::min(C, c0 + kChannelBlock));
    }
  });
}

// sums[c - c0] = the sum of value(l, c) over the tokens: float32 within 128 tokens, then float64.
template <class Value>
void sum_tokens(int64_t L, int64_t c0, int64_t c1, Value&& value, double* sums) {
  constexpr int64_t kTokenBlock = 128;
  std::fill(sums, sums + kChannelBlock, 0.0);
  for (int64_t l0 = 0; l0 < L; l0 += kTokenBlock) {
    float part[kChannelBlock] = {};
    for (int64_t l = l0; l < std::min(L, l0 + kTokenBlock); ++l) {
#pragma omp simd
      for (int64_t c = c0; c < c1; ++c) {
        part[c - c0] += value(l, c);
      }
    }
    for (int64_t i = 0; i < kChannelBlock; ++i) {
      sums[i] += static_cast<double>(part[i]);
    }
  }
}

}  // namespace mld::cpu
