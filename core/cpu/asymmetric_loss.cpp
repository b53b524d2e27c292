// asymmetric_loss: ASL for multi-label classification (arXiv 2009.14119, eq. 3-7, and its
// published code). p = sigmoid(x), q = min(1 - p + clip, 1):
//   loss = -sum weight * (y log max(p, eps) + (1 - y) log max(q, eps)),
//   weight = base^gamma, base = 1 - (p y + q (1 - y)), gamma = gamma_pos y + gamma_neg (1 - y).
#include <cmath>

#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// base^gamma; the published exponents are small integers.
inline float power(float base, float gamma) {
  if (gamma == 0.0f) return 1.0f;
  if (gamma == 1.0f) return base;
  if (gamma == 2.0f) return base * base;
  if (gamma == 4.0f) return (base * base) * (base * base);
  return std::pow(base, gamma);
}

// The spec and what follows from it once per call.
struct Asl : AslSpec {
  bool clipped;
  float log_eps;

  explicit Asl(const AslSpec& spec)
      : AslSpec(spec), clipped(spec.clip > 0), log_eps(std::log(spec.eps)) {}
  // A negative whose probability the clip hides: no loss, no gradient. Most are, once trained.
  bool hidden(float p, float y) const { return clipped && y == 0.0f && p <= clip; }
};

// One element's quantities, each computed without cancellation.
struct Element {
  float p;          // sigmoid(x)
  float one_p;      // 1 - p
  float shifted_p;  // 1 - q = max(p - clip, 0)
  float log_p, log_q;  // log max(p, eps), log max(q, eps)
  float base, gamma;

  Element(float x, float y, const Asl& spec) : p(fast_sigmoid(x)), one_p(fast_sigmoid(-x)) {
    shifted_p = spec.clipped ? std::max(p - spec.clip, 0.0f) : p;
    log_p = log_q = 0;
    if (y != 0.0f) {
      log_p = std::max(-fast_softplus(-x), spec.log_eps);
    }
    if (y != 1.0f) {
      log_q = std::max(spec.clipped ? std::log1p(-shifted_p) : -fast_softplus(x), spec.log_eps);
    }
    base = one_p * y + shifted_p * (1.0f - y);
    gamma = spec.gamma_pos * y + spec.gamma_neg * (1.0f - y);
  }
  float weight() const { return power(base, gamma); }
  float log_likelihood(float y) const { return y * log_p + (1.0f - y) * log_q; }
};

// d loss / dx. The clamps at eps pass the gradient on their boundary; the shift does not.
inline float element_gradient(float x, float y, const Asl& spec) {
  if (spec.hidden(fast_sigmoid(x), y)) {
    return 0;
  }
  const Element e(x, y, spec);
  const float s = e.p * e.one_p;  // dp/dx
  const float dq = spec.clipped && e.shifted_p == 0 ? 0.0f : -s;
  const float q = spec.clipped ? 1.0f - e.shifted_p : e.one_p;
  float d_log = 0;
  if (y != 0.0f && e.p >= spec.eps) {
    d_log += y * e.one_p;
  }
  if (y != 1.0f && q >= spec.eps) {
    d_log += (1.0f - y) * (spec.clipped ? dq / q : -e.p);
  }
  float gradient = -e.weight() * d_log;
  if (!spec.detach_weights && e.gamma != 0.0f && e.base > 0) {  // 0^(gamma - 1) * 0 is 0
    const float d_base = -(y * s + (1.0f - y) * dq);
    gradient -= e.log_likelihood(y) * e.gamma * power(e.base, e.gamma - 1.0f) * d_base;
  }
  return gradient;
}

}  // namespace

// x (logits), y (targets) [N, K]; loss [1]
void asymmetric_loss_forward(const Tensor& x, const Tensor& y, const AslSpec& spec, Tensor& loss) {
  const int64_t K = x.shape()[-1], N = K == 0 ? 0 : x.numel() / K;
  const float *px = x.data<float>(), *py = y.data<float>();
  const Asl asl(spec);
  const double sum = ordered_sum(N, row_grain(16 * K), [=, &asl](int64_t n) {
    double row = 0;
    for (int64_t i = n * K; i < (n + 1) * K; ++i) {
      if (asl.hidden(fast_sigmoid(px[i]), py[i])) {
        continue;
      }
      const Element e(px[i], py[i], asl);
      row -= static_cast<double>(e.weight()) * static_cast<double>(e.log_likelihood(py[i]));
    }
    return row;
  });
  loss.data<float>()[0] = static_cast<float>(sum);
}

// dloss [1]; x, y, dx [N, K]
void asymmetric_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                              const AslSpec& spec, Tensor& dx) {
  const float factor = dloss.data<float>()[0];
  const float *px = x.data<float>(), *py = y.data<float>();
  float* pdx = dx.data<float>();
  const Asl asl(spec);
  parallel_for(x.numel(), kGrain / 16, [=, &asl](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pdx[i] = factor * element_gradient(px[i], py[i], asl);
    }
  });
}

}  // namespace mld::cpu
