// ML-Decoder (arXiv 2111.12933): a decoder layer without self-attention whose few queries read the
// feature map, and a group fully connected layer that turns each query into several classes.
#pragma once

#include "models/backbone.h"
#include "models/decoder_layer.h"

namespace mld {

constexpr int kMlDecoderHeads = 8;  // of its attention

int64_t ml_decoder_queries(const ModelSpec& spec);     // G: spec.groups or 100, at most the classes
int64_t ml_decoder_group_size(const ModelSpec& spec);  // g = ceil(K / G): classes per query

// Names: decoder.duplicate_pooling, decoder.layers.0.*, decoder.embed_standart.*, ... as published.
struct MlDecoder : Head {
  Linear embed_standart;           // features -> D
  Parameter query_embed;           // [G, D]
  DecoderLayer layer;
  Parameter duplicate_pooling;      // [G, D, g]
  Parameter duplicate_pooling_bias;  // [K]

  // `features`: channels of the feature map. Errors: UsageError for an impossible spec (embed_dim
  // not a multiple of heads, no classes).
  MlDecoder(const ModelSpec& spec, int64_t features, int heads = kMlDecoderHeads);

  Var operator()(const Var& x, const Tap& tap = {}) override;
  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

}  // namespace mld
