// drop_path: picture n times 1 / (1 - p) if it is kept, else 0. Backward is the same map.
#include "core/kernels.h"
#include "cuda/keep_mask.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

// Grid-stride over packs of V elements, which lie in one picture.   x, y [packs * V]
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    drop_path_kernel(const T* x, KeepMask keep, int64_t packs, int64_t packs_per_picture, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t p = blockIdx.x * int64_t{kThreads} + threadIdx.x; p < packs; p += step) {
    const float factor = keep.factor(static_cast<uint64_t>(p / packs_per_picture));
    float v[V];
    load<V>(x + p * V, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      v[i] = factor == 0.0f ? 0.0f : v[i] * factor;  // a dropped infinity is 0 too
    }
    store<V>(v, y + p * V);
  }
}

}  // namespace

void drop_path(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  const int64_t row = x.shape().row();
  dispatch(x.dtype(), [&]<class T>() {
    constexpr int kWide = 16 / static_cast<int>(sizeof(T));
    const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
    const bool wide = row % kWide == 0 && aligned(x.raw()) && aligned(y.raw());
    const int64_t V = wide ? kWide : 1, packs = x.numel() / V;
    launch(wide ? drop_path_kernel<T, kWide> : drop_path_kernel<T, 1>,
           blocks_for(packs, kThreads), kThreads, 0, x.data<T>(), KeepMask(spec), packs, row / V,
           y.data<T>());
  });
}

}  // namespace mld::cuda
