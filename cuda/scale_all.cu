// scale_all: every tensor times one factor, in place (gradient clipping).
#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  float* x;
};

// One block a chunk.
__global__ void __launch_bounds__(kManyThreads)
    scale_kernel(const __grid_constant__ Many<Slot> many, float factor) {
  const Chunk chunk(many);
  float* x = many.slot[chunk.tensor].x;
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kManyThreads) {
    x[i] *= factor;
  }
}

}  // namespace

void scale_all(const std::vector<Tensor>& tensors, float factor) {
  for_many<Slot>(
      tensors.size(), [&](size_t i) { return Slot{tensors[i].data<float>()}; },
      [&](size_t i) { return tensors[i].numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(scale_kernel, blocks, kManyThreads, 0, many, factor);
      });
}

}  // namespace mld::cuda
