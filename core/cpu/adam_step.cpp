// adam_step: Adam with L2 in the gradient (arXiv 1412.6980) or AdamW (arXiv 1711.05101), one pass.
//   m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2,
//   value <- value - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
#include <cmath>

#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// A tensor's constants in this step.
struct Factors {
  float beta1, one_minus_beta1, beta2, one_minus_beta2, step, root_correction, eps, decay, l2;

  Factors(const AdamSpec& spec, float weight_decay, float lr_scale) {
    const StepRates& rates = *rates_in(spec.rates);
    beta1 = rates.beta1;
    beta2 = spec.beta2;
    one_minus_beta1 = rates.one_minus_beta1;
    one_minus_beta2 = static_cast<float>(1 - double{spec.beta2});
    step = rates.corrected_lr * lr_scale;
    root_correction = rates.root_correction;
    eps = spec.eps;
    decay = spec.decoupled ? 1 - rates.lr * lr_scale * weight_decay : 1.0f;
    l2 = spec.decoupled ? 0.0f : weight_decay;
  }
};

// value, grad, m, v [n]
void update(const Factors& f, int64_t n, const float* grad, float* value, float* m, float* v) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float theta = value[i] * f.decay, g = grad[i] + f.l2 * value[i];
    const float mi = f.beta1 * m[i] + f.one_minus_beta1 * g;
    const float vi = f.beta2 * v[i] + f.one_minus_beta2 * g * g;
    m[i] = mi;
    v[i] = vi;
    value[i] = theta - f.step * mi / (std::sqrt(vi) * f.root_correction + f.eps);
  }
}

}  // namespace

void adam_step(const std::vector<AdamSlot>& slots, const AdamSpec& spec) {
  const auto chunks = cut(slots.size(), [&](size_t i) { return slots[i].value.numel(); });
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const AdamSlot& slot = slots[chunk.tensor];
    update(Factors(spec, slot.weight_decay, slot.lr_scale), chunk.end - chunk.begin,
           slot.grad.data<float>() + chunk.begin, slot.value.data<float>() + chunk.begin,
           slot.m.data<float>() + chunk.begin, slot.v.data<float>() + chunk.begin);
  });
}

}  // namespace mld::cpu
