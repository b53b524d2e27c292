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
  float lr_scale = 1;
};

// The layer that each parameter of a model belongs to, from 0 (the stem), as timm counts them: a
// residual block is a layer ("layer1.0", "body.layer1.0", "blocks.2.1"), so is what precedes the
// blocks, what follows them in the backbone, and the head, which has the last name's first word.
//   names: of all parameters, in the order of each() -> [names]
std::vector<int64_t> layers_of(const std::vector<std::string>& names);

// The published split: frozen parameters are left out; one-dimensional tensors, names ending in
// ".bias" and parameters that say so are not decayed, everything else is. The last layer (see
// layers_of) has the whole learning rate, each layer below `layer_decay` times that of the one
// above (timm's param_groups_layer_decay).
std::vector<TrainedParameter> decay_groups(Module& model, double weight_decay,
                                           double layer_decay = 1);

// ---- gradients of a group, between backward() and step() ----------------------------------------

// The 2-norm of all gradients together, f32 [1] on their device. NaN or Inf if any of them holds
// one.
Tensor gradient_norm(const std::vector<TrainedParameter>& trained);
// Scales the gradients so that their norm is at most max_norm (PyTorch's clip_grad_norm_:
// factor max_norm / (norm + 1e-6)). Returns the norm before; leaves non-finite gradients alone.
Tensor clip_gradients(const std::vector<TrainedParameter>& trained, float max_norm);

}  // namespace mld
