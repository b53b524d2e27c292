// Space to depth and back: with channels innermost, a row of a block is one piece of memory on
// both sides.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kMoveThreads = 256;

// Grid-stride over y's elements, V per thread; copies from x to y, or back.
//   x [N, H, W, C], y [N, H/block, OW, block^2 C]; piece = block * C
template <class T, int V, bool kToDepth>
__global__ void __launch_bounds__(kMoveThreads)
    move_kernel(const T* from, int64_t block, int64_t OW, int64_t piece, int64_t total, T* to) {
  const int64_t step = gridDim.x * int64_t{kMoveThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kMoveThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t within = i % piece, pieces = i / piece, pixel = pieces / block;
    const int64_t line = pixel / OW * block + pieces % block;  // of x
    const int64_t at_x = (line * OW + pixel % OW) * piece + within;
    float v[V];
    load<V>(from + (kToDepth ? at_x : i), v);
    store<V>(v, to + (kToDepth ? i : at_x));
  }
}

template <bool kToDepth>
void move(const Tensor& from, int64_t block, int64_t W, int64_t C, Tensor& to) {
  const int64_t piece = block * C, total = to.numel();
  dispatch(from.dtype(), [&]<class T>() {
    with_width<T>(piece, {from.raw(), to.raw()}, [&]<int V>() {
      launch(move_kernel<T, V, kToDepth>, blocks_for(ceil_div(total, V), kMoveThreads),
             kMoveThreads, 0, from.data<T>(), block, W / block, piece, total, to.data<T>());
    });
  });
}

}  // namespace

void space_to_depth(const Tensor& x, int block, Tensor& y) {
  move<true>(x, block, x.shape()[2], x.shape()[3], y);
}

void depth_to_space(const Tensor& y, int block, Tensor& x) {
  move<false>(y, block, x.shape()[2], x.shape()[3], x);
}

}  // namespace mld::cuda
