#include "train/hf_config.h"

#include <array>
#include <span>

#include "data/json_writer.h"
#include "train/config_keys.h"

namespace mld {

static const char* crop_mode(ResizeMode resize) {
  constexpr std::array<const char*, 3> kWords{"squash", "center", "border"};
  return kWords[static_cast<size_t>(resize)];
}

static void write_numbers(JsonWriter& json, std::span<const float> numbers) {
  json.array();
  for (const float number : numbers) {
    json.value(rounded(number));
  }
  json.end();
}

// How pictures are prepared, in timm's names.
static void write_pretrained_cfg(JsonWriter& json, const CheckpointInfo& info) {
  const Preprocess& pictures = info.preprocess;
  const ImageNormSpec norm = image_norm(pictures.normalize);
  const BackboneRow& row = backbone_row(info.model);
  json.object().member("num_classes", info.model.classes);
  const int64_t side = pictures.image_size;
  json.key("input_size").array().value(3).value(side).value(side).end();
  json.member("interpolation", word(pictures.interpolation)).member("crop_pct", 1.0);
  json.member("crop_mode", crop_mode(pictures.resize));
  write_numbers(json.key("mean"), norm.mean);
  write_numbers(json.key("std"), norm.std);
  json.member("first_conv", row.first_conv).member("classifier", row.head_name).end();
}

std::string hf_config_json(const CheckpointInfo& info, int64_t num_features) {
  JsonWriter json(JsonWriter::Style::indented);
  json.object().member("architecture", info.model.backbone);
  json.member("num_classes", info.model.classes).member("num_features", num_features);
  json.key("label_names").array();
  for (const std::string& name : info.class_names) {
    json.value(name);
  }
  json.end();
  write_pretrained_cfg(json.key("pretrained_cfg"), info);
  json.key("mldecoder").object().member("task", word(info.task));
  Config config;
  config.model = info.model;
  for (const Key& key : part_keys(Part::model)) {
    if (key.name != "backbone" && key.name != "classes") {  // written above
      write_value(json.key(key.name), key.get(config));
    }
  }
  return json.end().end().text() + "\n";
}

}  // namespace mld
