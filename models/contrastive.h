// The contrastive loss between pictures and texts: CLIP's, and CLIP-Decoder's with projections.
#pragma once

#include <span>
#include <string>

#include "autograd/ops.h"
#include "nn/module.h"

namespace mld {

// exp(log_scale) times the cosine of every picture's and every text's features, float32.
//   images [N, D], texts [K, D], log_scale f32, one element -> [N, K]
Var similarity(const Var& images, const Var& texts, const Var& log_scale);

struct ContrastiveLoss {
  Var by_image, by_text;  // cross-entropies over each picture's texts and each text's pictures, [1]
  Var total;              // their mean, [1]
};
// scores [B, B] from similarity(); targets as below.
ContrastiveLoss contrastive_loss(const Var& scores, const Tensor& targets);

// Picture i belongs to text i alone.   -> f32 [B, B], on the CPU
Tensor pair_targets(int64_t B);
// Equal captions share the probability: picture i belongs to each text that reads like its own.
//   -> f32 [B, B], on the CPU
Tensor pair_targets(std::span<const std::string> captions);

// CLIP-Decoder's alignment of two feature spaces: both are projected to one, then compared.
// Names of the published code.
struct ContrastiveProjections : Module {
  struct Spec {
    int64_t image = 768, text = 512, shared = 512;
    // As the published code behaves: entries from N(0, 1) and a scale of exp(0.1), none of them
    // trained (on a GPU its optimiser does not see them). Otherwise N(0, 1/inputs), the scale
    // starts at 1/0.07, all trained.
    bool fork_compat = false;
  };
  Spec spec;
  Parameter W_img, W_txt;  // [image, shared], [text, shared]
  Parameter temperature;   // [], the scale's logarithm

  explicit ContrastiveProjections(const Spec& spec);

  // images [B, image], texts [B, text] -> scores [B, B]
  Var operator()(const Var& images, const Var& texts);

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

}  // namespace mld
