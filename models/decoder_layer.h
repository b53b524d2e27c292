// The decoder layer of the heads that ask the feature map questions: ML-Decoder's, and with
// self-attention the transformer decoder's (arXiv 1706.03762, norms after the additions).
#pragma once

#include <optional>

#include "models/backbone.h"
#include "models/model_spec.h"
#include "nn/attention.h"
#include "nn/layers.h"

namespace mld {

// t = LN1(q + drop(SA(q)));  t = LN2(t + drop(MHA(t, m, m)));  t = LN3(t + drop(FFN(t))), where
// SA(q) is self-attention or, in ML-Decoder (arXiv 2111.12933), q itself.
struct DecoderLayer : Module {
  std::optional<MultiheadAttention> self_attn;
  MultiheadAttention multihead_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout;

  // spec: embed_dim, ffn, dropout
  DecoderLayer(const ModelSpec& spec, int heads, bool self_attention);

  // queries [Q, D], memory [N, L, D] -> [N, Q, D]; taps "query" and "key"
  Var operator()(const Var& queries, const Var& memory, const Tap& tap = {});
  void each(Visitor& v) override;
};

// `spec`, if a head with this layer can be built from it. Errors: UsageError for no classes, no
// queries, an embed_dim that is not a multiple of heads, dropout outside [0, 1).
const ModelSpec& checked_decoder_spec(const ModelSpec& spec, int heads);

}  // namespace mld
