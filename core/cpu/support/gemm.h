// Row-major float32 matrix products, by oneDNN or our own (MLD_ONEDNN), and bfloat16 operands
// widened for them.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace mld::cpu {

// C = alpha * op(A) op(B) + beta * C, row-major; with beta 0, C is not read.
//   op(A) [m, k], op(B) [k, n], C [m, n]; k at least 1; lda, ldb, ldc are the stored matrices' row
//   lengths. Inside a parallel region it uses the calling thread only.
// Errors: OutOfMemory, Error.
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc,
          float alpha = 1);

// The tensor itself if it is float32, else a float32 copy (an undefined tensor stays undefined).
Tensor widened(const Tensor& x);
// Where to compute y in float32: y itself, or a float32 tensor to narrow() into it afterwards.
Tensor wide_like(const Tensor& y);
void narrow(const Tensor& wide, Tensor& y);

}  // namespace mld::cpu
