#include "models/clip.h"

#include <algorithm>
#include <cmath>

#include "nn/init.h"

namespace mld {

namespace {

std::unique_ptr<ClipVision> vision_of(const ClipSpec& spec) {
  if (const auto* vit = std::get_if<ClipVitSpec>(&spec.vision)) {
    return std::make_unique<ClipVit>(*vit);
  }
  return std::make_unique<ClipResNet>(std::get<ClipResNetSpec>(spec.vision));
}

// Where the end is among a text's T ids.
int64_t end_of(const int32_t* text, int64_t T) { return std::max_element(text, text + T) - text; }

// Where each text ends, as rows of [N * T].   ids int32 [N, T] -> int32 [N]
Tensor ends_of(const Tensor& ids) {
  const int64_t N = ids.shape()[0], T = ids.shape()[1];
  if (ids.device().is_meta()) {
    return Tensor({N}, DType::i32, ids.device());
  }
  const Tensor host = ids.to(Device{});
  Tensor ends({N}, DType::i32);
  for (int64_t n = 0; n < N; ++n) {
    ends.data<int32_t>()[n] =
        static_cast<int32_t>(n * T + end_of(host.data<int32_t>() + n * T, T));
  }
  return ends.to(ids.device());
}

}  // namespace

Tensor without_padding(const Tensor& ids) {
  if (ids.device().is_meta()) {
    return ids;  // of unknown length
  }
  const int64_t N = ids.shape()[0], T = ids.shape()[1];
  const Tensor host = ids.to(Device{});
  int64_t longest = 0;
  for (int64_t n = 0; n < N; ++n) {
    longest = std::max(longest, end_of(host.data<int32_t>() + n * T, T) + 1);
  }
  Tensor shorter({N, longest}, DType::i32);
  for (int64_t n = 0; n < N; ++n) {
    std::copy_n(host.data<int32_t>() + n * T, longest, shorter.data<int32_t>() + n * longest);
  }
  return shorter.to(ids.device());
}

ClipText::ClipText(const ClipTextSpec& spec_)
    : spec(spec_),
      positional_embedding(Shape{spec_.context, spec_.width}),
      text_projection(Shape{spec_.width, spec_.embed}),
      transformer(spec_.width, spec_.layers, spec_.heads, true),
      token_embedding(Shape{spec_.vocabulary, spec_.width}),
      ln_final(spec_.width) {}

Var ClipText::operator()(const Var& ids, DType dtype) {
  const Shape& s = ids.shape();
  require(s.rank() == 2 && 0 < s[1] && s[1] <= spec.context,
          "ClipText: ids must be [N, at most {}], got {}", spec.context, s);
  const int64_t N = s[0], T = s[1], D = spec.width;
  Var x = cast(embedding(ids.value, as_input(token_embedding, ids)), dtype);  // [N, T, D]
  const Var all = as_input(positional_embedding, ids);
  const Var positions = T == spec.context ? all : rows(all, 0, T);
  x = add(x, repeat_batch(cast(positions, dtype), N));
  x = transformer(x);
  const Var last = embedding(ends_of(ids.value), reshape(x, {N * T, D}));  // [N, D]
  return project(ln_final(last), text_projection);
}

void ClipText::each(Visitor& v) {
  v("positional_embedding", positional_embedding);
  v("text_projection", text_projection);
  v("transformer", transformer);
  v("token_embedding.weight", token_embedding);
  v("ln_final", ln_final);
}

void ClipText::reset(RandomStream& random) {
  fill_normal(token_embedding, random, 0.02);
  fill_normal(positional_embedding, random, 0.01);
  fill_normal(text_projection, random, 1 / std::sqrt(static_cast<double>(spec.width)));
}

Clip::Clip(const ClipSpec& spec)
    : visual(vision_of(spec)), text(spec.text), logit_scale(Shape{}) {}

Var Clip::scores(const Var& image_features, const Var& text_features) {
  return similarity(image_features, text_features, as_input(logit_scale, image_features));
}

void Clip::each(Visitor& v) {
  v("logit_scale", logit_scale);
  v("", *visual);
  v("", text);
}

void Clip::reset(RandomStream&) { fill(logit_scale, std::log(1 / 0.07f)); }

}  // namespace mld
