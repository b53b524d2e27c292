#include <cmath>

#include "models/clip_vision.h"
#include "nn/init.h"

namespace mld {

ClipVit::ClipVit(const ClipVitSpec& spec_)
    : spec(spec_),
      class_embedding(Shape{spec_.width}),
      positional_embedding(spec_.image_size / spec_.patch, spec_.width),
      conv1(3, spec_.width, static_cast<int>(spec_.patch),
            {.stride = static_cast<int>(spec_.patch)}),
      ln_pre(spec_.width),
      transformer(spec_.width, spec_.layers, spec_.heads, false),
      ln_post(spec_.width) {
  if (spec.embed > 0) {
    proj.emplace(Shape{spec.width, spec.embed});
  }
}

Var ClipVit::tokens(const Var& images, const Tap& tap) {
  const Var patches = conv1(images);  // [N, rows, columns, width]
  const int64_t N = images.shape()[0], rows = patches.shape()[1], columns = patches.shape()[2];
  const Var one = reshape(as_input(class_embedding, images), {1, spec.width});
  const Var first = repeat_batch(cast(one, patches.dtype()), N);  // [N, 1, width]
  const Var places = positional_embedding(rows, columns, patches);
  Var x = ln_pre(add(join_tokens(first, as_tokens(patches)), places));
  if (tap) {
    tap("stem", x);
  }
  x = transformer(x);
  if (tap) {
    tap("transformer", x);
  }
  return x;
}

Var ClipVit::operator()(const Var& images, const Tap& tap) {
  const Var x = tokens(images, tap);
  const Shape& s = images.shape();
  return reshape(ln_post(slice_tokens(x, 1, x.shape()[1])),
                 {s[0], s[1] / spec.patch, s[2] / spec.patch, spec.width});
}

Var ClipVit::embed(const Var& images) {
  require(proj.has_value(), "ClipVit: it was made without a projection to an embedding");
  const Var first = slice_tokens(tokens(images, {}), 0, 1);
  return project(ln_post(reshape(first, {first.shape()[0], spec.width})), *proj);
}

void ClipVit::each(Visitor& v) {
  v("visual.class_embedding", class_embedding);
  v("visual.positional_embedding", positional_embedding.table);
  v("visual.proj", proj);
  v("visual.conv1", conv1);
  v("visual.ln_pre", ln_pre);
  v("visual.transformer", transformer);
  v("visual.ln_post", ln_post);
}

void ClipVit::reset(RandomStream& random) {
  const double std = 1 / std::sqrt(static_cast<double>(spec.width));
  fill_normal(class_embedding, random, std);
  fill_normal(positional_embedding.table, random, std);
  if (proj) {
    fill_normal(*proj, random, std);
  }
  fill_linear_default(conv1.weight, random, 3 * spec.patch * spec.patch);
}

}  // namespace mld
