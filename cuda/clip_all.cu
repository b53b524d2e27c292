// clip_all: gradient clipping by the norm over all tensors, in place. The norm stays on the device.
#include <cmath>

#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  float* x;
};

// One block per chunk.   norm [1]
__global__ void __launch_bounds__(kManyThreads)
    clip_kernel(const __grid_constant__ Many<Slot> many, const float* norm, float max_norm) {
  const float n = *norm;
  if (!(max_norm < n && n < INFINITY)) {  // NaN too
    return;
  }
  const float factor = max_norm / (n + 1e-6f);
  const Chunk chunk(many);
  float* x = many.slot[chunk.tensor].x;
  for_chunk(chunk, all_aligned(x), [&]<int V>(int64_t i) {
    float values[V];
    load(x + i, values);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      values[j] *= factor;
    }
    store(values, x + i);
  });
}

}  // namespace

void clip_all(const std::vector<Tensor>& tensors, const Tensor& norm, float max_norm) {
  for_many<Slot>(
      tensors.size(), [&](size_t i) { return Slot{tensors[i].data<float>()}; },
      [&](size_t i) { return tensors[i].numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(clip_kernel, blocks, kManyThreads, 0, many, norm.data<float>(), max_norm);
      });
}

}  // namespace mld::cuda
