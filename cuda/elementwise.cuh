// Maps over elements: y[i] = f(x0[i], x1[i], ...), one launch for any number of inputs.
#pragma once

#include <algorithm>
#include <utility>

#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kMapThreads = 256;

template <int V, class F, size_t K, size_t... I>
__device__ inline float apply_at(const F& f, const float (&in)[K][V], int i,
                                 std::index_sequence<I...>) {
  return f(in[I][i]...);
}

// Grid-stride, V elements per thread and step; the last n % V elements one by one. Each element is
// read before it is written, so y may be one of the inputs.
//   f: a functor (float, ...) -> float;  y, x... [n]
template <int V, class F, class Y, class... X>
__global__ void __launch_bounds__(kMapThreads) map_kernel(F f, int64_t n, Y* y, const X*... x) {
  const int64_t first = blockIdx.x * int64_t{kMapThreads} + threadIdx.x;
  const int64_t step = gridDim.x * int64_t{kMapThreads}, packs = n / V;
  for (int64_t p = first; p < packs; p += step) {
    float in[sizeof...(X)][V], out[V];
    int k = 0;
    (load<V>(x + p * V, in[k++]), ...);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      out[i] = apply_at(f, in, i, std::index_sequence_for<X...>());
    }
    store<V>(out, y + p * V);
  }
  for (int64_t i = packs * V + first; i < n; i += step) {
    store_one(f(load_one(x + i)...), y + i);
  }
}

// Launches the map with 16-byte accesses where the pointers allow it. The element types may differ
// (a cast); the widest access is then that of the narrower one.
template <class F, class Y, class... X>
void map(const F& f, int64_t n, Y* y, const X*... x) {
  constexpr int kWide = 16 / static_cast<int>(std::max({sizeof(Y), sizeof(X)...}));
  const auto aligned = [](const void* p, size_t bytes) {
    return reinterpret_cast<uintptr_t>(p) % bytes == 0;
  };
  const bool wide = aligned(y, kWide * sizeof(Y)) && (aligned(x, kWide * sizeof(X)) && ...);
  if (n == 0) {
    return;
  }
  if (wide) {
    launch(map_kernel<kWide, F, Y, X...>, blocks_for(ceil_div(n, kWide), kMapThreads), kMapThreads,
           0, f, n, y, x...);
  } else {
    launch(map_kernel<1, F, Y, X...>, blocks_for(n, kMapThreads), kMapThreads, 0, f, n, y, x...);
  }
}

}  // namespace mld::cuda
