// mean_tokens: the mean over the middle dimension (global average pooling).
#include "core/cpu/support/tokens.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [N, L, C], y [N, C]
void mean_tokens_forward(const Tensor& x, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    for_each_channel_block(N, L, C, [=](int64_t n, int64_t c0, int64_t c1) {
      double sums[kChannelBlock];
      const T* image = px + n * L * C;
      sum_tokens(
          L, c0, c1, [=](int64_t l, int64_t c) { return static_cast<float>(image[l * C + c]); },
          sums);
      for (int64_t c = c0; c < c1; ++c) {
        store(static_cast<float>(sums[c - c0] / static_cast<double>(L)), py[n * C + c]);
      }
    });
  });
}

// dx[n, l, c] = dy[n, c] / L.   dy [N, C], dx [N, L, C]
void mean_tokens_backward(const Tensor& dy, Tensor& dx) {
  const int64_t N = dx.shape()[0], L = dx.shape()[1], C = dx.shape()[2];
  const float factor = 1.0f / static_cast<float>(L);
  dispatch(dx.dtype(), [&]<class T>() {
    const T* pdy = dy.data<T>();
    T* pdx = dx.data<T>();
    parallel_for(N * L, row_grain(C), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T* g = pdy + m / L * C;
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) {
          store(static_cast<float>(g[c]) * factor, pdx[m * C + c]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
