// ResNet (arXiv 1512.03385) as torchvision and timm build it ("v1.5": the stride of a bottleneck
// sits in its 3x3 convolution), with torchvision's names.
#pragma once

#include <array>
#include <optional>

#include "models/residual.h"

namespace mld {

// The projection shortcut: 1x1 convolution with the block's stride, then a norm.
struct ResNetShortcut : Module {
  Conv2d conv;
  BatchNorm2d bn;

  ResNetShortcut(int64_t C, int64_t O, int stride)
      : conv(C, O, 1, {.stride = stride}), bn(O) {}

  Var operator()(const Var& x) { return conv_bn(conv, bn, x); }  // [N, H, W, C] -> [N, OH, OW, O]
  void each(Visitor& v) override {
    v("0", conv);
    v("1", bn);
  }
};

// 3x3, 3x3, then ReLU.   C -> planes channels
struct BasicBlock : ResidualBlock {
  static constexpr int64_t kExpansion = 1;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  std::optional<ResNetShortcut> downsample;

  BasicBlock(int64_t C, int64_t planes, int stride = 1);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
};

// 1x1, 3x3 with the stride, 1x1, then ReLU.   C -> 4 * planes channels
struct Bottleneck : ResidualBlock {
  static constexpr int64_t kExpansion = 4;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  std::optional<ResNetShortcut> downsample;

  Bottleneck(int64_t C, int64_t planes, int stride = 1);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
};

struct ResNetSpec {
  bool bottleneck = false;
  std::array<int, 4> layers{2, 2, 2, 2};  // blocks per stage
  int64_t width = 64;                     // channels of the stem; stages have 1, 2, 4, 8 times it
};

struct ResNet : Backbone {
  ResNetSpec spec;
  Conv2d conv1;
  BatchNorm2d bn1;
  Stages stages;

  explicit ResNet(const ResNetSpec& spec);

  Var operator()(const Var& images, const Tap& tap = {}) override;
  int64_t features() const override;
  void each(Visitor& v) override;
};

}  // namespace mld
