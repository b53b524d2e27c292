// asymmetric_loss: ASL for multi-label classification; the formulas are in core/asl.h.
#include "core/asl.h"

#include "core/cpu/support/element_weights.h"
#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

struct Math {
  static float sigmoid(float x) { return fast_sigmoid(x); }
  static float softplus(float x) { return fast_softplus(x); }
  static float log1p(float x) { return std::log1p(x); }
  static float pow(float x, float y) { return std::pow(x, y); }
};
using Element = AslElement<Math>;

// A negative with a probability up to the clip: no loss, no gradient. After training, most are.
bool hidden(float x, float y, const Asl& spec) {
  return spec.clipped && y == 0.0f && fast_sigmoid(x) <= spec.clip;
}

}  // namespace

// x (logits), y (targets), weights [N, K]; loss [1]
void asymmetric_loss_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                             const AslSpec& spec, Tensor& loss) {
  const int64_t K = x.shape()[-1], N = K == 0 ? 0 : x.numel() / K;
  const float *px = x.data<float>(), *py = y.data<float>();
  const ElementWeights weight(weights);
  const Asl asl(spec);
  const double sum = ordered_sum(N, row_grain(16 * K), [=, &asl](int64_t n) {
    double row = 0;
    for (int64_t i = n * K; i < (n + 1) * K; ++i) {
      if (hidden(px[i], py[i], asl)) {
        continue;
      }
      const Element e(px[i], py[i], asl);
      const double term =
          static_cast<double>(e.weight()) * static_cast<double>(e.log_likelihood(py[i]));
      row -= term * static_cast<double>(weight[i]);
    }
    return row;
  });
  loss.data<float>()[0] = static_cast<float>(sum);
}

// dloss [1]; x, y, weights, dx [N, K]
void asymmetric_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                              const Tensor& weights, const AslSpec& spec, Tensor& dx) {
  const float factor = dloss.data<float>()[0];
  const float *px = x.data<float>(), *py = y.data<float>();
  float* pdx = dx.data<float>();
  const ElementWeights weight(weights);
  const Asl asl(spec);
  parallel_for(x.numel(), kGrain / 16, [=, &asl](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float y = py[i];
      const float slope = hidden(px[i], y, asl) ? 0.0f : Element(px[i], y, asl).gradient(y, asl);
      pdx[i] = factor * weight[i] * slope;
    }
  });
}

}  // namespace mld::cpu
