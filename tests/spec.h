// The specification: what every op computes, as plain loops in float64.
//
// Nothing here is fast or clever. Every backend's forward result is compared with these functions,
// and every gradient with their numeric derivative (op_case.h). Shape letters are ops.h's.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/specs.h"
#include "tests/array.h"
#include "tests/spec_conv.h"

namespace mld::spec {

// y[i] = f(x[i])
template <class F>
Array map(const Array& x, F f) {
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i] = f(x[i]);
  }
  return y;
}

// ---- elementwise --------------------------------------------------------------------------------

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

inline double act(double x, const ActivationSpec& spec) {
  switch (spec.kind) {
    case Act::identity: return x;
    case Act::relu: return std::max(x, 0.0);
    case Act::leaky_relu: return x > 0 ? x : spec.slope * x;
    case Act::relu6: return std::min(std::max(x, 0.0), 6.0);
    case Act::gelu: return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Act::quick_gelu: return x * sigmoid(1.702 * x);
    case Act::sigmoid: return sigmoid(x);
    case Act::softplus: return softplus(x);
    case Act::exponential: return std::exp(x);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

inline Array activation(const Array& x, const ActivationSpec& spec) {
  return map(x, [&](double v) { return act(v, spec); });
}

inline Array add(const Array& a, const Array& b) {
  Array y(a.shape);
  for (int64_t i = 0; i < y.numel(); ++i) {
    y[i] = a[i] + b[i];
  }
  return y;
}

inline Array scale(const Array& x, double factor) {
  return map(x, [&](double v) { return factor * v; });
}

// The factor dropout applies to element i: 1 / (1 - p) if it is kept, else 0.
inline double dropout_factor(const DropoutSpec& spec, int64_t i) {
  RandomKey key = spec.key;
  if (spec.step.defined()) {  // Note [Replay] in core/specs.h
    key.step = static_cast<uint64_t>(spec.step.to(Device{}).data<int64_t>()[0]);
  }
  const bool kept = random_uniform(key, static_cast<uint64_t>(i)) >= spec.p;
  return kept ? 1 / (1 - static_cast<double>(spec.p)) : 0;
}

inline Array dropout(const Array& x, const DropoutSpec& spec) {
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i] = x[i] * dropout_factor(spec, i);
  }
  return y;
}

inline Array drop_path(const Array& x, const DropoutSpec& spec) {  // per picture of [N, ...]
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i] = x[i] * dropout_factor(spec, i / (x.numel() / x.dim(0)));
  }
  return y;
}

// Box and Muller from the stream's uniform numbers 4b, 4b + 1 (elements 4b, 4b + 1), and so on.
inline Array gaussian_noise(const Array& x, const NoiseSpec& spec) {
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto pair = static_cast<uint64_t>(i / 2 * 2);
    const double u = 1 - static_cast<double>(random_uniform(spec.key, pair));
    const double turn = static_cast<double>(random_uniform(spec.key, pair + 1));
    const double angle = 2 * std::numbers::pi * turn, radius = std::sqrt(-2 * std::log(u));
    const double draw = radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    y[i] = x[i] + static_cast<double>(spec.std) * draw;
  }
  return y;
}

// ---- movement -----------------------------------------------------------------------------------

inline Array reshape(const Array& x, const Shape& shape) {
  Array y(shape);
  y.values = x.values;
  return y;
}

inline Array repeat_batch(const Array& x, int64_t N) {  // [R, D] -> [N, R, D]
  Array y({N, x.dim(0), x.dim(1)});
  for (int64_t i = 0; i < y.numel(); ++i) {
    y[i] = x[i % x.numel()];
  }
  return y;
}

inline Array concat(const Array& a, const Array& b, const Shape& shape) {
  Array y(shape);
  std::ranges::copy(a.values, y.values.begin());
  std::ranges::copy(b.values, y.values.begin() + a.numel());
  return y;
}

inline Array transpose(const Array& x) {  // [B, M, C] -> [B, C, M]
  Array y({x.dim(0), x.dim(2), x.dim(1)});
  for (int64_t b = 0; b < x.dim(0); ++b) {
    for (int64_t m = 0; m < x.dim(1); ++m) {
      for (int64_t c = 0; c < x.dim(2); ++c) {
        y(b, c, m) = x(b, m, c);
      }
    }
  }
  return y;
}

inline Array rows(const Array& x, int64_t begin, int64_t end) {  // [R, C] -> [end - begin, C]
  Array y({end - begin, x.dim(1)});
  for (int64_t i = 0; i < y.numel(); ++i) {
    y[i] = x[begin * x.dim(1) + i];
  }
  return y;
}

inline Array join_tokens(const Array& a, const Array& b) {  // [N, A, C], [N, B, C]
  const int64_t A = a.dim(1);
  Array y({a.dim(0), A + b.dim(1), a.dim(2)});
  for (int64_t n = 0; n < y.dim(0); ++n)
    for (int64_t t = 0; t < y.dim(1); ++t)
      for (int64_t c = 0; c < y.dim(2); ++c) {
        y(n, t, c) = t < A ? a(n, t, c) : b(n, t - A, c);
      }
  return y;
}

inline Array slice_tokens(const Array& x, int64_t begin, int64_t end) {  // [N, L, C]
  Array y({x.dim(0), end - begin, x.dim(2)});
  for (int64_t n = 0; n < y.dim(0); ++n)
    for (int64_t t = 0; t < y.dim(1); ++t)
      for (int64_t c = 0; c < y.dim(2); ++c) {
        y(n, t, c) = x(n, begin + t, c);
      }
  return y;
}

// [N, H, W, C] -> [N, H/b, W/b, b^2 C]; pixel (row, column) of a block becomes channels
// (row * b + column) * C ...
inline Array space_to_depth(const Array& x, int64_t b) {
  const int64_t C = x.dim(3);
  Array y({x.dim(0), x.dim(1) / b, x.dim(2) / b, b * b * C});
  for (int64_t n = 0; n < x.dim(0); ++n)
    for (int64_t h = 0; h < x.dim(1); ++h)
      for (int64_t w = 0; w < x.dim(2); ++w)
        for (int64_t c = 0; c < C; ++c) {
          y(n, h / b, w / b, (h % b * b + w % b) * C + c) = x(n, h, w, c);
        }
  return y;
}

// ---- normalisation ------------------------------------------------------------------------------

struct Moments {
  double mean = 0, variance = 0;  // variance: divided by the count, not the count - 1
};

// Of x[first], x[first + step], ... (count elements).
inline Moments moments(const Array& x, int64_t first, int64_t step, int64_t count) {
  Moments m;
  for (int64_t i = 0; i < count; ++i) {
    m.mean += x[first + i * step] / static_cast<double>(count);
  }
  for (int64_t i = 0; i < count; ++i) {
    m.variance += std::pow(x[first + i * step] - m.mean, 2) / static_cast<double>(count);
  }
  return m;
}

// w * (x - mean) / sqrt(var + eps) + b per channel, |w| + eps for w with abs_scale; mean and var
// are the batch's in training, else the running ones.
//   x [N, H, W, C]; w, b, running_mean, running_var [C]
inline Array batch_norm(const Array& x, const Array& w, const Array& b, const Array& running_mean,
                        const Array& running_var, const BatchNormSpec& spec) {
  const int64_t C = x.dim(3), count = x.numel() / C;
  Array y(x.shape);
  for (int64_t c = 0; c < C; ++c) {
    const Moments m = spec.training ? moments(x, c, C, count)
                                    : Moments{running_mean[c], running_var[c]};
    for (int64_t i = c; i < x.numel(); i += C) {
      const double scale = spec.abs_scale ? std::abs(w[c]) + spec.eps : w[c];
      y[i] = scale * (x[i] - m.mean) / std::sqrt(m.variance + spec.eps) + b[c];
    }
  }
  return y;
}

// (x - mean) / sqrt(var + eps) of each row.   x [..., C]
inline Array layer_norm(const Array& x, const LayerNormSpec& spec = {}) {
  const int64_t C = x.dim(-1);
  Array y(x.shape);
  for (int64_t row = 0; row < x.numel(); row += C) {
    const Moments m = moments(x, row, 1, C);
    for (int64_t i = row; i < row + C; ++i) {
      y[i] = (x[i] - m.mean) / std::sqrt(m.variance + spec.eps);
    }
  }
  return y;
}

// The same, times w, plus b.   w, b [C]
inline Array layer_norm(const Array& x, const Array& w, const Array& b,
                        const LayerNormSpec& spec = {}) {
  Array y = layer_norm(x, spec);
  for (int64_t i = 0; i < y.numel(); ++i) {
    y[i] = y[i] * w[i % w.numel()] + b[i % b.numel()];
  }
  return y;
}

inline Array l2_normalize(const Array& x) {  // rows of [..., C] to length one
  const int64_t C = x.dim(-1);
  Array y(x.shape);
  for (int64_t row = 0; row < x.numel(); row += C) {
    double squares = 0;
    for (int64_t i = row; i < row + C; ++i) {
      squares += x[i] * x[i];
    }
    for (int64_t i = row; i < row + C; ++i) {
      y[i] = x[i] / std::max(std::sqrt(squares), 1e-12);
    }
  }
  return y;
}

// ---- pooling and channels -----------------------------------------------------------------------

// reduce(sum, largest, count) of each window's pixels inside x.   [N, H, W, C] -> [N, OH, OW, C]
template <class Reduce>
Array pool(const Array& x, const PoolSpec& s, Reduce reduce) {
  const int64_t H = x.dim(1), W = x.dim(2), C = x.dim(3);
  Array y({x.dim(0), windows(H, s.kernel, s.stride, s.pad, s.ceil_mode),
           windows(W, s.kernel, s.stride, s.pad, s.ceil_mode), C});
  for (int64_t n = 0; n < y.dim(0); ++n)
    for (int64_t oh = 0; oh < y.dim(1); ++oh)
      for (int64_t ow = 0; ow < y.dim(2); ++ow)
        for (int64_t c = 0; c < C; ++c) {
          double sum = 0, largest = -std::numeric_limits<double>::infinity();
          int count = 0;
          for (int64_t h = oh * s.stride - s.pad; h < oh * s.stride - s.pad + s.kernel; ++h)
            for (int64_t w = ow * s.stride - s.pad; w < ow * s.stride - s.pad + s.kernel; ++w) {
              if (h < 0 || h >= H || w < 0 || w >= W) continue;
              sum += x(n, h, w, c);
              largest = std::max(largest, x(n, h, w, c));
              ++count;
            }
          y(n, oh, ow, c) = reduce(sum, largest, count);
        }
  return y;
}

inline Array max_pool(const Array& x, const PoolSpec& spec) {
  return pool(x, spec, [](double, double largest, int) { return largest; });
}
inline Array avg_pool(const Array& x, const PoolSpec& spec) {  // padding is not counted
  return pool(x, spec, [](double sum, double, int count) { return sum / count; });
}

// A 3x3 cross-correlation with [1, 2, 1] x [1, 2, 1] / 16 per channel, stride 2, over x with one
// more pixel on each side: the border's neighbour, reflected.
inline Array blur_pool(const Array& x) {
  const int64_t H = x.dim(1), W = x.dim(2);
  const auto reflected = [](int64_t i, int64_t n) {
    return i < 0 ? -i : i < n ? i : 2 * n - 2 - i;
  };
  Array y({x.dim(0), windows(H, 3, 2, 1), windows(W, 3, 2, 1), x.dim(3)});
  for (int64_t n = 0; n < y.dim(0); ++n)
    for (int64_t oh = 0; oh < y.dim(1); ++oh)
      for (int64_t ow = 0; ow < y.dim(2); ++ow)
        for (int64_t c = 0; c < y.dim(3); ++c)
          for (int64_t i = -1; i <= 1; ++i)
            for (int64_t j = -1; j <= 1; ++j) {
              const auto weight = static_cast<double>((2 - i * i) * (2 - j * j)) / 16;
              y(n, oh, ow, c) +=
                  weight * x(n, reflected(2 * oh + i, H), reflected(2 * ow + j, W), c);
            }
  return y;
}

// Mean and unbiased variance over the positions.   [N, L, C] -> [N, C]
inline Array mean_tokens(const Array& x) {
  const int64_t N = x.dim(0), L = x.dim(1), C = x.dim(2);
  Array y({N, C});
  for (int64_t i = 0; i < N * C; ++i) {
    y[i] = moments(x, i / C * L * C + i % C, C, L).mean;
  }
  return y;
}
inline Array variance_tokens(const Array& x) {
  const int64_t N = x.dim(0), L = x.dim(1), C = x.dim(2);
  Array y({N, C});
  for (int64_t i = 0; i < N * C; ++i) {
    const double biased = moments(x, i / C * L * C + i % C, C, L).variance;
    y[i] = biased * static_cast<double>(L) / static_cast<double>(L - 1);
  }
  return y;
}

inline Array scale_channels(const Array& x, const Array& gate) {  // [N, H, W, C], [N, 1, 1, C]
  const int64_t C = x.dim(3), image = x.numel() / x.dim(0);
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i] = x[i] * gate(i / image, 0, 0, i % C);
  }
  return y;
}

}  // namespace mld::spec

#include "tests/spec_heads.h"
