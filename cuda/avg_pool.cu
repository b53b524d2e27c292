// Average pooling; windows are clipped at the border, and the mean is over the pixels left.
#include "core/kernels.h"
#include "cuda/pool.cuh"

namespace mld::cuda {
namespace {

// Grid-stride over outputs, V channels per thread.   x [N, H, W, C], y [N, OH, OW, C]
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads)
    forward_kernel(const T* x, PoolSizes s, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kPoolThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kPoolThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C, n = pixel / (int64_t{s.OH} * s.OW);
    const Window rows = inputs_of(static_cast<int>(pixel / s.OW % s.OH), s.H, s.kernel, s.stride,
                                  s.pad);
    const Window columns = inputs_of(static_cast<int>(pixel % s.OW), s.W, s.kernel, s.stride,
                                     s.pad);
    float sum[V] = {};
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w) {
        float v[V];
        load<V>(x + ((n * s.H + h) * s.W + w) * s.C + c, v);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          sum[k] += v[k];
        }
      }
    }
    const float share = 1.0f / static_cast<float>(rows.size() * columns.size());
#pragma unroll
    for (int k = 0; k < V; ++k) {
      sum[k] *= share;
    }
    store<V>(sum, y + i);
  }
}

// Grid-stride over inputs: each gathers its share of the windows that see it.   dx [N, H, W, C]
template <class T, int V>
__global__ void __launch_bounds__(kPoolThreads)
    backward_kernel(const T* dy, PoolSizes s, int64_t total, T* dx) {
  const int64_t step = gridDim.x * int64_t{kPoolThreads} * V;
  for (int64_t i = (blockIdx.x * int64_t{kPoolThreads} + threadIdx.x) * V; i < total; i += step) {
    const int64_t c = i % s.C, pixel = i / s.C, n = pixel / (int64_t{s.H} * s.W);
    const Window rows = outputs_of(static_cast<int>(pixel / s.W % s.H), s.OH, s.kernel, s.stride,
                                   s.pad);
    const Window columns = outputs_of(static_cast<int>(pixel % s.W), s.OW, s.kernel, s.stride,
                                      s.pad);
    float sum[V] = {};
    for (int oh = rows.begin; oh < rows.end; ++oh) {
      for (int ow = columns.begin; ow < columns.end; ++ow) {
        const int seen = inputs_of(oh, s.H, s.kernel, s.stride, s.pad).size() *
                         inputs_of(ow, s.W, s.kernel, s.stride, s.pad).size();
        const float share = 1.0f / static_cast<float>(seen);
        float g[V];
        load<V>(dy + ((n * s.OH + oh) * s.OW + ow) * s.C + c, g);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          sum[k] += g[k] * share;
        }
      }
    }
    store<V>(sum, dx + i);
  }
}

}  // namespace

void avg_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& y) {
  const PoolSizes sizes(x.shape(), y.shape(), spec);
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {x.raw(), y.raw()}, [&]<int V>() {
      launch(forward_kernel<T, V>, blocks_for(ceil_div(y.numel(), V), kPoolThreads), kPoolThreads,
             0, x.data<T>(), sizes, y.numel(), y.data<T>());
    });
  });
}

void avg_pool_backward(const Tensor& dy, const PoolSpec& spec, Tensor& dx) {
  const PoolSizes sizes(dx.shape(), dy.shape(), spec);
  dispatch(dy.dtype(), [&]<class T>() {
    with_width<T>(sizes.C, {dy.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, blocks_for(ceil_div(dx.numel(), V), kPoolThreads),
             kPoolThreads, 0, dy.data<T>(), sizes, dx.numel(), dx.data<T>());
    });
  });
}

}  // namespace mld::cuda
