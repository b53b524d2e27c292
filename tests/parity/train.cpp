// train/a2: a short training of a tiny ResNet with ML-Decoder, the A2 recipe's loss and optimiser.
#include <cmath>

#include "autograd/ops.h"
#include "core/error.h"
#include "models/ml_decoder.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "optim/optimizer.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"
#include "tests/parity/node_check.h"
#include "train/training_step.h"

namespace mld::parity {
namespace {

std::unique_ptr<Classifier> make_tiny(Fixture& fixture, float dropout) {
  const Json& config = fixture.config();
  const Fill& fill = *fixture.fill();
  ResNetSpec resnet{.bottleneck = text(config, "block", "basic") == "bottleneck",
                    .width = fill.shape("conv1.weight").at(0)};
  const std::vector<int64_t> layers = integers(config, "layers");
  require<DataError>(layers.size() == 4, "{}: a ResNet has four stages", fixture.name());
  std::copy(layers.begin(), layers.end(), resnet.layers.begin());
  auto backbone = std::make_unique<ResNet>(resnet);
  const ModelSpec spec{.classes = integer(config, "classes"),
                       .groups = integer(config, "num_of_groups", -1),
                       .embed_dim = integer(config, "decoder_embedding", 768),
                       .ffn = integer(config, "ffn",
                                      fill.shape("fc.decoder.layers.0.linear1.weight").at(0)),
                       .dropout = dropout};
  auto head = std::make_unique<MlDecoder>(spec, backbone->features());
  return std::make_unique<Classifier>(std::move(backbone), std::move(head));
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

// Hash-filled pictures [N, 3, H, W] in [0, 1) as our [N, H, W, 3].
Tensor pictures(const Json& config, uint64_t seed, const std::string& name) {
  const int64_t side = integer(config, "resolution");
  return to_tensor(fill_array(seed, name, {integer(config, "batch"), 3, side, side}, 0, 1),
                   kToNhwc);
}

// The results of a training run.
struct Training {
  std::unique_ptr<Classifier> model;
  Array losses;                      // [steps]
  std::vector<Array> step_logits;    // [steps] of [N, K]
  Array eval_logits;                 // [N, K]
  Array rates;                       // [steps, 2]: lr, beta1
};

// Pictures come as floats here; the loss is BCE's mean. Records what an update computes.
class Recording : public Classification {
 public:
  explicit Recording(Training& out)
      : Classification({}, nullptr), out_(out) {}

  Var loss(Tape& tape, const Tensor& images, const LossTargets& targets, float) override {
    const Var logits = (*out_.model)(tape.constant(images));
    const Var loss = binary_cross_entropy(logits, targets.values);
    out_.step_logits.push_back(to_array(logits.value));
    out_.losses.values.push_back(scalar(loss.value).values[0]);
    return loss;
  }

 private:
  Training& out_;
};

Training train_a2(Fixture& fixture, int64_t steps, float dropout = 0) {
  const Json& config = fixture.config();
  const uint64_t seed = fixture.fill()->seed();
  Training out;
  out.model = make_tiny(fixture, dropout);
  load_module(fixture, *out.model);
  // The published head trains everything but its random queries.
  dynamic_cast<MlDecoder&>(*out.model->head).query_embed.trainable = false;
  set_training(*out.model, true);
  const Rates rates{number(config, "lr"), number(config, "beta1", 0.9)};
  const auto optimizer = make_optimizer(
      {.name = "lamb",
       .weight_decay = static_cast<float>(number(config, "weight_decay")),
       .max_grad_norm = static_cast<float>(number(config, "max_grad_norm", 1))},
      *out.model);
  Recording objective(out);
  TrainingStep step({.seed = seed}, device(),
                    {.model = *out.model, .objective = objective, .optimizer = *optimizer});
  for (int64_t t = 0; t < steps; ++t) {
    step.queue({.images = pictures(config, seed, "x" + std::to_string(t)).to(Device{}),
                .targets = mixed_targets(config, seed, t), .indices = {}}, rates, t);
    step.result();
    out.rates.values.insert(out.rates.values.end(), {rates.lr, rates.beta1});
  }
  out.losses.shape = {steps};
  out.rates.shape = {steps, 2};
  set_training(*out.model, false);
  out.eval_logits = to_array((*out.model)(Var(pictures(config, seed, "xe"))).value);
  return out;
}

// Float64's training, against the reference.
void compare_float64(Fixture& fixture) {
  const Float64 arithmetic;
  const Training exact = train_a2(fixture, integer(fixture.config(), "steps"));
  for (size_t t = 0; t < exact.step_logits.size(); ++t) {
    if (const std::string key = "logits_step" + std::to_string(t); fixture.has(key)) {
      fixture.compare(key, exact.step_logits[t]);
    }
  }
  fixture.compare("loss", exact.losses);
  fixture.compare("lr_beta1", exact.rates);
  fixture.compare("eval_logits", exact.eval_logits);
  for (const auto& [name, tensor] : state_dict(*exact.model)) {
    if (fixture.has("final_val/" + name)) {
      fixture.compare_samples("final_", name, to_array(tensor));
    }
  }
}

// Of the product's training only the first forward pass can be compared: LAMB's first steps follow
// the signs of gradients, even of those that are nothing but rounding errors. See
// Note [Float64 parity]; and Note [Node by node], here over two updates with dropout.
void run_a2(Fixture& fixture) {
  require<DataError>(fixture.fill() != nullptr, "{}: no fill table", fixture.name());
  if (fixture.has("logits_step0")) {
    fixture.compare("logits_step0", train_a2(fixture, 1).step_logits[0]);
  }
  compare_float64(fixture);
  NodeCheck check(device());
  const Float64 arithmetic(check);
  train_a2(fixture, 2, 0.1f);
  check.report(fixture);
}

}  // namespace

const std::vector<Kind>& train_kinds() {
  static const std::vector<Kind> kinds{{"train/a2", run_a2}};
  return kinds;
}

}  // namespace mld::parity
