// ema_update: average <- decay * average + (1 - decay) * value over many tensors, written as
// average += (1 - decay) * (value - average): a constant value is its own average, bit for bit.
#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {

void ema_update(const std::vector<std::pair<Tensor, Tensor>>& average_and_value, double decay) {
  const auto chunks = cut(average_and_value.size(),
                          [&](size_t i) { return average_and_value[i].first.numel(); });
  const float rest = static_cast<float>(1.0 - decay);
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    const auto& [average, value] = average_and_value[chunk.tensor];
    float* a = average.data<float>();
    const float* v = value.data<float>();
#pragma omp simd
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      a[i] += rest * (v[i] - a[i]);
    }
  });
}

}  // namespace mld::cpu
