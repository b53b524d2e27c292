#include "models/efficientnet_lite.h"

#include <cmath>

namespace mld {

namespace {

constexpr ActivationSpec kRelu6{.kind = Act::relu6};
constexpr std::array<std::string_view, 7> kStages{"blocks.0", "blocks.1", "blocks.2", "blocks.3",
                                                  "blocks.4", "blocks.5", "blocks.6"};

struct Stage {
  int blocks, kernel, stride;
  int64_t channels;
};
constexpr std::array<Stage, 7> kLite0{{{1, 3, 1, 16},
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

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------

DepthwiseConv2d::DepthwiseConv2d(int64_t C, int kernel, int stride)
    : Conv2d(C, C, kernel,
             {.stride = stride, .groups = static_cast<int>(C), .same = true}) {}

DepthwiseSeparable::DepthwiseSeparable(int64_t C, int64_t O, int kernel, int stride)
    : LiteBlock(C, O, stride),
      conv_dw(C, kernel, stride),
      bn1(C),
      conv_pw(C, O, 1),
      bn2(O) {}

Var DepthwiseSeparable::operator()(const Var& x) {
  return conv_bn(conv_pw, bn2, conv_bn(conv_dw, bn1, x, kRelu6), {}, residual ? x : Var());
}

void DepthwiseSeparable::each(Visitor& v) {
  v("conv_dw", conv_dw);
  v("bn1", bn1);
  v("conv_pw", conv_pw);
  v("bn2", bn2);
}

InvertedResidual::InvertedResidual(int64_t C, int64_t O, int kernel, int stride)
    : LiteBlock(C, O, stride),
      conv_pw(C, kExpansion * C, 1),
      bn1(kExpansion * C),
      conv_dw(kExpansion * C, kernel, stride),
      bn2(kExpansion * C),
      conv_pwl(kExpansion * C, O, 1),
      bn3(O) {}

Var InvertedResidual::operator()(const Var& x) {
  const Var wide = conv_bn(conv_dw, bn2, conv_bn(conv_pw, bn1, x, kRelu6), kRelu6);
  return conv_bn(conv_pwl, bn3, wide, {}, residual ? x : Var());
}

void InvertedResidual::each(Visitor& v) {
  v("conv_pw", conv_pw);
  v("bn1", bn1);
  v("conv_dw", conv_dw);
  v("bn2", bn2);
  v("conv_pwl", conv_pwl);
  v("bn3", bn3);
}

// ---- the network --------------------------------------------------------------------------------

EfficientNetLite::EfficientNetLite(const EfficientNetLiteSpec& spec)
    : conv_stem(3, kStem, 3, {.stride = 2, .same = true}),
      bn1(kStem),
      conv_head(rounded_channels(kLite0.back().channels, spec.width), kHead, 1),
      bn2(kHead) {
  int64_t C = kStem;
  for (size_t s = 0; s < kLite0.size(); ++s) {
    const Stage& stage = kLite0[s];
    const bool scaled = s > 0 && s + 1 < kLite0.size();
    const int64_t O = rounded_channels(stage.channels, spec.width);
    const int count = scaled ? static_cast<int>(std::ceil(stage.blocks * spec.depth))
                             : stage.blocks;
    for (int i = 0; i < count; ++i) {
      const int stride = i == 0 ? stage.stride : 1;
      if (s == 0) {
        blocks[s].push_back(std::make_unique<DepthwiseSeparable>(C, O, stage.kernel, stride));
      } else {
        blocks[s].push_back(std::make_unique<InvertedResidual>(C, O, stage.kernel, stride));
      }
      C = O;
    }
  }
}

Var EfficientNetLite::operator()(const Var& images, const Tap& tap) {
  Var x = conv_bn(conv_stem, bn1, images, kRelu6);
  if (tap) {
    tap("stem", x);
  }
  for (size_t s = 0; s < blocks.size(); ++s) {
    for (const auto& block : blocks[s]) {
      x = (*block)(x);
    }
    if (tap) {
      tap(kStages[s], x);
    }
  }
  x = conv_bn(conv_head, bn2, x, kRelu6);
  if (tap) {
    tap("conv_head", x);
  }
  return x;
}

void EfficientNetLite::each(Visitor& v) {
  v("conv_stem", conv_stem);
  v("bn1", bn1);
  for (size_t s = 0; s < blocks.size(); ++s) {
    v(kStages[s], blocks[s]);
  }
  v("conv_head", conv_head);
  v("bn2", bn2);
}

}  // namespace mld
