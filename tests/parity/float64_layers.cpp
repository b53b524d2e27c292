// Float64 kernels of the heads: linear, layer norm, attention, group linear.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

size_t size_of_dim(const Tensor& x, int i) { return static_cast<size_t>(x.shape()[i]); }

void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const LinearSpec& spec,
                    Tensor& y) {
  const size_t M = size_of_dim(x, 0), C = size_of_dim(x, 1), O = size_of_dim(w, 0);
  Doubles out = multiply(read_doubles(x), transposed(read_doubles(w), O, C), M, O, C);
  const Doubles b = bias.defined() ? read_doubles(bias) : Doubles(O, 0.0);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] += b[i % O];
    out[i] = spec.act.kind == Act::relu ? std::max(out[i], 0.0) : out[i];
  }
  write_doubles(y, out);
}

void linear_backward_data(const Tensor& dy, const Tensor& w, Tensor& dx) {
  write_doubles(dx, multiply(read_doubles(dy), read_doubles(w), size_of_dim(dy, 0),
                             size_of_dim(w, 1), size_of_dim(w, 0)));
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw) {
  const size_t M = size_of_dim(dy, 0), O = size_of_dim(dy, 1), C = size_of_dim(x, 1);
  write_doubles(dw, multiply(transposed(read_doubles(dy), M, O), read_doubles(x), O, C, M));
}

void layer_norm_forward(const Tensor& x, const Tensor& w, const Tensor& b,
                        const LayerNormSpec& spec, Tensor& mean, Tensor& rstd, Tensor& y) {
  const size_t M = size_of_dim(x, 0), C = size_of_dim(x, 1);
  const Doubles in = read_doubles(x);
  const Doubles gamma = w.defined() ? read_doubles(w) : Doubles(C, 1.0);
  const Doubles beta = b.defined() ? read_doubles(b) : Doubles(C, 0.0);
  Doubles out(in.size()), mu(M, 0.0), scale(M, 0.0);
  const double n = static_cast<double>(C);
  for (size_t m = 0; m < M; ++m) {
    for (size_t c = 0; c < C; ++c) {
      mu[m] += in[m * C + c] / n;
    }
    for (size_t c = 0; c < C; ++c) {
      scale[m] += (in[m * C + c] - mu[m]) * (in[m * C + c] - mu[m]) / n;
    }
    scale[m] = 1 / std::sqrt(scale[m] + static_cast<double>(spec.eps));
    for (size_t c = 0; c < C; ++c) {
      out[m * C + c] = (in[m * C + c] - mu[m]) * scale[m] * gamma[c] + beta[c];
    }
  }
  write_doubles(mean, mu);
  write_doubles(rstd, scale);
  write_doubles(y, out);
}

void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                         const Tensor& rstd, Tensor& dx, Tensor& dw, Tensor& db) {
  const size_t M = size_of_dim(x, 0), C = size_of_dim(x, 1);
  const Doubles grad = read_doubles(dy), in = read_doubles(x);
  const Doubles mu = read_doubles(mean), scale = read_doubles(rstd);
  const Doubles gamma = w.defined() ? read_doubles(w) : Doubles(C, 1.0);
  Doubles out(in.size()), dgamma(C, 0.0), dbeta(C, 0.0);
  const double n = static_cast<double>(C);
  for (size_t m = 0; m < M; ++m) {
    double sum = 0, dot = 0;
    for (size_t c = 0; c < C; ++c) {
      const size_t i = m * C + c;
      const double xhat = (in[i] - mu[m]) * scale[m];
      dgamma[c] += grad[i] * xhat;
      dbeta[c] += grad[i];
      sum += grad[i] * gamma[c] / n;
      dot += grad[i] * gamma[c] * xhat / n;
    }
    for (size_t c = 0; c < C; ++c) {
      const size_t i = m * C + c;
      const double xhat = (in[i] - mu[m]) * scale[m];
      out[i] = scale[m] * (grad[i] * gamma[c] - sum - xhat * dot);
    }
  }
  write_doubles(dx, out);
  if (w.defined()) {
    write_doubles(dw, dgamma);
    write_doubles(db, dbeta);
  }
}

// ---- attention ----------------------------------------------------------------------------------

// One head of one picture: where its rows are, and its probabilities.
struct Head {
  size_t N, E, Q, L, D, d;  // d = D / E
  bool shared;              // q serves every picture
  bool causal;
  DropoutSpec dropout;

  Head(const Tensor& q, const Tensor& k, const AttentionSpec& spec)
      : N(size_of_dim(k, 0)), E(static_cast<size_t>(spec.heads)), Q(size_of_dim(q, 1)),
        L(size_of_dim(k, 1)), D(size_of_dim(k, 2)), d(D / E),
        shared(size_of_dim(q, 0) == 1), causal(spec.causal), dropout(spec.dropout) {}
  size_t query(size_t n, size_t e, size_t i) const {
    return ((shared ? 0 : n) * Q + i) * D + e * d;
  }
  size_t key(size_t n, size_t e, size_t l) const { return (n * L + l) * D + e * d; }
  size_t out(size_t n, size_t e, size_t i) const { return (n * Q + i) * D + e * d; }
  // The probability of key l after dropout.
  double kept(size_t n, size_t e, size_t i, size_t l) const {
    return dropout.active() ? dropout_factor(dropout, ((n * E + e) * Q + i) * L + l) : 1;
  }
  double scale() const { return 1 / std::sqrt(static_cast<double>(d)); }

  // The softmax row of one query; its log-sum-exp.
  double probabilities(const Doubles& q, const Doubles& k, size_t n, size_t e, size_t i,
                       Doubles& p) const {
    double largest = -HUGE_VAL, sum = 0;
    for (size_t l = 0; l < L; ++l) {
      double score = 0;
      for (size_t c = 0; c < d; ++c) {
        score += q[query(n, e, i) + c] * k[key(n, e, l) + c];
      }
      p[l] = causal && l > i ? -HUGE_VAL : score * scale();
      largest = std::max(largest, p[l]);
    }
    for (double& value : p) {
      value = std::exp(value - largest);
      sum += value;
    }
    for (double& value : p) {
      value /= sum;
    }
    return largest + std::log(sum);
  }

  template <class Body>
  void for_each_query(Body&& body) const {
    for (size_t n = 0; n < N; ++n) {
      for (size_t e = 0; e < E; ++e) {
        for (size_t i = 0; i < Q; ++i) {
          body(n, e, i);
        }
      }
    }
  }
};

void attention_forward(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                       Tensor& lse, Tensor& y) {
  const Head h(q, k, spec);
  const Doubles queries = read_doubles(q), keys = read_doubles(k), values = read_doubles(v);
  Doubles out(static_cast<size_t>(y.numel()), 0.0), logs(static_cast<size_t>(lse.numel())), p(h.L);
  h.for_each_query([&](size_t n, size_t e, size_t i) {
    logs[(n * h.E + e) * h.Q + i] = h.probabilities(queries, keys, n, e, i, p);
    for (size_t l = 0; l < h.L; ++l) {
      const double weight = p[l] * h.kept(n, e, i, l);
      for (size_t c = 0; c < h.d; ++c) {
        out[h.out(n, e, i) + c] += weight * values[h.key(n, e, l) + c];
      }
    }
  });
  write_doubles(lse, logs);
  write_doubles(y, out);
}

void attention_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor&, const Tensor&, const AttentionSpec& spec, Tensor& dq,
                        Tensor& dk, Tensor& dv) {
  const Head h(q, k, spec);
  const Doubles queries = read_doubles(q), keys = read_doubles(k), values = read_doubles(v);
  const Doubles grad = read_doubles(dy);
  Doubles gq(queries.size(), 0.0), gk(keys.size(), 0.0), gv(values.size(), 0.0), p(h.L), dp(h.L);
  h.for_each_query([&](size_t n, size_t e, size_t i) {
    h.probabilities(queries, keys, n, e, i, p);
    const double* g = &grad[h.out(n, e, i)];
    double dot = 0;
    for (size_t l = 0; l < h.L; ++l) {
      dp[l] = 0;
      const double factor = h.kept(n, e, i, l);
      for (size_t c = 0; c < h.d; ++c) {
        dp[l] += factor * g[c] * values[h.key(n, e, l) + c];
        gv[h.key(n, e, l) + c] += factor * p[l] * g[c];
      }
      dot += p[l] * dp[l];
    }
    for (size_t l = 0; l < h.L; ++l) {
      const double ds = p[l] * (dp[l] - dot) * h.scale();
      for (size_t c = 0; c < h.d; ++c) {
        gq[h.query(n, e, i) + c] += ds * keys[h.key(n, e, l) + c];
        gk[h.key(n, e, l) + c] += ds * queries[h.query(n, e, i) + c];
      }
    }
  });
  write_doubles(dq, gq);
  write_doubles(dk, gk);
  write_doubles(dv, gv);
}

// ---- group linear -------------------------------------------------------------------------------

// visit(logit, first of the query's features in h, index of the first weight, step between weights)
template <class Visit>
void for_each_logit(const Tensor& y, const Tensor& h, const Tensor& w, Visit&& visit) {
  const size_t N = size_of_dim(y, 0), K = size_of_dim(y, 1);
  const size_t G = size_of_dim(h, 1), D = size_of_dim(h, 2), g = size_of_dim(w, 2);
  for (size_t n = 0; n < N; ++n) {
    for (size_t k = 0; k < K; ++k) {
      visit(n * K + k, (n * G + k / g) * D, k / g * D * g + k % g, g);
    }
  }
}

void group_linear_forward(const Tensor& h, const Tensor& w, const Tensor& bias, Tensor& y) {
  const Doubles in = read_doubles(h), weight = read_doubles(w), b = read_doubles(bias);
  const size_t D = size_of_dim(h, 2);
  Doubles out(static_cast<size_t>(y.numel()));
  for_each_logit(y, h, w, [&](size_t i, size_t from, size_t at, size_t step) {
    out[i] = b[i % b.size()];
    for (size_t d = 0; d < D; ++d) {
      out[i] += in[from + d] * weight[at + d * step];
    }
  });
  write_doubles(y, out);
}

void group_linear_backward(const Tensor& dy, const Tensor& h, const Tensor& w, Tensor& dh,
                           Tensor& dw) {
  const Doubles grad = read_doubles(dy), in = read_doubles(h), weight = read_doubles(w);
  const size_t D = size_of_dim(h, 2);
  Doubles gh(in.size(), 0.0), gw(weight.size(), 0.0);
  for_each_logit(dy, h, w, [&](size_t i, size_t from, size_t at, size_t step) {
    for (size_t d = 0; d < D; ++d) {
      gh[from + d] += grad[i] * weight[at + d * step];
      gw[at + d * step] += grad[i] * in[from + d];
    }
  });
  write_doubles(dh, gh);
  write_doubles(dw, gw);
}

}  // namespace

void add_float64_layers(KernelTable& table) {
  table.linear_forward = linear_forward;
  table.linear_backward_data = linear_backward_data;
  table.linear_backward_weight = linear_backward_weight;
  table.layer_norm_forward = layer_norm_forward;
  table.layer_norm_backward = layer_norm_backward;
  table.attention_forward = attention_forward;
  table.attention_backward = attention_backward;
  table.group_linear_forward = group_linear_forward;
  table.group_linear_backward = group_linear_backward;
}

}  // namespace mld::parity
