#include "train/loss.h"

#include "autograd/ops.h"
#include "core/table.h"
#include "models/sdl_head.h"

namespace mld {

namespace {

Var asl(const LossSpec& spec, const Var& logits, const LossTargets& targets) {
  return asymmetric_loss(logits, targets.values,
                         {.gamma_neg = static_cast<float>(spec.gamma_neg),
                          .gamma_pos = static_cast<float>(spec.gamma_pos),
                          .clip = static_cast<float>(spec.clip),
                          .eps = static_cast<float>(spec.eps),
                          .detach_weights = spec.detach_weights},
                         targets.weights);
}

Var bce(const LossSpec&, const Var& logits, const LossTargets& targets) {
  return binary_cross_entropy(logits, targets.values, targets.weights);
}

// Weights are in the targets already, which it is linear in.
Var ce(const LossSpec&, const Var& logits, const LossTargets& targets) {
  return cross_entropy(logits, targets.values);
}

Var asl_single(const LossSpec& spec, const Var& logits, const LossTargets& targets) {
  return mean(asl_single_label(logits, targets.values,
                               {.gamma_neg = static_cast<float>(spec.gamma_neg),
                                .gamma_pos = static_cast<float>(spec.gamma_pos),
                                .smoothing = static_cast<float>(spec.smoothing)},
                               targets.weights));
}

Var sdl(const LossSpec& spec, const Var& outputs, const LossTargets& t) {
  require(t.words.defined(), "loss sdl: the targets have no word vectors");
  const Var vectors = principal_vectors(outputs, t.words.shape()[1]);  // [N, R, D]
  const bool regularised = spec.variance_weight > 0;
  require<UsageError>(!regularised || vectors.shape()[1] > 1,
                      "loss.variance_weight: one principal vector has no variance; use 0, or more "
                      "model.principal_vectors");
  return mean(sdl_loss(sdl_scores(vectors, t.words),
                       regularised ? variance_tokens(vectors) : Var{}, t.values, t.words,
                       {.weight = static_cast<float>(spec.variance_weight)}, t.weights));
}

void focal_preset(LossSpec& spec) {  // arXiv 1708.02002: its gradient flows through the weights
  spec.gamma_neg = spec.gamma_pos = 2;
  spec.clip = 0;
  spec.detach_weights = false;
}

void mild_preset(LossSpec& spec) {  // an author's advice in github.com/Alibaba-MIIL/ASL/issues/22
  spec.gamma_neg = 2;
  spec.gamma_pos = 1;
  spec.clip = 0;
}

//   name   meaning                  of   sums   single_label  thresholds
constexpr LossRow kLosses[] = {
    {"asl", "asymmetric loss", asl, true, false, false},
    {"bce", "binary cross-entropy", bce, false, false, true},
    {"ce", "cross-entropy", ce, false, true, false},
    {"asl_single", "asymmetric loss over a softmax", asl_single, false, true, false, true},
    {"asl_mild", "asymmetric loss, less focused", asl, true, false, false, false, mild_preset},
    {"focal", "focal loss", asl, true, false, false, false, focal_preset},
    {"sdl", "semantic diversity", sdl, false, false, false, false, nullptr, true},
};

bool folds_weights(const LossRow& row) { return row.of == ce; }

// The weights of a batch's targets, [N, K]; undefined: all are 1.
Tensor weights_of(const LossSpec& spec, const Batch& batch) {
  const Shape& shape = batch.targets.shape();
  if (spec.class_weights.empty()) {
    return batch.weights;
  }
  const bool labels_too = batch.weights.defined();
  const Tensor weights = labels_too ? batch.weights.clone() : Tensor::full(shape, 1);
  const auto K = static_cast<size_t>(shape[1]);
  for (size_t i = 0; i < static_cast<size_t>(weights.numel()); ++i) {
    weights.data<float>()[i] *= static_cast<float>(spec.class_weights[i % K]);
  }
  return weights;
}

}  // namespace

LossTargets LossTargets::rows(int64_t begin, int64_t end) const {
  const auto part = [&](const Tensor& x) { return x.defined() ? x.rows(begin, end) : x; };
  return {part(values), part(weights), words, part(captions)};
}

LossTargets LossTargets::to(Device device) const {
  const auto moved = [&](const Tensor& x) { return x.defined() ? x.to(device) : x; };
  return {moved(values), moved(weights), moved(words), moved(captions)};
}

std::span<const LossRow> losses() { return kLosses; }

const LossRow& loss_row(const LossSpec& spec) {
  return row_named(losses(), spec.name, "loss.name");
}

LossSpec loss_preset(const std::string& name) {
  LossSpec spec;
  spec.name = name;
  if (const LossRow& row = loss_row(spec); row.preset != nullptr) {
    row.preset(spec);
  }
  return spec;
}

Tensor shaped_targets(const LossSpec& spec, const Tensor& targets) {
  const float smoothing = loss_row(spec).smooths ? 0 : static_cast<float>(spec.smoothing);
  const float threshold = static_cast<float>(spec.target_threshold);
  if (smoothing == 0 && threshold == 0) {
    return targets;
  }
  const float off = smoothing / static_cast<float>(targets.shape()[-1]);
  Tensor shaped(targets.shape());
  for (int64_t i = 0; i < targets.numel(); ++i) {
    float value = targets.data<float>()[i] * (1 - smoothing) + off;
    if (threshold > 0) {
      value = value > threshold ? 1.0f : 0.0f;
    }
    shaped.data<float>()[i] = value;
  }
  return shaped;
}

LossTargets loss_targets(const LossSpec& spec, const Batch& batch) {
  if (batch.targets.device().is_meta()) {  // no values to shape
    const bool weighted = batch.weights.defined() || !spec.class_weights.empty();
    return {batch.targets, weighted ? batch.targets.like() : Tensor{}};
  }
  LossTargets targets{shaped_targets(spec, batch.targets), weights_of(spec, batch)};
  if (targets.weights.defined() && folds_weights(loss_row(spec))) {
    targets.values = targets.values.clone();
    for (int64_t i = 0; i < targets.values.numel(); ++i) {
      targets.values.data<float>()[i] *= targets.weights.data<float>()[i];
    }
    targets.weights = {};
  }
  return targets;
}

Var loss(const LossSpec& spec, const Var& logits, const LossTargets& targets, float share) {
  const LossRow& row = loss_row(spec);
  const Var value = row.of(spec, logits, targets);
  if (!row.sums) {
    return scale(value, share);
  }
  const auto pictures = static_cast<float>(logits.shape()[0]);
  return spec.reduction == Reduction::sum ? value : scale(value, share / pictures);
}

void check_class_weights(const LossSpec& spec, int64_t classes) {
  require<UsageError>(spec.class_weights.empty() || !loss_row(spec).embeddings,
                      "loss.class_weights: loss.name {} ranks labels and takes none; use []",
                      spec.name);
  const auto given = static_cast<int64_t>(spec.class_weights.size());
  require<UsageError>(given == 0 || given == classes,
                      "loss.class_weights: {} numbers, but the data has {} classes; give one for "
                      "each class, in the order of `mltrain check`, or [] for none", given,
                      classes);
}

}  // namespace mld
