// asymmetric_loss: ASL for multi-label classification; the formulas are in core/asl.h.
#include "core/asl.h"
#include "core/kernels.h"
#include "cuda/element_weights.cuh"
#include "cuda/math.cuh"
#include "cuda/total.cuh"

namespace mld::cuda {
namespace {

using Element = AslElement<Math>;

struct LossTerm {
  const float *x, *y, *weights;
  Asl spec;
  __device__ float operator()(int64_t i) const {
    const Element e(x[i], y[i], spec);
    return -e.weight() * e.log_likelihood(y[i]) * weight_at(weights, i);
  }
};

// d loss / dx times dloss.
struct Gradient {
  const float* dloss;
  Asl spec;
  __device__ float operator()(float x, float y, float weight = 1) const {
    return *dloss * weight * Element(x, y, spec).gradient(y, spec);
  }
};

}  // namespace

void asymmetric_loss_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                             const AslSpec& spec, Tensor& loss) {
  sum_to(LossTerm{x.data<float>(), y.data<float>(), floats_or_null(weights), Asl(spec)}, x.numel(),
         loss);
}

void asymmetric_loss_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                              const Tensor& weights, const AslSpec& spec, Tensor& dx) {
  map_weighted(Gradient{dloss.data<float>(), Asl(spec)}, x, y, weights, dx);
}

}  // namespace mld::cuda
