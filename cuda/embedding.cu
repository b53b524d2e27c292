// embedding: rows of a table by their ids.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

// Grid-stride over y.   ids [M], table [V, D], y [M, D]
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const int32_t* ids, const T* table, int64_t D, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < total; i += step) {
    y[i] = table[ids[i / D] * D + i % D];
  }
}

// Each thread owns one column of the table and adds dy's rows in their order. Slow for long M,
// which only a text encoder's training would meet.   dy [M, D], dtable [V, D]
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const T* dy, const int32_t* ids, int64_t M, int64_t D, float* dtable) {
  const int64_t d = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (d < D) {
    for (int64_t m = 0; m < M; ++m) {
      dtable[ids[m] * D + d] += load_one(dy + m * D + d);
    }
  }
}

}  // namespace

void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  const int64_t D = table.shape()[1];
  dispatch(table.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, blocks_for(y.numel(), kThreads), kThreads, 0, ids.data<int32_t>(),
           table.data<T>(), D, y.numel(), y.data<T>());
  });
}

void embedding_backward(const Tensor& dy, const Tensor& ids, Tensor& dtable) {
  const int64_t M = ids.numel(), D = dtable.shape()[1];
  const bool exact = dtable.dtype() == DType::f32;
  Tensor sums = exact ? dtable : Tensor(dtable.shape(), DType::f32, dtable.device());
  fill(0.0f, sums);
  dispatch(dy.dtype(), [&]<class T>() {
    launch(backward_kernel<T>, static_cast<unsigned>(ceil_div(D, kThreads)), kThreads, 0,
           dy.data<T>(), ids.data<int32_t>(), M, D, sums.data<float>());
  });
  if (!exact) {
    cast(sums, dtable);  // rounded once, at the end
  }
}

}  // namespace mld::cuda
