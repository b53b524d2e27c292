#include "models/transformer_decoder.h"

#include <cmath>

#include "nn/init.h"

namespace mld {

TransformerDecoder::TransformerDecoder(const ModelSpec& spec, int64_t features, int heads)
    : embed_standart(features, checked_decoder_spec(spec, heads).embed_dim),
      query_embed(Shape{spec.classes, spec.embed_dim}),
      layer(spec, heads, true),
      pool_weight(Shape{spec.classes, spec.embed_dim}),
      pool_bias(Shape{spec.classes}) {}

Var TransformerDecoder::operator()(const Var& x, const Tap& tap) {
  const Var memory = embed_standart.relu(as_tokens(x));  // [N, L, D]
  const Var q = cast(as_input(query_embed, memory), memory.dtype());
  const Var t = layer(q, memory, tap);  // [N, K, D]
  const Var w = cast(as_input(pool_weight, t), t.dtype());
  // One class per group: the K products of a query with its own row.
  const Shape& s = pool_weight.shape;
  return group_linear(t, reshape(w, {s[0], s[1], 1}), as_input(pool_bias, t));
}

void TransformerDecoder::each(Visitor& v) {
  v("pool_weight", pool_weight);
  v("pool_bias", pool_bias);
  v("embed_standart", embed_standart);
  v("query_embed.weight", query_embed);
  v("layer", layer);
}

void TransformerDecoder::reset(RandomStream& random) {
  fill_normal(query_embed, random, 1.0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(pool_weight.shape[1]));
  fill_uniform(pool_weight, random, bound);
  fill_uniform(pool_bias, random, bound);
}

}  // namespace mld
