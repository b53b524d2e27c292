// group_linear: y[n, k] = h[n, k / g, :] . w[k / g, :, k % g] + bias[k] (ML-Decoder, eq. 6): one
// batched product over the groups, no loop.
#include "core/kernels.h"
#include "cuda/gemm.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

// Drops the surplus columns and adds the bias, grid-stride.   grouped [N, Gg], y [N, K]
template <class T>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(const float* grouped, const float* bias, int64_t Gg, int64_t K, int64_t total,
                  T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < total; i += step) {
    const int64_t k = i % K;
    store_one(grouped[i / K * Gg + k] + (bias != nullptr ? bias[k] : 0.0f), y + i);
  }
}

// dy with the surplus columns as zeros, grid-stride.   dy [N, K], grouped [N, Gg]
template <class T>
__global__ void __launch_bounds__(kThreads)
    spread_kernel(const T* dy, int64_t K, int64_t Gg, int64_t total, T* grouped) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < total; i += step) {
    const int64_t k = i % Gg;
    grouped[i] = k < K ? dy[i / Gg * K + k] : T(0.0f);
  }
}

}  // namespace

void group_linear_forward(const Tensor& h, const Tensor& w, const Tensor& bias, Tensor& y) {
  const int64_t N = h.shape()[0], G = h.shape()[1], D = h.shape()[2], g = w.shape()[2];
  const Tensor grouped({N, G * g}, DType::f32, y.device());
  gemm({.M = N, .N = g, .K = D, .lda = G * D, .ldy = G * g, .batches = G, .stride_a = D,
        .stride_b = D * g, .stride_y = g, .in = h.dtype(), .out = DType::f32},
       h.raw(), w.raw(), nullptr, grouped.raw());
  dispatch(y.dtype(), [&]<class T>() {
    launch(finish_kernel<T>, blocks_for(y.numel(), kThreads), kThreads, 0, grouped.data<float>(),
           bias.defined() ? bias.data<float>() : nullptr, G * g, y.shape()[1], y.numel(),
           y.data<T>());
  });
}

void group_linear_backward(const Tensor& dy, const Tensor& h, const Tensor& w, Tensor& dh,
                           Tensor& dw) {
  const int64_t N = h.shape()[0], G = h.shape()[1], D = h.shape()[2], g = w.shape()[2];
  const int64_t K = dy.shape()[1];
  Tensor grouped = dy;
  if (K < G * g) {
    grouped = Tensor({N, G * g}, dy.dtype(), dy.device());
    dispatch(dy.dtype(), [&]<class T>() {
      launch(spread_kernel<T>, blocks_for(grouped.numel(), kThreads), kThreads, 0, dy.data<T>(), K,
             G * g, grouped.numel(), grouped.data<T>());
    });
  }
  gemm({.M = N, .N = D, .K = g, .transpose_b = true, .lda = G * g, .ldy = G * D, .batches = G,
        .stride_a = g, .stride_b = D * g, .stride_y = D, .in = dy.dtype(), .out = dh.dtype()},
       grouped.raw(), w.raw(), nullptr, dh.raw());
  gemm({.M = D, .N = g, .K = N, .transpose_a = true, .lda = G * D, .ldb = G * g, .batches = G,
        .stride_a = D, .stride_b = g, .stride_y = D * g, .in = h.dtype(), .out = dw.dtype()},
       h.raw(), grouped.raw(), nullptr, dw.raw());
}

}  // namespace mld::cuda
