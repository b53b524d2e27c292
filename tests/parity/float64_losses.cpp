// Float64 kernels of the losses: binary cross-entropy, ASL, cross-entropy, SDL.
#include <algorithm>
#include <cmath>

#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

// One per element of x; all 1 where there are none.
Doubles weights_of(const Tensor& weights, const Tensor& x) {
  return weights.defined() ? read_doubles(weights)
                           : Doubles(static_cast<size_t>(x.numel()), 1.0);
}

void binary_cross_entropy_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                                  Tensor& loss) {
  const Doubles in = read_doubles(x), target = read_doubles(y), w = weights_of(weights, x);
  double sum = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    sum += w[i] * (std::max(in[i], 0.0) - in[i] * target[i] +
                   std::log1p(std::exp(-std::abs(in[i]))));
  }
  write_doubles(loss, {sum / static_cast<double>(in.size())});
}

void binary_cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                                   const Tensor& weights, Tensor& dx) {
  Doubles out = read_doubles(x);
  const Doubles target = read_doubles(y), w = weights_of(weights, x);
  const double factor = read_doubles(dloss)[0] / static_cast<double>(out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = factor * w[i] * (1 / (1 + std::exp(-out[i])) - target[i]);
  }
  write_doubles(dx, out);
}

// The log-softmax of each row.   x [N, K]
Doubles log_probabilities(const Tensor& x) {
  Doubles out = read_doubles(x);
  const auto K = static_cast<std::ptrdiff_t>(x.shape()[1]);
  for (auto row = out.begin(); row != out.end(); row += K) {
    const double top = *std::max_element(row, row + K);
    double sum = 0;
    std::for_each(row, row + K, [&](double v) { sum += std::exp(v - top); });
    std::for_each(row, row + K, [&](double& v) { v -= top + std::log(sum); });
  }
  return out;
}

void cross_entropy_forward(const Tensor& x, const Tensor& y, Tensor& loss) {
  const Doubles log_p = log_probabilities(x), target = read_doubles(y);
  double sum = 0;
  for (size_t i = 0; i < log_p.size(); ++i) {
    sum -= target[i] * log_p[i];
  }
  write_doubles(loss, {sum / static_cast<double>(x.shape()[0])});
}

void cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y, Tensor& dx) {
  Doubles out = log_probabilities(x);
  const Doubles target = read_doubles(y);
  const auto K = static_cast<size_t>(x.shape()[1]);
  const double factor = read_doubles(dloss)[0] / static_cast<double>(x.shape()[0]);
  for (size_t row = 0; row < out.size(); row += K) {
    double mass = 0;
    for (size_t k = row; k < row + K; ++k) {
      mass += target[k];
    }
    for (size_t k = row; k < row + K; ++k) {
      out[k] = factor * (mass * std::exp(out[k]) - target[k]);
    }
  }
  write_doubles(dx, out);
}

// One element: p = sigmoid(x), q = min(1 - p + clip, 1), and what of them the loss is made of.
struct Asl {
  double p, q, base, gamma, log_p, log_q;

  Asl(double x, double y, const AslSpec& s)
      : p(1 / (1 + std::exp(-x))),
        q(s.clip > 0 ? std::min(1 - p + static_cast<double>(s.clip), 1.0) : 1 - p),
        base(1 - (p * y + q * (1 - y))),
        gamma(static_cast<double>(s.gamma_pos) * y + static_cast<double>(s.gamma_neg) * (1 - y)),
        log_p(std::log(std::max(p, static_cast<double>(s.eps)))),
        log_q(std::log(std::max(q, static_cast<double>(s.eps)))) {}
  double focus() const { return gamma == 0 ? 1 : std::pow(base, gamma); }
  double log_likelihood(double y) const { return y * log_p + (1 - y) * log_q; }
};

void asymmetric_loss_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                             const AslSpec& spec, Tensor& loss) {
  const Doubles in = read_doubles(x), target = read_doubles(y), w = weights_of(weights, x);
  double sum = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const Asl e(in[i], target[i], spec);
    sum -= w[i] * e.focus() * e.log_likelihood(target[i]);
  }
  write_doubles(loss, {sum});
}

void asymmetric_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                              const Tensor& weights, const AslSpec& spec, Tensor& dx) {
  Doubles out = read_doubles(x);
  const Doubles target = read_doubles(y), w = weights_of(weights, x);
  const double factor = read_doubles(dloss)[0], eps = spec.eps;
  for (size_t i = 0; i < out.size(); ++i) {
    const double t = target[i];
    const Asl e(out[i], t, spec);
    const double slope = e.p * (1 - e.p);
    const double dq = spec.clip > 0 && e.q >= 1 ? 0 : -slope;
    const double d_log = t * (e.p >= eps ? slope / e.p : 0) +
                         (1 - t) * (e.q >= eps ? dq / e.q : 0);
    double d = -e.focus() * d_log;
    if (!spec.detach_weights && e.gamma != 0 && e.base > 0) {
      d += e.log_likelihood(t) * e.gamma * std::pow(e.base, e.gamma - 1) *
           (t * slope + (1 - t) * dq);
    }
    out[i] = factor * w[i] * d;
  }
  write_doubles(dx, out);
}

// ---- SDL ----------------------------------------------------------------------------------------

struct SdlPicture {
  std::vector<size_t> present, absent;
  double omega = 1;

  // n: the picture's row of y and w [N, K]
  SdlPicture(size_t n, const Doubles& y, const Doubles& w, const Tensor& words) {
    const auto K = static_cast<size_t>(words.shape()[0]), D = static_cast<size_t>(words.shape()[1]);
    for (size_t k = 0; k < K; ++k) {
      if (w[n * K + k] != 0) {
        (y[n * K + k] >= 0.5 ? present : absent).push_back(k);
      }
    }
    const Doubles vectors = read_doubles(words);
    for (size_t d = 0; d < D && present.size() > 1; ++d) {
      double sum = 0, squares = 0;
      for (const size_t k : present) {
        sum += vectors[k * D + d];
        squares += vectors[k * D + d] * vectors[k * D + d];
      }
      omega += (squares - sum * sum / count()) / (count() - 1);
    }
  }
  double count() const { return static_cast<double>(present.size()); }
  // visit(p, q, s_q - s_p), or with q = p and -s_p where no label is absent
  template <class Visit>
  void pairs(const double* s, Visit&& visit) const {
    for (const size_t p : present) {
      for (const size_t q : absent) {
        visit(p, q, s[q] - s[p]);
      }
      if (absent.empty()) {
        visit(p, p, -s[p]);
      }
    }
  }
};

double sdl_rank_share(const SdlSpec& spec, bool regularised) {
  return regularised ? 2 * (1 - static_cast<double>(spec.weight)) : 1;
}

void sdl_loss_forward(const Tensor& s, const Tensor& v, const Tensor& y, const Tensor& weights,
                      const Tensor& words, const SdlSpec& spec, Tensor& loss) {
  const Doubles scores = read_doubles(s), target = read_doubles(y), w = weights_of(weights, s);
  const Doubles variances = v.defined() ? read_doubles(v) : Doubles{};
  const auto N = static_cast<size_t>(s.shape()[0]), K = scores.size() / N;
  const size_t D = variances.size() / N;
  Doubles out(N, 0.0);
  for (size_t n = 0; n < N; ++n) {
    const SdlPicture picture(n, target, w, words);
    const double share = sdl_rank_share(spec, v.defined()) * picture.omega / picture.count();
    picture.pairs(&scores[n * K], [&](size_t, size_t, double gap) {
      out[n] += share * (std::max(gap, 0.0) + std::log1p(std::exp(-std::abs(gap))));
    });
    for (size_t d = 0; d < D && picture.count() > 0; ++d) {
      out[n] += 2 * static_cast<double>(spec.weight) * variances[n * D + d];
    }
  }
  write_doubles(loss, out);
}

void sdl_loss_backward(const Tensor& dloss, const Tensor& s, const Tensor& y,
                       const Tensor& weights, const Tensor& words, const SdlSpec& spec, Tensor& ds,
                       Tensor& dv) {
  const Doubles scores = read_doubles(s), target = read_doubles(y), w = weights_of(weights, s);
  const Doubles factor = read_doubles(dloss);
  const size_t N = factor.size(), K = scores.size() / N;
  Doubles out(scores.size(), 0.0), variances;
  for (size_t n = 0; n < N; ++n) {
    const SdlPicture picture(n, target, w, words);
    const double share =
        factor[n] * sdl_rank_share(spec, dv.defined()) * picture.omega / picture.count();
    picture.pairs(&scores[n * K], [&](size_t p, size_t q, double gap) {
      const double slope = share / (1 + std::exp(-gap));
      out[n * K + p] -= slope;
      out[n * K + q] += q == p ? 0 : slope;
    });
    const bool counts = picture.count() > 0;
    variances.insert(variances.end(), static_cast<size_t>(words.shape()[1]),
                     counts ? 2 * static_cast<double>(spec.weight) * factor[n] : 0);
  }
  write_doubles(ds, out);
  if (dv.defined()) {
    write_doubles(dv, variances);
  }
}

}  // namespace

void add_float64_losses(KernelTable& table) {
  table.binary_cross_entropy_forward = binary_cross_entropy_forward;
  table.binary_cross_entropy_backward = binary_cross_entropy_backward;
  table.cross_entropy_forward = cross_entropy_forward;
  table.cross_entropy_backward = cross_entropy_backward;
  table.asymmetric_loss_forward = asymmetric_loss_forward;
  table.asymmetric_loss_backward = asymmetric_loss_backward;
  table.sdl_loss_forward = sdl_loss_forward;
  table.sdl_loss_backward = sdl_loss_backward;
}

}  // namespace mld::parity
