#include "optim/ema.h"

#include "core/kernels.h"

namespace mld {

Ema::Ema(Module& model, double decay) : model_(model), decay_(decay) {
  require<UsageError>(0 <= decay && decay < 1, "train.model_ema_decay must be in [0, 1), got {}",
                      decay);
  for (const auto& [name, t] : state_tensors(model)) {
    require(t->value.defined(), "ema: {} has no value; initialize() or load_state() first", name);
    averages_.emplace_back(t, t->value.clone());
  }
}

void Ema::update() {
  require(!swapped_, "ema: update() called while the model holds the averages");
  std::vector<std::pair<Tensor, Tensor>> floats;
  for (const auto& [t, average] : averages_) {
    if (is_float(t->dtype)) {
      floats.emplace_back(average, t->value);
    }
  }
  update_counters();
  if (!floats.empty()) {
    const Device device = floats.front().first.device();
    KERNEL(device, ema_update)(floats, decay_);
  }
}

void Ema::update_counters() {
  for (auto& [t, average] : averages_) {
    if (!is_float(t->dtype)) {
      average = t->value.clone();
    }
  }
}

void Ema::swap() {
  for (auto& [t, average] : averages_) {
    std::swap(t->value, average);
  }
  swapped_ = !swapped_;
  unfold_batch_norm(model_);
}

StateDict Ema::state() {
  if (swapped_) {
    return state_dict(model_);
  }
  swap();
  StateDict state = state_dict(model_);
  swap();
  return state;
}

void Ema::load_state(const StateDict& state) {
  require(!swapped_, "ema: load_state() called while the model holds the averages");
  // load_state() replaces tensors only after everything has been checked.
  swap();
  try {
    mld::load_state(model_, state);
  } catch (...) {
    swap();
    throw;
  }
  swap();
}

Ema::Scope::Scope(Ema& ema) : ema_(ema), training_(ema.model_.training) {
  require(!ema.swapped_, "ema: a Scope is active already");
  ema_.swap();
  set_training(ema_.model_, false);
}

Ema::Scope::~Scope() {
  ema_.swap();
  set_training(ema_.model_, training_);
}

}  // namespace mld
