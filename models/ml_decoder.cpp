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

// ---- the layer ----------------------------------------------------------------------------------

DecoderLayer::DecoderLayer(const ModelSpec& spec, int heads)
    : multihead_attn(spec.embed_dim, heads, static_cast<float>(spec.dropout)),
      linear1(spec.embed_dim, spec.ffn),
      linear2(spec.ffn, spec.embed_dim),
      norm1(spec.embed_dim),
      norm2(spec.embed_dim),
      norm3(spec.embed_dim),
      dropout(static_cast<float>(spec.dropout)) {}

Var DecoderLayer::operator()(const Var& queries, const Var& memory) {
  const int64_t N = memory.shape()[0], G = queries.shape()[0], D = queries.shape()[1];
  Var t, wide;  // the queries as attention reads them, and one copy per picture
  if (dropout.training && dropout.p > 0) {
    const Var q = repeat_batch(queries, N);
    t = wide = norm1(add(q, dropout(q)));  // [N, G, D]
  } else {
    // The same for every picture: computed once, and projected once inside the attention.
    const Var shared = norm1(scale(queries, 2));  // [G, D]
    t = reshape(shared, {1, G, D});
    wide = repeat_batch(shared, N);
  }
  t = norm2(add(wide, dropout(multihead_attn(t, memory))));
  const Var inner = dropout(linear1.relu(t));  // [N, G, ffn]
  return norm3(add(t, dropout(linear2(inner))));
}

void DecoderLayer::each(Visitor& v) {
  v("norm1", norm1);
  v("multihead_attn", multihead_attn);
  v("linear1", linear1);
  v("linear2", linear2);
  v("norm2", norm2);
  v("norm3", norm3);
  v("dropout", dropout);
}

// ---- the head -----------------------------------------------------------------------------------

namespace {

const ModelSpec& checked(const ModelSpec& spec, int heads) {
  require<UsageError>(spec.classes > 0, "ml_decoder: needs at least one class, got {}",
                      spec.classes);
  require<UsageError>(spec.groups != 0, "ml_decoder: groups must be positive, or -1 for 100");
  require<UsageError>(heads > 0 && spec.embed_dim > 0 && spec.embed_dim % heads == 0,
                      "ml_decoder: embed_dim must be a multiple of {} (attention heads), got {}",
                      heads, spec.embed_dim);
  require<UsageError>(0 <= spec.dropout && spec.dropout < 1,
                      "ml_decoder: dropout must be in [0, 1), got {}", spec.dropout);
  return spec;
}

}  // namespace

MlDecoder::MlDecoder(const ModelSpec& spec, int64_t features, int heads)
    : embed_standart(features, checked(spec, heads).embed_dim),
      query_embed(Shape{ml_decoder_queries(spec), spec.embed_dim}),
      layer(spec, heads),
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
