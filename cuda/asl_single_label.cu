// asl_single_label: ASL for one label per picture, in float32; the formulas are in core/asl.h.
#include "core/asl.h"
#include "core/kernels.h"
#include "cuda/element_weights.cuh"
#include "cuda/rows.cuh"

namespace mld::cuda {
namespace {

using Term = AslSingleTerm<float>;

struct Row {
  const float* x;
  float top, log_sum;

  __device__ Row(const float* x_, int64_t K) : x(x_) {
    const float largest = row_max(K, [x_](int64_t k) { return x_[k]; });
    top = largest;
    log_sum = logf(row_sum(K, [x_, largest](int64_t k) { return expf(x_[k] - largest); }));
  }
  __device__ float log_p(int64_t k) const { return x[k] - top - log_sum; }
};

// One block per picture.   x, y, weights (or null) [N, K]; loss [N]
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, const float* y, const float* weights, AslSingleSpec spec,
                   int64_t K, float* loss) {
  const int64_t first = blockIdx.x * K;
  const Row row(x + first, K);
  const float sum = row_sum(K, [=](int64_t k) {
    const float l = row.log_p(k);
    return weight_at(weights, first + k) * Term(l, y[first + k], spec, K).loss(l);
  });
  if (threadIdx.x == 0) {
    loss[blockIdx.x] = sum;
  }
}

// One block per picture.   dloss [N]; x, y, weights (or null), dx [N, K]
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* dloss, const float* x, const float* y, const float* weights,
                    AslSingleSpec spec, int64_t K, float* dx) {
  const int64_t first = blockIdx.x * K;
  const Row row(x + first, K);
  dx += first;
  const auto slope = [=](int64_t k) {
    const float l = row.log_p(k);
    return weight_at(weights, first + k) * Term(l, y[first + k], spec, K).gradient(l);
  };
  const float sum = row_sum(K, slope), g = dloss[blockIdx.x];
  for_row(K, [=](int64_t k) { dx[k] = g * (slope(k) - expf(row.log_p(k)) * sum); });
}

}  // namespace

void asl_single_label_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                              const AslSingleSpec& spec, Tensor& loss) {
  launch(forward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0, x.data<float>(),
         y.data<float>(), floats_or_null(weights), spec, x.shape()[1], loss.data<float>());
}

void asl_single_label_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                               const Tensor& weights, const AslSingleSpec& spec, Tensor& dx) {
  launch(backward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0,
         dloss.data<float>(), x.data<float>(), y.data<float>(), floats_or_null(weights), spec,
         x.shape()[1], dx.data<float>());
}

}  // namespace mld::cuda
