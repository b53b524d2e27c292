// Losses, and the targets they are computed from.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/tape.h"
#include "data/loader.h"

namespace mld {

// What a batch's loss is of a loss that sums over pictures.
enum class Reduction {
  sum,             // as published for asl
  sum_over_batch,  // divided by the number of pictures
};
constexpr std::array<std::string_view, 2> words_of(Reduction) { return {"sum", "sum_over_batch"}; }

// Config section [loss]. The meaning of each key is in train/config_keys.cpp.
struct LossSpec {
  std::string name = "asl";  // see losses()
  double gamma_neg = 4, gamma_pos = 0, clip = 0.05, eps = 1e-8;
  bool detach_weights = true;
  Reduction reduction = Reduction::sum;
  double smoothing = 0;
  double target_threshold = 0;  // 0: targets stay as they are
  double variance_weight = 0.3;  // sdl's lambda
  double unknown_weight = 0;
  std::vector<double> class_weights{};  // one per class; empty: all are 1
};

// What a batch's outputs are compared with.
struct LossTargets {
  Tensor values;     // f32 [N, ...]
  Tensor weights{};  // f32, as values: of each value's loss; undefined: all are 1
  // f32 [K, D], the same for every picture: the classes' word vectors, for losses that compare
  // principal vectors with them.
  Tensor words{};
  // i32 [N, T]: the pictures' captions as token ids, for models that read any.
  Tensor captions{};

  LossTargets rows(int64_t begin, int64_t end) const;
  LossTargets to(Device device) const;
};

// The table of losses.
struct LossRow {
  std::string_view name, meaning;
  // logits f32 [N, K], targets [N, K] -> [1]
  Var (*of)(const LossSpec& spec, const Var& logits, const LossTargets& targets);
  bool sums;          // sums over pictures; the others average
  bool single_label;  // its targets are distributions
  bool thresholds;    // uses loss.target_threshold
  // Takes targets that are not smoothed yet.
  bool smooths = false;
  // The values of [loss] that the name stands for, where they are not LossSpec's; null: none.
  void (*preset)(LossSpec& spec) = nullptr;
  // Takes principal vectors [N, D R] (see models/sdl_head.h) instead of logits, and the targets'
  // words.
  bool embeddings = false;
};
std::span<const LossRow> losses();
// Errors: UsageError for an unknown name.
const LossRow& loss_row(const LossSpec& spec);
// The defaults of [loss] with this name. Errors: UsageError for an unknown one.
LossSpec loss_preset(const std::string& name);

// Targets as the configured loss takes them: smoothed (off = s / K, on = 1 - s + s / K; timm),
// then, with a threshold, 1 where strictly above it, else 0.   targets f32 [N, K] -> same
Tensor shaped_targets(const LossSpec& spec, const Tensor& targets);

// The shaped targets of a batch. Weights are the labels' (the loader's: data/loader.h) times the
// classes'.
LossTargets loss_targets(const LossSpec& spec, const Batch& batch);

// The configured loss of a micro-batch, the fraction `share` of the whole batch, scaled so that the
// micro-batches' gradients add up to the whole batch's: a loss that sums over pictures is unscaled.
//   logits f32 [N, K], targets: of loss_targets(), on the logits' device -> [1]
Var loss(const LossSpec& spec, const Var& logits, const LossTargets& targets, float share);

// Errors: UsageError unless loss.class_weights is empty or has one for each class.
void check_class_weights(const LossSpec& spec, int64_t classes);

}  // namespace mld
