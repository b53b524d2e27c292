// ML-Decoder (arXiv 2111.12933): a decoder layer without self-attention whose few queries read the
// feature map, and a group fully connected layer that turns each query into several classes.
//
// Note [Classes by words]. Queries, pooling or both may be made from the classes' word vectors
// instead of being parameters of each class. With one class a query and shared pooling this is the
// published zero-shot head; the rest follows appendix B as reconstructed in the specification
// (spec/ml-decoder.md 8). Then any number of classes can be asked for, in any order; a query still
// has g of them. More queries than in training use what is learned per query from the start again.
#pragma once

#include "models/backbone.h"
#include "models/decoder_layer.h"

namespace mld {

constexpr int kMlDecoderHeads = 8;  // of its attention

int64_t ml_decoder_queries(const ModelSpec& spec);     // G: see ModelSpec::groups
int64_t ml_decoder_group_size(const ModelSpec& spec);  // g = ceil(K / G): classes per query
bool ml_decoder_reads_words(const ModelSpec& spec);    // for queries, for pooling, or for both
// Whether a class's logit depends on nothing but the picture and its own word vector: not on its
// place among the classes, nor on those that share its query.
bool ml_decoder_by_words_alone(const ModelSpec& spec);

// Names: decoder.duplicate_pooling, decoder.layers.0.*, decoder.embed_standart.*,
// wordvec_proj.*, ... as published; is_random.* is ours.
struct MlDecoder : Head {
  ModelSpec spec;
  Linear embed_standart;                 // features -> D
  std::optional<Parameter> query_embed;  // [G, D], unless queries are made from words
  DecoderLayer layer;
  Parameter duplicate_pooling;           // [G, D, g]; shared: [D, g]; word: [D, d]
  Parameter duplicate_pooling_bias;      // [K]; shared, word: [1]
  std::optional<Linear> wordvec_proj;    // d -> D with bias; grouped(): d -> D / g, without
  std::optional<Linear> is_random;       // D -> 1, see RandomTarget

  // `features`: channels of the feature map. Errors: UsageError for an impossible spec (embed_dim
  // not a multiple of heads, no classes, words needed that the classes do not have, random queries
  // whose target the pooling cannot give).
  MlDecoder(const ModelSpec& spec, int64_t features, int heads = kMlDecoderHeads);

  // Errors, where words are read: Error before set_words().
  Var operator()(const Var& x, const Tap& tap = {}) override;
  // Its two steps. words [n, d] may be on the tape; undefined if none are read.
  Var memory(const Var& x);                                               // -> [N, L, D]
  Var logits(const Var& memory, const Var& words, const Tap& tap = {});  // -> [N, K]

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;

  int64_t word_dim() const override { return reads_words() ? spec.word_dim : 0; }
  void set_words(const Tensor& words) override;
  std::vector<float> extra_targets() const override;
  std::vector<float> extra_targets(int64_t words) const;  // for so many words

 private:
  bool reads_words() const;
  // Appendix B's form of word queries, with neither bias nor (unless asked for) ReLU.
  bool grouped() const;
  Var augmented(const Var& vectors) const;
  Var queries(const Var& words, int64_t groups);
  Var pooling(const Var& words, const Var& h);
  Var bias(const Var& h, int64_t columns);

  Tensor words_;
};

}  // namespace mld
