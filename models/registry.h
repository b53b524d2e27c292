// From a model's description to the model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/backbone.h"
#include "models/model_spec.h"

namespace mld {

// Pictures to logits: a backbone and a head under the names of the published checkpoints.
struct Classifier : Module {
  ModelSpec spec;
  std::unique_ptr<Backbone> backbone;
  std::unique_ptr<Head> head;
  std::string head_name;  // "fc": the head's members are "fc.weight" or "fc.decoder..."

  // Own parts, for models that are not in the registry. The head's prefix is the backbone's choice.
  Classifier(std::unique_ptr<Backbone> backbone, std::unique_ptr<Head> head);

  // images [N, H, W, 3], float32 or bfloat16 -> logits [N, classes] in the same dtype
  Var operator()(const Var& images, const Tap& tap = {});
  void each(Visitor& v) override;
};

// Errors: UsageError for an unknown backbone, head or query kind (lists the known ones), no
// classes, or an embed_dim that the attention heads do not divide.
std::unique_ptr<Classifier> make_model(const ModelSpec& spec);

const std::vector<std::string>& backbone_names();
const std::vector<std::string>& head_names();

}  // namespace mld
