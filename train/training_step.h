// One update of a model: forward and backward over a batch, in parts; clipping; the optimiser; the
// moving average. Nothing in it waits for the device: loss and gradient norm are fetched later.
//
// With `capture` the launches of an update are captured once, after two updates that are not,
// and replayed for every batch of the same shape: the same kernels on the same memory, so
// the same bits. What differs from update to update is put into that memory before: pictures,
// targets, the optimiser's rates, the step that dropout draws from (Note [Replay] in core/specs.h).
#pragma once

#include <memory>
#include <vector>

#include "core/step_queue.h"
#include "data/loader.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "train/config.h"
#include "train/objective.h"

namespace mld {

struct UpdateSpec {
  int64_t parts = 1;     // a batch is computed in, to save memory: optim.grad_accum_steps
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
  // All of them must outlive it, and keep their tensors where they are: a captured update knows
  // addresses.
  TrainingStep(const UpdateSpec& spec, Device device, Members members);

  // Queues the update from a batch. `step` counts updates: dropout depends on it and the seed
  // alone. Errors: OutOfMemory. The model is then of no further use: an update may have begun.
  void queue(const Batch& batch, const Rates& rates, int64_t step);

  struct Result {
    double loss = 0;  // of the whole batch
    float gradient_norm = 0;
  };
  // Of the oldest update whose result has not been taken; waits for it.
  Result result();
  // How many updates should be queued before the oldest's result is taken, so that nobody waits.
  size_t lag() const { return queue_->lag(); }
  bool captured() const { return graph_ != nullptr; }
  // Lets go of a captured update and the memory it keeps; the next of that shape is captured anew.
  void release();

  // How many pictures at a time, of one part's number halved again and again, have memory for
  // forward and backward; 0 if none. Leaves gradients and running statistics changed: the run is
  // over.
  int64_t fitting_part(const Batch& batch);

 private:
  // An int64 buffer that the host counts up, by how much an update.
  struct Counter {
    Buffer* buffer;
    int64_t before, per_update;
  };

  // What an update reads, on the device.
  struct Inputs {
    Tensor images;   // u8 [N, S, S, 3]
    Tensor targets;  // what the objective made of the labels, f32 [N, ...]
    Tensor steps;    // i64 [parts]: what dropout's keys count
    Tensor rates;    // StepRates
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
  Shape last_shape_;  // of the last images that were not captured
  int64_t runs_of_last_shape_ = 0;

  Inputs graph_inputs_;  // declared before graph_, which is destroyed first
  std::vector<Counter> counters_;
  std::unique_ptr<CapturedWork> graph_;
};

}  // namespace mld
