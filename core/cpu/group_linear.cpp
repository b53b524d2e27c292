// group_linear: y[n, k] = h[n, k / g, :] . w[k / g, :, k % g] + bias[k] (ML-Decoder, eq. 6).
#include "core/cpu/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// h [N, G, D], w [G, D, g], bias f32 [K], y [N, K] with K <= G * g
void group_linear_forward(const Tensor& h, const Tensor& w, const Tensor& bias, Tensor& y) {
  const int64_t N = h.shape()[0], G = h.shape()[1], D = h.shape()[2], g = w.shape()[2];
  const int64_t K = y.shape()[1];
  const float* pb = bias.defined() ? bias.data<float>() : nullptr;
  dispatch(h.dtype(), [&]<class T>() {
    const T *ph = h.data<T>(), *pw = w.data<T>();
    T* py = y.data<T>();
    parallel_for(K, row_grain(N * D), [=](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const T* column = pw + k / g * D * g + k % g;
        for (int64_t n = 0; n < N; ++n) {
          const T* row = ph + (n * G + k / g) * D;
          float sum = pb != nullptr ? pb[k] : 0.0f;
          for (int64_t d = 0; d < D; ++d) {
            sum += static_cast<float>(row[d]) * static_cast<float>(column[d * g]);
          }
          py[n * K + k] = static_cast<T>(sum);
        }
      }
    });
  });
}

// dh = dy w^T, dw = h^T dy per group.   dy [N, K]; h, dh [N, G, D]; w, dw [G, D, g]
void group_linear_backward(const Tensor& dy, const Tensor& h, const Tensor& w, Tensor& dh,
                           Tensor& dw) {
  const int64_t N = h.shape()[0], G = h.shape()[1], D = h.shape()[2], g = w.shape()[2];
  const int64_t K = dy.shape()[1];
  dispatch(h.dtype(), [&]<class T>() {
    const T *pdy = dy.data<T>(), *ph = h.data<T>(), *pw = w.data<T>();
    T *pdh = dh.data<T>(), *pdw = dw.data<T>();
    parallel_for(G * D, row_grain(N * g), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / D, live = std::clamp<int64_t>(K - group * g, 0, g);
        std::fill(pdw + i * g, pdw + (i + 1) * g, T(0.0f));
        for (int64_t n = 0; n < N; ++n) {
          float sum = 0;
          for (int64_t c = 0; c < live; ++c) {
            sum += static_cast<float>(pdy[n * K + group * g + c]) * static_cast<float>(pw[i * g + c]);
          }
          pdh[n * G * D + i] = static_cast<T>(sum);
        }
        for (int64_t c = 0; c < live; ++c) {
          float sum = 0;
          for (int64_t n = 0; n < N; ++n) {
            sum += static_cast<float>(ph[n * G * D + i]) *
                   static_cast<float>(pdy[n * K + group * g + c]);
          }
          pdw[i * g + c] = static_cast<T>(sum);
        }
      }
    });
  });
}

}  // namespace mld::cpu
