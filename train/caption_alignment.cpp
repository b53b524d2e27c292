#include "train/caption_alignment.h"

#include <utility>

#include "autograd/ops.h"
#include "data/prompts.h"
#include "data/word_vectors.h"
#include "models/contrastive.h"

namespace mld {

static std::unique_ptr<const Tokenizer> tokenizer_of(const CaptionSpec& spec) {
  require<UsageError>(!spec.vocabulary.empty(),
                      "clip.vocabulary is missing: this model reads texts; give CLIP's file of "
                      "merges, clip/bpe_simple_vocab_16e6.txt.gz of "
                      "https://github.com/openai/CLIP");
  return std::make_unique<Tokenizer>(spec.vocabulary);
}

Tensor class_prompts(const Config& config, const std::vector<std::string>& names) {
  const auto tokenizer = tokenizer_of(config.captions);
  require_distinct_words(names, "the data");
  return prompt_tokens(*tokenizer, config.model.clip.prompt, names);
}

CaptionAlignment::CaptionAlignment(Spec spec, const CaptionSpec& captions, Model& model,
                                   const LabelSpace& trained, const LabelSpace& scored)
    : ZeroShot(std::move(spec), model, trained, scored,
               [this](const Var& images, const Tap& tap) {
                 return model_(images, [&](std::string_view stage, const Var& y) {
                   if (stage == "pooled" && y.tape != nullptr) {
                     pictures_ = y;
                   }
                   if (tap) {
                     tap(stage, y);
                   }
                 });
               }),
      captions_(captions) {}

//   targets f32 [N, K] -> i32 [N, T]
Tensor CaptionAlignment::captions_of(const Tensor& targets) const {
  const int64_t N = targets.shape()[0], K = targets.shape()[1];
  if (targets.device().is_meta()) {
    return Tensor({N, model_.word_dim()}, DType::i32, targets.device());
  }
  if (tokenizer_ == nullptr) {
    tokenizer_ = tokenizer_of(captions_);
  }
  std::vector<std::string> captions;
  for (int64_t n = 0; n < N; ++n) {
    std::vector<std::string> labels;
    for (int64_t k = 0; k < K; ++k) {
      if (targets.data<float>()[n * K + k] > 0) {
        labels.push_back(names_[static_cast<size_t>(k)]);
      }
    }
    captions.push_back(caption_of(model_.spec.clip.prompt, labels));
  }
  return caption_tokens(*tokenizer_, captions);
}

LossTargets CaptionAlignment::targets(const Batch& batch) const {
  LossTargets targets = ZeroShot::targets(batch);
  targets.captions = captions_of(batch.targets);
  return targets;
}

// Which caption belongs to which picture.   captions i32 [N, T] -> f32 [N, N], on the CPU
static Tensor pairs_of(const Tensor& captions, bool equal_captions) {
  const int64_t N = captions.shape()[0], T = captions.shape()[1];
  if (!equal_captions || captions.device().is_meta()) {
    return pair_targets(N);
  }
  const Tensor host = captions.to(Device{});
  std::vector<std::string> rows;
  for (int64_t n = 0; n < N; ++n) {
    const auto* bytes = reinterpret_cast<const char*>(host.data<int32_t>() + n * T);
    rows.emplace_back(bytes, static_cast<size_t>(T) * sizeof(int32_t));
  }
  return pair_targets(rows);
}

Var CaptionAlignment::loss(Tape& tape, const Tensor& pixels, const LossTargets& targets,
                           float share) {
  const Var classes = ZeroShot::loss(tape, pixels, targets, share);
  const Var pictures = std::exchange(pictures_, {});
  const Var scores = model_.pair_scores(pictures, targets.captions);
  const Var pairs =
      contrastive_loss(scores, pairs_of(targets.captions, captions_.equal_captions)).total;
  return add(scale(classes, static_cast<float>(captions_.beta)),
             scale(pairs, static_cast<float>(captions_.alpha) * share));
}

}  // namespace mld
