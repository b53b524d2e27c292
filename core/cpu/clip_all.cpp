// clip_all: gradient clipping by the norm over all tensors, in place (PyTorch's clip_grad_norm_).
#include <cmath>

#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {

void clip_all(const std::vector<Tensor>& tensors, const Tensor& norm, float max_norm) {
  const float n = norm.data<float>()[0];
  if (!std::isfinite(n) || n <= max_norm) {
    return;
  }
  const float factor = max_norm / (n + 1e-6f);
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
