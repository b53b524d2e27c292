#include "train/hf_config.h"

#include <array>

#include "data/json_writer.h"
#include "train/config_keys.h"

namespace mld {

static const char* crop_mode(ResizeMode resize) {
  constexpr std::array<const char*, 3> kWords{"squash", "center", "border"};
  return kWords[static_cast<size_t>(resize)];
}

static std::array<double, 3> rounded(const std::array<float, 3>& numbers) {
  return {rounded(numbers[0]), rounded(numbers[1]), rounded(numbers[2])};
}

// How pictures are prepared, in timm's names.
static void write_pretrained_cfg(JsonWriter& json, const CheckpointInfo& info) {
  const Preprocess& pictures = info.preprocess;
  const ImageNormSpec norm = image_norm(pictures.normalize);
  const BackboneRow& row = backbone_row(info.model);
  json.object().member("num_classes", info.model.classes);
  const auto input = [](int64_t side) { return std::array{int64_t{3}, side, side}; };
  json.key("input_size").values(input(pictures.image_size));
  json.key("test_input_size").values(input(for_evaluation(pictures).image_size));
  json.member("interpolation", word(pictures.interpolation))
      .member("crop_pct", rounded(pictures.crop_pct));
  json.member("crop_mode", crop_mode(pictures.resize));
  json.key("mean").values(rounded(norm.mean)).key("std").values(rounded(norm.std));
  json.member("first_conv", row.first_conv).member("classifier", row.classifier_name()).end();
}

std::string hf_config_json(const CheckpointInfo& info, int64_t num_features) {
  JsonWriter json(JsonWriter::Style::indented);
  json.object();
  if (const std::string_view name = backbone_row(info.model).timm_name; !name.empty()) {
    json.member("architecture", name);
  }
  json.member("num_classes", info.model.classes).member("num_features", num_features);
  json.key("label_names").values(info.class_names);
  write_pretrained_cfg(json.key("pretrained_cfg"), info);
  json.key("mldecoder").object().member("task", word(info.task));
  const Config config = config_of(info);
  for (const Key& key : part_keys(Part::model)) {
    if (key.name != "classes") {  // written above
      write_value(json.key(key.name), key.get(config));
    }
  }
  return json.end().end().text() + "\n";
}

}  // namespace mld
