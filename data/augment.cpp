#include "data/augment.h"

#include <cmath>

#include "core/error.h"

namespace mld {
namespace {

RandomStream stream(const RandomKey& key, AugmentStream which) {
  return RandomStream({.seed = key.seed,
                       .step = key.step,
                       .stream = key.stream + static_cast<uint32_t>(which)});
}

int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

Rgb random_colour(RandomStream& random) {
  Rgb colour;
  for (uint8_t& value : colour) {
    value = static_cast<uint8_t>(random.below(256));
  }
  return colour;
}

}  // namespace

void check_augment_policy(const AugmentPolicy& policy) {
  const auto share = [](const char* name, double value) {
    require<UsageError>(value >= 0 && value <= 1, "augment.{}: {}, expected 0 to 1", name, value);
  };
  share("hflip", policy.hflip);
  share("cutout", policy.cutout);
  share("reprob", policy.reprob);
  if (!policy.crop_scale) {
    return;
  }
  const auto [low, high] = *policy.crop_scale;
  share("crop_scale", low);
  share("crop_scale", high);
  require<UsageError>(low > 0 && low <= high,
                      "augment.crop_scale: {} to {}, expected 0 < low <= high, as in 0.08 to 1",
                      low, high);
}

CropBox random_crop_box(int width, int height, double low, double high, RandomStream& random) {
  constexpr double kNarrow = 3.0 / 4, kWide = 4.0 / 3;
  const double area = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(low, high);
    const double ratio = std::exp(random.uniform(std::log(kNarrow), std::log(kWide)));
    const int w = round_half_even(std::sqrt(target * ratio));
    const int h = round_half_even(std::sqrt(target / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const int y = random.below(height - h + 1);
      return {.x = random.below(width - w + 1), .y = y, .width = w, .height = h};
    }
  }
  const double ratio = static_cast<double>(width) / height;
  const int w = ratio > kWide ? round_half_even(height * kWide) : width;
  const int h = ratio < kNarrow ? round_half_even(width / kNarrow) : height;
  return {.x = (width - w) / 2, .y = (height - h) / 2, .width = w, .height = h};
}

Image random_cutout(Image image, double factor, RandomStream& random) {
  // The original draws y from the width and x from the height; see cutout().
  const int y = random.below(image.width), x = random.below(image.height);
  return cutout(std::move(image), factor, x, y, random_colour(random));
}

std::vector<RandAugmentStep> draw_randaugment(int width, int height, RandomStream& random) {
  std::vector<RandAugmentStep> steps;
  for (int i = 0; i < 2; ++i) {
    RandAugmentStep step;
    step.op = static_cast<RandAugmentOp>(random.below(kRandAugmentOps));
    step.magnitude = 1 + random.below(9);
    const bool kept = random.coin();
    step.sign = has_sign(step.op) && random.coin() ? -1 : 1;
    if (step.op == RandAugmentOp::cutout) {
      step.cutout_center = {.x = random.below(width), .y = random.below(height)};
    }
    if (kept) {
      steps.push_back(step);
    }
  }
  return steps;
}

Image random_randaugment(Image image, RandomStream& random) {
  for (const RandAugmentStep& step : draw_randaugment(image.width, image.height, random)) {
    image = randaugment_op(image, step.op, randaugment_value(step.op, step.magnitude), step.sign,
                           step.cutout_center);
  }
  return image;
}

Image augment(const Image& image, const Preprocess& spec, const AugmentPolicy& policy,
              const RandomKey& key) {
  require(image.width > 0 && image.height > 0, "augment: the picture is empty");
  Image out;
  if (policy.crop_scale) {
    RandomStream random = stream(key, AugmentStream::crop);
    const auto [low, high] = *policy.crop_scale;
    const CropBox box = random_crop_box(image.width, image.height, low, high, random);
    const int size = static_cast<int>(spec.image_size);
    out = resize(crop(image, box), size, size, spec.interpolation);
  } else {
    out = to_square(image, spec);
  }
  if (policy.hflip > 0 && stream(key, AugmentStream::flip).coin(policy.hflip)) {
    out = horizontal_flip(std::move(out));
  }
  if (policy.cutout > 0) {
    RandomStream random = stream(key, AugmentStream::cutout);
    out = random_cutout(std::move(out), policy.cutout, random);
  }
  if (policy.aa == AutoAugment::randaugment) {
    RandomStream random = stream(key, AugmentStream::randaugment);
    out = random_randaugment(std::move(out), random);
  } else if (policy.aa == AutoAugment::timm) {
    RandomStream random = stream(key, AugmentStream::randaugment);
    out = random_timm_randaugment(std::move(out), spec.interpolation, random);
  }
  if (policy.reprob > 0) {
    RandomStream random = stream(key, AugmentStream::erasing);
    out = random_erasing(std::move(out), policy.reprob, policy.remode, image_norm(spec.normalize),
                         random);
  }
  return out;
}

}  // namespace mld
