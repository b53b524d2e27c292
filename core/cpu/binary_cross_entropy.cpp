// binary_cross_entropy: with logits, softplus(x) - x y, times weights, mean over all elements.
#include "core/cpu/support/element_weights.h"
#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x, y, weights [N, K]; loss [1]
void binary_cross_entropy_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                                  Tensor& loss) {
  const int64_t K = x.shape()[-1], N = K == 0 ? 0 : x.numel() / K;
  const float *px = x.data<float>(), *py = y.data<float>();
  const ElementWeights weight(weights);
  const double sum = ordered_sum(N, row_grain(4 * K), [=](int64_t n) {
    double row = 0;
    for (int64_t i = n * K; i < (n + 1) * K; ++i) {
      // y softplus(-x) + (1 - y) softplus(x): no cancellation for confident, correct logits.
      const float term =
          py[i] * fast_softplus(-px[i]) + (1.0f - py[i]) * fast_softplus(px[i]);
      row += static_cast<double>(weight[i] * term);
    }
    return row;
  });
  loss.data<float>()[0] = static_cast<float>(sum / static_cast<double>(x.numel()));
}

// dx = dloss weight (sigmoid(x) - y) / (N K).   dloss [1]; x, y, weights, dx [N, K]
void binary_cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                                   const Tensor& weights, Tensor& dx) {
  const float factor = dloss.data<float>()[0] / static_cast<float>(x.numel());
  const float *px = x.data<float>(), *py = y.data<float>();
  float* pdx = dx.data<float>();
  const ElementWeights weight(weights);
  parallel_for(x.numel(), kGrain / 4, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float slope = (1.0f - py[i]) * fast_sigmoid(px[i]) - py[i] * fast_sigmoid(-px[i]);
      pdx[i] = factor * weight[i] * slope;
    }
  });
}

}  // namespace mld::cpu
