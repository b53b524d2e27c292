// Batch norm with activation and residual: one pass for the statistics, one to apply them.
#include <cmath>
#include <vector>

#include "core/cpu/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Rows summed in float before they go to float64.
constexpr int64_t kBlock = 64;

// Two sums per channel over all M rows of a matrix [M, C]. `add(row, first, second)` adds one row
// to float accumulators [C]; blocks of rows are added up in float64, threads in order.
struct ChannelSums {
  std::vector<double> first, second;  // [C]
};

template <class Add>
ChannelSums channel_sums(int64_t M, int64_t C, Add&& add) {
  const int64_t threads = compute_threads();
  std::vector<ChannelSums> parts(static_cast<size_t>(threads));
  parallel_for(threads, 1, [&](int64_t first_part, int64_t last_part) {
    for (int64_t t = first_part; t < last_part; ++t) {
      ChannelSums& part = parts[static_cast<size_t>(t)];
      part = {std::vector<double>(static_cast<size_t>(C)), std::vector<double>(static_cast<size_t>(C))};
      std::vector<float> a(static_cast<size_t>(C)), b(static_cast<size_t>(C));
      const int64_t begin = M * t / threads, end = M * (t + 1) / threads;
      for (int64_t block = begin; block < end; block += kBlock) {
        std::fill(a.begin(), a.end(), 0.0f);
        std::fill(b.begin(), b.end(), 0.0f);
        for (int64_t m = block; m < std::min(end, block + kBlock); ++m) {
          add(m, a.data(), b.data());
        }
        for (size_t c = 0; c < a.size(); ++c) {
          part.first[c] += static_cast<double>(a[c]);
          part.second[c] += static_cast<double>(b[c]);
        }
      }
    }
  });
  ChannelSums total = std::move(parts[0]);
  for (size_t t = 1; t < parts.size(); ++t) {
    for (size_t c = 0; c < total.first.size(); ++c) {
      total.first[c] += parts[t].first[c];
      total.second[c] += parts[t].second[c];
    }
  }
  return total;
}

// Sums of (x - shift) and (x - shift)^2 with the first row as shift: a variance that survives a
// mean far larger than the spread.
template <class T>
void batch_statistics(const T* x, int64_t M, int64_t C, const BatchNormSpec& spec,
                      float* running_mean, float* running_var, float* mean, float* rstd) {
  std::vector<float> shift(static_cast<size_t>(C));
  std::transform(x, x + C, shift.begin(), [](T v) { return static_cast<float>(v); });
  const ChannelSums sums = channel_sums(M, C, [&](int64_t m, float* first, float* second) {
    const T* row = x + m * C;
    for (int64_t c = 0; c < C; ++c) {
      const float d = static_cast<float>(row[c]) - shift[static_cast<size_t>(c)];
      first[c] += d;
      second[c] += d * d;
    }
  });
  const double n = static_cast<double>(M);
  for (int64_t c = 0; c < C; ++c) {
    const double d = sums.first[static_cast<size_t>(c)] / n;
    const double var = std::max(0.0, sums.second[static_cast<size_t>(c)] / n - d * d);
    const double mu = static_cast<double>(shift[static_cast<size_t>(c)]) + d;
    const double unbiased = M > 1 ? var * n / (n - 1) : var;
    mean[c] = static_cast<float>(mu);
    rstd[c] = static_cast<float>(1.0 / std::sqrt(var + static_cast<double>(spec.eps)));
    const double keep = 1.0 - static_cast<double>(spec.momentum);
    running_mean[c] = static_cast<float>(keep * running_mean[c] + spec.momentum * mu);
    running_var[c] = static_cast<float>(keep * running_var[c] + spec.momentum * unbiased);
  }
}

// What the row functions below share. They are functions of their own, with restricted pointers, so
// that the compiler may vectorise them: these loops are the time batch norm takes.
struct Rows {
  int64_t C;
  float slope;                    // of the activation below zero
  const float* mean;              // [C], as all below
  const float* factor = nullptr;  // w * rstd
  const float* offset = nullptr;  // mean of dz
  const float* slope_x = nullptr;  // mean of dz * (x - mean), times rstd^2
};

// y = act((x - mean) * factor + bias [+ residual]).   x, residual, y [C]
template <class T>
void normalize_row(const Rows& r, const T* __restrict x, const float* __restrict bias,
                   const T* __restrict residual, T* __restrict y) {
  const int64_t C = r.C;
  const float slope = r.slope;
  const float *__restrict mean = r.mean, *__restrict factor = r.factor;
  const auto act = [slope](float z) { return std::max(z, 0.0f) + slope * std::min(z, 0.0f); };
  if (residual == nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      y[c] = static_cast<T>(act((static_cast<float>(x[c]) - mean[c]) * factor[c] + bias[c]));
    }
    return;
  }
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    y[c] = static_cast<T>(act((static_cast<float>(x[c]) - mean[c]) * factor[c] + bias[c] +
                              static_cast<float>(residual[c])));
  }
}

// The gradient before the activation: dy where y is positive, else slope * dy.
template <class T>
float before_activation(T dy, T y, float slope) {
  const float g = static_cast<float>(dy);
  return static_cast<float>(y) > 0 ? g : g * slope;
}

// sum += dz, sum_x += dz * (x - mean).   dy, x, y, sum, sum_x [C]
template <class T>
void add_gradient_row(const Rows& r, const T* __restrict dy, const T* __restrict x,
                      const T* __restrict y, float* __restrict sum, float* __restrict sum_x) {
  const int64_t C = r.C;
  const float slope = r.slope;
  const float* __restrict mean = r.mean;
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const float dz = before_activation(dy[c], y[c], slope);
    sum[c] += dz;
    sum_x[c] += dz * (static_cast<float>(x[c]) - mean[c]);
  }
}

// dx = factor * (dz - offset - (x - mean) * slope_x); dresidual = dz.   dy, x, y, dx [C]
template <class T>
void gradient_row(const Rows& r, const T* __restrict dy, const T* __restrict x,
                  const T* __restrict y, T* __restrict dx, T* __restrict dresidual) {
  const int64_t C = r.C;
  const float slope = r.slope;
  const float *__restrict mean = r.mean, *__restrict factor = r.factor;
  const float *__restrict offset = r.offset, *__restrict slope_x = r.slope_x;
  const auto gradient = [&](int64_t c, float dz) {
    return static_cast<T>(factor[c] *
                          (dz - offset[c] - (static_cast<float>(x[c]) - mean[c]) * slope_x[c]));
  };
  if (dresidual == nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      dx[c] = gradient(c, before_activation(dy[c], y[c], slope));
    }
    return;
  }
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const float dz = before_activation(dy[c], y[c], slope);
    dx[c] = gradient(c, dz);
    dresidual[c] = static_cast<T>(dz);
  }
}

// The slope an activation has below zero.
float negative_slope(const ActivationSpec& act) {
  return act.kind == Act::identity ? 1.0f : act.kind == Act::relu ? 0.0f : act.slope;
}

}  // namespace

void batch_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual,
                        const BatchNormSpec& spec, Tensor& running_mean, Tensor& running_var,
                        Tensor& mean, Tensor& rstd, Tensor& y) {
  const int64_t C = x.shape()[-1], M = x.numel() / std::max<int64_t>(C, 1);
  const float slope = negative_slope(spec.act);
  dispatch(x.dtype(), [&]<class T>() {
    float* mu = mean.data<float>();
    float* rs = rstd.data<float>();
    if (spec.training) {
      batch_statistics(x.data<T>(), M, C, spec, running_mean.data<float>(),
                       running_var.data<float>(), mu, rs);
    } else {
      for (int64_t c = 0; c < C; ++c) {
        mu[c] = running_mean.data<float>()[c];
        rs[c] = 1.0f / std::sqrt(running_var.data<float>()[c] + spec.eps);
      }
    }
    std::vector<float> factor(static_cast<size_t>(C));
    for (int64_t c = 0; c < C; ++c) {
      factor[static_cast<size_t>(c)] = rs[c] * w.data<float>()[c];
    }
    const Rows rows{.C = C, .slope = slope, .mean = mu, .factor = factor.data()};
    parallel_for(M, row_grain(C), [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T* add = residual.defined() ? residual.data<T>() + m * C : nullptr;
        normalize_row(rows, x.data<T>() + m * C, b.data<float>(), add, y.data<T>() + m * C);
      }
    });
  });
}

void batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& w,
                         const Tensor& mean, const Tensor& rstd, const BatchNormSpec& spec,
                         Tensor& dx, Tensor& dw, Tensor& db, Tensor& dresidual) {
  const int64_t C = x.shape()[-1], M = x.numel() / std::max<int64_t>(C, 1);
  const float slope = negative_slope(spec.act);
  const float* mu = mean.data<float>();
  const float* rs = rstd.data<float>();
  dispatch(x.dtype(), [&]<class T>() {
    Rows rows{.C = C, .slope = slope, .mean = mu};
    const ChannelSums sums = channel_sums(M, C, [&](int64_t m, float* first, float* second) {
      add_gradient_row(rows, dy.data<T>() + m * C, x.data<T>() + m * C, y.data<T>() + m * C, first,
                       second);
    });
    // dx = w rstd (dz - mean(dz) - xhat mean(dz xhat)); the means are absent with fixed statistics.
    std::vector<float> factor(static_cast<size_t>(C)), offset(factor), slope_x(factor);
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = static_cast<size_t>(c);
      const double rstd_c = static_cast<double>(rs[c]);
      db.data<float>()[c] = static_cast<float>(sums.first[i]);
      dw.data<float>()[c] = static_cast<float>(sums.second[i] * rstd_c);
      factor[i] = w.data<float>()[c] * rs[c];
      if (spec.training) {
        offset[i] = static_cast<float>(sums.first[i] / static_cast<double>(M));
        slope_x[i] = static_cast<float>(sums.second[i] * rstd_c * rstd_c / static_cast<double>(M));
      }
    }
    rows.factor = factor.data();
    rows.offset = offset.data();
    rows.slope_x = slope_x.data();
    T* residual = dresidual.defined() ? dresidual.data<T>() : nullptr;
    parallel_for(M, row_grain(C), [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        gradient_row(rows, dy.data<T>() + m * C, x.data<T>() + m * C, y.data<T>() + m * C,
                     dx.data<T>() + m * C, residual == nullptr ? nullptr : residual + m * C);
      }
    });
  });
}

}  // namespace mld::cpu
