// mean_tokens: the mean over the middle dimension (global average pooling).
#include "core/kernels.h"
#include "cuda/tokens.cuh"

namespace mld::cuda {
namespace {

// One block per picture and 32 channels.   x [N, L, C], y [N, C]
template <class T>
__global__ void __launch_bounds__(kTokenThreads)
    forward_kernel(const T* x, int64_t L, int64_t C, T* y) {
  const int64_t n = blockIdx.x, c = blockIdx.y * int64_t{kTokenLanes} + threadIdx.x % kTokenLanes;
  const T* image = x + n * L * C + c;
  const float sum = token_sum(L, c < C, [=](int64_t l) { return load_one(image + l * C); });
  if (threadIdx.x < kTokenLanes && c < C) {
    store_one(sum / static_cast<float>(L), y + n * C + c);
  }
}

// dx[n, l, c] = dy[n, c] / L.   grid-stride over dx
template <class T, int V>
__global__ void __launch_bounds__(kTokenThreads)
    backward_kernel(const T* dy, int64_t L, int64_t C, int64_t total, T* dx) {
  const float share = 1.0f / static_cast<float>(L);
  const int64_t step = gridDim.x * int64_t{kTokenThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kTokenThreads} + threadIdx.x) * V; i < total; i += step) {
    float v[V];
    load<V>(dy + i / (L * C) * C + i % C, v);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      v[k] *= share;
    }
    store<V>(v, dx + i);
  }
}

}  // namespace

void mean_tokens_forward(const Tensor& x, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, token_grid(N, C), kTokenThreads, 0, x.data<T>(), L, C, y.data<T>());
  });
}

void mean_tokens_backward(const Tensor& dy, Tensor& dx) {
  const int64_t L = dx.shape()[1], C = dx.shape()[2];
  dispatch(dx.dtype(), [&]<class T>() {
    with_width<T>(C, {dy.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kTokenThreads),
             kTokenThreads, 0, dy.data<T>(), L, C, dx.numel(), dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
