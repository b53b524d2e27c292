// Batch norm with activation and residual: one pass for the statistics, one to apply them.
#include "core/kernels.h"
#include "cuda/batch_norm.cuh"

namespace mld::cuda {
namespace {

// Sums of x - shift and of its square, where shift is the block's first row: so small that the
// variance does not cancel, however far the values lie from zero.
template <class T>
struct MomentTerms {
  static constexpr int kSums = 2;
  const T* x;
  int64_t C;

  template <int V>
  struct Shift {
    float at[V];
  };
  template <int V>
  __device__ Shift<V> begin(int64_t first, int64_t c) const {
    Shift<V> shift;
    load<V>(x + first * C + c, shift.at);
    return shift;
  }
  template <int V>
  __device__ void add(const Shift<V>& shift, int64_t m, int64_t c, float (&sums)[kSums][V]) const {
    float v[V];
    load<V>(x + m * C + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float d = v[i] - shift.at[i];
      sums[0][i] += d;
      sums[1][i] += d * d;
    }
  }
};

// Mean and sum of squared deviations of `count` values.
struct Moments {
  float count = 0, mean = 0, m2 = 0;

  // Merges another's (Chan, Golub, LeVeque 1979, eq. 2.1).
  __device__ void join(const Moments& other) {
    if (other.count > 0) {
      const float total = count + other.count, delta = other.mean - mean;
      mean += delta * (other.count / total);
      m2 += other.m2 + delta * delta * (count * (other.count / total));
      count = total;
    }
  }
};

struct Statistics {
  float eps, momentum;
  float *running_mean, *running_var, *mean, *rstd;  // [C]
};

// A block takes 32 channels; thread row r merges splits r, r + 8, ..., then row 0 merges the eight
// and updates the running statistics.   x [M, C]; partial [splits, 2, C]
template <class T>
__global__ void __launch_bounds__(256)
    statistics_kernel(const T* x, const float* partial, int splits, int64_t M, int64_t C,
                      Statistics out) {
  SHARED(Moments[8][32], part);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32;
  const int64_t c = blockIdx.x * int64_t{32} + lane;
  Moments moments;
  for (int split = row; c < C && split < splits; split += 8) {
    const int64_t first = M * split / splits, next = M * (split + 1) / splits;
    const float n = static_cast<float>(next - first);
    const float s1 = partial[(split * int64_t{2}) * C + c];
    const float s2 = partial[(split * int64_t{2} + 1) * C + c];
    moments.join({n, load_one(x + first * C + c) + s1 / n, s2 - s1 * (s1 / n)});
  }
  part[row][lane] = moments;
  __syncthreads();
  if (row != 0 || c >= C) {
    return;
  }
  for (int r = 1; r < 8; ++r) {
    moments.join(part[r][lane]);
  }
  const float n = static_cast<float>(M), var = fmaxf(moments.m2, 0.0f) / n;
  const float unbiased = fmaxf(moments.m2, 0.0f) / (n - 1);
  out.mean[c] = moments.mean;
  out.rstd[c] = 1.0f / sqrtf(var + out.eps);
  out.running_mean[c] += out.momentum * (moments.mean - out.running_mean[c]);
  out.running_var[c] += out.momentum * (unbiased - out.running_var[c]);
}

// mean and rstd from the running statistics.   all [C]
__global__ void __launch_bounds__(256) running_kernel(int64_t C, Statistics out) {
  const int64_t c = blockIdx.x * int64_t{256} + threadIdx.x;
  if (c < C) {
    out.mean[c] = out.running_mean[c];
    out.rstd[c] = 1.0f / sqrtf(out.running_var[c] + out.eps);
  }
}

// y = act((x - mean) rstd scale(w) + b [+ residual]).   x, residual (or null), y [M, C]; the rest
//   [C]
template <class T, int V, bool kResidual>
__global__ void __launch_bounds__(kChannelThreads)
    apply_kernel(const T* x, const T* residual, const float* w, const float* b, const float* mean,
                 const float* rstd, BatchNormSpec spec, Lines act, int64_t M, int64_t C,
                 int across, T* y) {
  const ChannelPlace at(M, across, V);
  if (at.c >= C) {
    return;
  }
  float mu[V], scale[V], offset[V];
#pragma unroll
  for (int i = 0; i < V; ++i) {
    mu[i] = mean[at.c + i];
    scale[i] = rstd[at.c + i] * spec.scale(w[at.c + i]);
    offset[i] = b[at.c + i];
  }
  for (int64_t m = at.begin; m < at.end; m += at.step) {
    const int64_t i0 = m * C + at.c;
    float v[V], r[V];
    load<V>(x + i0, v);
    if constexpr (kResidual) {
      load<V>(residual + i0, r);
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
      v[i] = (v[i] - mu[i]) * scale[i] + offset[i];
      if constexpr (kResidual) {
        v[i] += r[i];
      }
      v[i] = act.value(v[i]);
    }
    store<V>(v, y + i0);
  }
}

}  // namespace

void batch_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual,
                        const BatchNormSpec& spec, Tensor& running_mean, Tensor& running_var,
                        Tensor& mean, Tensor& rstd, Tensor& y) {
  const int64_t C = x.shape()[-1], M = x.numel() / C;
  const unsigned tiles = static_cast<unsigned>(ceil_div(C, 32));
  const Statistics statistics{spec.eps, spec.momentum, running_mean.data<float>(),
                              running_var.data<float>(), mean.data<float>(), rstd.data<float>()};
  const Lines act(spec.act);
  dispatch(x.dtype(), [&]<class T>() {
    if (spec.training) {
      const Tensor partial = partial_sums<T>(MomentTerms<T>{x.data<T>(), C}, M, C, {x.raw()});
      launch(statistics_kernel<T>, tiles, 256, 0, x.data<T>(), partial.data<float>(),
             static_cast<int>(partial.shape()[0]), M, C, statistics);
    } else {
      launch(running_kernel, static_cast<unsigned>(ceil_div(C, 256)), 256, 0, C, statistics);
    }
    const T* added = residual.defined() ? residual.data<T>() : nullptr;
    with_width<T>(C, {x.raw(), residual.raw(), y.raw()}, [&]<int V>() {
      const ChannelGrid grid = apply_grid(M, C, V);
      launch(added != nullptr ? apply_kernel<T, V, true> : apply_kernel<T, V, false>,
             dim3(grid.tiles, grid.splits), kChannelThreads, 0, x.data<T>(), added, w.data<float>(),
             b.data<float>(), mean.data<float>(), rstd.data<float>(), spec, act, M, C,
             grid.across, y.data<T>());
    });
  });
}

}  // namespace mld::cuda
