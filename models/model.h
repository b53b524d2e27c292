// What training, evaluation and checkpoints hold: anything that turns pictures into outputs.
#pragma once

#include "models/backbone.h"
#include "models/model_spec.h"

namespace mld {

struct Model : Module, WordInput {
  ModelSpec spec;  // what a checkpoint needs to rebuild it

  // images [N, H, W, 3], float32 or bfloat16 -> outputs [N, K] in the same dtype; K: the classes,
  // spec.classes or those of set_words(); see WordInput for what else they may be
  virtual Var operator()(const Var& images, const Tap& tap = {}) = 0;
  // Channels of the last feature map.
  virtual int64_t features() const = 0;
};

}  // namespace mld
