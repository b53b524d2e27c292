// softmax and log_softmax over the last dimension: one block per row.
#include "core/kernels.h"
#include "cuda/rows.cuh"

namespace mld::cuda {
namespace {

// x, y [M, C]; kLog: log_softmax
template <class T, bool kLog>
__global__ void __launch_bounds__(kRowThreads) forward_kernel(const T* x, int64_t C, T* y) {
  x += blockIdx.x * C;
  y += blockIdx.x * C;
  const float top = row_max(C, [x](int64_t c) { return load_one(x + c); });
  const float sum = row_sum(C, [x, top](int64_t c) { return expf(load_one(x + c) - top); });
  const float log_sum = logf(sum), factor = 1.0f / sum;
  for_row(C, [=](int64_t c) {
    const float v = load_one(x + c) - top;
    store_one(kLog ? v - log_sum : expf(v) * factor, y + c);
  });
}

// softmax: dx = y (dy - sum(y dy));  log_softmax: dx = dy - exp(y) sum(dy).   dy, y, dx [M, C]
template <class T, bool kLog>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const T* dy, const T* y, int64_t C, T* dx) {
  dy += blockIdx.x * C;
  y += blockIdx.x * C;
  dx += blockIdx.x * C;
  const float sum = row_sum(C, [=](int64_t c) {
    return load_one(dy + c) * (kLog ? 1.0f : load_one(y + c));
  });
  for_row(C, [=](int64_t c) {
    const float g = load_one(dy + c), v = load_one(y + c);
    store_one(kLog ? g - expf(v) * sum : v * (g - sum), dx + c);
  });
}

template <bool kLog>
void forward(const Tensor& x, Tensor& y) {
  const int64_t C = x.shape()[-1], M = x.numel() / C;
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T, kLog>, static_cast<unsigned>(M), kRowThreads, 0, x.data<T>(), C,
           y.data<T>());
  });
}

template <bool kLog>
void backward(const Tensor& dy, const Tensor& y, Tensor& dx) {
  const int64_t C = y.shape()[-1], M = y.numel() / C;
  dispatch(y.dtype(), [&]<class T>() {
    launch(backward_kernel<T, kLog>, static_cast<unsigned>(M), kRowThreads, 0, dy.data<T>(),
           y.data<T>(), C, dx.data<T>());
  });
}

}  // namespace

void softmax_forward(const Tensor& x, Tensor& y) { forward<false>(x, y); }
void softmax_backward(const Tensor& dy, const Tensor& y, Tensor& dx) { backward<false>(dy, y, dx); }
void log_softmax_forward(const Tensor& x, Tensor& y) { forward<true>(x, y); }
void log_softmax_backward(const Tensor& dy, const Tensor& y, Tensor& dx) {
  backward<true>(dy, y, dx);
}

}  // namespace mld::cuda
