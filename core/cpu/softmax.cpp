// softmax and log_softmax over the last dimension.
#include <cmath>
#include <limits>

#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

template <class T>
float largest(const T* x, int64_t C) {
  float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t c = 0; c < C; ++c) {
    const float v = static_cast<float>(x[c]);
    top = top < v ? v : top;
  }
  return top;
}

template <class T>
float sum_of_exp(const T* x, float top, int64_t C) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) {
    sum += fast_exp(static_cast<float>(x[c]) - top);
  }
  return sum;
}

// Calls row(x_row, y_row) for each row of [M, C] pairs, in parallel.
template <class T, class Row>
void for_each_row(const Tensor& x, Tensor& y, Row row) {
  const int64_t C = x.shape()[-1], M = C == 0 ? 0 : x.numel() / C;
  const T* px = x.data<T>();
  T* py = y.data<T>();
  parallel_for(M, row_grain(4 * C), [=](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      row(m, px + m * C, py + m * C);
    }
  });
}

}  // namespace

void softmax_forward(const Tensor& x, Tensor& y) {
  const int64_t C = x.shape()[-1];
  dispatch(x.dtype(), [&]<class T>() {
    for_each_row<T>(x, y, [C](int64_t, const T* in, T* out) {
      const float top = largest(in, C), factor = 1.0f / sum_of_exp(in, top, C);
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        store(fast_exp(static_cast<float>(in[c]) - top) * factor, out[c]);
      }
    });
  });
}

// dx = y * (dy - sum(y * dy)).   dy, y, dx [M, C]
void softmax_backward(const Tensor& dy, const Tensor& y, Tensor& dx) {
  const int64_t C = y.shape()[-1];
  dispatch(y.dtype(), [&]<class T>() {
    const T* pdy = dy.data<T>();
    for_each_row<T>(y, dx, [C, pdy](int64_t m, const T* p, T* out) {
      const T* g = pdy + m * C;
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t c = 0; c < C; ++c) {
        dot += static_cast<float>(p[c]) * static_cast<float>(g[c]);
      }
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        store(static_cast<float>(p[c]) * (static_cast<float>(g[c]) - dot), out[c]);
      }
    });
  });
}

void log_softmax_forward(const Tensor& x, Tensor& y) {
  const int64_t C = x.shape()[-1];
  dispatch(x.dtype(), [&]<class T>() {
    for_each_row<T>(x, y, [C](int64_t, const T* in, T* out) {
      const float top = largest(in, C), log_sum = std::log(sum_of_exp(in, top, C));
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        store((static_cast<float>(in[c]) - top) - log_sum, out[c]);
      }
    });
  });
}

// dx = dy - exp(y) * sum(dy).   dy, y, dx [M, C]
void log_softmax_backward(const Tensor& dy, const Tensor& y, Tensor& dx) {
  const int64_t C = y.shape()[-1];
  dispatch(y.dtype(), [&]<class T>() {
    const T* pdy = dy.data<T>();
    for_each_row<T>(y, dx, [C, pdy](int64_t m, const T* log_p, T* out) {
      const T* g = pdy + m * C;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < C; ++c) {
        sum += static_cast<float>(g[c]);
      }
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        const float p = fast_exp(static_cast<float>(log_p[c]));
        store(static_cast<float>(g[c]) - p * sum, out[c]);
      }
    });
  });
}

}  // namespace mld::cpu
