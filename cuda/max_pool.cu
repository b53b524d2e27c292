// Max pooling, channels innermost. The first maximum wins and NaN is larger than any number.
#include "core/kernels.h"
#include "cuda/pool.cuh"

namespace mld::cuda {
namespace {

// Grid-stride over outputs, V channels per thread.   x [N, H, W, C]; argmax, y [N, OH, OW, C]
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads)
    forward_kernel(const T* x, PoolSizes s, int64_t total, uint8_t* argmax, T* y) {
  const int64_t step = gridDim.x * int64_t{kPoolThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kPoolThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C, n = pixel / (int64_t{s.OH} * s.OW);
    const int ow = static_cast<int>(pixel % s.OW), oh = static_cast<int>(pixel / s.OW % s.OH);
    const Window rows = inputs_of(oh, s.H, s.kernel, s.stride, s.pad);
    const Window columns = inputs_of(ow, s.W, s.kernel, s.stride, s.pad);
    float best[V] = {};
    int where[V] = {};
    bool first = true;
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w) {
        float v[V];
        load<V>(x + ((n * s.H + h) * s.W + w) * s.C + c, v);
        const int position = (h - oh * s.stride + s.pad) * s.kernel + w - ow * s.stride + s.pad;
#pragma unroll
        for (int k = 0; k < V; ++k) {
          const bool better = first || v[k] > best[k] || v[k] != v[k];
          best[k] = better ? v[k] : best[k];
          where[k] = better ? position : where[k];
        }
        first = false;
      }
    }
    store<V>(best, y + i);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      argmax[i + k] = static_cast<uint8_t>(where[k]);
    }
  }
}

// Grid-stride over inputs: each gathers dy from the windows it won.   dx [N, H, W, C]
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads)
    backward_kernel(const T* dy, const uint8_t* argmax, PoolSizes s, int64_t total, T* dx) {
  const int64_t step = gridDim.x * int64_t{kPoolThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kPoolThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C, n = pixel / (int64_t{s.H} * s.W);
    const int w = static_cast<int>(pixel % s.W), h = static_cast<int>(pixel / s.W % s.H);
    const Window rows = outputs_of(h, s.OH, s.kernel, s.stride, s.pad);
    const Window columns = outputs_of(w, s.OW, s.kernel, s.stride, s.pad);
    float sum[V] = {};
    for (int oh = rows.begin; oh < rows.end; ++oh) {
      for (int ow = columns.begin; ow < columns.end; ++ow) {
        const int64_t at = ((n * s.OH + oh) * s.OW + ow) * s.C + c;
        const int position = (h - oh * s.stride + s.pad) * s.kernel + w - ow * s.stride + s.pad;
        float g[V];
        load<V>(dy + at, g);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          sum[k] += argmax[at + k] == position ? g[k] : 0.0f;
        }
      }
    }
    store<V>(sum, dx + i);
  }
}

}  // namespace

void max_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& argmax, Tensor& y) {
  const PoolSizes sizes(x.shape(), y.shape(), spec);
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {x.raw(), y.raw()}, [&]<int V>() {
      launch(forward_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kPoolThreads), kPoolThreads,
             0, x.data<T>(), sizes, y.numel(), argmax.data<uint8_t>(), y.data<T>());
    });
  });
}

void max_pool_backward(const Tensor& dy, const Tensor& argmax, const PoolSpec& spec, Tensor& dx) {
  const PoolSizes sizes(dx.shape(), dy.shape(), spec);
  dispatch(dy.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {dy.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kPoolThreads),
             kPoolThreads, 0, dy.data<T>(), argmax.data<uint8_t>(), sizes, dx.numel(),
             dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
