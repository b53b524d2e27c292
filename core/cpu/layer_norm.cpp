// layer_norm: y = (x - mean) * rstd * w + b over the last dimension.
#include <cmath>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

const float* data_or_null(const Tensor& x) { return x.defined() ? x.data<float>() : nullptr; }

// One row; two passes, because E[x^2] - E[x]^2 cancels.   x, y [C]; w, b [C] or null
template <class T>
void normalize_row(const T* x, const float* w, const float* b, float eps, int64_t C, float& mean,
                   float& rstd, T* y) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) {
    sum += static_cast<float>(x[c]);
  }
  const float mu = sum / static_cast<float>(C);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) {
    const float d = static_cast<float>(x[c]) - mu;
    squares += d * d;
  }
  const float r = 1.0f / std::sqrt(squares / static_cast<float>(C) + eps);
  if (w != nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      store((static_cast<float>(x[c]) - mu) * r * w[c] + b[c], y[c]);
    }
  } else {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      store((static_cast<float>(x[c]) - mu) * r, y[c]);
    }
  }
  mean = mu;
  rstd = r;
}

// With g = dy * w and z = (x - mean) * rstd:  dx = rstd * (g - mean(g) - z * mean(g * z)).
//   dy, x, dx [C]; w [C] or null
template <class T>
void row_gradient(const T* dy, const T* x, const float* w, float mean, float rstd, int64_t C,
                  T* dx) {
  float sum_g = 0, sum_gz = 0;
#pragma omp simd reduction(+ : sum_g, sum_gz)
  for (int64_t c = 0; c < C; ++c) {
    const float g = static_cast<float>(dy[c]) * (w != nullptr ? w[c] : 1.0f);
    sum_g += g;
    sum_gz += g * (static_cast<float>(x[c]) - mean) * rstd;
  }
  const float mean_g = sum_g / static_cast<float>(C), mean_gz = sum_gz / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const float g = static_cast<float>(dy[c]) * (w != nullptr ? w[c] : 1.0f);
    const float z = (static_cast<float>(x[c]) - mean) * rstd;
    store(rstd * (g - mean_g - z * mean_gz), dx[c]);
  }
}

// dw += dy * z, db += dy for one row.   dy, x [C]; dw, db [C]
template <class T>
void add_affine_gradient(const T* dy, const T* x, float mean, float rstd, int64_t C, float* dw,
                         float* db) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const float g = static_cast<float>(dy[c]);
    dw[c] += g * (static_cast<float>(x[c]) - mean) * rstd;
    db[c] += g;
  }
}

constexpr int64_t kBlock = 64;  // rows whose dw, db are summed together: fixes the order

}  // namespace

void layer_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b,
                        const LayerNormSpec& spec, Tensor& mean, Tensor& rstd, Tensor& y) {
  const int64_t C = x.shape()[-1], M = mean.numel();
  const float *pw = data_or_null(w), *pb = data_or_null(b);
  float *mu = mean.data<float>(), *r = rstd.data<float>();
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(M, row_grain(C), [=, eps = spec.eps](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        normalize_row(px + m * C, pw, pb, eps, C, mu[m], r[m], py + m * C);
      }
    });
  });
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dw, Tensor& db) {
  const int64_t C = x.shape()[-1], M = mean.numel(), blocks = (M + kBlock - 1) / kBlock;
  const float *pw = data_or_null(w), *mu = mean.data<float>(), *r = rstd.data<float>();
  Tensor partial;  // [2, blocks, C]: dw, db of each block
  if (w.defined()) {
    partial = Tensor::zeros({2, blocks, C});
  }
  float* part = w.defined() ? partial.data<float>() : nullptr;
  dispatch(x.dtype(), [&]<class T>() {
    const T *pdy = dy.data<T>(), *px = x.data<T>();
    T* pdx = dx.data<T>();
    parallel_for(blocks, row_grain(kBlock * C), [=](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        for (int64_t m = block * kBlock; m < std::min(M, (block + 1) * kBlock); ++m) {
          const T *dy_row = pdy + m * C, *x_row = px + m * C;
          row_gradient(dy_row, x_row, pw, mu[m], r[m], C, pdx + m * C);
          if (part != nullptr) {
            add_affine_gradient(dy_row, x_row, mu[m], r[m], C, part + block * C,
                                part + (blocks + block) * C);
          }
        }
      }
    });
  });
  if (w.defined()) {
    const Tensor dw_parts = partial.rows(0, 1).reshape({blocks, C});
    const Tensor db_parts = partial.rows(1, 2).reshape({blocks, C});
    sum_rows(dw_parts, dw);
    sum_rows(db_parts, db);
  }
}

}  // namespace mld::cpu
