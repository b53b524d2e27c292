// The specification's second half: matrix products, attention, losses, heads. Include tests/spec.h.
#pragma once

#include "tests/spec.h"

namespace mld::spec {

// ---- the best of SDL's principal vectors --------------------------------------------------------

inline Array max_tokens(const Array& x) {  // [N, L, C] -> [N, C]
  const int64_t N = x.dim(0), L = x.dim(1), C = x.dim(2);
  Array y({N, C});
  for (int64_t i = 0; i < N * C; ++i) {
    y[i] = x(i / C, 0, i % C);
    for (int64_t l = 1; l < L; ++l) {
      y[i] = std::max(y[i], x(i / C, l, i % C));
    }
  }
  return y;
}

// ---- matrix products ----------------------------------------------------------------------------

inline Array matmul(const Array& a, const Array& b) {  // [B, M, C] x [B, C, O] -> [B, M, O]
  Array y({a.dim(0), a.dim(1), b.dim(2)});
  for (int64_t n = 0; n < y.dim(0); ++n)
    for (int64_t m = 0; m < y.dim(1); ++m)
      for (int64_t o = 0; o < y.dim(2); ++o)
        for (int64_t c = 0; c < a.dim(2); ++c) {
          y(n, m, o) += a(n, m, c) * b(n, c, o);
        }
  return y;
}

// x w^T.   x [M, C], w [O, C] -> [M, O]
inline Array linear(const Array& x, const Array& w) {
  Array y({x.dim(0), w.dim(0)});
  for (int64_t m = 0; m < x.dim(0); ++m)
    for (int64_t o = 0; o < w.dim(0); ++o)
      for (int64_t c = 0; c < w.dim(1); ++c) {
        y(m, o) += x(m, c) * w(o, c);
      }
  return y;
}

// Class k belongs to group k / g, where it is column k % g.
//   h [N, G, D], w [G, D, g], bias [K] -> [N, K]
inline Array group_linear(const Array& h, const Array& w, const Array& bias) {
  const int64_t N = h.dim(0), D = h.dim(2), g = w.dim(2), K = bias.numel();
  Array y({N, K});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t k = 0; k < K; ++k) {
      y(n, k) = bias[k];
      for (int64_t d = 0; d < D; ++d) {
        y(n, k) += h(n, k / g, d) * w(k / g, d, k % g);
      }
    }
  return y;
}

inline Array embedding(const Array& ids, const Array& table) {  // [M], [V, D] -> [M, D]
  Array y({ids.numel(), table.dim(1)});
  for (int64_t m = 0; m < y.dim(0); ++m)
    for (int64_t d = 0; d < y.dim(1); ++d) {
      y(m, d) = table(static_cast<int64_t>(ids[m]), d);
    }
  return y;
}

// ---- attention ----------------------------------------------------------------------------------

inline Array log_softmax(const Array& x) {  // over the last dimension
  const int64_t C = x.dim(-1);
  Array y(x.shape);
  for (int64_t row = 0; row < x.numel(); row += C) {
    double top = x[row], sum = 0;
    for (int64_t i = row; i < row + C; ++i) {
      top = std::max(top, x[i]);
    }
    for (int64_t i = row; i < row + C; ++i) {
      sum += std::exp(x[i] - top);
    }
    for (int64_t i = row; i < row + C; ++i) {
      y[i] = x[i] - top - std::log(sum);
    }
  }
  return y;
}

inline Array softmax(const Array& x) {
  return map(log_softmax(x), [](double log_p) { return std::exp(log_p); });
}

// Head e owns columns [e * D/E, (e + 1) * D/E). Per picture, head and query:
//   y = sum over l of dropout(softmax(q . k_l / sqrt(D/E))) v_l
//   q [N, Q, D] or [1, Q, D], k, v [N, L, D] -> [N, Q, D]
inline Array attention(const Array& q, const Array& k, const Array& v, const AttentionSpec& spec) {
  const int64_t N = k.dim(0), Q = q.dim(1), L = k.dim(1), D = k.dim(2), head = D / spec.heads;
  Array y({N, Q, D});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t e = 0; e < spec.heads; ++e)
      for (int64_t i = 0; i < Q; ++i) {
        const int64_t qn = q.dim(0) == 1 ? 0 : n;
        const int64_t seen = spec.causal ? std::min(i + 1, L) : L;
        Array scores({seen});
        for (int64_t l = 0; l < seen; ++l)
          for (int64_t d = e * head; d < (e + 1) * head; ++d) {
            scores[l] += q(qn, i, d) * k(n, l, d) / std::sqrt(static_cast<double>(head));
          }
        const Array p = softmax(scores);
        for (int64_t l = 0; l < seen; ++l) {
          const int64_t element = ((n * spec.heads + e) * Q + i) * L + l;
          const double factor = spec.dropout.active() ? dropout_factor(spec.dropout, element) : 1;
          for (int64_t d = e * head; d < (e + 1) * head; ++d) {
            y(n, i, d) += p[l] * factor * v(n, l, d);
          }
        }
      }
  return y;
}

// ---- losses -------------------------------------------------------------------------------------

inline Array scalar(double value) { return Array(Shape{1}, value); }

inline Array sum(const Array& x) {
  double total = 0;
  for (const double value : x.values) {
    total += value;
  }
  return scalar(total);
}

inline Array mean(const Array& x) { return scale(sum(x), 1 / static_cast<double>(x.numel())); }

// arXiv 2009.14119 and its published code, summed: for logits x and targets y
//   -sum of (1 - pt)^gamma * (y log max(p, eps) + (1 - y) log max(q, eps)),
//   p = sigmoid(x), q = min(1 - p + clip, 1), pt = p y + q (1 - y), gamma = mix of the two by y.
// The factor in front is computed from `factor_logits`: x itself, or, where the published code
// detaches it from the gradient, a copy of x that is not differentiated. Each term is multiplied
// by its weight; no weights: all are 1.
inline double weight_of(const Array& weights, int64_t i) {
  return weights.numel() == 0 ? 1 : weights[i];
}
inline const Array kNoWeights(Shape{0});

inline Array asymmetric_loss(const Array& x, const Array& y, const AslSpec& s,
                             const Array& factor_logits, const Array& weights = kNoWeights) {
  const auto shifted = [&](double p) {
    return s.clip > 0 ? std::min(1 - p + static_cast<double>(s.clip), 1.0) : 1 - p;
  };
  double loss = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double p = sigmoid(x[i]), q = shifted(p), eps = s.eps;
    const double fp = sigmoid(factor_logits[i]);
    const double pt = fp * y[i] + shifted(fp) * (1 - y[i]);
    const double gamma = s.gamma_pos * y[i] + s.gamma_neg * (1 - y[i]);
    const double log_likelihood =
        y[i] * std::log(std::max(p, eps)) + (1 - y[i]) * std::log(std::max(q, eps));
    loss -= weight_of(weights, i) * std::pow(1 - pt, gamma) * log_likelihood;
  }
  return scalar(loss);
}

inline Array binary_cross_entropy(const Array& x, const Array& y,
                                  const Array& weights = kNoWeights) {
  double loss = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    loss += weight_of(weights, i) * (y[i] * softplus(-x[i]) + (1 - y[i]) * softplus(x[i]));
  }
  return scalar(loss / static_cast<double>(x.numel()));
}

inline Array cross_entropy(const Array& x, const Array& y) {  // mean over the rows of [N, K]
  const Array log_p = log_softmax(x);
  double loss = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    loss -= y[i] * log_p[i];
  }
  return scalar(loss / static_cast<double>(x.dim(0)));
}

// Per picture, for one-hot y: -sum over classes of t w log p, with smoothed targets t and
// w = (1 - p)^gamma_pos for the label, p^gamma_neg for the others.   [N, K] -> [N]
inline Array asl_single_label(const Array& x, const Array& y, const AslSingleSpec& s,
                              const Array& weights = kNoWeights) {
  const Array log_p = log_softmax(x);
  const int64_t N = x.dim(0), K = x.dim(1);
  Array loss({N});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t k = 0; k < K; ++k) {
      const double p = std::exp(log_p(n, k));
      const double w = y(n, k) == 1 ? std::pow(1 - p, s.gamma_pos) : std::pow(p, s.gamma_neg);
      const double smoothing = s.smoothing;
      const double t = y(n, k) * (1 - smoothing) + smoothing / static_cast<double>(K);
      loss[n] -= weight_of(weights, n * K + k) * t * w * log_p(n, k);
    }
  return loss;
}

// SDL per picture, from scores [N, K] and variances [N, D] (no elements: the ranking alone).
inline Array sdl_loss(const Array& s, const Array& v, const Array& y, const Array& words,
                      double weight, const Array& weights = kNoWeights) {
  const int64_t N = s.dim(0), K = s.dim(1), D = words.dim(1);
  Array loss({N});
  for (int64_t n = 0; n < N; ++n) {
    std::vector<int64_t> present, absent;
    for (int64_t k = 0; k < K; ++k)
      if (weight_of(weights, n * K + k) != 0)
        (y(n, k) >= 0.5 ? present : absent).push_back(k);
    if (present.empty()) continue;
    const double P = static_cast<double>(present.size());
    double omega = 1, rank = 0, variance = 0;
    for (int64_t d = 0; d < D && P > 1; ++d) {
      double sum = 0, squares = 0;
      for (const int64_t k : present) sum += words(k, d);
      for (const int64_t k : present) squares += std::pow(words(k, d) - sum / P, 2);
      omega += squares / (P - 1);
    }
    for (const int64_t p : present) {
      if (absent.empty()) rank += softplus(-s(n, p)) / P;
      for (const int64_t q : absent) rank += softplus(s(n, q) - s(n, p)) / P;
    }
    for (int64_t d = 0; d < D && v.numel() > 0; ++d) variance += v(n, d);
    loss[n] = v.numel() == 0 ? omega * rank
                             : 2 * ((1 - weight) * omega * rank + weight * variance);
  }
  return loss;
}

}  // namespace mld::spec
