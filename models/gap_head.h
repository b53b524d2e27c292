// The baseline head: global average pooling, then one linear layer.
#pragma once

#include "models/backbone.h"
#include "nn/layers.h"

namespace mld {

// logits = mean over tokens of x, times weight^T, plus bias.   Names: weight [K, C], bias [K]
struct GapHead : Head {
  Linear linear;

  GapHead(int64_t C, int64_t K) : linear(C, K) {}

  Var operator()(const Var& x, const Tap& tap = {}) override;  // taps "pooled" [N, C]
  void each(Visitor& v) override { v("", linear); }
};

}  // namespace mld
