// repeat_rows: M copies of a tensor along a new first dimension.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

// Grid-stride over y.   x [n], y [M, n]
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    repeat_kernel(const T* x, int64_t n, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * V; i < total; i += step) {
    float v[V];
    load<V>(x + i % n, v);
    store<V>(v, y + i);
  }
}

}  // namespace

void repeat_rows(const Tensor& x, Tensor& y) {
  const int64_t n = x.numel();
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(n, {x.raw(), y.raw()}, [&]<int V>() {
      launch(repeat_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kThreads), kThreads, 0,
             x.data<T>(), n, y.numel(), y.data<T>());
    });
  });
}

}  // namespace mld::cuda
