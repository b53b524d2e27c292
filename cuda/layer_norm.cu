// layer_norm: y = (x - mean) * rstd * w + b over the last dimension.
#include "core/kernels.h"
#include "cuda/channels.cuh"
#include "cuda/reduce.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 128;

// One block per row, in three passes: sum, squared deviations (E[x^2] - E[x]^2 would cancel),
// result. A row of a few KiB stays in the L1 cache.   x, y [M, C]; w, b [C] or null; mean, rstd [M]
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* x, const float* w, const float* b, float eps, int C, float* mean,
                   float* rstd, T* y) {
  x += blockIdx.x * int64_t{C};
  y += blockIdx.x * int64_t{C};
  float sum = 0;
  for (int c = threadIdx.x * V; c < C; c += kThreads * V) {
    float v[V];
    load<V>(x + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sum += v[i];
    }
  }
  const float mu = block_sum<kThreads>(sum) / C;
  float squares = 0;
  for (int c = threadIdx.x * V; c < C; c += kThreads * V) {
    float v[V];
    load<V>(x + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      squares += (v[i] - mu) * (v[i] - mu);
    }
  }
  const float r = 1.0f / sqrtf(block_sum<kThreads>(squares) / C + eps);
  for (int c = threadIdx.x * V; c < C; c += kThreads * V) {
    float v[V];
    load<V>(x + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      v[i] = (v[i] - mu) * r;
      v[i] = w != nullptr ? v[i] * w[c + i] + b[c + i] : v[i];
    }
    store<V>(v, y + c);
  }
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = mu;
    rstd[blockIdx.x] = r;
  }
}

// One block per row. With g = dy w and z = (x - mean) rstd:  dx = rstd (g - mean(g) - z mean(g z)).
//   dy, x, dx [M, C]; w [C] or null; mean, rstd [M]
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const T* dy, const T* x, const float* w, const float* mean, const float* rstd,
                    int C, T* dx) {
  const int64_t row = blockIdx.x * int64_t{C};
  const float mu = mean[blockIdx.x], r = rstd[blockIdx.x];
  float sum_g = 0, sum_gz = 0;
  for (int c = threadIdx.x * V; c < C; c += kThreads * V) {
    float g[V], v[V];
    load<V>(dy + row + c, g);
    load<V>(x + row + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      g[i] *= w != nullptr ? w[c + i] : 1.0f;
      sum_g += g[i];
      sum_gz += g[i] * (v[i] - mu) * r;
    }
  }
  const float mean_g = block_sum<kThreads>(sum_g) / C, mean_gz = block_sum<kThreads>(sum_gz) / C;
  for (int c = threadIdx.x * V; c < C; c += kThreads * V) {
    float g[V], v[V];
    load<V>(dy + row + c, g);
    load<V>(x + row + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      g[i] *= w != nullptr ? w[c + i] : 1.0f;
      v[i] = r * (g[i] - mean_g - (v[i] - mu) * r * mean_gz);
    }
    store<V>(v, dx + row + c);
  }
}

// dw sums dy z, db sums dy over the rows.
template <class T>
struct AffineTerms {
  static constexpr int kSums = 2;
  const T *dy, *x;
  const float *mean, *rstd;
  int64_t C;

  template <int V>
  __device__ Nothing begin(int64_t, int64_t) const { return {}; }
  template <int V>
  __device__ void add(Nothing, int64_t m, int64_t c, float (&sums)[kSums][V]) const {
    float g[V], v[V];
    load<V>(dy + m * C + c, g);
    load<V>(x + m * C + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sums[0][i] += g[i] * (v[i] - mean[m]) * rstd[m];
      sums[1][i] += g[i];
    }
  }
};

const float* data_or_null(const Tensor& x) { return x.defined() ? x.data<float>() : nullptr; }

}  // namespace

void layer_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b,
                        const LayerNormSpec& spec, Tensor& mean, Tensor& rstd, Tensor& y) {
  const int64_t C = x.shape()[-1], M = mean.numel();
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(C, {x.raw(), y.raw()}, [&]<int V>() {
      launch(forward_kernel<T, V>, static_cast<unsigned>(M), kThreads, 0, x.data<T>(),
             data_or_null(w), data_or_null(b), spec.eps, C, mean.data<float>(),
             rstd.data<float>(), y.data<T>());
    });
  });
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dw, Tensor& db) {
  const int64_t C = x.shape()[-1], M = mean.numel();
  dispatch(x.dtype(), [&]<class T>() {
    with_width<T>(C, {dy.raw(), x.raw(), dx.raw()}, [&]<int V>() {
      launch(backward_kernel<T, V>, static_cast<unsigned>(M), kThreads, 0, dy.data<T>(),
             x.data<T>(), data_or_null(w), mean.data<float>(), rstd.data<float>(), C,
             dx.data<T>());
    });
    if (w.defined()) {
      const AffineTerms<T> terms{dy.data<T>(), x.data<T>(), mean.data<float>(),
                                 rstd.data<float>(), C};
      channel_sums<T>(terms, M, C, {dy.raw(), x.raw()}, {dw.data<float>(), db.data<float>()});
    }
  });
}

}  // namespace mld::cuda
