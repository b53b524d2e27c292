#include "models/tresnet.h"

#include <algorithm>

#include "nn/init.h"

namespace mld {

namespace {

constexpr ActivationSpec kRelu{.kind = Act::relu};
constexpr int64_t kSmallest = 20;  // pixels: the last blur still sees two

ActivationSpec leaky(float slope) { return {.kind = Act::leaky_relu, .slope = slope}; }

// Squeezed to an eighth of the block's output, but at least 64 channels.
std::optional<SqueezeExcite> excitation(bool wanted, int64_t C, int64_t hidden) {
  if (!wanted) {
    return std::nullopt;
  }
  return std::make_optional<SqueezeExcite>(C, std::max<int64_t>(hidden, 64));
}

}  // namespace

// ---- units --------------------------------------------------------------------------------------

ConvAbn::ConvAbn(int64_t C, int64_t O, int kernel, const ActivationSpec& act_, bool blurred_)
    : conv(C, O, kernel, {.pad = kernel / 2}), bn(O), act(act_), blurred(blurred_) {
  bn.spec.abs_scale = true;
}

Var ConvAbn::operator()(const Var& x) {
  const Var y = conv_bn(conv, bn, x, act);
  return blurred ? blur_pool(y) : y;
}

void ConvAbn::each(Visitor& v) {
  v(blurred ? "0.0" : "0", conv);
  v(blurred ? "0.1" : "1", bn);
}

Var TResNetShortcut::operator()(const Var& x) {
  return unit(halves ? avg_pool(x, {.ceil_mode = true}) : x);
}

void TResNetShortcut::each(Visitor& v) { v(halves ? "1" : "0", unit); }

// ---- blocks -------------------------------------------------------------------------------------

TResNetBasic::TResNetBasic(int64_t C, int64_t planes, const TResNetBlockSpec& spec)
    : conv1(C, planes, 3, leaky(spec.slope), spec.stride == 2),
      conv2(planes, planes, 3),
      downsample(projection<TResNetShortcut>(C, planes, spec.stride)),
      se(excitation(spec.squeeze_excite, planes, planes / 4)) {}

Var TResNetBasic::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  const Var inner = conv1(x);
  return se ? join((*se)(conv2(inner)), kRelu, residual)
            : join(conv2.conv, conv2.bn, inner, kRelu, residual);
}

void TResNetBasic::each(Visitor& v) {
  v("conv1", conv1);
  v("conv2", conv2);
  v("downsample", downsample);
  v("se", se);
}

void TResNetBasic::reset(RandomStream&) { fill(conv2.bn.weight, 0); }

TResNetBottleneck::TResNetBottleneck(int64_t C, int64_t planes, const TResNetBlockSpec& spec)
    : conv1(C, planes, 1, leaky(spec.slope)),
      conv2(planes, planes, 3, leaky(spec.slope), spec.stride == 2),
      conv3(planes, kExpansion * planes, 1),
      downsample(projection<TResNetShortcut>(C, kExpansion * planes, spec.stride)),
      se(excitation(spec.squeeze_excite, planes, kExpansion * planes / 8)) {}

Var TResNetBottleneck::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  const Var inner = conv2(conv1(x));
  return join(conv3.conv, conv3.bn, se ? (*se)(inner) : inner, kRelu, residual);
}

void TResNetBottleneck::each(Visitor& v) {
  v("conv1", conv1);
  v("conv2", conv2);
  v("conv3", conv3);
  v("downsample", downsample);
  v("se", se);
}

void TResNetBottleneck::reset(RandomStream&) { fill(conv3.bn.weight, 0); }

// ---- the network --------------------------------------------------------------------------------

TResNet::TResNet(const TResNetSpec& spec_)
    : spec(spec_), conv1(3 * kBlock * kBlock, spec_.planes, 3, leaky(spec_.stem_slope)) {
  int64_t C = spec.planes;
  for (size_t stage = 0; stage < spec.layers.size(); ++stage) {
    Stages::Blocks& blocks = stages.add(fmt::format("layer{}", stage + 1));
    const int64_t planes = spec.planes << stage;
    for (int i = 0; i < spec.layers[stage]; ++i) {
      const TResNetBlockSpec block{.stride = stage > 0 && i == 0 ? 2 : 1,
                                   .squeeze_excite = stage < 3,
                                   .slope = spec.block_slope};
      if (spec.basic_first && stage < 2) {
        blocks.push_back(std::make_unique<TResNetBasic>(C, planes, block));
        C = planes;
      } else {
        blocks.push_back(std::make_unique<TResNetBottleneck>(C, planes, block));
        C = TResNetBottleneck::kExpansion * planes;
      }
    }
  }
}

int64_t TResNet::features() const { return 8 * spec.planes * TResNetBottleneck::kExpansion; }

Var TResNet::operator()(const Var& images, const Tap& tap) {
  const int64_t H = images.shape()[1], W = images.shape()[2];
  require<UsageError>(H % kBlock == 0 && W % kBlock == 0 && std::min(H, W) >= kSmallest,
                      "tresnet: pictures must have sides that are multiples of {} and at least {}, "
                      "got {} x {}; set data.image_size to {}", kBlock, kSmallest, H, W,
                      std::max(kSmallest, std::max(H, W) / kBlock * kBlock));
  Var x = space_to_depth(images, kBlock);
  if (tap) {
    tap("SpaceToDepth", x);
  }
  x = conv1(x);
  if (tap) {
    tap("conv1", x);
  }
  return stages(x, tap);
}

void TResNet::each(Visitor& v) {
  v("body.conv1", conv1);
  v("body", stages);
}

}  // namespace mld
