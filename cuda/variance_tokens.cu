// variance_tokens: the unbiased variance over the middle dimension, in two passes (mean first).
#include "core/kernels.h"
#include "cuda/tokens.cuh"

namespace mld::cuda {
namespace {

// One block per picture and 32 channels.   x [N, L, C]; mean, y [N, C]
template <class T>
__global__ void __launch_bounds__(kTokenThreads)
    forward_kernel(const T* x, int64_t L, int64_t C, float* mean, T* y) {
  const int64_t n = blockIdx.x, c = blockIdx.y * int64_t{kTokenLanes} + threadIdx.x % kTokenLanes;
  const T* image = x + n * L * C + c;
  const float mu =
      token_sum(L, c < C, [=](int64_t l) { return load_one(image + l * C); }) /
      static_cast<float>(L);
  const float squares = token_sum(L, c < C, [=](int64_t l) {
    const float d = load_one(image + l * C) - mu;
    return d * d;
  });
  if (threadIdx.x < kTokenLanes && c < C) {
    mean[n * C + c] = mu;
    store_one(squares / static_cast<float>(L - 1), y + n * C + c);
  }
}

// dx = dy * 2 (x - mean) / (L - 1), grid-stride.   dy, mean [N, C]; x, dx [N, L, C]
template <class T, int V>
__global__ void __launch_bounds__(kTokenThreads)
    backward_kernel(const T* dy, const T* x, const float* mean, int64_t L, int64_t C,
                    int64_t total, T* dx) {
  const float factor = 2.0f / static_cast<float>(L - 1);
  const int64_t step = gridDim.x * int64_t{kTokenThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kTokenThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t column = i / (L * C) * C + i % C;
    float v[V], g[V];
    load<V>(x + i, v);
    load<V>(dy + column, g);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      v[k] = g[k] * factor * (v[k] - mean[column + k]);
    }
    store<V>(v, dx + i);
  }
}

}  // namespace

void variance_tokens_forward(const Tensor& x, Tensor& mean, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, token_grid(N, C), kTokenThreads, 0, x.data<T>(), L, C,
           mean.data<float>(), y.data<T>());
  });
}

void variance_tokens_backward(const Tensor& dy, const Tensor& x, const Tensor& mean, Tensor& dx) {
  const int64_t L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(C, {dy.raw(), x.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kTokenThreads),
             kTokenThreads, 0, dy.data<T>(), x.data<T>(), mean.data<float>(), L, C, dx.numel(),
             dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
