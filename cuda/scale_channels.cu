// scale_channels: each channel of a picture times one gate (squeeze and excitation).
#include "core/kernels.h"
#include "cuda/tokens.cuh"

namespace mld::cuda {
namespace {

// y = x * gate, grid-stride.   x, y [N, L, C]; gate [N, C]
template <class T, int V>
__global__ void __launch_bounds__(kTokenThreads)
    multiply_kernel(const T* x, const T* gate, int64_t L, int64_t C, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kTokenThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kTokenThreads} + threadIdx.x) * V; i < total; i += step) {
    float v[V], g[V];
    load<V>(x + i, v);
    load<V>(gate + i / (L * C) * C + i % C, g);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      v[k] *= g[k];
    }
    store<V>(v, y + i);
  }
}

// dgate = sum over tokens of dy * x. One block per picture and 32 channels.   dy, x [N, L, C]
template <class T>
__global__ void __launch_bounds__(kTokenThreads)
    gate_gradient_kernel(const T* dy, const T* x, int64_t L, int64_t C, T* dgate) {
  const int64_t n = blockIdx.x, c = blockIdx.y * int64_t{kTokenLanes} + threadIdx.x % kTokenLanes;
  const int64_t image = n * L * C + c;
  const float sum = token_sum(L, c < C, [=](int64_t l) {
    return load_one(dy + image + l * C) * load_one(x + image + l * C);
  });
  if (threadIdx.x < kTokenLanes && c < C) {
    store_one(sum, dgate + n * C + c);
  }
}

template <class T>
void multiply(const Tensor& x, const Tensor& gate, Tensor& y) {
  const int64_t L = x.shape()[1], C = x.shape()[2], total = x.numel();
  with_width<T>(C, {x.raw(), gate.raw(), y.raw()}, [&]<int V>() {
    launch(multiply_kernel<T, V>, blocks_for(ceil_div(total, V), kTokenThreads), kTokenThreads, 0,
           x.data<T>(), gate.data<T>(), L, C, total, y.data<T>());
  });
}

}  // namespace

void scale_channels_forward(const Tensor& x, const Tensor& gate, Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() { multiply<T>(x, gate, y); });
}

void scale_channels_backward(const Tensor& dy, const Tensor& x, const Tensor& gate, Tensor& dx,
                             Tensor& dgate) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    multiply<T>(dy, gate, dx);
    launch(gate_gradient_kernel<T>, token_grid(N, C), kTokenThreads, 0, dy.data<T>(), x.data<T>(),
           L, C, dgate.data<T>());
  });
}

}  // namespace mld::cuda
