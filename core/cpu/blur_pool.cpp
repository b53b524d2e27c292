// Blur pooling: rows are blurred into a buffer of one row, then that along its columns, so every
// pixel is read from memory once or twice and written once.
#include "core/blur.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// t = (above + below) / 4 + here / 2 for rows of n elements.
template <class T>
void blur_rows(const T* above, const T* here, const T* below, int64_t n, float* t) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    t[i] = 0.25f * (static_cast<float>(above[i]) + static_cast<float>(below[i])) +
           0.5f * static_cast<float>(here[i]);
  }
}

// The same for the C channels of three pixels.
template <class T>
void blur_pixels(const float* before, const float* at, const float* after, int64_t C, T* y) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    store(0.25f * (before[c] + after[c]) + 0.5f * at[c], y[c]);
  }
}

// y = a * a_weight + b * b_weight for n elements.
template <class From, class To>
void mix(const From* a, float a_weight, const From* b, float b_weight, int64_t n, To* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    store(static_cast<float>(a[i]) * a_weight + static_cast<float>(b[i]) * b_weight, y[i]);
  }
}

}  // namespace

void blur_pool_forward(const Tensor& x, Tensor& y) {
  const int64_t H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  const int64_t N = y.shape()[0], OH = y.shape()[1], OW = y.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    parallel_for(N * OH, row_grain(2 * W * C), [&](int64_t begin, int64_t end) {
      std::vector<float> blurred(static_cast<size_t>(W * C));
      for (int64_t row = begin; row < end; ++row) {
        const BlurWindow rows(row % OH, H);
        const T* image = x.data<T>() + row / OH * H * W * C;
        float* t = blurred.data();
        blur_rows(image + rows.before * W * C, image + rows.at * W * C, image + rows.after * W * C,
                  W * C, t);
        for (int64_t ow = 0; ow < OW; ++ow) {
          const BlurWindow columns(ow, W);
          blur_pixels(t + columns.before * C, t + columns.at * C, t + columns.after * C, C,
                      y.data<T>() + (row * OW + ow) * C);
        }
      }
    });
  });
}

void blur_pool_backward(const Tensor& dy, Tensor& dx) {
  const int64_t N = dx.shape()[0], H = dx.shape()[1], W = dx.shape()[2], C = dx.shape()[3];
  const int64_t OH = dy.shape()[1], OW = dy.shape()[2];
  dispatch(dy.dtype(), [&]<class T>() {
    parallel_for(N * H, row_grain(W * C), [&](int64_t begin, int64_t end) {
      std::vector<float> spread(static_cast<size_t>(OW * C));
      for (int64_t row = begin; row < end; ++row) {
        const BlurTargets rows(row % H, H);
        const T* image = dy.data<T>() + row / H * OH * OW * C;
        float* t = spread.data();
        mix(image + rows.first * OW * C, rows.first_weight, image + rows.second * OW * C,
            rows.second_weight, OW * C, t);
        for (int64_t w = 0; w < W; ++w) {
          const BlurTargets columns(w, W);
          mix(t + columns.first * C, columns.first_weight, t + columns.second * C,
              columns.second_weight, C, dx.data<T>() + (row * W + w) * C);
        }
      }
    });
  });
}

}  // namespace mld::cpu
