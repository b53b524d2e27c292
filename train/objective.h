// The task of a model: turns a model and a batch into a loss, and a model and pictures into scores.
// Update, trainer, evaluation and prediction know the task only through this.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "autograd/tape.h"
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
  virtual Tensor outputs(const Tensor& pixels) = 0;
  virtual Tensor scores(const Tensor& outputs) const = 0;
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
  using Forward = std::function<Var(const Var& images)>;
  struct Spec {
    Task task = Task::multi_label;
    LossSpec loss{};
    Normalize normalize = Normalize::none;
    DType precision = DType::f32;
  };
  Classification(Spec spec, Forward forward)
      : spec_(std::move(spec)), forward_(std::move(forward)) {}

  LossTargets targets(const Batch& batch) const override {
    return loss_targets(spec_.loss, batch);
  }
  Var loss(Tape& tape, const Tensor& pixels, const LossTargets& targets, float share) override;
  Tensor outputs(const Tensor& pixels) override;
  Tensor scores(const Tensor& outputs) const override;
  bool one_label() const override { return spec_.task == Task::single_label; }

 private:
  Tensor normalized(const Tensor& pixels) const;

  Spec spec_;
  Forward forward_;
};

// The objective of a run (or of a checkpoint) for its model, which must outlive it.
std::unique_ptr<Objective> make_objective(const Config& config, Model& model);

}  // namespace mld
