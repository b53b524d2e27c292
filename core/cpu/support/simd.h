// One SIMD register of float32 values, as wide as the target processor's, for the
// kernels that need more than a vectorised loop. Arithmetic is the compiler's: a * b + c.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

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

// One register of the pair (a, b) with its blocks of S lanes exchanged: a keeps its even blocks and
// takes b's even ones (kOdd false), or b its odd ones and a's odd (kOdd true).
template <int S, bool kOdd, int... I>
Vec exchange(const Vec& a, const Vec& b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(
      a, b, (((I & S) == 0) ? I + (kOdd ? S : 0) : I + kLanes - (kOdd ? 0 : S))...);
}

// Transposes kLanes registers seen as a square matrix: log2(kLanes) rounds exchange blocks of
// S = 1, 2, 4, ... lanes between registers S apart.
template <int S = 1>
void transpose(Vec (&r)[kLanes]) {
  constexpr auto kIndices = std::make_integer_sequence<int, kLanes>();
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & S) == 0) {
      const Vec a = r[i], b = r[i + S];
      r[i] = exchange<S, false>(a, b, kIndices);
      r[i + S] = exchange<S, true>(a, b, kIndices);
    }
  }
  if constexpr (2 * S < kLanes) {
    transpose<2 * S>(r);
  }
}

}  // namespace mld::cpu
