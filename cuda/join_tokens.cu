// join_tokens: the tokens of two tensors behind each other, picture by picture.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kJoinThreads = 256;

// Grid-stride over y, V elements a thread.   A, B: elements of a picture in a [N, A], b [N, B]
template <class T, int V>
__global__ void __launch_bounds__(kJoinThreads)
    join_kernel(const T* a, const T* b, int64_t A, int64_t B, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kJoinThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kJoinThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t n = i / (A + B), at = i % (A + B);
    float v[V];
    load<V>(at < A ? a + n * A + at : b + n * B + (at - A), v);
    store<V>(v, y + i);
  }
}

}  // namespace

void join_tokens(const Tensor& a, const Tensor& b, Tensor& y) {
  const int64_t N = y.shape()[0];
  dispatch(y.dtype(), [&]<class T>() {
    with_width<T>(y.shape()[2], {a.raw(), b.raw(), y.raw()}, [&]<int V>() {
      launch(join_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kJoinThreads), kJoinThreads, 0,
             a.data<T>(), b.data<T>(), a.numel() / N, b.numel() / N, y.numel(), y.data<T>());
    });
  });
}

}  // namespace mld::cuda
