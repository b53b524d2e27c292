// l2_normalize: rows divided by their length, which counts as at least 1e-12. One block per row.
#include "core/kernels.h"
#include "cuda/rows.cuh"

namespace mld::cuda {
namespace {

constexpr float kSmallestNorm = 1e-12f;

// x, y [M, C]; norm [M]
template <class T>
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const T* x, int64_t C, float* norm, T* y) {
  x += blockIdx.x * C;
  y += blockIdx.x * C;
  // Scaled by the largest element, so that no square overflows or vanishes.
  const float top = row_max(C, [x](int64_t c) { return fabsf(load_one(x + c)); });
  const float scale = top > 0 && top < INFINITY ? top : 1.0f;
  const float squares = row_sum(C, [x, scale](int64_t c) {
    const float v = load_one(x + c) / scale;
    return v * v;
  });
  const float length = fmaxf(sqrtf(squares) * scale, kSmallestNorm), inverse = 1.0f / length;
  for_row(C, [=](int64_t c) { store_one(load_one(x + c) * inverse, y + c); });
  if (threadIdx.x == 0) {
    norm[blockIdx.x] = length;
  }
}

// dx = (dy - y (y . dy)) / |x|; below the smallest norm y is linear in x, so the second term is
// absent.
//   dy, y, dx [M, C]; norm [M]
template <class T>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const T* dy, const T* y, const float* norm, int64_t C, T* dx) {
  dy += blockIdx.x * C;
  y += blockIdx.x * C;
  dx += blockIdx.x * C;
  const float dot =
      row_sum(C, [=](int64_t c) { return load_one(dy + c) * load_one(y + c); });
  const float length = norm[blockIdx.x], inverse = 1.0f / length;
  const float along = length > kSmallestNorm ? dot : 0.0f;
  for_row(C, [=](int64_t c) {
    store_one((load_one(dy + c) - load_one(y + c) * along) * inverse, dx + c);
  });
}

}  // namespace

void l2_normalize_forward(const Tensor& x, Tensor& norm, Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, static_cast<unsigned>(norm.numel()), kRowThreads, 0, x.data<T>(),
           x.shape()[-1], norm.data<float>(), y.data<T>());
  });
}

void l2_normalize_backward(const Tensor& dy, const Tensor& y, const Tensor& norm, Tensor& dx) {
  dispatch(y.dtype(), [&]<class T>() {
    launch(backward_kernel<T>, static_cast<unsigned>(norm.numel()), kRowThreads, 0, dy.data<T>(),
           y.data<T>(), norm.data<float>(), y.shape()[-1], dx.data<T>());
  });
}

}  // namespace mld::cuda
