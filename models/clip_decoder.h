// CLIP-Decoder: an ML-Decoder whose queries are a text encoder's features of the classes' prompts,
// and an alignment of pictures with their captions (spec/clip-decoder.md 5 and 7, after
// github.com/aliman80/ML_Decoder).
#pragma once

#include "models/clip.h"
#include "models/ml_decoder.h"

namespace mld {

int64_t clip_decoder_group_size(const ModelSpec& spec);  // as of ml_decoder

// Names: those of MlDecoder; W_img, W_txt, temperature; text.*.
struct ClipDecoder : Head {
  ModelSpec spec;
  MlDecoder decoder;  // its words are features of prompts
  ContrastiveProjections projections;
  ClipText text;  // frozen unless spec.clip.train_text

  // `features`: channels of the feature map. Errors: UsageError as MlDecoder, and for an impossible
  // text encoder.
  ClipDecoder(const ModelSpec& spec, int64_t features);

  // The stage "pooled" is the mean of the decoder's memory over tokens, [N, D]: what captions are
  // compared with. Errors: Error before set_words().
  Var operator()(const Var& x, const Tap& tap = {}) override;

  void each(Visitor& v) override;
  void drop_derived() override { features_ = {}; }

  int64_t word_dim() const override { return text.spec.context; }
  void set_words(const Tensor& words) override;
  std::vector<float> extra_targets() const override;
  bool reads_prompts() const override { return true; }
  Var pair_scores(const Var& pictures, const Tensor& captions) override;

 private:
  Var features_of(const Tensor& ids, const Var& pictures);
  Var class_features(const Var& x);

  Tensor words_, ids_;  // as set_words() got them; the same as int32
  Tensor features_;     // of the classes, while the encoder does not change
};

// Loads the text encoder of CLIP's state into the head's. Errors: DataError if the state has none,
// or naming the keys of [clip] if it has other sizes.
void load_clip_text(ClipDecoder& head, std::span<const StateView> state);

}  // namespace mld
