#include "models/ml_decoder.h"

#include <algorithm>
#include <cmath>

#include "nn/init.h"

namespace mld {

int64_t ml_decoder_queries(const ModelSpec& spec) {
  constexpr int64_t kDefault = 100;
  const int64_t automatic = spec.query == QueryKind::nlp ? spec.classes : kDefault;
  return std::min(spec.groups < 0 ? automatic : spec.groups, spec.classes);
}

// The published code computes floor(K / G + 0.999), which is one too small for some G > 1000.
int64_t ml_decoder_group_size(const ModelSpec& spec) {
  const int64_t queries = ml_decoder_queries(spec);
  return (spec.classes + queries - 1) / queries;
}

// ---- shapes -------------------------------------------------------------------------------------

bool ml_decoder_reads_words(const ModelSpec& spec) {
  return spec.query == QueryKind::nlp || spec.pooling == PoolingKind::word;
}

bool ml_decoder_by_words_alone(const ModelSpec& spec) {
  return spec.query == QueryKind::nlp && spec.pooling != PoolingKind::learned &&
         ml_decoder_group_size(spec) == 1;
}

namespace {

bool in_groups(const ModelSpec& spec) {
  return ml_decoder_group_size(spec) > 1 || spec.pooling == PoolingKind::word;
}

const ModelSpec& checked(const ModelSpec& spec, int heads) {
  checked_decoder_spec(spec, heads);
  const bool words = ml_decoder_reads_words(spec);
  require<UsageError>(!words || spec.word_dim > 0,
                      "ml_decoder: model.query = \"nlp\" and model.pooling = \"word\" need classes "
                      "with word vectors");
  const int64_t g = ml_decoder_group_size(spec);
  require<UsageError>(spec.query != QueryKind::nlp || g <= spec.embed_dim,
                      "ml_decoder: {} classes a query, of which each needs a part of "
                      "model.embed_dim = {}; use more model.groups", g, spec.embed_dim);
  require<UsageError>(spec.noise_std >= 0 && spec.num_random >= 0 && 0 <= spec.query_cutout &&
                          spec.query_cutout < 1,
                      "ml_decoder: noise_std and num_random must not be negative, query_cutout in "
                      "[0, 1); got {}, {}, {}", spec.noise_std, spec.num_random,
                      spec.query_cutout);
  const bool says_label = spec.random_target == RandomTarget::label;
  require<UsageError>(spec.num_random == 0 || !says_label ||
                          (words && spec.pooling != PoolingKind::learned),
                      "ml_decoder: random queries have no logit of their own here; use "
                      "model.random_target = \"is_random\", or word vectors and model.pooling "
                      "shared or word");
  require<UsageError>(spec.num_random == 0 || says_label || !words || g == 1,
                      "ml_decoder: model.random_target = \"is_random\" asks each query, but here "
                      "one has {} classes; use model.random_target = \"label\"", g);
  return spec;
}

Shape pooling_shape(const ModelSpec& spec) {
  const int64_t D = spec.embed_dim, g = ml_decoder_group_size(spec);
  switch (spec.pooling) {
    case PoolingKind::learned: return {ml_decoder_queries(spec), D, g};
    case PoolingKind::shared: return {D, g};
    case PoolingKind::word: return {D, spec.word_dim};
  }
  return {};
}

Shape bias_shape(const ModelSpec& spec) {
  return {spec.pooling == PoolingKind::learned ? spec.classes : 1};
}

}  // namespace

MlDecoder::MlDecoder(const ModelSpec& spec_, int64_t features, int heads)
    : spec(checked(spec_, heads)),
      embed_standart(features, spec.embed_dim),
      layer(spec, heads, false),
      duplicate_pooling(pooling_shape(spec)),
      duplicate_pooling_bias(bias_shape(spec)) {
  const int64_t D = spec.embed_dim;
  if (spec.query == QueryKind::nlp) {
    wordvec_proj.emplace(spec.word_dim, grouped() ? D / ml_decoder_group_size(spec) : D,
                         !grouped());
  } else {
    query_embed.emplace(Shape{ml_decoder_queries(spec), D});
    query_embed->trainable = spec.query == QueryKind::learnable;
  }
  if (spec.num_random > 0 && spec.random_target == RandomTarget::is_random) {
    is_random.emplace(D, 1);
  }
}

bool MlDecoder::reads_words() const { return ml_decoder_reads_words(spec); }
bool MlDecoder::grouped() const { return in_groups(spec); }

void MlDecoder::each(Visitor& v) {
  v("decoder.duplicate_pooling", duplicate_pooling);
  v("decoder.duplicate_pooling_bias", duplicate_pooling_bias);
  v("decoder.layers.0", layer);
  v("decoder.embed_standart", embed_standart);
  v("decoder.query_embed.weight", query_embed);
  v("wordvec_proj", wordvec_proj);
  v("is_random", is_random);
}

void MlDecoder::reset(RandomStream& random) {
  if (query_embed) {
    fill_normal(*query_embed, random, 1.0);
  }
  const Shape& s = duplicate_pooling.shape;
  if (spec.pooling == PoolingKind::word) {
    fill_linear_default(duplicate_pooling, random, s[1]);
  } else {
    // Xavier normal with PyTorch's fans. [G, D, g]: D * g in, G * g out; [D, g]: g in, D out.
    const int64_t fans = s.rank() == 3 ? (s[1] + s[0]) * s[2] : s[0] + s[1];
    fill_normal(duplicate_pooling, random, std::sqrt(2.0 / static_cast<double>(fans)));
  }
  fill(duplicate_pooling_bias, 0);
}

// ---- words --------------------------------------------------------------------------------------

void MlDecoder::set_words(const Tensor& words) {
  if (!reads_words()) {
    Head::set_words(words);
  }
  check_words(words, spec.word_dim);
  words_ = words;
}

std::vector<float> MlDecoder::extra_targets() const {
  return extra_targets(words_.defined() ? words_.shape()[0] : 0);
}

// Where the words are augmented, otherwise the query table is.
std::vector<float> MlDecoder::extra_targets(int64_t words) const {
  std::vector<float> targets;
  if (training && spec.num_random > 0) {
    if (is_random) {
      const int64_t real = reads_words() ? words : query_embed->shape[0];
      targets.assign(static_cast<size_t>(real), 0.0f);
    }
    targets.insert(targets.end(), static_cast<size_t>(spec.num_random), 1.0f);
  }
  return targets;
}

namespace {

// A tensor of zeros that takes part in what x does.
Var zeros_like(const Var& x, const Shape& shape) {
  return Var(Tensor::zeros(shape, x.dtype(), x.device()), x.tape, -1);
}

// x's rows with rows of zeros behind them, `count` in all.
Var padded(const Var& x, int64_t count) {
  const int64_t have = x.shape()[0];
  return have == count ? x : concat(x, zeros_like(x, x.shape().with(0, count - have)));
}

// The same for columns.   [R, C] -> [R, count]
Var padded_columns(const Var& x, int64_t count) {
  const int64_t R = x.shape()[0], C = x.shape()[1];
  if (C == count) {
    return x;
  }
  const Var columns = reshape(transpose(reshape(x, {1, R, C})), {C, R});
  return reshape(transpose(reshape(padded(columns, count), {1, count, R})), {R, count});
}

// The first `count` rows of x, over and over if it has fewer.
Var cycled(const Var& x, int64_t count) {
  const int64_t have = x.shape()[0];
  Var y = count < have ? rows(x, 0, count) : x;
  while (y.shape()[0] < count) {
    const int64_t more = std::min(have, count - y.shape()[0]);
    y = concat(y, more < have ? rows(x, 0, more) : x);
  }
  return y;
}

// a's columns, then b's.   [N, A], [N, B] -> [N, A + B]
Var concat_columns(const Var& a, const Var& b) {
  const int64_t N = a.shape()[0], A = a.shape()[1], B = b.shape()[1];
  const auto turned = [N](const Var& x, int64_t C) {
    return reshape(transpose(reshape(x, {1, N, C})), {C, N});
  };
  const Var both = concat(turned(a, A), turned(b, B));
  return reshape(transpose(reshape(both, {1, A + B, N})), {N, A + B});
}

}  // namespace

// In training: parts cut out, noise added, random vectors of the same kind behind them: unit
// vectors behind words, N(0, 1) behind queries.   [R, C] -> [R + num_random, C]
Var MlDecoder::augmented(const Var& vectors) const {
  if (!training || vectors.tape == nullptr) {
    return vectors;
  }
  const Var cut = dropout(vectors, static_cast<float>(spec.query_cutout));
  const Var noisy = gaussian_noise(cut, static_cast<float>(spec.noise_std));
  if (spec.num_random == 0) {
    return noisy;
  }
  const Var nothing = zeros_like(noisy, noisy.shape().with(0, spec.num_random));
  const Var random = gaussian_noise(nothing, 1);
  return concat(noisy, reads_words() ? l2_normalize(random) : random);
}

// ---- forward ------------------------------------------------------------------------------------

Var MlDecoder::operator()(const Var& x, const Tap& tap) {
  if (!reads_words()) {
    return logits(memory(x), {}, tap);
  }
  require(words_.defined(), "ml_decoder: its classes are known by word vectors; call set_words()");
  words_ = words_.to(x.device());
  return logits(memory(x), Var(words_, x.tape, -1), tap);
}

Var MlDecoder::memory(const Var& x) { return embed_standart.relu(as_tokens(x)); }

Var MlDecoder::logits(const Var& memory, const Var& words, const Tap& tap) {
  const bool by_words = reads_words();
  Var labels;                     // [groups * g, d]: words, random ones, zeros
  int64_t columns = spec.classes;  // of the logits
  int64_t groups = ml_decoder_queries(spec);
  if (by_words) {
    const int64_t g = ml_decoder_group_size(spec);
    labels = augmented(words);
    columns = is_random ? words.shape()[0] : labels.shape()[0];
    groups = (labels.shape()[0] + g - 1) / g;
    labels = padded(labels, groups * g);
  }
  Var q = wordvec_proj ? queries(labels, groups) : cycled(as_input(*query_embed, memory), groups);
  if (!by_words) {
    q = augmented(q);
  }
  const Var h = layer(cast(q, memory.dtype()), memory, tap);                         // [N, Q, D]
  const Var y = group_linear(h, cast(pooling(labels, h), h.dtype()), bias(h, columns));  // [N, K]
  if (!is_random || !training || memory.tape == nullptr) {
    return y;
  }
  return concat_columns(y, reshape((*is_random)(h), {h.shape()[0], h.shape()[1]}));
}

// words [groups * g, d] -> [groups, D]
Var MlDecoder::queries(const Var& words, int64_t groups) {
  if (!grouped()) {
    return wordvec_proj->relu(words);
  }
  const Var parts = (*wordvec_proj)(words);  // [groups * g, D / g]
  const Var q = padded_columns(reshape(parts, {groups, parts.value.numel() / groups}),
                               spec.embed_dim);
  return spec.query_relu ? relu(q) : q;
}

// -> [Q, D, g]
Var MlDecoder::pooling(const Var& words, const Var& h) {
  const int64_t Q = h.shape()[1], D = h.shape()[2];
  const Var w = as_input(duplicate_pooling, h);
  switch (spec.pooling) {
    case PoolingKind::learned: return cycled(w, Q);
    case PoolingKind::shared: return repeat_batch(w, Q);
    case PoolingKind::word:
      return transpose(reshape(linear(words, w), {Q, words.shape()[0] / Q, D}));
  }
  return {};
}

// -> f32 [columns]
Var MlDecoder::bias(const Var& h, int64_t columns) {
  const Var b = as_input(duplicate_pooling_bias, h);
  if (spec.pooling != PoolingKind::learned) {
    return reshape(repeat_batch(reshape(b, {1, 1}), columns), {columns});
  }
  const int64_t all = ml_decoder_queries(spec) * ml_decoder_group_size(spec);
  return columns == spec.classes ? b : cycled(padded(b, all), columns);
}

}  // namespace mld
