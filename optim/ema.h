// The moving average of a model: after every update e <- d * e + (1 - d) * theta, every tensor.
#pragma once

#include <utility>
#include <vector>

#include "nn/module.h"

namespace mld {

// Covers weights, frozen tables and running statistics in float32; integer counters are copied. The
// average starts as a copy of the model. The model must outlive it and stay on its device.
class Ema {
 public:
  Ema(Module& model, double decay);

  void update();
  // The part of update() that happens on the host: integer buffers, which are copied.
  void update_counters();
  // While this object lives, the model computes with the averages (in evaluation mode); then it
  // gets its own values and mode back. update() is not allowed meanwhile.
  class Scope;

  // The averages under the model's names, in disk layout: a state_dict() of the averaged model.
  StateDict state();
  // Errors: DataError if the state does not fit the model.
  void load_state(const StateDict& state);

  double decay() const { return decay_; }

 private:
  void swap();

  Module& model_;
  double decay_;
  std::vector<std::pair<StateTensor*, Tensor>> averages_;
  bool swapped_ = false;
};

class Ema::Scope {
 public:
  explicit Scope(Ema& ema);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Ema& ema_;
  bool training_;
};

}  // namespace mld
