// Which parameters an optimiser updates, and with what weight decay.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"

namespace mld {

// A trained parameter as an optimiser sees it.
struct TrainedParameter {
  std::string name;
  Parameter* parameter;
  float weight_decay;
};

// The published split: frozen parameters are left out; one-dimensional tensors and names ending in
// ".bias" are not decayed, everything else is.
std::vector<TrainedParameter> decay_groups(Module& model, float weight_decay);

// ---- gradients of a group, between backward() and step() ----------------------------------------

// The 2-norm of all gradients together, f32 [1] on their device. NaN or Inf if any of them holds
// one.
Tensor gradient_norm(const std::vector<TrainedParameter>& trained);
// Scales the gradients so that their norm is at most max_norm (PyTorch's clip_grad_norm_:
// factor max_norm / (norm + 1e-6)). Returns the norm before; leaves non-finite gradients alone.
Tensor clip_gradients(const std::vector<TrainedParameter>& trained, float max_norm);

}  // namespace mld
