// Batch norm's gradient: one pass for two sums per channel, one for dx. With dz = dy * act'(y),
//   db = sum dz,  dw = scale'(w) sum dz xhat,
//   dx = scale(w) rstd (dz - mean(dz) - xhat mean(dz xhat)),
// where the means are absent when the statistics were fixed.
#include "core/kernels.h"
#include "cuda/batch_norm.cuh"

namespace mld::cuda {
namespace {

// dz[0..V) from dy and y; kAct: there is an activation.
template <bool kAct, int V, class T>
__device__ inline void load_dz(const T* dy, const T* y, const Lines& act, float (&dz)[V]) {
  load<V>(dy, dz);
  if constexpr (kAct) {
    float value[V];
    load<V>(y, value);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      dz[i] = act.gradient(dz[i], value[i]);
    }
  }
}

// Sums of dz and scale'(w) dz xhat.
template <class T, bool kAct>
struct GradientTerms {
  static constexpr int kSums = 2;
  const T *dy, *x, *y;
  const float *w, *mean, *rstd;
  BatchNormSpec spec;
  Lines act;
  int64_t C;

  template <int V>
  struct Norm {
    float mean[V], rstd[V];
  };
  template <int V>
  __device__ Norm<V> begin(int64_t, int64_t c) const {
    Norm<V> norm;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      norm.mean[i] = mean[c + i];
      norm.rstd[i] = rstd[c + i] * spec.scale_slope(w[c + i]);
    }
    return norm;
  }
  template <int V>
  __device__ void add(const Norm<V>& norm, int64_t m, int64_t c, float (&sums)[kSums][V]) const {
    const int64_t i0 = m * C + c;
    float dz[V], v[V];
    load_dz<kAct, V>(dy + i0, y + i0, act, dz);
    load<V>(x + i0, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sums[0][i] += dz[i];
      sums[1][i] += dz[i] * (v[i] - norm.mean[i]) * norm.rstd[i];
    }
  }
};

// The second pass: dx, and dresidual where it is wanted (null otherwise).
//   dy, x, y, dx, dresidual [M, C]; the rest [C]
template <class T, int V, bool kAct>
__global__ void __launch_bounds__(kChannelThreads)
    input_gradient_kernel(const T* dy, const T* x, const T* y, const float* w, const float* mean,
                          const float* rstd, const float* dw, const float* db,
                          BatchNormSpec spec, Lines act, float share, int64_t M, int64_t C,
                          int across, T* dx, T* dresidual) {
  const ChannelPlace at(M, across, V);
  if (at.c >= C) {
    return;
  }
  // dx = factor (dz - offset - (x - mean) tilt); share is 1 / M, or 0 for fixed statistics.
  float mu[V], factor[V], offset[V], tilt[V];
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const float r = rstd[at.c + i];
    mu[i] = mean[at.c + i];
    const float gamma = w[at.c + i];
    factor[i] = spec.scale(gamma) * r;
    offset[i] = db[at.c + i] * share;
    tilt[i] = spec.scale_slope(gamma) * dw[at.c + i] * share * r;  // the slope's square is 1
  }
  for (int64_t m = at.begin; m < at.end; m += at.step) {
    const int64_t i0 = m * C + at.c;
    float dz[V], v[V];
    load_dz<kAct, V>(dy + i0, y + i0, act, dz);
    load<V>(x + i0, v);
    if (dresidual != nullptr) {
      store<V>(dz, dresidual + i0);
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
      v[i] = factor[i] * (dz[i] - offset[i] - (v[i] - mu[i]) * tilt[i]);
    }
    store<V>(v, dx + i0);
  }
}

}  // namespace

void batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& w,
                         const Tensor& mean, const Tensor& rstd, const BatchNormSpec& spec,
                         Tensor& dx, Tensor& dw, Tensor& db, Tensor& dresidual) {
  const int64_t C = x.shape()[-1], M = x.numel() / C;
  const Lines act(spec.act);
  const float share = spec.training ? 1.0f / static_cast<float>(M) : 0.0f;
  const auto run = [&]<class T, bool kAct>() {
    const T *pdy = dy.data<T>(), *px = x.data<T>(), *py = y.data<T>();
    const GradientTerms<T, kAct> terms{pdy, px, py, w.data<float>(), mean.data<float>(),
                                       rstd.data<float>(), spec, act, C};
    channel_sums<T>(terms, M, C, {pdy, px, py}, {db.data<float>(), dw.data<float>()});
    T* added = dresidual.defined() ? dresidual.data<T>() : nullptr;
    with_width<T>(C, {pdy, px, py, dx.raw(), added}, [&]<int V>() {
      const ChannelGrid grid = apply_grid(M, C, V);
      launch(input_gradient_kernel<T, V, kAct>, dim3(grid.tiles, grid.splits), kChannelThreads, 0,
             pdy, px, py, w.data<float>(), mean.data<float>(), rstd.data<float>(),
             dw.data<float>(), db.data<float>(), spec, act, share, M, C, grid.across,
             dx.data<T>(), added);
    });
  };
  dispatch(x.dtype(), [&]<class T>() {
    if (spec.act.kind == Act::identity) {
      run.template operator()<T, false>();
    } else {
      run.template operator()<T, true>();
    }
  });
}

}  // namespace mld::cuda
