// The optional weights of a loss's elements.
#pragma once

#include "cuda/elementwise.cuh"

namespace mld::cuda {

// Null for an undefined tensor.
inline const float* floats_or_null(const Tensor& x) {
  return x.defined() ? x.data<float>() : nullptr;
}

__device__ inline float weight_at(const float* weights, int64_t i) {
  return weights == nullptr ? 1.0f : weights[i];
}

// dx = f(x, y), or f(x, y, weight) where there are weights.   x, y, weights, dx [N, K]
template <class F>
void map_weighted(const F& f, const Tensor& x, const Tensor& y, const Tensor& weights,
                  Tensor& dx) {
  const float *px = x.data<float>(), *py = y.data<float>();
  if (weights.defined()) {
    map(f, x.numel(), dx.data<float>(), px, py, weights.data<float>());
  } else {
    map(f, x.numel(), dx.data<float>(), px, py);
  }
}

}  // namespace mld::cuda
