// cross_entropy: -sum over classes of y log_softmax(x), soft targets, mean over the batch.
#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x, y [N, K]; loss [1]
void cross_entropy_forward(const Tensor& x, const Tensor& y, Tensor& loss) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  Tensor log_p = x.like();
  log_softmax_forward(x, log_p);
  const float *lp = log_p.data<float>(), *py = y.data<float>();
  const double sum = ordered_sum(N, row_grain(K), [=](int64_t n) {
    double row = 0;
    for (int64_t i = n * K; i < (n + 1) * K; ++i) {
      row -= py[i] == 0.0f ? 0.0 : static_cast<double>(py[i]) * static_cast<double>(lp[i]);
    }
    return row;
  });
  loss.data<float>()[0] = static_cast<float>(sum / static_cast<double>(N));
}

// dx = dloss (softmax(x) sum(y) - y) / N.   dloss [1]; x, y, dx [N, K]
void cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y, Tensor& dx) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const float factor = dloss.data<float>()[0] / static_cast<float>(N);
  softmax_forward(x, dx);
  const float* py = y.data<float>();
  float* pdx = dx.data<float>();
  parallel_for(N, row_grain(K), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float* target = py + n * K;
      float* out = pdx + n * K;
      float mass = 0;
#pragma omp simd reduction(+ : mass)
      for (int64_t k = 0; k < K; ++k) {
        mass += target[k];
      }
#pragma omp simd
      for (int64_t k = 0; k < K; ++k) {
        out[k] = factor * (out[k] * mass - target[k]);
      }
    }
  });
}

}  // namespace mld::cpu
