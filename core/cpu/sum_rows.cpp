// sum_rows: the sum over the rows of a matrix, in a fixed order whatever the thread count.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Rows are summed in float32 within a block, blocks in float64: the error does not grow with M.
constexpr int64_t kBlock = 128;

}  // namespace

// x [M, C], y [C] of x's dtype or float32
void sum_rows(const Tensor& x, Tensor& y) {
  const int64_t M = x.shape()[0], C = x.shape()[1], blocks = (M + kBlock - 1) / kBlock;
  Tensor partial({blocks, C});
  float* part = partial.data<float>();
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    parallel_for(blocks, row_grain(kBlock * C), [=](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        float* sum = part + b * C;
        std::fill(sum, sum + C, 0.0f);
        for (int64_t m = b * kBlock; m < std::min(M, (b + 1) * kBlock); ++m) {
          const T* row = px + m * C;
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) {
            sum[c] += static_cast<float>(row[c]);
          }
        }
      }
    });
  });
  dispatch(y.dtype(), [&]<class T>() {
    T* py = y.data<T>();
    parallel_for(C, row_grain(blocks), [=](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double sum = 0;
        for (int64_t b = 0; b < blocks; ++b) {
          sum += part[b * C + c];
        }
        store(static_cast<float>(sum), py[c]);
      }
    });
  });
}

}  // namespace mld::cpu
