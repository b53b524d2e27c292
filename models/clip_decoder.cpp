#include "models/clip_decoder.h"

#include <algorithm>

namespace mld {

namespace {

constexpr int64_t kPromptsAtOnce = 64;  // without a tape: bounds memory for many classes

ModelSpec decoder_spec(ModelSpec spec) {
  spec.word_dim = spec.clip.text_embed;
  spec.query = QueryKind::nlp;
  spec.pooling = PoolingKind::shared;
  return spec;
}

ClipTextSpec text_spec(const ClipDecoderSpec& spec) {
  require<UsageError>(spec.text_width > 0 && spec.text_width % kClipHeadWidth == 0 &&
                          spec.text_layers > 0 && spec.text_embed > 0,
                      "clip_decoder: clip.text_width must be a multiple of {}, clip.text_layers "
                      "and clip.text_embed at least 1; got {}, {}, {}", kClipHeadWidth,
                      spec.text_width, spec.text_layers, spec.text_embed);
  return {.width = spec.text_width,
          .layers = spec.text_layers,
          .heads = static_cast<int>(spec.text_width / kClipHeadWidth),
          .embed = spec.text_embed};
}

}  // namespace

int64_t clip_decoder_group_size(const ModelSpec& spec) {
  return ml_decoder_group_size(decoder_spec(spec));
}

ClipDecoder::ClipDecoder(const ModelSpec& spec_, int64_t features)
    : spec(spec_),
      decoder(decoder_spec(spec_), features),
      projections({.image = spec_.embed_dim,
                   .text = spec_.clip.text_embed,
                   .fork_compat = spec_.clip.fork_compat}),
      text(text_spec(spec_.clip)) {
  for (Module* part : {static_cast<Module*>(&projections), static_cast<Module*>(&text)}) {
    for (const auto& [name, p] : parameters(*part)) {
      p->decays = false;
    }
  }
  if (!spec.clip.train_text) {
    freeze(text);
  }
}

void ClipDecoder::each(Visitor& v) {
  v("", decoder);
  v("", projections);
  v("text", text);
}

// ---- texts --------------------------------------------------------------------------------------

void ClipDecoder::set_words(const Tensor& words) {
  check_words(words, word_dim());
  if (words.storage() == words_.storage() && words.raw() == words_.raw() &&
      words.shape() == words_.shape()) {
    return;
  }
  words_ = words;
  features_ = {};
  const Device device = words.device();
  if (device.is_meta()) {
    ids_ = Tensor(words.shape(), DType::i32, device);
    return;
  }
  const Tensor host = words.to(Device{});
  Tensor ids(words.shape(), DType::i32);
  std::transform(host.data<float>(), host.data<float>() + host.numel(), ids.data<int32_t>(),
                 [](float id) { return static_cast<int32_t>(id); });
  ids_ = ids;
}

std::vector<float> ClipDecoder::extra_targets() const {
  return decoder.extra_targets(ids_.defined() ? ids_.shape()[0] : 0);
}

// Features of texts, on the tape and the device of the pictures; a frozen encoder leaves nothing on
// the tape.   ids i32 [N, T] -> f32 [N, embed]
Var ClipDecoder::features_of(const Tensor& ids, const Var& pictures) {
  const Tensor placed = without_padding(ids).to(pictures.device());
  if (pictures.tape != nullptr && !text.frozen) {
    return text(pictures.tape->constant(placed));
  }
  const int64_t N = placed.shape()[0];
  Var all;
  for (int64_t begin = 0; begin < N; begin += kPromptsAtOnce) {
    const Var some = text(Var(placed.rows(begin, std::min(N, begin + kPromptsAtOnce))));
    all = begin == 0 ? some : concat(all, some);
  }
  return Var(all.value, pictures.tape, -1);
}

Var ClipDecoder::class_features(const Var& x) {
  require(ids_.defined(), "clip_decoder: its classes are known by prompts; call set_words()");
  const bool trained = x.tape != nullptr && !text.frozen;
  if (trained || !features_.defined()) {
    const Var features = features_of(ids_, x);
    const Var used = spec.clip.normalize_text ? l2_normalize(features) : features;
    features_ = trained ? Tensor() : used.value;
    return used;
  }
  return Var(features_, x.tape, -1);
}

// ---- pictures -----------------------------------------------------------------------------------

Var ClipDecoder::operator()(const Var& x, const Tap& tap) {
  const Var memory = decoder.memory(x);
  if (tap) {
    tap("pooled", mean_tokens(memory));
  }
  return decoder.logits(memory, class_features(x), tap);
}

Var ClipDecoder::pair_scores(const Var& pictures, const Tensor& captions) {
  return projections(pictures, features_of(captions, pictures));
}

void load_clip_text(ClipDecoder& head, std::span<const StateView> state) {
  const std::unique_ptr<ClipText> given = clip_text_of(state);
  const ClipTextSpec &from = given->spec, &to = head.text.spec;
  require<DataError>(from.context == to.context && from.vocabulary == to.vocabulary,
                     "its text encoder reads {} tokens of {}, expected CLIP's {} of {}",
                     from.context, from.vocabulary, to.context, to.vocabulary);
  require<DataError>(
      from.width == to.width && from.layers == to.layers && from.embed == to.embed,
      "its text encoder has other sizes than the model's; set clip.text_width = {}, "
      "clip.text_layers = {}, clip.text_embed = {}", from.width, from.layers, from.embed);
  load_state(head.text, state_dict(*given));
}

}  // namespace mld
