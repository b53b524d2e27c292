// For tests that call CPU kernels directly: random tensors, float64 copies, the error measure.
#pragma once

#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "core/random.h"
#include "tests/measure.h"

namespace mld::test {

inline constexpr double kKernelLimit = 1e-5;  // of the largest value

// Uniform in [low, high).
inline Tensor random_tensor(const Shape& shape, uint64_t seed, float low = -1, float high = 1) {
  Tensor x(shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const float u = random_uniform({.seed = seed}, static_cast<uint64_t>(i));
    x.data<float>()[i] = low + (high - low) * u;
  }
  return x;
}

// An output before the call: the pool reuses blocks, so one may already hold the right answer.
inline Tensor unwritten(const Shape& shape) {
  return Tensor::full(shape, std::numeric_limits<float>::quiet_NaN());
}

// Empty for an undefined tensor.
inline std::vector<double> doubles(const Tensor& x) {
  const std::vector<float> values = x.defined() ? x.to_vector() : std::vector<float>();
  return {values.begin(), values.end()};
}

inline double error(const Tensor& ours, const std::vector<double>& right) {
  return largest_error(doubles(ours), right);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace mld::test
