// lamb_step: LAMB (arXiv 1904.00962, algorithm 2) in timm's form or the older pytorch-lamb form.
//   u = m / (sqrt(v) + eps) + wd value,   value <- value - lr r u,   r = |value| / |u|
#include <array>
#include <cmath>

#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

struct Factors {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float m_correction, root_correction, eps, grad_scale;

  // grad_scale divides by max(1, |all gradients| / max_grad_norm) in timm's form.
  Factors(const LambSpec& spec, float grad_scale) : grad_scale(grad_scale) {
    const StepRates& rates = *rates_in(spec.rates);
    beta1 = rates.beta1;
    beta2 = spec.beta2;
    one_minus_beta1 = rates.one_minus_beta1;
    one_minus_beta2 = static_cast<float>(1 - double{spec.beta2});
    m_correction = spec.timm ? rates.m_correction : 1.0f;
    root_correction = spec.timm ? rates.root_correction : 1.0f;
    eps = spec.eps;
  }

  // The update direction u, from the moments after this step's gradient.
  float direction(float m, float v, float weight_decay, float value) const {
    return m * m_correction / (std::sqrt(v) * root_correction + eps) + weight_decay * value;
  }
};

// Updates m and v of one chunk; returns its part of |value|^2 and |u|^2.
std::array<double, 2> update_moments(const AdamSlot& slot, const Chunk& chunk, const Factors& f) {
  const float *grad = slot.grad.data<float>(), *value = slot.value.data<float>();
  float *m = slot.m.data<float>(), *v = slot.v.data<float>();
  double value_squares = 0, u_squares = 0;
#pragma omp simd reduction(+ : value_squares, u_squares)
  for (int64_t i = chunk.begin; i < chunk.end; ++i) {
    const float g = grad[i] * f.grad_scale;
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * g * g;
    const double u = f.direction(m[i], v[i], slot.weight_decay, value[i]);
    u_squares += u * u;
    value_squares += static_cast<double>(value[i]) * static_cast<double>(value[i]);
  }
  return {value_squares, u_squares};
}

// The layer-wise learning rate factor.
float trust_ratio(const LambSpec& spec, float weight_decay, double value_squares,
                  double u_squares) {
  if (spec.timm && weight_decay == 0) {
    return 1;
  }
  const double u = std::sqrt(u_squares), norm = std::sqrt(value_squares);
  const double value = spec.timm ? norm : std::min(norm, 10.0);
  return value == 0 || u == 0 ? 1.0f : static_cast<float>(value / u);
}

float clip_factor(const std::vector<AdamSlot>& slots, float max_norm) {
  std::vector<Tensor> gradients;
  for (const AdamSlot& slot : slots) {
    gradients.push_back(slot.grad);
  }
  Tensor norm({1});
  global_norm(gradients, norm);
  return 1.0f / std::max(1.0f, norm.data<float>()[0] / max_norm);
}

}  // namespace

void lamb_step(const std::vector<AdamSlot>& slots, const LambSpec& spec) {
  const Factors f(spec, spec.timm ? clip_factor(slots, spec.max_grad_norm) : 1.0f);
  const auto chunks = cut(slots.size(), [&](size_t i) { return slots[i].value.numel(); });
  std::vector<std::array<double, 2>> parts(chunks.size());
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    parts[static_cast<size_t>(&chunk - chunks.data())] =
        update_moments(slots[chunk.tensor], chunk, f);
  });
  std::vector<std::array<double, 2>> squares(slots.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    squares[chunks[i].tensor][0] += parts[i][0];
    squares[chunks[i].tensor][1] += parts[i][1];
  }
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const AdamSlot& slot = slots[chunk.tensor];
    const float wd = slot.weight_decay;
    const auto [value_squares, u_squares] = squares[chunk.tensor];
    const float step = rates_in(spec.rates)->lr * slot.lr_scale *
                       trust_ratio(spec, wd, value_squares, u_squares);
    const float *m = slot.m.data<float>(), *v = slot.v.data<float>();
    float* value = slot.value.data<float>();
#pragma omp simd
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      value[i] -= step * f.direction(m[i], v[i], wd, value[i]);
    }
  });
}

}  // namespace mld::cpu
