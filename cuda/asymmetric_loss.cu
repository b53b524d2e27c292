// asymmetric_loss: ASL for multi-label classification (arXiv 2009.14119, eq. 3-7, and its published
// code); the formulas are in core/cpu/asymmetric_loss.cpp.
#include <cmath>

#include "core/kernels.h"
#include "cuda/elementwise.cuh"
#include "cuda/math.cuh"
#include "cuda/total.cuh"

namespace mld::cuda {
namespace {

// base^gamma; the published exponents are small integers.
__device__ inline float power(float base, float gamma) {
  if (gamma == 0.0f) return 1.0f;
  if (gamma == 1.0f) return base;
  if (gamma == 2.0f) return base * base;
  if (gamma == 4.0f) return (base * base) * (base * base);
  return powf(base, gamma);
}

// The spec and what follows from it once per call.
struct Asl {
  float gamma_neg, gamma_pos, clip, eps, log_eps;
  bool clipped, detach_weights;

  explicit Asl(const AslSpec& spec)
      : gamma_neg(spec.gamma_neg), gamma_pos(spec.gamma_pos), clip(spec.clip), eps(spec.eps),
        log_eps(std::log(spec.eps)), clipped(spec.clip > 0),
        detach_weights(spec.detach_weights) {}
};

// One element's quantities, each computed without cancellation.
struct Element {
  float p;             // sigmoid(x)
  float one_p;         // 1 - p
  float shifted_p;     // 1 - q = max(p - clip, 0)
  float log_p = 0, log_q = 0;  // log max(p, eps), log max(q, eps)
  float base, gamma;

  __device__ Element(float x, float y, const Asl& spec) : p(sigmoid(x)), one_p(sigmoid(-x)) {
    shifted_p = spec.clipped ? fmaxf(p - spec.clip, 0.0f) : p;
    if (y != 0.0f) {
      log_p = fmaxf(-softplus(-x), spec.log_eps);
    }
    if (y != 1.0f) {
      log_q = fmaxf(spec.clipped ? log1pf(-shifted_p) : -softplus(x), spec.log_eps);
    }
    base = one_p * y + shifted_p * (1.0f - y);
    gamma = spec.gamma_pos * y + spec.gamma_neg * (1.0f - y);
  }
  __device__ float weight() const { return power(base, gamma); }
  __device__ float log_likelihood(float y) const { return y * log_p + (1.0f - y) * log_q; }
};

struct LossTerm {
  const float *x, *y;
  Asl spec;
  __device__ float operator()(int64_t i) const {
    const Element e(x[i], y[i], spec);
    return -e.weight() * e.log_likelihood(y[i]);
  }
};

// d loss / dx times dloss. The clamps at eps pass the gradient on their boundary; the shift does
// not.
struct Gradient {
  const float* dloss;
  Asl spec;
  __device__ float operator()(float x, float y) const {
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
    return *dloss * gradient;
  }
};

}  // namespace

void asymmetric_loss_forward(const Tensor& x, const Tensor& y, const AslSpec& spec, Tensor& loss) {
  sum_to(LossTerm{x.data<float>(), y.data<float>(), Asl(spec)}, x.numel(), loss);
}

void asymmetric_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                              const AslSpec& spec, Tensor& dx) {
  map(Gradient{dloss.data<float>(), Asl(spec)}, x.numel(), dx.data<float>(), x.data<float>(),
      y.data<float>());
}

}  // namespace mld::cuda
