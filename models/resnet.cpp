#include "models/resnet.h"

namespace mld {

namespace {

constexpr ActivationSpec kRelu{.kind = Act::relu};
constexpr PoolSpec kStemPool{.kernel = 3, .stride = 2, .pad = 1};

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------

BasicBlock::BasicBlock(int64_t C, int64_t planes, int stride)
    : conv1(C, planes, 3, {.stride = stride, .pad = 1}),
      bn1(planes),
      conv2(planes, planes, 3, {.pad = 1}),
      bn2(planes),
      downsample(projection<ResNetShortcut>(C, planes, stride)) {}

Var BasicBlock::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  return join(conv2, bn2, conv_bn(conv1, bn1, x, kRelu), kRelu, residual);
}

void BasicBlock::each(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  v("conv2", conv2);
  v("bn2", bn2);
  v("downsample", downsample);
}

Bottleneck::Bottleneck(int64_t C, int64_t planes, int stride)
    : conv1(C, planes, 1),
      bn1(planes),
      conv2(planes, planes, 3, {.stride = stride, .pad = 1}),
      bn2(planes),
      conv3(planes, kExpansion * planes, 1),
      bn3(kExpansion * planes),
      downsample(projection<ResNetShortcut>(C, kExpansion * planes, stride)) {}

Var Bottleneck::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  const Var narrow = conv_bn(conv1, bn1, x, kRelu);
  return join(conv3, bn3, conv_bn(conv2, bn2, narrow, kRelu), kRelu, residual);
}

void Bottleneck::each(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  v("conv2", conv2);
  v("bn2", bn2);
  v("conv3", conv3);
  v("bn3", bn3);
  v("downsample", downsample);
}

// ---- the network --------------------------------------------------------------------------------

ResNet::ResNet(const ResNetSpec& spec_)
    : spec(spec_), conv1(3, spec_.width, 7, {.stride = 2, .pad = 3}), bn1(spec_.width) {
  int64_t C = spec.width;
  for (size_t stage = 0; stage < spec.layers.size(); ++stage) {
    Stages::Blocks& blocks = stages.add(fmt::format("layer{}", stage + 1));
    const int64_t planes = spec.width << stage;
    for (int i = 0; i < spec.layers[stage]; ++i) {
      const int stride = stage > 0 && i == 0 ? 2 : 1;
      if (spec.bottleneck) {
        blocks.push_back(std::make_unique<Bottleneck>(C, planes, stride));
        C = Bottleneck::kExpansion * planes;
      } else {
        blocks.push_back(std::make_unique<BasicBlock>(C, planes, stride));
        C = planes;
      }
    }
  }
}

int64_t ResNet::features() const {
  return 8 * spec.width * (spec.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
}

Var ResNet::operator()(const Var& images, const Tap& tap) {
  const Var x = max_pool(conv_bn(conv1, bn1, images, kRelu), kStemPool);
  if (tap) {
    tap("stem", x);
  }
  return stages(x, tap);
}

void ResNet::each(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  v("", stages);
}

}  // namespace mld
