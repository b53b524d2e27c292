// scale_channels: each channel of a picture times one gate (squeeze and excitation).
#include "core/cpu/support/tokens.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// y = x * gate.   x, y [N, L, C]; gate [N, C]
template <class T>
void multiply(const T* x, const T* gate, int64_t N, int64_t L, int64_t C, T* y) {
  parallel_for(N * L, row_grain(C), [=](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const T* g = gate + m / L * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        store(static_cast<float>(x[m * C + c]) * static_cast<float>(g[c]), y[m * C + c]);
      }
    }
  });
}

}  // namespace

void scale_channels_forward(const Tensor& x, const Tensor& gate, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    multiply(x.data<T>(), gate.data<T>(), N, L, C, y.data<T>());
  });
}

// dx = dy * gate, dgate = sum over tokens of dy * x.   dy, x, dx [N, L, C]; gate, dgate [N, C]
void scale_channels_backward(const Tensor& dy, const Tensor& x, const Tensor& gate, Tensor& dx,
                             Tensor& dgate) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    const T *pdy = dy.data<T>(), *px = x.data<T>();
    T* pdgate = dgate.data<T>();
    multiply(pdy, gate.data<T>(), N, L, C, dx.data<T>());
    for_each_channel_block(N, L, C, [=](int64_t n, int64_t c0, int64_t c1) {
      double sums[kChannelBlock];
      const T *g = pdy + n * L * C, *v = px + n * L * C;
      sum_tokens(L, c0, c1,
                 [=](int64_t l, int64_t c) {
                   return static_cast<float>(g[l * C + c]) * static_cast<float>(v[l * C + c]);
                 },
                 sums);
      for (int64_t c = c0; c < c1; ++c) {
        store(static_cast<float>(sums[c - c0]), pdgate[n * C + c]);
      }
    });
  });
}

}  // namespace mld::cpu
