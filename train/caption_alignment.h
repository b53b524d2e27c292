// Zero-shot recognition by a model that reads texts: the classes' loss, and a contrastive one that
// draws pictures towards their captions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "train/objective.h"

namespace mld {

// loss = beta * (the classes' loss) + alpha * (mean of the cross-entropies over each picture's
// captions and each caption's pictures). A picture's caption lists the classes that the batch's
// targets say it shows, mixed ones too. The pairs are those of a micro-batch: with
// optim.grad_accum_steps a picture is told apart from the captions of its part only, which is
// another loss than the whole batch's; the parts' mean is taken.
class CaptionAlignment : public ZeroShot {
 public:
  // As ZeroShot. The tokenizer's file is opened by the first targets() of a batch that has values.
  CaptionAlignment(Spec spec, const CaptionSpec& captions, Model& model, const LabelSpace& trained,
                   const LabelSpace& scored);

  // Errors: UsageError without clip.vocabulary; DataError as Tokenizer.
  LossTargets targets(const Batch& batch) const override;
  Var loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) override;

 private:
  Tensor captions_of(const Tensor& targets) const;

  CaptionSpec captions_;
  mutable std::unique_ptr<const Tokenizer> tokenizer_;
  Var pictures_;  // the stage "pooled" of the call under way
};

// The classes' prompts as a label space's vectors. Errors: UsageError without clip.vocabulary;
// DataError as Tokenizer and prompt_tokens(), or for names that read alike.
Tensor class_prompts(const Config& config, const std::vector<std::string>& names);

}  // namespace mld
