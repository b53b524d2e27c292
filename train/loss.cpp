#include "train/loss.h"

#include "autograd/ops.h"
#include "core/table.h"

namespace mld {

namespace {

Var asl(const LossSpec& spec, const Var& logits, const Tensor& targets) {
  return asymmetric_loss(logits, targets,
                         {.gamma_neg = static_cast<float>(spec.gamma_neg),
                          .gamma_pos = static_cast<float>(spec.gamma_pos),
                          .clip = static_cast<float>(spec.clip),
                          .eps = static_cast<float>(spec.eps),
                          .detach_weights = spec.detach_weights});
}

Var bce(const LossSpec&, const Var& logits, const Tensor& targets) {
  return binary_cross_entropy(logits, targets);
}

Var ce(const LossSpec&, const Var& logits, const Tensor& targets) {
  return cross_entropy(logits, targets);
}

//   name   meaning                  of   sums   single_label  thresholds
constexpr LossRow kLosses[] = {
    {"asl", "asymmetric loss", asl, true, false, false},
    {"bce", "binary cross-entropy", bce, false, false, true},
    {"ce", "cross-entropy", ce, false, true, false},
};

}  // namespace

std::span<const LossRow> losses() { return kLosses; }

const LossRow& loss_row(const LossSpec& spec) {
  return row_named(losses(), spec.name, "loss.name");
}

Tensor shaped_targets(const LossSpec& spec, const Tensor& targets) {
  const float smoothing = static_cast<float>(spec.smoothing);
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

Tensor loss_targets(const LossSpec& spec, const Batch& batch) {
  if (batch.targets.device().is_meta()) {
    return batch.targets;  // on meta: no values to shape
  }
  if (!batch.weights.defined()) {
    return shaped_targets(spec, batch.targets);
  }
  const Tensor targets = batch.targets.clone();
  for (int64_t i = 0; i < targets.numel(); ++i) {
    const float weight = batch.weights.data<float>()[i];
    require<UsageError>(weight == 0 || weight == 1,
                        "loss.name = \"{}\": a label has weight {}, but this loss allows only 1, "
                        "or 0 for an unknown label", spec.name, weight);
    targets.data<float>()[i] *= weight;
  }
  return shaped_targets(spec, targets);
}

Var loss(const LossSpec& spec, const Var& logits, const Tensor& targets, float share) {
  const LossRow& row = loss_row(spec);
  const Var value = row.of(spec, logits, targets);
  return row.sums ? value : scale(value, share);
}

}  // namespace mld
