// l2_normalize: y = x / max(|x|, 1e-12) over the last dimension.
#include <cmath>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

constexpr float kSmallestNorm = 1e-12f;

// x, y [M, C]; norm f32 [M]
void l2_normalize_forward(const Tensor& x, Tensor& norm, Tensor& y) {
  const int64_t C = x.shape()[-1], M = norm.numel();
  float* pn = norm.data<float>();
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(M, row_grain(C), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T* row = px + m * C;
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t c = 0; c < C; ++c) {
          const float v = static_cast<float>(row[c]);
          squares += v * v;
        }
        pn[m] = std::max(std::sqrt(squares), kSmallestNorm);
        const float inverse = 1.0f / pn[m];
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) {
          store(static_cast<float>(row[c]) * inverse, py[m * C + c]);
        }
      }
    });
  });
}

// dx = (dy - y (y . dy)) / |x|; below the smallest norm y is linear in x, so no second term.
//   dy, y, dx [M, C]; norm f32 [M]
void l2_normalize_backward(const Tensor& dy, const Tensor& y, const Tensor& norm, Tensor& dx) {
  const int64_t C = y.shape()[-1], M = norm.numel();
  const float* pn = norm.data<float>();
  dispatch(y.dtype(), [&]<class T>() {
    const T *pdy = dy.data<T>(), *py = y.data<T>();
    T* pdx = dx.data<T>();
    parallel_for(M, row_grain(C), [=](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T *g = pdy + m * C, *u = py + m * C;
        float dot = 0;
#pragma omp simd reduction(+ : dot)
        for (int64_t c = 0; c < C; ++c) {
          dot += static_cast<float>(g[c]) * static_cast<float>(u[c]);
        }
        const float along = pn[m] > kSmallestNorm ? dot : 0.0f, inverse = 1.0f / pn[m];
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) {
          store((static_cast<float>(g[c]) - static_cast<float>(u[c]) * along) * inverse,
                pdx[m * C + c]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
