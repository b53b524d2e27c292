// From a config to the parts of a run: data, loaders, model specification, loss.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "autograd/tape.h"
#include "data/formats/open.h"
#include "data/loader.h"
#include "models/registry.h"
#include "train/config.h"

namespace mld {

// The `data` section as the data folder understands it. `label_space`: see DataOptions.
DataOptions data_options(const Config& config, LabelSpace label_space = {});

// How the training split is loaded: shuffled, augmented, a last short batch left out.
LoaderOptions training_loader_options(const Config& config);
// How a split is loaded for scoring: in order, not augmented, every sample.
LoaderOptions evaluation_loader_options(const Config& config);

// Errors: DataError naming the first sample whose labels do not fit the task (single-label needs
// exactly one each).
void check_labels(const Config& config, const Dataset& split);

// The pixel normalisation by data.normalize's words: none ([0, 1]) or imagenet's mean and std.
ImageNormSpec image_norm(std::string_view normalize);

ModelSpec model_spec(const Config& config, int64_t classes);

// The targets a loss with this configuration sees: smoothed (off = s / K, on = 1 - s + s / K;
// timm), then, with a threshold, 1 where strictly above it, else 0.   targets f32 [N, K] -> same
Tensor shaped_targets(const LossConfig& config, const Tensor& targets);

// What the loss sees of a batch's labels, shaped. This is the one place that decides what an
// unknown label means to training: an absent one, since no published recipe knows a third state.
// Errors: UsageError for labels with a weight of their own, which none of the losses takes.
Tensor loss_targets(const LossConfig& config, const Batch& batch);

// The configured loss of a micro-batch that is `share` of the whole batch, so that the shares' sum
// has the whole batch's gradient: ASL sums over images and is left as it is, the others average.
//   logits f32 [N, K], targets f32 [N, K]: shaped, on the logits' device -> [1]
Var loss(const Config& config, const Var& logits, const Tensor& targets, float share);

}  // namespace mld
