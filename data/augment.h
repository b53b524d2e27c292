// Random augmentation of training pictures. Every number drawn is a function of the key, so a
// sample looks the same whichever worker loads it and however many there are.
#pragma once

#include <array>
#include <optional>

#include "core/random.h"
#include "data/augment_ops.h"
#include "data/preprocess.h"

namespace mld {

// The random streams that augmentations draw from: key.stream + offset. A caller reserves
// kAugmentStreams for a sample.
enum class AugmentStream : uint32_t {
  crop = 0, flip = 1, cutout = 2, randaugment = 3, erasing = 4,
};
constexpr uint32_t kAugmentStreams = 8;

enum class AutoAugment { none, randaugment, timm };
constexpr std::array<std::string_view, 3> words_of(AutoAugment) {
  return {"none", "randaugment", "rand-m7-mstd0.5-inc1"};
}

// What fills an erased box, as normalised values (timm's words).
enum class Erasing {
  colour,  // 0
  rand,    // a colour from N(0, 1)
  pixel,   // each pixel from N(0, 1)
};
constexpr std::array<std::string_view, 3> words_of(Erasing) { return {"const", "rand", "pixel"}; }

// Config section `augment`. The defaults are the published COCO recipe: cutout, then RandAugment.
struct AugmentPolicy {
  double hflip = 0;  // probability of mirroring
  // Range of the fraction of the area that a random-resized crop keeps; nullopt: no random crop.
  std::optional<std::array<double, 2>> crop_scale = std::nullopt;
  double cutout = 0.5;  // fraction of the side; 0: none
  AutoAugment aa = AutoAugment::randaugment;
  double reprob = 0;  // probability of random erasing
  Erasing remode = Erasing::colour;
  // Of whole batches, by the loader (data/mix.h, data/epoch_order.h):
  double mixup = 0, cutmix = 0;  // the beta distribution's parameter; 0: off
  double mix_prob = 1;
  int64_t repeats = 1;
};

// A training sample of spec.image_size pixels a side: random-resized crop (else to_square());
// mirror; cutout; RandAugment; random erasing. Errors: Error for an empty picture.
Image augment(const Image& image, const Preprocess& spec, const AugmentPolicy& policy,
              const RandomKey& key);

// Errors: UsageError naming the key unless probabilities and fractions are in [0, 1] and, for
// crop_scale, 0 < low <= high.
void check_augment_policy(const AugmentPolicy& policy);

// torchvision 0.14's RandomResizedCrop.get_params: ten tries with an area fraction uniform in
// [low, high] and an aspect ratio log-uniform in [3/4, 4/3]; if none fits, the largest central box
// with a ratio in that range.
CropBox random_crop_box(int width, int height, double low, double high, RandomStream& random);

// CutoutPIL with a random centre and colour (ML_Decoder helper_functions.py); it is always applied.
Image random_cutout(Image image, double factor, RandomStream& random);

// One operation of a drawn RandAugment policy, with all its random parameters.
struct RandAugmentStep {
  RandAugmentOp op = RandAugmentOp::invert;
  int magnitude = 1;  // 1 to 9
  int sign = 1;       // -1 only where has_sign(op)
  Point cutout_center;
};

// A policy of the `randaugment` package for a width x height picture: two operations drawn with
// replacement, each with a uniform magnitude and kept with probability 1/2. Returns those kept.
std::vector<RandAugmentStep> draw_randaugment(int width, int height, RandomStream& random);

// Draws a policy and applies it.
Image random_randaugment(Image image, RandomStream& random);

// An operation of timm_op() with its argument.
struct TimmStep {
  std::string_view op;
  double argument = 0;
};
// timm's "rand-m7-mstd0.5-inc1": two operations of 15, drawn with replacement, each kept with
// probability 1/2, at a magnitude from N(7, 0.5), clipped to [0, 10]. Returns those kept.
std::vector<TimmStep> draw_timm_randaugment(RandomStream& random);
Image random_timm_randaugment(Image image, Interpolation interpolation, RandomStream& random);

// timm's random erasing: with `probability` a box of 2 to 33 % of the area, sides 0.3 to 1 / 0.3,
// is filled. Ten tries to fit; else none. timm fills normalised pictures; ours are bytes, so values
// that no pixel can have are clipped.
Image random_erasing(Image image, double probability, Erasing mode, const ImageNormSpec& norm,
                     RandomStream& random);
CropBox random_erased_box(int width, int height, RandomStream& random);

}  // namespace mld
