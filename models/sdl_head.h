// The head of semantic diversity learning (arXiv 2105.05926): a picture becomes a few principal
// vectors in the space of word vectors; a class's score is its best product with one of them.
#pragma once

#include "models/backbone.h"
#include "models/model_spec.h"
#include "nn/layers.h"

namespace mld {

// outputs = mean over tokens of x, times weight^T: element d * R + r is dimension d of vector r.
// Names: embedding.weight [D R, C].
struct SdlHead : Head {
  Linear embedding;

  // spec: word_dim D, principal_vectors R. Errors: UsageError unless both are positive.
  SdlHead(const ModelSpec& spec, int64_t features);

  Var operator()(const Var& x, const Tap& tap = {}) override;  // -> [N, D R]; taps "pooled" [N, C]
  void each(Visitor& v) override { v("embedding", embedding); }

  int64_t word_dim() const override { return dim_; }
  void set_words(const Tensor& words) override { check_words(words, dim_); }  // reads none itself
  bool embeds() const override { return true; }

 private:
  int64_t dim_;
};

// The principal vectors one after another.   outputs [N, D R] -> [N, R, D]
Var principal_vectors(const Var& outputs, int64_t D);
// The largest product of a class's words with a vector.   vectors [N, R, D], words f32 [K, D]
//   -> [N, K]
Var sdl_scores(const Var& vectors, const Tensor& words);

}  // namespace mld
