// Float64 kernels around the backbones' convolutions: pooling, blurring, squeeze-and-excitation.
#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

size_t size_of_dim(const Tensor& x, int i) { return static_cast<size_t>(x.shape()[i]); }

// ---- maximum ------------------------------------------------------------------------------------

void max_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& argmax, Tensor& y) {
  const Doubles in = read_doubles(x);
  const Shape &s = x.shape(), &o = y.shape();
  Doubles out(static_cast<size_t>(y.numel()));
  uint8_t* best = argmax.data<uint8_t>();
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t c = i % o[3], ow = i / o[3] % o[2], oh = i / (o[3] * o[2]) % o[1];
    const int64_t n = i / (o[3] * o[2] * o[1]);
    double largest = -HUGE_VAL;
    for (int k = 0; k < spec.kernel * spec.kernel; ++k) {
      const int64_t h = oh * spec.stride - spec.pad + k / spec.kernel;
      const int64_t w = ow * spec.stride - spec.pad + k % spec.kernel;
      if (h < 0 || w < 0 || h >= s[1] || w >= s[2]) {
        continue;
      }
      const double value = in[static_cast<size_t>(((n * s[1] + h) * s[2] + w) * s[3] + c)];
      if (value > largest) {
        largest = value;
        best[i] = static_cast<uint8_t>(k);
      }
    }
    out[static_cast<size_t>(i)] = largest;
  }
  write_doubles(y, out);
}

void max_pool_backward(const Tensor& dy, const Tensor& argmax, const PoolSpec& spec, Tensor& dx) {
  const Doubles grad = read_doubles(dy);
  const Shape &s = dx.shape(), &o = dy.shape();
  const uint8_t* best = argmax.data<uint8_t>();
  Doubles out(static_cast<size_t>(dx.numel()), 0.0);
  for (int64_t i = 0; i < dy.numel(); ++i) {
    const int64_t c = i % o[3], ow = i / o[3] % o[2], oh = i / (o[3] * o[2]) % o[1];
    const int64_t n = i / (o[3] * o[2] * o[1]);
    const int64_t h = oh * spec.stride - spec.pad + best[i] / spec.kernel;
    const int64_t w = ow * spec.stride - spec.pad + best[i] % spec.kernel;
    const int64_t to = ((n * s[1] + h) * s[2] + w) * s[3] + c;
    out[static_cast<size_t>(to)] += grad[static_cast<size_t>(i)];
  }
  write_doubles(dx, out);
}

// ---- means over windows -------------------------------------------------------------------------

// visit(element of y, element of x, weight) for every pixel of every window.
//   x [N, H, W, C], y [N, OH, OW, C]
using Visit = std::function<void(size_t, size_t, double)>;

void for_each_mean(const Shape& x, const Shape& y, const PoolSpec& spec, const Visit& visit) {
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t c = i % y[3], ow = i / y[3] % y[2], oh = i / (y[3] * y[2]) % y[1];
    const int64_t n = i / (y[3] * y[2] * y[1]);
    std::vector<size_t> seen;
    for (int64_t h = oh * spec.stride - spec.pad; h < oh * spec.stride - spec.pad + spec.kernel;
         ++h) {
      for (int64_t w = ow * spec.stride - spec.pad; w < ow * spec.stride - spec.pad + spec.kernel;
           ++w) {
        if (h >= 0 && w >= 0 && h < x[1] && w < x[2]) {
          seen.push_back(static_cast<size_t>(((n * x[1] + h) * x[2] + w) * x[3] + c));
        }
      }
    }
    for (const size_t at : seen) {
      visit(static_cast<size_t>(i), at, 1 / static_cast<double>(seen.size()));
    }
  }
}

// The same for blurring: a 3x3 window of fixed weights, the border reflected.
void for_each_blurred(const Shape& x, const Shape& y, const Visit& visit) {
  constexpr double kWeights[3] = {0.25, 0.5, 0.25};
  const auto reflected = [](int64_t i, int64_t size) {
    return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
  };
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t c = i % y[3], ow = i / y[3] % y[2], oh = i / (y[3] * y[2]) % y[1];
    const int64_t n = i / (y[3] * y[2] * y[1]);
    for (int64_t k = 0; k < 9; ++k) {
      const int64_t h = reflected(2 * oh + k / 3 - 1, x[1]);
      const int64_t w = reflected(2 * ow + k % 3 - 1, x[2]);
      visit(static_cast<size_t>(i), static_cast<size_t>(((n * x[1] + h) * x[2] + w) * x[3] + c),
            kWeights[k / 3] * kWeights[k % 3]);
    }
  }
}

// y = the weighted sums that `visit_all` describes; and the transpose.
template <class VisitAll>
void gather(const Tensor& x, Tensor& y, VisitAll visit_all) {
  const Doubles in = read_doubles(x);
  Doubles out(static_cast<size_t>(y.numel()), 0.0);
  visit_all([&](size_t to, size_t from, double weight) { out[to] += weight * in[from]; });
  write_doubles(y, out);
}
template <class VisitAll>
void scatter(const Tensor& dy, Tensor& dx, VisitAll visit_all) {
  const Doubles grad = read_doubles(dy);
  Doubles out(static_cast<size_t>(dx.numel()), 0.0);
  visit_all([&](size_t from, size_t to, double weight) { out[to] += weight * grad[from]; });
  write_doubles(dx, out);
}

void avg_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& y) {
  gather(x, y, [&](const Visit& v) { for_each_mean(x.shape(), y.shape(), spec, v); });
}
void avg_pool_backward(const Tensor& dy, const PoolSpec& spec, Tensor& dx) {
  scatter(dy, dx, [&](const Visit& v) { for_each_mean(dx.shape(), dy.shape(), spec, v); });
}
void blur_pool_forward(const Tensor& x, Tensor& y) {
  gather(x, y, [&](const Visit& v) { for_each_blurred(x.shape(), y.shape(), v); });
}
void blur_pool_backward(const Tensor& dy, Tensor& dx) {
  scatter(dy, dx, [&](const Visit& v) { for_each_blurred(dx.shape(), dy.shape(), v); });
}

// visit(element of y, element of x)
template <class Move>
void for_each_moved(const Shape& x, int64_t block, Move&& visit) {
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t c = i % x[3], w = i / x[3] % x[2], line = i / (x[3] * x[2]);
    const int64_t pixel = line / block * (x[2] / block) + w / block;
    const int64_t channel = (line % block * block + w % block) * x[3] + c;
    visit(static_cast<size_t>(pixel * block * block * x[3] + channel), static_cast<size_t>(i));
  }
}

void space_to_depth(const Tensor& x, int block, Tensor& y) {
  const Doubles in = read_doubles(x);
  Doubles out(in.size());
  for_each_moved(x.shape(), block, [&](size_t to, size_t from) { out[to] = in[from]; });
  write_doubles(y, out);
}
void depth_to_space(const Tensor& y, int block, Tensor& x) {
  const Doubles in = read_doubles(y);
  Doubles out(in.size());
  for_each_moved(x.shape(), block, [&](size_t from, size_t to) { out[to] = in[from]; });
  write_doubles(x, out);
}

// ---- squeeze and excitation ---------------------------------------------------------------------

void mean_tokens_forward(const Tensor& x, Tensor& y) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles in = read_doubles(x);
  Doubles out(static_cast<size_t>(y.numel()), 0.0);
  for (size_t i = 0; i < in.size(); ++i) {
    out[i / (L * C) * C + i % C] += in[i] / static_cast<double>(L);
  }
  write_doubles(y, out);
}

void mean_tokens_backward(const Tensor& dy, Tensor& dx) {
  const size_t L = size_of_dim(dx, 1), C = size_of_dim(dx, 2);
  const Doubles grad = read_doubles(dy);
  Doubles out(static_cast<size_t>(dx.numel()));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = grad[i / (L * C) * C + i % C] / static_cast<double>(L);
  }
  write_doubles(dx, out);
}

void scale_channels_forward(const Tensor& x, const Tensor& gate, Tensor& y) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  Doubles out = read_doubles(x);
  const Doubles factor = read_doubles(gate);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] *= factor[i / (L * C) * C + i % C];
  }
  write_doubles(y, out);
}

void scale_channels_backward(const Tensor& dy, const Tensor& x, const Tensor& gate, Tensor& dx,
                             Tensor& dgate) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles in = read_doubles(x), factor = read_doubles(gate);
  Doubles out = read_doubles(dy), sum(factor.size(), 0.0);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t at = i / (L * C) * C + i % C;
    sum[at] += out[i] * in[i];
    out[i] *= factor[at];
  }
  write_doubles(dx, out);
  write_doubles(dgate, sum);
}

// ---- principal vectors --------------------------------------------------------------------------

void max_tokens_forward(const Tensor& x, Tensor& argmax, Tensor& y) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles in = read_doubles(x);
  Doubles out(static_cast<size_t>(y.numel()));
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t first = i / C * L * C + i % C;
    size_t best = 0;
    for (size_t l = 1; l < L; ++l) {
      best = in[first + l * C] > in[first + best * C] ? l : best;
    }
    out[i] = in[first + best * C];
    argmax.data<int32_t>()[i] = static_cast<int32_t>(best);
  }
  write_doubles(y, out);
}

void max_tokens_backward(const Tensor& dy, const Tensor& argmax, Tensor& dx) {
  const size_t L = size_of_dim(dx, 1), C = size_of_dim(dx, 2);
  const Doubles grad = read_doubles(dy);
  Doubles out(static_cast<size_t>(dx.numel()), 0.0);
  for (size_t i = 0; i < grad.size(); ++i) {
    const auto l = static_cast<size_t>(argmax.data<int32_t>()[i]);
    out[(i / C * L + l) * C + i % C] = grad[i];
  }
  write_doubles(dx, out);
}

// The means, kept for backward, are float32 there: in float64 they are computed again.
Doubles token_means(const Tensor& x) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles in = read_doubles(x);
  Doubles means(in.size() / L, 0.0);
  for (size_t i = 0; i < in.size(); ++i) {
    means[i / (L * C) * C + i % C] += in[i] / static_cast<double>(L);
  }
  return means;
}

void variance_tokens_forward(const Tensor& x, Tensor& mean, Tensor& y) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles in = read_doubles(x), means = token_means(x);
  Doubles out(means.size(), 0.0);
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t at = i / (L * C) * C + i % C;
    out[at] += (in[i] - means[at]) * (in[i] - means[at]) / static_cast<double>(L - 1);
  }
  write_doubles(mean, means);
  write_doubles(y, out);
}

void variance_tokens_backward(const Tensor& dy, const Tensor& x, const Tensor&, Tensor& dx) {
  const size_t L = size_of_dim(x, 1), C = size_of_dim(x, 2);
  const Doubles grad = read_doubles(dy), means = token_means(x);
  Doubles out = read_doubles(x);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t at = i / (L * C) * C + i % C;
    out[i] = grad[at] * 2 * (out[i] - means[at]) / static_cast<double>(L - 1);
  }
  write_doubles(dx, out);
}

}  // namespace

void add_float64_pooling(KernelTable& table) {
  table.max_pool_forward = max_pool_forward;
  table.max_pool_backward = max_pool_backward;
  table.avg_pool_forward = avg_pool_forward;
  table.avg_pool_backward = avg_pool_backward;
  table.blur_pool_forward = blur_pool_forward;
  table.blur_pool_backward = blur_pool_backward;
  table.space_to_depth = space_to_depth;
  table.depth_to_space = depth_to_space;
  table.mean_tokens_forward = mean_tokens_forward;
  table.mean_tokens_backward = mean_tokens_backward;
  table.max_tokens_forward = max_tokens_forward;
  table.max_tokens_backward = max_tokens_backward;
  table.variance_tokens_forward = variance_tokens_forward;
  table.variance_tokens_backward = variance_tokens_backward;
  table.scale_channels_forward = scale_channels_forward;
  table.scale_channels_backward = scale_channels_backward;
}

}  // namespace mld::parity
