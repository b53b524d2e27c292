// Batch norm's gradient: one pass for two sums per channel, one for dx. With dz = dy * act'(y),
//   db = sum dz,  dw = scale'(w) sum dz xhat,
//   dx = scale(w) rstd (dz - mean(dz) - xhat mean(dz xhat)),
// where the means are absent when the statistics were fixed.
#include <limits>

#include "core/cpu/support/channel_sums.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Sums of term over all rows of an [M, C] matrix, as add_rows() takes it.   first, second [C]
template <class Term>
void channel_sums(int64_t M, int64_t C, const Term& term, std::vector<double>& first,
                  std::vector<double>& second) {
  const int64_t threads = row_threads(M, C);
  std::vector<double> parts(static_cast<size_t>(threads * 2 * C));
  parallel_for(threads, 1, [&](int64_t t, int64_t last) {
    for (; t < last; ++t) {
      double* part = parts.data() + t * 2 * C;
      std::vector<float> block(static_cast<size_t>(2 * C));
      const auto [begin, end] = row_share(M, t, threads);
      for (int64_t row = begin; row < end; row += kSumRows) {
        std::fill(block.begin(), block.end(), 0.0f);
        add_rows(row, std::min(end, row + kSumRows), C, term, block.data(), block.data() + C);
        std::transform(block.begin(), block.end(), part, part,
                       [](float a, double b) { return double{a} + b; });
      }
    }
  });
  first.assign(static_cast<size_t>(C), 0.0);
  second.assign(static_cast<size_t>(C), 0.0);
  for (int64_t t = 0; t < threads; ++t) {
    const double* part = parts.data() + t * 2 * C;
    std::transform(first.begin(), first.end(), part, first.begin(), std::plus<double>());
    std::transform(second.begin(), second.end(), part + C, second.begin(), std::plus<double>());
  }
}

// What both passes read. dz(i, c) is the gradient before the activation at element i, channel c.
template <class T>
struct Inputs {
  const T *dy, *x, *y;
  const float* mean;
  float slope;  // the activation's derivative where y is not within (0, top)
  float top;    // where relu6 is flat again; infinity for the others

  float dz(int64_t i) const {
    const float g = static_cast<float>(dy[i]), v = static_cast<float>(y[i]);
    return (v > 0) & (v < top) ? g : g * slope;
  }
  float centred(int64_t i, int64_t c) const { return static_cast<float>(x[i]) - mean[c]; }
};

// One row of dx = factor * (dz - offset - (x - mean) * tilt); i is its first element, dz_of(i)
// gives dz. By value, for the reason given at apply_row in batch_norm.cpp.
//   factor, offset, tilt [C]
template <class T, class DzOf>
void apply_row(Inputs<T> in, DzOf dz_of, const float* factor, const float* offset,
               const float* tilt, int64_t i, int64_t C, T* dx) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    store(factor[c] * (dz_of(i + c) - offset[c] - in.centred(i + c, c) * tilt[c]), dx[i + c]);
  }
}

}  // namespace

void batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& w,
                         const Tensor& mean, const Tensor& rstd, const BatchNormSpec& spec,
                         Tensor& dx, Tensor& dw, Tensor& db, Tensor& dresidual) {
  const int64_t C = x.shape()[-1], M = x.numel() / std::max<int64_t>(C, 1);
  const Act kind = spec.act.kind;
  const float slope = kind == Act::identity ? 1.0f
                      : kind == Act::leaky_relu ? spec.act.slope : 0.0f;
  const float top = kind == Act::relu6 ? kRelu6Top : std::numeric_limits<float>::infinity();
  dispatch(x.dtype(), [&]<class T>() {
    const Inputs<T> in{dy.data<T>(), x.data<T>(), y.data<T>(), mean.data<float>(), slope,
                       top};
    T* dz = dresidual.defined() ? dresidual.data<T>() : nullptr;
    std::vector<double> sum, sum_x;
    if (dz == nullptr) {
      channel_sums(M, C, [in](int64_t i, int64_t c) {
        const float g = in.dz(i);
        return Terms{g, g * in.centred(i, c)};
      }, sum, sum_x);
    } else {
      channel_sums(M, C, [in, dz](int64_t i, int64_t c) {
        const float g = in.dz(i);
        store(g, dz[i]);
        return Terms{g, g * in.centred(i, c)};
      }, sum, sum_x);
    }
    std::vector<float> line(static_cast<size_t>(3 * C));  // factor, offset, tilt
    for (int64_t c = 0; c < C; ++c) {
      const size_t i = static_cast<size_t>(c);
      const double rstd_c = double{rstd.data<float>()[c]}, rows = static_cast<double>(M);
      db.data<float>()[c] = static_cast<float>(sum[i]);
      const float gamma = w.data<float>()[c];
      dw.data<float>()[c] = spec.scale_slope(gamma) * static_cast<float>(sum_x[i] * rstd_c);
      line[i] = spec.scale(gamma) * rstd.data<float>()[c];
      line[i + static_cast<size_t>(C)] = spec.training ? static_cast<float>(sum[i] / rows) : 0.0f;
      line[i + static_cast<size_t>(2 * C)] =
          spec.training ? static_cast<float>(sum_x[i] * rstd_c * rstd_c / rows) : 0.0f;
    }
    const auto run = [&](auto dz_of) {
      parallel_for(M, row_grain(C), [&, factor = line.data()](int64_t begin, int64_t end) {
        for (int64_t m = end - 1; m >= begin; --m) {  // backwards: see batch_norm.cpp
          apply_row(in, dz_of, factor, factor + C, factor + 2 * C, m * C, C, dx.data<T>());
        }
      });
    };
    if (dz == nullptr) {
      run([in](int64_t i) { return in.dz(i); });
    } else {
      run([dz](int64_t i) { return static_cast<float>(dz[i]); });
    }
  });
}

}  // namespace mld::cpu
