#include "train/objective.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/normalize.h"
#include "data/text.h"

namespace mld {

void check_labels(Task task, const Dataset& split) {
  if (task != Task::single_label) {
    return;
  }
  for (int64_t i = 0; i < split.size(); ++i) {
    const auto present = std::ranges::count(split.labels(i), Label::present, &LabelEntry::label);
    require<DataError>(present == 1,
                       "{}: {} labels, but task = \"single-label\" needs exactly one a picture; "
                       "use task = \"multi-label\"", printable(split.source(i)), present);
  }
}

Tensor Classification::normalized(const Tensor& pixels) const {
  Tensor images(pixels.shape(), spec_.precision, pixels.device());
  KERNEL(pixels.device(), normalize_images)(pixels, image_norm(spec_.normalize), images);
  return images;
}

Var Classification::loss(Tape& tape, const Tensor& pixels, const LossTargets& targets,
                         float share) {
  const Var logits = cast(forward_(tape.constant(normalized(pixels))), DType::f32);
  return mld::loss(spec_.loss, logits, targets, share);
}

Tensor Classification::outputs(const Tensor& pixels) {
  return cast(forward_(Var(normalized(pixels))), DType::f32).value;
}

Tensor Classification::scores(const Tensor& outputs) const {
  return (one_label() ? softmax(Var(outputs)) : sigmoid(Var(outputs))).value;
}

std::unique_ptr<Objective> make_objective(const Config& config, Model& model) {
  return std::make_unique<Classification>(
      Classification::Spec{config.task, config.loss, config.preprocess.normalize,
                           config.train.precision},
      [&model](const Var& images) { return model(images); });
}

}  // namespace mld
