// The weights of decoders' attention: of which call, picture, query and place they are.
#include "autograd/ops.h"
#include "models/ml_decoder.h"
#include "tests/attention_check.h"
#include "tests/caption_learning.h"

namespace mld::test {
namespace {

using spec::Array;

Tensor random_tensor(const Shape& shape, uint32_t stream) {
  Parameter p(shape);
  RandomStream random({3, 0, stream});
  fill_normal(p, random, 1.0);
  return p.value;
}

const ModelSpec kGroups{.classes = 7, .groups = 3, .embed_dim = 16, .ffn = 8, .dropout = 0};

// The rows of x [N, H, W, C] as tokens in another order.
Tensor reordered(const Tensor& x, const std::vector<int64_t>& order) {
  const Shape& s = x.shape();
  const int64_t L = s[1] * s[2], C = s[3];
  Tensor y(s);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t n = i / (L * C), l = i / C % L;
    const int64_t from = (n * L + order[static_cast<size_t>(l)]) * C + i % C;
    y.data<float>()[i] = x.data<float>()[from];
  }
  return y;
}

}  // namespace

TEST_CASE("attention: one query and one head at a time are parts of the whole") {
  MlDecoder head(kGroups, 6);
  initialize(head, 1);
  CrossAttention attention(kGroups);
  CHECK(attention.classes_per_query() == 3);
  CHECK(attention.query_of(2) == 0);
  CHECK(attention.query_of(3) == 1);
  CHECK(attention.query_of(6) == 2);
  look(head, attention, random_tensor({2, 2, 5, 6}, 1));
  CHECK(attention.pictures() == 2);
  CHECK(attention.queries() == 3);
  const Array all = array_of(attention.weights());
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t q = 0; q < 3; ++q) {
      Array mean({2, 5});
      for (int e = 0; e < kHeads; ++e) {
        const Array one = array_of(attention.map(n, q, e));
        REQUIRE(one.shape == Shape{2, 5});
        for (int64_t row = 0; row < 2; ++row)
          for (int64_t column = 0; column < 5; ++column) {
            CHECK(one(row, column) == all(n, e, q, row, column));
            mean(row, column) += one(row, column) / kHeads;
          }
      }
      CHECK(largest_error(array_of(attention.map(n, q)).values, mean.values) < 1e-6);
    }
  }
}

TEST_CASE("attention: it follows the tokens to other places") {
  MlDecoder head(kGroups, 6);
  initialize(head, 1);
  const Tensor x = random_tensor({2, 2, 3, 6}, 1);
  const std::vector<int64_t> order{4, 0, 5, 2, 1, 3};
  CrossAttention here(kGroups), there(kGroups);
  look(head, here, x);
  look(head, there, reordered(x, order));
  const std::vector<float> a = here.weights().to_vector(), b = there.weights().to_vector();
  std::vector<float> expected;
  for (size_t row = 0; row < a.size(); row += 6) {
    for (const int64_t l : order) {
      expected.push_back(a[row + static_cast<size_t>(l)]);
    }
  }
  CHECK(largest_error(b, expected) < 1e-6);
  CHECK(largest_error(a, expected) > 0.01);
}

TEST_CASE("attention: of the call in bfloat16, and of every picture in training") {
  MlDecoder head(kGroups, 6);
  initialize(head, 1);
  const Tensor x = random_tensor({2, 2, 3, 6}, 1);
  CrossAttention single(kGroups), half(kGroups), trained(kGroups);
  look(head, single, x);
  look(head, half, cast(Var(x), DType::bf16).value);
  const std::vector<float> exact = single.weights().to_vector();
  const double error = largest_error(half.weights().to_vector(), exact);
  CHECK(error > 1e-6);
  CHECK(error < 0x1p-6);
  check_sums(half.weights(), 6);

  // Dropout: every picture has its own queries, which two equal pictures show. The weights are
  // those before the attention's own dropout, shares of one.
  ModelSpec spec = kGroups;
  spec.dropout = 0.3;
  MlDecoder dropping(spec, 6);
  load_state(dropping, state_dict(head));
  set_training(dropping, true);
  Tape tape({.seed = 1, .step = 1});
  const Var twice = tape.constant(repeat_batch(Var(x.rows(0, 1).reshape({6, 6})), 2).value);
  const Tap tap = trained.tap();
  tap("features", Var(twice.value.reshape({2, 2, 3, 6})));
  dropping(twice, tap);
  CHECK(trained.pictures() == 2);
  check_sums(trained.weights(), 6);
  CHECK(largest_error(trained.map(0, 1).to_vector(), trained.map(1, 1).to_vector()) > 0.01);
}

TEST_CASE("attention: listening changes no bit and no gradient") {
  MlDecoder head(kGroups, 6);
  initialize(head, 1);
  set_training(head, true);
  const Tensor x = random_tensor({2, 2, 3, 6}, 1);
  const auto trained = [&](const Tap& tap) {
    clear_gradients(head);
    Tape tape({.seed = 1, .step = 1});
    const Var y = head(tape.constant(x), tap);
    tape.backward(sum(y));
    std::vector<float> all = y.value.to_vector();
    for (const auto& [name, p] : parameters(head)) {
      if (p->grad.defined()) {
        const std::vector<float> more = p->grad.to_vector();
        all.insert(all.end(), more.begin(), more.end());
      }
    }
    all.push_back(static_cast<float>(tape.size()));
    return all;
  };
  CrossAttention attention(kGroups);
  CHECK(trained({}) == trained(attention.tap()));
}

TEST_CASE("attention: the grid of whole models, also where sides differ") {
  const std::tuple<const char*, Shape, int64_t, int64_t> kModels[] = {
      {"clip_vit_tiny", {1, 40, 70, 3}, 5, 8},
      {"clip_rn50", {1, 64, 96, 3}, 2, 3},
      {"resnet18", {1, 65, 96, 3}, 3, 3},
      {"efficientnet_lite0", {1, 33, 96, 3}, 2, 3}};
  for (const auto& [backbone, shape, rows, columns] : kModels) {
    CAPTURE(backbone);
    const auto model = make_model({.backbone = backbone, .classes = 2, .embed_dim = 16, .ffn = 8});
    initialize(*model, 1);
    CrossAttention attention(model->spec);
    (*model)(Var(random_tensor(shape, 1)), attention.tap());
    CHECK(attention.map(0, 1).shape() == Shape{rows, columns});
    check_sums(attention.weights(), rows * columns);
  }
}

TEST_CASE("attention: a CLIP-Decoder's classes in another order than training's") {
  const auto model_of = [](int64_t groups) {
    ModelSpec spec = small_spec(false);
    spec.groups = groups;
    return spec;
  };
  CHECK(CrossAttention(model_of(-1)).classes_per_query() == 1);
  CHECK(CrossAttention(model_of(2)).classes_per_query() == 2);
  Learning learning(model_of(-1));
  set_training(*learning.model, false);
  const Batch batch = pictures();
  CrossAttention scored(learning.model->spec);
  learning.objective->outputs(batch.images, scored.tap());
  CHECK(scored.queries() == std::ssize(kMore));
  // The same class asked for alone has the same map.
  for (size_t k = 0; k < kMore.size(); ++k) {
    CAPTURE(kMore[k]);
    const auto column = static_cast<int64_t>(learning.objective->model_column(k));
    CrossAttention alone(learning.model->spec);
    const auto objective = make_objective(learning.config, *learning.model, space_of(kNames),
                                          space_of({kMore[k]}));
    objective->outputs(batch.images, alone.tap());
    CHECK(largest_error(scored.map(4, scored.query_of(column)).to_vector(),
                        alone.map(4, 0).to_vector()) < 1e-6);
  }
}

TEST_CASE("errors: attention") {
  for (const char* head : {"gap", "sdl"}) {
    CHECK_ERROR(UsageError,
                fmt::format("attention: the head {} has none: it reads all of a picture alike; "
                            "models with a decoder have it: model.head = ml_decoder, "
                            "transformer_decoder, clip_decoder", head),
                CrossAttention({.head = head, .classes = 2, .word_dim = 3}));
  }
  CrossAttention attention(kGroups);
  CHECK_ERROR(Error, "attention: no call of a model with a decoder was listened to",
              attention.weights());
  MlDecoder head(kGroups, 6);
  initialize(head, 1);
  look(head, attention, random_tensor({2, 2, 5, 6}, 1));
  CHECK_ERROR(Error, "attention: no query 3 of picture 1; there are 3 of 2", attention.map(1, 3));
  CHECK_ERROR(Error, "attention: no query 0 of picture 2; there are 3 of 2", attention.map(2, 0));
  CHECK_ERROR(Error, "attention: no head 8; there are 8", attention.map(0, 0, 8));
}

}  // namespace mld::test
