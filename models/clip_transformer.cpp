#include "models/clip_transformer.h"

#include <cmath>

#include "nn/init.h"

namespace mld {

void ClipBlock::Mlp::each(Visitor& v) {
  v("c_fc", c_fc);
  v("c_proj", c_proj);
}

ClipBlock::ClipBlock(int64_t D, int heads, bool causal)
    : attn(D, heads, 0), ln_1(D), mlp(D), ln_2(D) {
  attn.causal = causal;
}

Var ClipBlock::operator()(const Var& x) {
  const Var normed = ln_1(x);
  const Var seen = join(attn(normed, normed), {}, x);
  return join(mlp(ln_2(seen)), {}, seen);
}

void ClipBlock::each(Visitor& v) {
  v("attn", attn);
  v("ln_1", ln_1);
  v("mlp", mlp);
  v("ln_2", ln_2);
}

ClipTransformer::ClipTransformer(int64_t width_, int64_t layers, int heads, bool causal)
    : width(width_) {
  for (int64_t i = 0; i < layers; ++i) {
    resblocks.push_back(std::make_unique<ClipBlock>(width, heads, causal));
  }
}

Var ClipTransformer::operator()(Var x) {
  for (const auto& block : resblocks) {
    x = (*block)(x);
  }
  return x;
}

void ClipTransformer::reset(RandomStream& random) {
  const auto D = static_cast<double>(width), layers = static_cast<double>(resblocks.size());
  const double last = 1 / std::sqrt(D * 2 * layers);
  for (const auto& block : resblocks) {
    fill_normal(block->attn.in_proj_weight, random, 1 / std::sqrt(D));
    fill_normal(block->attn.out_proj.weight, random, last);
    fill_normal(block->mlp.c_fc.weight, random, 1 / std::sqrt(2 * D));
    fill_normal(block->mlp.c_proj.weight, random, last);
  }
}

Var project(const Var& x, Parameter& w) {
  const int64_t N = x.shape()[0], C = w.shape[0], O = w.shape[1];
  const Var matrix = cast(reshape(as_input(w, x), {1, C, O}), x.dtype());
  return reshape(matmul(reshape(x, {1, N, C}), matrix), {N, O});
}

}  // namespace mld
