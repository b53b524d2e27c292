// ema_update: average += (1 - decay) * (value - average) over many tensors.
#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  float* average;
  const float* value;
};

// One block per chunk.
__global__ void __launch_bounds__(kManyThreads)
    ema_kernel(const __grid_constant__ Many<Slot> many, float rest) {
  const Chunk chunk(many);
  const Slot& slot = many.slot[chunk.tensor];
  for_chunk(chunk, all_aligned(slot.average, slot.value), [&]<int V>(int64_t i) {
    float average[V], value[V];
    load(slot.average + i, average);
    load(slot.value + i, value);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      average[j] += rest * (value[j] - average[j]);
    }
    store(average, slot.average + i);
  });
}

}  // namespace

void ema_update(const std::vector<std::pair<Tensor, Tensor>>& average_and_value, double decay) {
  const float rest = static_cast<float>(1.0 - decay);
  for_many<Slot>(
      average_and_value.size(),
      [&](size_t i) {
        const auto& [average, value] = average_and_value[i];
        return Slot{average.data<float>(), value.data<float>()};
      },
      [&](size_t i) { return average_and_value[i].first.numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(ema_kernel, blocks, kManyThreads, 0, many, rest);
      });
}

}  // namespace mld::cuda
