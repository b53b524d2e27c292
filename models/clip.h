// CLIP (arXiv 2103.00020): an image and a text encoder with one space of features, under OpenAI's
// names; and its sizes from a file's tensors.
#pragma once

#include <span>
#include <variant>

#include "models/clip_vision.h"
#include "models/contrastive.h"

namespace mld {

constexpr int64_t kClipHeadWidth = 64;  // of the attention of all published models

struct ClipTextSpec {
  int64_t width = 512, layers = 12;
  int heads = 8;
  int64_t context = 77, vocabulary = 49408;
  int64_t embed = 512;
};

// Text encoder: causal transformer, features of the last token.
struct ClipText : Module {
  ClipTextSpec spec;
  Parameter positional_embedding, text_projection;  // [context, width], [width, embed]
  ClipTransformer transformer;
  Parameter token_embedding;  // [vocabulary, width]
  LayerNorm ln_final;

  explicit ClipText(const ClipTextSpec& spec);

  // ids int32 [N, T], T at most the context, from Tokenizer::context(); the end token is the one
  // with the largest id, the first of equals. On a tape: tape.constant(ids).
  //   -> [N, embed] in `dtype`
  Var operator()(const Var& ids, DType dtype = DType::f32);

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;  // tokens N(0, 0.02^2), positions N(0, 0.01^2)
};

// Without the columns that hold only what follows the texts' ends, which changes no feature.
//   ids int32 [N, T] on any device -> on the same, [N, at most T]
Tensor without_padding(const Tensor& ids);

struct ClipSpec {
  std::variant<ClipVitSpec, ClipResNetSpec> vision;
  ClipTextSpec text;
};

struct Clip : Module {
  std::unique_ptr<ClipVision> visual;
  ClipText text;
  Parameter logit_scale;  // [], starts as ln(1 / 0.07)

  explicit Clip(const ClipSpec& spec);

  Var embed_images(const Var& images) { return visual->embed(images); }  // -> [N, embed]
  Var embed_texts(const Var& ids) { return text(ids); }                  // -> [K, embed]
  // exp(logit_scale) times the cosines, from the two above.   -> [N, K]
  Var scores(const Var& image_features, const Var& text_features);

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

// Whether another program's state dict, of which these are the names, is a CLIP's or a part of one.
bool is_clip(std::span<const std::string> names);

// The sizes of the model that a state belongs to, from its shapes: a state dict under OpenAI's
// names or open_clip's, also under a wrapper's prefix ("module."). Heads are 64 wide, as in all
// published models. Errors: DataError naming what is not there: an image or text tower, a
// projection.
ClipSpec clip_spec_of(std::span<const StateView> state);

// Loads such a state. Errors: DataError listing what does not fit.
void load_clip(Clip& model, std::span<const StateView> state);

// The text encoder alone, for a state that has one. Errors: as above.
std::unique_ptr<ClipText> clip_text_of(std::span<const StateView> state);

}  // namespace mld
