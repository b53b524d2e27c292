// Sums per channel over the rows of [M, C] matrices: the reductions of batch normalisation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/cpu/support/values.h"

namespace mld::cpu {

// Rows summed in float32 before their sums go on in float64.
inline constexpr int64_t kSumRows = 256;

struct Terms {
  float first, second;
};

// first[c] += the sum of term(m * C + c, c).first over rows m in [begin, end); second likewise.
// Four rows at a time, since the accumulators' loads and stores would cost more than the additions.
//   first, second [C]
template <class Term>
void add_rows(int64_t begin, int64_t end, int64_t C, Term term, float* __restrict first,
              float* __restrict second) {
  int64_t m = begin;
  for (; m + 4 <= end; m += 4) {
    const int64_t i = m * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const Terms t0 = term(i + c, c), t1 = term(i + C + c, c), t2 = term(i + 2 * C + c, c),
                  t3 = term(i + 3 * C + c, c);
      first[c] += (t0.first + t1.first) + (t2.first + t3.first);
      second[c] += (t0.second + t1.second) + (t2.second + t3.second);
    }
  }
  for (; m < end; ++m) {
    const int64_t i = m * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const Terms t = term(i + c, c);
      first[c] += t.first;
      second[c] += t.second;
    }
  }
}

// How many threads share the rows of an [M, C] matrix.
inline int64_t row_threads(int64_t M, int64_t C) {
  return std::clamp<int64_t>(M / row_grain(C), 1, compute_threads());
}

// Thread t's share of M rows.
inline std::pair<int64_t, int64_t> row_share(int64_t M, int64_t t, int64_t threads) {
  return {M * t / threads, M * (t + 1) / threads};
}

}  // namespace mld::cpu
