// Matrix products on cuBLASLt: row-major, batched by strides, float32 sums.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace mld::cuda {

// y = act(op(a) op(b) + bias) for every batch.   op(a) [M, K], op(b) [K, N], y [M, N], row-major
struct Gemm {
  int64_t M = 0, N = 0, K = 0;
  bool transpose_a = false, transpose_b = false;  // a is stored [K, M], b [N, K]
  int64_t lda = 0, ldb = 0, ldy = 0;              // row lengths as stored; 0 = packed
  int64_t batches = 1, stride_a = 0, stride_b = 0, stride_y = 0;  // elements between batches
  DType in = DType::f32, out = DType::f32;        // of a and b; of y
  bool relu = false;                              // needs a bias

  int64_t row_a() const { return lda ? lda : (transpose_a ? M : K); }
  int64_t row_b() const { return ldb ? ldb : (transpose_b ? K : N); }
  int64_t row_y() const { return ldy ? ldy : N; }
  bool operator==(const Gemm&) const = default;
};

// a, b of type `in`; bias f32 [N], where `out` is too, or null. Errors: Error naming the sizes if
// the library has no algorithm for them.
void gemm(const Gemm& spec, const void* a, const void* b, const void* bias, void* y);

}  // namespace mld::cuda
