// EfficientNet-Lite (arXiv 1905.11946 without squeeze-excite, with ReLU6, stem and head of one
// width) as timm's tf_efficientnet_lite0 to 4 build it for TensorFlow's weights, with timm's names.
#pragma once

#include <array>
#include <memory>

#include "models/backbone.h"
#include "nn/layers.h"

namespace mld {

// TensorFlow's batch norm of these networks.
struct LiteNorm : BatchNorm2d {
  explicit LiteNorm(int64_t C) : BatchNorm2d(C) { spec.eps = 1e-3f; }
};

// A depthwise convolution.
struct DepthwiseConv2d : Conv2d {
  DepthwiseConv2d(int64_t C, int kernel, int stride);
};

// [N, H, W, C] -> [N, ceil(H/stride), ceil(W/stride), O]; x is added where the shape stays.
struct LiteBlock : Module {
  bool residual;

  LiteBlock(int64_t C, int64_t O, int stride) : residual(stride == 1 && C == O) {}

  virtual Var operator()(const Var& x) = 0;
};

// Depthwise, then 1x1: the first stage.
struct DepthwiseSeparable : LiteBlock {
  DepthwiseConv2d conv_dw;
  LiteNorm bn1;
  Conv2d conv_pw;
  LiteNorm bn2;

  DepthwiseSeparable(int64_t C, int64_t O, int kernel, int stride);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
};

// 1x1 to six times the channels, depthwise, 1x1 without an activation: all other stages.
struct InvertedResidual : LiteBlock {
  static constexpr int64_t kExpansion = 6;
  Conv2d conv_pw;
  LiteNorm bn1;
  DepthwiseConv2d conv_dw;
  LiteNorm bn2;
  Conv2d conv_pwl;
  LiteNorm bn3;

  InvertedResidual(int64_t C, int64_t O, int kernel, int stride);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
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
  std::array<std::vector<std::unique_ptr<LiteBlock>>, 7> blocks;
  Conv2d conv_head;
  LiteNorm bn2;

  explicit EfficientNetLite(const EfficientNetLiteSpec& spec);

  Var operator()(const Var& images, const Tap& tap = {}) override;
  int64_t features() const override { return kHead; }
  void each(Visitor& v) override;
};

}  // namespace mld
