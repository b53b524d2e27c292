// Losses: what is minimised, and the targets it sees.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "autograd/tape.h"
#include "data/loader.h"

namespace mld {

// Config section [loss]. What each key means stands in train/config_keys.cpp.
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
  bool sums;          // over pictures; the others average
  bool single_label;  // its targets are distributions
  bool thresholds;    // loss.target_threshold means something
};
std::span<const LossRow> losses();
// Errors: UsageError for an unknown name.
const LossRow& loss_row(const LossSpec& spec);

// The targets a loss with this configuration sees: smoothed (off = s / K, on = 1 - s + s / K;
// timm), then, with a threshold, 1 where strictly above it, else 0.   targets f32 [N, K] -> same
Tensor shaped_targets(const LossSpec& spec, const Tensor& targets);

// What the loss sees of a batch's labels, shaped. This is the one place that decides what an
// unknown label means to training: an absent one, since no published recipe knows a third state.
// Errors: UsageError for labels with a weight of their own, which none of the losses takes.
Tensor loss_targets(const LossSpec& spec, const Batch& batch);

// The configured loss of a micro-batch that is `share` of the whole batch, so that the shares' sum
// has the whole batch's gradient: a loss that sums over pictures is left as it is.
//   logits f32 [N, K], targets f32 [N, K]: shaped, on the logits' device -> [1]
Var loss(const LossSpec& spec, const Var& logits, const Tensor& targets, float share);

}  // namespace mld
