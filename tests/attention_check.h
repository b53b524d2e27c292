// What the tests of attention share.
#pragma once

#include <numeric>

#include "models/cross_attention.h"
#include "nn/init.h"
#include "tests/reference.h"
#include "tests/spec.h"

namespace mld::test {

inline constexpr int kHeads = 8;  // of every decoder

inline spec::Array array_of(const Tensor& x) {
  spec::Array y(x.shape());
  const std::vector<float> values = x.to_vector();
  y.values.assign(values.begin(), values.end());
  return y;
}

// Calls a head alone, as a Classifier would. Returns its logits.
inline Tensor look(Head& head, CrossAttention& attention, const Tensor& features) {
  const Tap tap = attention.tap();
  tap("features", Var(features));
  return head(Var(features), tap).value;
}

// That the weights over each of the maps of L tokens are shares of one.
inline void check_sums(const Tensor& weights, int64_t L) {
  const std::vector<float> values = weights.to_vector();
  for (auto row = values.begin(); row != values.end(); row += L) {
    CHECK(std::accumulate(row, row + L, 0.0) == relative(1, 1e-6));
  }
}

}  // namespace mld::test
