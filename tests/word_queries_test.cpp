// Heads that know their classes by word vectors: ML-Decoder's word queries and pooling, the
// augmentation of its queries, SDL's principal vectors. tests/parity compares the published forms.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "models/gap_head.h"
#include "models/ml_decoder.h"
#include "models/sdl_head.h"
#include "nn/init.h"
#include "reference.h"

namespace mld {
namespace {

constexpr int64_t kWidth = 5, kFeatures = 6;  // of words, of the feature map

Tensor random_tensor(const Shape& shape, uint32_t stream) {
  Parameter p(shape);
  RandomStream random({12, 0, stream});
  fill_normal(p, random, 1.0);
  return p.value;
}

// A small head for seven classes.
ModelSpec spec_of(QueryKind query, PoolingKind pooling, int64_t groups = -1) {
  return {.classes = 7, .word_dim = kWidth, .groups = groups, .embed_dim = 16, .ffn = 8,
          .query = query, .pooling = pooling, .dropout = 0};
}
const ModelSpec kZeroShot = spec_of(QueryKind::nlp, PoolingKind::shared);

const Var& picture() {
  static const Var x(random_tensor({2, 3, 2, kFeatures}, 1));
  return x;
}

using Logits = std::vector<std::vector<float>>;  // of every class, for the two pictures

Logits logits_of(MlDecoder& head, const Tensor& words) {
  head.set_words(words);
  const Tensor y = head(picture()).value;
  REQUIRE(y.shape() == Shape{2, words.shape()[0]});
  Logits classes;
  for (int64_t k = 0; k < y.shape()[1]; ++k) {
    classes.push_back({y.data<float>()[k], y.data<float>()[y.shape()[1] + k]});
  }
  return classes;
}

// The given rows of words.
Tensor chosen(const Tensor& words, const std::vector<int64_t>& rows) {
  const int64_t d = words.shape()[1];
  Tensor out({static_cast<int64_t>(rows.size()), d});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(words.data<float>() + rows[i] * d, d,
                out.data<float>() + static_cast<int64_t>(i) * d);
  }
  return out;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  return test::largest_error(a, b);
}

std::string error_of(const ModelSpec& spec) {
  try {
    MlDecoder head(spec, kFeatures);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("word queries: any number of classes, in any order, each by its own words alone") {
  MlDecoder head(kZeroShot, kFeatures);
  initialize(head, 1);
  const Tensor words = random_tensor({9, kWidth}, 2);  // trained for seven
  const Logits all = logits_of(head, words);
  CHECK(difference(all[0], all[1]) > 1e-3);
  const std::vector<int64_t> order{4, 8, 0, 2};
  const Logits some = logits_of(head, chosen(words, order));
  for (size_t i = 0; i < order.size(); ++i) {
    CHECK(difference(some[i], all[static_cast<size_t>(order[i])]) < 1e-5);
  }
  CHECK(logits_of(head, chosen(words, {3})).size() == 1);
}

TEST_CASE("word queries: the published names, and words are no state") {
  MlDecoder head(kZeroShot, kFeatures);
  std::vector<std::string> names;
  for (const auto& [name, p] : parameters(head)) {
    CHECK(p->trainable);
    if (!name.starts_with("decoder.layers")) {
      names.push_back(name + p->shape.str());
    }
  }
  CHECK(names == std::vector<std::string>{
                     "decoder.duplicate_pooling[16, 1]", "decoder.duplicate_pooling_bias[1]",
                     "decoder.embed_standart.weight[16, 6]", "decoder.embed_standart.bias[16]",
                     "wordvec_proj.weight[16, 5]", "wordvec_proj.bias[16]"});
}

TEST_CASE("group form: a query reads its group's words, more groups start again") {
  for (const PoolingKind pooling :
       {PoolingKind::learned, PoolingKind::shared, PoolingKind::word}) {
    for (const QueryKind query : {QueryKind::nlp, QueryKind::learnable, QueryKind::random}) {
      const ModelSpec spec = spec_of(query, pooling, 3);  // three classes a query: 0-2, 3-5, 6
      MlDecoder head(spec, kFeatures);
      CAPTURE(word(pooling));
      CAPTURE(word(query));
      CHECK((head.word_dim() > 0) == (query == QueryKind::nlp || pooling == PoolingKind::word));
      if (head.word_dim() == 0) {
        continue;
      }
      initialize(head, 1);
      const Tensor words = random_tensor({7, kWidth}, 2);
      const Logits before = logits_of(head, words);
      for (const size_t changed : {4u, 0u}) {
        const Tensor other = words.clone();
        other.data<float>()[changed * kWidth] += 1;
        const Logits after = logits_of(head, other);
        for (size_t k = 0; k < 7; ++k) {
          const bool same_query = query == QueryKind::nlp && k / 3 == changed / 3;
          CAPTURE(k);
          CHECK((before[k] != after[k]) == (k == changed || same_query));
        }
      }
      // Classes 9 to 11 make a fourth query, which has the words and all else of the first.
      const Logits more =
          logits_of(head, chosen(words, {0, 1, 2, 3, 4, 5, 6, 6, 6, 0, 1, 2}));
      for (size_t k = 0; k < 3; ++k) {
        CHECK(difference(more[9 + k], more[k]) < 1e-6);
        CHECK(difference(more[k], before[k]) < 1e-6);
      }
    }
  }
}

TEST_CASE("group form: the projection has a ReLU only if asked for") {
  ModelSpec spec = spec_of(QueryKind::nlp, PoolingKind::word, 3);
  MlDecoder plain(spec, kFeatures);
  spec.query_relu = true;
  MlDecoder with_relu(spec, kFeatures);
  CHECK_FALSE(plain.wordvec_proj->bias.has_value());
  CHECK(plain.wordvec_proj->weight.shape == Shape{5, kWidth});  // a third of 16, rounded down
  initialize(plain, 1);
  load_state(with_relu, state_dict(plain));
  const Tensor words = random_tensor({7, kWidth}, 2);
  CHECK(logits_of(plain, words) != logits_of(with_relu, words));
  for (int64_t i = 0; i < plain.wordvec_proj->weight.shape.numel(); ++i) {
    for (MlDecoder* head : {&plain, &with_relu}) {
      float& w = head->wordvec_proj->weight.value.data<float>()[i];
      w = std::abs(w);
    }
  }
  Tensor positive = words.clone();
  for (int64_t i = 0; i < positive.numel(); ++i) {
    positive.data<float>()[i] = std::abs(positive.data<float>()[i]);
  }
  CHECK(logits_of(plain, positive) == logits_of(with_relu, positive));
}

TEST_CASE("every combination of queries and pooling trains all that it has") {
  for (const PoolingKind pooling :
       {PoolingKind::learned, PoolingKind::shared, PoolingKind::word}) {
    for (const QueryKind query : {QueryKind::nlp, QueryKind::learnable, QueryKind::random}) {
      for (const int64_t groups : {-1, 3}) {
        CAPTURE(word(pooling));
        CAPTURE(word(query));
        CAPTURE(groups);
        MlDecoder head(spec_of(query, pooling, groups), kFeatures);
        initialize(head, 1);
        set_training(head, true);
        if (head.word_dim() > 0) {
          head.set_words(random_tensor({7, kWidth}, 2));
        }
        Tape tape;
        const Var y = head(tape.constant(picture().value));
        CHECK(y.shape() == Shape{2, 7});
        tape.backward(y, random_tensor({2, 7}, 3));
        for (const auto& [name, p] : parameters(head)) {
          CAPTURE(name);
          const bool fixed = query == QueryKind::random && name == "decoder.query_embed.weight";
          CHECK(p->grad.defined() != fixed);
        }
      }
    }
  }
}

// ---- augmentation -------------------------------------------------------------------------------

namespace {

std::vector<float> training_run(MlDecoder& head, uint64_t seed, uint64_t step) {
  Tape tape({.seed = seed, .step = step});
  return head(tape.constant(picture().value)).value.to_vector();
}

}  // namespace

TEST_CASE("augmented words: by seed and step, only in training") {
  const Tensor words = random_tensor({7, kWidth}, 2);
  for (const std::string what : {"noise", "cutout", "random", "all of them"}) {
    CAPTURE(what);
    const bool all = what == "all of them";
    ModelSpec spec = kZeroShot;
    spec.noise_std = all || what == "noise" ? 0.1 : 0;
    spec.query_cutout = all || what == "cutout" ? 0.5 : 0;
    spec.num_random = all || what == "random" ? 4 : 0;
    MlDecoder head(spec, kFeatures), plain(kZeroShot, kFeatures);
    initialize(head, 1);
    load_state(plain, state_dict(head));
    head.set_words(words);
    plain.set_words(words);
    const std::vector<float> without = training_run(plain, 1, 1);
    CHECK(head.extra_targets().empty());
    CHECK(training_run(head, 1, 1) == without);  // in evaluation
    set_training(head, true);
    CHECK(head(picture()).value.to_vector() == without);  // no tape, no key
    CHECK(training_run(head, 1, 1) == training_run(head, 1, 1));
    CHECK(training_run(head, 1, 1) != training_run(head, 1, 2));
    CHECK(training_run(head, 1, 1) != training_run(head, 2, 1));
    CHECK(training_run(head, 1, 1) != without);
  }
}

TEST_CASE("random words: logits of their own behind the classes', whose logits stay") {
  for (const PoolingKind pooling : {PoolingKind::shared, PoolingKind::word}) {
    ModelSpec spec = spec_of(QueryKind::nlp, pooling);
    spec.num_random = 4;
    MlDecoder head(spec, kFeatures);
    initialize(head, 1);
    head.set_words(random_tensor({7, kWidth}, 2));
    const std::vector<float> plain = head(picture()).value.to_vector();
    set_training(head, true);
    CHECK(head.extra_targets() == std::vector<float>(4, 1.0f));
    Tape tape;
    const Var y = head(tape.constant(picture().value));
    REQUIRE(y.shape() == Shape{2, 11});
    std::set<float> different;
    for (int64_t k = 0; k < 11; ++k) {
      const float logit = y.value.data<float>()[11 + k];
      different.insert(logit);
      if (k < 7) {
        CHECK(logit == doctest::Approx(plain[static_cast<size_t>(7 + k)]).epsilon(1e-4));
      }
    }
    CHECK(different.size() == 11);
  }
}

TEST_CASE("the is-random logit: 0 for every real query, 1 for the random ones") {
  for (const bool by_words : {true, false}) {
    CAPTURE(by_words);
    ModelSpec spec = by_words ? kZeroShot : spec_of(QueryKind::random, PoolingKind::learned, 3);
    spec.num_random = 2;
    spec.random_target = RandomTarget::is_random;
    MlDecoder head(spec, kFeatures);
    initialize(head, 1);
    if (by_words) {
      head.set_words(random_tensor({7, kWidth}, 2));
    }
    const std::vector<float> plain = head(picture()).value.to_vector();
    CHECK(plain.size() == 14);
    set_training(head, true);
    const int64_t real = by_words ? 7 : 3;
    std::vector<float> targets(static_cast<size_t>(real), 0.0f);
    targets.insert(targets.end(), 2, 1.0f);
    CHECK(head.extra_targets() == targets);
    Tape tape;
    const Var y = head(tape.constant(picture().value));
    REQUIRE(y.shape() == Shape{2, 7 + real + 2});
    for (int64_t k = 0; k < 7; ++k) {
      CHECK(y.value.data<float>()[k] ==
            doctest::Approx(plain[static_cast<size_t>(k)]).epsilon(1e-4));
    }
    tape.backward(y, random_tensor(y.shape(), 4));
    CHECK(head.is_random->weight.grad.defined());
  }
}

// ---- SDL ----------------------------------------------------------------------------------------

TEST_CASE("principal vectors are interleaved; a class's score is its best product") {
  // Two vectors of three numbers: (1, 2, 3) and (-4, 0, 1).
  const std::vector<float> outputs{1, -4, 2, 0, 3, 1}, words{1, 0, 0, 0, 1, 0, -1, 0, 0};
  const Var vectors = principal_vectors(Var(Tensor::from({1, 6}, outputs)), 3);
  CHECK(vectors.value.to_vector() == std::vector<float>{1, 2, 3, -4, 0, 1});
  CHECK(sdl_scores(vectors, Tensor::from({3, 3}, words)).value.to_vector() ==
        std::vector<float>{1, 2, 4});
  CHECK_ERROR(Error, "sdl: outputs must be [N, R * 4] for word vectors of 4 numbers, got [1, 6]",
              principal_vectors(Var(Tensor::zeros({1, 6})), 4));
}

// ---- errors -------------------------------------------------------------------------------------

TEST_CASE("errors: words") {
  MlDecoder head(kZeroShot, kFeatures);
  initialize(head, 1);
  CHECK_ERROR(Error, "ml_decoder: its classes are known by word vectors; call set_words()",
              head(picture()));
  CHECK_ERROR(Error, "model: word vectors must be float32 [n, 5], got float32 [7, 4]",
              head.set_words(Tensor::zeros({7, 4})));
  CHECK_ERROR(Error, "model: word vectors must be float32 [n, 5], got undefined []",
              head.set_words({}));
  GapHead fixed(kFeatures, 7);
  CHECK_ERROR(Error, "model: its classes are fixed, it reads no word vectors",
              fixed.set_words(Tensor::zeros({7, 5})));
  MlDecoder table(spec_of(QueryKind::random, PoolingKind::learned), kFeatures);
  CHECK_ERROR(Error, "model: its classes are fixed, it reads no word vectors",
              table.set_words(Tensor::zeros({7, 5})));
}

TEST_CASE("errors: descriptions of heads that read words") {
  ModelSpec spec = kZeroShot;
  spec.word_dim = 0;
  CHECK(error_of(spec) == "ml_decoder: model.query = \"nlp\" and model.pooling = \"word\" need "
                          "classes with word vectors");
  spec = kZeroShot;
  spec.classes = 40;
  spec.groups = 2;
  CHECK(error_of(spec) == "ml_decoder: 20 classes a query, of which each needs a part of "
                          "model.embed_dim = 16; use more model.groups");
  spec = kZeroShot;
  spec.query_cutout = 1;
  CHECK(error_of(spec) == "ml_decoder: noise_std and num_random must not be negative, query_cutout "
                          "in [0, 1); got 0, 0, 1");
  spec = spec_of(QueryKind::random, PoolingKind::learned);
  spec.num_random = 3;
  CHECK(error_of(spec) == "ml_decoder: random queries have no logit of their own here; use "
                          "model.random_target = \"is_random\", or word vectors and model.pooling "
                          "shared or word");
  spec = spec_of(QueryKind::nlp, PoolingKind::shared, 3);
  spec.num_random = 3;
  spec.random_target = RandomTarget::is_random;
  CHECK(error_of(spec) == "ml_decoder: model.random_target = \"is_random\" asks each query, but "
                          "here one has 3 classes; use model.random_target = \"label\"");
  CHECK_THROWS_AS(SdlHead({.classes = 3}, kFeatures), UsageError);
}

}  // namespace mld
