// What one forward pass of a model costs, layer by layer: measured by running the model on meta
// (core/meta/meter.h), not described a second time.
#pragma once

#include "core/meta/ledger.h"
#include "models/registry.h"

namespace mld {

struct ModelSummary {
  std::vector<meta::Line> layers;  // in the order they run, modules by path
  std::vector<meta::Line> stages;  // "stem" .. "layer4", "head"
  meta::Line total;                // its shape is the logits'
  int64_t trainable = 0;           // of total.parameters
  size_t peak = 0;                 // bytes: parameters and the activations alive at once
};

// For one picture, in evaluation, float32.
ModelSummary model_summary(const ModelSpec& spec, int64_t height, int64_t width);

}  // namespace mld
