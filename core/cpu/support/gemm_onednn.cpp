// Row-major float32 matrix products by oneDNN.
#include <dnnl.h>

#include "core/cpu/support/gemm.h"

namespace mld::cpu {

void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc,
          float alpha) {
  if (m == 0 || n == 0) {
    return;
  }
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                                          alpha, a, lda, b, ldb, beta, c, ldc);
  require<OutOfMemory>(status != dnnl_out_of_memory,
                       "gemm: no memory for [{}, {}] x [{}, {}]; try a smaller train.batch_size", m,
                       k, k, n);
  require(status == dnnl_success, "gemm: oneDNN refused [{}, {}] x [{}, {}] (status {})", m, k,
          k, n, static_cast<int>(status));
}

}  // namespace mld::cpu
