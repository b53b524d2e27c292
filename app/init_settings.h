// The settings that `mltrain init` chooses: by the data, the memory and the weights to start from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/device.h"
#include "train/config.h"

namespace mld {

// What a weights file is for.
struct StartingPoint {
  ModelSpec model;        // of another program's file: its backbone, with the head's defaults
  Preprocess preprocess;  // what the weights were trained with
  InitPolicy policy = InitPolicy::backbone;
};
// Reads a checkpoint of ours, or finds the backbone that another program's weights fit.
// Errors: DataError as CheckpointFile's, or if the weights fit no backbone.
StartingPoint starting_point(const std::string& weights, const std::vector<std::string>& classes);

struct DataFacts {
  int64_t pictures = 0;  // to train on
  int64_t classes = 0;
  int64_t side = 0;      // the median of the pictures' shorter sides, pixels; 0 = unknown
  bool one_label = false;  // every picture has exactly one
};

// Fills in everything that `given`, the settings from the command line, does not say.
void choose_settings(const DataFacts& facts, const std::optional<StartingPoint>& start,
                     Device device, const Origins& given, Config& config);

// Halves train.batch_size, then lowers data.image_size, until training fits into the free memory
// with a fifth to spare. `data_bytes`: see RunData::bytes(). Returns why they changed, or "".
std::string fit_memory(const DataFacts& facts, Device device, size_t data_bytes,
                       const Origins& given, Config& config);

// The settings that differ from the defaults, and the most important others, as TOML, each with its
// meaning. Paths are written relative to `folder` if they lie below it.
std::string settings_text(const Config& config, const std::filesystem::path& folder);

}  // namespace mld
