#include "train/hf_config.h"

#include <fmt/ranges.h>

#include "data/text.h"

namespace mld {

// timm's word for how a picture becomes a square.
static const char* crop_mode(ResizeMode resize) {
  constexpr std::array<const char*, 3> kWords{"squash", "center", "border"};
  return kWords[static_cast<size_t>(resize)];
}

std::string hf_config_json(const CheckpointInfo& info, int64_t num_features) {
  std::string names;
  for (const std::string& name : info.class_names) {
    names += (names.empty() ? "" : ", ") + json_string(name);
  }
  const ImageNormSpec norm = image_norm(info.preprocess.normalize);
  const ModelSpec& model = info.model;
  const int64_t S = info.preprocess.image_size;
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
      S, S, json_string(word(info.preprocess.interpolation)), crop_mode(info.preprocess.resize),
      fmt::join(norm.mean, ", "), fmt::join(norm.std, ", "), json_string(word(info.task)),
      json_string(model.head), model.groups, model.embed_dim, model.ffn, json_string(word(model.query)));
}

}  // namespace mld
