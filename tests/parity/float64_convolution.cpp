// Float64 kernels of the backbones: convolution as a matrix product, batch norm.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

// The sizes of one convolution, and the walk over the input pixels under each kernel position.
struct Geometry {
  size_t N, H, W, C, O, KH, KW, OH, OW, G;
  Conv2dSpec spec;

  Geometry(const Shape& x, const Shape& w, const Shape& y, const Conv2dSpec& spec_) : spec(spec_) {
    const auto size = [](int64_t n) { return static_cast<size_t>(n); };
    N = size(x[0]), H = size(x[1]), W = size(x[2]), C = size(x[3]);
    O = size(w[0]), KH = size(w[1]), KW = size(w[2]);
    OH = size(y[1]), OW = size(y[2]), G = size(spec_.groups);
  }
  size_t pixels() const { return N * OH * OW; }
  size_t depth() const { return KH * KW * (C / G); }  // of one group's matrix product

  // visit(index in a row of columns, index of the channels in x) per output pixel `m` and position.
  template <class Visit>
  void positions(size_t m, size_t group, Visit&& visit) const {
    const size_t n = m / (OH * OW), oh = m / OW % OH, ow = m % OW;
    for (size_t kh = 0; kh < KH; ++kh) {
      for (size_t kw = 0; kw < KW; ++kw) {
        const auto at = [&](size_t o, size_t k, size_t in, size_t kernel) {
          return static_cast<int64_t>(o) * spec.stride -
                 spec.before(static_cast<int64_t>(in), static_cast<int64_t>(kernel)) +
                 static_cast<int64_t>(k) * spec.dilation;
        };
        const int64_t h = at(oh, kh, H, KH), w = at(ow, kw, W, KW);
        if (h >= 0 && w >= 0 && h < static_cast<int64_t>(H) && w < static_cast<int64_t>(W)) {
          const size_t pixel = (n * H + static_cast<size_t>(h)) * W + static_cast<size_t>(w);
          visit((kh * KW + kw) * (C / G), pixel * C + group * (C / G));
        }
      }
    }
  }
};

// The inputs under each output pixel, a row each.   x [N, H, W, C] -> [pixels, depth]
Doubles columns_of(const Doubles& x, const Geometry& g, size_t group) {
  Doubles columns(g.pixels() * g.depth(), 0.0);
  for (size_t m = 0; m < g.pixels(); ++m) {
    g.positions(m, group, [&](size_t to, size_t from) {
      std::copy_n(&x[from], g.C / g.G, &columns[m * g.depth() + to]);
    });
  }
  return columns;
}

// A group's columns of a matrix [rows, O], and back.
Doubles group_columns(const Doubles& y, const Geometry& g, size_t group) {
  const size_t width = g.O / g.G;
  Doubles out(g.pixels() * width);
  for (size_t m = 0; m < g.pixels(); ++m) {
    std::copy_n(&y[m * g.O + group * width], width, &out[m * width]);
  }
  return out;
}

// A group's rows of the weight.   w [O, depth] -> [O / G, depth]
Doubles group_weight(const Doubles& w, const Geometry& g, size_t group) {
  const size_t size = g.O / g.G * g.depth();
  const auto begin = w.begin() + static_cast<std::ptrdiff_t>(group * size);
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}

double slope_below_zero(const ActivationSpec& act) {
  return act.kind == Act::identity ? 1 : act.kind == Act::leaky_relu ? double{act.slope} : 0;
}

double activate(double z, const ActivationSpec& act) {
  const double y = z > 0 ? z : z * slope_below_zero(act);
  return act.kind == Act::relu6 ? std::min(y, 6.0) : y;
}

// The derivative where the result is y.
double derivative(double y, const ActivationSpec& act) {
  const bool flat = act.kind == Act::relu6 && y >= 6;
  return flat ? 0 : y > 0 ? 1 : slope_below_zero(act);
}

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  const Geometry g(x.shape(), w.shape(), y.shape(), spec);
  const Doubles in = read_doubles(x), weight = read_doubles(w);
  const Doubles b = bias.defined() ? read_doubles(bias) : Doubles(g.O, 0.0);
  const Doubles add = residual.defined() ? read_doubles(residual) : Doubles();
  Doubles out(g.pixels() * g.O);
  const size_t width = g.O / g.G;
  for (size_t group = 0; group < g.G; ++group) {
    const Doubles product =
        multiply(columns_of(in, g, group),
                 transposed(group_weight(weight, g, group), width, g.depth()), g.pixels(), width,
                 g.depth());
    for (size_t m = 0; m < g.pixels(); ++m) {
      for (size_t o = 0; o < width; ++o) {
        const size_t channel = group * width + o, i = m * g.O + channel;
        out[i] = activate(product[m * width + o] + b[channel] + (add.empty() ? 0 : add[i]),
                          spec.act);
      }
    }
  }
  write_doubles(y, out);
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  const Geometry g(dx.shape(), w.shape(), dy.shape(), spec);
  const Doubles grad = read_doubles(dy), weight = read_doubles(w);
  Doubles out(static_cast<size_t>(dx.numel()), 0.0);
  for (size_t group = 0; group < g.G; ++group) {
    const Doubles columns = multiply(group_columns(grad, g, group), group_weight(weight, g, group),
                                     g.pixels(), g.depth(), g.O / g.G);
    for (size_t m = 0; m < g.pixels(); ++m) {
      g.positions(m, group, [&](size_t from, size_t to) {
        for (size_t c = 0; c < g.C / g.G; ++c) {
          out[to + c] += columns[m * g.depth() + from + c];
        }
      });
    }
  }
  write_doubles(dx, out);
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  const Geometry g(x.shape(), dw.shape(), dy.shape(), spec);
  const Doubles grad = read_doubles(dy), in = read_doubles(x);
  const size_t width = g.O / g.G;
  Doubles out;
  for (size_t group = 0; group < g.G; ++group) {
    const Doubles part =
        multiply(transposed(group_columns(grad, g, group), g.pixels(), width),
                 columns_of(in, g, group), width, g.depth(), g.pixels());
    out.insert(out.end(), part.begin(), part.end());
  }
  write_doubles(dw, out);
}

// ---- batch norm ---------------------------------------------------------------------------------

// sum over rows of f(row, channel), per channel
template <class F>
Doubles channel_sum(size_t M, size_t C, F&& f) {
  Doubles sum(C, 0.0);
  for (size_t m = 0; m < M; ++m) {
    for (size_t c = 0; c < C; ++c) {
      sum[c] += f(m * C + c, c);
    }
  }
  return sum;
}

void batch_statistics(const Doubles& in, size_t C, const BatchNormSpec& spec, Tensor& running_mean,
                      Tensor& running_var, Doubles& mu, Doubles& variance) {
  const size_t M = in.size() / C;
  const double n = static_cast<double>(M), momentum = spec.momentum;
  mu = channel_sum(M, C, [&](size_t i, size_t) { return in[i]; });
  for (double& value : mu) {
    value /= n;
  }
  variance = channel_sum(M, C, [&](size_t i, size_t c) { return std::pow(in[i] - mu[c], 2); });
  Doubles mean_after = read_doubles(running_mean), var_after = read_doubles(running_var);
  for (size_t c = 0; c < C; ++c) {
    mean_after[c] += momentum * (mu[c] - mean_after[c]);
    var_after[c] += momentum * (variance[c] / (n - 1) - var_after[c]);
    variance[c] /= n;
  }
  write_doubles(running_mean, mean_after);
  write_doubles(running_var, var_after);
}

double scale_of(double gamma, const BatchNormSpec& spec) {
  return spec.abs_scale ? std::abs(gamma) + static_cast<double>(spec.eps) : gamma;
}

void batch_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual,
                        const BatchNormSpec& spec, Tensor& running_mean, Tensor& running_var,
                        Tensor& mean, Tensor& rstd, Tensor& y) {
  const Doubles in = read_doubles(x), gamma = read_doubles(w), beta = read_doubles(b);
  const Doubles add = residual.defined() ? read_doubles(residual) : Doubles();
  const size_t C = gamma.size();
  Doubles mu, scale;
  if (spec.training) {
    batch_statistics(in, C, spec, running_mean, running_var, mu, scale);
  } else {
    mu = read_doubles(running_mean);
    scale = read_doubles(running_var);
  }
  for (double& variance : scale) {
    variance = 1 / std::sqrt(variance + static_cast<double>(spec.eps));
  }
  Doubles out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t c = i % C;
    const double z = (in[i] - mu[c]) * scale[c] * scale_of(gamma[c], spec) + beta[c];
    out[i] = activate(z + (add.empty() ? 0 : add[i]), spec.act);
  }
  write_doubles(mean, mu);
  write_doubles(rstd, scale);
  write_doubles(y, out);
}

void batch_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, const Tensor& w,
                         const Tensor& mean, const Tensor& rstd, const BatchNormSpec& spec,
                         Tensor& dx, Tensor& dw, Tensor& db, Tensor& dresidual) {
  Doubles dz = read_doubles(dy), xhat = read_doubles(x);
  const Doubles out = read_doubles(y), gamma = read_doubles(w);
  const Doubles mu = read_doubles(mean), scale = read_doubles(rstd);
  const size_t C = gamma.size(), M = dz.size() / C;
  for (size_t i = 0; i < dz.size(); ++i) {
    dz[i] *= derivative(out[i], spec.act);
    xhat[i] = (xhat[i] - mu[i % C]) * scale[i % C];
  }
  const Doubles sum = channel_sum(M, C, [&](size_t i, size_t) { return dz[i]; });
  const Doubles dot = channel_sum(M, C, [&](size_t i, size_t) { return dz[i] * xhat[i]; });
  Doubles dgamma = dot;
  for (size_t c = 0; c < C; ++c) {
    dgamma[c] *= spec.abs_scale && gamma[c] < 0 ? -1 : 1;
  }
  write_doubles(db, sum);
  write_doubles(dw, dgamma);
  if (dresidual.defined()) {
    write_doubles(dresidual, dz);
  }
  const double n = static_cast<double>(M);
  for (size_t i = 0; i < dz.size(); ++i) {
    const size_t c = i % C;
    const double centred = spec.training ? dz[i] - sum[c] / n - xhat[i] * dot[c] / n : dz[i];
    dz[i] = scale_of(gamma[c], spec) * scale[c] * centred;
  }
  write_doubles(dx, dz);
}

}  // namespace

void add_float64_convolution(KernelTable& table) {
  table.conv2d_forward = conv2d_forward;
  table.conv2d_backward_data = conv2d_backward_data;
  table.conv2d_backward_weight = conv2d_backward_weight;
  table.batch_norm_forward = batch_norm_forward;
  table.batch_norm_backward = batch_norm_backward;
}

}  // namespace mld::parity
