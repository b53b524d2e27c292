// asl_single_label: ASL for one label per picture, in float32; the formulas are in core/asl.h.
#include "core/asl.h"
#include "core/kernels.h"
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

// One block per picture.   x, y [N, K]; loss [N]
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, const float* y, AslSingleSpec spec, int64_t K, float* loss) {
  const Row row(x + blockIdx.x * K, K);
  y += blockIdx.x * K;
  const float sum = row_sum(K, [=](int64_t k) {
    const float l = row.log_p(k);
    return Term(l, y[k], spec, K).loss(l);
  });
  if (threadIdx.x == 0) {
    loss[blockIdx.x] = sum;
  }
}

// One block per picture.   dloss [N]; x, y, dx [N, K]
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* dloss, const float* x, const float* y, AslSingleSpec spec,
                    int64_t K, float* dx) {
  const Row row(x + blockIdx.x * K, K);
  y += blockIdx.x * K;
  dx += blockIdx.x * K;
  const auto slope = [=](int64_t k) {
    const float l = row.log_p(k);
    return Term(l, y[k], spec, K).gradient(l);
  };
  const float sum = row_sum(K, slope), g = dloss[blockIdx.x];
  for_row(K, [=](int64_t k) { dx[k] = g * (slope(k) - expf(row.log_p(k)) * sum); });
}

}  // namespace

void asl_single_label_forward(const Tensor& x, const Tensor& y, const AslSingleSpec& spec,
                              Tensor& loss) {
  launch(forward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0, x.data<float>(),
         y.data<float>(), spec, x.shape()[1], loss.data<float>());
}

void asl_single_label_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                               const AslSingleSpec& spec, Tensor& dx) {
  launch(backward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0,
         dloss.data<float>(), x.data<float>(), y.data<float>(), spec, x.shape()[1],
         dx.data<float>());
}

}  // namespace mld::cuda
