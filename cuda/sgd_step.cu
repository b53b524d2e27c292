// sgd_step: SGD with Nesterov momentum and L2 in the gradient; the formulas are in
// core/cpu/sgd_step.cpp.
#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  float* value;
  const float* grad;
  float* momentum;
  float weight_decay, lr_scale;
};

// One block per chunk.   rates [1]
__global__ void __launch_bounds__(kManyThreads)
    sgd_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates) {
  const StepRates r = *rates;
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  const float lr = r.lr * slot.lr_scale;
  const bool aligned = all_aligned(slot.value, slot.grad, slot.momentum);
  for_chunk(chunk, aligned, [&]<int V>(int64_t i) {
    float value[V], grad[V], momentum[V];
    load(slot.value + i, value);
    load(slot.grad + i, grad);
    load(slot.momentum + i, momentum);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float g = grad[j] + slot.weight_decay * value[j];
      momentum[j] = r.first != 0 ? g : r.beta1 * momentum[j] + g;
      value[j] -= lr * (g + r.beta1 * momentum[j]);
    }
    store(momentum, slot.momentum + i);
    store(value, slot.value + i);
  });
}

}  // namespace

void sgd_step(const std::vector<SgdSlot>& slots, const Tensor& rates) {
  for_many<Slot>(
      slots.size(),
      [&](size_t i) {
        const SgdSlot& s = slots[i];
        return Slot{s.value.data<float>(), s.grad.data<float>(), s.momentum.data<float>(),
                    s.weight_decay, s.lr_scale};
      },
      [&](size_t i) { return slots[i].value.numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(sgd_kernel, blocks, kManyThreads, 0, many, rates_in(rates));
      });
}

}  // namespace mld::cuda
