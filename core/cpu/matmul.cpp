// Batched matrix products.
#include "core/cpu/gemm.h"
#include "core/kernels.h"

namespace mld::cpu {

void matmul(const Tensor& a, const Tensor& b, const MatmulSpec& spec, Tensor& y) {
  const Tensor wa = widened(a), wb = widened(b);
  Tensor wy = wide_like(y);
  const int64_t B = y.shape()[0], M = y.shape()[1], O = y.shape()[2];
  const int64_t C = spec.transpose_a ? a.shape()[1] : a.shape()[2];
  for (int64_t i = 0; i < B; ++i) {
    gemm(spec.transpose_a, spec.transpose_b, M, O, C, wa.data<float>() + i * M * C, a.shape()[2],
         wb.data<float>() + i * C * O, b.shape()[2], 0.0f, wy.data<float>() + i * M * O, O);
  }
  narrow(wy, y);
}

}  // namespace mld::cpu
