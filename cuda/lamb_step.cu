// lamb_step: LAMB (arXiv 1904.00962, algorithm 2) in timm's form or the older pytorch-lamb form;
// the formulas are in core/cpu/lamb_step.cpp. Three launches: moments and partial norms, one trust
// ratio per tensor, the update.
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
  float beta2, one_minus_beta2, eps, max_grad_norm;
  bool timm;

  explicit Factors(const LambSpec& spec)
      : beta2(spec.beta2),
        one_minus_beta2(static_cast<float>(1 - double{spec.beta2})),
        eps(spec.eps),
        max_grad_norm(spec.max_grad_norm), timm(spec.timm) {}

  // The update direction u, from the moments after this step's gradient; the older form has no bias
  // correction.
  __device__ float direction(const StepRates& r, float m, float v, float weight_decay,
                             float value) const {
    const float m_correction = timm ? r.m_correction : 1.0f;
    const float root_correction = timm ? r.root_correction : 1.0f;
    return m * m_correction / (sqrtf(v) * root_correction + eps) + weight_decay * value;
  }
};

// One block per chunk: m and v, and the chunk's parts of |value|^2 and |u|^2.
//   rates [1];   norm [1]: of all gradients (timm's form);   parts [blocks, 2]
__global__ void __launch_bounds__(kManyThreads)
    moments_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates, Factors f,
                   const float* norm, float* parts) {
  const StepRates r = *rates;
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  const float scale = f.timm ? 1.0f / fmaxf(1.0f, *norm / f.max_grad_norm) : 1.0f;
  float value_squares = 0, u_squares = 0;
  const bool aligned = all_aligned(slot.value, slot.grad, slot.m, slot.v);
  for_chunk(chunk, aligned, [&]<int V>(int64_t i) {
    float value[V], grad[V], m[V], v[V];
    load(slot.value + i, value);
    load(slot.grad + i, grad);
    load(slot.m + i, m);
    load(slot.v + i, v);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float g = grad[j] * scale;
      m[j] = r.beta1 * m[j] + r.one_minus_beta1 * g;
      v[j] = f.beta2 * v[j] + f.one_minus_beta2 * g * g;
      const float u = f.direction(r, m[j], v[j], slot.weight_decay, value[j]);
      value_squares += value[j] * value[j];
      u_squares += u * u;
    }
    store(m, slot.m + i);
    store(v, slot.v + i);
  });
  value_squares = block_sum<kManyThreads>(value_squares);
  u_squares = block_sum<kManyThreads>(u_squares);
  if (threadIdx.x == 0) {
    parts[2 * blockIdx.x] = value_squares;
    parts[2 * blockIdx.x + 1] = u_squares;
  }
}

// One block per tensor: lr times its layer-wise factor.   rates [1], parts [chunks, 2], step
// [tensors]
__global__ void __launch_bounds__(kManyThreads)
    ratio_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates, Factors f,
                 const float* parts, float* step) {
  const int t = static_cast<int>(blockIdx.x);
  float value_squares = 0, u_squares = 0;
  for (int i = many.first_chunk[t] + static_cast<int>(threadIdx.x); i < many.first_chunk[t + 1];
       i += kManyThreads) {
    value_squares += parts[2 * i];
    u_squares += parts[2 * i + 1];
  }
  const float norm = sqrtf(block_sum<kManyThreads>(value_squares));
  const float u = sqrtf(block_sum<kManyThreads>(u_squares));
  if (threadIdx.x == 0) {
    const float value = f.timm ? norm : fminf(norm, 10.0f);
    const bool plain = (f.timm && many.slot[t].weight_decay == 0) || value == 0 || u == 0;
    step[t] = rates->lr * many.slot[t].lr_scale * (plain ? 1.0f : value / u);
  }
}

// One block per chunk.   rates [1], step [tensors]
__global__ void __launch_bounds__(kManyThreads)
    update_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates, Factors f,
                  const float* step) {
  const StepRates r = *rates;
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  const float rate = step[chunk.tensor];
  for_chunk(chunk, all_aligned(slot.value, slot.m, slot.v), [&]<int V>(int64_t i) {
    float value[V], m[V], v[V];
    load(slot.value + i, value);
    load(slot.m + i, m);
    load(slot.v + i, v);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      value[j] -= rate * f.direction(r, m[j], v[j], slot.weight_decay, value[j]);
    }
    store(value, slot.value + i);
  });
}

}  // namespace

void lamb_step(const std::vector<AdamSlot>& slots, const LambSpec& spec) {
  if (slots.empty()) {
    return;
  }
  const Device device = slots[0].value.device();
  Tensor norm({1}, DType::f32, device);
  if (spec.timm) {
    std::vector<Tensor> gradients;
    for (const AdamSlot& slot : slots) {
      gradients.push_back(slot.grad);
    }
    global_norm(gradients, norm);
  }
  const Factors factors(spec);
  const StepRates* rates = rates_in(spec.rates);
  for_many<Slot>(
      slots.size(),
      [&](size_t i) {
        const AdamSlot& s = slots[i];
        return Slot{s.value.data<float>(), s.grad.data<float>(), s.m.data<float>(),
                    s.v.data<float>(), s.weight_decay, s.lr_scale};
      },
      [&](size_t i) { return slots[i].value.numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        const Tensor parts({blocks, 2}, DType::f32, device), step({many.count}, DType::f32, device);
        launch(moments_kernel, blocks, kManyThreads, 0, many, rates, factors, norm.data<float>(),
               parts.data<float>());
        launch(ratio_kernel, static_cast<unsigned>(many.count), kManyThreads, 0, many, rates,
               factors, parts.data<float>(), step.data<float>());
        launch(update_kernel, blocks, kManyThreads, 0, many, rates, factors, step.data<float>());
      });
}

}  // namespace mld::cuda
