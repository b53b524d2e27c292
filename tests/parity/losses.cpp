// losses/asl, losses/asl_single, losses/bce_ce, losses/sdl: values and gradients with respect to
// the logits or principal vectors; losses/clip: those of pairs of features.
#include "autograd/ops.h"
#include "models/contrastive.h"
#include "tests/parity/fixture.h"
#include "tests/parity/modules.h"
#include "train/config.h"

namespace mld::parity {
namespace {

// The loss at x [N, K] and its gradient, compared with the stored ones. A stored loss of one value
// per picture (no reduction) has the gradient of the sum.
template <class Loss>
void compare_loss(Fixture& fixture, const std::string& loss_key, const std::string& grad_key,
                  const Tensor& x, Loss&& loss_of) {
  Tape tape;
  const Var logits = tape.variable(x);
  const Var loss = loss_of(logits);
  const bool per_image = loss.shape().numel() > 1;
  fixture.compare(loss_key, per_image ? to_array(loss.value) : scalar(loss.value));
  tape.backward(per_image ? sum(loss) : loss);
  fixture.compare(grad_key, to_array(tape.grad(logits)));
}

// loss/<set>/<case>/<form> and grad/... for x_<set>, y_<set>. The published code's two forms (plain
// and "optimized") are one function: every stored form is compared with ours.
void run_asl(Fixture& fixture) {
  for (const std::string& set : fixture.cases("loss/")) {
    const Tensor x = to_tensor(fixture.array("x_" + set));
    const Tensor y = to_tensor(fixture.array("y_" + set));
    for (const Json* config : elements(fixture.config())) {
      const AslSpec spec{.gamma_neg = static_cast<float>(number(*config, "gamma_neg", 4)),
                         .gamma_pos = static_cast<float>(number(*config, "gamma_pos", 1)),
                         .clip = static_cast<float>(number(*config, "clip", 0)),  // null: none
                         .eps = static_cast<float>(number(*config, "eps", 1e-8)),
                         .detach_weights = flag(*config, "detach_weights", true)};
      const std::string name = set + "/" + std::to_string(integer(*config, "case")) + "/";
      for (const std::string& form : fixture.cases("loss/" + name)) {
        compare_loss(fixture, "loss/" + name + form, "grad/" + name + form, x,
                     [&](const Var& logits) { return asymmetric_loss(logits, y, spec); });
      }
    }
  }
}

// One-hot rows.   classes [N] -> [N, K]
Array expand(const Array& classes, int64_t K) {
  Array out{{classes.numel(), K}, {}};
  out.values.assign(classes.values.size() * static_cast<size_t>(K), 0);
  for (size_t n = 0; n < classes.values.size(); ++n) {
    out.values.at(n * static_cast<size_t>(K) + static_cast<size_t>(classes.values[n])) = 1;
  }
  return out;
}

void run_asl_single(Fixture& fixture) {
  const Tensor x = to_tensor(fixture.array("x"));
  const Tensor y = to_tensor(expand(fixture.array("y"), x.shape()[1]));
  for (const Json* config : elements(fixture.config())) {
    const AslSingleSpec spec{.gamma_neg = static_cast<float>(number(*config, "gamma_neg", 4)),
                             .gamma_pos = static_cast<float>(number(*config, "gamma_pos", 0)),
                             .smoothing = static_cast<float>(number(*config, "eps", 0.1))};
    const std::string name = std::to_string(integer(*config, "case"));
    const bool reduce = text(*config, "reduction", "mean") == "mean";
    compare_loss(fixture, "loss/" + name, "grad/" + name, x, [&](const Var& logits) {
      const Var loss = asl_single_label(logits, y, spec);
      return reduce ? mean(loss) : loss;
    });
  }
}

// The trainer's targets: a class index becomes a smoothed one-hot; a threshold makes them 0 or 1.
Tensor targets_of(Fixture& fixture, const Json& config, int64_t K) {
  Array targets = fixture.array(text(config, "target"));
  LossSpec loss;
  loss.target_threshold = number(config, "threshold", 0);
  loss.smoothing = 0;
  if (targets.shape.size() == 1) {
    targets = expand(targets, K);
    loss.smoothing = number(config, "smoothing", 0);
  }
  return shaped_targets(loss, to_tensor(targets).to(Device{})).to(device());
}

// The config's name says which loss: bce_... or one of the cross-entropies, which differ only in
// their targets (soft, smoothed, plain).
void run_bce_ce(Fixture& fixture) {
  const Tensor x = to_tensor(fixture.array("x"));
  for (const Json* config : elements(fixture.config())) {
    const std::string name = text(*config, "name");
    const Tensor targets = targets_of(fixture, *config, x.shape()[1]);
    const bool binary = name.starts_with("bce");
    compare_loss(fixture, "loss/" + name, "grad/" + name, x, [&](const Var& logits) {
      return binary ? binary_cross_entropy(logits, targets) : cross_entropy(logits, targets);
    });
  }
}

// <case>/loss of features z_img, z_txt and the projections W_img, W_txt; and their gradients.
void run_clip(Fixture& fixture) {
  for (const Json* config : elements(fixture.config())) {
    const std::string at = std::to_string(integer(*config, "case")) + "/";
    ContrastiveProjections model({.image = integer(*config, "img_dim"),
                                  .text = integer(*config, "txt_dim"),
                                  .shared = integer(*config, "proj_dim")});
    load_module(fixture, model, at, at);
    Tape tape;
    const Var images = tape.variable(to_tensor(fixture.array(at + "z_img")));
    const Var texts = tape.variable(to_tensor(fixture.array(at + "z_txt")));
    const ContrastiveLoss loss =
        contrastive_loss(model(images, texts), pair_targets(integer(*config, "batch")));
    fixture.compare(at + "loss", scalar(loss.total.value));
    fixture.compare(at + "loss_img", scalar(loss.by_image.value));
    fixture.compare(at + "loss_txt", scalar(loss.by_text.value));
    tape.backward(loss.total);
    fixture.compare(at + "grad_z_img", to_array(tape.grad(images)));
    fixture.compare(at + "grad_z_txt", to_array(tape.grad(texts)));
    for (const auto& [name, parameter] : parameters(model)) {
      fixture.compare(at + "grad_" + name, gradient_of(*parameter));
    }
  }
}

// <case>/wordvecs [1, D, K], one column a class. A null weight is the ranking alone.
void run_sdl(Fixture& fixture) {
  for (const Json* config : elements(fixture.config())) {
    const std::string at = std::to_string(integer(*config, "case")) + "/";
    const Array columns = fixture.array(at + "wordvecs");
    const int64_t D = columns.shape.at(1), K = columns.shape.at(2);
    const Tensor words = to_tensor(permute({{D, K}, columns.values}, {1, 0}));
    const Tensor y = to_tensor(fixture.array(at + "y"));
    const double weight = number(*config, "weight", 0);
    const bool sums = text(*config, "reduction", "mean") == "sum";
    compare_loss(fixture, at + "loss", at + "grad", to_tensor(fixture.array(at + "x")),
                 [&](const Var& x) {
      const LossSpec spec{.name = "sdl", .variance_weight = weight};
      const Var loss = mld::loss(spec, x, {.values = y, .words = words}, 1);
      return sums ? scale(loss, static_cast<float>(y.shape()[0])) : loss;
    });
  }
}

}  // namespace

const std::vector<Kind>& loss_kinds() {
  static const std::vector<Kind> kinds{{"losses/asl", run_asl},
                                       {"losses/asl_single", run_asl_single},
                                       {"losses/bce_ce", run_bce_ce},
                                       {"losses/clip", run_clip},
                                       {"losses/sdl", run_sdl}};
  return kinds;
}

}  // namespace mld::parity
