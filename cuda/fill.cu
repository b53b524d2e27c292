// fill: every element the same value, any dtype.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads) fill_kernel(T value, int64_t n, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += step) {
    y[i] = value;
  }
}

template <class T>
void fill_elements(T value, Tensor& y) {
  const int64_t n = y.numel();
  if (n > 0) {
    launch(fill_kernel<T>, blocks_for(n, kThreads), kThreads, 0, value, n, y.data<T>());
  }
}

}  // namespace

void fill(float value, Tensor& y) {
  switch (y.dtype()) {
    case DType::f32: return fill_elements(value, y);
    case DType::bf16: return fill_elements(bf16(value), y);
    case DType::i32: return fill_elements(static_cast<int32_t>(value), y);
    case DType::u8: return fill_elements(static_cast<uint8_t>(value), y);
    case DType::i64: return fill_elements(static_cast<int64_t>(value), y);
  }
}

}  // namespace mld::cuda
