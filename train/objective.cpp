#include "train/objective.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/normalize.h"
#include "data/text.h"
#include "models/sdl_head.h"
#include "train/caption_alignment.h"

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

// Outputs behind those of the classes get their own targets, with weight 1.
static void append_columns(Tensor& rows, std::span<const float> values) {
  const int64_t N = rows.shape()[0], K = rows.shape()[1], more = std::ssize(values);
  Tensor wider({N, K + more}, DType::f32, rows.device());
  for (int64_t n = 0; n < N && !rows.device().is_meta(); ++n) {
    float* row = wider.data<float>() + n * (K + more);
    std::copy_n(rows.data<float>() + n * K, K, row);
    std::ranges::copy(values, row + K);
  }
  rows = wider;
}

LossTargets Classification::targets(const Batch& batch) const {
  LossTargets targets = loss_targets(spec_.loss, batch);
  const std::vector<float> extra =
      spec_.extra_targets ? spec_.extra_targets() : std::vector<float>{};
  if (!extra.empty()) {
    append_columns(targets.values, extra);
    if (targets.weights.defined()) {
      append_columns(targets.weights, std::vector<float>(extra.size(), 1.0f));
    }
  }
  return targets;
}

Var Classification::loss(Tape& tape, const Tensor& pixels, const LossTargets& targets,
                         float share) {
  const Var logits = cast(forward_(tape.constant(normalized(pixels)), {}), DType::f32);
  return mld::loss(spec_.loss, logits, targets, share);
}

Tensor Classification::outputs(const Tensor& pixels, const Tap& tap) {
  return cast(forward_(Var(normalized(pixels)), tap), DType::f32).value;
}

Tensor Classification::scores(const Tensor& outputs) const {
  return (one_label() ? softmax(Var(outputs)) : sigmoid(Var(outputs))).value;
}

// ---- classes by words ---------------------------------------------------------------------------

ZeroShot::ZeroShot(Spec spec, Model& model, const LabelSpace& trained, const LabelSpace& scored)
    : ZeroShot(std::move(spec), model, trained, scored,
               [&model](const Var& images, const Tap& tap) { return model(images, tap); }) {}

ZeroShot::ZeroShot(Spec spec, Model& model, const LabelSpace& trained, const LabelSpace& scored,
                   Forward forward)
    : Classification(std::move(spec), std::move(forward)), model_(model),
      names_(trained.names), trained_(words_of(trained)) {
  score(scored);
}

Tensor ZeroShot::words_of(const LabelSpace& space) const {
  const Tensor& words = space.vectors;
  const int64_t d = model_.word_dim();
  require<UsageError>(words.defined() && words.dtype() == DType::f32 &&
                          words.shape() == Shape{space.size(), d} && space.size() > 0,
                      "classes: the model reads word vectors of {} numbers; {} classes have {}", d,
                      space.size(), words.defined() ? words.shape().str() : "none");
  if (!words.device().is_meta()) {
    const std::vector<float> values = words.to_vector();
    const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
    if (bad != values.end()) {
      fail<UsageError>("classes: the word vector of \"{}\" is not finite",
                       printable(space.names[static_cast<size_t>((bad - values.begin()) / d)]));
    }
  }
  return words;
}

void ZeroShot::score(const LabelSpace& space) {
  const Tensor words = words_of(space);
  std::unordered_map<std::string_view, size_t> rank;
  for (size_t i = 0; i < names_.size(); ++i) {
    rank.emplace(names_[i], i);
  }
  const auto rank_of = [&](size_t k) {
    const auto found = rank.find(space.names[k]);
    return found == rank.end() ? names_.size() : found->second;
  };
  std::vector<size_t> order(space.names.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::less{}, rank_of);
  places_.resize(order.size());
  for (size_t place = 0; place < order.size(); ++place) {
    places_[order[place]] = place;
  }
  if (words.device().is_meta() || std::ranges::is_sorted(order)) {
    scored_ = words;
    return;
  }
  const int64_t d = words.shape()[1];
  const std::vector<float> rows = words.to_vector();
  std::vector<float> sorted;
  for (const size_t k : order) {
    const auto row = rows.begin() + static_cast<int64_t>(k) * d;
    sorted.insert(sorted.end(), row, row + d);
  }
  scored_ = Tensor::from(words.shape(), sorted);
}

// The columns of y, on any device, in the order of places.   [n, K] -> [n, K]
static Tensor with_columns_at(const Tensor& y, const std::vector<size_t>& places) {
  if (y.device().is_meta() || std::ranges::is_sorted(places)) {
    return y;
  }
  const std::vector<float> from = y.to_vector();
  std::vector<float> to;
  for (size_t row = 0; row < from.size(); row += places.size()) {
    for (const size_t place : places) {
      to.push_back(from[row + place]);
    }
  }
  return Tensor::from(y.shape(), to).to(y.device());
}

LossTargets ZeroShot::targets(const Batch& batch) const {
  model_.set_words(trained_);  // how many outputs there will be depends on them
  return Classification::targets(batch);
}

Var ZeroShot::loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) {
  require<UsageError>(loss_row(loss_spec()).embeddings == model_.embeds(),
                      "loss.name {}: needs a model.head that {}; head sdl and loss sdl go together",
                      loss_spec().name,
                      model_.embeds() ? "gives logits" : "gives principal vectors");
  trained_ = trained_.to(pixels.device());
  model_.set_words(trained_);
  LossTargets with_words = targets;
  with_words.words = trained_;
  return Classification::loss(tape, pixels, with_words, share);
}

Tensor ZeroShot::outputs(const Tensor& pixels, const Tap& tap) {
  scored_ = scored_.to(pixels.device());
  model_.set_words(scored_);
  const Tensor outputs = Classification::outputs(pixels, tap);
  return with_columns_at(
      model_.embeds()
          ? sdl_scores(principal_vectors(Var(outputs), model_.word_dim()), scored_).value
          : outputs,
      places_);
}

LabelSpace blank_labels(const ModelSpec& spec) {
  LabelSpace space{.names = std::vector<std::string>(static_cast<size_t>(spec.classes))};
  if (spec.word_dim > 0) {
    space.vectors = Tensor::zeros({spec.classes, spec.word_dim});
  }
  return space;
}

std::unique_ptr<Objective> make_objective(const Config& config, Model& model,
                                          const LabelSpace& trained, const LabelSpace& scored) {
  require<UsageError>(config.task != Task::single_label || config.model.num_random == 0,
                      "model.num_random: exactly one class is right in task single-label, so "
                      "random queries cannot be; use 0");
  Classification::Spec spec{config.task, config.loss, config.preprocess.normalize,
                            config.train.precision, [&model] { return model.extra_targets(); }};
  if (model.reads_prompts()) {
    return std::make_unique<CaptionAlignment>(std::move(spec), config.captions, model, trained,
                                              scored);
  }
  if (model.word_dim() > 0) {
    return std::make_unique<ZeroShot>(std::move(spec), model, trained, scored);
  }
  require<UsageError>(config.task != Task::zero_shot,
                      "task zero-shot needs a model that knows its classes by word vectors");
  return std::make_unique<Classification>(
      std::move(spec), [&model](const Var& images, const Tap& tap) { return model(images, tap); });
}

}  // namespace mld
