// binary_cross_entropy: with logits, mean over all elements.
#include "core/kernels.h"
#include "cuda/element_weights.cuh"
#include "cuda/math.cuh"
#include "cuda/total.cuh"

namespace mld::cuda {
namespace {

struct LossTerm {
  const float *x, *y, *weights;
  // y softplus(-x) + (1 - y) softplus(x): no cancellation for confident, right logits.
  __device__ float operator()(int64_t i) const {
    return weight_at(weights, i) * (y[i] * softplus(-x[i]) + (1.0f - y[i]) * softplus(x[i]));
  }
};

struct Gradient {
  const float* dloss;
  float share;
  __device__ float operator()(float x, float y, float weight = 1) const {
    return *dloss * share * weight * ((1.0f - y) * sigmoid(x) - y * sigmoid(-x));
  }
};

}  // namespace

void binary_cross_entropy_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                                  Tensor& loss) {
  sum_to(LossTerm{x.data<float>(), y.data<float>(), floats_or_null(weights)}, x.numel(), loss,
         Times{1.0f / static_cast<float>(x.numel())});
}

void binary_cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                                   const Tensor& weights, Tensor& dx) {
  map_weighted(Gradient{dloss.data<float>(), 1.0f / static_cast<float>(x.numel())}, x, y, weights,
               dx);
}

}  // namespace mld::cuda
