// dropout: element i times 1 / (1 - p) if it is kept, else 0. Backward does the same to dy.
#include "core/kernels.h"
#include "cuda/keep_mask.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256, kDraws = 4;  // elements of a Philox block

// Grid-stride over Philox blocks; V = kDraws with aligned pointers, else 1.   x, y [n]
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, KeepMask keep, int64_t n, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads}, blocks = ceil_div(n, kDraws);
  for (int64_t b = blockIdx.x * int64_t{kThreads} + threadIdx.x; b < blocks; b += step) {
    const int64_t first = b * kDraws;
    float f[kDraws];
    keep.factors(static_cast<uint64_t>(b), f);
    if (V == kDraws && first + kDraws <= n) {
      float v[kDraws];
      load<kDraws>(x + first, v);
#pragma unroll
      for (int i = 0; i < kDraws; ++i) {
        v[i] = f[i] == 0.0f ? 0.0f : v[i] * f[i];  // a dropped infinity is 0 too
      }
      store<kDraws>(v, y + first);
    } else {
#pragma unroll
      for (int i = 0; i < kDraws; ++i) {
        if (first + i < n) {
          store_one(f[i] == 0.0f ? 0.0f : load_one(x + first + i) * f[i], y + first + i);
        }
      }
    }
  }
}

}  // namespace

void dropout(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  const int64_t n = x.numel();
  dispatch(x.dtype(), [&]<class T>() {
    const auto aligned = [](const void* p) {
      return reinterpret_cast<uintptr_t>(p) % (kDraws * sizeof(T)) == 0;
    };
    const bool wide = aligned(x.raw()) && aligned(y.raw());
    launch(wide ? dropout_kernel<T, kDraws> : dropout_kernel<T, 1>,
           blocks_for(ceil_div(n, kDraws), kThreads), kThreads, 0, x.data<T>(), KeepMask(spec), n,
           y.data<T>());
  });
}

}  // namespace mld::cuda
