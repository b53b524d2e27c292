// The interfaces of backbones and heads, and the tap that shows what passes between them.
#pragma once

#include <functional>
#include <string_view>

#include "models/word_input.h"
#include "nn/module.h"

namespace mld {

// Called with a stage's name and output [N, H, W, C] while a model runs: "stem" (TResNet:
// "SpaceToDepth" and "conv1"), then the model's own stages ("layer1" .. "layer4" of ResNet and
// TResNet; "transformer" of a ViT, [N, T, C] as is its "stem"), "features" (what the head reads).
// Of the head: "pooled" [N, C] (the mean of the features, or of the decoder's memory), "query"
// [N or 1, Q, D] and "key" [N, L, D] (what the decoder's attention compares).
using Tap = std::function<void(std::string_view stage, const Var& y)>;
// Whether a stage belongs to the backbone, and is not what it passes on or the head's.
constexpr bool is_backbone_stage(std::string_view stage) {
  return stage != "features" && stage != "pooled" && stage != "query" && stage != "key";
}

// Turns pictures into a feature map.
struct Backbone : Module {
  // images [N, H, W, 3] -> [N, H/32, W/32, features()], sizes rounded up (CLIP's: down, and of
  // patches)
  virtual Var operator()(const Var& images, const Tap& tap = {}) = 0;
  virtual int64_t features() const = 0;
  // In how many steps the rate of set_drop_path() rises over n blocks; timm's ResNets end with the
  // whole rate.
  virtual int64_t drop_path_steps(int64_t n) const { return n - 1; }
};

// How a backbone's published classifier, a linear layer on mean features, is named and initialised.
struct LinearStyle {
  std::string_view name = "";  // below the head's prefix: "fc" in "head.fc.weight"
  float weight_std = 0;        // N(0, weight_std^2); 0: PyTorch's default
  bool by_classes = false;     // timm's EfficientNets: U(-1/sqrt(K), 1/sqrt(K)), bias 0
};

// Turns a feature map into logits.
struct Head : Module, WordInput {
  // x [N, H, W, C], or tokens [N, T, C] -> logits [N, K] in x's dtype; see WordInput for more
  virtual Var operator()(const Var& x, const Tap& tap = {}) = 0;
};

// [N, H, W, C] as [N, H*W, C] (token t = y * W + x); tokens as they are. Errors: any other rank.
Var as_tokens(const Var& x);

}  // namespace mld
