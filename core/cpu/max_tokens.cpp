// max_tokens: the largest value over the middle dimension, and where it was.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [N, L, C]; argmax, y [N, C]
void max_tokens_forward(const Tensor& x, Tensor& argmax, Tensor& y) {
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    int32_t* pa = argmax.data<int32_t>();
    T* py = y.data<T>();
    parallel_for(N, row_grain(L * C), [=](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        std::fill_n(pa + n * C, C, 0);
        std::copy_n(px + n * L * C, C, py + n * C);
        for (int64_t l = 1; l < L; ++l) {
          const T* row = px + (n * L + l) * C;
          for (int64_t c = 0; c < C; ++c) {
            if (static_cast<float>(row[c]) > static_cast<float>(py[n * C + c])) {
              py[n * C + c] = row[c];
              pa[n * C + c] = static_cast<int32_t>(l);
            }
          }
        }
      }
    });
  });
}

// dy, argmax [N, C]; dx [N, L, C]
void max_tokens_backward(const Tensor& dy, const Tensor& argmax, Tensor& dx) {
  const int64_t N = dx.shape()[0], L = dx.shape()[1], C = dx.shape()[2];
  dispatch(dx.dtype(), [&]<class T>() {
    const T* pdy = dy.data<T>();
    const int32_t* pa = argmax.data<int32_t>();
    T* pdx = dx.data<T>();
    parallel_for(N * L, row_grain(C), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const int64_t first = m / L * C;
        for (int64_t c = 0; c < C; ++c) {
          pdx[m * C + c] = pa[first + c] == m % L ? pdy[first + c] : T(0.0f);
        }
      }
    });
  });
}

}  // namespace mld::cpu
