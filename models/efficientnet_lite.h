// EfficientNet-Lite (arXiv 1905.11946 without squeeze-excite, with ReLU6, stem and head of one
// width) as timm's tf_efficientnet_lite0 to 4 build it for TensorFlow's weights, with timm's names.
#pragma once

#include "models/residual.h"

namespace mld {

// TensorFlow's batch norm of these networks.
struct LiteNorm : BatchNorm2d {
  explicit LiteNorm(int64_t C) : BatchNorm2d(C) { spec.eps = 1e-3f; }
};

// Factors on Lite0's channels and blocks per stage. Stem and head keep their channels; the first
// and last stage keep their one block.
struct EfficientNetLiteSpec {
  double width = 1, depth = 1;
};

struct EfficientNetLite : Backbone {
  static constexpr int64_t kStem = 32, kHead = 1280;  // channels
  Conv2d conv_stem;
  LiteNorm bn1;
  Stages stages;  // "blocks.0" .. "blocks.6"
  Conv2d conv_head;
  LiteNorm bn2;

  explicit EfficientNetLite(const EfficientNetLiteSpec& spec);

  // Taps "stem", the stages, "conv_head".
  Var operator()(const Var& images, const Tap& tap = {}) override;
  int64_t features() const override { return kHead; }
  int64_t drop_path_steps(int64_t n) const override { return n; }  // timm's never get to the whole
  void each(Visitor& v) override;
};

}  // namespace mld
