// The baseline head: global average pooling, then one linear layer.
#pragma once

#include "models/backbone.h"
#include "nn/layers.h"

namespace mld {

// logits = mean over tokens of x, times weight^T, plus bias.
// Names: weight [K, C], bias [K]; below the style's name if it has one.
struct GapHead : Head {
  Linear linear;
  LinearStyle style;

  GapHead(int64_t C, int64_t K, const LinearStyle& style_ = {}) : linear(C, K), style(style_) {}

  Var operator()(const Var& x, const Tap& tap = {}) override;  // taps "pooled" [N, C]
  void each(Visitor& v) override { v(style.name, linear); }
  void reset(RandomStream& random) override;
};

}  // namespace mld
