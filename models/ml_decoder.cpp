#include "models/ml_decoder.h"

#include <algorithm>
#include <cmath>

#include "nn/init.h"

namespace mld {

int64_t ml_decoder_queries(const ModelSpec& spec) {
  constexpr int64_t kDefault = 100;
  return std::min(spec.groups < 0 ? kDefault : spec.groups, spec.classes);
}

// The published code computes floor(K / G + 0.999), which is one too small for some G > 1000.
int64_t ml_decoder_group_size(const ModelSpec& spec) {
  const int64_t queries = ml_decoder_queries(spec);
  return (spec.classes + queries - 1) / queries;
}

MlDecoder::MlDecoder(const ModelSpec& spec, int64_t features, int heads)
    : embed_standart(features, checked_decoder_spec(spec, heads).embed_dim),
      query_embed(Shape{ml_decoder_queries(spec), spec.embed_dim}),
      layer(spec, heads, false),
      duplicate_pooling(
          Shape{ml_decoder_queries(spec), spec.embed_dim, ml_decoder_group_size(spec)}),
      duplicate_pooling_bias(Shape{spec.classes}) {
  query_embed.trainable = spec.query == QueryKind::learnable;
}

Var MlDecoder::operator()(const Var& x, const Tap&) {
  const Var memory = embed_standart.relu(as_tokens(x));                            // [N, L, D]
  const Var h = layer(cast(as_input(query_embed, memory), memory.dtype()), memory);    // [N, G, D]
  const Var w = cast(as_input(duplicate_pooling, h), h.dtype());
  return group_linear(h, w, as_input(duplicate_pooling_bias, h));                      // [N, K]
}

void MlDecoder::each(Visitor& v) {
  v("decoder.duplicate_pooling", duplicate_pooling);
  v("decoder.duplicate_pooling_bias", duplicate_pooling_bias);
  v("decoder.layers.0", layer);
  v("decoder.embed_standart", embed_standart);
  v("decoder.query_embed.weight", query_embed);
}

void MlDecoder::reset(RandomStream& random) {
  fill_normal(query_embed, random, 1.0);
  // Xavier normal of [G, D, g]: fan in D * g, fan out G * g.
  const Shape& s = duplicate_pooling.shape;
  fill_normal(duplicate_pooling, random,
              std::sqrt(2.0 / static_cast<double>((s[1] + s[0]) * s[2])));
  fill(duplicate_pooling_bias, 0);
}

}  // namespace mld
