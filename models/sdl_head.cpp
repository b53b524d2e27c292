#include "models/sdl_head.h"

namespace mld {

static int64_t outputs_of(const ModelSpec& spec) {
  require<UsageError>(spec.word_dim > 0 && spec.principal_vectors > 0,
                      "sdl: needs classes with word vectors and at least one principal vector, got "
                      "vectors of {} numbers and model.principal_vectors = {}", spec.word_dim,
                      spec.principal_vectors);
  return spec.word_dim * spec.principal_vectors;
}

SdlHead::SdlHead(const ModelSpec& spec, int64_t features)
    : embedding(features, outputs_of(spec), false), dim_(spec.word_dim) {}

Var SdlHead::operator()(const Var& x, const Tap& tap) {
  const Var pooled = mean_tokens(as_tokens(x));
  if (tap) {
    tap("pooled", pooled);
  }
  return embedding(pooled);
}

Var principal_vectors(const Var& outputs, int64_t D) {
  const Shape& s = outputs.shape();
  require(s.rank() == 2 && D > 0 && s[1] % D == 0,
          "sdl: outputs must be [N, R * {}] for word vectors of {} numbers, got {}", D, D, s);
  return transpose(reshape(outputs, {s[0], D, s[1] / D}));
}

Var sdl_scores(const Var& vectors, const Tensor& words) {
  const int64_t N = vectors.shape()[0], R = vectors.shape()[1], D = vectors.shape()[2];
  check_words(words, D);
  const Var products = linear(reshape(vectors, {N * R, D}), Var(words.to(vectors.device())));
  return max_tokens(reshape(products, {N, R, words.shape()[0]}));
}

}  // namespace mld
