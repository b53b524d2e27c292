// adam_step: Adam with L2 in the gradient (arXiv 1412.6980) or AdamW (arXiv 1711.05101), one pass
// over all parameters; the formulas are in core/cpu/adam_step.cpp.
#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  float* value;
  const float* grad;
  float *m, *v;
  float weight_decay, lr_scale;
};

// The settings, the same in every step.
struct Factors {
  float beta2, one_minus_beta2, eps;
  bool decoupled;

  explicit Factors(const AdamSpec& spec)
      : beta2(spec.beta2),
        one_minus_beta2(static_cast<float>(1 - double{spec.beta2})),
        eps(spec.eps),
        decoupled(spec.decoupled) {}
};

// One block per chunk.   rates [1]
__global__ void __launch_bounds__(kManyThreads)
    adam_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates, Factors f) {
  const StepRates r = *rates;
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  const float decay = f.decoupled ? 1 - r.lr * slot.lr_scale * slot.weight_decay : 1.0f;
  const float l2 = f.decoupled ? 0.0f : slot.weight_decay;
  const float step = r.corrected_lr * slot.lr_scale;
  const bool aligned = all_aligned(slot.value, slot.grad, slot.m, slot.v);
  for_chunk(chunk, aligned, [&]<int V>(int64_t i) {
    float value[V], grad[V], m[V], v[V];
    load(slot.value + i, value);
    load(slot.grad + i, grad);
    load(slot.m + i, m);
    load(slot.v + i, v);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float g = grad[j] + l2 * value[j];
      m[j] = r.beta1 * m[j] + r.one_minus_beta1 * g;
      v[j] = f.beta2 * v[j] + f.one_minus_beta2 * g * g;
      value[j] = value[j] * decay - step * m[j] / (sqrtf(v[j]) * r.root_correction + f.eps);
    }
    store(m, slot.m + i);
    store(v, slot.v + i);
    store(value, slot.value + i);
  });
}

}  // namespace

void adam_step(const std::vector<AdamSlot>& slots, const AdamSpec& spec) {
  for_many<Slot>(
      slots.size(),
      [&](size_t i) {
        const AdamSlot& s = slots[i];
        return Slot{s.value.data<float>(), s.grad.data<float>(), s.m.data<float>(),
                    s.v.data<float>(), s.weight_decay, s.lr_scale};
      },
      [&](size_t i) { return slots[i].value.numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(adam_kernel, blocks, kManyThreads, 0, many, rates_in(spec.rates),
               Factors(spec));
      });
}

}  // namespace mld::cuda
