// Losses, and the targets they are computed from.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "autograd/tape.h"
#include "data/loader.h"

namespace mld {

// Config section [loss]. The meaning of each key is in train/config_keys.cpp.
struct LossSpec {
  std::string name = "asl";  // see losses()
  double gamma_neg = 4, gamma_pos = 0, clip = 0.05, eps = 1e-8;
  bool detach_weights = true;
  double smoothing = 0;
  double target_threshold = 0;  // 0: targets stay as they are
};

// The table of losses.
struct LossRow {
  std::string_view name, meaning;
  // logits f32 [N, K], targets f32 [N, K] -> [1]
  Var (*of)(const LossSpec& spec, const Var& logits, const Tensor& targets);
  bool sums;          // sums over pictures; the others average
  bool single_label;  // its targets are distributions
  bool thresholds;    // uses loss.target_threshold
};
std::span<const LossRow> losses();
// Errors: UsageError for an unknown name.
const LossRow& loss_row(const LossSpec& spec);

// Targets as the configured loss takes them: smoothed (off = s / K, on = 1 - s + s / K; timm),
// then, with a threshold, 1 where strictly above it, else 0.   targets f32 [N, K] -> same
Tensor shaped_targets(const LossSpec& spec, const Tensor& targets);

// The shaped targets of a batch. This alone decides what an unknown label means in training:
// absent, since no published recipe has a third state.
// Errors: UsageError for labels with weights other than 1, which no loss supports.
Tensor loss_targets(const LossSpec& spec, const Batch& batch);

// The configured loss of a micro-batch, the fraction `share` of the whole batch, scaled so that the
// micro-batches' gradients add up to the whole batch's: a loss that sums over pictures is unscaled.
//   logits f32 [N, K], targets f32 [N, K]: shaped, on the logits' device -> [1]
Var loss(const LossSpec& spec, const Var& logits, const Tensor& targets, float share);

}  // namespace mld
