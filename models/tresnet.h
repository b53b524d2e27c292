// TResNet (arXiv 2003.13630) as the ML-Decoder and TResNet repositories publish it: space to depth
// instead of a strided stem, activated batch norms, blurred downsampling, squeeze and excitation.
// Names are theirs, under "body.". Pictures come without normalisation.
#pragma once

#include <array>
#include <optional>

#include "models/residual.h"

namespace mld {

// A convolution and its activated norm of scale |w| + eps, then, where blurred, a blur of stride 2:
// act(norm(conv(x))).   [N, H, W, C] -> [N, H, W, O], or half of H and W, rounded up
struct ConvAbn : Module {
  Conv2d conv;  // padded to keep the size, no bias
  BatchNorm2d bn;
  ActivationSpec act;
  bool blurred;

  ConvAbn(int64_t C, int64_t O, int kernel, const ActivationSpec& act = {}, bool blurred = false);

  Var operator()(const Var& x);
  // "0", "1"; behind a blur "0.0", "0.1".
  void each(Visitor& v) override;
};

// The shortcut where the shape changes: averages of 2x2 pixels at stride 2, then a 1x1 ConvAbn.
struct TResNetShortcut : Module {
  ConvAbn unit;
  bool halves;

  TResNetShortcut(int64_t C, int64_t O, int stride) : unit(C, O, 1), halves(stride == 2) {}

  Var operator()(const Var& x);
  void each(Visitor& v) override;  // "0", or "1" behind the pool
};

// How a block is built. Strides are 1 or 2.
struct TResNetBlockSpec {
  int stride = 1;
  bool squeeze_excite = true;
  float slope = 1e-3f;  // of its leaky ReLUs
};

// 3x3, 3x3, squeeze and excitation, then ReLU.   C -> planes channels
struct TResNetBasic : ResidualBlock {
  static constexpr int64_t kExpansion = 1;
  ConvAbn conv1, conv2;
  std::optional<TResNetShortcut> downsample;
  std::optional<SqueezeExcite> se;

  TResNetBasic(int64_t C, int64_t planes, const TResNetBlockSpec& spec);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
  void reset(RandomStream&) override;  // the last norm of the branch starts at 0
};

// 1x1, 3x3, squeeze and excitation, 1x1, then ReLU.   C -> 4 * planes channels
struct TResNetBottleneck : ResidualBlock {
  static constexpr int64_t kExpansion = 4;
  ConvAbn conv1, conv2, conv3;
  std::optional<TResNetShortcut> downsample;
  std::optional<SqueezeExcite> se;

  TResNetBottleneck(int64_t C, int64_t planes, const TResNetBlockSpec& spec);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
  void reset(RandomStream&) override;  // the last norm of the branch starts at 0
};

struct TResNetSpec {
  std::array<int, 4> layers{3, 4, 6, 3};  // blocks per stage
  bool basic_first = true;  // basic blocks in stages 1 and 2; else bottlenecks everywhere
  int64_t planes = 64;      // of the stem and stage 1; stages have 1, 2, 4, 8 times it
  float stem_slope = 1e-2f, block_slope = 1e-3f;
};

struct TResNet : Backbone {
  static constexpr int kBlock = 4;  // pixels per side that the stem turns into channels
  TResNetSpec spec;
  ConvAbn conv1;
  Stages stages;

  explicit TResNet(const TResNetSpec& spec);

  // Taps "SpaceToDepth", "conv1", "layer1" .. "layer4". Errors: UsageError for sides that are not
  // multiples of kBlock or too small for the last stage.
  Var operator()(const Var& images, const Tap& tap = {}) override;
  int64_t features() const override;
  void each(Visitor& v) override;
};

}  // namespace mld
