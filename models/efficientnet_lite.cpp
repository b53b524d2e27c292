#include "models/efficientnet_lite.h"

#include <array>
#include <cmath>

namespace mld {

namespace {

constexpr ActivationSpec kRelu6{.kind = Act::relu6};

struct StageSpec {
  int blocks, kernel, stride;
  int64_t channels;
};
constexpr std::array<StageSpec, 7> kLite0{{{1, 3, 1, 16},
                                           {2, 3, 2, 24},
                                           {2, 5, 2, 40},
                                           {3, 3, 2, 80},
                                           {3, 5, 1, 112},
                                           {4, 5, 2, 192},
                                           {1, 3, 1, 320}}};

// The multiple of 8 next to channels * width, but never less than nine tenths of it.
int64_t rounded_channels(int64_t channels, double width) {
  constexpr int64_t kDivisor = 8;
  const double wanted = static_cast<double>(channels) * width;
  const int64_t eighths = static_cast<int64_t>(wanted + kDivisor / 2.0) / kDivisor;
  const int64_t next = std::max<int64_t>(1, eighths) * kDivisor;
  return static_cast<double>(next) < 0.9 * wanted ? next + kDivisor : next;
}

// ---- blocks -------------------------------------------------------------------------------------

struct DepthwiseConv2d : Conv2d {
  DepthwiseConv2d(int64_t C, int kernel, int stride)
      : Conv2d(C, C, kernel,
               {.stride = stride, .groups = static_cast<int>(C), .same = true}) {}
};

// Its last layer is a norm without an activation; x is added where the shape stays.
struct LiteBlock : ResidualBlock {
  bool residual;

  LiteBlock(int64_t C, int64_t O, int stride) : residual(stride == 1 && C == O) {}

  Var finish(Conv2d& conv, BatchNorm2d& bn, const Var& inner, const Var& x) const {
    return residual ? join(conv, bn, inner, {}, x) : conv_bn(conv, bn, inner);
  }
};

// Depthwise, then 1x1: the first stage.
struct DepthwiseSeparable : LiteBlock {
  DepthwiseConv2d conv_dw;
  LiteNorm bn1;
  Conv2d conv_pw;
  LiteNorm bn2;

  DepthwiseSeparable(int64_t C, int64_t O, int kernel, int stride)
      : LiteBlock(C, O, stride), conv_dw(C, kernel, stride), bn1(C), conv_pw(C, O, 1), bn2(O) {}

  Var operator()(const Var& x) override {
    return finish(conv_pw, bn2, conv_bn(conv_dw, bn1, x, kRelu6), x);
  }
  void each(Visitor& v) override {
    v("conv_dw", conv_dw);
    v("bn1", bn1);
    v("conv_pw", conv_pw);
    v("bn2", bn2);
  }
};

// 1x1 to six times the channels, depthwise, 1x1: all other stages.
struct InvertedResidual : LiteBlock {
  static constexpr int64_t kExpansion = 6;
  Conv2d conv_pw;
  LiteNorm bn1;
  DepthwiseConv2d conv_dw;
  LiteNorm bn2;
  Conv2d conv_pwl;
  LiteNorm bn3;

  InvertedResidual(int64_t C, int64_t O, int kernel, int stride)
      : LiteBlock(C, O, stride),
        conv_pw(C, kExpansion * C, 1),
        bn1(kExpansion * C),
        conv_dw(kExpansion * C, kernel, stride),
        bn2(kExpansion * C),
        conv_pwl(kExpansion * C, O, 1),
        bn3(O) {}

  Var operator()(const Var& x) override {
    const Var wide = conv_bn(conv_pw, bn1, x, kRelu6);
    return finish(conv_pwl, bn3, conv_bn(conv_dw, bn2, wide, kRelu6), x);
  }
  void each(Visitor& v) override {
    v("conv_pw", conv_pw);
    v("bn1", bn1);
    v("conv_dw", conv_dw);
    v("bn2", bn2);
    v("conv_pwl", conv_pwl);
    v("bn3", bn3);
  }
};

}  // namespace

// ---- the network --------------------------------------------------------------------------------

EfficientNetLite::EfficientNetLite(const EfficientNetLiteSpec& spec)
    : conv_stem(3, kStem, 3, {.stride = 2, .same = true}),
      bn1(kStem),
      conv_head(rounded_channels(kLite0.back().channels, spec.width), kHead, 1),
      bn2(kHead) {
  int64_t C = kStem;
  for (size_t s = 0; s < kLite0.size(); ++s) {
    const StageSpec& stage = kLite0[s];
    const bool scaled = s > 0 && s + 1 < kLite0.size();
    const int64_t O = rounded_channels(stage.channels, spec.width);
    const int count = scaled ? static_cast<int>(std::ceil(stage.blocks * spec.depth))
                             : stage.blocks;
    Stages::Blocks& blocks = stages.add(fmt::format("blocks.{}", s));
    for (int i = 0; i < count; ++i) {
      const int stride = i == 0 ? stage.stride : 1;
      if (s == 0) {
        blocks.push_back(std::make_unique<DepthwiseSeparable>(C, O, stage.kernel, stride));
      } else {
        blocks.push_back(std::make_unique<InvertedResidual>(C, O, stage.kernel, stride));
      }
      C = O;
    }
  }
}

Var EfficientNetLite::operator()(const Var& images, const Tap& tap) {
  const Var x = conv_bn(conv_stem, bn1, images, kRelu6);
  if (tap) {
    tap("stem", x);
  }
  const Var y = conv_bn(conv_head, bn2, stages(x, tap), kRelu6);
  if (tap) {
    tap("conv_head", y);
  }
  return y;
}

void EfficientNetLite::each(Visitor& v) {
  v("conv_stem", conv_stem);
  v("bn1", bn1);
  v("", stages);
  v("conv_head", conv_head);
  v("bn2", bn2);
}

}  // namespace mld
