// scale_all: every tensor times one factor, in place (gradient clipping).
#include "core/cpu/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {

void scale_all(const std::vector<Tensor>& tensors, float factor) {
  const auto chunks = cut(tensors.size(), [&](size_t i) { return tensors[i].numel(); });
  for_each_chunk(chunks, [&](const Chunk& chunk) {
    float* x = tensors[chunk.tensor].data<float>();
#pragma omp simd
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      x[i] *= factor;
    }
  });
}

}  // namespace mld::cpu
