// Learning from some classes and being asked for others: the objective that sets a model's words,
// SDL's loss in parts.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "models/ml_decoder.h"
#include "models/registry.h"
#include "models/sdl_head.h"
#include "reference.h"
#include "train/evaluate.h"
#include "train/objective.h"
#include "train/zero_shot_metrics.h"

namespace mld {
namespace {

constexpr int64_t kSide = 2;

// Every pixel as a token of three channels, without parameters.
struct Pixels : Backbone {
  Var operator()(const Var& images, const Tap&) override { return images; }
  int64_t features() const override { return 3; }
  void each(Visitor&) override {}
};

// Classes are colours, and a colour is its own word vector.
LabelSpace colours(const std::vector<std::vector<float>>& rgb) {
  LabelSpace space;
  std::vector<float> values;
  for (const std::vector<float>& colour : rgb) {
    space.names.push_back(fmt::format("colour {}", space.names.size()));
    values.insert(values.end(), colour.begin(), colour.end());
  }
  space.vectors = Tensor::from({space.size(), 3}, values);
  return space;
}
using Colours = std::vector<std::vector<float>>;
const Colours kUnseen{{1, 0.5f, 0}, {0, 1, 0.5f}, {0.5f, 0, 1}, {1, 0.5f, 0.5f}, {0, 0.5f, 0.5f}};

// All colours of three levels but black: those not in kUnseen, then, if asked for, those.
Colours grid(bool with_unseen) {
  Colours all;
  for (int i = 1; i < 27; ++i) {
    const std::vector<float> rgb{0.5f * static_cast<float>(i % 3),
                                 0.5f * static_cast<float>(i / 3 % 3),
                                 0.5f * static_cast<float>(i / 9)};
    if (std::ranges::find(kUnseen, rgb) == kUnseen.end()) {
      all.push_back(rgb);
    }
  }
  if (with_unseen) {
    all.insert(all.end(), kUnseen.begin(), kUnseen.end());
  }
  return all;
}
const Colours kSeen = grid(false), kAll = grid(true);
constexpr int64_t kTrained = 21, kScored = 26;

// One picture of each colour, all pixels alike.
Batch pictures_of(const Colours& rgb) {
  const auto n = static_cast<int64_t>(rgb.size());
  Batch batch{.images = Tensor({n, kSide, kSide, 3}, DType::u8), .targets = Tensor::zeros({n, n}),
              .indices = {}};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    const auto picture = static_cast<size_t>(i / (kSide * kSide * 3));
    batch.images.data<uint8_t>()[i] =
        static_cast<uint8_t>(255 * rgb[picture][static_cast<size_t>(i % 3)]);
  }
  for (int64_t i = 0; i < n; ++i) {
    batch.targets.data<float>()[i * n + i] = 1;
  }
  return batch;
}

ModelSpec spec_of(const std::string& head) {
  return {.head = head, .classes = kTrained, .word_dim = 3, .embed_dim = 16, .ffn = 16,
          .query = QueryKind::nlp, .pooling = PoolingKind::shared, .dropout = 0,
          .principal_vectors = 2};
}

// A model of colours, its objective, and plain updates.
struct Learning {
  Config config;
  std::unique_ptr<Classifier> model;
  std::unique_ptr<Objective> objective;

  explicit Learning(const ModelSpec& spec, const std::string& loss = "bce",
                    const LabelSpace& scored = colours(kAll)) {
    config.model = spec;
    config.loss = loss_preset(loss);
    config.task = Task::zero_shot;
    std::unique_ptr<Head> head;
    if (spec.head == "sdl") {
      head = std::make_unique<SdlHead>(spec, 3);
    } else {
      head = std::make_unique<MlDecoder>(spec, 3);
    }
    model = std::make_unique<Classifier>(std::make_unique<Pixels>(), std::move(head));
    model->spec = spec;
    initialize(*model, 5);
    set_training(*model, true);
    objective = make_objective(config, *model, colours(kSeen), scored);
  }
  // The loss and all gradients of a batch in `parts`, as one list.
  std::vector<float> gradients(const Batch& batch, int64_t parts) {
    clear_gradients(*model);
    const LossTargets targets = objective->targets(batch);
    const int64_t N = batch.images.shape()[0];
    float total = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = N * part / parts, end = N * (part + 1) / parts;
      Tape tape({.seed = 1, .step = 1});
      const Var loss =
          objective->loss(tape, batch.images.rows(begin, end), targets.rows(begin, end),
                          static_cast<float>(end - begin) / static_cast<float>(N));
      total += loss.value.item();
      tape.backward(loss);
    }
    std::vector<float> all{total};
    for (const auto& [name, p] : parameters(*model)) {
      if (p->grad.defined()) {
        const std::vector<float> grad = p->grad.to_vector();
        all.insert(all.end(), grad.begin(), grad.end());
      }
    }
    return all;
  }
  void train(int64_t steps, float rate) {
    const Batch batch = pictures_of(kSeen);
    for (int64_t step = 0; step < steps; ++step) {
      gradients(batch, 1);
      for (const auto& [name, p] : parameters(*model)) {
        for (int64_t i = 0; p->grad.defined() && i < p->value.numel(); ++i) {
          p->value.data<float>()[i] -= rate * p->grad.data<float>()[i];
        }
      }
    }
    set_training(*model, false);
  }
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const UsageError& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("zero-shot: trained on some colours, it finds others by their words") {
  for (const std::string head : {"ml_decoder", "sdl"}) {
    CAPTURE(head);
    Learning learning(spec_of(head), head == "sdl" ? "sdl" : "bce");
    learning.train(400, head == "sdl" ? 0.05f : 1.0f);
    const Batch batch = pictures_of(kAll);
    const Tensor outputs = learning.objective->outputs(batch.images);
    REQUIRE(outputs.shape() == Shape{kScored, kScored});
    Scores scores{.scores = learning.objective->scores(outputs).to_vector(), .classes = kScored};
    std::vector<bool> seen(static_cast<size_t>(kScored), true);
    std::fill(seen.begin() + kTrained, seen.end(), false);
    for (int64_t i = 0; i < kScored * kScored; ++i) {
      scores.targets.push_back(i % kScored == i / kScored ? Label::present : Label::absent);
    }
    const ZeroShotMetrics metrics = zero_shot_metrics(scores.predictions(), seen);
    CAPTURE(metrics.all.map);
    CAPTURE(metrics.all.chance);
    CHECK(metrics.unseen.pictures == 5);
    CHECK(metrics.unseen.map > 1.3 * metrics.unseen.chance);
    CHECK(metrics.all.map > 2 * metrics.all.chance);
    CHECK(std::ranges::all_of(scores.scores, [](float p) { return 0 <= p && p <= 1; }));
    // Other classes, the same model.
    dynamic_cast<ZeroShot&>(*learning.objective).score(colours({{0, 1, 0}, {1, 0, 0}, {0, 0, 1}}));
    CHECK(learning.objective->outputs(batch.images).shape() == Shape{kScored, 3});
    CHECK_FALSE(learning.objective->one_label());
  }
}

// Appendix B's mixed forms know a class by its place too.
TEST_CASE("zero-shot: the order of the scored classes changes nothing but the columns' order") {
  ModelSpec spec = spec_of("ml_decoder");
  spec.pooling = PoolingKind::learned;
  Learning learning(spec);
  const Batch batch = pictures_of(kAll);
  const LabelSpace trained = colours(kSeen);
  LabelSpace reversed = trained;
  std::ranges::reverse(reversed.names);
  const int64_t K = trained.size(), d = trained.vectors.shape()[1];
  const std::vector<float> rows = trained.vectors.to_vector();
  std::vector<float> turned;
  for (int64_t k = K - 1; k >= 0; --k) {
    turned.insert(turned.end(), rows.begin() + k * d, rows.begin() + (k + 1) * d);
  }
  reversed.vectors = Tensor::from({K, d}, turned);
  auto& objective = dynamic_cast<ZeroShot&>(*learning.objective);
  objective.score(trained);
  const std::vector<float> straight = objective.outputs(batch.images).to_vector();
  objective.score(reversed);
  const std::vector<float> other = objective.outputs(batch.images).to_vector();
  REQUIRE(straight.size() == other.size());
  for (size_t i = 0; i < straight.size(); ++i) {
    const size_t row = i / static_cast<size_t>(K), k = i % static_cast<size_t>(K);
    CHECK(straight[i] == other[(row + 1) * static_cast<size_t>(K) - 1 - k]);
  }
  CHECK(straight != other);
}

TEST_CASE("zero-shot: scoring in between leaves training what it was") {
  Learning one(spec_of("ml_decoder")), other(spec_of("ml_decoder"));
  const Batch batch = pictures_of(kSeen);
  set_training(*other.model, false);
  other.objective->outputs(batch.images);
  set_training(*other.model, true);
  CHECK(one.gradients(batch, 1) == other.gradients(batch, 1));
}

TEST_CASE("zero-shot: parts add up to the whole batch, random queries and SDL too") {
  ModelSpec random = spec_of("ml_decoder");
  random.num_random = 3;
  for (const auto& [spec, loss] :
       {std::pair{spec_of("ml_decoder"), "asl"}, {random, "bce"}, {spec_of("sdl"), "sdl"}}) {
    CAPTURE(loss);
    Learning learning(spec, loss);
    Batch batch = pictures_of(kSeen);
    batch.weights = Tensor::full(batch.targets.shape(), 1);
    batch.weights.data<float>()[2] = 0;
    if (spec.head == "sdl") {
      batch.targets.data<float>()[0] = 0;  // a picture without labels counts in the mean
    }
    const std::vector<float> whole = learning.gradients(batch, 1);
    CHECK(std::abs(whole[0]) > 0.1);
    if (spec.num_random == 0) {  // each part draws anew
      CHECK(test::largest_error(learning.gradients(batch, 3), whole) < 1e-4);
    }
  }
}

TEST_CASE("random queries: their targets stand behind the classes', with weight 1") {
  ModelSpec spec = spec_of("ml_decoder");
  spec.num_random = 2;
  Learning learning(spec);
  Batch batch = pictures_of(kSeen);
  CHECK(learning.objective->targets(batch).values.shape() == Shape{kTrained, kTrained + 2});
  CHECK_FALSE(learning.objective->targets(batch).weights.defined());
  batch.weights = Tensor::full({kTrained, kTrained}, 0.5f);
  const LossTargets targets = learning.objective->targets(batch);
  const std::vector<float> values = targets.values.rows(1, 2).to_vector();
  std::vector<float> expected(static_cast<size_t>(kTrained), 0.0f);
  expected[1] = 1;
  expected.insert(expected.end(), 2, 1.0f);
  CHECK(values == expected);
  std::fill_n(expected.begin(), kTrained, 0.5f);
  CHECK(targets.weights.rows(1, 2).to_vector() == expected);
  set_training(*learning.model, false);
  CHECK(learning.objective->targets(batch).values.shape() == Shape{kTrained, kTrained});
}

TEST_CASE("errors: zero-shot objectives") {
  const auto scoring = [](const LabelSpace& space) {
    return error_of([&] { Learning learning(spec_of("ml_decoder"), "bce", space); });
  };
  LabelSpace space = colours(kAll);
  CHECK(scoring(space) == "nothing");
  space.names.pop_back();
  CHECK(scoring(space) ==
        "classes: the model reads word vectors of 3 numbers; 25 classes have [26, 3]");
  space = colours(kAll);
  space.vectors.data<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  CHECK(scoring(space) == "classes: the word vector of \"colour 1\" is not finite");
  CHECK(scoring({.names = {"a"}}) ==
        "classes: the model reads word vectors of 3 numbers; 1 classes have none");

  const Batch batch = pictures_of(kSeen);
  CHECK(error_of([&] { Learning(spec_of("sdl"), "bce").gradients(batch, 1); }) ==
        "loss.name bce: needs a model.head that gives logits; head sdl and loss sdl go together");
  CHECK(error_of([&] { Learning(spec_of("ml_decoder"), "sdl").gradients(batch, 1); }) ==
        "loss.name sdl: needs a model.head that gives principal vectors; head sdl and loss sdl go "
        "together");
  ModelSpec one = spec_of("sdl");
  one.principal_vectors = 1;
  CHECK(error_of([&] { Learning(one, "sdl").gradients(batch, 1); }) ==
        "loss.variance_weight: one principal vector has no variance; use 0, or more "
        "model.principal_vectors");
  LossSpec sdl = loss_preset("sdl");
  sdl.class_weights = {1, 2};
  CHECK(error_of([&] { check_class_weights(sdl, 2); }) ==
        "loss.class_weights: loss.name sdl ranks labels and takes none; use []");
  Config config;
  config.task = Task::zero_shot;
  const auto gap = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  CHECK(error_of([&] { make_objective(config, *gap); }).starts_with(
      "task zero-shot needs a model that knows its classes by word vectors"));
  config.task = Task::single_label;
  config.model.num_random = 1;
  CHECK(error_of([&] { make_objective(config, *gap); }).starts_with("model.num_random: exactly"));
}

TEST_CASE("nameless classes have a model's vectors") {
  CHECK(blank_labels({.classes = 4, .word_dim = 3}).vectors.shape() == Shape{4, 3});
  CHECK_FALSE(blank_labels({.classes = 4}).vectors.defined());
}

}  // namespace mld
