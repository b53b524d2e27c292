// Conversions between bfloat16 tensors and float32 arithmetic.
#include "core/cpu/support/gemm.h"

#include "core/kernels.h"

namespace mld::cpu {

Tensor widened(const Tensor& x) {
  if (!x.defined() || x.dtype() == DType::f32) {
    return x;
  }
  Tensor wide(x.shape());
  cast(x, wide);
  return wide;
}

Tensor wide_like(const Tensor& y) { return y.dtype() == DType::f32 ? y : Tensor(y.shape()); }

void narrow(const Tensor& wide, Tensor& y) {
  if (y.dtype() != DType::f32) {
    cast(wide, y);
  }
}

}  // namespace mld::cpu
