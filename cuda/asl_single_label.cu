// asl_single_label: ASL for one label per image; the formulas are in core/cpu/asl_single_label.cpp.
#include "core/kernels.h"
#include "cuda/rows.cuh"

namespace mld::cuda {
namespace {

struct Spec {
  float gamma_neg, gamma_pos, smoothing;
  int64_t K;

  __device__ float target(float y) const {
    return y * (1 - smoothing) + smoothing / static_cast<float>(K);
  }
};

// The weight of one class and its derivative by l = log p.
struct Focus {
  float weight = 1, slope = 0;

  __device__ Focus(float l, float y, const Spec& spec) {
    const float p = expf(l), gamma = spec.gamma_pos * y + spec.gamma_neg * (1 - y);
    if (gamma != 0) {
      const float base = y * -expm1f(l) + (1 - y) * p;  // 1 - p without cancellation
      weight = powf(base, gamma);
      slope = base > 0 ? gamma * powf(base, gamma - 1) * (1 - 2 * y) * p : 0;
    }
  }
};

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

// One block an image.   x, y [N, K]; loss [N]
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const float* x, const float* y, Spec spec, float* loss) {
  const Row row(x + blockIdx.x * spec.K, spec.K);
  y += blockIdx.x * spec.K;
  const float sum = row_sum(spec.K, [=](int64_t k) {
    const float l = row.log_p(k);
    return -spec.target(y[k]) * Focus(l, y[k], spec).weight * l;
  });
  if (threadIdx.x == 0) {
    loss[blockIdx.x] = sum;
  }
}

// With a_k = -t_k (w_k + l_k dw_k/dl_k):  dx_k = dloss (a_k - p_k sum(a)).   dloss [N]
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* dloss, const float* x, const float* y, Spec spec, float* dx) {
  const Row row(x + blockIdx.x * spec.K, spec.K);
  y += blockIdx.x * spec.K;
  dx += blockIdx.x * spec.K;
  const auto slope = [=](int64_t k) {
    const float l = row.log_p(k);
    const Focus focus(l, y[k], spec);
    return -spec.target(y[k]) * (focus.weight + l * focus.slope);
  };
  const float sum = row_sum(spec.K, slope), g = dloss[blockIdx.x];
  for_row(spec.K, [=](int64_t k) { dx[k] = g * (slope(k) - expf(row.log_p(k)) * sum); });
}

Spec device_spec(const AslSingleSpec& spec, int64_t K) {
  return {spec.gamma_neg, spec.gamma_pos, spec.smoothing, K};
}

}  // namespace

void asl_single_label_forward(const Tensor& x, const Tensor& y, const AslSingleSpec& spec,
                              Tensor& loss) {
  launch(forward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0, x.data<float>(),
         y.data<float>(), device_spec(spec, x.shape()[1]), loss.data<float>());
}

void asl_single_label_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                               const AslSingleSpec& spec, Tensor& dx) {
  launch(backward_kernel, static_cast<unsigned>(x.shape()[0]), kRowThreads, 0,
         dloss.data<float>(), x.data<float>(), y.data<float>(), device_spec(spec, x.shape()[1]),
         dx.data<float>());
}

}  // namespace mld::cuda
