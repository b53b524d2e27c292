#include "train/hf_config.h"

#include <fmt/ranges.h>

#include "data/text.h"
#include "train/assemble.h"

namespace mld {

// timm's word for how a picture becomes a square.
static const char* crop_mode(const std::string& resize) {
  return resize == "squash" ? "squash" : resize == "crop" ? "center" : "border";
}

std::string hf_config_json(const CheckpointInfo& info, int64_t num_features) {
  std::string names;
  for (const std::string& name : info.class_names) {
    names += (names.empty() ? "" : ", ") + json_string(name);
  }
  const ImageNormSpec norm = image_norm(info.normalize);
  const ModelSpec& model = info.model;
  return fmt::format(
      R"({{
  "architecture": {},
  "num_classes": {},
  "num_features": {},
  "label_names": [{}],
  "pretrained_cfg": {{
    "num_classes": {},
    "input_size": [3, {}, {}],
    "interpolation": {},
    "crop_pct": 1.0,
    "crop_mode": "{}",
    "mean": [{}],
    "std": [{}],
    "first_conv": "conv1",
    "classifier": "fc"
  }},
  "mldecoder": {{
    "task": {},
    "head": {},
    "groups": {},
    "embed_dim": {},
    "ffn": {},
    "query": {}
  }}
}}
)",
      json_string(model.backbone), model.classes, num_features, names, model.classes,
      info.image_size, info.image_size, json_string(info.interpolation), crop_mode(info.resize),
      fmt::join(norm.mean, ", "), fmt::join(norm.std, ", "), json_string(info.task),
      json_string(model.head), model.groups, model.embed_dim, model.ffn, json_string(model.query));
}

}  // namespace mld
