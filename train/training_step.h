// One update of a model: forward and backward over a batch, in parts; clipping; the optimiser; the
// moving average. It never waits for the device: loss and gradient norm are fetched later.
//
// With `capture`, two updates run normally, then the launches of one are captured and replayed for
// every batch of the same shape: the same kernels on the same memory, so the same bits. Whatever
// differs between updates is written to that memory first: pictures, targets, the optimiser's
// rates, the step that dropout draws from (Note [Replay] in core/specs.h).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/step_queue.h"
#include "data/loader.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "train/config.h"
#include "train/objective.h"

namespace mld {

struct UpdateSpec {
  int64_t parts = 1;     // of a batch, computed one by one to save memory: optim.grad_accum_steps
  double clip_grad = 0;  // the largest norm of all gradients together; 0 = off
  uint64_t seed = 42;    // of dropout
  bool capture = false;  // train.cuda_graph
};
UpdateSpec update_spec(const Config& config);

class TrainingStep {
 public:
  struct Members {
    Module& model;  // in training mode, on the device
    Objective& objective;  // of that model
    Optimizer& optimizer;
    Ema* average = nullptr;
  };
  // All members must outlive the step and keep their tensors in place: a captured update contains
  // their addresses.
  TrainingStep(const UpdateSpec& spec, Device device, Members members);

  // Queues an update with a batch. `step` counts updates: dropout depends only on it and the seed.
  // Errors: OutOfMemory; the model is then unusable, since an update may have begun.
  void queue(const Batch& batch, const Rates& rates, int64_t step);

  struct Result {
    double loss = 0;  // of the whole batch
    float gradient_norm = 0;
  };
  // The result of the oldest update for which it has not been taken; waits for it.
  Result result();
  // How many updates to queue before taking the oldest one's result, so that neither side waits.
  size_t lag() const { return queue_->lag(); }
  bool captured() const { return graph_ != nullptr; }
  // Frees a captured update and its memory; the next one of that shape is captured anew.
  void release();

  // How many pictures at a time fit into memory for forward and backward, found by halving a part
  // repeatedly; 0 if none. Changes gradients and running statistics: the run cannot continue.
  int64_t fitting_part(const Batch& batch);

 private:
  // An int64 buffer that the host increments, and by how much per update.
  struct Counter {
    Buffer* buffer;
    int64_t before, per_update;
  };

  // The inputs of an update, on the device.
  struct Inputs {
    Tensor images;        // u8 [N, S, S, 3]
    Tensor steps;         // i64 [parts]: the steps of dropout's keys
    Tensor rates;         // StepRates
    LossTargets targets;  // the objective's, of N pictures

    // The tensors that are there, in order; and the same inputs with other memory.
    std::vector<Tensor> list() const;
    Inputs with(const std::vector<Tensor>& list) const;
  };

  void update(const Inputs& inputs);
  void forward_backward(const Inputs& inputs, int64_t begin, int64_t end, int64_t part);
  void capture(const Inputs& inputs);
  void replay(const Inputs& inputs);

  UpdateSpec spec_;
  Device device_;
  Members members_;
  std::unique_ptr<StepQueue> queue_;
  Tensor results_;  // f32 [parts + 1]: losses of the parts, the gradient norm
  Shape last_shape_;  // of the last batch whose update was not captured
  int64_t runs_of_last_shape_ = 0;

  Inputs graph_inputs_;  // declared before graph_, which is destroyed first
  std::vector<Counter> counters_;
  std::unique_ptr<CapturedWork> graph_;
};

// A model with all that its updates need, as the config says.
struct Learner {
  // Moves the model to the device. The classes: see make_objective().
  Learner(const Config& config, Device device, std::unique_ptr<Model> model,
          const LabelSpace& trained = {}, const LabelSpace& scored = {});
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  std::unique_ptr<Model> model;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Optimizer> optimizer;
  std::optional<Ema> average;  // unless train.model_ema_decay = 0
  std::optional<TrainingStep> step;
};

}  // namespace mld
