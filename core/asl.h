// The asymmetric losses' formulas, scalar by scalar: written once, compiled for every backend.
#pragma once

#include <cmath>

#include "core/host_device.h"
#include "core/specs.h"

namespace mld {

// ---- multi-label (arXiv 2009.14119, eq. 3-7, and its published code) ----------------------------
// p = sigmoid(x), q = min(1 - p + clip, 1):
//   loss = -sum weight * (y log max(p, eps) + (1 - y) log max(q, eps)),
//   weight = base^gamma, base = 1 - (p y + q (1 - y)), gamma = gamma_pos y + gamma_neg (1 - y).

// The spec, and what is derived from it once per call.
struct Asl : AslSpec {
  bool clipped;
  float log_eps;

  explicit Asl(const AslSpec& spec)
      : AslSpec(spec), clipped(spec.clip > 0), log_eps(std::log(spec.eps)) {}
};

// One element's loss and gradient. Math holds the backend's sigmoid(x), softplus(x), log1p(x) and
// pow(x, y). Every quantity is computed without cancellation.
template <class Math>
struct AslElement {
  float p;             // sigmoid(x)
  float one_p;         // 1 - p
  float shifted_p;     // 1 - q = max(p - clip, 0)
  float log_p = 0, log_q = 0;  // log max(p, eps), log max(q, eps)
  float base, gamma;

  MLD_HOST_DEVICE AslElement(float x, float y, const Asl& spec)
      : p(Math::sigmoid(x)), one_p(Math::sigmoid(-x)) {
    shifted_p = spec.clipped ? larger(p - spec.clip, 0.0f) : p;
    if (y != 0.0f) {
      log_p = larger(-Math::softplus(-x), spec.log_eps);
    }
    if (y != 1.0f) {
      log_q = larger(spec.clipped ? Math::log1p(-shifted_p) : -Math::softplus(x), spec.log_eps);
    }
    base = one_p * y + shifted_p * (1.0f - y);
    gamma = spec.gamma_pos * y + spec.gamma_neg * (1.0f - y);
  }
  MLD_HOST_DEVICE float weight() const { return power(base, gamma); }
  MLD_HOST_DEVICE float log_likelihood(float y) const { return y * log_p + (1.0f - y) * log_q; }

  // d loss / dx. The clamps at eps pass the gradient on their boundary; the shift does not.
  MLD_HOST_DEVICE float gradient(float y, const Asl& spec) const {
    const float s = p * one_p;  // dp/dx
    const float dq = spec.clipped && shifted_p == 0 ? 0.0f : -s;
    const float q = spec.clipped ? 1.0f - shifted_p : one_p;
    float d_log = 0;
    if (y != 0.0f && p >= spec.eps) {
      d_log += y * one_p;
    }
    if (y != 1.0f && q >= spec.eps) {
      d_log += (1.0f - y) * (spec.clipped ? dq / q : -p);
    }
    float gradient = -weight() * d_log;
    if (!spec.detach_weights && gamma != 0.0f && base > 0) {  // 0^(gamma - 1) * 0 is 0
      const float d_base = -(y * s + (1.0f - y) * dq);
      gradient -= log_likelihood(y) * gamma * power(base, gamma - 1.0f) * d_base;
    }
    return gradient;
  }

 private:
  MLD_HOST_DEVICE static float larger(float a, float b) { return a < b ? b : a; }
  // base^gamma; the published exponents are small integers.
  MLD_HOST_DEVICE static float power(float base, float gamma) {
    if (gamma == 0.0f) return 1.0f;
    if (gamma == 1.0f) return base;
    if (gamma == 2.0f) return base * base;
    if (gamma == 4.0f) return (base * base) * (base * base);
    return Math::pow(base, gamma);
  }
};

// ---- single-label (the published code's ASLSingleLabel) -----------------------------------------
// With l = log_softmax(x), p = e^l and one-hot y, per picture:
//   loss = -sum_k t_k w_k l_k,   t = y (1 - s) + s / K,
//   w = (1 - p)^gamma_pos on the label, p^gamma_neg elsewhere. Gradients flow through w:
//   with a_k = -t_k (w_k + l_k dw_k/dl_k),  dx_k = dloss (a_k - p_k sum(a)).

// One class of one picture. T is what the backend computes in.
template <class T>
struct AslSingleTerm {
  T target, weight = 1, slope = 0;  // t, w, dw/dl

  MLD_HOST_DEVICE AslSingleTerm(T l, T y, const AslSingleSpec& spec, int64_t K)
      : target(y * (1 - T{spec.smoothing}) + T{spec.smoothing} / static_cast<T>(K)) {
    const T p = std::exp(l), gamma = T{spec.gamma_pos} * y + T{spec.gamma_neg} * (1 - y);
    if (gamma != 0) {
      const T base = y * -std::expm1(l) + (1 - y) * p;  // 1 - p without cancellation
      weight = std::pow(base, gamma);
      slope = base > 0 ? gamma * std::pow(base, gamma - 1) * (1 - 2 * y) * p : 0;
    }
  }
  MLD_HOST_DEVICE T loss(T l) const { return -target * weight * l; }
  MLD_HOST_DEVICE T gradient(T l) const { return -target * (weight + l * slope); }  // a
};

}  // namespace mld
