// variance: the unbiased variance over the middle dimension, in two passes (mean first).
#include "core/cpu/support/tokens.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [N, L, C] with L >= 2, mean f32 [N, C], y [N, C]
void variance_tokens_forward(const Tensor& x, Tensor& mean, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    float* pmean = mean.data<float>();
    for_each_channel_block(N, L, C, [=](int64_t n, int64_t c0, int64_t c1) {
      double sums[kChannelBlock];
      const T* image = px + n * L * C;
      float* mu = pmean + n * C;
      sum_tokens(
          L, c0, c1, [=](int64_t l, int64_t c) { return static_cast<float>(image[l * C + c]); },
          sums);
      for (int64_t c = c0; c < c1; ++c) {
        mu[c] = static_cast<float>(sums[c - c0] / static_cast<double>(L));
      }
      sum_tokens(L, c0, c1,
                 [=](int64_t l, int64_t c) {
                   const float d = static_cast<float>(image[l * C + c]) - mu[c];
                   return d * d;
                 },
                 sums);
      for (int64_t c = c0; c < c1; ++c) {
        store(static_cast<float>(sums[c - c0] / static_cast<double>(L - 1)), py[n * C + c]);
      }
    });
  });
}

// dx = dy * 2 (x - mean) / (L - 1).   dy, mean f32 [N, C]; x, dx [N, L, C]
void variance_tokens_backward(const Tensor& dy, const Tensor& x, const Tensor& mean, Tensor& dx) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  const float factor = 2.0f / static_cast<float>(L - 1);
  dispatch(x.dtype(), [&]<class T>() {
    const T *pdy = dy.data<T>(), *px = x.data<T>();
    const float* pmean = mean.data<float>();
    T* pdx = dx.data<T>();
    parallel_for(N * L, row_grain(C), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T* g = pdy + m / L * C;
        const float* mu = pmean + m / L * C;
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) {
          const float d = static_cast<float>(px[m * C + c]) - mu[c];
          store(static_cast<float>(g[c]) * factor * d, pdx[m * C + c]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
