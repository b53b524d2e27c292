// Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899) as timm does them in a data loader: one
// draw for a whole batch of bytes, each picture's partner is the one at the other end.
#pragma once

#include "core/random.h"
#include "core/tensor.h"
#include "data/augment.h"
#include "data/image.h"

namespace mld {

// A batch's draw.
struct Mix {
  double lambda = 1;  // the share of a picture's own labels; 1: nothing is mixed
  bool cut = false;   // CutMix: the box comes from the partner
  CropBox box{};      // only if cut; may be empty
};

// Beta(a, a), 0 < a <= 4. (Johnk's rejection, in logarithms, as NumPy's for small a.)
double random_beta(double a, RandomStream& random);

// With probability policy.mix_prob a mix, of the two kinds each with probability 1/2 if both are
// on: lambda from Beta(mixup, mixup) or Beta(cutmix, cutmix); the box has sqrt(1 - lambda) of each
// side, a centre anywhere, and is clipped; lambda is then what is left of the area.
Mix draw_mix(const AugmentPolicy& policy, int side, RandomStream& random);

// Mixed bytes are float32 products, added and rounded to nearest even.   images u8 [N, S, S, 3]
void mix_images(const Mix& mix, Tensor& images);
// targets <- lambda own + (1 - lambda) partner's. Where there are weights, these are mixed so, and
// each label counts with its own weight: a label that is unknown in one picture and known in the
// other is what it is there, with that share of the weight.
//   targets, weights f32 [N, K]; weights may be undefined
void mix_targets(const Mix& mix, Tensor& targets, Tensor& weights);

}  // namespace mld
