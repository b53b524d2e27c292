#include "train/assemble.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "data/augment.h"
#include "data/text.h"

namespace mld {

DataOptions data_options(const Config& config, LabelSpace label_space) {
  const DataConfig& data = config.data;
  return {.format = data.format,
          .root = data.root,
          .train = data.train,
          .val = data.val,
          .test = data.test,
          .unlabelled = data.unlabelled == "keep" ? Unlabelled::keep : Unlabelled::drop,
          .difficult = data.difficult == "keep" ? Difficult::keep : Difficult::ignore,
          .train_size = data.train_size,
          .val_size = data.val_size,
          .image_size = static_cast<int>(data.image_size),
          .seed = static_cast<uint64_t>(config.seed),
          .label_space = std::move(label_space)};
}

static Interpolation interpolation(const DataConfig& data) {
  return data.interpolation == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
}

static ResizeMode resize_mode(const DataConfig& data) {
  if (data.resize == "crop") {
    return ResizeMode::crop;
  }
  return data.resize == "pad" ? ResizeMode::pad : ResizeMode::squash;
}

LoaderOptions evaluation_loader_options(const Config& config) {
  const DataConfig& data = config.data;
  return {.batch_size = config.train.batch_size,
          .image_size = static_cast<int>(data.image_size),
          .resize = resize_mode(data),
          .interpolation = interpolation(data),
          .seed = static_cast<uint64_t>(config.seed),
          .augment = std::nullopt,
          .workers = static_cast<int>(data.workers),
          .on_bad_image = data.on_bad_image == "skip" ? OnBadImage::skip : OnBadImage::error,
          .max_bad_fraction = data.max_bad_fraction};
}

LoaderOptions training_loader_options(const Config& config) {
  LoaderOptions options = evaluation_loader_options(config);
  options.training = true;
  options.drop_last = true;
  AugmentPolicy policy{.hflip = config.augment.hflip,
                       .cutout = config.augment.cutout,
                       .aa = config.augment.aa == "randaugment" ? AutoAugment::randaugment
                                                                : AutoAugment::none};
  if (config.augment.crop_scale) {
    policy.crop_scale_low = (*config.augment.crop_scale)[0];
    policy.crop_scale_high = (*config.augment.crop_scale)[1];
  }
  check_augment_policy(policy);
  options.augment = policy;
  return options;
}

void check_labels(const Config& config, const Dataset& split) {
  if (config.task != "single-label") {
    return;
  }
  for (int64_t i = 0; i < split.size(); ++i) {
    const auto present =
        std::ranges::count(split.labels(i), Label::present, &LabelEntry::label);
    require<DataError>(present == 1,
                       "{}: {} labels, but task = \"single-label\" needs exactly one a picture; "
                       "use task = \"multi-label\"", printable(split.source(i)), present);
  }
}

ImageNormSpec image_norm(std::string_view normalize) {
  if (normalize == "imagenet") {
    return {.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
  }
  return {};
}

ModelSpec model_spec(const Config& config, int64_t classes) {
  return {.backbone = config.model.backbone,
          .head = config.model.head,
          .classes = classes,
          .groups = config.model.groups,
          .embed_dim = config.model.embed_dim,
          .query = config.model.query,
          .dropout = static_cast<float>(config.model.dropout)};
}

Tensor shaped_targets(const LossConfig& config, const Tensor& targets) {
  const float smoothing = static_cast<float>(config.smoothing);
  const float threshold = static_cast<float>(config.target_threshold);
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

Tensor loss_targets(const LossConfig& config, const Batch& batch) {
  if (!batch.weights.defined()) {
    return shaped_targets(config, batch.targets);
  }
  const Tensor targets = batch.targets.clone();
  for (int64_t i = 0; i < targets.numel(); ++i) {
    const float weight = batch.weights.data<float>()[i];
    require<UsageError>(weight == 0 || weight == 1,
                        "loss.name = \"{}\": a label has weight {}, but the loss takes none but 1, "
                        "and 0 for an unknown label", config.name, weight);
    targets.data<float>()[i] *= weight;
  }
  return shaped_targets(config, targets);
}

Var loss(const Config& config, const Var& logits, const Tensor& targets, float share) {
  const LossConfig& spec = config.loss;
  if (spec.name == "bce") {
    return scale(binary_cross_entropy(logits, targets), share);
  }
  if (spec.name == "ce") {
    return scale(cross_entropy(logits, targets), share);
  }
  return asymmetric_loss(logits, targets,
                         {.gamma_neg = static_cast<float>(spec.gamma_neg),
                          .gamma_pos = static_cast<float>(spec.gamma_pos),
                          .clip = static_cast<float>(spec.clip),
                          .eps = static_cast<float>(spec.eps),
                          .detach_weights = spec.detach_weights});
}

}  // namespace mld
