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
  float weight_decay;
};

// One block a chunk.   rates [1]
__global__ void __launch_bounds__(kManyThreads)
    sgd_kernel(const __grid_constant__ Many<Slot> many, const StepRates* rates) {
  const StepRates r = *rates;
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kManyThreads) {
    const float g = slot.grad[i] + slot.weight_decay * slot.value[i];
    const float b = r.first != 0 ? g : r.beta1 * slot.momentum[i] + g;
    slot.momentum[i] = b;
    slot.value[i] -= r.lr * (g + r.beta1 * b);
  }
}

}  // namespace

void sgd_step(const std::vector<SgdSlot>& slots, const Tensor& rates) {
  for_many<Slot>(
      slots.size(),
      [&](size_t i) {
        const SgdSlot& s = slots[i];
        return Slot{s.value.data<float>(), s.grad.data<float>(), s.momentum.data<float>(),
                    s.weight_decay};
      },
      [&](size_t i) { return slots[i].value.numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(sgd_kernel, blocks, kManyThreads, 0, many, rates_in(rates));
      });
}

}  // namespace mld::cuda
