#include <cmath>

#include "models/clip_vision.h"
#include "nn/init.h"

namespace mld {

namespace {

constexpr ActivationSpec kRelu{.kind = Act::relu};

Var pooled(const Var& x, int stride) {
  return stride == 1 ? x : avg_pool(x, {.kernel = stride, .stride = stride});
}

}  // namespace

// ---- blocks -------------------------------------------------------------------------------------

Var ClipBottleneck::Shortcut::operator()(const Var& x) {
  return conv_bn(conv, bn, pooled(x, stride));
}

void ClipBottleneck::Shortcut::each(Visitor& v) {
  v("0", conv);
  v("1", bn);
}

ClipBottleneck::ClipBottleneck(int64_t C, int64_t planes, int stride_)
    : stride(stride_),
      conv1(C, planes, 1),
      bn1(planes),
      conv2(planes, planes, 3, {.pad = 1}),
      bn2(planes),
      conv3(planes, kExpansion * planes, 1),
      bn3(kExpansion * planes),
      downsample(projection<Shortcut>(C, kExpansion * planes, stride_)) {}

Var ClipBottleneck::operator()(const Var& x) {
  const Var shortcut = downsample ? (*downsample)(x) : x;
  const Var narrow = conv_bn(conv2, bn2, conv_bn(conv1, bn1, x, kRelu), kRelu);
  return join(conv3, bn3, pooled(narrow, stride), kRelu, shortcut);
}

void ClipBottleneck::each(Visitor& v) {
  v("conv1", conv1);
  v("bn1", bn1);
  v("conv2", conv2);
  v("bn2", bn2);
  v("conv3", conv3);
  v("bn3", bn3);
  v("downsample", downsample);
}

void ClipBottleneck::reset(RandomStream&) { fill(bn3.weight, 0); }

// ---- the pool -----------------------------------------------------------------------------------

AttentionPool::AttentionPool(int64_t side, int64_t C, int heads_, int64_t embed)
    : heads(heads_),
      positional_embedding(side, C),
      k_proj(C, C),
      q_proj(C, C),
      v_proj(C, C),
      c_proj(C, embed) {}

Var AttentionPool::operator()(const Var& map) {
  const int64_t N = map.shape()[0], C = map.shape()[3];
  const Var pixels = as_tokens(map);
  const Var mean = reshape(mean_tokens(pixels), {N, 1, C});
  const Var places = positional_embedding(map.shape()[1], map.shape()[2], map);
  const Var x = add(join_tokens(mean, pixels), places);  // [N, 1 + H W, C]
  const Var query = q_proj(slice_tokens(x, 0, 1));
  const Var y = c_proj(attention(query, k_proj(x), v_proj(x), {.heads = heads}));  // [N, 1, E]
  return reshape(y, {N, y.shape()[2]});
}

void AttentionPool::each(Visitor& v) {
  v("positional_embedding", positional_embedding.table);
  v("k_proj", k_proj);
  v("q_proj", q_proj);
  v("v_proj", v_proj);
  v("c_proj", c_proj);
}

void AttentionPool::reset(RandomStream& random) {
  const double std = 1 / std::sqrt(static_cast<double>(positional_embedding.table.shape[1]));
  fill_normal(positional_embedding.table, random, std);
  for (Linear* linear : {&k_proj, &q_proj, &v_proj, &c_proj}) {
    fill_normal(linear->weight, random, std);
  }
}

// ---- the network --------------------------------------------------------------------------------

ClipResNet::ClipResNet(const ClipResNetSpec& spec_)
    : spec(spec_),
      conv1(3, spec_.width / 2, 3, {.stride = 2, .pad = 1}),
      bn1(spec_.width / 2),
      conv2(spec_.width / 2, spec_.width / 2, 3, {.pad = 1}),
      bn2(spec_.width / 2),
      conv3(spec_.width / 2, spec_.width, 3, {.pad = 1}),
      bn3(spec_.width) {
  int64_t C = spec.width;
  for (size_t stage = 0; stage < spec.layers.size(); ++stage) {
    Stages::Blocks& blocks = stages.add(fmt::format("layer{}", stage + 1));
    const int64_t planes = spec.width << stage;
    for (int i = 0; i < spec.layers[stage]; ++i) {
      const int stride = stage > 0 && i == 0 ? 2 : 1;
      blocks.push_back(std::make_unique<ClipBottleneck>(C, planes, stride));
      C = ClipBottleneck::kExpansion * planes;
    }
  }
  if (spec.embed > 0) {
    attnpool.emplace(spec.image_size / 32, C, spec.heads, spec.embed);
  }
}

Var ClipResNet::operator()(const Var& images, const Tap& tap) {
  Var x = conv_bn(conv1, bn1, images, kRelu);
  x = conv_bn(conv3, bn3, conv_bn(conv2, bn2, x, kRelu), kRelu);
  x = pooled(x, 2);
  if (tap) {
    tap("stem", x);
  }
  return stages(x, tap);
}

Var ClipResNet::embed(const Var& images) {
  require(attnpool.has_value(), "ClipResNet: it was made without its attention pool");
  return (*attnpool)((*this)(images));
}

void ClipResNet::each(Visitor& v) {
  v("visual.conv1", conv1);
  v("visual.bn1", bn1);
  v("visual.conv2", conv2);
  v("visual.bn2", bn2);
  v("visual.conv3", conv3);
  v("visual.bn3", bn3);
  v("visual", stages);
  v("visual.attnpool", attnpool);
}

}  // namespace mld
