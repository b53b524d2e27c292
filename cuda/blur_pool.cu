// Blur pooling: nine pixels around every second one, weighted [1, 2, 1] / 4 along both axes.
#include "core/blur.h"
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kBlurThreads = 256;

struct BlurSizes {
  int64_t H, W, OH, OW, C;
};

// Grid-stride over outputs, V channels per thread.   x [N, H, W, C], y [N, OH, OW, C]
template <class T, int V>
__global__ void __launch_bounds__(kBlurThreads)
    forward_kernel(const T* x, BlurSizes s, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kBlurThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kBlurThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C;
    const BlurWindow rows(pixel / s.OW % s.OH, s.H), columns(pixel % s.OW, s.W);
    const T* image = x + pixel / (s.OH * s.OW) * s.H * s.W * s.C + c;
    const int64_t h[3] = {rows.before, rows.at, rows.after};
    float sum[V] = {};
#pragma unroll
    for (int r = 0; r < 3; ++r) {
      const T* line = image + h[r] * s.W * s.C;
      float before[V], at[V], after[V];
      load<V>(line + columns.before * s.C, before);
      load<V>(line + columns.at * s.C, at);
      load<V>(line + columns.after * s.C, after);
      const float weight = r == 1 ? 0.5f : 0.25f;
#pragma unroll
      for (int k = 0; k < V; ++k) {
        sum[k] += weight * (0.25f * (before[k] + after[k]) + 0.5f * at[k]);
      }
    }
    store<V>(sum, y + i);
  }
}

// sum += weight * dy[0..V)
template <int V, class T>
__device__ inline void add_weighted(const T* dy, float weight, float (&sum)[V]) {
  float g[V];
  load<V>(dy, g);
#pragma unroll
  for (int k = 0; k < V; ++k) {
    sum[k] += weight * g[k];
  }
}

// Grid-stride over inputs: each gathers from the outputs that it is a part of.   dx [N, H, W, C]
template <class T, int V>
__global__ void __launch_bounds__(kBlurThreads)
    backward_kernel(const T* dy, BlurSizes s, int64_t total, T* dx) {
  const int64_t step = gridDim.x * int64_t{kBlurThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kBlurThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C;
    const BlurTargets rows(pixel / s.W % s.H, s.H), columns(pixel % s.W, s.W);
    const T* image = dy + pixel / (s.H * s.W) * s.OH * s.OW * s.C + c;
    const T *line = image + rows.first * s.OW * s.C, *next = image + rows.second * s.OW * s.C;
    float sum[V] = {};
    add_weighted<V>(line + columns.first * s.C, rows.first_weight * columns.first_weight, sum);
    add_weighted<V>(line + columns.second * s.C, rows.first_weight * columns.second_weight, sum);
    add_weighted<V>(next + columns.first * s.C, rows.second_weight * columns.first_weight, sum);
    add_weighted<V>(next + columns.second * s.C, rows.second_weight * columns.second_weight, sum);
    store<V>(sum, dx + i);
  }
}

BlurSizes sizes_of(const Shape& in, const Shape& out) {
  return {in[1], in[2], out[1], out[2], in[3]};
}

}  // namespace

void blur_pool_forward(const Tensor& x, Tensor& y) {
  const BlurSizes sizes = sizes_of(x.shape(), y.shape());
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {x.raw(), y.raw()}, [&]<int V>() {
      launch(forward_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kBlurThreads), kBlurThreads,
             0, x.data<T>(), sizes, y.numel(), y.data<T>());
    });
  });
}

void blur_pool_backward(const Tensor& dy, Tensor& dx) {
  const BlurSizes sizes = sizes_of(dx.shape(), dy.shape());
  dispatch(dy.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {dy.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kBlurThreads),
             kBlurThreads, 0, dy.data<T>(), sizes, dx.numel(), dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
