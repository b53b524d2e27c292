// What a model is: config section [model], the part "model" of every checkpoint, and make_model()'s
// argument. The keys are explained in train/config_keys.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "core/words.h"

namespace mld {

enum class QueryKind {
  random,     // N(0, 1), not trained (the published default)
  learnable,  // the same start, trained
  nlp,        // projections of the classes' word vectors
};
constexpr std::array<std::string_view, 3> words_of(QueryKind) {
  return {"random", "learnable", "nlp"};
}

// Where the weights come from that turn a query's output into its classes' logits.
enum class PoolingKind {
  learned,  // group fully connected: every class has its own
  shared,   // one set for all queries: one vector for each of a query's classes
  word,     // the classes' word vectors times one learned matrix
};
constexpr std::array<std::string_view, 3> words_of(PoolingKind) {
  return {"learned", "shared", "word"};
}

// What random queries are trained to say.
enum class RandomTarget {
  label,      // their own logits, 1: the paper's words
  is_random,  // a further logit of every query: 1 for random ones, else 0
};
constexpr std::array<std::string_view, 2> words_of(RandomTarget) { return {"label", "is_random"}; }

// Head clip_decoder: config section [clip], with CaptionSpec and InitSpec.
struct ClipDecoderSpec {
  std::string prompt = "a photo of {}";  // see data/prompts.h
  int64_t text_width = 512, text_layers = 12, text_embed = 512;  // of the text encoder
  bool train_text = false;
  bool normalize_text = false;  // class features of length 1
  bool fork_compat = false;     // see ContrastiveProjections
  bool operator==(const ClipDecoderSpec&) const = default;
};

// Everything that decides a model's parameters and shapes.
struct ModelSpec {
  std::string backbone = "resnet50";  // see backbones()
  std::string head = "ml_decoder";    // see heads()
  // From the data, never set by the user: the classes of training, the width of their word vectors
  // or prompts (0: they have none).
  int64_t classes = 0, word_dim = 0;
  // Heads with a decoder layer:
  // ml_decoder: G queries; negative: 100, or with nlp one per class; at most `classes`
  int64_t groups = -1;
  int64_t embed_dim = 768;  // D, a multiple of the attention's heads
  int64_t ffn = 2048;
  QueryKind query = QueryKind::random;  // ml_decoder
  PoolingKind pooling = PoolingKind::learned;  // ml_decoder
  bool query_relu = false;  // ml_decoder, nlp with several classes a query: ReLU behind projection
  // ml_decoder, in training: noise, cut-out and random queries (arXiv 2111.12933, 2.3.3), on word
  // vectors or, without them, on the query table. Drawn in every forward call, so in each of a
  // batch's optim.grad_accum_steps parts.
  double noise_std = 0, query_cutout = 0;
  int64_t num_random = 0;
  RandomTarget random_target = RandomTarget::label;
  double dropout = 0.1;
  // sdl:
  int64_t principal_vectors = 7;
  // clip_decoder, which has the ml_decoder's keys too, but for query and pooling:
  ClipDecoderSpec clip{};
  // Any head:
  double drop_path = 0;  // see set_drop_path()

  bool operator==(const ModelSpec&) const = default;
};

}  // namespace mld
