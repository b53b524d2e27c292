// Optimisers: Adam with coupled L2 (the published recipe), AdamW, SGD with Nesterov momentum, LAMB.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/module.h"
#include "optim/groups.h"
#include "optim/schedule.h"

namespace mld {

// Config section [optim], and make_optimizer()'s argument. The keys are explained in
// train/config_keys.cpp.
struct OptimizerSpec {
  std::string name = "adam_l2";  // see optimizers()
  double lr = 1e-4, weight_decay = 1e-4;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 0;  // 0: the optimiser's own default (Adam 1e-8, LAMB 1e-6)
  double momentum = 0.9;
  double layer_decay = 1;  // of the learning rate, from each layer to the one below; see groups.h
  double clip_grad = 0;  // 0: off
  int64_t grad_accum_steps = 1;
  double max_grad_norm = 1;  // lamb: all gradients together are clipped to this; no config key

  // What the schedule gives as Rates::beta1 when it does not cycle it.
  // Errors: UsageError for an unknown name.
  double beta1() const;
};

// Updates a model's trained parameters from their gradients. State is float32, on the parameters'
// device, in their memory layout.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update. rates.beta1 is Adam's and LAMB's beta1, SGD's momentum. An undefined gradient
  // counts as zero. Gradients are left unchanged: call clear_gradients() afterwards.
  void step(const Rates& rates) { apply(prepare(rates).to(device())); }
  // Its two halves. prepare() counts the update and returns its StepRates, on the CPU; apply()
  // takes them on the device and makes the same launches each time (Note [Replay] in core/specs.h).
  Tensor prepare(const Rates& rates);
  virtual void apply(const Tensor& rates) = 0;

  // Updates made so far, and the moments: what a resumed run needs to continue bit for bit.
  // Names: "step" (int64 [1]), "m.<parameter>", "v.<parameter>" ("momentum.<parameter>" for SGD).
  StateDict state() const;
  // Errors: DataError for a missing, unexpected or mis-shaped entry.
  void load_state(const StateDict& state);

  int64_t steps() const { return steps_; }
  const std::vector<TrainedParameter>& trained_parameters() const { return trained_; }

 protected:
  // All moments zero. The parameters must have their values.
  Optimizer(const OptimizerSpec& spec, std::vector<TrainedParameter> trained, float beta2);

  const Tensor& moment(size_t which, size_t parameter) const { return moments_[which][parameter]; }
  // Of trained_parameters()[i]; zeros if undefined.
  Tensor gradient(size_t i) const;
  Device device() const;

 private:
  int64_t steps_ = 0;
  float beta2_;
  std::vector<TrainedParameter> trained_;
  std::span<const std::string_view> names_;   // of the moments
  std::vector<std::vector<Tensor>> moments_;  // [moment][parameter]
};

// The table of optimisers.
struct OptimizerRow {
  std::string_view name;
  std::unique_ptr<Optimizer> (*make)(const OptimizerSpec& spec,
                                     std::vector<TrainedParameter> trained);
  std::span<const std::string_view> moments;  // float32 tensors kept for every parameter
  bool momentum;  // Rates::beta1 is optim.momentum, not the first of optim.betas
};
std::span<const OptimizerRow> optimizers();
// Errors: UsageError for an unknown name.
const OptimizerRow& optimizer_row(const OptimizerSpec& spec);

// An optimiser over decay_groups(model, spec.weight_decay, spec.layer_decay). The model must have
// its values, on the device where it is trained. Errors: UsageError for an unknown name.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerSpec& spec, Module& model);

}  // namespace mld
