// sgd_step: SGD with Nesterov momentum and L2 in the gradient (PyTorch's formulas).
//   g <- g + wd value,   buffer <- mu buffer + g (first step: g),
//   value <- value - lr (g + mu buffer)
#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {

void sgd_step(const std::vector<SgdSlot>& slots, const Tensor& rates) {
  const float mu = rates_in(rates)->beta1;
  const bool first = rates_in(rates)->first != 0;
  const auto chunks = cut(slots.size(), [&](size_t i) { return slots[i].value.numel(); });
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const SgdSlot& slot = slots[chunk.tensor];
    const float lr = rates_in(rates)->lr * slot.lr_scale, wd = slot.weight_decay;
    const float* grad = slot.grad.data<float>();
    float *value = slot.value.data<float>(), *buffer = slot.momentum.data<float>();
#pragma omp simd
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      const float g = grad[i] + wd * value[i];
      const float b = first ? g : mu * buffer[i] + g;
      buffer[i] = b;
      value[i] -= lr * (g + mu * b);
    }
  });
}

}  // namespace mld::cpu
