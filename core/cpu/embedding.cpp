// embedding: rows of a table by their ids.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// ids int32 [M], table [V, D], y [M, D]
void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  const int64_t M = ids.numel(), D = table.shape()[1];
  const int32_t* id = ids.data<int32_t>();
  dispatch(table.dtype(), [&]<class T>() {
    const T* rows = table.data<T>();
    T* py = y.data<T>();
    parallel_for(M, row_grain(D), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        std::copy_n(rows + id[m] * D, D, py + m * D);
      }
    });
  });
}

namespace {

// Each thread owns a range of columns, so the rows of one id are added in the order of M.
//   dy [M, D], dtable f32 [V, D]
template <class T>
void add_rows(const T* dy, const int32_t* id, int64_t M, int64_t D, float* dtable) {
  parallel_for(D, row_grain(M), [=](int64_t begin, int64_t end) {
    for (int64_t m = 0; m < M; ++m) {
      const T* g = dy + m * D;
      float* row = dtable + id[m] * D;
#pragma omp simd
      for (int64_t d = begin; d < end; ++d) {
        row[d] += static_cast<float>(g[d]);
      }
    }
  });
}

}  // namespace

// dy [M, D], ids int32 [M], dtable [V, D]
void embedding_backward(const Tensor& dy, const Tensor& ids, Tensor& dtable) {
  const int64_t M = ids.numel(), D = dtable.shape()[1];
  const int32_t* id = ids.data<int32_t>();
  if (dtable.dtype() == DType::f32) {
    fill(0.0f, dtable);
    add_rows(dy.data<float>(), id, M, D, dtable.data<float>());
  } else {
    Tensor sums = Tensor::zeros(dtable.shape());  // float32, rounded once at the end
    add_rows(dy.data<bf16>(), id, M, D, sums.data<float>());
    cast(sums, dtable);
  }
}

}  // namespace mld::cpu
