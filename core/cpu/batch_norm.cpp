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
    parallel_for(M, row_grain(C), [&, f = factor.data(), bias = b.data<float>()](int64_t begin,
                                                                              int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T* in = x.data<T>() + m * C;
        const T* add = residual.defined() ? residual.data<T>() + m * C : nullptr;
        T* out = y.data<T>() + m * C;
        for (int64_t c = 0; c < C; ++c) {
          const float z = (static_cast<float>(in[c]) - mu[c]) * f[c] + bias[c] +
                          (add != nullptr ? static_cast<float>(add[c]) : 0.0f);
          out[c] = static_cast<T>(z > 0 ? z : z * slope);
        }
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
    const auto dz = [slope](T gradient, T output) {
      const float g = static_cast<float>(gradient);
      return static_cast<float>(output) > 0 ? g : g * slope;
    };
    const ChannelSums sums = channel_sums(M, C, [&](int64_t m, float* first, float* second) {
      const T *g = dy.data<T>() + m * C, *out = y.data<T>() + m * C, *in = x.data<T>() + m * C;
      for (int64_t c = 0; c < C; ++c) {
        const float d = dz(g[c], out[c]);
        first[c] += d;
        second[c] += d * (static_cast<float>(in[c]) - mu[c]);
      }
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
    T* residual = dresidual.defined() ? dresidual.data<T>() : nullptr;
    parallel_for(M, row_grain(C), [&, f = factor.data(), o = offset.data(), s = slope_x.data()](
                                      int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        const T *g = dy.data<T>() + m * C, *out = y.data<T>() + m * C, *in = x.data<T>() + m * C;
        T* to = dx.data<T>() + m * C;
        for (int64_t c = 0; c < C; ++c) {
          const float d = dz(g[c], out[c]);
          to[c] = static_cast<T>(f[c] * (d - o[c] - (static_cast<float>(in[c]) - mu[c]) * s[c]));
        }
        if (residual != nullptr) {
          for (int64_t c = 0; c < C; ++c) {
            residual[m * C + c] = static_cast<T>(dz(g[c], out[c]));
          }
        }
      }
    });
  });
}

}  // namespace mld::cpu
