// The baseline that ML-Decoder is compared with: a transformer decoder with one query per class
// (arXiv 2111.12933, section 2.1 and table 9; Query2Label, arXiv 2107.10834).
#pragma once

#include "models/backbone.h"
#include "models/decoder_layer.h"

namespace mld {

constexpr int kTransformerDecoderHeads = 8;  // of its attentions

// logit_k = <t_k, w_k> + b_k, t the decoder layer's output for K learned queries. No published code
// belongs to the paper's table; names and composition are those of the reference tensors.
struct TransformerDecoder : Head {
  Linear embed_standart;  // features -> D, then ReLU
  Parameter query_embed;  // [K, D]
  DecoderLayer layer;
  Parameter pool_weight;  // [K, D]
  Parameter pool_bias;    // [K]

  // `features`: channels of the feature map. Errors: as checked_decoder_spec().
  TransformerDecoder(const ModelSpec& spec, int64_t features,
                     int heads = kTransformerDecoderHeads);

  Var operator()(const Var& x, const Tap& tap = {}) override;
  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

}  // namespace mld
