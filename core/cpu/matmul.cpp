// Batched matrix products. A batch of small products is shared out among the threads; a large
// product uses all of them itself.
#include <algorithm>

#include "core/cpu/support/gemm.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace mld::cpu {

void matmul(const Tensor& a, const Tensor& b, const MatmulSpec& spec, Tensor& y) {
  const Tensor wa = widened(a), wb = widened(b);
  Tensor wy = wide_like(y);
  const int64_t B = y.shape()[0], M = y.shape()[1], O = y.shape()[2];
  const int64_t C = spec.transpose_a ? a.shape()[1] : a.shape()[2];
  const auto products = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      gemm(spec.transpose_a, spec.transpose_b, M, O, C, wa.data<float>() + i * M * C, a.shape()[2],
           wb.data<float>() + i * C * O, b.shape()[2], 0.0f, wy.data<float>() + i * M * O, O);
    }
  };
  constexpr int64_t kSmall = int64_t{1} << 24;  // multiplications: about a quarter of a millisecond
  if (B >= compute_threads() && M * C * O <= kSmall) {
    const int64_t worth_a_thread = kSmall / 256 / std::max<int64_t>(1, M * C * O);
    parallel_for(B, std::max<int64_t>(1, worth_a_thread), products);
  } else {
    products(0, B);
  }
  narrow(wy, y);
}

}  // namespace mld::cpu
