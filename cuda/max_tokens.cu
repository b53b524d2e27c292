// max_tokens: the largest value over the middle dimension, and where it was.
#include "core/kernels.h"
#include "cuda/tokens.cuh"

namespace mld::cuda {
namespace {

// One thread per picture and channel, grid-stride.   x [N, L, C]; argmax, y [N, C]
template <class T>
__global__ void __launch_bounds__(kTokenThreads)
    forward_kernel(const T* x, int64_t L, int64_t C, int64_t total, int32_t* argmax, T* y) {
  const int64_t step = gridDim.x * int64_t{kTokenThreads};
  for (int64_t i = blockIdx.x * int64_t{kTokenThreads} + threadIdx.x; i < total; i += step) {
    const T* column = x + i / C * L * C + i % C;
    float top = load_one(column);
    int32_t at = 0;
    for (int64_t l = 1; l < L; ++l) {
      const float v = load_one(column + l * C);
      if (v > top) {
        top = v;
        at = static_cast<int32_t>(l);
      }
    }
    argmax[i] = at;
    store_one(top, y + i);
  }
}

// Grid-stride over dx.   dy, argmax [N, C]; dx [N, L, C]
template <class T>
__global__ void __launch_bounds__(kTokenThreads)
    backward_kernel(const T* dy, const int32_t* argmax, int64_t L, int64_t C, int64_t total,
                    T* dx) {
  const int64_t step = gridDim.x * int64_t{kTokenThreads};
  for (int64_t i = blockIdx.x * int64_t{kTokenThreads} + threadIdx.x; i < total; i += step) {
    const int64_t column = i / (L * C) * C + i % C;
    store_one(argmax[column] == i / C % L ? load_one(dy + column) : 0.0f, dx + i);
  }
}

}  // namespace

void max_tokens_forward(const Tensor& x, Tensor& argmax, Tensor& y) {
  const int64_t L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, blocks_for(y.numel(), kTokenThreads), kTokenThreads, 0, x.data<T>(),
           L, C, y.numel(), argmax.data<int32_t>(), y.data<T>());
  });
}

void max_tokens_backward(const Tensor& dy, const Tensor& argmax, Tensor& dx) {
  const int64_t L = dx.shape()[1], C = dx.shape()[2];
  dispatch(dx.dtype(), [&]<class T>() {
    launch(backward_kernel<T>, blocks_for(dx.numel(), kTokenThreads), kTokenThreads, 0,
           dy.data<T>(), argmax.data<int32_t>(), L, C, dx.numel(), dx.data<T>());
  });
}

}  // namespace mld::cuda
