#include "models/contrastive.h"

#include <algorithm>
#include <cmath>

#include "models/clip_transformer.h"
#include "nn/init.h"

namespace mld {

Var similarity(const Var& images, const Var& texts, const Var& log_scale) {
  const Var a = l2_normalize(cast(images, DType::f32)), b = l2_normalize(cast(texts, DType::f32));
  const int64_t N = a.shape()[0], K = b.shape()[0];
  require(a.shape()[-1] == b.shape()[-1],
          "similarity: pictures have {} features and texts {}; they need one space", a.shape()[-1],
          b.shape()[-1]);
  const Var cosines = reshape(linear(a, b), {1, N, K, 1});
  const Var factor = reshape(exponential(log_scale), {1, 1, 1, 1});
  return reshape(scale_channels(cosines, factor), {N, K});
}

ContrastiveLoss contrastive_loss(const Var& scores, const Tensor& targets) {
  const int64_t B = scores.shape()[0];
  require(scores.shape() == Shape{B, B},
          "contrastive_loss: as many texts as pictures are needed, got scores {}", scores.shape());
  const Tensor placed = targets.to(scores.device());
  // Targets of pairs are symmetric: they serve the transposed scores as they are.
  const Var columns = reshape(transpose(reshape(scores, {1, B, B})), {B, B});
  ContrastiveLoss loss{cross_entropy(scores, placed), cross_entropy(columns, placed), {}};
  loss.total = scale(add(loss.by_image, loss.by_text), 0.5f);
  return loss;
}

Tensor pair_targets(int64_t B) {
  Tensor targets = Tensor::zeros({B, B});
  for (int64_t i = 0; i < B; ++i) {
    targets.data<float>()[i * B + i] = 1;
  }
  return targets;
}

Tensor pair_targets(std::span<const std::string> captions) {
  const auto B = static_cast<int64_t>(captions.size());
  Tensor targets = Tensor::zeros({B, B});
  float* to = targets.data<float>();
  for (const std::string& caption : captions) {
    const auto same = static_cast<float>(std::ranges::count(captions, caption));
    for (const std::string& other : captions) {
      *to++ = caption == other ? 1 / same : 0;
    }
  }
  return targets;
}

ContrastiveProjections::ContrastiveProjections(const Spec& spec_)
    : spec(spec_),
      W_img(Shape{spec_.image, spec_.shared}),
      W_txt(Shape{spec_.text, spec_.shared}),
      temperature(Shape{}) {
  W_img.trainable = W_txt.trainable = temperature.trainable = !spec.fork_compat;
}

Var ContrastiveProjections::operator()(const Var& images, const Var& texts) {
  return similarity(project(cast(images, DType::f32), W_img),
                    project(cast(texts, DType::f32), W_txt), as_input(temperature, images));
}

void ContrastiveProjections::each(Visitor& v) {
  v("W_img", W_img);
  v("W_txt", W_txt);
  v("temperature", temperature);
}

void ContrastiveProjections::reset(RandomStream& random) {
  constexpr float kForkScale = 0.1f;
  for (Parameter* w : {&W_img, &W_txt}) {
    const auto inputs = static_cast<double>(w->shape[0]);
    fill_normal(*w, random, spec.fork_compat ? 1 : 1 / std::sqrt(inputs));
  }
  fill(temperature, spec.fork_compat ? kForkScale : std::log(1 / 0.07f));
}

}  // namespace mld
