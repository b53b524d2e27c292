// One SIMD register of float32 values, as wide as the processor compiled for has them, for the
// kernels that need more than a vectorised loop. Arithmetic is the compiler's: a * b + c.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "core/dtype.h"

namespace mld::cpu {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

using Vec = float __attribute__((vector_size(4 * kLanes)));
using VecBits = uint32_t __attribute__((vector_size(4 * kLanes)));
using VecHalf = uint16_t __attribute__((vector_size(2 * kLanes)));

inline Vec load(const float* x) {
  Vec v;
  std::memcpy(&v, x, sizeof v);
  return v;
}

inline Vec load(const bf16* x) {
  VecHalf half;
  std::memcpy(&half, x, sizeof half);
  return reinterpret_cast<Vec>(__builtin_convertvector(half, VecBits) << 16);
}

// The first `count` lanes from memory, the rest 0; reads nothing beyond.
inline Vec load_part(const float* x, int count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), x);
#else
  Vec v{};
  std::memcpy(&v, x, static_cast<size_t>(count) * sizeof(float));
  return v;
#endif
}

inline Vec load_part(const bf16* x, int count) {
  bf16 part[kLanes] = {};
  std::copy_n(x, count, part);
  return load(part);
}

inline void store(const Vec& v, float* y) { std::memcpy(y, &v, sizeof v); }

inline void store(const Vec& v, bf16* y) {  // rounds as bf16(float) does
  const VecBits u = reinterpret_cast<VecBits>(v);
  const VecBits rounded = u + 0x7FFFu + ((u >> 16) & 1u);
  const VecHalf half = __builtin_convertvector((v == v ? rounded : (u | 0x400000u)) >> 16, VecHalf);
  std::memcpy(static_cast<void*>(y), &half, sizeof half);
}

// Stores the first `count` lanes; writes nothing beyond.
inline void store_part(const Vec& v, float* y, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1u << count) - 1), v);
#else
  std::memcpy(y, &v, static_cast<size_t>(count) * sizeof(float));
#endif
}

inline void store_part(const Vec& v, bf16* y, int count) {
  bf16 part[kLanes];
  store(v, part);
  std::copy_n(part, count, y);
}

// Transposes kLanes registers seen as a square matrix: log2(kLanes) rounds exchange the
// off-diagonal blocks of 1, 2, 4, ... lanes between registers that many apart.
inline void transpose(Vec (&r)[kLanes]) {
  VecBits lane;
  for (int i = 0; i < kLanes; ++i) {
    lane[i] = static_cast<uint32_t>(i);
  }
#pragma GCC unroll 4
  for (int s = 1; s < kLanes; s *= 2) {
    const uint32_t step = static_cast<uint32_t>(s), all = kLanes;
    const auto high = (lane & step) != 0;  // lanes of the second block
    // Of the pair (a, b): a keeps its low blocks and takes b's low ones; b the high ones.
    const VecBits low_pick = high ? lane - step + all : lane;
    const VecBits high_pick = high ? lane + all : lane + step;
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & s) == 0) {
        const Vec a = r[i], b = r[i + s];
        r[i] = __builtin_shuffle(a, b, low_pick);
        r[i + s] = __builtin_shuffle(a, b, high_pick);
      }
    }
  }
}

}  // namespace mld::cpu
