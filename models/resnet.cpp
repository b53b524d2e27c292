#include "models/resnet.h"

#include <algorithm>

namespace mld {

namespace {

constexpr ActivationSpec kRelu{.kind = Act::relu};
constexpr PoolSpec kStemPool{.kernel = 3, .stride = 2, .pad = 1};
constexpr std::array<std::string_view, 4> kStages{"layer1", "layer2", "layer3", "layer4"};

std::optional<ResNetShortcut> shortcut(int64_t C, int64_t O, int stride) {
  if (stride == 1 && C == O) {
    return std::nullopt;
  }
  return ResNetShortcut(C, O, stride);
}

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------

Var ResNetBlock::join(Conv2d& conv, BatchNorm2d& bn, const Var& x, const Var& shortcut) const {
  if (!training || drop_rate == 0) {
    return conv_bn(conv, bn, x, kRelu, shortcut);
  }
  const Var branch = drop_path(conv_bn(conv, bn, x), static_cast<float>(drop_rate));
  return relu(add(branch, shortcut));
}

BasicBlock::BasicBlock(int64_t C, int64_t planes, int stride)
    : conv1(C, planes, 3, {.stride = stride, .pad = 1}),
      bn1(planes),
      conv2(planes, planes, 3, {.pad = 1}),
      bn2(planes),
      downsample(shortcut(C, planes, stride)) {}

Var BasicBlock::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  return join(conv2, bn2, conv_bn(conv1, bn1, x, kRelu), residual);
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
      downsample(shortcut(C, kExpansion * planes, stride)) {}

Var Bottleneck::operator()(const Var& x) {
  const Var residual = downsample ? (*downsample)(x) : x;
  const Var narrow = conv_bn(conv1, bn1, x, kRelu);
  return join(conv3, bn3, conv_bn(conv2, bn2, narrow, kRelu), residual);
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
  for (size_t stage = 0; stage < layers.size(); ++stage) {
    const int64_t planes = spec.width << stage;
    for (int i = 0; i < spec.layers[stage]; ++i) {
      const int stride = stage > 0 && i == 0 ? 2 : 1;
      if (spec.bottleneck) {
        layers[stage].push_back(std::make_unique<Bottleneck>(C, planes, stride));
        C = Bottleneck::kExpansion * planes;
      } else {
        layers[stage].push_back(std::make_unique<BasicBlock>(C, planes, stride));
        C = planes;
      }
    }
  }
}

bool ResNet::set_drop_path(double rate) {
  std::vector<ResNetBlock*> blocks;
  for (const auto& stage : layers) {
    for (const auto& block : stage) {
      blocks.push_back(block.get());
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const double last = std::max<double>(1, static_cast<double>(blocks.size()) - 1);
    blocks[i]->drop_rate = rate * static_cast<double>(i) / last;
  }
  return true;
}

int64_t ResNet::features() const {
  return 8 * spec.width * (spec.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
}

Var ResNet::operator()(const Var& images, const Tap& tap) {
  Var x = max_pool(conv_bn(conv1, bn1, images, kRelu), kStemPool);
  if (tap) {
    tap("stem", x);
  }
  for (size_t stage = 0; stage < layers.size(); ++stage) {
    for (const auto& block : layers[stage]) {
      x = (*block)(x);
    }
    if (tap) {
      tap(kStages[stage], x);
    }
  }
  return x;
}

void ResNet::each(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  for (size_t stage = 0; stage < layers.size(); ++stage) {
    v(kStages[stage], layers[stage]);
  }
}

}  // namespace mld
