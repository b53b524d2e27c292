// The task of a model: turns a model and a batch into a loss, and a model and pictures into scores.
// Update, trainer, evaluation and prediction know the task only through this.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "autograd/tape.h"
#include "data/label_space.h"
#include "data/loader.h"
#include "models/model.h"
#include "train/config.h"

namespace mld {

class Objective {
 public:
  virtual ~Objective() = default;

  // The loss's targets from a batch's labels, on the host.   -> values f32 [N, ...]
  virtual LossTargets targets(const Batch& batch) const = 0;
  // The loss, [1], of a part of a batch, the fraction `share` of it; the parts' gradients add up to
  // the whole batch's.   pixels u8 [n, S, S, 3]   targets: their rows, on the same device
  virtual Var loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) = 0;

  // Inference in two steps, so that the model's outputs can be checked (train/finite.h).
  //   pixels u8 [n, S, S, 3] -> outputs f32 [n, K] -> scores [n, K], larger is likelier
  // `tap` sees what passes inside the model.
  virtual Tensor outputs(const Tensor& pixels, const Tap& tap = {}) = 0;
  virtual Tensor scores(const Tensor& outputs) const = 0;
  // Which of the model's own outputs belongs to column k of outputs().
  virtual size_t model_column(size_t k) const { return k; }
  // Whether exactly one class is right for a picture, so that accuracy is meaningful.
  virtual bool one_label() const = 0;
};

// Errors: DataError naming the first sample whose labels do not fit the task (single-label needs
// exactly one per picture).
void check_labels(Task task, const Dataset& split);

// The classes a picture shows: independent of each other (sigmoid), or exactly one (softmax).
class Classification : public Objective {
 public:
  // Normalised pictures [n, S, S, 3] of type `precision` -> logits [n, K].
  using Forward = std::function<Var(const Var& images, const Tap& tap)>;
  struct Spec {
    Task task = Task::multi_label;
    LossSpec loss{};
    Normalize normalize = Normalize::none;
    DType precision = DType::f32;
    // See WordInput::extra_targets(); null: there are none.
    std::function<std::vector<float>()> extra_targets = nullptr;
  };
  Classification(Spec spec, Forward forward)
      : spec_(std::move(spec)), forward_(std::move(forward)) {}

  LossTargets targets(const Batch& batch) const override;
  Var loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) override;
  Tensor outputs(const Tensor& pixels, const Tap& tap = {}) override;
  Tensor scores(const Tensor& outputs) const override;
  bool one_label() const override { return spec_.task == Task::single_label; }

 protected:
  const LossSpec& loss_spec() const { return spec_.loss; }

 private:
  Tensor normalized(const Tensor& pixels) const;

  Spec spec_;
  Forward forward_;
};

// Classification with a model that knows its classes by their word vectors: it learns from some
// classes and is asked for any others. The model's words are set here, before each call; neither
// the trainer nor evaluation knows of them.
class ZeroShot : public Classification {
 public:
  // Both with vectors as wide as model.word_dim(): the classes of training's targets, and those
  // that outputs() scores. The model gets the scored ones in training's order, then the others:
  // what it has learned per class or per query stays where it was.
  // Errors: UsageError if vectors are missing, of another width, of another number than the names,
  // or not finite.
  ZeroShot(Spec spec, Model& model, const LabelSpace& trained, const LabelSpace& scored);

  LossTargets targets(const Batch& batch) const override;
  Var loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) override;
  Tensor outputs(const Tensor& pixels, const Tap& tap = {}) override;  // f32 [n, classes scored]
  size_t model_column(size_t k) const override { return places_[k]; }

  // Other classes for outputs() from now on. Errors: as above.
  void score(const LabelSpace& space);

 protected:
  ZeroShot(Spec spec, Model& model, const LabelSpace& trained, const LabelSpace& scored,
           Forward forward);

  Model& model_;
  std::vector<std::string> names_;  // of training's classes

 private:
  Tensor words_of(const LabelSpace& space) const;

  Tensor trained_, scored_;  // f32 [n, d], moved to the pictures' device on first use
  std::vector<size_t> places_;  // [classes scored] where each is among scored_
};

// The objective of a run (or of a checkpoint) for its model, which must outlive it. A model that
// reads word vectors needs the classes of training and those to score; others ignore them.
// Errors: UsageError for vectors that ZeroShot refuses, and for settings that contradict the model.
std::unique_ptr<Objective> make_objective(const Config& config, Model& model,
                                          const LabelSpace& trained = {},
                                          const LabelSpace& scored = {});

// Nameless classes with vectors of zeros if the model reads any: for whoever measures a model
// without data. It is both spaces of make_objective().
LabelSpace blank_labels(const ModelSpec& spec);

}  // namespace mld
