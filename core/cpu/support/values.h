// What every CPU kernel shares: how values are stored, and the size of a thread's share.
//
// A kernel is a template over its element type T, float or bf16. It reads static_cast<float>(x[i]),
// computes in float32 and ends in store(value, y[i]), which rounds to nearest even for bf16.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/dtype.h"
#include "core/parallel.h"

namespace mld::cpu {

// Elements of light work (an add, a cast) below which a second thread costs more than it brings.
inline constexpr int64_t kGrain = 16384;

// The parallel_for grain, in rows, for rows of this many elements.
inline int64_t row_grain(int64_t elements) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements));
}

// y = value. Not an assignment of bf16(value): the compiler (GCC 12) would keep that temporary in
// memory for every lane of an `omp simd` loop and not vectorise the loop.
inline void store(float value, float& y) { y = value; }
inline void store(float value, bf16& y) { y = bf16(value); }

// part(0) + ... + part(n - 1) in float64: the parts in parallel, the additions in order, so the
// result does not depend on the thread count.
template <class Part>
double ordered_sum(int64_t n, int64_t grain, Part&& part) {
  std::vector<double> parts(static_cast<size_t>(n));
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parts[static_cast<size_t>(i)] = part(i);
    }
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace mld::cpu
