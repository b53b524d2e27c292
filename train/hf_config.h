// weights/config.json: a model's description in the vocabulary of timm and the Hugging Face hub,
// for programs that look for it beside the weights. Everything mlinfer needs is in the weights
// themselves.
#pragma once

#include <string>

#include "train/checkpoint.h"

namespace mld {

// One JSON object: architecture (timm's name; absent if timm has no such network), num_classes,
// num_features (C of the feature map), label_names, pretrained_cfg (how pictures are prepared) and,
// for settings unknown to timm, "mldecoder".
std::string hf_config_json(const CheckpointInfo& info, int64_t num_features);

}  // namespace mld
