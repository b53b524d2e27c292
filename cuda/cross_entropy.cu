// cross_entropy: -sum over classes of y log_softmax(x), soft targets, mean over the batch.
#include "core/kernels.h"
#include "cuda/rows.cuh"
#include "cuda/total.cuh"

namespace mld::cuda {
namespace {

// One block per picture.   x, y [N, K]; loss [N]
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, const float* y, int64_t K, float* loss) {
  x += blockIdx.x * K;
  y += blockIdx.x * K;
  const float top = row_max(K, [x](int64_t k) { return x[k]; });
  const float log_sum = logf(row_sum(K, [x, top](int64_t k) { return expf(x[k] - top); }));
  const float sum = row_sum(K, [=](int64_t k) {
    return y[k] == 0.0f ? 0.0f : y[k] * (log_sum - (x[k] - top));
  });
  if (threadIdx.x == 0) {
    loss[blockIdx.x] = sum;
  }
}

// dx = dloss (softmax(x) sum(y) - y) / N.   dloss [1]; x, y, dx [N, K]
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* dloss, const float* x, const float* y, int64_t K, float* dx) {
  x += blockIdx.x * K;
  y += blockIdx.x * K;
  dx += blockIdx.x * K;
  const float top = row_max(K, [x](int64_t k) { return x[k]; });
  const float sum = row_sum(K, [x, top](int64_t k) { return expf(x[k] - top); });
  const float mass = row_sum(K, [y](int64_t k) { return y[k]; });
  const float factor = *dloss / static_cast<float>(gridDim.x);
  for_row(K, [=](int64_t k) { dx[k] = factor * (expf(x[k] - top) / sum * mass - y[k]); });
}

struct Each {
  const float* value;
  __device__ float operator()(int64_t i) const { return value[i]; }
};

}  // namespace

void cross_entropy_forward(const Tensor& x, const Tensor& y, Tensor& loss) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const Tensor each({N}, DType::f32, x.device());
  launch(forward_kernel, static_cast<unsigned>(N), kRowThreads, 0, x.data<float>(),
         y.data<float>(), K, each.data<float>());
  sum_to(Each{each.data<float>()}, N, loss, Times{1.0f / static_cast<float>(N)});
}

void cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y, Tensor& dx) {
  launch(backward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0,
         dloss.data<float>(), x.data<float>(), y.data<float>(), x.shape()[1], dx.data<float>());
}

}  // namespace mld::cuda
