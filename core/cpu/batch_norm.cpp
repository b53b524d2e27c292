// Batch norm with activation and residual: one pass for the statistics, one to apply them.
// Both passes are bound by memory: the second walks backwards, because the rows that the
// first read last are still in the cache.
#include <cmath>

#include "core/cpu/support/channel_sums.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Mean and sum of squared deviations of `count` rows.   mean, m2 [C]
struct Moments {
  double count = 0;
  std::vector<double> mean, m2;

  explicit Moments(int64_t C) : mean(static_cast<size_t>(C)), m2(static_cast<size_t>(C)) {}

  // Adds the moments of other rows (Chan, Golub, LeVeque 1979, eq. 2.1).
  //   mean_of(c), m2_of(c) give theirs
  template <class MeanOf, class M2Of>
  void join(double rows, const MeanOf& mean_of, const M2Of& m2_of) {
    const double total = count + rows, share = rows / total, weight = count * share;
    const int64_t C = static_cast<int64_t>(mean.size());
    double *mu = mean.data(), *squares = m2.data();
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const double delta = mean_of(c) - mu[c];
      mu[c] += delta * share;
      squares[c] += m2_of(c) + delta * delta * weight;
    }
    count = total;
  }
};

// Moments of rows [begin, end). Deviations are taken from the mean so far (at first that of a few
// rows), so they are small however far the values lie from zero.   x [M, C]
template <class T>
Moments moments_of_rows(const T* x, int64_t begin, int64_t end, int64_t C) {
  Moments moments(C);
  std::vector<float> buffer(static_cast<size_t>(3 * C));
  float *shift = buffer.data(), *first = shift + C, *second = first + C;
  const int64_t few = std::min<int64_t>(end - begin, 16);
  for (int64_t row = begin; row < begin + few; ++row) {
    for (int64_t c = 0; c < C; ++c) {
      shift[c] += static_cast<float>(x[row * C + c]) / static_cast<float>(few);
    }
  }
  for (int64_t row = begin; row < end; row += kSumRows) {
    const int64_t stop = std::min(end, row + kSumRows);
    std::fill(first, first + 2 * C, 0.0f);
    add_rows(row, stop, C, [x, shift](int64_t i, int64_t c) {
      const float d = static_cast<float>(x[i]) - shift[c];
      return Terms{d, d * d};
    }, first, second);
    const double rows = static_cast<double>(stop - row), inverse = 1.0 / rows;
    moments.join(
        rows, [=](int64_t c) { return double{shift[c]} + double{first[c]} * inverse; },
        [=](int64_t c) { return double{second[c]} - double{first[c]} * first[c] * inverse; });
    std::transform(moments.mean.begin(), moments.mean.end(), shift,
                   [](double v) { return static_cast<float>(v); });
  }
  return moments;
}

// Fills mean and rstd [C] from x [M, C] and updates the running statistics.
template <class T>
void batch_statistics(const T* x, int64_t M, int64_t C, const BatchNormSpec& spec,
                      float* running_mean, float* running_var, float* mean, float* rstd) {
  const int64_t threads = row_threads(M, C);
  std::vector<Moments> parts(static_cast<size_t>(threads), Moments(0));
  parallel_for(threads, 1, [&](int64_t t, int64_t last) {
    for (; t < last; ++t) {
      const auto [begin, end] = row_share(M, t, threads);
      parts[static_cast<size_t>(t)] = moments_of_rows(x, begin, end, C);
    }
  });
  Moments& all = parts[0];
  for (size_t t = 1; t < parts.size(); ++t) {
    const Moments& part = parts[t];
    all.join(part.count, [p = part.mean.data()](int64_t c) { return p[c]; },
             [p = part.m2.data()](int64_t c) { return p[c]; });
  }
  const double keep = 1.0 - double{spec.momentum};
  for (int64_t c = 0; c < C; ++c) {
    const double mu = all.mean[static_cast<size_t>(c)];
    const double m2 = std::max(0.0, all.m2[static_cast<size_t>(c)]);
    const double unbiased = m2 / static_cast<double>(std::max<int64_t>(1, M - 1));
    mean[c] = static_cast<float>(mu);
    rstd[c] = static_cast<float>(1.0 / std::sqrt(m2 / static_cast<double>(M) + double{spec.eps}));
    running_mean[c] = static_cast<float>(keep * double{running_mean[c]} + spec.momentum * mu);
    running_var[c] = static_cast<float>(keep * double{running_var[c]} + spec.momentum * unbiased);
  }
}

// One row of y = act((x - mean) * factor + b [+ residual]); every array [C]. A function with
// arguments by value: inside a threaded lambda the compiler (GCC 12) would reread what the lambda
// captured for every element instead of using SIMD.
template <class T, class Activation>
void apply_row(const T* x, const T* residual, const float* mean, const float* factor,
               const float* b, int64_t C, Activation act, T* y) {
  if (residual == nullptr) {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      store(act((static_cast<float>(x[c]) - mean[c]) * factor[c] + b[c]), y[c]);
    }
  } else {
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      const float z = (static_cast<float>(x[c]) - mean[c]) * factor[c] + b[c];
      store(act(z + static_cast<float>(residual[c])), y[c]);
    }
  }
}

}  // namespace

void batch_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual,
                        const BatchNormSpec& spec, Tensor& running_mean, Tensor& running_var,
                        Tensor& mean, Tensor& rstd, Tensor& y) {
  const int64_t C = x.shape()[-1], M = x.numel() / std::max<int64_t>(C, 1);
  float *mu = mean.data<float>(), *rs = rstd.data<float>();
  dispatch(x.dtype(), [&]<class T>() {
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
    std::transform(rs, rs + C, w.data<float>(), factor.begin(),
                   [&spec](float r, float gamma) { return r * spec.scale(gamma); });
    const auto run = [&](auto act) {
      parallel_for(M, row_grain(C), [&](int64_t begin, int64_t end) {
        for (int64_t m = end - 1; m >= begin; --m) {
          apply_row(x.data<T>() + m * C, residual.defined() ? residual.data<T>() + m * C : nullptr,
                    mu, factor.data(), b.data<float>(), C, act, y.data<T>() + m * C);
        }
      });
    };
    switch (spec.act.kind) {
      case Act::relu:
        return run([](float z) { return z < 0 ? 0.0f : z; });
      case Act::leaky_relu:
        return run([slope = spec.act.slope](float z) { return z < 0 ? z * slope : z; });
      case Act::relu6:
        return run([](float z) { return z < 0 ? 0.0f : z > kRelu6Top ? kRelu6Top : z; });
      default:
        return run([](float z) { return z; });
    }
  });
}

}  // namespace mld::cpu
