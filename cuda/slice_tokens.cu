// slice_tokens: some of each picture's tokens.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kSliceThreads = 256;

// Grid-stride over y, V elements a thread: y[n, i] = x[n, skipped + i].   x [N, X], y [N, Y]
template <class T, int V>
__global__ void __launch_bounds__(kSliceThreads)
    slice_kernel(const T* x, int64_t X, int64_t skipped, int64_t Y, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kSliceThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kSliceThreads} + threadIdx.x) * V; i < total; i += step) {
    float v[V];
    load<V>(x + i / Y * X + skipped + i % Y, v);
    store<V>(v, y + i);
  }
}

// Grid-stride over dx: dx[n, skipped + i] = dy[n, i], zero elsewhere.   dy [N, Y], dx [N, X]
template <class T, int V>
__global__ void __launch_bounds__(kSliceThreads)
    place_kernel(const T* dy, int64_t X, int64_t skipped, int64_t Y, int64_t total, T* dx) {
  const int64_t step = gridDim.x * int64_t{kSliceThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kSliceThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t at = i % X - skipped;
    float v[V] = {};
    if (at >= 0 && at < Y) {
      load<V>(dy + i / X * Y + at, v);
    }
    store<V>(v, dx + i);
  }
}

}  // namespace

void slice_tokens_forward(const Tensor& x, int64_t begin, Tensor& y) {
  const int64_t C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(C, {x.raw(), y.raw()}, [&]<int V>() {
      launch(slice_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kSliceThreads), kSliceThreads,
             0, x.data<T>(), x.shape()[1] * C, begin * C, y.shape()[1] * C, y.numel(), y.data<T>());
    });
  });
}

void slice_tokens_backward(const Tensor& dy, int64_t begin, Tensor& dx) {
  const int64_t C = dx.shape()[2];
  dispatch(dx.dtype(), [&]<class T>() {
    with_width<T>(C, {dy.raw(), dx.raw()}, [&]<int V>() {
      launch(place_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kSliceThreads), kSliceThreads,
             0, dy.data<T>(), dx.shape()[1] * C, begin * C, dy.shape()[1] * C, dx.numel(),
             dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
