// The optional weights of a loss's elements.
#pragma once

#include "core/tensor.h"

namespace mld::cpu {

// weight[i]; 1 everywhere for an undefined tensor.
class ElementWeights {
 public:
  explicit ElementWeights(const Tensor& weights)
      : values_(weights.defined() ? weights.data<float>() : nullptr) {}
  float operator[](int64_t i) const { return values_ == nullptr ? 1.0f : values_[i]; }

 private:
  const float* values_;
};

}  // namespace mld::cpu
