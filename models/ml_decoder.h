// ML-Decoder (arXiv 2111.12933): a decoder layer without self-attention whose few queries read the
// feature map, and a group fully connected layer that turns each query into several classes.
#pragma once

#include "models/backbone.h"
#include "models/model_spec.h"
#include "nn/attention.h"
#include "nn/layers.h"

namespace mld {

struct MlDecoderSpec {
  int64_t features = 2048;   // F: channels of the feature map
  int64_t classes = 80;      // K
  int64_t groups = -1;       // G queries; negative: 100; at most `classes`
  int64_t embed_dim = 768;   // D, a multiple of `heads`
  int64_t ffn = 2048;
  int heads = 8;
  float dropout = 0.1f;
  QueryKind query = QueryKind::random;

  int64_t queries() const;     // G after these rules
  int64_t group_size() const;  // g = ceil(K / G): classes per query
};

// t = LN1(q + drop(q));  t = LN2(t + drop(MHA(t, m, m)));  t = LN3(t + drop(FFN(t)))
struct DecoderLayer : Module {
  MultiheadAttention multihead_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout;

  explicit DecoderLayer(const MlDecoderSpec& spec);

  // queries [G, D], memory [N, L, D] -> [N, G, D]
  Var operator()(const Var& queries, const Var& memory);
  void each(Visitor& v) override;
};

// Names: decoder.duplicate_pooling, decoder.layers.0.*, decoder.embed_standart.*, ... as published.
struct MlDecoder : Head {
  MlDecoderSpec spec;
  Linear embed_standart;           // F -> D
  Parameter query_embed;           // [G, D]
  DecoderLayer layer;
  Parameter duplicate_pooling;      // [G, D, g]
  Parameter duplicate_pooling_bias;  // [K]

  // Errors: UsageError for an impossible spec (embed_dim not a multiple of heads, no classes).
  explicit MlDecoder(const MlDecoderSpec& spec);

  Var operator()(const Var& x, const Tap& tap = {}) override;
  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

}  // namespace mld
