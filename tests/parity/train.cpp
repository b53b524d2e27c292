// train/...: short trainings of tiny networks: the A2 recipe's loss and optimiser on a ResNet with
// ML-Decoder, the COCO recipe's on a TResNet with it, SDL's on a TResNet.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "models/ml_decoder.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "models/sdl_head.h"
#include "models/tresnet.h"
#include "optim/optimizer.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"
#include "tests/parity/node_check.h"
#include "train/training_step.h"

namespace mld::parity {
namespace {

// The backbone with ML-Decoder, its parameters by the fixture's config.
std::unique_ptr<Classifier> with_decoder(Fixture& fixture, std::unique_ptr<Backbone> backbone,
                                         const char* head_name, float dropout) {
  const Json& config = fixture.config();
  const std::string ffn = std::string(head_name) + ".decoder.layers.0.linear1.weight";
  const ModelSpec spec{.classes = integer(config, "classes"),
                       .groups = integer(config, "num_of_groups", -1),
                       .embed_dim = integer(config, "decoder_embedding", 768),
                       .ffn = integer(config, "ffn", fixture.fill()->shape(ffn).at(0)),
                       .dropout = dropout};
  auto head = std::make_unique<MlDecoder>(spec, backbone->features());
  return std::make_unique<Classifier>(std::move(backbone), std::move(head), head_name);
}

// Blocks per stage.
std::array<int, 4> stages_of(Fixture& fixture) {
  const std::vector<int64_t> layers = integers(fixture.config(), "layers");
  require<DataError>(layers.size() == 4, "{}: a backbone has four stages", fixture.name());
  std::array<int, 4> stages;
  std::copy(layers.begin(), layers.end(), stages.begin());
  return stages;
}

std::unique_ptr<Classifier> make_resnet(Fixture& fixture, float dropout) {
  return with_decoder(fixture,
                      std::make_unique<ResNet>(ResNetSpec{
                          .bottleneck = text(fixture.config(), "block", "basic") == "bottleneck",
                          .layers = stages_of(fixture),
                          .width = fixture.fill()->shape("conv1.weight").at(0)}),
                      "fc", dropout);
}

std::unique_ptr<Classifier> make_tresnet(Fixture& fixture, float dropout) {
  const Json& config = fixture.config();
  return with_decoder(fixture,
                      std::make_unique<TResNet>(TResNetSpec{
                          .layers = stages_of(fixture),
                          .basic_first = flag(config, "basic_first_two", true),
                          .planes = static_cast<int64_t>(64 * number(config, "width_factor", 1))}),
                      "head", dropout);
}

// A TResNet under names without "body.".
struct PlainTResNet : TResNet {
  using TResNet::TResNet;
  void each(Visitor& v) override {
    v("conv1", conv1);
    v("", stages);
  }
};

// One block a stage; the sizes are those of the filled tensors.
std::unique_ptr<Classifier> make_sdl(Fixture& fixture, float) {
  const int64_t rows = integer(fixture.config(), "rows");
  auto backbone = std::make_unique<PlainTResNet>(TResNetSpec{
      .layers = {1, 1, 1, 1}, .planes = fixture.fill()->shape("conv1.0.weight").at(0)});
  const ModelSpec spec{.head = "sdl", .classes = integer(fixture.config(), "words"),
                       .word_dim = fixture.fill()->shape("embedding.weight").at(0) / rows,
                       .principal_vectors = rows};
  auto head = std::make_unique<SdlHead>(spec, backbone->features());
  return std::make_unique<Classifier>(std::move(backbone), std::move(head), "");
}

// The filled [D, K], its columns normalised in float32, as our [K, D].
Tensor unit_words(uint64_t seed, int64_t D, int64_t K) {
  const Array columns = fill_array(seed, "wordvecs", {D, K}, -1, 1);
  return l2_normalize(Var(to_tensor(permute(columns, {1, 0})))).value;
}

// target = lam * onehot(class) + (1 - lam) * onehot(class of the batch reversed), then 1 where it
// is above the threshold, else 0.   [N, K]
Tensor mixed_targets(const Json& config, uint64_t seed, int64_t t) {
  const int64_t N = integer(config, "batch"), K = integer(config, "classes");
  const double lam = HashStream(seed, "lam").uniform(static_cast<uint64_t>(t));
  const HashStream stream(seed, "sample/cls" + std::to_string(t));
  std::vector<int64_t> classes;
  for (int64_t n = 0; n < N; ++n) {
    const double u = stream.uniform(static_cast<uint64_t>(n));
    classes.push_back(static_cast<int64_t>(std::floor(u * static_cast<double>(K))));
  }
  const double threshold = number(config, "threshold", 0.2);
  Tensor targets({N, K});
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t k = 0; k < K; ++k) {
      const double target = lam * (classes[static_cast<size_t>(n)] == k) +
                            (1 - lam) * (classes[static_cast<size_t>(N - 1 - n)] == k);
      targets.data<float>()[n * K + k] = target > threshold ? 1.0f : 0.0f;
    }
  }
  return targets;
}

// Several labels a picture: 1 where a number is below the density, and for one class.   [N, K]
Tensor dense_targets(const Json& config, uint64_t seed, int64_t t) {
  const int64_t N = integer(config, "batch"), K = integer(config, "classes");
  const HashStream stream(seed, "y" + std::to_string(t));
  Tensor targets({N, K});
  for (int64_t i = 0; i < N * K; ++i) {
    const bool drawn = stream.uniform(static_cast<uint64_t>(i)) <
                       number(config, "target_density", 0.2);
    targets.data<float>()[i] = drawn || i % K == i / K % K ? 1.0f : 0.0f;
  }
  return targets;
}

// Hash-filled pictures [N, 3, H, W] in [0, 1) as our [N, H, W, 3].
Tensor pictures(const Json& config, uint64_t seed, const std::string& name) {
  const int64_t side = integer(config, "resolution");
  return to_tensor(fill_array(seed, name, {integer(config, "batch"), 3, side, side}, 0, 1),
                   kToNhwc);
}

// What a fixture trains, and how.
struct Recipe {
  std::unique_ptr<Classifier> (*make)(Fixture& fixture, float dropout);
  Tensor (*targets)(const Json& config, uint64_t seed, int64_t t);
  LossSpec loss;
  OptimizerSpec optimizer;
  Schedule schedule;
  double average = 0;  // the decay of the moving average; 0: there is none
  Tensor words{};      // of the loss's targets; undefined: none
};

// The results of a training run.
struct Training {
  std::unique_ptr<Classifier> model;
  Array losses;                    // [steps]
  std::vector<Array> step_logits;  // [steps] of [N, K]
  Array eval_logits, average_logits;  // [N, K]
  Array rates;                     // [steps, 2]: lr, beta1
};

// Pictures come as floats here. Records what an update computes.
class Recording : public Classification {
 public:
  Recording(Training& out, const Recipe& recipe)
      : Classification({.loss = recipe.loss}, nullptr), recipe_(recipe), out_(out) {}

  Var loss(Tape& tape, const Tensor& images, const LossTargets& targets, float share) override {
    const Var logits = (*out_.model)(tape.constant(images));
    LossTargets all = targets;
    all.words = recipe_.words;
    const Var loss = mld::loss(recipe_.loss, logits, all, share);
    out_.step_logits.push_back(to_array(logits.value));
    out_.losses.values.push_back(scalar(loss.value).values[0]);
    return loss;
  }

 private:
  const Recipe& recipe_;
  Training& out_;
};

Training train(Fixture& fixture, const Recipe& recipe, int64_t steps, float dropout = 0) {
  const Json& config = fixture.config();
  const uint64_t seed = fixture.fill()->seed();
  Training out;
  out.model = recipe.make(fixture, dropout);
  load_module(fixture, *out.model);
  // The published head trains everything but its random queries.
  if (auto* head = dynamic_cast<MlDecoder*>(out.model->head.get()); head != nullptr) {
    head->query_embed->trainable = false;
  }
  set_training(*out.model, true);
  const auto optimizer = make_optimizer(recipe.optimizer, *out.model);
  Recording objective(out, recipe);
  std::optional<Ema> average;
  if (recipe.average > 0) {
    average.emplace(*out.model, recipe.average);
  }
  TrainingStep step({.seed = seed}, device(),
                    {.model = *out.model, .objective = objective, .optimizer = *optimizer,
                     .average = average ? &*average : nullptr});
  for (int64_t t = 0; t < steps; ++t) {
    const Rates rates = recipe.schedule.at(t);
    step.queue({.images = pictures(config, seed, "x" + std::to_string(t)).to(Device{}),
                .targets = recipe.targets(config, seed, t), .indices = {}}, rates, t);
    step.result();
    out.rates.values.insert(out.rates.values.end(), {rates.lr, rates.beta1});
  }
  out.losses.shape = {steps};
  out.rates.shape = {steps, 2};
  set_training(*out.model, false);
  const auto logits = [&] {
    return to_array((*out.model)(Var(pictures(config, seed, "xe"))).value);
  };
  out.eval_logits = logits();
  if (average) {
    const Ema::Scope scope(*average);
    out.average_logits = logits();
  }
  return out;
}

// Float64's training, against the reference.
void compare_float64(Fixture& fixture, const Recipe& recipe) {
  const Float64 arithmetic;
  const Training exact = train(fixture, recipe, integer(fixture.config(), "steps"));
  for (size_t t = 0; t < exact.step_logits.size(); ++t) {
    if (const std::string key = "logits_step" + std::to_string(t); fixture.has(key)) {
      fixture.compare(key, exact.step_logits[t]);
    }
  }
  fixture.compare("loss", exact.losses);
  fixture.compare("lr_beta1", exact.rates);
  fixture.compare("eval_logits", exact.eval_logits);
  if (recipe.average > 0) {
    fixture.compare("eval_logits_ema", exact.average_logits);
  }
  for (const auto& [name, tensor] : state_dict(*exact.model)) {
    if (fixture.has("final_val/" + name)) {
      fixture.compare_samples("final_", name, to_array(tensor));
    }
  }
}

// Of the product's training only the first forward pass can be compared: an adaptive optimiser's
// first steps follow the signs of gradients, even of those that are nothing but rounding errors.
// See Note [Float64 parity]; and Note [Node by node], here over two updates with dropout.
void run(Fixture& fixture, const Recipe& recipe) {
  require<DataError>(fixture.fill() != nullptr, "{}: no fill table", fixture.name());
  if (fixture.has("logits_step0")) {
    fixture.compare("logits_step0", train(fixture, recipe, 1).step_logits[0]);
  }
  compare_float64(fixture, recipe);
  NodeCheck check(device());
  const Float64 arithmetic(check);
  train(fixture, recipe, 2, 0.1f);
  check.report(fixture);
}

void run_a2(Fixture& fixture) {
  const Json& config = fixture.config();
  run(fixture, {.make = make_resnet,
                .targets = mixed_targets,
                .loss = loss_preset("bce"),
                .optimizer = {.name = "lamb",
                              .weight_decay = number(config, "weight_decay"),
                              .max_grad_norm = number(config, "max_grad_norm", 1)},
                .schedule = {.spec = {.name = "constant"},
                             .lr = number(config, "lr"),
                             .beta1 = number(config, "beta1", 0.9)}});
}

void run_coco(Fixture& fixture) {
  const Json& config = fixture.config();
  run(fixture, {.make = make_tresnet,
                .targets = dense_targets,
                .loss = loss_preset("asl"),
                .optimizer = {.name = "adam_l2", .weight_decay = number(config, "weight_decay")},
                .schedule = {.spec = {.name = "onecycle",
                                      .pct_start = number(config, "pct_start", 0.2)},
                             .lr = number(config, "max_lr"),
                             .epochs = 1,
                             .steps_per_epoch = integer(config, "steps")},
                .average = number(config, "ema", 0)});
}

void run_sdl(Fixture& fixture) {
  const Json& config = fixture.config();
  LossSpec loss = loss_preset("sdl");
  loss.variance_weight = number(config, "sdl_weight");
  const int64_t D = fixture.fill()->shape("embedding.weight").at(0) / integer(config, "rows");
  run(fixture, {.make = make_sdl,
                .targets = dense_targets,
                .loss = loss,
                .optimizer = {.name = "adam_l2", .weight_decay = number(config, "weight_decay")},
                .schedule = {.spec = {.name = "onecycle", .pct_start = 0.1},
                             .lr = number(config, "max_lr"),
                             .epochs = 1,
                             .steps_per_epoch = integer(config, "steps")},
                .words = unit_words(fixture.fill()->seed(), D, integer(config, "words"))});
}

}  // namespace

const std::vector<Kind>& train_kinds() {
  static const std::vector<Kind> kinds{
      {"train/a2", run_a2}, {"train/coco", run_coco}, {"train/sdl", run_sdl}};
  return kinds;
}

}  // namespace mld::parity
