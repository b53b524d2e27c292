// CLIP's image encoders (arXiv 2103.00020) with OpenAI's names: a ViT and a ResNet with average
// pools for strides. As backbones they give the tokens or the map that their last pool would read.
#pragma once

#include <array>
#include <optional>

#include "models/clip_transformer.h"
#include "models/position_grid.h"

namespace mld {

// An image encoder: what a head reads, and the embedding that is compared with texts.
struct ClipVision : Backbone {
  // images [N, H, W, 3] -> [N, E]. Errors: the encoder was made without its last pool.
  virtual Var embed(const Var& images) = 0;
};

struct ClipVitSpec {
  int64_t image_size = 224, patch = 32;  // the positions are those of image_size / patch a side
  int64_t width = 768, layers = 12;
  int heads = 12;
  int64_t embed = 512;  // of the projection; 0: none, a backbone needs it not
};

// Vision transformer. As a backbone: the patches' tokens behind ln_post, [N, H/P, W/P, width] (an
// incomplete patch is left out); taps "stem" and "transformer", the tokens with the class token.
struct ClipVit : ClipVision {
  ClipVitSpec spec;
  Parameter class_embedding;  // [width]
  GridPositions positional_embedding;
  std::optional<Parameter> proj;  // [width, embed]
  Conv2d conv1;
  LayerNorm ln_pre;
  ClipTransformer transformer;
  LayerNorm ln_post;

  explicit ClipVit(const ClipVitSpec& spec);

  Var operator()(const Var& images, const Tap& tap = {}) override;
  Var embed(const Var& images) override;
  int64_t features() const override { return spec.width; }
  void each(Visitor& v) override;
  // N(0, 1/width) for class, positions and projection; conv1: PyTorch's default.
  void reset(RandomStream& random) override;

 private:
  Var tokens(const Var& images, const Tap& tap);  // -> [N, 1 + patches, width]
};

// 1x1, 3x3, average pool of the stride, 1x1.   C -> 4 * planes channels
struct ClipBottleneck : ResidualBlock {
  static constexpr int64_t kExpansion = 4;
  struct Shortcut : Module {
    int stride;
    Conv2d conv;
    BatchNorm2d bn;

    Shortcut(int64_t C, int64_t O, int stride_) : stride(stride_), conv(C, O, 1), bn(O) {}

    Var operator()(const Var& x);
    void each(Visitor& v) override;
  };
  int stride;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  std::optional<Shortcut> downsample;

  ClipBottleneck(int64_t C, int64_t planes, int stride);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
  void reset(RandomStream& random) override;  // bn3's weight 0: the branch starts as nothing
};

// Attention over a map's pixels with their mean as the only query.   [N, H, W, C] -> [N, E]
struct AttentionPool : Module {
  int heads;
  GridPositions positional_embedding;  // the mean's first
  Linear k_proj, q_proj, v_proj, c_proj;

  AttentionPool(int64_t side, int64_t C, int heads, int64_t embed);

  Var operator()(const Var& map);
  void each(Visitor& v) override;
  void reset(RandomStream& random) override;  // N(0, 1/C), biases: default
};

struct ClipResNetSpec {
  std::array<int, 4> layers{3, 4, 6, 3};
  int64_t width = 64;
  int64_t image_size = 224;  // of the pool's positions
  int heads = 32;            // of the pool
  int64_t embed = 1024;      // of the pool; 0: none
};

// As a backbone: the map in front of the pool, [N, H/32, W/32, 32 * width], sizes rounded down but
// for the stem's.
struct ClipResNet : ClipVision {
  ClipResNetSpec spec;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  Stages stages;
  std::optional<AttentionPool> attnpool;

  explicit ClipResNet(const ClipResNetSpec& spec);

  Var operator()(const Var& images, const Tap& tap = {}) override;
  Var embed(const Var& images) override;
  int64_t features() const override { return 32 * spec.width; }
  void each(Visitor& v) override;
};

}  // namespace mld
