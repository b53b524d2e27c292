// How kernels read and write values: float32 arithmetic over float32 or bfloat16 elements, 16 bytes
// an access where shape and alignment allow it.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "core/dtype.h"
#include "cuda/instructions.cuh"
#include "cuda/kernel.h"

namespace mld::cuda {

MLD_HOST_DEVICE constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// An unsigned integer, or vector of them, of this many bytes.
template <int Bytes> struct RawOf;
template <> struct RawOf<2> { using type = uint16_t; };
template <> struct RawOf<4> { using type = uint32_t; };
template <> struct RawOf<8> { using type = uint2; };
template <> struct RawOf<16> { using type = uint4; };

// v = x[0..V).   x aligned to V elements
template <int V>
__device__ inline void load(const float* x, float (&v)[V]) {
  using Raw = typename RawOf<V * 4>::type;
  const Raw raw = *reinterpret_cast<const Raw*>(x);
  __builtin_memcpy(v, &raw, sizeof raw);
}
template <int V>
__device__ inline void load(const bf16* x, float (&v)[V]) {
  using Raw = typename RawOf<V * 2>::type;
  const Raw raw = *reinterpret_cast<const Raw*>(x);
  bf16 parts[V];
  __builtin_memcpy(static_cast<void*>(parts), &raw, sizeof raw);
#pragma unroll
  for (int i = 0; i < V; ++i) {
    v[i] = static_cast<float>(parts[i]);
  }
}

// y[0..V) = v.   y aligned to V elements
template <int V>
__device__ inline void store(const float (&v)[V], float* y) {
  using Raw = typename RawOf<V * 4>::type;
  Raw raw;
  __builtin_memcpy(&raw, v, sizeof raw);
  *reinterpret_cast<Raw*>(y) = raw;
}
template <int V>
__device__ inline void store(const float (&v)[V], bf16* y) {
  if constexpr (V == 1) {
    *y = bf16(v[0]);
  } else {
    using Raw = typename RawOf<V * 2>::type;
    uint32_t words[V / 2];
#pragma unroll
    for (int i = 0; i < V / 2; ++i) {
      words[i] = pack_bf16(v[2 * i], v[2 * i + 1]);
    }
    Raw raw;
    __builtin_memcpy(&raw, words, sizeof raw);
    *reinterpret_cast<Raw*>(y) = raw;
  }
}

__device__ inline float load_one(const float* x) { return *x; }
__device__ inline float load_one(const bf16* x) { return static_cast<float>(*x); }
__device__ inline void store_one(float v, float* y) { *y = v; }
__device__ inline void store_one(float v, bf16* y) { *y = bf16(v); }

// Elements of a 16-byte access.
template <class T>
inline constexpr int kVector = 16 / sizeof(T);

// Whether rows of C elements can be accessed 16 bytes at a time from all of these (null: absent).
template <class T>
bool vectorizes(int64_t C, std::initializer_list<const void*> pointers) {
  bool aligned = C % kVector<T> == 0;
  for (const void* p : pointers) {
    aligned = aligned && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  }
  return aligned;
}

// Calls body.operator()<V>() with V = 4 or 8 where that is possible, else with 1.
//   with_width<T>(C, {x, y}, [&]<int V>() { launch(kernel<T, V>, ...); });
template <class T, class Body>
void with_width(int64_t C, std::initializer_list<const void*> pointers, Body&& body) {
  if (vectorizes<T>(C, pointers)) {
    body.template operator()<kVector<T>>();
  } else {
    body.template operator()<1>();
  }
}

// Blocks for a grid-stride loop over n pieces of work: enough to fill the device, at least one.
inline unsigned blocks_for(int64_t n, int threads) {
  constexpr int kBlocksEach = 8;
  const int64_t most = int64_t{kBlocksEach} * multiprocessors();
  return static_cast<unsigned>(std::max<int64_t>(1, std::min(most, ceil_div(n, threads))));
}

}  // namespace mld::cuda
