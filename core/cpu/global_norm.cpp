// global_norm: the Euclidean norm over all tensors, accumulated in float64.
#include <cmath>

#include "core/cpu/support/chunks.h"
#include "core/kernels.h"

namespace mld::cpu {

// y [1]
void global_norm(const std::vector<Tensor>& tensors, Tensor& y) {
  const auto chunks = cut(tensors.size(), [&](size_t i) { return tensors[i].numel(); });
  const double squares =
      ordered_sum(static_cast<int64_t>(chunks.size()), 1, [&](int64_t i) {
        const Chunk& chunk = chunks[static_cast<size_t>(i)];
        const float* x = tensors[chunk.tensor].data<float>();
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = chunk.begin; j < chunk.end; ++j) {
          const double v = x[j];
          sum += v * v;
        }
        return sum;
      });
  y.data<float>()[0] = static_cast<float>(std::sqrt(squares));
}

}  // namespace mld::cpu
